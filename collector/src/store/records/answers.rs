//! An answer that somebody kept.

use rollcall_shared::{FrozenAnswerId, Timestamp};

/// An answer that somebody kept, without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrozenAnswer {
    /// Its id.
    pub id: FrozenAnswerId,
    /// When it was kept.
    pub at: Timestamp,
    /// By whom, as in the audit log.
    pub actor: String,
    /// What for.
    pub reason: String,
    /// The revision of the estate that it was worked out on; absent for a past instant.
    pub revision: Option<u64>,
    /// The answer in a sentence.
    pub verdict: String,
}
