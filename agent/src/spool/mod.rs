//! What is between the process that reads the machine and the one that talks to the collector, and nothing else is.
//!
//! Two directories, each written by one process and read by the other: `reader` holds the newest inventory and the windows
//! of connections, `sender` the document on its way and what the collector has acknowledged. A newer file replaces an older
//! one as a whole, so that the spool stays small however long the collector is away. Each side takes the other's files for
//! what they are, files of somebody else: see [`side`]. An agent that is one process uses the very same files.

mod acknowledged;
mod side;
mod snapshot;
#[cfg(test)]
mod tests;
mod upload;

use std::{
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

pub use acknowledged::{Acknowledged, Planned};
use rollcall_shared::wire::{
    limits::{self, JsonLimits},
    v1::Announced,
};
pub use snapshot::{Counts, Draft, Snapshot};
pub use upload::{Upload, UploadHeader};

use crate::{
    files,
    observe::Windows,
    permissions::{self, Unsafe, Wanted},
};
use side::Side;

/// Where the packages keep the spool: not in the state directory, which only the sending process may enter.
pub const DEFAULT_DIRECTORY: &str = "/var/lib/rollcall-spool";
/// How much the spool may hold unless told otherwise, bytes.
pub const DEFAULT_LIMIT: u64 = 64 << 20;
/// The least that it may be told to hold, bytes.
pub const LEAST_LIMIT: u64 = 1 << 20;

const READER: &str = "reader";
const SENDER: &str = "sender";
const INVENTORY: &str = "inventory.rcs";
const WINDOWS: &str = "windows.rcs";
const UPLOAD: &str = "upload.rcs";
const ACKNOWLEDGED: &str = "acknowledged.rcs";
const ANNOUNCED: &str = "announced.rcs";

/// The spool directory.
#[derive(Clone, Debug)]
pub struct Spool {
    directory: PathBuf,
    limit: u64,
}

/// A file of the spool could not be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The system refused.
    #[error("{doing} {path}: {source}{}", room(source))]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is not what was written.
    #[error("{path} is damaged and nothing of it is used: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How it was noticed.
        reason: String,
    },
    /// The file may not be what the other process wrote.
    #[error("{path} is not used: {what}; next: {next_step}")]
    Untrusted {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// What to do about it.
        next_step: String,
    },
    /// There is no room.
    #[error("{path} may hold {limit} bytes, half of what the spool may, and {needed} are needed; raise spool-limit")]
    Full {
        /// The directory.
        path: PathBuf,
        /// The limit.
        limit: u64,
        /// What would be needed.
        needed: u64,
    },
}

fn room(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; make room on that disk",
        _ => "",
    }
}

