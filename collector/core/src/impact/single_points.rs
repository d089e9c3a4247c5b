//! What takes a service down alone, and which two together.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rollcall_shared::{CiId, catalogue::Hardness};

use super::{
    solver::{Scope, Solver},
    state::State,
};
use crate::graph::{ChokePoint, Graph, Node, NodeNumber, choke_points};

/// What happens to a service if each CI that it needs goes down in turn.
#[derive(Clone, Debug)]
pub struct SinglePoints<'g> {
    /// The service.
    pub service: &'g Node,
    /// Every CI that takes it down or degrades it alone: worst first, then nearest, then by name.
    pub points: Vec<SinglePoint<'g>>,
    /// How many CIs it needs, directly or not.
    pub needed: usize,
    /// How many of them were tried, nearest first.
    pub tried: usize,
}

/// A CI that harms a service alone, more than what does not run harms it already.
#[derive(Clone, Debug)]
pub struct SinglePoint<'g> {
    /// The CI.
    pub ci: &'g Node,
    /// What becomes of the service if it goes down: degraded or down.
    pub state: State,
    /// Length of a shortest chain of needs from the service to it.
    pub hops: u32,
    /// Explains: how many other CIs the service reaches only through it.
    pub guards: usize,
    /// Explains: the nearest other CI that every chain of needs to it passes; absent where there is none. Redundancy is not
    /// considered here.
    pub behind: Option<&'g Node>,
}

/// Which two CIs take a service down together though neither does alone.
#[derive(Clone, Debug)]
pub struct Pairs<'g> {
    /// The service.
    pub service: &'g Node,
    /// The pairs, nearest first.
    pub pairs: Vec<Pair<'g>>,
    /// False if the budget ran out: there may be more pairs.
    pub complete: bool,
}

/// Two CIs that take a service down together.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'g> {
    /// The nearer one.
    pub first: &'g Node,
    /// The other one.
    pub second: &'g Node,
}

/// Single points of failure of a service: the failure of every CI that it needs, one after the other, with redundancy and all, decides;
/// dominators explain. `None` if there is no such CI.
///
/// Stops when `budget` CIs have been visited in all; then `tried` is less than `needed`.
pub fn single_points(graph: &Graph, service: CiId, budget: usize) -> Option<SinglePoints<'_>> {
    let mut sweep = Sweep::new(graph, service, budget)?;
    let explained = choke_points(graph, service);
    let explained: HashMap<CiId, ChokePoint<'_>> = explained.into_iter().map(|point| (point.ci.id, point)).collect();
    let mut points = Vec::new();
    let mut tried = 0;
    for (candidate, hops) in sweep.candidates.clone() {
        let Some(state) = sweep.fail(&[candidate]) else { break };
        tried += 1;
        if state >= State::Degraded && state > sweep.already {
            let ci = graph.node_at(candidate);
            let (guards, behind) = explained.get(&ci.id).map_or((0, None), |point| (point.guards, point.behind));
            points.push(SinglePoint { ci, state, hops, guards, behind });
        }
    }
    points.sort_by(|a, b| (b.state, a.hops, &a.ci.name, a.ci.id).cmp(&(a.state, b.hops, &b.ci.name, b.ci.id)));
    Some(SinglePoints { service: graph.node_at(sweep.service), points, needed: sweep.candidates.len(), tried })
}

