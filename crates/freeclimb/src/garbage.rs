//! Whatever arrives, parsing ends with a value or an error.

use serde_json::{Map, Value, json};

use crate::page::ListRequest;
use crate::request::{
    AccountUpdate, ApplicationUpdate, CallFilter, ConferenceFilter, LogFilter, NewCallRequest,
    NumberFilter, NumberPurchase, NumberUpdate, ParticipantFilter, QueueFilter, QueueMemberFilter,
    RecordingFilter, WebRtcTokenRequest, create_conference, filter_logs, members, queue_options,
    update_call, update_conference, update_participant,
};
use crate::{date, percl, pql};

const SEED: u64 = 0x7d1a_55e0_0c0f_fee5;

const ROUNDS: usize = 100_000;

const SCRIPTS: [&str; 6] = [
    r#"[{"Say":{"text":"hällo","language":"en-US","loop":1}},{"Pause":{"length":"500"}}]"#,
    r#"[{"AddToConference":{"conferenceId":"CF0303030303030303030303030303030303030303","talk":true}}]"#,
    r#"[{"CreateConference":{"actionUrl":"https://app.example/a","alias":false,"playBeep":"never"}}]"#,
    r##"[{"GetDigits":{"actionUrl":"https://app.example/a","prompts":[{"Say":{"text":"PIN?"}}],"finishOnKey":"#"}}]"##,
    r#"[{"SendDigits":{"digits":"1{2}3*","pauseMs":100}},{"OutDial":{"destination":"+15550101","callingNumber":"sip:a@[::1]:5060;transport=tcp","actionUrl":"https://a.example","callConnectUrl":"https://a.example"}}]"#,
    r#"[{"TranscribeUtterance":{"actionUrl":"https://app.example/a","record":{"maxLengthSec":60}}}]"#,
];

const BODIES: [&str; 6] = [
    r#"{"alias":"demo","playBeep":"never","record":true,"waitUrl":"https://app.example/w"}"#,
    r#"{"status":"terminated","talk":false,"listen":null,"applicationId":null}"#,
    r#"{"phoneNumber":"+15550101","voiceUrl":"https://app.example/v","smsUrl":""}"#,
    r#"{"from":"+15550100","to":"sip:a@host.example:5060","callConnectUrl":"https://a.example","sendDigits":"1{2}","ifMachine":"hangup"}"#,
    r#"{"to":"+15550101","from":"alice","uses":3}"#,
    r#"{"pql":"level = \"error\" AND (timestamp > 5 OR callId CONTAINS \"CA\")","maxSize":7}"#,
];

const QUERIES: [&str; 6] = [
    "status=empty&alias=a%20b&dateCreated=2024-02-29&talk=true",
    "active=true&to=%2B15550101&startTime=2024-05-01+08:00:00&applicationId=AP06",
    "cursor=636f6e666572656e6365732031203137303030303030203030",
    "pql=level%20%3D%20%22info%22&maxItems=5",
    "5 < timestamp < 2020-06-22T19:42:53.376Z AND (level = \"info\" OR message CONTAINS \"é\")",
    "2020-06-22T19:42:53.376+02:00",
];

#[test]
fn garbage_is_refused_and_never_panics() {
    let mut random = Random(SEED);
    let mut accepted = 0;
    for round in 0..ROUNDS {
        let pick = round % 6;
        let script = random.damage(SCRIPTS[pick].as_bytes());
        accepted += usize::from(percl::parse(&script).is_ok());

        if let Ok(attributes) = members(&random.damage(BODIES[pick].as_bytes())) {
            accepted += usize::from(create_conference(&attributes).is_ok());
            let _ = update_conference(&attributes);
            let _ = update_participant(&attributes);
            let _ = update_call(&attributes);
            let _ = AccountUpdate::parse(&attributes);
            let _ = ApplicationUpdate::parse(&attributes);
            let _ = NumberPurchase::parse(&attributes);
            let _ = NumberUpdate::parse(&attributes);
            let _ = NewCallRequest::parse(&attributes);
            let _ = WebRtcTokenRequest::parse(&attributes);
            let _ = queue_options(&attributes);
            let _ = filter_logs(&attributes);
        }

        let query = random.damage(QUERIES[pick].as_bytes());
        let query = String::from_utf8_lossy(&query);
        accepted += usize::from(ListRequest::<ConferenceFilter>::parse(&query).is_ok());
        let _ = ListRequest::<ParticipantFilter>::parse(&query);
        let _ = ListRequest::<CallFilter>::parse(&query);
        let _ = ListRequest::<RecordingFilter>::parse(&query);
        let _ = ListRequest::<NumberFilter>::parse(&query);
        let _ = ListRequest::<QueueFilter>::parse(&query);
        let _ = ListRequest::<QueueMemberFilter>::parse(&query);
        let _ = ListRequest::<LogFilter>::parse(&query);
        let _ = pql::parse(&query);
        let _ = date::day(&query);
        let _ = date::moment(&query);
        let _ = date::instant(&query);
    }
    // Both outcomes were reached, or the damage proves nothing.
    assert!(
        accepted > ROUNDS / 10,
        "seed {SEED:#x}: {accepted} accepted"
    );
    assert!(accepted < 3 * ROUNDS, "seed {SEED:#x}: {accepted} accepted");
}

