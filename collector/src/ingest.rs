//! From the bytes of an inventory to what the writer takes: decompressed and parsed within limits, section by section, with
//! times corrected by the clock's skew. Never half-applied: a document is refused whole, or a section of it is left out and
//! reported.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    sync::Arc,
};

use axum::body::Bytes;
use rollcall_core::{AgentFacts, ReceivedDocument, ReceivedSection, observe};
use rollcall_shared::{
    Timestamp,
    wire::{
        Problem,
        limits::{self, INVENTORY, MAX_RATIO, RATIO_FREE_BYTES},
        v1::{self, *},
    },
};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::sync::Semaphore;

use crate::{auth::Refusal, store::SectionRecord, writer::Document};

/// zstd's window, as a power of two: memory that a frame may ask for.
const MAX_WINDOW_LOG: u32 = 23;

/// Reads documents, a few at once.
pub(crate) struct Ingest {
    readers: Arc<Semaphore>,
}

impl Default for Ingest {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self { readers: Arc::new(Semaphore::new(2 * cores)) }
    }
}

impl Ingest {
    /// Reads a document; the work is done on another thread.
    pub(crate) async fn read(&self, body: Bytes, facts: AgentFacts, received_at: Timestamp) -> Result<Document, Refusal> {
        // The semaphore is never closed.
        let permit = Arc::clone(&self.readers).acquire_owned().await.map_err(|_| Refusal::internal())?;
        let reading = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            read(&body, facts, received_at)
        });
        reading.await.map_err(|_| Refusal::internal())?.map_err(Refusal::new)
    }
}

/// Reads a document.
fn read(body: &[u8], facts: AgentFacts, received_at: Timestamp) -> Result<Document, Problem> {
    let json = decompress(body)?;
    limits::check(&json, &INVENTORY)?;
    check_format(&json)?;
    let document: InventoryDocument = limits::parse_checked(&json)?;
    let clock = Clock { skew_ms: document.sent_at.millis_since(received_at), received_at };

    let mut typed = ReceivedDocument::default();
    let mut sections = BTreeMap::new();
    let mut refused = BTreeMap::new();
    let mut not_understood = Vec::new();
    for (name, section) in &document.sections {
        let mut record = SectionRecord {
            digest: section.digest,
            document: document.document_id,
            status: section.status.clone(),
            collected_at: clock.corrected(section.collected_at),
            refused: None,
        };
        match put_typed(&mut typed, name, section, clock) {
            Understood::Yes => {}
            Understood::No => {
                record.refused = Some("not understood by this version of the collector".to_owned());
                not_understood.push(name.clone());
            }
            Understood::Refused(problem) => {
                record.refused = Some(problem.detail.clone());
                refused.insert(name.clone(), *problem);
            }
        }
        sections.insert(name.clone(), record);
    }
    Ok(Document {
        id: document.document_id,
        received_at,
        exchange: document.exchange,
        agent_version: document.agent_version,
        clock_skew_ms: clock.skew_ms,
        observed: observe(&typed, &facts.realm, received_at),
        facts,
        body: body.to_vec(),
        sections,
        refused,
        not_understood,
    })
}

/// What came of one section.
enum Understood {
    Yes,
    No,
    Refused(Box<Problem>),
}

/// Parses each section that this version knows into its place.
macro_rules! typed_sections {
    ($($field:ident: $type:ident),* $(,)?) => {
        fn put_typed(document: &mut ReceivedDocument, name: &str, section: &Section, clock: Clock) -> Understood {
            match name {
                $($type::NAME => match typed::<$type>(section, clock) {
                    Ok(section) => {
                        document.$field = Some(section);
                        Understood::Yes
                    }
                    Err(problem) => Understood::Refused(Box::new(problem)),
                },)*
                _ => kept(name, section),
            }
        }
    };
}

typed_sections! {
    identity: Identity,
    operating_system: OperatingSystem,
    hardware: Hardware,
    cpu: Cpu,
    memory: Memory,
    disks: Disks,
    file_systems: FileSystems,
    network: Network,
    packages: Packages,
    services: Services,
    listening: Listening,
    connections: Connections,
    neighbours: Neighbours,
    certificates: Certificates,
    virtual_guests: VirtualGuests,
}

