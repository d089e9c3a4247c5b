//! Circles of the whole estate: strongly connected components of what an outage could travel along, and the graph of those.
//!
//! Own, because petgraph's Tarjan recurses (an estate may have a chain longer than a stack) and its Kosaraju takes several times as long.

use super::{Graph, NodeNumber};

const NONE: u32 = u32::MAX;

/// Which CIs need each other in a circle. A CI in none is a component of its own.
#[derive(Clone, Debug)]
pub struct Components {
    of: Vec<u32>,
    count: u32,
}

impl Components {
    /// The components of a graph, numbered so that what a component needs comes before it. Tarjan's algorithm with a stack of its own.
    pub fn of(graph: &Graph) -> Self {
        Self::below(graph, graph.numbers(), |_, _, _| ())
    }

    /// Those of some CIs and of everything that they need, and what they need of each other; others are in none.
    pub(crate) fn condensed(graph: &Graph, roots: impl IntoIterator<Item = NodeNumber>) -> (Self, Condensation) {
        let mut condensation = Condensation::new();
        // Its members' rows are near the processor when a component is complete, and what it needs is numbered.
        let components = Self::below(graph, roots, |component, members, of| condensation.add(graph, component, members, of));
        condensation.counted_by = Vec::new();
        (components, condensation)
    }

    /// Those of some CIs and of everything that they need. Tells of each what is in it, and the components of all that it needs.
    fn below(graph: &Graph, roots: impl IntoIterator<Item = NodeNumber>, mut complete: impl FnMut(u32, &[NodeNumber], &[u32])) -> Self {
        let bound = graph.node_bound();
        let mut of = vec![NONE; bound];
        // When a node was met, from 1, and the earliest that it leads back to.
        let (mut met, mut low) = (vec![0_u32; bound], vec![0_u32; bound]);
        let (mut clock, mut count) = (0, 0);
        let mut path: Vec<NodeNumber> = Vec::new();
        let mut frames: Vec<(NodeNumber, u32)> = Vec::new();
        for root in roots {
            if met[root.index()] != 0 {
                continue;
            }
            let mut enter = Some(root);
            loop {
                if let Some(node) = enter.take() {
                    clock += 1;
                    (met[node.index()], low[node.index()]) = (clock, clock);
                    path.push(node);
                    frames.push((node, 0));
                }
                let Some((node, next)) = frames.last_mut() else { break };
                let node = *node;
                let edges = &graph.edges.row(node)[*next as usize..];
                let mut looked_at = 0;
                for edge in edges {
                    looked_at += 1;
                    if !edge.travels() {
                        continue;
                    }
                    if met[edge.to.index()] == 0 {
                        enter = Some(edge.to);
                        break;
                    }
                    if of[edge.to.index()] == NONE {
                        low[node.index()] = low[node.index()].min(met[edge.to.index()]);
                    }
                }
                *next += looked_at;
                if enter.is_some() {
                    continue;
                }
                frames.pop();
                if low[node.index()] == met[node.index()] {
                    let first = path.iter().rposition(|&member| member == node).unwrap_or(0);
                    path[first..].iter().for_each(|member| of[member.index()] = count);
                    complete(count, &path[first..], &of);
                    path.truncate(first);
                    count += 1;
                }
                if let Some((parent, _)) = frames.last() {
                    low[parent.index()] = low[parent.index()].min(low[node.index()]);
                }
            }
        }
        Self { of, count }
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.count as usize
    }

    /// The component of a number that is in one.
    pub(crate) fn of_number(&self, number: NodeNumber) -> u32 {
        self.of[number.index()]
    }

    /// The component of a number, if it is in one.
    pub(crate) fn find(&self, number: NodeNumber) -> Option<u32> {
        Some(self.of[number.index()]).filter(|&of| of != NONE)
    }

    /// The CIs of each component that has more than one, ascending.
    pub(super) fn circles(&self) -> Vec<Vec<NodeNumber>> {
        let mut size = vec![0_u32; self.count()];
        self.of.iter().filter(|&&of| of != NONE).for_each(|&of| size[of as usize] += 1);
        let mut place = vec![NONE; self.count()];
        let mut circles: Vec<Vec<NodeNumber>> = Vec::new();
        for (at, &of) in self.of.iter().enumerate() {
            if of == NONE || size[of as usize] < 2 {
                continue;
            }
            if place[of as usize] == NONE {
                place[of as usize] = circles.len() as u32;
                circles.push(Vec::with_capacity(size[of as usize] as usize));
            }
            circles[place[of as usize] as usize].push(NodeNumber::at(at));
        }
        circles
    }

    /// What each component needs of others.
    pub fn condensation(&self, graph: &Graph) -> Condensation {
        let mut starts = vec![0_u32; self.count() + 1];
        self.of.iter().filter(|&&of| of != NONE).for_each(|&of| starts[of as usize + 1] += 1);
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut members = vec![NodeNumber(0); starts[self.count()] as usize];
        let mut next = starts.clone();
        for (at, &of) in self.of.iter().enumerate().filter(|(_, of)| **of != NONE) {
            members[next[of as usize] as usize] = NodeNumber::at(at);
            next[of as usize] += 1;
        }
        let mut made = Condensation::new();
        for component in 0..self.count {
            let at = component as usize;
            made.add(graph, component, &members[starts[at] as usize..starts[at + 1] as usize], &self.of);
        }
        made.counted_by = Vec::new();
        made
    }
}

/// The graph of components: without circles, and what a component needs has a lower number.
#[derive(Clone, Debug)]
pub struct Condensation {
    starts: Vec<u32>,
    providers: Vec<u32>,
    /// By component, the one that last counted it among what it needs. Empty once all are made.
    counted_by: Vec<u32>,
}

impl Condensation {
    fn new() -> Self {
        Self { starts: vec![0], providers: Vec::new(), counted_by: Vec::new() }
    }

    /// Adds the next component. All that it needs was added before.
    fn add(&mut self, graph: &Graph, component: u32, members: &[NodeNumber], of: &[u32]) {
        self.counted_by.push(NONE);
        for &member in members {
            for edge in graph.edges.row(member).iter().filter(|edge| edge.travels()) {
                let to = of[edge.to.index()];
                if to != component && self.counted_by[to as usize] != component {
                    self.counted_by[to as usize] = component;
                    self.providers.push(to);
                }
            }
        }
        self.starts.push(self.providers.len() as u32);
    }

    /// How many edges.
    pub fn edge_count(&self) -> usize {
        self.providers.len()
    }

    /// What a component needs directly.
    pub(crate) fn providers(&self, component: u32) -> &[u32] {
        let at = component as usize;
        &self.providers[self.starts[at] as usize..self.starts[at + 1] as usize]
    }
}
