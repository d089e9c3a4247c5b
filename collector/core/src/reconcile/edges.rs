//! Observed relationships and their evidence: what listens at an address, and how edges move when that gets known better.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rollcall_shared::{AgentId, CiId, RelationshipId, Timestamp, wire::v1::ServiceKey};

use super::{identify::listed, noise, plan::Plan};
use crate::model::{Ci, Endpoint, Evidence, IdentityKey, IdentityKeyKind, Judge, Judgement, Lifecycle, Method, Purpose, SmallSet, Source};

/// More endpoints than this say no more about a relationship.
const MOST_ENDPOINTS: usize = 64;

/// The key of a service on a machine.
pub(super) fn service_key(machine: CiId, key: &ServiceKey) -> IdentityKey {
    IdentityKey { kind: IdentityKeyKind::ServiceOnMachine, value: format!("{machine}|{key}") }
}

/// The service's key on this machine, if the CI is a service there.
pub(super) fn service_key_on(ci: &Ci, machine: CiId) -> Option<ServiceKey> {
    let prefix = format!("{machine}|");
    let keys = ci.keys.iter().filter(|key| key.kind == IdentityKeyKind::ServiceOnMachine);
    keys.filter_map(|key| key.value.strip_prefix(&prefix)).map(|key| ServiceKey(key.to_owned())).next()
}

/// What runs on machines and listens, read once for each machine that a document talks about.
#[derive(Default)]
pub(super) struct Residents {
    of: HashMap<CiId, Vec<(CiId, Vec<Endpoint>)>>,
}

impl Residents {
    /// Active services on a machine.
    pub(super) fn services(&mut self, plan: &Plan<'_>, machine: CiId) -> impl Iterator<Item = CiId> {
        self.of(plan, machine).iter().map(|(service, _)| *service)
    }

    /// The one service on the machine that receives what is sent to an endpoint.
    pub(super) fn receiver(&mut self, plan: &Plan<'_>, machine: CiId, target: &Endpoint) -> Option<CiId> {
        let receive = |exact: bool, services: &[(CiId, Vec<Endpoint>)]| {
            let receives = |it: &Endpoint| it.receives(target) && (!exact || it.address == target.address);
            services.iter().filter(|(_, endpoints)| endpoints.iter().any(receives)).map(|(service, _)| *service).collect::<Vec<_>>()
        };
        let services = self.of(plan, machine);
        // A socket bound to the very address takes precedence over one bound to all, as in the kernel.
        match (&receive(true, services)[..], &receive(false, services)[..]) {
            ([one], _) | ([], [one]) => Some(*one),
            _ => None,
        }
    }

    fn of(&mut self, plan: &Plan<'_>, machine: CiId) -> &[(CiId, Vec<Endpoint>)] {
        self.of.entry(machine).or_insert_with(|| residents(plan, machine))
    }
}

fn residents(plan: &Plan<'_>, machine: CiId) -> Vec<(CiId, Vec<Endpoint>)> {
    let endpoints = |ci: &Ci| listed(ci, "endpoints").iter().filter_map(|text| text.parse().ok()).collect();
    services_on(plan, machine)
        .into_values()
        .filter_map(|id| plan.ci(id))
        .filter(|ci| ci.lifecycle == Lifecycle::Active)
        .map(|ci| (ci.id, endpoints(ci)))
        .collect()
}

/// Services of a machine by key, retired ones included.
pub(super) fn services_on(plan: &Plan<'_>, machine: CiId) -> BTreeMap<ServiceKey, CiId> {
    let agent = plan.ci(machine).and_then(|ci| ci.agent);
    let before = plan.estate.ci(machine).and_then(|ci| ci.agent);
    let agents: BTreeSet<AgentId> = agent.into_iter().chain(before).collect();
    let known = agents.into_iter().flat_map(|agent| plan.estate.reported_by(agent)).filter_map(|ci| plan.ci(ci.id));
    known.chain(plan.drafted_cis()).filter_map(|ci| Some((service_key_on(ci, machine)?, ci.id))).collect()
}

