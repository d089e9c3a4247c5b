//! Enrollment tokens and agents.

use rollcall_shared::{AgentId, Timestamp, TokenId};
use serde_json::Value;
use std::collections::BTreeMap;
use uuid::Uuid;

/// An enrollment token as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenRecord {
    /// The public half.
    pub id: TokenId,
    /// BLAKE3 of the secret half.
    pub secret_hash: [u8; 32],
    /// What people call it.
    pub name: String,
    /// How many enrollments it allows; absent: any number.
    pub max_uses: Option<u32>,
    /// How many it has had.
    pub uses: u32,
    /// When it stops working.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Whether a person approves each enrollment.
    pub needs_approval: bool,
    /// The network realm its agents report from.
    pub realm: String,
    /// Attributes it gives to its machines (owner, location, tags).
    pub assigned: BTreeMap<String, Value>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
}

impl TokenRecord {
    /// Why a use of this token cannot be taken.
    pub(in crate::store) fn why_not(&self, at: Timestamp) -> EnrollOutcome {
        if self.revoked_at.is_some() {
            EnrollOutcome::Revoked
        } else if self.expires_at <= at {
            EnrollOutcome::Expired
        } else {
            EnrollOutcome::UsedUp
        }
    }
}

/// One try to enroll.
#[derive(Clone, Debug)]
pub struct EnrollAttempt {
    /// The token.
    pub token: TokenId,
    /// BLAKE3 of the secret that was sent.
    pub secret_hash: [u8; 32],
    /// Same for every repetition of one enrollment.
    pub nonce: Uuid,
    /// The agent's public key: SubjectPublicKeyInfo, DER.
    pub public_key: Vec<u8>,
    /// The id to give if this is a new enrollment.
    pub new_agent: AgentId,
    /// What the machine calls itself.
    pub hostname: String,
    /// The agent's version.
    pub agent_version: String,
    /// What the machine says it is: the identity section, for the person who approves.
    pub identity: Value,
    /// The collector's clock.
    pub at: Timestamp,
}

/// What came of a try to enroll.
#[derive(Clone, Debug)]
pub enum EnrollOutcome {
    /// A new agent; one use of the token was taken.
    Created(AgentRecord),
    /// The same try as before; nothing was taken.
    Known(AgentRecord),
    /// No such token, or the secret is wrong: the two are not told apart.
    UnknownToken,
    /// The token has expired.
    Expired,
    /// The token was revoked.
    Revoked,
    /// All uses are taken.
    UsedUp,
}

/// An agent as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentRecord {
    /// Its id.
    pub id: AgentId,
    /// Whether it may report.
    pub state: AgentState,
    /// Why it is in that state, for people.
    pub state_reason: String,
    /// The token it joined with.
    pub token: TokenId,
    /// The nonce of its enrollment.
    pub enroll_nonce: Uuid,
    /// Its public key: SubjectPublicKeyInfo, DER.
    pub public_key: Vec<u8>,
    /// The newest certificate issued; absent while pending.
    pub certificate: Option<IssuedCertificate>,
    /// The certificate generation last used; 0 before the first use.
    pub used_generation: u64,
    /// What the machine called itself when it enrolled.
    pub hostname: String,
    /// The agent's version when it enrolled.
    pub agent_version: String,
    /// The identity section it enrolled with.
    pub identity: Value,
    /// The network realm it reports from.
    pub realm: String,
    /// Attributes that its token assigned.
    pub assigned: BTreeMap<String, Value>,
    /// When it enrolled.
    pub enrolled_at: Timestamp,
    /// When it was last heard, if ever.
    pub last_seen: Option<Timestamp>,
}

/// A certificate that was issued to an agent.
#[derive(Clone, Debug, PartialEq)]
pub struct IssuedCertificate {
    /// Counts up from 1.
    pub generation: u64,
    /// The request's nonce: the same request gets the same certificate again.
    pub nonce: Uuid,
    /// PEM: the certificate and its issuer.
    pub chain: String,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends.
    pub not_after: Timestamp,
}

/// Whether an agent may report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AgentState {
    /// Waits for a person's approval.
    Pending,
    /// May report.
    Active,
    /// Copied, rolled back or stolen: waits for a person's decision.
    Held,
    /// May not report any more.
    Revoked,
    /// Was not approved.
    Denied,
}

impl AgentState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Active, Self::Held, Self::Revoked, Self::Denied];

    /// The name in data and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Held => "held",
            Self::Revoked => "revoked",
            Self::Denied => "denied",
        }
    }

    /// The reverse of [`AgentState::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}
