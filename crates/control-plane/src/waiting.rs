//! How calls wait: parked, or in a queue.
//!
//! Whoever waits hears the script of its waitUrl, and when that ends the waitUrl is asked for the
//! next. A script that takes no time makes it no faster than once a second.

use std::time::Duration;

use tutti_model::{CallId, Timestamp};

use crate::call::Place;
use crate::deadline::DeadlineReason;
use crate::plane::ControlPlane;
use crate::script::Command;
use crate::turn::Turn;
use crate::webhook::Webhook;

/// A waitUrl is asked no more often.
const BETWEEN_QUESTIONS: Duration = Duration::from_secs(1);

/// What a call that waits has agreed.
pub(crate) struct Wait {
    pub(crate) wait_url: String,
    pub(crate) action_url: String,
    pub(crate) notification_url: Option<String>,
    pub(crate) since: Timestamp,
    /// When the waitUrl was asked for the last time.
    pub(crate) asked: Timestamp,
}

impl ControlPlane {
    /// Asks the waitUrl of a call that waits.
    pub(crate) fn ask_for_waiting_script(&mut self, turn: &mut Turn, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let context = call.context();
        let (url, webhook) = match call.place_mut() {
            Place::Queued { queue, wait } => {
                wait.asked = turn.now;
                let queue = *queue;
                let position = self.queues.get(&queue).and_then(|queue| {
                    let member = queue.members().find(|member| member.call == id)?;
                    Some((member.position, queue.size()))
                });
                let Some((position, size)) = position else {
                    return;
                };
                let webhook = Webhook::QueueWait {
                    call: context,
                    queue,
                    position,
                    waited: turn.now.since(wait.since),
                    size,
                };
                (wait.wait_url.clone(), webhook)
            }
            Place::Parked(wait) => {
                wait.asked = turn.now;
                let webhook = Webhook::ParkWait {
                    call: context,
                    waited: turn.now.since(wait.since),
                };
                (wait.wait_url.clone(), webhook)
            }
            Place::Alone | Place::InConference(_) => return,
        };
        call.ask(turn, self.ids.exchange(), url, webhook);
    }

    /// Goes on waiting after a script that was heard to its end.
    pub(crate) fn wait_on(&mut self, turn: &mut Turn, id: CallId) {
        let asked = match self.calls.get(&id).map(|call| call.place()) {
            Some(Place::Parked(wait) | Place::Queued { wait, .. }) => wait.asked,
            Some(Place::Alone | Place::InConference(_)) | None => return,
        };
        let next = asked + BETWEEN_QUESTIONS;
        if turn.now >= next {
            self.ask_for_waiting_script(turn, id);
        } else {
            self.rest_until(id, next);
        }
    }

    /// Goes on waiting after a script in which there was nothing.
    pub(crate) fn wait_on_in_silence(&mut self, turn: &Turn, id: CallId) {
        self.rest_until(id, turn.now + BETWEEN_QUESTIONS);
    }

    /// The moment to ask the waitUrl again, if the call still rests.
    pub(crate) fn rest_over(&mut self, turn: &mut Turn, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id)
            && call.take_rest()
        {
            self.ask_for_waiting_script(turn, id);
        }
    }

    fn rest_until(&mut self, id: CallId, until: Timestamp) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.rest();
            self.deadlines.set(id, DeadlineReason::RestOver, until);
        }
    }
}

/// Whether a call there may run this command as far as waiting goes; if not, why.
pub(crate) fn check_place(place: &Place, command: &Command) -> Result<(), &'static str> {
    match place {
        Place::Alone if *command == Command::Unpark => Err("the call is not parked"),
        Place::Alone if *command == Command::Dequeue => Err("the call waits in no queue"),
        Place::Alone => Ok(()),
        Place::InConference(_) if waits(command) => Err("the call is in a conference"),
        Place::InConference(_) => Ok(()),
        Place::Parked(_) if *command == Command::Unpark || passes_time(command) => Ok(()),
        Place::Parked(_) => Err("the call is parked"),
        Place::Queued { .. } if *command == Command::Dequeue || passes_time(command) => Ok(()),
        Place::Queued { .. } => Err("the call waits in a queue"),
    }
}

/// Whether a command is about waiting.
fn waits(command: &Command) -> bool {
    matches!(
        command,
        Command::Park(_) | Command::Unpark | Command::Enqueue(_) | Command::Dequeue
    )
}

/// Whether a call may wait with this command, or end with it.
fn passes_time(command: &Command) -> bool {
    match command {
        Command::Say(_)
        | Command::Play(_)
        | Command::Pause { .. }
        | Command::GetDigits(_)
        | Command::Redirect { .. }
        | Command::Hangup { .. } => true,
        Command::PlayEarlyMedia { .. }
        | Command::RecordUtterance(_)
        | Command::TranscribeUtterance(_)
        | Command::StartRecordCall
        | Command::SendDigits { .. }
        | Command::OutDial(_)
        | Command::Park(_)
        | Command::Unpark
        | Command::Enqueue(_)
        | Command::Dequeue
        | Command::SetTalk { .. }
        | Command::SetListen { .. }
        | Command::SetDtmfPassThrough { .. }
        | Command::CreateConference(_)
        | Command::AddToConference(_)
        | Command::RemoveFromConference { .. }
        | Command::TerminateConference { .. }
        | Command::Reject { .. }
        | Command::Unsupported { .. } => false,
    }
}
