//! A merge is taken back: everything that it changed is as it was, and what has changed since for other reasons stays.
//!
//! Each thing is compared three ways, as it was, as the merge left it, and as it is now; what the merge left is what was before again.
//! Of lists, that is decided for each entry: a source's claim, a key, an agent's evidence.

use std::collections::{BTreeMap, BTreeSet};

use rollcall_shared::{AgentId, CiId};

use super::plan::Plan;
use crate::model::{
    Attribute, Ci, Claim, ConflictKind, ConflictState, Evidence, Lifecycle, Merge, MergeStep, Method, NeedGroup, Put, Relationship, Source,
};

/// Takes a merge back.
pub(super) fn split(plan: &mut Plan<'_>, merge: &Merge, reason: &str) {
    plan.restores = true;
    for step in &merge.steps {
        restore(plan, merge, step, reason);
    }
    give_back_agents(plan, merge, reason);
    if merge.by_rule {
        keep_apart(plan, merge, reason);
    }
    plan.put_merge(Merge { is_undone: true, steps: Vec::new(), ..merge.clone() }, reason.to_owned());
}

/// Either agent may have reported the two as one meanwhile: each machine has its own again.
fn give_back_agents(plan: &mut Plan<'_>, merge: &Merge, reason: &str) {
    for step in &merge.steps {
        let Some(Put::Ci(before)) = &step.before else { continue };
        let is_anothers = |agent: AgentId| plan.bound_to(agent).is_some_and(|bound| bound != before.id);
        let is_machine = [merge.survivor, merge.absorbed].contains(&before.id);
        if is_machine && plan.ci(before.id).and_then(|ci| ci.agent).is_some_and(is_anothers) {
            plan.edit_ci(before.id, reason, |ci| {
                ci.agent = before.agent;
                true
            });
        }
    }
}

/// What rules would join again is remembered as two.
fn keep_apart(plan: &mut Plan<'_>, merge: &Merge, reason: &str) {
    let (a, b) = (merge.survivor, merge.absorbed);
    let asked = plan.conflicts_of(a).into_iter().find(|it| it.known == b || it.other == Some(b)).map(|it| it.id);
    let id = asked.or_else(|| plan.open_conflict(ConflictKind::PossibleDuplicate, a, Some(b), None, reason.to_owned()));
    if let Some(id) = id {
        plan.settle_conflict(id, ConflictState::KeptApart, reason);
    }
}

fn restore(plan: &mut Plan<'_>, merge: &Merge, step: &MergeStep, reason: &str) {
    match (&step.before, &step.after) {
        (Some(Put::Ci(before)), Put::Ci(after)) => {
            let Some(now) = plan.ci(after.id).cloned() else { return };
            let mut restored = ci(&now, before, after);
            if now.id == merge.survivor {
                give_back_names(plan, merge, &mut restored, before);
            }
            plan.edit_ci(after.id, reason, |ci| {
                *ci = restored;
                true
            });
        }
        (Some(Put::Relationship(before)), Put::Relationship(after)) => match plan.any_relationship(after.id).cloned() {
            Some(now) => plan.put_relationship(relationship(&now, before, after), reason.to_owned()),
            // The merge joined it with another one.
            None if after.lifecycle == Lifecycle::Retired => {
                plan.put_relationship(Relationship { version: before.version + 2, ..before.clone() }, reason.to_owned());
            }
            None => {}
        },
        (Some(Put::NeedGroup(before)), Put::NeedGroup(after)) => match plan.any_need_group(after.id).cloned() {
            Some(now) => plan.put_need_group(need_group(&now, before, after), reason),
            None if after.lifecycle == Lifecycle::Retired => {
                plan.put_need_group(NeedGroup { version: before.version + 2, ..before.clone() }, reason);
            }
            None => {}
        },
        (Some(Put::Conflict(before)), Put::Conflict(after)) if plan.conflict(after.id).is_none_or(|now| now == after) => {
            plan.put_conflict(before.clone(), reason.to_owned());
        }
        (Some(Put::Software { software: before, .. }), Put::Software { ci, software: after }) if plan.software_of(*ci) == *after => {
            plan.put_software(*ci, before.clone(), reason.to_owned());
        }
        (Some(Put::AgentBinding { ci: before, .. }), Put::AgentBinding { agent, ci: after }) if plan.bound_to(*agent) == Some(*after) => {
            plan.bind(*agent, *before, reason.to_owned());
        }
        (None, Put::Conflict(after)) => plan.settle_conflict(after.id, ConflictState::Settled, reason),
        (None, Put::Relationship(after)) => plan.edit_relationship(after.id, reason, |it| it.lifecycle = Lifecycle::Retired),
        _ => {}
    }
}

