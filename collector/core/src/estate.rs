//! The whole current state, with the indexes that reconciliation and lists ask.

use std::collections::{BTreeSet, HashMap};

use roaring::RoaringBitmap;
use rollcall_shared::{AgentId, CiId, ConflictId, NeedGroupId, RelationshipId, Timestamp};

use crate::model::{Change, Ci, Conflict, ConflictState, IdentityKey, Lifecycle, NeedGroup, Put, Relationship, Revision, SoftwareEntry};

/// Every live configuration item, relationship, need group and open conflict, as of one revision.
///
/// Retired CIs stay in it (recognised when they report again) but not in `active_cis`; retired relationships and need groups
/// and settled conflicts leave it.
#[derive(Clone, Debug, Default)]
pub struct Estate {
    revision: Revision,
    cis: HashMap<CiId, Ci>,
    by_key: HashMap<IdentityKey, BTreeSet<CiId>>,
    by_agent: HashMap<AgentId, CiId>,
    /// CIs that an agent reports: the machine and what runs on it.
    reported_by: HashMap<AgentId, BTreeSet<CiId>>,
    relationships: HashMap<RelationshipId, Relationship>,
    outgoing: HashMap<CiId, BTreeSet<RelationshipId>>,
    incoming: HashMap<CiId, BTreeSet<RelationshipId>>,
    need_groups: HashMap<NeedGroupId, NeedGroup>,
    groups_of: HashMap<CiId, BTreeSet<NeedGroupId>>,
    conflicts: HashMap<ConflictId, Conflict>,
    software: SoftwareIndex,
    last_seen: HashMap<AgentId, Timestamp>,
}

impl Estate {
    /// The commit that this state is of.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Applies a committed change set.
    pub fn apply<'a>(&mut self, changes: impl IntoIterator<Item = &'a Change>, revision: Revision) {
        for change in changes {
            self.put(&change.put);
        }
        self.revision = revision;
    }

    /// Replaces one thing by its new version. Used to load, to apply commits, and to plan on a copy.
    pub fn put(&mut self, put: &Put) {
        match put {
            Put::Ci(ci) => self.put_ci(ci.clone()),
            Put::Relationship(relationship) => self.put_relationship(relationship.clone()),
            Put::NeedGroup(group) => self.put_need_group(group.clone()),
            Put::Conflict(conflict) => match conflict.state {
                ConflictState::Open => drop(self.conflicts.insert(conflict.id, conflict.clone())),
                ConflictState::Settled => drop(self.conflicts.remove(&conflict.id)),
            },
            Put::Software { ci, software } => self.software.put(*ci, software.iter()),
            Put::AgentBinding { agent, ci } => drop(self.by_agent.insert(*agent, *ci)),
        }
    }

    /// Notes that an agent was heard.
    pub fn heard(&mut self, agent: AgentId, at: Timestamp) {
        let seen = self.last_seen.entry(agent).or_insert(at);
        *seen = (*seen).max(at);
    }

    /// The CI of that id, retired ones included.
    pub fn ci(&self, id: CiId) -> Option<&Ci> {
        self.cis.get(&id)
    }

    /// All CIs, retired ones included, in no order.
    pub fn cis(&self) -> impl Iterator<Item = &Ci> {
        self.cis.values()
    }

    /// All CIs that are not retired, in no order.
    pub fn active_cis(&self) -> impl Iterator<Item = &Ci> {
        self.cis.values().filter(|ci| ci.lifecycle == Lifecycle::Active)
    }

    /// The CIs, retired ones included, that are recognised by this key.
    pub fn with_key(&self, key: &IdentityKey) -> impl Iterator<Item = &Ci> {
        self.by_key.get(key).into_iter().flatten().filter_map(|id| self.cis.get(id))
    }

    /// The machine that an agent reports.
    pub fn machine_of(&self, agent: AgentId) -> Option<&Ci> {
        self.by_agent.get(&agent).and_then(|id| self.cis.get(id))
    }

    /// The machine and everything on it that names this agent, retired ones included.
    pub fn reported_by(&self, agent: AgentId) -> impl Iterator<Item = &Ci> {
        self.reported_by.get(&agent).into_iter().flatten().filter_map(|id| self.cis.get(id))
    }

    /// The relationship of that id.
    pub fn relationship(&self, id: RelationshipId) -> Option<&Relationship> {
        self.relationships.get(&id)
    }

    /// All relationships, in no order.
    pub fn relationships(&self) -> impl Iterator<Item = &Relationship> {
        self.relationships.values()
    }

    /// What this CI depends on.
    pub fn dependencies(&self, of: CiId) -> impl Iterator<Item = &Relationship> {
        self.outgoing.get(&of).into_iter().flatten().filter_map(|id| self.relationships.get(id))
    }

    /// What depends on this CI.
    pub fn dependents(&self, of: CiId) -> impl Iterator<Item = &Relationship> {
        self.incoming.get(&of).into_iter().flatten().filter_map(|id| self.relationships.get(id))
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

    /// Open conflicts, in no order.
    pub fn open_conflicts(&self) -> impl Iterator<Item = &Conflict> {
        self.conflicts.values()
    }

    /// The open conflict of that id.
    pub fn conflict(&self, id: ConflictId) -> Option<&Conflict> {
        self.conflicts.get(&id)
    }

    /// When the collector last heard an agent.
    pub fn agent_last_seen(&self, agent: AgentId) -> Option<Timestamp> {
        self.last_seen.get(&agent).copied()
    }

    /// Which machines have which software.
    pub fn software(&self) -> &SoftwareIndex {
        &self.software
    }

    fn put_ci(&mut self, ci: Ci) {
        if let Some(before) = self.cis.remove(&ci.id) {
            for key in &before.keys {
                remove_from(&mut self.by_key, key, ci.id);
            }
            if let Some(agent) = before.agent {
                remove_from(&mut self.reported_by, &agent, ci.id);
            }
        }
        for key in &ci.keys {
            self.by_key.entry(key.clone()).or_default().insert(ci.id);
        }
        if let Some(agent) = ci.agent {
            self.reported_by.entry(agent).or_default().insert(ci.id);
        }
        self.cis.insert(ci.id, ci);
    }

    fn put_relationship(&mut self, relationship: Relationship) {
        let id = relationship.id;
        if let Some(before) = self.relationships.remove(&id) {
            remove_from(&mut self.outgoing, &before.from, id);
            remove_from(&mut self.incoming, &before.to, id);
        }
        if relationship.lifecycle == Lifecycle::Active {
            self.outgoing.entry(relationship.from).or_default().insert(id);
            self.incoming.entry(relationship.to).or_default().insert(id);
            self.relationships.insert(id, relationship);
        }
    }

    fn put_need_group(&mut self, group: NeedGroup) {
        if let Some(before) = self.need_groups.remove(&group.id) {
            remove_from(&mut self.groups_of, &before.ci, group.id);
        }
        if group.lifecycle == Lifecycle::Active {
            self.groups_of.entry(group.ci).or_default().insert(group.id);
            self.need_groups.insert(group.id, group);
        }
    }
}

