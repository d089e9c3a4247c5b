use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use rollcall_shared::{AgentId, CiId, NeedGroupId, RelationshipId, catalogue::Hardness};
use uuid::Uuid;

use super::{
    Class, EdgeEvidence, Graph, Group, Members, NO_OWNER, Name, Node, NodeNumber, PackedNeededBy,
    evidence::NO_AGENT,
    row::{NEED_GROUP_KIND, Row, RowEdge},
    table::{KeyIndex, PAGE, RowWriter, mix},
};
use crate::{
    Catalogue,
    model::{Method, MinUp, Revision},
};

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
    /// Whether it was seen not to run.
    pub stopped: bool,
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

impl Graph {
    /// The graph of these parts.
    pub fn from_parts(mut parts: GraphParts<'_>) -> Self {
        parts.nodes.sort_by_key(|node| node.id);
        parts.nodes.dedup_by_key(|node| node.id);
        let mut graph = Self { revision: parts.revision, ..Self::default() };

        // First by rank of the id, then by where outage leads.
        let ranks = Ranks::of(parts.nodes.iter().map(|node| node.id));
        let rank_of = |id: CiId| ranks.find(id);
        let mut absent: HashMap<CiId, BTreeSet<CiId>> = HashMap::new();
        let mut edges = look_up_edges(&parts, rank_of, &mut absent);
        let mut groups = look_up_groups(&parts, rank_of, &mut absent);
        drop(ranks);
        let number = number_along_dependents(&parts, &edges, &groups);
        for edge in &mut edges {
            (edge.from, edge.to) = (number[edge.from as usize].0, number[edge.to as usize].0);
        }
        for group in &mut groups {
            group.dependent = number[group.dependent.index()];
            let mut members: Vec<NodeNumber> = group.members.iter().map(|member| number[member.index()]).collect();
            members.sort_unstable();
            group.members = members.into();
        }
        groups.sort_by_key(|group| (group.dependent, group.id));

        let mut agents = AgentNumbers::default();
        graph.put_nodes(&parts, &number, &mut agents);
        graph.put_rows(&parts, edges, groups, &mut agents);
        graph.agent_number = agents.index();
        graph.agents = agents.all.into_iter().collect();
        graph.absent = Arc::new(absent);
        graph
    }

    fn put_nodes(&mut self, parts: &GraphParts<'_>, number: &[NodeNumber], agents: &mut AgentNumbers) {
        let mut by_number = vec![0_u32; number.len()];
        (0..).zip(number).for_each(|(rank, number)| by_number[number.index()] = rank);
        let mut classes = ClassNumbers::new(self);
        for page in by_number.chunks(PAGE) {
            let parts = || page.iter().map(|&rank| &parts.nodes[rank as usize]);
            let names = Name::together(parts().map(NodePart::texts));
            let made = parts().zip(names).map(|(part, name)| {
                let agent = part.agent.map_or(NO_AGENT, |agent| agents.of(agent));
                node(part, name, &mut classes, agent)
            });
            self.nodes.push_page(made.collect());
        }
        self.classes = classes.finish();
        self.stopped = Arc::new(self.numbers().filter(|&number| self.node_at(number).stopped).collect());
        self.number = KeyIndex::of(number.len(), parts.nodes.iter().zip(number).map(|(node, number)| (node.id.0.as_u128(), number.0)));
    }

