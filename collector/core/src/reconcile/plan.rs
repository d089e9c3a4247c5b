//! Drafts over an estate. Edits are free; [`Plan::finish`] keeps what differs in the end.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use rollcall_shared::{AgentId, CiId, ConflictId, NeedGroupId, RelationshipId, Timestamp};

use super::Policy;
use crate::{
    Catalogue, Estate,
    catalogue::{Definition, Governing, decide},
    model::{
        Change, ChangeSet, Ci, Claim, Conflict, ConflictKind, ConflictState, IdSource, IdentityKey, Lifecycle, Merge, MergeStep, NeedGroup,
        Put, Relationship, SoftwareSet, Stage,
    },
};

/// Change sets in the making.
pub(super) struct Plan<'a> {
    pub(super) estate: &'a Estate,
    pub(super) now: Timestamp,
    pub(super) policy: &'a Policy,
    ids: &'a mut dyn IdSource,
    /// The estate's, with the definitions that this plan changes.
    catalogue: Arc<Catalogue>,
    definitions: Vec<Change>,
    cis: Drafts<CiId, Ci>,
    relationships: Drafts<RelationshipId, Relationship>,
    need_groups: Drafts<NeedGroupId, NeedGroup>,
    conflicts: Drafts<ConflictId, Conflict>,
    software: Vec<Change>,
    bindings: Vec<Change>,
    merges: Vec<Change>,
    /// What a merge in the making has touched, as it was before.
    recorded: Option<BTreeMap<Thing, Option<Put>>>,
    /// Whether something is put back: then every difference counts.
    pub(super) restores: bool,
    /// Keys that drafts have or had; who has them now is asked of the draft.
    keyed: HashMap<IdentityKey, BTreeSet<CiId>>,
    /// Relationships drafted from a CI; whether they still start there is asked of the draft.
    drafted_from: HashMap<CiId, BTreeSet<RelationshipId>>,
    drafted_to: HashMap<CiId, BTreeSet<RelationshipId>>,
}

/// What a merge may touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    Ci(CiId),
    Relationship(RelationshipId),
    NeedGroup(NeedGroupId),
    Conflict(ConflictId),
    Software(CiId),
    Binding(AgentId),
}

/// New versions in the order they were first touched.
struct Drafts<K, T> {
    drafts: Vec<Draft<T>>,
    at: HashMap<K, usize>,
}

struct Draft<T> {
    value: T,
    reasons: Vec<String>,
}

impl<K: Copy + Eq + std::hash::Hash, T> Drafts<K, T> {
    fn new() -> Self {
        Self { drafts: Vec::new(), at: HashMap::new() }
    }

    fn get(&self, id: K) -> Option<&T> {
        self.at.get(&id).map(|at| &self.drafts[*at].value)
    }

    /// The draft of that id, begun from `base` if there is none; `None` if neither exists.
    fn edit(&mut self, id: K, base: impl FnOnce() -> Option<T>) -> Option<&mut Draft<T>> {
        let at = match self.at.get(&id) {
            Some(at) => *at,
            None => {
                self.drafts.push(Draft { value: base()?, reasons: Vec::new() });
                self.at.insert(id, self.drafts.len() - 1);
                self.drafts.len() - 1
            }
        };
        Some(&mut self.drafts[at])
    }
}

impl<T> Draft<T> {
    fn because(&mut self, reason: impl Into<String>) {
        let reason = reason.into();
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }

    fn reason(&self) -> String {
        /// More than anybody reads; a document may say a lot at once.
        const SHOWN: usize = 5;
        let shown = self.reasons.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
        match self.reasons.len().checked_sub(SHOWN) {
            Some(more @ 1..) => format!("{shown}; and {more} more"),
            _ => shown,
        }
    }
}

impl<'a> Plan<'a> {
    pub(super) fn new(estate: &'a Estate, now: Timestamp, policy: &'a Policy, ids: &'a mut dyn IdSource) -> Self {
        Self {
            estate,
            now,
            policy,
            ids,
            catalogue: Arc::clone(estate.catalogue()),
            definitions: Vec::new(),
            cis: Drafts::new(),
            relationships: Drafts::new(),
            need_groups: Drafts::new(),
            conflicts: Drafts::new(),
            software: Vec::new(),
            bindings: Vec::new(),
            merges: Vec::new(),
            recorded: None,
            restores: false,
            keyed: HashMap::new(),
            drafted_from: HashMap::new(),
            drafted_to: HashMap::new(),
        }
    }

