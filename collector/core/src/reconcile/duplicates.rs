//! Items that may be one, found before anybody stumbles over them: with reasons, what stands against, and how strong it is.

use std::collections::{BTreeMap, HashMap};

use rollcall_shared::{CiId, ConflictId, Timestamp};

use super::{
    Policy,
    identify::{is_machine, shown},
    likeness,
    machine::short_name,
    plan::Plan,
};
use crate::{
    Estate,
    model::{Ci, ConflictState, IdentityKeyKind, Lifecycle},
};

/// Two items that may be one.
#[derive(Clone, Debug, PartialEq)]
pub struct Duplicate {
    /// The older.
    pub one: CiId,
    /// The other.
    pub other: CiId,
    /// How strong the reasons are, against what stands against.
    pub strength: Strength,
    /// What they have in common, in words with values.
    pub reasons: Vec<String>,
    /// What speaks against it.
    pub against: Vec<String>,
    /// The open question about the two, if there is one.
    pub conflict: Option<ConflictId>,
}

/// How likely two are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// They have what is usually one machine's own, and nothing stands against it.
    Strong,
    /// They have something in common that few have.
    Fair,
    /// Names and models only, or something stands against it.
    Weak,
}

impl Strength {
    /// The name in data and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Strong => "strong",
            Self::Fair => "fair",
            Self::Weak => "weak",
        }
    }
}

/// What a common value of a kind says, and how much.
const TELLING: &[(IdentityKeyKind, &str, Strength)] = &[
    (IdentityKeyKind::SmbiosUuidAndSerial, "the same SMBIOS UUID and serial number", Strength::Strong),
    (IdentityKeyKind::SerialAndManufacturer, "the same serial number and manufacturer", Strength::Strong),
    (IdentityKeyKind::CloudInstanceId, "the same cloud instance id", Strength::Strong),
    (IdentityKeyKind::Serial, "the same serial number", Strength::Fair),
    (IdentityKeyKind::SmbiosUuid, "the same SMBIOS UUID", Strength::Fair),
    (IdentityKeyKind::MachineId, "the same machine id", Strength::Fair),
    (IdentityKeyKind::Mac, "the same MAC address", Strength::Fair),
    (IdentityKeyKind::MadeUpMac, "the same made-up MAC address", Strength::Weak),
    (IdentityKeyKind::NameAndSystem, "the same full host name and operating system", Strength::Weak),
];

/// Pairs of active machines that may be one, the strongest first. One pass over all keys and names; pairs that a person keeps apart are left
/// out, and so is what so many share that it says nothing.
pub fn duplicates(estate: &Estate, now: Timestamp, policy: &Policy) -> Vec<Duplicate> {
    let mut none = uuid::Uuid::nil;
    let plan = Plan::new(estate, now, policy, &mut none);
    let mut pairs: BTreeMap<(CiId, CiId), Vec<(Strength, String)>> = BTreeMap::new();
    for (key, holders) in estate.shared_keys() {
        let Some((_, words, strength)) = TELLING.iter().find(|(kind, _, _)| *kind == key.kind) else { continue };
        let living: Vec<&Ci> = holders.filter(|ci| is_living_machine(estate, ci)).collect();
        note(&mut pairs, policy, &living, *strength, &format!("{words}: {}", shown(&key.value)));
    }
    for (name, living) in by_name_and_model(estate) {
        note(&mut pairs, policy, &living, Strength::Weak, &format!("the same name and model, from different sources: {name}"));
    }
    let mut found: Vec<Duplicate> = pairs.into_iter().filter_map(|(pair, reasons)| judge(&plan, pair, reasons)).collect();
    found.sort_by_key(|it| (it.strength, std::cmp::Reverse(it.reasons.len()), it.one, it.other));
    found
}

fn is_living_machine(estate: &Estate, ci: &Ci) -> bool {
    ci.lifecycle == Lifecycle::Active && is_machine(estate, ci)
}

fn note(pairs: &mut BTreeMap<(CiId, CiId), Vec<(Strength, String)>>, policy: &Policy, living: &[&Ci], strength: Strength, reason: &str) {
    if living.len() > policy.most_carriers {
        return;
    }
    for (at, a) in living.iter().enumerate() {
        for b in &living[at + 1..] {
            let (first, second) = if (a.first_seen, a.id) <= (b.first_seen, b.id) { (a.id, b.id) } else { (b.id, a.id) };
            pairs.entry((first, second)).or_default().push((strength, reason.to_owned()));
        }
    }
}

/// Machines of one name and model that are not all reported by agents: who registers a machine by hand has little else to say.
fn by_name_and_model(estate: &Estate) -> Vec<(String, Vec<&Ci>)> {
    let mut named: HashMap<(String, String), Vec<&Ci>> = HashMap::new();
    for ci in estate.active_cis().filter(|ci| is_machine(estate, ci)) {
        let (name, model) = (short_name(&ci.name).to_lowercase(), ci.text("model").unwrap_or_default().to_lowercase());
        if likeness::is_chosen(&name) && !model.is_empty() {
            named.entry((name, model)).or_default().push(ci);
        }
    }
    let of_sources = |list: &[&Ci]| list.len() > 1 && list.iter().any(|ci| ci.agent.is_none());
    let mut found: Vec<_> =
        named.into_iter().filter(|(_, list)| of_sources(list)).map(|((name, model), list)| (format!("{name}, {model}"), list)).collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn judge(plan: &Plan<'_>, (one, other): (CiId, CiId), mut reasons: Vec<(Strength, String)>) -> Option<Duplicate> {
    let between: Vec<_> =
        plan.conflicts_of(one).into_iter().filter(|it| it.known == other || it.other == Some(other)).map(|it| (it.id, it.state)).collect();
    if between.iter().any(|(_, state)| *state == ConflictState::KeptApart) {
        return None;
    }
    reasons.sort();
    reasons.dedup();
    let macs = reasons.iter().filter(|(_, words)| words.starts_with("the same MAC address")).count();
    let against: Vec<String> = super::compare::compare(plan.estate, one, other, plan.now, plan.policy)?.against;
    let best = reasons.first().map_or(Strength::Weak, |(strength, _)| *strength);
    let best = if macs > 1 { Strength::Strong } else { best };
    let strength = match (best, against.is_empty()) {
        (strength, true) => strength,
        (Strength::Strong, false) => Strength::Fair,
        (_, false) => Strength::Weak,
    };
    let reasons = reasons.into_iter().map(|(_, words)| words).collect();
    let conflict = between.iter().find(|(_, state)| *state == ConflictState::Open).map(|(id, _)| *id);
    Some(Duplicate { one, other, strength, reasons, against, conflict })
}
