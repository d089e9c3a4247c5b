//! petgraph's view of the graph, so that its algorithms run on it. Nothing of it leaves the core.

use petgraph::{
    Directed, Direction,
    visit::{
        Data, EdgeCount, EdgeRef, GraphBase, GraphProp, IntoEdgeReferences, IntoEdges, IntoEdgesDirected, IntoNeighbors,
        IntoNeighborsDirected, IntoNodeIdentifiers, IntoNodeReferences, NodeCount, NodeIndexable, VisitMap, Visitable,
    },
};
use rollcall_shared::catalogue::Hardness;

use super::{Dependents, Edge, EdgeNumber, GONE, Graph, Node, NodeNumber, row::PackedEdge};

/// An edge as petgraph sees it.
#[derive(Clone, Copy, Debug)]
pub struct Dependency {
    number: EdgeNumber,
    edge: Edge,
}

impl Dependency {
    /// Whether outage travels along it.
    pub(super) fn travels(self) -> bool {
        self.edge.travels
    }
}

impl EdgeRef for Dependency {
    type NodeId = NodeNumber;
    type EdgeId = EdgeNumber;
    type Weight = Hardness;

    fn source(&self) -> NodeNumber {
        self.edge.from
    }

    fn target(&self) -> NodeNumber {
        self.edge.to
    }

    fn weight(&self) -> &Hardness {
        &self.edge.hardness
    }

    fn id(&self) -> EdgeNumber {
        self.number
    }
}

/// Some edges, dependent by dependent.
#[derive(Clone, Debug)]
pub struct Dependencies<'g> {
    graph: &'g Graph,
    /// Dependents to come.
    from: From<'g>,
    /// Only edges to this one.
    to: Option<NodeNumber>,
    /// The dependent at hand, its place and its edges to come.
    now: (NodeNumber, u32, std::slice::Iter<'g, PackedEdge>),
}

#[derive(Clone, Debug)]
enum From<'g> {
    All(std::ops::Range<usize>),
    These(Dependents<'g>),
}

impl<'g> Dependencies<'g> {
    fn all(graph: &'g Graph, from: std::ops::Range<usize>) -> Self {
        Self { graph, from: From::All(from), to: None, now: (NodeNumber(0), 0, [].iter()) }
    }

    fn to(graph: &'g Graph, to: NodeNumber) -> Self {
        Self { graph, from: From::These(graph.dependents_of(to)), to: Some(to), now: (NodeNumber(0), 0, [].iter()) }
    }
}

impl Iterator for Dependencies<'_> {
    type Item = Dependency;

    fn next(&mut self) -> Option<Dependency> {
        loop {
            let (from, at, edges) = &mut self.now;
            if let Some(edge) = edges.next() {
                *at += 1;
                return Some(Dependency { number: EdgeNumber(*from, *at - 1), edge: edge.unpack(*from, *at - 1) });
            }
            let from = match &mut self.from {
                From::All(range) => NodeNumber::at(range.next()?),
                From::These(numbers) => numbers.next()?,
            };
            self.now = match self.to {
                Some(to) => {
                    let (before, edges) = self.graph.packed_between(from, to);
                    (from, before as u32, edges.iter())
                }
                None => (from, 0, self.graph.edges.row(from).iter()),
            };
        }
    }
}

/// The nodes at the other end of [`Dependencies`].
#[derive(Clone, Debug)]
pub struct Neighbors<'g>(Dependencies<'g>);

impl Iterator for Neighbors<'_> {
    type Item = NodeNumber;

    fn next(&mut self) -> Option<NodeNumber> {
        let edge = self.0.next()?.edge;
        Some(if self.0.to.is_some() { edge.from } else { edge.to })
    }
}

/// Which nodes were visited: one bit each.
#[derive(Clone, Debug, Default)]
pub struct Visited {
    words: Vec<u64>,
}

impl Visited {
    fn sized(nodes: usize) -> Self {
        Self { words: vec![0; nodes.div_ceil(64)] }
    }
}

impl VisitMap<NodeNumber> for Visited {
    fn visit(&mut self, node: NodeNumber) -> bool {
        let first = !self.is_visited(&node);
        self.words[node.index() / 64] |= 1 << (node.index() % 64);
        first
    }

