//! What does the network do to what callers send?

use std::time::Duration;

use crate::leg::PTIME;

/// What happens to the packets that callers send, on their way.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Impairments {
    /// The share of packets that are lost, 0 to 1.
    pub loss: f64,
    /// How many packets in a row a loss takes on average, at least 1 (Gilbert's model).
    pub burst: f64,
    /// Packets come up to this much later, evenly spread.
    pub jitter: Duration,
    /// How much faster than true the caller's clock runs, in millionths.
    pub skew_ppm: f64,
}

/// Gilbert's model: a good state in which nothing is lost, a bad one in which everything is.
#[derive(Debug)]
pub(crate) struct Road {
    impairments: Impairments,
    is_bad: bool,
    /// When the next packet is due after the beginning of this tick, in microseconds.
    next_due_us: f64,
}

impl Road {
    pub(crate) fn new(impairments: Impairments) -> Road {
        Road {
            impairments,
            is_bad: false,
            next_due_us: 0.0,
        }
    }

    /// Whether there is one packet a tick, at its beginning: then a tick without a packet leaves no trace.
    pub(crate) fn is_even(&self) -> bool {
        self.impairments.skew_ppm == 0.0
    }

    /// How long after the beginning of this tick the next packet is due by the caller's clock; `None`
    /// when no more are due in this tick.
    pub(crate) fn next_due(&mut self) -> Option<Duration> {
        let tick_us = PTIME.as_micros() as f64;
        if self.next_due_us >= tick_us {
            self.next_due_us -= tick_us;
            return None;
        }
        let due = Duration::from_nanos((self.next_due_us * 1_000.0) as u64);
        // Half a tick a packet at the very least: a clock cannot run away with the loop.
        let period_us = tick_us * (1.0 - self.impairments.skew_ppm / 1e6).clamp(0.5, 2.0);
        self.next_due_us += period_us;
        Some(due)
    }

    /// How much later than sent a packet comes; `None` when it is lost.
    pub(crate) fn delay(&mut self) -> Option<Duration> {
        let Impairments {
            loss,
            burst,
            jitter,
            ..
        } = self.impairments;
        if loss > 0.0 {
            let to_good = 1.0 / burst.max(1.0);
            // In the long run the share of the bad state is the share of what is lost.
            let to_bad = (to_good * loss / (1.0 - loss).max(1e-3)).min(1.0);
            let turn: f64 = rand::random();
            self.is_bad = if self.is_bad {
                turn >= to_good
            } else {
                turn < to_bad
            };
        }
        (!self.is_bad).then(|| jitter.mul_f64(rand::random()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_is_lost_in_bursts_as_asked_for() {
        let mut road = Road::new(Impairments {
            loss: 0.1,
            burst: 4.0,
            ..Impairments::default()
        });
        let fates: Vec<bool> = (0..200_000).map(|_| road.delay().is_none()).collect();
        let lost = fates.iter().filter(|lost| **lost).count();
        let bursts = fates.windows(2).filter(|pair| !pair[0] && pair[1]).count();
        assert!((18_000..22_000).contains(&lost), "{lost}");
        let length = lost as f64 / bursts as f64;
        assert!((3.6..4.4).contains(&length), "{length}");
    }

    #[test]
    fn without_impairments_one_packet_a_tick_leaves_at_once() {
        let mut road = Road::new(Impairments::default());
        for _ in 0..10_000 {
            assert_eq!(road.next_due(), Some(Duration::ZERO));
            assert_eq!(road.next_due(), None);
            assert_eq!(road.delay(), Some(Duration::ZERO));
        }
    }

    #[test]
    fn a_fast_clock_sends_more_and_a_slow_one_fewer() {
        for (skew_ppm, expected) in [(1_000.0, 50_050), (-1_000.0, 49_950)] {
            let mut road = Road::new(Impairments {
                skew_ppm,
                ..Impairments::default()
            });
            let sent: usize = (0..50_000)
                .map(|_| std::iter::from_fn(|| road.next_due()).count())
                .sum();
            assert!(sent.abs_diff(expected) <= 1, "{skew_ppm}: {sent}");
        }
    }
}
