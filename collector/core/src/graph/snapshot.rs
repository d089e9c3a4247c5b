//! A graph as a file, so that a collector answers before it has read its store: versioned, checksummed page by page, and of a named
//! revision. It is a copy that can be made again; a reader that does not like it goes to the store.
//!
//! Frames: length, payload, BLAKE3 of the frame's number and payload. First the header, then pages, last an empty frame. All numbers little-endian.

use std::{
    collections::{BTreeSet, HashMap},
    io::{self, Read, Write},
    sync::Arc,
};

use rollcall_shared::{AgentId, CiId, NeedGroupId, RelationshipId, catalogue::Hardness};
use uuid::Uuid;

use super::{
    GONE, Graph, Group, Node, NodeNumber, PackedNeed, PackedNeededBy,
    build::class,
    row::{NO_AGENT, PackedEdge, PackedEvidence},
    table::{KeyIndex, PAGE, Paged, RowTable, Rows},
};
use crate::model::{Method, Revision};

const MAGIC: &[u8] = b"rollcall graph\n";
/// Counts up with every change of what a frame holds.
const VERSION: u32 = 2;
/// A page of the largest estate is far below this; a damaged length is not believed.
const LONGEST_FRAME: u32 = 1 << 30;

/// Why a snapshot file is not used. Whatever the reason, the store has everything that was in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// It cannot be read.
    #[error("the graph snapshot cannot be read")]
    Io(#[from] io::Error),
    /// It was made by another version of this program.
    #[error("the graph snapshot is of another format than this program's")]
    OtherVersion,
    /// It is not what was written.
    #[error("the graph snapshot is damaged: {what} in frame {frame}")]
    Damaged {
        /// What is wrong.
        what: &'static str,
        /// Where.
        frame: u64,
    },
}

impl Graph {
    /// Writes the graph as a file. The writer should have a buffer.
    ///
    /// # Errors
    /// If writing fails.
    pub fn write_snapshot(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut frames = FrameWriter { out, number: 0 };
        let mut bytes = Vec::new();
        self.write_header(&mut bytes);
        frames.put(&mut bytes)?;
        for page in self.nodes.pages() {
            page.iter().for_each(|node| node.write(&mut bytes));
            frames.put(&mut bytes)?;
        }
        self.edges.write(&mut frames, &mut bytes)?;
        self.evidence.write(&mut frames, &mut bytes)?;
        self.groups_of.write(&mut frames, &mut bytes)?;
        self.dependents.write(&mut frames, &mut bytes)?;
        self.needed_by.write(&mut frames, &mut bytes)?;
        for page in self.groups.pages() {
            page.iter().for_each(|group| group.write(&mut bytes));
            frames.put(&mut bytes)?;
        }
        for page in self.agents.pages() {
            page.iter().for_each(|agent| bytes.extend(agent.0.as_bytes()));
            frames.put(&mut bytes)?;
        }
        for (id, by) in self.absent.iter() {
            bytes.extend(id.0.as_bytes());
            put_u32(&mut bytes, by.len() as u32);
            by.iter().for_each(|ci| bytes.extend(ci.0.as_bytes()));
        }
        frames.put(&mut bytes)?;
        for (id, into) in self.merged.iter() {
            bytes.extend(id.0.as_bytes());
            bytes.extend(into.0.as_bytes());
        }
        frames.put(&mut bytes)?;
        frames.put(&mut bytes)
    }

    fn write_header(&self, bytes: &mut Vec<u8>) {
        bytes.extend(MAGIC);
        put_u32(bytes, VERSION);
        // Places in this list are what evidence says.
        put_names(bytes, Method::ALL.iter().map(|method| method.as_str()));
        bytes.extend(self.revision.0.to_le_bytes());
        for count in
            [self.nodes.len(), self.groups.len(), self.agents.len(), self.appended, self.edge_count, self.absent.len(), self.merged.len()]
        {
            put_u32(bytes, count as u32);
        }
        put_names(bytes, self.classes.iter().map(|class| &*class.name));
        put_names(bytes, self.kinds.iter().map(|kind| &**kind));
        put_u32(bytes, self.gone.len() as u32);
        self.gone.iter().for_each(|number| put_u32(bytes, number.0));
        put_u32(bytes, self.free_groups.len() as u32);
        self.free_groups.iter().for_each(|&number| put_u32(bytes, number));
    }

