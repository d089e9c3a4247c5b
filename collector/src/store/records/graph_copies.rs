//! A copy of the graph that a store keeps.

use rollcall_shared::Timestamp;
use uuid::Uuid;

/// A copy of the graph: its bytes are in parts, numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphCopy {
    /// Its id, a UUIDv7: of two copies the later has the larger.
    pub id: Uuid,
    /// How many parts it has.
    pub parts: u32,
    /// When it was made.
    pub made_at: Timestamp,
}
