//! Which piece of network a machine is on: the network's address and its gateway's MAC. Two sites that chose the same private addresses have
//! gateways of their own, so that an address means another machine there.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use rollcall_shared::CiId;
use serde_json::Value;

use super::{edges, identify::listed, machine::claim, plan::Plan};
use crate::{
    model::{Ci, Source},
    observe::{Observed, is_in, is_virtual_router},
};

/// The attribute: `10.0.0.0/24 via 10.0.0.1 at 02:00:00:00:00:01`.
pub(super) const SEGMENTS: &str = "network_segments";

struct Segment {
    network: String,
    gateway: IpAddr,
    /// Unknown until a neighbour table names it, and where it tells nothing.
    mac: Option<String>,
}

impl Segment {
    fn parse(text: &str) -> Option<Self> {
        let (network, rest) = text.split_once(" via ")?;
        let (gateway, mac) = rest.split_once(" at ")?;
        Some(Self { network: network.to_owned(), gateway: gateway.parse().ok()?, mac: (mac != "-").then(|| mac.to_owned()) })
    }
}

fn segments(ci: &Ci) -> impl Iterator<Item = Segment> {
    listed(ci, SEGMENTS).into_iter().filter_map(|text| Segment::parse(&text))
}

pub(super) fn reconcile(plan: &mut Plan<'_>, machine: CiId, observed: &Observed, source: &Source) {
    let Some(ci) = plan.ci(machine) else { return };
    let network = observed.network.as_ref().filter(|network| network.complete);
    if network.is_none() && observed.neighbour_macs.is_none() {
        return;
    }
    let known: Vec<Segment> = segments(ci).collect();
    let known_mac: BTreeMap<IpAddr, String> = known.iter().filter_map(|it| Some((it.gateway, it.mac.clone()?))).collect();
    let now: Vec<(String, IpAddr)> = match network {
        Some(network) => network.items.segments.iter().cloned().collect(),
        None => known.into_iter().map(|it| (it.network, it.gateway)).collect(),
    };
    let none = BTreeMap::new();
    let macs = observed.neighbour_macs.as_ref().unwrap_or(&none);
    let texts: Vec<String> = now
        .into_iter()
        .map(|(network, gateway)| {
            let mac = macs.get(&gateway).or(known_mac.get(&gateway));
            let mac = mac.filter(|mac| !is_virtual_router(mac));
            format!("{network} via {gateway} at {}", mac.map_or("-", String::as_str))
        })
        .collect();
    let at = plan.now;
    let before: Vec<String> = listed(ci, SEGMENTS).into_iter().collect();
    let replaced = replacements(&before, &texts);
    plan.edit_ci(machine, "the gateways of its networks", |ci| {
        claim(ci, SEGMENTS, (!texts.is_empty()).then(|| Value::from(texts)), source.clone(), at)
    });
    if !replaced.is_empty() {
        follow(plan, machine, &replaced);
    }
}

/// Segments whose gateway has another MAC address now.
fn replacements(before: &[String], now: &[String]) -> BTreeMap<String, String> {
    let place = |text: &str| text.rsplit_once(" at ").map(|(place, mac)| (place.to_owned(), mac.to_owned()));
    let known: BTreeMap<String, String> = before.iter().filter_map(|text| place(text)).filter(|(_, mac)| mac != "-").collect();
    let moved = now.iter().filter_map(|text| {
        let (place, mac) = place(text)?;
        let old = known.get(&place).filter(|old| **old != mac)?;
        Some((format!("{place} at {old}"), text.clone()))
    });
    moved.collect()
}

/// The hosts without an agent that the machine talks to are where it is.
fn follow(plan: &mut Plan<'_>, machine: CiId, replaced: &BTreeMap<String, String>) {
    let ends: Vec<CiId> = edges::services_on(plan, machine).into_values().chain([machine]).collect();
    let met: BTreeSet<CiId> = ends
        .into_iter()
        .flat_map(|end| plan.from(end).into_iter().chain(plan.to(end)))
        .filter_map(|id| plan.relationship(id).map(|edge| [edge.from, edge.to]))
        .flatten()
        .filter(|id| plan.ci(*id).is_some_and(|ci| ci.class == "unmanaged_host"))
        .collect();
    let at = plan.now;
    for host in met {
        plan.edit_ci(host, "the gateway of its network was replaced", |ci| {
            let now: Vec<String> = listed(ci, SEGMENTS).into_iter().map(|text| replaced.get(&text).cloned().unwrap_or(text)).collect();
            claim(ci, SEGMENTS, (!now.is_empty()).then(|| Value::from(now)), Source::Agent, at)
        });
    }
}

/// The segment that an address is in as a machine means it, if its gateway is known.
pub(super) fn place_of(machine: &Ci, address: IpAddr) -> Option<String> {
    let known = listed(machine, SEGMENTS).into_iter();
    known.into_iter().find(|text| Segment::parse(text).is_some_and(|it| it.mac.is_some() && is_in(address, &it.network)))
}

/// Whether an address, as this machine means it, cannot be the other machine's: both know the network that it is in, and its gateway is
/// another one.
pub(super) fn are_apart(asking: &Ci, other: &Ci, address: IpAddr) -> bool {
    let ours: Vec<Segment> = segments(asking).filter(|it| it.mac.is_some() && is_in(address, &it.network)).collect();
    let theirs: Vec<Segment> = segments(other).filter(|it| it.mac.is_some() && is_in(address, &it.network)).collect();
    let same = |a: &Segment, b: &Segment| a.mac == b.mac;
    let pairs = || ours.iter().flat_map(|ours| theirs.iter().map(move |theirs| (ours, theirs))).filter(|(a, b)| a.network == b.network);
    pairs().next().is_some() && !pairs().any(|(a, b)| same(a, b))
}
