//! petgraph's view of the graph, so that its algorithms run on it. Nothing of it leaves the core.

use petgraph::{
    Directed, Direction,
    visit::{
        Data, EdgeCount, EdgeRef, GraphBase, GraphProp, IntoEdgeReferences, IntoEdges, IntoEdgesDirected, IntoNeighbors,
        IntoNeighborsDirected, IntoNodeIdentifiers, IntoNodeReferences, NodeCompactIndexable, NodeCount, NodeIndexable, VisitMap,
        Visitable,
    },
};
use rollcall_shared::catalogue::Hardness;

use super::{Edge, EdgeNumber, Graph, Node, NodeNumber};

/// An edge as petgraph sees it.
#[derive(Clone, Copy, Debug)]
pub struct Dependency<'g> {
    number: EdgeNumber,
    edge: &'g Edge,
}

impl Dependency<'_> {
    /// Whether outage travels along it.
    pub(super) fn travels(self) -> bool {
        self.edge.travels
    }
}

impl EdgeRef for Dependency<'_> {
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

/// Edges of one node, in one direction.
#[derive(Clone, Debug)]
pub enum Dependencies<'g> {
    /// From the dependent: consecutive edges.
    Outgoing(&'g Graph, std::ops::Range<usize>),
    /// From the dependency: edges by number.
    Incoming(&'g Graph, std::slice::Iter<'g, EdgeNumber>),
}

impl<'g> Iterator for Dependencies<'g> {
    type Item = Dependency<'g>;

    fn next(&mut self) -> Option<Dependency<'g>> {
        let (graph, number) = match self {
            Self::Outgoing(graph, range) => (*graph, EdgeNumber(range.next()? as u32)),
            Self::Incoming(graph, numbers) => (*graph, *numbers.next()?),
        };
        Some(Dependency { number, edge: &graph.edges[number.0 as usize] })
    }
}

/// The nodes at the other end of [`Dependencies`].
#[derive(Clone, Debug)]
pub struct Neighbors<'g>(Dependencies<'g>);

impl Iterator for Neighbors<'_> {
    type Item = NodeNumber;

    fn next(&mut self) -> Option<NodeNumber> {
        let edge = self.0.next()?.edge;
        Some(match self.0 {
            Dependencies::Outgoing(..) => edge.to,
            Dependencies::Incoming(..) => edge.from,
        })
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
        self.nodes.len()
    }
}

impl EdgeCount for Graph {
    fn edge_count(&self) -> usize {
        self.edges.len()
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

impl NodeCompactIndexable for Graph {}

impl Visitable for Graph {
    type Map = Visited;

    fn visit_map(&self) -> Visited {
        Visited::sized(self.nodes.len())
    }

    fn reset_map(&self, map: &mut Visited) {
        *map = Visited::sized(self.nodes.len());
    }
}

impl IntoNodeIdentifiers for &Graph {
    type NodeIdentifiers = std::iter::Map<std::ops::Range<usize>, fn(usize) -> NodeNumber>;

    fn node_identifiers(self) -> Self::NodeIdentifiers {
        (0..self.nodes.len()).map(NodeNumber::at)
    }
}

impl<'g> IntoNodeReferences for &'g Graph {
    type NodeRef = (NodeNumber, &'g Node);
    type NodeReferences = std::iter::Zip<<Self as IntoNodeIdentifiers>::NodeIdentifiers, std::slice::Iter<'g, Node>>;

    fn node_references(self) -> Self::NodeReferences {
        self.node_identifiers().zip(&self.nodes)
    }
}

impl<'g> IntoEdgeReferences for &'g Graph {
    type EdgeRef = Dependency<'g>;
    type EdgeReferences = Dependencies<'g>;

    fn edge_references(self) -> Dependencies<'g> {
        Dependencies::Outgoing(self, 0..self.edges.len())
    }
}

impl<'g> IntoEdges for &'g Graph {
    type Edges = Dependencies<'g>;

    fn edges(self, node: NodeNumber) -> Dependencies<'g> {
        Dependencies::Outgoing(self, self.edges_from.row(node))
    }
}

impl<'g> IntoEdgesDirected for &'g Graph {
    type EdgesDirected = Dependencies<'g>;

    fn edges_directed(self, node: NodeNumber, direction: Direction) -> Dependencies<'g> {
        match direction {
            Direction::Outgoing => self.edges(node),
            Direction::Incoming => Dependencies::Incoming(self, self.edges_by_dependency[self.edges_to.row(node)].iter()),
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
