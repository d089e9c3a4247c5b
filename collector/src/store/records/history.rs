//! Versions and events.

use rollcall_core::Revision;
use rollcall_shared::{CiId, Timestamp};
use uuid::Uuid;

/// A version of a CI, for its history.
#[derive(Clone, Debug, PartialEq)]
pub struct CiVersion {
    /// The version.
    pub ci: rollcall_core::Ci,
    /// When it was replaced; absent for the current one.
    pub valid_to: Option<Timestamp>,
    /// The commit that made it.
    pub revision: Revision,
    /// Who made it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// What differs from the version before.
    pub differs: Vec<String>,
}

/// One entry of the change feed.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Cursor: counts up, never reused.
    pub cursor: u64,
    /// The commit.
    pub revision: Revision,
    /// When.
    pub at: Timestamp,
    /// What kind of thing: `ci`, `relationship`, `need_group`, `conflict`, `software`, `agent_binding`.
    pub kind: String,
    /// `created`, `updated`, `retired`.
    pub action: String,
    /// The thing's own id.
    pub subject: Uuid,
    /// The CI it is about (for a relationship: the dependent).
    pub ci: Option<CiId>,
    /// The other CI, for a relationship.
    pub other_ci: Option<CiId>,
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// What differs from the version before.
    pub differs: Vec<String>,
}
