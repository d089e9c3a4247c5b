use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
};

use rollcall_shared::{
    AgentId, CiId, NeedGroupId, RelationshipId,
    catalogue::{self, Hardness},
};

use super::{Class, Edge, EdgeEvidence, EdgeNumber, Graph, Group, Need, NeededBy, Node, NodeNumber, Rows};
use crate::model::{Method, MinUp, Revision};

/// The kind of an edge that only a declared need group stands for.
const NEED_GROUP_KIND: &str = "need_group";

/// What a graph is made of, in any order. A part that names a CI which is not among `nodes` does not count.
#[derive(Clone, Debug, Default)]
pub struct GraphParts<'a> {
    /// The revision that these parts are of.
    pub revision: Revision,
    /// Configuration items; the first of several with one id counts.
    pub nodes: Vec<NodePart<'a>>,
    /// Relationships.
    pub edges: Vec<EdgePart<'a>>,
    /// Declared need groups.
    pub groups: Vec<GroupPart<'a>>,
}

/// One configuration item.
#[derive(Clone, Debug)]
pub struct NodePart<'a> {
    /// Its id.
    pub id: CiId,
    /// What people call it.
    pub name: Cow<'a, str>,
    /// Its class, a name of the catalogue.
    pub class: &'a str,
    /// Who answers for it.
    pub owner: Option<&'a str>,
    /// The agent that reports it.
    pub agent: Option<AgentId>,
}

/// One relationship.
#[derive(Clone, Debug)]
pub struct EdgePart<'a> {
    /// Its id.
    pub relationship: RelationshipId,
    /// Its type, a name of the catalogue.
    pub kind: &'a str,
    /// The dependent.
    pub from: CiId,
    /// What it depends on.
    pub to: CiId,
    /// How failure travels along it.
    pub hardness: Hardness,
    /// Why it is believed.
    pub evidence: Vec<EdgeEvidence>,
}

/// One declared need group.
#[derive(Clone, Debug)]
pub struct GroupPart<'a> {
    /// Its id.
    pub id: NeedGroupId,
    /// Whose need it is.
    pub ci: CiId,
    /// What people call it.
    pub name: &'a str,
    /// The providers.
    pub members: Cow<'a, [CiId]>,
    /// How many must serve.
    pub min_up: MinUp,
    /// How badly it is needed.
    pub hardness: Hardness,
}

/// The ends of an edge in numbers, so that nothing is looked up twice.
struct Ends {
    from: NodeNumber,
    to: NodeNumber,
    part: u32,
}

impl Graph {
    /// The graph of these parts.
    pub fn from_parts(mut parts: GraphParts<'_>) -> Self {
        parts.nodes.sort_by_key(|node| node.id);
        parts.nodes.dedup_by_key(|node| node.id);
        let mut graph = Self { revision: parts.revision, ..Self::default() };

        // First by rank of the id, then by where outage leads.
        graph.number = parts.nodes.iter().enumerate().map(|(rank, node)| (node.id, NodeNumber::at(rank))).collect();
        let mut ends = graph.look_up_edges(&parts);
        let mut groups = graph.look_up_groups(&parts);
        let number = number_along_dependents(&parts, &ends, &groups);
        graph.number.values_mut().for_each(|rank| *rank = number[rank.index()]);
        for edge in &mut ends {
            (edge.from, edge.to) = (number[edge.from.index()], number[edge.to.index()]);
        }
        for group in &mut groups {
            group.dependent = number[group.dependent.index()];
            group.members.iter_mut().for_each(|member| *member = number[member.index()]);
            group.members.sort_unstable();
        }

        graph.put_nodes(&parts, &number);
        graph.put_groups(groups);
        graph.put_edges(&parts, ends);
        graph.put_needs();
        graph
    }

    fn look_up_edges(&self, parts: &GraphParts<'_>) -> Vec<Ends> {
        let edges = (0_u32..).zip(&parts.edges);
        edges.filter_map(|(at, part)| Some(Ends { from: self.number_of(part.from)?, to: self.number_of(part.to)?, part: at })).collect()
    }

    fn look_up_groups(&self, parts: &GraphParts<'_>) -> Vec<Group> {
        let existing = parts.groups.iter().filter_map(|part| {
            let dependent = self.number_of(part.ci)?;
            let declared: BTreeSet<CiId> = part.members.iter().copied().collect();
            let members: Vec<NodeNumber> = declared.iter().filter_map(|&member| self.number_of(member)).collect();
            (!members.is_empty()).then(|| Group {
                id: part.id,
                name: part.name.into(),
                hardness: part.hardness,
                min_up: part.min_up.of(members.len()) as u32,
                gone: (declared.len() - members.len()) as u32,
                dependent,
                members,
            })
        });
        let mut groups: Vec<Group> = existing.collect();
        groups.sort_by_key(|group| (group.dependent, group.id));
        groups.dedup_by_key(|group| (group.dependent, group.id));
        groups
    }