    fn put_rows(&mut self, parts: &GraphParts<'_>, edges: Vec<Ends>, groups: Vec<Group>, agents: &mut AgentNumbers) {
        let bound = self.nodes.len();
        let mut kinds = KindNumbers::new(self);
        let (starts, edges) = by_row(&edges, bound, |ends| ends.from);
        let mut groups = (0_u32..).zip(groups).peekable();
        let mut row = Row::default();
        let (mut row_edges, mut row_groups) = (Vec::new(), Vec::new());
        let (mut all_edges, mut evidence, mut group_numbers) = (RowWriter::new(), RowWriter::new(), RowWriter::new());
        // Who needs what, and who has no more than an edge to what, with the dependents ascending.
        let (mut only_shown, mut needed_by) = (Vec::new(), Vec::with_capacity(edges.len()));
        let (mut all_groups, mut rules) = (Vec::new(), Vec::new());
        for at in 0..bound {
            let from = NodeNumber::at(at);
            row_groups.clear();
            while let Some(group) = groups.next_if(|(_, group)| group.dependent == from) {
                row_groups.push(group);
            }
            row_edges.clear();
            row_edges.extend(edges[starts[at] as usize..starts[at + 1] as usize].iter().map(|ends| {
                let (part, to) = (&parts.edges[ends.part as usize], NodeNumber(ends.to));
                RowEdge {
                    to,
                    part,
                    kind: kinds.of(part.kind),
                    ends_confirming: ends_confirming([from, to].map(|end| agents.at(self.node_at(end).agent)), &part.evidence),
                }
            }));
            let need_group_kind = if row_groups.is_empty() { 0 } else { kinds.of(NEED_GROUP_KIND) };
            row.make(from, &mut row_edges, &row_groups, need_group_kind, |agent| agents.of(agent));
            only_shown.extend(row.only_shown.iter().map(|&to| (to.0, from)));
            needed_by.extend(row.needs.iter().map(|&(provider, need)| (provider.0, PackedNeededBy { dependent: from, need })));
            self.edge_count += row.edges.len();
            all_edges.push(row.edges.iter().copied());
            evidence.push(row.evidence.row().iter().copied());
            group_numbers.push(row.groups.iter().copied());
            rules.extend(row_groups.iter().map(|(_, group)| group.rule()));
            all_groups.extend(row_groups.drain(..).map(|(_, group)| group));
        }
        self.edges = all_edges.finish();
        self.evidence = evidence.finish();
        self.groups_of = group_numbers.finish();
        all_groups.chunks(PAGE).for_each(|page| self.groups.push_page(together(page)));
        self.rules = Arc::new(rules);
        self.kinds = kinds.finish();

        let (starts, sorted) = by_row(&only_shown, bound, |entry| entry.0);
        drop(only_shown);
        let mut rows = RowWriter::new();
        (0..bound).for_each(|at| rows.push(sorted[starts[at] as usize..starts[at + 1] as usize].iter().map(|entry| entry.1)));
        self.only_shown = rows.finish();
        let (starts, sorted) = by_row(&needed_by, bound, |entry| entry.0);
        drop(needed_by);
        let mut rows = RowWriter::new();
        (0..bound).for_each(|at| rows.push(sorted[starts[at] as usize..starts[at + 1] as usize].iter().map(|entry| entry.1)));
        self.needed_by = rows.finish();
    }
}

/// Positions by id, the ids beside them: each look-up is one step away, and a large estate has millions of them.
struct Ranks {
    slots: Vec<RankSlot>,
}

#[derive(Clone, Copy)]
struct RankSlot {
    id: CiId,
    rank: u32,
}

impl RankSlot {
    const FREE: Self = Self { id: CiId(Uuid::nil()), rank: u32::MAX };
}

impl Ranks {
    fn of(ids: impl ExactSizeIterator<Item = CiId>) -> Self {
        let mut ranks = Self { slots: vec![RankSlot::FREE; (ids.len() * 2).next_power_of_two()] };
        for (id, rank) in ids.zip(0..) {
            let mut slot = ranks.first(id);
            while ranks.slots[slot].rank != RankSlot::FREE.rank {
                slot = ranks.next(slot);
            }
            ranks.slots[slot] = RankSlot { id, rank };
        }
        ranks
    }

    fn find(&self, id: CiId) -> Option<u32> {
        let mut slot = self.first(id);
        loop {
            let found = self.slots[slot];
            if found.rank == RankSlot::FREE.rank {
                return None;
            }
            if found.id == id {
                return Some(found.rank);
            }
            slot = self.next(slot);
        }
    }

    fn first(&self, id: CiId) -> usize {
        mix(id.0.as_u128()) as usize & (self.slots.len() - 1)
    }

    fn next(&self, slot: usize) -> usize {
        (slot + 1) & (self.slots.len() - 1)
    }
}

/// The ends of an edge in numbers, so that nothing is looked up twice.
#[derive(Clone, Copy, Default)]
struct Ends {
    from: u32,
    to: u32,
    part: u32,
}

fn look_up_edges(parts: &GraphParts<'_>, rank_of: impl Fn(CiId) -> Option<u32>, absent: &mut HashMap<CiId, BTreeSet<CiId>>) -> Vec<Ends> {
    let mut found = Vec::with_capacity(parts.edges.len());
    for (at, part) in (0..).zip(&parts.edges) {
        match (rank_of(part.from), rank_of(part.to)) {
            (Some(from), Some(to)) => found.push(Ends { from, to, part: at }),
            (Some(_), None) => {
                absent.entry(part.to).or_default().insert(part.from);
            }
            (None, _) => {}
        }
    }
    found
}

