//! Where each packet's audio lies on one continuous timeline, whatever its source does.

use tutti_model::Timestamp;

use super::ClockRate;
use crate::rtp::{RtpTime, SeqNo};

/// How much further a stream's clock may leap than time went by, in microseconds, before its leap is
/// taken for a new clock: a packet that was held up may be followed by one that was not.
const LEAP_US: i64 = 500_000;

/// How far a packet that was overtaken may lie behind the newest, in microseconds.
const OVERTAKEN_US: i64 = 5_000_000;

/// Places packets by their timestamps.
///
/// A position counts samples and never wraps. When the source's clock jumps, or another source takes
/// over, the positions go on as though it had kept time: the jump is taken out here and nowhere else.
#[derive(Debug, Clone)]
pub(crate) struct Timeline {
    rate: ClockRate,
    newest: Option<Newest>,
}

#[derive(Debug, Clone, Copy)]
struct Newest {
    seq: SeqNo,
    timestamp: RtpTime,
    position: i64,
    samples: i64,
    arrived: Timestamp,
}

/// Where a packet's audio lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placed {
    /// Its first sample.
    At(i64),
    /// Its first sample; the source's clock does not go on from before.
    AfterJump(i64),
    /// Nowhere: it was overtaken by others, and its clock is not theirs.
    Nowhere,
}

impl Timeline {
    pub(crate) fn new(rate: ClockRate) -> Timeline {
        Timeline { rate, newest: None }
    }

    /// Places a packet. `source_changed` says that its timestamps have nothing to do with those
    /// before.
    pub(crate) fn place(
        &mut self,
        arrived: Timestamp,
        seq: SeqNo,
        timestamp: RtpTime,
        samples: usize,
        source_changed: bool,
    ) -> Placed {
        let samples = samples as i64;
        let Some(newest) = self.newest else {
            self.newest = Some(Newest {
                seq,
                timestamp,
                position: 0,
                samples,
                arrived,
            });
            return Placed::At(0);
        };
        let step = i64::from(timestamp.since(newest.timestamp));
        if seq < newest.seq {
            let limit = self.rate.ticks(OVERTAKEN_US);
            return if (-limit..0).contains(&step) {
                Placed::At(newest.position + step)
            } else {
                Placed::Nowhere
            };
        }
        let elapsed = self
            .rate
            .ticks(arrived.since(newest.arrived).as_micros() as i64);
        let by_number = newest.samples * seq.since(newest.seq).min(1 << 16) as i64;
        let leap = self.rate.ticks(LEAP_US);
        let jumped = source_changed || step <= 0 || step > elapsed.max(by_number) + leap;
        // A clock that jumped is taken to have been as punctual as it was.
        let step = if jumped {
            elapsed.max(newest.samples)
        } else {
            step
        };
        let position = newest.position + step;
        self.newest = Some(Newest {
            seq,
            timestamp,
            position,
            samples,
            arrived,
        });
        if jumped {
            Placed::AfterJump(position)
        } else {
            Placed::At(position)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::rtp::{Observation, SequenceTracker};

    struct Stream {
        timeline: Timeline,
        numbers: SequenceTracker,
        now: Timestamp,
    }

    impl Stream {
        fn new() -> Stream {
            Stream {
                timeline: Timeline::new(ClockRate::new(8_000)),
                numbers: SequenceTracker::default(),
                now: Timestamp::from_micros(0),
            }
        }

        /// A packet of 20 ms, 20 ms after the last.
        fn packet(&mut self, number: u16, timestamp: u32) -> Placed {
            self.now = self.now + Duration::from_millis(20);
            let (Observation::Newest(seq) | Observation::Overtaken(seq)) =
                self.numbers.observe(number)
            else {
                panic!("not in the stream");
            };
            self.timeline
                .place(self.now, seq, RtpTime::new(timestamp), 160, false)
        }
    }

    #[test]
    fn positions_go_on_over_the_wrap_around() {
        let mut stream = Stream::new();
        for n in 0..1_000_u32 {
            let timestamp = 0xffff_f000_u32.wrapping_add(n * 160);
            let placed = stream.packet(65_000_u16.wrapping_add(n as u16), timestamp);
            assert_eq!(placed, Placed::At(i64::from(n) * 160));
        }
    }

    #[test]
    fn a_pause_is_no_jump() {
        let mut stream = Stream::new();
        stream.packet(0, 0);
        stream.now = stream.now + Duration::from_secs(30);
        assert_eq!(stream.packet(1, 240_160), Placed::At(240_160));
    }

    #[test]
    fn a_packet_that_was_overtaken_lies_before_the_newest() {
        let mut stream = Stream::new();
        stream.packet(0, 0);
        stream.packet(2, 320);
        assert_eq!(stream.packet(1, 160), Placed::At(160));
        stream.packet(4, 640);
        assert_eq!(stream.packet(3, 900_000), Placed::Nowhere);
        assert_eq!(stream.packet(5, 800), Placed::At(800));
    }

    #[test]
    fn a_jump_of_the_clock_leaves_no_gap() {
        for jump in [0x7fff_ffff, 0x8000_0000, 0x8000_0001, 0xffff_0000, 100_000] {
            let mut stream = Stream::new();
            stream.packet(0, 0);
            stream.packet(1, 160);
            let after = 160_u32.wrapping_add(jump);
            assert_eq!(
                stream.packet(2, after),
                Placed::AfterJump(320),
                "jump by {jump}"
            );
            assert_eq!(stream.packet(3, after.wrapping_add(160)), Placed::At(480));
        }
    }

    #[test]
    fn lost_packets_leave_their_gap_even_when_the_next_come_in_a_burst() {
        let mut stream = Stream::new();
        stream.packet(0, 0);
        assert_eq!(stream.packet(101, 16_160), Placed::At(16_160));
    }
}
