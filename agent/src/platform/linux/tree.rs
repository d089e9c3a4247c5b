//! A directory tree as a process sees it whose root it is: no symbolic link leads out of it, and nothing but plain files is read.
//!
//! Configuration lies where others may write: in a container, in an application's directory. A link to another file, a pipe that
//! never ends or a device must not do more than be passed over.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::OwnedFd,
    path::PathBuf,
};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, ResolveFlags},
    io::Errno,
};

use crate::files::Root;

/// The tree.
#[derive(Debug)]
pub(super) struct Tree {
    base: OwnedFd,
    /// Where it is, where that is the running machine's own root: a kernel before 5.6 cannot resolve inside a tree, and there it need not.
    live: Option<PathBuf>,
}

impl Tree {
    /// The tree at the machine's absolute path `base`: `/`, or `/proc/PID/root` of a container's process.
    ///
    /// # Errors
    /// As the system says.
    pub(super) fn open(root: &Root, base: &str) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let live = (root.is_live() && base == "/").then(|| root.path(base));
        Ok(Self { base: rustix::fs::openat(CWD, root.path(base), flags, Mode::empty())?, live })
    }

    fn open_at(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        // A pipe would keep the caller waiting for its other end.
        let for_reading = if flags.contains(OFlags::PATH) { OFlags::empty() } else { OFlags::NONBLOCK | OFlags::NOCTTY };
        let flags = flags | for_reading | OFlags::CLOEXEC;
        let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(&self.base, path, flags, Mode::empty(), inside) {
            Err(Errno::NOSYS | Errno::PERM) if self.live.is_some() => {
                let path = self.live.as_ref().map(|live| live.join(path.trim_start_matches('/'))).unwrap_or_default();
                Ok(rustix::fs::openat(CWD, path, flags, Mode::empty())?)
            }
            opened => Ok(opened?),
        }
    }

    /// A plain file of at most `limit` bytes.
    ///
    /// # Errors
    /// As the system says; [`io::ErrorKind::InvalidInput`] for what is no plain file, [`io::ErrorKind::FileTooLarge`] beyond `limit`.
    pub(super) fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        let file = self.open_at(path, OFlags::empty())?;
        if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) != FileType::RegularFile {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a plain file"));
        }
        let mut bytes = Vec::new();
        File::from(file).take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {limit} bytes")));
        }
        Ok(bytes)
    }

    /// The names in a directory that are text, sorted, at most `most`; with each whether it is a directory itself.
    ///
    /// # Errors
    /// As the system says.
    pub(super) fn names(&self, path: &str, most: usize) -> io::Result<Vec<(String, bool)>> {
        let directory = self.open_at(path, OFlags::DIRECTORY)?;
        let mut names: Vec<(String, bool)> = rustix::fs::Dir::new(directory)?
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let name = entry.file_name().to_str().ok()?.to_owned();
                (name != "." && name != "..").then(|| (name, entry.file_type() == FileType::Directory))
            })
            .take(most)
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Whether something is at `path`, and may be reached.
    pub(super) fn exists(&self, path: &str) -> bool {
        self.open_at(path, OFlags::PATH).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn links_stay_inside_and_only_plain_files_are_read() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "outside").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("etc")).unwrap();
        fs::write(at("etc/a"), "12345").unwrap();
        symlink("/etc/a", at("absolute")).unwrap();
        symlink(outside.path().join("secret"), at("away")).unwrap();
        symlink("../../../../../../../../etc/a", at("climbs")).unwrap();
        symlink("loop", at("loop")).unwrap();
        rustix::fs::mknodat(CWD, at("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();

        let tree = Tree::open(&Root::new(directory.path()), "/").unwrap();
        let read = |path: &str| tree.read(path, 5).map(|bytes| String::from_utf8(bytes).unwrap()).map_err(|error| error.kind());
        assert_eq!(read("/etc/a").unwrap(), "12345");
        assert_eq!((read("/absolute").unwrap(), read("/climbs").unwrap()), ("12345".to_owned(), "12345".to_owned()));
        assert_eq!(read("/away"), Err(io::ErrorKind::NotFound));
        assert_eq!(read("/pipe"), Err(io::ErrorKind::InvalidInput));
        assert_eq!(read("/etc"), Err(io::ErrorKind::InvalidInput));
        assert!(read("/loop").is_err());
        assert_eq!(tree.read("/etc/a", 4).map_err(|error| error.kind()), Err(io::ErrorKind::FileTooLarge));
        assert_eq!(tree.names("/", 10).unwrap().iter().filter(|(_, is_directory)| *is_directory).count(), 1);
        assert!(tree.exists("/absolute") && !tree.exists("/away"));
    }
}
