use std::fmt;

use rollcall_shared::{AgentId, Timestamp};

use crate::{
    Estate,
    graph::{Edge, EdgeEvidence, Graph, Node},
    model::Method,
};

const DAY: i64 = 86_400_000;

/// What an answer's certainty is judged by: the time it is asked for, how old evidence may be, and when agents were last heard.
pub struct Basis<'a> {
    /// The instant that the question is about; for "as of", the past one.
    pub now: Timestamp,
    /// Observed evidence that is older is stale, in milliseconds.
    pub observed_stale_after_millis: i64,
    /// Declared or imported evidence that is older is stale, in milliseconds. Nobody declares a thing anew each week.
    pub declared_stale_after_millis: i64,
    heard: Box<dyn Fn(AgentId) -> Option<Timestamp> + Send + Sync + 'a>,
}

impl fmt::Debug for Basis<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Basis")
            .field("now", &self.now)
            .field("observed_stale_after_millis", &self.observed_stale_after_millis)
            .field("declared_stale_after_millis", &self.declared_stale_after_millis)
            .finish_non_exhaustive()
    }
}

impl<'a> Basis<'a> {
    /// As of `now`, with agents last heard as the estate knows, a week for what is observed and a year for what is declared.
    pub fn of(estate: &'a Estate, now: Timestamp) -> Self {
        Self::new(now, |agent| estate.agent_last_seen(agent))
    }

    /// As of `now`, with agents last heard as given, a week for what is observed and a year for what is declared.
    pub fn new(now: Timestamp, heard: impl Fn(AgentId) -> Option<Timestamp> + Send + Sync + 'a) -> Self {
        Self { now, observed_stale_after_millis: 7 * DAY, declared_stale_after_millis: 365 * DAY, heard: Box::new(heard) }
    }

    /// With another limit for observed evidence.
    #[must_use]
    pub fn observed_stale_after(mut self, millis: i64) -> Self {
        self.observed_stale_after_millis = millis;
        self
    }

    /// With another limit for declared and imported evidence.
    #[must_use]
    pub fn declared_stale_after(mut self, millis: i64) -> Self {
        self.declared_stale_after_millis = millis;
        self
    }

    /// When evidence was last confirmed: reported, or its agent heard since, as an unchanged check-in confirms what it reported.
    pub fn confirmed_at(&self, evidence: &EdgeEvidence) -> Timestamp {
        let heard = evidence.agent.and_then(|agent| (self.heard)(agent));
        heard.map_or(evidence.last_seen, |heard| heard.max(evidence.last_seen))
    }

    /// Whether evidence is too old to rest on.
    pub fn is_stale(&self, evidence: &EdgeEvidence) -> bool {
        let limit = match evidence.method {
            Method::Declared | Method::Imported => self.declared_stale_after_millis,
            Method::Connection
            | Method::RunsOn
            | Method::Resolver
            | Method::Gateway
            | Method::Mount
            | Method::Guest
            | Method::Configuration
            | Method::Certificate
            | Method::Neighbour => self.observed_stale_after_millis,
        };
        self.now.millis_since(self.confirmed_at(evidence)) > limit
    }

    /// Whether an agent reports this CI and has been silent for longer than observed evidence may be old.
    pub fn is_silent(&self, graph: &Graph, node: &Node) -> bool {
        graph
            .agent_of(node)
            .is_some_and(|agent| (self.heard)(agent).is_none_or(|heard| self.now.millis_since(heard) > self.observed_stale_after_millis))
    }

    /// Whether all evidence of an edge is stale. A declared group's word for a member needs no evidence.
    pub(super) fn edge_is_stale(&self, graph: &Graph, edge: &Edge) -> bool {
        let evidence = graph.evidence_of(edge);
        !evidence.is_empty() && evidence.iter().all(|one| self.is_stale(&one))
    }
}

/// Whether only one of an edge's two ends has seen it, and nobody but observation vouches for it.
pub(super) fn edge_is_one_ended(graph: &Graph, edge: &Edge) -> bool {
    let evidence = graph.evidence_of(edge);
    !evidence.is_empty() && edge.ends_confirming < 2 && evidence.iter().all(|one| matches!(one.method, Method::Connection | Method::Mount))
}
