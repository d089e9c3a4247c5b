//! The dependency graph: an immutable snapshot in compressed sparse rows, both directions.
//!
//! An edge points from the dependent to what it depends on; outage travels against it. Nodes are numbered densely, in an order that
//! depends on nothing but what the graph is made of: neither on hash order nor on the order in which parts are given. Numbers
//! (and petgraph's view of them) stay inside the core; outside, a configuration item is its [`CiId`].
//!
//! What does not exist any more does not count: retired and unknown CIs have no node, relationships with such an end have no
//! edge, and such members leave their need group (see [`Group::gone`]). A CI that was merged is its survivor.

mod build;
mod from_estate;
mod reach;
mod structure;
mod visit;

use std::collections::HashMap;

use rollcall_shared::{AgentId, CiId, NeedGroupId, RelationshipId, Timestamp, catalogue::Hardness};

use crate::model::{Method, Revision};

pub use build::{EdgePart, GraphParts, GroupPart, NodePart};
pub use reach::{Needed, Needs};
pub use structure::{ChokePoint, choke_points, cycle_of, cycles};

/// The dependency graph at one revision.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    revision: Revision,
    nodes: Vec<Node>,
    number: HashMap<CiId, NodeNumber>,
    classes: Vec<Class>,
    kinds: Vec<Box<str>>,
    evidence: Vec<EdgeEvidence>,
    /// By dependent, then dependency, then kind, then relationship.
    edges: Vec<Edge>,
    edges_from: Rows,
    /// Edge numbers by dependency, then as `edges`.
    edges_by_dependency: Vec<EdgeNumber>,
    edges_to: Rows,
    /// By dependent, then id.
    groups: Vec<Group>,
    groups_of: Rows,
    /// What an outage travels along, by provider.
    needed_by: Vec<NeededBy>,
    needed_by_rows: Rows,
}

/// A configuration item as the graph knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its id.
    pub id: CiId,
    /// What people call it.
    pub name: Box<str>,
    /// The value of its `owner` attribute, where it has one.
    pub owner: Option<Box<str>>,
    /// The agent that reports it.
    pub agent: Option<AgentId>,
    class: u16,
}

#[derive(Clone, Debug)]
struct Class {
    name: Box<str>,
    is_business_service: bool,
}

/// One relationship, or the membership of a need group that no relationship stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    pub(crate) from: NodeNumber,
    pub(crate) to: NodeNumber,
    pub(crate) relationship: Option<RelationshipId>,
    evidence_start: u32,
    evidence_count: u16,
    kind: u16,
    /// Its own hardness, before need groups.
    pub(crate) hardness: Hardness,
    /// A declared group of the dependent has the dependency among its members: the group decides, not this edge.
    pub(crate) covered: bool,
    /// Whether outage travels along it, alone or through a group.
    pub(crate) travels: bool,
    pub(crate) ends_confirming: u8,
}

/// One reason to believe in an edge, as far as confidence rests on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdgeEvidence {
    /// How it is known.
    pub method: Method,
    /// The agent that saw it; absent for what was declared or imported.
    pub agent: Option<AgentId>,
    /// Last time reported, the collector's clock. A later check-in of the agent confirms it too.
    pub last_seen: Timestamp,
    /// Samples in which it was seen active; 0 for what is not sampled.
    pub samples_seen: u64,
    /// Samples taken.
    pub samples_total: u64,
}

/// An edge with its ends looked up.
#[derive(Clone, Copy, Debug)]
pub struct EdgeView<'g> {
    /// The dependent.
    pub from: &'g Node,
    /// What it depends on.
    pub to: &'g Node,
    /// The relationship; absent where only a declared need group names the provider.
    pub relationship: Option<RelationshipId>,
    /// The relationship type's name in the catalogue; `need_group` where only a declared group names the provider.
    pub kind: &'g str,
    /// How failure travels along it where no declared group decides.
    pub hardness: Hardness,
    /// Whether a declared need group decides how failure travels along it.
    pub in_group: bool,
    /// Why it is believed; empty where only a declared need group names the provider.
    pub evidence: &'g [EdgeEvidence],
    /// How many of its two ends have an agent of their own that confirms it.
    pub ends_confirming: u8,
}

/// A declared need group, with the members that still exist.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its id.
    pub id: NeedGroupId,
    /// What people call it.
    pub name: Box<str>,
    /// How badly it is needed.
    pub hardness: Hardness,
    /// How many members must serve, of those that still exist.
    pub min_up: u32,
    /// Declared members that are retired or unknown: they no longer count, neither as serving nor as lost, and `min_up` is taken
    /// of the rest. Capacity that was taken out of service on purpose is not an outage, and a group that names it only is no need.
    pub gone: u32,
    pub(crate) dependent: NodeNumber,
    pub(crate) members: Vec<NodeNumber>,
}

/// One entry per provider: who needs it, and through what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NeededBy {
    pub(crate) dependent: NodeNumber,
    pub(crate) need: Need,
}

/// What kind of need an outage travels through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// A plain hard dependency: a hard group of one.
    Hard,
    /// A plain soft dependency: a soft group of one.
    Soft,
    /// A declared group, by its number.
    Group(u32),
}

/// A CI's dense number in one graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeNumber(u32);

/// An edge's dense number in one graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeNumber(u32);

