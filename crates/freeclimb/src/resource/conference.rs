//! A conference, as JSON.

use serde::Serialize;
use tutti_control_plane::ConferenceRecord;
use tutti_model::{AccountId, ConferenceId};
use utoipa::ToSchema;

use super::common::{Common, account_uri};
use crate::word::Word;

/// A conference as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConferenceResource {
    #[serde(flatten)]
    common: Common,
    #[schema(value_type = String)]
    conference_id: ConferenceId,
    #[schema(value_type = String)]
    account_id: AccountId,
    alias: Option<String>,
    play_beep: &'static str,
    record: bool,
    status: &'static str,
    wait_url: Option<String>,
    action_url: Option<String>,
    status_callback_url: Option<String>,
    #[schema(inline)]
    subresource_uris: Subresources,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct Subresources {
    participants: String,
    recordings: String,
}

impl From<&ConferenceRecord> for ConferenceResource {
    fn from(record: &ConferenceRecord) -> ConferenceResource {
        let uri = format!("{}/Conferences/{}", account_uri(record.account), record.id);
        ConferenceResource {
            conference_id: record.id,
            account_id: record.account,
            alias: record.alias.clone(),
            play_beep: record.play_beep.word(),
            record: record.record,
            status: record.status.word(),
            wait_url: record.wait_url.clone(),
            action_url: record.action_url.clone(),
            status_callback_url: record.status_callback_url.clone(),
            subresource_uris: Subresources {
                participants: format!("{uri}/Participants"),
                recordings: format!("{uri}/Recordings"),
            },
            common: Common::new(uri, record.revision, record.created, record.updated),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tutti_control_plane::{ConferenceStatus, PlayBeep};

    use super::super::common::samples::{AC, CREATED, UPDATED, with_common};
    use super::*;

    #[test]
    fn a_conference_has_the_platforms_shape() {
        let record = ConferenceRecord {
            id: ConferenceId::from_bytes([3; 20]),
            account: AccountId::from_bytes([1; 20]),
            alias: Some("Standup".to_owned()),
            play_beep: PlayBeep::EntryOnly,
            record: true,
            status: ConferenceStatus::InProgress,
            wait_url: Some("https://app.example/wait.wav".to_owned()),
            action_url: None,
            status_callback_url: Some("https://app.example/status".to_owned()),
            revision: 3,
            created: CREATED,
            updated: UPDATED,
        };
        let id = "CF0303030303030303030303030303030303030303";
        let uri = format!("/Accounts/{AC}/Conferences/{id}");
        assert_eq!(
            serde_json::to_value(ConferenceResource::from(&record)).unwrap(),
            with_common(
                &uri,
                3,
                json!({
                    "conferenceId": id,
                    "accountId": AC,
                    "alias": "Standup",
                    "playBeep": "entryOnly",
                    "record": true,
                    "status": "inProgress",
                    "waitUrl": "https://app.example/wait.wav",
                    "actionUrl": null,
                    "statusCallbackUrl": "https://app.example/status",
                    "subresourceUris": {
                        "participants": format!("{uri}/Participants"),
                        "recordings": format!("{uri}/Recordings"),
                    },
                })
            )
        );
    }
}
