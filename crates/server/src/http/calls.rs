//! `/Calls`.

use std::ops::RangeInclusive;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header::USER_AGENT;
use axum::http::{HeaderMap, StatusCode};
use tutti_control_plane::{ApplicationRecord, CallRecord, Input, NewCall, Reply};
use tutti_freeclimb::error::ApiError;
use tutti_freeclimb::page::Position;
use tutti_freeclimb::request::{
    CallFilter, MakeCallRequest, NewCallRequest, UpdateCallRequest, update_call,
};
use tutti_freeclimb::resource::{CallResource, account_uri};
use tutti_model::{ApplicationId, CallId, NumberId};
use tutti_store::{Listing, Page};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::{Answer, Failure, empty, json};
use super::auth::Caller;
use super::documentation::{ListQuery, PageOf};
use super::lists::{self, during, wanted};
use super::request::{Members, Names, QueryString};

/// The versions (major, minor, patch) of the Python SDK that know a new call by status 200 alone.
const TAKE_200: RangeInclusive<[u32; 3]> = [5, 0, 0]..=[5, 4, 0];

type Calls = PageOf<CallFilter, CallResource>;

pub(super) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new()
        .routes(routes!(list, make))
        .routes(routes!(show, update))
}

#[utoipa::path(
    post,
    path = "/Calls",
    operation_id = "make_a_call",
    request_body = MakeCallRequest,
    responses(
        (status = 202, description = "The new call, on its way out", body = CallResource),
        (status = 200, description = "The same, for SDKs that know it by this status alone", body = CallResource),
    )
)]
async fn make(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    headers: HeaderMap,
    Members(attributes): Members,
) -> Answer {
    let order = NewCallRequest::parse(&attributes)?;
    let parent = match order.parent {
        Some(call) => Some(parent(&shared, &caller, call).await?),
        None => None,
    };
    let application = order.application.or_else(|| {
        let parent = parent.as_ref()?;
        parent.application
    });
    let application = match application {
        Some(id) => application_of(&shared, &caller, id, order.application.is_some()).await?,
        None => None,
    };
    let connect_url = |application: &ApplicationRecord| application.call_connect_url.clone();
    let call_connect_url = order
        .call_connect_url
        .or_else(|| application.as_ref().and_then(connect_url))
        .ok_or(ApiError::NoCallConnectUrl)?;
    let input = Input::MakeCall {
        account: caller.id(),
        call: NewCall {
            number: caller_id(&shared, &caller, &order.from, parent.as_ref()).await?,
            to: order.to,
            from: order.from,
            application: application.as_ref().map(|application| application.id),
            parent: order.parent,
            call_connect_url,
            status_callback_url: application
                .and_then(|application| application.status_callback_url),
            timeout: order.timeout,
            send_digits: order.send_digits,
            if_machine: order.if_machine,
            private: order.private,
        },
    };
    let Reply::Call(record) = shared.api.control.request(caller.request, input).await? else {
        return Err(ApiError::Internal.into());
    };
    json(status_of_new_call(&headers), &CallResource::from(&record))
}

/// The call that a new one belongs to.
async fn parent(shared: &Shared, caller: &Caller, call: CallId) -> Result<CallRecord, Failure> {
    let record = shared.api.store.call(caller.id(), call).await?;
    Ok(record.ok_or(ApiError::NoSuchCall)?)
}

/// An application that the request names must be there; a parent's may have been deleted since.
async fn application_of(
    shared: &Shared,
    caller: &Caller,
    id: ApplicationId,
    is_named: bool,
) -> Result<Option<ApplicationRecord>, Failure> {
    match shared.api.store.application(caller.id(), id).await? {
        None if is_named => Err(ApiError::NoSuchApplication.into()),
        found => Ok(found),
    }
}

