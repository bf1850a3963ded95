//! What handlers answer.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tutti_freeclimb::attributes::BadAttribute;
use tutti_freeclimb::error::ApiError;
use tutti_store::StoreError;

use crate::control::ControlError;

/// When to try again after the bridge could not answer.
pub(super) const PAUSE_SECS: u64 = 5;

/// A response, or why there is none.
pub(super) type Answer = Result<Response, Failure>;

/// A refused request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure(ApiError);

impl Failure {
    /// Why the request is refused.
    pub(super) fn into_error(self) -> ApiError {
        self.0
    }
}

/// A resource or a page of them.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(value).map_err(|error| {
        tracing::error!(%error, "a resource could not be rendered");
        ApiError::Internal
    })?;
    Ok(with_json(status, body))
}

/// Success that has nothing to say.
pub(super) fn empty(status: StatusCode) -> Answer {
    Ok(status.into_response())
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Failure(error) = self;
        let status =
            StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = with_json(status, error.body());
        let headers = response.headers_mut();
        if let Some(seconds) = error.retry_after_secs() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"apiserver\"");
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Failure {
        Failure(error)
    }
}

impl From<BadAttribute> for Failure {
    fn from(bad: BadAttribute) -> Failure {
        Failure(ApiError::from(bad))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        if let StoreError::NumberTaken { .. } = error {
            return Failure(ApiError::NumberTaken);
        }
        tracing::error!(%error, "the store did not answer a request");
        Failure(ApiError::Unavailable {
            retry_after_secs: PAUSE_SECS,
        })
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Failure {
        Failure(match error {
            ControlError::Refused(refusal) => ApiError::from(refusal),
            ControlError::Unavailable => ApiError::Unavailable {
                retry_after_secs: PAUSE_SECS,
            },
        })
    }
}

fn with_json(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_for_now_says_when_to_come_back() {
        let busy = ApiError::TooManyRequests {
            retry_after_secs: 3,
        };
        let response = Failure::from(busy).into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[RETRY_AFTER], "3");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
    }

    #[test]
    fn who_is_unknown_is_asked_for_credentials() {
        let response = Failure::from(ApiError::NoCredentials).into_response();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(response.headers().contains_key(WWW_AUTHENTICATE));
    }

    #[test]
    fn nothing_to_say_has_no_content_type() {
        let response = empty(StatusCode::NO_CONTENT).unwrap();
        assert!(!response.headers().contains_key(CONTENT_TYPE));
    }
}