    // --- CIs ---

    pub(super) fn ci(&self, id: CiId) -> Option<&Ci> {
        self.cis.get(id).or_else(|| self.estate.ci(id))
    }

    pub(super) fn new_ci(&mut self, class: &str, name: String, keys: Vec<IdentityKey>, agent: Option<AgentId>, reason: String) -> CiId {
        let id = CiId(self.ids.next());
        for key in &keys {
            self.keyed.entry(key.clone()).or_default().insert(id);
        }
        let ci = Ci {
            id,
            class: class.to_owned(),
            name,
            lifecycle: Lifecycle::Active,
            stage: Stage::InUse,
            sighting: None,
            attributes: Default::default(),
            keys,
            agent,
            merged_into: None,
            first_seen: self.now,
            valid_from: self.now,
            version: 1,
        };
        self.cis.at.insert(id, self.cis.drafts.len());
        self.cis.drafts.push(Draft { value: ci, reasons: vec![reason] });
        id
    }

    /// Edits a CI; `change` says whether it did anything, and only then the reason is kept.
    pub(super) fn edit_ci(&mut self, id: CiId, reason: impl Into<String>, change: impl FnOnce(&mut Ci) -> bool) -> bool {
        self.note(Thing::Ci(id));
        let Some(draft) = self.cis.edit(id, || self.estate.ci(id).cloned()) else { return false };
        if !change(&mut draft.value) {
            return false;
        }
        draft.because(reason);
        for key in &draft.value.keys {
            if !self.keyed.get(key).is_some_and(|holders| holders.contains(&id)) {
                self.keyed.entry(key.clone()).or_default().insert(id);
            }
        }
        true
    }

    /// CIs, retired ones included, that have this key now, in the order of their ids.
    pub(super) fn with_key(&self, key: &IdentityKey) -> BTreeSet<CiId> {
        let known = self.estate.with_key(key).map(|ci| ci.id);
        let drafted = self.keyed.get(key).into_iter().flatten().copied();
        known.chain(drafted).filter(|id| self.ci(*id).is_some_and(|ci| ci.keys.contains(key))).collect()
    }

    /// The CI that stands for this one: itself, or what it was merged into.
    pub(super) fn standing(&self, id: CiId) -> CiId {
        let mut at = id;
        let mut seen = HashSet::new();
        while let Some(into) = self.ci(at).and_then(|ci| ci.merged_into).filter(|_| seen.insert(at)) {
            at = into;
        }
        at
    }

    /// CIs that this plan has drafted.
    pub(super) fn drafted_cis(&self) -> impl Iterator<Item = &Ci> {
        self.cis.drafts.iter().map(|draft| &draft.value)
    }

    /// Every live CI as this plan leaves it.
    pub(super) fn active_cis(&self) -> impl Iterator<Item = &Ci> {
        let untouched = self.estate.active_cis().filter(|ci| self.cis.get(ci.id).is_none());
        untouched.chain(self.drafted_cis()).filter(|ci| ci.lifecycle == Lifecycle::Active)
    }

    // --- Relationships ---

    pub(super) fn relationship(&self, id: RelationshipId) -> Option<&Relationship> {
        self.relationships.get(id).or_else(|| self.estate.relationship(id)).filter(|it| it.lifecycle == Lifecycle::Active)
    }

    /// Every live relationship as this plan leaves it.
    pub(super) fn active_relationships(&self) -> impl Iterator<Item = &Relationship> {
        let untouched = self.estate.relationships().filter(|it| self.relationships.get(it.id).is_none());
        let drafted = self.relationships.drafts.iter().map(|draft| &draft.value);
        untouched.chain(drafted).filter(|it| it.lifecycle == Lifecycle::Active)
    }

    /// Active relationships of a type from one CI to another.
    pub(super) fn between(&self, kind: &str, from: CiId, to: CiId) -> Option<RelationshipId> {
        let known = self.estate.between(from, to).map(|relationship| relationship.id);
        let drafted = self.drafted_from.get(&from).into_iter().flatten().copied();
        let fits = |id: &RelationshipId| self.relationship(*id).is_some_and(|it| it.kind == kind && it.from == from && it.to == to);
        known.chain(drafted).find(fits)
    }

