//! What clients ask of participants.

use tutti_control_plane::ParticipantChange;
use utoipa::ToSchema;

use crate::attributes::{Attributes, BadAttribute};
use crate::page::Filter;
use crate::query::Query;

/// The body of `POST /Participants/{callId}`, as the API's description shows it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct UpdateConferenceParticipantRequest {
    pub talk: Option<bool>,
    pub listen: Option<bool>,
    pub dtmf_pass_through: Option<bool>,
}

/// Reads `POST /Participants/{callId}`.
pub fn update_participant(attributes: &Attributes) -> Result<ParticipantChange, BadAttribute> {
    Ok(ParticipantChange {
        talk: attributes.bool("talk")?,
        listen: attributes.bool("listen")?,
        dtmf_pass_through: attributes.bool("dtmfPassThrough")?,
    })
}

/// Which participants are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ParticipantFilter {
    pub talk: Option<bool>,
    pub listen: Option<bool>,
    pub dtmf_pass_through: Option<bool>,
}

impl Filter for ParticipantFilter {
    const LIST: &'static str = "participants";
    const NAMES: &'static [&'static str] = &["talk", "listen", "dtmfPassThrough"];

    fn parse(query: &Query) -> Result<ParticipantFilter, BadAttribute> {
        Ok(ParticipantFilter {
            talk: query.bool("talk")?,
            listen: query.bool("listen")?,
            dtmf_pass_through: query.bool("dtmfPassThrough")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::members;
    use super::*;

    #[test]
    fn a_privilege_is_true_or_false_and_nothing_else() {
        let update = |body: &str| update_participant(&members(body.as_bytes()).unwrap());
        assert_eq!(
            update(r#"{"talk":false,"dtmfPassThrough":true}"#),
            Ok(ParticipantChange {
                talk: Some(false),
                listen: None,
                dtmf_pass_through: Some(true),
            })
        );
        assert_eq!(update("{}"), Ok(ParticipantChange::default()));
        for value in ["\"false\"", "0", "[]", "{}"] {
            let body = format!(r#"{{"talk":true,"listen":{value}}}"#);
            let error = update(&body).unwrap_err();
            assert_eq!(error.attribute, "listen", "{body}");
        }
    }

    #[test]
    fn participants_are_filtered_by_privilege() {
        let filter = ParticipantFilter::parse(&Query::parse("talk=true&listen=false"));
        assert_eq!(
            filter,
            Ok(ParticipantFilter {
                talk: Some(true),
                listen: Some(false),
                dtmf_pass_through: None,
            })
        );
        let error = ParticipantFilter::parse(&Query::parse("talk=True")).unwrap_err();
        assert_eq!(error.to_string(), "talk: must be one of true, false");
    }
}
