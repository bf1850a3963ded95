//! How calls come into queues and out of them.

use tutti_model::{AccountId, CallId, CloseReason, QueueId};

use crate::facts::QueueRecord;
use crate::input::{QueueMember, QueueOptions, Refusal, Reply, Waiting};
use crate::interpreter::Next;
use crate::plane::ControlPlane;
use crate::queue::Queue;
use crate::script::Enqueue;
use crate::turn::Turn;
use crate::waiting::Wait;
use crate::webhook::{QueueResult, Webhook};

impl ControlPlane {
    pub(crate) fn create_queue(
        &mut self,
        turn: &mut Turn,
        account: AccountId,
        options: QueueOptions,
    ) -> Result<QueueRecord, Refusal> {
        self.check_queue_count(account)?;
        let id = self.ids.queue();
        let queue = Queue::open(turn, id, account, options);
        let record = queue.record().clone();
        self.queues.insert(id, queue);
        Ok(record)
    }

    pub(crate) fn update_queue(
        &mut self,
        turn: &mut Turn,
        account: AccountId,
        id: QueueId,
        options: QueueOptions,
    ) -> Result<Reply, Refusal> {
        let queue = owned(self.queues.get_mut(&id), account)?;
        queue.change(turn, options);
        Ok(Reply::Queue(queue.record().clone()))
    }

    pub(crate) fn look_at_queue(&self, account: AccountId, id: QueueId) -> Result<Reply, Refusal> {
        let queue = self.queue(account, id)?;
        Ok(Reply::QueueMembers(queue.members().collect()))
    }

    /// Takes a call out of a queue for an application: it goes on with its actionUrl, whatever it
    /// waited with.
    pub(crate) fn take_out(
        &mut self,
        turn: &mut Turn,
        account: AccountId,
        id: QueueId,
        who: Waiting,
    ) -> Result<QueueMember, Refusal> {
        let member = self.queue(account, id)?.member(who).ok_or(match who {
            Waiting::Front => Refusal::QueueEmpty,
            Waiting::Call(_) => Refusal::NoSuchMember,
        })?;
        self.dequeue(turn, member.call);
        Ok(member)
    }

    /// `Enqueue`: the call waits in the queue, or is told that it is full.
    pub(crate) fn run_enqueue(&mut self, turn: &mut Turn, id: CallId, command: Enqueue) -> Next {
        let Some(account) = self.calls.get(&id).map(|call| call.record().account) else {
            return Next::Over;
        };
        if let Err(refusal) = self.check_enqueue(account, command.queue) {
            return self.fail(turn, id, &format!("Enqueue: {refusal}"));
        }
        let options = QueueOptions::default();
        let queue = self
            .queues
            .entry(command.queue)
            .or_insert_with(|| Queue::open(turn, command.queue, account, options));
        let Some(call) = self.calls.get_mut(&id) else {
            return Next::Over;
        };
        if queue.is_full() {
            let webhook = Webhook::Dequeue {
                call: call.context_in_queue(command.queue),
                queue: command.queue,
                result: QueueResult::QueueFull,
                waited: std::time::Duration::ZERO,
            };
            call.ask(turn, self.ids.exchange(), command.action_url, webhook);
            return Next::Over;
        }
        queue.join(turn, id);
        let wait = Wait {
            wait_url: command.wait_url,
            action_url: command.action_url,
            notification_url: command.notification_url,
            since: turn.now,
            asked: turn.now,
        };
        call.enter_queue(turn, command.queue, wait);
        self.ask_for_waiting_script(turn, id);
        Next::Over
    }

    /// `Dequeue`: the call has waited enough.
    pub(crate) fn run_dequeue(&mut self, turn: &mut Turn, id: CallId) -> Next {
        self.dequeue(turn, id);
        Next::Over
    }