/// Sections that the estate has no use for yet: their shape is checked, and they are kept.
macro_rules! kept_sections {
    ($($type:ident),* $(,)?) => {
        fn kept(name: &str, section: &Section) -> Understood {
            match name {
                $($type::NAME => section.parse::<$type>().map_or_else(|problem| Understood::Refused(Box::new(problem)), |_| Understood::Yes),)*
                _ => Understood::No,
            }
        }
    };
}

kept_sections! {
    Cloud,
    Devices,
    Peripherals,
    Storage,
    Accounts,
    Security,
    ContainerImages,
    Kubernetes,
    Timers,
    Updates,
}

fn typed<T: SectionData + DeserializeOwned>(section: &Section, clock: Clock) -> Result<ReceivedSection<T>, Problem> {
    Ok(ReceivedSection { status: section.status.clone(), collected_at: clock.corrected(section.collected_at), data: section.parse::<T>()? })
}

/// An agent's clock as measured with this document.
#[derive(Clone, Copy)]
struct Clock {
    skew_ms: i64,
    received_at: Timestamp,
}

impl Clock {
    /// An instant of the agent's clock on ours, never after the receipt.
    fn corrected(self, at: Timestamp) -> Timestamp {
        at.plus_millis(self.skew_ms.saturating_neg()).min(self.received_at)
    }
}

/// The format is read before the rest: another version may have another shape.
fn check_format(json: &[u8]) -> Result<(), Problem> {
    #[derive(Deserialize)]
    struct Head {
        format: u32,
    }
    let Head { format } = limits::parse_checked(json)?;
    if format == v1::VERSION {
        return Ok(());
    }
    let detail = format!("$.format: this collector reads version {}, not {format}", v1::VERSION);
    Err(Problem::new(422, "unknown-format", "The wire format version is not known", detail).at("$.format").next("upgrade the collector"))
}

/// Decompresses to at most the limits; a bomb is noticed at the limit and not after it.
fn decompress(body: &[u8]) -> Result<Vec<u8>, Problem> {
    let by_ratio = (body.len() as u64).saturating_mul(MAX_RATIO).max(RATIO_FREE_BYTES);
    let limit = INVENTORY.bytes.min(by_ratio);
    let mut json = Vec::new();
    let mut read = || -> io::Result<usize> {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(body)?;
        decoder.window_log_max(MAX_WINDOW_LOG)?;
        decoder.take(limit + 1).read_to_end(&mut json)
    };
    if let Err(error) = read() {
        let detail = format!("$: the body is not whole zstd data: {error}");
        return Err(Problem::new(400, "not-zstd", "The body is not zstd data", detail).at("$").next("send it again, whole"));
    }
    if json.len() as u64 > limit {
        let detail = if limit == INVENTORY.bytes {
            format!("$: more than {limit} bytes of JSON, the limit is {limit}")
        } else {
            format!("$: {} bytes decompress to more than {limit}, {MAX_RATIO} times as many", body.len())
        };
        return Err(Problem::new(413, "limit-exceeded", "The document is beyond a limit", detail).at("$").limited_to(limit));
    }
    Ok(json)
}

#[cfg(test)]
mod tests {
    use rollcall_shared::{AgentId, Digest, DocumentId};
    use uuid::Uuid;

    use super::*;

    fn facts() -> AgentFacts {
        AgentFacts {
            agent: AgentId(Uuid::from_u128(1)),
            realm: "default".to_owned(),
            assigned: BTreeMap::new(),
            enrolled_at: Timestamp::default(),
        }
    }

    fn now() -> Timestamp {
        Timestamp::from_millis(1_772_366_400_000)
    }

    fn compressed(json: &str) -> Vec<u8> {
        zstd::encode_all(json.as_bytes(), 3).unwrap()
    }

    fn with_sections(sections: &str, sent_at: Timestamp) -> Vec<u8> {
        let id = DocumentId(Uuid::from_u128(2));
        compressed(&format!(
            r#"{{"format":1,"document_id":"{id}","exchange":{{"counter":1,"nonce":"{id}"}},"agent_version":"1","sent_at":"{sent_at}","sections":{sections}}}"#
        ))
    }

