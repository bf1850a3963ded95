//! Carries frames from a media thread to the recorder.

use tutti_media::{Frame, Tap};
use tutti_recording::{CHUNK_SAMPLES, Chunk};

/// The media thread's end of a recording: a ring that never blocks it.
///
/// When the recorder has fallen behind and the ring is full, the frame is lost; its place in the
/// file becomes silence, so that the rest stays aligned.
pub struct RecordingTap {
    ring: rtrb::Producer<Chunk>,
    /// What the clock of the frames is behind the recording's.
    behind: u64,
}

impl RecordingTap {
    /// Feeds this ring.
    pub fn new(ring: rtrb::Producer<Chunk>) -> RecordingTap {
        RecordingTap { ring, behind: 0 }
    }

    /// Feeds it with frames whose clock is so many samples behind the recording's.
    pub fn behind(self, behind: u64) -> RecordingTap {
        RecordingTap { behind, ..self }
    }
}

impl Tap for RecordingTap {
    fn push(&mut self, position: u64, frame: &Frame) {
        let mut samples = [0; CHUNK_SAMPLES];
        for (sample, &sound) in samples.iter_mut().zip(frame) {
            *sample = (sound.clamp(-1.0, 1.0) * 32_767.0).round_ties_even() as i16;
        }
        let position = position + self.behind;
        let _ = self.ring.push(Chunk { position, samples });
    }
}

/// A recording of nothing: it sets a part's clock, and is taken out again.
pub(super) struct NoTap;

impl Tap for NoTap {
    fn push(&mut self, _position: u64, _frame: &Frame) {}
}
