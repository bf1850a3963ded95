//! Why could an endpoint not start, or a call not be placed?

use std::io;

/// Why an endpoint does not start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("listening on every address needs an advertised one: peers must be told where to send")]
    NothingToAdvertise,
    #[error("the user agent's name contains a line break or NUL")]
    InvalidUserAgent,
    #[error("the address cannot be listened on: {0}")]
    Socket(#[from] io::Error),
    #[error("the SIP transport does not start: {0}")]
    Transport(String),
}

/// Why an outgoing call was not placed.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("the target {0:?} is not a SIP URI")]
    InvalidTarget(String),
    #[error("the target {0:?} asks for a transport that is not offered here")]
    UnsupportedTransport(String),
    #[error("the caller's address {0:?} is not a SIP URI")]
    InvalidFrom(String),
    #[error("the header {0:?} is written by the endpoint itself, or holds a line break")]
    InvalidHeader(String),
    #[error("the trunk's user name or realm holds a control character")]
    InvalidCredentials,
    #[error("the host {host:?} has no address: {reason}")]
    UnknownHost { host: String, reason: String },
    #[error("the limit of simultaneous dialogs is reached")]
    TooManyDialogs,
    #[error("the endpoint has stopped")]
    Stopped,
}
