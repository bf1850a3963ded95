//! How long packets must wait, so that hardly any comes too late.

use std::time::Duration;

use tutti_model::Timestamp;

/// For how long the fastest packet is the measure of punctuality. It is short, so that a clock's
/// skew and a change of route are followed.
const BASE_EPOCHS: usize = 4;
const BASE_EPOCH_US: i64 = 500_000;

/// How long lateness is gathered before the older half of what is known is forgotten.
const HALF_US: i64 = 2_500_000;

/// Of a hundred packets, so many may be later than the delay is made for.
const LATE_PERCENT: u32 = 2;

/// What is allowed for beyond the lateness that was measured.
const SPARE_US: i64 = 1_000;

/// How many packets come between two looks at what was gathered.
const LOOK_EVERY: u32 = 8;

/// How fast the delay for a single late packet is given up: 100 ms a second.
const PEAK_FALLS_US_PER_TICK: i64 = 2_000;

/// A change of transit times so great that what was known before is of no use.
const NEW_ROUTE_US: i64 = 100_000;

/// A packet that is faster than any of late by more than this makes those before it late; what falls
/// more slowly is the source's clock.
const FASTER_AT_ONCE_US: i64 = 2_000;

const BIN_US: i64 = 1_000;
const BINS: usize = 256;

/// Packets that come within so much time of each other were held up together.
const TOGETHER_US: u128 = 2_000;

/// No transit time was measured.
const NEVER: i64 = i64::MAX;

/// Between what limits the playout delay moves: what packets may be late beyond what the phase of the
/// tick asks for anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DelayBounds {
    pub least: Duration,
    pub most: Duration,
}

impl Default for DelayBounds {
    fn default() -> DelayBounds {
        DelayBounds {
            least: Duration::from_millis(2),
            most: Duration::from_millis(200),
        }
    }
}

/// Follows transit times: arrival on our clock minus position on the source's, in microseconds from
/// an arbitrary zero.
pub(crate) struct DelayEstimator {
    least_us: i64,
    most_us: i64,
    /// The fastest packets of the last epochs.
    fastest_us: [i64; BASE_EPOCHS],
    epoch: i64,
    lateness: Lateness,
    since_look: u32,
    seen: u32,
    /// The transit time of a punctual packet.
    base_us: i64,
    /// How late all but a few packets are.
    usual_us: i64,
    /// The transit time of late packets, falling back to the usual.
    peak_us: i64,
    /// Since when nothing has come in time, and the fastest packet since.
    pause: Option<Pause>,
    last: Option<Last>,
}

/// The packet that arrived last.
#[derive(Debug, Clone, Copy)]
struct Last {
    arrived: Timestamp,
    transit_us: i64,
}

#[derive(Debug, Clone, Copy)]
struct Pause {
    base_us: Option<i64>,
}

impl DelayEstimator {
    pub(crate) fn new(bounds: DelayBounds) -> DelayEstimator {
        DelayEstimator {
            least_us: bounds.least.as_micros() as i64,
            most_us: bounds.most.max(bounds.least).as_micros() as i64,
            fastest_us: [NEVER; BASE_EPOCHS],
            epoch: 0,
            lateness: Lateness::default(),
            since_look: 0,
            seen: 0,
            base_us: 0,
            usual_us: 0,
            peak_us: 0,
            pause: None,
            last: None,
        }
    }

    /// Follows a packet; `late` says that it came after its playout time.
    pub(crate) fn packet(&mut self, arrived: Timestamp, transit_us: i64, late: bool) {
        if self.seen == 0 {
            self.begin(transit_us);
        }
        if let Some(pause) = &mut self.pause {
            let base_us = pause
                .base_us
                .map_or(transit_us, |base_us| base_us.min(transit_us));
            pause.base_us = Some(base_us);
        }
        self.follow_fastest(arrived, transit_us);
        // Of packets that were held up together the first tells how long.
        let last = self.last.replace(Last {
            arrived,
            transit_us,
        });
        let held_up_together = last.is_some_and(|last| {
            transit_us < last.transit_us && arrived.since(last.arrived).as_micros() < TOGETHER_US
        });
        if !held_up_together {
            let late_us = transit_us.saturating_sub(self.base_us);
            self.lateness.add(arrived, late_us, self.most_us);
        }
        if late {
            self.peak_us = self.peak_us.max(transit_us);
        }
        self.peak_us = self.peak_us.min(self.base_us.saturating_add(self.most_us));
        self.seen = self.seen.saturating_add(1);
        self.since_look += 1;
        if self.since_look >= LOOK_EVERY || self.seen < LOOK_EVERY {
            self.look();
        }
    }

    /// Lets a tick go by.
    pub(crate) fn tick(&mut self) {
        self.pass(1);
    }

