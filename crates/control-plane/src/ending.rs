//! How calls end, whoever ends them.

use tutti_model::{CallId, CloseReason};

use crate::call::{self, Call, EndedBy};
use crate::conference::Leaving;
use crate::plane::ControlPlane;
use crate::turn::Turn;

impl ControlPlane {
    /// Ends a call from our side.
    pub(crate) fn hang_up(&mut self, turn: &mut Turn, call: CallId, reason: CloseReason) {
        self.end_call(turn, call, reason, EndedBy::Bridge, Leaving::Alone);
    }

    /// Ends a call that an application wants no more, answered or not.
    pub(crate) fn give_up(&mut self, turn: &mut Turn, id: CallId) {
        let answered = self.calls.get(&id).is_some_and(Call::is_answered);
        let reason = if answered {
            CloseReason::AppHangup
        } else {
            CloseReason::CallCanceled
        };
        self.hang_up(turn, id, reason);
    }

    /// Ends a call, wherever it is.
    pub(crate) fn end_call(
        &mut self,
        turn: &mut Turn,
        id: CallId,
        reason: CloseReason,
        by: EndedBy,
        leaving: Leaving,
    ) {
        let Some(mut call) = self.calls.remove(&id) else {
            return;
        };
        self.deadlines.forget(id);
        // Who is called does not wait for our answer: we have waited for its.
        let awaits_answer = !call.is_answered() && !call.is_outbound();
        let conference = call.conference();
        if call.is_outbound() {
            self.allowance.end_call(call.record().account);
        }
        if let Some(queue) = call.queue() {
            self.forget_in_queue(turn, queue, id, reason);
        }
        call.finish(turn, reason);
        let activity = call.take_activity();
        self.utterance_cut_off(turn, call.context(), call.request(), activity);
        if let Some(conference) = conference.and_then(|id| self.conferences.get_mut(&id)) {
            conference.leave(turn, id, leaving);
        }
        call::hang_up(turn, id, awaits_answer, reason, by);
    }
}
