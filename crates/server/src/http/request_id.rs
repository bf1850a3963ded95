//! A name for every request, so that its answer and the account's log can be brought together.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tutti_model::RequestId;

const HEADER: HeaderName = HeaderName::from_static("x-pulse-request-id");

/// Names a request for whoever handles it (an extension of it), and for its client.
pub(super) async fn stamp(mut request: Request, next: Next) -> Response {
    let id = RequestId::from_bytes(rand::random());
    request.extensions_mut().insert(id);
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}