/// Pairs of CIs that take a service down together though neither does alone. `None` if there is no such CI.
///
/// Exact within the budget, without trying every pair: what two failures break beyond what each breaks alone starts at a hard group from
/// which both take members, enough of them together. Only such pairs are tried. Stops when `budget` CIs and pairs have been
/// looked at.
pub fn pairs(graph: &Graph, service: CiId, budget: usize) -> Option<Pairs<'_>> {
    let mut sweep = Sweep::new(graph, service, budget)?;
    let mut complete = true;
    // By group: what costs it members without breaking it, by its place among the candidates, and how many members.
    let mut weakened: BTreeMap<u32, Vec<(usize, u32)>> = BTreeMap::new();
    for at in 0..sweep.candidates.len() {
        match sweep.fail(&[sweep.candidates[at].0]) {
            None => {
                complete = false;
                break;
            }
            Some(State::Down) => {}
            Some(_) => {
                for (group, lost) in sweep.weakened_groups() {
                    weakened.entry(group).or_default().push((at, lost));
                }
            }
        }
    }

    let mut found = BTreeSet::new();
    let mut refuted = BTreeSet::new();
    'groups: for (number, by) in weakened {
        let group = graph.group_at(number);
        let enough = (group.members.len() as u32 - sweep.solver.down_already(number) + 1).saturating_sub(group.min_up);
        for (place, &(first, lost)) in by.iter().enumerate() {
            for &(second, also_lost) in &by[place + 1..] {
                if !sweep.spend(1) {
                    complete = false;
                    break 'groups;
                }
                if lost + also_lost < enough || found.contains(&(first, second)) || refuted.contains(&(first, second)) {
                    continue;
                }
                match sweep.fail(&[sweep.candidates[first].0, sweep.candidates[second].0]) {
                    None => {
                        complete = false;
                        break 'groups;
                    }
                    Some(State::Down) => drop(found.insert((first, second))),
                    Some(_) => drop(refuted.insert((first, second))),
                }
            }
        }
    }
    let node = |at: usize| graph.node_at(sweep.candidates[at].0);
    let pairs = found.iter().map(|&(first, second)| Pair { first: node(first), second: node(second) }).collect();
    Some(Pairs { service: graph.node_at(sweep.service), pairs, complete })
}

/// Fails CIs within what a service needs: nothing else has a say in its state.
struct Sweep<'g> {
    graph: &'g Graph,
    service: NodeNumber,
    /// What the service needs, with hops, nearest first.
    candidates: Vec<(NodeNumber, u32)>,
    within: Within,
    /// The service's state before anything fails.
    already: State,
    solver: Solver<'g>,
    budget: usize,
}

struct Within(Vec<bool>);

impl Scope for Within {
    fn has(&self, dependent: NodeNumber) -> bool {
        self.0[dependent.index()]
    }
}

impl<'g> Sweep<'g> {
    fn new(graph: &'g Graph, service: CiId, budget: usize) -> Option<Self> {
        let service = graph.number_of(service)?;
        let candidates = graph.providers_within(service, |edge| edge.travels);
        let mut candidates: Vec<(NodeNumber, u32)> = candidates.into_iter().map(|(node, hops, _)| (node, hops)).collect();
        // Numbers are not the same after the same writes in another order; names and ids are.
        let key = |&(node, hops): &(NodeNumber, u32)| (hops, &graph.node_at(node).name, graph.node_at(node).id);
        candidates.sort_by(|a, b| key(a).cmp(&key(b)));
        let mut within = vec![false; graph.node_bound()];
        within[service.index()] = true;
        candidates.iter().for_each(|(node, _)| within[node.index()] = true);
        let solver = Solver::new(graph);
        Some(Self { graph, service, candidates, within: Within(within), already: solver.already_at(service), solver, budget })
    }

    /// Takes from the budget; false if nothing was left.
    fn spend(&mut self, effort: usize) -> bool {
        let left = self.budget > 0;
        self.budget = self.budget.saturating_sub(effort);
        left
    }

    /// What becomes of the service if these go down; `None` if the budget has run out.
    fn fail(&mut self, cis: &[NodeNumber]) -> Option<State> {
        if self.budget == 0 {
            return None;
        }
        self.solver.run(cis.iter().map(|&ci| (ci, State::Down)), &self.within);
        self.spend(cis.len() + self.solver.reached().len());
        Some(self.solver.state_at(self.service))
    }

    /// Hard groups within the service's needs that the last failure cost members but did not break, and how many of those that served.
    fn weakened_groups(&self) -> BTreeSet<(u32, u32)> {
        let down = self.solver.failing().iter().chain(self.solver.reached()).filter(|&&node| self.solver.state_at(node) == State::Down);
        let entries = down.flat_map(|&node| self.graph.needed_by(node)).filter(|entry| self.within.has(entry.dependent));
        let groups = entries.filter_map(|entry| match entry.need {
            crate::graph::Need::Group(number) => Some(number),
            _ => None,
        });
        groups
            .filter_map(|number| {
                let group = self.graph.group_at(number);
                let (down, _) = self.solver.tally(number);
                let met = group.members.len() as u32 - down >= group.min_up;
                let lost = down - self.solver.down_already(number);
                (met && lost > 0 && group.hardness == Hardness::Hard).then_some((number, lost))
            })
            .collect()
    }
}
