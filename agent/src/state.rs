//! The state directory: who the agent is, and how far it has got with its collector.

use std::{
    collections::BTreeMap,
    fs::DirBuilder,
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use rollcall_shared::{
    Digest, Timestamp,
    wire::v1::{Credentials, Exchange},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use url::Url;
use uuid::Uuid;

use crate::{
    clock::ServerTime,
    files,
    keys::AgentKey,
    permissions::{self, Unsafe, Wanted},
};

/// Where the agent keeps its state unless told otherwise.
pub const DEFAULT_DIRECTORY: &str = "/var/lib/rollcall-agent";

const KEY: &str = "agent.key";
const IDENTITY: &str = "identity.json";
const ENROLLMENT: &str = "enrollment.json";
const PROGRESS: &str = "progress.json";
const LOCK: &str = "lock";
const MOST_BYTES: u64 = 8 << 20;

/// Who this agent is to its collector.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// Where the collector is, in order of preference.
    pub collector_urls: Vec<Url>,
    /// What the collector issued.
    pub credentials: Credentials,
}

/// An enrollment that was begun. Kept until it is done, so that it is repeated with the same token, key and nonce.
#[derive(Clone, Serialize, Deserialize)]
pub struct Enrollment {
    /// The token's text. A secret.
    pub token: String,
    /// This enrollment's nonce.
    pub nonce: Uuid,
    /// The collector's words when it last refused, until it is asked anew.
    #[serde(default)]
    pub refused: Option<String>,
}

/// How far the agent has got. All of it may be lost without harm but `exchange`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// The counter of the last exchange that was answered.
    pub answered: u64,
    /// The nonce of the next exchange, once it was begun; kept for its retries.
    pub next_nonce: Option<Uuid>,
    /// A renewal or recovery that was begun: the generation it starts from and its nonce.
    pub renewal: Option<(u64, Uuid)>,
    /// The last time that the collector told.
    pub server_time: Option<ServerTime>,
    /// What the collector is known to hold.
    pub acknowledged: BTreeMap<String, Digest>,
    /// When the last check-in was answered, by the collector's clock.
    pub last_check_in: Option<Timestamp>,
    /// Why the collector takes nothing from this agent: revoked, held or in conflict.
    pub held: Option<Held>,
    /// The last thing that went wrong and has not gone right since.
    pub last_error: Option<LastError>,
    /// Documents dropped because the spool had no room, since enrollment.
    pub dropped_documents: u64,
    /// Damaged files of the sending process that were refused, since enrollment.
    pub damaged: u64,
}

/// The collector takes nothing from this agent until a person decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Since when, by the best knowledge of the time.
    pub since: Timestamp,
    /// The collector's words.
    pub reason: String,
    /// The next step, in the collector's words.
    pub next_step: Option<String>,
}

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// When, by the best knowledge of the time.
    pub at: Timestamp,
    /// What.
    pub message: String,
}

impl Progress {
    /// The next exchange; its nonce is made here if this is the first try.
    pub fn next_exchange(&mut self) -> Exchange {
        Exchange { counter: self.answered + 1, nonce: *self.next_nonce.get_or_insert_with(Uuid::new_v4) }
    }

    /// The exchange was answered.
    pub fn answered(&mut self, exchange: Exchange) {
        self.answered = self.answered.max(exchange.counter);
        self.next_nonce = None;
    }
}

/// The state directory could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file or directory could not be read or written.
    #[error("{doing} {path}: {source}; check that the agent runs as the user who owns {path} and that the disk has room")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file holds something else than what the agent writes.
    #[error("{path} is damaged: {reason}; restore it from a backup, or remove {path} and enroll again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Others could read or change the agent's key or state.
    #[error(transparent)]
    Unsafe(#[from] Unsafe),
    /// Another agent runs on this state.
    #[error(
        "another rollcall-agent uses {path}; stop it first (systemctl stop rollcall-agent.target; one that was started by hand: pkill -x rollcall-agent)"
    )]
    Busy {
        /// The lock file.
        path: PathBuf,
    },
}

/// The state directory.
#[derive(Clone, Debug)]
pub struct StateDirectory(PathBuf);

