//! Probes for whoever runs the bridge; they need no credentials and tell no secrets.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::json;
use tutti_control_plane::Input;
use tutti_freeclimb::error::ApiError;

use super::Shared;
use super::answer::{Answer, json};

/// How long the control plane and the store may take to prove that they are well.
const PATIENCE: Duration = Duration::from_secs(2);

/// The process answers.
pub(super) async fn alive() -> Answer {
    json(StatusCode::OK, &json!({"status": "alive"}))
}

/// Calls are accepted: the control plane decides, and the store answers.
pub(super) async fn ready(State(shared): State<Arc<Shared>>) -> Answer {
    let proof = async {
        // To say that time has passed changes nothing that was not due.
        shared
            .api
            .control
            .request(None, Input::Timeout)
            .await
            .is_ok()
            && shared.api.control.view().accepts_calls()
            && shared.api.store.accounts().await.is_ok()
    };
    match tokio::time::timeout(PATIENCE, proof).await {
        Ok(true) => json(StatusCode::OK, &json!({"status": "ready"})),
        Ok(false) | Err(_) => Err(ApiError::Unavailable {
            retry_after_secs: 1,
        }
        .into()),
    }
}
