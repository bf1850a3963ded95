//! A participant, as JSON.

use serde::Serialize;
use tutti_control_plane::ParticipantRecord;
use tutti_model::{AccountId, CallId, ConferenceId};
use utoipa::ToSchema;

use super::common::{Common, account_uri};

/// A participant as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParticipantResource {
    #[serde(flatten)]
    common: Common,
    #[schema(value_type = String)]
    account_id: AccountId,
    #[schema(value_type = String)]
    conference_id: ConferenceId,
    #[schema(value_type = String)]
    call_id: CallId,
    talk: bool,
    listen: bool,
    dtmf_pass_through: bool,
    start_conf_on_enter: bool,
}

impl From<&ParticipantRecord> for ParticipantResource {
    fn from(record: &ParticipantRecord) -> ParticipantResource {
        let account = account_uri(record.account);
        let uri = format!(
            "{account}/Conferences/{}/Participants/{}",
            record.conference, record.call
        );
        ParticipantResource {
            account_id: record.account,
            conference_id: record.conference,
            call_id: record.call,
            talk: record.talk,
            listen: record.listen,
            dtmf_pass_through: record.dtmf_pass_through,
            // Not the flag it joined with: whether its joining started the conference.
            start_conf_on_enter: record.started_conference,
            common: Common::new(uri, record.revision, record.created, record.updated),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::common::samples::{AC, CREATED, UPDATED, with_common};
    use super::*;

    #[test]
    fn a_participant_is_named_by_its_call() {
        let record = ParticipantRecord {
            account: AccountId::from_bytes([1; 20]),
            conference: ConferenceId::from_bytes([3; 20]),
            call: CallId::from_bytes([2; 20]),
            talk: false,
            listen: true,
            dtmf_pass_through: false,
            started_conference: true,
            revision: 2,
            created: CREATED,
            updated: UPDATED,
        };
        let conference = "CF0303030303030303030303030303030303030303";
        let call = "CA0202020202020202020202020202020202020202";
        assert_eq!(
            serde_json::to_value(ParticipantResource::from(&record)).unwrap(),
            with_common(
                &format!("/Accounts/{AC}/Conferences/{conference}/Participants/{call}"),
                2,
                json!({
                    "accountId": AC,
                    "conferenceId": conference,
                    "callId": call,
                    "talk": false,
                    "listen": true,
                    "dtmfPassThrough": false,
                    "startConfOnEnter": true,
                })
            )
        );
    }
}
