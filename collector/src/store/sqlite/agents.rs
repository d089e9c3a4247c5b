use rollcall_shared::{AgentId, Digest, Timestamp, TokenId};
use sqlx::{Sqlite, Transaction};
use uuid::Uuid;

use super::{Result, SqliteStore, history};
use crate::store::{
    AgentRecord, AgentState, AuditEntry, EnrollAttempt, EnrollOutcome, IssuedCertificate, TokenRecord,
    codec::{self, AgentRow, TokenRow, count, hash_text},
    columns,
};

const INSERT_TOKEN: &str = "INSERT INTO enrollment_token
    (id, secret_hash, name, max_uses, uses, expires_at, revoked_at, needs_approval, realm, assigned, created_by, created_at)
    SELECT value ->> 'id', value ->> 'secret_hash', value ->> 'name', value ->> 'max_uses', value ->> 'uses', value ->> 'expires_at',
           value ->> 'revoked_at', value ->> 'needs_approval', value ->> 'realm', value ->> 'assigned', value ->> 'created_by',
           value ->> 'created_at'
    FROM json_each(?1)";
const TOKENS: &str = json_rows!(columns::token!(), order "created_at DESC, id DESC", "FROM enrollment_token");
const TOKEN: &str = json_rows!(columns::token!(), "FROM enrollment_token WHERE id = ?1 AND secret_hash = ?2");

/// The one statement that takes a use. Its conditions are all there is between a token and one agent too many.
const TAKE_USE: &str = "UPDATE enrollment_token SET uses = uses + 1
    WHERE id = ?1 AND secret_hash = ?2 AND revoked_at IS NULL AND expires_at > ?3 AND (max_uses IS NULL OR uses < max_uses)";

const INSERT_AGENT: &str = "INSERT INTO agent
    (id, state_reason, token, enroll_nonce, public_key, public_key_digest, certificate_generation, hostname, agent_version, identity,
     realm, assigned, enrolled_at)
    SELECT value ->> 'id', value ->> 'state_reason', value ->> 'token', value ->> 'enroll_nonce', value ->> 'public_key',
           value ->> 'public_key_digest', 0, value ->> 'hostname', value ->> 'agent_version', value ->> 'identity', value ->> 'realm',
           value ->> 'assigned', value ->> 'enrolled_at'
    FROM json_each(?1)";
const INSERT_SEEN: &str = "INSERT INTO seen (agent, state, generation, counter, nonce, root, last_seen, clock_skew_ms)
    SELECT value ->> 'id', value ->> 'state', 0, 0, ?2, value ->> 'root', NULL, 0 FROM json_each(?1)";
const INSERT_INVENTORY: &str = "INSERT INTO inventory (agent, agent_version, dropped_documents, sections)
    SELECT value ->> 'id', value ->> 'agent_version', 0, '{}' FROM json_each(?1)";

const AGENT: &str = json_rows!(columns::agent!(), "FROM agent AS a JOIN seen AS s ON s.agent = a.id WHERE a.id = ?1");
const AGENTS: &str =
    json_rows!(columns::agent!(), order "a.enrolled_at DESC, a.id DESC", "FROM agent AS a JOIN seen AS s ON s.agent = a.id");
const AGENT_OF_ATTEMPT: &str = json_rows!(
    columns::agent!(),
    "FROM agent AS a JOIN seen AS s ON s.agent = a.id WHERE a.token = ?1 AND a.enroll_nonce = ?2 AND a.public_key_digest = ?3"
);
const STORE_CERTIFICATE: &str = "UPDATE agent SET certificate_generation = ?3, certificate_nonce = ?4, certificate_chain = ?5,
    certificate_issued_at = ?6, certificate_not_after = ?7 WHERE id = ?1 AND certificate_generation = ?2";

impl SqliteStore {
    pub(super) async fn insert_token(&self, token: &TokenRecord, audit: &AuditEntry) -> Result<()> {
        let mut tx = self.write().await?;
        sqlx::query(INSERT_TOKEN).bind(codec::json(&[TokenRow::new(token)?])?).execute(&mut *tx).await?;
        history::insert_audit(&mut tx, std::slice::from_ref(audit)).await?;
        Ok(tx.commit().await?)
    }

    pub(super) async fn all_tokens(&self) -> Result<Vec<TokenRecord>> {
        self.read::<TokenRow>(sqlx::query_scalar(TOKENS)).await
    }

    pub(super) async fn revoke_enrollment_token(&self, id: TokenId, at: Timestamp, audit: &AuditEntry) -> Result<bool> {
        let mut tx = self.write().await?;
        let revoked = sqlx::query("UPDATE enrollment_token SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1")
            .bind(id.to_string())
            .bind(at.as_millis())
            .execute(&mut *tx)
            .await?;
        finish(tx, revoked.rows_affected() == 1, audit).await
    }

