//! What a batch writes, table by table, before any database is asked.

use std::collections::{HashMap, HashSet};

use rollcall_core::{ConflictState, Lifecycle, Put, SoftwareSet};
use serde::Serialize;
use uuid::Uuid;

use super::{
    Batch, StoreError,
    codec::{self, BindingRow, CiRow, ConflictRow, DefinitionRow, EventRow, MergeRow, NeedGroupRow, RelationshipRow, SoftwareSetRow},
};

/// A row that stands from one instant to another, one of a chain of versions of one thing.
pub(super) trait Version {
    /// What it is a version of.
    fn thing(&self) -> Uuid;
    /// Since when it stands.
    fn valid_from(&self) -> i64;
    /// Says that it stood until then.
    fn close(&mut self, at: i64);
}

/// The new versions of one table, in an order in which they follow each other, and what they replace.
pub(super) struct Versions<T> {
    /// To insert; all but the last of each thing are closed already.
    pub(super) rows: Vec<T>,
    /// What to close: the version that stands, if there is one.
    pub(super) closings: Vec<Closing>,
}

/// The version of `id` that stands now stood until `at` (or, if the clock went back, not at all).
#[derive(Serialize)]
pub(super) struct Closing {
    pub(super) id: Uuid,
    at: i64,
}

impl<T: Version> Versions<T> {
    /// Several versions of one thing follow each other; of those that begin at the same instant only the last is kept,
    /// because the others never stood.
    fn chain(versions: impl IntoIterator<Item = T>) -> Self {
        let mut rows: Vec<Option<T>> = Vec::new();
        let mut newest: HashMap<Uuid, usize> = HashMap::new();
        let mut closings = Vec::new();
        for version in versions {
            match newest.insert(version.thing(), rows.len()).map(|before| &mut rows[before]) {
                Some(before) if before.as_ref().is_some_and(|before| before.valid_from() < version.valid_from()) => {
                    if let Some(before) = before {
                        before.close(version.valid_from());
                    }
                }
                Some(before) => *before = None,
                None => closings.push(Closing { id: version.thing(), at: version.valid_from() }),
            }
            rows.push(Some(version));
        }
        Self { rows: rows.into_iter().flatten().collect(), closings }
    }
}

/// Everything that the changes of a batch write.
pub(super) struct Plan<'a> {
    pub(super) definitions: Versions<DefinitionRow>,
    pub(super) cis: Versions<CiRow>,
    pub(super) relationships: Versions<RelationshipRow>,
    pub(super) need_groups: Versions<NeedGroupRow>,
    pub(super) bindings: Versions<BindingRow>,
    /// The last state of each.
    pub(super) conflicts: Vec<ConflictRow>,
    /// The last state of each.
    pub(super) merges: Vec<MergeRow>,
    /// Catalogue ids are filled in by [`Plan::software_sets`].
    software: HashMap<Uuid, &'a SoftwareSet>,
    batch: &'a Batch,
}

impl<'a> Plan<'a> {
    /// Sorts the changes of a batch by table.
    pub(super) fn new(batch: &'a Batch) -> Result<Self, StoreError> {
        let (mut definitions, mut cis, mut relationships, mut need_groups, mut bindings) = (vec![], vec![], vec![], vec![], vec![]);
        let (mut conflicts, mut software): (HashMap<Uuid, ConflictRow>, _) = (HashMap::new(), HashMap::new());
        let mut merges: HashMap<Uuid, MergeRow> = HashMap::new();
        let at = batch.at.as_millis();
        for change in &batch.changes {
            match &change.change.put {
                Put::Definition(definition) => {
                    definitions.push(DefinitionRow::new(definition, &change.actor, &change.change.reason)?);
                }
                Put::Ci(ci) => cis.push(CiRow::new(ci, &change.actor, &change.change.reason, &change.change.differs)?),
                Put::Relationship(relationship) => relationships.push(RelationshipRow::new(relationship)?),
                Put::NeedGroup(group) => need_groups.push(NeedGroupRow::new(group)?),
                Put::Conflict(conflict) => drop(conflicts.insert(conflict.id.0, ConflictRow::from(conflict))),
                Put::Merge(merge) => drop(merges.insert(merge.absorbed.0, MergeRow::new(merge)?)),
                Put::Software { ci, software: set } => drop(software.insert(ci.0, set)),
                Put::AgentBinding { agent, ci } => {
                    bindings.push(BindingRow { agent: agent.0, ci: ci.0, valid_from: at, valid_to: None });
                }
            }
        }
        Ok(Self {
            definitions: Versions::chain(definitions),
            cis: Versions::chain(cis),
            relationships: Versions::chain(relationships),
            need_groups: Versions::chain(need_groups),
            bindings: Versions::chain(bindings),
            conflicts: conflicts.into_values().collect(),
            merges: merges.into_values().collect(),
            software,
            batch,
        })
    }

