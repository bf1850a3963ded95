//! The participants table: who is in a conference now.

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use tutti_control_plane::ParticipantRecord;
use tutti_model::{AccountId, CallId, ConferenceId};

use super::columns::Columns;
use super::listing::{Key, Table, everything};
use super::{Sqlite, refuse_foreign};
use crate::{Listing, Page, ParticipantFilter, StoreError};

const PARTICIPANTS: Table<ParticipantRecord> = Table {
    name: "participants",
    key: Key::Text("call"),
    read,
};

impl Sqlite {
    pub(crate) async fn participant(
        &self,
        account: AccountId,
        conference: ConferenceId,
        call: CallId,
    ) -> Result<Option<ParticipantRecord>, StoreError> {
        let row = sqlx::query(
            "SELECT * FROM participants WHERE account = $1 AND conference = $2 AND call = $3",
        )
        .bind(account.to_string())
        .bind(conference.to_string())
        .bind(call.to_string())
        .fetch_optional(&self.readers)
        .await?;
        row.as_ref().map(read).transpose()
    }

    pub(crate) async fn participants(
        &self,
        account: AccountId,
        conference: ConferenceId,
        filter: &ParticipantFilter,
        page: &Page,
    ) -> Result<Listing<ParticipantRecord>, StoreError> {
        self.list(&PARTICIPANTS, account, page, |conditions| {
            conditions.text("conference", Some(conference));
            conditions.flag("talk", filter.talk);
            conditions.flag("listen", filter.listen);
            conditions.flag("dtmf_pass_through", filter.dtmf_pass_through);
        })
        .await
    }
}

pub(super) async fn open(
    connection: &mut SqliteConnection,
) -> Result<Vec<ParticipantRecord>, StoreError> {
    everything(connection, &PARTICIPANTS, "TRUE").await
}

pub(super) async fn write(
    connection: &mut SqliteConnection,
    record: &ParticipantRecord,
) -> Result<(), StoreError> {
    let written = sqlx::query(
        "INSERT INTO participants
             (conference, call, account, talk, listen, dtmf_pass_through, started_conference,
              revision, created, updated)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (conference, call) DO UPDATE SET
             talk = excluded.talk,
             listen = excluded.listen,
             dtmf_pass_through = excluded.dtmf_pass_through,
             started_conference = excluded.started_conference,
             revision = excluded.revision,
             created = excluded.created,
             updated = excluded.updated
         WHERE participants.account = excluded.account",
    )
    .bind(record.conference.to_string())
    .bind(record.call.to_string())
    .bind(record.account.to_string())
    .bind(record.talk)
    .bind(record.listen)
    .bind(record.dtmf_pass_through)
    .bind(record.started_conference)
    .bind(i64::from(record.revision))
    .bind(record.created.as_micros())
    .bind(record.updated.as_micros())
    .execute(connection)
    .await?;
    refuse_foreign(&written, &record.call)
}

pub(super) async fn remove(
    connection: &mut SqliteConnection,
    conference: ConferenceId,
    call: CallId,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM participants WHERE conference = $1 AND call = $2")
        .bind(conference.to_string())
        .bind(call.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

fn read(row: &SqliteRow) -> Result<ParticipantRecord, StoreError> {
    let columns = Columns(row);
    Ok(ParticipantRecord {
        account: columns.id("account")?,
        conference: columns.id("conference")?,
        call: columns.id("call")?,
        talk: columns.flag("talk")?,
        listen: columns.flag("listen")?,
        dtmf_pass_through: columns.flag("dtmf_pass_through")?,
        started_conference: columns.flag("started_conference")?,
        revision: columns.number("revision")?,
        created: columns.moment("created")?,
        updated: columns.moment("updated")?,
    })
}
