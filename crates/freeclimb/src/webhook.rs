//! What an application is told, as the bytes of a webhook's body.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tutti_control_plane::{CallContext, ConferenceStatus, RecordingSummary, Webhook};
use tutti_model::{AccountId, ConferenceId, RequestId};

use crate::word::Word;

/// The header that carries the originating request's identifier.
pub const REQUEST_ID_HEADER: &str = "Request-Id";

/// The body: compact JSON with its keys in alphabetical order, as it will be signed.
///
/// `api_base` is where applications reach this API, `/apiserver` included; without it recordings
/// are named by their path alone.
pub fn render(webhook: &Webhook, request: RequestId, api_base: Option<&str>) -> Vec<u8> {
    let mut body = match webhook {
        Webhook::InboundCall { call } => standard("inboundCall", call),
        Webhook::Redirect { call } => {
            let mut body = standard("redirect", call);
            body.insert("originalRequestType", Value::Null);
            body
        }
        Webhook::CreateConference { call, conference } => {
            about("createConference", call, *conference)
        }
        Webhook::AddToConferenceNotification { call, conference } => {
            about("addToConferenceNotification", call, *conference)
        }
        Webhook::LeaveConference { call, conference } => {
            about("leaveConference", call, *conference)
        }
        Webhook::ConferenceStatus {
            account,
            conference,
            status,
            recording,
        } => {
            let mut body = conference_status("conferenceStatus", *account, *conference, *status);
            describe(&mut body, *account, recording.as_ref(), api_base);
            body
        }
        Webhook::ConferenceRecordingStatus {
            account,
            conference,
            status,
            recording,
        } => {
            let name = "conferenceRecordingStatus";
            let mut body = conference_status(name, *account, *conference, *status);
            describe(&mut body, *account, Some(recording), api_base);
            body
        }
        Webhook::CallStatus {
            call,
            reason,
            duration_secs,
        } => {
            let mut body = standard("callStatus", call);
            body.insert("conferenceId", Value::Null);
            body.insert("callEndedReason", json!(reason.word()));
            body.insert("callDuration", json!(duration_secs));
            describe(&mut body, call.account, None, api_base);
            body
        }
    };
    body.insert("requestId", json!(request));
    // Everything in the map is plain data, which JSON can always say.
    serde_json::to_vec(&body).unwrap_or_default()
}

type Body = BTreeMap<&'static str, Value>;

/// The parameters of every webhook about a call.
fn standard(request_type: &'static str, call: &CallContext) -> Body {
    BTreeMap::from([
        ("accountId", json!(call.account)),
        ("callId", json!(call.call)),
        ("callStatus", json!(call.status.word())),
        ("conferenceId", json!(call.conference)),
        ("direction", json!(call.direction.word())),
        ("from", json!(call.from)),
        ("parentCallId", json!(call.parent)),
        ("queueId", Value::Null),
        ("requestType", json!(request_type)),
        ("to", json!(call.to)),
    ])
}

/// A webhook about a call and one conference, which it need not be in any more.
fn about(request_type: &'static str, call: &CallContext, conference: ConferenceId) -> Body {
    let mut body = standard(request_type, call);
    body.insert("conferenceId", json!(conference));
    body
}

/// A webhook about a conference; it has no call, and says so with nulls.
fn conference_status(
    request_type: &'static str,
    account: AccountId,
    conference: ConferenceId,
    status: ConferenceStatus,
) -> Body {
    BTreeMap::from([
        ("accountId", json!(account)),
        ("callId", Value::Null),
        ("callStatus", Value::Null),
        ("conferenceId", json!(conference)),
        ("direction", Value::Null),
        ("from", Value::Null),
        ("parentCallId", Value::Null),
        ("queueId", Value::Null),
        ("requestType", json!(request_type)),
        ("status", json!(status.word())),
        ("to", Value::Null),
    ])
}

/// The recording that a webhook is about, or nulls.
fn describe(
    body: &mut Body,
    account: AccountId,
    recording: Option<&RecordingSummary>,
    api_base: Option<&str>,
) {
    let url = recording.map(|summary| {
        let path = format!(
            "/Accounts/{account}/Recordings/{}/Download",
            summary.recording
        );
        match api_base {
            Some(base) => format!("{}{path}", base.trim_end_matches('/')),
            None => path,
        }
    });
    body.insert("recordingUrl", json!(url));
    body.insert(
        "recordingId",
        json!(recording.map(|summary| summary.recording)),
    );
    body.insert(
        "recordingDurationSec",
        json!(recording.map(|summary| summary.duration_secs)),
    );
}

#[cfg(test)]
mod tests {
    use tutti_control_plane::{CallStatus, Direction};
    use tutti_model::{CallId, CloseReason, RecordingId};

    use super::*;

    const AC: &str = "AC0101010101010101010101010101010101010101";
    const CA: &str = "CA0202020202020202020202020202020202020202";
    const CF: &str = "CF0303030303030303030303030303030303030303";
    const RE: &str = "RE0404040404040404040404040404040404040404";
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
        let webhook = Webhook::Redirect { call: call() };
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
        };
        assert_eq!(
            rendered(&webhook),
            format!(
                r#"{{"accountId":"{AC}","callDuration":61,"callEndedReason":"conferenceTerminated","callId":"{CA}","callStatus":"completed","conferenceId":null,"direction":"inbound","from":"+15550100","parentCallId":null,"queueId":null,"recordingDurationSec":null,"recordingId":null,"recordingUrl":null,"requestId":"{RQ}","requestType":"callStatus","to":"+15550101"}}"#
            )
        );
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
        }
    }
}