    fn section(data: &str, at: Timestamp) -> String {
        let digest = Digest::of(data.as_bytes());
        format!(r#"{{"status":{{"state":"ok"}},"collected_at":"{at}","duration_ms":1,"digest":"{digest}","data":{data}}}"#)
    }

    fn refusal(body: &[u8]) -> Problem {
        read(body, facts(), now()).err().expect("refused")
    }

    #[test]
    fn what_is_not_a_document_is_refused_with_the_place() {
        let whole = with_sections("{}", now());
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for (what, body, status, path) in [
            ("empty", Vec::new(), 400, "$"),
            ("not zstd", b"{}".to_vec(), 400, "$"),
            ("truncated", whole[..whole.len() / 2].to_vec(), 400, "$"),
            ("not JSON", compressed("{\"format\":1,"), 400, "$"),
            ("too deep", compressed(&deep), 413, "$[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]"),
            ("NUL", compressed(r#"{"format":1,"agent_version":"\u0000"}"#), 422, "$.agent_version"),
            ("no format", compressed("{}"), 422, "$"),
            ("newer format", compressed(r#"{"format":2,"shape":"new"}"#), 422, "$.format"),
            ("wrong type", compressed(r#"{"format":1,"document_id":7}"#), 422, "$.document_id"),
        ] {
            let problem = refusal(&body);
            assert_eq!((problem.status, problem.path.as_deref()), (status, Some(path)), "{what}: {problem:?}");
        }
    }

    #[test]
    fn bombs_are_refused_at_the_limit() {
        let tiny_bomb = compressed(&" ".repeat(15 << 20));
        assert_eq!(refusal(&tiny_bomb).limit, Some(RATIO_FREE_BYTES));
        let mut nested = Vec::new();
        for _ in 0..200 {
            nested.extend_from_slice(&tiny_bomb);
        }
        assert_eq!(refusal(&nested).status, 413);
        // Not compressible by the ratio, but too much in all.
        let mut state = 1_u64;
        let noise: String = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'a' + (state >> 60) as u8)
        })
        .take((16 << 20) + 1)
        .collect();
        assert_eq!(refusal(&compressed(&noise)).limit, Some(INVENTORY.bytes));
    }

    #[test]
    fn a_section_that_is_wrong_or_unknown_does_not_take_the_others_with_it() {
        let sections = format!(
            r#"{{"identity":{},"memory":{},"moon_phase":{}}}"#,
            section(r#"{"hostname":"db01"}"#, now()),
            section(r#"{"total_bytes":"much"}"#, now()),
            section("[1]", now())
        );
        let document = read(&with_sections(&sections, now()), facts(), now()).unwrap();
        assert_eq!(document.not_understood, ["moon_phase"]);
        assert_eq!(document.refused.keys().collect::<Vec<_>>(), ["memory"]);
        assert!(document.refused["memory"].path.as_deref().unwrap().starts_with("$.sections.memory.data"));
        let kept: Vec<_> = document.sections.iter().map(|(name, record)| (name.as_str(), record.refused.is_some())).collect();
        assert_eq!(kept, [("identity", false), ("memory", true), ("moon_phase", true)]);
    }

    #[test]
    fn every_section_of_the_wire_format_is_understood() {
        let sections: Vec<String> = v1::SECTIONS.iter().map(|known| format!("{:?}:{}", known.name, section("null", now()))).collect();
        let document = read(&with_sections(&format!("{{{}}}", sections.join(",")), now()), facts(), now()).unwrap();
        assert_eq!((document.not_understood.len(), document.refused.len()), (0, 0), "{:?}", document.not_understood);
        assert_eq!(document.sections.len(), v1::SECTIONS.len());
    }

    #[test]
    fn the_agents_clock_is_corrected_and_never_ahead() {
        const YEAR: i64 = 365 * 86_400_000;
        for skew in [0, YEAR, -YEAR] {
            let sent_at = now().plus_millis(skew);
            let sections = format!(
                r#"{{"cpu":{},"memory":{}}}"#,
                section("null", sent_at.plus_millis(-5_000)),
                section("null", sent_at.plus_millis(9_000))
            );
            let document = read(&with_sections(&sections, sent_at), facts(), now()).unwrap();
            assert_eq!(document.clock_skew_ms, skew);
            assert_eq!(document.sections["cpu"].collected_at, now().plus_millis(-5_000));
            assert_eq!(document.sections["memory"].collected_at, now());
        }
    }
}
