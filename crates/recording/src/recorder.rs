//! The handle: recordings are opened here and end as events.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rtrb::{Producer, RingBuffer};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tutti_model::{RecordingFailure, RecordingId};

use crate::chunk::Chunk;
use crate::floor::{DiskFloor, Measure, measure};
use crate::path::recording_path;
use crate::wav::{MAX_FILE_BYTES, WavFile};
use crate::writer::{self, NewRecording, Writer};

/// How much a ring holds while the disk stalls: 10 s.
const RING_CHUNKS: usize = 500;

/// Writes all recordings of one folder, on a thread of its own.
///
/// Dropping it writes what the rings still hold, ends every file, and waits for that.
pub struct Recorder {
    dir: PathBuf,
    floor: DiskFloor,
    measure: Measure,
    max_file_bytes: u64,
    /// `None` only while it is dropped: its end is what the writer ends for.
    recordings: Option<mpsc::Sender<NewRecording>>,
    writer: Option<JoinHandle<()>>,
}

/// How a recording ended; every opened recording has exactly one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecorderEvent {
    /// The file is complete on the disk.
    Ready {
        recording: RecordingId,
        duration: Duration,
        size_bytes: u64,
    },
    /// The file ends early; what was written is readable.
    Failed {
        recording: RecordingId,
        failure: RecordingFailure,
    },
}

/// Why a recorder cannot work.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The file system does not let files be made there.
    #[error("the recordings folder {} cannot be written: {source}", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
    /// The operating system gives no thread.
    #[error("the recordings' writer thread cannot be started: {0}")]
    NoThread(#[source] io::Error),
}

/// Why a recording cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk is full, or below the floor that is kept free.
    #[error("the disk of the recordings is full, or below the floor that is kept free")]
    DiskFull,
    /// The file cannot be made; the text names it.
    #[error("{0}")]
    Io(#[source] io::Error),
}

impl OpenError {
    /// The same as the way in which a recording ends.
    pub fn into_failure(self) -> RecordingFailure {
        match self {
            OpenError::DiskFull => RecordingFailure::DiskFull,
            OpenError::Io(error) => RecordingFailure::Io(error.to_string()),
        }
    }
}

impl Recorder {
    /// Makes the folder where it is missing, and starts the writer thread.
    pub fn start(
        dir: PathBuf,
        floor: DiskFloor,
    ) -> Result<(Recorder, UnboundedReceiver<RecorderEvent>), StartError> {
        let disk = || measure(dir.clone());
        let (for_opening, for_writing) = (disk(), disk());
        Recorder::start_on(dir, floor, for_opening, for_writing, MAX_FILE_BYTES)
    }

    /// Opens a recording's file, which must not exist yet.
    ///
    /// The ring takes chunks without ever waiting; when the producer is dropped the file ends.
    pub fn open(&self, recording: RecordingId) -> Result<Producer<Chunk>, OpenError> {
        let path = recording_path(&self.dir, recording);
        let refused = |error: io::Error| match writer::failure_of(&error) {
            RecordingFailure::DiskFull => OpenError::DiskFull,
            RecordingFailure::Io(reason) => {
                let text = format!("the recording {} cannot be made: {reason}", path.display());
                OpenError::Io(io::Error::new(error.kind(), text))
            }
        };
        let space = (self.measure)().map_err(refused)?;
        if self.floor.is_reached(space) {
            return Err(OpenError::DiskFull);
        }
        let file = WavFile::create(&path, self.max_file_bytes).map_err(refused)?;
        let (producer, consumer) = RingBuffer::new(RING_CHUNKS);
        let new = NewRecording {
            recording,
            path: path.clone(),
            file,
            chunks: consumer,
        };
        let sent = match &self.recordings {
            Some(recordings) => recordings.send(new).is_ok(),
            None => false,
        };
        if !sent {
            return Err(refused(io::Error::other("the writer thread has ended")));
        }
        Ok(producer)
    }

    pub(crate) fn start_on(
        dir: PathBuf,
        floor: DiskFloor,
        for_opening: Measure,
        for_writing: Measure,
        max_file_bytes: u64,
    ) -> Result<(Recorder, UnboundedReceiver<RecorderEvent>), StartError> {
        make_folder(&dir).map_err(|source| StartError::Unwritable {
            path: dir.clone(),
            source,
        })?;
        let (recordings, new_recordings) = mpsc::channel();
        let (events, received_events) = unbounded_channel();
        let writer = Writer::new(new_recordings, events, floor, for_writing);
        let writer = thread::Builder::new()
            .name("recordings".to_owned())
            .spawn(move || writer.run())
            .map_err(StartError::NoThread)?;
        let recorder = Recorder {
            dir,
            floor,
            measure: for_opening,
            max_file_bytes,
            recordings: Some(recordings),
            writer: Some(writer),
        };
        Ok((recorder, received_events))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.recordings = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the recordings' writer thread has panicked");
        }
    }
}

/// Makes the folder where it is missing, and checks that files can be made in it.
fn make_folder(dir: &Path) -> io::Result<()> {
    if fs::metadata(dir).is_err() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let probe = dir.join(".probe");
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&probe)?;
    fs::remove_file(probe)
}
