//! Which machine is this? First match wins; nothing merges on a name.

use std::collections::BTreeSet;

use rollcall_shared::{AgentId, CiId, catalogue};

use super::plan::Plan;
use crate::model::{AgentFacts, Ci, ConflictKind, IdentityKey, IdentityKeyKind, Lifecycle};

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
    /// Suggests that two may be the same, and merges nothing.
    Suggestion(IdentityKeyKind),
}

/// The rules, strongest first.
pub const RULES: &[Rule] = &[
    Rule { name: "enrolled agent", basis: Basis::Agent },
    Rule { name: "SMBIOS UUID and serial number", basis: Basis::Hardware(IdentityKeyKind::SmbiosUuidAndSerial) },
    Rule { name: "serial number and manufacturer", basis: Basis::Hardware(IdentityKeyKind::SerialAndManufacturer) },
    Rule { name: "machine id", basis: Basis::Image(IdentityKeyKind::MachineId) },
    Rule { name: "cloud instance id", basis: Basis::Image(IdentityKeyKind::CloudInstanceId) },
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
    /// All of its own MAC addresses.
    pub(super) macs: &'a BTreeSet<String>,
}

/// Who speaks of the machine.
#[derive(Clone, Copy)]
pub(super) enum Reporter<'a> {
    /// Its own agent.
    Agent(&'a AgentFacts),
    /// Another inventory program, by the name its source gives the machine. It may well run beside our agent, and its name for the
    /// machine is copied with a disk.
    Device(&'a IdentityKey),
}

impl Reporter<'_> {
    /// CIs that this reporter has spoken of before: an agent's one machine, or all that go by a name.
    fn own(&self, plan: &Plan<'_>) -> BTreeSet<CiId> {
        match self {
            Self::Agent(facts) => plan.estate.machine_of(facts.agent).map(|ci| plan.standing(ci.id)).into_iter().collect(),
            Self::Device(key) => plan.with_key(key).into_iter().map(|id| plan.standing(id)).collect(),
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

fn recognised(newcomer: &Newcomer<'_>, rule: &Rule, ci: &Ci, values: &str) -> String {
    match (newcomer.reporter, rule.basis, ci.agent) {
        (Reporter::Agent(_), Basis::Agent, _) => "reported by its agent".to_owned(),
        (Reporter::Device(key), Basis::Agent, _) => format!("reported before as {}", shown(&key.value)),
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
                Reporter::Device(key) => shown(&key.value),
            };
            newcomer.reporter.own(plan).into_iter().map(|ci| (ci, said.clone())).collect()
        }
        Basis::Hardware(kind) | Basis::Image(kind) => {
            of_kind(kind).flat_map(|key| carriers(plan, newcomer, key).into_iter().map(|ci| (ci, shown(&key.value)))).collect()
        }
        Basis::Suggestion(kind) => {
            // Names are shared by whole fleets that nobody named; one question is enough.
            let one = of_kind(kind).flat_map(|key| carriers(plan, newcomer, key).into_iter().map(|ci| (ci, shown(&key.value)))).next();
            one.into_iter().collect()
        }
        Basis::Adapters(at_least) => {
            let mut shared: std::collections::BTreeMap<CiId, Vec<&str>> = Default::default();
            for key in of_kind(IdentityKeyKind::Mac) {
                // A MAC address that two machines have hangs on a dock.
                let carriers = carriers(plan, newcomer, key);
                if let [ci] = carriers[..] {
                    shared.entry(ci).or_default().push(&key.value);
                }
            }
            shared.into_iter().filter(|(_, macs)| macs.len() >= at_least).map(|(ci, macs)| (ci, macs.join(", "))).collect()
        }
    };
    let rank = |id: &CiId| {
        let ci = plan.ci(*id);
        let other_hardware = ci.is_none_or(|ci| !matches!(adapters(newcomer, ci), Adapters::Same));
        let living = ci.map(|ci| other_reporter(plan, newcomer.reporter, ci));
        (other_hardware, living, ci.map(|ci| ci.first_seen), *id)
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
    let mut carriers: Vec<&Ci> = standing.iter().filter_map(|id| plan.ci(*id)).filter(|ci| is_machine(ci)).collect();
    if carriers.len() > plan.policy.most_carriers {
        return Vec::new();
    }
    carriers.sort_by_key(|ci| (ci.first_seen, ci.id));
    carriers.iter().map(|ci| ci.id).collect()
}

fn judge(plan: &Plan<'_>, newcomer: &Newcomer<'_>, rule: &Rule, ci: &Ci) -> Verdict {
    match rule.basis {
        Basis::Agent => match newcomer.reporter {
            Reporter::Device(_) if hardware_differs(newcomer, ci) || matches!(adapters(newcomer, ci), Adapters::Different) => {
                return Verdict::Copy("its hardware is another's");
            }
            Reporter::Agent(_) | Reporter::Device(_) => return Verdict::Same,
        },
        Basis::Suggestion(_) => return Verdict::Nothing,
        Basis::Image(_) | Basis::Adapters(_) if hardware_differs(newcomer, ci) => return Verdict::Nothing,
        Basis::Hardware(_) | Basis::Image(_) | Basis::Adapters(_) => {}
    }
    let by_adapters = matches!(rule.basis, Basis::Adapters(_));
    match (adapters(newcomer, ci), other_reporter(plan, newcomer.reporter, ci)) {
        // Both have some in common (a dock's) and some of their own.
        (Adapters::Different, _) if by_adapters => Verdict::Nothing,
        (_, OtherAgent::Together) => Verdict::Copy("its own agent has reported since this one was enrolled"),
        (Adapters::Same, OtherAgent::Lately) if !by_adapters => Verdict::Same,
        (_, OtherAgent::Lately) => Verdict::Copy("its own agent has just reported"),
        (Adapters::Different, OtherAgent::Silent) => Verdict::Copy("its network adapters are others"),
        (Adapters::Same | Adapters::Unknown, OtherAgent::Silent) => Verdict::Same,
    }
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
        Reporter::Device(_) => OtherAgent::Silent,
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

/// What network adapters say about two machines being one.
enum Adapters {
    /// The same ones, or one side has all of the other's.
    Same,
    /// Each side has one that the other lacks.
    Different,
    /// One side has none that are its own.
    Unknown,
}

fn adapters(newcomer: &Newcomer<'_>, ci: &Ci) -> Adapters {
    let theirs = listed(ci, "mac_addresses");
    if newcomer.macs.is_empty() || theirs.is_empty() {
        return Adapters::Unknown;
    }
    // Locally made-up addresses repeat from host to host: equal ones prove nothing, different ones do.
    let proof = newcomer.keys.iter().any(|key| key.kind == IdentityKeyKind::Mac && ci.keys.contains(key));
    if !newcomer.macs.is_subset(&theirs) && !theirs.is_subset(newcomer.macs) {
        Adapters::Different
    } else if proof {
        Adapters::Same
    } else {
        Adapters::Unknown
    }
}

/// Whether both have a hardware id of the same kind, and not the same one.
fn hardware_differs(newcomer: &Newcomer<'_>, ci: &Ci) -> bool {
    [IdentityKeyKind::SmbiosUuidAndSerial, IdentityKeyKind::SerialAndManufacturer].into_iter().any(|kind| {
        let of = |keys: &mut dyn Iterator<Item = &IdentityKey>| keys.filter(|key| key.kind == kind).cloned().collect::<BTreeSet<_>>();
        let (ours, theirs) = (of(&mut newcomer.keys.iter()), of(&mut ci.keys.iter()));
        !ours.is_empty() && !theirs.is_empty() && ours.is_disjoint(&theirs)
    })
}

/// The texts of a list attribute.
pub(super) fn listed(ci: &Ci, attribute: &str) -> BTreeSet<String> {
    let values = ci.value(attribute).and_then(|value| value.as_array()).into_iter().flatten();
    values.filter_map(|value| value.as_str().map(str::to_owned)).collect()
}

pub(super) fn is_machine(ci: &Ci) -> bool {
    catalogue::class(&ci.class).is_some_and(|class| class.is_a("machine"))
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
