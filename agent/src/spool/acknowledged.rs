//! What the sending process tells the reading one.

use std::collections::BTreeMap;

use rollcall_shared::{
    Digest,
    wire::limits::{self, JsonLimits},
};
use serde::{Deserialize, Serialize};

use crate::clock::LocalTime;

/// What the collector holds, and when it is asked next.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Acknowledged {
    /// The digest of each section that the collector is known to hold.
    pub sections: BTreeMap<String, Digest>,
    /// When the next check-in is planned: the inventory is renewed shortly before.
    pub next: Option<Planned>,
}

/// A moment of one start of the machine, by the counter that nobody sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Milliseconds since the machine was started, sleep included.
    pub since_boot: i64,
    /// Which start of it.
    pub boot_id: String,
}

impl Planned {
    /// When that is, milliseconds since the machine was started; `None` if it was started anew since.
    pub fn in_this_start(&self, at: &LocalTime) -> Option<i64> {
        (self.boot_id == at.boot_id && !self.boot_id.is_empty()).then_some(self.since_boot)
    }
}

impl Acknowledged {
    pub(super) fn from_content(content: &[u8]) -> Result<Self, String> {
        const LIMITS: JsonLimits = JsonLimits { bytes: 256 << 10, depth: 4, items: 1_000, total_items: 2_000, string_bytes: 1 << 10 };
        limits::parse(content, &LIMITS).map_err(|problem| problem.detail)
    }

    /// Whether the collector holds exactly this of all these sections.
    pub fn covers<'a>(&self, mut sections: impl Iterator<Item = (&'a str, Digest)>) -> bool {
        sections.all(|(name, digest)| self.sections.get(name) == Some(&digest))
    }
}
