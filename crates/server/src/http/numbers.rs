//! `/IncomingPhoneNumbers` and `/AvailablePhoneNumbers`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use tutti_control_plane::NumberRecord;
use tutti_freeclimb::error::ApiError;
use tutti_freeclimb::page::Position;
use tutti_freeclimb::request::{
    AvailableNumberFilter, BuyIncomingNumberRequest, Edit, IncomingNumberRequest, NumberFilter,
    NumberPurchase, NumberUpdate,
};
use tutti_freeclimb::resource::{NumberResource, account_uri};
use tutti_model::{ApplicationId, NumberId};
use tutti_store::Listing;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::{Answer, Failure, empty, json};
use super::auth::Caller;
use super::documentation::{ListQuery, PageOf};
use super::lists::{self, wanted};
use super::request::{Members, Names, QueryString};

type AvailableNumbers = PageOf<AvailableNumberFilter, NumberResource>;
type IncomingNumbers = PageOf<NumberFilter, NumberResource>;

pub(super) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new()
        .routes(routes!(list, buy))
        .routes(routes!(show, update, delete))
}

/// The numbers for sale, which are nobody's in particular.
pub(super) fn routes_for_everybody() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new().routes(routes!(available))
}

/// Numbers for sale: none, because the bridge owns none.
#[utoipa::path(
    get,
    path = "/AvailablePhoneNumbers",
    operation_id = "list_available_numbers",
    params(ListQuery<AvailableNumberFilter>),
    responses((status = 200, description = "An empty page: the bridge sells no numbers", body = AvailableNumbers)),
)]
async fn available(_: Caller, query: QueryString) -> Answer {
    let request = query.page::<AvailableNumberFilter>()?;
    let none: Vec<NumberResource> = Vec::new();
    json(
        StatusCode::OK,
        &request.page("/AvailablePhoneNumbers", none, 0, None),
    )
}

#[utoipa::path(
    get,
    path = "/IncomingPhoneNumbers",
    operation_id = "list_incoming_numbers",
    params(ListQuery<NumberFilter>),
    responses((status = 200, description = "A page of the account's numbers", body = IncomingNumbers)),
)]
async fn list(State(shared): State<Arc<Shared>>, caller: Caller, query: QueryString) -> Answer {
    let request = query.page::<NumberFilter>()?;
    let filter = tutti_store::NumberFilter {
        phone_number: request.filter.phone_number.clone(),
        alias: request.filter.alias.clone(),
        application: request.filter.application,
        has_application: request.filter.has_application,
    };
    let store = &shared.api.store;
    let listing = if request.filter.unsatisfiable {
        Listing {
            items: Vec::new(),
            total: 0,
        }
    } else {
        store
            .numbers(caller.id(), &filter, &wanted(&request))
            .await?
    };
    let path = format!("{}/IncomingPhoneNumbers", account_uri(caller.id()));
    let place = |record: &NumberRecord| Position {
        created: record.created,
        id: record.id.to_string(),
    };
    lists::answer(&request, &path, listing, place, |record| {
        NumberResource::from(record)
    })
}

/// Registers a number that somebody else brings here, unless it is taken.
#[utoipa::path(
    post,
    path = "/IncomingPhoneNumbers",
    operation_id = "buy_a_phone_number",
    request_body = BuyIncomingNumberRequest,
    responses((status = 200, description = "The number, which is the account's from now on", body = NumberResource)),
)]
async fn buy(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Members(attributes): Members,
) -> Answer {
    let purchase = NumberPurchase::parse(&attributes)?;
    if let Some(application) = purchase.application {
        insist_on(&shared, &caller, application).await?;
    }
    let now = shared.api.clock.now();
    let record = NumberRecord {
        id: NumberId::from_bytes(rand::random()),
        account: caller.id(),
        application: purchase.application,
        phone_number: purchase.phone_number,
        alias: purchase.alias,
        revision: 1,
        created: now,
        updated: now,
    };
    shared.api.store.put_number(&record).await?;
    json(StatusCode::OK, &NumberResource::from(&record))
}

#[utoipa::path(
    get,
    path = "/IncomingPhoneNumbers/{number}",
    operation_id = "get_an_incoming_number",
    responses((status = 200, description = "The number", body = NumberResource)),
)]
async fn show(State(shared): State<Arc<Shared>>, caller: Caller, names: Names) -> Answer {
    let record = find(&shared, &caller, &names).await?;
    json(StatusCode::OK, &NumberResource::from(&record))
}

#[utoipa::path(
    post,
    path = "/IncomingPhoneNumbers/{number}",
    operation_id = "update_an_incoming_number",
    request_body = Option<IncomingNumberRequest>,
    responses((status = 200, description = "The number as it is now", body = NumberResource)),
)]
async fn update(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    names: Names,
    Members(attributes): Members,
) -> Answer {
    let mut record = find(&shared, &caller, &names).await?;
    let update = NumberUpdate::parse(&attributes)?;
    if let Edit::Set(application) = update.application {
        insist_on(&shared, &caller, application).await?;
    }
    update.apply(&mut record);
    record.revision = record.revision.saturating_add(1);
    record.updated = shared.api.clock.now();
    shared.api.store.put_number(&record).await?;
    json(StatusCode::OK, &NumberResource::from(&record))
}

#[utoipa::path(
    delete,
    path = "/IncomingPhoneNumbers/{number}",
    operation_id = "delete_an_incoming_number",
    responses((status = 204, description = "The number is no longer the account's")),
)]
async fn delete(State(shared): State<Arc<Shared>>, caller: Caller, names: Names) -> Answer {
    let number = names.id("number").ok_or(ApiError::NoSuchNumber)?;
    if shared.api.store.delete_number(caller.id(), number).await? {
        empty(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::NoSuchNumber.into())
    }
}

async fn find(shared: &Shared, caller: &Caller, names: &Names) -> Result<NumberRecord, Failure> {
    let number = names.id("number").ok_or(ApiError::NoSuchNumber)?;
    let record = shared.api.store.number(caller.id(), number).await?;
    Ok(record.ok_or(ApiError::NoSuchNumber)?)
}

/// A number is answered only by an application of its own account.
async fn insist_on(
    shared: &Shared,
    caller: &Caller,
    application: ApplicationId,
) -> Result<(), Failure> {
    let store = &shared.api.store;
    match store.application(caller.id(), application).await? {
        Some(_) => Ok(()),
        None => Err(ApiError::NoSuchApplication.into()),
    }
}