/// Well-formed JSON of every command with attributes that mean something somewhere: an accepted
/// script has exactly the commands that were written.
#[test]
fn any_mixture_of_commands_and_attributes_is_understood_or_refused() {
    let mut random = Random(SEED);
    let (mut understood, mut refused) = (0, 0);
    for _ in 0..ROUNDS {
        let length = 1 + random.next(3);
        let commands: Vec<_> = (0..length).map(|_| random.command(2)).collect();
        let body = Value::from(commands).to_string();
        match percl::parse(body.as_bytes()) {
            Ok(script) => {
                assert_eq!(script.commands.len(), length, "{body}");
                understood += 1;
            }
            Err(malformed) => {
                assert!(!malformed.to_string().is_empty());
                refused += 1;
            }
        }
    }
    assert!(understood > ROUNDS / 50, "seed {SEED:#x}: {understood}");
    assert!(refused > ROUNDS / 50, "seed {SEED:#x}: {refused}");
}

/// Queries made of PQL's own words in any order.
#[test]
fn any_mixture_of_pql_is_understood_or_refused_at_a_place_in_it() {
    const WORDS: [&str; 20] = [
        "(",
        ")",
        "AND",
        "or",
        "level",
        "callId",
        "message",
        "timestamp",
        "=",
        "!=",
        "<",
        "<=",
        ">",
        "CONTAINS",
        "\"info\"",
        "\"é(\\\"\"",
        "5",
        "2020-06-22",
        "\"",
        " ",
    ];
    const SENTENCES: [[&str; 3]; 4] = [
        ["level", "=", "\"info\""],
        ["5", "<", "timestamp"],
        ["timestamp", ">=", "2020-06-22"],
        ["message", "CONTAINS", "\"x\""],
    ];
    let mut random = Random(SEED);
    let (mut understood, mut refused) = (0, 0);
    for _ in 0..ROUNDS {
        let mut words: Vec<&str> = Vec::new();
        for _ in 0..1 + random.next(4) {
            if random.next(3) == 0 {
                words.push(WORDS[random.next(WORDS.len())]);
            } else {
                if !words.is_empty() {
                    words.push(["AND", "OR"][random.next(2)]);
                }
                words.extend(SENTENCES[random.next(4)]);
            }
        }
        let query = words.join([" ", ""][random.next(2)]);
        match pql::parse(&query) {
            Ok(_) => understood += 1,
            Err(bad) => {
                let characters = query.chars().count();
                assert!((1..=characters + 1).contains(&bad.character), "{query}");
                refused += 1;
            }
        }
    }
    assert!(understood > ROUNDS / 50, "seed {SEED:#x}: {understood}");
    assert!(refused > ROUNDS / 50, "seed {SEED:#x}: {refused}");
}

