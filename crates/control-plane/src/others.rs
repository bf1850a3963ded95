//! Commands that may name another call, or a conference that the call is not in.
//!
//! FreeClimb's PerCL had the attributes `callId` and `conferenceId` for that until 2024, and its older
//! SDKs still write them. A name that leads nowhere is a warning, and the script goes on.

use tutti_model::{CallId, CloseReason, ConferenceId};

use crate::call::Call;
use crate::conference::Leaving;
use crate::input::{ParticipantChange, Refusal};
use crate::interpreter::Next;
use crate::plane::ControlPlane;
use crate::turn::Turn;

impl ControlPlane {
    /// Changes what a participant of the call's conference may do: the call itself, or who is named.
    pub(crate) fn run_change_participant(
        &mut self,
        turn: &mut Turn,
        id: CallId,
        command: &str,
        named: Option<CallId>,
        change: ParticipantChange,
    ) -> Next {
        let conference = self.calls.get(&id).and_then(Call::conference);
        let changed = conference
            .and_then(|conference| self.conferences.get_mut(&conference))
            .and_then(|conference| {
                conference.change_participant(turn, named.unwrap_or(id), change)
            });
        match (changed, other(id, named)) {
            (Some(_), _) => {}
            (None, Some(other)) => self.warn_of_stranger(turn, id, command, other),
            (None, None) => {
                let text = format!("{command}: the call is not in a conference");
                self.warn(turn, id, &text);
            }
        }
        Next::GoOn
    }

    /// Takes the call out of its conference, or another participant.
    pub(crate) fn run_remove_from_conference(
        &mut self,
        turn: &mut Turn,
        id: CallId,
        named: Option<CallId>,
    ) -> Next {
        let command = "RemoveFromConference";
        let reason = CloseReason::RemovedFromConference;
        match other(id, named) {
            None if self.are_together(id, id) => {
                self.unbridge(turn, id, reason, Leaving::Alone);
                Next::Over
            }
            None => {
                let text = format!("{command}: the call is not in a conference");
                self.fail(turn, id, &text)
            }
            Some(other) if self.are_together(id, other) => {
                self.unbridge(turn, other, reason, Leaving::Alone);
                Next::GoOn
            }
            Some(other) => {
                self.warn_of_stranger(turn, id, command, other);
                Next::GoOn
            }
        }
    }

    /// Ends the conference that the call is in, or one of its account's. The script ends too.
    pub(crate) fn run_terminate_conference(
        &mut self,
        turn: &mut Turn,
        id: CallId,
        named: Option<ConferenceId>,
    ) -> Next {
        let Some(call) = self.calls.get(&id) else {
            return Next::Over;
        };
        let Some(meant) = named.or(call.conference()) else {
            let text = "TerminateConference: the call is not in a conference";
            return self.fail(turn, id, text);
        };
        let known = self.conference(call.record().account, meant).map(drop);
        match known.and_then(|()| self.terminate_conference(turn, meant)) {
            Ok(_) => {}
            // Whoever leaves it may terminate it, and they leave together.
            Err(refusal @ Refusal::ConferenceTerminated) => {
                self.warn(turn, id, &format!("TerminateConference: {refusal}"));
            }
            Err(refusal) => {
                return self.fail(turn, id, &format!("TerminateConference: {refusal}"));
            }
        }
        self.script_over(turn, id);
        Next::Over
    }

    /// Ends the call, or another that belongs to it.
    pub(crate) fn run_hang_up(
        &mut self,
        turn: &mut Turn,
        id: CallId,
        reason: Option<String>,
        named: Option<CallId>,
    ) -> Next {
        self.note(turn, id, "Hangup", reason);
        match other(id, named) {
            None => {
                self.hang_up(turn, id, CloseReason::AppHangup);
                Next::Over
            }
            Some(other) if self.are_related(id, other) => {
                self.give_up(turn, other);
                Next::GoOn
            }
            Some(other) => {
                let text = format!(
                    "Hangup: {other} is neither in a conference with the call, nor its parent or child"
                );
                self.warn(turn, id, &text);
                Next::GoOn
            }
        }
    }

    /// Whether two calls are in one conference.
    fn are_together(&self, one: CallId, other: CallId) -> bool {
        let place = |id| self.calls.get(&id).and_then(Call::conference);
        place(one).is_some_and(|conference| place(other) == Some(conference))
    }

    /// Whether one call may end the other: its parent, its child, or whom it is together with.
    fn are_related(&self, one: CallId, other: CallId) -> bool {
        let record = |id| self.calls.get(&id).map(Call::record);
        let (Some(a), Some(b)) = (record(one), record(other)) else {
            return false;
        };
        let family = a.parent == Some(other) || b.parent == Some(one);
        a.account == b.account && (family || self.are_together(one, other))
    }

    fn warn_of_stranger(&self, turn: &mut Turn, id: CallId, command: &str, other: CallId) {
        let text = format!("{command}: {other} is not in a conference with the call");
        self.warn(turn, id, &text);
    }
}

/// Who is named, if it is not the call itself.
fn other(id: CallId, named: Option<CallId>) -> Option<CallId> {
    named.filter(|named| *named != id)
}