    /// Active relationships that start at a CI.
    pub(super) fn from(&self, ci: CiId) -> BTreeSet<RelationshipId> {
        let known = self.estate.dependencies(ci).map(|relationship| relationship.id);
        let drafted = self.drafted_from.get(&ci).into_iter().flatten().copied();
        known.chain(drafted).filter(|id| self.relationship(*id).is_some_and(|it| it.from == ci)).collect()
    }

    /// Active relationships that end at a CI.
    pub(super) fn to(&self, ci: CiId) -> BTreeSet<RelationshipId> {
        let known = self.estate.dependents(ci).map(|relationship| relationship.id);
        let drafted = self.drafted_to.get(&ci).into_iter().flatten().copied();
        known.chain(drafted).filter(|id| self.relationship(*id).is_some_and(|it| it.to == ci)).collect()
    }

    /// A new relationship, for its creator to give it evidence.
    pub(super) fn new_relationship(&mut self, kind: &str, from: CiId, to: CiId, reason: String) -> RelationshipId {
        let id = RelationshipId(self.ids.next());
        self.note(Thing::Relationship(id));
        let relationship = Relationship {
            id,
            kind: kind.to_owned(),
            from,
            to,
            hardness: None,
            judgement: None,
            lifecycle: Lifecycle::Active,
            evidence: Vec::new(),
            first_seen: self.now,
            valid_from: self.now,
            version: 1,
        };
        self.relationships.at.insert(id, self.relationships.drafts.len());
        self.relationships.drafts.push(Draft { value: relationship, reasons: vec![reason] });
        self.drafted_from.entry(from).or_default().insert(id);
        self.drafted_to.entry(to).or_default().insert(id);
        id
    }

    pub(super) fn edit_relationship(&mut self, id: RelationshipId, reason: impl Into<String>, change: impl FnOnce(&mut Relationship)) {
        self.note(Thing::Relationship(id));
        let Some(draft) = self.relationships.edit(id, || self.estate.relationship(id).cloned()) else { return };
        change(&mut draft.value);
        draft.because(reason);
        self.drafted_from.entry(draft.value.from).or_default().insert(id);
        self.drafted_to.entry(draft.value.to).or_default().insert(id);
    }

    // --- Need groups ---

    pub(super) fn need_group(&self, id: NeedGroupId) -> Option<&NeedGroup> {
        self.need_groups
            .get(id)
            .or_else(|| self.estate.need_group(id))
            .or_else(|| self.estate.suggestion(id))
            .filter(|it| it.lifecycle == Lifecycle::Active)
    }

    pub(super) fn new_id(&mut self) -> uuid::Uuid {
        self.ids.next()
    }

    pub(super) fn put_need_group(&mut self, group: NeedGroup, reason: impl Into<String>) {
        let id = group.id;
        self.note(Thing::NeedGroup(id));
        if let Some(draft) = self.need_groups.edit(id, || Some(group.clone())) {
            draft.value = group;
            draft.because(reason);
        }
    }

    // --- Conflicts ---

    /// Open conflicts and decisions to keep apart that name this CI.
    pub(super) fn conflicts_of(&self, ci: CiId) -> Vec<&Conflict> {
        let names = |conflict: &&Conflict| conflict.known == ci || conflict.other == Some(ci);
        let known = self.estate.conflicts_of(ci).filter(|conflict| self.conflicts.get(conflict.id).is_none());
        let drafted = self.conflicts.drafts.iter().map(|draft| &draft.value).filter(|conflict| conflict.state != ConflictState::Settled);
        known.chain(drafted.filter(names)).collect()
    }

    /// Opens a question, unless it is asked or was answered by "keep apart" for the same two already.
    pub(super) fn open_conflict(
        &mut self,
        kind: ConflictKind,
        known: CiId,
        other: Option<CiId>,
        agent: Option<AgentId>,
        detail: String,
    ) -> Option<ConflictId> {
        let asked = self.conflicts_of(known).into_iter().any(|conflict| match other {
            Some(other) => conflict.known == other || conflict.other == Some(other),
            None => {
                conflict.kind == kind
                    && conflict.other.is_none()
                    && (conflict.state == ConflictState::Open || kind == ConflictKind::SameIdentity)
            }
        });
        if asked {
            return None;
        }
        let id = ConflictId(self.ids.next());
        self.note(Thing::Conflict(id));
        let (state, opened_at) = (ConflictState::Open, self.now);
        let conflict = Conflict { id, kind, known, other, agent, detail: detail.clone(), state, opened_at, settled_at: None };
        self.conflicts.at.insert(id, self.conflicts.drafts.len());
        self.conflicts.drafts.push(Draft { value: conflict, reasons: vec![detail] });
        Some(id)
    }

