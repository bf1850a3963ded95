//! Carries voices between the parts of one conference, which tick on different threads.

use rtrb::{Consumer, Producer, RingBuffer};
use tutti_media::{FRAME_SAMPLES, Frame, Trunk};

/// Frames that may wait: more than a thread that makes up for lost time sends at once.
const CAPACITY: usize = 32;

/// The most frames that wait before a tick in which neither part is late: the last tick's, and this
/// one's where the other part came first.
const USUAL: usize = 2;

/// After so many ticks with more than that, one frame is given up.
const TICKS_OF_SURPLUS: u32 = 10;

/// One part's end of the way to another part.
///
/// A frame is heard one tick after it was said, so that it does not matter which part ticks first.
/// Where a part is late, the others hear its last frame backwards as it fades: that begins where the
/// frame ended, so nothing clicks.
pub(super) struct RingTrunk {
    outward: Producer<Frame>,
    inward: Consumer<Frame>,
    /// The last frame that came.
    last: Frame,
    /// The last tick went without a frame.
    missed: bool,
    /// Ticks in a row before which too much waited.
    surplus: u32,
}

/// Connects two parts.
pub(super) fn trunk_pair() -> (RingTrunk, RingTrunk) {
    let (there, from_here) = RingBuffer::new(CAPACITY);
    let (back, from_there) = RingBuffer::new(CAPACITY);
    (
        RingTrunk::new(there, from_there),
        RingTrunk::new(back, from_here),
    )
}

impl RingTrunk {
    fn new(mut outward: Producer<Frame>, inward: Consumer<Frame>) -> RingTrunk {
        // The tick by which the other part is behind.
        let _ = outward.push([0.0; FRAME_SAMPLES]);
        RingTrunk {
            outward,
            inward,
            last: [0.0; FRAME_SAMPLES],
            missed: false,
            surplus: 0,
        }
    }

    /// Gives up one frame, and crosses over from it to the next.
    fn give_up_one(&mut self) {
        let Ok(given_up) = self.inward.pop() else {
            return;
        };
        let Ok(next) = self.inward.pop() else {
            self.last = given_up;
            return;
        };
        for ((sample, old), (new, weight)) in self
            .last
            .iter_mut()
            .zip(&given_up)
            .zip(next.iter().zip(rising()))
        {
            *sample = old * (1.0 - weight) + new * weight;
        }
    }
}

impl Trunk for RingTrunk {
    fn exchange(&mut self, own: &Frame, others: &mut Frame) {
        // A part that does not listen any more will not miss it.
        let _ = self.outward.push(*own);

        let waiting = self.inward.slots();
        self.surplus = if waiting > USUAL { self.surplus + 1 } else { 0 };
        if waiting == 0 {
            if !self.missed {
                for (sum, (sample, weight)) in
                    others.iter_mut().zip(self.last.iter().rev().zip(rising()))
                {
                    *sum += sample * (1.0 - weight);
                }
            }
            self.missed = true;
            return;
        }
        if self.surplus >= TICKS_OF_SURPLUS {
            self.give_up_one();
            self.surplus = 0;
        } else if let Ok(frame) = self.inward.pop() {
            self.last = frame;
        }
        if std::mem::take(&mut self.missed) {
            for (sample, weight) in self.last.iter_mut().zip(rising()) {
                *sample *= weight;
            }
        }
        for (sum, sample) in others.iter_mut().zip(&self.last) {
            *sum += sample;
        }
    }

    fn is_over(&self) -> bool {
        // What was said before the end is heard, and fades.
        self.missed && self.inward.is_abandoned()
    }
}