impl StateDirectory {
    /// The state in `path`, which need not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the directory if there is none, and checks that nobody else can use it.
    ///
    /// # Errors
    /// If it cannot be made or is open to others.
    pub fn prepare(&self) -> Result<(), StateError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.0);
        made.map_err(|source| StateError::Io { doing: "making", path: self.0.clone(), source })?;
        self.check_permissions()
    }

    /// Checks that nobody else can read the key or change the state.
    ///
    /// # Errors
    /// [`StateError::Unsafe`] with the repairing command.
    pub fn check_permissions(&self) -> Result<(), StateError> {
        self.check_permissions_for(permissions::own_user())
    }

    /// The number of the user who owns the directory, if that is neither this one nor a matter to this one, who is root.
    pub fn owner_elsewhere(&self) -> Option<u32> {
        let own = permissions::own_user();
        let owner = std::fs::symlink_metadata(&self.0).ok()?.uid();
        (own != 0 && own != owner).then_some(owner)
    }

    /// Like [`Self::check_permissions`], but if root asks, for the user who owns the directory.
    ///
    /// # Errors
    /// [`StateError::Unsafe`] with the repairing command.
    pub fn check_permissions_of_owner(&self) -> Result<(), StateError> {
        let own = permissions::own_user();
        let owner = std::fs::symlink_metadata(&self.0).map_or(own, |metadata| metadata.uid());
        self.check_permissions_for(if own == 0 { owner } else { own })
    }

    fn check_permissions_for(&self, user: u32) -> Result<(), StateError> {
        let directory = Wanted { directory: true, forbidden: 0o077, mode: "0700", danger: "change the agent's state" };
        permissions::of(user, &self.0, directory)?;
        for (name, danger) in [
            (KEY, "read the agent's key"),
            (IDENTITY, "read or change who the agent is"),
            (ENROLLMENT, "read the enrollment token"),
            (PROGRESS, "read or change how far the agent has got"),
        ] {
            permissions::of(user, &self.0.join(name), Wanted { directory: false, forbidden: 0o077, mode: "0600", danger })?;
        }
        Ok(())
    }

    /// Takes the state for this process.
    ///
    /// # Errors
    /// [`StateError::Busy`] if another process has it.
    pub fn lock(&self) -> Result<files::Lock, StateError> {
        let path = self.0.join(LOCK);
        files::Lock::take(&path).map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => StateError::Busy { path },
            _ => StateError::Io { doing: "locking", path, source },
        })
    }

    /// Whether a process has the state; `None` where this user may not know.
    pub fn is_busy(&self) -> Option<bool> {
        files::Lock::is_taken(&self.0.join(LOCK))
    }

    /// The agent's key; made and stored if there is none.
    ///
    /// # Errors
    /// If it cannot be read, made or written.
    pub fn key_or_new(&self) -> Result<AgentKey, StateError> {
        if let Some(key) = self.key()? {
            return Ok(key);
        }
        let path = self.0.join(KEY);
        let damaged = |error: crate::keys::KeyError| StateError::Damaged { path: path.clone(), reason: error.to_string() };
        let key = AgentKey::generate().map_err(damaged)?;
        files::write_atomic(&path, key.to_pem().as_bytes()).map_err(|source| StateError::Io { doing: "writing", path, source })?;
        Ok(key)
    }

    /// The agent's key; `None` before the first enrollment.
    ///
    /// # Errors
    /// If it cannot be read or is damaged.
    pub fn key(&self) -> Result<Option<AgentKey>, StateError> {
        let path = self.0.join(KEY);
        let Some(pem) = self.read(KEY)?.map(zeroize::Zeroizing::new) else { return Ok(None) };
        let text = std::str::from_utf8(&pem).map_err(|error| StateError::Damaged { path: path.clone(), reason: error.to_string() })?;
        AgentKey::from_pem(text).map(Some).map_err(|error| StateError::Damaged { path, reason: error.to_string() })
    }

    /// Who the agent is; `None` before it is enrolled.
    ///
    /// # Errors
    /// If it cannot be read or is damaged.
    pub fn identity(&self) -> Result<Option<Identity>, StateError> {
        self.read_json(IDENTITY)
    }

    /// Stores who the agent is.
    ///
    /// # Errors
    /// If it cannot be written; what was stored before stands.
    pub fn set_identity(&self, identity: &Identity) -> Result<(), StateError> {
        self.write_json(IDENTITY, identity)
    }

    /// The enrollment that was begun, if any.
    ///
    /// # Errors
    /// If it cannot be read or is damaged.
    pub fn enrollment(&self) -> Result<Option<Enrollment>, StateError> {
        self.read_json(ENROLLMENT)
    }

    /// Stores an enrollment before its first request is sent.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn set_enrollment(&self, enrollment: &Enrollment) -> Result<(), StateError> {
        self.write_json(ENROLLMENT, enrollment)
    }

    /// Forgets the enrollment: it is done, or given up.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn clear_enrollment(&self) -> Result<(), StateError> {
        let path = self.0.join(ENROLLMENT);
        files::remove(&path).map_err(|source| StateError::Io { doing: "removing", path, source })
    }

    /// Forgets the identity, the key and all progress, so that the machine can enroll as a new agent.
    ///
    /// # Errors
    /// If something cannot be removed.
    pub fn reset(&self) -> Result<(), StateError> {
        for name in [IDENTITY, ENROLLMENT, PROGRESS, KEY] {
            let path = self.0.join(name);
            files::remove(&path).map_err(|source| StateError::Io { doing: "removing", path, source })?;
        }
        Ok(())
    }

    /// How far the agent has got; nothing yet if there is no file.
    ///
    /// # Errors
    /// If it cannot be read or is damaged: a counter that starts again would look like a copied agent.
    pub fn progress(&self) -> Result<Progress, StateError> {
        Ok(self.read_json(PROGRESS)?.unwrap_or_default())
    }

    /// Stores how far the agent has got.
    ///
    /// # Errors
    /// If it cannot be written; what was stored before stands.
    pub fn set_progress(&self, progress: &Progress) -> Result<(), StateError> {
        self.write_json(PROGRESS, progress)
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StateError> {
        let path = self.0.join(name);
        match files::read_bounded(&path, MOST_BYTES) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StateError::Io { doing: "reading", path, source }),
        }
    }

    fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StateError> {
        let Some(bytes) = self.read(name)? else { return Ok(None) };
        let damaged = |error: serde_json::Error| StateError::Damaged { path: self.0.join(name), reason: error.to_string() };
        serde_json::from_slice(&bytes).map(Some).map_err(damaged)
    }

    fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<(), StateError> {
        let path = self.0.join(name);
        let json = serde_json::to_vec(value).map_err(io::Error::from);
        let written = json.and_then(|json| files::write_atomic(&path, &json));
        written.map_err(|source| StateError::Io { doing: "writing", path, source })
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn state() -> (tempfile::TempDir, StateDirectory) {
        let directory = tempfile::tempdir().unwrap();
        let state = StateDirectory::new(directory.path().join("state"));
        state.prepare().unwrap();
        (directory, state)
    }

    #[test]
    fn a_nonce_is_kept_until_its_exchange_is_answered() {
        let (_directory, state) = state();
        let mut progress = state.progress().unwrap();
        let first = progress.next_exchange();
        state.set_progress(&progress).unwrap();
        let mut progress = state.progress().unwrap();
        assert_eq!((first.counter, progress.next_exchange()), (1, first));
        progress.answered(first);
        let second = progress.next_exchange();
        assert!(second.counter == 2 && second.nonce != first.nonce);
    }

    #[test]
    fn unsafe_permissions_are_refused_with_the_next_step() {
        let (_directory, state) = state();
        state.key_or_new().unwrap();
        for (path, mode) in [(state.path().to_owned(), 0o750), (state.path().join(KEY), 0o644)] {
            let good = fs::metadata(&path).unwrap().permissions();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = state.check_permissions().unwrap_err().to_string();
            assert!(error.contains("chmod 0") && error.contains(&path.display().to_string()), "{error}");
            fs::set_permissions(&path, good).unwrap();
        }
        state.check_permissions().unwrap();
    }

    #[test]
    fn one_agent_at_a_time() {
        let (_directory, state) = state();
        let lock = state.lock().unwrap();
        assert!(matches!(state.lock(), Err(StateError::Busy { .. })));
        drop(lock);
        state.lock().unwrap();
    }

    #[test]
    fn damage_is_told_and_not_taken_for_a_new_start() {
        let (_directory, state) = state();
        fs::write(state.path().join(PROGRESS), "{\"answered\":").unwrap();
        assert!(matches!(state.progress(), Err(StateError::Damaged { .. })));
    }

    #[test]
    fn the_key_is_made_once() {
        let (_directory, state) = state();
        assert_eq!(state.key_or_new().unwrap().public_der(), state.key_or_new().unwrap().public_der());
        state.reset().unwrap();
        assert!(state.key().unwrap().is_none());
    }
}
