//! What time it is in a simulation.

use std::time::Duration;

use tutti_model::Timestamp;

/// When every simulation begins: 2001-09-09, so that every moment is plainly after the epoch.
pub const START: Timestamp = Timestamp::from_micros(1_000_000_000_000_000);

/// How long a tick lasts.
pub const TICK: Duration = Duration::from_millis(20);

/// A clock that jumps from tick to tick.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    now: Timestamp,
}

impl Clock {
    /// The moment it is.
    pub fn now(self) -> Timestamp {
        self.now
    }

    /// Jumps to the next tick.
    pub fn tick(&mut self) {
        self.jump(TICK);
    }

    /// Jumps ahead.
    pub fn jump(&mut self, ahead: Duration) {
        self.now = self.now + ahead;
    }
}

impl Default for Clock {
    fn default() -> Clock {
        Clock { now: START }
    }
}
