use std::sync::Arc;

use roaring::RoaringBitmap;
use rollcall_shared::{AgentId, CiId, ConflictId, NeedGroupId, RelationshipId};

use super::software::Marks;
use crate::catalogue::Catalogue;
use crate::model::{Ci, Conflict, Merge, NeedGroup, Relationship};

/// What stood where a change set was applied, so that a failed commit can be taken back without a copy of the estate.
#[derive(Debug)]
#[must_use = "a failed commit is taken back with it"]
pub struct Undo {
    steps: Vec<Step>,
    marks: Marks,
}

impl Undo {
    pub(super) fn new(steps: Vec<Step>, marks: Marks) -> Self {
        Self { steps, marks }
    }

    pub(super) fn into_parts(self) -> (Vec<Step>, Marks) {
        (self.steps, self.marks)
    }
}

/// One thing as it stood before; `None` where there was nothing.
#[derive(Debug)]
pub(super) enum Step {
    Catalogue(Arc<Catalogue>),
    Ci(CiId, Option<Box<Ci>>),
    Relationship(RelationshipId, Option<Relationship>),
    NeedGroup(NeedGroupId, Option<NeedGroup>),
    Conflict(ConflictId, Option<Conflict>),
    Merge(CiId, Option<Box<Merge>>),
    Software(CiId, Option<RoaringBitmap>),
    AgentBinding(AgentId, Option<CiId>),
}
