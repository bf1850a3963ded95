//! One WAV file while it grows.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use hound::{SampleFormat, WavSpec, WavWriter};

use crate::chunk::{CHUNK_SAMPLES, Chunk};

/// Samples in a second of every recording.
pub const SAMPLE_RATE: u32 = 48_000;

/// What stands before the first sample.
pub(crate) const HEADER_BYTES: u64 = 44;

/// As long as a file can get: the header's sizes reach to 4 GiB, less some room for other chunks.
pub(crate) const MAX_FILE_BYTES: u64 = (4 << 30) - (1 << 20);

/// Silence is written in runs of this many samples, so that a long gap holds up no other file.
const SILENCE_RUN: u64 = 10 * SAMPLE_RATE as u64;

const SPEC: WavSpec = WavSpec {
    channels: 1,
    sample_rate: SAMPLE_RATE,
    bits_per_sample: 16,
    sample_format: SampleFormat::Int,
};

/// One WAV file while it grows. What `flush` has returned for is readable, whatever happens next.
pub(crate) struct WavFile {
    writer: WavWriter<BufWriter<File>>,
    /// The same open file, to ask for its bytes to be on the disk.
    file: File,
    samples: u64,
    max_samples: u64,
}

/// What became of a chunk.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// It is in the file.
    Whole,
    /// Some of the gap before it is in the file; offer it again.
    GapRemains,
}

/// Why a file takes no more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppendError {
    #[error("the recording has reached the 4 GiB limit of WAV")]
    TooLong,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl WavFile {
    /// Makes the file, which must not exist, for its owner's eyes only.
    pub(crate) fn create(path: &Path, max_file_bytes: u64) -> io::Result<WavFile> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let buffer = BufWriter::with_capacity(32 * 1024, file.try_clone()?);
        let mut writer = WavWriter::new(buffer, SPEC).map_err(into_io)?;
        writer.flush().map_err(into_io)?;
        Ok(WavFile {
            writer,
            file,
            samples: 0,
            max_samples: max_file_bytes.saturating_sub(HEADER_BYTES) / 2,
        })
    }

    /// Adds a chunk at its position, and silence before it. What overlaps is taken once.
    pub(crate) fn append(&mut self, chunk: &Chunk) -> Result<Appended, AppendError> {
        let end = chunk.position.saturating_add(CHUNK_SAMPLES as u64);
        if end > self.max_samples {
            return Err(AppendError::TooLong);
        }
        let gap = chunk.position.saturating_sub(self.samples);
        let run = gap.min(SILENCE_RUN);
        self.write((0..run).map(|_| 0), run)?;
        if run < gap {
            return Ok(Appended::GapRemains);
        }
        let overlap = self.samples.saturating_sub(chunk.position);
        let overlap = usize::try_from(overlap).unwrap_or(CHUNK_SAMPLES);
        let fresh = chunk.samples.get(overlap..).unwrap_or_default();
        self.write(fresh.iter().copied(), fresh.len() as u64)?;
        Ok(Appended::Whole)
    }

    /// Hands everything to the operating system, under a header that is true.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.writer.flush().map_err(into_io)
    }

    /// Waits until what was flushed is on the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// How long the recording is.
    pub(crate) fn duration(&self) -> Duration {
        duration_of(self.samples)
    }

    /// How large the file is.
    pub(crate) fn size_bytes(&self) -> u64 {
        HEADER_BYTES + 2 * self.samples
    }

    fn write(&mut self, samples: impl Iterator<Item = i16>, count: u64) -> io::Result<()> {
        // `max_samples` keeps every count within 32 bits.
        let mut writer = self.writer.get_i16_writer(count as u32);
        for sample in samples {
            writer.write_sample(sample);
        }
        writer.flush().map_err(into_io)?;
        self.samples += count;
        Ok(())
    }
}

/// How long this many samples sound.
pub(crate) fn duration_of(samples: u64) -> Duration {
    let rate = u64::from(SAMPLE_RATE);
    let nanos = (samples % rate) * 1_000_000_000 / rate;
    Duration::from_secs(samples / rate) + Duration::from_nanos(nanos)
}

fn into_io(error: hound::Error) -> io::Error {
    match error {
        hound::Error::IoError(error) => error,
        hound::Error::FormatError(_)
        | hound::Error::TooWide
        | hound::Error::UnfinishedSample
        | hound::Error::Unsupported
        | hound::Error::InvalidSampleFormat => io::Error::other(error),
    }
}