    fn is_visited(&self, node: &NodeNumber) -> bool {
        self.words[node.index() / 64] & (1 << (node.index() % 64)) != 0
    }

    fn unvisit(&mut self, node: NodeNumber) -> bool {
        let was = self.is_visited(&node);
        self.words[node.index() / 64] &= !(1 << (node.index() % 64));
        was
    }
}

impl GraphBase for Graph {
    type NodeId = NodeNumber;
    type EdgeId = EdgeNumber;
}

impl GraphProp for Graph {
    type EdgeType = Directed;
}

impl Data for Graph {
    type NodeWeight = Node;
    type EdgeWeight = Hardness;
}

impl NodeCount for Graph {
    fn node_count(&self) -> usize {
        Self::node_count(self)
    }
}

impl EdgeCount for Graph {
    fn edge_count(&self) -> usize {
        self.edge_count
    }
}

impl NodeIndexable for Graph {
    fn node_bound(&self) -> usize {
        self.nodes.len()
    }

    fn to_index(&self, node: NodeNumber) -> usize {
        node.index()
    }

    fn from_index(&self, index: usize) -> NodeNumber {
        NodeNumber::at(index)
    }
}

impl Visitable for Graph {
    type Map = Visited;

    fn visit_map(&self) -> Visited {
        Visited::sized(self.nodes.len())
    }

    fn reset_map(&self, map: &mut Visited) {
        *map = Visited::sized(self.nodes.len());
    }
}

/// Numbers that are in use.
#[derive(Clone, Debug)]
pub struct Numbers<'g> {
    graph: &'g Graph,
    left: std::ops::Range<usize>,
}

impl Iterator for Numbers<'_> {
    type Item = NodeNumber;

    fn next(&mut self) -> Option<NodeNumber> {
        self.left.by_ref().map(NodeNumber::at).find(|number| self.graph.node_at(*number).class != GONE)
    }
}

impl<'g> IntoNodeIdentifiers for &'g Graph {
    type NodeIdentifiers = Numbers<'g>;

    fn node_identifiers(self) -> Numbers<'g> {
        Numbers { graph: self, left: 0..self.nodes.len() }
    }
}

/// The same, with what they stand for.
#[derive(Clone, Debug)]
pub struct References<'g>(Numbers<'g>);

impl<'g> Iterator for References<'g> {
    type Item = (NodeNumber, &'g Node);

    fn next(&mut self) -> Option<Self::Item> {
        let number = self.0.next()?;
        Some((number, self.0.graph.node_at(number)))
    }
}

impl<'g> IntoNodeReferences for &'g Graph {
    type NodeRef = (NodeNumber, &'g Node);
    type NodeReferences = References<'g>;

    fn node_references(self) -> References<'g> {
        References(self.node_identifiers())
    }
}

impl<'g> IntoEdgeReferences for &'g Graph {
    type EdgeRef = Dependency;
    type EdgeReferences = Dependencies<'g>;

    fn edge_references(self) -> Dependencies<'g> {
        Dependencies::all(self, 0..self.nodes.len())
    }
}

impl<'g> IntoEdges for &'g Graph {
    type Edges = Dependencies<'g>;

    fn edges(self, node: NodeNumber) -> Dependencies<'g> {
        Dependencies::all(self, node.index()..node.index() + 1)
    }
}

impl<'g> IntoEdgesDirected for &'g Graph {
    type EdgesDirected = Dependencies<'g>;

    fn edges_directed(self, node: NodeNumber, direction: Direction) -> Dependencies<'g> {
        match direction {
            Direction::Outgoing => self.edges(node),
            Direction::Incoming => Dependencies::to(self, node),
        }
    }
}

impl<'g> IntoNeighbors for &'g Graph {
    type Neighbors = Neighbors<'g>;

    fn neighbors(self, node: NodeNumber) -> Neighbors<'g> {
        Neighbors(self.edges(node))
    }
}

impl<'g> IntoNeighborsDirected for &'g Graph {
    type NeighborsDirected = Neighbors<'g>;

    fn neighbors_directed(self, node: NodeNumber, direction: Direction) -> Neighbors<'g> {
        Neighbors(self.edges_directed(node, direction))
    }
}