/// What one end saw of a connection.
#[derive(Clone, Debug)]
pub(super) struct Sighting {
    /// How it is known.
    pub(super) method: Method,
    /// Who saw it.
    pub(super) agent: AgentId,
    /// When, the collector's clock.
    pub(super) at: Timestamp,
    /// Since when it was seen without a longer break.
    pub(super) since: Timestamp,
    /// When the same agent reported connections before.
    pub(super) reported_before: Option<Timestamp>,
    /// Addresses and ports on the dependency's side.
    pub(super) endpoints: SmallSet<Endpoint>,
    /// Samples in which it was seen.
    pub(super) seen: u64,
    /// Samples taken.
    pub(super) total: u64,
    /// What else there is to say, without commas.
    pub(super) how: String,
}

/// Adds a sighting to the relationship between two CIs, which is made if there is none. `at` is when it was seen: the same window again
/// adds nothing.
pub(super) fn see(plan: &mut Plan<'_>, kind: &str, from: CiId, to: CiId, sighting: &Sighting) -> RelationshipId {
    let id = match plan.between(kind, from, to).or_else(|| declared_as(plan, kind, from, to)) {
        Some(id) => id,
        None => {
            let reason = format!("first seen: {}", detail(&sighting.endpoints, &sighting.how));
            plan.new_relationship(kind, from, to, reason)
        }
    };
    let Some(known) = plan.relationship(id) else { return id };
    let mut evidence = known.evidence.clone();
    match evidence.iter_mut().find(|it| it.method == sighting.method && it.agent == Some(sighting.agent) && it.source == Source::Agent) {
        Some(known) => {
            // What is configured, not sampled, is confirmed by every check-in of its agent and needs no new version for that.
            if sighting.at > known.last_seen && sighting.total > 0 {
                known.longest_silence_ms =
                    known.longest_silence_ms.max(silence(sighting, known.last_seen, plan.policy.evidence_refresh_ms));
                known.samples_seen = known.samples_seen.saturating_add(sighting.seen);
                known.samples_total = known.samples_total.saturating_add(sighting.total);
                known.last_seen = sighting.at;
            }
            known.endpoints = union(&known.endpoints, &sighting.endpoints);
            known.detail = detail(&known.endpoints, &sighting.how);
        }
        None => evidence.push(Evidence {
            method: sighting.method,
            agent: Some(sighting.agent),
            source: Source::Agent,
            detail: detail(&sighting.endpoints, &sighting.how),
            endpoints: sighting.endpoints.iter().copied().take(MOST_ENDPOINTS).collect(),
            samples_seen: sighting.seen,
            samples_total: sighting.total,
            first_seen: sighting.at,
            last_seen: sighting.at,
            longest_silence_ms: 0,
        }),
    }
    set_evidence(plan, id, evidence, format!("seen: {}", sighting.how));
    id
}

/// Words by which people declare what agents see as connections.
pub(super) const DECLARED_WORDS: &[&str] = &["depends_on", "uses"];

/// What was declared in a person's words and is seen now: it becomes the observed one, as hard as it was declared.
fn declared_as(plan: &mut Plan<'_>, kind: &str, from: CiId, to: CiId) -> Option<RelationshipId> {
    if kind != "connects_to" {
        return None;
    }
    let is_said = |id: &RelationshipId| plan.relationship(*id).is_some_and(|it| it.evidence.iter().all(|it| it.method.is_said()));
    let id = DECLARED_WORDS.iter().find_map(|word| plan.between(word, from, to).filter(is_said))?;
    let declared = plan.relationship(id)?;
    let hardness = plan.estate.hardness(declared);
    let (word, source) = (declared.kind.replace('_', " "), declared.evidence.first()?.source.clone());
    let reason = format!("declared as {word:?} by {source}");
    let judgement = declared.judgement.clone().unwrap_or(Judgement { purpose: Purpose::Work, by: Judge::Person(source), reason });
    plan.edit_relationship(id, "what was declared is seen", |edge| {
        edge.kind = kind.to_owned();
        (edge.hardness, edge.judgement) = (hardness, Some(judgement));
    });
    Some(id)
}

