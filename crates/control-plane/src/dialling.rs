//! How calls are placed, and what becomes of them until they are answered.

use std::mem;
use std::time::Duration;

use tutti_model::{AccountId, ApplicationId, CallId, CloseReason, NumberId};

use crate::allowance::MINUTE;
use crate::call::{Call, EndedBy};
use crate::conference::Leaving;
use crate::deadline::DeadlineReason;
use crate::effect::{Dial, LogLevel};
use crate::facts::{CallRecord, CallStatus, Direction};
use crate::input::{NewCall, Refusal, Reply};
use crate::interpreter::Next;
use crate::machine::Detector;
use crate::plane::ControlPlane;
use crate::pressing::AfterKeys;
use crate::script::{IfMachine, Keystroke, OutDial};
use crate::turn::Turn;
use crate::webhook::Webhook;

/// The longest that a call rings. Signalling gives a call up after three minutes by itself; this ends
/// it before, as one that nobody answered.
const LONGEST_RINGING: Duration = Duration::from_secs(175);

/// What is agreed on a call that we place.
pub(crate) struct Outbound {
    /// Until it is asked how the call goes on, or told that it came to nothing.
    pub(crate) call_connect_url: Option<String>,
    /// Until they are pressed.
    pub(crate) send_digits: Vec<Keystroke>,
    pub(crate) if_machine: Option<IfMachine>,
    /// While it is open who has picked up.
    pub(crate) detector: Option<Detector>,
}

/// A call to be placed.
struct Plan {
    account: AccountId,
    direction: Direction,
    parent: Option<CallId>,
    application: Option<ApplicationId>,
    number: Option<NumberId>,
    from: String,
    to: String,
    status_callback_url: Option<String>,
    timeout: Duration,
    outbound: Outbound,
}

impl ControlPlane {
    /// Places a call for an application.
    pub(crate) fn make_call(
        &mut self,
        turn: &mut Turn,
        account: AccountId,
        new: NewCall,
    ) -> Result<Reply, Refusal> {
        if let Some(parent) = new.parent {
            self.check_parent(account, parent)?;
        }
        self.check_dialling(turn, account)?;
        let plan = Plan {
            account,
            direction: Direction::OutboundApi,
            parent: new.parent,
            application: new.application,
            number: new.number,
            from: new.from,
            to: new.to,
            status_callback_url: new.status_callback_url,
            timeout: new.timeout,
            outbound: Outbound {
                call_connect_url: Some(new.call_connect_url),
                send_digits: new.send_digits,
                if_machine: new.if_machine,
                detector: None,
            },
        };
        Ok(Reply::Call(self.place(turn, plan)))
    }

    /// `OutDial`: another call is placed, and this one goes on at once. Where no call may be placed
    /// the other fails, and its URLs are told so.
    pub(crate) fn run_out_dial(&mut self, turn: &mut Turn, id: CallId, command: OutDial) -> Next {
        let Some(parent) = self.calls.get(&id).map(Call::record) else {
            return Next::Over;
        };
        let account = parent.account;
        let plan = Plan {
            account,
            direction: Direction::OutboundDial,
            parent: Some(id),
            application: parent.application,
            number: parent
                .number
                .filter(|_| own_side(parent) == command.calling_number),
            from: command.calling_number,
            to: command.destination,
            status_callback_url: command.status_callback_url,
            timeout: command.timeout,
            outbound: Outbound {
                call_connect_url: Some(command.call_connect_url),
                send_digits: command.send_digits,
                if_machine: command.if_machine,
                detector: None,
            },
        };
        let dialled = match self.check_dialling(turn, account) {
            Ok(()) => self.place(turn, plan).id,
            Err(refusal) => self.place_in_vain(turn, plan, refusal),
        };
        if let Some(call) = self.calls.get_mut(&id) {
            let webhook = Webhook::OutDialStart {
                call: call.context(),
                dialled,
            };
            call.ask(turn, self.ids.exchange(), command.action_url, webhook);
        }
        Next::Over
    }

