//! A call, as JSON.

use serde::Serialize;
use tutti_control_plane::CallRecord;
use tutti_model::{AccountId, ApplicationId, CallId, ConferenceId, NumberId, QueueId, Timestamp};
use utoipa::ToSchema;

use super::common::{Common, account_uri, whole_seconds};
use crate::date;
use crate::word::Word;

/// A call as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallResource {
    #[serde(flatten)]
    common: Common,
    #[schema(value_type = String)]
    call_id: CallId,
    #[schema(value_type = Option<String>)]
    parent_call_id: Option<CallId>,
    #[schema(value_type = String)]
    account_id: AccountId,
    #[schema(value_type = Option<String>)]
    application_id: Option<ApplicationId>,
    #[schema(value_type = Option<String>)]
    phone_number_id: Option<NumberId>,
    #[schema(value_type = Option<String>)]
    conference_id: Option<ConferenceId>,
    #[schema(value_type = Option<String>)]
    queue_id: Option<QueueId>,
    from: String,
    to: String,
    caller_name: Option<String>,
    direction: &'static str,
    status: &'static str,
    /// The status again, under the name that the SDKs of 2023 to 2025 look for.
    call_status: &'static str,
    call_ended_reason: Option<&'static str>,
    answered_by: Option<&'static str>,
    start_time: Option<String>,
    connect_time: Option<String>,
    end_time: Option<String>,
    #[serde(rename = "startTimeISO")]
    start_time_iso: Option<String>,
    #[serde(rename = "connectTimeISO")]
    connect_time_iso: Option<String>,
    #[serde(rename = "endTimeISO")]
    end_time_iso: Option<String>,
    duration: Option<u64>,
    connect_duration: Option<u64>,
    audio_stream_duration: u64,
    #[serde(rename = "webRTC")]
    web_rtc: bool,
    #[schema(inline)]
    subresource_uris: Subresources,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct Subresources {
    logs: String,
    recordings: String,
}

impl From<&CallRecord> for CallResource {
    fn from(record: &CallRecord) -> CallResource {
        let uri = format!("{}/Calls/{}", account_uri(record.account), record.id);
        CallResource {
            call_id: record.id,
            parent_call_id: record.parent,
            account_id: record.account,
            application_id: record.application,
            phone_number_id: record.number,
            conference_id: record.conference,
            queue_id: record.queue,
            from: record.from.clone(),
            to: record.to.clone(),
            caller_name: None,
            direction: record.direction.word(),
            status: record.status.word(),
            call_status: record.status.word(),
            call_ended_reason: record.ended_reason.map(Word::word),
            answered_by: record.answered_by.map(Word::word),
            start_time: record.started.map(date::rfc1123),
            connect_time: record.connected.map(date::rfc1123),
            end_time: record.ended.map(date::rfc1123),
            start_time_iso: record.started.map(date::iso),
            connect_time_iso: record.connected.map(date::iso),
            end_time_iso: record.ended.map(date::iso),
            duration: span(record.started, record.ended),
            connect_duration: span(record.connected, record.ended),
            // No call has an audio stream: the command for one is not part of this bridge.
            audio_stream_duration: 0,
            // A phone's call: browsers have no way in yet.
            web_rtc: false,
            subresource_uris: Subresources {
                logs: format!("{uri}/Logs"),
                recordings: format!("{uri}/Recordings"),
            },
            common: Common::new(uri, record.revision, record.created, record.updated),
        }
    }
}

/// How long it was from one moment to the other, once both are known.
fn span(from: Option<Timestamp>, until: Option<Timestamp>) -> Option<u64> {
    Some(whole_seconds(until?.since(from?)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};
    use tutti_control_plane::{AnsweredBy, CallStatus, Direction};
    use tutti_model::CloseReason;

    use super::super::common::samples::{AC, CREATED, UPDATED, with_common};
    use super::*;

    const CA: &str = "CA0202020202020202020202020202020202020202";

    #[test]
    fn an_ended_call_has_its_times_its_durations_and_its_reason() {
        let connected = CREATED + Duration::from_millis(1_800);
        let record = CallRecord {
            parent: Some(CallId::from_bytes([5; 20])),
            application: Some(ApplicationId::from_bytes([6; 20])),
            number: Some(NumberId::from_bytes([7; 20])),
            direction: Direction::OutboundDial,
            status: CallStatus::Completed,
            answered_by: Some(AnsweredBy::Human),
            ended_reason: Some(CloseReason::FarEndHangup),
            connected: Some(connected),
            ended: Some(UPDATED),
            revision: 3,
            ..ringing()
        };
        let uri = format!("/Accounts/{AC}/Calls/{CA}");
        assert_eq!(
            serde_json::to_value(CallResource::from(&record)).unwrap(),
            with_common(
                &uri,
                3,
                json!({
                    "callId": CA,
                    "parentCallId": format!("CA{}", "05".repeat(20)),
                    "accountId": AC,
                    "applicationId": format!("AP{}", "06".repeat(20)),
                    "phoneNumberId": format!("PN{}", "07".repeat(20)),
                    "conferenceId": null,
                    "queueId": null,
                    "from": "+15550100",
                    "to": "+15550101",
                    "callerName": null,
                    "direction": "outboundDial",
                    "status": "completed",
                    "callStatus": "completed",
                    "callEndedReason": "farEndHangup",
                    "answeredBy": "human",
                    "startTime": "Thu, 23 Jun 2016 17:30:06 GMT",
                    "connectTime": "Thu, 23 Jun 2016 17:30:08 GMT",
                    "endTime": "Thu, 23 Jun 2016 17:31:36 GMT",
                    "startTimeISO": "2016-06-23T17:30:06.250Z",
                    "connectTimeISO": "2016-06-23T17:30:08.050Z",
                    "endTimeISO": "2016-06-23T17:31:36.250Z",
                    "duration": 90,
                    "connectDuration": 89,
                    "audioStreamDuration": 0,
                    "webRTC": false,
                    "subresourceUris": {
                        "logs": format!("{uri}/Logs"),
                        "recordings": format!("{uri}/Recordings"),
                    },
                })
            )
        );
    }

    #[test]
    fn a_ringing_call_has_no_times_yet() {
        let body = serde_json::to_value(CallResource::from(&ringing())).unwrap();
        assert_eq!(body["status"], "ringing");
        assert_eq!(body["direction"], "inbound");
        for name in ["connectTime", "endTime", "endTimeISO", "duration"] {
            assert_eq!(body.get(name), Some(&Value::Null), "{name}");
        }
    }

    fn ringing() -> CallRecord {
        CallRecord {
            id: CallId::from_bytes([2; 20]),
            account: AccountId::from_bytes([1; 20]),
            application: None,
            parent: None,
            number: None,
            from: "+15550100".to_owned(),
            to: "+15550101".to_owned(),
            direction: Direction::Inbound,
            status: CallStatus::Ringing,
            conference: None,
            queue: None,
            answered_by: None,
            ended_reason: None,
            started: Some(CREATED),
            connected: None,
            ended: None,
            revision: 1,
            created: CREATED,
            updated: UPDATED,
        }
    }
}
