//! What agents have sent.

use rollcall_shared::{
    AgentId, Digest, DocumentId, Timestamp,
    wire::v1::{Exchange, SectionStatus},
};
use std::collections::BTreeMap;

/// A document as received.
#[derive(Clone, Debug)]
pub struct DocumentRecord {
    /// Its id.
    pub id: DocumentId,
    /// Who sent it, by certificate.
    pub agent: AgentId,
    /// The collector's clock.
    pub received_at: Timestamp,
    /// zstd-compressed JSON.
    pub body: Vec<u8>,
}

/// What the collector knows of one agent's inventory and exchanges.
#[derive(Clone, Debug, PartialEq)]
pub struct Inventory {
    /// The agent.
    pub agent: AgentId,
    /// Its last answered exchange; counter 0 before the first.
    pub exchange: Exchange,
    /// [`Digest::root`] over `sections`.
    pub root: Digest,
    /// When it was last heard.
    pub last_seen: Timestamp,
    /// The agent's clock minus the collector's, milliseconds, at the last document or careful check-in.
    pub clock_skew_ms: i64,
    /// The agent's version at the last document.
    pub agent_version: String,
    /// Documents that the agent had to drop since it was enrolled.
    pub dropped_documents: u64,
    /// Inventories that newer ones replaced on the machine before the collector had them, since the agent was enrolled.
    pub superseded_inventories: u64,
    /// Every section it has sent, by name.
    pub sections: BTreeMap<String, SectionRecord>,
}

/// Where the newest state of one section stands.
#[derive(Clone, Debug, PartialEq)]
pub struct SectionRecord {
    /// Its digest.
    pub digest: Digest,
    /// The document that holds it.
    pub document: DocumentId,
    /// How collecting it went.
    pub status: SectionStatus,
    /// When it was collected, corrected by the skew.
    pub collected_at: Timestamp,
    /// Why its content was not used, if it was refused or is not understood.
    pub refused: Option<String>,
}

/// A check-in that claims that nothing changed.
#[derive(Clone, Copy, Debug)]
pub struct UnchangedCheckIn {
    /// The agent, by certificate.
    pub agent: AgentId,
    /// The certificate's generation.
    pub generation: u64,
    /// Root digest of what it has.
    pub root: Digest,
    /// Counter and nonce.
    pub exchange: Exchange,
    /// The collector's clock.
    pub at: Timestamp,
}
