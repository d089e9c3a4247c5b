//! What one CI needs, packed: the same for a graph that is built and for one that is changed.

use rollcall_shared::{AgentId, RelationshipId, catalogue::Hardness};
use uuid::Uuid;

use super::{Edge, EdgeEvidence, EdgePart, Group, NodeNumber, evidence::EvidenceWriter};

/// The kind of an edge that only a declared need group stands for.
pub(super) const NEED_GROUP_KIND: &str = "need_group";
/// Evidence of one edge that is kept, the newest. One edge has a handful.
const MOST_EVIDENCE: usize = 255;

/// An edge in 24 bytes; its dependent is the row it stands in.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackedEdge {
    /// Nil where there is none.
    pub(super) relationship: RelationshipId,
    pub(super) to: NodeNumber,
    pub(super) kind: u16,
    pub(super) flags: u8,
}

const _: () = assert!(size_of::<PackedEdge>() == 24);

const HARDNESS: u8 = 0b11;
const COVERED: u8 = 1 << 2;
const TRAVELS: u8 = 1 << 3;
const ENDS_SHIFT: u8 = 4;
const HAS_RELATIONSHIP: u8 = 1 << 6;

impl PackedEdge {
    pub(super) fn pack(edge: &Edge) -> Self {
        let hardness = match edge.hardness {
            Hardness::Hard => 0,
            Hardness::Soft => 1,
            Hardness::None => 2,
        };
        let flag = |on: bool, bit: u8| if on { bit } else { 0 };
        Self {
            relationship: edge.relationship.unwrap_or(RelationshipId(Uuid::nil())),
            to: edge.to,
            kind: edge.kind,
            flags: hardness
                | flag(edge.covered, COVERED)
                | flag(edge.travels, TRAVELS)
                | (edge.ends_confirming.min(2) << ENDS_SHIFT)
                | flag(edge.relationship.is_some(), HAS_RELATIONSHIP),
        }
    }

    pub(super) fn unpack(self, from: NodeNumber, place: u32) -> Edge {
        Edge {
            from,
            to: self.to,
            relationship: self.has_relationship().then_some(self.relationship),
            place,
            kind: self.kind,
            hardness: self.hardness(),
            covered: self.flags & COVERED != 0,
            travels: self.travels(),
            ends_confirming: (self.flags >> ENDS_SHIFT) & 0b11,
        }
    }

    fn hardness(self) -> Hardness {
        match self.flags & HARDNESS {
            0 => Hardness::Hard,
            1 => Hardness::Soft,
            _ => Hardness::None,
        }
    }

    /// Whether a relationship stands for it, which has evidence.
    pub(super) fn has_relationship(self) -> bool {
        self.flags & HAS_RELATIONSHIP != 0
    }

    pub(super) fn travels(self) -> bool {
        self.flags & TRAVELS != 0
    }
}

/// One relationship of the row, with what is looked up in the graph.
pub(super) struct RowEdge<'p> {
    pub(super) to: NodeNumber,
    pub(super) part: &'p EdgePart<'p>,
    pub(super) kind: u16,
    pub(super) ends_confirming: u8,
}

/// Everything that one CI needs.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// By dependency, then kind, then relationship; memberships that no relationship stands for after those.
    pub(super) edges: Vec<PackedEdge>,
    pub(super) evidence: EvidenceWriter,
    /// Numbers of its declared groups, by id.
    pub(super) groups: Vec<u32>,
    /// What an outage travels along, by provider.
    pub(super) needs: Vec<(NodeNumber, super::PackedNeed)>,
    /// Dependencies that are not among those, ascending.
    pub(super) only_shown: Vec<NodeNumber>,
}

