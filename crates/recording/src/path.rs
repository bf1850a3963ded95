//! Where a recording's file is.

use std::path::{Path, PathBuf};

use tutti_model::RecordingId;

/// The file of a recording, named after its identifier.
pub fn recording_path(dir: &Path, recording: RecordingId) -> PathBuf {
    dir.join(format!("{recording}.wav"))
}

/// The recording whose file has this name, if it is a recording's.
pub(crate) fn recording_in(file_name: &str) -> Option<RecordingId> {
    file_name.strip_suffix(".wav")?.parse().ok()
}