    /// Lets so many ticks go by.
    pub(crate) fn pass(&mut self, ticks: u32) {
        let fallen_us = PEAK_FALLS_US_PER_TICK.saturating_mul(i64::from(ticks));
        self.peak_us = self.peak_us.saturating_sub(fallen_us).max(self.base_us);
    }

    /// Nothing has come in time, perhaps for a while already.
    pub(crate) fn pause(&mut self) {
        self.pause.get_or_insert(Pause { base_us: None });
    }

    /// Something has come. When even the fastest packet since the pause began was much slower, it is
    /// another route, and what was known is forgotten.
    pub(crate) fn resume(&mut self) {
        let Some(pause) = self.pause.take() else {
            return;
        };
        if let Some(base_us) = pause.base_us
            && base_us.saturating_sub(self.base_us) > NEW_ROUTE_US
        {
            self.fastest_us = [NEVER; BASE_EPOCHS];
            self.lateness = Lateness::default();
            self.begin(base_us);
        }
    }

    /// The transit time of a punctual packet.
    pub(crate) fn base_us(&self) -> i64 {
        self.base_us
    }

    /// The longest transit time of a packet that is to be heard in time.
    pub(crate) fn allowed_us(&self) -> i64 {
        let usual_us = self.usual_us.saturating_add(SPARE_US);
        let peak_us = self.peak_us.saturating_sub(self.base_us);
        let allowed_us = usual_us.max(peak_us).clamp(self.least_us, self.most_us);
        self.base_us.saturating_add(allowed_us)
    }

    /// Takes a packet for punctual.
    fn begin(&mut self, transit_us: i64) {
        if let Some(fastest_us) = self.fastest_us.first_mut() {
            *fastest_us = transit_us;
        }
        self.base_us = transit_us;
        self.usual_us = 0;
        self.peak_us = transit_us;
        self.lateness.measured_from(transit_us);
    }

    /// Follows the fastest packet of late.
    fn follow_fastest(&mut self, arrived: Timestamp, transit_us: i64) {
        let epoch = arrived.as_micros().div_euclid(BASE_EPOCH_US);
        let passed = epoch.saturating_sub(self.epoch).max(0);
        self.epoch = self.epoch.max(epoch);
        for _ in 0..passed.min(BASE_EPOCHS as i64) {
            self.fastest_us.rotate_right(1);
            if let Some(fastest_us) = self.fastest_us.first_mut() {
                *fastest_us = NEVER;
            }
        }
        if let Some(fastest_us) = self.fastest_us.first_mut() {
            *fastest_us = transit_us.min(*fastest_us);
        }
        let base_us = self.fastest_us.iter().copied().min().unwrap_or(transit_us);
        if base_us != self.base_us {
            let change_us = base_us.saturating_sub(self.base_us);
            self.base_us = base_us;
            self.lateness.base_changed(base_us, change_us);
        }
    }

    /// Looks at what was gathered: how late all but a few were.
    fn look(&mut self) {
        self.since_look = 0;
        self.usual_us = self.lateness.of_all_but_a_few();
    }
}

/// How late packets were, in the last 2.5 to 5 s.
struct Lateness {
    /// Packets by their lateness; a bin ends with its number, so that the first holds only those that
    /// are not late at all.
    bins: [[u16; BINS]; 2],
    /// All packets of each half, those that no delay covers among them.
    counts: [u32; 2],
    /// When the newer half began.
    since: Option<Timestamp>,
    /// The transit time from which lateness is measured.
    from_us: i64,
}

impl Default for Lateness {
    fn default() -> Lateness {
        Lateness {
            bins: [[0; BINS]; 2],
            counts: [0; 2],
            since: None,
            from_us: 0,
        }
    }
}

impl Lateness {
    fn measured_from(&mut self, base_us: i64) {
        self.from_us = base_us;
    }

    fn add(&mut self, arrived: Timestamp, late_us: i64, most_us: i64) {
        let since = *self.since.get_or_insert(arrived);
        if arrived.since(since).as_micros() > HALF_US as u128 {
            self.since = Some(arrived);
            self.bins.swap(0, 1);
            self.counts.swap(0, 1);
            let ([bins, _], [count, _]) = (&mut self.bins, &mut self.counts);
            bins.fill(0);
            *count = 0;
        }
        let ([bins, _], [count, _]) = (&mut self.bins, &mut self.counts);
        *count = count.saturating_add(1);
        // What no delay covers is as good as lost.
        if late_us > most_us {
            return;
        }
        let bin = (late_us.max(0).saturating_add(BIN_US - 1) / BIN_US) as usize;
        if let Some(bin) = bins.get_mut(bin.min(BINS - 1)) {
            *bin = bin.saturating_add(1);
        }
    }

