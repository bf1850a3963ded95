//! How long packets must wait, so that hardly any comes too late.

use std::time::Duration;

use tutti_model::Timestamp;

/// Packets whose transit times are remembered: 10 s at 20 ms each.
const WINDOW: usize = 512;

/// For how long the fastest packet is the measure of punctuality. It is short, so that a clock's
/// skew and a change of route are followed.
const BASE_US: i64 = 2_000_000;

/// Of a hundred packets, so many may be later than the delay is made for.
const LATE_PERCENT: usize = 2;

/// A tick asks for all of its 20 ms at once, wherever in it a packet begins; and a little to spare.
const TICK_US: i64 = 22_000;

/// How many packets come between two looks at the window.
const LOOK_EVERY: u32 = 8;

/// How fast the delay for a single late packet is given up: 100 ms a second.
const PEAK_FALLS_US_PER_TICK: i64 = 2_000;

/// What is allowed for at the beginning, when nothing is known.
const FIRST_PEAK_US: i64 = 20_000;

/// A change of transit times so great that what was known before is of no use.
const NEW_ROUTE_US: i64 = 100_000;

const BIN_US: i64 = 2_000;
const BINS: usize = 128;

/// Between what limits the playout delay moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DelayBounds {
    pub(crate) least: Duration,
    pub(crate) most: Duration,
}

impl Default for DelayBounds {
    fn default() -> DelayBounds {
        DelayBounds {
            least: Duration::from_millis(20),
            most: Duration::from_millis(200),
        }
    }
}

/// Follows transit times: arrival on our clock minus position on the source's, in microseconds from
/// an arbitrary zero.
pub(crate) struct DelayEstimator {
    least_us: i64,
    most_us: i64,
    window: Box<[Transit; WINDOW]>,
    next: usize,
    len: usize,
    since_look: u32,
    /// The transit time of a punctual packet.
    base_us: i64,
    /// The transit time that all but a few packets keep.
    usual_us: i64,
    /// The transit time of late packets, falling back to the usual.
    peak_us: i64,
    /// Since when nothing has come in time, and the fastest packet since.
    pause: Option<Pause>,
    /// What came until then is of another route.
    since: Timestamp,
}

#[derive(Debug, Clone, Copy)]
struct Transit {
    arrived: Timestamp,
    transit_us: i64,
}

#[derive(Debug, Clone, Copy)]
struct Pause {
    since: Timestamp,
    base_us: Option<i64>,
}

impl DelayEstimator {
    pub(crate) fn new(bounds: DelayBounds) -> DelayEstimator {
        let never = Timestamp::from_micros(i64::MIN);
        DelayEstimator {
            least_us: bounds.least.as_micros() as i64,
            most_us: bounds.most.max(bounds.least).as_micros() as i64,
            window: Box::new(
                [Transit {
                    arrived: never,
                    transit_us: 0,
                }; WINDOW],
            ),
            next: 0,
            len: 0,
            since_look: 0,
            base_us: 0,
            usual_us: 0,
            peak_us: 0,
            pause: None,
            since: never,
        }
    }

    /// Follows a packet; `late` says that it came after its playout time.
    pub(crate) fn packet(&mut self, arrived: Timestamp, transit_us: i64, late: bool) {
        if self.len == 0 {
            self.base_us = transit_us;
            self.usual_us = transit_us;
            self.peak_us = transit_us.saturating_add(FIRST_PEAK_US);
        }
        if let Some(slot) = self.window.get_mut(self.next) {
            *slot = Transit {
                arrived,
                transit_us,
            };
        }
        self.next = (self.next + 1) % WINDOW;
        self.len = (self.len + 1).min(WINDOW);
        if let Some(pause) = &mut self.pause {
            let base_us = pause
                .base_us
                .map_or(transit_us, |base_us| base_us.min(transit_us));
            pause.base_us = Some(base_us);
        }
        self.base_us = self.base_us.min(transit_us);
        if late {
            self.peak_us = self.peak_us.max(transit_us);
        }
        self.peak_us = self.peak_us.min(self.base_us.saturating_add(self.most_us));
        self.since_look += 1;
        if self.since_look >= LOOK_EVERY || self.len < LOOK_EVERY as usize {
            self.look(arrived);
        }
    }

    /// Lets a tick go by.
    pub(crate) fn tick(&mut self) {
        self.peak_us = self
            .peak_us
            .saturating_sub(PEAK_FALLS_US_PER_TICK)
            .max(self.usual_us);
    }

    /// Nothing has come in time, perhaps for a while already.
    pub(crate) fn pause(&mut self, now: Timestamp) {
        self.pause.get_or_insert(Pause {
            since: now,
            base_us: None,
        });
    }

    /// Something has come. When even the fastest packet since the pause began was much slower, it is
    /// another route, and what was known is forgotten.
    pub(crate) fn resume(&mut self, now: Timestamp) {
        let Some(pause) = self.pause.take() else {
            return;
        };
        if let Some(base_us) = pause.base_us
            && base_us.saturating_sub(self.base_us) > NEW_ROUTE_US
        {
            self.since = pause.since;
            self.base_us = base_us;
            self.peak_us = base_us;
            self.look(now);
        }
    }

    /// The transit time of a punctual packet.
    pub(crate) fn base_us(&self) -> i64 {
        self.base_us
    }

    /// How long after its position on the source's clock audio is to be heard.
    pub(crate) fn target_us(&self) -> i64 {
        let wanted = self.usual_us.max(self.peak_us).saturating_sub(self.base_us);
        let delay_us = wanted
            .saturating_add(TICK_US)
            .clamp(self.least_us, self.most_us);
        self.base_us.saturating_add(delay_us)
    }

