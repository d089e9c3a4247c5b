//! Devices met on local networks that no agent speaks for. One is known by its MAC address where that was given once in the world, else by
//! its address, as hosts that agents talk to are; either becomes the machine when one enrolls that has it.

use std::{collections::BTreeSet, net::IpAddr};

use rollcall_shared::{CiId, Timestamp, wire::v1::PlatformKind};
use serde_json::Value;

use super::{
    adopt,
    edges::{self, Residents},
    identify::{is_machine, listed},
    machine::{claim, known_platform},
    neighbours,
    owner::{self, Owner},
    plan::Plan,
    segments,
};
use crate::{
    model::{AgentFacts, Ci, Evidence, IdentityKey, IdentityKeyKind, Lifecycle, Method, SmallSet, Source, Stage},
    observe::{DeviceFacts, Observed},
};

/// The relationship of a machine and a device that it has met.
pub(super) const MEETS: &str = "meets";
/// A device that was not met for this long, milliseconds, wants another witness.
const FORGETTING: i64 = 2 * 86_400_000;
/// Kinds of services that are kept of one device, whoever heard them.
const MOST_SERVICES: usize = 32;

pub(super) fn reconcile(plan: &mut Plan<'_>, machine: CiId, facts: &AgentFacts, observed: &Observed) {
    let Some(met) = &observed.devices else { return };
    // A container meets its host's bridge and the containers beside it, which are the same everywhere.
    let container = plan.ci(machine).is_none_or(|ci| known_platform(ci) == Some(PlatformKind::Container));
    let mut there = BTreeSet::new();
    let known = known(plan, machine);
    let mut room = plan.policy.most_met.saturating_sub(known.len());
    for device in met.items.iter().filter(|_| !container) {
        let asked = Asked { machine, realm: &facts.realm, device, at: met.at };
        let Some(host) = asked.host(plan, room > 0) else { continue };
        if known.contains(&host) || (room > 0 && is_wanted(plan, machine, host)) {
            room = room.saturating_sub(usize::from(!known.contains(&host)));
            there.insert(host);
            asked.vouch(plan, facts, host);
        }
    }
    if met.complete {
        for host in known.difference(&there) {
            gone(plan, machine, facts, *host, met.at);
        }
    }
}

/// Devices that the machine vouches for.
fn known(plan: &Plan<'_>, machine: CiId) -> BTreeSet<CiId> {
    plan.from(machine).into_iter().filter_map(|id| plan.relationship(id)).filter(|edge| edge.kind == MEETS).map(|edge| edge.to).collect()
}

/// Whether a device has fewer witnesses than it should have.
fn is_wanted(plan: &Plan<'_>, machine: CiId, host: CiId) -> bool {
    let others = plan.to(host).into_iter().filter_map(|id| plan.relationship(id)).filter(|edge| edge.kind == MEETS && edge.from != machine);
    let sees =
        |evidence: &Evidence| evidence.is_listed() && plan.now.millis_since(crate::infer::met_at(plan.estate, evidence)) < FORGETTING;
    others.filter(|edge| edge.evidence.iter().any(sees)).count() < plan.policy.witnesses
}

/// The machine's list no longer has it.
fn gone(plan: &mut Plan<'_>, machine: CiId, facts: &AgentFacts, host: CiId, at: Timestamp) {
    let Some(edge) = plan.between(MEETS, machine, host).and_then(|id| plan.relationship(id)).cloned() else { return };
    let mut evidence = edge.evidence;
    for it in evidence.iter_mut().filter(|it| it.is_listed() && it.agent == Some(facts.agent)) {
        (it.samples_seen, it.last_seen) = (0, it.last_seen.max(at));
    }
    edges::set_evidence(plan, edge.id, evidence, "it is not met any more");
}

/// A device as a machine met it.
struct Asked<'a> {
    machine: CiId,
    realm: &'a str,
    device: &'a DeviceFacts,
    at: Timestamp,
}

