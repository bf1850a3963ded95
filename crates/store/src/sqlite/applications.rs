//! The applications table.

use sqlx::sqlite::SqliteRow;
use tutti_control_plane::ApplicationRecord;
use tutti_model::{AccountId, ApplicationId};

use super::columns::Columns;
use super::listing::{Key, Table};
use super::{Sqlite, refuse_foreign};
use crate::{ApplicationFilter, Listing, Page, StoreError};

const APPLICATIONS: Table<ApplicationRecord> = Table {
    name: "applications",
    key: Key::Text("id"),
    read,
};

impl Sqlite {
    pub(crate) async fn application(
        &self,
        account: AccountId,
        application: ApplicationId,
    ) -> Result<Option<ApplicationRecord>, StoreError> {
        self.find(&APPLICATIONS, account, application).await
    }

    pub(crate) async fn applications(
        &self,
        account: AccountId,
        filter: &ApplicationFilter,
        page: &Page,
    ) -> Result<Listing<ApplicationRecord>, StoreError> {
        self.list(&APPLICATIONS, account, page, |conditions| {
            conditions.text("alias", filter.alias.as_ref());
        })
        .await
    }

    pub(crate) async fn put_application(
        &self,
        record: &ApplicationRecord,
    ) -> Result<(), StoreError> {
        let written = sqlx::query(
            "INSERT INTO applications
                 (id, account, alias, voice_url, voice_fallback_url, call_connect_url,
                  status_callback_url, sms_url, sms_fallback_url, revision, created, updated)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             ON CONFLICT (id) DO UPDATE SET
                 alias = excluded.alias,
                 voice_url = excluded.voice_url,
                 voice_fallback_url = excluded.voice_fallback_url,
                 call_connect_url = excluded.call_connect_url,
                 status_callback_url = excluded.status_callback_url,
                 sms_url = excluded.sms_url,
                 sms_fallback_url = excluded.sms_fallback_url,
                 revision = excluded.revision,
                 created = excluded.created,
                 updated = excluded.updated
             WHERE applications.account = excluded.account",
        )
        .bind(record.id.to_string())
        .bind(record.account.to_string())
        .bind(record.alias.as_deref())
        .bind(record.voice_url.as_deref())
        .bind(record.voice_fallback_url.as_deref())
        .bind(record.call_connect_url.as_deref())
        .bind(record.status_callback_url.as_deref())
        .bind(record.sms_url.as_deref())
        .bind(record.sms_fallback_url.as_deref())
        .bind(i64::from(record.revision))
        .bind(record.created.as_micros())
        .bind(record.updated.as_micros())
        .execute(&self.writer)
        .await?;
        refuse_foreign(&written, &record.id)
    }

    pub(crate) async fn delete_application(
        &self,
        account: AccountId,
        application: ApplicationId,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query(
            "UPDATE numbers SET application = NULL WHERE account = $1 AND application = $2",
        )
        .bind(account.to_string())
        .bind(application.to_string())
        .execute(&mut *transaction)
        .await?;
        let deleted = sqlx::query("DELETE FROM applications WHERE account = $1 AND id = $2")
            .bind(account.to_string())
            .bind(application.to_string())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(deleted.rows_affected() > 0)
    }
}

fn read(row: &SqliteRow) -> Result<ApplicationRecord, StoreError> {
    let columns = Columns(row);
    Ok(ApplicationRecord {
        id: columns.id("id")?,
        account: columns.id("account")?,
        alias: columns.text_or_null("alias")?,
        voice_url: columns.text_or_null("voice_url")?,
        voice_fallback_url: columns.text_or_null("voice_fallback_url")?,
        call_connect_url: columns.text_or_null("call_connect_url")?,
        status_callback_url: columns.text_or_null("status_callback_url")?,
        sms_url: columns.text_or_null("sms_url")?,
        sms_fallback_url: columns.text_or_null("sms_fallback_url")?,
        revision: columns.number("revision")?,
        created: columns.moment("created")?,
        updated: columns.moment("updated")?,
    })
}
