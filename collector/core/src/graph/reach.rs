use std::collections::{HashMap, HashSet};

use rollcall_shared::{CiId, catalogue::Hardness};

use super::{Edge, EdgeView, Graph, Node, NodeNumber};

/// Everything that a CI needs, directly or not, nearest first.
#[derive(Clone, Debug)]
pub struct Needs<'g> {
    /// Whose needs.
    pub of: &'g Node,
    /// What it needs, by hops, then by name. Never the CI itself.
    pub items: Vec<Needed<'g>>,
    graph: &'g Graph,
    towards: HashMap<NodeNumber, NodeNumber>,
}

/// One thing that is needed.
#[derive(Clone, Copy, Debug)]
pub struct Needed<'g> {
    /// What.
    pub ci: &'g Node,
    /// Length of a shortest chain of dependencies to it; 1 is a direct one.
    pub hops: u32,
    /// Whether a chain of hard needs alone leads to it. Redundancy is not considered: a member of a hard group is hard.
    pub hard: bool,
}

impl<'g> Needs<'g> {
    /// A shortest chain of dependencies to something that is needed, each step with every relationship that makes it; empty if it
    /// is not needed.
    pub fn path(&self, to: CiId) -> Vec<Vec<EdgeView<'g>>> {
        let mut path = Vec::new();
        let mut at = self.graph.number_of(to);
        while let Some(number) = at {
            let Some(&dependent) = self.towards.get(&number) else { break };
            let edges = self.graph.edges_between(dependent, number).filter(|edge| edge.travels);
            path.push(edges.map(|edge| self.graph.view(edge)).collect());
            at = Some(dependent);
        }
        path.reverse();
        path
    }
}

impl Graph {
    /// What a CI needs, all transitive dependencies that an outage could travel along; `None` if there is no such CI.
    pub fn needs(&self, of: CiId) -> Option<Needs<'_>> {
        let start = self.number_of(of)?;
        let hard: HashMap<NodeNumber, u32> =
            self.providers_within(start, |edge| self.is_hard(edge)).into_iter().map(|(to, hops, _)| (to, hops)).collect();
        let found = self.providers_within(start, |edge| edge.travels);
        let item = |&(to, hops, _): &(NodeNumber, u32, NodeNumber)| Needed { ci: self.node_at(to), hops, hard: hard.contains_key(&to) };
        let mut items: Vec<Needed<'_>> = found.iter().map(item).collect();
        items.sort_by(|a, b| (a.hops, &a.ci.name, a.ci.id).cmp(&(b.hops, &b.ci.name, b.ci.id)));
        Some(Needs { of: self.node_at(start), items, graph: self, towards: found.iter().map(|&(to, _, from)| (to, from)).collect() })
    }

    /// Transitive dependencies of a node with hops and the dependent that leads there, nearest first, without the node itself.
    pub(crate) fn providers_within(&self, start: NodeNumber, follow: impl Fn(&Edge) -> bool) -> Vec<(NodeNumber, u32, NodeNumber)> {
        let mut seen = HashSet::from([start]);
        let mut found: Vec<(NodeNumber, u32, NodeNumber)> = Vec::new();
        let (mut at, mut hops, mut next) = (start, 0, 0);
        loop {
            for edge in self.edges_from(at) {
                if follow(&edge) && seen.insert(edge.to) {
                    found.push((edge.to, hops + 1, at));
                }
            }
            let Some(&(node, its_hops, _)) = found.get(next) else { return found };
            (at, hops, next) = (node, its_hops, next + 1);
        }
    }

    fn is_hard(&self, edge: &Edge) -> bool {
        if !edge.covered {
            return edge.hardness == Hardness::Hard;
        }
        edge.travels
            && self.groups_of(edge.from).any(|group| group.hardness == Hardness::Hard && group.members.binary_search(&edge.to).is_ok())
    }
}
