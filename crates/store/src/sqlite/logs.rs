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

/// Lines that are counted: whoever has more need not know how many, and counting takes time.
const MOST_COUNTED: u32 = 10_001;

impl Sqlite {
    pub(crate) async fn logs(
        &self,
        account: AccountId,
        filter: &LogFilter,
        page: &Page,
    ) -> Result<Listing<LogRecord>, StoreError> {
        self.search(&LOGS, account, page, MOST_COUNTED, |conditions| {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tutti_control_plane::LogLevel;
    use tutti_model::RequestId;

    use super::*;

    const ACCOUNT: AccountId = AccountId::from_bytes([1; 20]);

    #[tokio::test]
    async fn a_search_is_stopped_when_its_time_is_over_and_the_next_one_is_answered() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = filled(&dir, 5_000).await;
        let patience = store.search_patience.replace(Duration::ZERO);
        let stopped = store.logs(ACCOUNT, &nothing(), &Page::first(10)).await;
        assert!(matches!(stopped, Err(StoreError::TooSlow)), "{stopped:?}");

        store.search_patience = patience;
        let searched = store.logs(ACCOUNT, &nothing(), &Page::first(10)).await;
        assert_eq!(searched.unwrap().total, 0);
    }

    #[tokio::test]
    async fn nobody_else_waits_for_those_who_search() {
        let dir = tempfile::tempdir().unwrap();
        let store = filled(&dir, 1).await;
        let searching = store.searcher.acquire().await.unwrap();
        for _ in 0..20 {
            assert_eq!(store.account(ACCOUNT).await.unwrap(), None);
        }
        drop(searching);
        let all = LogFilter::default();
        let listing = store.logs(ACCOUNT, &all, &Page::first(10)).await;
        assert_eq!(listing.unwrap().total, 1);
    }

    #[tokio::test]
    async fn lines_are_counted_up_to_a_limit() {
        let dir = tempfile::tempdir().unwrap();
        let store = filled(&dir, MOST_COUNTED + 5).await;
        let all = LogFilter::default();
        let listing = store.logs(ACCOUNT, &all, &Page::first(3)).await.unwrap();
        assert_eq!(listing.items.len(), 3);
        assert_eq!(listing.total, u64::from(MOST_COUNTED));
    }

    /// A database in a file, whose log has so many lines.
    async fn filled(dir: &tempfile::TempDir, lines: u32) -> Sqlite {
        let url = format!("sqlite://{}/tutti.db", dir.path().display());
        let store = Sqlite::open(&url).await.unwrap();
        let lines: Vec<_> = (0..lines).map(line).collect();
        store.commit(&[], &[], &lines).await.unwrap();
        store
    }

    fn line(number: u32) -> LogLine {
        LogLine {
            at: Timestamp::from_micros(i64::from(number)),
            url: None,
            metadata: None,
            entry: LogEntry {
                account: ACCOUNT,
                call: None,
                conference: None,
                level: LogLevel::Info,
                request: RequestId::from_bytes([2; 20]),
                message: format!("line {number}"),
            },
        }
    }

    /// Asks every line for what none has.
    fn nothing() -> LogFilter {
        LogFilter {
            query: Some(LogQuery::Text {
                field: LogField::Message,
                test: TextTest::Contains,
                value: "silence".to_owned(),
            }),
            ..LogFilter::default()
        }
    }
}
