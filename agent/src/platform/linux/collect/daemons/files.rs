//! The configuration files of one service: read within bounds, patterns expanded.

use std::cell::{Cell, RefCell};

use crate::{files::Root, platform::linux::tree::Tree};

const MOST_BYTES_A_FILE: u64 = 1 << 20;
const MOST_BYTES: u64 = 8 << 20;
const MOST_FILES: usize = 256;
const MOST_NAMES: usize = 1_024;

/// A service's files, as the service sees them.
pub(in crate::platform::linux::collect) struct Files {
    tree: Option<Tree>,
    bytes_left: Cell<u64>,
    read: RefCell<Vec<String>>,
}

impl Files {
    /// Those of a service of this machine (`/`), or of one in a container (`/proc/PID/root`).
    pub(in crate::platform::linux::collect) fn new(root: &Root, base: &str) -> Self {
        Self { tree: Tree::open(root, base).ok(), bytes_left: Cell::new(MOST_BYTES), read: RefCell::default() }
    }

    /// A file; `None` where it is missing, may not be read, or is beyond the bounds.
    pub(in crate::platform::linux::collect) fn read(&self, path: &str) -> Option<Vec<u8>> {
        if self.read.borrow().len() >= MOST_FILES || !path.starts_with('/') {
            return None;
        }
        let bytes = self.tree.as_ref()?.read(path, MOST_BYTES_A_FILE.min(self.bytes_left.get())).ok()?;
        self.bytes_left.set(self.bytes_left.get().saturating_sub(bytes.len() as u64));
        let mut read = self.read.borrow_mut();
        if !read.iter().any(|known| known == path) {
            read.push(path.to_owned());
        }
        Some(bytes)
    }

    /// The first of these files that is there, and its content.
    pub(super) fn first(&self, paths: &[&str]) -> Option<(String, Vec<u8>)> {
        paths.iter().find_map(|path| Some(((*path).to_owned(), self.read(path)?)))
    }

    /// Whether something is there.
    pub(super) fn exists(&self, path: &str) -> bool {
        self.tree.as_ref().is_some_and(|tree| tree.exists(path))
    }

    /// The directories in a directory.
    pub(super) fn directories(&self, path: &str) -> Vec<String> {
        self.names(path).into_iter().filter(|(_, is_directory)| *is_directory).map(|(name, _)| name).collect()
    }

    fn names(&self, path: &str) -> Vec<(String, bool)> {
        self.tree.as_ref().and_then(|tree| tree.names(path, MOST_NAMES).ok()).unwrap_or_default()
    }

    /// The paths that match a pattern with `*` and `?`, sorted; a path without either is itself.
    pub(in crate::platform::linux::collect) fn expand(&self, pattern: &str) -> Vec<String> {
        if !pattern.contains(['*', '?']) {
            return vec![pattern.to_owned()];
        }
        let mut paths = vec![String::new()];
        for part in pattern.split('/').filter(|part| !part.is_empty()).take(32) {
            paths = if part.contains(['*', '?']) {
                let matching = |path: &String| {
                    let names = self.names(if path.is_empty() { "/" } else { path });
                    // As in a shell, hidden files are not meant.
                    let names = names.into_iter().filter(|(name, _)| !name.starts_with('.') && matches(part.as_bytes(), name.as_bytes()));
                    names.map(|(name, _)| format!("{path}/{name}")).collect::<Vec<_>>()
                };
                paths.iter().flat_map(matching).take(MOST_FILES).collect()
            } else {
                paths.iter().map(|path| format!("{path}/{part}")).collect()
            };
        }
        paths
    }

    /// The files read so far, in order.
    pub(super) fn names_read(&self) -> Vec<String> {
        self.read.borrow().clone()
    }
}

/// `path`, which may be relative to `directory`.
pub(super) fn absolute(path: &str, directory: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("{}/{}", directory.trim_end_matches('/'), path.trim_start_matches("./")) }
}

/// The directory that a file is in.
pub(super) fn directory(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((directory, _)) => directory,
    }
}

/// Whether `name` matches `pattern`: the usual way with one place to come back to, so that no pattern takes long.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(b'?') => {
                p += 1;
                n += 1;
            }
            Some(byte) if *byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    p = at + 1;
                    n = from + 1;
                    star = Some((at, n));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        let cases =
            [("*.conf", "a.conf", true), ("*.conf", "a.confx", false), ("a*b*c", "aXbYc", true), ("?", "ab", false), ("*", "", true)];
        for (pattern, name, expected) in cases {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn patterns_are_expanded_and_paths_joined() {
        let directory = tempfile::tempdir().unwrap();
        for path in ["etc/a/x.conf", "etc/b/y.conf", "etc/b/.z.conf", "etc/b/y.txt"] {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        let files = Files::new(&Root::new(directory.path()), "/");
        assert_eq!(files.expand("/etc/*/*.conf"), ["/etc/a/x.conf", "/etc/b/y.conf"]);
        assert_eq!(files.expand("/etc/none"), ["/etc/none"]);
        assert_eq!((absolute("a", "/b/"), absolute("/a", "/b"), super::directory("/a/b")), ("/b/a".into(), "/a".into(), "/a"));
        assert_eq!(files.first(&["/etc/none", "/etc/b/y.txt"]), Some(("/etc/b/y.txt".into(), b"x".to_vec())));
        assert_eq!(files.names_read(), ["/etc/b/y.txt"]);
    }
}
