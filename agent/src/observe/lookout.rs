//! Which sockets processes have just opened, for one or two questions to each of them.
//!
//! Reading the kernel's table of connections walks all of its hundreds of thousands of places, however few are taken: on a quiet
//! machine that takes longer than many a connection lasts. A process gives a new socket the lowest number that is free, so
//! that looking at just these numbers tells of a new socket a hundred times sooner, and whose it is with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem::MaybeUninit,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use foldhash::{HashMap, HashSet};
use rustix::{
    fs::{CWD, Dir, Mode, OFlags, openat, readlinkat_raw},
    io::Errno,
    path::DecInt,
};

use crate::{files::Root, parse::process_stat};

/// The processes that are watched.
#[derive(Default)]
pub(super) struct Lookout {
    watched: Vec<Watched>,
    /// Processes without descriptors, the kernel's own most of all, and those that may not be read.
    closed: HashSet<u32>,
    /// When it is to be seen which processes there are.
    refresh: Option<Instant>,
    /// Whose turn it is to have all of its descriptors read.
    turn: usize,
    /// Whose turn it is of those that hold no sockets.
    other_turn: usize,
}

/// One process.
struct Watched {
    pid: u32,
    directory: OwnedFd,
    /// What its descriptors were when they were last listed: a socket's inode, or 0 for anything else.
    listed: BTreeMap<u32, u64>,
    /// The numbers that were taken for good: the same in two lists.
    taken: BTreeSet<u32>,
    /// Sockets that were told of, and may still be open.
    told: Vec<u64>,
}

/// Processes that are watched at a time; those that hold sockets come first.
const MOST_WATCHED: usize = 256;
/// Of those without sockets, so many are looked at each time.
const MOST_OTHERS: usize = 16;
/// Free numbers that are looked at of each process.
const NUMBERS: usize = 3;
/// Descriptors of one process that are listed.
const MOST_LISTED: usize = 1_024;
/// How often it is seen which processes there are.
const REFRESH: Duration = Duration::from_secs(1);

impl Lookout {
    /// Sockets that were opened since the last call and are still open, each with the process that holds it. `own` is this process.
    pub(super) fn fresh(&mut self, root: &Root, own: u32, now: Instant) -> HashMap<u64, u32> {
        if self.refresh.is_none_or(|at| now >= at) {
            self.refresh(root, own);
            self.refresh = Some(now + REFRESH);
        }
        let mut fresh = HashMap::default();
        let others: Vec<usize> = (0..self.watched.len()).filter(|at| !self.watched[*at].holds_sockets()).collect();
        let first = self.other_turn;
        self.other_turn = first.wrapping_add(MOST_OTHERS);
        let others: HashSet<usize> =
            (0..others.len().min(MOST_OTHERS)).map(|step| others[first.wrapping_add(step) % others.len()]).collect();
        let mut gone = Vec::new();
        for (at, watched) in self.watched.iter_mut().enumerate().filter(|(at, watched)| watched.holds_sockets() || others.contains(at)) {
            if watched.look(&mut fresh).is_err() {
                gone.push(at);
            }
        }
        // One list each time keeps all of them current, and no look long.
        self.turn = (self.turn + 1) % self.watched.len().max(1);
        if let Some(watched) = self.watched.get_mut(self.turn)
            && watched.list().is_err()
        {
            gone.push(self.turn);
        }
        let gone: HashSet<usize> = gone.into_iter().collect();
        let mut at = 0;
        self.watched.retain(|_| {
            at += 1;
            !gone.contains(&(at - 1))
        });
        fresh
    }

    /// Lets everything go until it is asked again.
    pub(super) fn rest(&mut self) {
        *self = Self::default();
    }

    fn refresh(&mut self, root: &Root, own: u32) {
        let pids: BTreeSet<u32> = root.names("/proc").unwrap_or_default().iter().filter_map(|name| name.parse().ok()).collect();
        self.watched.retain(|watched| pids.contains(&watched.pid));
        self.closed.retain(|pid| pids.contains(pid));
        let known: HashSet<u32> = self.watched.iter().map(|watched| watched.pid).collect();
        // The newest first: they are the least known.
        for pid in pids.into_iter().rev().filter(|pid| *pid != own && !known.contains(pid)) {
            if self.closed.contains(&pid) {
                continue;
            }
            match Watched::open(root, pid) {
                Some(watched) => self.watched.push(watched),
                None => {
                    self.closed.insert(pid);
                }
            }
        }
        self.watched.sort_by_key(|watched| !watched.holds_sockets());
        self.watched.truncate(MOST_WATCHED);
    }
}

impl Watched {
    fn open(root: &Root, pid: u32) -> Option<Self> {
        let path = root.path(&format!("/proc/{pid}/fd"));
        let directory = openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let mut watched = Self { pid, directory, listed: BTreeMap::new(), taken: BTreeSet::new(), told: Vec::new() };
        watched.list().ok()?;
        // What a process has when it is first seen may be what it has for a moment: only files are taken for good.
        watched.taken = watched.listed.iter().filter(|(_, inode)| **inode == 0).map(|(number, _)| *number).collect();
        (!watched.listed.is_empty()).then_some(watched)
    }