    pub(super) fn settle_conflict(&mut self, id: ConflictId, state: ConflictState, reason: impl Into<String>) {
        let now = self.now;
        self.note(Thing::Conflict(id));
        if let Some(draft) = self.conflicts.edit(id, || self.estate.conflict(id).cloned()) {
            draft.value.state = state;
            draft.value.settled_at = Some(now);
            draft.because(reason);
        }
    }

    // --- The catalogue ---

    /// The catalogue as this plan leaves it.
    pub(super) fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    pub(super) fn put_definition(&mut self, definition: Definition, reason: String, differs: Vec<String>) {
        self.catalogue = Arc::new(self.catalogue.with([&definition]));
        self.definitions.push(Change { put: Put::Definition(definition), reason, differs });
    }

    // --- The rest ---

    pub(super) fn put_software(&mut self, ci: CiId, software: SoftwareSet, reason: String) {
        self.note(Thing::Software(ci));
        self.software.push(Change { put: Put::Software { ci, software }, reason, differs: Vec::new() });
    }

    pub(super) fn bind(&mut self, agent: AgentId, ci: CiId, reason: String) {
        self.note(Thing::Binding(agent));
        self.bindings.push(Change { put: Put::AgentBinding { agent, ci }, reason, differs: Vec::new() });
    }

    /// From now on, what is touched is noted as it was.
    pub(super) fn begin_record(&mut self) {
        self.recorded = Some(BTreeMap::new());
    }

    /// What was touched since, as it was and as it is.
    pub(super) fn end_record(&mut self) -> Vec<MergeStep> {
        let recorded = self.recorded.take().unwrap_or_default();
        let step = |(thing, before): (Thing, Option<Put>)| {
            let after = self.as_it_is(thing)?;
            (before.as_ref() != Some(&after)).then_some(MergeStep { before, after })
        };
        recorded.into_iter().filter_map(step).collect()
    }

    fn note(&mut self, thing: Thing) {
        if self.recorded.as_ref().is_some_and(|recorded| !recorded.contains_key(&thing)) {
            let before = self.as_it_is(thing);
            if let Some(recorded) = &mut self.recorded {
                recorded.insert(thing, before);
            }
        }
    }

    fn as_it_is(&self, thing: Thing) -> Option<Put> {
        match thing {
            Thing::Ci(id) => self.ci(id).cloned().map(Put::Ci),
            Thing::Relationship(id) => self.relationships.get(id).or_else(|| self.estate.relationship(id)).cloned().map(Put::Relationship),
            Thing::NeedGroup(id) => {
                let known = || self.estate.need_group(id).or_else(|| self.estate.suggestion(id));
                self.need_groups.get(id).or_else(known).cloned().map(Put::NeedGroup)
            }
            Thing::Conflict(id) => self.conflict(id).cloned().map(Put::Conflict),
            Thing::Software(ci) => Some(Put::Software { ci, software: self.software_of(ci) }),
            Thing::Binding(agent) => self.bound_to(agent).map(|ci| Put::AgentBinding { agent, ci }),
        }
    }

    /// A conflict as this plan leaves it.
    pub(super) fn conflict(&self, id: ConflictId) -> Option<&Conflict> {
        self.conflicts.get(id).or_else(|| self.estate.conflict(id))
    }

    /// All software of a machine as this plan leaves it.
    pub(super) fn software_of(&self, machine: CiId) -> SoftwareSet {
        let drafted = self.software.iter().rev().find_map(|change| match &change.put {
            Put::Software { ci, software } if *ci == machine => Some(software.clone()),
            _ => None,
        });
        drafted.unwrap_or_else(|| self.estate.software().of(machine).cloned().collect())
    }

    /// The machine that an agent reports as this plan leaves it.
    pub(super) fn bound_to(&self, agent: AgentId) -> Option<CiId> {
        let drafted = self.bindings.iter().rev().find_map(|change| match &change.put {
            Put::AgentBinding { agent: bound, ci } if *bound == agent => Some(*ci),
            _ => None,
        });
        drafted.or_else(|| self.estate.machine_of(agent).map(|ci| ci.id))
    }

    pub(super) fn put_merge(&mut self, merge: Merge, reason: String) {
        self.merges.push(Change { put: Put::Merge(Box::new(merge)), reason, differs: Vec::new() });
    }

