use rollcall_shared::Timestamp;
use sqlx::Row;

use super::{Result, SqliteStore};
use crate::store::{KeyedAnswer, KeyedRequest, SeenRequest};

const BEGIN: &str = "INSERT INTO keyed_request (actor, request_key, digest, begun_at) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (actor, request_key) DO NOTHING";
const SEEN: &str = "SELECT digest, begun_at, status, content_type, etag, body FROM keyed_request WHERE actor = ?1 AND request_key = ?2";
const FINISH: &str = "UPDATE keyed_request SET status = ?3, content_type = ?4, etag = ?5, body = ?6
    WHERE actor = ?1 AND request_key = ?2";
const FORGET: &str = "DELETE FROM keyed_request WHERE actor = ?1 AND request_key = ?2 AND status IS NULL";
const PRUNE: &str = "DELETE FROM keyed_request WHERE begun_at < ?1";

impl SqliteStore {
    pub(super) async fn begin_keyed(&self, request: &KeyedRequest) -> Result<SeenRequest> {
        let begun = sqlx::query(BEGIN)
            .bind(&request.actor)
            .bind(&request.key)
            .bind(&request.digest)
            .bind(request.begun_at.as_millis())
            .execute(&self.writer)
            .await?;
        if begun.rows_affected() == 1 {
            return Ok(SeenRequest::New);
        }
        let Some(row) = sqlx::query(SEEN).bind(&request.actor).bind(&request.key).fetch_optional(&self.writer).await? else {
            // Forgotten between the two: whoever sends it again will find it new.
            return Ok(SeenRequest::Before { digest: request.digest.clone(), begun_at: request.begun_at, answer: None });
        };
        let answer = match row.try_get::<Option<i32>, _>("status")? {
            None => None,
            Some(status) => Some(KeyedAnswer {
                status: u16::try_from(status).unwrap_or_default(),
                content_type: row.try_get("content_type")?,
                etag: row.try_get("etag")?,
                body: row.try_get("body")?,
            }),
        };
        Ok(SeenRequest::Before { digest: row.try_get("digest")?, begun_at: Timestamp::from_millis(row.try_get("begun_at")?), answer })
    }

    pub(super) async fn finish_keyed(&self, actor: &str, key: &str, answer: &KeyedAnswer) -> Result<()> {
        sqlx::query(FINISH)
            .bind(actor)
            .bind(key)
            .bind(i32::from(answer.status))
            .bind(&answer.content_type)
            .bind(&answer.etag)
            .bind(&answer.body)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    pub(super) async fn forget_keyed(&self, actor: &str, key: &str) -> Result<()> {
        sqlx::query(FORGET).bind(actor).bind(key).execute(&self.writer).await?;
        Ok(())
    }

    pub(super) async fn prune_keyed(&self, before: Timestamp) -> Result<u64> {
        Ok(sqlx::query(PRUNE).bind(before.as_millis()).execute(&self.writer).await?.rows_affected())
    }
}
