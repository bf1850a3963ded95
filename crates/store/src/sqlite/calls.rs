//! The calls table.

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use tutti_control_plane::{CallRecord, CallStatus};
use tutti_model::{AccountId, CallId};

use super::columns::{Columns, id_text, micros, word_text};
use super::listing::{Key, Table, everything};
use super::{Sqlite, refuse_foreign};
use crate::word::Word;
use crate::{CallFilter, Listing, Page, StoreError};

const CALLS: Table<CallRecord> = Table {
    name: "calls",
    key: Key::Text("id"),
    read,
};

/// The statuses of calls to which something can still happen.
const ACTIVE: [CallStatus; 3] = [
    CallStatus::Queued,
    CallStatus::Ringing,
    CallStatus::InProgress,
];

impl Sqlite {
    pub(crate) async fn call(
        &self,
        account: AccountId,
        call: CallId,
    ) -> Result<Option<CallRecord>, StoreError> {
        self.find(&CALLS, account, call).await
    }

    pub(crate) async fn calls(
        &self,
        account: AccountId,
        filter: &CallFilter,
        page: &Page,
    ) -> Result<Listing<CallRecord>, StoreError> {
        self.list(&CALLS, account, page, |conditions| {
            if filter.active {
                conditions.any_of("status", &ACTIVE.map(Word::word));
            }
            conditions.text("callee", filter.to.as_ref());
            conditions.text("caller", filter.from.as_ref());
            conditions.text("status", filter.status.map(Word::word));
            conditions.during("started", &filter.started);
            conditions.during("ended", &filter.ended);
            conditions.text("parent", filter.parent);
            conditions.any_of("application", &filter.applications);
        })
        .await
    }
}

pub(super) async fn open(connection: &mut SqliteConnection) -> Result<Vec<CallRecord>, StoreError> {
    let active = "status IN ('queued', 'ringing', 'inProgress')";
    everything(connection, &CALLS, active).await
}

pub(super) async fn write(
    connection: &mut SqliteConnection,
    record: &CallRecord,
) -> Result<(), StoreError> {
    let written = sqlx::query(
        "INSERT INTO calls
             (id, account, application, parent, number, caller, callee, direction, status,
              conference, queue, answered_by, ended_reason, started, connected, ended, revision,
              created, updated)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
              $19)
         ON CONFLICT (id) DO UPDATE SET
             application = excluded.application,
             parent = excluded.parent,
             number = excluded.number,
             caller = excluded.caller,
             callee = excluded.callee,
             direction = excluded.direction,
             status = excluded.status,
             conference = excluded.conference,
             queue = excluded.queue,
             answered_by = excluded.answered_by,
             ended_reason = excluded.ended_reason,
             started = excluded.started,
             connected = excluded.connected,
             ended = excluded.ended,
             revision = excluded.revision,
             created = excluded.created,
             updated = excluded.updated
         WHERE calls.account = excluded.account",
    )
    .bind(record.id.to_string())
    .bind(record.account.to_string())
    .bind(id_text(record.application))
    .bind(id_text(record.parent))
    .bind(id_text(record.number))
    .bind(record.from.as_str())
    .bind(record.to.as_str())
    .bind(record.direction.word())
    .bind(record.status.word())
    .bind(id_text(record.conference))
    .bind(id_text(record.queue))
    .bind(word_text(record.answered_by))
    .bind(word_text(record.ended_reason))
    .bind(micros(record.started))
    .bind(micros(record.connected))
    .bind(micros(record.ended))
    .bind(i64::from(record.revision))
    .bind(record.created.as_micros())
    .bind(record.updated.as_micros())
    .execute(connection)
    .await?;
    refuse_foreign(&written, &record.id)
}

fn read(row: &SqliteRow) -> Result<CallRecord, StoreError> {
    let columns = Columns(row);
    Ok(CallRecord {
        id: columns.id("id")?,
        account: columns.id("account")?,
        application: columns.id_or_null("application")?,
        parent: columns.id_or_null("parent")?,
        number: columns.id_or_null("number")?,
        from: columns.text("caller")?,
        to: columns.text("callee")?,
        direction: columns.word("direction")?,
        status: columns.word("status")?,
        conference: columns.id_or_null("conference")?,
        queue: columns.id_or_null("queue")?,
        answered_by: columns.word_or_null("answered_by")?,
        ended_reason: columns.word_or_null("ended_reason")?,
        started: columns.moment_or_null("started")?,
        connected: columns.moment_or_null("connected")?,
        ended: columns.moment_or_null("ended")?,
        revision: columns.number("revision")?,
        created: columns.moment("created")?,
        updated: columns.moment("updated")?,
    })
}
