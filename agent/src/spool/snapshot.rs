//! An inventory in the spool: a line of header with the digest of every section, then the sections, each compressed by
//! itself. A check-in needs the header only, and of the sections only those that the collector asks for are unpacked.

use std::{collections::BTreeMap, io};

use rollcall_shared::{
    Digest, Timestamp,
    wire::{
        limits::{self, JsonLimits},
        v1::{Section, SectionStatus},
    },
};
use serde::{Deserialize, Serialize};

use crate::clock::LocalTime;

const FORMAT: u32 = 1;
/// What a header may hold: some hundred sections with their reasons.
const HEADER: JsonLimits = JsonLimits { bytes: 1 << 20, depth: 6, items: 1_000, total_items: 10_000, string_bytes: 64 << 10 };
/// Fast, and needs little memory; what is sent is compressed anew.
const LEVEL: i32 = 1;

/// What happened to earlier inventories, since the machine joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Replaced by newer ones before the collector had them.
    pub superseded: u64,
    /// Given up, because the spool had no room for them.
    pub dropped: u64,
    /// Files of the reading process that were found damaged.
    pub damaged: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: u32,
    number: u64,
    counts: Counts,
    collected_at: Timestamp,
    since_boot: i64,
    boot_id: String,
    sections: BTreeMap<String, Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    status: SectionStatus,
    collected_at: Timestamp,
    duration_ms: u32,
    digest: Digest,
    /// Where it lies after the header, how long it is there, and how long unpacked; bytes.
    offset: u64,
    packed: u64,
    size: u64,
}

/// An inventory being collected: each section is compressed as soon as it is there, and then needed no more.
#[derive(Debug)]
pub struct Draft {
    header: Header,
    packed: Vec<u8>,
}

impl Draft {
    /// An inventory without sections yet.
    pub fn new(at: &LocalTime) -> Self {
        let header = Header {
            format: FORMAT,
            number: 0,
            counts: Counts::default(),
            collected_at: at.local,
            since_boot: at.since_boot,
            boot_id: at.boot_id.clone(),
            sections: BTreeMap::new(),
        };
        Self { header, packed: Vec::new() }
    }

    /// Adds a section.
    ///
    /// # Errors
    /// Only if it cannot be compressed, which it always can.
    pub fn add(&mut self, name: &str, section: &Section) -> io::Result<()> {
        let json = section.data.get().as_bytes();
        let packed = packed(json)?;
        let entry = Entry {
            status: section.status.clone(),
            collected_at: section.collected_at,
            duration_ms: section.duration_ms,
            digest: section.digest,
            offset: self.packed.len() as u64,
            packed: packed.len() as u64,
            size: json.len() as u64,
        };
        self.packed.extend_from_slice(&packed);
        self.header.sections.insert(name.to_owned(), entry);
        Ok(())
    }

    /// Gives it its number, and what happened before it.
    pub fn numbered(&mut self, number: u64, counts: Counts) {
        (self.header.number, self.header.counts) = (number, counts);
    }

    /// The digest of each section.
    pub fn digests(&self) -> impl Iterator<Item = (&str, Digest)> {
        self.header.digests()
    }

    pub(super) fn header(&self) -> io::Result<Vec<u8>> {
        Ok(serde_json::to_vec(&self.header)?)
    }

    pub(super) fn packed(&self) -> &[u8] {
        &self.packed
    }
}

impl Header {
    fn digests(&self) -> impl Iterator<Item = (&str, Digest)> {
        self.sections.iter().map(|(name, entry)| (name.as_str(), entry.digest))
    }
}

/// An inventory as it was found in the spool.
#[derive(Debug)]
pub struct Snapshot {
    header: Header,
    packed: Vec<u8>,
}

impl Snapshot {
    /// Reads what lies in the seal.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_content(mut content: Vec<u8>) -> Result<Self, String> {
        let end = memchr::memchr(b'\n', &content).ok_or("it has no header")?;
        let header: Header = limits::parse(content.get(..end).unwrap_or_default(), &HEADER).map_err(|problem| problem.detail)?;
        if header.format != FORMAT {
            return Err(format!("it has format {}, and this agent reads {FORMAT}", header.format));
        }
        content.drain(..=end);
        let length = content.len() as u64;
        for (name, entry) in &header.sections {
            let is_name =
                !name.is_empty() && name.len() <= 64 && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_');
            let fits = entry.offset.checked_add(entry.packed).is_some_and(|end| end <= length);
            if !is_name || !fits || entry.size > limits::INVENTORY.bytes {
                return Err("a section is named, placed or sized as none can be".to_owned());
            }
        }
        Ok(Self { header, packed: content })
    }

    /// Counts up with each inventory.
    pub fn number(&self) -> u64 {
        self.header.number
    }

    /// What happened to earlier ones.
    pub fn counts(&self) -> Counts {
        self.header.counts
    }

    /// When it was collected, by the machine's clock.
    pub fn collected_at(&self) -> Timestamp {
        self.header.collected_at
    }

    /// How long ago it was collected, milliseconds; `None` if the machine was started anew since.
    pub fn age(&self, at: &LocalTime) -> Option<i64> {
        (self.header.boot_id == at.boot_id && !at.boot_id.is_empty()).then(|| at.since_boot.saturating_sub(self.header.since_boot))
    }

    /// The digest of each section.
    pub fn digests(&self) -> impl Iterator<Item = (&str, Digest)> {
        self.header.digests()
    }

    /// How long a section is unpacked, bytes.
    pub fn size(&self, name: &str) -> u64 {
        self.header.sections.get(name).map_or(0, |entry| entry.size)
    }

    /// A section; `None` if it is not in it.
    ///
    /// # Errors
    /// If it cannot be unpacked, which says that the reading process writes something else than this one reads.
    pub fn section(&self, name: &str) -> io::Result<Option<Section>> {
        let Some(entry) = self.header.sections.get(name) else { return Ok(None) };
        let place = usize::try_from(entry.offset).unwrap_or(usize::MAX)..usize::try_from(entry.offset + entry.packed).unwrap_or(usize::MAX);
        let json = unpacked(self.packed.get(place).unwrap_or_default(), entry.size)?;
        let json = String::from_utf8(json).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(Some(Section {
            status: entry.status.clone(),
            collected_at: entry.collected_at,
            duration_ms: entry.duration_ms,
            digest: entry.digest,
            data: serde_json::value::RawValue::from_string(json)?,
        }))
    }
}

pub(super) fn packed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    zstd::bulk::compress(bytes, LEVEL)
}

/// At most `most` bytes.
pub(super) fn unpacked(bytes: &[u8], most: u64) -> io::Result<Vec<u8>> {
    use io::Read;
    let mut unpacked = Vec::new();
    zstd::Decoder::with_buffer(bytes)?.take(most + 1).read_to_end(&mut unpacked)?;
    if unpacked.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it unpacks to more than {most} bytes")));
    }
    Ok(unpacked)
}
