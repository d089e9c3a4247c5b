//! Evidence of very many edges in few bytes. Most of what a CI needs was told by one agent in one report, so each piece is told as what
//! differs from the first of the row: 8 bytes for most.
//!
//! A row is empty or: the agent and the time of its first piece; then, of each relationship in the order of the row's edges, how many bytes
//! its evidence has, and that. All numbers have as many bytes as they need (LEB128), differences a sign in their lowest bit.

use rollcall_shared::{AgentId, Timestamp};

use super::{EdgeEvidence, Graph};
use crate::model::Method;

/// Stands for no agent.
pub(super) const NO_AGENT: u32 = u32::MAX;

/// The evidence of one edge.
#[derive(Clone, Copy, Debug)]
pub struct EvidenceOf<'g> {
    graph: &'g Graph,
    packed: PackedEvidence<'g>,
}

impl<'g> EvidenceOf<'g> {
    /// What the row of a dependent says of the relationship of that place.
    pub(super) fn of(graph: &'g Graph, row: &'g [u8], place: usize) -> Self {
        Self { graph, packed: PackedEvidence::of(row, place).unwrap_or_default() }
    }

    /// Each piece of evidence, by method.
    pub fn iter(self) -> impl Iterator<Item = EdgeEvidence> + use<'g> {
        let Self { graph, mut packed } = self;
        std::iter::from_fn(move || packed.next()).map(move |(agent, evidence)| EdgeEvidence { agent: graph.agent_at(agent), ..evidence })
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.packed.bytes.is_empty()
    }
}

/// What the first piece of a row says: the agent's number and when, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
struct First {
    agent: u32,
    millis: i64,
}

impl First {
    fn of(agent: u32, evidence: &EdgeEvidence) -> Self {
        Self { agent, millis: evidence.last_seen.as_millis() }
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self { agent: u32::try_from(read(bytes)?).ok()?, millis: signed(read(bytes)?) })
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct PackedEvidence<'g> {
    first: First,
    bytes: &'g [u8],
}

impl<'g> PackedEvidence<'g> {
    fn of(mut row: &'g [u8], place: usize) -> Option<Self> {
        let first = First::read(&mut row)?;
        for _ in 0..place {
            read_piece(&mut row)?;
        }
        Some(Self { first, bytes: read_piece(&mut row)? })
    }

    /// The next piece, with the number of its agent.
    fn next(&mut self) -> Option<(u32, EdgeEvidence)> {
        let (&method, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        let bytes = &mut self.bytes;
        let agent = i64::from(self.first.agent).wrapping_add(signed(read(bytes)?));
        let millis = self.first.millis.wrapping_add(signed(read(bytes)?));
        let evidence = EdgeEvidence {
            method: *Method::ALL.get(usize::from(method))?,
            agent: None,
            last_seen: Timestamp::from_millis(millis),
            samples_seen: read(bytes)?,
            samples_total: read(bytes)?,
        };
        Some((u32::try_from(agent).ok()?, evidence))
    }
}

/// Makes the evidence of a row, relationship by relationship.
#[derive(Debug, Default)]
pub(super) struct EvidenceWriter {
    row: Vec<u8>,
    first: First,
    piece: Vec<u8>,
}

impl EvidenceWriter {
    pub(super) fn clear(&mut self) {
        self.row.clear();
    }

    /// Adds the evidence of the next relationship.
    pub(super) fn push(&mut self, evidence: &[EdgeEvidence], mut agent_number: impl FnMut(AgentId) -> u32) {
        let mut number = |one: &EdgeEvidence| one.agent.map_or(NO_AGENT, &mut agent_number);
        if self.row.is_empty() {
            self.first = evidence.first().map_or_else(First::default, |one| First::of(number(one), one));
            write(&mut self.row, u64::from(self.first.agent));
            write(&mut self.row, unsigned(self.first.millis));
        }
        self.piece.clear();
        for one in evidence {
            let First { agent, millis } = First::of(number(one), one);
            self.piece.push(Method::ALL.iter().position(|&method| method == one.method).unwrap_or_default() as u8);
            write(&mut self.piece, unsigned(i64::from(agent) - i64::from(self.first.agent)));
            write(&mut self.piece, unsigned(millis.wrapping_sub(self.first.millis)));
            write(&mut self.piece, one.samples_seen);
            write(&mut self.piece, one.samples_total);
        }
        write(&mut self.row, self.piece.len() as u64);
        self.row.extend_from_slice(&self.piece);
    }

    /// The row so far.
    pub(super) fn row(&self) -> &[u8] {
        &self.row
    }

