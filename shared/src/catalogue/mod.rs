//! The catalogue: classes of configuration items and types of relationships that come with Rollcall.

pub mod class;
pub mod relationship;

pub use class::{AttributeDefinition, AttributeKind, CLASSES, ClassDefinition};
pub use relationship::{Hardness, RELATIONSHIP_TYPES, RelationshipTypeDefinition};
