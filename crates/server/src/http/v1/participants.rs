//! `/conferences/{conferenceId}/participants/{callId}`: what a participant does, and how loud.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::{Map, Value};
use tutti_control_plane::{GainsChange, Input, ParticipantNow, Reply};
use tutti_freeclimb::date;
use tutti_freeclimb::error::ApiError;
use tutti_model::Gains;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::Problem;
use crate::http::Shared;
use crate::http::answer::Failure;
use crate::http::auth::Caller;
use crate::http::participants::place;
use crate::http::request::{Names, RawBody};

const INPUT_GAIN: &str = "inputGainDb";
const OUTPUT_GAIN: &str = "outputGainDb";

/// A participant as it is now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Participant {
    conference_id: String,
    call_id: String,
    talk: bool,
    listen: bool,
    dtmf_pass_through: bool,
    speaking: bool,
    input_gain_db: i8,
    output_gain_db: i8,
    /// RFC 3339.
    joined: String,
}

pub(super) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new().routes(routes!(show, update))
}

#[utoipa::path(
    get,
    path = "/conferences/{conference}/participants/{call}",
    operation_id = "show_participant",
    responses((status = 200, description = "The participant", body = Participant)),
)]
async fn show(
    State(shared): State<Arc<Shared>>,
    caller: Result<Caller, Failure>,
    names: Result<Names, Failure>,
) -> Result<Json<Participant>, Problem> {
    let (caller, (conference, call)) = (caller?, place(&names?)?);
    let input = Input::LookAtParticipant {
        account: caller.id(),
        conference,
        call,
    };
    answer(shared.api.control.request(caller.request, input).await?)
}

#[utoipa::path(
    patch,
    path = "/conferences/{conference}/participants/{call}",
    operation_id = "update_participant",
    request_body = ChangeOfGains,
    responses((status = 200, description = "The participant as it is now", body = Participant)),
)]
async fn update(
    State(shared): State<Arc<Shared>>,
    caller: Result<Caller, Failure>,
    names: Result<Names, Failure>,
    body: Result<RawBody, Failure>,
) -> Result<Json<Participant>, Problem> {
    let (caller, (conference, call)) = (caller?, place(&names?)?);
    let input = Input::UpdateGains {
        account: caller.id(),
        conference,
        call,
        change: gains_change(&body?.0).map_err(Problem::BadBody)?,
    };
    answer(shared.api.control.request(caller.request, input).await?)
}

fn answer(reply: Reply) -> Result<Json<Participant>, Problem> {
    let Reply::ParticipantNow(now) = reply else {
        return Err(ApiError::Internal.into());
    };
    Ok(Json(Participant::from(now)))
}

impl From<ParticipantNow> for Participant {
    fn from(now: ParticipantNow) -> Participant {
        let ParticipantNow {
            record,
            gains,
            speaking,
        } = now;
        Participant {
            conference_id: record.conference.to_string(),
            call_id: record.call.to_string(),
            talk: record.talk,
            listen: record.listen,
            dtmf_pass_through: record.dtmf_pass_through,
            speaking,
            input_gain_db: gains.input_db,
            output_gain_db: gains.output_db,
            joined: date::iso(record.created),
        }
    }
}

/// Reads a change of gains; anything else in the body is refused.
fn gains_change(body: &[u8]) -> Result<GainsChange, String> {
    let members: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|error| format!("the body must be a JSON object: {error}"))?;
    let mut change = GainsChange::default();
    for (name, value) in &members {
        match name.as_str() {
            INPUT_GAIN => change.input_db = Some(gain(name, value)?),
            OUTPUT_GAIN => change.output_db = Some(gain(name, value)?),
            _ => {
                return Err(format!(
                    "{name}: cannot be changed here; {INPUT_GAIN} and {OUTPUT_GAIN} can"
                ));
            }
        }
    }
    if change == GainsChange::default() {
        return Err(format!("nothing to change: {INPUT_GAIN} or {OUTPUT_GAIN}"));
    }
    Ok(change)
}

/// What `gains_change` reads, as the API's description tells it.
struct ChangeOfGains;

impl ToSchema for ChangeOfGains {}

impl PartialSchema for ChangeOfGains {
    fn schema() -> RefOr<Schema> {
        let most = Gains::MOST_DB;
        let decibels = || {
            ObjectBuilder::new()
                .schema_type(Type::Integer)
                .minimum(Some(-most))
                .maximum(Some(most))
        };
        ObjectBuilder::new()
            .property(INPUT_GAIN, decibels())
            .property(OUTPUT_GAIN, decibels())
            .min_properties(Some(1))
            .additional_properties(Some(AdditionalProperties::FreeForm(false)))
            .into()
    }
}

fn gain(name: &str, value: &Value) -> Result<i8, String> {
    let most = Gains::MOST_DB;
    let fits = |db: &f64| db.fract() == 0.0 && db.abs() <= f64::from(most);
    value
        .as_f64()
        .filter(fits)
        .map(|db| db as i8)
        .ok_or_else(|| {
            format!(
                "{name}: must be a whole number of decibels from -{most} to {most}, not {value}"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_gain_or_both_can_be_changed() {
        let change = |input_db, output_db| {
            Ok(GainsChange {
                input_db,
                output_db,
            })
        };
        let table = [
            (r#"{"inputGainDb":-24}"#, change(Some(-24), None)),
            (r#"{"outputGainDb":24}"#, change(None, Some(24))),
            // A whole number, as JSON may write it.
            (r#"{"outputGainDb":-13.0}"#, change(None, Some(-13))),
            (
                r#"{"outputGainDb":0,"inputGainDb":3}"#,
                change(Some(3), Some(0)),
            ),
        ];
        for (body, expected) in table {
            assert_eq!(gains_change(body.as_bytes()), expected);
        }
    }

    #[test]
    fn every_mistake_in_a_body_is_named() {
        let table = [
            ("", "the body must be a JSON object"),
            ("[]", "the body must be a JSON object"),
            ("{}", "nothing to change"),
            (r#"{"talk":true}"#, "talk: cannot be changed here"),
            (r#"{"inputGainDb":25}"#, "inputGainDb: must be a whole"),
            (r#"{"inputGainDb":1.5}"#, "from -24 to 24, not 1.5"),
            (r#"{"outputGainDb":"3"}"#, "not \"3\""),
            (r#"{"outputGainDb":null}"#, "not null"),
            (r#"{"outputGainDb":99999999999}"#, "outputGainDb"),
        ];
        for (body, expected) in table {
            let mistake = gains_change(body.as_bytes()).unwrap_err();
            assert!(mistake.contains(expected), "{body}: {mistake}");
        }
    }
}
