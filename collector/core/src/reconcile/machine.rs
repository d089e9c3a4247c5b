//! The machine itself: which one it is, what it says about itself, and its software.

use std::{borrow::Cow, collections::BTreeSet};

use rollcall_shared::{AgentId, CiId, Timestamp, wire::v1::PlatformKind};
use serde_json::Value;

use super::{
    edges,
    identify::{self, Newcomer, Reporter, is_machine, shown},
    joining, names, owner,
    plan::Plan,
};
use crate::{
    Estate,
    catalogue::fits,
    model::{AgentFacts, Attribute, Ci, Claim, ConflictKind, IdentityKey, IdentityKeyKind, Lifecycle, SoftwareSet, Source, Stage},
    observe::{ChassisClass, IdentityFacts, Listed, MachineFacts, NetworkFacts, Observed, identity_claimed_by},
};

/// What an enrollment token assigns is claimed by this client of the API.
pub(super) fn enrollment() -> Source {
    Source::Api("enrollment".to_owned())
}

/// Finds or makes the machine and brings it up to date. Returns its CI.
pub(super) fn reconcile(plan: &mut Plan<'_>, facts: &AgentFacts, observed: &Observed) -> CiId {
    let said = &observed.machine;
    let keys = identity_keys(plan, facts, said);
    let identity = said.identity.as_ref().map(|identity| &identity.items);
    let newcomer = Newcomer { reporter: Reporter::Agent(facts), keys: &keys, identity };
    let mut found = identify::identify(plan, &newcomer);
    let machine = match found.machine {
        Some(machine) => joining::join(plan, &newcomer, machine, &mut found.clashes),
        None => {
            let name = display_name(said.identity.as_ref(), facts.agent);
            let class = class_of(platform(said), said.chassis).unwrap_or("machine");
            plan.new_ci(class, name, Vec::new(), Some(facts.agent), first_seen_reason(&found.clashes))
        }
    };
    let before = plan.ci(machine).and_then(|ci| ci.agent);
    notice_two_agents(plan, machine, facts);
    if plan.estate.machine_of(facts.agent).map(|ci| ci.id) != Some(machine) {
        let reason = if found.reason.is_empty() { "first report of a machine".to_owned() } else { found.reason.clone() };
        plan.bind(facts.agent, machine, reason);
    }
    take_over(plan, machine, before, facts.agent, &found.reason);
    put_into_use(plan, machine);
    return_from_retirement(plan, machine, Some(facts.agent), "somebody retires it and revokes its agent");
    describe(plan, machine, facts, said, &keys);
    if found.machine.is_none() {
        // With this one there, several may share a value, which then tells nothing: what that brings up is asked now, not at the next report.
        let copied = found.clashes.iter().any(|clash| clash.kind == ConflictKind::SameIdentity);
        let more = identify::identify(plan, &newcomer).clashes;
        found.clashes.extend(more.into_iter().filter(|clash| !copied || clash.kind != ConflictKind::SameIdentity));
    }
    assign(plan, machine, facts);
    if let Some(network) = &observed.network {
        set_addresses(plan, machine, &facts.realm, network, &Source::Agent);
    }
    if let Some(software) = &observed.software {
        set_software(plan, machine, software, &Source::Agent);
    }
    let asked = |it: &&crate::model::Conflict| it.kind == ConflictKind::SameIdentity && it.other.is_some();
    let already_copied = plan.conflicts_of(machine).iter().any(asked);
    for clash in found.clashes.into_iter().filter(|clash| clash.kind != ConflictKind::SameIdentity || !already_copied) {
        plan.open_conflict(clash.kind, clash.with, Some(machine), Some(facts.agent), clash.detail);
    }
    machine
}

fn first_seen_reason(clashes: &[identify::Clash]) -> String {
    match clashes.first() {
        None => "first seen: no rule recognises it".to_owned(),
        Some(clash) => format!("first seen: {}", clash.detail),
    }
}

