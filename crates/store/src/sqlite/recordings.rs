//! The recordings table.

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use tutti_control_plane::{RecordingRecord, RecordingStatus};
use tutti_model::{AccountId, RecordingId, Timestamp};

use super::columns::{Columns, duration_micros, id_text, integer, micros};
use super::listing::{Key, Table, everything};
use super::{Sqlite, refuse_foreign};
use crate::{Listing, Page, RecordingFilter, StoreError};

const RECORDINGS: Table<RecordingRecord> = Table {
    name: "recordings",
    key: Key::Text("id"),
    read,
};

const OPEN: &str = "open";
const READY: &str = "ready";
const FAILED: &str = "failed";

impl Sqlite {
    pub(crate) async fn recording(
        &self,
        account: AccountId,
        recording: RecordingId,
    ) -> Result<Option<RecordingRecord>, StoreError> {
        self.find(&RECORDINGS, account, recording).await
    }

    pub(crate) async fn recordings(
        &self,
        account: AccountId,
        filter: &RecordingFilter,
        page: &Page,
    ) -> Result<Listing<RecordingRecord>, StoreError> {
        self.list(&RECORDINGS, account, page, |conditions| {
            conditions.text("call", filter.call);
            conditions.text("conference", filter.conference);
            conditions.during("created", &filter.date_created);
            conditions.not("status", filter.finished.then_some(OPEN));
        })
        .await
    }

    pub(crate) async fn recordings_due(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<RecordingRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM recordings WHERE kept_until <= $1 AND status <> $2
             ORDER BY kept_until, id LIMIT $3",
        )
        .bind(now.as_micros())
        .bind(OPEN)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(read).collect()
    }

    pub(crate) async fn delete_recording(
        &self,
        account: AccountId,
        recording: RecordingId,
    ) -> Result<bool, StoreError> {
        self.delete(RECORDINGS.name, account, recording).await
    }
}

pub(super) async fn open(
    connection: &mut SqliteConnection,
) -> Result<Vec<RecordingRecord>, StoreError> {
    everything(connection, &RECORDINGS, "status = 'open'").await
}

pub(super) async fn write(
    connection: &mut SqliteConnection,
    record: &RecordingRecord,
) -> Result<(), StoreError> {
    let (status, duration, size, failure) = match &record.status {
        RecordingStatus::Open => (OPEN, None, None, None),
        RecordingStatus::Ready {
            duration,
            size_bytes,
        } => (
            READY,
            Some(duration_micros(*duration)),
            Some(integer(*size_bytes)),
            None,
        ),
        RecordingStatus::Failed { reason } => (FAILED, None, None, Some(reason.as_str())),
    };
    let written = sqlx::query(
        "INSERT INTO recordings
             (id, account, call, conference, status, duration_micros, size_bytes, failure,
              kept_until, revision, created, updated)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         ON CONFLICT (id) DO UPDATE SET
             call = excluded.call,
             conference = excluded.conference,
             status = excluded.status,
             duration_micros = excluded.duration_micros,
             size_bytes = excluded.size_bytes,
             failure = excluded.failure,
             kept_until = excluded.kept_until,
             revision = excluded.revision,
             created = excluded.created,
             updated = excluded.updated
         WHERE recordings.account = excluded.account",
    )
    .bind(record.id.to_string())
    .bind(record.account.to_string())
    .bind(id_text(record.call))
    .bind(id_text(record.conference))
    .bind(status)
    .bind(duration)
    .bind(size)
    .bind(failure)
    .bind(micros(record.kept_until))
    .bind(i64::from(record.revision))
    .bind(record.created.as_micros())
    .bind(record.updated.as_micros())
    .execute(connection)
    .await?;
    refuse_foreign(&written, &record.id)
}

fn read(row: &SqliteRow) -> Result<RecordingRecord, StoreError> {
    let columns = Columns(row);
    let status = match columns.text("status")?.as_str() {
        OPEN => RecordingStatus::Open,
        READY => RecordingStatus::Ready {
            duration: columns.duration("duration_micros")?,
            size_bytes: columns.number("size_bytes")?,
        },
        FAILED => RecordingStatus::Failed {
            reason: columns.text("failure")?,
        },
        _ => return Err(StoreError::Damaged { column: "status" }),
    };
    Ok(RecordingRecord {
        id: columns.id("id")?,
        account: columns.id("account")?,
        call: columns.id_or_null("call")?,
        conference: columns.id_or_null("conference")?,
        status,
        kept_until: columns.moment_or_null("kept_until")?,
        revision: columns.number("revision")?,
        created: columns.moment("created")?,
        updated: columns.moment("updated")?,
    })
}
