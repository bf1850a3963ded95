//! `/Conferences/{conferenceId}/Participants`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use tutti_control_plane::{Input, ParticipantRecord, Reply};
use tutti_freeclimb::error::ApiError;
use tutti_freeclimb::page::Position;
use tutti_freeclimb::request::{
    ParticipantFilter, UpdateConferenceParticipantRequest, update_participant,
};
use tutti_freeclimb::resource::{ParticipantResource, account_uri};
use tutti_model::{CallId, ConferenceId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::{Answer, empty, json};
use super::auth::Caller;
use super::conferences;
use super::documentation::{ListQuery, PageOf};
use super::lists::{self, wanted};
use super::request::{Members, Names, QueryString};

type Participants = PageOf<ParticipantFilter, ParticipantResource>;

pub(super) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, update, remove))
}

#[utoipa::path(
    get,
    path = "/Conferences/{conference}/Participants",
    operation_id = "list_participants",
    params(ListQuery<ParticipantFilter>),
    responses((status = 200, description = "A page of those who are in the conference", body = Participants)),
)]
async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    names: Names,
    query: QueryString,
) -> Answer {
    let conference = conferences::find(&shared, &caller, &names).await?.id;
    let request = query.page::<ParticipantFilter>()?;
    let filter = tutti_store::ParticipantFilter {
        talk: request.filter.talk,
        listen: request.filter.listen,
        dtmf_pass_through: request.filter.dtmf_pass_through,
    };
    let store = &shared.api.store;
    let listing = store
        .participants(caller.id(), conference, &filter, &wanted(&request))
        .await?;
    let account = account_uri(caller.id());
    let path = format!("{account}/Conferences/{conference}/Participants");
    let place = |record: &ParticipantRecord| Position {
        created: record.created,
        id: record.call.to_string(),
    };
    lists::answer(&request, &path, listing, place, |record| {
        ParticipantResource::from(record)
    })
}

#[utoipa::path(
    get,
    path = "/Conferences/{conference}/Participants/{call}",
    operation_id = "get_a_participant",
    responses((status = 200, description = "The participant", body = ParticipantResource)),
)]
async fn show(State(shared): State<Arc<Shared>>, caller: Caller, names: Names) -> Answer {
    let (conference, call) = place(&names)?;
    let store = &shared.api.store;
    let record = store.participant(caller.id(), conference, call).await?;
    let record = record.ok_or(ApiError::NoSuchParticipant)?;
    json(StatusCode::OK, &ParticipantResource::from(&record))
}

#[utoipa::path(
    post,
    path = "/Conferences/{conference}/Participants/{call}",
    operation_id = "update_a_participant",
    request_body = Option<UpdateConferenceParticipantRequest>,
    responses((status = 200, description = "The participant as it is now", body = ParticipantResource)),
)]
async fn update(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    names: Names,
    Members(attributes): Members,
) -> Answer {
    let (conference, call) = place(&names)?;
    let input = Input::UpdateParticipant {
        account: caller.id(),
        conference,
        call,
        change: update_participant(&attributes)?,
    };
    let Reply::Participant(record) = shared.api.control.request(caller.request, input).await?
    else {
        return Err(ApiError::Internal.into());
    };
    json(StatusCode::OK, &ParticipantResource::from(&record))
}

#[utoipa::path(
    delete,
    path = "/Conferences/{conference}/Participants/{call}",
    operation_id = "remove_a_participant",
    responses((status = 204, description = "The call is no longer in the conference")),
)]
async fn remove(State(shared): State<Arc<Shared>>, caller: Caller, names: Names) -> Answer {
    let (conference, call) = place(&names)?;
    let input = Input::RemoveParticipant {
        account: caller.id(),
        conference,
        call,
    };
    shared.api.control.request(caller.request, input).await?;
    empty(StatusCode::NO_CONTENT)
}

/// The conference and the call in the path.
pub(super) fn place(names: &Names) -> Result<(ConferenceId, CallId), ApiError> {
    let conference = names.id("conference").ok_or(ApiError::NoSuchParticipant)?;
    let call = names.id("call").ok_or(ApiError::NoSuchParticipant)?;
    Ok((conference, call))
}