    /// Puts a conflict back as it was.
    pub(super) fn put_conflict(&mut self, conflict: Conflict, reason: String) {
        if let Some(draft) = self.conflicts.edit(conflict.id, || Some(conflict.clone())) {
            draft.value = conflict;
            draft.because(reason);
        }
    }

    /// A relationship as it is to be; one that was retired meanwhile comes back with the number of versions that it has had.
    pub(super) fn put_relationship(&mut self, relationship: Relationship, reason: String) {
        let (id, from, to) = (relationship.id, relationship.from, relationship.to);
        if let Some(draft) = self.relationships.edit(id, || Some(relationship.clone())) {
            draft.value = relationship;
            draft.because(reason);
        }
        self.drafted_from.entry(from).or_default().insert(id);
        self.drafted_to.entry(to).or_default().insert(id);
    }

    /// A relationship as this plan leaves it, retired or not.
    pub(super) fn any_relationship(&self, id: RelationshipId) -> Option<&Relationship> {
        self.relationships.get(id).or_else(|| self.estate.relationship(id))
    }

    /// A need group as this plan leaves it, retired or not.
    pub(super) fn any_need_group(&self, id: NeedGroupId) -> Option<&NeedGroup> {
        self.need_groups.get(id).or_else(|| self.estate.need_group(id)).or_else(|| self.estate.suggestion(id))
    }

    /// What differs from the estate, in an order in which it can be applied.
    pub(super) fn finish(self) -> ChangeSet {
        let (estate, catalogue, now) = (self.estate, self.catalogue, self.now);
        let mut changes = self.definitions;
        for draft in self.cis.drafts {
            let before = self.estate.ci(draft.value.id);
            let (mut reason, mut ci) = (draft.reason(), draft.value);
            settle_stage(&mut ci);
            settle_claims(estate, &catalogue, before, &mut ci, now);
            if reason.is_empty() {
                reason = "said again".to_owned();
            }
            (ci.version, ci.valid_from) = before.map_or((1, self.now), |before| (before.version, before.valid_from));
            if before == Some(&ci) {
                continue;
            }
            let differs = before.map(|before| ci_differences(before, &ci)).unwrap_or_default();
            (ci.version, ci.valid_from) = before.map_or((1, self.now), |before| (before.version + 1, self.now));
            changes.push(Change { put: Put::Ci(ci), reason, differs });
        }
        changes.extend(self.bindings);
        changes.extend(self.software);
        for draft in self.relationships.drafts {
            let before = self.estate.relationship(draft.value.id);
            let (reason, mut relationship) = (draft.reason(), draft.value);
            let differs = match before {
                None if relationship.lifecycle == Lifecycle::Retired => continue,
                None => Vec::new(),
                Some(before) => relationship_differences(before, &relationship, self.now, self.policy),
            };
            // What a merge joined and a split takes apart differs in counters only.
            let split = before.is_some_and(|before| before.evidence != relationship.evidence) && self.restores;
            if before.is_some() && differs.is_empty() && !split {
                continue;
            }
            (relationship.version, relationship.valid_from) = (before.map_or(relationship.version, |before| before.version + 1), self.now);
            changes.push(Change { put: Put::Relationship(relationship), reason, differs });
        }
        for draft in self.need_groups.drafts {
            let before = self.estate.need_group(draft.value.id).or_else(|| self.estate.suggestion(draft.value.id));
            let (reason, mut group) = (draft.reason(), draft.value);
            let differs = match before {
                None if group.lifecycle == Lifecycle::Retired => continue,
                None => Vec::new(),
                Some(before) => need_group_differences(before, &group),
            };
            if before.is_some() && differs.is_empty() {
                continue;
            }
            (group.version, group.valid_from) = (before.map_or(group.version.max(1), |before| before.version + 1), self.now);
            changes.push(Change { put: Put::NeedGroup(group), reason, differs });
        }
        for draft in self.conflicts.drafts {
            let before = self.estate.conflict(draft.value.id);
            if before != Some(&draft.value) && (before.is_some() || draft.value.state != ConflictState::Settled) {
                let differs = if before.is_some() { vec!["state".to_owned()] } else { Vec::new() };
                changes.push(Change { reason: draft.reason(), put: Put::Conflict(draft.value), differs });
            }
        }
        changes.extend(self.merges);
        ChangeSet { changes }
    }
}

