//! The events table and its counters.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use tutti_control_plane::Stream;
use tutti_model::Timestamp;

use super::Sqlite;
use super::columns::{Columns, integer, micros};
use crate::event::{parse_stream, stream_text};
use crate::{EventId, FailedAttempt, Lane, NewEvent, PendingEvent, StoreError};

const PENDING: &str = "pending";
const DELIVERED: &str = "delivered";
const FAILED: &str = "failed";

impl Sqlite {
    pub(crate) async fn pending_lanes(&self) -> Result<Vec<Lane>, StoreError> {
        let rows = sqlx::query(
            "SELECT stream, url FROM events WHERE state = 'pending'
             GROUP BY stream, url ORDER BY MIN(created), stream, url",
        )
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(read_lane).collect()
    }

    pub(crate) async fn pending_events(
        &self,
        lane: &Lane,
        limit: u32,
    ) -> Result<Vec<PendingEvent>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM events WHERE stream = $1 AND url = $2 AND state = 'pending'
             ORDER BY seq LIMIT $3",
        )
        .bind(stream_text(lane.stream))
        .bind(lane.url.as_str())
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(read).collect()
    }

    pub(crate) async fn has_due_events(&self) -> Result<bool, StoreError> {
        let due = sqlx::query_scalar(
            "SELECT EXISTS (
                 SELECT 1 FROM events AS head
                 WHERE head.state = 'pending' AND head.retry_at IS NULL AND NOT EXISTS (
                     SELECT 1 FROM events AS before
                     WHERE before.stream = head.stream AND before.url = head.url
                       AND before.seq < head.seq AND before.state = 'pending'))",
        );
        Ok(due.fetch_one(&self.readers).await?)
    }

    pub(crate) async fn has_untried_before(&self, event: EventId) -> Result<bool, StoreError> {
        let untried = sqlx::query_scalar(
            "SELECT EXISTS (
                 SELECT 1 FROM events AS head
                 WHERE head.stream = $1 AND head.seq < $2 AND head.state = 'pending'
                   AND head.attempts = 0 AND NOT EXISTS (
                     SELECT 1 FROM events AS before
                     WHERE before.stream = head.stream AND before.url = head.url
                       AND before.seq < head.seq AND before.state = 'pending'))",
        );
        let untried = untried
            .bind(stream_text(event.stream))
            .bind(integer(event.seq));
        Ok(untried.fetch_one(&self.readers).await?)
    }

    pub(crate) async fn event_delivered(&self, event: EventId) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE events SET state = $1, attempts = attempts + 1, retry_at = NULL
             WHERE stream = $2 AND seq = $3",
        )
        .bind(DELIVERED)
        .bind(stream_text(event.stream))
        .bind(integer(event.seq))
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    pub(crate) async fn event_failed(
        &self,
        event: EventId,
        attempts: u32,
        attempt: &FailedAttempt,
    ) -> Result<(), StoreError> {
        let state = match attempt.retry_at {
            Some(_) => PENDING,
            None => FAILED,
        };
        // What was delivered stays delivered, whoever reports late.
        sqlx::query(
            "UPDATE events SET state = $1, attempts = $2, retry_at = $3, last_error = $4
             WHERE stream = $5 AND seq = $6 AND state = 'pending'",
        )
        .bind(state)
        .bind(i64::from(attempts))
        .bind(micros(attempt.retry_at))
        .bind(attempt.error.as_str())
        .bind(stream_text(event.stream))
        .bind(integer(event.seq))
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    pub(crate) async fn delete_events_before(
        &self,
        moment: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let deleted = sqlx::query(
            "DELETE FROM events WHERE rowid IN
                 (SELECT rowid FROM events WHERE state <> 'pending' AND created < $1
                  ORDER BY created LIMIT $2)",
        )
        .bind(moment.as_micros())
        .bind(i64::from(limit))
        .execute(&self.writer)
        .await?;
        Ok(deleted.rows_affected())
    }
}

pub(super) async fn append(
    connection: &mut SqliteConnection,
    event: &NewEvent,
) -> Result<EventId, StoreError> {
    let stream = stream_text(event.stream);
    let numbered = sqlx::query(
        "INSERT INTO streams (stream, next_seq) VALUES ($1, 2)
         ON CONFLICT (stream) DO UPDATE SET next_seq = next_seq + 1
         RETURNING next_seq - 1 AS seq",
    )
    .bind(stream.as_str())
    .fetch_one(&mut *connection)
    .await?;
    let seq: i64 = numbered.try_get("seq")?;
    sqlx::query(
        "INSERT INTO events
             (stream, seq, account, request, url, body, created, state, attempts)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)",
    )
    .bind(stream)
    .bind(seq)
    .bind(event.account.to_string())
    .bind(event.request.to_string())
    .bind(event.url.as_str())
    .bind(event.body.as_slice())
    .bind(event.created.as_micros())
    .bind(PENDING)
    .execute(connection)
    .await?;
    Ok(EventId {
        stream: event.stream,
        seq: Columns(&numbered).number("seq")?,
    })
}

fn read_stream(row: &SqliteRow) -> Result<Stream, StoreError> {
    let text = Columns(row).text("stream")?;
    parse_stream(&text).ok_or(StoreError::Damaged { column: "stream" })
}

fn read_lane(row: &SqliteRow) -> Result<Lane, StoreError> {
    Ok(Lane {
        stream: read_stream(row)?,
        url: Columns(row).text("url")?,
    })
}

fn read(row: &SqliteRow) -> Result<PendingEvent, StoreError> {
    let columns = Columns(row);
    Ok(PendingEvent {
        id: EventId {
            stream: read_stream(row)?,
            seq: columns.number("seq")?,
        },
        account: columns.id("account")?,
        request: columns.id("request")?,
        url: columns.text("url")?,
        body: columns.bytes("body")?,
        created: columns.moment("created")?,
        attempts: columns.number("attempts")?,
        retry_at: columns.moment_or_null("retry_at")?,
    })
}
