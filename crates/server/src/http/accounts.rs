//! `/Accounts/{accountId}`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use tutti_freeclimb::request::AccountUpdate;
use tutti_freeclimb::resource::AccountResource;

use super::Shared;
use super::answer::{Answer, empty, json};
use super::auth::Caller;
use super::request::Members;

pub(super) async fn show(caller: Caller) -> Answer {
    let resource = AccountResource::new(&caller.account, &caller.api_key);
    json(StatusCode::OK, &resource)
}

pub(super) async fn update(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Members(attributes): Members,
) -> Answer {
    let update = AccountUpdate::parse(&attributes)?;
    let mut record = caller.account;
    update.apply(&mut record);
    record.revision = record.revision.saturating_add(1);
    record.updated = shared.api.clock.now();
    shared.api.store.put_account(&record).await?;
    empty(StatusCode::NO_CONTENT)
}
