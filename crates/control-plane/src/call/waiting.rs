//! What a call does while it is parked or in a queue.

use std::mem;

use tutti_model::{CloseReason, QueueId};

use super::{Activity, Call, Place};
use crate::queues::result_of;
use crate::turn::Turn;
use crate::waiting::Wait;
use crate::webhook::{CallContext, Webhook};

impl Call {
    pub(crate) fn place_mut(&mut self) -> &mut Place {
        &mut self.place
    }

    /// The call as the webhooks of its queue present it, also when it has left.
    pub(crate) fn context_in_queue(&self, queue: QueueId) -> CallContext {
        CallContext {
            queue: Some(queue),
            ..self.context()
        }
    }

    /// The call waits to be unparked from now on.
    pub(crate) fn park(&mut self, wait: Wait) {
        self.place = Place::Parked(wait);
    }

    /// The call, if it was parked, is no longer.
    pub(crate) fn unpark(&mut self) -> Option<Wait> {
        match mem::take(&mut self.place) {
            Place::Parked(wait) => Some(wait),
            other => {
                self.place = other;
                None
            }
        }
    }

    /// Records that the call waits in a queue from now on.
    pub(crate) fn enter_queue(&mut self, turn: &mut Turn, queue: QueueId, wait: Wait) {
        self.record.queue = Some(queue);
        self.revise(turn);
        if let Some(url) = wait.notification_url.clone() {
            let call = self.context();
            self.notify(turn, url, Webhook::AddToQueueNotification { call, queue });
        }
        self.place = Place::Queued { queue, wait };
    }

    /// Records that the call waits in no queue any more.
    pub(crate) fn leave_queue(&mut self, turn: &mut Turn) -> Option<Wait> {
        match mem::take(&mut self.place) {
            Place::Queued { wait, .. } => {
                self.record.queue = None;
                self.revise(turn);
                Some(wait)
            }
            other => {
                self.place = other;
                None
            }
        }
    }

    pub(crate) fn rest(&mut self) {
        self.activity = Activity::Resting;
    }

    /// Whether the call has rested; it does no longer.
    pub(crate) fn take_rest(&mut self) -> bool {
        let rested = matches!(self.activity, Activity::Resting);
        if rested {
            self.activity = Activity::Idle;
        }
        rested
    }

    /// Tells those who wait for a call that ends in a queue.
    pub(super) fn tell_of_waiting_in_vain(&self, turn: &mut Turn, reason: CloseReason) {
        let Place::Queued { queue, wait } = &self.place else {
            return;
        };
        let (queue, result) = (*queue, result_of(reason));
        let waited = turn.now.since(wait.since);
        if let Some(url) = wait.notification_url.clone() {
            let webhook = Webhook::RemoveFromQueueNotification {
                call: self.context_in_queue(queue),
                queue,
                result,
                waited,
            };
            self.notify(turn, url, webhook);
        }
        let webhook = Webhook::Dequeue {
            call: self.context_in_queue(queue),
            queue,
            result,
            waited,
        };
        self.notify(turn, wait.action_url.clone(), webhook);
    }
}
