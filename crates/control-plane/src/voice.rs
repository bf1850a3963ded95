//! For whom a call's voice is listened to, wherever the call is. Who speaks in a conference is told
//! besides, more slowly, for those who look on.

use tutti_model::{CallId, MediaCommand};

use crate::turn::Turn;

/// Who wants to know at once when a call speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listener {
    /// Whoever finds out who has picked up.
    Screening,
    /// Whoever records an utterance and waits for its end.
    Utterance,
}

/// The listeners of one call; the media plane listens while there is one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Listeners {
    screening: bool,
    utterance: bool,
}

impl Listeners {
    /// Adds a listener, or lets it go.
    pub(crate) fn set(&mut self, turn: &mut Turn, call: CallId, who: Listener, on: bool) {
        let before = self.any();
        match who {
            Listener::Screening => self.screening = on,
            Listener::Utterance => self.utterance = on,
        }
        if on || before != self.any() {
            // Asked for once more, it is told at once again if somebody speaks already.
            turn.media(MediaCommand::WatchVoice { call, on });
        }
    }

    fn any(self) -> bool {
        self.screening || self.utterance
    }
}
