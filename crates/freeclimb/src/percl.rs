//! PerCL, the language in which an application answers a command webhook.

use std::time::Duration;

use serde_json::{Map, Value};
use tutti_control_plane::{AddToConference, Command, CreateConference, Script};
use tutti_model::Repeat;

use crate::attributes::{
    Attributes, BadAttribute, Fault, MAX_URL_BYTES, bad, is_http_url, kind, required,
};

/// The longest text of a `Say`, in bytes.
const MAX_TEXT_BYTES: usize = 4096;

/// The longest text of any other attribute, in bytes.
const MAX_WORD_BYTES: usize = 256;

/// The commands of PerCL that are not run yet.
const UNSUPPORTED: [&str; 17] = [
    "AudioStream",
    "Dequeue",
    "Enqueue",
    "GetDigits",
    "GetSpeech",
    "OutDial",
    "Park",
    "PlayEarlyMedia",
    "RecordUtterance",
    "SendDigits",
    "SetDTMFPassThrough",
    "SetListen",
    "SetTalk",
    "Sms",
    "StartRecordCall",
    "TranscribeUtterance",
    "Unpark",
];

/// Why a script cannot be understood. Commands are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("the script is not JSON: {reason}")]
    NotJson { reason: String },
    #[error("a script must be an array of commands, not {found}")]
    NotAnArray { found: &'static str },
    #[error("command {command} must be an object, not {found}")]
    NotAnObject { command: usize, found: &'static str },
    #[error("command {command} must be an object with one name, not {names}")]
    NotOneName { command: usize, names: usize },
    #[error("command {command}: PerCL has no command {name:?}")]
    NoSuchCommand { command: usize, name: String },
    #[error("command {command}, {name}: the attributes must be an object, not {found}")]
    NoAttributes {
        command: usize,
        name: &'static str,
        found: &'static str,
    },
    #[error("command {command}, {name}.{bad}")]
    BadAttribute {
        command: usize,
        name: &'static str,
        bad: BadAttribute,
    },
}

/// Understands a script. An empty body is a script without commands.
///
/// Attributes that are null, unknown or of old are as good as absent. Commands behind a terminal
/// one are never run, but must be PerCL all the same.
pub fn parse(body: &[u8]) -> Result<Script, Malformed> {
    // Some frameworks put a byte order mark in front of what they write.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.trim_ascii().is_empty() {
        return Ok(Script::default());
    }
    let value = serde_json::from_slice(body).map_err(|error| Malformed::NotJson {
        reason: error.to_string(),
    })?;
    let Value::Array(elements) = value else {
        let found = kind(&value);
        return Err(Malformed::NotAnArray { found });
    };
    let commands = elements
        .into_iter()
        .enumerate()
        .map(|(index, element)| element_to_command(index + 1, element))
        .collect::<Result<_, _>>()?;
    Ok(Script { commands })
}

fn element_to_command(command: usize, element: Value) -> Result<Command, Malformed> {
    let Value::Object(members) = element else {
        let found = kind(&element);
        return Err(Malformed::NotAnObject { command, found });
    };
    let names = members.len();
    let mut members = members.into_iter();
    let (Some((name, value)), None) = (members.next(), members.next()) else {
        return Err(Malformed::NotOneName { command, names });
    };
    let Some(grammar) = grammar(&name) else {
        let name = name.chars().take(40).collect();
        return Err(Malformed::NoSuchCommand { command, name });
    };
    let name = grammar.name;
    match value {
        Value::Object(attributes) => {
            read(&grammar, attributes).map_err(|bad| Malformed::BadAttribute { command, name, bad })
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            let found = kind(&value);
            Err(Malformed::NoAttributes {
                command,
                name,
                found,
            })
        }
    }
}

/// How the attributes of one command are read.
struct Grammar {
    name: &'static str,
    /// `None` for commands that are not run yet, whatever their attributes.
    read: Option<Read>,
}

type Read = fn(&Attributes) -> Result<Command, BadAttribute>;

