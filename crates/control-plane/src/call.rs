//! A call: where it is, and what it does there.
//!
//! Its *place* says where it is and what becomes of it when a script there ends: alone it is over, in
//! a conference it is with the others again, parked or in a queue it asks for the next script to wait
//! with. Its *activity* is what its script waits for:
//!
//! ```text
//! Idle ──► Asking ──► Prompting / Pausing / … ──► Asking ──► … ──► Idle
//! ```
//!
//! Outside of conferences a call is `Idle` only while an input is handled. A call that has ended is no
//! more.

mod dialled;
mod waiting;

use std::{mem, vec};

use tutti_model::{
    CallId, CloseReason, ConferenceId, Digit, MediaCommand, PromptId, QueueId, RecordingId,
    RequestId, Timestamp,
};

use crate::call_control::CallControl;
use crate::call_recording::CallRecording;
use crate::dialling::Outbound;
use crate::digits::{self, DigitsInput, TypedAhead};
use crate::effect::{Exchange, LogLevel, Signal, Stream};
use crate::facts::{CallRecord, CallStatus, Fact};
use crate::keys::{Keys, Told};
use crate::pressing::Pressing;
use crate::script::Command;
use crate::seconds::secs_rounded_up;
use crate::turn::{About, Turn};
use crate::utterance::{Over, Utterance};
use crate::voice::{Listener, Listeners};
use crate::waiting::Wait;
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
    typed_ahead: TypedAhead,
    /// Its caller hears prompts before the answer.
    early_media: bool,
    /// The recording of the whole call, while it runs.
    recorded: Option<CallRecording>,
    /// The latest question, until its script has begun.
    question: Option<Webhook>,
    place: Place,
    activity: Activity,
    listeners: Listeners,
    /// What is agreed on it, if it is a call that we place.
    outbound: Option<Outbound>,
}

/// Where a call is.
#[derive(Default)]
pub(crate) enum Place {
    /// With its application alone.
    #[default]
    Alone,
    InConference(Membership),
    /// Waits to be unparked.
    Parked(Wait),
    /// Waits to be taken out of a queue.
    Queued {
        queue: QueueId,
        wait: Wait,
    },
}

/// What a call has agreed with its conference.
pub(crate) struct Membership {
    pub(crate) conference: ConferenceId,
    /// Where the call goes on after its conference.
    pub(crate) leave_conference_url: Option<String>,
    /// How it gets a script there.
    pub(crate) call_control: Option<CallControl>,
}

/// What a call's script waits for.
#[derive(Default)]
pub(crate) enum Activity {
    /// No script runs.
    #[default]
    Idle,
    /// An application's script.
    Asking { exchange: u64 },
    /// The end of a prompt.
    Prompting {
        prompt: PromptId,
        /// Why it cannot be heard is not for the log.
        private: bool,
        program: Program,
    },
    /// The end of a `Pause`.
    Pausing { program: Program },
    /// Keys that the caller presses.
    GettingDigits(DigitsInput),
    /// The end of what the caller says.
    Speaking(Box<Utterance>),
    /// What became of what the caller has said.
    AwaitingUtterance(Box<Over>),
    /// The end of keys that are pressed towards the far end.
    Pressing(Pressing),
    /// The moment to ask for the next script to wait with.
    Resting,
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
            typed_ahead: TypedAhead::default(),
            early_media: false,
            recorded: None,
            question: None,
            place: Place::Alone,
            activity: Activity::Idle,
            listeners: Listeners::default(),
            outbound: None,
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

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn conference(&self) -> Option<ConferenceId> {
        self.membership().map(|membership| membership.conference)
    }

    /// What the call has agreed with its conference, where it is in one.
    pub(crate) fn membership(&self) -> Option<&Membership> {
        match &self.place {
            Place::InConference(membership) => Some(membership),
            Place::Alone | Place::Parked(_) | Place::Queued { .. } => None,
        }
    }

    /// The queue that the call waits in.
    pub(crate) fn queue(&self) -> Option<QueueId> {
        match &self.place {
            Place::Queued { queue, .. } => Some(*queue),
            Place::Alone | Place::InConference(_) | Place::Parked(_) => None,
        }
    }

    /// Where the call goes on after its conference.
    pub(crate) fn leave_conference_url(&self) -> Option<&str> {
        self.membership()?.leave_conference_url.as_deref()
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
            queue: self.record.queue,
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
        self.activity = Activity::Asking { exchange };
        self.question = Some(webhook.clone());
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
        let awaited = matches!(self.activity, Activity::Asking { exchange } if exchange == arrived);
        if awaited {
            self.activity = Activity::Idle;
        }
        awaited
    }

    /// The latest question, if its script has only just begun.
    pub(crate) fn take_question(&mut self) -> Option<Webhook> {
        self.question.take()
    }

    pub(crate) fn activity(&self) -> &Activity {
        &self.activity
    }

    pub(crate) fn take_activity(&mut self) -> Activity {
        mem::take(&mut self.activity)
    }

    pub(crate) fn wait_for(&mut self, activity: Activity) {
        self.activity = activity;
    }

    /// What the call has waited for with the end of this prompt, if it has.
    pub(crate) fn take_activity_after(&mut self, finished: PromptId) -> Option<Activity> {
        let awaited = self.awaited_prompt().map(|(prompt, _)| prompt);
        (awaited == Some(finished)).then(|| self.take_activity())
    }

