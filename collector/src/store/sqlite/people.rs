use rollcall_shared::{ApiTokenId, Timestamp, UserId};

use super::{Result, SqliteStore, agents::finish, history};
use crate::store::{
    ApiTokenRecord, AuditEntry, SessionRecord, UserRecord,
    codec::{self, ApiTokenRow, PersonRow, SessionRow, hash_text},
    columns,
};

const INSERT_PERSON: &str = "INSERT INTO person (id, name, password_hash, role, disabled, created_at)
    SELECT value ->> 'id', value ->> 'name', value ->> 'password_hash', value ->> 'role', value ->> 'disabled', value ->> 'created_at'
    FROM json_each(?1) WHERE true ON CONFLICT (name) DO NOTHING";
const UPDATE_PERSON: &str = "UPDATE person SET password_hash = p.password_hash, role = p.role, disabled = p.disabled
    FROM (SELECT value ->> 'id' AS id, value ->> 'password_hash' AS password_hash, value ->> 'role' AS role,
                 value ->> 'disabled' AS disabled FROM json_each(?1)) AS p
    WHERE person.id = p.id";
const PERSON: &str = json_rows!(columns::person!(), "FROM person WHERE id = ?1");
const PERSON_BY_NAME: &str = json_rows!(columns::person!(), "FROM person WHERE name = ?1");
const EVERYBODY: &str = json_rows!(columns::person!(), order "name", "FROM person");

const INSERT_SESSION: &str = "INSERT INTO session (secret_hash, person, csrf, created_at, expires_at)
    SELECT value ->> 'secret_hash', value ->> 'person', value ->> 'csrf', value ->> 'created_at', value ->> 'expires_at'
    FROM json_each(?1)";
const LIVE_SESSION: &str = json_rows!(columns::session!(), "FROM session WHERE secret_hash = ?1 AND expires_at > ?2");

const INSERT_API_TOKEN: &str = "INSERT INTO api_token (id, secret_hash, name, person, role, realm, created_at, expires_at, revoked_at)
    SELECT value ->> 'id', value ->> 'secret_hash', value ->> 'name', value ->> 'person', value ->> 'role', value ->> 'realm',
           value ->> 'created_at', value ->> 'expires_at', value ->> 'revoked_at'
    FROM json_each(?1)";
const LIVE_API_TOKEN: &str =
    json_rows!(columns::api_token!(), "FROM api_token WHERE secret_hash = ?1 AND expires_at > ?2 AND revoked_at IS NULL");
const API_TOKENS: &str = json_rows!(columns::api_token!(), order "created_at DESC, id DESC", "FROM api_token");

impl SqliteStore {
    pub(super) async fn insert_person(&self, user: &UserRecord, audit: &AuditEntry) -> Result<bool> {
        let mut tx = self.write().await?;
        let inserted = sqlx::query(INSERT_PERSON).bind(codec::json(&[PersonRow::from(user)])?).execute(&mut *tx).await?;
        finish(tx, inserted.rows_affected() == 1, audit).await
    }

    pub(super) async fn person_by_name(&self, name: &str) -> Result<Option<UserRecord>> {
        self.read_one::<PersonRow>(sqlx::query_scalar(PERSON_BY_NAME).bind(codec::text(name))).await
    }

    pub(super) async fn person(&self, id: UserId) -> Result<Option<UserRecord>> {
        self.read_one::<PersonRow>(sqlx::query_scalar(PERSON).bind(id.to_string())).await
    }

    pub(super) async fn everybody(&self) -> Result<Vec<UserRecord>> {
        self.read::<PersonRow>(sqlx::query_scalar(EVERYBODY)).await
    }

    pub(super) async fn update_person(&self, user: &UserRecord, end_sessions: bool, audit: &AuditEntry) -> Result<bool> {
        let mut tx = self.write().await?;
        let updated = sqlx::query(UPDATE_PERSON).bind(codec::json(&[PersonRow::from(user)])?).execute(&mut *tx).await?;
        if end_sessions {
            sqlx::query("DELETE FROM session WHERE person = ?1").bind(user.id.to_string()).execute(&mut *tx).await?;
        }
        finish(tx, updated.rows_affected() == 1, audit).await
    }

    /// Also clears away the sessions that have ended by then.
    pub(super) async fn insert_session(&self, session: &SessionRecord) -> Result<()> {
        let mut tx = self.write().await?;
        sqlx::query("DELETE FROM session WHERE expires_at <= ?1").bind(session.created_at.as_millis()).execute(&mut *tx).await?;
        sqlx::query(INSERT_SESSION).bind(codec::json(&[SessionRow::from(session)])?).execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }

    pub(super) async fn live_session(&self, secret_hash: &[u8; 32], now: Timestamp) -> Result<Option<SessionRecord>> {
        self.read_one::<SessionRow>(sqlx::query_scalar(LIVE_SESSION).bind(hash_text(secret_hash)).bind(now.as_millis())).await
    }

    pub(super) async fn delete_session(&self, secret_hash: &[u8; 32]) -> Result<()> {
        sqlx::query("DELETE FROM session WHERE secret_hash = ?1").bind(hash_text(secret_hash)).execute(&self.writer).await?;
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
        let revoked = sqlx::query("UPDATE api_token SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1")
            .bind(id.to_string())
            .bind(at.as_millis())
            .execute(&mut *tx)
            .await?;
        finish(tx, revoked.rows_affected() == 1, audit).await
    }
}
