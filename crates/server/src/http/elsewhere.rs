//! What FreeClimb's API has and this bridge has not: a clear error, not a bare 404.

use std::sync::Arc;

use axum::routing::any;
use tutti_freeclimb::error::ApiError;
use utoipa_axum::router::OpenApiRouter;

use super::Shared;
use super::answer::Answer;
use super::auth::Caller;

/// Paths of SMS and of carrier campaigns.
const MESSAGING: [&str; 12] = [
    "/Messages",
    "/Messages/{id}",
    "/Messages/10DLC/Brands",
    "/Messages/10DLC/Brands/{id}",
    "/Messages/10DLC/Campaigns",
    "/Messages/10DLC/Campaigns/{id}",
    "/Messages/10DLC/PartnerCampaigns",
    "/Messages/10DLC/PartnerCampaigns/{id}",
    "/Messages/TollFree/Brands",
    "/Messages/TollFree/Brands/{id}",
    "/Messages/TollFree/Campaigns",
    "/Messages/TollFree/Campaigns/{id}",
];

/// Paths of everything else: storage for applications, bulk exports, answers from documents, and
/// the numbers of other providers.
const OTHERS: [&str; 8] = [
    "/Blobs",
    "/Blobs/{id}",
    "/Exports",
    "/Exports/{id}",
    "/Exports/{id}/Download",
    "/KnowledgeBases/{id}/Completion",
    "/CallingNumbers",
    "/CallingNumbers/{id}",
];

/// Not part of the description of this API: it describes what there is.
pub(super) fn routes() -> OpenApiRouter<Arc<Shared>> {
    let messaging = MESSAGING
        .into_iter()
        .fold(OpenApiRouter::new(), |all, path| {
            all.route(path, any(no_messaging))
        });
    OTHERS
        .into_iter()
        .fold(messaging, |all, path| all.route(path, any(not_here)))
}

async fn no_messaging(_: Caller) -> Answer {
    Err(ApiError::NoMessaging.into())
}

async fn not_here(_: Caller) -> Answer {
    Err(ApiError::NotOffered.into())
}
