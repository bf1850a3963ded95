//! What a network does to datagrams on their way.

use std::collections::BTreeMap;
use std::time::Duration;

use tutti_model::Timestamp;

use crate::random::Random;
use crate::trace::{Path, Trace};

/// How long a datagram stays behind those sent after it, where it is overtaken.
const OVERTAKEN_BY: Duration = Duration::from_millis(30);

/// How bad a network is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Impairments {
    /// How many datagrams never arrive, as a part of 1, each by its own bad luck.
    pub loss: f64,
    /// How many are lost in a row.
    pub bursts: Option<Bursts>,
    /// How many arrive twice.
    pub duplicates: f64,
    /// How many are overtaken by their successors.
    pub reordering: f64,
    /// How long every datagram takes at least.
    pub delay: Duration,
    /// How much longer it takes at most, evenly; it waits behind its predecessors.
    pub jitter: Duration,
    /// How the delay comes and goes besides.
    pub trace: Trace,
}

impl Impairments {
    /// A network that delivers everything after 5 ms.
    pub const NONE: Impairments = Impairments {
        loss: 0.0,
        bursts: None,
        duplicates: 0.0,
        reordering: 0.0,
        delay: Duration::from_millis(5),
        jitter: Duration::ZERO,
        trace: Trace::Steady,
    };

    /// A network that delivers nothing.
    pub const OUTAGE: Impairments = Impairments {
        loss: 1.0,
        ..Impairments::NONE
    };
}

/// Losses that come together: a network that is good or bad for a while, and loses all while it is
/// bad (Gilbert and Elliott).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bursts {
    /// The chance that a good network is bad for the next datagram.
    pub begin: f64,
    /// The chance that a bad network is good for the next datagram.
    pub end: f64,
}

impl Bursts {
    /// Bursts of a mean length, in datagrams, that lose this part of all.
    pub fn of(loss: f64, mean_length: f64) -> Bursts {
        let end = 1.0 / mean_length.max(1.0);
        Bursts {
            begin: end * loss / (1.0 - loss).max(f64::EPSILON),
            end,
        }
    }
}

/// Datagrams on their way in one direction.
#[derive(Debug, Clone)]
pub struct Network {
    random: Random,
    impairments: Impairments,
    /// It loses everything at present, in a burst.
    bad: bool,
    path: Path,
    sent: u64,
    last_arrival: Option<Timestamp>,
    /// By arrival; those that arrive together, in the order in which they were sent.
    under_way: BTreeMap<(Timestamp, u64), Vec<u8>>,
}

impl Network {
    /// A network without impairments; `random` decides what happens once it has some.
    pub fn new(mut random: Random) -> Network {
        Network {
            path: Path::new(random.fork()),
            random,
            impairments: Impairments::NONE,
            bad: false,
            sent: 0,
            last_arrival: None,
            under_way: BTreeMap::new(),
        }
    }

    /// Changes what happens to datagrams from now on.
    pub fn impair(&mut self, impairments: Impairments) {
        self.impairments = impairments;
        self.bad = false;
        self.path.follow(impairments.trace);
    }

    /// Keeps everything that is sent from now on until a moment, and delivers it together then.
    pub fn hold(&mut self, until: Timestamp) {
        self.path.hold(until);
    }

    /// Takes a datagram.
    pub fn send(&mut self, now: Timestamp, datagram: Vec<u8>) {
        // Drawn for every datagram alike, so that one impairment does not change another's chances.
        let [lost, turned, doubled, overtaken, late] =
            std::array::from_fn(|_| self.random.fraction());
        let Impairments {
            loss,
            bursts,
            duplicates,
            reordering,
            delay,
            jitter,
            trace: _,
        } = self.impairments;
        let through = self.path.through(now);
        if let Some(Bursts { begin, end }) = bursts {
            self.bad = turned < if self.bad { 1.0 - end } else { begin };
        }
        if lost < loss || self.bad {
            return;
        }
        let alone = through + delay + jitter.mul_f64(late);
        let in_order = alone.max(self.last_arrival.unwrap_or(now));
        let arrival = if overtaken < reordering {
            in_order + OVERTAKEN_BY
        } else {
            in_order
        };
        if overtaken >= reordering {
            self.last_arrival = Some(arrival);
        }
        if doubled < duplicates {
            self.file(arrival + Duration::from_millis(1), datagram.clone());
        }
        self.file(arrival, datagram);
    }