/// How long it was not there before this sighting. A report that is followed by one without it ended it; as long as it was in its agent's last
/// report, every check-in confirmed it, and counters may lag by twice the time in which they are refreshed.
fn silence(sighting: &Sighting, last_seen: Timestamp, refresh_ms: i64) -> i64 {
    let ended = sighting.reported_before.is_some_and(|before| before.millis_since(last_seen) > 2 * refresh_ms);
    if ended { sighting.since.millis_since(last_seen).max(0) } else { 0 }
}

/// Replaces a relationship's evidence, in a fixed order; without any, it is retired.
pub(super) fn set_evidence(plan: &mut Plan<'_>, id: RelationshipId, mut evidence: Vec<Evidence>, reason: impl Into<String>) {
    evidence.sort_by(|a, b| (a.method, a.agent, &a.source).cmp(&(b.method, b.agent, &b.source)));
    let Some(known) = plan.relationship(id) else { return };
    if known.evidence == evidence {
        return;
    }
    let verdict = noise::settled(plan, known, known.from, known.to, &evidence);
    plan.edit_relationship(id, reason, |relationship| {
        (relationship.hardness, relationship.judgement) = verdict;
        if evidence.is_empty() {
            // What it rested on stays with the retired version: a relationship is never without a reason.
            relationship.lifecycle = Lifecycle::Retired;
        } else {
            relationship.evidence = evidence;
        }
    });
}

/// Evidence of an agent becomes that of its successor on the same machine: two agents of one machine are not two ends.
pub(super) fn hand_over(plan: &mut Plan<'_>, id: RelationshipId, before: AgentId, now: AgentId, reason: &str) {
    let Some(known) = plan.relationship(id) else { return };
    let mut evidence = Vec::new();
    join(
        &mut evidence,
        known.evidence.iter().cloned().map(|it| Evidence { agent: it.agent.map(|agent| if agent == before { now } else { agent }), ..it }),
    );
    set_evidence(plan, id, evidence, reason);
}

fn detail(endpoints: &SmallSet<Endpoint>, how: &str) -> String {
    const SHOWN: usize = 4;
    let mut shown = endpoints.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    if endpoints.len() > SHOWN {
        shown = format!("{shown} and {} more", endpoints.len() - SHOWN);
    }
    if shown.is_empty() { how.to_owned() } else { format!("{shown}, {how}") }
}

/// The first so many of all.
fn union(some: &SmallSet<Endpoint>, others: &SmallSet<Endpoint>) -> SmallSet<Endpoint> {
    let all: SmallSet<Endpoint> = some.iter().chain(others).copied().collect();
    all.iter().take(MOST_ENDPOINTS).copied().collect()
}

/// The same evidence about some of its endpoints.
fn about(evidence: &Evidence, endpoints: SmallSet<Endpoint>) -> Evidence {
    let how = evidence.detail.rsplit_once(", ").map_or(evidence.detail.as_str(), |(_, how)| how);
    Evidence { detail: detail(&endpoints, how), endpoints, ..evidence.clone() }
}

/// Joins evidence of several relationships: one entry for each method, agent and source.
pub(super) fn join(into: &mut Vec<Evidence>, more: impl IntoIterator<Item = Evidence>) {
    for evidence in more {
        let same = |it: &&mut Evidence| (it.method, it.agent, &it.source) == (evidence.method, evidence.agent, &evidence.source);
        match into.iter_mut().find(same) {
            Some(known) => {
                let endpoints = union(&known.endpoints, &evidence.endpoints);
                *known = Evidence {
                    samples_seen: known.samples_seen.max(evidence.samples_seen),
                    samples_total: known.samples_total.max(evidence.samples_total),
                    first_seen: known.first_seen.min(evidence.first_seen),
                    last_seen: known.last_seen.max(evidence.last_seen),
                    longest_silence_ms: known.longest_silence_ms.max(evidence.longest_silence_ms),
                    ..about(known, endpoints)
                };
            }
            None => into.push(evidence),
        }
    }
}

