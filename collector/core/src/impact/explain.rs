//! Why: the needs that were touched, and shortest witness paths.

use rollcall_shared::{CiId, catalogue::Hardness};

use super::{
    assess::Assessment,
    basis::{Basis, edge_is_one_ended},
    solver::Solver,
    state::State,
    verdict::{list, shown},
    view::PictureEdge,
};
use crate::graph::{Edge, EdgeView, Graph, Group, Need, Node, NodeNumber};

/// One need of a CI in an outage.
#[derive(Clone, Debug)]
pub struct NeedReport<'a> {
    /// The declared group; absent for a plain dependency, which is a group of one.
    pub group: Option<&'a Group>,
    /// How badly it is needed.
    pub hardness: Hardness,
    /// How many providers must serve.
    pub needed: usize,
    /// How many do (ok, at risk or degraded).
    pub serving: usize,
    /// What this need alone makes of the CI.
    pub outcome: State,
    /// Every provider, worst first, then by name.
    pub providers: Vec<Provider<'a>>,
}

/// One provider of a need.
#[derive(Clone, Debug)]
pub struct Provider<'a> {
    /// The provider.
    pub ci: &'a Node,
    /// Its state.
    pub state: State,
    /// The relationships to it; of a member that only the group names, one without a relationship id.
    pub edges: Vec<EdgeView<'a>>,
}

/// One step of a witness path: the dependent is in its state because the provider is in its own.
#[derive(Clone, Debug)]
pub struct Hop<'a> {
    /// Who is affected.
    pub dependent: &'a Node,
    /// What becomes of it.
    pub dependent_state: State,
    /// By whom.
    pub provider: &'a Node,
    /// What became of that.
    pub provider_state: State,
    /// The declared group that it travels through; absent for a plain dependency.
    pub group: Option<&'a Group>,
    /// The relationships that it travels along, in the graph's order.
    pub edges: Vec<EdgeView<'a>>,
    /// All evidence of all these relationships is stale.
    pub stale: bool,
    /// Only one of two ends has seen these relationships.
    pub one_ended: bool,
}

impl<'a> Assessment<'a> {
    /// A shortest path from an affected CI to something that fails, each step a reason for the one before it; of several the one with the
    /// better evidence. Empty for what is not affected or fails by itself.
    pub fn witness(&self, ci: CiId) -> Vec<Hop<'a>> {
        let mut path = Vec::new();
        let mut at = self.graph.number_of(ci);
        while let Some(hop) = at.and_then(|number| self.next_hop(number)) {
            at = self.graph.number_of(hop.provider.id);
            path.push(hop);
        }
        path
    }

    /// The needs of a CI that the outage touched, worst first: what failed, and what is met all the same.
    pub fn needs_of(&self, ci: CiId) -> Vec<NeedReport<'a>> {
        let number = self.graph.number_of(ci);
        let mut needs = number.map_or_else(Vec::new, |number| touched_needs(self.graph, &self.solver, number));
        needs.sort_by_key(|need| std::cmp::Reverse(need.outcome));
        needs
    }

    /// Why a CI is in its state, in a phrase: `connects to db01, which is down`. Empty for what is not touched.
    pub fn reason(&self, ci: CiId) -> String {
        let needs = self.needs_of(ci);
        let worst = needs.first().map_or(State::Ok, |need| need.outcome);
        let phrases: Vec<String> = needs.iter().filter(|need| need.outcome == worst).map(|need| phrase(self.graph, need)).collect();
        list(&phrases, 3, "more need", "more needs")
    }

    /// Everything between a touched CI and a provider that harms it, for a picture; `None` if the provider harms nothing.
    pub(super) fn picture_edge(&self, from: CiId, to: CiId) -> Option<PictureEdge> {
        let (dependent, provider) = (self.graph.number_of(from)?, self.graph.number_of(to)?);
        let (state, provider_state) = (self.solver.state_at(dependent), self.solver.state_at(provider));
        let between: Vec<Need> = needs(self.graph, dependent).filter(|&(_, to)| to == provider).map(|(need, _)| need).collect();
        let edges = || self.graph.edges_between(dependent, provider).filter(|edge| edge.travels);
        (!between.is_empty() && provider_state >= State::Degraded).then(|| PictureEdge {
            from,
            to,
            relationships: edges().filter_map(|edge| edge.relationship).collect(),
            is_reason: between.iter().any(|&need| self.solver.is_reason(need, provider_state, state)),
            stale: edges().all(|edge| self.basis.edge_is_stale(self.graph, &edge)),
            hard: edges().any(|edge| edge.hardness == Hardness::Hard),
        })
    }

    fn next_hop(&self, number: NodeNumber) -> Option<Hop<'a>> {
        let hops = self.solver.hops(number).checked_sub(1)?;
        let reasons = needs(self.graph, number)
            .filter(|&(need, provider)| self.solver.is_cause(need, provider, number) && self.solver.hops(provider) == hops);
        let (need, provider) = reasons.min_by_key(|&(need, provider)| {
            let step = step_weakness(self.graph, &self.basis, number, need, provider);
            (self.solver.weakness(provider).saturating_add(step), self.graph.node_at(provider).id)
        })?;
        Some(self.hop(number, need, provider))
    }

    fn hop(&self, dependent: NodeNumber, need: Need, provider: NodeNumber) -> Hop<'a> {
        let edges = || edges_of(self.graph, dependent, need, provider);
        Hop {
            dependent: self.graph.node_at(dependent),
            dependent_state: self.solver.state_at(dependent),
            provider: self.graph.node_at(provider),
            provider_state: self.solver.state_at(provider),
            group: group_of(self.graph, need),
            edges: edges().map(|edge| self.graph.view(edge)).collect(),
            stale: edges().all(|edge| self.basis.edge_is_stale(self.graph, &edge)),
            one_ended: edges().all(|edge| edge_is_one_ended(self.graph, &edge)),
        }
    }
}