    /// Reads a graph that [`Self::write_snapshot`] wrote.
    ///
    /// # Errors
    /// If it cannot be read, is of another version, was cut or has a single bit that is not as it was written.
    pub fn read_snapshot(input: &mut dyn Read) -> Result<Self, SnapshotError> {
        let mut frames = FrameReader { input, number: 0, bytes: Vec::new() };
        let mut graph = Self::default();
        let mut header = frames.next()?;
        if header.take(MAGIC.len())? != MAGIC || header.u32()? != VERSION {
            return Err(SnapshotError::OtherVersion);
        }
        if !header.names()?.iter().map(|name| &**name).eq(Method::ALL.iter().map(|method| method.as_str())) {
            return Err(SnapshotError::OtherVersion);
        }
        graph.revision = Revision(header.u64()?);
        let [nodes, groups, agents, appended, edges, absent, merged] = header.u32s()?.map(|count| count as usize);
        (graph.appended, graph.edge_count) = (appended, edges);
        graph.classes = Arc::new(header.names()?.iter().map(|name| class(name)).collect());
        graph.kinds = Arc::new(header.names()?);
        for _ in 0..header.u32()? {
            graph.gone.push(NodeNumber(header.u32()?));
        }
        for _ in 0..header.u32()? {
            graph.free_groups.push(header.u32()?);
        }
        header.end()?;

        graph.nodes = read_paged(&mut frames, nodes, Node::read)?;
        graph.edges = RowTable::read(&mut frames, nodes)?;
        graph.evidence = RowTable::read(&mut frames, nodes)?;
        graph.groups_of = RowTable::read(&mut frames, nodes)?;
        graph.dependents = RowTable::read(&mut frames, nodes)?;
        graph.needed_by = RowTable::read(&mut frames, nodes)?;
        graph.groups = read_paged(&mut frames, groups, |frame| Group::read(frame).map(Arc::new))?;
        graph.agents = read_paged(&mut frames, agents, |frame| Ok(AgentId(frame.uuid()?)))?;
        let mut frame = frames.next()?;
        let mut map: HashMap<CiId, BTreeSet<CiId>> = HashMap::new();
        for _ in 0..absent {
            let id = CiId(frame.uuid()?);
            let by = (0..frame.u32()?).map(|_| frame.uuid().map(CiId)).collect::<Result<_, _>>()?;
            map.insert(id, by);
        }
        frame.end()?;
        graph.absent = Arc::new(map);
        let mut frame = frames.next()?;
        let merges = (0..merged).map(|_| Ok((CiId(frame.uuid()?), CiId(frame.uuid()?)))).collect::<Result<_, SnapshotError>>()?;
        frame.end()?;
        graph.merged = Arc::new(merges);
        frames.next()?.end()?;
        frames.end()?;

        if !graph.fits_together() {
            return Err(frames.damaged("a number that leads nowhere"));
        }
        graph.rules = graph.groups.iter().map(|group| group.rule()).collect();
        graph.stopped = Arc::new(graph.numbers().filter(|&number| graph.node_at(number).stopped).collect());
        let known = graph.nodes.iter().zip(0..).filter(|(node, _)| node.class != GONE);
        graph.number = KeyIndex::of(graph.node_count(), known.map(|(node, number)| (node.id.0.as_u128(), number)));
        graph.agent_number =
            KeyIndex::of(graph.agents.len(), graph.agents.iter().zip(0..).map(|(agent, number)| (agent.0.as_u128(), number)));
        Ok(graph)
    }

