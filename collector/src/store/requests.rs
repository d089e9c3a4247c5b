//! Writes that clients mark with a key, so that they are done once however often they are sent.

use rollcall_shared::Timestamp;

/// A write with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyedRequest {
    /// Who sent it, as in the audit log.
    pub actor: String,
    /// Their key: visible ASCII.
    pub key: String,
    /// BLAKE3 over method, address and body, in hex.
    pub digest: String,
    /// When it came.
    pub begun_at: Timestamp,
}

/// The answer that a keyed write got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyedAnswer {
    /// HTTP status.
    pub status: u16,
    /// Its `Content-Type`; empty without a body.
    pub content_type: String,
    /// Its `ETag`, or empty.
    pub etag: String,
    /// The body; `None` if it held a secret.
    pub body: Option<String>,
}

/// Whether a key was seen before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeenRequest {
    /// Not by this actor: it is noted as begun now.
    New,
    /// It was.
    Before {
        /// Of what request.
        digest: String,
        /// When that came.
        begun_at: Timestamp,
        /// Its answer, once it has one.
        answer: Option<KeyedAnswer>,
    },
}
