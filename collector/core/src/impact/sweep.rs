//! Every single failure of the estate at once: what each CI would take with it if it went down alone, redundancy and all.
//!
//! How that is worked out is [`super::descent`]; here is what comes of it, and how it is kept current.

use std::cmp::Reverse;

use rollcall_shared::CiId;

use super::{
    Counts, State,
    descent::{Descent, InState, Witness},
    solver::{Scope, Solver},
};
use crate::graph::{Graph, Node, NodeNumber};

/// What a CI takes with it if it goes down alone, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Toll {
    /// Others in each state.
    pub counts: TollCounts,
    /// Business services that are down.
    pub services_down: u32,
    /// Business services that are degraded.
    pub services_degraded: u32,
}

/// How many others are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TollCounts {
    /// Down.
    pub down: u32,
    /// Degraded.
    pub degraded: u32,
    /// At risk.
    pub at_risk: u32,
}

impl From<TollCounts> for Counts {
    fn from(counts: TollCounts) -> Self {
        Self { down: counts.down as usize, degraded: counts.degraded as usize, at_risk: counts.at_risk as usize }
    }
}

impl Toll {
    /// Ranks tolls, the worst first: by services down, then degraded, then by CIs down, degraded and at risk.
    pub fn rank(&self) -> impl Ord + use<> {
        Reverse((self.services_down, self.services_degraded, self.counts))
    }
}

/// The place of every CI when they are ranked by tolls. Those with equal ones share it.
#[derive(Clone, Debug)]
pub struct Standings {
    by_number: Vec<u32>,
}

impl Standings {
    /// A CI's place, 1 for the worst; `None` for one that is not in the graph. The graph is the one that this is of.
    pub fn of(&self, graph: &Graph, ci: CiId) -> Option<u32> {
        self.by_number.get(graph.number_of(ci)?.index()).copied()
    }
}

/// The toll of every CI in a graph.
#[derive(Clone, Debug)]
pub struct Sweep {
    by_number: Vec<Toll>,
    /// By number, how many single failures take it down, for business services.
    points: Vec<u32>,
}

impl Sweep {
    /// The toll of every CI. Takes seconds for a large estate: for the background.
    pub fn of(graph: &Graph) -> Self {
        let mut sweep = Self { by_number: vec![Toll::default(); graph.node_bound()], points: vec![0; graph.node_bound()] };
        let failing = graph.numbers().filter(|&number| graph.needed_by(number).len() > 0).collect();
        Descent::new(graph).each(failing, &mut Tolling { sweep: &mut sweep, graph, sign: 1 });
        sweep
    }

    /// The tolls in `after`, which was made from `before`, the graph that this is of, by [`Graph::after`] or [`super::pretend`], in
    /// one step or in several. Failures that harm nothing of what is needed in another way than it was do what they did; only the
    /// others are worked out again. From a graph that was built anew everything is.
    #[must_use]
    pub fn after(mut self, before: &Graph, after: &Graph) -> Self {
        let Some(differences) = after.differences(before) else { return Self::of(after) };
        let mut concerned = differences.providers;
        for &node in &differences.nodes {
            concerned.push(node);
            if before.is_in_use(node) {
                concerned.extend(before.providers(node));
            }
        }
        let burdened = otherwise_already(before, after);
        for &number in &burdened {
            concerned.push(number);
            for graph in [before, after].into_iter().filter(|graph| graph.is_in_use(number)) {
                concerned.extend(graph.providers(number));
                concerned.extend(graph.needed_by(number).flat_map(|entry| graph.providers(entry.dependent)));
            }
        }
        let closure = needed_of(before, &concerned);
        if closure.len() > before.node_bound() / 8 + SMALL {
            return Self::of(after);
        }
        let mut again = harming(before, &concerned, closure);
        again.extend(differences.nodes);
        again.extend(burdened);
        again.sort_unstable();
        again.dedup();
        self.by_number.resize(after.node_bound(), Toll::default());
        self.points.resize(after.node_bound(), 0);
        // What these failures did to services is counted off in the graph as it was and on in the graph as it is.
        for (graph, sign) in [(before, -1), (after, 1)] {
            again.iter().for_each(|number| self.by_number[number.index()] = Toll::default());
            let there: Vec<NodeNumber> = again.iter().copied().filter(|&number| graph.is_in_use(number)).collect();
            if !there.is_empty() {
                Descent::new(graph).each(there, &mut Tolling { sweep: &mut self, graph, sign });
            }
        }
        self
    }

    /// A CI's toll; nothing for one that is not in the graph. The graph is the one that this is of.
    pub fn toll(&self, graph: &Graph, ci: CiId) -> Toll {
        graph.number_of(ci).and_then(|number| self.by_number.get(number.index()).copied()).unwrap_or_default()
    }

    /// How many other CIs take a business service down alone.
    pub fn single_points(&self, graph: &Graph, service: CiId) -> u32 {
        graph.number_of(service).and_then(|number| self.points.get(number.index()).copied()).unwrap_or(0)
    }

