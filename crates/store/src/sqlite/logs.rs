//! The logs table.

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use tutti_control_plane::LogEntry;
use tutti_model::AccountId;

use super::Sqlite;
use super::columns::{Columns, id_text};
use super::listing::{Key, Table};
use crate::word::Word;
use crate::{Listing, LogFilter, LogLine, LogRecord, Page, StoreError};

const LOGS: Table<LogRecord> = Table {
    name: "logs",
    key: Key::Number("id"),
    read,
};

impl Sqlite {
    pub(crate) async fn logs(
        &self,
        account: AccountId,
        filter: &LogFilter,
        page: &Page,
    ) -> Result<Listing<LogRecord>, StoreError> {
        self.list(&LOGS, account, page, |conditions| {
            conditions.text("level", filter.level.map(Word::word));
            conditions.text("call", filter.call);
            conditions.text("conference", filter.conference);
            conditions.text("request", filter.request);
            conditions.during("created", &filter.at);
        })
        .await
    }
}

pub(super) async fn write(
    connection: &mut SqliteConnection,
    line: &LogLine,
) -> Result<(), StoreError> {
    let entry = &line.entry;
    sqlx::query(
        "INSERT INTO logs (account, created, level, request, call, conference, message)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(entry.account.to_string())
    .bind(line.at.as_micros())
    .bind(entry.level.word())
    .bind(id_text(line.request))
    .bind(id_text(entry.call))
    .bind(id_text(entry.conference))
    .bind(entry.message.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

fn read(row: &SqliteRow) -> Result<LogRecord, StoreError> {
    let columns = Columns(row);
    Ok(LogRecord {
        id: columns.number("id")?,
        line: LogLine {
            at: columns.moment("created")?,
            request: columns.id_or_null("request")?,
            entry: LogEntry {
                account: columns.id("account")?,
                call: columns.id_or_null("call")?,
                conference: columns.id_or_null("conference")?,
                level: columns.word("level")?,
                message: columns.text("message")?,
            },
        },
    })
}
