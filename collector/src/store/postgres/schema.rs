use sqlx::PgPool;

use super::Result;
use crate::store::open::{Migration, lacking};

const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, sql: include_str!("../../../migrations/postgres/0001_first.sql") },
    Migration { version: 2, sql: include_str!("../../../migrations/postgres/0002_inference.sql") },
    Migration { version: 3, sql: include_str!("../../../migrations/postgres/0003_frozen_answers.sql") },
    Migration { version: 5, sql: include_str!("../../../migrations/postgres/0005_imports.sql") },
    Migration { version: 6, sql: include_str!("../../../migrations/postgres/0006_views.sql") },
    Migration { version: 7, sql: include_str!("../../../migrations/postgres/0007_merges.sql") },
    Migration { version: 8, sql: include_str!("../../../migrations/postgres/0008_superseded.sql") },
    Migration { version: 9, sql: include_str!("../../../migrations/postgres/0009_keyed_requests.sql") },
    Migration { version: 10, sql: include_str!("../../../migrations/postgres/0010_classes.sql") },
    Migration { version: 11, sql: include_str!("../../../migrations/postgres/0011_realms.sql") },
    Migration { version: 12, sql: include_str!("../../../migrations/postgres/0012_graph_copy.sql") },
];

/// Held while the schema changes, so that collectors that start together do it once. Any number of our own.
const LOCK: i64 = 0x0052_6f6c_6c63_616c;

/// Brings the schema up to date, all steps in one transaction.
pub(super) async fn migrate(pool: &PgPool) -> Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *tx).await?;
    let is_new: bool = sqlx::query_scalar("SELECT to_regclass('schema_version') IS NULL").fetch_one(&mut *tx).await?;
    if is_new {
        sqlx::raw_sql("CREATE TABLE schema_version (version BIGINT NOT NULL)").execute(&mut *tx).await?;
        sqlx::raw_sql("INSERT INTO schema_version (version) VALUES (0)").execute(&mut *tx).await?;
    }
    let found: i64 = sqlx::query_scalar("SELECT version FROM schema_version").fetch_one(&mut *tx).await?;
    for migration in lacking(MIGRATIONS, found)? {
        sqlx::raw_sql(migration.sql).execute(&mut *tx).await?;
        sqlx::query("UPDATE schema_version SET version = $1").bind(migration.version).execute(&mut *tx).await?;
    }
    Ok(tx.commit().await?)
}
