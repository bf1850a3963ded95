//! What the recorder promises, on real files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rtrb::Producer;
use tempfile::TempDir;
use tokio::sync::mpsc::UnboundedReceiver;
use tutti_model::{RecordingFailure, RecordingId};

use crate::floor::{Measure, Space};
use crate::wav::{HEADER_BYTES, MAX_FILE_BYTES};
use crate::*;

const NO_FLOOR: DiskFloor = DiskFloor {
    percent: 0,
    bytes: 0,
};

#[test]
fn a_recording_is_exactly_as_long_as_what_was_pushed() {
    let dir = TempDir::new().unwrap();
    let (recorder, mut events) = Recorder::start(dir.path().to_owned(), NO_FLOOR).unwrap();
    let mut ring = recorder.open(id(1)).unwrap();
    for tick in 0..75 {
        push(&mut ring, chunk(tick));
    }
    drop(ring);
    assert_eq!(
        events.blocking_recv(),
        Some(RecorderEvent::Ready {
            recording: id(1),
            duration: Duration::from_millis(1_500),
            size_bytes: HEADER_BYTES + 2 * 75 * 960,
        })
    );
    let path = recording_path(dir.path(), id(1));
    let expected: Vec<i16> = (0..75).flat_map(|tick| chunk(tick).samples).collect();
    assert_eq!(samples_of(&path), expected);
    assert_eq!(fs::metadata(&path).unwrap().len(), 44 + 2 * 75 * 960);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn gaps_become_silence_and_overlaps_are_taken_once() {
    let dir = TempDir::new().unwrap();
    let (recorder, mut events) = Recorder::start(dir.path().to_owned(), NO_FLOOR).unwrap();
    let mut ring = recorder.open(id(1)).unwrap();
    // 25 s before the first chunk, more than is written in one go; then 10 ticks are missing.
    push(&mut ring, chunk(1_250));
    push(&mut ring, chunk(1_261));
    let overlapping = Chunk {
        position: 1_261 * 960 + 480,
        samples: [9; CHUNK_SAMPLES],
    };
    push(&mut ring, overlapping);
    let repeated = Chunk {
        position: 1_250 * 960,
        samples: [7; CHUNK_SAMPLES],
    };
    push(&mut ring, repeated);
    drop(ring);
    let Some(RecorderEvent::Ready { duration, .. }) = events.blocking_recv() else {
        panic!("the recording failed");
    };
    assert_eq!(duration, Duration::from_millis(1_262 * 20 + 10));

    let mut expected = vec![0; 1_250 * 960];
    expected.extend(chunk(1_250).samples);
    expected.extend([0; 10 * 960]);
    expected.extend(chunk(1_261).samples);
    expected.extend([9; 480]);
    assert!(samples_of(&recording_path(dir.path(), id(1))) == expected);
}

#[test]
fn a_recording_of_nothing_is_an_empty_file() {
    let dir = TempDir::new().unwrap();
    let (recorder, mut events) = Recorder::start(dir.path().to_owned(), NO_FLOOR).unwrap();
    drop(recorder.open(id(1)).unwrap());
    assert_eq!(
        events.blocking_recv(),
        Some(RecorderEvent::Ready {
            recording: id(1),
            duration: Duration::ZERO,
            size_bytes: HEADER_BYTES,
        })
    );
    assert_eq!(samples_of(&recording_path(dir.path(), id(1))), []);
}

#[test]
fn a_file_is_readable_while_it_grows() {
    let dir = TempDir::new().unwrap();
    let (recorder, _events) = Recorder::start(dir.path().to_owned(), NO_FLOOR).unwrap();
    let mut ring = recorder.open(id(1)).unwrap();
    let copy = dir.path().join("copy.wav");
    for tick in 0..100 {
        push(&mut ring, chunk(tick));
    }
    // What a process that is killed here would leave behind; its ring is still open.
    let expected: Vec<i16> = (0..100).flat_map(|tick| chunk(tick).samples).collect();
    eventually(|| {
        fs::copy(recording_path(dir.path(), id(1)), &copy).unwrap();
        samples_of(&copy) == expected
    });
    drop(ring);
}

#[test]
fn dropping_the_recorder_completes_every_file() {
    let dir = TempDir::new().unwrap();
    let (recorder, mut events) = Recorder::start(dir.path().to_owned(), NO_FLOOR).unwrap();
    let mut open = recorder.open(id(1)).unwrap();
    let mut gone = recorder.open(id(2)).unwrap();
    push(&mut open, chunk(0));
    push(&mut gone, chunk(3_000));
    drop(gone);
    drop(recorder);
    let mut ready = Vec::new();
    while let Some(event) = events.blocking_recv() {
        let RecorderEvent::Ready {
            recording,
            duration,
            ..
        } = event
        else {
            panic!("{event:?}");
        };
        ready.push((recording, duration));
    }
    ready.sort();
    assert_eq!(
        ready,
        [
            (id(1), Duration::from_millis(20)),
            (id(2), Duration::from_millis(60_020))
        ]
    );
    assert!(open.is_abandoned());
}

#[test]
fn a_recording_at_the_limit_of_wav_fails_once_and_stays_readable() {
    let dir = TempDir::new().unwrap();
    let limit = HEADER_BYTES + 2 * (10 * 960 + 5);
    let (recorder, mut events) = started(dir.path(), NO_FLOOR, roomy(), roomy(), limit);
    let mut ring = recorder.open(id(1)).unwrap();
    // Far more than the ring holds: it must be emptied after the failure too.
    for tick in 0..1_500 {
        push(&mut ring, chunk(tick));
    }
    drop(ring);
    drop(recorder);
    let Some(RecorderEvent::Failed {
        recording,
        failure: RecordingFailure::Io(reason),
    }) = events.blocking_recv()
    else {
        panic!("the recording did not fail");
    };
    assert_eq!(recording, id(1));
    assert!(reason.contains("4 GiB"), "{reason}");
    assert_eq!(events.blocking_recv(), None);
    let expected: Vec<i16> = (0..10).flat_map(|tick| chunk(tick).samples).collect();
    assert_eq!(samples_of(&recording_path(dir.path(), id(1))), expected);
}

#[test]
fn a_position_beyond_all_files_fails_its_recording_only() {
    let dir = TempDir::new().unwrap();
    let (recorder, mut events) = Recorder::start(dir.path().to_owned(), NO_FLOOR).unwrap();
    let mut lost = recorder.open(id(1)).unwrap();
    let mut fine = recorder.open(id(2)).unwrap();
    let far = Chunk {
        position: u64::MAX,
        samples: [1; CHUNK_SAMPLES],
    };
    push(&mut lost, far);
    push(&mut fine, chunk(0));
    let failed = events.blocking_recv();
    assert!(
        matches!(failed, Some(RecorderEvent::Failed { recording, .. }) if recording == id(1)),
        "{failed:?}"
    );
    drop(fine);
    let ready = events.blocking_recv();
    assert!(
        matches!(ready, Some(RecorderEvent::Ready { recording, .. }) if recording == id(2)),
        "{ready:?}"
    );
}

#[test]
fn below_the_floor_nothing_is_opened() {
    let dir = TempDir::new().unwrap();
    let floor = DiskFloor {
        percent: 100,
        bytes: u64::MAX,
    };
    let (recorder, mut events) = Recorder::start(dir.path().to_owned(), floor).unwrap();
    let refused = recorder.open(id(1));
    assert!(matches!(refused, Err(OpenError::DiskFull)));
    drop(recorder);
    assert_eq!(events.blocking_recv(), None);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn reaching_the_floor_ends_recordings_and_keeps_them() {
    let dir = TempDir::new().unwrap();
    let free = Arc::new(AtomicU64::new(1_000));
    let shrinking = {
        let free = Arc::clone(&free);
        Box::new(move || {
            Ok(Space {
                total_bytes: 10_000,
                free_bytes: free.load(Ordering::Relaxed),
            })
        })
    };
    let floor = DiskFloor {
        percent: 10,
        bytes: u64::MAX,
    };
    let (recorder, mut events) = started(dir.path(), floor, roomy(), shrinking, MAX_FILE_BYTES);
    let mut ring = recorder.open(id(1)).unwrap();
    push(&mut ring, chunk(0));
    let path = recording_path(dir.path(), id(1));
    eventually(|| samples_of(&path).len() == CHUNK_SAMPLES);
    free.store(999, Ordering::Relaxed);
    assert_eq!(
        events.blocking_recv(),
        Some(RecorderEvent::Failed {
            recording: id(1),
            failure: RecordingFailure::DiskFull,
        })
    );
    for tick in 1..1_500 {
        push(&mut ring, chunk(tick));
    }
    assert_eq!(samples_of(&path), chunk(0).samples);
}

#[test]
fn a_write_that_finds_no_room_means_a_full_disk() {
    // Every write to this device fails for want of room.
    let device = Path::new("/dev/full");
    if !device.exists() {
        return;
    }
    let error = fs::write(device, b"x").unwrap_err();
    assert_eq!(
        crate::writer::failure_of(&error),
        RecordingFailure::DiskFull
    );
    let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    assert!(matches!(
        crate::writer::failure_of(&denied),
        RecordingFailure::Io(_)
    ));
}

#[test]
fn the_same_recording_is_not_opened_twice() {
    let dir = TempDir::new().unwrap();
    let (recorder, _events) = Recorder::start(dir.path().to_owned(), NO_FLOOR).unwrap();
    let _first = recorder.open(id(1)).unwrap();
    let Err(refused) = recorder.open(id(1)) else {
        panic!("the file was opened twice");
    };
    assert!(refused.to_string().contains(&id(1).to_string()));
}

#[test]
fn an_unwritable_folder_is_named() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "not a folder").unwrap();
    let path = file.join("recordings");
    let Err(refused) = Recorder::start(path.clone(), NO_FLOOR) else {
        panic!("a folder was made in a file");
    };
    assert!(refused.to_string().contains(&path.display().to_string()));
}

