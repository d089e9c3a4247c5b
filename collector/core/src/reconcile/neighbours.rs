//! Whom a machine is set up to ask: name servers, gateways, file servers. And the hosts without an agent that stand at an address.

use std::{collections::BTreeSet, net::IpAddr};

use rollcall_shared::{CiId, Timestamp, wire::v1::PlatformKind};
use serde_json::Value;

use super::{
    edges::{self, Sighting},
    identify::listed,
    machine::claim,
    names,
    owner::{self, Owner},
    plan::Plan,
    segments,
};
use crate::{
    model::{AgentFacts, Ci, IdentityKeyKind, Lifecycle, Method, SmallSet, Source, Stage},
    observe::{Observed, is_in},
};

pub(super) fn reconcile(plan: &mut Plan<'_>, machine: CiId, facts: &AgentFacts, observed: &Observed) {
    let no_names = BTreeSet::new();
    let mut asked = |kind, method, what, addresses: &BTreeSet<IpAddr>, complete, at| {
        ask(plan, machine, facts, Asked { kind, method, what, addresses, names: &no_names, complete, at });
    };
    if let Some(network) = &observed.network {
        asked("resolves_names_with", Method::Resolver, "name server", &network.items.resolvers, network.complete, network.at);
        // A container's gateway is its host's bridge, which has the same address on every host.
        let container = observed.machine.identity.as_ref().is_some_and(|it| it.items.platform == Some(PlatformKind::Container));
        let none = BTreeSet::new();
        let gateways = if container { &none } else { &network.items.gateways };
        asked("routes_through", Method::Gateway, "default gateway", gateways, network.complete, network.at);
    }
    if let Some(mounts) = &observed.mounts {
        let (addresses, names) = (&mounts.items.addresses, &mounts.items.names);
        let (kind, method, what, complete, at) = ("mounts", Method::Mount, "file server", mounts.complete, mounts.at);
        ask(plan, machine, facts, Asked { kind, method, what, addresses, names, complete, at });
    }
}

struct Asked<'a> {
    kind: &'static str,
    method: Method,
    what: &'static str,
    addresses: &'a BTreeSet<IpAddr>,
    /// Names of more of them; one that means no known machine is left out.
    names: &'a BTreeSet<String>,
    complete: bool,
    at: Timestamp,
}

fn ask(plan: &mut Plan<'_>, machine: CiId, facts: &AgentFacts, asked: Asked<'_>) {
    let mut targets = BTreeSet::new();
    let by_address: Vec<(String, Option<CiId>)> =
        asked.addresses.iter().map(|it| (it.to_string(), host_at(plan, machine, &facts.realm, *it, asked.at))).collect();
    let by_name = asked.names.iter().map(|it| (super::identify::shown(it), names::machine_named(plan, machine, &facts.realm, it)));
    let named: Vec<(String, Option<CiId>)> = by_address.into_iter().chain(by_name).collect();
    for (name, target) in named {
        let Some(target) = target.filter(|target| *target != machine) else { continue };
        targets.insert(target);
        let how = format!("{} {} in its configuration", asked.what, name.replace(',', " "));
        let (method, agent, at, endpoints) = (asked.method, facts.agent, asked.at, SmallSet::new());
        if asked.kind == "routes_through" && !owner::forwards(plan, target) {
            edges::forget_forwarded(plan, target);
        }
        edges::see(
            plan,
            asked.kind,
            machine,
            target,
            &Sighting { method, agent, at, since: at, reported_before: None, endpoints, seen: 0, total: 0, how },
        );
    }
    if !asked.complete {
        return;
    }
    for id in plan.from(machine) {
        let Some(relationship) = plan.relationship(id).filter(|it| it.kind == asked.kind && !targets.contains(&it.to)) else { continue };
        let kept = relationship.evidence.iter().filter(|it| it.method != asked.method || it.agent != Some(facts.agent)).cloned().collect();
        edges::set_evidence(plan, id, kept, format!("the {} is no longer in its configuration", asked.what));
    }
}

/// Who stands at an address as seen from a machine: itself, another machine, or a host without an agent, which is made if there is none.
/// `None` where it cannot be told, or where too many new ones would be made.
pub(super) fn host_at(plan: &mut Plan<'_>, machine: CiId, realm: &str, address: IpAddr, at: Timestamp) -> Option<CiId> {
    match look_up(plan, machine, realm, address, at)? {
        Owner::Machine(id) | Owner::Unmanaged(id) => Some(id),
        Owner::Ambiguous => None,
        Owner::Nobody => unmanaged(plan, machine, realm, address, at),
    }
}

/// Like [`host_at`] without making anything. `None` for an address within the machine, which is the same on many machines.
pub(super) fn look_up(plan: &Plan<'_>, machine: CiId, realm: &str, address: IpAddr, at: Timestamp) -> Option<Owner> {
    let ci = plan.ci(machine)?;
    if address.is_loopback() || listed(ci, "ip_addresses").contains(&address.to_string()) {
        return Some(Owner::Machine(machine));
    }
    let internal = listed(ci, "internal_networks").iter().any(|network| is_in(address, network));
    (!internal).then(|| owner::owner(plan, Some(machine), realm, address, at))
}

/// A CI for a host that no agent speaks for, as a machine means it; the one that was there before, if there was one.
pub(super) fn unmanaged(plan: &mut Plan<'_>, machine: CiId, realm: &str, address: IpAddr, at: Timestamp) -> Option<CiId> {
    let key = owner::address_key(realm, address);
    let here = |ci: &Ci| plan.ci(machine).is_none_or(|asking| !segments::are_apart(asking, ci, address));
    // What is known by its adapter is not whoever stands at an address that it had.
    let is_it = |ci: &Ci| ci.class == "unmanaged_host" && here(ci) && !ci.keys.iter().any(|key| key.kind == IdentityKeyKind::Mac);
    let before = plan.with_key(&key).into_iter().find(|id| plan.ci(*id).is_some_and(is_it));
    if let Some(id) = before {
        plan.edit_ci(id, "seen again at this address", |ci| {
            if ci.lifecycle == Lifecycle::Retired {
                ci.enter(Stage::InUse);
            }
            ci.merged_into = None;
            true
        });
        return Some(id);
    }
    if !may_make_unmanaged(plan) {
        return None;
    }
    let reason = format!("first seen: an agent names {address}, where no agent is known");
    let id = plan.new_ci("unmanaged_host", address.to_string(), vec![key], None, reason);
    let addresses = Value::from(vec![address.to_string()]);
    let place = plan.ci(machine).and_then(|ci| segments::place_of(ci, address)).map(|place| Value::from(vec![place]));
    plan.edit_ci(id, "first seen", |ci| {
        claim(ci, segments::SEGMENTS, place, Source::Agent, at);
        claim(ci, "ip_addresses", Some(addresses), Source::Agent, at)
    });
    Some(id)
}

/// Whether this document may make one more.
pub(super) fn may_make_unmanaged(plan: &Plan<'_>) -> bool {
    plan.drafted_cis().filter(|ci| ci.class == "unmanaged_host").count() < plan.policy.new_unmanaged_per_document
}
