use rollcall_shared::Timestamp;

use super::{PostgresStore, Result};
use crate::store::{
    ImportId, ImportPart, ImportRecord, ImportState,
    codec::{self, ImportRow},
    columns,
};

const INSERT: &str = "INSERT INTO import_job (id, state, source, created_at, updated_at, body) VALUES ($1, $2, $3, $4, $5, $6)";
const ONE: &str = json_rows!(columns::import_job!(), "FROM import_job WHERE id = $1");
const NEWEST: &str = json_rows!(
    columns::import_job!(),
    order "created_at DESC, id DESC",
    "FROM (SELECT * FROM import_job ORDER BY created_at DESC, id DESC LIMIT $1) AS newest"
);
/// Its conditions are all there is between one click and two.
const ADVANCE: &str = "UPDATE import_job SET state = $2, updated_at = $3, body = $4
    WHERE id = $1 AND state = $5 AND updated_at = $6
      AND (CAST($7 AS BIGINT) = 0 OR NOT EXISTS (SELECT 1 FROM import_job AS other
           WHERE other.id <> $1 AND other.state IN ('applying', 'undoing') AND other.updated_at >= $8))";
const PUT_PART: &str = "INSERT INTO import_part (job, number, rows, results) VALUES ($1, $2, $3, $4)
    ON CONFLICT (job, number) DO UPDATE SET rows = excluded.rows, results = excluded.results";
const PART: &str = "SELECT rows, results FROM import_part WHERE job = $1 AND number = $2";
const PRUNE: &str = "DELETE FROM import_job WHERE updated_at < $1 AND state NOT IN ('applying', 'undoing')";

impl PostgresStore {
    pub(super) async fn insert_import(&self, job: &ImportRecord) -> Result<()> {
        let row = ImportRow::new(job)?;
        sqlx::query(INSERT)
            .bind(row.id)
            .bind(row.state)
            .bind(codec::text(&row.source))
            .bind(row.created_at)
            .bind(row.updated_at)
            .bind(row.body)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub(super) async fn one_import(&self, id: ImportId) -> Result<Option<ImportRecord>> {
        self.read_one::<ImportRow>(sqlx::query_scalar(ONE).bind(id)).await
    }

    pub(super) async fn newest_imports(&self, limit: u32) -> Result<Vec<ImportRecord>> {
        self.read::<ImportRow>(sqlx::query_scalar(NEWEST).bind(i64::from(limit))).await
    }

    pub(super) async fn replace_import(
        &self,
        job: &ImportRecord,
        from: ImportState,
        updated_at: Timestamp,
        stale_before: Timestamp,
    ) -> Result<bool> {
        let row = ImportRow::new(job)?;
        let alone = i64::from(job.state.changes_estate() && !from.changes_estate());
        let mut tx = self.write().await?;
        // Two that become active at once would not see each other.
        if alone == 1 {
            sqlx::query("LOCK TABLE import_job IN SHARE ROW EXCLUSIVE MODE").execute(&mut *tx).await?;
        }
        let replaced = sqlx::query(ADVANCE)
            .bind(row.id)
            .bind(row.state)
            .bind(row.updated_at)
            .bind(row.body)
            .bind(from.as_str())
            .bind(updated_at.as_millis())
            .bind(alone)
            .bind(stale_before.as_millis())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(replaced.rows_affected() == 1)
    }

    pub(super) async fn replace_import_part(&self, id: ImportId, number: u32, part: &ImportPart) -> Result<()> {
        sqlx::query(PUT_PART)
            .bind(id)
            .bind(i64::from(number))
            .bind(part.rows.as_slice())
            .bind(part.results.as_deref())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub(super) async fn one_import_part(&self, id: ImportId, number: u32) -> Result<Option<ImportPart>> {
        let found: Option<(Vec<u8>, Option<Vec<u8>>)> =
            sqlx::query_as(PART).bind(id).bind(i64::from(number)).fetch_optional(&self.pool).await?;
        Ok(found.map(|(rows, results)| ImportPart { rows, results }))
    }

    pub(super) async fn delete_imports(&self, before: Timestamp) -> Result<u64> {
        Ok(sqlx::query(PRUNE).bind(before.as_millis()).execute(&self.pool).await?.rows_affected())
    }
}
