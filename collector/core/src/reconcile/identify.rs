//! Which machine is this? First match wins; nothing merges on a name.

use std::collections::BTreeSet;

use rollcall_shared::{AgentId, CiId};

use super::{
    likeness::{self, Adapters},
    plan::Plan,
};
use crate::{
    Estate,
    model::{AgentFacts, Ci, ConflictKind, IdentityKey, IdentityKeyKind, Lifecycle, Source},
    observe::{IdentityFacts, identity_claimed_by},
};

/// One identification rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// What people call what it compares: "SMBIOS UUID and serial number".
    pub name: &'static str,
    /// What it compares.
    pub basis: Basis,
}

/// What a rule compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The agent's enrolled identity: the machine it has reported before.
    Agent,
    /// Ids that come with the hardware.
    Hardware(IdentityKeyKind),
    /// Ids that come with the disk or image, and are copied with it: they say nothing where hardware ids differ.
    Image(IdentityKeyKind),
    /// At least this many equal MAC addresses: adapters move, so a living machine is never taken for another one by them, and they
    /// say nothing where hardware ids differ.
    Adapters(usize),
    /// An id that proves nothing alone: the only machine that has it, with the same adapters, model or host name, and nothing against it.
    Supported(IdentityKeyKind),
    /// All adapters of the one are the other's, and so is the host name, or in a register the model, or it is the only one of both.
    AdaptersAndName,
    /// Suggests that two may be the same, and merges nothing.
    Suggestion(IdentityKeyKind),
}

/// The rules, strongest first.
pub const RULES: &[Rule] = &[
    Rule { name: "enrolled agent", basis: Basis::Agent },
    Rule { name: "SMBIOS UUID and serial number", basis: Basis::Hardware(IdentityKeyKind::SmbiosUuidAndSerial) },
    Rule { name: "serial number and manufacturer", basis: Basis::Hardware(IdentityKeyKind::SerialAndManufacturer) },
    Rule { name: "SMBIOS UUID with adapters or name", basis: Basis::Supported(IdentityKeyKind::SmbiosUuid) },
    Rule { name: "serial number with adapters, model or name", basis: Basis::Supported(IdentityKeyKind::Serial) },
    Rule { name: "machine id", basis: Basis::Image(IdentityKeyKind::MachineId) },
    Rule { name: "cloud instance id", basis: Basis::Image(IdentityKeyKind::CloudInstanceId) },
    Rule { name: "MAC address with name or model", basis: Basis::AdaptersAndName },
    Rule { name: "MAC addresses", basis: Basis::Adapters(2) },
    Rule { name: "full host name and operating system", basis: Basis::Suggestion(IdentityKeyKind::NameAndSystem) },
];

/// What the rules found.
pub(super) struct Identified {
    /// The machine, if it is known.
    pub(super) machine: Option<CiId>,
    /// Which rule and values decided.
    pub(super) reason: String,
    /// Other CIs that some rule points at.
    pub(super) clashes: Vec<Clash>,
}

/// Another CI that shares what should be one machine's own.
pub(super) struct Clash {
    pub(super) kind: ConflictKind,
    pub(super) with: CiId,
    pub(super) detail: String,
}

/// What the newcomer brings.
pub(super) struct Newcomer<'a> {
    pub(super) reporter: Reporter<'a>,
    /// Its identity keys; empty if the document does not say.
    pub(super) keys: &'a BTreeSet<IdentityKey>,
    /// What it says it is, if it does.
    pub(super) identity: Option<&'a IdentityFacts>,
}

impl Newcomer<'_> {
    /// All of its own MAC addresses.
    pub(super) fn macs(&self) -> &BTreeSet<String> {
        static NONE: BTreeSet<String> = BTreeSet::new();
        self.identity.map_or(&NONE, |identity| &identity.macs)
    }

    /// What it calls itself, if it does.
    pub(super) fn hostname(&self) -> Option<&str> {
        let identity = self.identity?;
        Some(identity.hostname.as_str()).filter(|name| !name.is_empty()).or(identity.fqdn.as_deref())
    }
}

