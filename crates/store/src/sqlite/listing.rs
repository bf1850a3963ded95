//! Reading one record or a page of them, always of one account.

use std::time::Instant;

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Connection, QueryBuilder, SqliteConnection};
use tutti_model::{AccountId, Timestamp};

use super::Sqlite;
use super::columns::integer;
use crate::{Listing, Page, StoreError, TimeRange};

/// After how many steps of SQLite's machine the clock is looked at: a millisecond or a few.
const STEPS: i32 = 4096;

/// A table, and how its rows become records.
pub(super) struct Table<R> {
    pub(super) name: &'static str,
    /// What tells apart the records of one moment.
    pub(super) key: Key,
    pub(super) read: fn(&SqliteRow) -> Result<R, StoreError>,
}

/// A column that identifies rows, as text or as a number.
#[derive(Clone, Copy)]
pub(super) enum Key {
    Text(&'static str),
    Number(&'static str),
}

impl Key {
    fn column(self) -> &'static str {
        match self {
            Key::Text(column) | Key::Number(column) => column,
        }
    }
}

impl Sqlite {
    /// The account's record with this identifier.
    pub(super) async fn find<R>(
        &self,
        table: &Table<R>,
        account: AccountId,
        id: impl ToString,
    ) -> Result<Option<R>, StoreError> {
        let mut query = Conditions::of("*", table.name, account);
        query.text(table.key.column(), Some(id));
        let row = query.0.build().fetch_optional(&self.readers).await?;
        row.as_ref().map(table.read).transpose()
    }

    /// A page of the account's records that meet conditions, newest first.
    pub(super) async fn list<R>(
        &self,
        table: &Table<R>,
        account: AccountId,
        page: &Page,
        narrow: impl Fn(&mut Conditions),
    ) -> Result<Listing<R>, StoreError> {
        let mut count = Conditions::of("COUNT(*)", table.name, account);
        narrow(&mut count);
        let mut rows = Conditions::of("*", table.name, account);
        narrow(&mut rows);
        rows.page(table.key, page);

        // One transaction, so that the total and the page are of the same moment.
        let mut snapshot = self.readers.begin().await?;
        listing(table, &mut snapshot, count, rows).await
    }

    /// The same as `list`, by the connection that searches and for as long as a search may take.
    ///
    /// The total counts no further than `most`.
    pub(super) async fn search<R>(
        &self,
        table: &Table<R>,
        account: AccountId,
        page: &Page,
        most: u32,
        narrow: impl Fn(&mut Conditions),
    ) -> Result<Listing<R>, StoreError> {
        let mut count = Conditions::of("COUNT(*) FROM (SELECT 1", table.name, account);
        narrow(&mut count);
        count.0.push(" LIMIT ").push_bind(i64::from(most)).push(")");
        let mut rows = Conditions::of("*", table.name, account);
        narrow(&mut rows);
        rows.page(table.key, page);

        let mut searcher = match self.searcher.acquire().await {
            Err(sqlx::Error::PoolTimedOut) => return Err(StoreError::TooSlow),
            acquired => acquired?,
        };
        if let Some(patience) = self.search_patience {
            let deadline = Instant::now() + patience;
            // It stays until the next search sets its own, and so stops this one even when nobody
            // waits for it any more.
            searcher
                .lock_handle()
                .await?
                .set_progress_handler(STEPS, move || Instant::now() < deadline);
        }
        let mut snapshot = searcher.begin().await?;
        listing(table, &mut snapshot, count, rows).await
    }

    /// Removes the account's row with this identifier; tells whether there was one.
    pub(super) async fn delete(
        &self,
        table: &'static str,
        account: AccountId,
        id: impl ToString,
    ) -> Result<bool, StoreError> {
        let sql = format!("DELETE FROM {table} WHERE account = $1 AND id = $2");
        let deleted = sqlx::query(AssertSqlSafe(sql))
            .bind(account.to_string())
            .bind(id.to_string())
            .execute(&self.writer)
            .await?;
        Ok(deleted.rows_affected() > 0)
    }
}

/// Asks for a total and for rows.
async fn listing<R>(
    table: &Table<R>,
    snapshot: &mut SqliteConnection,
    mut count: Conditions,
    mut rows: Conditions,
) -> Result<Listing<R>, StoreError> {
    let count = count.0.build_query_scalar();
    let total: i64 = count.fetch_one(&mut *snapshot).await?;
    let rows = rows.0.build().fetch_all(snapshot).await?;
    let items = rows.iter().map(table.read).collect::<Result<_, _>>()?;
    Ok(Listing {
        items,
        total: u64::try_from(total).unwrap_or(0),
    })
}

/// The rows of all accounts that meet a condition, oldest first.
pub(super) async fn everything<R>(
    connection: &mut SqliteConnection,
    table: &Table<R>,
    condition: &'static str,
) -> Result<Vec<R>, StoreError> {
    let name = table.name;
    let key = table.key.column();
    let sql = format!("SELECT * FROM {name} WHERE {condition} ORDER BY created, {key}");
    let rows = sqlx::query(AssertSqlSafe(sql))
        .fetch_all(connection)
        .await?;
    rows.iter().map(table.read).collect()
}

/// A question that grows by conditions; an absent value adds none.
pub(super) struct Conditions(QueryBuilder<sqlx::Sqlite>);

impl Conditions {
    fn of(what: &'static str, table: &'static str, account: AccountId) -> Conditions {
        let mut query = QueryBuilder::new(format!("SELECT {what} FROM {table} WHERE account = "));
        query.push_bind(account.to_string());
        Conditions(query)
    }