impl NodeNumber {
    pub(crate) fn at(index: usize) -> Self {
        Self(index as u32)
    }

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

impl Graph {
    /// The revision that this is a snapshot of; 0 for a graph that was made from parts.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// How many configuration items.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// How many edges: relationships, and memberships of need groups that no relationship stands for.
    pub fn edge_count(&self) -> usize {
        self.edges.len()
    }

    /// The configuration item of that id; `None` if it is unknown or retired.
    pub fn node(&self, id: CiId) -> Option<&Node> {
        self.number_of(id).map(|number| self.node_at(number))
    }

    /// Every configuration item, in the graph's order.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter()
    }

    /// The name of a node's class in the catalogue.
    pub fn class_of(&self, node: &Node) -> &str {
        self.classes.get(usize::from(node.class)).map_or("", |class| &class.name)
    }

    /// Whether a node is a business service: what an outage is measured by.
    pub fn is_business_service(&self, node: &Node) -> bool {
        self.classes.get(usize::from(node.class)).is_some_and(|class| class.is_business_service)
    }

    /// What a CI depends on directly, in the graph's order, edges that outage does not travel along included.
    pub fn dependencies(&self, of: CiId) -> impl Iterator<Item = EdgeView<'_>> {
        self.number_of(of).into_iter().flat_map(|number| self.edges_from(number)).map(|edge| self.view(edge))
    }

    /// What depends directly on a CI, in the graph's order, edges that outage does not travel along included.
    pub fn dependents(&self, of: CiId) -> impl Iterator<Item = EdgeView<'_>> {
        self.number_of(of).into_iter().flat_map(|number| self.edges_to(number)).map(|edge| self.view(edge))
    }

    /// The declared need groups of a CI that still have a member.
    pub fn groups(&self, of: CiId) -> &[Group] {
        self.number_of(of).map_or(&[], |number| self.groups_of(number))
    }

    /// The members of a declared group that still exist, in the graph's order.
    pub fn members<'g>(&'g self, group: &'g Group) -> impl Iterator<Item = &'g Node> {
        group.members.iter().map(|&member| self.node_at(member))
    }

    pub(crate) fn number_of(&self, id: CiId) -> Option<NodeNumber> {
        self.number.get(&id).copied()
    }

    pub(crate) fn node_at(&self, number: NodeNumber) -> &Node {
        &self.nodes[number.index()]
    }

    pub(crate) fn edges_from(&self, number: NodeNumber) -> &[Edge] {
        &self.edges[self.edges_from.row(number)]
    }

    /// The edges between two CIs.
    pub(crate) fn edges_between(&self, from: NodeNumber, to: NodeNumber) -> &[Edge] {
        let edges = self.edges_from(from);
        let start = edges.partition_point(|edge| edge.to < to);
        let end = edges.partition_point(|edge| edge.to <= to);
        &edges[start..end]
    }

    pub(crate) fn edges_to(&self, number: NodeNumber) -> impl Iterator<Item = &Edge> {
        self.edges_by_dependency[self.edges_to.row(number)].iter().map(|edge| &self.edges[edge.0 as usize])
    }

    pub(crate) fn groups_of(&self, number: NodeNumber) -> &[Group] {
        &self.groups[self.groups_of.row(number)]
    }

    pub(crate) fn group_at(&self, group: u32) -> &Group {
        &self.groups[group as usize]
    }

    /// The numbers of a CI's declared groups, in the order of [`Self::groups_of`].
    pub(crate) fn group_numbers_of(&self, number: NodeNumber) -> std::ops::Range<u32> {
        let row = self.groups_of.row(number);
        row.start as u32..row.end as u32
    }

    pub(crate) fn group_count(&self) -> usize {
        self.groups.len()
    }

    pub(crate) fn needed_by(&self, provider: NodeNumber) -> &[NeededBy] {
        &self.needed_by[self.needed_by_rows.row(provider)]
    }

    pub(crate) fn evidence_of(&self, edge: &Edge) -> &[EdgeEvidence] {
        let start = edge.evidence_start as usize;
        &self.evidence[start..start + usize::from(edge.evidence_count)]
    }

    pub(crate) fn view(&self, edge: &Edge) -> EdgeView<'_> {
        EdgeView {
            from: self.node_at(edge.from),
            to: self.node_at(edge.to),
            relationship: edge.relationship,
            kind: &self.kinds[usize::from(edge.kind)],
            hardness: edge.hardness,
            in_group: edge.covered,
            evidence: self.evidence_of(edge),
            ends_confirming: edge.ends_confirming,
        }
    }
}

/// Where each node's row starts in a vector that is sorted by node.
#[derive(Clone, Debug)]
struct Rows {
    starts: Vec<u32>,
}

impl Default for Rows {
    fn default() -> Self {
        Self { starts: vec![0] }
    }
}

impl Rows {
    /// Rows of `sorted`, whose items belong to the nodes that `node` says, ascending.
    fn of<T>(sorted: &[T], nodes: usize, node: impl Fn(&T) -> NodeNumber) -> Self {
        let mut starts = vec![0_u32; nodes + 1];
        for item in sorted {
            starts[node(item).index() + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        Self { starts }
    }

    fn row(&self, number: NodeNumber) -> std::ops::Range<usize> {
        let at = number.index();
        self.starts[at] as usize..self.starts[at + 1] as usize
    }
}

#[cfg(test)]
mod tests;
