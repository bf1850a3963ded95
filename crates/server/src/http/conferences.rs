//! `/Conferences`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use tutti_control_plane::{ConferenceRecord, Input, Reply};
use tutti_freeclimb::error::ApiError;
use tutti_freeclimb::page::Position;
use tutti_freeclimb::request::{
    ConferenceFilter, CreateConferenceRequest, UpdateConferenceRequest, create_conference,
    update_conference,
};
use tutti_freeclimb::resource::{ConferenceResource, account_uri};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::{Answer, Failure, empty, json};
use super::auth::Caller;
use super::documentation::{ListQuery, PageOf};
use super::lists::{self, during, wanted};
use super::request::{Members, Names, QueryString};

type Conferences = PageOf<ConferenceFilter, ConferenceResource>;

pub(super) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update))
}

#[utoipa::path(
    post,
    path = "/Conferences",
    operation_id = "create_a_conference",
    request_body = Option<CreateConferenceRequest>,
    responses((status = 200, description = "The new conference, empty", body = ConferenceResource)),
)]
async fn create(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Members(attributes): Members,
) -> Answer {
    let input = Input::CreateConference {
        account: caller.id(),
        options: create_conference(&attributes)?,
    };
    let Reply::Conference(record) = shared.api.control.request(caller.request, input).await? else {
        return Err(ApiError::Internal.into());
    };
    json(StatusCode::OK, &ConferenceResource::from(&record))
}

#[utoipa::path(
    get,
    path = "/Conferences",
    operation_id = "list_conferences",
    params(ListQuery<ConferenceFilter>),
    responses((status = 200, description = "A page of the account's conferences, terminated ones included", body = Conferences)),
)]
async fn list(State(shared): State<Arc<Shared>>, caller: Caller, query: QueryString) -> Answer {
    let request = query.page::<ConferenceFilter>()?;
    let filter = tutti_store::ConferenceFilter {
        status: request.filter.status,
        alias: request.filter.alias.clone(),
        date_created: during(request.filter.created),
        date_updated: during(request.filter.updated),
    };
    let store = &shared.api.store;
    let listing = store
        .conferences(caller.id(), &filter, &wanted(&request))
        .await?;
    let path = format!("{}/Conferences", account_uri(caller.id()));
    let place = |record: &ConferenceRecord| Position {
        created: record.created,
        id: record.id.to_string(),
    };
    lists::answer(&request, &path, listing, place, |record| {
        ConferenceResource::from(record)
    })
}

#[utoipa::path(
    get,
    path = "/Conferences/{conference}",
    operation_id = "get_a_conference",
    responses((status = 200, description = "The conference, terminated ones included", body = ConferenceResource)),
)]
async fn show(State(shared): State<Arc<Shared>>, caller: Caller, names: Names) -> Answer {
    let record = find(&shared, &caller, &names).await?;
    json(StatusCode::OK, &ConferenceResource::from(&record))
}

#[utoipa::path(
    post,
    path = "/Conferences/{conference}",
    operation_id = "update_a_conference",
    request_body = Option<UpdateConferenceRequest>,
    responses((status = 204, description = "The conference is changed")),
)]
async fn update(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    names: Names,
    Members(attributes): Members,
) -> Answer {
    let input = Input::UpdateConference {
        account: caller.id(),
        conference: names.id("conference").ok_or(ApiError::NoSuchConference)?,
        change: update_conference(&attributes)?,
    };
    shared.api.control.request(caller.request, input).await?;
    empty(StatusCode::NO_CONTENT)
}

/// The conference in the path, terminated ones included.
pub(super) async fn find(
    shared: &Shared,
    caller: &Caller,
    names: &Names,
) -> Result<ConferenceRecord, Failure> {
    let conference = names.id("conference").ok_or(ApiError::NoSuchConference)?;
    let record = shared.api.store.conference(caller.id(), conference).await?;
    Ok(record.ok_or(ApiError::NoSuchConference)?)
}
