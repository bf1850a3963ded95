//! Why the store did not do what it was asked.

use std::io;
use std::path::PathBuf;

use sqlx::migrate::MigrateError;

/// Why the store did not do what it was asked. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The configuration names a database that this build cannot use.
    #[error(
        "the storage address `{url}` is not one of sqlite://path/to/file.db and sqlite::memory:"
    )]
    UnknownAddress { url: String },
    /// The file system does not let the database be written there.
    #[error("the database {} cannot be written: {source}", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
    /// The file is there and SQLite cannot use it.
    #[error("the database {} cannot be opened: {source}", path.display())]
    Unusable { path: PathBuf, source: sqlx::Error },
    /// The file was written by another version, or by something else.
    #[error("the tables of the database {} cannot be brought up to date: {source}", path.display())]
    Migration { path: PathBuf, source: MigrateError },
    /// There is no such file, and it was not to be made.
    #[error("there is no database {}", path.display())]
    Missing { path: PathBuf },
    /// A database in memory is seen by nobody but the process that made it.
    #[error("the storage is in the memory of another process")]
    OutOfReach,
    /// The tables are not those of this version, and they were not to be changed.
    #[error(
        "the database {} was last used by another version of this program; start the bridge of \
         this version once, which brings it up to date",
        path.display()
    )]
    OtherVersion { path: PathBuf },
    /// Another program keeps the database to itself for longer than anybody waits.
    #[error("another program has locked the database; try again when it has finished")]
    Locked,
    /// The log was searched for as long as one question may occupy the store, or others were.
    #[error("searching the log takes too long; ask for less of it, or try again later")]
    TooSlow,
    /// A record has been changed since the one that would replace it was read.
    #[error("{id} has been changed meanwhile; try again")]
    Outdated { id: String },
    /// Another number record has the same digits.
    #[error("the number {phone_number} is in use already")]
    NumberTaken { phone_number: String },
    /// A record would have overwritten one of another account.
    #[error("{id} belongs to another account")]
    ForeignRecord { id: String },
    /// A stored value is not one that this store writes.
    #[error("a row of the database holds an unreadable {column}")]
    Damaged { column: &'static str },
    /// The database failed.
    #[error("the database failed: {0}")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> StoreError {
        if is_locked(&error) {
            return StoreError::Locked;
        }
        if is_interrupted(&error) {
            return StoreError::TooSlow;
        }
        StoreError::Database(error)
    }
}

/// Whether SQLite gave up waiting for a lock: SQLITE_BUSY in any of its extended forms.
pub(crate) fn is_locked(error: &sqlx::Error) -> bool {
    const SQLITE_BUSY: u32 = 5;
    has_code(error, SQLITE_BUSY)
}

/// Whether a statement was stopped because its time was over: SQLITE_INTERRUPT.
fn is_interrupted(error: &sqlx::Error) -> bool {
    const SQLITE_INTERRUPT: u32 = 9;
    has_code(error, SQLITE_INTERRUPT)
}

fn has_code(error: &sqlx::Error, primary: u32) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    let code = code.and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == primary)
}