/// Who speaks of the machine.
#[derive(Clone, Copy)]
pub(super) enum Reporter<'a> {
    /// Its own agent.
    Agent(&'a AgentFacts),
    /// Another inventory program, by the name its source gives the machine. It may well run beside our agent, and its name for the
    /// machine is copied with a disk.
    Device(&'a IdentityKey, &'a Source),
    /// Somebody who registers it.
    Entry,
    /// An item that is compared with others.
    Item(CiId),
}

impl Reporter<'_> {
    /// CIs that this reporter has spoken of before: an agent's one machine, or all that go by a name.
    fn own(&self, plan: &Plan<'_>) -> BTreeSet<CiId> {
        match self {
            Self::Agent(facts) => plan.bound_to(facts.agent).map(|ci| plan.standing(ci)).into_iter().collect(),
            Self::Device(key, _) => plan.with_key(key).into_iter().map(|id| plan.standing(id)).collect(),
            Self::Entry => BTreeSet::new(),
            Self::Item(id) => BTreeSet::from([*id]),
        }
    }
}

/// What a rule's match is worth for one candidate.
enum Verdict {
    /// The same machine.
    Same,
    /// Another machine with the same ids; why it is another.
    Copy(&'static str),
    /// The match says nothing.
    Nothing,
}

pub(super) fn identify(plan: &Plan<'_>, newcomer: &Newcomer<'_>) -> Identified {
    let mut found = Identified { machine: None, reason: String::new(), clashes: Vec::new() };
    for rule in RULES {
        // Of many copies of one image, a newcomer is compared with one: a question for each pair would be a flood.
        let mut copied = false;
        for (candidate, shared) in candidates(plan, newcomer, rule) {
            if found.machine == Some(candidate) || found.clashes.iter().any(|clash| clash.with == candidate) {
                continue;
            }
            let Some(ci) = plan.ci(candidate) else { continue };
            let values = format!("{} ({shared})", rule.name);
            match judge(plan, newcomer, rule, ci) {
                Verdict::Same if found.machine.is_none() => {
                    found.machine = Some(candidate);
                    found.reason = recognised(newcomer, rule, ci, &values);
                }
                Verdict::Same if rule.basis != Basis::Agent => {
                    let detail = format!("also {values} points at {:?}, which is another configuration item", ci.name);
                    found.clashes.push(Clash { kind: ConflictKind::KeysDisagree, with: candidate, detail });
                }
                Verdict::Copy(why) if !copied => {
                    copied = true;
                    let detail = format!("the same {values} as {:?}, but {why}: a copy, or two machines that were given one id", ci.name);
                    found.clashes.push(Clash { kind: ConflictKind::SameIdentity, with: candidate, detail });
                }
                Verdict::Nothing if matches!(rule.basis, Basis::Suggestion(_)) => {
                    let detail = format!("the same {values} as {:?}, and nothing else in common", ci.name);
                    found.clashes.push(Clash { kind: ConflictKind::PossibleDuplicate, with: candidate, detail });
                }
                Verdict::Same | Verdict::Copy(_) | Verdict::Nothing => {}
            }
        }
    }
    found
}

/// What one rule says of one item: the values that both have, and whether it is the same machine, or why not.
pub(super) fn check(
    plan: &Plan<'_>,
    newcomer: &Newcomer<'_>,
    rule: &Rule,
    item: CiId,
) -> Option<(String, Result<(), Option<&'static str>>)> {
    let (_, values) = candidates(plan, newcomer, rule).into_iter().find(|(candidate, _)| *candidate == item)?;
    let verdict = match judge(plan, newcomer, rule, plan.ci(item)?) {
        Verdict::Same => Ok(()),
        Verdict::Copy(why) => Err(Some(why)),
        Verdict::Nothing => Err(None),
    };
    Some((values, verdict))
}

fn recognised(newcomer: &Newcomer<'_>, rule: &Rule, ci: &Ci, values: &str) -> String {
    match (newcomer.reporter, rule.basis, ci.agent) {
        (Reporter::Agent(_), Basis::Agent, _) => "reported by its agent".to_owned(),
        (Reporter::Device(key, _), Basis::Agent, _) => format!("reported before as {}", shown(&key.value)),
        (Reporter::Agent(facts), _, Some(before)) if before != facts.agent => {
            format!("recognised by {values}: enrolled again, agent {} takes the place of {before}", facts.agent)
        }
        _ => format!("recognised by {values}"),
    }
}

/// CIs that the rule points at with the values they share, each once, the likeliest first. Retired ones are among them.
fn candidates(plan: &Plan<'_>, newcomer: &Newcomer<'_>, rule: &Rule) -> Vec<(CiId, String)> {
    let of_kind = |kind| newcomer.keys.iter().filter(move |key| key.kind == kind);
    let mut found: Vec<(CiId, String)> = match rule.basis {
        Basis::Agent => {
            let said = match newcomer.reporter {
                Reporter::Agent(facts) => facts.agent.to_string(),
                Reporter::Device(key, _) => shown(&key.value),
                Reporter::Entry | Reporter::Item(_) => String::new(),
            };
            newcomer.reporter.own(plan).into_iter().map(|ci| (ci, said.clone())).collect()
        }
        Basis::Hardware(kind) | Basis::Image(kind) => {
            of_kind(kind).flat_map(|key| carriers(plan, newcomer, key).into_iter().map(|ci| (ci, shown(&key.value)))).collect()
        }
        Basis::Supported(kind) => {
            // Of several that have it, nobody knows which is meant.
            let only = |key: &IdentityKey| match carriers(plan, newcomer, key)[..] {
                [ci] => Some((ci, shown(&key.value))),
                _ => None,
            };
            of_kind(kind).filter_map(only).collect()
        }
        Basis::Suggestion(kind) => {
            // Names are shared by whole fleets that nobody named; one question is enough.
            let one = of_kind(kind).flat_map(|key| carriers(plan, newcomer, key).into_iter().map(|ci| (ci, shown(&key.value)))).next();
            one.into_iter().collect()
        }
        Basis::Adapters(_) | Basis::AdaptersAndName => {
            let at_least = if let Basis::Adapters(at_least) = rule.basis { at_least } else { 1 };
            let mut shared: std::collections::BTreeMap<CiId, Vec<&str>> = Default::default();
            let made_up = of_kind(IdentityKeyKind::MadeUpMac).filter(|_| rule.basis == Basis::AdaptersAndName);
            for key in of_kind(IdentityKeyKind::Mac).chain(made_up) {
                // A MAC address that two machines have hangs on a dock, or a register has it under an old name: their names tell them apart.
                let mut carriers = carriers(plan, newcomer, key);
                if carriers.len() > 1 && rule.basis == Basis::AdaptersAndName {
                    carriers.retain(|ci| plan.ci(*ci).is_some_and(|ci| likeness::same_name(newcomer, ci)));
                }
                if let [ci] = carriers[..] {
                    shared.entry(ci).or_default().push(&key.value);
                }
            }
            shared.into_iter().filter(|(_, macs)| macs.len() >= at_least).map(|(ci, macs)| (ci, macs.join(", "))).collect()
        }
    };
    let rank = |id: &CiId| {
        let ci = plan.ci(*id);
        let other_hardware = ci.is_none_or(|ci| likeness::adapters(newcomer, ci) != Adapters::Same);
        let other_name = ci.is_none_or(|ci| !likeness::same_name(newcomer, ci));
        let living = ci.map(|ci| other_reporter(plan, newcomer.reporter, ci));
        (other_hardware, living, other_name, ci.map(|ci| ci.first_seen), *id)
    };
    found.sort_by_key(|(id, _)| rank(id));
    let mut seen = BTreeSet::new();
    found.retain(|(id, _)| seen.insert(*id));
    found
}

/// Machines other than the newcomer's own that carry a key, oldest first; none if so many do that it says nothing.
fn carriers(plan: &Plan<'_>, newcomer: &Newcomer<'_>, key: &IdentityKey) -> Vec<CiId> {
    let own = newcomer.reporter.own(plan);
    let standing: BTreeSet<CiId> = plan.with_key(key).into_iter().map(|id| plan.standing(id)).filter(|id| !own.contains(id)).collect();
    let mut carriers: Vec<&Ci> = standing.iter().filter_map(|id| plan.ci(*id)).filter(|ci| is_machine(plan.estate, ci)).collect();
    if carriers.len() > plan.policy.most_carriers {
        return Vec::new();
    }
    carriers.sort_by_key(|ci| (ci.first_seen, ci.id));
    carriers.iter().map(|ci| ci.id).collect()
}

fn judge(plan: &Plan<'_>, newcomer: &Newcomer<'_>, rule: &Rule, ci: &Ci) -> Verdict {
    let adapters = likeness::adapters(newcomer, ci);
    let differs = likeness::hardware_differs(plan, newcomer.keys, &ci.keys);
    match rule.basis {
        Basis::Agent => {
            return match newcomer.reporter {
                // It says what it has said before.
                Reporter::Device(_, source) if repeats(newcomer, ci, source) => Verdict::Same,
                Reporter::Device(..) if differs => Verdict::Copy("its hardware is another's"),
                Reporter::Device(..)
                    if adapters == Adapters::Different
                        && (likeness::is_virtual(newcomer, ci) || !likeness::hardware_agrees(newcomer, ci)) =>
                {
                    Verdict::Copy("its network adapters are others")
                }
                _ => Verdict::Same,
            };
        }
        Basis::Suggestion(_) => return Verdict::Nothing,
        Basis::Image(_) | Basis::Adapters(_) if differs => return Verdict::Nothing,
        Basis::AdaptersAndName if differs || !is_named(newcomer, ci) => return Verdict::Nothing,
        Basis::Supported(kind) if differs || !supports(newcomer, kind, adapters, ci) => return Verdict::Nothing,
        Basis::Hardware(kind) if adapters == Adapters::Unknown && !is_meant(plan, newcomer, kind, ci) => return Verdict::Nothing,
        Basis::Hardware(_) | Basis::Image(_) | Basis::Adapters(_) | Basis::AdaptersAndName | Basis::Supported(_) => {}
    }
    let by_adapters = matches!(rule.basis, Basis::Adapters(_) | Basis::AdaptersAndName);
    // Both have some in common (a dock's) and some of their own.
    if by_adapters && matches!(adapters, Adapters::Different | Adapters::Overlap) {
        return Verdict::Nothing;
    }
    if let Reporter::Device(device, _) = newcomer.reporter
        && !(adapters == Adapters::Same || likeness::has_adapters_of(newcomer, ci))
        && likeness::knows_by_another_name(ci, device)
    {
        return Verdict::Copy("its source knows that one by another name");
    }
    match (adapters, other_reporter(plan, newcomer.reporter, ci)) {
        (_, OtherAgent::Together) => Verdict::Copy("its own agent has reported since this one was enrolled"),
        (Adapters::Same, OtherAgent::Lately) if !matches!(rule.basis, Basis::Adapters(_)) => Verdict::Same,
        (_, OtherAgent::Lately) => Verdict::Copy("its own agent has just reported"),
        (Adapters::Different | Adapters::Overlap, OtherAgent::Silent) if was_refitted(newcomer, rule, adapters, ci) => Verdict::Same,
        (Adapters::Different | Adapters::Overlap, OtherAgent::Silent) => Verdict::Copy("its network adapters are others"),
        (Adapters::Same | Adapters::Unknown, OtherAgent::Silent) => Verdict::Same,
    }
}

/// Whether names agree as far as adapters need it. What a register has of a machine's adapters is its own if the model is the same, or if it is
/// the only one on either side, though the machine was renamed since; made-up addresses repeat from host to host, but not with one name.
fn is_named(newcomer: &Newcomer<'_>, ci: &Ci) -> bool {
    if likeness::same_name(newcomer, ci) {
        return true;
    }
    let proof = newcomer.keys.iter().any(|key| key.kind == IdentityKeyKind::Mac && ci.keys.contains(key));
    let registered = !matches!(newcomer.reporter, Reporter::Agent(_)) || ci.agent.is_none();
    proof && registered && (likeness::same_model(newcomer, ci) || is_only_adapter(newcomer, ci))
}

/// Whether each side has one adapter, the same, and no source holds them for two. A dock comes beside an adapter of the machine's own.
fn is_only_adapter(newcomer: &Newcomer<'_>, ci: &Ci) -> bool {
    let known_otherwise = matches!(newcomer.reporter, Reporter::Device(device, _) if likeness::knows_by_another_name(ci, device));
    !known_otherwise && newcomer.macs().len() == 1 && likeness::macs_of(ci) == *newcomer.macs()
}

/// Whether the source has said all of this of the CI before: a register's row that nobody has corrected.
fn repeats(newcomer: &Newcomer<'_>, ci: &Ci, source: &Source) -> bool {
    let before = identity_claimed_by(ci, source);
    newcomer.keys.is_subset(&before.keys) && newcomer.macs().is_subset(&before.macs)
}

/// Whether something else agrees, beside an id that proves nothing alone.
fn supports(newcomer: &Newcomer<'_>, kind: IdentityKeyKind, adapters: Adapters, ci: &Ci) -> bool {
    if matches!(adapters, Adapters::Different | Adapters::Overlap) {
        return false;
    }
    let named = likeness::same_name(newcomer, ci) || likeness::has_adapters_of(newcomer, ci);
    named || (kind == IdentityKeyKind::Serial && likeness::same_model(newcomer, ci))
}

/// Of several machines with the same hardware ids, the one that is called the same is meant, or none.
fn is_meant(plan: &Plan<'_>, newcomer: &Newcomer<'_>, kind: IdentityKeyKind, ci: &Ci) -> bool {
    let shared = newcomer.keys.iter().filter(|key| key.kind == kind && ci.keys.contains(key));
    shared.map(|key| carriers(plan, newcomer, key).len()).max().unwrap_or_default() <= 1 || likeness::same_name(newcomer, ci)
}

/// Whether a machine with other adapters is the same one after a repair: hardware ids that nobody copies, and the same name.
fn was_refitted(newcomer: &Newcomer<'_>, rule: &Rule, adapters: Adapters, ci: &Ci) -> bool {
    let proven = match rule.basis {
        Basis::Hardware(_) => !likeness::is_virtual(newcomer, ci),
        Basis::Image(_) => adapters == Adapters::Overlap,
        _ => false,
    };
    let ids_agree = matches!(rule.basis, Basis::Hardware(_));
    proven && (likeness::same_full_name(newcomer, ci) || (ids_agree && likeness::same_name(newcomer, ci)))
}

/// What is known of another agent that speaks for a CI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum OtherAgent {
    /// There is none, or it has not been heard for long: this agent may be its successor.
    Silent,
    /// Heard within the alive window, but not since this agent was enrolled: a machine installed anew within the hour looks like that.
    Lately,
    /// Heard since this agent was enrolled: there are two of them.
    Together,
}