/// From 0 to 1 over a frame.
fn rising() -> impl Iterator<Item = f32> {
    (0..FRAME_SAMPLES).map(|n| n as f32 / FRAME_SAMPLES as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Frame = [0.0; FRAME_SAMPLES];

    /// A sine that goes on from frame to frame.
    fn tone(tick: usize) -> Frame {
        std::array::from_fn(|n| {
            let t = (tick * FRAME_SAMPLES + n) as f32 / 48_000.0;
            0.5 * (std::f32::consts::TAU * 440.0 * t).sin()
        })
    }

    fn exchange(trunk: &mut RingTrunk, own: &Frame) -> Frame {
        let mut heard = SILENCE;
        trunk.exchange(own, &mut heard);
        heard
    }

    /// The greatest step between neighbours.
    fn step(sound: &[f32]) -> f32 {
        let steps = sound.windows(2).map(|two| (two[1] - two[0]).abs());
        steps.fold(0.0, f32::max)
    }

    fn peak(sound: &[f32]) -> f32 {
        sound
            .iter()
            .fold(0.0, |peak, sample| sample.abs().max(peak))
    }

    #[test]
    fn a_frame_is_heard_a_tick_later_whichever_part_ticks_first() {
        for here_first in [true, false] {
            let (mut here, mut there) = trunk_pair();
            for tick in 0..50 {
                let (own, other) = (tone(tick), tone(tick + 1_000));
                let (heard_here, heard_there) = if here_first == tick.is_multiple_of(3) {
                    let heard = exchange(&mut here, &own);
                    (heard, exchange(&mut there, &other))
                } else {
                    let heard = exchange(&mut there, &other);
                    (exchange(&mut here, &own), heard)
                };
                let before = tick.checked_sub(1);
                assert_eq!(
                    heard_here,
                    before.map_or(SILENCE, |tick| tone(tick + 1_000))
                );
                assert_eq!(heard_there, before.map_or(SILENCE, tone));
            }
        }
    }

    #[test]
    fn what_comes_is_added_to_what_is_there() {
        let (mut here, mut there) = trunk_pair();
        exchange(&mut there, &[0.25; FRAME_SAMPLES]);
        exchange(&mut here, &SILENCE);
        let mut sum = [0.5; FRAME_SAMPLES];
        here.exchange(&SILENCE, &mut sum);
        assert_eq!(sum, [0.75; FRAME_SAMPLES]);
    }

    #[test]
    fn a_part_that_stops_and_comes_back_does_not_click() {
        let (mut here, mut there) = trunk_pair();
        let (mut said, mut heard) = (0, Vec::new());
        for tick in 0..100 {
            // It sleeps for ten ticks and then makes up for them at twice the pace.
            let sends = match tick {
                0..30 => 1,
                30..40 => 0,
                40..50 => 2,
                _ => 1,
            };
            for _ in 0..sends {
                exchange(&mut there, &tone(said));
                said += 1;
            }
            heard.extend(exchange(&mut here, &SILENCE));
        }
        assert!(step(&heard) < 0.04, "{}", step(&heard));
        assert!(peak(&heard[..FRAME_SAMPLES * 30]) > 0.49);
        assert!(peak(&heard[FRAME_SAMPLES * 33..FRAME_SAMPLES * 40]) < 1e-6);
    }

    #[test]
    fn the_delay_returns_to_one_tick_after_a_part_was_late() {
        let (mut here, mut there) = trunk_pair();
        for tick in 0..200 {
            let sends = match tick {
                20..30 => 0,
                30..40 => 2,
                _ => 1,
            };
            for _ in 0..sends {
                exchange(&mut there, &[tick as f32; FRAME_SAMPLES]);
            }
            let heard = exchange(&mut here, &SILENCE);
            if tick > 190 {
                assert!(heard[0] >= tick as f32 - 1.0, "{} at {tick}", heard[0]);
            }
        }
    }

    #[test]
    fn a_trunk_whose_other_end_is_gone_is_over_when_that_has_faded() {
        let (mut here, mut there) = trunk_pair();
        exchange(&mut there, &tone(0));
        drop(there);
        let mut heard = Vec::new();
        while !here.is_over() {
            heard.extend(exchange(&mut here, &SILENCE));
        }
        assert_eq!(heard.len(), 3 * FRAME_SAMPLES);
        assert!(step(&heard) < 0.04);
    }
}
