//! The dependency graph: an immutable snapshot in compressed sparse rows, both directions.
//!
//! An edge points from the dependent to what it depends on; outage travels against it. A graph that is built numbers its CIs densely in
//! an order that depends on nothing but what it is made of: neither on hash order nor on the order in which parts are given. Numbers
//! (and petgraph's view of them) stay inside the core; outside, a configuration item is its [`CiId`].
//!
//! What does not exist any more does not count: retired and unknown CIs have no node, relationships with such an end have no
//! edge, and such members leave their need group (see [`Group::gone`]). A CI that was merged is its survivor.
//!
//! Rows lie in pages that graphs share (`table`), so [`Graph::after`] makes the graph after a write in the time that the write is worth;
//! whoever still answers from the older graph keeps it. New CIs take numbers at the end: when [`Graph::is_worn`], a rebuilt graph answers
//! faster.

mod build;
mod change;
mod components;
mod difference;
mod dominators;
mod evidence;
mod flat;
mod from_estate;
mod members;
mod name;
mod reach;
mod row;
mod snapshot;
mod structure;
mod table;
mod visit;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use rollcall_shared::{AgentId, CiId, NeedGroupId, RelationshipId, Timestamp, catalogue::Hardness};

use crate::{
    Catalogue,
    model::{Method, Revision},
};

pub use build::{EdgePart, GraphParts, GroupPart, NodePart};
pub use components::{Components, Condensation};
pub use dominators::{Chokes, ServiceChoke, service_chokes};
pub use evidence::EvidenceOf;
use evidence::NO_AGENT;
use members::Members;
pub use name::Name;
pub use reach::{Needed, Needs};
pub use snapshot::SnapshotError;
pub use structure::{ChokePoint, choke_points, cycle_of, cycles};

pub(crate) use change::{GraphChange, RowPart};
pub(crate) use flat::NeededByAll;
pub(crate) use from_estate::survivor;
use row::PackedEdge;
use table::{KeyIndex, Paged, RowTable};

/// The dependency graph at one revision. A copy shares everything with the original.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    revision: Revision,
    /// One for all graphs whose numbers mean the same, as far as their nodes are the same.
    numbering: Arc<()>,
    /// By number, gone ones included.
    nodes: Paged<Node>,
    number: KeyIndex,
    gone: Vec<NodeNumber>,
    /// What is known not to run.
    stopped: Arc<BTreeSet<NodeNumber>>,
    /// Numbers that were given since the graph was built.
    appended: usize,
    edge_count: usize,
    classes: Arc<Vec<Class>>,
    kinds: Arc<Vec<Box<str>>>,
    /// Who reports evidence, by number.
    agents: Paged<AgentId>,
    agent_number: KeyIndex,
    /// By dependent: dependencies, then kind, then relationship.
    edges: RowTable<PackedEdge>,
    /// By dependent, in the order of its relationships among `edges`; see `evidence`.
    evidence: RowTable<u8>,
    /// By dependent: numbers of declared groups, by id.
    groups_of: RowTable<u32>,
    groups: Paged<Group>,
    /// What a group asks for, apart from the rest and in one piece: all that a run needs of it, and it needs that of many.
    rules: Arc<Vec<GroupRule>>,
    free_groups: Vec<u32>,
    /// By provider: what an outage travels along, by dependent.
    needed_by: RowTable<PackedNeededBy>,
    /// By dependency: dependents with an edge to it that are not among those that need it.
    only_shown: RowTable<NodeNumber>,
    /// What does not exist, by who refers to it: looked at again when it appears. May name some that no longer do.
    absent: Arc<HashMap<CiId, BTreeSet<CiId>>>,
    /// CIs that were merged, into which.
    merged: Arc<HashMap<CiId, CiId>>,
    /// The estate's; none: what comes with Rollcall.
    catalogue: Option<Arc<Catalogue>>,
}

/// A configuration item as the graph knows it.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its id.
    pub id: CiId,
    /// What people call it.
    pub name: Name,
    /// How many bytes its owner has, which follows its name; [`NO_OWNER`] where it has none.
    owner_length: u32,
    /// The number of the agent that reports it.
    agent: u32,
    class: u16,
    /// It was seen not to run: it is down already, whatever else fails.
    pub stopped: bool,
}

const NO_OWNER: u32 = u32::MAX;

// There is one for each of a million.
const _: () = assert!(size_of::<Node>() == 48);

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
    /// Its place among the dependent's edges.
    place: u32,
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
    pub evidence: EvidenceOf<'g>,
    /// How many of its two ends have an agent of their own that confirms it.
    pub ends_confirming: u8,
}