fn grammar(name: &str) -> Option<Grammar> {
    const GRAMMARS: [Grammar; 10] = [
        Grammar::of("Say", say),
        Grammar::of("Play", play),
        Grammar::of("Pause", pause),
        Grammar::of("CreateConference", create_conference),
        Grammar::of("AddToConference", add_to_conference),
        Grammar::of("RemoveFromConference", |_| {
            Ok(Command::RemoveFromConference)
        }),
        Grammar::of("TerminateConference", |_| Ok(Command::TerminateConference)),
        Grammar::of("Redirect", redirect),
        Grammar::of("Reject", reject),
        Grammar::of("Hangup", hangup),
    ];
    let unsupported = UNSUPPORTED.map(|name| Grammar { name, read: None });
    GRAMMARS
        .into_iter()
        .chain(unsupported)
        .find(|grammar| grammar.name == name)
}

impl Grammar {
    const fn of(name: &'static str, read: Read) -> Grammar {
        let read = Some(read);
        Grammar { name, read }
    }
}

fn read(grammar: &Grammar, members: Map<String, Value>) -> Result<Command, BadAttribute> {
    match grammar.read {
        Some(read) => read(&Attributes::new(members)),
        None => Ok(Command::Unsupported {
            name: grammar.name.to_owned(),
        }),
    }
}

fn say(attributes: &Attributes) -> Result<Command, BadAttribute> {
    Ok(Command::Say {
        text: required("text", attributes.text("text", MAX_TEXT_BYTES)?)?,
        language: attributes
            .text("language", MAX_WORD_BYTES)?
            .unwrap_or_else(|| "en-US".to_owned()),
        repeat: repeat(attributes)?,
    })
}

fn play(attributes: &Attributes) -> Result<Command, BadAttribute> {
    let file = required("file", attributes.text("file", MAX_URL_BYTES)?)?;
    // A recording may be named by the path under which the API serves it.
    if !is_http_url(&file) && !file.starts_with("/Accounts/") {
        return Err(bad("file", Fault::NotAUrl));
    }
    let repeat = repeat(attributes)?;
    Ok(Command::Play { file, repeat })
}

fn pause(attributes: &Attributes) -> Result<Command, BadAttribute> {
    let length_ms = required("length", attributes.number("length")?)?;
    Ok(Command::Pause {
        length: Duration::from_millis(u64::from(length_ms)),
    })
}

fn create_conference(attributes: &Attributes) -> Result<Command, BadAttribute> {
    Ok(Command::CreateConference(CreateConference {
        action_url: required("actionUrl", attributes.url("actionUrl")?)?,
        alias: attributes.alias("alias")?,
        play_beep: attributes.choice("playBeep")?.unwrap_or_default(),
        record: attributes.bool("record")?.unwrap_or(false),
        wait_url: attributes.url("waitUrl")?,
        status_callback_url: attributes.url("statusCallbackUrl")?,
    }))
}

fn add_to_conference(attributes: &Attributes) -> Result<Command, BadAttribute> {
    Ok(Command::AddToConference(AddToConference {
        conference: required("conferenceId", attributes.id("conferenceId")?)?,
        start_conf_on_enter: attributes.bool("startConfOnEnter")?.unwrap_or(true),
        talk: attributes.bool("talk")?.unwrap_or(true),
        listen: attributes.bool("listen")?.unwrap_or(true),
        dtmf_pass_through: attributes.bool("dtmfPassThrough")?.unwrap_or(true),
        allow_call_control: attributes.bool("allowCallControl")?.unwrap_or(false),
        call_control_sequence: keys(attributes, "callControlSequence")?,
        call_control_url: attributes.url("callControlUrl")?,
        leave_conference_url: attributes.url("leaveConferenceUrl")?,
        notification_url: attributes.url("notificationUrl")?,
    }))
}

fn redirect(attributes: &Attributes) -> Result<Command, BadAttribute> {
    let action_url = required("actionUrl", attributes.url("actionUrl")?)?;
    Ok(Command::Redirect { action_url })
}

fn reject(attributes: &Attributes) -> Result<Command, BadAttribute> {
    let reason = attributes.text("reason", MAX_WORD_BYTES)?;
    Ok(Command::Reject { reason })
}

