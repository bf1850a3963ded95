//! The numbers table.

use sqlx::sqlite::SqliteRow;
use tutti_control_plane::NumberRecord;
use tutti_model::{AccountId, NumberId};

use super::columns::{Columns, id_text};
use super::listing::{Key, Table};
use super::{Sqlite, refuse_foreign};
use crate::{Listing, NumberFilter, Page, StoreError};

const NUMBERS: Table<NumberRecord> = Table {
    name: "numbers",
    key: Key::Text("id"),
    read,
};

impl Sqlite {
    pub(crate) async fn number(
        &self,
        account: AccountId,
        number: NumberId,
    ) -> Result<Option<NumberRecord>, StoreError> {
        self.find(&NUMBERS, account, number).await
    }

    pub(crate) async fn dialled_number(
        &self,
        phone_number: &str,
    ) -> Result<Option<NumberRecord>, StoreError> {
        let row = sqlx::query("SELECT * FROM numbers WHERE phone_number = $1")
            .bind(phone_number)
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(read).transpose()
    }

    pub(crate) async fn numbers(
        &self,
        account: AccountId,
        filter: &NumberFilter,
        page: &Page,
    ) -> Result<Listing<NumberRecord>, StoreError> {
        self.list(&NUMBERS, account, page, |conditions| {
            conditions.text("phone_number", filter.phone_number.as_ref());
            conditions.text("alias", filter.alias.as_ref());
            conditions.text("application", filter.application);
            conditions.present("application", filter.has_application);
        })
        .await
    }

    pub(crate) async fn put_number(&self, record: &NumberRecord) -> Result<(), StoreError> {
        let written = sqlx::query(
            "INSERT INTO numbers
                 (id, account, application, phone_number, alias, revision, created, updated)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (id) DO UPDATE SET
                 application = excluded.application,
                 phone_number = excluded.phone_number,
                 alias = excluded.alias,
                 revision = excluded.revision,
                 created = excluded.created,
                 updated = excluded.updated
             WHERE numbers.account = excluded.account",
        )
        .bind(record.id.to_string())
        .bind(record.account.to_string())
        .bind(id_text(record.application))
        .bind(record.phone_number.as_str())
        .bind(record.alias.as_deref())
        .bind(i64::from(record.revision))
        .bind(record.created.as_micros())
        .bind(record.updated.as_micros())
        .execute(&self.writer)
        .await
        .map_err(|error| match error.as_database_error() {
            Some(cause) if cause.is_unique_violation() => StoreError::NumberTaken {
                phone_number: record.phone_number.clone(),
            },
            Some(_) | None => StoreError::Database(error),
        })?;
        refuse_foreign(&written, &record.id)
    }

    pub(crate) async fn delete_number(
        &self,
        account: AccountId,
        number: NumberId,
    ) -> Result<bool, StoreError> {
        self.delete(NUMBERS.name, account, number).await
    }
}

fn read(row: &SqliteRow) -> Result<NumberRecord, StoreError> {
    let columns = Columns(row);
    Ok(NumberRecord {
        id: columns.id("id")?,
        account: columns.id("account")?,
        application: columns.id_or_null("application")?,
        phone_number: columns.text("phone_number")?,
        alias: columns.text_or_null("alias")?,
        revision: columns.number("revision")?,
        created: columns.moment("created")?,
        updated: columns.moment("updated")?,
    })
}
