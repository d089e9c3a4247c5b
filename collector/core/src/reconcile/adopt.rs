//! When it becomes known whose an address is and what listens there: what was known only roughly is sorted anew.

use std::{collections::BTreeSet, net::IpAddr};

use rollcall_shared::{AgentId, CiId};

use super::{
    devices,
    edges::{self, Residents},
    identify::{is_machine, listed},
    owner::{self, Owner},
    plan::Plan,
    segments,
};
use crate::{
    model::{Ci, IdentityKey, IdentityKeyKind, Lifecycle, NeedGroup, Source, Stage},
    observe::Observed,
};

pub(super) fn reconcile(plan: &mut Plan<'_>, machine: CiId, realm: &str, observed: &Observed) {
    let mut residents = Residents::default();
    let is_new = plan.estate.ci(machine).is_none_or(|before| !has_addresses(before));
    for key in new_addresses(plan, machine) {
        let address = key.value.rsplit_once('|').and_then(|(_, address)| address.parse().ok());
        let Some(address) = address else { continue };
        if owner::owner(plan, None, realm, address, plan.now) != Owner::Machine(machine) {
            continue;
        }
        let hosts: Vec<CiId> = plan.with_key(&key).into_iter().filter(|id| is_unmanaged(plan, *id)).collect();
        // A machine that was elsewhere until now is not what was seen at this address before, nor is one with other adapters.
        for host in hosts.into_iter().filter(|_| is_new) {
            if !is_elsewhere(plan, host, machine, address) && !has_other_adapters(plan, host, machine, observed) {
                adopt(plan, &mut residents, host, machine, "the host at this address is known now");
            }
        }
    }
    for host in with_its_adapters(plan, machine, realm, observed) {
        adopt(plan, &mut residents, host, machine, "the machine with this network adapter is known now");
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

/// Devices that were met by an adapter that is the machine's own, or by one that it uses at an address that it has.
fn with_its_adapters(plan: &Plan<'_>, machine: CiId, realm: &str, observed: &Observed) -> BTreeSet<CiId> {
    let Some(ci) = plan.ci(machine) else { return BTreeSet::new() };
    let own = ci.keys.iter().filter(|key| key.kind == IdentityKeyKind::Mac).filter(|key| {
        let carriers = plan.with_key(key).into_iter().filter_map(|id| plan.ci(id));
        carriers.filter(|ci| is_machine(plan.estate, ci) && ci.lifecycle == Lifecycle::Active).count() == 1
    });
    let by_adapter = own.flat_map(|key| plan.with_key(key));
    let network = observed.network.as_ref().map(|network| &network.items);
    let here = network.into_iter().flat_map(|network| {
        let at = network.owned.iter().flat_map(|address| plan.with_key(&owner::address_key(realm, *address)));
        at.filter(|id| plan.ci(*id).is_some_and(|ci| !listed(ci, "mac_addresses").is_disjoint(&network.macs)))
    });
    by_adapter.chain(here).filter(|id| is_unmanaged(plan, *id)).collect()
}

/// Whether the host is known by an adapter that is none of the machine's.
fn has_other_adapters(plan: &Plan<'_>, host: CiId, machine: CiId, observed: &Observed) -> bool {
    let (Some(host), Some(machine)) = (plan.ci(host), plan.ci(machine)) else { return false };
    let used = observed.network.as_ref().map(|network| &network.items.macs);
    let its = |key: &IdentityKey| machine.keys.contains(key) || used.is_some_and(|used| used.contains(&key.value));
    let mut adapters = host.keys.iter().filter(|key| key.kind == IdentityKeyKind::Mac).peekable();
    adapters.peek().is_some() && !adapters.any(its)
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

/// The host without an agent was this one all along. What people have said of it is said of this one, where it has the word for it.
pub(super) fn adopt(plan: &mut Plan<'_>, residents: &mut Residents, host: CiId, machine: CiId, reason: &str) {
    if plan.ci(machine).is_some_and(|ci| is_machine(plan.estate, ci)) {
        let met = plan.to(host).into_iter().filter(|id| plan.relationship(*id).is_some_and(|edge| edge.kind == devices::MEETS));
        met.collect::<Vec<_>>().into_iter().for_each(|id| edges::set_evidence(plan, id, Vec::new(), reason));
    }
    edges::sort_arrivals(plan, residents, host, machine, reason);
    for id in plan.from(host) {
        let Some((kind, to)) = plan.relationship(id).map(|it| (it.kind.clone(), it.to)) else { continue };
        edges::move_ends(plan, id, machine, to, reason);
        if kind == "connects_to" {
            edges::settle_departures(plan, residents, machine, to, reason);
        }
    }
    replace_in_groups(plan, host, machine, reason);
    take_word(plan, host, machine, reason);
    plan.edit_ci(host, reason, |ci| {
        ci.enter(Stage::Retired);
        ci.merged_into = Some(machine);
        true
    });
}

/// What others than agents say of one item is said of another, where nobody has said it yet.
fn take_word(plan: &mut Plan<'_>, host: CiId, machine: CiId, reason: &str) {
    let Some(said) = plan.ci(host).map(|ci| ci.attributes.clone()) else { return };
    let catalogue = plan.estate.catalogue();
    plan.edit_ci(machine, reason, |ci| {
        let mut changed = false;
        for (name, attribute) in &said {
            let fits = catalogue.attribute(&ci.class, name).is_some();
            for it in attribute.claims().iter().filter(|claim| fits && claim.source != Source::Agent) {
                if super::machine::word(ci, name, &it.source).is_none() {
                    changed |= super::machine::claim(ci, name, Some(it.value.clone()), it.source.clone(), it.since);
                }
            }
        }
        changed
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
