//! How calls are parked, and go on.

use tutti_model::CallId;

use crate::interpreter::Next;
use crate::plane::ControlPlane;
use crate::script::Park;
use crate::turn::Turn;
use crate::waiting::Wait;
use crate::webhook::Webhook;

impl ControlPlane {
    /// `Park`: the call waits until a script that it waits with unparks it.
    pub(crate) fn run_park(&mut self, turn: &mut Turn, id: CallId, command: Park) -> Next {
        if let Some(call) = self.calls.get_mut(&id) {
            call.park(Wait {
                wait_url: command.wait_url,
                action_url: command.action_url,
                notification_url: command.notification_url.clone(),
                since: turn.now,
                asked: turn.now,
            });
            if let Some(url) = command.notification_url {
                let webhook = Webhook::ParkNotification {
                    call: call.context(),
                };
                call.notify(turn, url, webhook);
            }
        }
        self.ask_for_waiting_script(turn, id);
        Next::Over
    }

    /// `Unpark`: the call goes on with its actionUrl.
    pub(crate) fn run_unpark(&mut self, turn: &mut Turn, id: CallId) -> Next {
        if let Some(call) = self.calls.get_mut(&id)
            && let Some(wait) = call.unpark()
        {
            let webhook = Webhook::Unpark {
                call: call.context(),
                waited: turn.now.since(wait.since),
            };
            call.ask(turn, self.ids.exchange(), wait.action_url, webhook);
        }
        Next::Over
    }
}
