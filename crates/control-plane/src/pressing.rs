//! Keys that a call presses towards its far end (FreeClimb API, "SendDigits").

use std::time::Duration;
use std::vec;

use tutti_model::{CallId, MediaCommand};

use crate::call::{Activity, Program};
use crate::deadline::DeadlineReason;
use crate::plane::ControlPlane;
use crate::script::Keystroke;
use crate::turn::Turn;

/// How long a key takes, from its beginning until another can be pressed.
const PRESS: Duration = Duration::from_millis(100);

/// Keys that are being pressed.
pub(crate) struct Pressing {
    rest: vec::IntoIter<Keystroke>,
    then: AfterKeys,
}

/// What follows when all keys are pressed.
pub(crate) enum AfterKeys {
    /// The script goes on.
    Script(Program),
    /// The call is connected, and its application is asked how it goes on.
    Connect,
}

impl ControlPlane {
    /// Presses keys, one after another, and goes on when the last has been heard to its end.
    pub(crate) fn press(
        &mut self,
        turn: &mut Turn,
        id: CallId,
        keys: Vec<Keystroke>,
        then: AfterKeys,
    ) {
        let rest = keys.into_iter();
        self.press_rest(turn, id, Pressing { rest, then });
    }

    /// Presses the next key, if one is left.
    pub(crate) fn key_due(&mut self, turn: &mut Turn, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        match call.take_activity() {
            Activity::Pressing(pressing) => self.press_rest(turn, id, pressing),
            other => call.wait_for(other),
        }
    }

    fn press_rest(&mut self, turn: &mut Turn, id: CallId, mut pressing: Pressing) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let lasts = match pressing.rest.next() {
            Some(Keystroke::Press(digit)) => {
                turn.media(MediaCommand::PressDigit { call: id, digit });
                PRESS
            }
            Some(Keystroke::Wait(length)) => length,
            None => {
                return match pressing.then {
                    AfterKeys::Script(program) => self.run(turn, id, program),
                    AfterKeys::Connect => self.ask_how_to_go_on(turn, id),
                };
            }
        };
        call.wait_for(Activity::Pressing(pressing));
        let due = turn.now + lasts;
        self.deadlines.set(id, DeadlineReason::KeyDue, due);
    }
}
