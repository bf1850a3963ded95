//! `/Applications`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use tutti_control_plane::ApplicationRecord;
use tutti_freeclimb::error::ApiError;
use tutti_freeclimb::page::Position;
use tutti_freeclimb::request::{ApplicationFilter, ApplicationRequest, ApplicationUpdate};
use tutti_freeclimb::resource::{ApplicationResource, account_uri};
use tutti_model::ApplicationId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::{Answer, Failure, empty, json};
use super::auth::Caller;
use super::documentation::{ListQuery, PageOf};
use super::lists::{self, wanted};
use super::request::{Members, Names, QueryString};

type Applications = PageOf<ApplicationFilter, ApplicationResource>;

pub(super) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update, delete))
}

#[utoipa::path(
    get,
    path = "/Applications",
    operation_id = "list_applications",
    params(ListQuery<ApplicationFilter>),
    responses((status = 200, description = "A page of the account's applications", body = Applications)),
)]
async fn list(State(shared): State<Arc<Shared>>, caller: Caller, query: QueryString) -> Answer {
    let request = query.page::<ApplicationFilter>()?;
    let filter = tutti_store::ApplicationFilter {
        alias: request.filter.alias.clone(),
    };
    let store = &shared.api.store;
    let listing = store
        .applications(caller.id(), &filter, &wanted(&request))
        .await?;
    let path = format!("{}/Applications", account_uri(caller.id()));
    let place = |record: &ApplicationRecord| Position {
        created: record.created,
        id: record.id.to_string(),
    };
    lists::answer(&request, &path, listing, place, |record| {
        ApplicationResource::from(record)
    })
}

#[utoipa::path(
    post,
    path = "/Applications",
    operation_id = "create_an_application",
    request_body = Option<ApplicationRequest>,
    responses((status = 201, description = "The new application", body = ApplicationResource)),
)]
async fn create(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Members(attributes): Members,
) -> Answer {
    let update = ApplicationUpdate::parse(&attributes)?;
    let now = shared.api.clock.now();
    let mut record = ApplicationRecord {
        id: ApplicationId::from_bytes(rand::random()),
        account: caller.id(),
        alias: None,
        voice_url: None,
        voice_fallback_url: None,
        call_connect_url: None,
        status_callback_url: None,
        sms_url: None,
        sms_fallback_url: None,
        revision: 1,
        created: now,
        updated: now,
    };
    update.apply(&mut record);
    shared.api.store.put_application(&record).await?;
    json(StatusCode::CREATED, &ApplicationResource::from(&record))
}

#[utoipa::path(
    get,
    path = "/Applications/{application}",
    operation_id = "get_an_application",
    responses((status = 200, description = "The application", body = ApplicationResource)),
)]
async fn show(State(shared): State<Arc<Shared>>, caller: Caller, names: Names) -> Answer {
    let record = find(&shared, &caller, &names).await?;
    json(StatusCode::OK, &ApplicationResource::from(&record))
}

#[utoipa::path(
    post,
    path = "/Applications/{application}",
    operation_id = "update_an_application",
    request_body = Option<ApplicationRequest>,
    responses((status = 200, description = "The application as it is now", body = ApplicationResource)),
)]
async fn update(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    names: Names,
    Members(attributes): Members,
) -> Answer {
    let mut record = find(&shared, &caller, &names).await?;
    ApplicationUpdate::parse(&attributes)?.apply(&mut record);
    record.revision = record.revision.saturating_add(1);
    record.updated = shared.api.clock.now();
    shared.api.store.put_application(&record).await?;
    json(StatusCode::OK, &ApplicationResource::from(&record))
}

#[utoipa::path(
    delete,
    path = "/Applications/{application}",
    operation_id = "delete_an_application",
    responses((status = 204, description = "The application is gone, and off its numbers")),
)]
async fn delete(State(shared): State<Arc<Shared>>, caller: Caller, names: Names) -> Answer {
    let application = names.id("application").ok_or(ApiError::NoSuchApplication)?;
    let store = &shared.api.store;
    if store.delete_application(caller.id(), application).await? {
        empty(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::NoSuchApplication.into())
    }
}

async fn find(
    shared: &Shared,
    caller: &Caller,
    names: &Names,
) -> Result<ApplicationRecord, Failure> {
    let application = names.id("application").ok_or(ApiError::NoSuchApplication)?;
    let store = &shared.api.store;
    let record = store.application(caller.id(), application).await?;
    Ok(record.ok_or(ApiError::NoSuchApplication)?)
}
