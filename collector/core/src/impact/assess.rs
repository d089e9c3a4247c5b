use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap, HashSet},
};

use rollcall_shared::{CiId, catalogue::Hardness};

use super::{
    absorbed::{Absorbed, find_absorbed},
    basis::{Basis, edge_is_one_ended},
    explain::step_weakness,
    solver::{Everything, Scope, Solver},
    state::{Counts, FailureKind, Outage, State},
    verdict,
};
use crate::graph::{Edge, Graph, Need, Node, NodeNumber};

/// What an outage comes to.
#[derive(Debug)]
pub struct Assessment<'a> {
    /// What fails, in the order given.
    pub failures: Vec<Failure<'a>>,
    /// What was said to fail but is not in the graph: unknown or retired.
    pub not_found: Vec<CiId>,
    /// Every CI that fares worse than before, what fails itself left out (unless others make it worse than it fails). Worst first; within a state
    /// business services first, then by hops, then by name.
    pub affected: Vec<Affected<'a>>,
    /// What is down or degraded already, because it or something that it needs was seen not to run, and has a part in this: it is to fail, or
    /// would be harmed if it were not so already, or a group that is touched counts on it in vain. Sorted as `affected`.
    pub already: Vec<Already<'a>>,
    /// Every CI next to what is affected that still serves, with the reason: those without margin first, then by name.
    pub absorbed: Vec<Absorbed<'a>>,
    /// How many CIs beyond `absorbed` would be affected if there were no redundancy and every need were hard.
    pub spared: usize,
    /// How many of `affected` are in each state.
    pub counts: Counts,
    /// How much of this rests on weak evidence.
    pub evidence: EvidenceShare,
    /// How sure this is.
    pub certainty: Certainty,
    pub(super) graph: &'a Graph,
    pub(super) basis: Basis<'a>,
    pub(super) solver: Solver<'a>,
}

/// Something that fails.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// What.
    pub ci: &'a Node,
    /// How.
    pub kind: FailureKind,
}

/// A CI that an outage reaches.
#[derive(Clone, Copy, Debug)]
pub struct Affected<'a> {
    /// The CI.
    pub ci: &'a Node,
    /// What becomes of it.
    pub state: State,
    /// Length of a shortest witness path to something that fails; at least 1.
    pub hops: u32,
    /// Without evidence that is too old it would fare better.
    pub rests_on_stale: bool,
    /// Without evidence that only one of two ends has it would fare better.
    pub rests_on_one_ended: bool,
}

/// A CI that fares badly before anything fails.
#[derive(Clone, Copy, Debug)]
pub struct Already<'a> {
    /// The CI.
    pub ci: &'a Node,
    /// What it is: degraded or down.
    pub state: State,
}

/// How much of an answer rests on weak evidence, in CIs that are down or degraded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EvidenceShare {
    /// Down or degraded.
    pub harmed: usize,
    /// Of these, those that would fare better without stale evidence.
    pub stale: usize,
    /// Of these, those that would fare better without one-ended evidence.
    pub one_ended: usize,
}

/// How sure an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// It rests on evidence that is fresh enough.
    Known,
    /// Some of it rests on stale evidence.
    Partly,
    /// All of it rests on stale evidence, or it says "nothing" about machines whose agents are silent.
    Unknown,
}

/// What an outage comes to: states, reasons, what absorbed it, how sure it is.
///
/// Costs in proportion to what would be reached without redundancy; never limited in depth.
pub fn assess<'a>(graph: &'a Graph, outage: &Outage, basis: Basis<'a>) -> Assessment<'a> {
    let (failures, not_found) = look_up(graph, outage);
    let states = || failures.iter().filter_map(|failure| Some((graph.number_of(failure.ci.id)?, failure.kind.state())));

    let mut solver = Solver::new(graph);
    solver.run(states(), &Everything);
    solver.measure(|dependent, need, provider| step_weakness(graph, &basis, dependent, need, provider));
    let mut without = Solver::new(graph);
    without.run(states(), &Without { graph, is_weak: |edge: &Edge| basis.edge_is_stale(graph, edge) });
    let better_without_stale = better(&solver, &without);
    without.run(states(), &Without { graph, is_weak: |edge: &Edge| edge_is_one_ended(graph, edge) });
    let better_without_one_ended = better(&solver, &without);

    let worsened = solver.failing().iter().filter(|&&number| {
        let state = solver.state_at(number);
        solver.own_state(number) < state && solver.already_at(number) < state
    });
    let mut affected: Vec<Affected<'a>> = solver
        .reached()
        .iter()
        .chain(worsened)
        .map(|&number| Affected {
            ci: graph.node_at(number),
            state: solver.state_at(number),
            hops: solver.hops(number),
            rests_on_stale: better_without_stale.contains(&number),
            rests_on_one_ended: better_without_one_ended.contains(&number),
        })
        .collect();
    affected.sort_by(|a, b| rank(graph, a).cmp(&rank(graph, b)));

    let mut counts = Counts::default();
    affected.iter().for_each(|one| counts.add(one.state));
    let harmed = || affected.iter().filter(|one| one.state >= State::Degraded);
    let evidence = EvidenceShare {
        harmed: harmed().count(),
        stale: harmed().filter(|one| one.rests_on_stale).count(),
        one_ended: harmed().filter(|one| one.rests_on_one_ended).count(),
    };
    let (absorbed, spared) = find_absorbed(graph, &solver);
    let already = find_already(graph, &solver, states());
    let certainty = certainty(graph, &failures, evidence, &basis);
    Assessment { failures, not_found, affected, already, absorbed, spared, counts, evidence, certainty, graph, basis, solver }
}

