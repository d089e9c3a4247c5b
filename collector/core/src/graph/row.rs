//! What one CI needs, packed: the same for a graph that is built and for one that is changed.

use rollcall_shared::{AgentId, RelationshipId, Timestamp, catalogue::Hardness};
use uuid::Uuid;

use super::{Edge, EdgeEvidence, EdgePart, Group, NodeNumber};
use crate::model::Method;

/// The kind of an edge that only a declared need group stands for.
pub(super) const NEED_GROUP_KIND: &str = "need_group";
/// Evidence of one edge that is kept, the newest. One edge has a handful.
const MOST_EVIDENCE: usize = u8::MAX as usize;
/// Stands for no agent.
pub(super) const NO_AGENT: u32 = u32::MAX;

/// An edge in 24 bytes; its dependent is the row it stands in. Its evidence follows that of the edges before it in the dependent's row of
/// evidence.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackedEdge {
    /// Nil where there is none.
    pub(super) relationship: RelationshipId,
    pub(super) to: NodeNumber,
    pub(super) kind: u16,
    pub(super) evidence_count: u8,
    pub(super) flags: u8,
}

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
            evidence_count: edge.evidence_count,
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
            relationship: (self.flags & HAS_RELATIONSHIP != 0).then_some(self.relationship),
            place,
            evidence_count: self.evidence_count,
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

    pub(super) fn travels(self) -> bool {
        self.flags & TRAVELS != 0
    }
}

/// Evidence in 20 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackedEvidence {
    pub(super) agent: u32,
    /// Milliseconds in the lower 56 bits, the method above: low word, high word.
    pub(super) when_and_how: [u32; 2],
    /// More than 32 bits hold is the most that they hold: a sample a second for 136 years.
    pub(super) samples_seen: u32,
    pub(super) samples_total: u32,
}

const MILLIS_BITS: u32 = 56;

impl PackedEvidence {
    pub(super) fn pack(evidence: &EdgeEvidence, agent: u32) -> Self {
        let method = Method::ALL.iter().position(|&method| method == evidence.method).unwrap_or_default() as u64;
        let most = (1_i64 << (MILLIS_BITS - 1)) - 1;
        let millis = evidence.last_seen.as_millis().clamp(-most, most) as u64 & ((1 << MILLIS_BITS) - 1);
        let word = (method << MILLIS_BITS) | millis;
        let samples = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            agent,
            when_and_how: [word as u32, (word >> 32) as u32],
            samples_seen: samples(evidence.samples_seen),
            samples_total: samples(evidence.samples_total),
        }
    }

    pub(super) fn unpack(self, agent: Option<AgentId>) -> EdgeEvidence {
        let word = u64::from(self.when_and_how[0]) | (u64::from(self.when_and_how[1]) << 32);
        let unused = 64 - MILLIS_BITS;
        EdgeEvidence {
            method: Method::ALL.get((word >> MILLIS_BITS) as usize).copied().unwrap_or(Method::Declared),
            agent,
            last_seen: Timestamp::from_millis(((word << unused) as i64) >> unused),
            samples_seen: u64::from(self.samples_seen),
            samples_total: u64::from(self.samples_total),
        }
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
    pub(super) evidence: Vec<PackedEvidence>,
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
            let evidence_count = self.put_evidence(&edge.part.evidence, &mut agent_number);
            self.edges.push(PackedEdge::pack(&Edge {
                from,
                to: edge.to,
                relationship: Some(edge.part.relationship),
                place: 0,
                evidence_count,
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
                evidence_count: 0,
                kind,
                hardness,
                covered: true,
                travels: hardness != Hardness::None,
                ends_confirming: 0,
            })
        }));
        self.edges.sort_by_key(|edge| edge.to);
    }

    fn put_evidence(&mut self, evidence: &[EdgeEvidence], agent_number: &mut impl FnMut(AgentId) -> u32) -> u8 {
        let start = self.evidence.len();
        let mut evidence = std::borrow::Cow::Borrowed(evidence);
        if evidence.len() > 1 {
            let evidence = evidence.to_mut();
            evidence.sort_unstable_by_key(|one| (std::cmp::Reverse(one.last_seen), one.method, one.agent, one.samples_total));
            evidence.truncate(MOST_EVIDENCE);
            // The same evidence in another order is the same graph.
            evidence.sort_unstable_by_key(|one| (one.method, one.agent, one.last_seen, one.samples_total, one.samples_seen));
        }
        self.evidence.extend(evidence.iter().map(|one| PackedEvidence::pack(one, one.agent.map_or(NO_AGENT, &mut *agent_number))));
        (self.evidence.len() - start) as u8
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_survives_packing() {
        for (millis, samples) in [(0, 0), (1_763_000_000_000, 17), (-5, u64::from(u32::MAX))] {
            for method in Method::ALL {
                let agent = Some(AgentId(Uuid::from_u128(4)));
                let evidence = EdgeEvidence {
                    method,
                    agent,
                    last_seen: Timestamp::from_millis(millis),
                    samples_seen: samples,
                    samples_total: samples + u64::from(samples == 0),
                };
                assert_eq!(PackedEvidence::pack(&evidence, 0).unpack(agent), evidence);
            }
        }
        assert_eq!((size_of::<PackedEvidence>(), size_of::<PackedEdge>()), (20, 24));
    }
}
