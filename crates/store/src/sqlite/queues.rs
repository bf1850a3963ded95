//! The queues table.

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use tutti_control_plane::QueueRecord;
use tutti_model::{AccountId, QueueId};

use super::columns::{Columns, duration_micros, integer};
use super::listing::{Key, Table, everything};
use super::{Sqlite, refuse_foreign};
use crate::{Listing, Page, QueueFilter, StoreError};

const QUEUES: Table<QueueRecord> = Table {
    name: "queues",
    key: Key::Text("id"),
    read,
};

impl Sqlite {
    pub(crate) async fn queue(
        &self,
        account: AccountId,
        queue: QueueId,
    ) -> Result<Option<QueueRecord>, StoreError> {
        self.find(&QUEUES, account, queue).await
    }

    pub(crate) async fn queues(
        &self,
        account: AccountId,
        filter: &QueueFilter,
        page: &Page,
    ) -> Result<Listing<QueueRecord>, StoreError> {
        self.list(&QUEUES, account, page, |conditions| {
            conditions.text("alias", filter.alias.as_ref());
        })
        .await
    }
}

pub(super) async fn open(
    connection: &mut SqliteConnection,
) -> Result<Vec<QueueRecord>, StoreError> {
    everything(connection, &QUEUES, "TRUE").await
}

pub(super) async fn write(
    connection: &mut SqliteConnection,
    record: &QueueRecord,
) -> Result<(), StoreError> {
    let written = sqlx::query(
        "INSERT INTO queues
             (id, account, alias, max_size, current_size, taken_out, waited_micros, revision,
              created, updated)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (id) DO UPDATE SET
             alias = excluded.alias,
             max_size = excluded.max_size,
             current_size = excluded.current_size,
             taken_out = excluded.taken_out,
             waited_micros = excluded.waited_micros,
             revision = excluded.revision,
             created = excluded.created,
             updated = excluded.updated
         WHERE queues.account = excluded.account",
    )
    .bind(record.id.to_string())
    .bind(record.account.to_string())
    .bind(record.alias.as_deref())
    .bind(i64::from(record.max_size))
    .bind(i64::from(record.current_size))
    .bind(integer(record.taken_out))
    .bind(duration_micros(record.waited))
    .bind(i64::from(record.revision))
    .bind(record.created.as_micros())
    .bind(record.updated.as_micros())
    .execute(connection)
    .await?;
    refuse_foreign(&written, &record.id)
}

fn read(row: &SqliteRow) -> Result<QueueRecord, StoreError> {
    let columns = Columns(row);
    Ok(QueueRecord {
        id: columns.id("id")?,
        account: columns.id("account")?,
        alias: columns.text_or_null("alias")?,
        max_size: columns.number("max_size")?,
        current_size: columns.number("current_size")?,
        taken_out: columns.number("taken_out")?,
        waited: columns.duration("waited_micros")?,
        revision: columns.number("revision")?,
        created: columns.moment("created")?,
        updated: columns.moment("updated")?,
    })
}
