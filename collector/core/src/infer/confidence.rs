use std::{cell::RefCell, collections::HashMap};

use rollcall_shared::{AgentId, Timestamp};

use crate::{
    Estate,
    model::{Evidence, Method, Relationship},
    reconcile::Policy,
};

/// How sure it is that a relationship exists now.
#[derive(Clone, Debug, PartialEq)]
pub struct Confidence {
    /// 0 to 100.
    pub percent: u8,
    /// In a word, by the policy's thresholds.
    pub level: Level,
    /// How many agents say so.
    pub ends: usize,
    /// Samples in which it was seen active, over all evidence.
    pub samples_seen: u64,
    /// Samples taken.
    pub samples_total: u64,
    /// Since when nobody has confirmed it; `None` where it needs no confirmation (declared, imported).
    pub silence: Option<Silence>,
    /// The ways in which it is known.
    pub methods: Vec<Method>,
}

/// How long nothing has been heard of something, and what is usual for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// When it was last confirmed.
    pub since: Timestamp,
    /// How long it has been silent, milliseconds.
    pub millis: i64,
    /// After this much silence, milliseconds, its evidence is worth half: twice the longest silence that it has come back from.
    pub half_life_millis: i64,
}

/// How sure, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Little speaks for it, or nothing has for long.
    Weak,
    /// Something speaks for it.
    Fair,
    /// It can be relied on.
    Strong,
}

impl Level {
    /// The name in data and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Weak => "weak",
            Self::Fair => "fair",
            Self::Strong => "strong",
        }
    }
}

/// What confidence is measured by; for many relationships of one estate at one instant.
#[derive(Debug)]
pub struct Scale<'a> {
    estate: &'a Estate,
    now: Timestamp,
    policy: &'a Policy,
    /// When each agent's connections were last written down: a look at all of them, once.
    last_reports: RefCell<HashMap<AgentId, Option<Timestamp>>>,
}

impl<'a> Scale<'a> {
    /// As of `now`.
    pub fn new(estate: &'a Estate, now: Timestamp, policy: &'a Policy) -> Self {
        Self { estate, now, policy, last_reports: RefCell::default() }
    }

    /// How sure a relationship is.
    pub fn confidence(&self, relationship: &Relationship) -> Confidence {
        confidence(self, relationship)
    }

    fn last_report(&self, agent: AgentId) -> Option<Timestamp> {
        *self.last_reports.borrow_mut().entry(agent).or_insert_with(|| {
            let edges = self.estate.reported_by(agent).flat_map(|ci| self.estate.dependencies(ci.id).chain(self.estate.dependents(ci.id)));
            let its = edges.flat_map(|edge| &edge.evidence).filter(|it| it.method == Method::Connection && it.agent == Some(agent));
            its.map(|it| it.last_seen).max()
        })
    }
}

/// How sure a relationship is at an instant: independent pieces of evidence add up, a few sightings are worth less than many, and each piece
/// fades with the silence since it was confirmed, at the pace that it has shown itself.
fn confidence(scale: &Scale<'_>, relationship: &Relationship) -> Confidence {
    let (now, policy) = (scale.now, scale.policy);
    let mut doubt = 1.0;
    let mut silence: Option<Silence> = None;
    for evidence in &relationship.evidence {
        let its = its_silence(scale, evidence);
        doubt *= 1.0 - worth(evidence, its, now, policy);
        silence = match (silence, its) {
            (Some(known), Some(its)) if known.since >= its.since => Some(known),
            (known, its) => its.or(known),
        };
    }
    let percent = ((1.0 - doubt) * 100.0_f64).round().clamp(0.0, 100.0) as u8;
    let level = match percent {
        percent if percent >= policy.strong_percent => Level::Strong,
        percent if percent >= policy.fair_percent => Level::Fair,
        _ => Level::Weak,
    };
    let mut agents: Vec<AgentId> = relationship.evidence.iter().filter_map(|evidence| evidence.agent).collect();
    agents.sort();
    agents.dedup();
    let mut methods: Vec<Method> = relationship.evidence.iter().map(|evidence| evidence.method).collect();
    methods.sort();
    methods.dedup();
    Confidence {
        percent,
        level,
        ends: agents.len(),
        samples_seen: relationship.evidence.iter().fold(0, |sum, evidence| sum.saturating_add(evidence.samples_seen)),
        samples_total: relationship.evidence.iter().fold(0, |sum, evidence| sum.saturating_add(evidence.samples_total)),
        silence,
        methods,
    }
}

/// When an observation was last confirmed: reported, or its agent heard since, which confirms all that its last report said.
fn its_silence(scale: &Scale<'_>, evidence: &Evidence) -> Option<Silence> {
    let (estate, now, policy) = (scale.estate, scale.now, scale.policy);
    if evidence.method.is_said() {
        return None;
    }
    let heard = evidence.agent.and_then(|agent| estate.agent_last_seen(agent)).unwrap_or(evidence.last_seen).max(evidence.last_seen);
    let since = match evidence.method {
        Method::Connection if !was_in_last_report(scale, evidence) => evidence.last_seen,
        Method::Neighbour if !evidence.is_listed() => evidence.last_seen,
        _ => heard,
    };
    let half_life_millis = policy.fades_after_ms.max(evidence.longest_silence_ms.saturating_mul(2)).max(1);
    Some(Silence { since, millis: now.millis_since(since).max(0), half_life_millis })
}

/// Whether the agent's last report of connections had it: a later report that does not list it was followed by one of others.
fn was_in_last_report(scale: &Scale<'_>, evidence: &Evidence) -> bool {
    let last = evidence.agent.and_then(|agent| scale.last_report(agent));
    // Twice: counters are refreshed once in a while only.
    last.is_some_and(|last| last.millis_since(evidence.last_seen) <= 2 * scale.policy.evidence_refresh_ms)
}

/// From 0 to 1.
fn worth(evidence: &Evidence, silence: Option<Silence>, now: Timestamp, policy: &Policy) -> f64 {
    let fresh = match evidence.method {
        Method::RunsOn | Method::Guest => 0.99,
        Method::Resolver | Method::Gateway | Method::Mount | Method::Certificate | Method::Neighbour => 0.95,
        // What a file names need not be in use.
        Method::Configuration => 0.7,
        // One sighting is worth half of many.
        Method::Connection => 0.97 * (1.0 - 1.0 / (1.0 + evidence.samples_seen as f64)),
        Method::Declared => 0.9,
        Method::Imported => 0.8,
    };
    let (silent, half_life) = match silence {
        // Within the pace that it has shown, silence says nothing.
        Some(silence) => (silence.millis - silence.half_life_millis / 2, silence.half_life_millis),
        None => (now.millis_since(evidence.last_seen) - policy.declared_fades_after_ms / 2, policy.declared_fades_after_ms.max(1)),
    };
    fresh * 0.5_f64.powf(silent.max(0) as f64 / half_life as f64)
}
