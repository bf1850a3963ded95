//! What the media thread hands over.

/// One tick of sound: 20 ms at 48 kHz.
pub const CHUNK_SAMPLES: usize = 960;

/// One tick of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// The first sample's place on the recording's clock, which begins at 0 with the file. What
    /// lies between two chunks becomes silence.
    pub position: u64,
    pub samples: [i16; CHUNK_SAMPLES],
}
