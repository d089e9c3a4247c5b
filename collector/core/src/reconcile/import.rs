//! A machine as another inventory program describes it: the program's word stands beside the agent's, and below it.
//!
//! Identity keys, addresses and software are the agent's to say for as long as the machine has one; of a machine without an agent they
//! are the program's.

use std::collections::BTreeSet;

use rollcall_shared::CiId;
use serde_json::Value;

use super::{
    identify::{self, Newcomer, Reporter, shown},
    joining,
    machine::{self, claim},
    plan::Plan,
    segments,
};
use crate::{
    model::{Ci, IdentityKey, IdentityKeyKind, ImportFacts},
    observe::Observed,
};

/// Set on a machine of which nothing but partial inventories has come.
const INCOMPLETE: &str = "inventory_incomplete";

/// Finds or makes the machine and writes down what the program says of it. Returns its CI.
pub(super) fn reconcile(plan: &mut Plan<'_>, facts: &ImportFacts, observed: &Observed) -> CiId {
    let device = device_key(facts);
    let none = BTreeSet::new();
    let identity = observed.machine.identity.as_ref().map(|identity| &identity.items);
    let keys = identity.map_or(&none, |identity| &identity.keys);
    let speaker = Newcomer { reporter: Reporter::Device(&device, &facts.source), keys, identity };
    let mut found = identify::identify(plan, &speaker);
    let is_new = found.machine.is_none();
    let machine = match found.machine {
        Some(machine) => joining::join(plan, &speaker, machine, &mut found.clashes),
        None => newcomer(plan, facts, observed),
    };
    machine::return_from_retirement(plan, machine, None, "somebody retires it and the program no longer reports it");

    let mut reason = format!("the inventory of {}", facts.source);
    if !found.reason.is_empty() && !plan.ci(machine).is_some_and(|ci| ci.keys.contains(&device)) {
        reason = format!("{reason}: {}", found.reason);
    }
    let has_agent = plan.ci(machine).is_some_and(|ci| ci.agent.is_some());
    plan.edit_ci(machine, reason, |ci| {
        let follows_host_name = is_new || (!has_agent && machine::is_named_by_itself(ci));
        let mut changed = machine::claim_attributes(ci, &observed.machine, &facts.source);
        changed |= follows_host_name && rename(ci, observed);
        changed |= mark_incomplete(ci, facts, is_new, observed);
        changed |= !has_agent && machine::set_claimed_keys(ci);
        changed | set_device(ci, &device, facts)
    });
    if !has_agent {
        if let Some(network) = &observed.network {
            machine::set_addresses(plan, machine, &facts.realm, network, &facts.source);
        }
        segments::reconcile(plan, machine, observed, &facts.source);
        if let Some(software) = &observed.software {
            machine::set_software(plan, machine, software, &facts.source);
        }
    }
    for clash in found.clashes {
        plan.open_conflict(clash.kind, clash.with, Some(machine), None, clash.detail);
    }
    machine
}

/// The machine that is meant, and by what it is recognised.
pub(super) fn recognise(plan: &Plan<'_>, facts: &ImportFacts, observed: &Observed) -> Option<(CiId, String)> {
    let (device, none) = (device_key(facts), BTreeSet::new());
    let identity = observed.machine.identity.as_ref().map(|identity| &identity.items);
    let keys = identity.map_or(&none, |identity| &identity.keys);
    let found = identify::identify(plan, &Newcomer { reporter: Reporter::Device(&device, &facts.source), keys, identity });
    found.machine.map(|machine| (machine, found.reason))
}

/// What the source calls this machine.
fn device_key(facts: &ImportFacts) -> IdentityKey {
    IdentityKey { kind: IdentityKeyKind::External, value: format!("{}|{}", facts.source, facts.device) }
}

fn newcomer(plan: &mut Plan<'_>, facts: &ImportFacts, observed: &Observed) -> CiId {
    let said = &observed.machine;
    let name = host_name(observed).unwrap_or_else(|| shown(&facts.device));
    let class = machine::class_of(machine::platform(said), said.chassis).unwrap_or("machine");
    plan.new_ci(class, name, Vec::new(), None, format!("first seen by {}: no rule recognises it", facts.source))
}

fn host_name(observed: &Observed) -> Option<String> {
    let identity = observed.machine.identity.as_ref()?;
    Some(machine::short_name(&identity.items.hostname)).filter(|name| !name.is_empty())
}

fn rename(ci: &mut Ci, observed: &Observed) -> bool {
    let Some(name) = host_name(observed).filter(|name| *name != ci.name) else { return false };
    ci.name = name;
    true
}

/// A whole inventory says the rest; until one comes, what is missing is not known to be absent.
fn mark_incomplete(ci: &mut Ci, facts: &ImportFacts, is_new: bool, observed: &Observed) -> bool {
    let only_partials = facts.partial && (is_new || machine::word(ci, INCOMPLETE, &facts.source).is_some());
    let at = observed.machine.identity.as_ref().map_or(ci.valid_from, |identity| identity.at);
    claim(ci, INCOMPLETE, only_partials.then_some(Value::Bool(true)), facts.source.clone(), at)
}

/// The machine goes by this name at the source from now on: a program that was installed again chose another one.
fn set_device(ci: &mut Ci, device: &IdentityKey, facts: &ImportFacts) -> bool {
    let of_source = format!("{}|", facts.source);
    let kept = ci.keys.iter().filter(|key| key.kind != IdentityKeyKind::External || !key.value.starts_with(&of_source)).cloned();
    let now: BTreeSet<IdentityKey> = kept.chain([device.clone()]).collect();
    let now: Vec<IdentityKey> = now.into_iter().collect();
    let changed = ci.keys != now;
    ci.keys = now;
    changed
}
