//! Facts in one SQLite file.
//!
//! One connection writes and its users take turns, so a commit never meets a locked database; a
//! few others read, beside it, what the last commit left (write-ahead log). One more searches the
//! logs, for a limited time: a search may be as expensive as its author likes, and nobody else waits
//! for it. A commit is on the disk
//! when it returns (`synchronous = FULL`).

mod accounts;
mod applications;
mod calls;
mod columns;
mod commit;
mod conferences;
mod listing;
mod logs;
mod numbers;
mod open;
mod outbox;
mod participants;
mod queues;
mod recordings;

use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::SqliteQueryResult;

use crate::{OpenState, StoreError};

/// One SQLite database. Clones share its connections.
#[derive(Debug, Clone)]
pub(crate) struct Sqlite {
    /// A pool of one.
    writer: SqlitePool,
    /// A database in memory is its connection, so there it is the writer again.
    readers: SqlitePool,
    /// A pool of one that searches the logs, or the writer again.
    searcher: SqlitePool,
    /// How long one search may take; `None` where the searcher is the writer, which nothing may stop.
    search_patience: Option<Duration>,
}

impl Sqlite {
    pub(crate) async fn close(&self) {
        self.searcher.close().await;
        self.readers.close().await;
        self.writer.close().await;
    }

    pub(crate) async fn open_state(&self) -> Result<OpenState, StoreError> {
        let mut snapshot = self.readers.begin().await?;
        let state = OpenState {
            conferences: conferences::open(&mut snapshot).await?,
            participants: participants::open(&mut snapshot).await?,
            calls: calls::open(&mut snapshot).await?,
            recordings: recordings::open(&mut snapshot).await?,
            queues: queues::open(&mut snapshot).await?,
        };
        Ok(state)
    }
}

/// Refuses a write that an owner check has kept from changing anything.
fn refuse_foreign(written: &SqliteQueryResult, id: &impl ToString) -> Result<(), StoreError> {
    if written.rows_affected() == 0 {
        return Err(StoreError::ForeignRecord { id: id.to_string() });
    }
    Ok(())
}