/// Code that only knows of active and retired leaves the stage behind.
fn settle_stage(ci: &mut Ci) {
    match (ci.lifecycle, ci.stage.lifecycle()) {
        (Lifecycle::Retired, Lifecycle::Active) => drop(ci.enter(Stage::Retired)),
        (Lifecycle::Active, Lifecycle::Retired) => drop(ci.enter(Stage::InUse)),
        _ => {}
    }
}

/// Puts every attribute's claims in the order of the catalogue's rules. That a source said the same again is only kept where a rule asks
/// how long ago that was, and only once a quarter of its window has passed: an inventory a day must not be a version a day.
fn settle_claims(estate: &Estate, catalogue: &Catalogue, before: Option<&Ci>, ci: &mut Ci, now: Timestamp) {
    let heard = ci.agent.and_then(|agent| estate.agent_last_seen(agent));
    for (name, attribute) in &mut ci.attributes {
        let known = before.and_then(|before| before.attributes.get(name));
        if known == Some(attribute) && attribute.claims().len() == 1 {
            continue;
        }
        let rule = catalogue.rule(&ci.class, name);
        let mut claims = attribute.claims().to_vec();
        for claim in &mut claims {
            let same = |it: &&Claim| it.source == claim.source && it.value == claim.value && it.pinned == claim.pinned;
            let Some(was) = known.and_then(|known| known.claims().iter().find(same)).map(|was| was.confirmed) else { continue };
            let window = rule.and_then(|rule| rule.window(&claim.source));
            if window.is_none_or(|window| claim.confirmed.millis_since(was) < window / 4) {
                claim.confirmed = was;
            }
        }
        let governing = rule.map_or(Governing::BuiltIn, Governing::Rule);
        let decision = decide(governing, claims, |claim| claim.confirmed_by(heard), now);
        attribute.set_order(decision.claims.into_iter().map(|(claim, _)| claim).collect());
    }
}

fn ci_differences(before: &Ci, after: &Ci) -> Vec<String> {
    let fields = [
        ("class", before.class != after.class),
        ("name", before.name != after.name),
        ("lifecycle", before.stage != after.stage),
        ("sighting", before.sighting != after.sighting),
        ("keys", before.keys != after.keys),
        ("agent", before.agent != after.agent),
        ("merged_into", before.merged_into != after.merged_into),
    ];
    let names: BTreeSet<_> = before.attributes.keys().chain(after.attributes.keys()).collect();
    let attributes = names.into_iter().filter(|name| before.attributes.get(*name) != after.attributes.get(*name));
    fields
        .into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(name, _)| name.to_owned())
        .chain(attributes.map(|name| format!("attributes.{name}")))
        .collect()
}

fn relationship_differences(before: &Relationship, after: &Relationship, now: Timestamp, policy: &Policy) -> Vec<String> {
    let fields = [
        ("kind", before.kind != after.kind),
        ("from", before.from != after.from),
        ("to", before.to != after.to),
        ("hardness", before.hardness != after.hardness),
        ("judgement", before.judgement != after.judgement),
        ("lifecycle", before.lifecycle != after.lifecycle),
        ("evidence", is_worth_a_version(before, after, now, policy)),
    ];
    fields.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name.to_owned()).collect()
}

/// New evidence is worth a version when it is of another kind, by another reporter or about another endpoint. Counters alone are,
/// once in a while: they move with every report.
fn is_worth_a_version(before: &Relationship, after: &Relationship, now: Timestamp, policy: &Policy) -> bool {
    let gist = |relationship: &Relationship| {
        let evidence = relationship.evidence.iter();
        let mut gist: Vec<_> = evidence.map(|it| (it.method, it.agent, it.source.clone(), it.endpoints.clone(), it.is_listed())).collect();
        gist.sort();
        gist
    };
    if gist(before) != gist(after) {
        return true;
    }
    let newest = before.evidence.iter().map(|evidence| evidence.last_seen).max().unwrap_or_default();
    before.evidence != after.evidence && now.millis_since(newest) >= policy.evidence_refresh_ms
}

fn need_group_differences(before: &NeedGroup, after: &NeedGroup) -> Vec<String> {
    let fields = [
        ("name", before.name != after.name),
        ("members", before.members != after.members),
        ("min_up", before.min_up != after.min_up),
        ("hardness", before.hardness != after.hardness),
        ("lifecycle", before.lifecycle != after.lifecycle),
        ("standing", before.standing != after.standing),
        ("suggestion", before.suggestion != after.suggestion),
        ("source", before.source != after.source),
    ];
    fields.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name.to_owned()).collect()
}
