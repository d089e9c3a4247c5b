use rollcall_shared::{ApiTokenId, Timestamp, UserId};

use super::{PostgresStore, Result, agents::finish, history};
use crate::store::{
    ApiTokenRecord, AuditEntry, SessionRecord, UserRecord,
    codec::{self, ApiTokenRow, PersonRow, SessionRow, hash_text},
    columns,
};

const INSERT_PERSON: &str = "INSERT INTO person (id, name, password_hash, role, disabled, created_at)
    SELECT r.id, r.name, r.password_hash, r.role, r.disabled, r.created_at
    FROM json_to_recordset($1::json) AS r (
        id uuid, name text, password_hash text, role text, disabled boolean, created_at bigint) ON CONFLICT (name) DO NOTHING";
const UPDATE_PERSON: &str = "UPDATE person SET password_hash = p.password_hash, role = p.role, disabled = p.disabled
    FROM json_to_recordset($1::json) AS p (id uuid, password_hash text, role text, disabled boolean)
    WHERE person.id = p.id";
const PERSON: &str = json_rows!(columns::person!(), "FROM person WHERE id = $1");
const PERSON_BY_NAME: &str = json_rows!(columns::person!(), "FROM person WHERE name = $1");
const EVERYBODY: &str = json_rows!(columns::person!(), order "name COLLATE \"C\"", "FROM person");

const INSERT_SESSION: &str = "INSERT INTO session (secret_hash, person, csrf, created_at, expires_at)
    SELECT r.secret_hash, r.person, r.csrf, r.created_at, r.expires_at
    FROM json_to_recordset($1::json) AS r (
        secret_hash text, person uuid, csrf text, created_at bigint, expires_at bigint)";
const LIVE_SESSION: &str = json_rows!(columns::session!(), "FROM session WHERE secret_hash = $1 AND expires_at > $2");

const INSERT_API_TOKEN: &str = "INSERT INTO api_token (id, secret_hash, name, person, role, realm, created_at, expires_at, revoked_at)
    SELECT r.id, r.secret_hash, r.name, r.person, r.role, r.realm, r.created_at,
           r.expires_at, r.revoked_at
    FROM json_to_recordset($1::json) AS r (
        id uuid, secret_hash text, name text, person uuid, role text, realm text, created_at bigint, expires_at bigint,
        revoked_at bigint)";
const LIVE_API_TOKEN: &str =
    json_rows!(columns::api_token!(), "FROM api_token WHERE secret_hash = $1 AND expires_at > $2 AND revoked_at IS NULL");
const API_TOKENS: &str = json_rows!(columns::api_token!(), order "created_at DESC, id DESC", "FROM api_token");

impl PostgresStore {
    pub(super) async fn insert_person(&self, user: &UserRecord, audit: &AuditEntry) -> Result<bool> {
        let mut tx = self.write().await?;
        let inserted = sqlx::query(INSERT_PERSON).bind(codec::json(&[PersonRow::from(user)])?).execute(&mut *tx).await?;
        finish(tx, inserted.rows_affected() == 1, audit).await
    }

    pub(super) async fn person_by_name(&self, name: &str) -> Result<Option<UserRecord>> {
        self.read_one::<PersonRow>(sqlx::query_scalar(PERSON_BY_NAME).bind(codec::text(name))).await
    }

    pub(super) async fn person(&self, id: UserId) -> Result<Option<UserRecord>> {
        self.read_one::<PersonRow>(sqlx::query_scalar(PERSON).bind(id.0)).await
    }

    pub(super) async fn everybody(&self) -> Result<Vec<UserRecord>> {
        self.read::<PersonRow>(sqlx::query_scalar(EVERYBODY)).await
    }

    pub(super) async fn update_person(&self, user: &UserRecord, end_sessions: bool, audit: &AuditEntry) -> Result<bool> {
        let mut tx = self.write().await?;
        let updated = sqlx::query(UPDATE_PERSON).bind(codec::json(&[PersonRow::from(user)])?).execute(&mut *tx).await?;
        if end_sessions {
            sqlx::query("DELETE FROM session WHERE person = $1").bind(user.id.0).execute(&mut *tx).await?;
        }
        finish(tx, updated.rows_affected() == 1, audit).await
    }

    /// Also clears away the sessions that have ended by then.
    pub(super) async fn insert_session(&self, session: &SessionRecord) -> Result<()> {
        let mut tx = self.write().await?;
        sqlx::query("DELETE FROM session WHERE expires_at <= $1").bind(session.created_at.as_millis()).execute(&mut *tx).await?;
        sqlx::query(INSERT_SESSION).bind(codec::json(&[SessionRow::from(session)])?).execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }

    pub(super) async fn live_session(&self, secret_hash: &[u8; 32], now: Timestamp) -> Result<Option<SessionRecord>> {
        self.read_one::<SessionRow>(sqlx::query_scalar(LIVE_SESSION).bind(hash_text(secret_hash)).bind(now.as_millis())).await
    }

    pub(super) async fn delete_session(&self, secret_hash: &[u8; 32]) -> Result<()> {
        sqlx::query("DELETE FROM session WHERE secret_hash = $1").bind(hash_text(secret_hash)).execute(&self.pool).await?;
        Ok(())
    }

    pub(super) async fn insert_api_token(&self, token: &ApiTokenRecord, audit: &AuditEntry) -> Result<()> {
        let mut tx = self.write().await?;
        sqlx::query(INSERT_API_TOKEN).bind(codec::json(&[ApiTokenRow::from(token)])?).execute(&mut *tx).await?;
        history::insert_audit(&mut tx, std::slice::from_ref(audit)).await?;
        Ok(tx.commit().await?)
    }

    pub(super) async fn live_api_token(&self, secret_hash: &[u8; 32], now: Timestamp) -> Result<Option<ApiTokenRecord>> {
        self.read_one::<ApiTokenRow>(sqlx::query_scalar(LIVE_API_TOKEN).bind(hash_text(secret_hash)).bind(now.as_millis())).await
    }

    pub(super) async fn all_api_tokens(&self) -> Result<Vec<ApiTokenRecord>> {
        self.read::<ApiTokenRow>(sqlx::query_scalar(API_TOKENS)).await
    }

    pub(super) async fn revoke_one_api_token(&self, id: ApiTokenId, at: Timestamp, audit: &AuditEntry) -> Result<bool> {
        let mut tx = self.write().await?;
        let revoked = sqlx::query("UPDATE api_token SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1")
            .bind(id.0)
            .bind(at.as_millis())
            .execute(&mut *tx)
            .await?;
        finish(tx, revoked.rows_affected() == 1, audit).await
    }
}
