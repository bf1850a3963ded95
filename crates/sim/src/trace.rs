//! Delays as real networks have them: not drawn packet by packet, but in spells.

use std::time::Duration;

use tutti_model::Timestamp;

use crate::random::Random;

/// How a network's delay comes and goes over time. What is held up is not lost: it arrives together
/// when the way is free again.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Trace {
    /// It does not.
    #[default]
    Steady,
    /// Now and then nothing gets through for this long.
    Spikes {
        length: Duration,
        /// The mean time between the beginnings of two.
        every: Duration,
    },
    /// A busy wireless network: a backoff before every packet, contention every second or two, and
    /// now and then a scan of other channels.
    Wifi,
    /// A mobile network: a grid of grants, retransmissions 8 ms apart, a load that wanders, and
    /// handovers between cells.
    Lte,
}

/// Spells of a busy wireless network: the mean time between two, the mean and the most they last.
const CONTENTION: Spell = Spell {
    every: Duration::from_millis(1_500),
    mean: Duration::from_millis(25),
    most: Duration::from_millis(70),
};
const SCAN: Spell = Spell {
    every: Duration::from_secs(12),
    mean: Duration::from_millis(90),
    most: Duration::from_millis(140),
};

/// The mean backoff before a packet, and the longest.
const BACKOFF: Duration = Duration::from_micros(1_500);
const MOST_BACKOFF: Duration = Duration::from_millis(15);

/// A handover between two cells.
const HANDOVER: Spell = Spell {
    every: Duration::from_secs(15),
    mean: Duration::from_millis(70),
    most: Duration::from_millis(110),
};

/// A phone may send on this grid only.
const GRANTS: Duration = Duration::from_millis(10);

/// A packet that failed is sent again after this long.
const RETRANSMISSION: Duration = Duration::from_millis(8);

/// How often a transmission fails.
const FAILS: f64 = 0.1;

/// Around what and how far the delay of a loaded cell wanders.
const WANDERS: Duration = Duration::from_millis(20);

/// How often something holds a network up, and how long it lasts.
#[derive(Debug, Clone, Copy)]
struct Spell {
    every: Duration,
    mean: Duration,
    most: Duration,
}

/// A trace, as far as it has been followed.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    random: Random,
    trace: Trace,
    /// When the next spell of each kind begins; [`None`] until the first packet.
    next: [Option<Timestamp>; 2],
    /// Nothing gets through before this moment.
    held_until: Option<Timestamp>,
    /// Where a wandering delay is, from 0 to 1.
    wandered: f64,
}

impl Path {
    pub(crate) fn new(random: Random) -> Path {
        Path {
            random,
            trace: Trace::Steady,
            next: [None; 2],
            held_until: None,
            wandered: 0.3,
        }
    }

    /// Follows another trace from now on; what is held up stays so.
    pub(crate) fn follow(&mut self, trace: Trace) {
        if self.trace != trace {
            self.trace = trace;
            self.next = [None; 2];
        }
    }

    /// Holds up everything until a moment.
    pub(crate) fn hold(&mut self, until: Timestamp) {
        self.held_until = self.held_until.max(Some(until));
    }

    /// When a packet that is sent now gets through.
    pub(crate) fn through(&mut self, sent: Timestamp) -> Timestamp {
        let late = match self.trace {
            Trace::Steady => Duration::ZERO,
            Trace::Spikes { length, every } => {
                let spike = Spell {
                    every,
                    mean: length,
                    most: length,
                };
                self.spell(0, sent, spike, true);
                Duration::ZERO
            }
            Trace::Wifi => {
                self.spell(0, sent, CONTENTION, false);
                self.spell(1, sent, SCAN, false);
                self.about(BACKOFF).min(MOST_BACKOFF)
            }
            Trace::Lte => {
                self.spell(0, sent, HANDOVER, false);
                self.wander();
                let mut late =
                    GRANTS.mul_f64(self.random.fraction()) + WANDERS.mul_f64(self.wandered);
                while self.random.chance(FAILS) {
                    late += RETRANSMISSION;
                }
                late
            }
        };
        (sent + late).max(self.held_until.unwrap_or(sent))
    }

    /// Begins the spells of one kind that are due.
    fn spell(&mut self, kind: usize, now: Timestamp, spell: Spell, exact: bool) {
        let due = match self.next.get(kind).copied().flatten() {
            Some(due) if due > now => return,
            Some(due) => Some(due),
            None => None,
        };
        if due.is_some() {
            let length = if exact {
                spell.most
            } else {
                self.about(spell.mean).min(spell.most)
            };
            self.hold(now + length);
        }
        // Two spells of a kind leave at least their own length between them.
        let next = now + spell.most * 2 + self.about(spell.every.saturating_sub(spell.most * 2));
        if let Some(place) = self.next.get_mut(kind) {
            *place = Some(next);
        }
    }

    /// A length that is exponentially distributed about a mean.
    fn about(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(-(1.0 - self.random.fraction()).ln())
    }

    fn wander(&mut self) {
        let step = (self.random.fraction() - 0.5) * 0.2;
        self.wandered = (self.wandered + step + 0.02 * (0.3 - self.wandered)).clamp(0.0, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{START, TICK};

    /// How late each of a minute's packets is, in milliseconds.
    fn lateness(trace: Trace) -> Vec<u64> {
        let mut path = Path::new(Random::new(9));
        path.follow(trace);
        (0..3_000_u32)
            .map(|n| START + TICK * n)
            .map(|sent| (path.through(sent) - sent).as_millis() as u64)
            .collect()
    }

    #[test]
    fn a_spike_holds_everything_up_and_lets_it_go_together() {
        let length = Duration::from_millis(200);
        let every = Duration::from_secs(3);
        let late = lateness(Trace::Spikes { length, every });
        let spikes = late.iter().filter(|ms| **ms == 200).count();
        assert!((10..30).contains(&spikes), "{spikes}");
        let first = late.iter().position(|ms| *ms == 200).unwrap();
        let ends: Vec<u64> = late[first..first + 11].to_vec();
        assert_eq!(ends, [200, 180, 160, 140, 120, 100, 80, 60, 40, 20, 0]);
    }

    #[test]
    fn wireless_networks_are_mostly_quick_and_sometimes_not() {
        for (trace, usual, worst) in [(Trace::Wifi, 5, 60..=140), (Trace::Lte, 30, 60..=200)] {
            let mut late = lateness(trace);
            late.sort_unstable();
            assert!(late[1_500] <= usual, "{trace:?}: {}", late[1_500]);
            assert!(worst.contains(&late[2_999]), "{trace:?}: {}", late[2_999]);
        }
        assert!(lateness(Trace::Steady).iter().all(|ms| *ms == 0));
    }
}
