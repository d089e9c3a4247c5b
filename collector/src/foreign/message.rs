//! What was sent: decompressed within limits, and read in whichever language it is. Content types are not trusted: the first bytes
//! tell.

use std::io::{self, Read};

use flate2::read::{GzDecoder, ZlibDecoder};
use rollcall_shared::wire::Problem;

use super::{answer::Format, content::Content, json, xml};

/// Bytes after decompressing.
const MAX_BYTES: u64 = 16 << 20;
/// How many times larger decompressed may be. Real inventories compress 6 to 15 times.
const MAX_RATIO: u64 = 100;
/// This much may always come out.
const RATIO_FREE_BYTES: u64 = 1 << 20;

/// A request of a program.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Message {
    /// "May I send?"
    Prolog,
    /// "What is to be done?", from GLPI Agent.
    Contact,
    /// A machine.
    Inventory(Inventory),
    /// Something that the program can go on without.
    Other,
}

/// A machine as a program describes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Inventory {
    /// What the program calls the machine.
    pub(super) device: String,
    /// Only what changed is sent.
    pub(super) partial: bool,
    /// Name and version of the program.
    pub(super) program: Option<String>,
    /// What it says.
    pub(super) content: Content,
}

/// A request, and how to answer it.
pub(super) struct Sent {
    pub(super) message: Message,
    pub(super) format: Format,
}

/// A request that cannot be read, and how to say so.
pub(super) struct Refused {
    pub(super) problem: Problem,
    pub(super) format: Format,
}

/// Reads a body.
pub(super) fn read(body: &[u8]) -> Result<Sent, Refused> {
    let is_compressed = !matches!(first(body), Some(b'<' | b'{') | None);
    let plain_xml = Format::Xml { compressed: is_compressed };
    if body.is_empty() {
        // GLPI Agent asks for its configuration with a GET.
        return Ok(Sent { message: Message::Other, format: Format::Json });
    }
    let text = match decompressed(body) {
        Ok(text) => text,
        Err(problem) => return Err(Refused { problem, format: plain_xml }),
    };
    let (format, read) = match first(&text) {
        Some(b'{') => (Format::Json, json::read(&text)),
        Some(b'<') => (plain_xml, xml::read(&text)),
        _ => {
            let problem = Problem::new(400, "not-an-inventory", "Not an inventory", "the body is neither XML nor JSON, compressed or not");
            (plain_xml, Err(problem.next("point GLPI Agent, FusionInventory Agent or OCS Inventory Agent at this address")))
        }
    };
    match read {
        Ok(message) => Ok(Sent { message, format }),
        Err(problem) => Err(Refused { problem, format }),
    }
}

fn first(bytes: &[u8]) -> Option<u8> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    bytes.iter().copied().find(|byte| !byte.is_ascii_whitespace())
}

/// Decompresses; a bomb is noticed at the limit and not after it.
fn decompressed(body: &[u8]) -> Result<Vec<u8>, Problem> {
    let limit = MAX_BYTES.min((body.len() as u64).saturating_mul(MAX_RATIO).max(RATIO_FREE_BYTES));
    let mut text = Vec::new();
    let read: io::Result<usize> = match body {
        [0x78, ..] => ZlibDecoder::new(body).take(limit + 1).read_to_end(&mut text),
        [0x1f, 0x8b, ..] => GzDecoder::new(body).take(limit + 1).read_to_end(&mut text),
        _ => body.take(limit + 1).read_to_end(&mut text),
    };
    if let Err(error) = read {
        return Err(Problem::new(400, "not-compressed", "The body cannot be decompressed", format!("the body is damaged: {error}"))
            .next("send it again"));
    }
    if text.len() as u64 > limit {
        let detail = format!("{} bytes decompress to more than {limit}", body.len());
        return Err(Problem::new(413, "limit-exceeded", "The inventory is beyond a limit", detail).limited_to(limit));
    }
    Ok(text)
}
