//! Deletes what is kept for a while only, when that while is over: recordings whose script said so,
//! the lines of the accounts' logs, and the notifications that are told or given up.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tutti_model::Timestamp;
use tutti_recording::recording_path;
use tutti_store::{Store, StoreError};

use crate::clock::Clock;

/// How often is looked: as late a recording may be deleted.
const EVERY: Duration = Duration::from_secs(5);

/// Recordings that are deleted before others get the store again.
const BATCH: u32 = 100;

/// How often is looked for old lines and notifications.
const OLD_EVERY: Duration = Duration::from_secs(60);

/// Lines or notifications that are deleted at once; a commit waits for them for a few milliseconds.
const OLD_BATCH: u32 = 100;

/// How long the store is everybody else's between two such batches.
const OLD_PAUSE: Duration = Duration::from_millis(20);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Starts to look for recordings in this directory whose time is over, and for lines and
/// notifications that are older than so many days; with 0 days they are kept for ever.
pub fn start(store: Store, clock: Clock, recordings_dir: PathBuf, log_days: u16) {
    if log_days > 0 {
        let age = DAY * u32::from(log_days);
        tokio::spawn(forget_old(store.clone(), clock, age));
    }
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

/// Deletes lines and notifications once they have reached this age, as long as the bridge runs.
async fn forget_old(store: Store, clock: Clock, age: Duration) {
    loop {
        if let Err(error) = sweep_events(&store, &clock, age).await {
            tracing::error!(%error, "old notifications cannot be deleted; trying again");
        }
        if let Err(error) = sweep_logs(&store, &clock, age).await {
            tracing::error!(%error, "old log lines cannot be deleted; trying again");
        }
        tokio::time::sleep(OLD_EVERY).await;
    }
}

/// Deletes all lines older than this, some at a time, with time for commits in between; tells how
/// many there were.
async fn sweep_logs(store: &Store, clock: &Clock, age: Duration) -> Result<u64, StoreError> {
    let oldest = before(clock, age);
    let mut all = 0;
    loop {
        let deleted = store.delete_logs_before(oldest, OLD_BATCH).await?;
        all += deleted;
        if deleted < u64::from(OLD_BATCH) {
            return Ok(all);
        }
        tokio::time::sleep(OLD_PAUSE).await;
    }
}

/// The same for notifications that are told or given up.
async fn sweep_events(store: &Store, clock: &Clock, age: Duration) -> Result<u64, StoreError> {
    let oldest = before(clock, age);
    let mut all = 0;
    loop {
        let deleted = store.delete_events_before(oldest, OLD_BATCH).await?;
        all += deleted;
        if deleted < u64::from(OLD_BATCH) {
            return Ok(all);
        }
        tokio::time::sleep(OLD_PAUSE).await;
    }
}

/// The moment so long ago.
fn before(clock: &Clock, age: Duration) -> Timestamp {
    let age_micros = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(clock.now().as_micros().saturating_sub(age_micros))
}

/// Deletes the recordings that are due, some at a time; tells how many were.
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
    use tutti_control_plane::{Fact, LogEntry, LogLevel, RecordingRecord, RecordingStatus, Stream};
    use tutti_model::{AccountId, CallId, RecordingId, RequestId};
    use tutti_store::{LogFilter, LogLine, NewEvent, Page};

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

    #[tokio::test]
    async fn lines_go_when_they_have_reached_their_age_however_many_they_are() {
        let store = Store::open("sqlite::memory:").await.unwrap();
        let clock = Clock::start();
        let now = clock.now();
        let days_ago = |days: i64| {
            let day_micros = i64::try_from(DAY.as_micros()).unwrap();
            Timestamp::from_micros(now.as_micros() - days * day_micros)
        };
        let many = OLD_BATCH * 2 + 7;
        let mut lines: Vec<_> = (0..many).map(|_| line(days_ago(31))).collect();
        let kept = [days_ago(29), now];
        lines.extend(kept.map(line));
        store.commit(&[], &[], &lines).await.unwrap();

        let deleted = sweep_logs(&store, &clock, DAY * 30).await.unwrap();
        assert_eq!(deleted, u64::from(many));
        let (filter, page) = (LogFilter::default(), Page::first(100));
        let left = store.logs(ACCOUNT, &filter, &page).await.unwrap().items;
        let left = left.iter().rev().map(|record| record.line.at);
        assert!(left.eq(kept));
    }

    #[tokio::test]
    async fn notifications_go_when_they_have_reached_their_age_unless_they_are_still_to_be_told() {
        let store = Store::open("sqlite::memory:").await.unwrap();
        let clock = Clock::start();
        let month_ago = before(&clock, DAY * 31);
        let many = OLD_BATCH + 7;
        let events: Vec<_> = (0..=many).map(|_| event(month_ago)).collect();
        let ids = store.commit(&[], &events, &[]).await.unwrap();
        let (pending, told) = ids.split_last().unwrap();
        for id in told {
            store.event_delivered(*id).await.unwrap();
        }
        let young = store.commit(&[], &[event(clock.now())], &[]).await.unwrap();
        store.event_delivered(young[0]).await.unwrap();

        let deleted = sweep_events(&store, &clock, DAY * 30).await.unwrap();
        assert_eq!(deleted, u64::from(many));
        let left = store.pending_events(&events[0].lane(), 10).await.unwrap();
        assert!(left.iter().map(|event| event.id).eq([*pending]));
        let after_all = sweep_events(&store, &clock, Duration::ZERO).await.unwrap();
        assert_eq!(after_all, 1, "the young one was still there");
    }

    fn event(created: Timestamp) -> NewEvent {
        NewEvent {
            account: ACCOUNT,
            stream: Stream::Call(CallId::from_bytes([3; 20])),
            request: RequestId::from_bytes([2; 20]),
            url: "https://app.example/status".to_owned(),
            body: b"{}".to_vec(),
            created,
        }
    }

    fn line(at: Timestamp) -> LogLine {
        LogLine {
            at,
            url: None,
            metadata: None,
            entry: LogEntry {
                account: ACCOUNT,
                call: None,
                conference: None,
                level: LogLevel::Info,
                request: RequestId::from_bytes([2; 20]),
                message: "a line".to_owned(),
            },
        }
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
