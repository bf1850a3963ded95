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
mod documentation;
mod elsewhere;
mod guesses;
mod health;
mod limits;
mod lists;
mod logs;
mod noting;
mod numbers;
mod participants;
mod queues;
mod range;
mod recordings;
mod request;
mod request_id;
mod v1;
mod webrtc;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::get;
use tutti_freeclimb::error::ApiError;
use tutti_store::Store;
use utoipa_axum::router::OpenApiRouter;

use self::answer::Failure;
use self::guesses::Guesses;
use self::limits::RequestRate;
use crate::clock::Clock;
use crate::control::ControlHandle;
use crate::journal::Journal;

/// What the API works with.
pub struct Api {
    pub store: Store,
    pub control: ControlHandle,
    pub clock: Clock,
    pub journal: Journal,
    pub recordings_dir: PathBuf,
    /// How many requests an account may send; twice as many when it has been quiet.
    pub requests_per_second_per_account: u32,
}

/// What every handler shares.
struct Shared {
    api: Api,
    rate: RequestRate,
    guesses: Guesses,
}

/// Serves the APIs, their descriptions and the probes.
pub fn router(api: Api) -> Router {
    let rate = RequestRate::new(api.requests_per_second_per_account);
    let shared = Arc::new(Shared {
        api,
        rate,
        guesses: Guesses::new(),
    });
    let note = middleware::from_fn_with_state(Arc::clone(&shared), noting::note);
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .nest("/apiserver", documentation::with_freeclimb(apiserver()))
        .nest("/api/v1", v1::router())
        .fallback(no_such_path)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(limits::BODY_BYTES))
        .layer(note)
        .layer(middleware::from_fn(request_id::stamp))
        .layer(middleware::from_fn(limits::refuse_long_heads))
        .with_state(shared)
}

/// FreeClimb's API. Each file has the table of its own paths.
fn apiserver() -> OpenApiRouter<Arc<Shared>> {
    let account = OpenApiRouter::new()
        .merge(conferences::routes())
        .merge(participants::routes())
        .merge(calls::routes())
        .merge(webrtc::routes())
        .merge(recordings::routes())
        .merge(applications::routes())
        .merge(numbers::routes())
        .merge(queues::routes())
        .merge(logs::routes())
        .merge(elsewhere::routes());
    OpenApiRouter::new()
        .merge(accounts::routes())
        .merge(numbers::routes_for_everybody())
        .nest("/Accounts/{account}", account)
}

async fn no_such_path() -> Failure {
    Failure::from(ApiError::NoSuchPath)
}

async fn method_not_allowed() -> Failure {
    Failure::from(ApiError::MethodNotAllowed)
}
