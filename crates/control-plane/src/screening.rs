//! What follows from who has picked up: a person, or a machine.

use tutti_model::{CallId, CloseReason};

use crate::call::Place;
use crate::deadline::DeadlineReason;
use crate::effect::LogLevel;
use crate::facts::AnsweredBy;
use crate::machine::{Detector, Verdict};
use crate::plane::ControlPlane;
use crate::script::IfMachine;
use crate::turn::Turn;
use crate::voice::Listener;
use crate::webhook::{Machine, Webhook};

impl ControlPlane {
    /// Begins to listen for who has picked up, where that matters.
    pub(crate) fn listen_for_machine(&mut self, turn: &mut Turn, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(outbound) = call.outbound_mut() else {
            return;
        };
        if outbound.if_machine.is_none() {
            return;
        }
        let detector = Detector::new(turn.now);
        let deadline = detector.deadline();
        outbound.detector = Some(detector);
        call.watch_voice(turn, Listener::Screening, true);
        self.deadlines.set(id, DeadlineReason::VerdictDue, deadline);
    }

    /// The voice of a call began, or has ended.
    pub(crate) fn screen(&mut self, turn: &mut Turn, id: CallId, speaking: bool) {
        let now = turn.now;
        self.judge(turn, id, |detector| detector.hear(now, speaking));
    }

    /// The moment to see what the silence, or a long speech, tells.
    pub(crate) fn verdict_due(&mut self, turn: &mut Turn, id: CallId) {
        let now = turn.now;
        self.judge(turn, id, |detector| detector.verdict(now));
    }

    /// Does what a verdict asks for, or waits for one.
    fn judge(
        &mut self,
        turn: &mut Turn,
        id: CallId,
        listen: impl FnOnce(&mut Detector) -> Option<Verdict>,
    ) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(detector) = call.outbound_mut().and_then(|o| o.detector.as_mut()) else {
            return;
        };
        let Some(verdict) = listen(detector) else {
            let deadline = detector.deadline();
            return self.deadlines.set(id, DeadlineReason::VerdictDue, deadline);
        };
        turn.because_of(call.request());
        self.deadlines.clear(id, DeadlineReason::VerdictDue);
        let if_machine = call.outbound_mut().and_then(|outbound| {
            outbound.detector = None;
            outbound.if_machine.take()
        });
        call.watch_voice(turn, Listener::Screening, false);
        match verdict {
            Verdict::Unknown => {
                let text = "it is not known whether a person or a machine has picked up";
                call.log(turn, LogLevel::Info, text.into());
            }
            Verdict::Human => call.set_answered_by(turn, AnsweredBy::Human),
            Verdict::Machine => {
                call.set_answered_by(turn, AnsweredBy::Machine);
                match if_machine {
                    Some(IfMachine::HangUp) => {
                        self.hang_up(turn, id, CloseReason::MachineDetected);
                    }
                    Some(IfMachine::Redirect { url }) => self.redirect_machine(turn, id, url),
                    None => {}
                }
            }
        }
    }

    /// Lets a machine's call go on with a script of its own, wherever it is and whatever it runs.
    fn redirect_machine(&mut self, turn: &mut Turn, id: CallId, url: String) {
        self.withdraw(turn, id);
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        // Its keys were still being pressed: the callConnectUrl is told all the same, once.
        if let Some((url, webhook)) = call.take_connection() {
            call.notify(turn, url, webhook);
        }
        let webhook = Webhook::MachineDetected {
            call: call.context(),
            machine: Machine::AnsweringMachine,
        };
        call.ask(turn, self.ids.exchange(), url, webhook);
    }

    /// Takes a call out of wherever it is and stops what it runs; nobody is asked how it goes on.
    fn withdraw(&mut self, turn: &mut Turn, id: CallId) {
        self.interrupt(turn, id);
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        match call.place() {
            Place::Alone => {}
            Place::InConference(_) => self.move_out(turn, id),
            Place::Parked(_) => {
                call.unpark();
            }
            Place::Queued { .. } => {
                self.withdraw_from_queue(turn, id);
            }
        }
    }
}
