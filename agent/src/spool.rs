//! What the collector has not acknowledged yet, on disk.
//!
//! One file for each kind of content: the document on its way, repeated byte for byte until it is acknowledged; and the
//! windows of connections, which a new look at the machine cannot bring back. A newer one replaces an older one, so the
//! spool stays small however long the collector is away.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rollcall_shared::{DocumentId, wire::v1::Exchange};
use serde::{Deserialize, Serialize};

use crate::{files, observe::Windows};

/// How much the spool may hold unless told otherwise, bytes.
pub const DEFAULT_LIMIT: u64 = 64 << 20;

const UPLOAD: &str = "upload.rcs";
const WINDOWS: &str = "windows.rcs";
const MAGIC: &[u8; 8] = b"RCSPOOL1";
const HASH: usize = 32;

/// The spool directory.
#[derive(Clone, Debug)]
pub struct Spool {
    directory: PathBuf,
    limit: u64,
}

/// A document on its way.
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

/// A file of the spool could not be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The system refused.
    #[error("{doing} {path}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is not what was written; it was removed.
    #[error("{path} was damaged and has been removed; nothing of it was sent: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How it was noticed.
        reason: String,
    },
    /// There is no room.
    #[error("the spool may hold {limit} bytes and {needed} are needed; raise spool-limit")]
    Full {
        /// The limit.
        limit: u64,
        /// What would be needed.
        needed: u64,
    },
}

impl Spool {
    /// The spool in `directory`, which may hold `limit` bytes.
    pub fn new(directory: impl Into<PathBuf>, limit: u64) -> Self {
        Self { directory: directory.into(), limit }
    }

    /// The document on its way, if any.
    ///
    /// # Errors
    /// [`SpoolError::Damaged`] after removing a damaged file; otherwise as the system says.
    pub fn upload(&self) -> Result<Option<Upload>, SpoolError> {
        let Some(content) = self.read(UPLOAD)? else { return Ok(None) };
        let parsed = (|| {
            let end = memchr::memchr(b'\n', &content).ok_or("no header")?;
            let header = serde_json::from_slice(&content[..end]).map_err(|_| "no header")?;
            Ok(Upload { header, body: content[end + 1..].to_vec() })
        })();
        parsed.map(Some).map_err(|reason: &str| self.damaged(UPLOAD, reason))
    }

    /// Stores a document before it is sent.
    ///
    /// # Errors
    /// [`SpoolError::Full`], or as the system says; nothing is stored then.
    pub fn set_upload(&self, upload: &Upload) -> Result<(), SpoolError> {
        let mut content = serde_json::to_vec(&upload.header).map_err(|error| self.io("writing", UPLOAD)(error.into()))?;
        content.push(b'\n');
        content.extend_from_slice(&upload.body);
        self.write(UPLOAD, &content)
    }

    /// The document was acknowledged, or will never be taken.
    ///
    /// # Errors
    /// As the system says.
    pub fn clear_upload(&self) -> Result<(), SpoolError> {
        files::remove(&self.path(UPLOAD)).map_err(self.io("removing", UPLOAD))
    }

    /// The windows of connections.
    ///
    /// # Errors
    /// [`SpoolError::Damaged`] after removing a damaged file; otherwise as the system says.
    pub fn windows(&self) -> Result<Windows, SpoolError> {
        let Some(content) = self.read(WINDOWS)? else { return Ok(Windows::default()) };
        // The checksum says that the agent wrote it, so its size needs no bound.
        let json = zstd::decode_all(&content[..]).map_err(|error| self.damaged(WINDOWS, &error.to_string()))?;
        Windows::from_stored(&json).map_err(|error| self.damaged(WINDOWS, &error.to_string()))
    }

    /// Stores the windows of connections.
    ///
    /// # Errors
    /// [`SpoolError::Full`], or as the system says; what was stored before stands then.
    pub fn set_windows(&self, windows: &Windows) -> Result<(), SpoolError> {
        let json = windows.to_stored().map_err(|error| self.io("writing", WINDOWS)(error.into()))?;
        let content = zstd::encode_all(&json[..], 1).map_err(self.io("compressing", WINDOWS))?;
        self.write(WINDOWS, &content)
    }

    /// What the spool holds, bytes.
    pub fn used(&self) -> u64 {
        [UPLOAD, WINDOWS].iter().filter_map(|name| Some(fs::metadata(self.path(name)).ok()?.len())).sum()
    }

