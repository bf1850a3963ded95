//! Who is where, and what happens next: conferences, calls and their scripts as a state machine.
//!
//! It opens no socket, reads no clock, draws no randomness and sounds nothing: it is fed [`Input`]s
//! with the time of each, and appends [`Effect`]s that its caller must carry out in order. It does
//! not know whether a call is SIP or WebRTC, nor how any API spells a word.

mod effect;
mod facts;
mod input;
mod script;
mod webhook;

pub use effect::{Effect, Exchange, LogEntry, LogLevel, Notification, Signal, Stream};
pub use facts::{
    AnsweredBy, CallRecord, CallStatus, ConferenceRecord, ConferenceStatus, Direction, Fact,
    ParticipantRecord, PlayBeep, RecordingRecord, RecordingStatus,
};
pub use input::{
    ApplicationRoute, CallChange, ConferenceChange, ConferenceOptions, Input, ParticipantChange,
    Refusal, Reply, RequestedStatus, Route, ScriptFailure,
};
pub use script::{AddToConference, Command, CreateConference, Script};
pub use webhook::{CallContext, RecordingSummary, Webhook};
