//! Where packets begin within a tick, and what that costs.

use tutti_model::Timestamp;

/// The length of a tick in microseconds.
pub(super) const TICK_US: i64 = 20_000;

/// A packet's audio begins so much after a tick rather than just before it, whatever is rounded.
const SPARE_US: i64 = 250;

/// A tick that comes so much after the one before has left out others.
const LEFT_OUT_US: i64 = 205_000;

/// How many ticks the punctual one among them is looked for.
const WINDOW: u32 = 50;

/// When ticks are due, told from when they came: a thread wakes late, never early.
#[derive(Debug, Clone, Copy)]
pub(super) struct TickClock {
    at_us: Option<i64>,
    /// How late the most punctual tick of this window was.
    least_late_us: i64,
    ticks: u32,
}

impl TickClock {
    pub(super) fn new() -> TickClock {
        TickClock {
            at_us: None,
            least_late_us: i64::MAX,
            ticks: 0,
        }
    }

    /// Lets a tick go by; returns when it was due.
    pub(super) fn tick(&mut self, now: Timestamp) -> i64 {
        let now_us = now.as_micros();
        let due_us = self
            .at_us
            .map_or(now_us, |at_us| at_us.saturating_add(TICK_US));
        let late_us = now_us.saturating_sub(due_us);
        let at_us = if (0..LEFT_OUT_US).contains(&late_us) {
            self.least_late_us = self.least_late_us.min(late_us);
            self.ticks += 1;
            if self.ticks < WINDOW {
                due_us
            } else {
                let due_us = due_us.saturating_add(self.least_late_us);
                self.begin_window();
                due_us
            }
        } else {
            self.begin_window();
            now_us
        };
        self.at_us = Some(at_us);
        at_us
    }

    /// Lets ticks go by of which nobody asked when they came.
    pub(super) fn pass(&mut self, ticks: u32) {
        if let Some(at_us) = &mut self.at_us {
            *at_us = at_us.saturating_add(TICK_US.saturating_mul(i64::from(ticks)));
        }
    }

    /// When the last tick was due.
    pub(super) fn at_us(&self) -> i64 {
        self.at_us.unwrap_or(0)
    }

    fn begin_window(&mut self) {
        self.least_late_us = i64::MAX;
        self.ticks = 0;
    }
}

/// The shortest time after their positions at which packets can be heard, if all with a transit time
/// of `allowed_us` are to be there at the tick that asks for their first sample.
///
/// A tick asks for its 20 ms at once. Packets of 20 ms that begin where ticks begin need be there no
/// earlier than they are heard; where packets begin within ticks, the ones that do are asked for early.
/// So packets begin at ticks as far as their length allows: the grid. One of them begins at
/// `position_us`.
pub(super) fn shortest_us(allowed_us: i64, position_us: i64, grid_us: i64, tick_us: i64) -> i64 {
    let least_us = allowed_us.saturating_add(TICK_US - grid_us);
    let heard_us = position_us.saturating_add(least_us);
    let up_to_grid_us = tick_us
        .saturating_add(SPARE_US)
        .saturating_sub(heard_us)
        .rem_euclid(grid_us);
    least_us.saturating_add(up_to_grid_us)
}

/// When the tick is due that asks for what is heard at `heard_us`.
pub(super) fn asked_for_us(heard_us: i64, tick_us: i64) -> i64 {
    heard_us.saturating_sub(heard_us.saturating_sub(tick_us).rem_euclid(TICK_US))
}

/// The common measure of a packet and a tick: the greatest length of which both are multiples.
pub(super) fn grid_us(packet_us: i64) -> i64 {
    let (mut a, mut b) = (TICK_US, packet_us.max(1));
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_at_ticks_waits_for_the_next_tick_and_no_longer() {
        for phase_us in (0..20_000).step_by(500) {
            // A packet that was 1 s under way, so long before a tick.
            let (tick_us, position_us) = (7_000_000, 6_000_000 - phase_us);
            let allowed_us = 1_000_000 + 4_000;
            let delay_us = shortest_us(allowed_us, position_us, 20_000, tick_us) - 1_000_000;
            let wanted_us = if phase_us + SPARE_US >= 4_000 {
                phase_us
            } else {
                phase_us + 20_000
            };
            assert_eq!(
                delay_us,
                wanted_us + SPARE_US,
                "{phase_us} us before a tick"
            );
        }
    }

    #[test]
    fn every_packet_that_is_allowed_for_is_there_when_it_is_asked_for() {
        for packet_us in [2_500, 5_000, 10_000, 20_000, 30_000, 40_000, 60_000, 33_000] {
            for phase_us in (0..20_000).step_by(700) {
                let allowed_us = 1_004_000;
                let delay_us = shortest_us(allowed_us, phase_us, grid_us(packet_us), 0);
                assert!(delay_us <= allowed_us + 20_000);
                for n in 0..40 {
                    let position_us = phase_us + n * packet_us;
                    let asked_us = asked_for_us(position_us + delay_us, 0);
                    assert!(asked_us >= position_us + allowed_us - SPARE_US);
                }
            }
        }
    }

    #[test]
    fn ticks_are_due_at_a_steady_pace_however_late_the_thread_wakes() {
        let mut clock = TickClock::new();
        let mut seed = 1_u32;
        for n in 0..1_000_i64 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let late_us = i64::from(seed >> 8) % 3_000;
            // Once the machine stands still, and four ticks are made up for.
            let late_us = if (500..504).contains(&n) {
                (504 - n) * 20_000
            } else {
                late_us
            };
            let due_us = clock.tick(Timestamp::from_micros(n * 20_000 + late_us));
            if n > 50 {
                let off_us = due_us - n * 20_000;
                assert!((0..500).contains(&off_us), "tick {n} is off by {off_us} us");
            }
        }
    }

    #[test]
    fn another_thread_with_another_phase_is_followed() {
        for moved_us in [-9_000, 9_000, 400_000] {
            let mut clock = TickClock::new();
            for n in 0..100_i64 {
                clock.tick(Timestamp::from_micros(n * 20_000));
            }
            for n in 100..201_i64 {
                clock.tick(Timestamp::from_micros(n * 20_000 + moved_us));
            }
            assert_eq!(clock.at_us(), 200 * 20_000 + moved_us);
        }
    }
}
