//! Joining, renewing and recovering. A certificate is always issued around the public key of a CSR; nothing else in
//! the CSR is read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::sections::Identity;
use crate::{
    id::{AgentId, TokenId},
    time::Timestamp,
};

/// "I have this token and this key, may I join?" Sent again, unchanged, while the answer is [`EnrollResponse::Pending`]
/// or was lost: `nonce` and the key make it the same request, which takes one use of the token however often it is sent.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EnrollRequest {
    /// The token's public half.
    pub token_id: TokenId,
    /// The token's secret half.
    pub token_secret: String,
    /// Random, made once for one enrollment and kept until it is done.
    pub nonce: Uuid,
    /// PKCS #10 certificate signing request, DER, base64.
    pub csr: String,
    /// The agent's version.
    pub agent_version: String,
    /// What the machine calls itself, for the person who approves.
    pub identity: Identity,
}

/// The answer to [`EnrollRequest`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum EnrollResponse {
    /// Joined.
    Issued(Credentials),
    /// A person has to approve first; ask again with the same request.
    Pending {
        /// Seconds to wait before asking again.
        retry_after_seconds: u32,
    },
}

/// An agent's identity and what it needs to use it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Credentials {
    /// The agent's id; also in the certificate, from where alone the collector reads it.
    pub agent_id: AgentId,
    /// Which certificate of this agent this is, counting from 1.
    pub generation: u64,
    /// PEM: the agent's certificate and the issuing intermediate.
    pub certificate_chain: String,
    /// PEM: the root that the collector's certificates chain to.
    pub root: String,
    /// When the certificate ends. Renewal is due at half of its life.
    pub not_after: Timestamp,
    /// When the certificate was issued, by the collector's clock.
    pub issued_at: Timestamp,
    /// The collector's clock at the time of this answer.
    pub server_time: Timestamp,
}

/// "My certificate is past half its life." Sent over mutual TLS; the identity is the client certificate's.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RenewRequest {
    /// Random, made once for one renewal and kept until it is done: sent again, it gets the same certificate.
    pub nonce: Uuid,
    /// The generation of the newest certificate the agent holds.
    pub generation: u64,
    /// PKCS #10 request for the same key, DER, base64.
    pub csr: String,
}

/// "My certificate has expired; here is proof that I hold its key."
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RecoverRequest {
    /// The agent's id.
    pub agent_id: AgentId,
    /// As in [`RenewRequest`], with `csr` for the same key.
    #[serde(flatten)]
    pub renew: RenewRequest,
    /// ECDSA P-256 signature (ASN.1 DER, base64) by that key over [`recover_message`].
    pub signature: String,
}

/// The bytes that a [`RecoverRequest`] signs; the prefix keeps the signature from meaning anything elsewhere.
pub fn recover_message(agent_id: AgentId, generation: u64, nonce: Uuid) -> Vec<u8> {
    format!("rollcall recover v1\n{agent_id}\n{generation}\n{nonce}\n").into_bytes()
}
