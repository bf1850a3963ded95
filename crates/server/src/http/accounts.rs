//! `/Accounts/{accountId}`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use tutti_freeclimb::error::ApiError;
use tutti_freeclimb::request::{AccountRequest, AccountUpdate};
use tutti_freeclimb::resource::AccountResource;
use tutti_store::StoreError;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::{Answer, empty, json};
use super::auth::Caller;
use super::request::Members;

/// How often a change is made anew because somebody else was faster.
const ATTEMPTS: u32 = 5;

pub(super) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new().routes(routes!(show, update))
}

#[utoipa::path(
    get,
    path = "/Accounts/{account}",
    operation_id = "get_an_account",
    responses((status = 200, description = "The account that asks", body = AccountResource)),
)]
async fn show(caller: Caller) -> Answer {
    let resource = AccountResource::new(&caller.account, &caller.api_key);
    json(StatusCode::OK, &resource)
}

#[utoipa::path(
    post,
    path = "/Accounts/{account}",
    operation_id = "update_an_account",
    request_body = Option<AccountRequest>,
    responses((status = 204, description = "The account is changed")),
)]
async fn update(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Members(attributes): Members,
) -> Answer {
    let update = AccountUpdate::parse(&attributes)?;
    let store = &shared.api.store;
    let mut record = caller.account;
    for _ in 0..ATTEMPTS {
        update.clone().apply(&mut record);
        record.revision = record.revision.saturating_add(1);
        record.updated = shared.api.clock.now();
        match store.put_account(&record).await {
            Ok(()) => return empty(StatusCode::NO_CONTENT),
            // Somebody changed it meanwhile, a key or a secret perhaps, and that must stay.
            Err(StoreError::Outdated { .. }) => {
                let fresh = store.account(record.id).await?;
                record = fresh.ok_or(ApiError::NoSuchAccount)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(ApiError::Unavailable {
        retry_after_secs: 1,
    }
    .into())
}