    /// Lets a call out of its queue and asks how it goes on; one that waits in none stays as it is.
    pub(crate) fn dequeue(&mut self, turn: &mut Turn, id: CallId) {
        let Some((queue, wait)) = self.withdraw_from_queue(turn, id) else {
            return;
        };
        if let Some(call) = self.calls.get_mut(&id) {
            let webhook = Webhook::Dequeue {
                call: call.context_in_queue(queue),
                queue,
                result: QueueResult::Dequeued,
                waited: turn.now.since(wait.since),
            };
            call.ask(turn, self.ids.exchange(), wait.action_url, webhook);
        }
    }

    /// Lets a call out of its queue, stops what it waited with, and tells of it. The call is alone
    /// then and has nothing to do.
    pub(crate) fn withdraw_from_queue(
        &mut self,
        turn: &mut Turn,
        id: CallId,
    ) -> Option<(QueueId, Wait)> {
        let queue = self.calls.get(&id)?.queue()?;
        self.interrupt(turn, id);
        if let Some(queue) = self.queues.get_mut(&queue) {
            queue.leave(turn, id, QueueResult::Dequeued);
        }
        let call = self.calls.get_mut(&id)?;
        let wait = call.leave_queue(turn)?;
        if let Some(url) = wait.notification_url.clone() {
            let webhook = Webhook::RemoveFromQueueNotification {
                call: call.context_in_queue(queue),
                queue,
                result: QueueResult::Dequeued,
                waited: turn.now.since(wait.since),
            };
            call.notify(turn, url, webhook);
        }
        Some((queue, wait))
    }

    /// Lets a call that ends out of its queue; the call itself tells of it.
    pub(crate) fn forget_in_queue(
        &mut self,
        turn: &mut Turn,
        id: QueueId,
        call: CallId,
        reason: CloseReason,
    ) {
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.leave(turn, call, result_of(reason));
        }
    }

    /// Whether an account may enqueue a call there: in its own queue, or in one that is made for it.
    /// Whose another queue is, or that there is one, is told to nobody.
    fn check_enqueue(&self, account: AccountId, id: QueueId) -> Result<(), Refusal> {
        match self.queues.get(&id) {
            Some(_) => self.queue(account, id).map(|_| ()),
            None => self.check_queue_count(account),
        }
    }

    fn check_queue_count(&self, account: AccountId) -> Result<(), Refusal> {
        let queues = self.queues.values();
        let count = queues
            .filter(|queue| queue.record().account == account)
            .count();
        if count < self.limits.queues_per_account {
            Ok(())
        } else {
            Err(Refusal::TooManyQueues)
        }
    }

    fn queue(&self, account: AccountId, id: QueueId) -> Result<&Queue, Refusal> {
        self.queues
            .get(&id)
            .filter(|queue| queue.record().account == account)
            .ok_or(Refusal::NoSuchQueue)
    }
}

fn owned(queue: Option<&mut Queue>, account: AccountId) -> Result<&mut Queue, Refusal> {
    queue
        .filter(|queue| queue.record().account == account)
        .ok_or(Refusal::NoSuchQueue)
}

/// What an end means to the queue that the call waited in.
pub(crate) fn result_of(reason: CloseReason) -> QueueResult {
    match reason {
        CloseReason::FarEndHangup
        | CloseReason::CallCanceled
        | CloseReason::AppHangup
        | CloseReason::AppReject
        | CloseReason::AppNoPercl
        | CloseReason::ConferenceTerminated
        | CloseReason::ConferenceEmptied
        | CloseReason::RemovedFromConference
        | CloseReason::MachineDetected
        | CloseReason::MaxDuration => QueueResult::Hangup,
        CloseReason::Busy
        | CloseReason::Failed
        | CloseReason::NoAnswer
        | CloseReason::AppInvalidPercl
        | CloseReason::WebhookFailed
        | CloseReason::WebhookInvalidResponse
        | CloseReason::ConfigErrorNoApplication
        | CloseReason::ConfigErrorNoVoiceUrl
        | CloseReason::MaxRedirectsError
        | CloseReason::PerclProcessingError
        | CloseReason::InternalError => QueueResult::SystemError,
    }
}