/// The keys the document gives, with the name and system key put together from both sections.
fn identity_keys(plan: &Plan<'_>, facts: &AgentFacts, said: &MachineFacts) -> BTreeSet<IdentityKey> {
    let Some(identity) = &said.identity else { return BTreeSet::new() };
    let mut keys = identity.items.keys.clone();
    let known_system = || {
        let known = plan.estate.machine_of(facts.agent)?.keys.iter().find(|key| key.kind == IdentityKeyKind::NameAndSystem)?;
        known.value.rsplit_once('|').map(|(_, system)| system.to_owned())
    };
    let system = said.system_id.as_ref().map(|id| id.trim().to_lowercase()).or_else(known_system);
    keys.extend(identity.items.fqdn.as_ref().map(|fqdn| names::name_key(&facts.realm, fqdn)));
    if let (Some(fqdn), Some(system)) = (&identity.items.fqdn, system) {
        keys.insert(IdentityKey { kind: IdentityKeyKind::NameAndSystem, value: format!("{fqdn}|{system}") });
    }
    keys
}

/// An agent that was taken over by its successor is heard no more. If it is, and so is the other: a copy that was taken for the
/// same machine, or a machine with two systems. Which, a person knows.
fn notice_two_agents(plan: &mut Plan<'_>, machine: CiId, facts: &AgentFacts) {
    let bound = plan.estate.machine_of(facts.agent).is_some_and(|ci| plan.standing(ci.id) == machine);
    let Some((name, other)) = plan.ci(machine).and_then(|ci| Some((shown(&ci.name), ci.agent.filter(|other| *other != facts.agent)?)))
    else {
        return;
    };
    let heard = plan.estate.agent_last_seen(other);
    if bound && heard.is_some_and(|heard| plan.now.millis_since(heard) <= plan.policy.alive_window_ms) {
        let detail =
            format!("two living agents, {} and {other}, report {name:?}: a copied disk, or a machine with two systems", facts.agent);
        plan.open_conflict(ConflictKind::SameIdentity, machine, None, Some(facts.agent), detail);
    }
}

/// The machine and what runs on it follow the agent that reports now.
fn take_over(plan: &mut Plan<'_>, machine: CiId, before: Option<AgentId>, agent: AgentId, reason: &str) {
    plan.edit_ci(machine, reason, |ci| !identify::speaks_for(ci, agent) && ci.agent.replace(agent) != Some(agent));
    let Some(before) = before.filter(|before| *before != agent) else { return };
    let on_it: Vec<CiId> =
        plan.estate.reported_by(before).filter(|ci| edges::service_key_on(ci, machine).is_some()).map(|ci| ci.id).collect();
    for service in &on_it {
        plan.edit_ci(*service, reason, |ci| ci.agent.replace(agent) != Some(agent));
    }
    for ci in on_it.into_iter().chain([machine]) {
        for relationship in plan.from(ci).union(&plan.to(ci)) {
            edges::hand_over(plan, *relationship, before, agent, reason);
        }
    }
}

/// What was planned, ordered or in stock and has an agent that reports is in use, whatever the register says.
pub(super) fn put_into_use(plan: &mut Plan<'_>, machine: CiId) {
    let waits = |stage: Stage| matches!(stage, Stage::Planned | Stage::Ordered | Stage::InStock);
    plan.edit_ci(machine, "it reports, so it is in use", |ci| waits(ci.stage) && ci.enter(Stage::InUse));
}

/// A retired machine that reports is active again at once: a machine that is on the network counts in impact and in every list, whatever
/// the register says. Whether it was retired by mistake is asked.
pub(super) fn return_from_retirement(plan: &mut Plan<'_>, machine: CiId, agent: Option<AgentId>, until: &str) {
    let Some(ci) = plan.ci(machine).filter(|ci| ci.lifecycle == Lifecycle::Retired) else { return };
    let was = if ci.stage == Stage::Disposed { "disposed of" } else { "retired" };
    let detail = format!("{:?} was {was} on {} and reports again; it is in use until {until}", shown(&ci.name), ci.valid_from);
    revive(plan, machine, &format!("reports again after it was {was}"));
    plan.open_conflict(ConflictKind::ReturnedFromRetirement, machine, None, agent, detail);
}