/// Names that a source gave the survivor while it stood for both, and that are the other's.
fn give_back_names(plan: &Plan<'_>, merge: &Merge, survivor: &mut Ci, before: &Ci) {
    let Some(absorbed) = plan.ci(merge.absorbed) else { return };
    survivor
        .keys
        .retain(|key| key.kind != crate::model::IdentityKeyKind::External || before.keys.contains(key) || !absorbed.keys.contains(key));
}

fn pick<T: PartialEq + Clone>(now: &T, before: &T, after: &T) -> T {
    if now == after { before.clone() } else { now.clone() }
}

/// The entries of a list, told apart by a key: those that the merge left alone stay as they are now.
fn pick_each<K: Ord + Clone, T: PartialEq + Clone>(now: &[T], before: &[T], after: &[T], key: impl Fn(&T) -> K) -> Vec<T> {
    if now == after {
        return before.to_vec();
    }
    let by_key = |list: &[T]| list.iter().map(|it| (key(it), it.clone())).collect::<BTreeMap<K, T>>();
    let (now, before, after) = (by_key(now), by_key(before), by_key(after));
    let keys: BTreeSet<K> = now.keys().chain(before.keys()).cloned().collect();
    keys.iter().filter_map(|key| pick(&now.get(key), &before.get(key), &after.get(key)).cloned()).collect()
}

fn ci(now: &Ci, before: &Ci, after: &Ci) -> Ci {
    let names: BTreeSet<&String> = now.attributes.keys().chain(before.attributes.keys()).collect();
    let attribute = |name: &String| {
        let claims = |ci: &Ci| ci.attributes.get(name).map(|it| it.claims().to_vec()).unwrap_or_default();
        let source = |claim: &Claim| claim.source.clone();
        Attribute::from_claims(pick_each(&claims(now), &claims(before), &claims(after), source))
    };
    Ci {
        class: pick(&now.class, &before.class, &after.class),
        name: pick(&now.name, &before.name, &after.name),
        lifecycle: pick(&now.lifecycle, &before.lifecycle, &after.lifecycle),
        attributes: names.into_iter().filter_map(|name| Some((name.clone(), attribute(name)?))).collect(),
        keys: pick_each(&now.keys, &before.keys, &after.keys, Clone::clone),
        agent: pick(&now.agent, &before.agent, &after.agent),
        merged_into: pick(&now.merged_into, &before.merged_into, &after.merged_into),
        ..now.clone()
    }
}

fn relationship(now: &Relationship, before: &Relationship, after: &Relationship) -> Relationship {
    let who = |it: &Evidence| -> (Method, Option<AgentId>, Source) { (it.method, it.agent, it.source.clone()) };
    let evidence = pick_each(&now.evidence, &before.evidence, &after.evidence, who);
    Relationship {
        kind: pick(&now.kind, &before.kind, &after.kind),
        from: pick(&now.from, &before.from, &after.from),
        to: pick(&now.to, &before.to, &after.to),
        hardness: pick(&now.hardness, &before.hardness, &after.hardness),
        judgement: pick(&now.judgement, &before.judgement, &after.judgement),
        lifecycle: pick(&now.lifecycle, &before.lifecycle, &after.lifecycle),
        // Agents that changed places meanwhile leave none of what was: a relationship is never without a reason.
        evidence: if evidence.is_empty() { before.evidence.clone() } else { evidence },
        ..now.clone()
    }
}

fn need_group(now: &NeedGroup, before: &NeedGroup, after: &NeedGroup) -> NeedGroup {
    NeedGroup {
        ci: pick(&now.ci, &before.ci, &after.ci),
        name: pick(&now.name, &before.name, &after.name),
        members: pick_each(&now.members, &before.members, &after.members, |ci: &CiId| *ci),
        min_up: pick(&now.min_up, &before.min_up, &after.min_up),
        hardness: pick(&now.hardness, &before.hardness, &after.hardness),
        lifecycle: pick(&now.lifecycle, &before.lifecycle, &after.lifecycle),
        standing: pick(&now.standing, &before.standing, &after.standing),
        suggestion: pick(&now.suggestion, &before.suggestion, &after.suggestion),
        source: pick(&now.source, &before.source, &after.source),
        ..now.clone()
    }
}
