use std::{path::Path, sync::Arc};

use super::{SharedStore, StoreError, postgres::PostgresStore, sqlite::SqliteStore};

/// Opens the store at `url`, makes it if it is a SQLite file that is not there, and brings its schema up to date.
///
/// `sqlite:PATH` is a file, relative to `data_dir` unless PATH is absolute (`sqlite:` alone: `rollcall.db`);
/// `postgres://USER@HOST/NAME` is a PostgreSQL database.
///
/// # Errors
/// [`StoreError::Address`] for any other address, [`StoreError::TooNew`] if a newer Rollcall has been there.
pub async fn open(url: &str, data_dir: &Path) -> Result<SharedStore, StoreError> {
    match url.split_once(':') {
        Some(("sqlite", path)) => {
            let path = path.strip_prefix("//").unwrap_or(path);
            let path = data_dir.join(if path.is_empty() { "rollcall.db" } else { path });
            Ok(Arc::new(SqliteStore::open(&path).await?))
        }
        Some(("postgres" | "postgresql", _)) => Ok(Arc::new(PostgresStore::open(url).await?)),
        _ => Err(StoreError::Address(
            "the database address is neither sqlite:PATH nor postgres://USER@HOST/NAME; see `database` in the configuration".into(),
        )),
    }
}

/// One step of the schema.
pub(super) struct Migration {
    /// Counts up from 1; the same in both databases.
    pub(super) version: i64,
    /// Its statements.
    pub(super) sql: &'static str,
}

/// The migrations that a database at schema version `found` lacks.
pub(super) fn lacking(migrations: &'static [Migration], found: i64) -> Result<&'static [Migration], StoreError> {
    let known = migrations.last().map_or(0, |migration| migration.version);
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    let done = migrations.iter().take_while(|migration| migration.version <= found).count();
    Ok(&migrations[done..])
}