/// A declared need group, with the members that still exist.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its id.
    pub id: NeedGroupId,
    /// What people call it.
    pub name: Name,
    /// How badly it is needed.
    pub hardness: Hardness,
    /// How many members must serve, of those that still exist.
    pub min_up: u32,
    /// Declared members that are retired or unknown: they no longer count, neither as serving nor as lost, and `min_up` is taken
    /// of the rest. Capacity that was taken out of service on purpose is not an outage, and a group that names it only is no need.
    pub gone: u32,
    pub(crate) dependent: NodeNumber,
    pub(crate) members: Members,
}

/// What a declared group asks for, in eight bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GroupRule {
    members: u32,
    /// The highest bit: whether it is hard.
    min_up_and_hard: u32,
}

impl GroupRule {
    const HARD: u32 = 1 << 31;

    fn new(members: u32, min_up: u32, hard: bool) -> Self {
        Self { members, min_up_and_hard: min_up.min(Self::HARD - 1) | if hard { Self::HARD } else { 0 } }
    }

    /// Members that exist.
    #[inline]
    pub(crate) fn members(self) -> u32 {
        self.members
    }

    #[inline]
    pub(crate) fn min_up(self) -> u32 {
        self.min_up_and_hard & !Self::HARD
    }

    #[inline]
    pub(crate) fn hard(self) -> bool {
        self.min_up_and_hard & Self::HARD != 0
    }
}

/// How many rows are looked for at once.
pub(crate) const BATCH: usize = 16;

/// Of each row, entries whose dependents and groups are looked for ahead.
const NEAR: usize = 8;

/// Who needs one CI.
#[derive(Clone, Copy)]
pub(crate) struct NeededByRow<'g>(&'g [PackedNeededBy]);

impl NeededByRow<'_> {
    #[inline]
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = NeededBy> {
        self.0.iter().map(|entry| NeededBy { dependent: entry.dependent, need: entry.need.unpack() })
    }

    /// Of the first few, what will be looked at: the dependent, and the number of the group or, where there is none, any.
    #[inline]
    pub(crate) fn ahead(&self) -> impl Iterator<Item = (NodeNumber, u32)> {
        self.0.iter().take(NEAR).map(|entry| entry.ahead())
    }
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

/// A need in four bytes: two values for plain ones, else the group's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PackedNeed(u32);

impl PackedNeed {
    const HARD: Self = Self(u32::MAX);
    const SOFT: Self = Self(u32::MAX - 1);

    fn group(number: u32) -> Self {
        Self(number)
    }

    fn unpack(self) -> Need {
        match self {
            Self::HARD => Need::Hard,
            Self::SOFT => Need::Soft,
            Self(group) => Need::Group(group),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PackedNeededBy {
    dependent: NodeNumber,
    need: PackedNeed,
}

impl PackedNeededBy {
    #[inline]
    fn ahead(self) -> (NodeNumber, u32) {
        (self.dependent, if self.need.0 < PackedNeed::SOFT.0 { self.need.0 } else { 0 })
    }
}

/// A CI's dense number in one graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeNumber(u32);

/// An edge's place in one graph: its dependent, and the how manieth of its edges it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeNumber(NodeNumber, u32);

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
        self.nodes.len() - self.gone.len()
    }

    /// How many edges: relationships, and memberships of need groups that no relationship stands for.
    pub fn edge_count(&self) -> usize {
        self.edge_count
    }

    /// Whether so much was written since it was built that a graph built anew, in the background, would answer faster.
    pub fn is_worn(&self) -> bool {
        self.appended + self.gone.len() > self.nodes.len() / 8 + table::PAGE
    }

    /// The configuration item of that id; `None` if it is unknown or retired.
    pub fn node(&self, id: CiId) -> Option<&Node> {
        self.number_of(id).map(|number| self.node_at(number))
    }

    /// Every configuration item, in the graph's order.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.class != GONE)
    }

    /// The name of a node's class in the catalogue.
    pub fn class_of(&self, node: &Node) -> &str {
        self.classes.get(usize::from(node.class)).map_or("", |class| &class.name)
    }

    /// How people read an edge of this kind from the dependent: `runs on`.
    pub fn verb(&self, kind: &str) -> String {
        let known = |catalogue: &Catalogue| catalogue.relationship_type(kind).map(|kind| kind.forward.clone());
        let verb = self.catalogue.as_deref().map_or_else(|| known(&Catalogue::built_in()), known);
        verb.unwrap_or_else(|| kind.replace('_', " "))
    }

