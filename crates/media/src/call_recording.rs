//! A recording of one call, which goes wherever its leg goes.

use std::time::Duration;

use tutti_model::{RecordedSide, RecordingId, Timestamp};

use crate::frame::{FRAME_SAMPLES, Frame};
use crate::limiter::Limiter;
use crate::tap::Tap;

/// How many recordings of one call go on at the same time; one more is given back unused.
pub const MOST_CALL_RECORDINGS: usize = 4;

/// One tick.
const TICK: Duration = Duration::from_millis(20);

/// What a caller says, or says and hears, in no conference, in one, and in the next.
///
/// What the caller says is recorded as it was decoded: whether it may talk, how loud others hear it
/// and what is done to its voice there make no difference; only the tone of a key that it presses is
/// left out. What it hears is what is sent to it, before it is encoded. It is built where it may
/// allocate, and then moves from thread to thread inside its leg.
pub struct CallRecording {
    recording: RecordingId,
    side: RecordedSide,
    tap: Box<dyn Tap>,
    /// When it was begun, and how many samples were recorded since; nothing before its leg has it.
    began: Option<Timestamp>,
    position: u64,
    /// What the caller says in this tick.
    said: Frame,
    /// Keeps the sum of both sides below full scale.
    limiter: Limiter,
}

impl CallRecording {
    /// A recording whose first frame is that of the leg's next tick.
    pub fn new(recording: RecordingId, side: RecordedSide, tap: Box<dyn Tap>) -> CallRecording {
        CallRecording {
            recording,
            side,
            tap,
            began: None,
            position: 0,
            said: [0.0; FRAME_SAMPLES],
            limiter: Limiter::default(),
        }
    }

    /// Which recording this is.
    pub fn recording(&self) -> RecordingId {
        self.recording
    }

    /// Its leg has it from now on.
    pub(crate) fn begin(&mut self, now: Timestamp) {
        self.began = Some(now);
    }

    /// Its leg comes from another thread: what was not heard on the way is a gap.
    pub(crate) fn arrive(&mut self, now: Timestamp) {
        let Some(began) = self.began else { return };
        let ticks = now.since(began).as_millis() / TICK.as_millis();
        let ticks = u64::try_from(ticks).unwrap_or(u64::MAX);
        let passed = ticks.saturating_mul(FRAME_SAMPLES as u64);
        self.position = self.position.max(passed);
    }

    /// Leaves out ticks that nobody heard.
    pub(crate) fn skip(&mut self, ticks: u32) {
        self.position += u64::from(ticks) * FRAME_SAMPLES as u64;
    }

    /// Takes what the caller says in this tick.
    pub(crate) fn hear_caller(&mut self, said: &Frame) {
        self.said = *said;
    }

    /// Completes a tick with what the caller hears in it.
    pub(crate) fn complete(&mut self, heard: &Frame) {
        match self.side {
            RecordedSide::Caller => {}
            RecordedSide::Both => {
                for (sample, heard) in self.said.iter_mut().zip(heard) {
                    *sample += heard;
                }
                self.limiter.process(&mut self.said);
            }
        }
        self.tap.push(self.position, &self.said);
        self.position += FRAME_SAMPLES as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;
    use crate::limiter::CEILING;

    struct Tape(Sender<(u64, Frame)>);

    impl Tap for Tape {
        fn push(&mut self, position: u64, frame: &Frame) {
            self.0.send((position, *frame)).unwrap();
        }
    }

    fn recording(side: RecordedSide) -> (CallRecording, Receiver<(u64, Frame)>) {
        let (tape, frames) = channel();
        let id = RecordingId::from_bytes([1; 20]);
        let mut recording = CallRecording::new(id, side, Box::new(Tape(tape)));
        recording.begin(Timestamp::from_micros(0));
        (recording, frames)
    }

    const LOUD: Frame = [0.8; FRAME_SAMPLES];

    #[test]
    fn one_side_is_kept_as_it_is_and_two_are_mixed_without_clipping() {
        for side in [RecordedSide::Caller, RecordedSide::Both] {
            let (mut recording, frames) = recording(side);
            for _ in 0..5 {
                recording.hear_caller(&LOUD);
                recording.complete(&LOUD);
            }
            let last = frames.try_iter().last().unwrap().1;
            let expected = match side {
                RecordedSide::Caller => 0.8,
                RecordedSide::Both => CEILING,
            };
            assert!(last.iter().all(|sample| (sample - expected).abs() < 1e-3));
        }
    }

    #[test]
    fn what_passes_while_a_leg_moves_is_a_gap() {
        let (mut recording, frames) = recording(RecordedSide::Caller);
        recording.complete(&LOUD);
        recording.arrive(Timestamp::from_micros(85_000));
        recording.complete(&LOUD);
        recording.skip(2);
        recording.complete(&LOUD);
        // A leg that was not away for a whole tick goes on where it was.
        recording.arrive(Timestamp::from_micros(141_000));
        recording.complete(&LOUD);
        let positions: Vec<u64> = frames.try_iter().map(|(position, _)| position).collect();
        assert_eq!(positions, [0, 4 * 960, 7 * 960, 8 * 960]);
    }
}