    /// The prompt that the call waits for, and whether it is private.
    pub(crate) fn awaited_prompt(&self) -> Option<(PromptId, bool)> {
        match &self.activity {
            Activity::Prompting {
                prompt, private, ..
            } => Some((*prompt, *private)),
            Activity::GettingDigits(input) => input
                .prompts()
                .map(|prompts| (prompts.current, prompts.private)),
            Activity::Speaking(utterance) => utterance
                .prompt()
                .map(|prompt| (prompt, utterance.has_private_prompt())),
            Activity::Idle
            | Activity::Asking { .. }
            | Activity::Pausing { .. }
            | Activity::AwaitingUtterance(_)
            | Activity::Pressing(_)
            | Activity::Resting => None,
        }
    }

    /// Stops what the call's script does; nobody waits for it any more, and nothing runs then.
    pub(crate) fn interrupt(&mut self, turn: &mut Turn) {
        let call = self.record.id;
        if let Some((prompt, _)) = self.awaited_prompt() {
            digits::stop(turn, call, prompt);
        }
        match self.take_activity() {
            Activity::Speaking(utterance) => {
                if let Some(recording) = utterance.recording() {
                    turn.media(MediaCommand::StopRecording { recording });
                    self.watch_voice(turn, Listener::Utterance, false);
                }
            }
            Activity::Idle
            | Activity::Asking { .. }
            | Activity::Prompting { .. }
            | Activity::Pausing { .. }
            | Activity::GettingDigits(_)
            | Activity::AwaitingUtterance(_)
            | Activity::Pressing(_)
            | Activity::Resting => {}
        }
    }

    /// Keys that were pressed before a script waits for them.
    pub(crate) fn typed_ahead(&mut self) -> &mut TypedAhead {
        &mut self.typed_ahead
    }

    /// Lets the caller hear prompts before the answer.
    pub(crate) fn open_early_media(&mut self, turn: &mut Turn) {
        if !mem::replace(&mut self.early_media, true) {
            turn.signal(self.record.id, Signal::EarlyMedia);
        }
    }

    /// Whether the whole call is recorded.
    pub(crate) fn is_recorded(&self) -> bool {
        self.recorded.is_some()
    }

    pub(crate) fn record_from_now_on(&mut self, recording: CallRecording) {
        self.recorded = Some(recording);
    }

    /// Forgets the recording of the whole call if it is this one, which has ended by itself.
    pub(crate) fn forget_recording(&mut self, recording: RecordingId) {
        self.recorded = self
            .recorded
            .filter(|recorded| recorded.recording != recording);
    }

    /// How the call gets a script in its conference, and in which.
    pub(crate) fn call_control(&mut self) -> Option<(ConferenceId, &mut CallControl)> {
        match &mut self.place {
            Place::InConference(membership) => {
                let conference = membership.conference;
                let control = membership.call_control.as_mut()?;
                Some((conference, control))
            }
            Place::Alone | Place::Parked(_) | Place::Queued { .. } => None,
        }
    }

    pub(crate) fn pause(&mut self, program: Program) {
        self.activity = Activity::Pausing { program };
    }

    /// What goes on after the pause.
    pub(crate) fn take_paused_program(&mut self) -> Option<Program> {
        match mem::take(&mut self.activity) {
            Activity::Pausing { program } => Some(program),
            other => {
                self.activity = other;
                None
            }
        }
    }

    /// Records that the call is in a conference from now on.
    pub(crate) fn enter_conference(&mut self, turn: &mut Turn, membership: Membership) {
        self.record.conference = Some(membership.conference);
        self.revise(turn);
        self.place = Place::InConference(membership);
        self.activity = Activity::Idle;
        // What was pressed before is not for what comes after the conference.
        self.typed_ahead.clear();
    }

    /// Records that the call goes on outside its conference.
    pub(crate) fn leave_conference(&mut self, turn: &mut Turn) {
        self.record.conference = None;
        self.revise(turn);
        self.place = Place::Alone;
        self.activity = Activity::Idle;
    }

    /// Records the end and tells of it.
    pub(crate) fn finish(&mut self, turn: &mut Turn, reason: CloseReason) {
        let recording = self.recorded.take().map(|recorded| recorded.end(turn));
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
        if let Some((url, webhook)) = self.take_connection() {
            self.notify(turn, url, webhook);
        }
        self.tell_of_waiting_in_vain(turn, reason);
        if let Some(url) = self.status_callback_url.clone() {
            let duration = self
                .record
                .started
                .map_or_else(Default::default, |started| turn.now.since(started));
            let webhook = Webhook::CallStatus {
                call: self.context(),
                reason,
                duration_secs: secs_rounded_up(duration),
                recording,
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
    awaits_answer: bool,
    reason: CloseReason,
    by: EndedBy,
) {
    match (by, awaits_answer) {
        (EndedBy::FarEnd, true | false) => {}
        (EndedBy::Bridge, true) => turn.signal(call, Signal::Reject(reason)),
        (EndedBy::Bridge, false) => turn.signal(call, Signal::HangUp),
    }
    turn.media(MediaCommand::CloseLeg { call });
}

/// Turns a call's record into that of a call that has ended.
pub(crate) fn finish(record: &mut CallRecord, now: Timestamp, reason: CloseReason) {
    record.status = final_status(record.status, reason);
    record.conference = None;
    record.queue = None;
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
