//! What the media plane counts, for metrics and for the governor.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use tutti_media::Work;

use super::pace::BEHIND;

/// The upper bounds of the buckets of lateness.
pub const LATENESS_BOUNDS: [Duration; 6] = [
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
];

/// A moment that begins this much after its deadline is counted as late.
const LATE: Duration = Duration::from_millis(5);

/// The width of a bucket of load, in percent of a tick.
const LOAD_STEP: usize = 2;

/// Buckets of load; the last holds whatever is more.
const LOAD_BUCKETS: usize = 64;

/// What a media thread did so far.
#[derive(Debug)]
pub struct ThreadCounters {
    /// Moments in which legs were served, four of which make a tick of the thread.
    pub ticks: AtomicU64,
    pub late_ticks: AtomicU64,
    /// Moments whose encoders tried less hard, because the thread had fallen behind.
    pub hurried_ticks: AtomicU64,
    /// Whole ticks that were given up after a pause of the machine.
    pub skipped_ticks: AtomicU64,
    /// Times the thread lay down because nobody was there.
    pub rests: AtomicU64,
    /// Events that found no room; none ever should.
    pub lost_events: AtomicU64,
    /// Time spent at work, in nanoseconds.
    pub busy_nanos: AtomicU64,
    pub encodes: AtomicU64,
    /// Legs that were dealt with before their tick, and legs that spoke in a tick and had no place in a
    /// mix.
    pub served_ahead: AtomicU64,
    pub waits: AtomicU64,
    /// How many began how late: one bucket for each of [`LATENESS_BOUNDS`], and one for the rest.
    lateness: [AtomicU64; LATENESS_BOUNDS.len() + 1],
    lateness_nanos: AtomicU64,
    /// How many ticks took how much of their time, for the governor.
    loads: [AtomicU64; LOAD_BUCKETS],
    /// What the governor has decided.
    pub complexity: AtomicU8,
    /// Nought while the thread takes no more legs.
    pub admits: AtomicU8,
    /// Whether the thread goes before others on its core: 0 no, 1 by its niceness, 2 in real time.
    pub priority: AtomicU8,
}

impl Default for ThreadCounters {
    fn default() -> ThreadCounters {
        ThreadCounters {
            ticks: AtomicU64::default(),
            late_ticks: AtomicU64::default(),
            hurried_ticks: AtomicU64::default(),
            skipped_ticks: AtomicU64::default(),
            rests: AtomicU64::default(),
            lost_events: AtomicU64::default(),
            busy_nanos: AtomicU64::default(),
            encodes: AtomicU64::default(),
            served_ahead: AtomicU64::default(),
            waits: AtomicU64::default(),
            lateness: Default::default(),
            lateness_nanos: AtomicU64::default(),
            loads: std::array::from_fn(|_| AtomicU64::default()),
            complexity: AtomicU8::default(),
            admits: AtomicU8::new(1),
            priority: AtomicU8::default(),
        }
    }
}

impl ThreadCounters {
    /// Notes a moment in which legs were served.
    pub(super) fn served(&self, lateness: Duration, busy: Duration) {
        add(&self.ticks, 1);
        add(&self.busy_nanos, nanos(busy));
        add(&self.lateness_nanos, nanos(lateness));
        let bucket = LATENESS_BOUNDS.partition_point(|bound| *bound < lateness);
        if let Some(bucket) = self.lateness.get(bucket) {
            add(bucket, 1);
        }
        if lateness > LATE {
            add(&self.late_ticks, 1);
        }
        if lateness >= BEHIND {
            add(&self.hurried_ticks, 1);
        }
    }

    /// Notes what an engine has done so far.
    pub(super) fn worked(&self, work: Work) {
        self.encodes.store(work.encodes, Ordering::Relaxed);
        self.served_ahead
            .store(work.served_ahead, Ordering::Relaxed);
        self.waits.store(work.waits, Ordering::Relaxed);
    }

    /// Notes how much of a whole tick's time was spent at work.
    pub(super) fn loaded(&self, busy: Duration, tick: Duration) {
        let percent = busy.as_nanos() * 100 / tick.as_nanos().max(1);
        let bucket = usize::try_from(percent).unwrap_or(usize::MAX) / LOAD_STEP;
        if let Some(bucket) = self.loads.get(bucket.min(LOAD_BUCKETS - 1)) {
            add(bucket, 1);
        }
    }

