//! A copy of what is heard, for recording.

use crate::frame::Frame;

/// Takes frames off the media thread; neither blocks nor allocates.
pub trait Tap: Send {
    /// Takes a frame that begins `position` samples after the recording's start.
    fn push(&mut self, position: u64, frame: &Frame);
}
