//! The outbox's words: events on their way to an application.

use std::fmt;

use tutti_control_plane::Stream;
use tutti_model::{AccountId, RequestId, Timestamp};

/// The way of a stream's events to one URL: they go out one after another, and wait for no other
/// lane's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    pub stream: Stream,
    pub url: String,
}

/// An event to be told, not stored yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    pub account: AccountId,
    pub stream: Stream,
    pub request: RequestId,
    pub url: String,
    /// Sent and signed as it is, on every attempt.
    pub body: Vec<u8>,
    pub created: Timestamp,
}

impl NewEvent {
    /// The lane that it is appended to.
    pub fn lane(&self) -> Lane {
        Lane {
            stream: self.stream,
            url: self.url.clone(),
        }
    }
}

/// Names an event for ever: its stream, and its place in it counted from 1 without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    pub stream: Stream,
    pub seq: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", stream_text(self.stream), self.seq)
    }
}

/// An event that has been neither delivered nor given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingEvent {
    pub id: EventId,
    pub account: AccountId,
    pub request: RequestId,
    pub url: String,
    pub body: Vec<u8>,
    pub created: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// Not to be tried before this moment.
    pub retry_at: Option<Timestamp>,
}

/// What came of trying to deliver an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAttempt {
    /// When to try again; `None` gives the event up.
    pub retry_at: Option<Timestamp>,
    /// What the target did wrong.
    pub error: String,
}

/// How a stream is written in a column.
pub(crate) fn stream_text(stream: Stream) -> String {
    match stream {
        Stream::Conference(conference) => conference.to_string(),
        Stream::Call(call) => call.to_string(),
    }
}

/// The stream written in a column.
pub(crate) fn parse_stream(text: &str) -> Option<Stream> {
    let conference = text.parse().map(Stream::Conference);
    conference.or_else(|_| text.parse().map(Stream::Call)).ok()
}