    /// The agent that reports a node.
    pub fn agent_of(&self, node: &Node) -> Option<AgentId> {
        self.agent_at(node.agent)
    }

    fn agent_at(&self, number: u32) -> Option<AgentId> {
        self.agents.get(number as usize).copied()
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
    pub fn groups(&self, of: CiId) -> impl Iterator<Item = &Group> {
        self.number_of(of).into_iter().flat_map(|number| self.groups_of(number))
    }

    /// The members of a declared group that still exist, in the graph's order.
    pub fn members<'g>(&'g self, group: &'g Group) -> impl Iterator<Item = &'g Node> {
        group.members.iter().map(|&member| self.node_at(member))
    }

    pub(crate) fn number_of(&self, id: CiId) -> Option<NodeNumber> {
        let key_at = |number: u32| self.nodes.get(number as usize).map(|node| node.id.0.as_u128());
        self.number.find(id.0.as_u128(), key_at).map(NodeNumber)
    }

    /// The CI of a number that is in use.
    pub(crate) fn node_at(&self, number: NodeNumber) -> &Node {
        self.nodes.at(number.index())
    }

    /// One more than the highest number.
    pub(crate) fn node_bound(&self) -> usize {
        self.nodes.len()
    }

    /// Every number that is in use, ascending.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = NodeNumber> {
        self.nodes.iter().enumerate().filter(|(_, node)| node.class != GONE).map(|(at, _)| NodeNumber::at(at))
    }

    /// What is known not to run, ascending.
    pub(crate) fn stopped(&self) -> impl ExactSizeIterator<Item = NodeNumber> {
        self.stopped.iter().copied()
    }

    pub(crate) fn is_in_use(&self, number: NodeNumber) -> bool {
        self.nodes.get(number.index()).is_some_and(|node| node.class != GONE)
    }

    pub(crate) fn edges_from(&self, number: NodeNumber) -> impl ExactSizeIterator<Item = Edge> {
        self.edges.row(number).iter().enumerate().map(move |(place, edge)| edge.unpack(number, place as u32))
    }

    /// The edges between two CIs.
    pub(crate) fn edges_between(&self, from: NodeNumber, to: NodeNumber) -> impl Iterator<Item = Edge> + Clone {
        let (start, edges) = self.packed_between(from, to);
        edges.iter().zip(start as u32..).map(move |(edge, place)| edge.unpack(from, place))
    }

    /// The edges between two CIs, and how many of the dependent's come before them.
    fn packed_between(&self, from: NodeNumber, to: NodeNumber) -> (usize, &[PackedEdge]) {
        let edges = self.edges.row(from);
        let start = edges.partition_point(|edge| edge.to < to);
        let count = edges[start..].iter().take_while(|edge| edge.to == to).count();
        (start, &edges[start..start + count])
    }

    pub(crate) fn edges_to(&self, number: NodeNumber) -> impl Iterator<Item = Edge> {
        self.dependents_of(number).flat_map(move |from| self.edges_between(from, number))
    }

