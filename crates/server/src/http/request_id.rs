//! A name for every request that may change something.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use tutti_model::RequestId;

const HEADER: HeaderName = HeaderName::from_static("x-pulse-request-id");

/// Answers a POST with the name it was given.
pub(super) async fn stamp(request: Request, next: Next) -> Response {
    let is_post = request.method() == Method::POST;
    let mut response = next.run(request).await;
    if is_post {
        let id = RequestId::from_bytes(rand::random());
        if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
            response.headers_mut().insert(HEADER, value);
        }
    }
    response
}
