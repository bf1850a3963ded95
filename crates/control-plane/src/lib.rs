//! Who is where, and what happens next: conferences, calls and their scripts as a state machine.
//!
//! It opens no socket, reads no clock, draws no randomness and sounds nothing: it is fed [`Input`]s
//! with the time of each, and appends [`Effect`]s that its caller must carry out in order. It does
//! not know whether a call is SIP or WebRTC, nor how any API spells a word.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod arrival;
mod bridging;
mod call;
mod conference;
mod deadline;
mod effect;
mod ending;
mod facts;
mod ids;
mod input;
mod interpreter;
mod keys;
mod limits;
mod live;
mod media_events;
mod plane;
mod recordings;
mod requests;
mod restart;
mod script;
mod seconds;
mod terminated;
#[cfg(test)]
mod tests;
mod turn;
mod webhook;

pub use deadline::DeadlineReason;
pub use effect::{Effect, Exchange, LogEntry, LogLevel, Notification, Signal, Stream};
pub use facts::{
    AccountRecord, AnsweredBy, ApplicationRecord, CallRecord, CallStatus, ConferenceRecord,
    ConferenceStatus, Direction, Fact, NumberRecord, ParticipantRecord, PlayBeep, RecordingRecord,
    RecordingStatus,
};
pub use input::{
    ApplicationRoute, CallChange, ConferenceChange, ConferenceOptions, GainsChange, Input,
    ParticipantChange, ParticipantNow, Refusal, Reply, RequestedStatus, Route, ScriptFailure,
};
pub use limits::Limits;
pub use live::{LiveEvent, LiveNews};
pub use plane::ControlPlane;
pub use script::{AddToConference, Command, CreateConference, Script};
pub use webhook::{CallContext, RecordingSummary, Webhook};
