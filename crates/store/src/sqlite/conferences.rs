//! The conferences table.

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use tutti_control_plane::ConferenceRecord;
use tutti_model::{AccountId, ConferenceId};

use super::columns::Columns;
use super::listing::{Key, Table, everything};
use super::{Sqlite, refuse_foreign};
use crate::word::Word;
use crate::{ConferenceFilter, Listing, Page, StoreError};

const CONFERENCES: Table<ConferenceRecord> = Table {
    name: "conferences",
    key: Key::Text("id"),
    read,
};

impl Sqlite {
    pub(crate) async fn conference(
        &self,
        account: AccountId,
        conference: ConferenceId,
    ) -> Result<Option<ConferenceRecord>, StoreError> {
        self.find(&CONFERENCES, account, conference).await
    }

    pub(crate) async fn conferences(
        &self,
        account: AccountId,
        filter: &ConferenceFilter,
        page: &Page,
    ) -> Result<Listing<ConferenceRecord>, StoreError> {
        self.list(&CONFERENCES, account, page, |conditions| {
            conditions.text("status", filter.status.map(Word::word));
            conditions.text("alias", filter.alias.as_ref());
            conditions.during("created", &filter.date_created);
            conditions.during("updated", &filter.date_updated);
        })
        .await
    }
}

pub(super) async fn open(
    connection: &mut SqliteConnection,
) -> Result<Vec<ConferenceRecord>, StoreError> {
    // A terminated conference is still owed the news of a recording that is not complete.
    const OPEN: &str = "status <> 'terminated' OR id IN \
        (SELECT conference FROM recordings WHERE status = 'open')";
    everything(connection, &CONFERENCES, OPEN).await
}

pub(super) async fn write(
    connection: &mut SqliteConnection,
    record: &ConferenceRecord,
) -> Result<(), StoreError> {
    let written = sqlx::query(
        "INSERT INTO conferences
             (id, account, alias, play_beep, record, status, wait_url, action_url,
              status_callback_url, revision, created, updated)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         ON CONFLICT (id) DO UPDATE SET
             alias = excluded.alias,
             play_beep = excluded.play_beep,
             record = excluded.record,
             status = excluded.status,
             wait_url = excluded.wait_url,
             action_url = excluded.action_url,
             status_callback_url = excluded.status_callback_url,
             revision = excluded.revision,
             created = excluded.created,
             updated = excluded.updated
         WHERE conferences.account = excluded.account",
    )
    .bind(record.id.to_string())
    .bind(record.account.to_string())
    .bind(record.alias.as_deref())
    .bind(record.play_beep.word())
    .bind(record.record)
    .bind(record.status.word())
    .bind(record.wait_url.as_deref())
    .bind(record.action_url.as_deref())
    .bind(record.status_callback_url.as_deref())
    .bind(i64::from(record.revision))
    .bind(record.created.as_micros())
    .bind(record.updated.as_micros())
    .execute(connection)
    .await?;
    refuse_foreign(&written, &record.id)
}

fn read(row: &SqliteRow) -> Result<ConferenceRecord, StoreError> {
    let columns = Columns(row);
    Ok(ConferenceRecord {
        id: columns.id("id")?,
        account: columns.id("account")?,
        alias: columns.text_or_null("alias")?,
        play_beep: columns.word("play_beep")?,
        record: columns.flag("record")?,
        status: columns.word("status")?,
        wait_url: columns.text_or_null("wait_url")?,
        action_url: columns.text_or_null("action_url")?,
        status_callback_url: columns.text_or_null("status_callback_url")?,
        revision: columns.number("revision")?,
        created: columns.moment("created")?,
        updated: columns.moment("updated")?,
    })
}
