//! Whatever arrives, parsing ends with a value or an error.

use crate::page::ListRequest;
use crate::request::{
    AccountUpdate, ApplicationUpdate, CallFilter, ConferenceFilter, NumberFilter, NumberPurchase,
    NumberUpdate, ParticipantFilter, RecordingFilter, create_conference, members, update_call,
    update_conference, update_participant,
};
use crate::{date, percl};

const SEED: u64 = 0x7d1a_55e0_0c0f_fee5;

const SCRIPTS: [&str; 3] = [
    r#"[{"Say":{"text":"hällo","language":"en-US","loop":1}},{"Pause":{"length":"500"}}]"#,
    r#"[{"AddToConference":{"conferenceId":"CF0303030303030303030303030303030303030303","talk":true}}]"#,
    r#"[{"CreateConference":{"actionUrl":"https://app.example/a","alias":false,"playBeep":"never"}}]"#,
];

const BODIES: [&str; 3] = [
    r#"{"alias":"demo","playBeep":"never","record":true,"waitUrl":"https://app.example/w"}"#,
    r#"{"status":"terminated","talk":false,"listen":null,"applicationId":null}"#,
    r#"{"phoneNumber":"+15550101","voiceUrl":"https://app.example/v","smsUrl":""}"#,
];

const QUERIES: [&str; 3] = [
    "status=empty&alias=a%20b&dateCreated=2024-02-29&talk=true",
    "active=true&to=%2B15550101&startTime=2024-05-01+08:00:00&applicationId=AP06",
    "cursor=636f6e666572656e6365732031203137303030303030203030",
];

#[test]
fn garbage_is_refused_and_never_panics() {
    let mut random = Random(SEED);
    let mut accepted = 0;
    for round in 0..20_000 {
        let pick = round % 3;
        let script = random.damage(SCRIPTS[pick].as_bytes());
        accepted += u32::from(percl::parse(&script).is_ok());

        if let Ok(attributes) = members(&random.damage(BODIES[pick].as_bytes())) {
            accepted += u32::from(create_conference(&attributes).is_ok());
            let _ = update_conference(&attributes);
            let _ = update_participant(&attributes);
            let _ = update_call(&attributes);
            let _ = AccountUpdate::parse(&attributes);
            let _ = ApplicationUpdate::parse(&attributes);
            let _ = NumberPurchase::parse(&attributes);
            let _ = NumberUpdate::parse(&attributes);
        }

        let query = random.damage(QUERIES[pick].as_bytes());
        let query = String::from_utf8_lossy(&query);
        accepted += u32::from(ListRequest::<ConferenceFilter>::parse(&query).is_ok());
        let _ = ListRequest::<ParticipantFilter>::parse(&query);
        let _ = ListRequest::<CallFilter>::parse(&query);
        let _ = ListRequest::<RecordingFilter>::parse(&query);
        let _ = ListRequest::<NumberFilter>::parse(&query);
        let _ = date::day(&query);
        let _ = date::moment(&query);
    }
    // Both outcomes were reached, or the damage proves nothing.
    assert!(accepted > 100, "seed {SEED:#x}: {accepted} accepted");
    assert!(accepted < 60_000, "seed {SEED:#x}: {accepted} accepted");
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
