//! An account, as JSON.

use serde::Serialize;
use tutti_control_plane::AccountRecord;
use tutti_model::AccountId;
use utoipa::ToSchema;

use super::common::{Common, account_uri};
use crate::word::Word;

/// An account as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountResource {
    #[serde(flatten)]
    common: Common,
    #[schema(value_type = String)]
    account_id: AccountId,
    api_key: String,
    /// The key again, under the name that older SDKs look for.
    auth_token: String,
    alias: Option<String>,
    label: Option<String>,
    #[serde(rename = "type")]
    kind: &'static str,
    status: &'static str,
    #[schema(inline)]
    subresource_uris: Subresources,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Subresources {
    applications: String,
    available_phone_numbers: &'static str,
    calling_numbers: String,
    calls: String,
    conferences: String,
    incoming_phone_numbers: String,
    logs: String,
    queues: String,
    recordings: String,
}

impl AccountResource {
    /// The account, and the key with which its owner has just asked: only a hash of it is kept.
    pub fn new(record: &AccountRecord, api_key: &str) -> AccountResource {
        let uri = account_uri(record.id);
        AccountResource {
            account_id: record.id,
            api_key: api_key.to_owned(),
            auth_token: api_key.to_owned(),
            alias: record.alias.clone(),
            label: record.label.clone(),
            kind: "full",
            status: record.status.word(),
            subresource_uris: Subresources {
                applications: format!("{uri}/Applications"),
                available_phone_numbers: "/AvailablePhoneNumbers",
                calling_numbers: format!("{uri}/CallingNumbers"),
                calls: format!("{uri}/Calls"),
                conferences: format!("{uri}/Conferences"),
                incoming_phone_numbers: format!("{uri}/IncomingPhoneNumbers"),
                logs: format!("{uri}/Logs"),
                queues: format!("{uri}/Queues"),
                recordings: format!("{uri}/Recordings"),
            },
            common: Common::new(uri, record.revision, record.created, record.updated),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tutti_control_plane::AccountStatus;

    use super::super::common::samples::{AC, CREATED, UPDATED, with_common};
    use super::*;

    #[test]
    fn an_account_is_shown_with_the_key_that_asked() {
        let record = AccountRecord {
            id: AccountId::from_bytes([1; 20]),
            api_key_hash: [9; 32],
            signing_secrets: vec!["sigsec_never-shown".to_owned()],
            status: AccountStatus::Suspended,
            alias: Some("Main".to_owned()),
            label: None,
            revision: 4,
            created: CREATED,
            updated: UPDATED,
        };
        let uri = format!("/Accounts/{AC}");
        assert_eq!(
            serde_json::to_value(AccountResource::new(&record, "key")).unwrap(),
            with_common(
                &uri,
                4,
                json!({
                    "accountId": AC,
                    "apiKey": "key",
                    "authToken": "key",
                    "alias": "Main",
                    "label": null,
                    "type": "full",
                    "status": "suspended",
                    "subresourceUris": {
                        "applications": format!("{uri}/Applications"),
                        "availablePhoneNumbers": "/AvailablePhoneNumbers",
                        "callingNumbers": format!("{uri}/CallingNumbers"),
                        "calls": format!("{uri}/Calls"),
                        "conferences": format!("{uri}/Conferences"),
                        "incomingPhoneNumbers": format!("{uri}/IncomingPhoneNumbers"),
                        "logs": format!("{uri}/Logs"),
                        "queues": format!("{uri}/Queues"),
                        "recordings": format!("{uri}/Recordings"),
                    },
                })
            )
        );
    }
}
