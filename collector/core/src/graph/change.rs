//! The graph after a write: what a few CIs are and need is put in the place of what they were and needed, the rest is shared.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use rollcall_shared::{AgentId, CiId, NeedGroupId};

use super::{
    EdgePart, Graph, Group, GroupPart, Name, Node, NodeNumber, NodePart, PackedNeededBy,
    build::{ClassNumbers, KindNumbers, ends_confirming, group, node},
    evidence::NO_AGENT,
    row::{NEED_GROUP_KIND, Row, RowEdge},
    table::KeyIndex,
};

/// What is put in the place of what was.
#[derive(Clone, Debug, Default)]
pub(crate) struct GraphChange<'a> {
    /// New CIs, and new versions of known ones.
    pub(crate) put: Vec<NodePart<'a>>,
    /// CIs that do not exist any more. Whoever depended on one is among `rows`.
    pub(crate) removed: Vec<CiId>,
    /// What these CIs need, whole. Not more than one each.
    pub(crate) rows: Vec<RowPart<'a>>,
}

/// Everything that one CI needs.
#[derive(Clone, Debug)]
pub(crate) struct RowPart<'a> {
    /// Whose needs.
    pub(crate) ci: CiId,
    /// Its relationships; each `from` is the CI.
    pub(crate) edges: Vec<EdgePart<'a>>,
    /// Its declared groups; each `ci` is the CI.
    pub(crate) groups: Vec<GroupPart<'a>>,
    /// Its groups that stay as they are.
    pub(crate) kept: Vec<NeedGroupId>,
}

impl Graph {
    /// The graph after a change. Costs in proportion to the change and to the pages that it touches; of a clone, those stay as they were.
    #[must_use]
    pub(crate) fn changed(mut self, change: &GraphChange<'_>) -> Self {
        let mut emptied = Vec::new();
        for &id in &change.removed {
            emptied.extend(self.remove_node(id));
        }
        self.put_nodes_of(change);
        let rows: BTreeMap<NodeNumber, Option<&RowPart<'_>>> = emptied
            .into_iter()
            .map(|number| (number, None))
            .chain(change.rows.iter().filter_map(|row| Some((self.number_of(row.ci)?, Some(row)))))
            .collect();
        self.put_rows_of(rows);
        self
    }

    fn remove_node(&mut self, id: CiId) -> Option<NodeNumber> {
        let number = self.number_of(id)?;
        let nodes = self.nodes.clone();
        self.number.remove(id.0.as_u128(), |number| nodes.get(number as usize).map(|node| node.id.0.as_u128()));
        self.nodes.set(number.index(), Node::gone());
        self.note_stopped(number, false);
        self.gone.push(number);
        Some(number)
    }

    fn put_nodes_of(&mut self, change: &GraphChange<'_>) {
        let mut classes = ClassNumbers::new(self);
        for part in &change.put {
            let agent = part.agent.map_or(NO_AGENT, |agent| self.number_of_agent(agent));
            let Some(name) = Name::together(std::iter::once(part.texts())).next() else { continue };
            let node = node(part, name, &mut classes, agent);
            if let Some(number) = self.number_of(part.id) {
                self.nodes.set(number.index(), node);
                self.note_stopped(number, part.stopped);
                continue;
            }
            let number = match self.gone.pop() {
                Some(number) => {
                    self.nodes.set(number.index(), node);
                    number
                }
                None => {
                    self.nodes.push(node);
                    NodeNumber::at(self.nodes.len() - 1)
                }
            };
            self.note_stopped(number, part.stopped);
            self.appended += 1;
            if self.number.has_room() {
                self.number.insert(part.id.0.as_u128(), number.0);
            } else {
                let all: Vec<(u128, u32)> = self.numbers().map(|number| (self.node_at(number).id.0.as_u128(), number.0)).collect();
                self.number = KeyIndex::of(all.len(), all.iter().copied());
            }
        }
        self.classes = classes.finish();
        let bound = self.nodes.len();
        self.edges.grow(bound);
        self.evidence.grow(bound);
        self.groups_of.grow(bound);
        self.needed_by.grow(bound);
        self.only_shown.grow(bound);
    }

    fn note_stopped(&mut self, number: NodeNumber, stopped: bool) {
        if self.stopped.contains(&number) != stopped {
            let all = Arc::make_mut(&mut self.stopped);
            let _ = if stopped { all.insert(number) } else { all.remove(&number) };
        }
    }