    /// Whether every number leads somewhere, so that no answer can step beside the graph.
    fn fits_together(&self) -> bool {
        let (nodes, groups) = (self.nodes.len() as u32, self.groups.len() as u32);
        let (agents, kinds, classes) = (self.agents.len() as u32, self.kinds.len(), self.classes.len());
        let is_node = |number: NodeNumber| number.0 < nodes;
        let edges_fit = (0..nodes).map(NodeNumber).all(|number| {
            let evidence = self.evidence.row(number).len();
            self.edges.row(number).iter().all(|edge| {
                let end = edge.evidence_start as usize + usize::from(edge.evidence_count);
                is_node(edge.to) && end <= evidence && usize::from(edge.kind) < kinds
            })
        });
        edges_fit
            && self.nodes.iter().all(|node| usize::from(node.class) < classes || node.class == GONE)
            && self.evidence.items().all(|evidence| evidence.agent < agents || evidence.agent == NO_AGENT)
            && self.groups_of.items().all(|&group| group < groups)
            && self.dependents.items().all(|&number| is_node(number))
            && self.needed_by.items().all(|entry| {
                is_node(entry.dependent) && (entry.need == PackedNeed::HARD || entry.need == PackedNeed::SOFT || entry.need.0 < groups)
            })
            && self.groups.iter().all(|group| {
                let most = group.members.len().max(1) as u32;
                group.members.iter().all(|&member| is_node(member)) && (is_node(group.dependent) || nodes == 0) && group.min_up <= most
            })
            && self.gone.iter().all(|&number| is_node(number))
            && self.free_groups.iter().all(|&group| group < groups)
    }
}

/// One thing of a row, in a fixed number of bytes.
pub(super) trait Item: Sized {
    const BYTES: usize;
    fn write(&self, bytes: &mut Vec<u8>);
    fn read(bytes: &[u8]) -> Self;
}

impl Item for PackedEdge {
    const BYTES: usize = 28;

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.relationship.0.as_bytes());
        put_u32(bytes, self.to.0);
        put_u32(bytes, self.evidence_start);
        bytes.extend(self.kind.to_le_bytes());
        bytes.extend([self.evidence_count, self.flags]);
    }

    fn read(bytes: &[u8]) -> Self {
        Self {
            relationship: RelationshipId(Uuid::from_bytes(array(bytes, 0))),
            to: NodeNumber(u32_at(bytes, 16)),
            evidence_start: u32_at(bytes, 20),
            kind: u16::from_le_bytes(array(bytes, 24)),
            evidence_count: bytes[26],
            flags: bytes[27],
        }
    }
}

impl Item for PackedEvidence {
    const BYTES: usize = 20;

    fn write(&self, bytes: &mut Vec<u8>) {
        for word in [self.agent, self.when_and_how[0], self.when_and_how[1], self.samples_seen, self.samples_total] {
            put_u32(bytes, word);
        }
    }

    fn read(bytes: &[u8]) -> Self {
        Self {
            agent: u32_at(bytes, 0),
            when_and_how: [u32_at(bytes, 4), u32_at(bytes, 8)],
            samples_seen: u32_at(bytes, 12),
            samples_total: u32_at(bytes, 16),
        }
    }
}

impl Item for u32 {
    const BYTES: usize = 4;

    fn write(&self, bytes: &mut Vec<u8>) {
        put_u32(bytes, *self);
    }

    fn read(bytes: &[u8]) -> Self {
        u32_at(bytes, 0)
    }
}

impl Item for NodeNumber {
    const BYTES: usize = 4;

    fn write(&self, bytes: &mut Vec<u8>) {
        put_u32(bytes, self.0);
    }

    fn read(bytes: &[u8]) -> Self {
        Self(u32_at(bytes, 0))
    }
}

impl Item for PackedNeededBy {
    const BYTES: usize = 8;

    fn write(&self, bytes: &mut Vec<u8>) {
        put_u32(bytes, self.dependent.0);
        put_u32(bytes, self.need.0);
    }

    fn read(bytes: &[u8]) -> Self {
        Self { dependent: NodeNumber(u32_at(bytes, 0)), need: PackedNeed(u32_at(bytes, 4)) }
    }
}