/// Another program than an agent takes nobody's place.
fn other_reporter(plan: &Plan<'_>, reporter: Reporter<'_>, ci: &Ci) -> OtherAgent {
    match reporter {
        Reporter::Agent(facts) => other_agent(plan, facts, ci),
        Reporter::Device(..) | Reporter::Entry | Reporter::Item(_) => OtherAgent::Silent,
    }
}

pub(super) fn other_agent(plan: &Plan<'_>, facts: &AgentFacts, ci: &Ci) -> OtherAgent {
    let Some(other) = ci.agent.filter(|agent| *agent != facts.agent && ci.lifecycle == Lifecycle::Active) else {
        return OtherAgent::Silent;
    };
    // A CI made or changed in this very batch has an agent that is not noted as heard yet.
    let heard = plan.estate.agent_last_seen(other).unwrap_or(ci.valid_from);
    if heard >= facts.enrolled_at {
        OtherAgent::Together
    } else if plan.now.millis_since(heard) <= plan.policy.alive_window_ms {
        OtherAgent::Lately
    } else {
        OtherAgent::Silent
    }
}

/// The texts of a list attribute.
pub(super) fn listed(ci: &Ci, attribute: &str) -> BTreeSet<String> {
    let values = ci.value(attribute).and_then(|value| value.as_array()).into_iter().flatten();
    values.filter_map(|value| value.as_str().map(str::to_owned)).collect()
}

pub(super) fn is_machine(estate: &Estate, ci: &Ci) -> bool {
    estate.is_a(ci, "machine")
}

/// A value as a sentence shows it.
pub(super) fn shown(value: &str) -> String {
    const LONGEST: usize = 80;
    let printable = value.chars().map(|c| if c.is_control() { ' ' } else { c });
    if value.chars().count() <= LONGEST { printable.collect() } else { printable.take(LONGEST).chain(['…']).collect() }
}

/// Whether this agent is one that the CI is known by.
pub(super) fn speaks_for(ci: &Ci, agent: AgentId) -> bool {
    ci.agent == Some(agent)
}