/// Lets a call show a number of the account, and answers which one it is; or what its parent shows
/// while that lives, which may be anybody's.
async fn caller_id(
    shared: &Shared,
    caller: &Caller,
    from: &str,
    parent: Option<&CallRecord>,
) -> Result<Option<NumberId>, Failure> {
    let filter = tutti_store::NumberFilter {
        phone_number: Some(from.to_owned()),
        ..tutti_store::NumberFilter::default()
    };
    let store = &shared.api.store;
    let owned = store.numbers(caller.id(), &filter, &Page::first(1)).await?;
    if let Some(number) = owned.items.first() {
        return Ok(Some(number.id));
    }
    let is_shown = |parent: &&CallRecord| {
        !parent.status.is_final() && (parent.from == from || parent.to == from)
    };
    match parent.filter(is_shown) {
        Some(_) => Ok(None),
        None => Err(ApiError::CallerNotOwned.into()),
    }
}

/// 202, as FreeClimb answers; but some generations of its SDK take nothing but 200 for success.
fn status_of_new_call(headers: &HeaderMap) -> StatusCode {
    let agent = headers
        .get(USER_AGENT)
        .and_then(|agent| agent.to_str().ok());
    match agent.and_then(python_sdk_version) {
        Some(version) if TAKE_200.contains(&version) => StatusCode::OK,
        Some(_) | None => StatusCode::ACCEPTED,
    }
}

/// The version in `OpenAPI-Generator/5.4.0/python`.
fn python_sdk_version(agent: &str) -> Option<[u32; 3]> {
    let version = agent
        .strip_prefix("OpenAPI-Generator/")?
        .strip_suffix("/python")?;
    let mut parts = version.split('.').map(|part| part.parse().ok());
    let version = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(version)
}

#[utoipa::path(
    get,
    path = "/Calls",
    operation_id = "list_calls",
    params(ListQuery<CallFilter>),
    responses((status = 200, description = "A page of the account's calls", body = Calls))
)]
async fn list(State(shared): State<Arc<Shared>>, caller: Caller, query: QueryString) -> Answer {
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
    let listing = if request.filter.unsatisfiable {
        Listing {
            items: Vec::new(),
            total: 0,
        }
    } else {
        store.calls(caller.id(), &filter, &wanted(&request)).await?
    };
    let path = format!("{}/Calls", account_uri(caller.id()));
    let place = |record: &CallRecord| Position {
        created: record.created,
        id: record.id.to_string(),
    };
    lists::answer(&request, &path, listing, place, |record| {
        CallResource::from(record)
    })
}

#[utoipa::path(
    get,
    path = "/Calls/{call}",
    operation_id = "get_a_call",
    responses((status = 200, description = "The call, ended ones included", body = CallResource))
)]
async fn show(State(shared): State<Arc<Shared>>, caller: Caller, names: Names) -> Answer {
    let record = find(&shared, &caller, &names).await?;
    json(StatusCode::OK, &CallResource::from(&record))
}

#[utoipa::path(
    post,
    path = "/Calls/{call}",
    operation_id = "update_a_live_call",
    request_body = UpdateCallRequest,
    responses((status = 202, description = "The call is about to end"))
)]
async fn update(
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
    shared.api.control.request(caller.request, input).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sdk_gets_the_status_by_which_it_knows_a_new_call() {
        for (agent, status) in [
            ("OpenAPI-Generator/5.0.0/python", 200),
            ("OpenAPI-Generator/5.1.1/python", 200),
            ("OpenAPI-Generator/5.3.0/python", 200),
            ("OpenAPI-Generator/5.4.0/python", 200),
            ("OpenAPI-Generator/5.4.1/python", 202),
            ("OpenAPI-Generator/5.10.0/python", 202),
            ("OpenAPI-Generator/4.9.0/python", 202),
            ("OpenAPI-Generator/6.0.0/python", 202),
            ("OpenAPI-Generator/5.4.0/ruby", 202),
            ("OpenAPI-Generator/5.4/python", 202),
            ("OpenAPI-Generator/5.4.0.1/python", 202),
            ("OpenAPI-Generator/5.four.0/python", 202),
            ("node-fetch/1.0", 202),
            ("", 202),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(USER_AGENT, agent.parse().unwrap());
            assert_eq!(status_of_new_call(&headers).as_u16(), status, "{agent}");
        }
        assert_eq!(status_of_new_call(&HeaderMap::new()), StatusCode::ACCEPTED);
    }
}