impl Spool {
    /// The spool in `directory`, which may hold `limit` bytes, half for each process.
    pub fn new(directory: impl Into<PathBuf>, limit: u64) -> Self {
        Self { directory: directory.into(), limit }
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What the reading process writes, as either process uses it.
    pub fn reader(&self) -> ReaderFiles {
        ReaderFiles(Side::new(self.directory.join(READER), self.limit / 2))
    }

    /// What the sending process writes, as either process uses it.
    pub fn sender(&self) -> SenderFiles {
        SenderFiles(Side::new(self.directory.join(SENDER), self.limit / 2))
    }

    /// What the spool holds, bytes.
    pub fn used(&self) -> u64 {
        self.reader().0.used() + self.sender().0.used()
    }

    /// How much the spool may hold, bytes.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Makes the directories of these roles where there are none, and checks that nobody else can write to them.
    ///
    /// # Errors
    /// [`SpoolError::Untrusted`] with the repairing command, or if they cannot be made.
    pub fn prepare(&self, roles: &[Role]) -> Result<(), SpoolError> {
        for (path, mode) in std::iter::once((self.directory.clone(), 0o755)).chain(roles.iter().map(|role| (self.of(*role), 0o750))) {
            let made = DirBuilder::new().recursive(true).mode(mode).create(&path);
            made.map_err(|source| SpoolError::Io { doing: "making", path, source })?;
        }
        self.check_permissions(roles)
    }

    /// Checks that nobody but these roles can write to their directories.
    ///
    /// # Errors
    /// [`SpoolError::Untrusted`] with the repairing command.
    pub fn check_permissions(&self, roles: &[Role]) -> Result<(), SpoolError> {
        const DANGER: &str = "read or change what is sent";
        let wanted = Wanted { directory: true, forbidden: 0o027, mode: "0750", danger: DANGER };
        let checks = roles.iter().map(|role| permissions::own(&self.of(*role), wanted));
        std::iter::once(permissions::only_trusted_write(&self.directory, DANGER)).chain(checks).collect::<Result<(), Unsafe>>().map_err(
            |error| match error {
                Unsafe::Permissions { path, mode, owner, danger, next_step } => SpoolError::Untrusted {
                    what: format!("it has mode {mode:04o} and owner {owner}, so that others could {danger}"),
                    path,
                    next_step,
                },
                Unsafe::Io { path, source } => SpoolError::Io { doing: "checking", path, source },
            },
        )
    }

    /// Takes a role's directory for this process.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if another process has it; otherwise as the system says.
    pub fn lock(&self, role: Role) -> io::Result<files::Lock> {
        files::Lock::take(&self.of(role).join("lock"))
    }

    /// Whether a process works in this role; `None` where this user may not know.
    pub fn is_busy(&self, role: Role) -> Option<bool> {
        files::Lock::is_taken(&self.of(role).join("lock"))
    }

    fn of(&self, role: Role) -> PathBuf {
        self.directory.join(match role {
            Role::Reader => READER,
            Role::Sender => SENDER,
        })
    }
}

/// One half of the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reads the machine, and opens no internet socket.
    Reader,
    /// Talks to the collector, and reads nothing but the spool and its own state.
    Sender,
}

/// What the reading process writes.
#[derive(Clone, Debug)]
pub struct ReaderFiles(Side);

impl ReaderFiles {
    /// The newest inventory, if one was collected.
    ///
    /// # Errors
    /// [`SpoolError::Damaged`] or [`SpoolError::Untrusted`]; otherwise as the system says.
    pub fn inventory(&self) -> Result<Option<Snapshot>, SpoolError> {
        let Some(content) = self.0.read(INVENTORY)? else { return Ok(None) };
        Snapshot::from_content(content).map(Some).map_err(|reason| self.0.damaged(INVENTORY, reason))
    }

    /// Replaces the inventory.
    ///
    /// # Errors
    /// [`SpoolError::Full`], or as the system says; what was stored before stands then.
    pub fn set_inventory(&self, draft: &Draft) -> Result<(), SpoolError> {
        let header = draft.header().map_err(self.0.io("writing", INVENTORY))?;
        self.0.write(INVENTORY, &[&header, b"\n", draft.packed()])
    }

    /// The windows of connections.
    ///
    /// # Errors
    /// [`SpoolError::Damaged`] or [`SpoolError::Untrusted`]; otherwise as the system says.
    pub fn windows(&self) -> Result<Windows, SpoolError> {
        let Some(content) = self.0.read(WINDOWS)? else { return Ok(Windows::default()) };
        let damaged = |reason: String| self.0.damaged(WINDOWS, reason);
        let json = snapshot::unpacked(&content, side::MOST_UNPACKED).map_err(|error| damaged(error.to_string()))?;
        Windows::from_stored(&json).map_err(|error| damaged(error.to_string()))
    }

    /// Stores the windows of connections.
    ///
    /// # Errors
    /// [`SpoolError::Full`], or as the system says; what was stored before stands then.
    pub fn set_windows(&self, windows: &Windows) -> Result<(), SpoolError> {
        let json = windows.to_stored().map_err(|error| self.0.io("writing", WINDOWS)(error.into()))?;
        let content = snapshot::packed(&json).map_err(self.0.io("compressing", WINDOWS))?;
        self.0.write(WINDOWS, &[&content])
    }

    /// Removes what is damaged, for whoever wrote it. How many files that were.
    pub fn remove_damaged(&self) -> u64 {
        let inventory = self.inventory().map(|_| ());
        self.0.remove_if_damaged(INVENTORY, inventory) + self.0.remove_if_damaged(WINDOWS, self.windows().map(|_| ()))
    }
}

/// What the sending process writes.
#[derive(Clone, Debug)]
pub struct SenderFiles(Side);

