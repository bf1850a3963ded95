//! What clients ask of applications.

use tutti_control_plane::ApplicationRecord;
use utoipa::ToSchema;

use super::{Edit, schema};
use crate::attributes::{Attributes, BadAttribute};
use crate::page::Filter;
use crate::query::Query;

/// A change to an application; a new one is a change to one without any URL.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApplicationUpdate {
    pub alias: Edit<String>,
    pub voice_url: Edit<String>,
    pub voice_fallback_url: Edit<String>,
    pub call_connect_url: Edit<String>,
    pub status_callback_url: Edit<String>,
    pub sms_url: Edit<String>,
    pub sms_fallback_url: Edit<String>,
}

/// The body of `POST /Applications` and `POST /Applications/{applicationId}`, as the API's
/// description shows it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ApplicationRequest {
    #[schema(schema_with = schema::alias)]
    pub alias: Option<String>,
    #[schema(schema_with = schema::url)]
    pub voice_url: Option<String>,
    #[schema(schema_with = schema::url)]
    pub voice_fallback_url: Option<String>,
    #[schema(schema_with = schema::url)]
    pub call_connect_url: Option<String>,
    #[schema(schema_with = schema::url)]
    pub status_callback_url: Option<String>,
    #[schema(schema_with = schema::url)]
    pub sms_url: Option<String>,
    #[schema(schema_with = schema::url)]
    pub sms_fallback_url: Option<String>,
}

impl ApplicationUpdate {
    /// Reads `POST /Applications` and `POST /Applications/{applicationId}`.
    pub fn parse(attributes: &Attributes) -> Result<ApplicationUpdate, BadAttribute> {
        let url = |name| Edit::of(attributes, name, Attributes::url);
        Ok(ApplicationUpdate {
            alias: Edit::of(attributes, "alias", Attributes::alias)?,
            voice_url: url("voiceUrl")?,
            voice_fallback_url: url("voiceFallbackUrl")?,
            call_connect_url: url("callConnectUrl")?,
            status_callback_url: url("statusCallbackUrl")?,
            sms_url: url("smsUrl")?,
            sms_fallback_url: url("smsFallbackUrl")?,
        })
    }

    /// Makes the change; the caller counts the revision.
    pub fn apply(self, record: &mut ApplicationRecord) {
        self.alias.apply(&mut record.alias);
        self.voice_url.apply(&mut record.voice_url);
        self.voice_fallback_url
            .apply(&mut record.voice_fallback_url);
        self.call_connect_url.apply(&mut record.call_connect_url);
        self.status_callback_url
            .apply(&mut record.status_callback_url);
        self.sms_url.apply(&mut record.sms_url);
        self.sms_fallback_url.apply(&mut record.sms_fallback_url);
    }
}

/// Which applications are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApplicationFilter {
    pub alias: Option<String>,
}

impl Filter for ApplicationFilter {
    const LIST: &'static str = "applications";
    const NAMES: &'static [&'static str] = &["alias"];

    fn parse(query: &Query) -> Result<ApplicationFilter, BadAttribute> {
        let alias = query.text("alias").map(str::to_owned);
        Ok(ApplicationFilter { alias })
    }
}

#[cfg(test)]
mod tests {
    use tutti_model::{AccountId, ApplicationId, Timestamp};

    use super::super::members;
    use super::*;

    #[test]
    fn an_update_touches_only_what_it_names() {
        let mut record = ApplicationRecord {
            id: ApplicationId::from_bytes([6; 20]),
            account: AccountId::from_bytes([1; 20]),
            alias: Some("Desk".to_owned()),
            voice_url: Some("https://old.example/voice".to_owned()),
            voice_fallback_url: Some("https://old.example/fallback".to_owned()),
            call_connect_url: None,
            status_callback_url: Some("https://old.example/status".to_owned()),
            sms_url: None,
            sms_fallback_url: None,
            revision: 1,
            created: Timestamp::from_micros(0),
            updated: Timestamp::from_micros(0),
        };
        let body = br#"{"voiceUrl":"https://new.example/voice","voiceFallbackUrl":null,
            "statusCallbackUrl":""}"#;
        let update = ApplicationUpdate::parse(&members(body).unwrap()).unwrap();
        update.apply(&mut record);
        assert_eq!(
            record.voice_url.as_deref(),
            Some("https://new.example/voice")
        );
        assert_eq!(record.voice_fallback_url, None);
        assert_eq!(record.status_callback_url, None);
        assert_eq!(record.alias.as_deref(), Some("Desk"));
    }

    #[test]
    fn each_url_is_checked_under_its_own_name() {
        for name in [
            "voiceUrl",
            "voiceFallbackUrl",
            "callConnectUrl",
            "statusCallbackUrl",
            "smsUrl",
            "smsFallbackUrl",
        ] {
            let body = format!(r#"{{"{name}":"voice"}}"#);
            let error = ApplicationUpdate::parse(&members(body.as_bytes()).unwrap()).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{name}: must be an absolute http or https URL")
            );
        }
    }
}
