//! How sound becomes files: 48 kHz, 16 bits, mono, one WAV file a recording.
//!
//! The media thread pushes [`Chunk`]s into a ring and never waits for a disk; one writer thread a
//! [`Recorder`] empties the rings, keeps every file readable while it grows, and tells how each
//! recording ended. It does not know what is recorded, nor when to begin or to end.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod chunk;
mod floor;
mod path;
mod recorder;
mod repair;
#[cfg(test)]
mod tests;
mod wav;
mod writer;

pub use chunk::{CHUNK_SAMPLES, Chunk};
pub use floor::DiskFloor;
pub use path::recording_path;
pub use recorder::{OpenError, Recorder, RecorderEvent, StartError};
pub use repair::{Found, Outcome, RepairError, repair};
pub use wav::SAMPLE_RATE;
