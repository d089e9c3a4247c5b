//! A graph as a file, so that a collector answers before it has read its store: versioned, checksummed page by page, and of a named
//! revision. It is a copy that can be made again; a reader that does not like it goes to the store.
//!
//! Frames: length, payload, BLAKE3 of the payload and the frame's number. First the header, then pages, a few in each frame, last an empty
//! frame. All numbers little-endian. Of a page of CIs everything lies together, so that it is read, proved and unpacked while it is near.

use std::{
    collections::{BTreeSet, HashMap},
    io::{self, Read, Write},
    sync::Arc,
};

use rollcall_shared::{AgentId, CiId, NeedGroupId, RelationshipId, catalogue::Hardness};
use uuid::Uuid;

use super::{
    GONE, Graph, Group, Members, NO_OWNER, Name, Node, NodeNumber, PackedNeed, PackedNeededBy,
    build::class,
    evidence::{NO_AGENT, is_row_of},
    row::PackedEdge,
    table::{KeyIndex, PAGE, Paged, Rows},
};
use crate::model::{Method, Revision};

const MAGIC: &[u8] = b"rollcall graph\n";
/// Counts up with every change of what a frame holds.
const VERSION: u32 = 5;
/// Pages in a frame: enough to be hashed many parts at once, few enough to stay near the processor.
const PAGES: usize = 4;
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
        let tables = (self.edges.pages().zip(self.evidence.pages()))
            .zip(self.groups_of.pages().zip(self.needed_by.pages()))
            .zip(self.only_shown.pages());
        frames.put_pages(self.nodes.pages().zip(tables), |(nodes, (((edges, evidence), (groups_of, needed_by)), only_shown)), bytes| {
            write_nodes(nodes, bytes);
            edges.write(bytes);
            evidence.write(bytes);
            groups_of.write(bytes);
            needed_by.write(bytes);
            only_shown.write(bytes);
        })?;
        frames.put_pages(self.groups.pages(), write_groups)?;
        frames.put_pages(self.agents.pages(), |page, bytes| page.iter().for_each(|agent| agent.write(bytes)))?;
        for index in [&self.number, &self.agent_number] {
            frames.put_pages(index.slots().pages(), |page, bytes| page.iter().for_each(|&slot| put_u32(bytes, slot)))?;
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
        for count in [
            self.nodes.len(),
            self.groups.len(),
            self.agents.len(),
            self.number.slots().len(),
            self.agent_number.slots().len(),
            self.appended,
            self.edge_count,
            self.absent.len(),
            self.merged.len(),
        ] {
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
        let [nodes, groups, agents, slots, agent_slots, appended, edges, absent, merged] = header.u32s()?.map(|count| count as usize);
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

        let bounds = Bounds {
            nodes: nodes as u32,
            groups: groups as u32,
            agents: agents as u32,
            kinds: graph.kinds.len(),
            classes: graph.classes.len(),
        };
        if !bounds.has_all(&graph.gone, &graph.free_groups) {
            return Err(frames.damaged(NOWHERE));
        }
        frames.each_page(nodes, |frame, count| graph.read_page(frame, count, &bounds))?;
        frames.each_page(groups, |frame, count| {
            graph.groups.push_page(read_groups(frame, count, &bounds)?);
            Ok(())
        })?;
        graph.agents = read_paged(&mut frames, agents)?;
        for (index, slots, bound) in [(&mut graph.number, slots, bounds.nodes), (&mut graph.agent_number, agent_slots, bounds.agents)] {
            let slots = read_paged(&mut frames, slots)?;
            *index = KeyIndex::of_slots(slots, bound).ok_or_else(|| frames.damaged(NOWHERE))?;
        }
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

        graph.rules = Arc::new(graph.groups.iter().map(|group| group.rule()).collect());
        graph.stopped = Arc::new(graph.numbers().filter(|&number| graph.node_at(number).stopped).collect());
        Ok(graph)
    }

    /// Reads the next page of CIs and everything that is theirs.
    fn read_page(&mut self, frame: &mut Frame<'_>, count: usize, bounds: &Bounds) -> Result<(), SnapshotError> {
        let nodes = read_nodes(frame, count, bounds)?;
        let (edges, evidence) = (Rows::<PackedEdge>::read(frame)?, Rows::<u8>::read(frame)?);
        let (groups_of, needed_by, only_shown) = (Rows::read(frame)?, Rows::read(frame)?, Rows::read(frame)?);
        let fit = (0..PAGE).all(|at| {
            let relationships = edges.row(at).iter().filter(|edge| edge.has_relationship()).count();
            is_row_of(evidence.row(at), relationships, |agent| bounds.has_agent(agent))
        });
        let fit = fit
            && edges.items().iter().all(|edge| bounds.has_node(edge.to) && usize::from(edge.kind) < bounds.kinds)
            && bounds.has_all(only_shown.items(), groups_of.items())
            && needed_by.items().iter().all(|entry: &PackedNeededBy| {
                let is_plain = entry.need == PackedNeed::HARD || entry.need == PackedNeed::SOFT;
                bounds.has_node(entry.dependent) && (is_plain || entry.need.0 < bounds.groups)
            });
        if !fit {
            return Err(frame.damaged(NOWHERE));
        }
        self.nodes.push_page(nodes);
        self.edges.push_page(edges);
        self.evidence.push_page(evidence);
        self.groups_of.push_page(groups_of);
        self.needed_by.push_page(needed_by);
        self.only_shown.push_page(only_shown);
        Ok(())
    }
}