impl<T: Item> RowTable<T> {
    fn write(&self, frames: &mut FrameWriter<'_>, bytes: &mut Vec<u8>) -> io::Result<()> {
        for page in self.pages() {
            page.starts().iter().for_each(|&start| put_u32(bytes, start));
            page.items().iter().for_each(|item| item.write(bytes));
            frames.put(bytes)?;
        }
        Ok(())
    }

    fn read(frames: &mut FrameReader<'_>, rows: usize) -> Result<Self, SnapshotError> {
        let mut table = Self::default();
        for _ in 0..rows.div_ceil(PAGE) {
            let mut frame = frames.next()?;
            let mut starts = [0; PAGE + 1];
            starts.iter_mut().zip(frame.take(4 * (PAGE + 1))?.chunks_exact(4)).for_each(|(start, bytes)| *start = u32_at(bytes, 0));
            let items = frame.take(starts[PAGE] as usize * T::BYTES)?.chunks_exact(T::BYTES).map(T::read).collect();
            let page = Rows::of(starts, items).ok_or_else(|| frame.damaged("rows out of order"))?;
            frame.end()?;
            table.push_page(page);
        }
        Ok(table)
    }
}

impl Node {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.id.0.as_bytes());
        bytes.extend(self.class.to_le_bytes());
        bytes.push(u8::from(self.agent.is_some()) | (u8::from(self.owner.is_some()) << 1) | (u8::from(self.stopped) << 2));
        bytes.extend(self.agent.iter().flat_map(|agent| agent.0.into_bytes()));
        put_text(bytes, &self.name);
        self.owner.iter().for_each(|owner| put_text(bytes, owner));
    }

    fn read(frame: &mut Frame<'_>) -> Result<Self, SnapshotError> {
        let id = CiId(frame.uuid()?);
        let class = u16::from_le_bytes(array(frame.take(2)?, 0));
        let has = frame.take(1)?[0];
        let agent = if has & 1 != 0 { Some(AgentId(frame.uuid()?)) } else { None };
        let name = frame.text()?;
        let owner = if has & 2 != 0 { Some(frame.text()?) } else { None };
        Ok(Self { id, name, owner, agent, stopped: has & 4 != 0, class })
    }
}

impl Group {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.id.0.as_bytes());
        let hardness = match self.hardness {
            Hardness::Hard => 0,
            Hardness::Soft => 1,
            Hardness::None => 2,
        };
        for word in [hardness, self.min_up, self.gone, self.dependent.0, self.members.len() as u32] {
            put_u32(bytes, word);
        }
        self.members.iter().for_each(|member| put_u32(bytes, member.0));
        put_text(bytes, &self.name);
    }

    fn read(frame: &mut Frame<'_>) -> Result<Self, SnapshotError> {
        let id = NeedGroupId(frame.uuid()?);
        let [hardness, min_up, gone, dependent, members] = frame.u32s()?;
        let hardness = match hardness {
            0 => Hardness::Hard,
            1 => Hardness::Soft,
            _ => Hardness::None,
        };
        let members = frame.take(4 * members as usize)?.chunks_exact(4).map(|bytes| NodeNumber(u32_at(bytes, 0))).collect();
        Ok(Self { id, name: frame.text()?, hardness, min_up, gone, dependent: NodeNumber(dependent), members })
    }
}

fn read_paged<T>(
    frames: &mut FrameReader<'_>,
    count: usize,
    mut read: impl FnMut(&mut Frame<'_>) -> Result<T, SnapshotError>,
) -> Result<Paged<T>, SnapshotError> {
    let mut pages = Paged::default();
    let mut left = count;
    while left > 0 {
        let mut frame = frames.next()?;
        let page = (0..left.min(PAGE)).map(|_| read(&mut frame)).collect::<Result<Vec<T>, _>>()?;
        frame.end()?;
        left -= page.len();
        pages.push_page(page);
    }
    Ok(pages)
}

fn put_u32(bytes: &mut Vec<u8>, number: u32) {
    bytes.extend(number.to_le_bytes());
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put_u32(bytes, text.len() as u32);
    bytes.extend(text.as_bytes());
}

fn put_names<'n>(bytes: &mut Vec<u8>, names: impl ExactSizeIterator<Item = &'n str>) {
    put_u32(bytes, names.len() as u32);
    names.for_each(|name| put_text(bytes, name));
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

struct FrameWriter<'w> {
    out: &'w mut dyn Write,
    number: u64,
}

