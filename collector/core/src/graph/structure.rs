//! What the shape of the graph says: cycles and choke points. Both ignore redundancy groups; they explain what impact decides.

use std::collections::{HashMap, HashSet};

use petgraph::{
    algo::kosaraju_scc,
    visit::{EdgeFiltered, NodeFiltered},
};
use rollcall_shared::CiId;

use super::{Components, Graph, Node, NodeNumber, dominators::Dominators, visit::Dependency};

/// A CI through which every chain of needs from a service to some other CIs passes.
#[derive(Clone, Debug)]
pub struct ChokePoint<'g> {
    /// The CI.
    pub ci: &'g Node,
    /// How many CIs the service reaches only through it, itself not counted.
    pub guards: usize,
    /// The nearest other choke point that every chain from the service to it passes; absent where there is none. Following
    /// it leads along all of them, back to the service.
    pub behind: Option<&'g Node>,
}

/// The choke points among everything that a service needs: dominators of the need graph as seen from the service. In the order of
/// distance from the service; those that guard nothing are included, as they too say what every chain to them passes. Empty if there is no
/// such CI.
pub fn choke_points(graph: &Graph, service: CiId) -> Vec<ChokePoint<'_>> {
    let Some(root) = graph.number_of(service) else { return Vec::new() };
    let dominators = Dominators::of(graph, &[root]);
    let closure = graph.providers_within(root, |edge| edge.travels);

    // A dominator is nearer to the root than what it dominates, so backwards every subtree is complete before it is added up.
    let mut guards: HashMap<NodeNumber, usize> = HashMap::new();
    for &(node, ..) in closure.iter().rev() {
        let below = guards.get(&node).copied().unwrap_or(0) + 1;
        if let Some(dominator) = dominators.above(node) {
            *guards.entry(dominator).or_default() += below;
        }
    }
    let point = |&(node, ..): &(NodeNumber, u32, NodeNumber)| {
        let behind = dominators.above(node).filter(|&dominator| dominator != root);
        ChokePoint {
            ci: graph.node_at(node),
            guards: guards.get(&node).copied().unwrap_or(0),
            behind: behind.map(|dominator| graph.node_at(dominator)),
        }
    };
    closure.iter().map(point).collect()
}

/// Every set of CIs that need each other in a circle, largest first.
pub fn cycles(graph: &Graph) -> Vec<Vec<&Node>> {
    let mut cycles = Components::of(graph).circles();
    cycles.sort_by_key(|cycle| (std::cmp::Reverse(cycle.len()), cycle[0]));
    cycles.into_iter().map(|cycle| nodes(graph, cycle)).collect()
}

/// The CIs that need this one and that it needs, itself included, in the graph's order; empty if it is in no circle.
pub fn cycle_of(graph: &Graph, ci: CiId) -> Vec<&Node> {
    let Some(start) = graph.number_of(ci) else { return Vec::new() };
    // A circle through a CI lies within what it needs.
    let mut within: HashSet<NodeNumber> = graph.providers_within(start, |edge| edge.travels).into_iter().map(|(node, ..)| node).collect();
    within.insert(start);
    let needs = EdgeFiltered::from_fn(graph, |edge: Dependency| edge.travels());
    let needs = NodeFiltered::from_fn(&needs, |node| within.contains(&node));
    let cycle = in_graph_order(kosaraju_scc(&needs)).into_iter().find(|cycle| cycle.contains(&start));
    nodes(graph, cycle.unwrap_or_default())
}

/// Components of more than one node, each sorted.
fn in_graph_order(components: Vec<Vec<NodeNumber>>) -> Vec<Vec<NodeNumber>> {
    let mut cycles: Vec<Vec<NodeNumber>> = components.into_iter().filter(|component| component.len() > 1).collect();
    for cycle in &mut cycles {
        cycle.sort_unstable();
    }
    cycles
}

fn nodes(graph: &Graph, numbers: Vec<NodeNumber>) -> Vec<&Node> {
    numbers.into_iter().map(|number| graph.node_at(number)).collect()
}
