//! Opening a database: its folder, its file, its connections, its tables.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqlitePool};

use super::Sqlite;
use crate::StoreError;
use crate::error::is_locked;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// How long to wait for a lock that another program holds on the file.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

const READERS: u32 = 4;

/// How long a search of the logs may take, and may wait for the ones before it.
const SEARCH_PATIENCE: Duration = Duration::from_secs(5);

impl Sqlite {
    pub(crate) async fn open(url: &str) -> Result<Sqlite, StoreError> {
        match Place::from_url(url)? {
            Place::Memory => open_memory().await,
            Place::File(path) => open_file(path).await,
        }
    }

    pub(crate) async fn open_existing(url: &str) -> Result<Sqlite, StoreError> {
        match Place::from_url(url)? {
            Place::Memory => Err(StoreError::OutOfReach),
            Place::File(path) => open_existing_file(path).await,
        }
    }
}

/// Where a database is.
enum Place {
    Memory,
    File(PathBuf),
}

impl Place {
    fn from_url(url: &str) -> Result<Place, StoreError> {
        let unknown = || StoreError::UnknownAddress {
            url: url.to_owned(),
        };
        let place = url.strip_prefix("sqlite:").ok_or_else(unknown)?;
        match place.strip_prefix("//").unwrap_or(place) {
            "" => Err(unknown()),
            ":memory:" => Ok(Place::Memory),
            path => Ok(Place::File(PathBuf::from(path))),
        }
    }
}

async fn open_memory() -> Result<Sqlite, StoreError> {
    let path = PathBuf::from(":memory:");
    let unusable = |source| StoreError::Unusable {
        path: PathBuf::from(":memory:"),
        source,
    };
    let options = SqliteConnectOptions::from_str("sqlite::memory:").map_err(unusable)?;
    let writer = single_connection()
        .connect_with(options.disable_statement_logging())
        .await
        .map_err(unusable)?;
    migrate(&writer, path).await?;
    Ok(Sqlite {
        readers: writer.clone(),
        searcher: writer.clone(),
        search_patience: None,
        writer,
    })
}

async fn open_file(path: PathBuf) -> Result<Sqlite, StoreError> {
    make_file(&path).map_err(|source| StoreError::Unwritable {
        path: path.clone(),
        source,
    })?;
    let writer = connect(&path, single_connection(), writing(&path)).await?;
    migrate(&writer, path.clone()).await?;
    with_readers(&path, writer).await
}

async fn open_existing_file(path: PathBuf) -> Result<Sqlite, StoreError> {
    if !path.is_file() {
        return Err(StoreError::Missing { path });
    }
    let writer = connect(&path, single_connection(), writing(&path)).await?;
    let applied = sqlx::query_scalar::<_, i64>("SELECT version FROM _sqlx_migrations")
        .fetch_all(&writer)
        .await
        .map_err(|source| unusable(&path, source))?;
    if !applied
        .iter()
        .copied()
        .eq(MIGRATIONS.iter().map(|one| one.version))
    {
        return Err(StoreError::OtherVersion { path });
    }
    with_readers(&path, writer).await
}

async fn with_readers(path: &Path, writer: SqlitePool) -> Result<Sqlite, StoreError> {
    let some = SqlitePoolOptions::new().max_connections(READERS);
    let reading = options(path).pragma("query_only", "ON");
    let readers = connect(path, some, reading.clone()).await?;
    let one = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(SEARCH_PATIENCE);
    let searcher = connect(path, one, reading).await?;
    Ok(Sqlite {
        writer,
        readers,
        searcher,
        search_patience: Some(SEARCH_PATIENCE),
    })
}

async fn connect(
    path: &Path,
    pool: SqlitePoolOptions,
    options: SqliteConnectOptions,
) -> Result<SqlitePool, StoreError> {
    let connected = pool.connect_with(options).await;
    connected.map_err(|source| unusable(path, source))
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(LOCK_PATIENCE)
        .disable_statement_logging()
}

fn writing(path: &Path) -> SqliteConnectOptions {
    options(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
}

fn unusable(path: &Path, source: sqlx::Error) -> StoreError {
    if is_locked(&source) {
        return StoreError::Locked;
    }
    let path = path.to_owned();
    StoreError::Unusable { path, source }
}

/// A pool whose connection is never exchanged for another.
fn single_connection() -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(1)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
}

async fn migrate(writer: &SqlitePool, path: PathBuf) -> Result<(), StoreError> {
    let migrated = MIGRATIONS.run(writer).await;
    migrated.map_err(|source| StoreError::Migration { path, source })
}

/// Makes the folder and the file where they are missing, and checks that the file can be written.
fn make_file(path: &Path) -> io::Result<()> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        && fs::metadata(folder).is_err()
    {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    Ok(())
}