/// Moves a relationship to other ends, joining the one that is there already. A relationship of something with itself is retired.
pub(super) fn move_ends(plan: &mut Plan<'_>, id: RelationshipId, from: CiId, to: CiId, reason: &str) {
    let Some(relationship) = plan.relationship(id).cloned() else { return };
    if (relationship.from, relationship.to) == (from, to) {
        return;
    }
    let there = plan.between(&relationship.kind, from, to);
    if from == to {
        plan.edit_relationship(id, reason, |relationship| relationship.lifecycle = Lifecycle::Retired);
    } else if let Some(there) = there {
        let mut evidence = plan.relationship(there).map(|it| it.evidence.clone()).unwrap_or_default();
        join(&mut evidence, relationship.evidence);
        set_evidence(plan, there, evidence, reason);
        plan.edit_relationship(id, reason, |relationship| relationship.lifecycle = Lifecycle::Retired);
    } else {
        let verdict = noise::settled(plan, &relationship, from, to, &relationship.evidence);
        plan.edit_relationship(id, reason, |relationship| {
            (relationship.from, relationship.to) = (from, to);
            (relationship.hardness, relationship.judgement) = verdict;
        });
    }
}

/// Sorts what is known to reach *somewhere on* a machine (or the host that it turned out to be) to the services that receive it.
pub(super) fn sort_arrivals(plan: &mut Plan<'_>, residents: &mut Residents, at: CiId, machine: CiId, reason: &str) {
    for id in plan.to(at) {
        let Some(relationship) = plan.relationship(id).cloned() else { continue };
        if relationship.kind != "connects_to" {
            move_ends(plan, id, relationship.from, machine, reason);
            continue;
        }
        let mut sorted: BTreeMap<CiId, Vec<Evidence>> = BTreeMap::new();
        for evidence in &relationship.evidence {
            let mut endpoints: BTreeMap<CiId, SmallSet<Endpoint>> = BTreeMap::new();
            for endpoint in &evidence.endpoints {
                let to = residents.receiver(plan, machine, endpoint).unwrap_or(machine);
                endpoints.entry(to).or_default().insert(*endpoint);
            }
            if evidence.endpoints.is_empty() {
                endpoints.insert(machine, SmallSet::new());
            }
            for (to, endpoints) in endpoints {
                sorted.entry(to).or_default().push(about(evidence, endpoints));
            }
        }
        if let [(to, _)] = sorted.iter().collect::<Vec<_>>()[..] {
            move_ends(plan, id, relationship.from, *to, reason);
            continue;
        }
        let stays = sorted.contains_key(&relationship.to);
        for (to, evidence) in sorted {
            if to == relationship.to {
                set_evidence(plan, id, evidence, reason);
            } else if to != relationship.from {
                let there = plan.between(&relationship.kind, relationship.from, to);
                let there = there.unwrap_or_else(|| plan.new_relationship(&relationship.kind, relationship.from, to, reason.to_owned()));
                let mut joined = plan.relationship(there).map(|it| it.evidence.clone()).unwrap_or_default();
                join(&mut joined, evidence);
                set_evidence(plan, there, joined, reason);
            }
        }
        if !stays {
            plan.edit_relationship(id, reason, |relationship| relationship.lifecycle = Lifecycle::Retired);
        }
    }
}

/// The other end's word that something on `machine` connects to `to`: it confirms every relationship that the machine's own agent
/// attributes, or stands for itself while there is none, if it `counts_alone` (what comes from a router may come from anybody).
pub(super) fn confirm(plan: &mut Plan<'_>, residents: &mut Residents, machine: CiId, to: CiId, sighting: &Sighting, counts_alone: bool) {
    let attributed = attributed(plan, residents, machine, to);
    for from in &attributed {
        see(plan, "connects_to", *from, to, sighting);
    }
    if attributed.is_empty() && machine != to && counts_alone {
        see(plan, "connects_to", machine, to, sighting);
    }
}

