//! Which elements of a list are wanted. An absent condition leaves everything in.

use tutti_control_plane::{CallStatus, ConferenceStatus, LogLevel};
use tutti_model::{ApplicationId, CallId, ConferenceId, LogQuery, RequestId, Timestamp};

/// A span of time, open where a bound is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimeRange {
    /// The first moment inside.
    pub from: Option<Timestamp>,
    /// The first moment after it.
    pub until: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApplicationFilter {
    pub alias: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NumberFilter {
    pub phone_number: Option<String>,
    pub alias: Option<String>,
    pub application: Option<ApplicationId>,
    /// Whether anything answers for the number.
    pub has_application: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConferenceFilter {
    pub status: Option<ConferenceStatus>,
    pub alias: Option<String>,
    pub date_created: TimeRange,
    pub date_updated: TimeRange,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ParticipantFilter {
    pub talk: Option<bool>,
    pub listen: Option<bool>,
    pub dtmf_pass_through: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallFilter {
    /// Only calls to which something can still happen.
    pub active: bool,
    pub to: Option<String>,
    pub from: Option<String>,
    pub status: Option<CallStatus>,
    pub started: TimeRange,
    pub ended: TimeRange,
    pub parent: Option<CallId>,
    /// Any of these; none leaves everything in.
    pub applications: Vec<ApplicationId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordingFilter {
    pub call: Option<CallId>,
    pub conference: Option<ConferenceId>,
    pub date_created: TimeRange,
    /// Only recordings that are no longer being written: ready or failed.
    pub finished: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueFilter {
    pub alias: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogFilter {
    pub level: Option<LogLevel>,
    pub call: Option<CallId>,
    pub conference: Option<ConferenceId>,
    pub request: Option<RequestId>,
    pub at: TimeRange,
    /// What an application asked for in words of its own.
    pub query: Option<LogQuery>,
}