    fn put_nodes(&mut self, parts: &GraphParts<'_>, number: &[NodeNumber]) {
        let mut classes = HashMap::new();
        let mut nodes: Vec<Option<Node>> = vec![None; parts.nodes.len()];
        for (part, number) in parts.nodes.iter().zip(number) {
            let class = *classes.entry(part.class).or_insert_with(|| intern(&mut self.classes, || class(part.class)));
            nodes[number.index()] =
                Some(Node { id: part.id, name: part.name.as_ref().into(), owner: part.owner.map(Into::into), agent: part.agent, class });
        }
        self.nodes = nodes.into_iter().flatten().collect();
    }

    fn put_groups(&mut self, mut groups: Vec<Group>) {
        groups.sort_by_key(|group| (group.dependent, group.id));
        self.groups_of = Rows::of(&groups, self.nodes.len(), |group| group.dependent);
        self.groups = groups;
    }

    fn put_edges(&mut self, parts: &GraphParts<'_>, mut ends: Vec<Ends>) {
        ends.sort_unstable_by_key(|ends| (ends.from, ends.to));
        for parallel in ends.chunk_by_mut(|a, b| (a.from, a.to) == (b.from, b.to)).filter(|parallel| parallel.len() > 1) {
            let part = |ends: &Ends| &parts.edges[ends.part as usize];
            parallel.sort_unstable_by_key(|ends| (part(ends).kind, part(ends).relationship));
        }

        let mut kinds: HashMap<&str, u16> = HashMap::new();
        let mut edges = Vec::with_capacity(ends.len());
        for Ends { from, to, part } in ends {
            let part = &parts.edges[part as usize];
            let kind = *kinds.entry(part.kind).or_insert_with(|| intern(&mut self.kinds, || part.kind.into()));
            let mut covering = self.groups_of(from).iter().filter(|group| group.members.binary_search(&to).is_ok()).peekable();
            let covered = covering.peek().is_some();
            let travels = part.hardness != Hardness::None && (!covered || covering.any(|group| group.hardness != Hardness::None));
            let (evidence_start, evidence_count) = self.put_evidence(&part.evidence);
            edges.push(Edge {
                from,
                to,
                relationship: Some(part.relationship),
                evidence_start,
                evidence_count,
                kind,
                hardness: part.hardness,
                covered,
                travels,
                ends_confirming: ends_confirming(&self.nodes[from.index()], &self.nodes[to.index()], &part.evidence),
            });
        }
        self.put_memberships(&mut edges);

        let mut by_dependency: Vec<EdgeNumber> = (0..edges.len() as u32).map(EdgeNumber).collect();
        by_dependency.sort_by_key(|number| edges[number.0 as usize].to);
        self.edges_from = Rows::of(&edges, self.nodes.len(), |edge| edge.from);
        self.edges_to = Rows::of(&by_dependency, self.nodes.len(), |number| edges[number.0 as usize].to);
        self.edges_by_dependency = by_dependency;
        self.edges = edges;
    }

    /// An edge for each member of a group that no relationship along which outage could travel stands for.
    fn put_memberships(&mut self, edges: &mut Vec<Edge>) {
        let stands = |from: NodeNumber, to: NodeNumber| {
            let start = edges.partition_point(|edge| (edge.from, edge.to) < (from, to));
            let mut between = edges[start..].iter().take_while(|edge| (edge.from, edge.to) == (from, to));
            between.any(|edge| edge.hardness != Hardness::None)
        };
        let mut missing: Vec<(NodeNumber, NodeNumber, Hardness)> = self
            .groups
            .iter()
            .flat_map(|group| group.members.iter().map(|&member| (group.dependent, member, group.hardness)))
            .filter(|&(dependent, member, _)| !stands(dependent, member))
            .collect();
        // Hard sorts before soft and soft before none: the hardest of several groups stays.
        missing.sort_unstable();
        missing.dedup_by_key(|&mut (dependent, member, _)| (dependent, member));
        if missing.is_empty() {
            return;
        }
        let kind = self.kinds.iter().position(|known| &**known == NEED_GROUP_KIND).map(|at| at as u16);
        let kind = kind.unwrap_or_else(|| intern(&mut self.kinds, || NEED_GROUP_KIND.into()));
        edges.extend(missing.into_iter().map(|(from, to, hardness)| Edge {
            from,
            to,
            relationship: None,
            evidence_start: 0,
            evidence_count: 0,
            kind,
            hardness,
            covered: true,
            travels: hardness != Hardness::None,
            ends_confirming: 0,
        }));
        edges.sort_by_key(|edge| (edge.from, edge.to));
    }