#[test]
fn a_missing_folder_is_made() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a/b");
    let (recorder, _events) = Recorder::start(path.clone(), DiskFloor::default()).unwrap();
    drop(recorder);
    assert_eq!(fs::read_dir(path).unwrap().count(), 0);
}

#[test]
fn repair_makes_every_half_written_file_readable() {
    let dir = TempDir::new().unwrap();
    let whole = written(dir.path(), 1, 50);
    let bytes = fs::read(&whole).unwrap();
    let file = |n: u8, bytes: &[u8]| {
        let path = recording_path(dir.path(), id(n));
        fs::write(&path, bytes).unwrap();
        path
    };
    // Written on after the header was last made true.
    let mut longer = bytes.clone();
    longer.extend([1; 960 * 2]);
    let longer = file(2, &longer);
    // Cut off in the middle of a sample.
    let shorter = file(3, &bytes[..44 + 2 * 100 + 1]);
    // Its header still says zero samples.
    let mut zero_sizes = bytes.clone();
    zero_sizes[4..8].fill(0);
    zero_sizes[40..44].fill(0);
    let zero_sizes = file(4, &zero_sizes);
    // Its header never reached the disk.
    let mut no_header = bytes.clone();
    no_header[..44].fill(0);
    let no_header = file(5, &no_header);
    // Nothing reached the disk, and half a header did.
    let nothing = file(6, &[]);
    let half_header = file(7, &bytes[..20]);
    // Somebody else's.
    let foreign = file(8, b"<html>404</html> and much more text that no header has");
    fs::write(dir.path().join("notes.txt"), "not a recording").unwrap();

    let found = repair(dir.path()).unwrap();
    let samples = [50 * 960, 51 * 960, 100, 50 * 960, 50 * 960, 0, 0];
    for (n, (found, samples)) in (1..).zip(found.iter().zip(samples)) {
        assert_eq!(found.recording, id(n));
        let duration = Duration::from_nanos(samples * 1_000_000_000 / 48_000);
        let size_bytes = HEADER_BYTES + 2 * samples;
        let expected = if n == 1 {
            Outcome::Whole {
                duration,
                size_bytes,
            }
        } else {
            Outcome::Repaired {
                duration,
                size_bytes,
            }
        };
        assert_eq!(found.outcome, expected, "file {n}");
    }
    assert!(matches!(found[7].outcome, Outcome::Broken { .. }));
    assert_eq!(found.len(), 8);

    let truth = samples_of(&whole);
    assert!(samples_of(&longer)[..50 * 960] == truth);
    assert!(samples_of(&shorter) == truth[..100]);
    assert!(samples_of(&zero_sizes) == truth);
    assert!(samples_of(&no_header) == truth);
    assert_eq!(samples_of(&nothing), []);
    assert_eq!(samples_of(&half_header), []);
    assert!(fs::read(foreign).unwrap().starts_with(b"<html>"));

    // What was repaired is whole.
    let again = repair(dir.path()).unwrap();
    let whole = |found: &&Found| matches!(found.outcome, Outcome::Whole { .. });
    assert_eq!(again.iter().filter(whole).count(), 7);
}

