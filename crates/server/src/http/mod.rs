//! The APIs over HTTP: who may ask, what they ask for and what they get back.
//!
//! Reading is from the store, changing a conference, a participant or a call is the control
//! plane's; how the API spells all of it is `tutti-freeclimb`'s.

mod accounts;
mod answer;
mod applications;
mod auth;
mod calls;
mod conferences;
mod health;
mod limits;
mod lists;
mod numbers;
mod participants;
mod range;
mod recordings;
mod request;
mod request_id;
mod v1;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::get;
use tutti_freeclimb::error::ApiError;
use tutti_store::Store;

use self::answer::Failure;
use self::limits::RequestRate;
use crate::clock::Clock;
use crate::control::ControlHandle;

/// What the API works with.
pub struct Api {
    pub store: Store,
    pub control: ControlHandle,
    pub clock: Clock,
    pub recordings_dir: PathBuf,
    /// How many requests an account may send; twice as many when it has been quiet.
    pub requests_per_second_per_account: u32,
}

/// What every handler shares.
struct Shared {
    api: Api,
    rate: RequestRate,
}

/// Serves the API and the probes.
pub fn router(api: Api) -> Router {
    let rate = RequestRate::new(api.requests_per_second_per_account);
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .nest("/apiserver", apiserver())
        .nest("/api/v1", v1::router())
        .fallback(no_such_path)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(limits::BODY_BYTES))
        .layer(middleware::from_fn(request_id::stamp))
        .layer(middleware::from_fn(limits::refuse_long_heads))
        .with_state(Arc::new(Shared { api, rate }))
}

fn apiserver() -> Router<Arc<Shared>> {
    Router::new()
        .route("/AvailablePhoneNumbers", get(numbers::available))
        .route(
            "/Accounts/{account}",
            get(accounts::show).post(accounts::update),
        )
        .nest("/Accounts/{account}", account())
}

fn account() -> Router<Arc<Shared>> {
    Router::new()
        .route(
            "/Conferences",
            get(conferences::list).post(conferences::create),
        )
        .route(
            "/Conferences/{conference}",
            get(conferences::show).post(conferences::update),
        )
        .route(
            "/Conferences/{conference}/Participants",
            get(participants::list),
        )
        .route(
            "/Conferences/{conference}/Participants/{call}",
            get(participants::show)
                .post(participants::update)
                .delete(participants::remove),
        )
        .route(
            "/Conferences/{conference}/Recordings",
            get(recordings::list_of_conference),
        )
        .route("/Calls", get(calls::list).post(calls::make))
        .route("/Calls/{call}", get(calls::show).post(calls::update))
        .route("/Calls/{call}/Recordings", get(recordings::list_of_call))
        .route("/Recordings", get(recordings::list))
        .route(
            "/Recordings/{recording}",
            get(recordings::show).delete(recordings::delete),
        )
        .route(
            "/Recordings/{recording}/Download",
            get(recordings::download),
        )
        .route("/Recordings/{recording}/Stream", get(recordings::stream))
        .route(
            "/Applications",
            get(applications::list).post(applications::create),
        )
        .route(
            "/Applications/{application}",
            get(applications::show)
                .post(applications::update)
                .delete(applications::delete),
        )
        .route(
            "/IncomingPhoneNumbers",
            get(numbers::list).post(numbers::buy),
        )
        .route(
            "/IncomingPhoneNumbers/{number}",
            get(numbers::show)
                .post(numbers::update)
                .delete(numbers::delete),
        )
}

async fn no_such_path() -> Failure {
    Failure::from(ApiError::NoSuchPath)
}

async fn method_not_allowed() -> Failure {
    Failure::from(ApiError::MethodNotAllowed)
}
