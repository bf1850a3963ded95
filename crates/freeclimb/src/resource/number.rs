//! An incoming phone number, as JSON.

use serde::Serialize;
use tutti_control_plane::NumberRecord;
use tutti_model::{AccountId, ApplicationId, NumberId};
use utoipa::ToSchema;

use super::common::{Common, account_uri};

/// An incoming phone number as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NumberResource {
    #[serde(flatten)]
    common: Common,
    #[schema(value_type = String)]
    phone_number_id: NumberId,
    #[schema(value_type = String)]
    account_id: AccountId,
    #[schema(value_type = Option<String>)]
    application_id: Option<ApplicationId>,
    phone_number: String,
    alias: Option<String>,
    region: Option<String>,
    country: Option<String>,
    voice_enabled: bool,
    sms_enabled: bool,
    #[schema(inline)]
    capabilities: Capabilities,
    campaign_id: Option<String>,
    offnet: bool,
}

/// What a number here can do: it takes calls, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Capabilities {
    voice: bool,
    sms: bool,
    toll_free: bool,
    #[serde(rename = "tenDLC")]
    ten_dlc: bool,
    short_code: bool,
}

impl From<&NumberRecord> for NumberResource {
    fn from(record: &NumberRecord) -> NumberResource {
        let account = account_uri(record.account);
        let uri = format!("{account}/IncomingPhoneNumbers/{}", record.id);
        NumberResource {
            phone_number_id: record.id,
            account_id: record.account,
            application_id: record.application,
            phone_number: record.phone_number.clone(),
            alias: record.alias.clone(),
            region: None,
            country: None,
            voice_enabled: true,
            sms_enabled: false,
            capabilities: Capabilities {
                voice: true,
                sms: false,
                toll_free: false,
                ten_dlc: false,
                short_code: false,
            },
            campaign_id: None,
            // The number is somebody else's; a trunk brings its calls here.
            offnet: true,
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
    fn a_number_shows_who_answers_and_what_it_can_do() {
        let record = NumberRecord {
            id: NumberId::from_bytes([7; 20]),
            account: AccountId::from_bytes([1; 20]),
            application: Some(ApplicationId::from_bytes([6; 20])),
            phone_number: "+15550101".to_owned(),
            alias: None,
            revision: 1,
            created: CREATED,
            updated: UPDATED,
        };
        let id = "PN0707070707070707070707070707070707070707";
        assert_eq!(
            serde_json::to_value(NumberResource::from(&record)).unwrap(),
            with_common(
                &format!("/Accounts/{AC}/IncomingPhoneNumbers/{id}"),
                1,
                json!({
                    "phoneNumberId": id,
                    "accountId": AC,
                    "applicationId": "AP0606060606060606060606060606060606060606",
                    "phoneNumber": "+15550101",
                    "alias": null,
                    "region": null,
                    "country": null,
                    "voiceEnabled": true,
                    "smsEnabled": false,
                    "capabilities": {
                        "voice": true, "sms": false, "tollFree": false, "tenDLC": false,
                        "shortCode": false,
                    },
                    "campaignId": null,
                    "offnet": true,
                })
            )
        );
    }
}