    /// The far end of a call that we place rings.
    pub(crate) fn call_ringing(&mut self, turn: &mut Turn, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id).filter(|call| call.is_outbound()) {
            turn.because_of(call.request());
            call.ring(turn);
        }
    }

    /// The far end of a call that we place has answered.
    pub(crate) fn call_answered(&mut self, turn: &mut Turn, id: CallId) {
        let Some(call) = self.calls.get_mut(&id).filter(|call| call.is_dialled()) else {
            return;
        };
        turn.because_of(call.request());
        self.deadlines.clear(id, DeadlineReason::Unanswered);
        let (account, created) = (call.record().account, call.record().created);
        let limits = &self.limits.outbound;
        if !self.allowance.take_minute(limits, account, turn.now) {
            call.log(turn, LogLevel::Error, Refusal::OutOfMinutes.to_string());
            return self.hang_up(turn, id, CloseReason::MaxDuration);
        }
        let longest = (turn.now + limits.call_duration).min(created + self.limits.call_duration);
        self.deadlines.set(id, DeadlineReason::MaxDuration, longest);
        self.deadlines
            .set(id, DeadlineReason::MinuteOver, turn.now + MINUTE);
        call.connect(turn);
        self.listen_for_machine(turn, id);
        self.press_first(turn, id);
    }

    /// A call that we place came to nothing. One that was answered after all is over, too.
    pub(crate) fn call_failed(
        &mut self,
        turn: &mut Turn,
        id: CallId,
        reason: CloseReason,
        detail: &str,
    ) {
        if let Some(call) = self.calls.get(&id).filter(|call| call.is_outbound()) {
            turn.because_of(call.request());
            let text = format!("the call came to nothing: {detail}");
            call.log(turn, LogLevel::Warning, text);
            self.end_call(turn, id, reason, EndedBy::FarEnd, Leaving::Alone);
        }
    }

    /// A minute of an outbound call is over; the next is its account's, or there is none.
    pub(crate) fn minute_over(&mut self, turn: &mut Turn, id: CallId) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let account = call.record().account;
        if self
            .allowance
            .take_minute(&self.limits.outbound, account, turn.now)
        {
            let over = turn.now + MINUTE;
            self.deadlines.set(id, DeadlineReason::MinuteOver, over);
        } else {
            call.log(turn, LogLevel::Error, Refusal::OutOfMinutes.to_string());
            self.hang_up(turn, id, CloseReason::MaxDuration);
        }
    }

    /// Asks how an answered call goes on.
    pub(crate) fn ask_how_to_go_on(&mut self, turn: &mut Turn, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if let Some((url, webhook)) = call.take_connection() {
            call.ask(turn, self.ids.exchange(), url, webhook);
        }
    }

    /// Whether an account may place a call now.
    fn check_dialling(&self, turn: &Turn, account: AccountId) -> Result<(), Refusal> {
        if self.draining {
            return Err(Refusal::Draining);
        }
        self.allowance
            .check(&self.limits.outbound, account, turn.now)
    }

    fn check_parent(&self, account: AccountId, parent: CallId) -> Result<(), Refusal> {
        let parent = self
            .calls
            .get(&parent)
            .map(Call::record)
            .filter(|parent| parent.account == account)
            .ok_or(Refusal::NoSuchCall)?;
        match (parent.direction, parent.status) {
            (_, CallStatus::InProgress) | (Direction::Inbound, CallStatus::Ringing) => Ok(()),
            (
                Direction::Inbound | Direction::OutboundApi | Direction::OutboundDial,
                CallStatus::Queued
                | CallStatus::Ringing
                | CallStatus::Completed
                | CallStatus::Busy
                | CallStatus::Failed
                | CallStatus::NoAnswer
                | CallStatus::Canceled,
            ) => Err(Refusal::ParentNotLive),
        }
    }

    /// Places a call that its account may place.
    fn place(&mut self, turn: &mut Turn, plan: Plan) -> CallRecord {
        let record = self.queued(turn, &plan);
        let dial = Dial {
            account: record.account,
            call: record.id,
            from: record.from.clone(),
            to: record.to.clone(),
            from_is_known: self.is_shown(plan.account, &plan.from),
        };
        self.allowance
            .begin_call(&self.limits.outbound, plan.account, turn.now);
        let latest = turn.now + plan.timeout.min(LONGEST_RINGING);
        let call = Call::place_outbound(
            turn,
            record.clone(),
            plan.status_callback_url,
            plan.outbound,
        );
        self.admit(turn, call);
        self.deadlines
            .set(record.id, DeadlineReason::Unanswered, latest);
        turn.dial(dial);
        record
    }

    /// Places a call that may not be placed: it fails before anybody is dialled.
    fn place_in_vain(&mut self, turn: &mut Turn, plan: Plan, why: Refusal) -> CallId {
        let record = self.queued(turn, &plan);
        let id = record.id;
        let mut call = Call::place_outbound(turn, record, plan.status_callback_url, plan.outbound);
        call.log(turn, LogLevel::Error, format!("OutDial: {why}"));
        call.finish(turn, CloseReason::Failed);
        id
    }

    fn queued(&mut self, turn: &Turn, plan: &Plan) -> CallRecord {
        CallRecord {
            id: self.ids.call(),
            account: plan.account,
            application: plan.application,
            parent: plan.parent,
            number: plan.number,
            from: plan.from.clone(),
            to: plan.to.clone(),
            direction: plan.direction,
            status: CallStatus::Queued,
            conference: None,
            queue: None,
            answered_by: None,
            ended_reason: None,
            started: Some(turn.now),
            connected: None,
            ended: None,
            revision: 1,
            created: turn.now,
            updated: turn.now,
        }
    }

    /// Whether a live call of the account shows this number, so that another may show it as its
    /// caller's: whom an inbound call is from and to, and what an outbound call has shown to others,
    /// or reached, already. What an outbound call merely asks for proves nothing, and neither does a
    /// SIP URI that has answered: anybody can have one that looks like somebody else's number.
    fn is_shown(&self, account: AccountId, number: &str) -> bool {
        let calls = self.calls.values().map(Call::record);
        calls
            .filter(|record| record.account == account)
            .any(|record| match (record.direction, record.status) {
                (Direction::Inbound, _) => record.from == number || record.to == number,
                (Direction::OutboundApi | Direction::OutboundDial, CallStatus::InProgress) => {
                    record.from == number || (is_number(&record.to) && record.to == number)
                }
                (Direction::OutboundApi | Direction::OutboundDial, CallStatus::Ringing) => {
                    record.from == number
                }
                (
                    Direction::OutboundApi | Direction::OutboundDial,
                    CallStatus::Queued
                    | CallStatus::Completed
                    | CallStatus::Busy
                    | CallStatus::Failed
                    | CallStatus::NoAnswer
                    | CallStatus::Canceled,
                ) => false,
            })
    }

    /// Presses the keys that were asked for, and then asks how the call goes on.
    fn press_first(&mut self, turn: &mut Turn, id: CallId) {
        let outbound = self.calls.get_mut(&id).and_then(Call::outbound_mut);
        let keys = outbound.map(|outbound| mem::take(&mut outbound.send_digits));
        self.press(turn, id, keys.unwrap_or_default(), AfterKeys::Connect);
    }
}

/// Whether a number was dialled and not a SIP URI, which begins with its scheme.
fn is_number(dialled: &str) -> bool {
    dialled.starts_with('+')
}

/// The number of the account that a call is with.
fn own_side(record: &CallRecord) -> &str {
    match record.direction {
        Direction::Inbound => &record.to,
        Direction::OutboundApi | Direction::OutboundDial => &record.from,
    }
}
