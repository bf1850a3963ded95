//! A call and what it waits for.
//!
//! ```text
//! Free ──► Asking ──► Prompting / Pausing ──► … ──► InConference ──► Asking ──► …
//! ```
//!
//! A call is `Free` only while an input is handled. A call that has ended is no more.

use std::{mem, vec};

use tutti_model::{
    CallId, CloseReason, ConferenceId, Digit, MediaCommand, PromptId, RequestId, Timestamp,
};

use crate::effect::{Exchange, LogLevel, Signal, Stream};
use crate::facts::{CallRecord, CallStatus, Fact};
use crate::keys::{Keys, Told};
use crate::script::Command;
use crate::seconds::secs_rounded_up;
use crate::turn::{About, Turn};
use crate::webhook::{CallContext, Webhook};

/// The commands of a script that have not run yet.
pub(crate) type Program = vec::IntoIter<Command>;

/// A call that has not ended.
pub(crate) struct Call {
    record: CallRecord,
    request: RequestId,
    status_callback_url: Option<String>,
    redirects: u32,
    keys: Keys,
    state: State,
}

/// What the call waits for.
#[derive(Default)]
enum State {
    #[default]
    Free,
    /// An application's script.
    Asking { exchange: u64 },
    /// The end of a prompt.
    Prompting { prompt: PromptId, program: Program },
    /// The end of a `Pause`.
    Pausing { program: Program },
    /// To be let go.
    InConference {
        conference: ConferenceId,
        leave_conference_url: Option<String>,
    },
}

/// Who ends a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndedBy {
    FarEnd,
    /// We, so the far end must be told.
    Bridge,
}

impl Call {
    /// A call that has just come in, with its first record.
    pub(crate) fn arrive(
        turn: &mut Turn,
        record: CallRecord,
        status_callback_url: Option<String>,
    ) -> Call {
        turn.commit(Fact::Call(record.clone()));
        Call {
            record,
            request: turn.request,
            status_callback_url,
            redirects: 0,
            keys: Keys::default(),
            state: State::Free,
        }
    }

    pub(crate) fn record(&self) -> &CallRecord {
        &self.record
    }

    pub(crate) fn request(&self) -> RequestId {
        self.request
    }

    pub(crate) fn is_answered(&self) -> bool {
        is_answered(self.record.status)
    }

    pub(crate) fn conference(&self) -> Option<ConferenceId> {
        match &self.state {
            State::InConference { conference, .. } => Some(*conference),
            State::Free
            | State::Asking { .. }
            | State::Prompting { .. }
            | State::Pausing { .. } => None,
        }
    }

    /// Where the call goes on after its conference.
    pub(crate) fn leave_conference_url(&self) -> Option<&str> {
        match &self.state {
            State::InConference {
                leave_conference_url,
                ..
            } => leave_conference_url.as_deref(),
            State::Free
            | State::Asking { .. }
            | State::Prompting { .. }
            | State::Pausing { .. } => None,
        }
    }

    /// The call as its webhooks present it.
    pub(crate) fn context(&self) -> CallContext {
        CallContext {
            account: self.record.account,
            call: self.record.id,
            parent: self.record.parent,
            from: self.record.from.clone(),
            to: self.record.to.clone(),
            status: self.record.status,
            direction: self.record.direction,
            conference: self.record.conference,
        }
    }

    pub(crate) fn log(&self, turn: &mut Turn, level: LogLevel, text: String) {
        let about = About {
            call: Some(self.record.id),
            conference: self.record.conference,
        };
        turn.log(self.record.account, about, level, text);
    }

    pub(crate) fn answer(&mut self, turn: &mut Turn) {
        self.record.status = CallStatus::InProgress;
        self.record.connected = Some(turn.now);
        self.revise(turn);
        turn.signal(self.record.id, Signal::Answer);
    }

    /// Counts one more redirect.
    pub(crate) fn redirect(&mut self) -> u32 {
        self.redirects = self.redirects.saturating_add(1);
        self.redirects
    }

    /// Whether a key was pressed that nothing has told of before.
    pub(crate) fn presses(&mut self, now: Timestamp, told: Told, digit: Digit) -> bool {
        self.keys.is_news(now, told, digit)
    }

    /// Asks an application how to go on.
    pub(crate) fn ask(&mut self, turn: &mut Turn, exchange: u64, url: String, webhook: Webhook) {
        self.ask_with_fallback(turn, exchange, url, None, webhook);
    }

    /// Asks an application how to go on, and where it cannot be asked, another.
    pub(crate) fn ask_with_fallback(
        &mut self,
        turn: &mut Turn,
        exchange: u64,
        url: String,
        fallback_url: Option<String>,
        webhook: Webhook,
    ) {
        self.state = State::Asking { exchange };
        turn.ask(Exchange {
            account: self.record.account,
            call: self.record.id,
            exchange,
            request: turn.request,
            url,
            fallback_url,
            webhook,
        });
    }

    /// Whether the call has waited for the outcome of this exchange; it does no longer.
    pub(crate) fn take_exchange(&mut self, arrived: u64) -> bool {
        let awaited = matches!(self.state, State::Asking { exchange } if exchange == arrived);
        if awaited {
            self.state = State::Free;
        }
        awaited
    }

