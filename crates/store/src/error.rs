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
    Database(#[from] sqlx::Error),
}
