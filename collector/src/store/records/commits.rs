//! What a commit writes, and a state as it is read.

use rollcall_core::{Change, Estate, Put, Revision, SoftwareEntry};
use rollcall_shared::{AgentId, CiId, Timestamp};

use super::{AuditEntry, DocumentRecord, Inventory};

/// A state or a part of it, as puts in an order in which they can be applied.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The revision it is of.
    pub revision: Revision,
    /// What stands. Of a whole state, the software is in `software`.
    pub puts: Vec<Put>,
    /// All software of all machines: millions of pieces, each entry once.
    pub software: InstalledSoftware,
    /// When each agent was last heard (empty for a past instant and for a part of a state).
    pub last_seen: Vec<(AgentId, Timestamp)>,
}

/// The software of many machines.
#[derive(Clone, Debug, Default)]
pub struct InstalledSoftware {
    /// Every piece of software that one of them has.
    pub catalogue: Vec<SoftwareEntry>,
    /// Positions in `catalogue`, ascending, by machine.
    pub installed: Vec<(CiId, Vec<u32>)>,
}

impl Snapshot {
    /// Applies it to an estate: the empty one for a whole state, the one that stood before for a part.
    pub fn apply_to(self, estate: &mut Estate) {
        for put in self.puts {
            estate.take(put);
        }
        let installed = self.software.installed.iter().map(|(ci, positions)| (*ci, positions.as_slice()));
        estate.put_software(&self.software.catalogue, installed);
        for (agent, at) in self.last_seen {
            estate.heard(agent, at);
        }
        estate.committed(self.revision);
    }
}

/// What one commit writes.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The collector's clock: `valid_from` of the new versions and time of the events.
    pub at: Timestamp,
    /// The new versions, with reasons. Several of one thing in a batch: each replaces the one before.
    pub changes: Vec<AttributedChange>,
    /// Documents, as received.
    pub documents: Vec<DocumentRecord>,
    /// What is now known of the inventories of the documents' agents.
    pub inventories: Vec<Inventory>,
    /// Audit entries.
    pub audit: Vec<AuditEntry>,
}

/// A change and who made it: `agent`, `user:NAME`, `api:NAME`, `collector`.
#[derive(Clone, Debug)]
pub struct AttributedChange {
    /// Who.
    pub actor: String,
    /// What.
    pub change: Change,
}
