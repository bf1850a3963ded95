//! A recording that stays in memory.

use std::sync::mpsc::{Receiver, Sender, channel};

use tutti_media::{FRAME_SAMPLES, Frame, Tap};

/// Makes a recording's two ends.
pub fn tape() -> (TapeHead, Tape) {
    let (sender, receiver) = channel();
    (TapeHead { frames: sender }, Tape { frames: receiver })
}

/// The end that records.
pub struct TapeHead {
    frames: Sender<(u64, Box<Frame>)>,
}

/// The end that keeps what was recorded.
pub struct Tape {
    frames: Receiver<(u64, Box<Frame>)>,
}

impl Tap for TapeHead {
    fn push(&mut self, position: u64, frame: &Frame) {
        // Nobody keeps a recording whose other end is gone.
        let _ = self.frames.send((position, Box::new(*frame)));
    }
}

impl Tape {
    /// Everything that was recorded since the last look, from the recording's start; what was not
    /// recorded is silent.
    pub fn samples(&self) -> Vec<f32> {
        let mut samples = Vec::new();
        for (position, frame) in self.frames.try_iter() {
            let start = usize::try_from(position).unwrap_or(usize::MAX);
            let end = start.saturating_add(FRAME_SAMPLES);
            if samples.len() < end {
                samples.resize(end, 0.0);
            }
            for (sample, recorded) in samples.iter_mut().skip(start).zip(frame.iter()) {
                *sample = *recorded;
            }
        }
        samples
    }
}