    pub(super) fn into_row(self) -> Vec<u8> {
        self.row
    }
}

/// Whether a row is what a writer makes of that many relationships and of agents that are allowed.
pub(super) fn is_row_of(mut row: &[u8], relationships: usize, is_agent: impl Fn(u32) -> bool) -> bool {
    if relationships == 0 {
        return row.is_empty();
    }
    let Some(first) = First::read(&mut row) else { return false };
    let whole = (0..relationships).all(|_| {
        let Some(bytes) = read_piece(&mut row) else { return false };
        let mut packed = PackedEvidence { first, bytes };
        while !packed.bytes.is_empty() {
            if !packed.next().is_some_and(|(agent, _)| is_agent(agent)) {
                return false;
            }
        }
        true
    });
    whole && row.is_empty()
}

fn read_piece<'b>(bytes: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = usize::try_from(read(bytes)?).ok()?;
    let (piece, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(piece)
}

fn write(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// A signed number as one that is small where the signed one is near 0.
fn unsigned(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

fn signed(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn evidence(method: Method, agent: Option<u32>, millis: i64, samples: [u64; 2]) -> EdgeEvidence {
        EdgeEvidence {
            method,
            agent: agent.map(|agent| AgentId(Uuid::from_u128(agent.into()))),
            last_seen: Timestamp::from_millis(millis),
            samples_seen: samples[0],
            samples_total: samples[1],
        }
    }

    fn number(agent: AgentId) -> u32 {
        agent.0.as_u128() as u32
    }

    fn pack(edges: &[Vec<EdgeEvidence>]) -> Vec<u8> {
        let mut writer = EvidenceWriter::default();
        edges.iter().for_each(|edge| writer.push(edge, number));
        writer.row().to_vec()
    }

    fn unpack(row: &[u8], place: usize) -> Vec<EdgeEvidence> {
        let mut packed = PackedEvidence::of(row, place).unwrap_or_default();
        let agent = |number: u32| (number != NO_AGENT).then(|| AgentId(Uuid::from_u128(number.into())));
        std::iter::from_fn(|| packed.next()).map(|(number, one)| EdgeEvidence { agent: agent(number), ..one }).collect()
    }

    #[test]
    fn evidence_survives_packing() {
        let times = [1_763_000_000_000, 0, -5, i64::MAX, i64::MIN];
        let mut edges: Vec<Vec<EdgeEvidence>> = vec![Vec::new()];
        for (at, &millis) in times.iter().enumerate() {
            edges.push(Method::ALL.iter().map(|&method| evidence(method, Some(u32::MAX - 1), millis, [at as u64, u64::MAX])).collect());
            edges.push(vec![evidence(Method::Declared, None, millis, [0, 0]), evidence(Method::Connection, Some(0), 7, [17, 300])]);
        }
        for rotated in 0..edges.len() {
            edges.rotate_left(rotated);
            let row = pack(&edges);
            edges.iter().enumerate().for_each(|(place, edge)| assert_eq!(&unpack(&row, place), edge, "{rotated} {place}"));
            assert!(unpack(&row, edges.len()).is_empty());
            assert!(is_row_of(&row, edges.len(), |_| true));
            assert!(!is_row_of(&row, edges.len() - 1, |_| true) && !is_row_of(&row, edges.len() + 1, |_| true));
            assert!(!is_row_of(&row, edges.len(), |agent| agent != 0), "an agent that nobody knows");
        }
        assert!(is_row_of(&pack(&[]), 0, |_| false) && unpack(&[], 0).is_empty());
    }

    #[test]
    fn a_damaged_row_has_less_evidence_and_is_refused_when_cut() {
        let edges =
            [vec![evidence(Method::Connection, Some(3), 1_763_000_000_000, [5, 9])], vec![evidence(Method::Mount, None, 8, [1, 2])]];
        let row = pack(&edges);
        (0..row.len()).for_each(|length| assert!(!is_row_of(&row[..length], 2, |_| true), "cut to {length}"));
        for bit in 0..row.len() * 8 {
            let mut flipped = row.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = (is_row_of(&flipped, 2, |agent| agent < 4), unpack(&flipped, 0), unpack(&flipped, 1));
        }
        assert!(!is_row_of(&[0xff; 12], 1, |_| true), "a number without an end");
    }

    #[test]
    fn what_one_agent_told_at_once_takes_few_bytes() {
        let edges: Vec<Vec<EdgeEvidence>> =
            (0..20).map(|edge| vec![evidence(Method::Connection, Some(70_000), 1_763_000_000_000, [edge, 90])]).collect();
        // Three bytes of agent and six of time, then of each edge its length, method, twice nothing and two counts.
        assert_eq!(pack(&edges).len(), 9 + 20 * 6);
        let graph = Graph::default();
        let row = pack(&edges);
        let all = EvidenceOf::of(&graph, &row, 3);
        assert!(!all.is_empty() && all.iter().map(|one| one.samples_seen).eq([3]));
        assert!(EvidenceOf::of(&graph, &[], 0).is_empty());
    }
}
