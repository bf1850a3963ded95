//! The writer thread: from rings to files.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rtrb::Consumer;
use tokio::sync::mpsc::UnboundedSender;
use tutti_model::{RecordingFailure, RecordingId};

use crate::chunk::Chunk;
use crate::floor::{DiskFloor, Measure};
use crate::recorder::RecorderEvent;
use crate::repair::repair_file;
use crate::wav::{AppendError, Appended, WavFile};

/// How long chunks may wait in their rings; the most that is lost when the process is killed.
const POLL: Duration = Duration::from_millis(80);

/// How often the disk's room is measured, and how often a file is made to reach the disk.
const CARE: Duration = Duration::from_secs(1);

/// A recording for the writer, with its file made.
pub(crate) struct NewRecording {
    pub(crate) recording: RecordingId,
    pub(crate) path: PathBuf,
    pub(crate) file: WavFile,
    pub(crate) chunks: Consumer<Chunk>,
}

/// Empties the rings into the files.
pub(crate) struct Writer {
    new_recordings: Receiver<NewRecording>,
    events: UnboundedSender<RecorderEvent>,
    floor: DiskFloor,
    measure: Measure,
    recordings: Vec<Recording>,
    measured_at: Instant,
}

/// A recording that the media thread has not finished.
struct Recording {
    recording: RecordingId,
    path: PathBuf,
    chunks: Consumer<Chunk>,
    state: State,
}

enum State {
    Writing {
        file: WavFile,
        synced_at: Instant,
    },
    /// Its failure has been told; its ring is emptied until the media thread lets go of it.
    Failed,
}

impl Writer {
    pub(crate) fn new(
        new_recordings: Receiver<NewRecording>,
        events: UnboundedSender<RecorderEvent>,
        floor: DiskFloor,
        measure: Measure,
    ) -> Writer {
        Writer {
            new_recordings,
            events,
            floor,
            measure,
            recordings: Vec::new(),
            measured_at: Instant::now(),
        }
    }

