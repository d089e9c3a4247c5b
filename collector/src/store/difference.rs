//! What differs between two instants, and how much of the past is kept.

use std::collections::BTreeMap;

use rollcall_core::Put;
use rollcall_shared::Timestamp;
use uuid::Uuid;

/// Kinds of things whose history is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// Configuration items.
    Ci,
    /// Relationships.
    Relationship,
    /// Need groups.
    NeedGroup,
    /// Each machine's software.
    Software,
}

impl Kept {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Ci, Self::Relationship, Self::NeedGroup, Self::Software];

    /// The name in API and cursors.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ci => "ci",
            Self::Relationship => "relationship",
            Self::NeedGroup => "need_group",
            Self::Software => "software",
        }
    }

    /// The reverse of [`Kept::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// One thing at two instants.
#[derive(Clone, Debug, PartialEq)]
pub struct Differing {
    /// Its id; the machine's, for software.
    pub id: Uuid,
    /// As it was at the first instant; absent if there was none.
    pub before: Option<Put>,
    /// As it was at the second.
    pub after: Option<Put>,
}

/// A part of what differs, by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DifferingPage {
    /// Things that have another version at the second instant than at the first.
    pub things: Vec<Differing>,
    /// Where the next part begins; absent if there is none.
    pub next: Option<Uuid>,
}

impl DifferingPage {
    /// Pairs the versions that stood at the first instant and were replaced since with those that came since and stand at the second, each
    /// at most `limit` in the order of their ids.
    pub(super) fn pair(before: Vec<Put>, after: Vec<Put>, limit: usize) -> Self {
        let is_full = |list: &[Put]| list.len() >= limit;
        let last = |list: &[Put]| list.iter().map(id_of).max();
        // Beyond the end of a list that was cut off, the other one is not paired yet.
        let ends = [&before, &after].into_iter().filter(|list| is_full(list)).filter_map(|list| last(list));
        let next = ends.min();
        let mut things: BTreeMap<Uuid, Differing> = BTreeMap::new();
        let entry = |id: Uuid| Differing { id, before: None, after: None };
        for put in before {
            let id = id_of(&put);
            things.entry(id).or_insert_with(|| entry(id)).before = Some(put);
        }
        for put in after {
            let id = id_of(&put);
            things.entry(id).or_insert_with(|| entry(id)).after = Some(put);
        }
        let things = things.into_values().filter(|thing| next.is_none_or(|next| thing.id <= next)).collect();
        Self { things, next }
    }
}

fn id_of(put: &Put) -> Uuid {
    match put {
        Put::Definition(definition) => definition.id.0,
        Put::Ci(ci) => ci.id.0,
        Put::Relationship(relationship) => relationship.id.0,
        Put::NeedGroup(group) => group.id.0,
        Put::Conflict(conflict) => conflict.id.0,
        Put::Merge(merge) => merge.absorbed.0,
        Put::Software { ci, .. } => ci.0,
        Put::AgentBinding { agent, .. } => agent.0,
    }
}

/// What may go.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cut {
    /// Of versions that were replaced before this instant, the last of each period is kept, and stands for the whole of it.
    pub versions_before: Option<Timestamp>,
    /// The period, milliseconds; at least one.
    pub period_ms: i64,
    /// Entries of the change feed before this instant go.
    pub events_before: Option<Timestamp>,
    /// Entries of the audit log before this instant go.
    pub audit_before: Option<Timestamp>,
}

/// What went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thinned {
    /// Versions.
    pub versions: u64,
    /// Entries of the change feed.
    pub events: u64,
    /// Entries of the audit log.
    pub audit: u64,
}
