use rollcall_shared::{CiId, Timestamp};

use super::Put;

/// Two configuration items that became one, and what it takes to make them two again exactly as they were.
#[derive(Clone, Debug, PartialEq)]
pub struct Merge {
    /// The one that became part of the other.
    pub absorbed: CiId,
    /// The other.
    pub survivor: CiId,
    /// When, the collector's clock.
    pub at: Timestamp,
    /// Whether a rule joined them; else somebody said so. Those that a rule joined and somebody splits are kept apart from then on.
    pub by_rule: bool,
    /// Whether it was taken back.
    pub is_undone: bool,
    /// Everything that it changed; empty once it is undone.
    pub steps: Vec<MergeStep>,
}

/// One thing that a merge changed.
#[derive(Clone, Debug, PartialEq)]
pub struct MergeStep {
    /// As it was; `None` if it was not there.
    pub before: Option<Put>,
    /// As the merge left it.
    pub after: Put,
}