    /// Works until the recorder is dropped, then finishes what is open.
    pub(crate) fn run(mut self) {
        let mut last_poll = Instant::now();
        loop {
            let rest = POLL.saturating_sub(last_poll.elapsed());
            let new = if self.recordings.is_empty() {
                // Nothing comes of looking, so nobody is woken for it.
                self.new_recordings
                    .recv()
                    .map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                self.new_recordings.recv_timeout(rest)
            };
            match new {
                Ok(new) => self.recordings.push(Recording::new(new)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if last_poll.elapsed() >= POLL {
                last_poll = Instant::now();
                self.poll();
            }
        }
        for recording in self.recordings.drain(..) {
            recording.finish(&self.events);
        }
    }

    fn poll(&mut self) {
        if self.measured_at.elapsed() >= CARE {
            self.measured_at = Instant::now();
            self.watch_the_floor();
        }
        let events = &self.events;
        self.recordings
            .retain_mut(|recording| recording.poll(events));
        self.sync_one();
    }

    fn watch_the_floor(&mut self) {
        // A disk that cannot be measured is noticed when it cannot be written.
        let Ok(space) = (self.measure)() else { return };
        if self.floor.is_reached(space) {
            for recording in &mut self.recordings {
                recording.fail(RecordingFailure::DiskFull, &self.events);
            }
        }
    }

    /// Makes the file that has waited longest reach the disk. One a round: a slow disk then slows
    /// this down and not the emptying of the rings.
    fn sync_one(&mut self) {
        let waiting = |recording: &&mut Recording| match &recording.state {
            State::Writing { synced_at, .. } => synced_at.elapsed() >= CARE,
            State::Failed => false,
        };
        let longest = self
            .recordings
            .iter_mut()
            .filter(waiting)
            .min_by_key(|recording| match &recording.state {
                State::Writing { synced_at, .. } => Some(*synced_at),
                State::Failed => None,
            });
        if let Some(recording) = longest {
            recording.sync(&self.events);
        }
    }
}

impl Recording {
    fn new(new: NewRecording) -> Recording {
        Recording {
            recording: new.recording,
            path: new.path,
            chunks: new.chunks,
            state: State::Writing {
                file: new.file,
                synced_at: Instant::now(),
            },
        }
    }

    /// Writes what the ring holds; tells whether there is more to come.
    fn poll(&mut self, events: &UnboundedSender<RecorderEvent>) -> bool {
        // Asked first: what was pushed before the producer was dropped is then seen below.
        let abandoned = self.chunks.is_abandoned();
        match self.empty_ring() {
            Ok(Emptied::Gap) => return true,
            Ok(Emptied::All) => {}
            Err(error) => self.fail(failure_of_append(&error), events),
        }
        if !abandoned {
            return true;
        }
        self.complete(events);
        false
    }

    /// Writes everything that the ring holds and ends the file, whether or not more was to come.
    fn finish(mut self, events: &UnboundedSender<RecorderEvent>) {
        loop {
            match self.empty_ring() {
                Ok(Emptied::Gap) => {}
                Ok(Emptied::All) => return self.complete(events),
                Err(error) => return self.fail(failure_of_append(&error), events),
            }
        }
    }

    fn empty_ring(&mut self) -> Result<Emptied, AppendError> {
        let State::Writing { file, .. } = &mut self.state else {
            // The media thread must never find the ring full because of us.
            while self.chunks.pop().is_ok() {}
            return Ok(Emptied::All);
        };
        let mut emptied = Emptied::All;
        let mut wrote = false;
        // A ring can be refilled as fast as it is emptied; what came later waits for the next poll.
        for _ in 0..self.chunks.slots() {
            let Ok(chunk) = self.chunks.peek() else { break };
            wrote = true;
            match file.append(chunk)? {
                Appended::Whole => {
                    let _ = self.chunks.pop();
                }
                Appended::GapRemains => {
                    emptied = Emptied::Gap;
                    break;
                }
            }
        }
        if wrote {
            file.flush()?;
        }
        Ok(emptied)
    }

    fn sync(&mut self, events: &UnboundedSender<RecorderEvent>) {
        let State::Writing { file, synced_at } = &mut self.state else {
            return;
        };
        *synced_at = Instant::now();
        if let Err(error) = file.sync() {
            self.fail(failure_of(&error), events);
        }
    }

    /// Tells that the file is complete, unless its failure has been told.
    fn complete(&mut self, events: &UnboundedSender<RecorderEvent>) {
        let State::Writing { file, .. } = &mut self.state else {
            return;
        };
        if let Err(error) = file.flush().and_then(|()| file.sync()) {
            return self.fail(failure_of(&error), events);
        }
        let ready = RecorderEvent::Ready {
            recording: self.recording,
            duration: file.duration(),
            size_bytes: file.size_bytes(),
        };
        // Nobody may be listening any more; the file is complete all the same.
        let _ = events.send(ready);
    }

    /// Tells that the file ends here, once.
    fn fail(&mut self, failure: RecordingFailure, events: &UnboundedSender<RecorderEvent>) {
        let State::Writing { .. } = &self.state else {
            return;
        };
        // Closed before it is repaired, because closing writes what was buffered.
        self.state = State::Failed;
        if let Err(error) = repair_file(&self.path) {
            tracing::warn!(recording = %self.recording, %error, "a failed recording is unreadable");
        }
        let failed = RecorderEvent::Failed {
            recording: self.recording,
            failure,
        };
        let _ = events.send(failed);
    }
}

/// How far a ring was emptied.
enum Emptied {
    All,
    /// A chunk waits behind a long gap.
    Gap,
}

/// What a failed write means for its recording.
pub(crate) fn failure_of(error: &io::Error) -> RecordingFailure {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => RecordingFailure::DiskFull,
        _ => RecordingFailure::Io(error.to_string()),
    }
}

fn failure_of_append(error: &AppendError) -> RecordingFailure {
    match error {
        AppendError::Io(error) => failure_of(error),
        AppendError::TooLong => RecordingFailure::Io(error.to_string()),
    }
}
