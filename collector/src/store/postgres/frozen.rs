use rollcall_shared::FrozenAnswerId;

use super::{PostgresStore, Result, agents::finish, history};
use crate::store::{
    AuditEntry, FrozenAnswer,
    codec::{self, FrozenAnswerRow},
    columns,
};

const ANSWERS: &str = json_rows!(
    columns::frozen_answer!(),
    order "at DESC, id DESC",
    "FROM (SELECT * FROM frozen_answer ORDER BY at DESC, id DESC LIMIT $1) AS newest"
);
const ANSWER: &str = json_rows!(columns::frozen_answer!(), "FROM frozen_answer WHERE id = $1");

impl PostgresStore {
    pub(super) async fn insert_answer(&self, answer: &FrozenAnswer, body: &[u8], audit: &AuditEntry) -> Result<()> {
        let mut tx = self.write().await?;
        sqlx::query("INSERT INTO frozen_answer (id, at, actor, reason, revision, verdict, body) VALUES ($1, $2, $3, $4, $5, $6, $7)")
            .bind(answer.id.0)
            .bind(answer.at.as_millis())
            .bind(codec::text(&answer.actor))
            .bind(codec::text(&answer.reason))
            .bind(answer.revision.map(|revision| revision.cast_signed()))
            .bind(codec::text(&answer.verdict))
            .bind(body)
            .execute(&mut *tx)
            .await?;
        history::insert_audit(&mut tx, std::slice::from_ref(audit)).await?;
        Ok(tx.commit().await?)
    }

    pub(super) async fn newest_answers(&self, limit: u32) -> Result<Vec<FrozenAnswer>> {
        self.read::<FrozenAnswerRow>(sqlx::query_scalar(ANSWERS).bind(i64::from(limit))).await
    }

    pub(super) async fn one_answer(&self, id: FrozenAnswerId) -> Result<Option<(FrozenAnswer, Vec<u8>)>> {
        let Some(answer) = self.read_one::<FrozenAnswerRow>(sqlx::query_scalar(ANSWER).bind(id.0)).await? else { return Ok(None) };
        let body: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT body FROM frozen_answer WHERE id = $1").bind(id.0).fetch_optional(&self.pool).await?;
        // Deleted in between: there is none.
        Ok(body.map(|body| (answer, body)))
    }

    pub(super) async fn delete_answer(&self, id: FrozenAnswerId, audit: &AuditEntry) -> Result<bool> {
        let mut tx = self.write().await?;
        let deleted = sqlx::query("DELETE FROM frozen_answer WHERE id = $1").bind(id.0).execute(&mut *tx).await?;
        finish(tx, deleted.rows_affected() == 1, audit).await
    }
}
