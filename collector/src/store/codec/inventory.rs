use std::collections::BTreeMap;

use rollcall_shared::{
    AgentId, Digest, DocumentId, Timestamp,
    wire::v1::{Exchange, SectionStatus},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{At, Decode, Row, StoreError, count, json, time};
use crate::store::{DocumentRecord, Inventory, SectionRecord, UnchangedCheckIn};

/// `inventory` with what `seen` says of the same agent.
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct InventoryRow {
    agent: Uuid,
    counter: i64,
    nonce: Uuid,
    root: String,
    last_seen: i64,
    clock_skew_ms: i64,
    agent_version: String,
    dropped_documents: i64,
    superseded_inventories: i64,
    sections: String,
}

impl Row for InventoryRow {
    const TABLE: &'static str = "inventory";
}

impl InventoryRow {
    pub(in crate::store) fn new(inventory: &Inventory) -> Result<Self, StoreError> {
        let sections: BTreeMap<&str, SectionJson<'_>> = inventory
            .sections
            .iter()
            .map(|(name, section)| {
                let section = SectionJson {
                    digest: section.digest,
                    document: section.document,
                    status: std::borrow::Cow::Borrowed(&section.status),
                    collected_at: section.collected_at.as_millis(),
                    refused: section.refused.as_deref().map(Into::into),
                };
                (name.as_str(), section)
            })
            .collect();
        Ok(Self {
            agent: inventory.agent.0,
            counter: count(inventory.exchange.counter),
            nonce: inventory.exchange.nonce,
            root: inventory.root.to_string(),
            last_seen: inventory.last_seen.as_millis(),
            clock_skew_ms: inventory.clock_skew_ms,
            agent_version: inventory.agent_version.clone(),
            dropped_documents: count(inventory.dropped_documents),
            superseded_inventories: count(inventory.superseded_inventories),
            sections: json(&sections)?,
        })
    }
}

impl Decode for InventoryRow {
    type Record = Inventory;
    fn decode(self) -> Result<Inventory, StoreError> {
        let at = At::row::<Self>(&self.agent);
        let sections: BTreeMap<String, SectionJson<'_>> =
            serde_json::from_str(&self.sections).map_err(|error| at.corrupt("sections", error))?;
        Ok(Inventory {
            agent: AgentId(self.agent),
            exchange: Exchange { counter: at.count("counter", self.counter)?, nonce: self.nonce },
            root: self.root.parse().map_err(|error| at.corrupt("root", error))?,
            last_seen: time(self.last_seen),
            clock_skew_ms: self.clock_skew_ms,
            dropped_documents: at.count("dropped_documents", self.dropped_documents)?,
            superseded_inventories: at.count("superseded_inventories", self.superseded_inventories)?,
            sections: sections.into_iter().map(|(name, section)| (name, section.into())).collect(),
            agent_version: self.agent_version,
        })
    }
}

/// One section as JSON.
#[derive(Serialize, Deserialize)]
struct SectionJson<'a> {
    digest: Digest,
    document: DocumentId,
    status: std::borrow::Cow<'a, SectionStatus>,
    collected_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused: Option<std::borrow::Cow<'a, str>>,
}

impl From<SectionJson<'_>> for SectionRecord {
    fn from(section: SectionJson<'_>) -> Self {
        Self {
            digest: section.digest,
            document: section.document,
            status: section.status.into_owned(),
            collected_at: time(section.collected_at),
            refused: section.refused.map(Into::into),
        }
    }
}

/// `document`, without its body.
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct DocumentRow {
    id: Uuid,
    agent: Uuid,
    received_at: i64,
    /// Where its body stands among all bodies, from 1.
    position: usize,
    length: usize,
}

impl DocumentRow {
    /// The rows of documents and all their bodies, one after the other.
    pub(in crate::store) fn all(documents: &[DocumentRecord]) -> (Vec<Self>, Vec<u8>) {
        let mut bodies = Vec::with_capacity(documents.iter().map(|document| document.body.len()).sum());
        let rows = documents
            .iter()
            .map(|document| {
                let position = bodies.len() + 1;
                bodies.extend_from_slice(&document.body);
                Self {
                    id: document.id.0,
                    agent: document.agent.0,
                    received_at: document.received_at.as_millis(),
                    position,
                    length: document.body.len(),
                }
            })
            .collect();
        (rows, bodies)
    }
}

/// The part of `seen` that says when.
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct SeenRow {
    agent: Uuid,
    last_seen: i64,
}

impl Row for SeenRow {
    const TABLE: &'static str = "seen";
}

impl Decode for SeenRow {
    type Record = (AgentId, Timestamp);
    fn decode(self) -> Result<Self::Record, StoreError> {
        Ok((AgentId(self.agent), time(self.last_seen)))
    }
}

/// What an unchanged check-in is verified by and writes.
#[derive(Serialize)]
pub(in crate::store) struct UnchangedRow {
    agent: Uuid,
    generation: i64,
    root: String,
    counter: i64,
    nonce: Uuid,
    at: i64,
}

impl From<&UnchangedCheckIn> for UnchangedRow {
    fn from(check_in: &UnchangedCheckIn) -> Self {
        Self {
            agent: check_in.agent.0,
            generation: count(check_in.generation),
            root: check_in.root.to_string(),
            counter: count(check_in.exchange.counter),
            nonce: check_in.exchange.nonce,
            at: check_in.at.as_millis(),
        }
    }
}