    /// The next datagram that has arrived, and when it did.
    pub fn arrive(&mut self, now: Timestamp) -> Option<(Timestamp, Vec<u8>)> {
        let first = self.under_way.first_entry()?;
        let arrived = first.key().0;
        (arrived <= now).then(|| (arrived, first.remove()))
    }

    fn file(&mut self, arrival: Timestamp, datagram: Vec<u8>) {
        self.sent += 1;
        self.under_way.insert((arrival, self.sent), datagram);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::START;

    /// The numbers of 1,000 datagrams, 20 ms apart, in the order of their arrival.
    fn arrivals(impairments: Impairments) -> Vec<u16> {
        let mut network = Network::new(Random::new(3));
        network.impair(impairments);
        let mut now = START;
        let mut arrived = Vec::new();
        for number in 0..1_100_u16 {
            if number < 1_000 {
                network.send(now, number.to_be_bytes().to_vec());
            }
            now = now + Duration::from_millis(20);
            while let Some((at, datagram)) = network.arrive(now) {
                assert!(at <= now);
                arrived.push(u16::from_be_bytes([datagram[0], datagram[1]]));
            }
        }
        arrived
    }

    #[test]
    fn a_good_network_delivers_everything_in_order() {
        assert_eq!(arrivals(Impairments::NONE), (0..1_000).collect::<Vec<_>>());
        let jitter = Impairments {
            jitter: Duration::from_millis(80),
            ..Impairments::NONE
        };
        assert_eq!(arrivals(jitter), (0..1_000).collect::<Vec<_>>());
    }

    #[test]
    fn a_bad_one_loses_doubles_and_reorders_as_often_as_it_says() {
        let lossy = arrivals(Impairments {
            loss: 0.1,
            ..Impairments::NONE
        });
        assert!((870..930).contains(&lossy.len()), "{}", lossy.len());
        let doubled = arrivals(Impairments {
            duplicates: 0.1,
            ..Impairments::NONE
        });
        assert!((1_070..1_130).contains(&doubled.len()), "{}", doubled.len());
        let reordered = arrivals(Impairments {
            reordering: 0.1,
            ..Impairments::NONE
        });
        let overtaken = reordered
            .windows(2)
            .filter(|pair| pair[0] > pair[1])
            .count();
        assert!((60..120).contains(&overtaken), "{overtaken}");
        assert_eq!(reordered.len(), 1_000);
    }

    #[test]
    fn bursts_lose_as_much_as_they_say_in_rows_as_long_as_they_say() {
        let arrived = arrivals(Impairments {
            bursts: Some(Bursts::of(0.2, 5.0)),
            ..Impairments::NONE
        });
        assert!((700..900).contains(&arrived.len()), "{}", arrived.len());
        let rows: Vec<u16> = arrived
            .windows(2)
            .map(|pair| pair[1] - pair[0] - 1)
            .filter(|row| *row > 0)
            .collect();
        let mean = f64::from(rows.iter().sum::<u16>()) / rows.len() as f64;
        assert!((3.0..7.0).contains(&mean), "{mean}");
        assert!(rows.iter().any(|row| *row >= 8));
    }

    #[test]
    fn what_is_held_arrives_together_and_in_order() {
        let mut network = Network::new(Random::new(3));
        network.hold(START + Duration::from_millis(500));
        for number in 0..30_u8 {
            network.send(
                START + Duration::from_millis(20) * u32::from(number),
                vec![number],
            );
        }
        assert!(network.arrive(START + Duration::from_millis(500)).is_none());
        let released = START + Duration::from_millis(505);
        let together: Vec<u8> = std::iter::from_fn(|| network.arrive(released))
            .map(|(at, datagram)| {
                assert_eq!(at, released);
                datagram[0]
            })
            .collect();
        assert_eq!(together, (0..26).collect::<Vec<_>>());
    }
}