fn remove_from<K: std::hash::Hash + Eq, V: Ord>(index: &mut HashMap<K, BTreeSet<V>>, key: &K, value: V) {
    if let Some(values) = index.get_mut(key) {
        values.remove(&value);
        if values.is_empty() {
            index.remove(key);
        }
    }
}

/// Software by machine and machines by software: numbers inside, one bitmap for each piece of software.
#[derive(Clone, Debug, Default)]
pub struct SoftwareIndex {
    entries: Vec<SoftwareEntry>,
    number: HashMap<SoftwareEntry, u32>,
    machines: Vec<CiId>,
    machine_number: HashMap<CiId, u32>,
    installed: HashMap<CiId, RoaringBitmap>,
    installed_on: Vec<RoaringBitmap>,
}

impl SoftwareIndex {
    /// Replaces what is on a machine.
    pub fn put<'a>(&mut self, machine: CiId, software: impl Iterator<Item = &'a SoftwareEntry>) {
        let now: RoaringBitmap = software.map(|entry| self.number_of(entry)).collect();
        let machine_number = *self.machine_number.entry(machine).or_insert_with(|| {
            self.machines.push(machine);
            (self.machines.len() - 1) as u32
        });
        let before = self.installed.insert(machine, now.clone()).unwrap_or_default();
        for gone in &before - &now {
            self.installed_on[gone as usize].remove(machine_number);
        }
        for new in &now - &before {
            self.installed_on[new as usize].insert(machine_number);
        }
    }

    /// What is on a machine, in no order.
    pub fn of(&self, machine: CiId) -> impl Iterator<Item = &SoftwareEntry> {
        self.installed.get(&machine).into_iter().flatten().map(|number| &self.entries[number as usize])
    }

    /// How many pieces of software a machine has.
    pub fn count_of(&self, machine: CiId) -> u64 {
        self.installed.get(&machine).map_or(0, RoaringBitmap::len)
    }

    /// Every piece of software that some machine has or had, with the number of machines that have it now.
    pub fn entries(&self) -> impl Iterator<Item = (&SoftwareEntry, u64)> {
        self.entries.iter().zip(self.installed_on.iter().map(RoaringBitmap::len))
    }

    /// The machines that have software for which `wanted` says yes.
    pub fn machines_with(&self, wanted: impl Fn(&SoftwareEntry) -> bool) -> BTreeSet<CiId> {
        let mut found = RoaringBitmap::new();
        for (entry, on) in self.entries.iter().zip(&self.installed_on) {
            if !on.is_empty() && wanted(entry) {
                found |= on;
            }
        }
        found.iter().map(|number| self.machines[number as usize]).collect()
    }

    fn number_of(&mut self, entry: &SoftwareEntry) -> u32 {
        if let Some(number) = self.number.get(entry) {
            return *number;
        }
        let number = self.entries.len() as u32;
        self.entries.push(entry.clone());
        self.installed_on.push(RoaringBitmap::new());
        self.number.insert(entry.clone(), number);
        number
    }
}