fn look_up_groups(parts: &GraphParts<'_>, rank_of: impl Fn(CiId) -> Option<u32>, absent: &mut HashMap<CiId, BTreeSet<CiId>>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::with_capacity(parts.groups.len());
    for part in &parts.groups {
        if let Some(dependent) = rank_of(part.ci) {
            groups.extend(group(
                part,
                NodeNumber(dependent),
                |id| rank_of(id).map(NodeNumber),
                |gone| {
                    absent.entry(gone).or_default().insert(part.ci);
                },
            ));
        }
    }
    groups.sort_by_key(|group| (group.dependent, group.id));
    groups.dedup_by_key(|group| (group.dependent, group.id));
    groups
}

/// A declared group with those members that exist, sorted by number; `None` if none does. Tells which do not.
pub(super) fn group(
    part: &GroupPart<'_>,
    dependent: NodeNumber,
    number_of: impl Fn(CiId) -> Option<NodeNumber>,
    mut absent: impl FnMut(CiId),
) -> Option<Group> {
    let declared: BTreeSet<CiId> = part.members.iter().copied().collect();
    let mut members: Vec<NodeNumber> = Vec::with_capacity(declared.len());
    for &member in &declared {
        match number_of(member) {
            Some(number) => members.push(number),
            None => absent(member),
        }
    }
    members.sort_unstable();
    (!members.is_empty()).then(|| Group {
        id: part.id,
        name: part.name.into(),
        hardness: part.hardness,
        min_up: part.min_up.of(members.len()) as u32,
        gone: (declared.len() - members.len()) as u32,
        dependent,
        members: members.into(),
    })
}

impl NodePart<'_> {
    /// What people call it, and its owner: nothing where there is none.
    pub(super) fn texts(&self) -> (&str, &str) {
        (&self.name, self.owner.unwrap_or_default())
    }
}

/// A node of that part. Its owner follows its name.
pub(super) fn node(part: &NodePart<'_>, name: Name, classes: &mut ClassNumbers, agent: u32) -> Node {
    let owner_length = part.owner.map_or(NO_OWNER, |owner| owner.len() as u32);
    Node { id: part.id, name, owner_length, agent, class: classes.of(part.class), stopped: part.stopped }
}

/// The same groups, their names and members in one piece each.
fn together(groups: &[Group]) -> Vec<Group> {
    let names = Name::together(groups.iter().map(|group| (&*group.name, "")));
    let mut all = Vec::with_capacity(groups.iter().map(|group| group.members.len()).sum());
    let ends = groups.iter().map(|group| {
        all.extend_from_slice(&group.members);
        all.len() as u32
    });
    let ends = ends.collect();
    let pieces = names.zip(Members::cut(all, ends));
    groups.iter().zip(pieces).map(|(group, (name, members))| Group { name, members, ..group.clone() }).collect()
}

/// Numbers for agents, in the order in which they are met.
#[derive(Default)]
struct AgentNumbers {
    all: Vec<AgentId>,
    numbers: HashMap<AgentId, u32>,
}

impl AgentNumbers {
    fn of(&mut self, agent: AgentId) -> u32 {
        *self.numbers.entry(agent).or_insert_with(|| {
            self.all.push(agent);
            self.all.len() as u32 - 1
        })
    }

    fn at(&self, number: u32) -> Option<AgentId> {
        self.all.get(number as usize).copied()
    }

    fn index(&self) -> KeyIndex {
        KeyIndex::of(self.all.len(), self.all.iter().zip(0..).map(|(agent, number)| (agent.0.as_u128(), number)))
    }
}

/// Items in the order of their rows, the order within a row kept, and where each row starts: one pass to count, one to place.
fn by_row<T: Copy>(items: &[T], rows: usize, row: impl Fn(&T) -> u32) -> (Vec<u32>, Vec<T>) {
    let mut starts = vec![0_u32; rows + 1];
    items.iter().for_each(|item| starts[row(item) as usize + 1] += 1);
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    let Some(&first) = items.first() else { return (starts, Vec::new()) };
    let mut next = starts.clone();
    let mut sorted = vec![first; items.len()];
    for item in items {
        let place = &mut next[row(item) as usize];
        sorted[*place as usize] = *item;
        *place += 1;
    }
    (starts, sorted)
}

/// Numbers for class names. More names than fit 16 bits share the last number: they are labels, not identities.
pub(super) struct ClassNumbers {
    classes: Arc<Vec<Class>>,
    numbers: HashMap<Box<str>, u16>,
}

