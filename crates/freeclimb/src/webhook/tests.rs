//! Webhooks, byte for byte.

use tutti_control_plane::{
    CallStatus, ConferenceStatus, DigitsReason, Direction, Machine, QueueResult, RecordingSummary,
    Transcript, UtteranceReason, UtteranceSummary,
};
use tutti_model::{CallId, CloseReason, ConferenceId, QueueId, RecordingId};

use std::time::Duration;

use super::*;

const AC: &str = "AC0101010101010101010101010101010101010101";
const CA: &str = "CA0202020202020202020202020202020202020202";
const CF: &str = "CF0303030303030303030303030303030303030303";
const RE: &str = "RE0404040404040404040404040404040404040404";
const QU: &str = "QU0808080808080808080808080808080808080808";
const RQ: &str = "RQ0505050505050505050505050505050505050505";

#[test]
fn an_inbound_call_is_told_with_every_standard_parameter() {
    let webhook = Webhook::InboundCall { call: call() };
    assert_eq!(
        rendered(&webhook),
        format!(
            r#"{{"accountId":"{AC}","callId":"{CA}","callStatus":"ringing","conferenceId":null,"direction":"inbound","from":"+15550100","parentCallId":null,"queueId":null,"requestId":"{RQ}","requestType":"inboundCall","to":"+15550101"}}"#
        )
    );
}

#[test]
fn a_redirect_repeats_the_call() {
    let webhook = Webhook::Redirect {
        call: call(),
        original: None,
    };
    assert_eq!(
        rendered(&webhook),
        format!(
            r#"{{"accountId":"{AC}","callId":"{CA}","callStatus":"ringing","conferenceId":null,"direction":"inbound","from":"+15550100","originalRequestType":null,"parentCallId":null,"queueId":null,"requestId":"{RQ}","requestType":"redirect","to":"+15550101"}}"#
        )
    );
}

#[test]
fn a_webhook_about_call_and_conference_names_both() {
    let conference = ConferenceId::from_bytes([3; 20]);
    let call = CallContext {
        status: CallStatus::InProgress,
        ..call()
    };
    for (name, webhook) in [
        (
            "createConference",
            Webhook::CreateConference {
                call: call.clone(),
                conference,
            },
        ),
        (
            "addToConferenceNotification",
            Webhook::AddToConferenceNotification {
                call: call.clone(),
                conference,
            },
        ),
        (
            "leaveConference",
            Webhook::LeaveConference { call, conference },
        ),
    ] {
        assert_eq!(
            rendered(&webhook),
            format!(
                r#"{{"accountId":"{AC}","callId":"{CA}","callStatus":"inProgress","conferenceId":"{CF}","direction":"inbound","from":"+15550100","parentCallId":null,"queueId":null,"requestId":"{RQ}","requestType":"{name}","to":"+15550101"}}"#
            )
        );
    }
}

#[test]
fn a_status_without_a_recording_says_so_with_nulls() {
    let webhook = Webhook::ConferenceStatus {
        account: AccountId::from_bytes([1; 20]),
        conference: ConferenceId::from_bytes([3; 20]),
        status: ConferenceStatus::InProgress,
        recording: None,
    };
    assert_eq!(
        rendered(&webhook),
        format!(
            r#"{{"accountId":"{AC}","callId":null,"callStatus":null,"conferenceId":"{CF}","direction":null,"from":null,"parentCallId":null,"queueId":null,"recordingDurationSec":null,"recordingId":null,"recordingUrl":null,"requestId":"{RQ}","requestType":"conferenceStatus","status":"inProgress","to":null}}"#
        )
    );
}

