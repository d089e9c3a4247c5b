//! Virtual machines and containers with an agent of their own, and the hosts that list them: joined by ids that both know, whichever reports
//! first. An id that several claim says nothing.

use std::collections::{BTreeMap, BTreeSet};

use rollcall_shared::{AgentId, CiId, Timestamp};

use super::{
    edges::{self, Sighting},
    plan::Plan,
};
use crate::{
    model::{AgentFacts, Ci, IdentityKey, IdentityKeyKind, Lifecycle, Method, SmallSet},
    observe::Observed,
};

fn key(kind: IdentityKeyKind, handle: &str) -> IdentityKey {
    IdentityKey { kind, value: handle.to_owned() }
}

pub(super) fn reconcile(plan: &mut Plan<'_>, machine: CiId, facts: &AgentFacts, observed: &Observed) {
    if let Some(own) = &observed.guest_handles {
        let keys = own.iter().map(|handle| key(IdentityKeyKind::GuestHandle, handle)).collect();
        replace(plan, machine, IdentityKeyKind::GuestHandle, keys, "what it is known by on its host");
    }
    if let Some(guests) = observed.guests.as_ref().filter(|guests| guests.complete) {
        let keys: BTreeSet<IdentityKey> = guests.items.values().flatten().map(|handle| key(IdentityKeyKind::HostedGuest, handle)).collect();
        replace(plan, machine, IdentityKeyKind::HostedGuest, keys, "the guests that run on it");
        settle_host(plan, machine, facts.agent, guests.at, &guests.items);
    }
    settle_guest(plan, machine, plan.now);
}

fn replace(plan: &mut Plan<'_>, machine: CiId, kind: IdentityKeyKind, keys: BTreeSet<IdentityKey>, reason: &str) {
    plan.edit_ci(machine, reason, |ci| {
        let now: BTreeSet<IdentityKey> = ci.keys.iter().filter(|key| key.kind != kind).cloned().chain(keys).collect();
        let now: Vec<IdentityKey> = now.into_iter().collect();
        let changed = now != ci.keys;
        ci.keys = now;
        changed
    });
}

/// The guests that the host lists now, and no others.
fn settle_host(plan: &mut Plan<'_>, host: CiId, agent: AgentId, at: Timestamp, guests: &BTreeMap<String, BTreeSet<String>>) {
    let mut there = BTreeSet::new();
    for (name, handles) in guests {
        let guest = known_as(plan, handles, host).filter(|guest| host_of(plan, *guest).is_some_and(|(found, _)| found == host));
        if let Some(guest) = guest {
            runs_on(plan, guest, host, agent, at, name);
            there.insert(guest);
        }
    }
    for id in plan.to(host) {
        let Some(edge) = plan.relationship(id).filter(|edge| edge.kind == "runs_on" && !there.contains(&edge.from)) else { continue };
        let kept = edge.evidence.iter().filter(|it| it.method != Method::Guest || it.agent != Some(agent)).cloned().collect();
        edges::set_evidence(plan, id, kept, "its host no longer lists it as running");
    }
}

/// The one machine that knows itself by these ids, if it is one.
fn known_as(plan: &Plan<'_>, handles: &BTreeSet<String>, host: CiId) -> Option<CiId> {
    let found: BTreeSet<CiId> =
        handles.iter().flat_map(|handle| holders(plan, &key(IdentityKeyKind::GuestHandle, handle))).filter(|it| *it != host).collect();
    let mut found = found.into_iter();
    found.next().filter(|_| found.next().is_none())
}

/// A guest that reports finds the host that lists it.
fn settle_guest(plan: &mut Plan<'_>, guest: CiId, at: Timestamp) {
    let is_new = plan.ci(guest).map(handles) != plan.estate.ci(guest).map(handles);
    if !is_new {
        return;
    }
    if let Some((host, handle)) = host_of(plan, guest)
        && let Some(agent) = plan.ci(host).and_then(|ci| ci.agent)
    {
        runs_on(plan, guest, host, agent, at, &handle);
    }
}

fn handles(ci: &Ci) -> Vec<&IdentityKey> {
    ci.keys.iter().filter(|key| key.kind == IdentityKeyKind::GuestHandle).collect()
}

/// The one host that lists this guest as running, and by which id.
fn host_of(plan: &Plan<'_>, guest: CiId) -> Option<(CiId, String)> {
    let ci = plan.ci(guest)?;
    let mut hosts: BTreeMap<CiId, String> = BTreeMap::new();
    for own in handles(ci) {
        // A cloned guest: two that know themselves by one id.
        if holders(plan, own).len() > 1 {
            continue;
        }
        for host in holders(plan, &key(IdentityKeyKind::HostedGuest, &own.value)).into_iter().filter(|host| *host != guest) {
            hosts.entry(host).or_insert_with(|| own.value.clone());
        }
    }
    let mut hosts = hosts.into_iter();
    hosts.next().filter(|_| hosts.next().is_none())
}

fn holders(plan: &Plan<'_>, key: &IdentityKey) -> BTreeSet<CiId> {
    plan.with_key(key).into_iter().filter(|id| plan.ci(*id).is_some_and(|ci| ci.lifecycle == Lifecycle::Active)).collect()
}

fn runs_on(plan: &mut Plan<'_>, guest: CiId, host: CiId, agent: AgentId, at: Timestamp, what: &str) {
    let known = plan.between("runs_on", guest, host).and_then(|id| plan.relationship(id));
    if known.is_some_and(|edge| edge.evidence.iter().any(|it| it.method == Method::Guest && it.agent == Some(agent))) {
        return;
    }
    let how = format!("the host's list of guests and the guest's own ids agree: {}", what.replace(',', " "));
    let (method, endpoints) = (Method::Guest, SmallSet::new());
    edges::see(
        plan,
        "runs_on",
        guest,
        host,
        &Sighting { method, agent, at, since: at, reported_before: None, endpoints, seen: 0, total: 0, how },
    );
}
