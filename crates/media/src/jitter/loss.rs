//! Whether waiting for the packet after a lost one would pay.

/// How much the latest packet counts once so many have come: one of this many. Until then it counts
/// more, as though so many had come before the first without a loss.
const LOSS_MEMORY: u32 = 256;
const TAKEN_FOR_GRANTED: u32 = 64;

/// How much the latest packet counts for whether packets describe those before them. Silence describes
/// nothing, so that a pause must not be taken for another habit: doubt comes slowly.
const REPAIRS_WEIGHT: f32 = 1.0 / 32.0;
const DOUBT_WEIGHT: f32 = 1.0 / 128.0;

/// Loss that is worth a packet of delay, and loss that is not any more.
const MUCH: f32 = 0.02;
const LITTLE: f32 = 0.007;

/// So many of the packets must describe the one before them (in-band FEC). As doubt comes slowly, this
/// is reached where one in six does.
const REPAIRS: f32 = 0.25;

/// So many count of those that are lost in a row: only the last of them is described.
const MOST_LOST: u64 = 2;

/// Follows how many packets are lost, and how many describe those before them.
///
/// It is told of packets as they come, whether or not they are decoded, so that a network is known by
/// the time at which somebody begins to speak.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Loss {
    lost: f32,
    repairs: f32,
    packets: u32,
    newest: Option<u64>,
    is_waited_for: bool,
}

impl Loss {
    /// Follows a packet of this number; `repairs` says that it describes the one before it.
    pub(super) fn packet(&mut self, number: u64, repairs: bool) {
        let weight = self.weight();
        let before = match self.newest {
            Some(newest) if number <= newest => {
                // It was overtaken, and taken for lost.
                self.lost = (self.lost - weight).max(0.0);
                return;
            }
            Some(newest) => number - newest - 1,
            None => 0,
        };
        self.newest = Some(number);
        self.packets = self.packets.saturating_add(1);
        for _ in 0..before.min(MOST_LOST) {
            self.lost += (1.0 - self.lost) * weight;
        }
        self.lost -= self.lost * weight;
        self.repairs = match repairs {
            true => self.repairs + (1.0 - self.repairs) * REPAIRS_WEIGHT,
            false => self.repairs - self.repairs * DOUBT_WEIGHT,
        };
        if self.lost < LITTLE || self.repairs < REPAIRS / 4.0 {
            self.is_waited_for = false;
        } else if self.lost > MUCH && self.repairs > REPAIRS {
            self.is_waited_for = true;
        }
    }

    /// Follows a packet of another kind, or the first of another source: nothing is lost before it.
    pub(super) fn passes(&mut self, number: u64) {
        self.newest = self.newest.max(Some(number));
    }

    /// Whether the packet after a lost one should be there in time to repair it.
    pub(super) fn is_waited_for(&self) -> bool {
        self.is_waited_for
    }

    fn weight(&self) -> f32 {
        1.0 / self
            .packets
            .saturating_add(TAKEN_FOR_GRANTED)
            .min(LOSS_MEMORY) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Stream {
        loss: Loss,
        number: u64,
    }

    impl Stream {
        fn new() -> Stream {
            let loss = Loss::default();
            Stream { loss, number: 0 }
        }

        /// Sends so many packets, each of which `lose` may lose.
        fn send(&mut self, packets: u32, repairs: bool, lose: impl Fn(u32) -> bool) -> bool {
            for n in 0..packets {
                self.number += 1;
                if !lose(n) {
                    self.loss.packet(self.number, repairs);
                }
            }
            self.loss.is_waited_for()
        }
    }

    fn every(n: u32) -> impl Fn(u32) -> bool {
        move |packet| packet % n == n - 1
    }

    fn none(_: u32) -> bool {
        false
    }

    #[test]
    fn only_loss_that_can_be_repaired_is_waited_for_and_only_while_it_lasts() {
        let mut stream = Stream::new();
        assert!(!stream.send(1_000, true, none));
        assert!(!stream.send(1_000, true, every(100)));
        assert!(stream.send(300, true, every(20)));
        assert!(!stream.send(1_000, true, none));
        assert!(!stream.send(2_000, false, every(20)));
    }

    #[test]
    fn a_network_that_loses_from_the_beginning_is_known_within_two_seconds() {
        assert!(Stream::new().send(100, true, every(20)));
        assert!(!Stream::new().send(100, true, |n| n == 3));
        assert!(!Stream::new().send(100, true, every(100)));
    }

    #[test]
    fn a_network_is_known_by_the_time_at_which_somebody_speaks_and_again_after_a_pause() {
        let mut stream = Stream::new();
        // Silence describes nothing.
        assert!(!stream.send(250, false, every(20)));
        assert!(stream.send(20, true, every(20)));
        stream.send(100, true, every(20));
        assert!(stream.send(250, false, every(20)));
    }

    #[test]
    fn what_was_overtaken_is_not_lost() {
        let mut loss = Loss::default();
        for pair in 0..500 {
            loss.packet(2 * pair + 1, true);
            loss.packet(2 * pair, true);
            assert!(!loss.is_waited_for());
        }
    }

    #[test]
    fn an_outage_is_one_loss_and_what_is_of_another_kind_is_none() {
        let mut loss = Loss::default();
        for number in 0..500 {
            loss.packet(number, true);
        }
        loss.packet(1_000, true);
        assert!(!loss.is_waited_for());
        for number in 1_001..1_050 {
            loss.passes(number);
        }
        loss.packet(1_050, true);
        assert!(!loss.is_waited_for());
    }
}