/// A xorshift generator.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }

    /// A command with attributes, its own for the most part.
    fn command(&mut self, depth: usize) -> Value {
        let (name, required) = COMMANDS[self.next(COMMANDS.len())];
        let mut attributes = Map::new();
        for name in required {
            let value = match self.next(20) {
                0 => self.value(depth),
                _ => fitting(name),
            };
            attributes.insert((*name).to_owned(), value);
        }
        for _ in 0..self.next(4) {
            let name = ATTRIBUTES[self.next(ATTRIBUTES.len())];
            let value = match self.next(4) {
                0 => self.value(depth),
                _ => fitting(name),
            };
            attributes.insert(name.to_owned(), value);
        }
        json!({ name: attributes })
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.next(12) {
            0 => Value::Null,
            1 => json!(true),
            2 => json!(0),
            3 => json!(-1),
            4 => json!(1.5),
            5 => json!(u64::MAX),
            6 => json!(""),
            7 => json!("#"),
            8 => json!("+15550101"),
            9 => json!("sip:a@b;user=phone"),
            10 if depth > 0 => json!([self.command(depth - 1)]),
            10 | 11 => json!({"parameters": {"language": "de-DE", "textType": "ssml"}}),
            _ => Value::Null,
        }
    }

    /// The bytes with a few of them changed, lost, repeated or cut off.
    fn damage(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..self.next(4) {
            if bytes.is_empty() {
                break;
            }
            let at = self.next(bytes.len());
            match self.next(6) {
                0 => bytes[at] = self.next(256) as u8,
                1 => bytes[at] = b"{}[]\",:\\0-e%+&="[self.next(15)],
                2 => drop(bytes.remove(at)),
                3 => bytes.insert(at, self.next(128) as u8),
                4 => bytes.truncate(at),
                _ => {
                    let tail = bytes[at..].to_vec();
                    bytes.extend(tail);
                }
            }
        }
        bytes
    }
}

/// Every command, with the attributes that it cannot do without.
const COMMANDS: [(&str, &[&str]); 27] = [
    ("Say", &["text"]),
    ("Play", &["file"]),
    ("Pause", &["length"]),
    ("PlayEarlyMedia", &["file"]),
    ("GetDigits", &["actionUrl"]),
    ("SendDigits", &["digits"]),
    ("RecordUtterance", &["actionUrl"]),
    ("TranscribeUtterance", &["actionUrl"]),
    ("StartRecordCall", &[]),
    (
        "OutDial",
        &[
            "destination",
            "callingNumber",
            "actionUrl",
            "callConnectUrl",
        ],
    ),
    ("Redirect", &["actionUrl"]),
    ("Reject", &[]),
    ("Hangup", &[]),
    ("Park", &["waitUrl", "actionUrl"]),
    ("Unpark", &[]),
    ("Enqueue", &["queueId", "waitUrl", "actionUrl"]),
    ("Dequeue", &[]),
    ("CreateConference", &["actionUrl"]),
    ("AddToConference", &["conferenceId"]),
    ("RemoveFromConference", &[]),
    ("TerminateConference", &[]),
    ("SetTalk", &[]),
    ("SetListen", &[]),
    ("SetDTMFPassThrough", &[]),
    ("Sms", &[]),
    ("GetSpeech", &[]),
    ("AudioStream", &[]),
];

/// Attributes that some command reads.
const ATTRIBUTES: [&str; 23] = [
    "loop",
    "language",
    "engine",
    "privacyMode",
    "prompts",
    "finishOnKey",
    "initialTimeoutMs",
    "minDigits",
    "maxDigits",
    "flushBuffer",
    "pauseMs",
    "record",
    "maxLengthSec",
    "autoStart",
    "sendDigits",
    "ifMachine",
    "ifMachineUrl",
    "timeout",
    "notificationUrl",
    "conferenceId",
    "callId",
    "talk",
    "alias",
];

/// A value that makes sense for an attribute of this name.
fn fitting(name: &str) -> Value {
    match name {
        "text" | "language" | "alias" => json!("en-US"),
        "file" => json!("/Accounts/AC00/Recordings/RE00/Download"),
        "length" | "loop" | "pauseMs" | "timeout" | "maxLengthSec" | "minDigits" | "maxDigits"
        | "initialTimeoutMs" => json!(7),
        "digits" | "sendDigits" => json!("1{2}3#"),
        "destination" => json!("sip:bob@host.example"),
        "callingNumber" => json!("+15550100"),
        "conferenceId" => json!(format!("CF{}", "0".repeat(40))),
        "callId" => json!(format!("CA{}", "0".repeat(40))),
        "queueId" => json!(format!("QU{}", "0".repeat(40))),
        "finishOnKey" => json!("*"),
        "ifMachine" => json!("redirect"),
        "engine" => json!({"name": "freeclimb.neural", "parameters": {"language": "fr-FR"}}),
        "prompts" => json!([{"Say": {"text": "a"}}, {"Pause": {"length": 1}}]),
        "flushBuffer" | "autoStart" | "talk" | "privacyMode" | "record" => json!(true),
        url => json!(format!("https://app.example/{url}")),
    }
}