#[test]
fn a_recording_is_named_by_its_whole_url() {
    let recording = RecordingSummary {
        recording: RecordingId::from_bytes([4; 20]),
        duration_secs: 12,
    };
    let webhook = Webhook::ConferenceRecordingStatus {
        account: AccountId::from_bytes([1; 20]),
        conference: ConferenceId::from_bytes([3; 20]),
        status: ConferenceStatus::Empty,
        recording,
    };
    assert_eq!(
        rendered(&webhook),
        format!(
            r#"{{"accountId":"{AC}","callId":null,"callStatus":null,"conferenceId":"{CF}","direction":null,"from":null,"parentCallId":null,"queueId":null,"recordingDurationSec":12,"recordingId":"{RE}","recordingUrl":"https://bridge.example/apiserver/Accounts/{AC}/Recordings/{RE}/Download","requestId":"{RQ}","requestType":"conferenceRecordingStatus","status":"empty","to":null}}"#
        )
    );
    let nowhere = render(&webhook, RequestId::from_bytes([5; 20]), None);
    let body: Value = serde_json::from_slice(&nowhere).unwrap();
    assert_eq!(
        body["recordingUrl"],
        format!("/Accounts/{AC}/Recordings/{RE}/Download")
    );
}

#[test]
fn an_ended_call_has_a_reason_and_is_in_no_conference() {
    let webhook = Webhook::CallStatus {
        call: CallContext {
            status: CallStatus::Completed,
            conference: Some(ConferenceId::from_bytes([3; 20])),
            ..call()
        },
        reason: CloseReason::ConferenceTerminated,
        duration_secs: 61,
        recording: None,
    };
    assert_eq!(
        rendered(&webhook),
        format!(
            r#"{{"accountId":"{AC}","callDuration":61,"callEndedReason":"conferenceTerminated","callId":"{CA}","callStatus":"completed","conferenceId":null,"direction":"inbound","from":"+15550100","parentCallId":null,"queueId":null,"recordingDurationSec":null,"recordingId":null,"recordingUrl":null,"requestId":"{RQ}","requestType":"callStatus","to":"+15550101"}}"#
        )
    );
}

