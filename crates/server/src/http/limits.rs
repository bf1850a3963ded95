//! How much one request may carry, and how many an account may send.

use std::num::NonZeroU32;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tutti_freeclimb::error::ApiError;
use tutti_model::AccountId;

use super::answer::Failure;

/// The longest body.
pub(super) const BODY_BYTES: usize = 1024 * 1024;

/// The longest path with its query.
const URI_BYTES: usize = 8 * 1024;

/// The longest headers together.
const HEADERS_BYTES: usize = 32 * 1024;

/// Refuses a request whose path or headers are too long, before anybody reads them.
pub(super) async fn refuse_long_heads(request: Request, next: Next) -> Result<Response, Failure> {
    let uri = request.uri().path_and_query();
    if uri.is_some_and(|uri| uri.as_str().len() > URI_BYTES) {
        let limit_bytes = URI_BYTES;
        return Err(ApiError::UriTooLong { limit_bytes }.into());
    }
    let headers: usize = request
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if headers > HEADERS_BYTES {
        let limit_bytes = HEADERS_BYTES;
        return Err(ApiError::HeadersTooLong { limit_bytes }.into());
    }
    Ok(next.run(request).await)
}

/// Counts the requests of each account.
pub(super) struct RequestRate {
    limiter: DefaultKeyedRateLimiter<AccountId>,
    clock: DefaultClock,
}

impl RequestRate {
    /// So many a second; twice as many at once after a quiet second or two.
    pub(super) fn new(requests_per_second: u32) -> RequestRate {
        let rate = NonZeroU32::new(requests_per_second).unwrap_or(NonZeroU32::MIN);
        let burst = rate.saturating_mul(NonZeroU32::MIN.saturating_add(1));
        RequestRate {
            limiter: RateLimiter::keyed(Quota::per_second(rate).allow_burst(burst)),
            clock: DefaultClock::default(),
        }
    }

    /// Lets a request through, or says when the next one may come.
    pub(super) fn admit(&self, account: AccountId) -> Result<(), ApiError> {
        self.limiter.check_key(&account).map_err(|not_until| {
            let wait = not_until.wait_time_from(self.clock.now());
            ApiError::TooManyRequests {
                retry_after_secs: wait.as_secs() + 1,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_that_sends_too_much_waits_and_others_do_not() {
        let rate = RequestRate::new(1);
        let (busy, quiet) = (
            AccountId::from_bytes([1; 20]),
            AccountId::from_bytes([2; 20]),
        );
        let outcomes: Vec<_> = (0..100).map(|_| rate.admit(busy)).collect();
        assert_eq!(outcomes[..2], [Ok(()), Ok(())]);
        let refused = outcomes.iter().filter(|outcome| outcome.is_err()).count();
        assert!(refused > 0);
        assert_eq!(rate.admit(quiet), Ok(()));
    }
}
