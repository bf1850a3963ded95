//! `/Calls`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use tutti_control_plane::{CallRecord, Input};
use tutti_freeclimb::error::ApiError;
use tutti_freeclimb::page::Position;
use tutti_freeclimb::request::{CallFilter, update_call};
use tutti_freeclimb::resource::{CallResource, account_uri};

use super::Shared;
use super::answer::{Answer, Failure, empty, json};
use super::auth::Caller;
use super::lists::{self, during, wanted};
use super::request::{Members, Names, QueryString};

/// Outbound calls are refused: there is no trunk to make them through.
pub(super) async fn make(_: Caller, _: Members) -> Answer {
    Err(ApiError::NoOutboundCalls.into())
}

pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    query: QueryString,
) -> Answer {
    let request = query.page::<CallFilter>()?;
    let filter = tutti_store::CallFilter {
        active: request.filter.active,
        to: request.filter.to.clone(),
        from: request.filter.from.clone(),
        status: request.filter.status,
        started: during(request.filter.started),
        ended: during(request.filter.ended),
        parent: request.filter.parent,
        applications: request.filter.applications.clone(),
    };
    let store = &shared.api.store;
    let listing = store.calls(caller.id(), &filter, &wanted(&request)).await?;
    let path = format!("{}/Calls", account_uri(caller.id()));
    let place = |record: &CallRecord| Position {
        created: record.created,
        id: record.id.to_string(),
    };
    lists::answer(&request, &path, listing, place, |record| {
        CallResource::from(record)
    })
}

pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    names: Names,
) -> Answer {
    let record = find(&shared, &caller, &names).await?;
    json(StatusCode::OK, &CallResource::from(&record))
}

pub(super) async fn update(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    names: Names,
    Members(attributes): Members,
) -> Answer {
    let input = Input::UpdateCall {
        account: caller.id(),
        call: names.id("call").ok_or(ApiError::NoSuchCall)?,
        change: update_call(&attributes)?,
    };
    shared.api.control.request(input).await?;
    empty(StatusCode::ACCEPTED)
}

/// The call in the path, ended ones included.
pub(super) async fn find(
    shared: &Shared,
    caller: &Caller,
    names: &Names,
) -> Result<CallRecord, Failure> {
    let call = names.id("call").ok_or(ApiError::NoSuchCall)?;
    let record = shared.api.store.call(caller.id(), call).await?;
    Ok(record.ok_or(ApiError::NoSuchCall)?)
}
