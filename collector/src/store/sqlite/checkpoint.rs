//! Writing the log back into the database file, beside the commits instead of in one of them: a commit that has to do it takes a fifth of a second.

use std::{sync::Arc, time::Duration};

use sqlx::SqlitePool;
use tokio::{sync::Notify, time::sleep};

/// How often at most. What is written again and again goes back once in that time.
const EVERY: Duration = Duration::from_secs(2);

/// Writes back what readers and writer let it, whenever something was written, until it is dropped.
pub(super) async fn keep_up(connection: SqlitePool, written: Arc<Notify>) {
    loop {
        written.notified().await;
        if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&connection).await {
            // Nothing is lost: the log is longer until a commit writes it back itself.
            tracing::warn!(error = &error as &dyn std::error::Error, "the database's log could not be written back");
        }
        sleep(EVERY).await;
    }
}
