//! Prepares sound off the media thread: any file, and any text, becomes mono at 48 kHz, at one
//! loudness.
//!
//! What the media thread gets needs no more work than being read from start to end, once or again
//! and again. The files come from anywhere; a decoder that fails on one fails alone.

pub mod builtin;
mod decode;
mod edges;
#[cfg(test)]
mod foreign_tests;
mod loudness;
mod own;
mod resample;
mod shelf;
pub mod speech;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::egress::AudioBody;

pub use decode::AudioError;
pub use loudness::Level;
pub use own::{NamedRecording, OwnRecordingError, OwnRecordings};
pub use shelf::Shelf;

/// Samples in a second of everything that is prepared.
pub const SAMPLE_RATE: u32 = 48_000;

/// Decodes a file and makes it ready to be heard, on a thread that may wait.
pub async fn prepare(body: AudioBody, level: Level) -> Result<Arc<[f32]>, AudioError> {
    contained(move || prepare_now(body, level)).await
}

fn prepare_now(body: AudioBody, level: Level) -> Result<Arc<[f32]>, AudioError> {
    let mut samples = decode::decode(body, level.repeats())?;
    loudness::level(&mut samples, level);
    match level {
        Level::Prompt => edges::soften(&mut samples),
        Level::WaitMusic => edges::close_loop(&mut samples),
    }
    Ok(samples.into())
}

/// Runs a job that may wait, and may panic on what it was given.
async fn contained<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, AudioError> + Send + 'static,
) -> Result<T, AudioError> {
    let finished = tokio::task::spawn_blocking(job).await;
    finished.unwrap_or(Err(AudioError::DecoderFailed))
}