    /// How many moments began no later than each of [`LATENESS_BOUNDS`], how many there were, and
    /// how late they were together.
    pub fn lateness(&self) -> ([u64; LATENESS_BOUNDS.len()], u64, Duration) {
        let mut sum = 0;
        let mut cumulative = [0; LATENESS_BOUNDS.len()];
        for (total, bucket) in cumulative.iter_mut().zip(&self.lateness) {
            sum += bucket.load(Ordering::Relaxed);
            *total = sum;
        }
        let beyond = self
            .lateness
            .last()
            .map_or(0, |bucket| bucket.load(Ordering::Relaxed));
        let nanos = self.lateness_nanos.load(Ordering::Relaxed);
        (cumulative, sum + beyond, Duration::from_nanos(nanos))
    }

    /// The loads of all ticks so far.
    pub(super) fn loads(&self) -> Loads {
        Loads {
            buckets: std::array::from_fn(|at| {
                self.loads
                    .get(at)
                    .map_or(0, |bucket| bucket.load(Ordering::Relaxed))
            }),
            late: self.late_ticks.load(Ordering::Relaxed),
        }
    }
}

/// How many ticks took how much of their time, and how many moments were late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Loads {
    buckets: [u64; LOAD_BUCKETS],
    late: u64,
}

impl Loads {
    /// No ticks.
    pub(super) const NONE: Loads = Loads {
        buckets: [0; LOAD_BUCKETS],
        late: 0,
    };

    /// The ticks since an earlier look.
    pub(super) fn since(&self, earlier: &Loads) -> Loads {
        Loads {
            buckets: std::array::from_fn(|at| {
                self.bucket(at) - earlier.bucket(at).min(self.bucket(at))
            }),
            late: self.late.saturating_sub(earlier.late),
        }
    }

    /// These ticks and those.
    pub(super) fn and(&self, more: &Loads) -> Loads {
        Loads {
            buckets: std::array::from_fn(|at| self.bucket(at) + more.bucket(at)),
            late: self.late + more.late,
        }
    }

    /// How many ticks there were.
    pub(super) fn ticks(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// How many moments began late.
    pub(super) fn late(&self) -> u64 {
        self.late
    }

    /// What 99 of 100 ticks did not exceed, in percent of a tick.
    pub(super) fn p99_percent(&self) -> u32 {
        let beyond = self.ticks() / 100;
        let mut above = 0;
        for (at, count) in self.buckets.iter().enumerate().rev() {
            above += count;
            if above > beyond {
                return u32::try_from((at + 1) * LOAD_STEP).unwrap_or(u32::MAX);
            }
        }
        0
    }

    fn bucket(&self, at: usize) -> u64 {
        self.buckets.get(at).copied().unwrap_or(0)
    }
}

/// Adds to a counter that one thread alone writes.
fn add(counter: &AtomicU64, more: u64) {
    counter.store(
        counter.load(Ordering::Relaxed).wrapping_add(more),
        Ordering::Relaxed,
    );
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_is_counted_up_to_and_with_each_bound() {
        let counters = ThreadCounters::default();
        for micros in [0, 500, 501, 4_000, 6_000, 30_000] {
            counters.served(Duration::from_micros(micros), Duration::from_micros(10));
        }
        let (buckets, count, sum) = counters.lateness();
        assert_eq!(buckets, [2, 3, 3, 4, 5, 5]);
        assert_eq!((count, sum), (6, Duration::from_micros(41_001)));
        assert_eq!(counters.late_ticks.load(Ordering::Relaxed), 2);
        assert_eq!(counters.hurried_ticks.load(Ordering::Relaxed), 3);
        assert_eq!(counters.busy_nanos.load(Ordering::Relaxed), 60_000);
    }

    #[test]
    fn one_tick_in_a_hundred_may_exceed_the_p99() {
        let counters = ThreadCounters::default();
        let tick = Duration::from_millis(20);
        assert_eq!(counters.loads().p99_percent(), 0);
        for _ in 0..198 {
            counters.loaded(Duration::from_millis(5), tick);
        }
        counters.loaded(Duration::from_millis(100), tick);
        counters.loaded(Duration::from_millis(100), tick);
        assert_eq!(counters.loads().p99_percent(), 26);
        counters.loaded(Duration::from_millis(15), tick);
        assert_eq!(counters.loads().p99_percent(), 76);
        let earlier = counters.loads();
        counters.loaded(Duration::from_millis(1), tick);
        let since = counters.loads().since(&earlier);
        assert_eq!((since.ticks(), since.p99_percent()), (1, 6));
    }
}
