use rollcall_shared::Timestamp;
use uuid::Uuid;

use super::{Result, SqliteStore};
use crate::store::GraphCopy;

const FINISH: &str = "INSERT INTO graph_copy (only_one, id, parts, made_at) SELECT 1, ?1, ?2, ?3
    WHERE (SELECT count(*) FROM graph_copy_part WHERE copy = ?1) = ?2
    ON CONFLICT (only_one) DO UPDATE SET id = excluded.id, parts = excluded.parts, made_at = excluded.made_at
    WHERE excluded.id > graph_copy.id";

impl SqliteStore {
    pub(super) async fn insert_graph_part(&self, copy: Uuid, number: u32, bytes: &[u8]) -> Result<()> {
        sqlx::query("INSERT INTO graph_copy_part (copy, number, bytes) VALUES (?1, ?2, ?3)")
            .bind(copy.to_string())
            .bind(i64::from(number))
            .bind(bytes)
            .execute(&self.writer)
            .await?;
        self.written.notify_one();
        Ok(())
    }

    pub(super) async fn replace_graph_copy(&self, copy: &GraphCopy) -> Result<bool> {
        let mut tx = self.write().await?;
        let id = copy.id.to_string();
        let parts = i64::from(copy.parts);
        let replaced = sqlx::query(FINISH).bind(&id).bind(parts).bind(copy.made_at.as_millis()).execute(&mut *tx).await?;
        if replaced.rows_affected() == 1 {
            sqlx::query("DELETE FROM graph_copy_part WHERE copy < ?1").bind(&id).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(replaced.rows_affected() == 1)
    }

    pub(super) async fn whole_graph_copy(&self) -> Result<Option<GraphCopy>> {
        let found: Option<(String, i64, i64)> =
            sqlx::query_as("SELECT id, parts, made_at FROM graph_copy").fetch_optional(&self.readers).await?;
        // A row that is not as this program writes it is no copy.
        Ok(found.and_then(|(id, parts, made_at)| {
            Some(GraphCopy { id: id.parse().ok()?, parts: parts.try_into().ok()?, made_at: Timestamp::from_millis(made_at) })
        }))
    }

    pub(super) async fn one_graph_part(&self, copy: Uuid, number: u32) -> Result<Option<Vec<u8>>> {
        let part = sqlx::query_scalar("SELECT bytes FROM graph_copy_part WHERE copy = ?1 AND number = ?2");
        Ok(part.bind(copy.to_string()).bind(i64::from(number)).fetch_optional(&self.readers).await?)
    }
}