/// What each webhook says, with the standard parameters in the middle of it left out where they are
/// as always.
#[test]
fn every_webhook_says_exactly_what_is_documented() {
    let queue = QueueId::from_bytes([8; 20]);
    let conference = ConferenceId::from_bytes([3; 20]);
    let waited = Duration::from_millis(61_900);
    let url = format!("https://bridge.example/apiserver/Accounts/{AC}/Recordings/{RE}/Download");
    let in_queue = |name: &str, extra: &str, more: &str| {
        format!(
            r#"{{"accountId":"{AC}","callId":"{CA}","callStatus":"ringing","conferenceId":null,{extra}"direction":"inbound","from":"+15550100","parentCallId":null,"queueId":"{QU}",{more}"requestId":"{RQ}","requestType":"{name}","to":"+15550101"}}"#
        )
    };
    let table = [
        (
            Webhook::OutDialStart {
                call: call(),
                dialled: CallId::from_bytes([6; 20]),
            },
            format!(
                r#"{{"accountId":"{AC}","callId":"{CA}","callStatus":"ringing","conferenceId":null,"dialCallId":"CA{}","direction":"inbound","from":"+15550100","parentCallId":null,"queueId":null,"requestId":"{RQ}","requestType":"outDialStart","to":"+15550101"}}"#,
                "06".repeat(20)
            ),
        ),
        (
            Webhook::OutDialConnect {
                call: child(Direction::OutboundDial, CallStatus::InProgress),
            },
            format!(
                r#"{{"accountId":"{AC}","callId":"{CA}","callStatus":"inProgress","conferenceId":null,"dialCallStatus":"inProgress","direction":"outboundDial","from":"+15550100","parentCallId":"CA{}","queueId":null,"requestId":"{RQ}","requestType":"outDialConnect","to":"+15550101"}}"#,
                "09".repeat(20)
            ),
        ),
        (
            Webhook::OutDialApiConnect {
                call: child(Direction::OutboundApi, CallStatus::NoAnswer),
            },
            format!(
                r#"{{"accountId":"{AC}","callId":"{CA}","callStatus":"noAnswer","conferenceId":null,"dialCallStatus":"noAnswer","direction":"outboundAPI","from":"+15550100","parentCallId":"CA{}","queueId":null,"requestId":"{RQ}","requestType":"outDialApiConnect","to":"+15550101"}}"#,
                "09".repeat(20)
            ),
        ),
        (
            Webhook::MachineDetected {
                call: child(Direction::OutboundApi, CallStatus::InProgress),
                machine: Machine::AnsweringMachine,
            },
            format!(
                r#"{{"accountId":"{AC}","callId":"{CA}","callStatus":"inProgress","conferenceId":null,"direction":"outboundAPI","from":"+15550100","machineType":"answering machine","parentCallId":"CA{}","queueId":null,"requestId":"{RQ}","requestType":"machineDetected","to":"+15550101"}}"#,
                "09".repeat(20)
            ),
        ),
        (
            Webhook::GetDigits {
                call: call(),
                digits: "12".to_owned(),
                reason: DigitsReason::FinishKey,
                private: false,
            },
            format!(
                r#"{{"accountId":"{AC}","callId":"{CA}","callStatus":"ringing","conferenceId":null,"digits":"12","direction":"inbound","from":"+15550100","parentCallId":null,"queueId":null,"reason":"finishKey","requestId":"{RQ}","requestType":"getDigits","to":"+15550101"}}"#
            ),
        ),
        (
            Webhook::Record {
                call: call(),
                recording: Some(utterance()),
                reason: UtteranceReason::MaxLength,
                private: true,
            },
            format!(
                r#"{{"accountId":"{AC}","callId":"{CA}","callStatus":"ringing","conferenceId":null,"direction":"inbound","from":"+15550100","parentCallId":null,"privacyMode":true,"queueId":null,"recordingDurationSec":4,"recordingFormat":"audio/wav","recordingId":"{RE}","recordingSize":"19884","recordingUrl":"{url}","requestId":"{RQ}","requestType":"record","termReason":"maxLength","to":"+15550101"}}"#
            ),
        ),
        (
            Webhook::Record {
                call: call(),
                recording: None,
                reason: UtteranceReason::Failed,
                private: false,
            },
            format!(
                r#"{{"accountId":"{AC}","callId":"{CA}","callStatus":"ringing","conferenceId":null,"direction":"inbound","from":"+15550100","parentCallId":null,"privacyMode":false,"queueId":null,"recordingDurationSec":null,"recordingFormat":null,"recordingId":null,"recordingSize":null,"recordingUrl":null,"requestId":"{RQ}","requestType":"record","termReason":null,"to":"+15550101"}}"#
            ),
        ),
        (
            Webhook::Transcribe {
                call: call(),
                recording: Some(utterance()),
                reason: UtteranceReason::FinishKey,
                digit: Some('#'),
                transcript: Ok(said("a table for two")),
                private_log: true,
                private_recording: false,
            },
            format!(
                r##"{{"accountId":"{AC}","bargeInReason":null,"bargeInTimeMs":null,"bargedInPromptLoopNo":null,"bargedInPromptMs":null,"bargedInPromptNo":null,"callId":"{CA}","callStatus":"ringing","conferenceId":null,"digit":"#","direction":"inbound","from":"+15550100","parentCallId":null,"privacyForLogging":true,"privacyForRecording":false,"queueId":null,"recordTermReason":"finishKey","recordingDurationMs":3100,"recordingFormat":"audio/wav","recordingId":"{RE}","recordingSize":19884,"recordingUrl":"{url}","requestId":"{RQ}","requestType":"transcribe","termReason":"completed","to":"+15550101","transcribeReason":"digit","transcript":"a table for two","transcriptionDurationMs":1250}}"##
            ),
        ),
        (
            Webhook::CallControl {
                call: call(),
                conference,
                digits: "*9".to_owned(),
            },
            format!(
                r#"{{"accountId":"{AC}","callId":"{CA}","callStatus":"ringing","conferenceId":"{CF}","digits":"*9","direction":"inbound","from":"+15550100","parentCallId":null,"queueId":null,"requestId":"{RQ}","requestType":"callControl","to":"+15550101"}}"#
            ),
        ),
        (
            Webhook::AddToQueueNotification {
                call: call(),
                queue,
            },
            in_queue("addToQueueNotification", "", ""),
        ),
        (
            Webhook::QueueWait {
                call: call(),
                queue,
                position: 2,
                waited,
                size: 5,
            },
            in_queue(
                "queueWait",
                r#""currentQueueSize":5,"#,
                r#""queuePosition":"2","queueTime":61,"#,
            ),
        ),
        (
            Webhook::Dequeue {
                call: call(),
                queue,
                result: QueueResult::Dequeued,
                waited,
            },
            in_queue("dequeue", "", r#""queueResult":"dequeued","queueTime":61,"#),
        ),
        (
            Webhook::RemoveFromQueueNotification {
                call: call(),
                queue,
                result: QueueResult::Hangup,
                waited,
            },
            in_queue(
                "removeFromQueueNotification",
                "",
                r#""queueResult":"hangup","queueTime":61,"#,
            ),
        ),
        (
            Webhook::ParkNotification { call: call() },
            format!(
                r#"{{"accountId":"{AC}","callId":"{CA}","callStatus":"ringing","conferenceId":null,"direction":"inbound","from":"+15550100","parentCallId":null,"queueId":null,"requestId":"{RQ}","requestType":"parkNotification","to":"+15550101"}}"#
            ),
        ),
        (
            Webhook::ParkWait {
                call: call(),
                waited,
            },
            format!(
                r#"{{"accountId":"{AC}","callId":"{CA}","callStatus":"ringing","conferenceId":null,"direction":"inbound","from":"+15550100","parentCallId":null,"parkTime":61,"queueId":null,"requestId":"{RQ}","requestType":"parkWait","to":"+15550101"}}"#
            ),
        ),
        (
            Webhook::Unpark {
                call: call(),
                waited,
            },
            format!(
                r#"{{"accountId":"{AC}","callId":"{CA}","callStatus":"ringing","conferenceId":null,"direction":"inbound","from":"+15550100","parentCallId":null,"parkTime":61,"queueId":null,"requestId":"{RQ}","requestType":"unpark","to":"+15550101"}}"#
            ),
        ),
        (
            Webhook::CallStatus {
                call: CallContext {
                    status: CallStatus::Completed,
                    queue: Some(queue),
                    ..call()
                },
                reason: CloseReason::FarEndHangup,
                duration_secs: 9,
                recording: Some(RecordingSummary {
                    recording: RecordingId::from_bytes([4; 20]),
                    duration_secs: 8,
                }),
            },
            format!(
                r#"{{"accountId":"{AC}","callDuration":9,"callEndedReason":"farEndHangup","callId":"{CA}","callStatus":"completed","conferenceId":null,"direction":"inbound","from":"+15550100","parentCallId":null,"queueId":null,"recordingDurationSec":8,"recordingId":"{RE}","recordingUrl":"{url}","requestId":"{RQ}","requestType":"callStatus","to":"+15550101"}}"#
            ),
        ),
    ];
    for (webhook, body) in table {
        assert_eq!(rendered(&webhook), body);
    }
}

#[test]
fn private_digits_are_masked_and_that_there_were_none_is_not() {
    for (digits, shown) in [("1234", "xxxxx"), ("", "")] {
        let webhook = Webhook::GetDigits {
            call: call(),
            digits: digits.to_owned(),
            reason: DigitsReason::Timeout,
            private: true,
        };
        let body: Value = serde_json::from_str(&rendered(&webhook)).unwrap();
        assert_eq!(body["digits"], shown);
        assert_eq!(body["reason"], "timeout");
    }
}

#[test]
fn a_transcript_that_is_missing_is_null_and_has_a_reason() {
    use UtteranceReason::{Failed, FinishKey, Hangup, MaxLength, Timeout};
    let table = [
        (
            Hangup,
            Ok(said("hello")),
            json!("hello"),
            "completed",
            json!("hangup"),
        ),
        (
            MaxLength,
            Ok(said("hello")),
            json!("hello"),
            "completed",
            json!("maxLength"),
        ),
        (
            Timeout,
            Ok(said("hello")),
            json!("hello"),
            "completed",
            Value::Null,
        ),
        (
            Timeout,
            Ok(said("")),
            json!(""),
            "completed",
            json!("noInput"),
        ),
        (
            Failed,
            Err("disk full".to_owned()),
            Value::Null,
            "error",
            json!("internalError"),
        ),
        (
            FinishKey,
            Err("no engine".to_owned()),
            Value::Null,
            "error",
            json!("internalError"),
        ),
    ];
    for (reason, transcript, text, term, why) in table {
        let webhook = Webhook::Transcribe {
            call: call(),
            recording: None,
            reason,
            digit: None,
            transcript,
            private_log: false,
            private_recording: false,
        };
        let body: Value = serde_json::from_str(&rendered(&webhook)).unwrap();
        assert_eq!(body["transcript"], text);
        assert_eq!(body["termReason"], term);
        assert_eq!(body["transcribeReason"], why);
        assert_eq!(body["recordingSize"], Value::Null);
    }
}

#[test]
fn a_redirect_that_came_first_repeats_what_its_webhook_said() {
    let original = Webhook::GetDigits {
        call: call(),
        digits: "7".to_owned(),
        reason: DigitsReason::MaxDigits,
        private: false,
    };
    let webhook = Webhook::Redirect {
        call: CallContext {
            status: CallStatus::InProgress,
            ..call()
        },
        original: Some(Box::new(original)),
    };
    let body: Value = serde_json::from_str(&rendered(&webhook)).unwrap();
    assert_eq!(body["requestType"], "redirect");
    assert_eq!(body["originalRequestType"], "getDigits");
    assert_eq!(
        (&body["digits"], &body["reason"]),
        (&json!("7"), &json!("maxDigits"))
    );
    assert_eq!(body["callStatus"], "inProgress");

    let original = Webhook::LeaveConference {
        call: call(),
        conference: ConferenceId::from_bytes([3; 20]),
    };
    let again = Webhook::Redirect {
        call: call(),
        original: Some(Box::new(original)),
    };
    let body: Value = serde_json::from_str(&rendered(&again)).unwrap();
    assert_eq!(body["conferenceId"], CF);

    let thrice = Webhook::Redirect {
        call: call(),
        original: Some(Box::new(again)),
    };
    let body: Value = serde_json::from_str(&rendered(&thrice)).unwrap();
    assert_eq!(body["originalRequestType"], "redirect");
}

fn rendered(webhook: &Webhook) -> String {
    let request = RequestId::from_bytes([5; 20]);
    let bytes = render(webhook, request, Some("https://bridge.example/apiserver"));
    String::from_utf8(bytes).unwrap()
}

fn call() -> CallContext {
    CallContext {
        account: AccountId::from_bytes([1; 20]),
        call: CallId::from_bytes([2; 20]),
        parent: None,
        from: "+15550100".to_owned(),
        to: "+15550101".to_owned(),
        status: CallStatus::Ringing,
        direction: Direction::Inbound,
        conference: None,
        queue: None,
    }
}

/// A call that another one has placed.
fn child(direction: Direction, status: CallStatus) -> CallContext {
    CallContext {
        parent: Some(CallId::from_bytes([9; 20])),
        direction,
        status,
        ..call()
    }
}

fn utterance() -> UtteranceSummary {
    UtteranceSummary {
        recording: RecordingId::from_bytes([4; 20]),
        duration: Duration::from_millis(3_100),
        size_bytes: 19_884,
    }
}

fn said(text: &str) -> Transcript {
    Transcript {
        text: text.to_owned(),
        took: Duration::from_millis(1_250),
    }
}
