//! Writing the log back into the database file, beside the commits instead of in one of them: a commit that has to do it takes a fifth of a second.

use std::{sync::Arc, time::Duration};

use sqlx::SqlitePool;
use tokio::{sync::Notify, time::sleep};

/// How often at most. What is written again and again goes back once in that time.
const EVERY: Duration = Duration::from_secs(5);

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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::store::open;

    #[tokio::test]
    async fn the_log_is_written_back_without_a_commit_that_does_it() {
        const BYTES: usize = 8 << 20;
        let directory = tempfile::tempdir().unwrap();
        let store = open("sqlite:store.db", directory.path()).await.unwrap();
        let size = || std::fs::metadata(directory.path().join("store.db")).unwrap().len();
        store.put_graph_part(Uuid::from_u128(1), 0, &vec![7; BYTES]).await.unwrap();
        let written_back = async {
            while size() < BYTES as u64 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), written_back).await.expect("the log is never written back");
    }
}
