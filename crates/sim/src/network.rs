//! What a network does to datagrams on their way.

use std::collections::BTreeMap;
use std::time::Duration;

use tutti_model::Timestamp;

use crate::random::Random;

/// How long a datagram stays behind those sent after it, where it is overtaken.
const OVERTAKEN_BY: Duration = Duration::from_millis(30);

/// How bad a network is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Impairments {
    /// How many datagrams never arrive, as a part of 1.
    pub loss: f64,
    /// How many arrive twice.
    pub duplicates: f64,
    /// How many are overtaken by their successors.
    pub reordering: f64,
    /// How long every datagram takes at least.
    pub delay: Duration,
    /// How much longer it takes at most; it waits behind its predecessors.
    pub jitter: Duration,
}

impl Impairments {
    /// A network that delivers everything after 5 ms.
    pub const NONE: Impairments = Impairments {
        loss: 0.0,
        duplicates: 0.0,
        reordering: 0.0,
        delay: Duration::from_millis(5),
        jitter: Duration::ZERO,
    };
}

/// Datagrams on their way in one direction.
#[derive(Debug, Clone)]
pub struct Network {
    random: Random,
    impairments: Impairments,
    sent: u64,
    last_arrival: Option<Timestamp>,
    /// By arrival; those that arrive together, in the order in which they were sent.
    under_way: BTreeMap<(Timestamp, u64), Vec<u8>>,
}

impl Network {
    /// A network without impairments; `random` decides what happens once it has some.
    pub fn new(random: Random) -> Network {
        Network {
            random,
            impairments: Impairments::NONE,
            sent: 0,
            last_arrival: None,
            under_way: BTreeMap::new(),
        }
    }

    /// Changes what happens to datagrams from now on.
    pub fn impair(&mut self, impairments: Impairments) {
        self.impairments = impairments;
    }

    /// Takes a datagram.
    pub fn send(&mut self, now: Timestamp, datagram: Vec<u8>) {
        // Drawn for every datagram alike, so that one impairment does not change another's chances.
        let [lost, doubled, overtaken, late] = std::array::from_fn(|_| self.random.fraction());
        let Impairments {
            loss,
            duplicates,
            reordering,
            delay,
            jitter,
        } = self.impairments;
        if lost < loss {
            return;
        }
        let in_order = (now + delay + jitter.mul_f64(late)).max(self.last_arrival.unwrap_or(now));
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
}
