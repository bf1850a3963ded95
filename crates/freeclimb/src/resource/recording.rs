//! A recording, as JSON.

use serde::Serialize;
use tutti_control_plane::{RecordingRecord, RecordingStatus};
use tutti_model::{AccountId, CallId, ConferenceId, RecordingId};
use utoipa::ToSchema;

use super::common::{Common, account_uri, whole_seconds};

/// A recording as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordingResource {
    #[serde(flatten)]
    common: Common,
    #[schema(value_type = String)]
    recording_id: RecordingId,
    #[schema(value_type = String)]
    account_id: AccountId,
    #[schema(value_type = Option<String>)]
    call_id: Option<CallId>,
    #[schema(value_type = Option<String>)]
    conference_id: Option<ConferenceId>,
    duration_sec: u64,
    #[serde(rename = "type")]
    access: &'static str,
    mime_type: &'static str,
    deleted: bool,
    download_url: String,
}

impl From<&RecordingRecord> for RecordingResource {
    fn from(record: &RecordingRecord) -> RecordingResource {
        let uri = format!("{}/Recordings/{}", account_uri(record.account), record.id);
        RecordingResource {
            recording_id: record.id,
            account_id: record.account,
            call_id: record.call,
            conference_id: record.conference,
            duration_sec: match &record.status {
                RecordingStatus::Ready { duration, .. } => whole_seconds(*duration),
                // How much was written is known when a recording is complete.
                RecordingStatus::Open | RecordingStatus::Failed { .. } => 0,
            },
            access: "private",
            mime_type: "audio/wav",
            deleted: false,
            download_url: format!("{uri}/Download"),
            common: Common::new(uri, record.revision, record.created, record.updated),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::super::common::samples::{AC, CREATED, UPDATED, with_common};
    use super::*;

    #[test]
    fn a_recording_counts_whole_seconds_rounded_up() {
        let id = "RE0404040404040404040404040404040404040404";
        let uri = format!("/Accounts/{AC}/Recordings/{id}");
        assert_eq!(
            serde_json::to_value(RecordingResource::from(&ready(Duration::from_millis(
                12_001
            ))))
            .unwrap(),
            with_common(
                &uri,
                2,
                json!({
                    "recordingId": id,
                    "accountId": AC,
                    "callId": null,
                    "conferenceId": "CF0303030303030303030303030303030303030303",
                    "durationSec": 13,
                    "type": "private",
                    "mimeType": "audio/wav",
                    "deleted": false,
                    "downloadUrl": format!("{uri}/Download"),
                })
            )
        );
        let exact = RecordingResource::from(&ready(Duration::from_secs(12)));
        assert_eq!(exact.duration_sec, 12);
    }

    #[test]
    fn a_failed_recording_has_no_duration() {
        let record = RecordingRecord {
            status: RecordingStatus::Failed {
                reason: "the disk is full".to_owned(),
            },
            ..ready(Duration::ZERO)
        };
        assert_eq!(RecordingResource::from(&record).duration_sec, 0);
    }

    fn ready(duration: Duration) -> RecordingRecord {
        RecordingRecord {
            id: RecordingId::from_bytes([4; 20]),
            account: AccountId::from_bytes([1; 20]),
            call: None,
            conference: Some(ConferenceId::from_bytes([3; 20])),
            status: RecordingStatus::Ready {
                duration,
                size_bytes: 1_000,
            },
            kept_until: None,
            revision: 2,
            created: CREATED,
            updated: UPDATED,
        }
    }
}