    fn put_evidence(&mut self, evidence: &[EdgeEvidence]) -> (u32, u16) {
        let start = self.evidence.len();
        self.evidence.extend(evidence.iter().take(usize::from(u16::MAX)).copied());
        // The same evidence in another order is the same graph.
        self.evidence[start..].sort_unstable_by_key(|one| (one.method, one.agent, one.last_seen, one.samples_total, one.samples_seen));
        (start as u32, (self.evidence.len() - start) as u16)
    }

    fn put_needs(&mut self) {
        let plain = self.edges.iter().filter(|edge| edge.travels && !edge.covered && edge.from != edge.to).map(|edge| {
            let need = if edge.hardness == Hardness::Hard { Need::Hard } else { Need::Soft };
            (edge.to, edge.from, need)
        });
        let grouped = (0_u32..)
            .zip(&self.groups)
            .filter(|(_, group)| group.hardness != Hardness::None)
            .flat_map(|(at, group)| group.members.iter().map(move |&member| (member, group.dependent, Need::Group(at))));
        let mut needs: Vec<(NodeNumber, NodeNumber, Need)> = plain.chain(grouped).collect();
        needs.sort_unstable();
        // Of parallel plain needs the hardest decides; it sorts first. Each declared group counts for itself.
        needs.dedup_by(|later, first| later.0 == first.0 && later.1 == first.1 && (later.2 == first.2 || later.2 == Need::Soft));
        self.needed_by_rows = Rows::of(&needs, self.nodes.len(), |need| need.0);
        self.needed_by = needs.into_iter().map(|(_, dependent, need)| NeededBy { dependent, need }).collect();
    }
}

fn class(name: &str) -> Class {
    Class { name: name.into(), is_business_service: catalogue::class(name).is_some_and(|class| class.is_a("business_service")) }
}

/// Adds a name to a table whose numbers fit 16 bits. More names than that share the last one: they are labels, not identities.
fn intern<T>(table: &mut Vec<T>, make: impl FnOnce() -> T) -> u16 {
    if table.len() < usize::from(u16::MAX) {
        table.push(make());
    }
    (table.len() - 1) as u16
}

/// How many of an edge's two ends have an agent of their own among its evidence. On one machine one agent sees both.
fn ends_confirming(from: &Node, to: &Node, evidence: &[EdgeEvidence]) -> u8 {
    let reporters = || evidence.iter().filter(|one| observed_across(one.method)).filter_map(|one| one.agent);
    let end = |node: &Node| u8::from(node.agent.is_some_and(|agent| reporters().any(|reporter| reporter == agent)));
    (end(from) + end(to)).max(u8::from(reporters().next().is_some()))
}

/// Whether a method looks at something that has two ends, so that one end alone is weaker than both.
pub(super) fn observed_across(method: Method) -> bool {
    matches!(method, Method::Connection | Method::Mount)
}

/// Numbers nodes in depth-first order along dependents, roots by id, so that what an outage reaches lies close together in memory
/// (measured: a third of the time that an order by id takes for large closures). By position in `parts.nodes`, which is sorted by id.
fn number_along_dependents(parts: &GraphParts<'_>, ends: &[Ends], groups: &[Group]) -> Vec<NodeNumber> {
    let edges = ends.iter().filter(|ends| parts.edges[ends.part as usize].hardness != Hardness::None).map(|ends| (ends.to, ends.from));
    let members = groups.iter().flat_map(|group| group.members.iter().map(|&member| (member, group.dependent)));
    let mut dependents: Vec<(NodeNumber, NodeNumber)> = edges.chain(members).collect();
    dependents.sort_unstable();
    let rows = Rows::of(&dependents, parts.nodes.len(), |pair| pair.0);

    const UNSET: NodeNumber = NodeNumber(u32::MAX);
    let mut number = vec![UNSET; parts.nodes.len()];
    let mut next = 0;
    let mut stack = Vec::new();
    for root in 0..parts.nodes.len() {
        stack.push(NodeNumber::at(root));
        while let Some(node) = stack.pop() {
            if number[node.index()] != UNSET {
                continue;
            }
            number[node.index()] = NodeNumber(next);
            next += 1;
            stack.extend(dependents[rows.row(node)].iter().rev().map(|pair| pair.1).filter(|node| number[node.index()] == UNSET));
        }
    }
    number
}
