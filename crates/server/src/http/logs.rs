//! `/Logs`, also of one call.

use std::sync::Arc;

use axum::extract::State;
use tutti_freeclimb::page::{ListRequest, Position};
use tutti_freeclimb::request::{FilterLogsRequest, LogFilter, filter_logs};
use tutti_freeclimb::resource::{LogResource, account_uri};
use tutti_model::CallId;
use tutti_store::LogRecord;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::Answer;
use super::auth::Caller;
use super::documentation::{ListQuery, PageOf};
use super::lists::{self, wanted};
use super::request::{Members, Names, QueryString};
use super::{Shared, calls};

type Logs = PageOf<LogFilter, LogResource>;

pub(super) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new()
        .routes(routes!(list, filter))
        .routes(routes!(list_of_call))
}

#[utoipa::path(
    get,
    path = "/Logs",
    operation_id = "list_all_account_logs",
    params(ListQuery<LogFilter>),
    responses((status = 200, description = "A page of the account's log", body = Logs)),
)]
async fn list(State(shared): State<Arc<Shared>>, caller: Caller, query: QueryString) -> Answer {
    let path = format!("{}/Logs", account_uri(caller.id()));
    page(&shared, &caller, &query.page()?, None, &path).await
}

#[utoipa::path(
    post,
    path = "/Logs",
    operation_id = "filter_logs",
    request_body = FilterLogsRequest,
    responses((status = 200, description = "A page of the lines that the query asks for", body = Logs)),
)]
async fn filter(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Members(attributes): Members,
) -> Answer {
    let path = format!("{}/Logs", account_uri(caller.id()));
    page(&shared, &caller, &filter_logs(&attributes)?, None, &path).await
}

#[utoipa::path(
    get,
    path = "/Calls/{call}/Logs",
    operation_id = "list_call_logs",
    params(ListQuery<LogFilter>),
    responses((status = 200, description = "A page of the lines that are about the call", body = Logs)),
)]
async fn list_of_call(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    names: Names,
    query: QueryString,
) -> Answer {
    let call = calls::find(&shared, &caller, &names).await?.id;
    let path = format!("{}/Calls/{call}/Logs", account_uri(caller.id()));
    page(&shared, &caller, &query.page()?, Some(call), &path).await
}

async fn page(
    shared: &Shared,
    caller: &Caller,
    request: &ListRequest<LogFilter>,
    call: Option<CallId>,
    path: &str,
) -> Answer {
    let filter = tutti_store::LogFilter {
        call,
        query: request.filter.query.clone(),
        ..tutti_store::LogFilter::default()
    };
    let store = &shared.api.store;
    let mut listing = store.logs(caller.id(), &filter, &wanted(request)).await?;
    if let Some(most) = request.filter.max_items {
        listing.items.truncate(most as usize);
    }
    let place = |record: &LogRecord| Position {
        created: record.line.at,
        id: record.id.to_string(),
    };
    lists::answer(request, path, listing, place, |record| {
        let line = &record.line;
        LogResource::new(line.at, &line.entry).about(line.url.as_deref(), line.metadata.as_deref())
    })
}