/// The machine's services, and the machine itself, that its own agent says connect to `to`.
fn attributed(plan: &Plan<'_>, residents: &mut Residents, machine: CiId, to: CiId) -> Vec<CiId> {
    let own = plan.ci(machine).and_then(|ci| ci.agent);
    let says = |from: &CiId| {
        let edge = plan.between("connects_to", *from, to).and_then(|id| plan.relationship(id));
        edge.is_some_and(|edge| edge.evidence.iter().any(|evidence| evidence.agent.is_some() && evidence.agent == own))
    };
    residents.services(plan, machine).chain([machine]).filter(|from| *from != to).collect::<Vec<_>>().into_iter().filter(says).collect()
}

/// Takes back what others alone said of a host that turns out to be a router: it came from somebody behind it.
pub(super) fn forget_forwarded(plan: &mut Plan<'_>, host: CiId) {
    let own = plan.ci(host).and_then(|ci| ci.agent);
    for id in plan.from(host) {
        let Some(edge) = plan.relationship(id).filter(|edge| edge.kind == "connects_to") else { continue };
        let is_hearsay = |it: &Evidence| it.method == Method::Connection && it.agent != own;
        if edge.evidence.iter().any(|it| !is_hearsay(it) && it.agent == own && own.is_some()) {
            continue;
        }
        let kept = edge.evidence.iter().filter(|it| !is_hearsay(it)).cloned().collect();
        set_evidence(plan, id, kept, "the host is a router: it passes on what others send");
    }
    if own.is_none() {
        return;
    }
    for id in plan.to(host) {
        let Some(edge) = plan.relationship(id).filter(|edge| edge.kind == "connects_to") else { continue };
        let kept = edge.evidence.iter().filter(|it| it.method != Method::Connection).cloned().collect();
        set_evidence(plan, id, kept, "the host is a router on which nothing listens there: it passes the connection on");
    }
}

/// An agent no longer says that its machine connects to `to` without knowing which of its services does.
pub(super) fn withdraw(plan: &mut Plan<'_>, machine: CiId, to: CiId, agent: AgentId, reason: &str) {
    let Some(id) = plan.between("connects_to", machine, to) else { return };
    let kept = plan.relationship(id).map(|it| it.evidence.clone()).unwrap_or_default();
    let kept = kept.into_iter().filter(|it| it.method != Method::Connection || it.agent != Some(agent)).collect();
    set_evidence(plan, id, kept, reason);
}

/// Gives what the other end said about the machine as a whole to the services that the machine's own agent names, so that it does not matter
/// which end reports first.
pub(super) fn settle_departures(plan: &mut Plan<'_>, residents: &mut Residents, machine: CiId, to: CiId, reason: &str) {
    let own = plan.ci(machine).and_then(|ci| ci.agent);
    let attributed = attributed(plan, residents, machine, to);
    let mut others: Vec<Evidence> = Vec::new();
    for from in attributed.iter().chain([&machine]) {
        let edge = plan.between("connects_to", *from, to).and_then(|id| plan.relationship(id));
        let foreign = edge.into_iter().flat_map(|edge| edge.evidence.clone());
        join(&mut others, foreign.filter(|it| it.method == Method::Connection && it.agent.is_some() && it.agent != own));
    }
    if attributed.is_empty() || others.is_empty() {
        return;
    }
    for from in &attributed {
        let Some(id) = plan.between("connects_to", *from, to) else { continue };
        let mut evidence = plan.relationship(id).map(|it| it.evidence.clone()).unwrap_or_default();
        join(&mut evidence, others.clone());
        set_evidence(plan, id, evidence, reason);
    }
    if attributed.contains(&machine) {
        return;
    }
    if let Some(id) = plan.between("connects_to", machine, to) {
        let kept = plan.relationship(id).map(|it| it.evidence.clone()).unwrap_or_default();
        let kept = kept.into_iter().filter(|it| it.method != Method::Connection || it.agent.is_none()).collect();
        set_evidence(plan, id, kept, reason);
    }
}
