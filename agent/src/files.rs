//! Reading a machine's files under a root, bounded; writing the agent's own, atomically.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use rollcall_shared::Timestamp;

use crate::platform;

/// Where a machine's files are: `/`, or the root of a recorded machine in tests.
#[derive(Clone, Debug)]
pub struct Root(PathBuf);

/// Most bytes read of a small file such as those below `/sys` and `/proc`.
const SMALL: u64 = 1 << 20;

impl Root {
    /// The machine whose `/` is at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Whether this is the running machine and not a recorded one: only then may system calls be asked too.
    pub fn is_live(&self) -> bool {
        self.0 == Path::new("/")
    }

    /// Where the machine's absolute `path` is.
    pub fn path(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    /// A small file.
    ///
    /// # Errors
    /// As the system says; [`io::ErrorKind::FileTooLarge`] beyond 1 MiB.
    pub fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        read_bounded(&self.path(path), SMALL)
    }

    /// A file of at most `limit` bytes.
    ///
    /// # Errors
    /// As the system says; [`io::ErrorKind::FileTooLarge`] beyond `limit`.
    pub fn read_up_to(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        read_bounded(&self.path(path), limit)
    }

    /// `length` bytes of a file from `offset`, fewer where it ends before: for files that are too large to read whole.
    ///
    /// # Errors
    /// As the system says.
    pub fn read_at(&self, path: &str, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.path(path))?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(length).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// A file opened for reading, for those of which only parts are wanted.
    ///
    /// # Errors
    /// As the system says.
    pub fn open(&self, path: &str) -> io::Result<File> {
        File::open(self.path(path))
    }

    /// How long a file is, bytes.
    pub fn size(&self, path: &str) -> Option<u64> {
        self.path(path).metadata().ok().map(|metadata| metadata.len())
    }

    /// A small file as trimmed text; `None` where it is missing, unreadable, empty or not text.
    pub fn text(&self, path: &str) -> Option<String> {
        let text = String::from_utf8(self.read(path).ok()?).ok()?;
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        (!text.is_empty() && !text.contains('\0')).then(|| text.to_owned())
    }

    /// A file that holds one number.
    pub fn number<T: std::str::FromStr>(&self, path: &str) -> Option<T> {
        self.text(path)?.parse().ok()
    }

    /// Whether something is at `path`.
    pub fn exists(&self, path: &str) -> bool {
        self.path(path).symlink_metadata().is_ok()
    }

    /// The names in a directory, sorted; those that are not text are left out.
    ///
    /// # Errors
    /// As the system says.
    pub fn names(&self, path: &str) -> io::Result<Vec<String>> {
        let mut names: Vec<String> =
            fs::read_dir(self.path(path))?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Where a symbolic link points, as text.
    pub fn link(&self, path: &str) -> Option<String> {
        fs::read_link(self.path(path)).ok()?.into_os_string().into_string().ok()
    }

    /// The last part of where a symbolic link points: how sysfs names drivers and groups.
    pub fn link_name(&self, path: &str) -> Option<String> {
        self.link(path)?.rsplit('/').next().map(str::to_owned)
    }

    /// When a file was last written.
    pub fn modified(&self, path: &str) -> Option<Timestamp> {
        let modified = self.path(path).metadata().ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Timestamp::from_millis(i64::try_from(modified.as_secs()).ok()?.checked_mul(1_000)?))
    }
}

/// A file of at most `limit` bytes.
///
/// # Errors
/// As the system says; [`io::ErrorKind::FileTooLarge`] beyond `limit`.
pub fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    // Most files of /proc and /sys fit into one read and tell no size; the others are sized by what they say.
    const ONE_READ: u64 = 4 << 10;
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    let mut bytes = Vec::with_capacity(usize::try_from(size.saturating_add(1).max(ONE_READ).min(limit)).unwrap_or_default());
    // One byte more than allowed tells a file that is too large from one that fits exactly.
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {limit} bytes")));
    }
    Ok(bytes)
}

/// Replaces `path` by a file with these bytes, readable by its owner only. After a crash at any moment the old or the new
/// content is there, never a part.
///
/// # Errors
/// As the system says; the old file then still stands.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_atomic_as(path, &[bytes], 0o600)
}

/// Like [`write_atomic`], with these parts one after another and this mode, whatever the umask.
///
/// # Errors
/// As the system says; the old file then still stands.
pub fn write_atomic_as(path: &Path, parts: &[&[u8]], mode: u32) -> io::Result<()> {
    let directory = path.parent().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a file needs a directory"))?;
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a file needs a name"))?;
    let temporary = directory.join(temporary_name(name));
    let written = (|| {
        // A leftover of a crash may have any mode; it is replaced, not reused.
        if let Err(error) = fs::remove_file(&temporary)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = platform::private(OpenOptions::new().write(true).create_new(true)).open(&temporary)?;
        if mode != 0o600 {
            platform::set_mode(&file, mode)?;
        }
        for part in parts {
            file.write_all(part)?;
        }
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        platform::sync_directory(directory)
    })();
    if written.is_err() {
        // Best effort: the error that matters is the one already at hand.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// What a file is called until it is whole.
pub fn temporary_name(name: &std::ffi::OsStr) -> std::ffi::OsString {
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(".new");
    temporary
}

/// Removes a file, durably; one that is not there is fine.
///
/// # Errors
/// As the system says.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Err(_) => Ok(()),
        Ok(()) => match path.parent() {
            Some(directory) => platform::sync_directory(directory),
            None => Ok(()),
        },
    }
}

/// Held while a process has something for itself; given up when it ends, however it ends.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock is the open file")] File);

impl Lock {
    /// Takes the lock in this file.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if another process has it; otherwise as the system says.
    pub fn take(path: &Path) -> io::Result<Self> {
        let file = platform::private(OpenOptions::new().create(true).truncate(false).write(true)).open(path)?;
        file.try_lock()?;
        Ok(Self(file))
    }

    /// Whether another process has it; `None` where this user may not look. Makes no file.
    pub fn is_taken(path: &Path) -> Option<bool> {
        match File::open(path) {
            Ok(file) => Some(matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => None,
            Err(_) => Some(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_write_replaces_the_whole_file_and_nobody_else_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        fs::write(directory.path().join(".state.json.new"), "left by a crash").unwrap();
        write_atomic(&path, b"one, long").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        remove(&path).unwrap();
        remove(&path).unwrap();
    }

    #[test]
    fn a_file_beyond_the_limit_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("f"), "12345").unwrap();
        let root = Root::new(directory.path());
        assert_eq!(root.read_up_to("/f", 5).unwrap(), b"12345");
        assert_eq!(root.read_up_to("/f", 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(root.text("/missing"), None);
    }
}
