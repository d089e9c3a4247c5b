use std::{fs::OpenOptions, io, os::unix::fs::OpenOptionsExt, path::Path, sync::Arc, time::Duration};

use rollcall_core::Revision;
use sqlx::{
    SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
};

use super::{Result, SqliteStore, checkpoint};
use crate::store::{
    StoreError,
    catalogue::Catalogue,
    open::{Migration, lacking},
};

const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, sql: include_str!("../../../migrations/sqlite/0001_first.sql") },
    Migration { version: 2, sql: include_str!("../../../migrations/sqlite/0002_inference.sql") },
    Migration { version: 3, sql: include_str!("../../../migrations/sqlite/0003_frozen_answers.sql") },
    Migration { version: 5, sql: include_str!("../../../migrations/sqlite/0005_imports.sql") },
    Migration { version: 6, sql: include_str!("../../../migrations/sqlite/0006_views.sql") },
    Migration { version: 7, sql: include_str!("../../../migrations/sqlite/0007_merges.sql") },
    Migration { version: 8, sql: include_str!("../../../migrations/sqlite/0008_superseded.sql") },
    Migration { version: 9, sql: include_str!("../../../migrations/sqlite/0009_keyed_requests.sql") },
    Migration { version: 10, sql: include_str!("../../../migrations/sqlite/0010_classes.sql") },
    Migration { version: 11, sql: include_str!("../../../migrations/sqlite/0011_realms.sql") },
    Migration { version: 12, sql: include_str!("../../../migrations/sqlite/0012_graph_copy.sql") },
];

/// Enough that a page of the UI never waits for another; more would only take memory.
const READERS: u32 = 8;

/// A commit writes the log back itself only where that has not kept up (`checkpoint.rs`) and it is this many pages long, 256 MiB.
const CHECKPOINT_PAGES: &str = "65536";

/// Pages that the writer keeps, KiB, as SQLite says it: those that commits change again and again.
const WRITER_CACHE: &str = "-65536";
/// The same of each reader, of which there are several. What they read again is in the system's cache.
const READER_CACHE: &str = "-2048";

impl SqliteStore {
    /// Opens the file, makes it if it is not there, and brings its schema up to date.
    pub(in crate::store) async fn open(path: &Path) -> Result<Self> {
        match new_private_file(path) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => return Err(StoreError::File { path: path.into(), source }),
            _ => {}
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10))
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
            .pragma("cache_size", WRITER_CACHE);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            // Work queues here as long as it takes; the callers bound how much they let wait.
            .acquire_timeout(Duration::from_secs(300))
            .connect_with(options.clone())
            .await?;
        migrate(&mut *writer.acquire().await?).await?;
        let reading = options.pragma("cache_size", READER_CACHE);
        let readers = SqlitePoolOptions::new().max_connections(READERS).max_lifetime(None).connect_with(reading.clone()).await?;
        let revision: i64 = sqlx::query_scalar("SELECT revision FROM installation").fetch_one(&readers).await?;
        let revision = watch::Sender::new(Revision(revision.unsigned_abs()));
        let written = Arc::new(Notify::new());
        let own = SqlitePoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None).connect_lazy_with(reading);
        let mut background = JoinSet::new();
        background.spawn(checkpoint::keep_up(own, writer.clone(), Arc::clone(&written)));
        Ok(Self { writer, readers, revision, catalogue: Catalogue::default(), written, _background: background })
    }

    /// Writes a copy that is consistent, compact and durable.
    pub(super) async fn copy_to(&self, to: &Path) -> Result<()> {
        let file = |source| StoreError::File { path: to.into(), source };
        let name = to.to_str().ok_or_else(|| file(io::Error::new(io::ErrorKind::InvalidFilename, "the path is not UTF-8")))?;
        new_private_file(to).map_err(file)?;
        let copied = sqlx::query("VACUUM INTO ?1").bind(name).execute(&self.readers).await;
        if let Err(error) = copied {
            // Half a backup is worse than none.
            std::fs::remove_file(to).map_err(file)?;
            return Err(error.into());
        }
        sync(to).map_err(file)
    }
}

/// Password hashes and certificates are in it: nobody else may read it. SQLite gives its side files the same mode.
fn new_private_file(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map(drop)
}

/// Makes a new file and its name durable.
fn sync(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(path)?.sync_all()?;
    std::fs::File::open(directory)?.sync_all()
}

/// The schema version is in the file's header.
async fn migrate(connection: &mut SqliteConnection) -> Result<()> {
    let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await?;
    for migration in lacking(MIGRATIONS, found)? {
        let mut tx = sqlx::Connection::begin_with(&mut *connection, "BEGIN IMMEDIATE").await?;
        // Another process may have done it while this one waited for the lock.
        let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *tx).await?;
        if found < migration.version {
            sqlx::raw_sql(migration.sql).execute(&mut *tx).await?;
            // PRAGMA takes no parameters; the number is ours.
            let set_version = sqlx::AssertSqlSafe(format!("PRAGMA user_version = {}", migration.version));
            sqlx::raw_sql(set_version).execute(&mut *tx).await?;
        }
        tx.commit().await?;
    }
    Ok(())
}