    pub(crate) fn await_prompt(&mut self, prompt: PromptId, program: Program) {
        self.state = State::Prompting { prompt, program };
    }

    /// What goes on after this prompt, if the call has waited for it.
    pub(crate) fn take_program_after(&mut self, finished: PromptId) -> Option<Program> {
        match mem::take(&mut self.state) {
            State::Prompting { prompt, program } if prompt == finished => Some(program),
            other => {
                self.state = other;
                None
            }
        }
    }

    pub(crate) fn pause(&mut self, program: Program) {
        self.state = State::Pausing { program };
    }

    /// What goes on after the pause.
    pub(crate) fn take_paused_program(&mut self) -> Option<Program> {
        match mem::take(&mut self.state) {
            State::Pausing { program } => Some(program),
            other => {
                self.state = other;
                None
            }
        }
    }

    /// Records that the call is in a conference from now on.
    pub(crate) fn enter_conference(
        &mut self,
        turn: &mut Turn,
        conference: ConferenceId,
        leave_conference_url: Option<String>,
    ) {
        self.record.conference = Some(conference);
        self.revise(turn);
        self.state = State::InConference {
            conference,
            leave_conference_url,
        };
    }

    /// Records that the call goes on outside its conference.
    pub(crate) fn leave_conference(&mut self, turn: &mut Turn) {
        self.record.conference = None;
        self.revise(turn);
        self.state = State::Free;
    }

    /// Records the end and tells of it.
    pub(crate) fn finish(&mut self, turn: &mut Turn, reason: CloseReason) {
        let left = self
            .conference()
            .zip(self.leave_conference_url().map(str::to_owned));
        finish(&mut self.record, turn.now, reason);
        turn.commit(Fact::Call(self.record.clone()));
        if let Some((conference, url)) = left {
            let call = CallContext {
                conference: Some(conference),
                ..self.context()
            };
            self.notify(turn, url, Webhook::LeaveConference { call, conference });
        }
        if let Some(url) = self.status_callback_url.clone() {
            let duration = self
                .record
                .started
                .map_or_else(Default::default, |started| turn.now.since(started));
            let webhook = Webhook::CallStatus {
                call: self.context(),
                reason,
                duration_secs: secs_rounded_up(duration),
            };
            self.notify(turn, url, webhook);
        }
    }

    pub(crate) fn notify(&self, turn: &mut Turn, url: String, webhook: Webhook) {
        let stream = Stream::Call(self.record.id);
        turn.notify(self.record.account, stream, url, webhook);
    }

    /// Commits the record as changed.
    fn revise(&mut self, turn: &mut Turn) {
        self.record.revision = self.record.revision.saturating_add(1);
        self.record.updated = turn.now;
        turn.commit(Fact::Call(self.record.clone()));
    }
}

/// Frees the leg of a call, and tells the far end if it does not know.
pub(crate) fn hang_up(
    turn: &mut Turn,
    call: CallId,
    was_answered: bool,
    reason: CloseReason,
    by: EndedBy,
) {
    match (by, was_answered) {
        (EndedBy::FarEnd, true | false) => {}
        (EndedBy::Bridge, true) => turn.signal(call, Signal::HangUp),
        (EndedBy::Bridge, false) => turn.signal(call, Signal::Reject(reason)),
    }
    turn.media(MediaCommand::CloseLeg { call });
}

/// Turns a call's record into that of a call that has ended.
pub(crate) fn finish(record: &mut CallRecord, now: Timestamp, reason: CloseReason) {
    record.status = final_status(record.status, reason);
    record.conference = None;
    record.ended_reason = Some(reason);
    record.ended = Some(now);
    record.revision = record.revision.saturating_add(1);
    record.updated = now;
}

fn is_answered(status: CallStatus) -> bool {
    match status {
        CallStatus::InProgress | CallStatus::Completed => true,
        CallStatus::Queued
        | CallStatus::Ringing
        | CallStatus::Busy
        | CallStatus::Failed
        | CallStatus::NoAnswer
        | CallStatus::Canceled => false,
    }
}

/// An answered call is completed, whatever ended it; one that was not says why.
fn final_status(status: CallStatus, reason: CloseReason) -> CallStatus {
    if is_answered(status) {
        return CallStatus::Completed;
    }
    match reason {
        CloseReason::Busy => CallStatus::Busy,
        CloseReason::NoAnswer => CallStatus::NoAnswer,
        CloseReason::CallCanceled
        | CloseReason::FarEndHangup
        | CloseReason::AppHangup
        | CloseReason::AppReject => CallStatus::Canceled,
        CloseReason::Failed
        | CloseReason::AppNoPercl
        | CloseReason::AppInvalidPercl
        | CloseReason::ConferenceTerminated
        | CloseReason::ConferenceEmptied
        | CloseReason::RemovedFromConference
        | CloseReason::MachineDetected
        | CloseReason::WebhookFailed
        | CloseReason::WebhookInvalidResponse
        | CloseReason::ConfigErrorNoApplication
        | CloseReason::ConfigErrorNoVoiceUrl
        | CloseReason::MaxRedirectsError
        | CloseReason::PerclProcessingError
        | CloseReason::InternalError
        | CloseReason::MaxDuration => CallStatus::Failed,
    }
}
