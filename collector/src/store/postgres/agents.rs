use rollcall_shared::{AgentId, Digest, Timestamp, TokenId};
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use super::{PostgresStore, Result, history};
use crate::store::{
    AgentRecord, AgentState, AuditEntry, EnrollAttempt, EnrollOutcome, IssuedCertificate, TokenRecord,
    codec::{self, AgentRow, TokenRow, count, hash_text},
    columns,
};

const INSERT_TOKEN: &str = "INSERT INTO enrollment_token
    (id, secret_hash, name, max_uses, uses, expires_at, revoked_at, needs_approval, realm, assigned, created_by, created_at)
    SELECT r.id, r.secret_hash, r.name, r.max_uses, r.uses, r.expires_at,
           r.revoked_at, r.needs_approval, r.realm, r.assigned::json, r.created_by,
           r.created_at
    FROM json_to_recordset($1::json) AS r (
        id uuid, secret_hash text, name text, max_uses bigint, uses bigint, expires_at bigint, revoked_at
        bigint, needs_approval boolean, realm text, assigned text, created_by text, created_at bigint)";
const TOKENS: &str = json_rows!(columns::token!(), order "created_at DESC, id DESC", "FROM enrollment_token");
/// Tries with one token queue here, so that the second of two alike finds what the first has made.
const TOKEN_LOCKED: &str =
    json_rows!(columns::token!(), "FROM (SELECT * FROM enrollment_token WHERE id = $1 AND secret_hash = $2 FOR UPDATE) AS locked");

/// The one statement that takes a use. Its conditions are all there is between a token and one agent too many.
const TAKE_USE: &str = "UPDATE enrollment_token SET uses = uses + 1
    WHERE id = $1 AND secret_hash = $2 AND revoked_at IS NULL AND expires_at > $3 AND (max_uses IS NULL OR uses < max_uses)";

const INSERT_AGENT: &str = "INSERT INTO agent
    (id, state_reason, token, enroll_nonce, public_key, public_key_digest, certificate_generation, hostname, agent_version, identity,
     realm, assigned, enrolled_at)
    SELECT r.id, r.state_reason, r.token, r.enroll_nonce, r.public_key,
           r.public_key_digest, 0, r.hostname, r.agent_version, r.identity::json, r.realm,
           r.assigned::json, r.enrolled_at
    FROM json_to_recordset($1::json) AS r (
        id uuid, state_reason text, token uuid, enroll_nonce uuid, public_key text, public_key_digest text,
        hostname text, agent_version text, identity text, realm text, assigned text, enrolled_at bigint)";
const INSERT_SEEN: &str = "INSERT INTO seen (agent, state, generation, counter, nonce, root, last_seen, clock_skew_ms)
    SELECT r.id, r.state, 0, 0, $2, r.root, NULL, 0 FROM json_to_recordset($1::json) AS r (id uuid, state text, root text)";
const INSERT_INVENTORY: &str = "INSERT INTO inventory (agent, agent_version, dropped_documents, sections)
    SELECT r.id, r.agent_version, 0, '{}' FROM json_to_recordset($1::json) AS r (id uuid, agent_version text)";

const AGENT: &str = json_rows!(columns::agent!(), "FROM agent AS a JOIN seen AS s ON s.agent = a.id WHERE a.id = $1");
const AGENTS: &str =
    json_rows!(columns::agent!(), order "a.enrolled_at DESC, a.id DESC", "FROM agent AS a JOIN seen AS s ON s.agent = a.id");
const AGENT_OF_ATTEMPT: &str = json_rows!(
    columns::agent!(),
    "FROM agent AS a JOIN seen AS s ON s.agent = a.id WHERE a.token = $1 AND a.enroll_nonce = $2 AND a.public_key_digest = $3"
);
const STORE_CERTIFICATE: &str = "UPDATE agent SET certificate_generation = $3, certificate_nonce = $4, certificate_chain = $5,
    certificate_issued_at = $6, certificate_not_after = $7 WHERE id = $1 AND certificate_generation = $2";

