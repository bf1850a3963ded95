//! What the control plane's caller must do, in order.

use tutti_model::{
    AccountId, CallId, CloseReason, ConferenceId, MediaCommand, RecordingId, RequestId,
};

use crate::facts::Fact;
use crate::live::LiveEvent;
use crate::webhook::Webhook;

/// One thing to do. Facts and notifications of one input are committed together, before the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Make a change durable.
    Commit(Fact),
    /// Tell an application, at least once, in the order of its stream and URL.
    Notify(Notification),
    /// Ask an application for a script; `Input::ScriptArrived` brings the outcome.
    Ask(Exchange),
    /// Tell the media plane.
    Media(MediaCommand),
    /// Place a call; `Input::CallRinging`, `CallAnswered` or `CallFailed` tell what becomes of it.
    Dial(Dial),
    /// Turn what a recording holds into text; `Input::Transcribed` brings it.
    Transcribe {
        call: CallId,
        recording: RecordingId,
    },
    /// Tell a call's far end.
    Signal { call: CallId, signal: Signal },
    /// Write to the account's log.
    Log(LogEntry),
    /// Tell whoever watches the account, if anybody does.
    Live(LiveEvent),
}

/// What a call's far end is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// The call is not answered yet, and hears its prompts all the same.
    EarlyMedia,
    /// The call is answered; its leg's audio counts from now on.
    Answer,
    /// The call is not answered, for this reason.
    Reject(CloseReason),
    /// The answered call is over; one that we place and that nobody has answered is given up.
    HangUp,
}

/// A call to be placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dial {
    pub account: AccountId,
    pub call: CallId,
    /// What the callee sees: a number, or a SIP URI.
    pub from: String,
    /// A number as E.164 with its plus sign, or a SIP URI.
    pub to: String,
    /// `from` is known to be the account's: it is what a call of it already shows. Otherwise it must
    /// be one of the account's own numbers.
    pub from_is_known: bool,
}

/// A durable message whose reply does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    pub account: AccountId,
    pub stream: Stream,
    /// One for all messages of the same originating request.
    pub request: RequestId,
    pub url: String,
    pub webhook: Webhook,
}

/// Messages of one stream to one URL are delivered one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    Conference(ConferenceId),
    Call(CallId),
}

/// A question whose reply drives a call: 15 s, then the fallback where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    pub account: AccountId,
    pub call: CallId,
    /// Names this question; an outcome with another number is out of date.
    pub exchange: u64,
    pub request: RequestId,
    pub url: String,
    pub fallback_url: Option<String>,
    pub webhook: Webhook,
}

/// How much an entry matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    Info,
    Warning,
    Error,
}

/// One line of an account's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    pub account: AccountId,
    pub call: Option<CallId>,
    pub conference: Option<ConferenceId>,
    pub level: LogLevel,
    /// The originating request.
    pub request: RequestId,
    pub message: String,
}