    pub(super) fn text(&mut self, column: &'static str, value: Option<impl ToString>) {
        if let Some(value) = value {
            let query = self.0.push(" AND ").push(column);
            query.push(" = ").push_bind(value.to_string());
        }
    }

    pub(super) fn not(&mut self, column: &'static str, value: Option<&'static str>) {
        if let Some(value) = value {
            let query = self.0.push(" AND ").push(column);
            query.push(" <> ").push_bind(value);
        }
    }

    pub(super) fn flag(&mut self, column: &'static str, value: Option<bool>) {
        if let Some(value) = value {
            let query = self.0.push(" AND ").push(column);
            query.push(" = ").push_bind(value);
        }
    }

    pub(super) fn present(&mut self, column: &'static str, value: Option<bool>) {
        if let Some(value) = value {
            let test = if value { " IS NOT NULL" } else { " IS NULL" };
            self.0.push(" AND ").push(column).push(test);
        }
    }

    pub(super) fn during(&mut self, column: &'static str, range: &TimeRange) {
        let mut bound = |relation: &'static str, moment: Option<Timestamp>| {
            if let Some(moment) = moment {
                let query = self.0.push(" AND ").push(column);
                query.push(relation).push_bind(moment.as_micros());
            }
        };
        bound(" >= ", range.from);
        bound(" < ", range.until);
    }

    /// One of these values; none of them adds no condition.
    pub(super) fn any_of<I: ToString>(&mut self, column: &'static str, values: &[I]) {
        if values.is_empty() {
            return;
        }
        self.0.push(" AND ").push(column).push(" IN (");
        let mut list = self.0.separated(", ");
        for value in values {
            list.push_bind(value.to_string());
        }
        self.0.push(")");
    }

    /// Another condition comes after this.
    pub(super) fn and(&mut self) {
        self.0.push(" AND ");
    }

    pub(super) fn compare<'v, V>(&mut self, column: &'static str, operator: &'static str, value: V)
    where
        V: sqlx::Encode<'v, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite> + 'v,
    {
        let query = self.0.push(column);
        query.push(operator).push_bind(value);
    }

    /// The value occurs in the column, in any case of its ASCII letters.
    pub(super) fn contains(&mut self, column: &'static str, value: String) {
        let query = self.0.push("instr(lower(").push(column);
        query.push("), lower(").push_bind(value).push(")) > 0");
    }

    /// These parts joined by a word, or what stands for none of them.
    pub(super) fn each<T>(
        &mut self,
        word: &'static str,
        none: &'static str,
        parts: &[T],
        add: impl Fn(&mut Conditions, &T),
    ) {
        self.0.push("(");
        for (n, part) in parts.iter().enumerate() {
            if n > 0 {
                self.0.push(word);
            }
            add(self, part);
        }
        if parts.is_empty() {
            self.0.push(none);
        }
        self.0.push(")");
    }

    fn page(&mut self, key: Key, page: &Page) {
        let column = key.column();
        let query = &mut self.0;
        if let Some(position) = &page.after {
            query.push(format_args!(" AND (created, {column}) < ("));
            query.push_bind(position.created.as_micros()).push(", ");
            match key {
                Key::Text(_) => query.push_bind(position.id.clone()),
                // What is no number is no line's position; it comes before all of that moment.
                Key::Number(_) => query.push_bind(integer(position.id.parse().unwrap_or(0))),
            };
            query.push(")");
        }
        query.push(format_args!(" ORDER BY created DESC, {column} DESC LIMIT "));
        query.push_bind(i64::from(page.limit));
    }
}
