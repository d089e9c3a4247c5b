use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use rollcall_shared::{AgentId, Digest, Timestamp, TokenId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{At, Decode, Row, StoreError, hash_text, json, time};
use crate::store::{AgentRecord, AgentState, EnrollAttempt, IssuedCertificate, TokenRecord};

/// `enrollment_token`
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct TokenRow {
    id: Uuid,
    secret_hash: String,
    name: String,
    max_uses: Option<u32>,
    uses: u32,
    expires_at: i64,
    revoked_at: Option<i64>,
    needs_approval: u8,
    realm: String,
    assigned: String,
    created_by: String,
    created_at: i64,
}

impl Row for TokenRow {
    const TABLE: &'static str = "enrollment_token";
}

impl TokenRow {
    pub(in crate::store) fn new(token: &TokenRecord) -> Result<Self, StoreError> {
        Ok(Self {
            id: token.id.0,
            secret_hash: hash_text(&token.secret_hash),
            name: token.name.clone(),
            max_uses: token.max_uses,
            uses: token.uses,
            expires_at: token.expires_at.as_millis(),
            revoked_at: token.revoked_at.map(Timestamp::as_millis),
            needs_approval: token.needs_approval.into(),
            realm: token.realm.clone(),
            assigned: json(&token.assigned)?,
            created_by: token.created_by.clone(),
            created_at: token.created_at.as_millis(),
        })
    }
}

impl Decode for TokenRow {
    type Record = TokenRecord;
    fn decode(self) -> Result<TokenRecord, StoreError> {
        let at = At::row::<Self>(&self.id);
        Ok(TokenRecord {
            id: TokenId(self.id),
            secret_hash: at.hash("secret_hash", &self.secret_hash)?,
            max_uses: self.max_uses,
            uses: self.uses,
            expires_at: time(self.expires_at),
            revoked_at: self.revoked_at.map(time),
            needs_approval: self.needs_approval != 0,
            assigned: at.json("assigned", &self.assigned)?,
            created_at: time(self.created_at),
            name: self.name,
            realm: self.realm,
            created_by: self.created_by,
        })
    }
}

/// `agent` with what `seen` says of it.
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct AgentRow {
    id: Uuid,
    state: String,
    state_reason: String,
    token: Uuid,
    enroll_nonce: Uuid,
    public_key: String,
    certificate_generation: i64,
    certificate_nonce: Option<Uuid>,
    certificate_chain: Option<String>,
    certificate_issued_at: Option<i64>,
    certificate_not_after: Option<i64>,
    used_generation: i64,
    hostname: String,
    agent_version: String,
    identity: String,
    realm: String,
    assigned: String,
    enrolled_at: i64,
    last_seen: Option<i64>,
    /// Written only.
    #[serde(default)]
    public_key_digest: String,
    /// Written only: the root digest of an inventory without sections.
    #[serde(default)]
    root: String,
}

impl Row for AgentRow {
    const TABLE: &'static str = "agent";
}

impl AgentRow {
    /// The agent that an attempt creates.
    pub(in crate::store) fn new(attempt: &EnrollAttempt, token: &TokenRecord) -> Result<Self, StoreError> {
        let (state, state_reason) = match token.needs_approval {
            true => (AgentState::Pending, "waits for approval"),
            false => (AgentState::Active, "enrolled"),
        };
        Ok(Self {
            id: attempt.new_agent.0,
            state: state.as_str().into(),
            state_reason: state_reason.into(),
            token: attempt.token.0,
            enroll_nonce: attempt.nonce,
            public_key: BASE64_STANDARD.encode(&attempt.public_key),
            public_key_digest: Digest::of(&attempt.public_key).to_string(),
            certificate_generation: 0,
            certificate_nonce: None,
            certificate_chain: None,
            certificate_issued_at: None,
            certificate_not_after: None,
            used_generation: 0,
            hostname: attempt.hostname.clone(),
            agent_version: attempt.agent_version.clone(),
            identity: json(&attempt.identity)?,
            realm: token.realm.clone(),
            assigned: json(&token.assigned)?,
            enrolled_at: attempt.at.as_millis(),
            last_seen: None,
            root: Digest::root([]).to_string(),
        })
    }
}

impl Decode for AgentRow {
    type Record = AgentRecord;
    fn decode(self) -> Result<AgentRecord, StoreError> {
        let at = At::row::<Self>(&self.id);
        let assigned: BTreeMap<String, Value> = at.json("assigned", &self.assigned)?;
        let certificate = match (self.certificate_nonce, self.certificate_chain, self.certificate_issued_at, self.certificate_not_after) {
            (Some(nonce), Some(chain), Some(issued_at), Some(not_after)) => Some(IssuedCertificate {
                generation: at.count("certificate_generation", self.certificate_generation)?,
                nonce,
                chain,
                issued_at: time(issued_at),
                not_after: time(not_after),
            }),
            _ => None,
        };
        Ok(AgentRecord {
            id: AgentId(self.id),
            state: at.word("state", &self.state, AgentState::parse)?,
            token: TokenId(self.token),
            enroll_nonce: self.enroll_nonce,
            public_key: BASE64_STANDARD.decode(&self.public_key).map_err(|error| at.corrupt("public_key", error))?,
            certificate,
            used_generation: at.count("generation", self.used_generation)?,
            identity: at.json("identity", &self.identity)?,
            assigned,
            enrolled_at: time(self.enrolled_at),
            last_seen: self.last_seen.map(time),
            state_reason: self.state_reason,
            hostname: self.hostname,
            agent_version: self.agent_version,
            realm: self.realm,
        })
    }
}