impl ClassNumbers {
    pub(super) fn new(graph: &Graph) -> Self {
        let numbers = graph.classes.iter().zip(0..).map(|(class, number)| (class.name.clone(), number)).collect();
        Self { classes: Arc::clone(&graph.classes), numbers }
    }

    fn of(&mut self, name: &str) -> u16 {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = self.classes.len().min(usize::from(u16::MAX) - 1) as u16;
        if usize::from(number) == self.classes.len() {
            Arc::make_mut(&mut self.classes).push(class(name));
        }
        self.numbers.insert(name.into(), number);
        number
    }

    pub(super) fn finish(self) -> Arc<Vec<Class>> {
        self.classes
    }
}

/// Numbers for the kinds of edges, likewise.
pub(super) struct KindNumbers {
    kinds: Arc<Vec<Box<str>>>,
    numbers: HashMap<Box<str>, u16>,
}

impl KindNumbers {
    pub(super) fn new(graph: &Graph) -> Self {
        let numbers = graph.kinds.iter().zip(0..).map(|(kind, number)| (kind.clone(), number)).collect();
        Self { kinds: Arc::clone(&graph.kinds), numbers }
    }

    pub(super) fn of(&mut self, name: &str) -> u16 {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = self.kinds.len().min(usize::from(u16::MAX) - 1) as u16;
        if usize::from(number) == self.kinds.len() {
            Arc::make_mut(&mut self.kinds).push(name.into());
        }
        self.numbers.insert(name.into(), number);
        number
    }

    pub(super) fn finish(self) -> Arc<Vec<Box<str>>> {
        self.kinds
    }
}

pub(super) fn class(name: &str) -> Class {
    Class { name: name.into(), is_business_service: Catalogue::built_in().is_a(name, "business_service") }
}

/// How many of an edge's two ends have an agent of their own among its evidence. On one machine one agent sees both.
pub(super) fn ends_confirming(ends: [Option<AgentId>; 2], evidence: &[EdgeEvidence]) -> u8 {
    let reporters = || evidence.iter().filter(|one| observed_across(one.method)).filter_map(|one| one.agent);
    let confirming = ends.map(|agent| u8::from(agent.is_some_and(|agent| reporters().any(|reporter| reporter == agent))));
    confirming.iter().sum::<u8>().max(u8::from(reporters().next().is_some()))
}

/// Whether a method looks at something that has two ends, so that one end alone is weaker than both.
pub(super) fn observed_across(method: Method) -> bool {
    matches!(method, Method::Connection | Method::Mount)
}

/// Numbers nodes so that what an outage reaches lies close together in memory and behind what it starts from: depth first along
/// dependents, roots by id, last finished first. Without circles every provider comes before its dependents, which is the order in which
/// whole-estate sweeps go. By position in `parts.nodes`, which is sorted by id.
fn number_along_dependents(parts: &GraphParts<'_>, ends: &[Ends], groups: &[Group]) -> Vec<NodeNumber> {
    let count = parts.nodes.len();
    let edges = ends.iter().filter(|ends| parts.edges[ends.part as usize].hardness != Hardness::None).map(|ends| (ends.to, ends.from));
    let members = groups.iter().flat_map(|group| group.members.iter().map(|&member| (member.0, group.dependent.0)));
    let pairs: Vec<(u32, u32)> = edges.chain(members).collect();
    let (starts, mut dependents) = by_row(&pairs, count, |pair| pair.0);
    drop(pairs);
    // The order must not rest on that of the parts.
    for at in 0..count {
        dependents[starts[at] as usize..starts[at + 1] as usize].sort_unstable();
    }

    const UNSET: NodeNumber = NodeNumber(u32::MAX);
    let mut number = vec![UNSET; count];
    // Where each node's row goes on; past its end: finished.
    let mut next: Vec<u32> = starts[..count].to_vec();
    let mut seen = vec![false; count];
    let mut left = count as u32;
    let mut stack: Vec<u32> = Vec::new();
    // Roots and rows backwards: what is met last gets the lowest numbers.
    for root in (0..count as u32).rev() {
        if std::mem::replace(&mut seen[root as usize], true) {
            continue;
        }
        stack.push(root);
        while let Some(&node) = stack.last() {
            let at = node as usize;
            if next[at] == starts[at + 1] {
                left -= 1;
                number[at] = NodeNumber(left);
                stack.pop();
                continue;
            }
            let dependent = dependents[next[at] as usize].1;
            next[at] += 1;
            if !std::mem::replace(&mut seen[dependent as usize], true) {
                stack.push(dependent);
            }
        }
    }
    number
}
