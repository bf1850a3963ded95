//! Tutti's own API, `/api/v1`: what FreeClimb's has no words for.
//!
//! The same accounts and keys; errors are problem documents (RFC 9457).

mod live;
mod participants;
mod problem;

use std::sync::Arc;

use axum::Router;
use utoipa_axum::router::OpenApiRouter;

use self::problem::Problem;
use super::{Shared, documentation};

/// What there is, each file with the table of its own paths.
pub(super) fn api() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new()
        .merge(live::routes())
        .merge(participants::routes())
}

pub(super) fn router() -> Router<Arc<Shared>> {
    documentation::with_own(api())
        .fallback(async || Problem::NoSuchPath)
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
}