#[test]
fn a_missing_folder_has_nothing_to_repair() {
    let dir = TempDir::new().unwrap();
    assert_eq!(repair(&dir.path().join("missing")).unwrap(), []);
}

#[test]
fn many_recordings_are_written_at_once() {
    let dir = TempDir::new().unwrap();
    let (recorder, mut events) = Recorder::start(dir.path().to_owned(), NO_FLOOR).unwrap();
    let mut rings: Vec<_> = (0..30).map(|n| recorder.open(id(n)).unwrap()).collect();
    for tick in 0..200 {
        for ring in &mut rings {
            push(ring, chunk(tick));
        }
    }
    drop(rings);
    for _ in 0..30 {
        let Some(RecorderEvent::Ready { duration, .. }) = events.blocking_recv() else {
            panic!("a recording failed");
        };
        assert_eq!(duration, Duration::from_secs(4));
    }
}

fn started(
    dir: &Path,
    floor: DiskFloor,
    for_opening: Measure,
    for_writing: Measure,
    max_file_bytes: u64,
) -> (Recorder, UnboundedReceiver<RecorderEvent>) {
    Recorder::start_on(
        dir.to_owned(),
        floor,
        for_opening,
        for_writing,
        max_file_bytes,
    )
    .unwrap()
}

/// A disk with all the room there is.
fn roomy() -> Measure {
    Box::new(|| {
        Ok(Space {
            total_bytes: u64::MAX,
            free_bytes: u64::MAX,
        })
    })
}

