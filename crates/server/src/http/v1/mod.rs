//! Tutti's own API, `/api/v1`: what FreeClimb's has no words for.
//!
//! The same accounts and keys; errors are problem documents (RFC 9457).

mod live;
mod participants;
mod problem;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use self::problem::Problem;
use super::Shared;

pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/live", get(live::stream))
        .route(
            "/conferences/{conference}/participants/{call}",
            get(participants::show).patch(participants::update),
        )
        .fallback(async || Problem::NoSuchPath)
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
}
