//! What one input leads to, in the order in which it must happen.

use tutti_model::{
    AccountId, CallId, ConferenceId, MediaCommand, RecordingId, RequestId, Timestamp,
};

use crate::effect::{Dial, Effect, Exchange, LogEntry, LogLevel, Notification, Signal, Stream};
use crate::facts::Fact;
use crate::live::LiveEvent;
use crate::webhook::Webhook;

/// The handling of one input: its moment, its cause, and its effects so far.
///
/// Facts and notifications are one transaction, so they are gathered apart and come out first.
pub(crate) struct Turn {
    pub(crate) now: Timestamp,
    /// The originating request of what happens now.
    pub(crate) request: RequestId,
    durable: Vec<Effect>,
    acts: Vec<Effect>,
}

impl Turn {
    pub(crate) fn new(now: Timestamp, request: RequestId) -> Turn {
        Turn {
            now,
            request,
            durable: Vec::new(),
            acts: Vec::new(),
        }
    }

    /// Attributes what follows to an earlier request.
    pub(crate) fn because_of(&mut self, request: RequestId) {
        self.request = request;
    }

    pub(crate) fn commit(&mut self, fact: Fact) {
        self.durable.push(Effect::Commit(fact));
    }

    pub(crate) fn notify(
        &mut self,
        account: AccountId,
        stream: Stream,
        url: String,
        webhook: Webhook,
    ) {
        self.durable.push(Effect::Notify(Notification {
            account,
            stream,
            request: self.request,
            url,
            webhook,
        }));
    }

    pub(crate) fn ask(&mut self, exchange: Exchange) {
        self.acts.push(Effect::Ask(exchange));
    }

    pub(crate) fn dial(&mut self, dial: Dial) {
        self.acts.push(Effect::Dial(dial));
    }

    pub(crate) fn transcribe(&mut self, call: CallId, recording: RecordingId) {
        self.acts.push(Effect::Transcribe { call, recording });
    }

    pub(crate) fn media(&mut self, command: MediaCommand) {
        self.acts.push(Effect::Media(command));
    }

    pub(crate) fn signal(&mut self, call: CallId, signal: Signal) {
        self.acts.push(Effect::Signal { call, signal });
    }

    pub(crate) fn log(&mut self, account: AccountId, about: About, level: LogLevel, text: String) {
        self.acts.push(Effect::Log(LogEntry {
            account,
            call: about.call,
            conference: about.conference,
            level,
            request: self.request,
            message: text,
        }));
    }

    pub(crate) fn live(&mut self, event: LiveEvent) {
        self.acts.push(Effect::Live(event));
    }

    /// Appends everything, what must be durable first.
    pub(crate) fn finish(self, effects: &mut Vec<Effect>) {
        effects.extend(self.durable);
        effects.extend(self.acts);
    }
}

/// What a log entry is about.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct About {
    pub(crate) call: Option<CallId>,
    pub(crate) conference: Option<ConferenceId>,
}
