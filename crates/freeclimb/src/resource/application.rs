//! An application, as JSON.

use serde::Serialize;
use tutti_control_plane::ApplicationRecord;
use tutti_model::{AccountId, ApplicationId};
use utoipa::ToSchema;

use super::common::{Common, account_uri};

/// An application as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationResource {
    #[serde(flatten)]
    common: Common,
    #[schema(value_type = String)]
    account_id: AccountId,
    #[schema(value_type = String)]
    application_id: ApplicationId,
    alias: Option<String>,
    voice_url: Option<String>,
    voice_fallback_url: Option<String>,
    call_connect_url: Option<String>,
    status_callback_url: Option<String>,
    sms_url: Option<String>,
    sms_fallback_url: Option<String>,
}

impl From<&ApplicationRecord> for ApplicationResource {
    fn from(record: &ApplicationRecord) -> ApplicationResource {
        let uri = format!("{}/Applications/{}", account_uri(record.account), record.id);
        ApplicationResource {
            account_id: record.account,
            application_id: record.id,
            alias: record.alias.clone(),
            voice_url: record.voice_url.clone(),
            voice_fallback_url: record.voice_fallback_url.clone(),
            call_connect_url: record.call_connect_url.clone(),
            status_callback_url: record.status_callback_url.clone(),
            sms_url: record.sms_url.clone(),
            sms_fallback_url: record.sms_fallback_url.clone(),
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
    fn an_application_shows_all_six_urls() {
        let record = ApplicationRecord {
            id: ApplicationId::from_bytes([6; 20]),
            account: AccountId::from_bytes([1; 20]),
            alias: Some("Desk".to_owned()),
            voice_url: Some("https://app.example/voice".to_owned()),
            voice_fallback_url: Some("https://app.example/fallback".to_owned()),
            call_connect_url: Some("https://app.example/connect".to_owned()),
            status_callback_url: Some("https://app.example/status".to_owned()),
            sms_url: None,
            sms_fallback_url: None,
            revision: 1,
            created: CREATED,
            updated: UPDATED,
        };
        let id = "AP0606060606060606060606060606060606060606";
        assert_eq!(
            serde_json::to_value(ApplicationResource::from(&record)).unwrap(),
            with_common(
                &format!("/Accounts/{AC}/Applications/{id}"),
                1,
                json!({
                    "accountId": AC,
                    "applicationId": id,
                    "alias": "Desk",
                    "voiceUrl": "https://app.example/voice",
                    "voiceFallbackUrl": "https://app.example/fallback",
                    "callConnectUrl": "https://app.example/connect",
                    "statusCallbackUrl": "https://app.example/status",
                    "smsUrl": null,
                    "smsFallbackUrl": null,
                })
            )
        );
    }
}
