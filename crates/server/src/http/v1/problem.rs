//! Why a request is refused, as a problem document (RFC 9457).

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tutti_freeclimb::error::ApiError;

use crate::control::{ControlError, Unwatchable};
use crate::http::answer::Failure;

/// A refused request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem {
    NoSuchPath,
    MethodNotAllowed,
    /// The body is not what is expected; the text says where and why.
    BadBody(String),
    /// What is refused for the same reason by the FreeClimb API.
    Api(ApiError),
    Unwatchable(Unwatchable),
}

impl Problem {
    fn status(&self) -> StatusCode {
        match self {
            Problem::NoSuchPath => StatusCode::NOT_FOUND,
            Problem::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Problem::BadBody(_) => StatusCode::BAD_REQUEST,
            Problem::Api(error) => {
                StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
            Problem::Unwatchable(Unwatchable::TooMany) => StatusCode::TOO_MANY_REQUESTS,
            Problem::Unwatchable(Unwatchable::Stopping) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn detail(&self) -> String {
        match self {
            Problem::NoSuchPath => ApiError::NoSuchPath.to_string(),
            Problem::MethodNotAllowed => ApiError::MethodNotAllowed.to_string(),
            Problem::BadBody(what) => what.clone(),
            Problem::Api(error) => error.to_string(),
            Problem::Unwatchable(why) => why.to_string(),
        }
    }

    fn retry_after_secs(&self) -> Option<u64> {
        match self {
            Problem::NoSuchPath | Problem::MethodNotAllowed | Problem::BadBody(_) => None,
            Problem::Api(error) => error.retry_after_secs(),
            Problem::Unwatchable(_) => Some(5),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let body = json!({
            "type": "about:blank",
            "title": status.canonical_reason().unwrap_or_default(),
            "status": status.as_u16(),
            "detail": self.detail(),
        });
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(CONTENT_TYPE, kind);
        if let Some(seconds) = self.retry_after_secs() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"api\"");
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Problem {
        Problem::Api(failure.into_error())
    }
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Problem {
        Problem::Api(error)
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Problem {
        Problem::from(Failure::from(error))
    }
}

impl From<Unwatchable> for Problem {
    fn from(why: Unwatchable) -> Problem {
        Problem::Unwatchable(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_its_status_its_type_and_what_helps() {
        let response = Problem::from(ApiError::NoCredentials).into_response();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert!(response.headers().contains_key(WWW_AUTHENTICATE));
        let response = Problem::from(Unwatchable::TooMany).into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[RETRY_AFTER], "5");
    }
}