    /// How much the spool may hold, bytes.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, SpoolError> {
        let bytes = match files::read_bounded(&self.path(name), self.limit) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Err(self.damaged(name, "it is larger than the spool")),
            Err(error) => return Err(self.io("reading", name)(error)),
        };
        let content = unsealed(&bytes).ok_or_else(|| self.damaged(name, "its checksum does not fit"))?;
        Ok(Some(content.to_vec()))
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<(), SpoolError> {
        let sealed = sealed(content);
        let others: u64 = [UPLOAD, WINDOWS]
            .iter()
            .filter(|other| **other != name)
            .filter_map(|other| Some(fs::metadata(self.path(other)).ok()?.len()))
            .sum();
        let needed = others + sealed.len() as u64;
        if needed > self.limit {
            return Err(SpoolError::Full { limit: self.limit, needed });
        }
        files::write_atomic(&self.path(name), &sealed).map_err(self.io("writing", name))
    }

    fn damaged(&self, name: &str, reason: &str) -> SpoolError {
        let path = self.path(name);
        match files::remove(&path) {
            Ok(()) => SpoolError::Damaged { path, reason: reason.to_owned() },
            Err(source) => SpoolError::Io { doing: "removing damaged", path, source },
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(&self.directory).join(name)
    }

    fn io(&self, doing: &'static str, name: &str) -> impl FnOnce(io::Error) -> SpoolError {
        let path = self.path(name);
        move |source| SpoolError::Io { doing, path, source }
    }
}

/// Magic, BLAKE3 of the content, content.
fn sealed(content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(MAGIC.len() + HASH + content.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(blake3::hash(content).as_bytes());
    bytes.extend_from_slice(content);
    bytes
}

fn unsealed(bytes: &[u8]) -> Option<&[u8]> {
    let (hash, content) = bytes.strip_prefix(MAGIC)?.split_at_checked(HASH)?;
    (blake3::hash(content).as_bytes() == hash).then_some(content)
}

#[cfg(test)]
mod tests {
    use rollcall_shared::Timestamp;
    use uuid::Uuid;

    use super::*;

    fn upload(body: &[u8]) -> Upload {
        let header = UploadHeader {
            document_id: DocumentId(Uuid::nil()),
            exchange: Exchange { counter: 3, nonce: Uuid::nil() },
            sections: vec!["identity".into()],
        };
        Upload { header, body: body.to_vec() }
    }

    #[test]
    fn a_document_is_repeated_byte_for_byte_until_it_is_cleared() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::new(directory.path(), 1 << 20);
        assert_eq!(spool.upload().unwrap(), None);
        spool.set_upload(&upload(b"\n\x00binary\n")).unwrap();
        assert_eq!(spool.upload().unwrap(), Some(upload(b"\n\x00binary\n")));
        spool.clear_upload().unwrap();
        assert_eq!(spool.upload().unwrap(), None);
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::new(directory.path(), 1 << 20);
        spool.set_upload(&upload(b"document")).unwrap();
        let path = directory.path().join(UPLOAD);
        let whole = fs::read(&path).unwrap();
        let flips = (0..whole.len() * 8).map(|bit| {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        });
        for damaged in (0..whole.len()).map(|cut| whole[..cut].to_vec()).chain(flips) {
            assert_eq!(unsealed(&damaged), None);
        }
        // What is noticed is removed, so that it stops nothing twice.
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert!(matches!(spool.upload(), Err(SpoolError::Damaged { .. })));
        assert!(!path.exists());
    }

    #[test]
    fn a_full_spool_refuses_and_keeps_what_it_has() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::new(directory.path(), 1_000);
        spool.set_upload(&upload(b"small")).unwrap();
        assert!(matches!(spool.set_upload(&upload(&[0; 1_000])), Err(SpoolError::Full { .. })));
        assert_eq!(spool.upload().unwrap(), Some(upload(b"small")));
        assert!(spool.used() <= spool.limit());
    }

    #[test]
    fn windows_survive_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::new(directory.path(), 1 << 20);
        let mut windows = spool.windows().unwrap();
        windows.add(&[], Timestamp::from_millis(5));
        spool.set_windows(&windows).unwrap();
        assert_eq!(spool.windows().unwrap().to_stored().unwrap(), windows.to_stored().unwrap());
    }
}