/// Brings a retired CI back, and with a machine the services that were retired together with it.
pub(super) fn revive(plan: &mut Plan<'_>, id: CiId, reason: &str) {
    let Some(retired_at) = plan.ci(id).map(|ci| ci.valid_from) else { return };
    let together: Vec<CiId> = edges::services_on(plan, id)
        .into_values()
        .filter(|service| plan.ci(*service).is_some_and(|ci| ci.valid_from == retired_at && ci.merged_into.is_none()))
        .collect();
    for id in together.into_iter().chain([id]) {
        plan.edit_ci(id, reason, |ci| {
            let was_merged = ci.merged_into.take().is_some();
            (ci.lifecycle == Lifecycle::Retired && ci.enter(Stage::InUse)) || was_merged
        });
    }
}

fn describe(plan: &mut Plan<'_>, machine: CiId, facts: &AgentFacts, said: &MachineFacts, keys: &BTreeSet<IdentityKey>) {
    let estate = plan.estate;
    plan.edit_ci(machine, "the agent's inventory", |ci| {
        let mut changed = rename(ci, said.identity.as_ref(), facts.agent);
        changed |= reclassify(estate, ci, said);
        changed |= claim_attributes(ci, said, &Source::Agent);
        if let Some(identity) = &said.identity {
            changed |= set_keys(ci, keys, identity.complete, is_identity);
        }
        changed |= fill_keys(ci);
        changed
    });
}

/// Puts a source's word on every attribute it speaks of. Returns whether anything changed.
pub(super) fn claim_attributes(ci: &mut Ci, said: &MachineFacts, source: &Source) -> bool {
    let mut changed = false;
    for (name, said) in &said.attributes {
        if *name != "booted_at" || !same_start(ci, said.value.as_ref(), source) {
            changed |= claim(ci, name, said.value.clone(), source.clone(), said.at);
        }
    }
    changed
}

pub(super) const fn is_identity(kind: IdentityKeyKind) -> bool {
    matches!(
        kind,
        IdentityKeyKind::SmbiosUuidAndSerial
            | IdentityKeyKind::SerialAndManufacturer
            | IdentityKeyKind::MachineId
            | IdentityKeyKind::CloudInstanceId
            | IdentityKeyKind::Mac
            | IdentityKeyKind::NameAndSystem
            | IdentityKeyKind::NameInRealm
            | IdentityKeyKind::Serial
            | IdentityKeyKind::SmbiosUuid
            | IdentityKeyKind::MadeUpMac
    )
}

/// Kinds that the claims of any source make.
const fn is_claimed(kind: IdentityKeyKind) -> bool {
    is_identity(kind) && !matches!(kind, IdentityKeyKind::NameAndSystem | IdentityKeyKind::NameInRealm)
}

/// What other sources than the agent claim, of the kinds of which the machine has no key by its agent.
fn fill_keys(ci: &mut Ci) -> bool {
    let before = ci.keys.len();
    let has: BTreeSet<IdentityKeyKind> = ci.keys.iter().map(|key| key.kind).collect();
    let more = claimed_keys(ci, |source| *source != Source::Agent);
    ci.keys.extend(more.into_iter().filter(|key| !has.contains(&key.kind)));
    ci.keys.sort();
    ci.keys.dedup();
    ci.keys.len() != before
}

/// A machine without an agent is recognised by what any source claims. Returns whether anything changed.
pub(super) fn set_claimed_keys(ci: &mut Ci) -> bool {
    let keys = claimed_keys(ci, |_| true);
    set_keys(ci, &keys, true, is_claimed)
}

fn claimed_keys(ci: &Ci, of: impl Fn(&Source) -> bool) -> BTreeSet<IdentityKey> {
    const SAY_WHO: &[&str] = &["serial", "smbios_uuid", "machine_id", "cloud_instance_id", "mac_addresses"];
    let claims = SAY_WHO.iter().filter_map(|name| ci.attributes.get(*name)).flat_map(Attribute::claims);
    let sources: BTreeSet<&Source> = claims.map(|claim| &claim.source).filter(|source| of(source)).collect();
    sources.into_iter().flat_map(|source| identity_claimed_by(ci, source).keys).collect()
}