/// No answer can step beside the graph: every number has to lead somewhere.
const NOWHERE: &str = "a number that leads nowhere";

/// How many there are of what numbers stand for.
struct Bounds {
    nodes: u32,
    groups: u32,
    agents: u32,
    kinds: usize,
    classes: usize,
}

impl Bounds {
    fn has_node(&self, number: NodeNumber) -> bool {
        number.0 < self.nodes
    }

    fn has_agent(&self, number: u32) -> bool {
        number < self.agents || number == NO_AGENT
    }

    fn has_all(&self, nodes: &[NodeNumber], groups: &[u32]) -> bool {
        nodes.iter().all(|&number| self.has_node(number)) && groups.iter().all(|&group| group < self.groups)
    }
}

/// One thing of a row, in a fixed number of bytes.
pub(super) trait Item: Sized {
    const BYTES: usize;
    fn write(&self, bytes: &mut Vec<u8>);
    fn read(bytes: &[u8]) -> Self;
}

impl Item for PackedEdge {
    const BYTES: usize = 23;

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.relationship.0.as_bytes());
        put_u32(bytes, self.to.0);
        bytes.extend(self.kind.to_le_bytes());
        bytes.push(self.flags);
    }

    fn read(bytes: &[u8]) -> Self {
        Self {
            relationship: RelationshipId(Uuid::from_bytes(array(bytes, 0))),
            to: NodeNumber(u32_at(bytes, 16)),
            kind: u16::from_le_bytes(array(bytes, 20)),
            flags: bytes[22],
        }
    }
}

