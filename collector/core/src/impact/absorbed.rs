use std::collections::HashSet;

use super::{explain::NeedReport, solver::Solver, state::State};
use crate::graph::{Graph, Node, NodeNumber};

/// A CI that lost a provider, or has a degraded one, and still serves fully.
#[derive(Clone, Debug)]
pub struct Absorbed<'a> {
    /// The CI.
    pub ci: &'a Node,
    /// Ok or at risk.
    pub state: State,
    /// The needs that were touched and are met all the same: declared groups with enough other providers, and soft needs whose provider
    /// is only degraded. Those that are only just met first.
    pub by: Vec<NeedReport<'a>>,
}

impl<'a> Absorbed<'a> {
    /// The declared group that absorbed it, if one did: the one with the least margin.
    pub fn redundancy(&self) -> Option<&NeedReport<'a>> {
        self.by.iter().find(|need| need.group.is_some())
    }
}

/// What absorbed an outage at its boundary, and how many CIs lie beyond.
pub(super) fn find_absorbed<'a>(graph: &'a Graph, solver: &Solver<'a>) -> (Vec<Absorbed<'a>>, usize) {
    let mut seen: HashSet<NodeNumber> = HashSet::new();
    let mut boundary: Vec<NodeNumber> = Vec::new();
    for &provider in solver.failing().iter().chain(solver.reached()) {
        if solver.state_at(provider) >= State::Degraded {
            let dependents = graph.needed_by(provider).map(|entry| entry.dependent);
            boundary.extend(dependents.filter(|&dependent| solver.state_at(dependent) < State::Degraded && seen.insert(dependent)));
        }
    }

    let mut beyond = boundary.clone();
    let mut next = 0;
    while let Some(&provider) = beyond.get(next) {
        next += 1;
        let dependents = graph.needed_by(provider).map(|entry| entry.dependent);
        beyond.extend(dependents.filter(|&dependent| solver.state_at(dependent) < State::Degraded && seen.insert(dependent)));
    }

    let report = |&number: &NodeNumber| {
        let mut by = super::explain::touched_needs(graph, solver, number);
        by.sort_by_key(|need| need.serving - need.needed);
        Absorbed { ci: graph.node_at(number), state: solver.state_at(number), by }
    };
    let mut absorbed: Vec<Absorbed<'a>> = boundary.iter().map(report).collect();
    absorbed.sort_by(|a, b| (b.state, &a.ci.name, a.ci.id).cmp(&(a.state, &b.ci.name, b.ci.id)));
    let spared = beyond.len() - boundary.len();
    (absorbed, spared)
}
