//! `/Conferences/{conferenceId}/Participants`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use tutti_control_plane::{Input, ParticipantRecord, Reply};
use tutti_freeclimb::error::ApiError;
use tutti_freeclimb::page::Position;
use tutti_freeclimb::request::{ParticipantFilter, update_participant};
use tutti_freeclimb::resource::{ParticipantResource, account_uri};
use tutti_model::{CallId, ConferenceId};

use super::Shared;
use super::answer::{Answer, empty, json};
use super::auth::Caller;
use super::conferences;
use super::lists::{self, wanted};
use super::request::{Members, Names, QueryString};

pub(super) async fn list(
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

pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    names: Names,
) -> Answer {
    let (conference, call) = place(&names)?;
    let store = &shared.api.store;
    let record = store.participant(caller.id(), conference, call).await?;
    let record = record.ok_or(ApiError::NoSuchParticipant)?;
    json(StatusCode::OK, &ParticipantResource::from(&record))
}

pub(super) async fn update(
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
    match shared.api.control.request(input).await? {
        Reply::Participant(record) => json(StatusCode::OK, &ParticipantResource::from(&record)),
        Reply::Done | Reply::Conference(_) | Reply::ParticipantNow(_) => {
            Err(ApiError::Internal.into())
        }
    }
}

pub(super) async fn remove(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    names: Names,
) -> Answer {
    let (conference, call) = place(&names)?;
    let input = Input::RemoveParticipant {
        account: caller.id(),
        conference,
        call,
    };
    shared.api.control.request(input).await?;
    empty(StatusCode::NO_CONTENT)
}

/// The conference and the call in the path.
pub(super) fn place(names: &Names) -> Result<(ConferenceId, CallId), ApiError> {
    let conference = names.id("conference").ok_or(ApiError::NoSuchParticipant)?;
    let call = names.id("call").ok_or(ApiError::NoSuchParticipant)?;
    Ok((conference, call))
}