impl Asked<'_> {
    /// The item that stands for the device, brought up to date. `None` where an agent speaks for it, where it cannot be told who it is, and
    /// where it would have to be made and may not.
    fn host(&self, plan: &mut Plan<'_>, may_be_made: bool) -> Option<CiId> {
        if self.is_of_a_machine(plan) {
            return None;
        }
        let mut standing = BTreeSet::new();
        for address in &self.device.addresses {
            // Networks within the machine (`None`) and addresses that machines have are not this device's.
            match neighbours::look_up(plan, self.machine, self.realm, *address, self.at)? {
                Owner::Machine(_) | Owner::Ambiguous => return None,
                Owner::Unmanaged(host) => drop(standing.insert(host)),
                Owner::Nobody => {}
            }
        }
        if !self.device.are_its_own {
            standing.clear();
        }
        let key = self.key();
        let by_key = key.as_ref().and_then(|key| self.with_key(plan, key));
        let (same, others): (Vec<CiId>, Vec<CiId>) = standing.into_iter().partition(|host| self.may_be(plan, *host));
        let known = by_key.or_else(|| same.first().copied());
        if known.is_none() && !may_be_made {
            return None;
        }
        let others = others.into_iter().filter(|host| Some(*host) != by_key);
        // What was seen before another one had it is not turned back.
        // Each of them, not only up to the first that has none.
        let has_them = others.filter(|host| !self.take_addresses(plan, *host)).count() == 0;
        let host = match known {
            Some(host) => host,
            None if has_them => self.make(plan, key.as_ref())?,
            None => return None,
        };
        let mut residents = Residents::default();
        for other in same.into_iter().filter(|other| *other != host) {
            adopt::adopt(plan, &mut residents, other, host, "one device: the same network adapter answers");
        }
        self.describe(plan, host, has_them);
        Some(host)
    }

    /// The key by which it is known wherever it is met.
    fn key(&self) -> Option<IdentityKey> {
        let mac = self.device.mac.as_ref().filter(|_| self.device.is_own_mac)?;
        Some(IdentityKey { kind: IdentityKeyKind::Mac, value: mac.clone() })
    }

    /// Whether a machine has this adapter. One that was made up may be on several hosts: which of them is met, is not asked.
    fn is_of_a_machine(&self, plan: &Plan<'_>) -> bool {
        let Some(mac) = &self.device.mac else { return false };
        let guest = (IdentityKeyKind::GuestHandle, format!("mac:{mac}"));
        let own = [IdentityKeyKind::Mac, IdentityKeyKind::MadeUpMac].map(|kind| (kind, mac.clone()));
        own.into_iter().chain([guest]).any(|(kind, value)| {
            let active = |id: &CiId| plan.ci(*id).is_some_and(|ci| ci.lifecycle == Lifecycle::Active && is_machine(plan.estate, ci));
            plan.with_key(&IdentityKey { kind, value }).iter().any(active)
        })
    }

    /// The device that has the key; a retired one comes back.
    fn with_key(&self, plan: &mut Plan<'_>, key: &IdentityKey) -> Option<CiId> {
        let mut devices: Vec<(bool, CiId)> = plan
            .with_key(key)
            .into_iter()
            .filter_map(|id| plan.ci(id))
            .filter(|ci| !is_machine(plan.estate, ci))
            .map(|ci| (ci.lifecycle != Lifecycle::Active, ci.id))
            .collect();
        devices.sort();
        let (_, id) = *devices.first()?;
        // What was joined to another device is that one.
        let stands = plan.standing(id);
        let id = if plan.ci(stands).is_some_and(|ci| !is_machine(plan.estate, ci)) { stands } else { id };
        plan.edit_ci(id, "met again", |ci| {
            let before = ci.clone();
            let was_retired = ci.lifecycle == Lifecycle::Retired && ci.enter(Stage::InUse);
            let comes_back = ci.merged_into.take().is_some() || was_retired;
            if comes_back {
                // Somebody else may have them by now.
                ci.keys.retain(|key| !is_address(key));
                claim(ci, "ip_addresses", None, Source::Agent, self.at);
                rename(ci, &before);
            }
            comes_back
        });
        Some(id)
    }

    /// Whether what stands at one of its addresses may be this device: known by nothing but the address, and with no adapter of its own.
    fn may_be(&self, plan: &Plan<'_>, host: CiId) -> bool {
        let Some(ci) = plan.ci(host) else { return false };
        let Some(mac) = &self.device.mac else { return true };
        let known = listed(ci, "mac_addresses");
        let by_address_only = !ci.keys.iter().any(|key| key.kind == IdentityKeyKind::Mac);
        // Made-up addresses change from day to day: whoever has one is whoever stands at the address.
        known.contains(mac) || (by_address_only && (known.is_empty() || !self.device.is_own_mac))
    }

    /// The addresses are this device's now, and no longer that one's: what is known by its address only has gone with it. Whether they are.
    fn take_addresses(&self, plan: &mut Plan<'_>, host: CiId) -> bool {
        if !self.is_newer(plan, host) {
            return false;
        }
        let taken: BTreeSet<IdentityKey> = self.device.addresses.iter().map(|it| owner::address_key(self.realm, *it)).collect();
        let texts: BTreeSet<String> = self.device.addresses.iter().map(ToString::to_string).collect();
        let at = self.at;
        plan.edit_ci(host, "its address is another device's now", |ci| {
            let kept = |key: &&IdentityKey| matches!(key.kind, IdentityKeyKind::Mac) || (is_address(key) && !taken.contains(key));
            if !ci.keys.iter().any(|key| kept(&key)) && ci.class == "unmanaged_host" && !super::housekeeping::is_curated(ci) {
                ci.enter(Stage::Retired);
                return true;
            }
            let before = ci.clone();
            ci.keys.retain(|key| !taken.contains(key));
            let left: Vec<String> = listed(ci, "ip_addresses").into_iter().filter(|text| !texts.contains(text)).collect();
            claim(ci, "ip_addresses", (!left.is_empty()).then(|| Value::from(left)), Source::Agent, at);
            rename(ci, &before);
            true
        });
        true
    }

    fn make(&self, plan: &mut Plan<'_>, key: Option<&IdentityKey>) -> Option<CiId> {
        if let Some(address) = self.device.addresses.first().filter(|_| self.device.are_its_own) {
            return neighbours::unmanaged(plan, self.machine, self.realm, *address, self.at);
        }
        let key = key?;
        if !neighbours::may_make_unmanaged(plan) {
            return None;
        }
        let reason = format!("first seen: an agent met {} on its network", key.value);
        Some(plan.new_ci("unmanaged_host", key.value.clone(), vec![key.clone()], None, reason))
    }

    /// Whether this was seen after what is known of the item's addresses.
    fn is_newer(&self, plan: &Plan<'_>, host: CiId) -> bool {
        let known = plan.ci(host).and_then(|ci| ci.attributes.get("ip_addresses"));
        let claims = known.map(|known| known.claims()).unwrap_or_default();
        claims.iter().filter(|claim| claim.source == Source::Agent).all(|claim| claim.since <= self.at)
    }

    fn describe(&self, plan: &mut Plan<'_>, host: CiId, has_its_addresses: bool) {
        let (device, at) = (self.device, self.at);
        let is_newer = has_its_addresses && self.is_newer(plan, host);
        let Some(observer) = plan.ci(self.machine) else { return };
        let place = device.addresses.iter().find_map(|address| segments::place_of(observer, *address));
        let networks: Vec<String> = listed(observer, segments::SEGMENTS).into_iter().collect();
        let (key, catalogue) = (self.key(), plan.estate.catalogue());
        plan.edit_ci(host, "met on a local network", |ci| {
            let before = ci.clone();
            let may_say = |ci: &Ci, name: &str| catalogue.attribute(&ci.class, name).is_some();
            let say = |ci: &mut Ci, name: &str, value: Option<Value>| {
                if value.is_some() && may_say(ci, name) {
                    claim(ci, name, value, Source::Agent, at);
                }
            };
            if let Some(mac) = &device.mac {
                let own = before.keys.iter().filter(|key| key.kind == IdentityKeyKind::Mac).map(|key| key.value.clone());
                let macs: BTreeSet<String> = own.chain([mac.clone()]).collect();
                say(ci, "mac_addresses", Some(macs.into_iter().collect()));
            }
            ci.keys.extend(key);
            if is_newer && !device.addresses.is_empty() {
                let addresses = self.addresses(ci, &networks);
                say(ci, "ip_addresses", Some(addresses.iter().map(ToString::to_string).collect()));
                if device.are_its_own {
                    ci.keys.retain(|key| !is_address(key));
                    ci.keys.extend(addresses.iter().map(|address| owner::address_key(self.realm, *address)));
                }
                say(ci, segments::SEGMENTS, place.map(|place| Value::from(vec![place])));
            }
            ci.keys.sort();
            ci.keys.dedup();
            for (name, value) in [
                ("adapter_maker", &device.maker),
                ("announced_name", &device.name),
                ("announced_model", &device.model),
                ("announced_software", &device.software),
            ] {
                say(ci, name, value.clone().map(Value::from));
            }
            if !device.services.is_empty() {
                let known = listed(ci, "announced_services");
                let all: BTreeSet<&String> = known.iter().chain(&device.services).collect();
                say(ci, "announced_services", Some(all.into_iter().take(MOST_SERVICES).map(String::as_str).collect()));
            }
            rename(ci, &before);
            *ci != before
        });
    }

    /// The device's addresses: those that it was met with, and of those that were known the ones that it may still have: of the other
    /// family, or of a network that the observer is not on.
    fn addresses(&self, ci: &Ci, networks: &[String]) -> BTreeSet<IpAddr> {
        const MOST: usize = 8;
        let met = &self.device.addresses;
        let same_kind = |known: &IpAddr| met.iter().any(|met| met.is_ipv4() == known.is_ipv4());
        let on_its_networks = |known: &IpAddr| {
            let place = |text: &String| text.split_once(" via ").is_some_and(|(network, _)| crate::observe::is_in(*known, network));
            networks.is_empty() || networks.iter().any(place)
        };
        let known = listed(ci, "ip_addresses").into_iter().filter_map(|text| text.parse::<IpAddr>().ok());
        let is_replaced = |known: &IpAddr| known.is_ipv4() && same_kind(known) && on_its_networks(known);
        let kept = known.filter(|known| !met.contains(known) && !is_replaced(known));
        met.iter().copied().chain(kept).take(MOST).collect()
    }

    /// The machine's word that it met the device.
    fn vouch(&self, plan: &mut Plan<'_>, facts: &AgentFacts, host: CiId) {
        let how = match &self.device.interface {
            Some(interface) => format!("met on {}", super::identify::shown(interface)),
            None => "heard announcing itself".to_owned(),
        };
        let id = match plan.between(MEETS, self.machine, host) {
            Some(id) => id,
            None => plan.new_relationship(MEETS, self.machine, host, format!("first seen: {how}")),
        };
        let mut evidence = plan.relationship(id).map(|edge| edge.evidence.clone()).unwrap_or_default();
        let own = |it: &&mut Evidence| it.method == Method::Neighbour && it.agent == Some(facts.agent);
        match evidence.iter_mut().find(own) {
            Some(known) if known.is_listed() => {}
            Some(known) => {
                known.longest_silence_ms = known.longest_silence_ms.max(self.at.millis_since(known.last_seen));
                (known.samples_seen, known.last_seen, known.detail) = (1, known.last_seen.max(self.at), how);
            }
            None => evidence.push(Evidence {
                method: Method::Neighbour,
                agent: Some(facts.agent),
                source: Source::Agent,
                detail: how,
                endpoints: SmallSet::new(),
                samples_seen: 1,
                samples_total: 1,
                first_seen: self.at,
                last_seen: self.at,
                longest_silence_ms: 0,
            }),
        }
        edges::set_evidence(plan, id, evidence, "met on the local network");
    }
}

fn is_address(key: &IdentityKey) -> bool {
    key.kind == IdentityKeyKind::AddressInRealm
}

/// What nobody has named is called as it calls itself, else by its first address, else by its adapter.
fn rename(ci: &mut Ci, before: &Ci) {
    let given = |ci: &Ci| {
        let of = |name: &str| listed(ci, name).into_iter();
        let said = ci.text("announced_name").map(|name| name.chars().take(255).collect::<String>());
        said.into_iter().chain(of("ip_addresses")).chain(of("mac_addresses")).collect::<Vec<_>>()
    };
    let named_by_us = given(before).contains(&before.name) || given(ci).contains(&before.name);
    if ci.class == "unmanaged_host"
        && named_by_us
        && let Some(name) = given(ci).first()
    {
        ci.name = name.clone();
    }
}
