//! The collector's own host as a console: who can read the data directory may administer it, with no sign-in.
//!
//! `rollcall serve` leaves two files in its data directory, both readable by its own user only: `console.token`, a
//! fresh secret at every start, and `listening.json`, which says where it listens. Client commands with
//! `--data-dir` read them. This is how the first admin is made.

use std::{
    fs, io,
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

use super::Secret;
use crate::config::PeopleTls;

const TOKEN_FILE: &str = "console.token";
const LISTENING_FILE: &str = "listening.json";
const TOKEN_PREFIX: &str = "rollcallconsole_";

/// Where a running collector listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listening {
    /// How people reach it; its host is what the certificate must be valid for.
    pub people_url: Url,
    /// The people's listener as bound.
    pub people_address: SocketAddr,
    /// The agents' listener as bound.
    pub agents_address: SocketAddr,
    /// By which root the people's certificate is to be judged.
    pub trust: Trust,
    /// The collector's process.
    pub process_id: u32,
}

/// By which root the people's certificate is to be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// The collector's own, `ca/root.pem` in the data directory.
    Own,
    /// The system's.
    System,
    /// There is no TLS.
    None,
}

impl From<PeopleTls> for Trust {
    fn from(tls: PeopleTls) -> Self {
        match tls {
            PeopleTls::Own => Self::Own,
            PeopleTls::Files => Self::System,
            PeopleTls::Off => Self::None,
        }
    }
}

/// Makes a new console token and writes it; the one before stops working. Returns the hash for [`super::Auth`].
///
/// # Errors
/// If the file cannot be written or there is no randomness.
pub fn create_token(data_dir: &Path) -> io::Result<[u8; 32]> {
    let secret = Secret::generate(TOKEN_PREFIX)?;
    write_private(&data_dir.join(TOKEN_FILE), secret.text.as_bytes())?;
    Ok(secret.hash)
}

/// The console token of the collector that runs on this data directory.
///
/// # Errors
/// If it cannot be read: there is no collector, or it is another user's.
pub fn read_token(data_dir: &Path) -> io::Result<Zeroizing<String>> {
    fs::read_to_string(data_dir.join(TOKEN_FILE)).map(|text| Zeroizing::new(text.trim().to_owned()))
}

impl Listening {
    /// Writes the file; call it when the listeners are bound.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, data_dir: &Path) -> io::Result<()> {
        let json = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        write_private(&data_dir.join(LISTENING_FILE), &json)
    }

    /// Reads the file of the collector that runs, or ran last, on this data directory.
    ///
    /// # Errors
    /// If there is none or it cannot be read.
    pub fn read(data_dir: &Path) -> io::Result<Self> {
        serde_json::from_slice(&fs::read(data_dir.join(LISTENING_FILE))?).map_err(io::Error::other)
    }
}

/// Removes both files; call it when the collector has stopped.
pub fn remove(data_dir: &Path) {
    for file in [TOKEN_FILE, LISTENING_FILE] {
        // What is left behind is a dead token; the next start replaces it.
        let _ = fs::remove_file(data_dir.join(file));
    }
}

/// Writes a file that only this user can read, whole or not at all.
fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = PathBuf::from(format!("{}.new", path.display()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // One left by a crash may have other permissions; `mode` holds for new files only.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = options.open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_private_and_new_at_every_start() {
        let dir = tempfile::tempdir().unwrap();
        let hash = create_token(dir.path()).unwrap();
        let first = read_token(dir.path()).unwrap();
        assert_eq!(Secret::hash(&first), hash);
        #[cfg(unix)]
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(dir.path().join(TOKEN_FILE)).unwrap().permissions()) & 0o777,
            0o600
        );
        assert_ne!(create_token(dir.path()).unwrap(), hash);
        assert_ne!(*read_token(dir.path()).unwrap(), *first);
        remove(dir.path());
        assert!(read_token(dir.path()).is_err());
    }
}