impl PostgresStore {
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
        let revoked = sqlx::query("UPDATE enrollment_token SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1")
            .bind(id.0)
            .bind(at.as_millis())
            .execute(&mut *tx)
            .await?;
        finish(tx, revoked.rows_affected() == 1, audit).await
    }

    pub(super) async fn try_to_enroll(&self, attempt: &EnrollAttempt) -> Result<EnrollOutcome> {
        let (token, secret) = (attempt.token.0, hash_text(&attempt.secret_hash));
        let mut tx = self.write().await?;
        let found: String = sqlx::query_scalar(TOKEN_LOCKED).bind(token).bind(&secret).fetch_one(&mut *tx).await?;
        let Some(record) = codec::records::<TokenRow>(&found)?.pop() else { return Ok(EnrollOutcome::UnknownToken) };
        let known: String = sqlx::query_scalar(AGENT_OF_ATTEMPT)
            .bind(token)
            .bind(attempt.nonce)
            .bind(Digest::of(&attempt.public_key).to_string())
            .fetch_one(&mut *tx)
            .await?;
        if let Some(agent) = codec::records::<AgentRow>(&known)?.pop() {
            return Ok(EnrollOutcome::Known(agent));
        }
        let took = sqlx::query(TAKE_USE).bind(token).bind(&secret).bind(attempt.at.as_millis()).execute(&mut *tx).await?;
        if took.rows_affected() == 0 {
            return Ok(record.why_not(attempt.at));
        }
        let row = codec::json(&[AgentRow::new(attempt, &record)?])?;
        sqlx::query(INSERT_AGENT).bind(&row).execute(&mut *tx).await?;
        sqlx::query(INSERT_SEEN).bind(&row).bind(Uuid::nil()).execute(&mut *tx).await?;
        sqlx::query(INSERT_INVENTORY).bind(&row).execute(&mut *tx).await?;
        let created: String = sqlx::query_scalar(AGENT).bind(attempt.new_agent.0).fetch_one(&mut *tx).await?;
        let created = codec::records::<AgentRow>(&created)?.pop().ok_or(sqlx::Error::RowNotFound)?;
        tx.commit().await?;
        Ok(EnrollOutcome::Created(created))
    }

    pub(super) async fn one_agent(&self, id: AgentId) -> Result<Option<AgentRecord>> {
        self.read_one::<AgentRow>(sqlx::query_scalar(AGENT).bind(id.0)).await
    }

    pub(super) async fn all_agents(&self) -> Result<Vec<AgentRecord>> {
        self.read::<AgentRow>(sqlx::query_scalar(AGENTS)).await
    }

    pub(super) async fn change_agent_state(&self, id: AgentId, state: AgentState, reason: &str, audit: &AuditEntry) -> Result<bool> {
        let mut tx = self.write().await?;
        let changed = sqlx::query("UPDATE seen SET state = $2 WHERE agent = $1").bind(id.0).bind(state.as_str()).execute(&mut *tx).await?;
        sqlx::query("UPDATE agent SET state_reason = $2 WHERE id = $1").bind(id.0).bind(codec::text(reason)).execute(&mut *tx).await?;
        finish(tx, changed.rows_affected() == 1, audit).await
    }

    pub(super) async fn store_certificate(&self, id: AgentId, expected_generation: u64, certificate: &IssuedCertificate) -> Result<bool> {
        let stored = sqlx::query(STORE_CERTIFICATE)
            .bind(id.0)
            .bind(count(expected_generation))
            .bind(count(certificate.generation))
            .bind(certificate.nonce)
            .bind(codec::text(&certificate.chain))
            .bind(certificate.issued_at.as_millis())
            .bind(certificate.not_after.as_millis())
            .execute(&self.pool)
            .await?;
        Ok(stored.rows_affected() == 1)
    }

    pub(super) async fn use_generation(&self, id: AgentId, generation: u64) -> Result<()> {
        let mut tx = self.write().await?;
        for sql in [
            "UPDATE seen SET generation = greatest(generation, $2) WHERE agent = $1",
            "UPDATE agent SET certificate_generation = greatest(certificate_generation, $2) WHERE id = $1",
        ] {
            sqlx::query(sql).bind(id.0).bind(count(generation)).execute(&mut *tx).await?;
        }
        Ok(tx.commit().await?)
    }

    pub(super) async fn forget_exchange(&self, id: AgentId) -> Result<()> {
        sqlx::query("UPDATE seen SET counter = 0, nonce = $2 WHERE agent = $1").bind(id.0).bind(Uuid::nil()).execute(&self.pool).await?;
        Ok(())
    }
}

/// Ends a transaction that changed something, with its audit entry, or that found nothing to change, without.
pub(super) async fn finish(mut tx: Transaction<'static, Postgres>, changed: bool, audit: &AuditEntry) -> Result<bool> {
    if changed {
        history::insert_audit(&mut tx, std::slice::from_ref(audit)).await?;
        tx.commit().await?;
    }
    Ok(changed)
}
