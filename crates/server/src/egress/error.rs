//! Why a request brought nothing, and whose fault that is.

use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

/// Why a request brought nothing. An `origin` is a URL's scheme, host and port: the rest may be
/// secret.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// The policy keeps the bridge from going there.
    #[error("the bridge does not go to {place}: {refusal}")]
    Refused { place: String, refusal: Refusal },
    /// No connection came about.
    #[error("{origin} could not be reached: {reason}")]
    Unreachable { origin: String, reason: String },
    /// The request was sent whole, and no answer to it began in time.
    #[error("{origin} did not answer within {waited:?}")]
    Unanswered { origin: String, waited: Duration },
    /// The connection or the answer on it broke.
    #[error("{origin} broke off its answer: {reason}")]
    BrokeOff { origin: String, reason: String },
    /// The answer is not the file.
    #[error("{origin} answered with status {status}")]
    Status { origin: String, status: u16 },
    /// The answer leads on and on.
    #[error("{origin} is one redirect too many")]
    TooManyRedirects { origin: String },
    /// The answer is larger than it may be.
    #[error("{origin} answered with more than {limit_bytes} bytes")]
    TooLarge { origin: String, limit_bytes: usize },
    /// The answer came too slowly to be worth waiting for.
    #[error("{origin} sent its answer too slowly")]
    TooSlow { origin: String },
    /// The answer is compressed, though that was not asked for.
    #[error("{origin} answered with a body encoded as {encoding}, which was not asked for")]
    Encoded { origin: String, encoding: String },
    /// This machine has no means to make requests.
    #[error("no HTTP client could be made: {0}")]
    NoClient(#[source] reqwest::Error),
}

/// Why the bridge does not follow a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("it is not an absolute URL")]
    NotAUrl,
    #[error("it is not the host of a SIP URI")]
    NotAHost,
    #[error("it is too long")]
    TooLong,
    #[error("only http and https are followed")]
    Scheme,
    #[error("it carries a user name or a password")]
    Credentials,
    #[error("port {0} is none of the usual ones (`egress.allow` can open it)")]
    Port(u16),
    #[error("{0} is not a public address (`egress.allow` can open it)")]
    Address(IpAddr),
    #[error("it names this machine (`egress.allow` can open it)")]
    ThisMachine,
    #[error("it leads from https to http")]
    Downgrade,
    #[error("the request cannot be written: {0}")]
    Unwritable(String),
}

impl EgressError {
    /// Whether the bridge itself decided not to send the request: trying again changes nothing.
    pub fn is_refused_by_policy(&self) -> bool {
        matches!(self, EgressError::Refused { .. })
    }

    /// The refusal of a URL, of which only the beginning is repeated.
    pub(super) fn refused(url: &str, refusal: Refusal) -> EgressError {
        let without_query = url.split(['?', '#']).next().unwrap_or_default();
        // What comes before an @ may be a password.
        let without_credentials = match without_query.rsplit_once('@') {
            Some((_, place)) => place,
            None => without_query,
        };
        let place = without_credentials.chars().take(100).collect();
        EgressError::Refused { place, refusal }
    }

    /// What a failed exchange with this origin means.
    pub(super) fn of(origin: &str, error: &reqwest::Error) -> EgressError {
        let origin = origin.to_owned();
        if let Some(address) = forbidden_address(error) {
            let refusal = Refusal::Address(address);
            return EgressError::Refused {
                place: origin,
                refusal,
            };
        }
        let reason = root_cause(error);
        if error.is_builder() {
            let refusal = Refusal::Unwritable(reason);
            EgressError::Refused {
                place: origin,
                refusal,
            }
        } else if error.is_connect() && error.is_timeout() {
            let reason = "no connection in time".to_owned();
            EgressError::Unreachable { origin, reason }
        } else if error.is_connect() {
            EgressError::Unreachable { origin, reason }
        } else {
            EgressError::BrokeOff { origin, reason }
        }
    }
}

/// A name that stands for an address to which the bridge does not connect.
#[derive(Debug, thiserror::Error)]
#[error("{host} stands for {address}")]
pub(super) struct ForbiddenAddress {
    pub(super) host: String,
    pub(super) address: IpAddr,
}

fn forbidden_address(error: &reqwest::Error) -> Option<IpAddr> {
    let mut cause: &dyn Error = error;
    loop {
        if let Some(forbidden) = cause.downcast_ref::<ForbiddenAddress>() {
            return Some(forbidden.address);
        }
        cause = cause.source()?;
    }
}

fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