    pub(super) async fn try_to_enroll(&self, attempt: &EnrollAttempt) -> Result<EnrollOutcome> {
        let (token, secret) = (attempt.token.to_string(), hash_text(&attempt.secret_hash));
        let mut tx = self.write().await?;
        let found: String = sqlx::query_scalar(TOKEN).bind(&token).bind(&secret).fetch_one(&mut *tx).await?;
        let Some(record) = codec::records::<TokenRow>(&found)?.pop() else { return Ok(EnrollOutcome::UnknownToken) };
        let known: String = sqlx::query_scalar(AGENT_OF_ATTEMPT)
            .bind(&token)
            .bind(attempt.nonce.to_string())
            .bind(Digest::of(&attempt.public_key).to_string())
            .fetch_one(&mut *tx)
            .await?;
        if let Some(agent) = codec::records::<AgentRow>(&known)?.pop() {
            return Ok(EnrollOutcome::Known(agent));
        }
        let took = sqlx::query(TAKE_USE).bind(&token).bind(&secret).bind(attempt.at.as_millis()).execute(&mut *tx).await?;
        if took.rows_affected() == 0 {
            return Ok(record.why_not(attempt.at));
        }
        let row = codec::json(&[AgentRow::new(attempt, &record)?])?;
        sqlx::query(INSERT_AGENT).bind(&row).execute(&mut *tx).await?;
        sqlx::query(INSERT_SEEN).bind(&row).bind(Uuid::nil().to_string()).execute(&mut *tx).await?;
        sqlx::query(INSERT_INVENTORY).bind(&row).execute(&mut *tx).await?;
        let created: String = sqlx::query_scalar(AGENT).bind(attempt.new_agent.to_string()).fetch_one(&mut *tx).await?;
        let created = codec::records::<AgentRow>(&created)?.pop().ok_or(sqlx::Error::RowNotFound)?;
        tx.commit().await?;
        Ok(EnrollOutcome::Created(created))
    }

    pub(super) async fn one_agent(&self, id: AgentId) -> Result<Option<AgentRecord>> {
        self.read_one::<AgentRow>(sqlx::query_scalar(AGENT).bind(id.to_string())).await
    }

    pub(super) async fn all_agents(&self) -> Result<Vec<AgentRecord>> {
        self.read::<AgentRow>(sqlx::query_scalar(AGENTS)).await
    }

    pub(super) async fn change_agent_state(&self, id: AgentId, state: AgentState, reason: &str, audit: &AuditEntry) -> Result<bool> {
        let mut tx = self.write().await?;
        let changed =
            sqlx::query("UPDATE seen SET state = ?2 WHERE agent = ?1").bind(id.to_string()).bind(state.as_str()).execute(&mut *tx).await?;
        sqlx::query("UPDATE agent SET state_reason = ?2 WHERE id = ?1")
            .bind(id.to_string())
            .bind(codec::text(reason))
            .execute(&mut *tx)
            .await?;
        finish(tx, changed.rows_affected() == 1, audit).await
    }

    pub(super) async fn store_certificate(&self, id: AgentId, expected_generation: u64, certificate: &IssuedCertificate) -> Result<bool> {
        let stored = sqlx::query(STORE_CERTIFICATE)
            .bind(id.to_string())
            .bind(count(expected_generation))
            .bind(count(certificate.generation))
            .bind(certificate.nonce.to_string())
            .bind(codec::text(&certificate.chain))
            .bind(certificate.issued_at.as_millis())
            .bind(certificate.not_after.as_millis())
            .execute(&self.writer)
            .await?;
        Ok(stored.rows_affected() == 1)
    }

    pub(super) async fn use_generation(&self, id: AgentId, generation: u64) -> Result<()> {
        let mut tx = self.write().await?;
        for sql in [
            "UPDATE seen SET generation = max(generation, ?2) WHERE agent = ?1",
            "UPDATE agent SET certificate_generation = max(certificate_generation, ?2) WHERE id = ?1",
        ] {
            sqlx::query(sql).bind(id.to_string()).bind(count(generation)).execute(&mut *tx).await?;
        }
        Ok(tx.commit().await?)
    }

    pub(super) async fn forget_exchange(&self, id: AgentId) -> Result<()> {
        sqlx::query("UPDATE seen SET counter = 0, nonce = ?2 WHERE agent = ?1")
            .bind(id.to_string())
            .bind(Uuid::nil().to_string())
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}

/// Ends a transaction that changed something, with its audit entry, or that found nothing to change, without.
pub(super) async fn finish(mut tx: Transaction<'static, Sqlite>, changed: bool, audit: &AuditEntry) -> Result<bool> {
    if changed {
        history::insert_audit(&mut tx, std::slice::from_ref(audit)).await?;
        tx.commit().await?;
    }
    Ok(changed)
}