    /// Measures what is known from another transit time.
    fn base_changed(&mut self, base_us: i64, change_us: i64) {
        let slower_us = base_us.saturating_sub(self.from_us);
        if slower_us >= BIN_US {
            let by = (slower_us / BIN_US) as usize;
            self.from_us = self.from_us.saturating_add(slower_us / BIN_US * BIN_US);
            for bins in &mut self.bins {
                let by = by.min(BINS - 1);
                let punctual: u32 = bins
                    .iter()
                    .take(by + 1)
                    .map(|count| u32::from(*count))
                    .sum();
                bins.copy_within(by.., 0);
                bins.iter_mut().rev().take(by).for_each(|bin| *bin = 0);
                if let Some(first) = bins.first_mut() {
                    *first = u16::try_from(punctual).unwrap_or(u16::MAX);
                }
            }
        } else if slower_us < 0 {
            self.from_us = base_us;
            if change_us < -FASTER_AT_ONCE_US {
                let by = usize::try_from(change_us.unsigned_abs() / BIN_US as u64);
                let by = by.unwrap_or(BINS).min(BINS);
                for bins in &mut self.bins {
                    bins.copy_within(..BINS - by, by);
                    bins.iter_mut().take(by).for_each(|bin| *bin = 0);
                }
            }
        }
    }

    /// How late all but a few were.
    fn of_all_but_a_few(&self) -> i64 {
        let [newer, older] = &self.bins;
        let mut spared = self.counts.iter().sum::<u32>() * LATE_PERCENT / 100;
        for (bin, (newer, older)) in newer.iter().zip(older).enumerate().rev() {
            let late = u32::from(*newer) + u32::from(*older);
            if late > spared {
                return bin as i64 * BIN_US;
            }
            spared -= late;
        }
        0
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
                estimator: DelayEstimator::new(DelayBounds {
                    least: Duration::from_millis(4),
                    most: Duration::from_millis(200),
                }),
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
            (self.estimator.allowed_us() - self.estimator.base_us()) / 1_000
        }
    }

    #[test]
    fn a_punctual_network_is_waited_for_as_little_as_may_be() {
        let mut network = Network::new();
        network.packets(100, |_| 5_000_000);
        assert_eq!(network.delay_ms(), 4);
    }

    #[test]
    fn the_delay_covers_all_but_a_few_packets() {
        let mut network = Network::new();
        network.packets(1_000, |n| (n as i64 * 7_919) % 50_000);
        assert!(
            (48..=52).contains(&network.delay_ms()),
            "{} ms",
            network.delay_ms()
        );
        // A rare spike is not worth waiting for.
        network.packets(1_000, |n| if n % 100 == 0 { 150_000 } else { 0 });
        assert!(network.delay_ms() < 10, "{} ms", network.delay_ms());
    }

    #[test]
    fn a_late_packet_is_allowed_for_at_once_and_forgotten_in_time() {
        let mut network = Network::new();
        network.packets(200, |_| 0);
        let now = Timestamp::from_micros(network.now_us);
        network.estimator.packet(now, 100_000, true);
        assert_eq!(network.delay_ms(), 100);
        for _ in 0..25 {
            network.estimator.tick();
        }
        assert_eq!(network.delay_ms(), 50);
        network.packets(100, |_| 0);
        assert_eq!(network.delay_ms(), 4);
    }

    #[test]
    fn the_delay_never_leaves_its_bounds() {
        let mut network = Network::new();
        network.packets(300, |n| if n % 2 == 0 { 200_000 } else { 0 });
        assert_eq!(network.delay_ms(), 200);
        network
            .estimator
            .packet(Timestamp::from_micros(network.now_us), i64::MAX, true);
        assert_eq!(network.delay_ms(), 200);
        network
            .estimator
            .packet(Timestamp::from_micros(network.now_us), i64::MIN, true);
        assert!(network.delay_ms() >= 4);
    }

    #[test]
    fn what_no_delay_covers_is_not_waited_for() {
        let mut network = Network::new();
        network.packets(300, |n| if n % 2 == 0 { 3_000_000 } else { 0 });
        assert_eq!(network.delay_ms(), 4);
    }

    #[test]
    fn a_slower_route_becomes_the_measure_within_two_seconds() {
        let mut network = Network::new();
        network.packets(500, |_| 0);
        network.packets(110, |_| 150_000);
        assert_eq!(network.estimator.base_us(), 150_000);
        assert_eq!(network.delay_ms(), 4);
    }

    #[test]
    fn after_a_pause_a_much_slower_route_is_the_measure_at_once() {
        let mut network = Network::new();
        network.packets(500, |_| 0);
        network.estimator.pause();
        network.packets(1, |_| 600_000);
        network.estimator.resume();
        assert_eq!(network.estimator.base_us(), 600_000);
        assert_eq!(network.delay_ms(), 4);
    }

    #[test]
    fn a_skewed_clock_is_followed() {
        let mut network = Network::new();
        for skew_us in [10, -10] {
            network.packets(3_000, |n| n as i64 * skew_us);
            assert!(network.delay_ms() <= 5, "{} ms", network.delay_ms());
        }
    }
}
