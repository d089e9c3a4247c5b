//! The whole current state, with the indexes that reconciliation and lists ask.

use std::{collections::HashMap, sync::Arc};

use rollcall_shared::{AgentId, CiId, ConflictId, NeedGroupId, RelationshipId, Timestamp};
use uuid::Uuid;

mod software;
mod touched;
mod undo;

pub use software::SoftwareIndex;
pub use touched::Touched;
pub use undo::Undo;

use touched::TouchLog;
use undo::Step;

use crate::catalogue::{Catalogue, Definition, DefinitionBody, Governing, Standing, decide};
use crate::model::{
    Attribute, Change, Ci, Claim, Conflict, ConflictState, IdentityKey, Lifecycle, Merge, NeedGroup, Put, Relationship, Revision, SmallSet,
    Standing as GroupStanding,
};

/// Every live configuration item, relationship, need group and open conflict, as of one revision.
///
/// Retired CIs stay in it (recognised when they report again) but not in `active_cis`; retired relationships and need groups
/// and settled conflicts leave it. Conflicts of which a person said that both sides stay apart are remembered. An observed
/// relationship may stay active while one of its ends is retired (a service that is stopped): it counts again when the end
/// returns, so readers of the graph look at both ends.
#[derive(Clone, Debug, Default)]
pub struct Estate {
    revision: Revision,
    catalogue: Arc<Catalogue>,
    /// What is kept by the million lies apart from its map: a map's table is half empty, and twice there while it grows.
    cis: HashMap<CiId, Box<Ci>>,
    by_key: HashMap<IdentityKey, SmallSet<CiId>>,
    by_agent: HashMap<AgentId, CiId>,
    /// CIs that an agent reports: the machine and what runs on it.
    reported_by: HashMap<AgentId, SmallSet<CiId>>,
    relationships: HashMap<RelationshipId, Box<Relationship>>,
    /// By dependent: dependency and relationship, so that the relationships between two CIs are a range.
    outgoing: HashMap<CiId, SmallSet<(CiId, RelationshipId)>>,
    incoming: HashMap<CiId, SmallSet<RelationshipId>>,
    need_groups: HashMap<NeedGroupId, NeedGroup>,
    groups_of: HashMap<CiId, SmallSet<NeedGroupId>>,
    /// Need groups that do not count: suggested and rejected ones.
    suggestions: HashMap<NeedGroupId, NeedGroup>,
    conflicts: HashMap<ConflictId, Conflict>,
    conflicts_of: HashMap<CiId, SmallSet<ConflictId>>,
    /// By the CI that was absorbed.
    merges: HashMap<CiId, Merge>,
    software: SoftwareIndex,
    last_seen: HashMap<AgentId, Timestamp>,
    touched: TouchLog,
}

impl Estate {
    /// The commit that this state is of.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Classes, relationship types and rules, as of this revision.
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// Whether a CI's class is this one or specialises it.
    pub fn is_a(&self, ci: &Ci, class: &str) -> bool {
        self.catalogue.is_a(&ci.class, class)
    }

    /// How hard a relationship says that it is needed: a person's word, else its type's.
    pub fn hardness(&self, relationship: &Relationship) -> Option<rollcall_shared::catalogue::Hardness> {
        relationship.hardness.or_else(|| self.catalogue.hardness(&relationship.kind))
    }

    /// The claims of an attribute of a CI in the order of precedence at an instant, each with how it stands: when its source last said it, and
    /// whether that is within the deciding rule's window.
    pub fn standings(&self, ci: &Ci, name: &str, attribute: &Attribute, now: Timestamp) -> Vec<(Claim, Standing)> {
        let heard = ci.agent.and_then(|agent| self.agent_last_seen(agent));
        let governing = self.catalogue.rule(&ci.class, name).map_or(Governing::BuiltIn, Governing::Rule);
        let confirmed = |claim: &Claim| claim.confirmed_by(heard);
        decide(governing, attribute.claims().iter().cloned(), confirmed, now).claims
    }