/// Replaces the keys of the kinds that `of` says (adds to them if the list is not complete). Returns whether anything changed.
pub(super) fn set_keys(ci: &mut Ci, keys: &BTreeSet<IdentityKey>, complete: bool, of: impl Fn(IdentityKeyKind) -> bool) -> bool {
    let kept = ci.keys.iter().filter(|key| !complete || !of(key.kind)).cloned();
    let now: BTreeSet<IdentityKey> = kept.chain(keys.iter().cloned()).collect();
    let now: Vec<IdentityKey> = now.into_iter().collect();
    let changed = ci.keys != now;
    ci.keys = now;
    changed
}

/// The last start is computed from two clocks and wavers by a second or two.
fn same_start(ci: &Ci, value: Option<&Value>, source: &Source) -> bool {
    let instant = |value: &Value| value.as_str()?.parse::<Timestamp>().ok();
    let known = word(ci, "booted_at", source).and_then(instant);
    let (Some(known), Some(said)) = (known, value.and_then(instant)) else { return false };
    said.millis_since(known).abs() <= 60_000
}

/// One source's word on an attribute.
pub(super) fn word<'a>(ci: &'a Ci, attribute: &str, source: &Source) -> Option<&'a Value> {
    let claims = ci.attributes.get(attribute)?.claims();
    claims.iter().find(|claim| claim.source == *source).map(|claim| &claim.value)
}

/// A machine is called by its host name until a person calls it something else.
fn rename(ci: &mut Ci, identity: Option<&Listed<IdentityFacts>>, agent: AgentId) -> bool {
    let Some(identity) = identity else { return false };
    if !is_named_by_itself(ci) && ci.name != unnamed(agent) {
        return false;
    }
    let name = display_name(Some(identity), agent);
    let changed = ci.name != name;
    ci.name = name;
    changed
}

/// Whether what it is called is a host name that an agent or another program reported.
pub(super) fn is_named_by_itself(ci: &Ci) -> bool {
    let claims = ci.attributes.get("hostname").map(Attribute::claims).unwrap_or_default();
    claims.iter().filter_map(|claim| claim.value.as_str()).any(|name| short_name(name) == ci.name)
}

fn display_name(identity: Option<&Listed<IdentityFacts>>, agent: AgentId) -> String {
    let identity = identity.map(|listed| &listed.items);
    let name = identity.map(|identity| short_name(&identity.hostname)).filter(|name| !name.is_empty());
    name.or_else(|| identity.and_then(|identity| identity.fqdn.as_deref()).map(short_name)).unwrap_or_else(|| unnamed(agent))
}

pub(super) fn short_name(hostname: &str) -> String {
    hostname.trim().split('.').next().unwrap_or_default().chars().take(255).collect()
}

fn unnamed(agent: AgentId) -> String {
    format!("unnamed machine {:.8}", agent.to_string())
}

pub(super) fn platform(said: &MachineFacts) -> Option<PlatformKind> {
    said.identity.as_ref().and_then(|identity| identity.items.platform)
}

pub(super) fn class_of(platform: Option<PlatformKind>, chassis: Option<ChassisClass>) -> Option<&'static str> {
    match (platform, chassis) {
        (Some(PlatformKind::VirtualMachine), _) => Some("virtual_machine"),
        (Some(PlatformKind::Container), _) => Some("container"),
        (_, Some(ChassisClass::Laptop)) => Some("laptop"),
        (_, Some(ChassisClass::Desktop)) => Some("desktop"),
        (_, Some(ChassisClass::Server)) => Some("server"),
        (Some(PlatformKind::Physical) | None, None) => None,
    }
}

fn platform_of(text: &str) -> Option<PlatformKind> {
    [("physical", PlatformKind::Physical), ("virtual machine", PlatformKind::VirtualMachine), ("container", PlatformKind::Container)]
        .into_iter()
        .find_map(|(prefix, kind)| text.starts_with(prefix).then_some(kind))
}

/// The platform that stands for a machine.
pub(super) fn known_platform(ci: &Ci) -> Option<PlatformKind> {
    ci.text("platform").and_then(platform_of)
}

/// The class follows the evidence while it is the general one, and when the platform changes (a machine made virtual); in between
/// it is a person's to correct.
fn reclassify(estate: &Estate, ci: &mut Ci, said: &MachineFacts) -> bool {
    let before = word(ci, "platform", &Source::Agent).and_then(Value::as_str).and_then(platform_of);
    let now = platform(said).or(before);
    let moved = before.is_some() && now != before;
    if ci.class != "machine" && is_machine(estate, ci) && !moved {
        return false;
    }
    let class = class_of(now, said.chassis).unwrap_or("machine");
    let changed = ci.class != class;
    ci.class = class.to_owned();
    changed
}