impl Row {
    /// Makes the row of `from` in the place of what this one held.
    pub(super) fn make(
        &mut self,
        from: NodeNumber,
        edges: &mut [RowEdge<'_>],
        groups: &[(u32, Group)],
        need_group_kind: u16,
        mut agent_number: impl FnMut(AgentId) -> u32,
    ) {
        self.edges.clear();
        self.evidence.clear();
        self.groups.clear();
        self.needs.clear();
        self.groups.extend(groups.iter().map(|(number, _)| *number));
        let declared = || groups.iter().map(|(_, group)| group);
        edges.sort_unstable_by(|a, b| (a.to, a.part.kind, a.part.relationship).cmp(&(b.to, b.part.kind, b.part.relationship)));
        for edge in edges.iter() {
            let mut covering = declared().filter(|group| group.members.binary_search(&edge.to).is_ok()).peekable();
            let covered = covering.peek().is_some();
            let hardness = edge.part.hardness;
            self.put_evidence(&edge.part.evidence, &mut agent_number);
            self.edges.push(PackedEdge::pack(&Edge {
                from,
                to: edge.to,
                relationship: Some(edge.part.relationship),
                place: 0,
                kind: edge.kind,
                hardness,
                covered,
                travels: hardness != Hardness::None && (!covered || covering.any(|group| group.hardness != Hardness::None)),
                ends_confirming: edge.ends_confirming,
            }));
        }
        if !groups.is_empty() {
            self.put_memberships(from, groups, need_group_kind);
        }
        self.put_needs(from, groups);
        self.only_shown.clear();
        let is_needed = |to: NodeNumber| self.needs.binary_search_by_key(&to, |&(provider, _)| provider).is_ok();
        self.only_shown.extend(self.edges.iter().map(|edge| edge.to).filter(|&to| !is_needed(to)));
        self.only_shown.dedup();
    }

    /// An edge for each member of a group that no relationship along which outage could travel stands for.
    fn put_memberships(&mut self, from: NodeNumber, groups: &[(u32, Group)], kind: u16) {
        let related = self.edges.len();
        let mut missing: Vec<(NodeNumber, Hardness)> = groups
            .iter()
            .flat_map(|(_, group)| group.members.iter().map(|&member| (member, group.hardness)))
            .filter(|&(member, _)| {
                let start = self.edges[..related].partition_point(|edge| edge.to < member);
                let mut between = self.edges[start..related].iter().take_while(|edge| edge.to == member);
                !between.any(|edge| edge.hardness() != Hardness::None)
            })
            .collect();
        // Hard sorts before soft and soft before none: the hardest of several groups stays.
        missing.sort_unstable();
        missing.dedup_by_key(|&mut (member, _)| member);
        self.edges.extend(missing.into_iter().map(|(to, hardness)| {
            PackedEdge::pack(&Edge {
                from,
                to,
                relationship: None,
                place: 0,
                kind,
                hardness,
                covered: true,
                travels: hardness != Hardness::None,
                ends_confirming: 0,
            })
        }));
        self.edges.sort_by_key(|edge| edge.to);
    }

    fn put_evidence(&mut self, evidence: &[EdgeEvidence], agent_number: &mut impl FnMut(AgentId) -> u32) {
        let mut evidence = std::borrow::Cow::Borrowed(evidence);
        if evidence.len() > 1 {
            let evidence = evidence.to_mut();
            evidence.sort_unstable_by_key(|one| (std::cmp::Reverse(one.last_seen), one.method, one.agent, one.samples_total));
            evidence.truncate(MOST_EVIDENCE);
            // The same evidence in another order is the same graph.
            evidence.sort_unstable_by_key(|one| (one.method, one.agent, one.last_seen, one.samples_total, one.samples_seen));
        }
        self.evidence.push(&evidence, agent_number);
    }

    fn put_needs(&mut self, from: NodeNumber, groups: &[(u32, Group)]) {
        use super::PackedNeed;
        for edge in self.edges.iter().map(|edge| edge.unpack(from, 0)) {
            if !edge.travels || edge.covered || edge.to == from {
                continue;
            }
            let need = if edge.hardness == Hardness::Hard { PackedNeed::HARD } else { PackedNeed::SOFT };
            match self.needs.last_mut() {
                // Of parallel plain needs the hardest decides.
                Some((to, known)) if *to == edge.to => {
                    if need == PackedNeed::HARD {
                        *known = need;
                    }
                }
                _ => self.needs.push((edge.to, need)),
            }
        }
        // Each declared group counts for itself.
        for (number, group) in groups.iter().filter(|(_, group)| group.hardness != Hardness::None) {
            self.needs.extend(group.members.iter().map(|&member| (member, PackedNeed::group(*number))));
        }
        self.needs.sort_unstable();
    }
}