impl SenderFiles {
    /// The document on its way, if any.
    ///
    /// # Errors
    /// [`SpoolError::Damaged`] or [`SpoolError::Untrusted`]; otherwise as the system says.
    pub fn upload(&self) -> Result<Option<Upload>, SpoolError> {
        let Some(content) = self.0.read(UPLOAD)? else { return Ok(None) };
        Upload::from_content(content).map(Some).map_err(|reason| self.0.damaged(UPLOAD, reason.to_owned()))
    }

    /// Stores a document before it is sent.
    ///
    /// # Errors
    /// [`SpoolError::Full`], or as the system says; nothing is stored then.
    pub fn set_upload(&self, upload: &Upload) -> Result<(), SpoolError> {
        let header = serde_json::to_vec(&upload.header).map_err(|error| self.0.io("writing", UPLOAD)(error.into()))?;
        self.0.write(UPLOAD, &[&header, b"\n", &upload.body])
    }

    /// The document was acknowledged, or will never be taken.
    ///
    /// # Errors
    /// As the system says.
    pub fn clear_upload(&self) -> Result<(), SpoolError> {
        self.0.remove(UPLOAD)
    }

    /// Whether a document is on its way.
    pub fn has_upload(&self) -> bool {
        self.0.holds(UPLOAD)
    }

    /// What the collector is known to hold; nothing before the first exchange.
    ///
    /// # Errors
    /// [`SpoolError::Damaged`] or [`SpoolError::Untrusted`]; otherwise as the system says.
    pub fn acknowledged(&self) -> Result<Acknowledged, SpoolError> {
        let Some(content) = self.0.read(ACKNOWLEDGED)? else { return Ok(Acknowledged::default()) };
        Acknowledged::from_content(&content).map_err(|reason| self.0.damaged(ACKNOWLEDGED, reason))
    }

    /// Tells the reading process what the collector holds.
    ///
    /// # Errors
    /// As the system says; what was stored before stands then.
    pub fn set_acknowledged(&self, acknowledged: &Acknowledged) -> Result<(), SpoolError> {
        let content = serde_json::to_vec(acknowledged).map_err(|error| self.0.io("writing", ACKNOWLEDGED)(error.into()))?;
        self.0.write(ACKNOWLEDGED, &[&content])
    }

    /// What devices on the local network announce of themselves; nothing where nobody listens.
    ///
    /// # Errors
    /// [`SpoolError::Damaged`] or [`SpoolError::Untrusted`]; otherwise as the system says.
    pub fn announced(&self) -> Result<Vec<Announced>, SpoolError> {
        const LIMITS: JsonLimits = JsonLimits { bytes: 4 << 20, depth: 4, items: 1_000, total_items: 50_000, string_bytes: 1 << 10 };
        let Some(content) = self.0.read(ANNOUNCED)? else { return Ok(Vec::new()) };
        limits::parse(&content, &LIMITS).map_err(|problem| self.0.damaged(ANNOUNCED, problem.detail))
    }

    /// Tells the reading process what devices announce.
    ///
    /// # Errors
    /// As the system says; what was stored before stands then.
    pub fn set_announced(&self, devices: &[Announced]) -> Result<(), SpoolError> {
        let content = serde_json::to_vec(devices).map_err(|error| self.0.io("writing", ANNOUNCED)(error.into()))?;
        self.0.write(ANNOUNCED, &[&content])
    }

    /// Nobody listens any more.
    ///
    /// # Errors
    /// As the system says.
    pub fn clear_announced(&self) -> Result<(), SpoolError> {
        self.0.remove(ANNOUNCED)
    }

    /// Removes what is damaged, for whoever wrote it. How many files that were.
    pub fn remove_damaged(&self) -> u64 {
        self.0.remove_if_damaged(UPLOAD, self.upload().map(|_| ()))
            + self.0.remove_if_damaged(ACKNOWLEDGED, self.acknowledged().map(|_| ()))
            + self.0.remove_if_damaged(ANNOUNCED, self.announced().map(|_| ()))
    }

    /// Forgets all, for an agent that joins anew.
    ///
    /// # Errors
    /// As the system says.
    pub fn clear(&self) -> Result<(), SpoolError> {
        self.0.remove(UPLOAD)?;
        self.0.remove(ACKNOWLEDGED)
    }
}
