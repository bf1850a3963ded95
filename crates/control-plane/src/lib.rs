//! Who is where, and what happens next: conferences, calls and their scripts as a state machine.
//!
//! It opens no socket, reads no clock, draws no randomness and sounds nothing: it is fed [`Input`]s
//! with the time of each, and appends [`Effect`]s that its caller must carry out in order. It does
//! not know whether a call is SIP or WebRTC, nor how any API spells a word.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod allowance;
mod arrival;
mod bridging;
mod call;
mod call_control;
mod call_recording;
mod conference;
mod deadline;
mod dialling;
mod digits;
mod effect;
mod ending;
mod facts;
mod ids;
mod input;
mod interpreter;
mod keys;
// What must hold and does not is to panic there.
#[cfg(any(test, feature = "fuzz"))]
#[allow(clippy::unwrap_used)]
mod life;
mod limits;
mod live;
mod machine;
mod media_events;
mod others;
mod parking;
mod plane;
mod pressing;
mod prompting;
mod queue;
mod queues;
mod recordings;
mod requests;
mod restart;
mod screening;
mod script;
mod seconds;
mod terminated;
#[cfg(test)]
mod tests;
mod turn;
mod utterance;
mod voice;
mod waiting;
mod webhook;

pub use deadline::DeadlineReason;
pub use effect::{Dial, Effect, Exchange, LogEntry, LogLevel, Notification, Signal, Stream};
pub use facts::{
    AccountRecord, AccountStatus, AnsweredBy, ApplicationRecord, CallRecord, CallStatus,
    ConferenceRecord, ConferenceStatus, Direction, Fact, NumberRecord, ParticipantRecord, PlayBeep,
    QueueRecord, RecordingRecord, RecordingStatus,
};
pub use input::{
    ApplicationRoute, CallChange, ConferenceChange, ConferenceOptions, GainsChange, Input, NewCall,
    ParticipantChange, ParticipantNow, QueueMember, QueueOptions, Refusal, Reply, RequestedStatus,
    Route, ScriptFailure, Transcript, Waiting,
};
#[cfg(feature = "fuzz")]
pub use life::live;
pub use limits::{Limits, OutboundLimits};
pub use live::{LiveEvent, LiveNews};
pub use plane::ControlPlane;
pub use script::{
    AddToConference, Command, CreateConference, Enqueue, GetDigits, IfMachine, Keystroke, OutDial,
    Park, Play, Prompt, RecordUtterance, Say, Script, TranscribeUtterance,
};
pub use webhook::{
    CallContext, DigitsReason, Machine, QueueResult, RecordingSummary, UtteranceReason,
    UtteranceSummary, Webhook,
};
