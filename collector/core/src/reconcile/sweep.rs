//! What only the whole estate shows, looked for a few items at a time, so that nobody who writes has to wait for all of it.

use std::collections::{BTreeMap, BTreeSet};

use rollcall_shared::{CiId, NeedGroupId, Timestamp};
use uuid::Uuid;

use super::{Policy, applications, pattern, plan::Plan, redundancy};
use crate::{
    Estate,
    model::{ChangeSet, IdSource, Revision},
};

/// Each rests on what the one before it has found.
const STAGES: &[fn(&mut Plan<'_>, &Whole, &[CiId])] = &[pattern::reconcile, applications::reconcile, redundancy::reconcile];

/// What the stages must know of the whole estate to judge a single item.
pub(super) struct Whole {
    /// Machines with an agent, by realm.
    pub(super) fleet: BTreeMap<String, BTreeSet<CiId>>,
    /// Services that hold the same, and addresses that move.
    pub(super) redundancy: redundancy::Whole,
    /// Need groups that are suggested or rejected, by whose need.
    pub(super) suggestions: BTreeMap<CiId, BTreeSet<NeedGroupId>>,
}

impl Whole {
    fn of(estate: &Estate) -> Self {
        let mut suggestions: BTreeMap<CiId, BTreeSet<NeedGroupId>> = BTreeMap::new();
        for group in estate.suggestions() {
            suggestions.entry(group.ci).or_default().insert(group.id);
        }
        Self { fleet: pattern::fleet(estate), redundancy: redundancy::Whole::of(estate), suggestions }
    }
}

/// Plans what only the whole estate shows: what looks after machines, what applications are made of, what is redundant. To be called soon after
/// the estate has changed, and again until it changes nothing. Of a large estate that takes long: see [`Look`].
pub fn infer(estate: &Estate, now: Timestamp, policy: &Policy, ids: &mut dyn IdSource) -> ChangeSet {
    let (whole, cis) = (Whole::of(estate), all(estate));
    for stage in STAGES {
        let mut plan = Plan::new(estate, now, policy, ids);
        stage(&mut plan, &whole, &cis);
        let changes = plan.finish();
        if !changes.is_empty() {
            return changes;
        }
    }
    ChangeSet::default()
}

fn all(estate: &Estate) -> Vec<CiId> {
    let mut cis: Vec<CiId> = estate.cis().map(|ci| ci.id).collect();
    cis.sort_unstable();
    cis
}

/// Looks whether [`infer`] would change anything, a few items at a time: the estate may be written between two steps, as what is found is
/// worked out anew when it is to be written, see [`infer_found`].
pub struct Look {
    revision: Revision,
    whole: Whole,
    cis: Vec<CiId>,
    stage: usize,
    next: usize,
    found: Vec<CiId>,
}

/// Where a [`Look`] has found something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    stage: usize,
    cis: Vec<CiId>,
}

impl Look {
    /// At this estate.
    pub fn begin(estate: &Estate) -> Self {
        let (whole, cis) = (Whole::of(estate), all(estate));
        Self { revision: estate.revision(), whole, cis, stage: 0, next: 0, found: Vec::new() }
    }

    /// The revision at which it began.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Looks at so many items more; false if there was nothing left to look at.
    pub fn go_on(&mut self, estate: &Estate, now: Timestamp, policy: &Policy, items: usize) -> bool {
        if self.next == self.cis.len() {
            if !self.found.is_empty() || self.stage + 1 >= STAGES.len() {
                return false;
            }
            (self.stage, self.next) = (self.stage + 1, 0);
        }
        let end = self.cis.len().min(self.next + items.max(1));
        let some = &self.cis[self.next..end];
        // Nothing of this is written: any ids will do.
        let mut number = 0;
        let mut ids = || {
            number += 1;
            Uuid::from_u128(number)
        };
        let mut plan = Plan::new(estate, now, policy, &mut ids);
        STAGES[self.stage](&mut plan, &self.whole, some);
        if !plan.finish().is_empty() {
            self.found.extend(some);
        }
        self.next = end;
        true
    }

    /// What was found; `None` for nothing.
    pub fn found(self) -> Option<Found> {
        (!self.found.is_empty()).then_some(Found { stage: self.stage, cis: self.found })
    }
}

/// Plans what [`infer`] would where something was found.
pub fn infer_found(estate: &Estate, found: &Found, now: Timestamp, policy: &Policy, ids: &mut dyn IdSource) -> ChangeSet {
    let mut plan = Plan::new(estate, now, policy, ids);
    if let Some(stage) = STAGES.get(found.stage) {
        stage(&mut plan, &Whole::of(estate), &found.cis);
    }
    plan.finish()
}
