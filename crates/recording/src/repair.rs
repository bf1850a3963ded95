//! Making whole what a stopped process left behind.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tutti_model::RecordingId;

use crate::path::{recording_in, recording_path};
use crate::wav::{HEADER_BYTES, SAMPLE_RATE, duration_of};

/// A recording's file, as it is after the repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub recording: RecordingId,
    pub outcome: Outcome,
}

/// What a file was, and how long and large it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its header was true.
    Whole { duration: Duration, size_bytes: u64 },
    /// Its header was not true, and is now.
    Repaired { duration: Duration, size_bytes: u64 },
    /// It cannot be read, or is no recording of this bridge; it was left alone.
    Broken { reason: String },
}

/// Why there was no repair.
#[derive(Debug, thiserror::Error)]
#[error("the recordings folder {} cannot be read: {source}", path.display())]
pub struct RepairError {
    path: PathBuf,
    source: io::Error,
}

/// Looks at every recording's file in a folder, and makes each header say how long its file is.
///
/// To be called before anything is recorded there. A missing folder has no files.
pub fn repair(dir: &Path) -> Result<Vec<Found>, RepairError> {
    let unreadable = |source| RepairError {
        path: dir.to_owned(),
        source,
    };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut all = Vec::new();
    for entry in entries {
        let name = entry.map_err(unreadable)?.file_name();
        if let Some(recording) = name.to_str().and_then(recording_in) {
            let outcome = match repair_file(&recording_path(dir, recording)) {
                Ok(outcome) => outcome,
                Err(error) => Outcome::Broken {
                    reason: error.to_string(),
                },
            };
            all.push(Found { recording, outcome });
        }
    }
    all.sort_by_key(|found| found.recording);
    Ok(all)
}

/// Makes a file's header say how long the file is.
pub(crate) fn repair_file(path: &Path) -> io::Result<Outcome> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let mut header = Vec::new();
    Read::by_ref(&mut file)
        .take(HEADER_BYTES)
        .read_to_end(&mut header)?;
    if !is_ours(&header) {
        return Err(io::Error::other("it does not begin like a recording"));
    }
    let samples = length.saturating_sub(HEADER_BYTES) / 2;
    let too_long = || io::Error::other("it is longer than WAV can say");
    let true_header = header_of(samples).ok_or_else(too_long)?;
    let true_length = HEADER_BYTES + 2 * samples;
    let duration = duration_of(samples);
    if header == true_header && length == true_length {
        return Ok(Outcome::Whole {
            duration,
            size_bytes: true_length,
        });
    }
    write_header(&mut file, &true_header, true_length)?;
    Ok(Outcome::Repaired {
        duration,
        size_bytes: true_length,
    })
}

fn write_header(file: &mut File, header: &[u8], size_bytes: u64) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(header)?;
    // Half a sample at the end is none.
    file.set_len(size_bytes)?;
    file.sync_all()
}

/// Whether a file that begins with these bytes can be one of ours: as much of the header as reached
/// the disk is right but for the sizes, or none of it did.
fn is_ours(header: &[u8]) -> bool {
    if header.iter().all(|byte| *byte == 0) {
        return true;
    }
    let Some(expected) = header_of(0) else {
        return false;
    };
    let is_size = |at: usize| (4..8).contains(&at) || (40..44).contains(&at);
    let mut pairs = header.iter().zip(expected).enumerate();
    pairs.all(|(at, (byte, expected))| is_size(at) || *byte == expected)
}

/// The header of a file of this many samples, where its sizes fit into 32 bits.
fn header_of(samples: u64) -> Option<Vec<u8>> {
    let data_bytes = u32::try_from(samples.checked_mul(2)?).ok()?;
    let riff_bytes = data_bytes.checked_add(HEADER_BYTES as u32 - 8)?;
    let mut header = Vec::with_capacity(HEADER_BYTES as usize);
    header.extend_from_slice(b"RIFF");
    header.extend_from_slice(&riff_bytes.to_le_bytes());
    header.extend_from_slice(b"WAVEfmt ");
    header.extend_from_slice(&16_u32.to_le_bytes());
    header.extend_from_slice(&1_u16.to_le_bytes()); // linear PCM
    header.extend_from_slice(&1_u16.to_le_bytes()); // channels
    header.extend_from_slice(&SAMPLE_RATE.to_le_bytes());
    header.extend_from_slice(&(2 * SAMPLE_RATE).to_le_bytes()); // bytes in a second
    header.extend_from_slice(&2_u16.to_le_bytes()); // bytes of a sample of all channels
    header.extend_from_slice(&16_u16.to_le_bytes()); // bits of a sample
    header.extend_from_slice(b"data");
    header.extend_from_slice(&data_bytes.to_le_bytes());
    Some(header)
}
