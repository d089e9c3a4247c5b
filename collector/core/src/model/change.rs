use rollcall_shared::{AgentId, CiId};

use super::{ci::Ci, conflict::Conflict, merge::Merge, need_group::NeedGroup, relationship::Relationship, software::SoftwareSet};
use crate::catalogue::Definition;

/// What reconciliation decided: whole new versions, in an order in which they can be applied, each with its reason.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChangeSet {
    /// The changes.
    pub changes: Vec<Change>,
}

/// One new version and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The new version.
    pub put: Put,
    /// Why, in a sentence for people: rule and evidence.
    pub reason: String,
    /// Names of what differs from the version before (`attributes.kernel`, `name`, `lifecycle`); empty for a first version.
    pub differs: Vec<String>,
}

/// The whole new version of one thing. The store closes the version before it; the estate replaces it.
#[derive(Clone, Debug, PartialEq)]
pub enum Put {
    /// A row of the catalogue.
    Definition(Definition),
    /// A configuration item.
    Ci(Ci),
    /// A relationship.
    Relationship(Relationship),
    /// A declared need.
    NeedGroup(NeedGroup),
    /// An identity conflict.
    Conflict(Conflict),
    /// A merge that can be taken back, or was.
    Merge(Box<Merge>),
    /// All software of a machine.
    Software {
        /// The machine.
        ci: CiId,
        /// Everything on it.
        software: SoftwareSet,
    },
    /// Which machine an agent reports.
    AgentBinding {
        /// The agent.
        agent: AgentId,
        /// The machine's CI.
        ci: CiId,
    },
}

impl ChangeSet {
    /// Adds a change.
    pub fn push(&mut self, put: Put, reason: impl Into<String>, differs: Vec<String>) {
        self.changes.push(Change { put, reason: reason.into(), differs });
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}