    /// Looks at the window: who was fastest of late, and how late all but a few were.
    fn look(&mut self, now: Timestamp) {
        self.since_look = 0;
        let window = self.window.get(..self.len).unwrap_or_default();
        let known = || window.iter().filter(|transit| transit.arrived > self.since);
        let recent =
            known().filter(|transit| now.since(transit.arrived).as_micros() <= BASE_US as u128);
        if let Some(fastest) = recent.map(|transit| transit.transit_us).min() {
            self.base_us = fastest;
        }
        let mut bins = [0_u16; BINS];
        let mut count = 0_usize;
        for transit in known() {
            let late_us = transit.transit_us.saturating_sub(self.base_us).max(0);
            count += 1;
            // What no delay covers is as good as lost.
            if late_us > self.most_us {
                continue;
            }
            // A bin ends with its number: the first holds only those that are not late at all.
            let bin = (late_us.saturating_add(BIN_US - 1) / BIN_US) as usize;
            if let Some(bin) = bins.get_mut(bin.min(BINS - 1)) {
                *bin += 1;
            }
        }
        let mut spared = count * LATE_PERCENT / 100;
        let mut usual = 0;
        for (bin, late) in bins.iter().enumerate().rev() {
            let late = usize::from(*late);
            if late > spared {
                usual = bin;
                break;
            }
            spared -= late;
        }
        self.usual_us = self.base_us.saturating_add(usual as i64 * BIN_US);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Network {
        estimator: DelayEstimator,
        now_us: i64,
    }

    impl Network {
        fn new() -> Network {
            Network {
                estimator: DelayEstimator::new(DelayBounds::default()),
                now_us: 0,
            }
        }

        fn packets(&mut self, count: usize, transit_us: impl Fn(usize) -> i64) {
            for n in 0..count {
                self.now_us += 20_000;
                let arrived = Timestamp::from_micros(self.now_us);
                self.estimator.packet(arrived, transit_us(n), false);
                self.estimator.tick();
            }
        }

        fn delay_ms(&self) -> i64 {
            (self.estimator.target_us() - self.estimator.base_us()) / 1_000
        }
    }

    #[test]
    fn a_punctual_network_is_waited_for_as_little_as_may_be() {
        let mut network = Network::new();
        network.packets(1, |_| 5_000_000);
        assert_eq!(network.delay_ms(), 40);
        network.packets(100, |_| 5_000_000);
        assert_eq!(network.delay_ms(), 22);
    }

    #[test]
    fn the_delay_covers_all_but_a_few_packets() {
        let mut network = Network::new();
        network.packets(1_000, |n| (n as i64 * 7_919) % 50_000);
        assert!(
            (65..=73).contains(&network.delay_ms()),
            "{} ms",
            network.delay_ms()
        );
        // A rare spike is not worth waiting for.
        network.packets(1_000, |n| if n % 100 == 0 { 150_000 } else { 0 });
        assert!(network.delay_ms() < 30, "{} ms", network.delay_ms());
    }

    #[test]
    fn a_late_packet_is_allowed_for_at_once_and_forgotten_in_time() {
        let mut network = Network::new();
        network.packets(200, |_| 0);
        let now = Timestamp::from_micros(network.now_us);
        network.estimator.packet(now, 100_000, true);
        assert_eq!(network.delay_ms(), 122);
        for _ in 0..25 {
            network.estimator.tick();
        }
        assert_eq!(network.delay_ms(), 72);
        network.packets(100, |_| 0);
        assert_eq!(network.delay_ms(), 22);
    }

    #[test]
    fn the_delay_never_leaves_its_bounds() {
        let mut network = Network::new();
        network.packets(300, |n| if n % 2 == 0 { 190_000 } else { 0 });
        assert_eq!(network.delay_ms(), 200);
        network
            .estimator
            .packet(Timestamp::from_micros(network.now_us), i64::MAX, true);
        assert_eq!(network.delay_ms(), 200);
        network
            .estimator
            .packet(Timestamp::from_micros(network.now_us), i64::MIN, true);
        assert!(network.delay_ms() >= 20);
    }

    #[test]
    fn what_no_delay_covers_is_not_waited_for() {
        let mut network = Network::new();
        network.packets(300, |n| if n % 2 == 0 { 3_000_000 } else { 0 });
        assert_eq!(network.delay_ms(), 22);
    }

    #[test]
    fn a_slower_route_becomes_the_measure_within_two_seconds() {
        let mut network = Network::new();
        network.packets(500, |_| 0);
        network.packets(110, |_| 150_000);
        assert_eq!(network.estimator.base_us(), 150_000);
        assert_eq!(network.delay_ms(), 22);
    }

    #[test]
    fn after_a_pause_a_much_slower_route_is_the_measure_at_once() {
        let mut network = Network::new();
        network.packets(500, |_| 0);
        network
            .estimator
            .pause(Timestamp::from_micros(network.now_us));
        network.packets(1, |_| 600_000);
        network
            .estimator
            .resume(Timestamp::from_micros(network.now_us));
        assert_eq!(network.estimator.base_us(), 600_000);
        assert_eq!(network.delay_ms(), 22);
    }

    #[test]
    fn a_skewed_clock_is_followed() {
        let mut network = Network::new();
        for skew_us in [10, -10] {
            network.packets(3_000, |n| n as i64 * skew_us);
            assert!(network.delay_ms() <= 28, "{} ms", network.delay_ms());
        }
    }
}
