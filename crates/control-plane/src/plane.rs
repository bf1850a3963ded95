//! The one state machine that knows all calls and conferences.

use std::collections::BTreeMap;

use tutti_model::{AccountId, CallId, CloseReason, ConferenceId, QueueId, RequestId, Timestamp};

use crate::allowance::Allowance;
use crate::arrival::Arrival;
use crate::call::{Call, EndedBy};
use crate::conference::{Conference, Leaving};
use crate::deadline::{DeadlineReason, Deadlines};
use crate::effect::Effect;
use crate::ids::Ids;
use crate::input::{Input, Refusal, Reply};
use crate::keys::Told;
use crate::limits::Limits;
use crate::queue::Queue;
use crate::recordings::Recordings;
use crate::terminated::Terminated;
use crate::turn::Turn;
use crate::utterance::Unheard;

/// Decides who is where, and what happens next.
///
/// Its caller feeds inputs with [`handle`](ControlPlane::handle), carries the effects out in order,
/// and feeds `Input::Timeout` when [`next_deadline`](ControlPlane::next_deadline) has passed.
pub struct ControlPlane {
    pub(crate) limits: Limits,
    pub(crate) ids: Ids,
    pub(crate) conferences: BTreeMap<ConferenceId, Conference>,
    pub(crate) calls: BTreeMap<CallId, Call>,
    pub(crate) queues: BTreeMap<QueueId, Queue>,
    pub(crate) allowance: Allowance,
    pub(crate) recordings: Recordings,
    /// What is still to be told of utterances whose callers have hung up.
    pub(crate) unheard: Unheard,
    pub(crate) terminated: Terminated,
    pub(crate) deadlines: Deadlines,
    pub(crate) draining: bool,
}

impl ControlPlane {
    /// Starts with nothing. `ids` draws 160 random bits at a time.
    pub fn new(limits: Limits, ids: Box<dyn FnMut() -> [u8; 20] + Send>) -> ControlPlane {
        ControlPlane {
            limits,
            ids: Ids::new(ids),
            conferences: BTreeMap::new(),
            calls: BTreeMap::new(),
            queues: BTreeMap::new(),
            allowance: Allowance::default(),
            recordings: Recordings::default(),
            unheard: Unheard::new(),
            terminated: Terminated::default(),
            deadlines: Deadlines::default(),
            draining: false,
        }
    }

    /// Takes one input in and appends what must be done because of it.
    ///
    /// Facts and notifications come first: they are one transaction, before everything else. A
    /// refused input changes nothing. News of what is over (a script that nobody waits for, the end
    /// of an earlier prompt) are accepted and ignored.
    pub fn handle(
        &mut self,
        now: Timestamp,
        input: Input,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        let request = self.ids.request();
        self.handle_as(request, now, input, effects)
    }

    /// Like [`handle`](ControlPlane::handle), for an input that has a name already: whatever it
    /// causes carries this one.
    pub fn handle_as(
        &mut self,
        request: RequestId,
        now: Timestamp,
        input: Input,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        let mut turn = Turn::new(now, request);
        let reply = self.decide(&mut turn, input)?;
        turn.finish(effects);
        Ok(reply)
    }

    /// The next moment that wants `Input::Timeout`, and why.
    pub fn next_deadline(&self) -> Option<(Timestamp, DeadlineReason)> {
        self.deadlines.next()
    }

    /// Refuses calls from now on; those that are there go on.
    pub fn begin_drain(&mut self) {
        self.draining = true;
    }

    /// Whether calls are refused because the bridge is about to stop.
    pub fn is_draining(&self) -> bool {
        self.draining
    }

    /// Whose a conference is, also of one that was terminated not long ago.
    pub fn account_of(&self, conference: ConferenceId) -> Option<AccountId> {
        let live = self.conferences.get(&conference);
        live.map(|live| live.record().account)
            .or_else(|| self.terminated.account(conference))
    }

    /// Conferences that are not terminated.
    pub fn conference_count(&self) -> usize {
        self.conferences.len()
    }

    /// Calls that have not ended.
    pub fn call_count(&self) -> usize {
        self.calls.len()
    }

    /// Participants of all conferences.
    pub fn participant_count(&self) -> usize {
        self.conferences
            .values()
            .map(Conference::participant_count)
            .sum()
    }

