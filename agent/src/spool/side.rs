//! One process's directory in the spool: sealed files, written whole by their owner and read with suspicion by the other.
//!
//! A reader believes a file only if it is a regular file, reached without a symbolic link, of the user who owns the
//! directory, that nobody else can write, no larger than that side may hold, and if its checksum fits.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, Mode, OFlags, openat};

use super::SpoolError;
use crate::files;

const MAGIC: &[u8; 8] = b"RCSPOOL2";
const HASH: usize = 32;
/// Bytes of a file beyond its content.
pub(super) const ENVELOPE: usize = MAGIC.len() + HASH;
/// Most bytes that a compressed part of a file may unpack to.
pub(super) const MOST_UNPACKED: u64 = 64 << 20;

#[derive(Clone, Debug)]
pub(super) struct Side {
    directory: PathBuf,
    share: u64,
}

impl Side {
    pub(super) fn new(directory: PathBuf, share: u64) -> Self {
        Self { directory, share }
    }

    /// The content of a file; `None` if there is none.
    pub(super) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, SpoolError> {
        // Not blocking: a pipe put in the file's place must not hold up the reader.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let directory = match openat(CWD, &self.directory, flags | OFlags::DIRECTORY, Mode::empty()) {
            Ok(directory) => directory,
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(self.refused(&self.directory, error)),
        };
        let owner = rustix::fs::fstat(&directory).map_err(|error| self.refused(&self.directory, error))?;
        if owner.st_mode & 0o022 != 0 {
            let path = self.directory.display();
            return Err(self.untrusted(&self.directory, "others can write to it", format!("chmod go-w {path}")));
        }
        let path = self.path(name);
        let file = match openat(&directory, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(self.refused(&path, error)),
        };
        let metadata = file.metadata().map_err(self.io("reading", name))?;
        let what = if !metadata.is_file() {
            "it is no regular file"
        } else if metadata.uid() != owner.st_uid {
            "it belongs to another user than its directory"
        } else if metadata.permissions().mode() & 0o022 != 0 {
            "others can write to it"
        } else {
            return self.read_opened(name, file, metadata.len()).map(Some);
        };
        Err(self.untrusted(&path, what, format!("rm {}", path.display())))
    }

    fn read_opened(&self, name: &str, file: File, size: u64) -> Result<Vec<u8>, SpoolError> {
        let too_large = || self.damaged(name, format!("it is larger than the {} bytes that this side may hold", self.share));
        if size > self.share {
            return Err(too_large());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
        file.take(self.share + 1).read_to_end(&mut bytes).map_err(self.io("reading", name))?;
        if bytes.len() as u64 > self.share {
            return Err(too_large());
        }
        if !is_sealed(&bytes) {
            return Err(self.damaged(name, "its checksum does not fit".to_owned()));
        }
        bytes.drain(..ENVELOPE);
        Ok(bytes)
    }

    /// Replaces a file by these parts, one after another.
    pub(super) fn write(&self, name: &str, parts: &[&[u8]]) -> Result<(), SpoolError> {
        let needed = self.used_besides(name) + ENVELOPE as u64 + parts.iter().map(|part| part.len() as u64).sum::<u64>();
        if needed > self.share {
            return Err(SpoolError::Full { path: self.directory.clone(), limit: self.share, needed });
        }
        let mut hasher = blake3::Hasher::new();
        parts.iter().for_each(|part| {
            hasher.update(part);
        });
        let hash = hasher.finalize();
        let sealed: Vec<&[u8]> = [MAGIC.as_slice(), hash.as_bytes()].into_iter().chain(parts.iter().copied()).collect();
        // The group is the other process's; the directory keeps everybody else out.
        files::write_atomic_as(&self.path(name), &sealed, 0o640).map_err(self.io("writing", name))
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), SpoolError> {
        files::remove(&self.path(name)).map_err(self.io("removing", name))
    }

    /// Removes a file that was damaged; 1 if it was.
    pub(super) fn remove_if_damaged(&self, name: &str, read: Result<(), SpoolError>) -> u64 {
        let Err(error @ (SpoolError::Damaged { .. } | SpoolError::Untrusted { .. })) = read else { return 0 };
        tracing::warn!(%error, "a file of the spool is removed");
        if let Err(error) = self.remove(name) {
            tracing::error!(%error, "it stays, and is refused at every look");
        }
        1
    }

    pub(super) fn holds(&self, name: &str) -> bool {
        self.path(name).symlink_metadata().is_ok()
    }

    /// What this side holds, bytes.
    pub(super) fn used(&self) -> u64 {
        self.used_besides("")
    }

    fn used_besides(&self, name: &str) -> u64 {
        // What a crash left half written is replaced together with the file it was to become.
        let half_written = files::temporary_name(name.as_ref());
        let entries = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let others = entries.filter(|entry| entry.file_name() != name && entry.file_name() != half_written);
        others.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum()
    }

    pub(super) fn damaged(&self, name: &str, reason: String) -> SpoolError {
        SpoolError::Damaged { path: self.path(name), reason }
    }

    pub(super) fn io(&self, doing: &'static str, name: &str) -> impl FnOnce(io::Error) -> SpoolError + use<> {
        let path = self.path(name);
        move |source| SpoolError::Io { doing, path, source }
    }

    fn untrusted(&self, path: &Path, what: &str, next_step: String) -> SpoolError {
        SpoolError::Untrusted { path: path.to_owned(), what: what.to_owned(), next_step }
    }

    fn refused(&self, path: &Path, error: rustix::io::Errno) -> SpoolError {
        match error {
            rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR => {
                self.untrusted(path, "it is a symbolic link, or something else in its place", format!("rm {}", path.display()))
            }
            error => SpoolError::Io { doing: "opening", path: path.to_owned(), source: error.into() },
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// Magic, BLAKE3 of the content, content.
fn is_sealed(bytes: &[u8]) -> bool {
    let sealed = || {
        let (hash, content) = bytes.strip_prefix(MAGIC)?.split_at_checked(HASH)?;
        Some(blake3::hash(content).as_bytes() == hash)
    };
    sealed().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn side() -> (tempfile::TempDir, Side) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("side");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        (directory, Side::new(path, 10_000))
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_noticed() {
        let (_directory, side) = side();
        side.write("f", &[b"one", b"two"]).unwrap();
        let path = side.path("f");
        let whole = fs::read(&path).unwrap();
        let flips = (0..whole.len() * 8).map(|bit| {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        });
        let longer = [whole.clone(), [whole.clone(), vec![0]].concat()].into_iter().skip(1);
        for damaged in (0..whole.len()).map(|cut| whole[..cut].to_vec()).chain(flips).chain(longer) {
            fs::write(&path, damaged).unwrap();
            let read = side.read("f");
            assert!(matches!(read, Err(SpoolError::Damaged { .. })), "{read:?}");
        }
        assert_eq!(side.remove_if_damaged("f", side.read("f").map(|_| ())), 1);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_not_the_others_own_file_is_not_read() {
        let (directory, side) = side();
        side.write("good", &[b"content"]).unwrap();
        let path = side.path("f");
        let elsewhere = directory.path().join("elsewhere");
        fs::copy(side.path("good"), &elsewhere).unwrap();
        let cases: [(&str, &dyn Fn()); 4] = [
            ("a link", &|| symlink(&elsewhere, &path).unwrap()),
            ("a directory", &|| fs::create_dir(&path).unwrap()),
            ("a pipe", &|| rustix::fs::mknodat(CWD, &path, rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o640), 0).unwrap()),
            ("writable by others", &|| {
                fs::copy(&elsewhere, &path).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
            }),
        ];
        for (what, make) in cases {
            make();
            let read = side.read("f");
            assert!(matches!(read, Err(SpoolError::Untrusted { .. })), "{what}: {read:?}");
            let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
        }
        // Only root can make a file of somebody else.
        if rustix::process::geteuid().is_root() {
            fs::copy(&elsewhere, &path).unwrap();
            std::os::unix::fs::chown(&path, Some(12_345), None).unwrap();
            assert!(matches!(side.read("f"), Err(SpoolError::Untrusted { .. })));
        }
        assert_eq!(side.read("good").unwrap().unwrap(), b"content");
        fs::set_permissions(&side.directory, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(side.read("good"), Err(SpoolError::Untrusted { .. })));
        let moved = directory.path().join("moved");
        fs::rename(&side.directory, &moved).unwrap();
        symlink(&moved, &side.directory).unwrap();
        assert!(matches!(side.read("good"), Err(SpoolError::Untrusted { .. })));
    }

    #[test]
    fn what_is_too_large_is_neither_read_nor_written() {
        let (_directory, side) = side();
        side.write("small", &[b"small"]).unwrap();
        assert!(matches!(side.write("large", &[&[0; 10_000]]), Err(SpoolError::Full { .. })));
        // What it replaces needs no room.
        for _ in 0..3 {
            side.write("medium", &[&[0; 6_000]]).unwrap();
        }
        assert!(side.used() <= side.share);
        fs::write(side.path("large"), vec![0; 10_001]).unwrap();
        assert!(matches!(side.read("large"), Err(SpoolError::Damaged { .. })));
        assert_eq!(side.read("small").unwrap().unwrap(), b"small");
    }
}