/// How weak the evidence of one step is: stale weighs more than one-ended however often.
pub(super) fn step_weakness(graph: &Graph, basis: &Basis<'_>, dependent: NodeNumber, need: Need, provider: NodeNumber) -> u32 {
    const STALE: u32 = 1 << 16;
    let edges = || edges_of(graph, dependent, need, provider);
    let stale = edges().all(|edge| basis.edge_is_stale(graph, &edge));
    let one_ended = edges().all(|edge| edge_is_one_ended(graph, &edge));
    u32::from(stale) * STALE + u32::from(one_ended)
}

/// The needs of a CI that have a provider which is down or degraded, unordered.
pub(super) fn touched_needs<'a>(graph: &'a Graph, solver: &Solver<'a>, dependent: NodeNumber) -> Vec<NeedReport<'a>> {
    let mut reports: Vec<(Need, NeedReport<'a>)> = Vec::new();
    for (need, provider) in needs(graph, dependent) {
        let state = solver.state_at(provider);
        let report = Provider {
            ci: graph.node_at(provider),
            state,
            edges: edges_of(graph, dependent, need, provider).map(|edge| graph.view(edge)).collect(),
        };
        match (need, reports.last_mut()) {
            (Need::Group(_), Some((last, group))) if *last == need => group.providers.push(report),
            _ => reports.push((need, new_report(graph, solver, need, report))),
        }
    }
    let mut touched: Vec<NeedReport<'a>> = reports.into_iter().map(|(_, report)| report).collect();
    touched.retain(|need| need.providers.iter().any(|provider| provider.state >= State::Degraded));
    for need in &mut touched {
        need.providers.sort_by(|a, b| (b.state, &a.ci.name, a.ci.id).cmp(&(a.state, &b.ci.name, b.ci.id)));
    }
    touched
}

fn new_report<'a>(graph: &'a Graph, solver: &Solver<'a>, need: Need, provider: Provider<'a>) -> NeedReport<'a> {
    let outcome = solver.outcome(need, provider.state);
    let (hardness, needed, serving) = match need {
        Need::Group(number) => {
            let group = graph.group_at(number);
            (group.hardness, group.min_up as usize, group.members.len() - solver.tally(number).0 as usize)
        }
        Need::Hard => (Hardness::Hard, 1, usize::from(provider.state != State::Down)),
        Need::Soft => (Hardness::Soft, 1, usize::from(provider.state != State::Down)),
    };
    NeedReport { group: group_of(graph, need), hardness, needed, serving, outcome, providers: vec![provider] }
}

/// Every need of a CI with each of its providers; the providers of a group follow each other.
pub(super) fn needs(graph: &Graph, dependent: NodeNumber) -> impl Iterator<Item = (Need, NodeNumber)> {
    let plain = graph.plain_needs(dependent);
    let grouped = graph.group_numbers_of(dependent).filter(|&number| graph.group_at(number).hardness != Hardness::None);
    plain.chain(grouped.flat_map(|number| graph.group_at(number).members.iter().map(move |&member| (Need::Group(number), member))))
}

/// The relationships that a need rests on: of a plain one those of its own hardness, of a group's member all along which outage travels.
fn edges_of(graph: &Graph, dependent: NodeNumber, need: Need, provider: NodeNumber) -> impl Iterator<Item = Edge> {
    graph.edges_between(dependent, provider).filter(move |edge| {
        edge.travels
            && match need {
                Need::Hard => edge.hardness == Hardness::Hard,
                Need::Soft | Need::Group(_) => true,
            }
    })
}

fn group_of(graph: &Graph, need: Need) -> Option<&Group> {
    match need {
        Need::Group(number) => Some(graph.group_at(number)),
        Need::Hard | Need::Soft => None,
    }
}

/// One need in words.
fn phrase(graph: &Graph, need: &NeedReport<'_>) -> String {
    match (need.group, need.providers.first()) {
        (Some(group), _) => {
            let degraded = need.providers.iter().filter(|provider| provider.state == State::Degraded).count();
            let serving = if need.serving == 1 { "serves" } else { "serve" };
            let quality = if degraded > 0 { format!(", {degraded} of them degraded") } else { String::new() };
            let margin = if need.outcome == State::AtRisk { ", none to spare" } else { "" };
            format!(
                "needs {} of {} of {}: {} {serving}{quality}{margin}",
                need.needed,
                need.providers.len(),
                shown(&group.name),
                need.serving
            )
        }
        (None, Some(provider)) => {
            let verb = provider.edges.first().map_or_else(|| "needs".to_owned(), |edge| graph.verb(edge.kind));
            format!("{verb} {}, which is {}", shown(&provider.ci.name), provider.state.label())
        }
        (None, None) => String::new(),
    }
}
