//! Programs that look after machines and that no signature knows: they talk to nearly all of them, to all sorts of services, and serve nobody.

use std::collections::{BTreeMap, BTreeSet};

use rollcall_shared::{CiId, catalogue::Hardness};

use super::{identify::listed, noise, plan::Plan, sweep::Whole};
use crate::{
    Estate,
    infer::{hosting_machine, kind_of},
    model::{Ci, Endpoint, IdentityKeyKind, Judge, Judgement, Lifecycle, Method, Purpose, Relationship},
};

/// A client of one application uses few kinds of services; what looks after machines meets them all.
const KINDS: usize = 3;

/// Judges anew every connection of those programs among `cis` that look after machines, and of those that do not any more.
pub(super) fn reconcile(plan: &mut Plan<'_>, whole: &Whole, cis: &[CiId]) {
    let estate = plan.estate;
    for &from in cis {
        let connects = |edge: &&Relationship| edge.kind == "connects_to" && edge.lifecycle == Lifecycle::Active;
        let mut edges: Vec<&Relationship> = estate.dependencies(from).filter(connects).collect();
        if edges.is_empty() {
            continue;
        }
        let found = estate.ci(from).and_then(|ci| looks_after(plan, ci, &edges, &whole.fleet));
        edges.sort_by_key(|edge| edge.id);
        for edge in edges {
            let is_pattern = edge.judgement.as_ref().is_some_and(|judgement| judgement.by == Judge::Pattern);
            match &found {
                None if !is_pattern => {}
                _ if noise::is_pinned(plan, edge) || edge.evidence.iter().any(|it| it.method != Method::Connection) => {}
                Some(reason) => {
                    let by_signature = noise::judge(plan, &edge.kind, edge.from, edge.to, &edge.evidence).1;
                    // One that asks for the remote shell as well does not administer: it looks whether it is there.
                    let is_known = by_signature
                        .is_some_and(|judgement| judgement.purpose.is_infrastructure() && judgement.purpose != Purpose::Administration);
                    // The reason counts machines: it is kept until the pattern is gone, not written anew with every machine.
                    if !is_pattern && !is_known {
                        let judgement = Judgement { purpose: Purpose::Monitoring, by: Judge::Pattern, reason: reason.clone() };
                        plan.edit_relationship(edge.id, reason.clone(), |edge| {
                            (edge.hardness, edge.judgement) = (Some(Hardness::None), Some(judgement));
                        });
                    }
                }
                None => {
                    let verdict = noise::judge(plan, &edge.kind, edge.from, edge.to, &edge.evidence);
                    plan.edit_relationship(edge.id, "it no longer talks to nearly all machines", |edge| {
                        (edge.hardness, edge.judgement) = verdict;
                    });
                }
            }
        }
    }
}

/// Machines with an agent by realm.
pub(super) fn fleet(estate: &Estate) -> BTreeMap<String, BTreeSet<CiId>> {
    let mut fleet: BTreeMap<String, BTreeSet<CiId>> = BTreeMap::new();
    for ci in estate.active_cis().filter(|ci| ci.agent.is_some() && hosting_machine(estate, ci) == Some(ci.id)) {
        if let Some(realm) = realm_of(ci) {
            fleet.entry(realm.to_owned()).or_default().insert(ci.id);
        }
    }
    fleet
}

fn realm_of(machine: &Ci) -> Option<&str> {
    let key = machine.keys.iter().find(|key| key.kind == IdentityKeyKind::AddressInRealm)?;
    key.value.split_once('|').map(|(realm, _)| realm)
}

/// Why this service is taken for one that looks after machines.
fn looks_after(plan: &Plan<'_>, ci: &Ci, edges: &[&Relationship], fleet: &BTreeMap<String, BTreeSet<CiId>>) -> Option<String> {
    let is_service = plan.estate.is_a(ci, "service_instance");
    if !is_service || edges.len() < plan.policy.fan_out_machines || serves(plan, ci) {
        return None;
    }
    let machine = hosting_machine(plan.estate, ci)?;
    let others = fleet.get(realm_of(plan.estate.ci(machine)?)?)?;
    let mut machines = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    for target in edges.iter().filter_map(|edge| plan.estate.ci(edge.to)).filter(|target| target.lifecycle == Lifecycle::Active) {
        machines.extend(hosting_machine(plan.estate, target).filter(|it| *it != machine && others.contains(it)));
        kinds.insert(if hosting_machine(plan.estate, target) == Some(target.id) { "" } else { kind_of(target) });
    }
    let fleet_size = others.len().saturating_sub(1);
    let enough =
        machines.len() >= plan.policy.fan_out_machines && machines.len() * 100 >= fleet_size * usize::from(plan.policy.fan_out_percent);
    (enough && kinds.len() >= KINDS).then(|| {
        format!(
            "it talks to {} of {fleet_size} machines and {} kinds of services and serves nobody: it looks after them",
            machines.len(),
            kinds.len()
        )
    })
}

/// Whether others can connect to it, or do: where something listens in a network of its own, only that shows.
fn serves(plan: &Plan<'_>, ci: &Ci) -> bool {
    if plan.estate.dependents(ci.id).any(|edge| edge.kind == "connects_to") {
        return true;
    }
    listed(ci, "endpoints").iter().filter_map(|text| text.parse::<Endpoint>().ok()).any(|endpoint| !endpoint.address.is_loopback())
}