impl FrameWriter<'_> {
    /// Writes a frame and empties the bytes.
    fn put(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).ok().filter(|&length| length <= LONGEST_FRAME);
        let length = length.ok_or_else(|| io::Error::other("a page of the graph is too large for a snapshot"))?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(bytes)?;
        self.out.write_all(&checksum(self.number, bytes))?;
        self.number += 1;
        bytes.clear();
        Ok(())
    }
}

fn checksum(number: u64, payload: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.update(payload);
    *hasher.finalize().as_bytes()
}

struct FrameReader<'r> {
    input: &'r mut dyn Read,
    number: u64,
    bytes: Vec<u8>,
}

impl FrameReader<'_> {
    fn next(&mut self) -> Result<Frame<'_>, SnapshotError> {
        let mut length = [0; 4];
        self.fill(&mut length)?;
        let length = u32::from_le_bytes(length);
        if length > LONGEST_FRAME {
            return Err(self.damaged("a length"));
        }
        self.bytes.clear();
        let read = (&mut *self.input).take(u64::from(length)).read_to_end(&mut self.bytes)?;
        let mut expected = [0; 32];
        self.fill(&mut expected)?;
        if read < length as usize {
            return Err(self.damaged("an early end"));
        }
        if checksum(self.number, &self.bytes) != expected {
            return Err(self.damaged("a checksum"));
        }
        self.number += 1;
        Ok(Frame { number: self.number - 1, bytes: &self.bytes })
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), SnapshotError> {
        self.input.read_exact(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged("an early end"),
            _ => error.into(),
        })
    }

    fn end(&mut self) -> Result<(), SnapshotError> {
        match self.input.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(self.damaged("something after the end")),
        }
    }

    fn damaged(&self, what: &'static str) -> SnapshotError {
        SnapshotError::Damaged { what, frame: self.number }
    }
}

/// What is left of a frame.
struct Frame<'f> {
    number: u64,
    bytes: &'f [u8],
}

impl<'f> Frame<'f> {
    fn take(&mut self, count: usize) -> Result<&'f [u8], SnapshotError> {
        let (taken, left) = self.bytes.split_at_checked(count).ok_or_else(|| self.damaged("a count"))?;
        self.bytes = left;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, SnapshotError> {
        Ok(u32_at(self.take(4)?, 0))
    }

    fn u32s<const N: usize>(&mut self) -> Result<[u32; N], SnapshotError> {
        let bytes = self.take(4 * N)?;
        Ok(std::array::from_fn(|at| u32_at(bytes, 4 * at)))
    }

    fn u64(&mut self) -> Result<u64, SnapshotError> {
        Ok(u64::from_le_bytes(array(self.take(8)?, 0)))
    }

    fn uuid(&mut self) -> Result<Uuid, SnapshotError> {
        Ok(Uuid::from_bytes(array(self.take(16)?, 0)))
    }

    fn text(&mut self) -> Result<Box<str>, SnapshotError> {
        let length = self.u32()? as usize;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map(Into::into).map_err(|_| self.damaged("a text"))
    }

    fn names(&mut self) -> Result<Vec<Box<str>>, SnapshotError> {
        (0..self.u32()?).map(|_| self.text()).collect()
    }

    fn end(&self) -> Result<(), SnapshotError> {
        if self.bytes.is_empty() { Ok(()) } else { Err(self.damaged("something left over")) }
    }

    fn damaged(&self, what: &'static str) -> SnapshotError {
        SnapshotError::Damaged { what, frame: self.number }
    }
}