/// Writes a file of this many ticks and returns where it is.
fn written(dir: &Path, n: u8, ticks: u64) -> std::path::PathBuf {
    let (recorder, _events) = Recorder::start(dir.to_owned(), NO_FLOOR).unwrap();
    let mut ring = recorder.open(id(n)).unwrap();
    for tick in 0..ticks {
        push(&mut ring, chunk(tick));
    }
    drop(recorder);
    recording_path(dir, id(n))
}

/// Pushes as the media thread would, but waits for room: a test is faster than real time.
fn push(ring: &mut Producer<Chunk>, chunk: Chunk) {
    eventually(|| ring.push(chunk).is_ok());
}

fn eventually(mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(60), "never");
        thread::sleep(Duration::from_millis(5));
    }
}

fn chunk(tick: u64) -> Chunk {
    let mut samples = [0; CHUNK_SAMPLES];
    for (n, sample) in samples.iter_mut().enumerate() {
        *sample = (tick as usize * 31 + n) as i16;
    }
    Chunk {
        position: tick * CHUNK_SAMPLES as u64,
        samples,
    }
}

fn id(n: u8) -> RecordingId {
    RecordingId::from_bytes([n; 20])
}

/// What a reader that knows nothing of us finds in a file.
fn samples_of(path: &Path) -> Vec<i16> {
    let mut reader = hound::WavReader::open(path).unwrap();
    assert_eq!(reader.spec().sample_rate, 48_000);
    assert_eq!(reader.spec().channels, 1);
    reader.samples().map(Result::unwrap).collect()
}