    /// Whoever has an edge to a CI, ascending, each once.
    fn dependents_of(&self, number: NodeNumber) -> Dependents<'_> {
        Dependents { needing: self.needed_by.row(number), others: self.only_shown.row(number) }
    }

    /// What an outage of any kind could travel along to directly: dependencies of a CI, each once.
    pub(crate) fn providers(&self, number: NodeNumber) -> impl Iterator<Item = NodeNumber> {
        self.edges
            .row(number)
            .chunk_by(|a, b| a.to == b.to)
            .filter(|parallel| parallel.iter().any(|edge| edge.travels()))
            .map(|parallel| parallel[0].to)
    }

    /// Plain needs of a CI with their providers: of parallel ones the hardest, none of itself, none that a group decides.
    pub(crate) fn plain_needs(&self, dependent: NodeNumber) -> impl Iterator<Item = (Need, NodeNumber)> {
        self.edges.row(dependent).chunk_by(|a, b| a.to == b.to).filter_map(move |parallel| {
            let edges = parallel.iter().map(|edge| edge.unpack(dependent, 0));
            let hardest = edges.filter(|edge| edge.travels && !edge.covered && edge.to != dependent).map(|edge| edge.hardness).min()?;
            Some((if hardest == Hardness::Hard { Need::Hard } else { Need::Soft }, parallel[0].to))
        })
    }

    pub(crate) fn groups_of(&self, number: NodeNumber) -> impl Iterator<Item = &Group> {
        self.group_numbers_of(number).map(|group| self.group_at(group))
    }

    pub(crate) fn group_at(&self, group: u32) -> &Group {
        self.groups.at(group as usize)
    }

    /// The numbers of a CI's declared groups, in the order of [`Self::groups_of`].
    pub(crate) fn group_numbers_of(&self, number: NodeNumber) -> impl Iterator<Item = u32> {
        self.groups_of.row(number).iter().copied()
    }

    /// One more than the highest group number.
    pub(crate) fn group_bound(&self) -> usize {
        self.groups.len()
    }

    #[inline]
    pub(crate) fn rule_of(&self, group: u32) -> GroupRule {
        self.rules[group as usize]
    }

    /// Of each group number what it asks for.
    #[inline]
    pub(crate) fn rules(&self) -> &[GroupRule] {
        &self.rules
    }

    #[inline]
    pub(crate) fn needed_by(&self, provider: NodeNumber) -> impl ExactSizeIterator<Item = NeededBy> {
        self.needed_by.row(provider).iter().map(|entry| NeededBy { dependent: entry.dependent, need: entry.need.unpack() })
    }

    /// The rows of several, looked for all at once: where each lies far away, they come in the time of one.
    #[inline]
    pub(crate) fn needed_by_each(&self, providers: &[NodeNumber; BATCH]) -> [NeededByRow<'_>; BATCH] {
        let rows = providers.map(|provider| NeededByRow(self.needed_by.row(provider)));
        let near = rows.iter().fold(0, |near, row| near ^ row.0.first().map_or(0, |entry| entry.dependent.0));
        std::hint::black_box(near);
        rows
    }

    pub(crate) fn evidence_of(&self, edge: &Edge) -> EvidenceOf<'_> {
        if edge.relationship.is_none() {
            return EvidenceOf::of(self, &[], 0);
        }
        let before = &self.edges.row(edge.from)[..edge.place as usize];
        EvidenceOf::of(self, self.evidence.row(edge.from), before.iter().filter(|edge| edge.has_relationship()).count())
    }

    pub(crate) fn view(&self, edge: Edge) -> EdgeView<'_> {
        EdgeView {
            from: self.node_at(edge.from),
            to: self.node_at(edge.to),
            relationship: edge.relationship,
            kind: self.kinds.get(usize::from(edge.kind)).map_or("", |kind| kind),
            hardness: edge.hardness,
            in_group: edge.covered,
            evidence: self.evidence_of(&edge),
            ends_confirming: edge.ends_confirming,
        }
    }

    fn class_at(&self, number: NodeNumber) -> Option<&Class> {
        self.classes.get(usize::from(self.node_at(number).class))
    }

    pub(crate) fn is_service_at(&self, number: NodeNumber) -> bool {
        self.class_at(number).is_some_and(|class| class.is_business_service)
    }
}

/// Two lists of dependents, both ascending, as one.
#[derive(Clone, Debug)]
struct Dependents<'g> {
    needing: &'g [PackedNeededBy],
    others: &'g [NodeNumber],
}

impl Iterator for Dependents<'_> {
    type Item = NodeNumber;

    fn next(&mut self) -> Option<NodeNumber> {
        let needing = self.needing.first().map(|entry| entry.dependent);
        if let Some((&other, rest)) = self.others.split_first()
            && needing.is_none_or(|needing| other < needing)
        {
            self.others = rest;
            return Some(other);
        }
        let needing = needing?;
        // One entry for each need that it has of the CI.
        let same = self.needing.iter().take_while(|entry| entry.dependent == needing).count();
        self.needing = &self.needing[same..];
        Some(needing)
    }
}

/// The class of what stands where a number is not in use; no row refers to one.
const GONE: u16 = u16::MAX;

impl Node {
    /// The value of its `owner` attribute, where it has one.
    pub fn owner(&self) -> Option<&str> {
        (self.owner_length != NO_OWNER).then(|| self.name.following(self.owner_length))
    }

    fn gone() -> Self {
        Self { id: CiId(uuid::Uuid::nil()), name: "".into(), owner_length: NO_OWNER, agent: NO_AGENT, class: GONE, stopped: false }
    }
}

impl Group {
    fn gone() -> Self {
        Self {
            id: NeedGroupId(uuid::Uuid::nil()),
            name: "".into(),
            hardness: Hardness::None,
            min_up: 0,
            gone: 0,
            dependent: NodeNumber(0),
            members: Members::default(),
        }
    }

    fn rule(&self) -> GroupRule {
        GroupRule::new(self.members.len() as u32, self.min_up, self.hardness == Hardness::Hard)
    }
}

#[cfg(test)]
mod tests;