    fn holds_sockets(&self) -> bool {
        self.listed.values().any(|inode| *inode != 0) || !self.told.is_empty()
    }

    fn list(&mut self) -> Result<(), Errno> {
        let mut listed = BTreeMap::new();
        for entry in Dir::read_from(&self.directory)?.take(MOST_LISTED) {
            let Some(number) = entry?.file_name().to_str().ok().and_then(|name| name.parse().ok()) else { continue };
            if let Some(inode) = self.read(number) {
                listed.insert(number, inode);
            }
        }
        let before = std::mem::replace(&mut self.listed, listed);
        self.taken = self.listed.iter().filter(|(number, inode)| before.get(number) == Some(inode)).map(|(number, _)| *number).collect();
        self.told.retain(|told| self.listed.values().any(|inode| inode == told));
        Ok(())
    }

    /// Adds the sockets that have appeared at the lowest numbers that are not taken.
    fn look(&mut self, fresh: &mut HashMap<u64, u32>) -> Result<(), Errno> {
        let mut number = 0;
        for _ in 0..NUMBERS {
            while self.taken.contains(&number) {
                number += 1;
            }
            match self.read(number) {
                None => break,
                Some(0) => {}
                Some(inode) if self.told.contains(&inode) => {}
                Some(inode) => {
                    self.told.push(inode);
                    fresh.insert(inode, self.pid);
                }
            }
            number += 1;
        }
        Ok(())
    }

    /// A descriptor: a socket's inode, or 0 for anything else; `None` where there is none.
    fn read(&self, number: u32) -> Option<u64> {
        let mut target = [MaybeUninit::uninit(); 64];
        let (link, _) = readlinkat_raw(&self.directory, DecInt::new(number), &mut target).ok()?;
        Some(process_stat::socket_inode(link).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, path::Path};

    use super::*;

    fn descriptor(root: &Path, pid: u32, number: u32, target: Option<&str>) {
        let directory = root.join(format!("proc/{pid}/fd"));
        fs::create_dir_all(&directory).unwrap();
        let _ = fs::remove_file(directory.join(number.to_string()));
        if let Some(target) = target {
            symlink(target, directory.join(number.to_string())).unwrap();
        }
    }

    fn fresh(lookout: &mut Lookout, root: &Path, now: Instant) -> Vec<(u64, u32)> {
        let mut fresh: Vec<_> = lookout.fresh(&Root::new(root), 99, now).into_iter().collect();
        fresh.sort_unstable();
        fresh
    }

    #[test]
    fn a_new_socket_is_told_once_whatever_was_there_before() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let now = Instant::now();
        descriptor(root, 10, 0, Some("/dev/null"));
        descriptor(root, 10, 1, Some("socket:[100]"));
        descriptor(root, 99, 0, Some("socket:[900]"));
        let mut lookout = Lookout::default();
        assert_eq!(fresh(&mut lookout, root, now), [(100, 10)], "what is there at first may be for a moment only; this process is none");
        assert_eq!(fresh(&mut lookout, root, now), []);
        for inode in [101, 102, 103] {
            let link = format!("socket:[{inode}]");
            descriptor(root, 10, 2, Some(&link));
            assert_eq!(fresh(&mut lookout, root, now), [(inode, 10)]);
            assert_eq!(fresh(&mut lookout, root, now), []);
            descriptor(root, 10, 2, None);
            assert_eq!(fresh(&mut lookout, root, now), []);
        }
        // The one that was taken for good goes, and a new one takes its number.
        descriptor(root, 10, 1, None);
        fresh(&mut lookout, root, now);
        descriptor(root, 10, 1, Some("socket:[104]"));
        assert_eq!(fresh(&mut lookout, root, now), [(104, 10)]);
        // A process that has begun since.
        descriptor(root, 11, 0, Some("socket:[110]"));
        assert_eq!(fresh(&mut lookout, root, now), []);
        assert_eq!(fresh(&mut lookout, root, now + REFRESH), [(110, 11)]);
        fs::remove_dir_all(root.join("proc/10")).unwrap();
        fresh(&mut lookout, root, now + REFRESH * 2);
        assert_eq!(lookout.watched.iter().map(|watched| watched.pid).collect::<Vec<_>>(), [11]);
    }

    #[test]
    fn a_crowd_without_sockets_has_its_turns() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let now = Instant::now();
        (1_000..1_100).for_each(|pid| descriptor(root, pid, 0, Some("/dev/null")));
        let mut lookout = Lookout::default();
        assert_eq!(fresh(&mut lookout, root, now), []);
        descriptor(root, 1_077, 1, Some("socket:[77]"));
        let found = (0..100 / MOST_OTHERS + 1).any(|_| fresh(&mut lookout, root, now) == [(77, 1_077)]);
        assert!(found);
        (2_000..3_000).for_each(|pid| descriptor(root, pid, 0, Some("/dev/null")));
        fresh(&mut lookout, root, now + REFRESH);
        assert_eq!(lookout.watched.len(), MOST_WATCHED);
        assert!(lookout.watched.iter().any(|watched| watched.pid == 1_077), "it holds a socket");
    }
}
