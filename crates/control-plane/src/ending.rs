//! How calls end, whoever ends them.

use tutti_model::{CallId, CloseReason};

use crate::call::{self, EndedBy};
use crate::conference::Leaving;
use crate::plane::ControlPlane;
use crate::turn::Turn;

impl ControlPlane {
    /// Ends a call from our side.
    pub(crate) fn hang_up(&mut self, turn: &mut Turn, call: CallId, reason: CloseReason) {
        self.end_call(turn, call, reason, EndedBy::Bridge, Leaving::Alone);
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
        let was_answered = call.is_answered();
        let conference = call.conference();
        call.finish(turn, reason);
        if let Some(conference) = conference.and_then(|id| self.conferences.get_mut(&id)) {
            conference.leave(turn, id, leaving);
        }
        call::hang_up(turn, id, was_answered, reason, by);
    }
}
