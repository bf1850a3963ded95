//! The accounts table.

use sqlx::sqlite::SqliteRow;
use tutti_control_plane::AccountRecord;
use tutti_model::AccountId;

use super::Sqlite;
use super::columns::Columns;
use crate::StoreError;

impl Sqlite {
    pub(crate) async fn account(
        &self,
        account: AccountId,
    ) -> Result<Option<AccountRecord>, StoreError> {
        let row = sqlx::query("SELECT * FROM accounts WHERE id = $1")
            .bind(account.to_string())
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(read).transpose()
    }

    pub(crate) async fn accounts(&self) -> Result<Vec<AccountRecord>, StoreError> {
        let rows = sqlx::query("SELECT * FROM accounts ORDER BY created, id")
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(read).collect()
    }

    pub(crate) async fn put_account(&self, record: &AccountRecord) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO accounts
                 (id, api_key_hash, signing_secret, alias, label, revision, created, updated)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (id) DO UPDATE SET
                 api_key_hash = excluded.api_key_hash,
                 signing_secret = excluded.signing_secret,
                 alias = excluded.alias,
                 label = excluded.label,
                 revision = excluded.revision,
                 created = excluded.created,
                 updated = excluded.updated",
        )
        .bind(record.id.to_string())
        .bind(record.api_key_hash.to_vec())
        .bind(record.signing_secret.as_str())
        .bind(record.alias.as_deref())
        .bind(record.label.as_deref())
        .bind(i64::from(record.revision))
        .bind(record.created.as_micros())
        .bind(record.updated.as_micros())
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}

fn read(row: &SqliteRow) -> Result<AccountRecord, StoreError> {
    let columns = Columns(row);
    let hash = columns.bytes("api_key_hash")?;
    Ok(AccountRecord {
        id: columns.id("id")?,
        api_key_hash: hash.try_into().map_err(|_| StoreError::Damaged {
            column: "api_key_hash",
        })?,
        signing_secret: columns.text("signing_secret")?,
        alias: columns.text_or_null("alias")?,
        label: columns.text_or_null("label")?,
        revision: columns.number("revision")?,
        created: columns.moment("created")?,
        updated: columns.moment("updated")?,
    })
}