    /// All pieces of software of all machines of the batch.
    pub(super) fn software(&self) -> impl Iterator<Item = &'a rollcall_core::SoftwareEntry> {
        self.software.values().copied().flatten()
    }

    /// The software sets, once every piece of software has its number.
    pub(super) fn software_sets(
        &self,
        number: impl Fn(&rollcall_core::SoftwareEntry) -> Option<u32>,
    ) -> Result<Versions<SoftwareSetRow>, StoreError> {
        let at = self.batch.at.as_millis();
        let mut sets = Vec::with_capacity(self.software.len());
        for (ci, software) in &self.software {
            let mut ids: Vec<u32> = software.iter().filter_map(&number).collect();
            ids.sort_unstable();
            sets.push(SoftwareSetRow { ci: *ci, ids: codec::json(&ids)?, valid_from: at, valid_to: None });
        }
        Ok(Versions::chain(sets))
    }

    /// The events of the batch.
    pub(super) fn events(&self, known: Known) -> Result<Vec<EventRow>, StoreError> {
        let Known { mut conflicts, mut software, mut bindings } = known;
        let mut event = |change: &super::AttributedChange| -> Result<EventRow, StoreError> {
            let versioned = |lifecycle, version| match (lifecycle, version) {
                (Lifecycle::Retired, _) => "retired",
                (Lifecycle::Active, 1) => "created",
                (Lifecycle::Active, _) => "updated",
            };
            let at_first_sight = |known: &mut HashSet<Uuid>, id: Uuid| if known.insert(id) { "created" } else { "updated" };
            let (kind, action, subject, ci, other_ci) = match &change.change.put {
                Put::Definition(it) => ("definition", versioned(it.lifecycle, it.version), it.id.0, None, None),
                Put::Ci(ci) => ("ci", versioned(ci.lifecycle, ci.version), ci.id.0, Some(ci.id), None),
                Put::Relationship(it) => ("relationship", versioned(it.lifecycle, it.version), it.id.0, Some(it.from), Some(it.to)),
                Put::NeedGroup(group) => ("need_group", versioned(group.lifecycle, group.version), group.id.0, Some(group.ci), None),
                Put::Conflict(conflict) => {
                    let action = at_first_sight(&mut conflicts, conflict.id.0);
                    let action = if conflict.state == ConflictState::Settled { "retired" } else { action };
                    ("conflict", action, conflict.id.0, Some(conflict.known), conflict.other)
                }
                Put::Merge(merge) => {
                    let action = if merge.is_undone { "retired" } else { "created" };
                    ("merge", action, merge.absorbed.0, Some(merge.survivor), Some(merge.absorbed))
                }
                Put::Software { ci, .. } => ("software", at_first_sight(&mut software, ci.0), ci.0, Some(*ci), None),
                Put::AgentBinding { agent, ci } => ("agent_binding", at_first_sight(&mut bindings, agent.0), agent.0, Some(*ci), None),
            };
            Ok(EventRow {
                cursor: 0,
                revision: 0,
                at: self.batch.at.as_millis(),
                kind: kind.into(),
                action: action.into(),
                subject,
                ci: ci.map(|ci| ci.0),
                other_ci: other_ci.map(|ci| ci.0),
                actor: change.actor.clone(),
                reason: change.change.reason.clone(),
                differs: codec::json(&change.change.differs)?,
            })
        };
        self.batch.changes.iter().map(&mut event).collect()
    }
}

/// What the store had before, of the things whose puts do not say whether they are the first.
#[derive(Default)]
pub(super) struct Known {
    /// Conflicts.
    pub(super) conflicts: HashSet<Uuid>,
    /// Machines with software.
    pub(super) software: HashSet<Uuid>,
    /// Agents with a machine.
    pub(super) bindings: HashSet<Uuid>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Row(u128, i64, Option<i64>);

    impl Version for Row {
        fn thing(&self) -> Uuid {
            Uuid::from_u128(self.0)
        }
        fn valid_from(&self) -> i64 {
            self.1
        }
        fn close(&mut self, at: i64) {
            self.2 = Some(at);
        }
    }

    #[test]
    fn versions_of_one_thing_follow_each_other() {
        let versions = Versions::chain([Row(1, 10, None), Row(2, 10, None), Row(1, 20, None), Row(1, 20, None), Row(2, 5, None)]);
        assert_eq!(versions.rows, [Row(1, 10, Some(20)), Row(1, 20, None), Row(2, 5, None)]);
        assert_eq!(versions.closings.iter().map(|closing| closing.at).collect::<Vec<_>>(), [10, 10]);
    }
}
