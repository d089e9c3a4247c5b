//! Two configuration items that are one machine become one.

use std::collections::BTreeSet;

use rollcall_shared::CiId;

use super::{
    adopt::replace_in_groups,
    edges,
    identify::{Clash, Newcomer, Reporter, is_machine},
    likeness,
    plan::Plan,
};
use crate::model::{Attribute, ConflictKind, ConflictState, IdentityKeyKind, Lifecycle, Merge};

/// Joins what one description shows to be the same machine, where nothing speaks against it: one side has no agent, no hardware id differs,
/// no register knows the two as two, and nobody has kept them apart. What cannot be joined is left in `clashes`. Returns the CI that stands.
pub(super) fn join(plan: &mut Plan<'_>, newcomer: &Newcomer<'_>, machine: CiId, clashes: &mut Vec<Clash>) -> CiId {
    let mut stands = machine;
    clashes.retain(|clash| {
        if clash.kind != ConflictKind::KeysDisagree || !may_join(plan, newcomer, stands, clash.with) {
            return true;
        }
        let has_agent = |id: CiId| plan.ci(id).is_some_and(|ci| ci.agent.is_some());
        let of_agent = matches!(newcomer.reporter, Reporter::Agent(_));
        let (known, other) = if has_agent(clash.with) && !of_agent { (clash.with, stands) } else { (stands, clash.with) };
        merge(plan, known, other, true, &format!("one machine: {}", clash.detail));
        stands = known;
        false
    });
    stands
}

fn may_join(plan: &Plan<'_>, newcomer: &Newcomer<'_>, machine: CiId, other: CiId) -> bool {
    let (Some(a), Some(b)) = (plan.ci(machine), plan.ci(other)) else { return false };
    let both_active = a.lifecycle == Lifecycle::Active && b.lifecycle == Lifecycle::Active;
    let speaks = matches!(newcomer.reporter, Reporter::Agent(_)) || a.agent.is_some();
    let one_agent = !(speaks && b.agent.is_some());
    let kept_apart = || {
        let between = |it: &&crate::model::Conflict| it.known == other || it.other == Some(other);
        plan.conflicts_of(machine).into_iter().filter(between).any(|it| it.state == ConflictState::KeptApart)
    };
    both_active
        && one_agent
        && !likeness::hardware_differs(plan, &a.keys, &b.keys)
        && !likeness::hardware_differs(plan, newcomer.keys, &b.keys)
        && !likeness::are_two_to_a_source(a, b)
        && !kept_apart()
}

/// `other` becomes part of `known`. It keeps its own keys and points at `known`, so that whoever looks for it finds `known`, and
/// a later split can bring it back.
pub(super) fn merge(plan: &mut Plan<'_>, known: CiId, other: CiId, by_rule: bool, reason: &str) {
    plan.begin_record();
    for agent in plan.estate.agents_of(other).collect::<BTreeSet<_>>() {
        plan.bind(agent, known, reason.to_owned());
    }
    merge_services(plan, known, other, reason);
    let (own, others) = (plan.software_of(known), plan.software_of(other));
    if own.is_empty() && !others.is_empty() {
        plan.put_software(known, others, reason.to_owned());
    }
    merge_one(plan, known, other, reason);
    let between = |it: &&crate::model::Conflict| it.state == ConflictState::Open && (it.known == other || it.other == Some(other));
    let asked: Vec<_> = plan.conflicts_of(known).into_iter().filter(between).map(|it| it.id).collect();
    asked.into_iter().for_each(|conflict| plan.settle_conflict(conflict, ConflictState::Settled, reason));
    let steps = plan.end_record();
    let merge = Merge { absorbed: other, survivor: known, at: plan.now, by_rule, is_undone: false, steps };
    plan.put_merge(merge, reason.to_owned());
}

fn merge_services(plan: &mut Plan<'_>, known: CiId, other: CiId, reason: &str) {
    if !plan.ci(other).is_some_and(|ci| is_machine(plan.estate, ci)) {
        return;
    }
    let agent = plan.ci(known).and_then(|ci| ci.agent).or_else(|| plan.ci(other).and_then(|ci| ci.agent));
    let here = edges::services_on(plan, known);
    for (key, service) in edges::services_on(plan, other) {
        match here.get(&key) {
            Some(twin) => merge_one(plan, *twin, service, reason),
            None => {
                let (from, to) = (edges::service_key(other, &key), edges::service_key(known, &key));
                plan.edit_ci(service, reason, |ci| {
                    ci.keys.retain(|key| *key != from);
                    ci.keys.push(to);
                    ci.keys.sort();
                    ci.agent = agent;
                    true
                });
            }
        }
    }
}

/// Attributes, addresses, relationships and needs of one CI go to the other, which keeps its own word where both have one.
fn merge_one(plan: &mut Plan<'_>, known: CiId, other: CiId, reason: &str) {
    let Some(absorbed) = plan.ci(other).cloned() else { return };
    plan.edit_ci(known, reason, |ci| {
        ci.lifecycle = Lifecycle::Active;
        ci.agent = ci.agent.or(absorbed.agent);
        for (name, attribute) in &absorbed.attributes {
            let own = ci.attributes.remove(name);
            let claims = own.iter().flat_map(|own| own.claims().iter().cloned()).collect::<Vec<_>>();
            let new = attribute.claims().iter().filter(|claim| !claims.iter().any(|own| own.source == claim.source)).cloned();
            if let Some(joined) = Attribute::from_claims(new.chain(claims.iter().cloned())) {
                ci.attributes.insert(name.clone(), joined);
            }
        }
        ci.keys.extend(absorbed.keys.iter().filter(|key| key.kind == IdentityKeyKind::AddressInRealm).cloned());
        ci.keys.sort();
        ci.keys.dedup();
        true
    });
    for id in plan.from(other) {
        let to = plan.relationship(id).map(|it| it.to);
        edges::move_ends(plan, id, known, to.unwrap_or(known), reason);
    }
    for id in plan.to(other) {
        let from = plan.relationship(id).map(|it| it.from);
        edges::move_ends(plan, id, from.unwrap_or(known), known, reason);
    }
    replace_in_groups(plan, other, known, reason);
    plan.edit_ci(other, reason, |ci| {
        ci.lifecycle = Lifecycle::Retired;
        ci.merged_into = Some(known);
        true
    });
}
