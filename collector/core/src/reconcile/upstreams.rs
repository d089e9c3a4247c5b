//! What the configurations of services, and of machines as a whole, send requests to. Whether they do is what connections say: what is only configured makes poorer, not dead.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use rollcall_shared::{CiId, Timestamp, wire::v1::ServiceKey};
use serde_json::Value;

use super::{
    edges::{self, Residents, Sighting},
    identify::is_machine,
    machine::claim,
    names, neighbours,
    plan::Plan,
};
use crate::{
    model::{AgentFacts, Endpoint, IdentityKeyKind, Method, SmallSet, Source},
    observe::{Observed, UpstreamFacts},
};

/// The attribute with addresses that one of several machines holds at a time.
pub(super) const VIRTUAL_ADDRESSES: &str = "virtual_addresses";

pub(super) fn reconcile(plan: &mut Plan<'_>, machine: CiId, facts: &AgentFacts, observed: &Observed) {
    let mut residents = Residents::default();
    if let Some(network) = &observed.network {
        let from = Named { machine, from: machine, facts, at: network.at, complete: network.complete };
        from.name(plan, &mut residents, network.items.servers.iter());
    }
    let Some(listing) = &observed.services else { return };
    let services = edges::services_on(plan, machine);
    for (key, service) in &listing.items {
        let Some(from) = services.get(key).copied() else { continue };
        let moving: Vec<String> = service.virtual_addresses.iter().map(ToString::to_string).collect();
        plan.edit_ci(from, "the addresses that its configuration moves", |ci| {
            claim(ci, VIRTUAL_ADDRESSES, (!moving.is_empty()).then(|| Value::from(moving)), Source::Agent, listing.at)
        });
        // A name within a container's own network is not one of the machine's.
        let is_inside =
            |it: &&UpstreamFacts| key.0.starts_with("container:") && it.host.parse::<IpAddr>().is_err() && !it.host.contains('.');
        let named = Named { machine, from, facts, at: listing.at, complete: listing.complete };
        named.name(plan, &mut residents, service.upstreams.iter().filter(|it| !is_inside(it)));
    }
    if listing.complete {
        let gone: Vec<(&ServiceKey, &CiId)> = services.iter().filter(|(key, _)| !listing.items.contains_key(*key)).collect();
        for (_, from) in gone {
            forget(plan, *from, facts, &BTreeSet::new());
        }
    }
}

/// Whose configuration names something.
struct Named<'a> {
    machine: CiId,
    /// The service, or the machine for what is set for all of it.
    from: CiId,
    facts: &'a AgentFacts,
    at: Timestamp,
    complete: bool,
}

impl Named<'_> {
    fn name<'u>(&self, plan: &mut Plan<'_>, residents: &mut Residents, upstreams: impl Iterator<Item = &'u UpstreamFacts>) {
        let Self { machine, from, facts, at, complete } = *self;
        let mut named: BTreeMap<CiId, (SmallSet<Endpoint>, BTreeSet<&str>)> = BTreeMap::new();
        for upstream in upstreams {
            if let Some((to, endpoint)) = target(plan, residents, machine, facts, upstream, at) {
                let (endpoints, how) = named.entry(to).or_default();
                endpoints.extend(endpoint);
                how.insert(&upstream.how);
            }
        }
        // A machine does not depend on what runs on it.
        let on_it: BTreeSet<CiId> =
            if from == machine { edges::services_on(plan, machine).into_values().collect() } else { BTreeSet::new() };
        named.retain(|to, _| *to != from && *to != machine && !on_it.contains(to));
        for (to, (endpoints, how)) in &named {
            let how = format!("configured: {}", how.iter().take(2).copied().collect::<Vec<_>>().join(" and "));
            let (method, agent, endpoints) = (Method::Configuration, facts.agent, endpoints.clone());
            let sighting = Sighting { method, agent, at, since: at, reported_before: None, endpoints, seen: 0, total: 0, how };
            edges::see(plan, "connects_to", from, *to, &sighting);
        }
        if complete {
            forget(plan, from, facts, &named.into_keys().collect());
        }
    }
}

fn forget(plan: &mut Plan<'_>, from: CiId, facts: &AgentFacts, named: &BTreeSet<CiId>) {
    for id in plan.from(from) {
        let Some(edge) = plan.relationship(id).filter(|edge| edge.kind == "connects_to" && !named.contains(&edge.to)) else { continue };
        let kept = edge.evidence.iter().filter(|it| it.method != Method::Configuration || it.agent != Some(facts.agent)).cloned().collect();
        edges::set_evidence(plan, id, kept, "its configuration no longer names it");
    }
}

/// What stands at the place, and the address where that is known.
fn target(
    plan: &mut Plan<'_>,
    residents: &mut Residents,
    machine: CiId,
    facts: &AgentFacts,
    upstream: &UpstreamFacts,
    at: Timestamp,
) -> Option<(CiId, Option<Endpoint>)> {
    let endpoint = |address: IpAddr| Endpoint { protocol: upstream.protocol, address, port: upstream.port };
    if let Ok(address) = upstream.host.parse::<IpAddr>() {
        let address = address.to_canonical();
        if crate::observe::scope(address) == crate::observe::AddressScope::Unusable {
            return None;
        }
        let host = neighbours::host_at(plan, machine, &facts.realm, address, at)?;
        let endpoint = endpoint(address);
        return Some((residents.receiver(plan, host, &endpoint).unwrap_or(host), Some(endpoint)));
    }
    let host = names::machine_named(plan, machine, &facts.realm, &upstream.host)?;
    let ci = plan.ci(host).filter(|ci| is_machine(plan.estate, ci))?;
    let own = ci.keys.iter().filter(|key| key.kind == IdentityKeyKind::AddressInRealm);
    let mut addresses: Vec<IpAddr> = own.filter_map(|key| key.value.rsplit_once('|')?.1.parse().ok()).collect();
    if host == machine {
        addresses.insert(0, IpAddr::from([127, 0, 0, 1]));
    }
    let received = addresses.iter().find_map(|address| {
        let endpoint = endpoint(*address);
        Some((residents.receiver(plan, host, &endpoint)?, Some(endpoint)))
    });
    received.or(Some((host, None)))
}