impl<'a> Assessment<'a> {
    /// The graph that this was assessed on.
    pub fn graph(&self) -> &'a Graph {
        self.graph
    }

    /// What its certainty is judged by.
    pub fn basis(&self) -> &Basis<'a> {
        &self.basis
    }

    /// A CI's state; ok for one that is not in the graph.
    pub fn state(&self, ci: CiId) -> State {
        self.solver.state(ci)
    }

    /// The business services that are down or degraded, worst first.
    pub fn business_services(&self) -> impl Iterator<Item = &Affected<'a>> {
        self.affected.iter().filter(|one| one.state >= State::Degraded && self.graph.is_business_service(one.ci))
    }

    /// The answer in one sentence. Names are as people and machines gave them, shortened and without control characters: still
    /// to be escaped where it is shown.
    pub fn verdict(&self) -> String {
        verdict::sentence(self)
    }
}

/// What fails, the worst way each, in the order given; and what is not in the graph.
fn look_up<'a>(graph: &'a Graph, outage: &Outage) -> (Vec<Failure<'a>>, Vec<CiId>) {
    let mut failures: Vec<Failure<'a>> = Vec::new();
    let mut not_found = Vec::new();
    let mut known: HashMap<CiId, usize> = HashMap::new();
    for &(id, kind) in &outage.failures {
        match (known.get(&id), graph.node(id)) {
            (Some(&at), Some(_)) => failures[at].kind = failures[at].kind.max(kind),
            (None, Some(ci)) => {
                known.insert(id, failures.len());
                failures.push(Failure { ci, kind });
            }
            (None, None) => {
                known.insert(id, 0);
                not_found.push(id);
            }
            (Some(_), None) => {}
        }
    }
    (failures, not_found)
}

/// What has a part in an outage and fares no worse in it than before.
fn find_already<'a>(graph: &'a Graph, solver: &Solver<'a>, failures: impl Iterator<Item = (NodeNumber, State)>) -> Vec<Already<'a>> {
    if solver.already().is_empty() {
        return Vec::new();
    }
    let stays = |number: &NodeNumber| {
        let already = solver.already_at(*number);
        already >= State::Degraded && already == solver.state_at(*number)
    };
    let mut if_all_ran = Solver::if_all_ran(graph);
    if_all_ran.run(failures, &Everything);
    let mut found: BTreeSet<NodeNumber> = if_all_ran.failing().iter().chain(if_all_ran.reached()).copied().filter(stays).collect();
    for &provider in solver.failing().iter().chain(solver.reached()) {
        for entry in graph.needed_by(provider) {
            if let Need::Group(group) = entry.need {
                found.extend(graph.group_at(group).members.iter().copied().filter(stays));
            }
        }
    }
    let mut already: Vec<Already<'a>> =
        found.into_iter().map(|number| Already { ci: graph.node_at(number), state: solver.state_at(number) }).collect();
    already.sort_by_key(|one| (Reverse(one.state), !graph.is_business_service(one.ci), &one.ci.name, one.ci.id));
    already
}

fn rank<'a>(graph: &Graph, one: &Affected<'a>) -> (Reverse<State>, bool, u32, &'a str, CiId) {
    (Reverse(one.state), !graph.is_business_service(one.ci), one.hops, &one.ci.name, one.ci.id)
}

/// The CIs that fare better in the second.
fn better(all: &Solver<'_>, without: &Solver<'_>) -> HashSet<NodeNumber> {
    let everyone = all.reached().iter().chain(all.failing());
    everyone.copied().filter(|&number| without.state_at(number) < all.state_at(number)).collect()
}

/// The graph without weak edges. Declared groups stay: they do not rest on observation.
struct Without<'g, F> {
    graph: &'g Graph,
    is_weak: F,
}

impl<F: Fn(&Edge) -> bool> Scope for Without<'_, F> {
    fn plain(&self, dependent: NodeNumber, provider: NodeNumber, _: Need) -> Option<Need> {
        let strong = self.graph.edges_between(dependent, provider).filter(|edge| edge.travels && !(self.is_weak)(edge));
        strong.map(|edge| if edge.hardness == Hardness::Hard { Need::Hard } else { Need::Soft }).min()
    }
}

fn certainty(graph: &Graph, failures: &[Failure<'_>], evidence: EvidenceShare, basis: &Basis<'_>) -> Certainty {
    let nothing_known = |failure: &Failure<'_>| !graph.dependents(failure.ci.id).any(|edge| edge.hardness != Hardness::None);
    match evidence {
        EvidenceShare { harmed: 0, .. } => {
            let silence =
                !failures.is_empty() && failures.iter().all(|failure| nothing_known(failure) && basis.is_silent(graph, failure.ci));
            if silence { Certainty::Unknown } else { Certainty::Known }
        }
        EvidenceShare { stale: 0, .. } => Certainty::Known,
        EvidenceShare { harmed, stale, .. } if stale < harmed => Certainty::Partly,
        _ => Certainty::Unknown,
    }
}