    fn decide(&mut self, turn: &mut Turn, input: Input) -> Result<Reply, Refusal> {
        match input {
            Input::CreateConference { account, options } => self
                .create_conference(turn, account, options, None)
                .map(Reply::Conference),
            Input::UpdateConference {
                account,
                conference,
                change,
            } => self.update_conference(turn, account, conference, change),
            Input::UpdateParticipant {
                account,
                conference,
                call,
                change,
            } => self.update_participant(turn, account, conference, call, change),
            Input::UpdateGains {
                account,
                conference,
                call,
                change,
            } => self.update_gains(turn, account, conference, call, change),
            Input::LookAtParticipant {
                account,
                conference,
                call,
            } => self.look_at_participant(account, conference, call),
            Input::RemoveParticipant {
                account,
                conference,
                call,
            } => self.remove_participant(turn, account, conference, call),
            Input::MakeCall { account, call } => self.make_call(turn, account, call),
            Input::CreateQueue { account, options } => {
                self.create_queue(turn, account, options).map(Reply::Queue)
            }
            Input::UpdateQueue {
                account,
                queue,
                options,
            } => self.update_queue(turn, account, queue, options),
            Input::LookAtQueue { account, queue } => self.look_at_queue(account, queue),
            Input::Dequeue {
                account,
                queue,
                who,
            } => self
                .take_out(turn, account, queue, who)
                .map(Reply::QueueMember),
            Input::CallRinging { call } => {
                self.call_ringing(turn, call);
                Ok(Reply::Done)
            }
            Input::CallAnswered { call } => {
                self.call_answered(turn, call);
                Ok(Reply::Done)
            }
            Input::CallFailed {
                call,
                reason,
                detail,
            } => {
                self.call_failed(turn, call, reason, &detail);
                Ok(Reply::Done)
            }
            Input::Transcribed {
                call,
                recording,
                outcome,
            } => {
                self.transcribed(turn, call, recording, outcome);
                Ok(Reply::Done)
            }
            Input::UpdateCall {
                account,
                call,
                change,
            } => self.update_call(turn, account, call, change),
            Input::CallArrived {
                call,
                account,
                from,
                to,
                route,
            } => {
                let arrival = Arrival {
                    call,
                    account,
                    from,
                    to,
                };
                self.call_arrived(turn, arrival, route)
            }
            Input::CallConfirmed { call } => {
                self.deadlines
                    .clear(call, DeadlineReason::AwaitingConfirmation);
                Ok(Reply::Done)
            }
            Input::KeySignalled { call, digit } => {
                self.key_pressed(turn, call, Told::Signalling, digit);
                Ok(Reply::Done)
            }
            Input::CallGone { call, reason } => {
                self.call_gone(turn, call, reason);
                Ok(Reply::Done)
            }
            Input::ScriptArrived {
                call,
                exchange,
                outcome,
            } => {
                self.script_arrived(turn, call, exchange, outcome);
                Ok(Reply::Done)
            }
            Input::Media(event) => {
                self.media_event(turn, event);
                Ok(Reply::Done)
            }
            Input::Timeout => {
                self.timeout(turn);
                Ok(Reply::Done)
            }
        }
    }

    fn call_gone(&mut self, turn: &mut Turn, id: CallId, reason: CloseReason) {
        if let Some(call) = self.calls.get(&id) {
            turn.because_of(call.request());
            self.end_call(turn, id, reason, EndedBy::FarEnd, Leaving::Alone);
        }
    }

    fn timeout(&mut self, turn: &mut Turn) {
        while let Some((id, reason)) = self.deadlines.take_due(turn.now) {
            if let Some(call) = self.calls.get(&id) {
                turn.because_of(call.request());
            }
            match reason {
                DeadlineReason::PauseOver => self.pause_over(turn, id),
                DeadlineReason::DigitsDue => self.digits_due(turn, id),
                DeadlineReason::UtteranceDue => self.utterance_due(turn, id),
                DeadlineReason::KeyDue => self.key_due(turn, id),
                // Nobody there has heard the answer.
                DeadlineReason::AwaitingConfirmation => {
                    self.hang_up(turn, id, CloseReason::FarEndHangup);
                }
                DeadlineReason::MaxDuration => self.hang_up(turn, id, CloseReason::MaxDuration),
                DeadlineReason::Unanswered => self.hang_up(turn, id, CloseReason::NoAnswer),
                DeadlineReason::MinuteOver => self.minute_over(turn, id),
                DeadlineReason::VerdictDue => self.verdict_due(turn, id),
                DeadlineReason::RestOver => self.rest_over(turn, id),
            }
        }
    }
}
