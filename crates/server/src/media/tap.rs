//! Carries frames from a media thread to the recorder.

use tutti_media::{Frame, Tap};
use tutti_recording::{CHUNK_SAMPLES, Chunk};

/// The media thread's end of a recording: a ring that never blocks it.
///
/// When the recorder has fallen behind and the ring is full, the frame is lost; its place in the
/// file becomes silence, so that the rest stays aligned.
pub struct RecordingTap {
    ring: rtrb::Producer<Chunk>,
}

impl RecordingTap {
    /// Feeds this ring.
    pub fn new(ring: rtrb::Producer<Chunk>) -> RecordingTap {
        RecordingTap { ring }
    }
}

impl Tap for RecordingTap {
    fn push(&mut self, position: u64, frame: &Frame) {
        let mut samples = [0; CHUNK_SAMPLES];
        for (sample, &sound) in samples.iter_mut().zip(frame) {
            *sample = (sound.clamp(-1.0, 1.0) * 32_767.0).round_ties_even() as i16;
        }
        let _ = self.ring.push(Chunk { position, samples });
    }
}
