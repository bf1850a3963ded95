//! The one place where the bridge reads a clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tutti_model::Timestamp;

/// Tells the time that everything else is handed.
///
/// The wall clock is read once; from then on a monotonic clock moves it, so that nobody who sets
/// the machine's time makes a conference jump.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    wall_at_start: Timestamp,
}

impl Clock {
    /// Reads the wall clock.
    pub fn start() -> Clock {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Clock {
            started: Instant::now(),
            wall_at_start: Timestamp::from_micros(0) + since_epoch,
        }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.wall_at_start + self.started.elapsed()
    }

    /// When something happened that the kernel stamped with the wall clock.
    ///
    /// The stamp is taken as an age, at most a second, so that a wall clock that was set does no
    /// harm.
    pub fn at_wall_time(&self, stamp: Duration) -> Timestamp {
        // Our clock first: a pause between the two makes the datagram older, not younger than it is.
        let now = self.now();
        let wall_now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(stamp);
        let age = wall_now.saturating_sub(stamp).min(Duration::from_secs(1));
        let age_micros = i64::try_from(age.as_micros()).unwrap_or(0);
        Timestamp::from_micros(now.as_micros() - age_micros)
    }

    /// The instant of a monotonic clock at which `now` will read `at`.
    pub fn instant_of(&self, at: Timestamp) -> Instant {
        self.started + at.since(self.wall_at_start)
    }
}
