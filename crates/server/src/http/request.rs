//! What a request carries beside its caller: names in its path, filters in its query, a body.

use std::convert::Infallible;
use std::str::FromStr;
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use bytes::Bytes;
use tutti_freeclimb::attributes::Attributes;
use tutti_freeclimb::error::ApiError;
use tutti_freeclimb::page::{Filter, ListRequest};
use tutti_freeclimb::request::members;

use super::answer::Failure;
use super::limits::BODY_BYTES;

/// How long a body may take to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(30);

/// The names in the path.
pub(super) struct Names(Vec<(String, String)>);

impl Names {
    /// The identifier in this place of the path; a malformed one names nothing, like an unknown one.
    pub(super) fn id<T: FromStr>(&self, name: &str) -> Option<T> {
        let (_, text) = self.0.iter().find(|(place, _)| place == name)?;
        text.parse().ok()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Names {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Names, Failure> {
        let names = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::NoSuchPath)?;
        let owned = |(name, text): (&str, &str)| (name.to_owned(), text.to_owned());
        Ok(Names(names.iter().map(owned).collect()))
    }
}

/// The query string.
pub(super) struct QueryString(String);

impl QueryString {
    /// The page of a list that is asked for.
    pub(super) fn page<F: Filter>(&self) -> Result<ListRequest<F>, ApiError> {
        ListRequest::parse(&self.0)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for QueryString {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<QueryString, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(QueryString(query.to_owned()))
    }
}

/// The body as it came.
pub(super) struct RawBody(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<RawBody, Failure> {
        let arriving = Bytes::from_request(request, state);
        let arrived = tokio::time::timeout(BODY_PATIENCE, arriving).await;
        match arrived {
            Ok(Ok(body)) => Ok(RawBody(body)),
            Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(ApiError::BodyTooLong {
                    limit_bytes: BODY_BYTES,
                }
                .into())
            }
            Ok(Err(_)) | Err(_) => Err(ApiError::BodyIncomplete.into()),
        }
    }
}

/// The body: a JSON object, whatever its Content-Type says.
pub(super) struct Members(pub(super) Attributes);

impl<S: Send + Sync> FromRequest<S> for Members {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Members, Failure> {
        let RawBody(body) = RawBody::from_request(request, state).await?;
        Ok(Members(members(&body)?))
    }
}