fn hangup(attributes: &Attributes) -> Result<Command, BadAttribute> {
    let reason = attributes.text("reason", MAX_WORD_BYTES)?;
    Ok(Command::Hangup { reason })
}

fn repeat(attributes: &Attributes) -> Result<Repeat, BadAttribute> {
    Ok(match attributes.number("loop")? {
        Some(0) => Repeat::Forever,
        Some(times) => Repeat::Times(times),
        None => Repeat::Times(1),
    })
}

fn keys(attributes: &Attributes, attribute: &'static str) -> Result<Option<String>, BadAttribute> {
    match attributes.text(attribute, MAX_WORD_BYTES)? {
        None => Ok(None),
        Some(text) if text.is_empty() => Ok(None),
        Some(text) if text.chars().all(|key| matches!(key, '0'..='9' | '*' | '#')) => {
            Ok(Some(text))
        }
        Some(_) => Err(bad(attribute, Fault::NotKeys)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tutti_control_plane::PlayBeep;
    use tutti_model::ConferenceId;

    use super::*;

    #[test]
    fn each_command_is_understood_with_its_defaults() {
        let table = [
            (
                json!({"Say": {"text": "Welcome."}}),
                Command::Say {
                    text: "Welcome.".to_owned(),
                    language: "en-US".to_owned(),
                    repeat: Repeat::Times(1),
                },
            ),
            (
                json!({"Play": {"file": "https://app.example/jazz.wav"}}),
                Command::Play {
                    file: "https://app.example/jazz.wav".to_owned(),
                    repeat: Repeat::Times(1),
                },
            ),
            (
                json!({"Pause": {"length": 1500}}),
                Command::Pause {
                    length: Duration::from_millis(1500),
                },
            ),
            (
                json!({"CreateConference": {"actionUrl": "https://app.example/made"}}),
                Command::CreateConference(created()),
            ),
            (
                json!({"AddToConference": {"conferenceId": conference()}}),
                Command::AddToConference(added()),
            ),
            (
                json!({"RemoveFromConference": {}}),
                Command::RemoveFromConference,
            ),
            (
                json!({"TerminateConference": {}}),
                Command::TerminateConference,
            ),
            (
                json!({"Redirect": {"actionUrl": "http://app.example/more"}}),
                Command::Redirect {
                    action_url: "http://app.example/more".to_owned(),
                },
            ),
            (json!({"Reject": {}}), Command::Reject { reason: None }),
            (json!({"Hangup": {}}), Command::Hangup { reason: None }),
        ];
        for (written, understood) in table {
            let script = parse(json!([written]).to_string().as_bytes());
            assert_eq!(
                script.map(|script| script.commands),
                Ok(vec![understood]),
                "{written}"
            );
        }
    }

    #[test]
    fn every_attribute_is_heard() {
        let table = [
            (
                json!({"Say": {"text": "", "language": "de-DE", "loop": 0}}),
                Command::Say {
                    text: String::new(),
                    language: "de-DE".to_owned(),
                    repeat: Repeat::Forever,
                },
            ),
            (
                json!({"Play": {"file": "/Accounts/AC00/Recordings/RE00/Download", "loop": 3}}),
                Command::Play {
                    file: "/Accounts/AC00/Recordings/RE00/Download".to_owned(),
                    repeat: Repeat::Times(3),
                },
            ),
            (
                json!({"CreateConference": {
                    "actionUrl": "https://app.example/made",
                    "alias": "Weekly",
                    "playBeep": "exitOnly",
                    "record": true,
                    "waitUrl": "https://app.example/wait.wav",
                    "statusCallbackUrl": "https://app.example/status",
                }}),
                Command::CreateConference(CreateConference {
                    alias: Some("Weekly".to_owned()),
                    play_beep: PlayBeep::ExitOnly,
                    record: true,
                    wait_url: Some("https://app.example/wait.wav".to_owned()),
                    status_callback_url: Some("https://app.example/status".to_owned()),
                    ..created()
                }),
            ),
            (
                json!({"AddToConference": {
                    "conferenceId": conference(),
                    "startConfOnEnter": false,
                    "talk": false,
                    "listen": false,
                    "dtmfPassThrough": false,
                    "allowCallControl": true,
                    "callControlSequence": "*9#",
                    "callControlUrl": "https://app.example/control",
                    "leaveConferenceUrl": "https://app.example/left",
                    "notificationUrl": "https://app.example/in",
                }}),
                Command::AddToConference(AddToConference {
                    conference: conference(),
                    start_conf_on_enter: false,
                    talk: false,
                    listen: false,
                    dtmf_pass_through: false,
                    allow_call_control: true,
                    call_control_sequence: Some("*9#".to_owned()),
                    call_control_url: Some("https://app.example/control".to_owned()),
                    leave_conference_url: Some("https://app.example/left".to_owned()),
                    notification_url: Some("https://app.example/in".to_owned()),
                }),
            ),
            (
                json!({"Reject": {"reason": "busy"}}),
                Command::Reject {
                    reason: Some("busy".to_owned()),
                },
            ),
            (
                json!({"Hangup": {"reason": "over"}}),
                Command::Hangup {
                    reason: Some("over".to_owned()),
                },
            ),
        ];
        for (written, understood) in table {
            let script = parse(json!([written]).to_string().as_bytes());
            assert_eq!(
                script.map(|script| script.commands),
                Ok(vec![understood]),
                "{written}"
            );
        }
    }

    #[test]
    fn what_old_clients_send_is_understood() {
        let id = conference();
        let call = format!("CA{}", "0".repeat(40));
        let table = [
            // Explicit nulls, the call named, and an attribute that nobody knows.
            (
                json!({"AddToConference": {
                    "conferenceId": id, "callId": call, "leaveConferenceUrl": null,
                    "notificationUrl": "", "talk": null, "callControlSequence": "", "x": [1],
                }}),
                Command::AddToConference(added()),
            ),
            // An alias that was typed as a boolean.
            (
                json!({"CreateConference": {
                    "actionUrl": "https://app.example/made", "alias": true, "parentCallId": call,
                }}),
                Command::CreateConference(CreateConference {
                    alias: Some("true".to_owned()),
                    ..created()
                }),
            ),
            // Numbers in quotes.
            (
                json!({"Pause": {"length": "250"}}),
                Command::Pause {
                    length: Duration::from_millis(250),
                },
            ),
            (
                json!({"Say": {
                    "text": "hi", "loop": "2", "conferenceId": id, "privacyMode": false,
                    "engine": {"name": "freeclimb.standard", "parameters": {}},
                }}),
                Command::Say {
                    text: "hi".to_owned(),
                    language: "en-US".to_owned(),
                    repeat: Repeat::Times(2),
                },
            ),
            (
                json!({"RemoveFromConference": {"callId": call}}),
                Command::RemoveFromConference,
            ),
            (
                json!({"TerminateConference": {"conferenceId": id}}),
                Command::TerminateConference,
            ),
            (
                json!({"Hangup": {"callId": call, "reason": null}}),
                Command::Hangup { reason: None },
            ),
        ];
        for (written, understood) in table {
            let script = parse(json!([written]).to_string().as_bytes());
            assert_eq!(
                script.map(|script| script.commands),
                Ok(vec![understood]),
                "{written}"
            );
        }
    }

    #[test]
    fn commands_keep_their_order() {
        let script = parse(br#" [{"Say":{"text":"hi"}},{"Pause":{"length":1}},{"Hangup":{}}] "#);
        let commands = script.unwrap().commands;
        assert!(matches!(
            commands[..],
            [
                Command::Say { .. },
                Command::Pause { .. },
                Command::Hangup { .. }
            ]
        ));
    }

    #[test]
    fn an_empty_script_has_no_commands() {
        for body in ["", " \r\n", "[]", "\u{feff}", "\u{feff}[]"] {
            assert_eq!(parse(body.as_bytes()), Ok(Script::default()), "{body:?}");
        }
    }

    #[test]
    fn commands_that_are_not_run_yet_are_told_from_nonsense() {
        for name in UNSUPPORTED {
            let body = format!(r#"[{{"{name}":{{"any":[1,2]}}}}]"#);
            let name = name.to_owned();
            assert_eq!(
                parse(body.as_bytes()).unwrap().commands,
                [Command::Unsupported { name }]
            );
        }
    }

    #[test]
    fn malformed_scripts_are_refused_with_the_place_and_the_reason() {
        let id = conference();
        let long = "x".repeat(4097);
        let alias = "x".repeat(65);
        let table = [
            (
                "{",
                "the script is not JSON: EOF while parsing an object at line 1 column 1",
            ),
            (
                "[",
                "the script is not JSON: EOF while parsing a list at line 1 column 1",
            ),
            (
                "<Say/>",
                "the script is not JSON: expected value at line 1 column 1",
            ),
            (
                r#"[{"Hangup":{}}] x"#,
                "the script is not JSON: trailing characters at line 1 column 17",
            ),
            (
                r#"[{"Hangup":{}},]"#,
                "the script is not JSON: trailing comma at line 1 column 16",
            ),
            ("null", "a script must be an array of commands, not null"),
            ("7", "a script must be an array of commands, not a number"),
            (
                "\"Hangup\"",
                "a script must be an array of commands, not a string",
            ),
            (
                r#"{"Hangup":{}}"#,
                "a script must be an array of commands, not an object",
            ),
            ("[null]", "command 1 must be an object, not null"),
            (r#"["Hangup"]"#, "command 1 must be an object, not a string"),
            ("[[]]", "command 1 must be an object, not an array"),
            (
                r#"[{"Hangup":{}},true]"#,
                "command 2 must be an object, not a boolean",
            ),
            ("[{}]", "command 1 must be an object with one name, not 0"),
            (
                r#"[{"Pause":{"length":1},"Hangup":{}}]"#,
                "command 1 must be an object with one name, not 2",
            ),
            (
                r#"[{"hangup":{}}]"#,
                "command 1: PerCL has no command \"hangup\"",
            ),
            (
                r#"[{"Say":{"text":"a"}},{"Gather":{}}]"#,
                "command 2: PerCL has no command \"Gather\"",
            ),
            (
                r#"[{"Hangup":null}]"#,
                "command 1, Hangup: the attributes must be an object, not null",
            ),
            (
                r#"[{"Say":"hi"}]"#,
                "command 1, Say: the attributes must be an object, not a string",
            ),
            (
                r#"[{"GetDigits":[]}]"#,
                "command 1, GetDigits: the attributes must be an object, not an array",
            ),
            (r#"[{"Say":{}}]"#, "command 1, Say.text: is required"),
            (
                r#"[{"Say":{"text":null}}]"#,
                "command 1, Say.text: is required",
            ),
            (
                r#"[{"Say":{"text":5}}]"#,
                "command 1, Say.text: must be a string, not a number",
            ),
            (
                &format!(r#"[{{"Say":{{"text":"{long}"}}}}]"#),
                "command 1, Say.text: must not be longer than 4096 bytes",
            ),
            (
                r#"[{"Say":{"text":"a","loop":-1}}]"#,
                "command 1, Say.loop: must be a whole number from 0 to 4294967295",
            ),
            (
                r#"[{"Say":{"text":"a","loop":1.5}}]"#,
                "command 1, Say.loop: must be a whole number from 0 to 4294967295",
            ),
            (
                r#"[{"Say":{"text":"a","loop":"twice"}}]"#,
                "command 1, Say.loop: must be a whole number from 0 to 4294967295",
            ),
            (
                r#"[{"Say":{"text":"a","loop":true}}]"#,
                "command 1, Say.loop: must be a whole number, not a boolean",
            ),
            (
                r#"[{"Say":{"text":"a","language":["en-US"]}}]"#,
                "command 1, Say.language: must be a string, not an array",
            ),
            (r#"[{"Play":{}}]"#, "command 1, Play.file: is required"),
            (
                r#"[{"Play":{"file":"jazz.wav"}}]"#,
                "command 1, Play.file: must be an absolute http or https URL",
            ),
            (
                r#"[{"Play":{"file":"file:///etc/passwd"}}]"#,
                "command 1, Play.file: must be an absolute http or https URL",
            ),
            (r#"[{"Pause":{}}]"#, "command 1, Pause.length: is required"),
            (
                r#"[{"Pause":{"length":5000000000}}]"#,
                "command 1, Pause.length: must be a whole number from 0 to 4294967295",
            ),
            (
                r#"[{"Pause":{"length":{}}}]"#,
                "command 1, Pause.length: must be a whole number, not an object",
            ),
            (
                r#"[{"Pause":{"length":1}},{"CreateConference":{}}]"#,
                "command 2, CreateConference.actionUrl: is required",
            ),
            (
                r#"[{"CreateConference":{"actionUrl":"/made"}}]"#,
                "command 1, CreateConference.actionUrl: must be an absolute http or https URL",
            ),
            (
                r#"[{"CreateConference":{"actionUrl":"https://a.example","playBeep":"both"}}]"#,
                "command 1, CreateConference.playBeep: must be one of always, never, entryOnly, exitOnly",
            ),
            (
                r#"[{"CreateConference":{"actionUrl":"https://a.example","record":"true"}}]"#,
                "command 1, CreateConference.record: must be true or false, not a string",
            ),
            (
                r#"[{"CreateConference":{"actionUrl":"https://a.example","alias":{}}}]"#,
                "command 1, CreateConference.alias: must be a string, not an object",
            ),
            (
                &format!(
                    r#"[{{"CreateConference":{{"actionUrl":"https://a.example","alias":"{alias}"}}}}]"#
                ),
                "command 1, CreateConference.alias: must not be longer than 64 characters",
            ),
            (
                r#"[{"CreateConference":{"actionUrl":"https://a.example","waitUrl":"ftp://a.example/m.wav"}}]"#,
                "command 1, CreateConference.waitUrl: must be an absolute http or https URL",
            ),
            (
                r#"[{"Pause":{"length":1}},{"AddToConference":{}}]"#,
                "command 2, AddToConference.conferenceId: is required",
            ),
            (
                r#"[{"AddToConference":{"conferenceId":"CF12"}}]"#,
                "command 1, AddToConference.conferenceId: an identifier here is CF followed by 40 hexadecimal digits",
            ),
            (
                r#"[{"AddToConference":{"conferenceId":12}}]"#,
                "command 1, AddToConference.conferenceId: must be a string, not a number",
            ),
            (
                &format!(r#"[{{"AddToConference":{{"conferenceId":"{id}","talk":"no"}}}}]"#),
                "command 1, AddToConference.talk: must be true or false, not a string",
            ),
            (
                &format!(
                    r#"[{{"AddToConference":{{"conferenceId":"{id}","callControlSequence":"1A"}}}}]"#
                ),
                "command 1, AddToConference.callControlSequence: must be keys of the telephone only: 0 to 9, * and #",
            ),
            (
                &format!(
                    r#"[{{"AddToConference":{{"conferenceId":"{id}","leaveConferenceUrl":"left"}}}}]"#
                ),
                "command 1, AddToConference.leaveConferenceUrl: must be an absolute http or https URL",
            ),
            (
                r#"[{"Redirect":{"actionUrl":""}}]"#,
                "command 1, Redirect.actionUrl: is required",
            ),
            (
                r#"[{"Reject":{"reason":{}}}]"#,
                "command 1, Reject.reason: must be a string, not an object",
            ),
        ];
        for (body, message) in table {
            let error = parse(body.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), message, "{body}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_and_does_not_exhaust_the_stack() {
        let body = "[".repeat(1_000_000);
        assert!(matches!(
            parse(body.as_bytes()),
            Err(Malformed::NotJson { .. })
        ));
    }

    fn conference() -> ConferenceId {
        ConferenceId::from_bytes([7; 20])
    }

    fn created() -> CreateConference {
        CreateConference {
            action_url: "https://app.example/made".to_owned(),
            alias: None,
            play_beep: PlayBeep::Always,
            record: false,
            wait_url: None,
            status_callback_url: None,
        }
    }

    fn added() -> AddToConference {
        AddToConference {
            conference: conference(),
            start_conf_on_enter: true,
            talk: true,
            listen: true,
            dtmf_pass_through: true,
            allow_call_control: false,
            call_control_sequence: None,
            call_control_url: None,
            leave_conference_url: None,
            notification_url: None,
        }
    }
}