    /// The place of every CI among all.
    pub fn standings(&self, graph: &Graph) -> Standings {
        let mut numbers: Vec<NodeNumber> = graph.numbers().collect();
        numbers.sort_unstable_by_key(|number| self.by_number[number.index()].rank());
        let mut by_number = vec![0; graph.node_bound()];
        let mut worse = 0;
        for equal in numbers.chunk_by(|a, b| self.by_number[a.index()] == self.by_number[b.index()]) {
            equal.iter().for_each(|number| by_number[number.index()] = worse + 1);
            worse += equal.len() as u32;
        }
        Standings { by_number }
    }

    /// The blast-radius rank of every CI, the worst first, then by name.
    pub fn ranking<'g>(&self, graph: &'g Graph) -> Vec<(&'g Node, Toll)> {
        let mut ranking: Vec<(&Node, Toll)> =
            graph.numbers().map(|number| (graph.node_at(number), self.by_number[number.index()])).collect();
        ranking.sort_unstable_by(|(a, a_toll), (b, b_toll)| {
            a_toll.rank().cmp(&b_toll.rank()).then_with(|| (&a.name, a.id).cmp(&(&b.name, b.id)))
        });
        ranking
    }
}

/// What is in another state, before anything fails, than it was: what does not run has changed, or what that does to others. What fails
/// does something else then to these, and to whoever needs them beside others.
fn otherwise_already(before: &Graph, after: &Graph) -> Vec<NodeNumber> {
    if before.stopped().len() == 0 && after.stopped().len() == 0 {
        return Vec::new();
    }
    let (old, new) = (Solver::new(before), Solver::new(after));
    let state = |solver: &Solver<'_>, graph: &Graph, number: NodeNumber| {
        if number.index() < graph.node_bound() { solver.already_at(number) } else { State::Ok }
    };
    let mut numbers: Vec<NodeNumber> = old.already().iter().chain(new.already()).copied().collect();
    numbers.retain(|&number| state(&old, before, number) != state(&new, after, number));
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// A closure of this size is always worth looking at.
const SMALL: usize = 10_000;

/// These CIs and everything that they need, ascending.
fn needed_of(graph: &Graph, cis: &[NodeNumber]) -> Vec<NodeNumber> {
    let mut seen = vec![false; graph.node_bound()];
    let mut found: Vec<NodeNumber> = Vec::new();
    for &number in cis.iter().filter(|&&number| graph.is_in_use(number)) {
        if !std::mem::replace(&mut seen[number.index()], true) {
            found.push(number);
        }
    }
    let mut next = 0;
    while let Some(&number) = found.get(next) {
        next += 1;
        for provider in graph.providers(number) {
            if !std::mem::replace(&mut seen[provider.index()], true) {
                found.push(provider);
            }
        }
    }
    found.sort_unstable();
    found
}

/// Those of a closure whose failure harms one of `concerned`. The closure has everything that these need, so outages need not be followed
/// out of it.
fn harming(graph: &Graph, concerned: &[NodeNumber], mut closure: Vec<NodeNumber>) -> Vec<NodeNumber> {
    let mut within = vec![false; graph.node_bound()];
    closure.iter().for_each(|number| within[number.index()] = true);
    let mut is_concerned = vec![false; graph.node_bound()];
    concerned.iter().filter(|&&number| graph.is_in_use(number)).for_each(|number| is_concerned[number.index()] = true);
    let (mut solver, within) = (Solver::new(graph), Within(within));
    closure.retain(|&failing| {
        solver.run([(failing, State::Down)], &within);
        let harmed = |number: &&NodeNumber| is_concerned[number.index()] && solver.state_at(**number) >= State::Degraded;
        solver.failing().iter().chain(solver.reached()).any(|number| harmed(&number))
    });
    closure
}

struct Within(Vec<bool>);

impl Scope for Within {
    fn has(&self, dependent: NodeNumber) -> bool {
        self.0[dependent.index()]
    }
}

/// Writes down what each failure does.
struct Tolling<'a> {
    sweep: &'a mut Sweep,
    graph: &'a Graph,
    /// Whether what failures do to services is counted on or off.
    sign: i32,
}

impl Witness for Tolling<'_> {
    fn outage(&mut self, failing: NodeNumber, was_down: bool, counts: &InState, services: &InState) {
        let [.., at_risk, degraded, down] = *counts;
        let itself = u32::from(!was_down);
        let service_itself = u32::from(!was_down && self.graph.is_service_at(failing));
        self.sweep.by_number[failing.index()] = Toll {
            counts: TollCounts { down: down - itself, degraded, at_risk },
            services_down: services[State::Down as usize] - service_itself,
            services_degraded: services[State::Degraded as usize],
        };
    }

    fn service_down(&mut self, service: NodeNumber, failures: i32) {
        let points = &mut self.sweep.points[service.index()];
        *points = points.wrapping_add_signed(self.sign * failures);
    }
}
