//! The logs table.

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use tutti_control_plane::LogEntry;
use tutti_model::{AccountId, Comparison, LogField, LogQuery, TextTest, Timestamp};

use super::Sqlite;
use super::columns::{Columns, id_text};
use super::listing::{Conditions, Key, Table};
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
            if let Some(query) = &filter.query {
                conditions.and();
                ask(conditions, query);
            }
        })
        .await
    }

    pub(crate) async fn delete_logs_before(
        &self,
        moment: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let deleted = sqlx::query(
            "DELETE FROM logs WHERE id IN
                 (SELECT id FROM logs WHERE created < $1 ORDER BY created LIMIT $2)",
        )
        .bind(moment.as_micros())
        .bind(i64::from(limit))
        .execute(&self.writer)
        .await?;
        Ok(deleted.rows_affected())
    }
}

/// Adds what a query asks for, in brackets: columns and operators are ours, values are bound.
fn ask(conditions: &mut Conditions, query: &LogQuery) {
    match query {
        LogQuery::Text { field, test, value } => {
            let column = column_of(*field);
            match test {
                TextTest::Equal => conditions.compare(column, " = ", value.clone()),
                TextTest::NotEqual => conditions.compare(column, " <> ", value.clone()),
                TextTest::Contains => conditions.contains(column, value.clone()),
            }
        }
        LogQuery::Written { comparison, moment } => {
            let operator = match comparison {
                Comparison::Equal => " = ",
                Comparison::NotEqual => " <> ",
                Comparison::Before => " < ",
                Comparison::AtOrBefore => " <= ",
                Comparison::After => " > ",
                Comparison::AtOrAfter => " >= ",
            };
            conditions.compare("created", operator, moment.as_micros());
        }
        LogQuery::And(queries) => conditions.each(" AND ", "TRUE", queries, ask),
        LogQuery::Or(queries) => conditions.each(" OR ", "FALSE", queries, ask),
    }
}

fn column_of(field: LogField) -> &'static str {
    match field {
        LogField::Level => "level",
        LogField::Call => "call",
        LogField::Request => "request",
        LogField::RequestUrl => "request_url",
        LogField::Message => "message",
    }
}

pub(super) async fn write(
    connection: &mut SqliteConnection,
    line: &LogLine,
) -> Result<(), StoreError> {
    let entry = &line.entry;
    sqlx::query(
        "INSERT INTO logs
             (account, created, level, request, request_url, call, conference, message, metadata)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(entry.account.to_string())
    .bind(line.at.as_micros())
    .bind(entry.level.word())
    .bind(entry.request.to_string())
    .bind(line.url.as_deref())
    .bind(id_text(entry.call))
    .bind(id_text(entry.conference))
    .bind(entry.message.as_str())
    .bind(line.metadata.as_deref())
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
            url: columns.text_or_null("request_url")?,
            metadata: columns.text_or_null("metadata")?,
            entry: LogEntry {
                account: columns.id("account")?,
                call: columns.id_or_null("call")?,
                conference: columns.id_or_null("conference")?,
                level: columns.word("level")?,
                request: columns.id("request")?,
                message: columns.text("message")?,
            },
        },
    })
}
