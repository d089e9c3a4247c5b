//! When it becomes known whose an address is and what listens there: what was known only roughly is sorted anew.

use std::{collections::BTreeSet, net::IpAddr};

use rollcall_shared::{AgentId, CiId};

use super::{
    edges::{self, Residents},
    identify::{is_machine, listed},
    owner::{self, Owner},
    plan::Plan,
    segments,
};
use crate::model::{Ci, IdentityKey, IdentityKeyKind, Lifecycle, NeedGroup, Stage};

pub(super) fn reconcile(plan: &mut Plan<'_>, machine: CiId, realm: &str) {
    let mut residents = Residents::default();
    let is_new = plan.estate.ci(machine).is_none_or(|before| !has_addresses(before));
    for key in new_addresses(plan, machine) {
        let address = key.value.rsplit_once('|').and_then(|(_, address)| address.parse().ok());
        let Some(address) = address else { continue };
        if owner::owner(plan, None, realm, address, plan.now) != Owner::Machine(machine) {
            continue;
        }
        let hosts: Vec<CiId> = plan.with_key(&key).into_iter().filter(|id| is_unmanaged(plan, *id)).collect();
        // A machine that was elsewhere until now is not what was seen at this address before.
        for host in hosts.into_iter().filter(|_| is_new) {
            if !is_elsewhere(plan, host, machine, address) {
                adopt(plan, &mut residents, host, machine);
            }
        }
    }
    if endpoints_changed(plan, machine) {
        edges::sort_arrivals(plan, &mut residents, machine, machine, "the service that listens there is known now");
    }
}

/// Addresses that this plan gives the machine, or all of them if it comes back.
fn new_addresses(plan: &Plan<'_>, machine: CiId) -> Vec<IdentityKey> {
    let Some(ci) = plan.ci(machine) else { return Vec::new() };
    let before = plan.estate.ci(machine).filter(|before| before.lifecycle == Lifecycle::Active);
    let is_new = |key: &&IdentityKey| key.kind == IdentityKeyKind::AddressInRealm && before.is_none_or(|before| !before.keys.contains(key));
    ci.keys.iter().filter(is_new).cloned().collect()
}

/// Whether somebody who talks to the host means another one by its address: at another site with the same numbers.
fn is_elsewhere(plan: &Plan<'_>, host: CiId, machine: CiId, address: IpAddr) -> bool {
    let Some(known) = plan.ci(machine) else { return false };
    let edges = plan.to(host).into_iter().chain(plan.from(host)).filter_map(|id| plan.relationship(id));
    let agents: BTreeSet<AgentId> = edges.flat_map(|edge| &edge.evidence).filter_map(|evidence| evidence.agent).collect();
    agents.into_iter().filter_map(|agent| plan.estate.machine_of(agent)).any(|asking| segments::are_apart(asking, known, address))
}

fn has_addresses(ci: &Ci) -> bool {
    ci.keys.iter().any(|key| key.kind == IdentityKeyKind::AddressInRealm)
}

fn is_unmanaged(plan: &Plan<'_>, id: CiId) -> bool {
    plan.ci(id).is_some_and(|ci| ci.lifecycle == Lifecycle::Active && ci.class == "unmanaged_host" && !is_machine(plan.estate, ci))
}

fn endpoints_changed(plan: &Plan<'_>, machine: CiId) -> bool {
    edges::services_on(plan, machine).into_values().any(|id| {
        let (now, before) = (plan.ci(id), plan.estate.ci(id));
        now.map(|ci| (ci.lifecycle, listed(ci, "endpoints"))) != before.map(|ci| (ci.lifecycle, listed(ci, "endpoints")))
    })
}

/// The host without an agent was this machine all along.
fn adopt(plan: &mut Plan<'_>, residents: &mut Residents, host: CiId, machine: CiId) {
    let reason = "the host at this address is known now";
    edges::sort_arrivals(plan, residents, host, machine, reason);
    for id in plan.from(host) {
        let Some((kind, to)) = plan.relationship(id).map(|it| (it.kind.clone(), it.to)) else { continue };
        edges::move_ends(plan, id, machine, to, reason);
        if kind == "connects_to" {
            edges::settle_departures(plan, residents, machine, to, reason);
        }
    }
    replace_in_groups(plan, host, machine, reason);
    plan.edit_ci(host, reason, |ci| {
        ci.enter(Stage::Retired);
        ci.merged_into = Some(machine);
        true
    });
}

/// Need groups that name one CI name another from now on.
pub(super) fn replace_in_groups(plan: &mut Plan<'_>, old: CiId, new: CiId, reason: &str) {
    let named: Vec<NeedGroup> =
        plan.estate.need_groups().filter(|group| group.ci == old || group.members.contains(&old)).cloned().collect();
    for mut group in named {
        if let Some(drafted) = plan.need_group(group.id) {
            group = drafted.clone();
        }
        for id in group.members.iter_mut().chain([&mut group.ci]).filter(|id| **id == old) {
            *id = new;
        }
        group.members.retain(|member| *member != group.ci);
        group.members.sort();
        group.members.dedup();
        if group.members.is_empty() {
            group.lifecycle = Lifecycle::Retired;
        }
        plan.put_need_group(group, reason);
    }
}