impl Item for u8 {
    const BYTES: usize = 1;

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(*self);
    }

    fn read(bytes: &[u8]) -> Self {
        bytes[0]
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

impl Item for AgentId {
    const BYTES: usize = 16;

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.0.as_bytes());
    }

    fn read(bytes: &[u8]) -> Self {
        Self(Uuid::from_bytes(array(bytes, 0)))
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

impl<T: Item> Rows<T> {
    fn write(&self, bytes: &mut Vec<u8>) {
        put_u32(bytes, self.items().len() as u32);
        if !self.items().is_empty() {
            self.starts().iter().for_each(|&start| put_u32(bytes, start));
            self.items().iter().for_each(|item| item.write(bytes));
        }
    }

    fn read(frame: &mut Frame<'_>) -> Result<Self, SnapshotError> {
        let count = frame.u32()? as usize;
        if count == 0 {
            return Ok(Self::empty());
        }
        let mut starts = [0; PAGE + 1];
        starts.iter_mut().zip(frame.take(4 * (PAGE + 1))?.chunks_exact(4)).for_each(|(start, bytes)| *start = u32_at(bytes, 0));
        Self::of(starts, frame.items(count)?).ok_or_else(|| frame.damaged("rows out of order"))
    }
}

/// A page of CIs: what has a fixed length of each, then their names in one, each with its owner after it.
fn write_nodes(nodes: &[Node], bytes: &mut Vec<u8>) {
    for node in nodes {
        bytes.extend(node.id.0.as_bytes());
        bytes.extend(node.class.to_le_bytes());
        bytes.push(u8::from(node.stopped));
        [node.agent, node.name.len() as u32, node.owner_length].into_iter().for_each(|word| put_u32(bytes, word));
    }
    for node in nodes {
        bytes.extend(node.name.as_bytes());
        bytes.extend(node.owner().unwrap_or_default().as_bytes());
    }
}

fn read_nodes(frame: &mut Frame<'_>, count: usize, bounds: &Bounds) -> Result<Vec<Node>, SnapshotError> {
    let (mut nodes, unnamed) = (Vec::with_capacity(count), Name::from(""));
    let mut ends = Vec::with_capacity(count);
    let mut end = 0_u32;
    for _ in 0..count {
        let id = CiId(frame.uuid()?);
        let class = u16::from_le_bytes(array(frame.take(2)?, 0));
        let stopped = frame.take(1)?[0] != 0;
        let [agent, name, owner_length] = frame.u32s()?;
        if usize::from(class) >= bounds.classes && class != GONE || !bounds.has_agent(agent) {
            return Err(frame.damaged(NOWHERE));
        }
        let mut after = |length: u32| -> Result<u32, SnapshotError> {
            end = end.checked_add(length).ok_or_else(|| frame.damaged("a length"))?;
            Ok(end)
        };
        ends.push([after(name)?, after(if owner_length == NO_OWNER { 0 } else { owner_length })?]);
        nodes.push(Node { id, name: unnamed.clone(), owner_length, agent, class, stopped });
    }
    let names = Name::cut(frame.text_of(end as usize)?.to_owned(), ends);
    nodes.iter_mut().zip(names).for_each(|(node, name)| node.name = name);
    Ok(nodes)
}

/// A page of groups: what has a fixed length of each, then their members, then their names.
fn write_groups(groups: &[Group], bytes: &mut Vec<u8>) {
    for group in groups {
        bytes.extend(group.id.0.as_bytes());
        let hardness = match group.hardness {
            Hardness::Hard => 0,
            Hardness::Soft => 1,
            Hardness::None => 2,
        };
        for word in [hardness, group.min_up, group.gone, group.dependent.0, group.members.len() as u32, group.name.len() as u32] {
            put_u32(bytes, word);
        }
    }
    groups.iter().flat_map(|group| group.members.iter()).for_each(|member| member.write(bytes));
    groups.iter().for_each(|group| bytes.extend(group.name.as_bytes()));
}

fn read_groups(frame: &mut Frame<'_>, count: usize, bounds: &Bounds) -> Result<Vec<Group>, SnapshotError> {
    let (mut groups, unnamed) = (Vec::with_capacity(count), Name::from(""));
    let (mut member_ends, mut name_ends) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let (mut member_end, mut name_end) = (0_u32, 0_u32);
    for _ in 0..count {
        let id = NeedGroupId(frame.uuid()?);
        let [hardness, min_up, gone, dependent, members, name] = frame.u32s()?;
        let hardness = match hardness {
            0 => Hardness::Hard,
            1 => Hardness::Soft,
            _ => Hardness::None,
        };
        let dependent = NodeNumber(dependent);
        // The place of a group that is gone names the first CI, whether or not there is one.
        if !bounds.has_node(dependent) && dependent.0 != 0 || min_up > members.max(1) {
            return Err(frame.damaged(NOWHERE));
        }
        for (end, length) in [(&mut member_end, members), (&mut name_end, name)] {
            *end = end.checked_add(length).ok_or_else(|| frame.damaged("a length"))?;
        }
        member_ends.push(member_end);
        name_ends.push([name_end; 2]);
        groups.push(Group { id, name: unnamed.clone(), hardness, min_up, gone, dependent, members: Members::default() });
    }
    let members: Vec<NodeNumber> = frame.items(member_end as usize)?;
    if !bounds.has_all(&members, &[]) {
        return Err(frame.damaged(NOWHERE));
    }
    let names = Name::cut(frame.text_of(name_end as usize)?.to_owned(), name_ends);
    let pieces = names.zip(Members::cut(members, member_ends));
    groups.iter_mut().zip(pieces).for_each(|(group, (name, members))| (group.name, group.members) = (name, members));
    Ok(groups)
}

fn read_paged<T: Item>(frames: &mut FrameReader<'_>, count: usize) -> Result<Paged<T>, SnapshotError> {
    let mut pages = Paged::default();
    frames.each_page(count, |frame, count| {
        pages.push_page(frame.items(count)?);
        Ok(())
    })?;
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
    /// Writes pages, a few in each frame.
    fn put_pages<P>(&mut self, pages: impl Iterator<Item = P>, mut write: impl FnMut(P, &mut Vec<u8>)) -> io::Result<()> {
        let mut pages = pages.peekable();
        let mut bytes = Vec::new();
        while pages.peek().is_some() {
            pages.by_ref().take(PAGES).for_each(|page| write(page, &mut bytes));
            self.put(&mut bytes)?;
        }
        Ok(())
    }

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
    hasher.update(payload);
    hasher.update(&number.to_le_bytes());
    *hasher.finalize().as_bytes()
}

struct FrameReader<'r> {
    input: &'r mut dyn Read,
    number: u64,
    bytes: Vec<u8>,
}

impl FrameReader<'_> {
    /// Reads so many items page by page.
    fn each_page(
        &mut self,
        items: usize,
        mut read: impl FnMut(&mut Frame<'_>, usize) -> Result<(), SnapshotError>,
    ) -> Result<(), SnapshotError> {
        let mut left = items;
        while left > 0 {
            let mut frame = self.next()?;
            for _ in 0..PAGES.min(left.div_ceil(PAGE)) {
                let count = left.min(PAGE);
                read(&mut frame, count)?;
                left -= count;
            }
            frame.end()?;
        }
        Ok(())
    }

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
        self.text_of(length).map(Into::into)
    }

    fn text_of(&mut self, length: usize) -> Result<&'f str, SnapshotError> {
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| self.damaged("a text"))
    }

    fn items<T: Item>(&mut self, count: usize) -> Result<Vec<T>, SnapshotError> {
        let bytes = count.checked_mul(T::BYTES).ok_or_else(|| self.damaged("a count"))?;
        Ok(self.take(bytes)?.chunks_exact(T::BYTES).map(T::read).collect())
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
