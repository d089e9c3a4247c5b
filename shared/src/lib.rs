//! What agent and collector agree on, and nothing else: typed ids, time, the versioned wire format and the
//! catalogue of configuration item classes and relationship types.

pub mod catalogue;
pub mod digest;
pub mod id;
pub mod time;
pub mod wire;

pub use digest::Digest;
pub use id::{
    AgentId, ApiTokenId, CiId, ConflictId, DocumentId, FrozenAnswerId, NeedGroupId, RelationshipId, SessionId, TokenId, UserId, ViewId,
};
pub use time::Timestamp;
