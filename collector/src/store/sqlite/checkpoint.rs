//! Writing the log back into the database file, beside the commits instead of in one of them: a commit that has to do it takes a fifth of a second.

use std::{sync::Arc, time::Duration};

use sqlx::SqlitePool;
use tokio::{sync::Notify, time::sleep};

/// How often at most, unless it has become long. What is written again and again goes back once in that time.
const EVERY: Duration = Duration::from_secs(5);
/// Pages of a log that is long, 64 MiB.
const LONG: i64 = 16_384;
const WRITE_BACK: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// Writes back what readers and writer let it, whenever something was written, until it is dropped. `own` is a connection for nothing else,
/// `writer` the one that all commits take turns at.
pub(super) async fn keep_up(own: SqlitePool, writer: SqlitePool, written: Arc<Notify>) {
    loop {
        written.notified().await;
        match write_back(&own, &writer).await {
            Ok(pages) if pages >= LONG => continue,
            Ok(_) => {}
            // Nothing is lost: the log is longer until a commit writes it back itself.
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the database's log could not be written back");
            }
        }
        sleep(EVERY).await;
    }
}

/// How many pages the log had.
async fn write_back(own: &SqlitePool, writer: &SqlitePool) -> sqlx::Result<i64> {
    let (_, pages, _): (i64, i64, i64) = sqlx::query_as(WRITE_BACK).fetch_one(own).await?;
    if pages >= LONG {
        // What was written meanwhile, while nobody writes: only a log that is back as a whole begins anew, and does not grow for ever.
        sqlx::query(WRITE_BACK).execute(writer).await?;
    }
    Ok(pages)
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
