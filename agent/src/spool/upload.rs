//! The document on its way.

use rollcall_shared::{DocumentId, wire::v1::Exchange};
use serde::{Deserialize, Serialize};

/// A document on its way, repeated byte for byte until it is acknowledged.
#[derive(Clone, Debug, PartialEq)]
pub struct Upload {
    /// What it is.
    pub header: UploadHeader,
    /// The document: zstd of JSON, exactly as sent.
    pub body: Vec<u8>,
}

/// What is known of a document without reading it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadHeader {
    /// The document's id.
    pub document_id: DocumentId,
    /// The exchange that it is sent as.
    pub exchange: Exchange,
    /// The sections in it.
    pub sections: Vec<String>,
}

impl Upload {
    /// Reads what lies in the seal: a line of header, and the body.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_content(mut content: Vec<u8>) -> Result<Self, &'static str> {
        let end = memchr::memchr(b'\n', &content).ok_or("it has no header")?;
        let header = content.get(..end).and_then(|header| serde_json::from_slice(header).ok()).ok_or("its header cannot be read")?;
        content.drain(..=end);
        Ok(Self { header, body: content })
    }
}