    /// The place in the sequence of all writes: see [`Estate::touched_since`].
    pub fn mark(&self) -> u64 {
        self.touched.mark()
    }

    /// What was written since a mark, taken back or not; `None` if that is longer ago than is remembered.
    pub fn touched_since(&self, mark: u64) -> Option<impl Iterator<Item = Touched>> {
        self.touched.since(mark)
    }

    /// Applies a committed change set.
    pub fn apply<'a>(&mut self, changes: impl IntoIterator<Item = &'a Change>, revision: Revision) {
        for change in changes {
            self.put(&change.put);
        }
        self.revision = revision;
    }

    /// Applies a change set that is not committed yet, and notes what it takes to go back. The revision stays; call
    /// [`Estate::committed`] when the commit has succeeded or [`Estate::revert`] when it has failed.
    pub fn apply_recording<'a>(&mut self, changes: impl IntoIterator<Item = &'a Change>) -> Undo {
        let marks = self.software.marks();
        let steps = changes.into_iter().map(|change| self.replace(change.put.clone())).collect();
        Undo::new(steps, marks)
    }

    /// Goes back to the state before [`Estate::apply_recording`]. Several are reverted in reverse order.
    pub fn revert(&mut self, undo: Undo) {
        let (steps, marks) = undo.into_parts();
        for step in steps.into_iter().rev() {
            self.restore(step);
        }
        self.software.forget_after(marks);
    }

    /// Names the commit that made durable what [`Estate::apply_recording`] applied.
    pub fn committed(&mut self, revision: Revision) {
        self.revision = revision;
    }

    /// Replaces one thing by its new version. Used to apply commits.
    pub fn put(&mut self, put: &Put) {
        self.take(put.clone());
    }

    /// The same with what nobody else needs: millions are loaded without a copy of each.
    pub fn take(&mut self, put: Put) {
        drop(self.replace(put));
    }

    /// Replaces all software of many machines, see [`SoftwareIndex::put_many`].
    pub fn put_software<'a>(&mut self, catalogue: &[crate::model::SoftwareEntry], installed: impl IntoIterator<Item = (CiId, &'a [u32])>) {
        self.software.put_many(catalogue, installed);
    }

    /// Replaces one thing by its new version and returns what stood there.
    fn replace(&mut self, put: Put) -> Step {
        match put {
            Put::Definition(definition) => Step::Catalogue(self.set_definition(&definition)),
            Put::Ci(ci) => {
                let id = ci.id;
                Step::Ci(id, self.set_ci(id, Some(ci)).map(Box::new))
            }
            Put::Relationship(relationship) => {
                let id = relationship.id;
                let active = Some(relationship).filter(|it| it.lifecycle == Lifecycle::Active);
                Step::Relationship(id, self.set_relationship(id, active))
            }
            Put::NeedGroup(group) => {
                let id = group.id;
                let active = Some(group).filter(|it| it.lifecycle == Lifecycle::Active);
                Step::NeedGroup(id, self.set_need_group(id, active))
            }
            Put::Conflict(conflict) => {
                let id = conflict.id;
                let remembered = Some(conflict).filter(|it| it.state != ConflictState::Settled);
                Step::Conflict(id, self.set_conflict(id, remembered))
            }
            Put::Merge(merge) => {
                let absorbed = merge.absorbed;
                let standing = Some(*merge).filter(|it| !it.is_undone);
                Step::Merge(absorbed, self.set_merge(absorbed, standing).map(Box::new))
            }
            Put::Software { ci, software } => {
                let numbers = software.iter().map(|entry| self.software.number_of(entry)).collect();
                Step::Software(ci, self.software.set(ci, Some(numbers)))
            }
            Put::AgentBinding { agent, ci } => Step::AgentBinding(agent, self.by_agent.insert(agent, ci)),
        }
    }

    fn restore(&mut self, step: Step) {
        match step {
            Step::Catalogue(before) => drop(std::mem::replace(&mut self.catalogue, before)),
            Step::Ci(id, before) => drop(self.set_ci(id, before.map(|ci| *ci))),
            Step::Relationship(id, before) => drop(self.set_relationship(id, before)),
            Step::NeedGroup(id, before) => drop(self.set_need_group(id, before)),
            Step::Conflict(id, before) => drop(self.set_conflict(id, before)),
            Step::Merge(ci, before) => drop(self.set_merge(ci, before.map(|merge| *merge))),
            Step::Software(ci, before) => drop(self.software.set(ci, before)),
            Step::AgentBinding(agent, Some(before)) => drop(self.by_agent.insert(agent, before)),
            Step::AgentBinding(agent, None) => drop(self.by_agent.remove(&agent)),
        }
    }

    /// Notes that an agent was heard.
    pub fn heard(&mut self, agent: AgentId, at: Timestamp) {
        let seen = self.last_seen.entry(agent).or_insert(at);
        *seen = (*seen).max(at);
    }

    /// The CI of that id, retired ones included.
    pub fn ci(&self, id: CiId) -> Option<&Ci> {
        self.cis.get(&id).map(|ci| &**ci)
    }

    /// All CIs, retired ones included, in no order.
    pub fn cis(&self) -> impl Iterator<Item = &Ci> {
        self.cis.values().map(|ci| &**ci)
    }

    /// All CIs that are not retired, in no order.
    pub fn active_cis(&self) -> impl Iterator<Item = &Ci> {
        self.cis().filter(|ci| ci.lifecycle == Lifecycle::Active)
    }

    /// The CIs, retired ones included, that are recognised by this key.
    pub fn with_key(&self, key: &IdentityKey) -> impl Iterator<Item = &Ci> {
        self.by_key.get(key).into_iter().flatten().filter_map(|id| self.ci(*id))
    }

    /// The machine that an agent reports.
    pub fn machine_of(&self, agent: AgentId) -> Option<&Ci> {
        self.by_agent.get(&agent).and_then(|id| self.ci(*id))
    }

    /// The agents that report this machine: usually one, two after a merge or for a machine with two systems. A scan.
    pub fn agents_of(&self, machine: CiId) -> impl Iterator<Item = AgentId> {
        self.by_agent.iter().filter(move |(_, ci)| **ci == machine).map(|(agent, _)| *agent)
    }

    /// The machine and everything on it that names this agent, retired ones included.
    pub fn reported_by(&self, agent: AgentId) -> impl Iterator<Item = &Ci> {
        self.reported_by.get(&agent).into_iter().flatten().filter_map(|id| self.ci(*id))
    }

    /// The relationship of that id.
    pub fn relationship(&self, id: RelationshipId) -> Option<&Relationship> {
        self.relationships.get(&id).map(|relationship| &**relationship)
    }

    /// All relationships, in no order.
    pub fn relationships(&self) -> impl Iterator<Item = &Relationship> {
        self.relationships.values().map(|relationship| &**relationship)
    }

    /// What this CI depends on.
    pub fn dependencies(&self, of: CiId) -> impl Iterator<Item = &Relationship> {
        self.outgoing.get(&of).into_iter().flatten().filter_map(|(_, id)| self.relationship(*id))
    }

    /// The relationships by which `from` depends on `to`.
    pub fn between(&self, from: CiId, to: CiId) -> impl Iterator<Item = &Relationship> {
        let first = (to, RelationshipId(Uuid::nil()));
        let last = (to, RelationshipId(Uuid::max()));
        self.outgoing.get(&from).into_iter().flat_map(move |out| out.range(first..=last)).filter_map(|(_, id)| self.relationship(*id))
    }

    /// What depends on this CI.
    pub fn dependents(&self, of: CiId) -> impl Iterator<Item = &Relationship> {
        self.incoming.get(&of).into_iter().flatten().filter_map(|id| self.relationship(*id))
    }

    /// The declared need group of that id.
    pub fn need_group(&self, id: NeedGroupId) -> Option<&NeedGroup> {
        self.need_groups.get(&id)
    }

    /// All declared need groups, in no order.
    pub fn need_groups(&self) -> impl Iterator<Item = &NeedGroup> {
        self.need_groups.values()
    }

    /// The declared needs of one CI.
    pub fn need_groups_of(&self, ci: CiId) -> impl Iterator<Item = &NeedGroup> {
        self.groups_of.get(&ci).into_iter().flatten().filter_map(|id| self.need_groups.get(id))
    }

    /// Need groups that evidence suggests, and those that somebody rejected, in no order. They do not count.
    pub fn suggestions(&self) -> impl Iterator<Item = &NeedGroup> {
        self.suggestions.values()
    }

    /// The suggested or rejected need group of that id.
    pub fn suggestion(&self, id: NeedGroupId) -> Option<&NeedGroup> {
        self.suggestions.get(&id)
    }

    /// Open conflicts, in no order.
    pub fn open_conflicts(&self) -> impl Iterator<Item = &Conflict> {
        self.conflicts.values().filter(|conflict| conflict.state == ConflictState::Open)
    }

    /// Conflicts that name this CI: open ones, and those that keep it apart from another.
    pub fn conflicts_of(&self, ci: CiId) -> impl Iterator<Item = &Conflict> {
        self.conflicts_of.get(&ci).into_iter().flatten().filter_map(|id| self.conflicts.get(id))
    }

    /// The conflict of that id, open or keeping two CIs apart.
    pub fn conflict(&self, id: ConflictId) -> Option<&Conflict> {
        self.conflicts.get(&id)
    }

    /// When the collector last heard an agent.
    pub fn agent_last_seen(&self, agent: AgentId) -> Option<Timestamp> {
        self.last_seen.get(&agent).copied()
    }

    /// When the collector last heard each agent, in no order.
    pub fn agents_heard(&self) -> impl Iterator<Item = (AgentId, Timestamp)> {
        self.last_seen.iter().map(|(agent, at)| (*agent, *at))
    }

    /// Which machines have which software.
    pub fn software(&self) -> &SoftwareIndex {
        &self.software
    }

    /// Keys that more than one CI carries, with who does, in no order.
    pub fn shared_keys(&self) -> impl Iterator<Item = (&IdentityKey, impl Iterator<Item = &Ci>)> {
        let shared = self.by_key.iter().filter(|(_, holders)| holders.len() > 1);
        shared.map(|(key, holders)| (key, holders.iter().filter_map(|id| self.ci(*id))))
    }

    /// What made a CI part of another, if that can be taken back.
    pub fn merge_of(&self, absorbed: CiId) -> Option<&Merge> {
        self.merges.get(&absorbed)
    }

    /// What was merged into a CI, in the order in which it was. A scan of all merges.
    pub fn merges_into(&self, survivor: CiId) -> Vec<&Merge> {
        let mut merges: Vec<&Merge> = self.merges.values().filter(|merge| merge.survivor == survivor).collect();
        merges.sort_by_key(|merge| (merge.at, merge.absorbed));
        merges
    }

    fn set_merge(&mut self, absorbed: CiId, merge: Option<Merge>) -> Option<Merge> {
        match merge {
            Some(merge) => self.merges.insert(absorbed, merge),
            None => self.merges.remove(&absorbed),
        }
    }

    /// Changes the catalogue and touches what the graph read of it; returns the one that stood.
    fn set_definition(&mut self, definition: &Definition) -> Arc<Catalogue> {
        let now = Arc::new(self.catalogue.with([definition]));
        let before = std::mem::replace(&mut self.catalogue, now);
        match &definition.body {
            DefinitionBody::Class(class) => {
                let touches = |ci: &&Ci| self.catalogue.is_a(&ci.class, &class.name) || before.is_a(&ci.class, &class.name);
                let touched: Vec<CiId> = self.cis().filter(touches).map(|ci| ci.id).collect();
                touched.into_iter().for_each(|id| self.touched.note(Touched::Ci(id)));
            }
            DefinitionBody::RelationshipType(kind) => {
                let of_type = self.relationships().filter(|relationship| relationship.kind == kind.name);
                let touched: Vec<CiId> = of_type.map(|relationship| relationship.from).collect();
                touched.into_iter().for_each(|id| self.touched.note(Touched::Needs(id)));
            }
            DefinitionBody::Precedence(_) => {}
        }
        before
    }

    fn set_ci(&mut self, id: CiId, ci: Option<Ci>) -> Option<Ci> {
        self.touched.note(Touched::Ci(id));
        let before = self.cis.remove(&id).map(|ci| *ci);
        if let Some(before) = &before {
            for key in &before.keys {
                remove_from(&mut self.by_key, key, id);
            }
            if let Some(agent) = before.agent {
                remove_from(&mut self.reported_by, &agent, id);
            }
        }
        if let Some(ci) = ci {
            for key in &ci.keys {
                self.by_key.entry(key.clone()).or_default().insert(id);
            }
            if let Some(agent) = ci.agent {
                self.reported_by.entry(agent).or_default().insert(id);
            }
            self.cis.insert(id, Box::new(ci));
        }
        before
    }

    fn set_relationship(&mut self, id: RelationshipId, relationship: Option<Relationship>) -> Option<Relationship> {
        let before = self.relationships.remove(&id).map(|relationship| *relationship);
        let versions = [&before, &relationship];
        versions.into_iter().flatten().for_each(|version| self.touched.note(Touched::Needs(version.from)));
        if let Some(before) = &before {
            remove_from(&mut self.outgoing, &before.from, (before.to, id));
            remove_from(&mut self.incoming, &before.to, id);
        }
        if let Some(relationship) = relationship {
            self.outgoing.entry(relationship.from).or_default().insert((relationship.to, id));
            self.incoming.entry(relationship.to).or_default().insert(id);
            self.relationships.insert(id, Box::new(relationship));
        }
        before
    }

    fn set_need_group(&mut self, id: NeedGroupId, group: Option<NeedGroup>) -> Option<NeedGroup> {
        let before = self.need_groups.remove(&id);
        [&before, &group].into_iter().flatten().for_each(|version| self.touched.note(Touched::Needs(version.ci)));
        if let Some(before) = &before {
            remove_from(&mut self.groups_of, &before.ci, id);
        }
        let suggested = self.suggestions.remove(&id);
        match group {
            Some(group) if group.standing == GroupStanding::Accepted => {
                self.groups_of.entry(group.ci).or_default().insert(id);
                self.need_groups.insert(id, group);
            }
            Some(group) => drop(self.suggestions.insert(id, group)),
            None => {}
        }
        before.or(suggested)
    }

    fn set_conflict(&mut self, id: ConflictId, conflict: Option<Conflict>) -> Option<Conflict> {
        let before = self.conflicts.remove(&id);
        if let Some(before) = &before {
            for side in [Some(before.known), before.other].into_iter().flatten() {
                remove_from(&mut self.conflicts_of, &side, id);
            }
        }
        if let Some(conflict) = conflict {
            for side in [Some(conflict.known), conflict.other].into_iter().flatten() {
                self.conflicts_of.entry(side).or_default().insert(id);
            }
            self.conflicts.insert(id, conflict);
        }
        before
    }
}

fn remove_from<K: std::hash::Hash + Eq, V: Ord>(index: &mut HashMap<K, SmallSet<V>>, key: &K, value: V) {
    if let Some(values) = index.get_mut(key) {
        values.remove(&value);
        if values.is_empty() {
            index.remove(key);
        }
    }
}
