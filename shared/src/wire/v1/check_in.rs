//! The steady state: a check-in that carries digests, answered with what the collector lacks.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{digest::Digest, time::Timestamp};

/// "I am here, and this is what I am." Sent over mutual TLS; the identity is the client certificate's.
///
/// `counter` and `nonce` make two running copies of one agent's state visible, see [`Exchange`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CheckInRequest {
    /// The wire format version, [`super::VERSION`].
    pub format: u32,
    /// Which exchange of this agent this is.
    pub exchange: Exchange,
    /// The agent's version.
    pub agent_version: String,
    /// The agent's clock when it sent this.
    pub sent_at: Timestamp,
    /// [`Digest::root`] over the digests of all sections of the current inventory.
    pub root: Digest,
    /// The digest of every section of the current inventory. A section that is switched off is not listed. Empty where the agent
    /// believes that the collector holds exactly these, as on most days: then `root` says it all.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sections: BTreeMap<String, Digest>,
    /// Documents that the agent had to drop because its spool was full, since it was enrolled.
    #[serde(default)]
    pub dropped_documents: u64,
    /// Inventories that newer ones replaced before the collector had them, since the agent was enrolled.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub superseded_inventories: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Which exchange with the collector this is. The agent stores `counter` as used only once the answer has arrived.
///
/// The collector knows the last one it answered. The next counter is progress. The same counter with the same nonce is a
/// retry after a lost answer. The same counter with another nonce, or an older one, comes from a copy of the agent's
/// state or a rolled-back machine: both are held and shown as a conflict. A counter further ahead means that the
/// collector was restored from a backup: accepted and logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Exchange {
    /// One more than that of the last answered exchange; the first is 1.
    pub counter: u64,
    /// Random, made for this counter and kept for its retries.
    pub nonce: Uuid,
}

/// The answer to [`CheckInRequest`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CheckInResponse {
    /// The collector's clock.
    pub server_time: Timestamp,
    /// Sections to send, because the collector holds other ones or none. Empty: everything is known.
    #[serde(default)]
    pub want: Vec<String>,
    /// The collector does not hold what `root` stands for: say it again, with `sections`, as the next exchange.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub list_sections: bool,
    /// Seconds until the next check-in, spread by the collector over its fleet.
    pub next_check_in_seconds: u32,
}

/// The answer to an [`super::InventoryDocument`]. It is given only after the document is durable.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct InventoryResponse {
    /// The collector's clock.
    pub server_time: Timestamp,
    /// The digest of every section that the collector now holds from this agent.
    pub known: BTreeMap<String, Digest>,
    /// Sections that this version of the collector does not understand. They are kept.
    #[serde(default)]
    pub not_understood: Vec<String>,
    /// Sections whose content was refused, with the reason; what was known before stands.
    #[serde(default)]
    pub refused: BTreeMap<String, super::super::Problem>,
}