    fn put_rows_of(&mut self, rows: BTreeMap<NodeNumber, Option<&RowPart<'_>>>) {
        let mut kinds = KindNumbers::new(self);
        let (mut edges, mut evidence, mut groups_of) = (Vec::new(), Vec::new(), Vec::new());
        // Per provider: who needs it now, and who has only an edge to it, of those whose row changes.
        let mut providers: BTreeMap<NodeNumber, (Vec<PackedNeededBy>, Vec<NodeNumber>)> = BTreeMap::new();
        for (&from, part) in &rows {
            for edge in self.edges.row(from) {
                providers.entry(edge.to).or_default();
            }
            self.edge_count -= self.edges.row(from).len();
            let row = self.make_row(from, *part, &mut kinds);
            self.edge_count += row.edges.len();
            for &(provider, need) in &row.needs {
                providers.entry(provider).or_default().0.push(PackedNeededBy { dependent: from, need });
            }
            for &to in &row.only_shown {
                providers.entry(to).or_default().1.push(from);
            }
            edges.push((from, row.edges));
            evidence.push((from, row.evidence.into_row()));
            groups_of.push((from, row.groups));
        }
        self.kinds = kinds.finish();
        self.edges.replace(edges);
        self.evidence.replace(evidence);
        self.groups_of.replace(groups_of);

        let (mut needed_by, mut only_shown) = (Vec::new(), Vec::new());
        for (provider, (entries, froms)) in providers {
            let before = self.only_shown.row(provider);
            if !before.is_empty() || !froms.is_empty() {
                let stay = before.iter().copied().filter(|dependent| !rows.contains_key(dependent));
                let mut row: Vec<NodeNumber> = stay.chain(froms).collect();
                row.sort_unstable();
                only_shown.push((provider, row));
            }
            let stay = self.needed_by.row(provider).iter().copied().filter(|entry| !rows.contains_key(&entry.dependent));
            let mut row: Vec<PackedNeededBy> = stay.chain(entries).collect();
            row.sort_unstable();
            needed_by.push((provider, row));
        }
        self.needed_by.replace(needed_by);
        self.only_shown.replace(only_shown);
    }

    fn make_row(&mut self, from: NodeNumber, part: Option<&RowPart<'_>>, kinds: &mut KindNumbers) -> Row {
        let mut row = Row::default();
        let kept = part.map_or(&[][..], |part| &part.kept);
        let old: Vec<u32> = self.group_numbers_of(from).collect();
        let (stay, go): (Vec<u32>, Vec<u32>) = old.into_iter().partition(|&number| kept.contains(&self.group_at(number).id));
        for number in go {
            self.groups.set(number as usize, Group::gone());
            Arc::make_mut(&mut self.rules)[number as usize] = Group::gone().rule();
            self.free_groups.push(number);
        }
        let Some(part) = part else { return row };

        let mut missing: BTreeSet<CiId> = BTreeSet::new();
        let mut groups: Vec<(u32, Group)> = stay.into_iter().map(|number| (number, self.group_at(number).clone())).collect();
        for part in &part.groups {
            let made = group(
                part,
                from,
                |id| self.number_of(id),
                |id| {
                    missing.insert(id);
                },
            );
            if let Some(made) = made.filter(|made| groups.iter().all(|(_, known)| known.id != made.id)) {
                groups.push((self.put_group(&made), made));
            }
        }
        groups.sort_by_key(|(_, group)| group.id);
        let mut edges: Vec<RowEdge<'_>> = Vec::with_capacity(part.edges.len());
        for edge in &part.edges {
            match self.number_of(edge.to) {
                Some(to) => edges.push(RowEdge {
                    to,
                    part: edge,
                    kind: kinds.of(edge.kind),
                    ends_confirming: ends_confirming([from, to].map(|end| self.agent_at(self.node_at(end).agent)), &edge.evidence),
                }),
                None => {
                    missing.insert(edge.to);
                }
            }
        }
        let need_group_kind = if groups.is_empty() { 0 } else { kinds.of(NEED_GROUP_KIND) };
        row.make(from, &mut edges, &groups, need_group_kind, |agent| self.number_of_agent(agent));
        for id in missing {
            // Only what is new, as a copy of all that is absent is dear.
            if !self.absent.get(&id).is_some_and(|by| by.contains(&part.ci)) {
                Arc::make_mut(&mut self.absent).entry(id).or_default().insert(part.ci);
            }
        }
        row
    }

    fn put_group(&mut self, group: &Group) -> u32 {
        let stored = group.clone();
        match self.free_groups.pop() {
            Some(number) => {
                self.groups.set(number as usize, stored);
                Arc::make_mut(&mut self.rules)[number as usize] = group.rule();
                number
            }
            None => {
                self.groups.push(stored);
                Arc::make_mut(&mut self.rules).push(group.rule());
                self.groups.len() as u32 - 1
            }
        }
    }

    fn number_of_agent(&mut self, agent: AgentId) -> u32 {
        let key = agent.0.as_u128();
        if let Some(number) = self.agent_number.find(key, |number| self.agents.get(number as usize).map(|agent| agent.0.as_u128())) {
            return number;
        }
        self.agents.push(agent);
        let number = self.agents.len() as u32 - 1;
        if self.agent_number.has_room() {
            self.agent_number.insert(key, number);
        } else {
            let all: Vec<(u128, u32)> = self.agents.iter().map(|agent| agent.0.as_u128()).zip(0..).collect();
            self.agent_number = KeyIndex::of(all.len(), all.iter().copied());
        }
        number
    }
}
