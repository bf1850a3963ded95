//! Deletes recordings that are kept for a while only, when that while is over.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tutti_recording::recording_path;
use tutti_store::{Store, StoreError};

use crate::clock::Clock;

/// How often is looked: as late a recording may be deleted.
const EVERY: Duration = Duration::from_secs(5);

/// Recordings that are deleted before others get the store again.
const BATCH: u32 = 100;

/// Starts to look for recordings whose time is over, in this directory.
pub fn start(store: Store, clock: Clock, recordings_dir: PathBuf) {
    tokio::spawn(async move {
        loop {
            match sweep(&store, &clock, &recordings_dir).await {
                Ok(deleted) if deleted >= BATCH as usize => {}
                Ok(_) => tokio::time::sleep(EVERY).await,
                Err(error) => {
                    tracing::error!(%error, "recordings that are due cannot be deleted; trying again");
                    tokio::time::sleep(EVERY).await;
                }
            }
        }
    });
}

/// Deletes what is due, some at a time; tells how many were.
///
/// The file goes first. Without it nothing can be fetched, and should the process end in between,
/// the record is still due.
async fn sweep(store: &Store, clock: &Clock, recordings_dir: &Path) -> Result<usize, StoreError> {
    let due = store.recordings_due(clock.now(), BATCH).await?;
    let mut deleted = 0;
    for record in due {
        let path = recording_path(recordings_dir, record.id);
        match tokio::fs::remove_file(&path).await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                tracing::error!(recording = %record.id, %error, "a recording's file cannot be deleted");
                continue;
            }
        }
        store.delete_recording(record.account, record.id).await?;
        deleted += 1;
    }
    Ok(deleted)
}

#[cfg(test)]
mod tests {
    use tutti_control_plane::{Fact, RecordingRecord, RecordingStatus};
    use tutti_model::{AccountId, RecordingId, Timestamp};

    use super::*;

    const ACCOUNT: AccountId = AccountId::from_bytes([1; 20]);

    #[tokio::test]
    async fn what_is_due_goes_with_its_file_and_the_rest_stays() {
        let store = Store::open("sqlite::memory:").await.unwrap();
        let (clock, dir) = (Clock::start(), tempfile::tempdir().unwrap());
        let now = clock.now();
        let hour = Duration::from_secs(3_600);
        let past = Timestamp::from_micros(now.as_micros() - 1);
        let (due, without_file, later, kept) = (1, 2, 3, 4);
        for (number, kept_until) in [
            (due, Some(past)),
            (without_file, Some(past)),
            (later, Some(now + hour)),
            (kept, None),
        ] {
            let record = record(number, now, kept_until);
            if number != without_file {
                std::fs::write(recording_path(dir.path(), record.id), b"RIFF").unwrap();
            }
            let fact = Fact::Recording(record);
            store.commit(&[fact], &[], &[]).await.unwrap();
        }

        assert_eq!(sweep(&store, &clock, dir.path()).await.unwrap(), 2);
        for (number, stays) in [
            (due, false),
            (without_file, false),
            (later, true),
            (kept, true),
        ] {
            let id = RecordingId::from_bytes([number; 20]);
            let row = store.recording(ACCOUNT, id).await.unwrap();
            assert_eq!(row.is_some(), stays, "the row of {number}");
            let file = recording_path(dir.path(), id);
            assert_eq!(file.exists(), stays, "the file of {number}");
        }
        assert_eq!(sweep(&store, &clock, dir.path()).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_deleted_keeps_its_record_due() {
        let store = Store::open("sqlite::memory:").await.unwrap();
        let (clock, dir) = (Clock::start(), tempfile::tempdir().unwrap());
        let now = clock.now();
        let record = record(1, now, Some(now));
        // A folder is no file, and cannot be removed like one.
        std::fs::create_dir_all(recording_path(dir.path(), record.id)).unwrap();
        let fact = Fact::Recording(record.clone());
        store.commit(&[fact], &[], &[]).await.unwrap();

        assert_eq!(sweep(&store, &clock, dir.path()).await.unwrap(), 0);
        let due = store.recordings_due(clock.now(), 10).await.unwrap();
        assert_eq!(due, [record]);
    }

    fn record(number: u8, now: Timestamp, kept_until: Option<Timestamp>) -> RecordingRecord {
        RecordingRecord {
            id: RecordingId::from_bytes([number; 20]),
            account: ACCOUNT,
            call: None,
            conference: None,
            status: RecordingStatus::Ready {
                duration: Duration::from_secs(1),
                size_bytes: 4,
            },
            kept_until,
            revision: 1,
            created: now,
            updated: now,
        }
    }
}
