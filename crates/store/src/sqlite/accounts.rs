//! The accounts table, and the table of their secrets.

use sqlx::sqlite::SqliteRow;
use tutti_control_plane::AccountRecord;
use tutti_model::AccountId;

use super::Sqlite;
use super::columns::Columns;
use crate::StoreError;
use crate::word::Word;

impl Sqlite {
    pub(crate) async fn account(
        &self,
        account: AccountId,
    ) -> Result<Option<AccountRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT accounts.*, secret
             FROM accounts LEFT JOIN account_secrets ON account = id
             WHERE id = $1 ORDER BY place",
        )
        .bind(account.to_string())
        .fetch_all(&self.readers)
        .await?;
        Ok(read(&rows)?.pop())
    }

    pub(crate) async fn accounts(&self) -> Result<Vec<AccountRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT accounts.*, secret
             FROM accounts LEFT JOIN account_secrets ON account = id
             ORDER BY created, id, place",
        )
        .fetch_all(&self.readers)
        .await?;
        read(&rows)
    }

    pub(crate) async fn put_account(&self, record: &AccountRecord) -> Result<(), StoreError> {
        let id = record.id.to_string();
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let written = sqlx::query(
            "INSERT INTO accounts
                 (id, api_key_hash, status, alias, label, revision, created, updated)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (id) DO UPDATE SET
                 api_key_hash = excluded.api_key_hash,
                 status = excluded.status,
                 alias = excluded.alias,
                 label = excluded.label,
                 revision = excluded.revision,
                 created = excluded.created,
                 updated = excluded.updated
             WHERE accounts.revision + 1 = excluded.revision",
        )
        .bind(id.as_str())
        .bind(record.api_key_hash.to_vec())
        .bind(record.status.word())
        .bind(record.alias.as_deref())
        .bind(record.label.as_deref())
        .bind(i64::from(record.revision))
        .bind(record.created.as_micros())
        .bind(record.updated.as_micros())
        .execute(&mut *transaction)
        .await?;
        if written.rows_affected() == 0 {
            return Err(StoreError::Outdated { id });
        }
        sqlx::query("DELETE FROM account_secrets WHERE account = $1")
            .bind(id.as_str())
            .execute(&mut *transaction)
            .await?;
        for (place, secret) in (0_i64..).zip(&record.signing_secrets) {
            sqlx::query("INSERT INTO account_secrets (account, place, secret) VALUES ($1, $2, $3)")
                .bind(id.as_str())
                .bind(place)
                .bind(secret.as_str())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// Reads accounts of which each has a row for each of its secrets, one after another.
fn read(rows: &[SqliteRow]) -> Result<Vec<AccountRecord>, StoreError> {
    let mut records: Vec<AccountRecord> = Vec::new();
    for row in rows {
        let columns = Columns(row);
        let id = columns.id("id")?;
        let secret = columns.text_or_null("secret")?;
        if let Some(record) = records.last_mut().filter(|record| record.id == id) {
            record.signing_secrets.extend(secret);
            continue;
        }
        let hash = columns.bytes("api_key_hash")?;
        records.push(AccountRecord {
            id,
            api_key_hash: hash.try_into().map_err(|_| StoreError::Damaged {
                column: "api_key_hash",
            })?,
            signing_secrets: secret.into_iter().collect(),
            status: columns.word("status")?,
            alias: columns.text_or_null("alias")?,
            label: columns.text_or_null("label")?,
            revision: columns.number("revision")?,
            created: columns.moment("created")?,
            updated: columns.moment("updated")?,
        });
    }
    Ok(records)
}