/// Puts one source's word on an attribute, or takes it back. Returns whether anything changed.
pub(super) fn claim(ci: &mut Ci, attribute: &str, value: Option<Value>, source: Source, since: Timestamp) -> bool {
    let known = ci.attributes.remove(attribute);
    let (changed, attribute_now) = match (known, value) {
        (Some(mut known), Some(value)) => {
            // A pin is the pinner's to release: the same source saying something else keeps it.
            let pinned = known.claims().iter().any(|claim| claim.source == source && claim.pinned);
            (known.put(Claim { value, source, since, confirmed: since, pinned }), Some(known))
        }
        (None, Some(value)) => (true, Attribute::from_claims([Claim { value, source, since, confirmed: since, pinned: false }])),
        (Some(known), None) => known.without(&source),
        (None, None) => (false, None),
    };
    if let Some(now) = attribute_now {
        ci.attributes.insert(attribute.to_owned(), now);
    }
    changed
}

/// What the enrollment token assigns now; what it no longer assigns is taken back. Names and values that do not fit the
/// class were refused when the token was made.
fn assign(plan: &mut Plan<'_>, machine: CiId, facts: &AgentFacts) {
    let (now, catalogue) = (plan.now, plan.estate.catalogue());
    plan.edit_ci(machine, "assigned by the enrollment token", |ci| {
        let source = enrollment();
        let claimed = ci.attributes.iter().filter(|(_, attribute)| attribute.claims().iter().any(|claim| claim.source == source));
        let gone: Vec<String> = claimed.map(|(name, _)| name.clone()).filter(|name| !facts.assigned.contains_key(name)).collect();
        let mut changed = false;
        for name in gone {
            changed |= claim(ci, &name, None, source.clone(), now);
        }
        for (name, value) in &facts.assigned {
            if catalogue.attribute(&ci.class, name).is_some_and(|attribute| fits(attribute, value).is_ok()) {
                changed |= claim(ci, name, Some(value.clone()), source.clone(), now);
            }
        }
        changed
    });
}

/// What the machine's network configuration says of its addresses, as its agent or another program tells.
pub(super) fn set_addresses(plan: &mut Plan<'_>, machine: CiId, realm: &str, network: &Listed<NetworkFacts>, source: &Source) {
    let owned: BTreeSet<IdentityKey> = network.items.owned.iter().map(|address| owner::address_key(realm, *address)).collect();
    let texts = |values: Vec<String>| (!values.is_empty()).then(|| Value::from(values));
    let addresses = texts(network.items.addresses.iter().map(ToString::to_string).collect());
    let internal = texts(network.items.internal.iter().cloned().collect());
    if network.complete {
        owner::note_moves(plan, machine, realm, &owned, network.at, source);
    }
    plan.edit_ci(machine, format!("the network configuration, says {source}"), |ci| {
        let mut changed = set_keys(ci, &owned, network.complete, |kind| kind == IdentityKeyKind::AddressInRealm);
        for (name, value) in [("ip_addresses", addresses), ("internal_networks", internal)] {
            if value.is_some() || network.complete {
                changed |= claim(ci, name, value, source.clone(), network.at);
            }
        }
        changed
    });
}

/// The machine's software, as its agent or another program lists it.
pub(super) fn set_software(plan: &mut Plan<'_>, machine: CiId, listed: &Listed<SoftwareSet>, source: &Source) {
    let known = plan.estate.software();
    let reason = &format!("the list of packages, says {source}");
    let mut software = Cow::Borrowed(&listed.items);
    if !listed.complete {
        software.to_mut().extend(known.of(machine).cloned());
    }
    let count = (listed.complete || !software.is_empty()).then(|| Value::from(software.len()));
    plan.edit_ci(machine, reason, |ci| claim(ci, "package_count", count, source.clone(), listed.at));
    if !known.is(machine, &software) {
        plan.put_software(machine, software.into_owned(), reason.clone());
    }
}
