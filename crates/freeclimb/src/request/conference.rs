//! What clients ask of conferences.

use tutti_control_plane::{
    ConferenceChange, ConferenceOptions, ConferenceStatus, PlayBeep, RequestedStatus,
};
use utoipa::ToSchema;

use super::schema;
use crate::attributes::{Attributes, BadAttribute};
use crate::page::Filter;
use crate::query::{Query, Span};

/// The body of `POST /Conferences`, as the API's description shows it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct CreateConferenceRequest {
    #[schema(schema_with = schema::alias)]
    pub alias: Option<String>,
    /// `always` where it is missing.
    #[schema(schema_with = schema::word_or_null::<PlayBeep>)]
    pub play_beep: Option<String>,
    #[schema(default = false)]
    pub record: Option<bool>,
    /// A file for whoever waits; without it the bridge has music of its own.
    #[schema(max_length = 2048, pattern = r"^(https?://\S+)?$")]
    pub wait_url: Option<String>,
    #[schema(schema_with = schema::url)]
    pub status_callback_url: Option<String>,
}

/// Reads `POST /Conferences`.
pub fn create_conference(attributes: &Attributes) -> Result<ConferenceOptions, BadAttribute> {
    Ok(ConferenceOptions {
        alias: attributes.alias("alias")?,
        play_beep: attributes.choice("playBeep")?.unwrap_or_default(),
        record: attributes.bool("record")?.unwrap_or(false),
        wait_url: attributes.url("waitUrl")?,
        // The newest clients must give it, older ones post without.
        status_callback_url: attributes.url("statusCallbackUrl")?,
    })
}

/// The body of `POST /Conferences/{conferenceId}`, as the API's description shows it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct UpdateConferenceRequest {
    #[schema(schema_with = schema::alias)]
    pub alias: Option<String>,
    #[schema(schema_with = schema::word_or_null::<PlayBeep>)]
    pub play_beep: Option<String>,
    #[schema(schema_with = schema::word_or_null::<RequestedStatus>)]
    pub status: Option<String>,
}

/// Reads `POST /Conferences/{conferenceId}`.
pub fn update_conference(attributes: &Attributes) -> Result<ConferenceChange, BadAttribute> {
    Ok(ConferenceChange {
        alias: attributes.alias("alias")?,
        play_beep: attributes.choice("playBeep")?,
        status: attributes.choice("status")?,
    })
}

/// Which conferences are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConferenceFilter {
    pub status: Option<ConferenceStatus>,
    pub alias: Option<String>,
    pub created: Span,
    pub updated: Span,
}

impl Filter for ConferenceFilter {
    const LIST: &'static str = "conferences";
    const NAMES: &'static [&'static str] = &["status", "alias", "dateCreated", "dateUpdated"];

    fn parse(query: &Query) -> Result<ConferenceFilter, BadAttribute> {
        Ok(ConferenceFilter {
            status: query.choice("status")?,
            alias: query.text("alias").map(str::to_owned),
            created: query.day("dateCreated")?.unwrap_or_default(),
            updated: query.day("dateUpdated")?.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::members;
    use super::*;
    use crate::date;

    #[test]
    fn a_conference_made_of_nothing_has_the_defaults() {
        for body in ["", "{}", r#"{"alias":null,"record":null,"playBeep":null}"#] {
            assert_eq!(create(body), Ok(ConferenceOptions::default()), "{body}");
        }
    }

    #[test]
    fn a_conference_is_made_as_asked() {
        let body = r#"{"alias":"demo","playBeep":"never","record":true,"requestId":"RQ00",
            "waitUrl":"https://app.example/w.wav","statusCallbackUrl":"http://app.example:8000/cb"}"#;
        assert_eq!(
            create(body),
            Ok(ConferenceOptions {
                alias: Some("demo".to_owned()),
                play_beep: PlayBeep::Never,
                record: true,
                wait_url: Some("https://app.example/w.wav".to_owned()),
                status_callback_url: Some("http://app.example:8000/cb".to_owned()),
            })
        );
    }

    #[test]
    fn a_conference_is_not_made_of_nonsense() {
        let table = [
            (
                r#"{"playBeep":"ALWAYS"}"#,
                "playBeep: must be one of always, never, entryOnly, exitOnly",
            ),
            (
                r#"{"record":"true"}"#,
                "record: must be true or false, not a string",
            ),
            (
                r#"{"record":1}"#,
                "record: must be true or false, not a number",
            ),
            (
                r#"{"waitUrl":"wait.wav"}"#,
                "waitUrl: must be an absolute http or https URL",
            ),
            (
                r#"{"statusCallbackUrl":7}"#,
                "statusCallbackUrl: must be a string, not a number",
            ),
        ];
        for (body, message) in table {
            assert_eq!(create(body).unwrap_err().to_string(), message, "{body}");
        }
        let long = format!(r#"{{"alias":"{}"}}"#, "ü".repeat(65));
        assert_eq!(
            create(&long).unwrap_err().to_string(),
            "alias: must not be longer than 64 characters"
        );
        assert!(create(&long.replacen('ü', "", 1)).is_ok());
    }

    #[test]
    fn only_empty_and_terminated_can_be_asked_for() {
        let terminated = ConferenceChange {
            status: Some(RequestedStatus::Terminated),
            ..ConferenceChange::default()
        };
        assert_eq!(update(r#"{"status":"terminated"}"#), Ok(terminated));
        assert_eq!(
            update(r#"{"status":"inProgress"}"#)
                .unwrap_err()
                .to_string(),
            "status: must be one of empty, terminated"
        );
        assert_eq!(update(""), Ok(ConferenceChange::default()));
    }

    #[test]
    fn conferences_are_filtered_by_whole_days() {
        let query = Query::parse("status=empty&alias=a+b&dateCreated=2024-02-29&dateUpdated=");
        let filter = ConferenceFilter::parse(&query).unwrap();
        let day = date::day("2024-02-29").unwrap();
        assert_eq!(
            filter,
            ConferenceFilter {
                status: Some(ConferenceStatus::Empty),
                alias: Some("a b".to_owned()),
                created: Span::from_until(Some(day.start), Some(day.end)),
                updated: Span::default(),
            }
        );
        for (query, message) in [
            (
                "status=creating",
                "status: must be one of empty, populated, inProgress, terminated",
            ),
            (
                "dateCreated=today",
                "dateCreated: must be written YYYY-MM-DD",
            ),
        ] {
            let error = ConferenceFilter::parse(&Query::parse(query)).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }

    fn create(body: &str) -> Result<ConferenceOptions, BadAttribute> {
        create_conference(&members(body.as_bytes()).unwrap())
    }

    fn update(body: &str) -> Result<ConferenceChange, BadAttribute> {
        update_conference(&members(body.as_bytes()).unwrap())
    }
}
