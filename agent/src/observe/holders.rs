//! Who holds a socket. What is known is kept: a socket's inode is its own for as long as it lives.

use std::{
    collections::BTreeMap,
    mem::MaybeUninit,
    os::{fd::OwnedFd, unix::fs::DirEntryExt},
    sync::Arc,
};

use foldhash::{HashMap, HashSet};
use rustix::{
    fs::{CWD, Dir, Mode, OFlags, openat, readlinkat_raw},
    io::Errno,
    path::DecInt,
};

use crate::{
    files::Root,
    parse::{cgroup, process_stat},
    processes::{Owner, Processes},
    sockets::Socket,
};

/// Who holds a socket.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Holder {
    /// The process, where it was looked for.
    pub(super) pid: Option<u32>,
    /// Its name.
    pub(super) name: Option<String>,
    /// Whose it is.
    pub(super) owner: Owner,
}

/// The holders of the sockets seen last.
#[derive(Default)]
pub(super) struct Holders {
    known: HashMap<u64, Arc<Holder>>,
    /// Sockets that nobody was found to hold (the kernel's own, say), and the look at which they are searched for again.
    nobodys: HashMap<u64, u64>,
    /// Processes that hold sockets: a new one is most often theirs.
    talkers: Vec<Talker>,
    /// The sockets of the look that last had new ones.
    present: HashSet<u64>,
    groups: HashMap<u64, Option<Owner>>,
    looks: u64,
    denied: bool,
}

/// A process that holds sockets.
struct Talker {
    pid: u32,
    /// Whose it is, and the start and the name of the process that this was found out of: another may get the same number.
    holder: Option<(u64, Arc<Holder>)>,
    descriptors: Descriptors,
}

impl Talker {
    /// Whose it is. What was found out before holds for as long as it is the same process running the same program by name.
    fn holder(&mut self, processes: &Processes) -> Option<Arc<Holder>> {
        let stat = process_stat::stat(&processes.root().read(&format!("/proc/{}/stat", self.pid)).ok()?)?;
        if let Some((started, holder)) = &self.holder
            && Some(*started) == stat.started
            && holder.name.as_deref() == Some(stat.name.as_str())
        {
            return Some(Arc::clone(holder));
        }
        let holder = holder(self.pid, processes)?;
        self.holder = processes.get(self.pid).and_then(|process| process.stat.started).map(|started| (started, Arc::clone(&holder)));
        Some(holder)
    }
}

/// What descriptors of a process were when they were last read: a present socket's inode, or 0 for anything else.
type Descriptors = BTreeMap<u32, u64>;

/// How much of a process is read.
#[derive(Clone, Copy)]
enum Reach {
    /// What has probably changed. A process gives a new socket the lowest number that is free: one that it did not use, or that
    /// of a socket that is gone.
    Changed,
    /// Every descriptor.
    All,
}

/// After this many looks a socket that nobody held is searched for again: its process may not have been readable then.
const SEARCH_AGAIN: u64 = 30;
/// Processes that are remembered to hold sockets.
const MOST_TALKERS: usize = 256;
/// Descriptors that are remembered of one process.
const MOST_DESCRIPTORS: usize = 16_384;
/// Free numbers in a row that are tried before the numbers beyond are taken to be free as well.
const MOST_FREE: usize = 3;
/// Control groups that are looked at.
const MOST_GROUPS: usize = 16_384;

impl Holders {
    /// Who holds the socket, as far as [`Self::learn`] found out.
    pub(super) fn of(&self, inode: u64) -> Option<&Holder> {
        self.known.get(&inode).map(Arc::as_ref)
    }

    /// A process of each service that holds a socket.
    pub(super) fn pids(&self) -> std::collections::HashMap<Owner, u32> {
        // A process holds many sockets and is one holder.
        let mut seen = HashSet::default();
        let holders = self.known.values().filter(|holder| holder.pid.is_some() && seen.insert(Arc::as_ptr(holder)));
        holders.filter_map(|holder| Some((holder.owner.clone(), holder.pid?))).collect()
    }

    /// Whether some process could not be looked into, so that a socket without a holder may still have one.
    pub(super) fn denied(&self) -> bool {
        self.denied
    }

    /// Forgets all but the `present` sockets and finds out who holds the `wanted` ones. Processes are read only for those not
    /// known before, and only until all are found.
    pub(super) fn learn<'a>(&mut self, present: &[Socket], wanted: impl Iterator<Item = &'a Socket>, processes: &Processes) {
        self.looks += 1;
        let now = self.looks;
        self.nobodys.retain(|_, until| *until > now);
        let new: Vec<&Socket> = wanted
            .filter(|socket| socket.inode != 0 && !self.known.contains_key(&socket.inode) && !self.nobodys.contains_key(&socket.inode))
            .collect();
        // Most samples bring few new sockets: sweeping out can wait until it is worth it.
        let is_worth_it = self.known.len() > present.len();
        if is_worth_it || !new.is_empty() {
            self.present = present.iter().map(|socket| socket.inode).collect();
        }
        if is_worth_it {
            self.known.retain(|inode, _| self.present.contains(inode));
        }
        if !new.is_empty() {
            self.find(&new, &HashMap::default(), processes);
        }
    }

    /// Finds out who holds these sockets, at once: they may be gone in a moment. Of those in `held`, the process was seen holding them.
    pub(super) fn find(&mut self, sockets: &[&Socket], held: &HashMap<u64, u32>, processes: &Processes) {
        let mut wanted: HashSet<u64> = HashSet::default();
        for socket in sockets {
            // A listening socket is often made by the service manager and handed over; a connection is made by who uses it.
            let is_connection = socket.peer.port() != 0;
            let of_group = is_connection.then(|| self.group_owner(socket.cgroup, processes)).flatten();
            let of_group = of_group.map(|owner| Arc::new(Holder { pid: None, name: None, owner }));
            match of_group.or_else(|| holder(*held.get(&socket.inode)?, processes)) {
                Some(holder) => {
                    self.known.insert(socket.inode, holder);
                }
                None => {
                    wanted.insert(socket.inode);
                }
            }
        }
        self.search(&mut wanted, processes);
        self.nobodys.extend(wanted.into_iter().map(|inode| (inode, self.looks + SEARCH_AGAIN)));
    }

    fn search(&mut self, wanted: &mut HashSet<u64>, processes: &Processes) {
        if wanted.is_empty() {
            return;
        }
        // Those that talked last come first, and of all of them what is likely before what is certain.
        let talkers: Vec<u32> = self.talkers.iter().rev().map(|talker| talker.pid).collect();
        for reach in [Reach::Changed, Reach::All] {
            for pid in &talkers {
                self.look_into(*pid, reach, wanted, processes);
                if wanted.is_empty() {
                    return;
                }
            }
        }
        let searched: HashSet<u32> = talkers.into_iter().collect();
        self.denied = false;
        // The newest processes first: what is new since the last look is most often theirs. To list a process's descriptors costs as
        // much again as to read them, and nearly always they have the first numbers, without gaps.
        let others: Vec<u32> = processes.pids().unwrap_or_default().into_iter().rev().filter(|pid| !searched.contains(pid)).collect();
        for reach in [Reach::Changed, Reach::All] {
            for pid in &others {
                self.look_into(*pid, reach, wanted, processes);
                if wanted.is_empty() {
                    return;
                }
            }
        }
    }

    fn look_into(&mut self, pid: u32, reach: Reach, wanted: &mut HashSet<u64>, processes: &Processes) {
        let at = self.talkers.iter().position(|talker| talker.pid == pid);
        let mut talker = at.map_or_else(|| Talker { pid, holder: None, descriptors: Descriptors::new() }, |at| self.talkers.remove(at));
        let mut found = Vec::new();
        let read = Look::into(processes.root(), pid, &self.present, wanted, &mut found).and_then(|mut look| match reach {
            Reach::Changed => look.read_changed(&mut talker.descriptors),
            Reach::All => look.read_all(&mut talker.descriptors),
        });
        let is_gone = match read {
            Ok(()) => false,
            Err(Errno::ACCESS | Errno::PERM) => {
                self.denied = true;
                false
            }
            Err(_) => true,
        };
        if found.is_empty() {
            // It stays where it was.
            if let Some(at) = at.filter(|_| !is_gone) {
                self.talkers.insert(at, talker);
            }
            return;
        }
        let Some(holder) = talker.holder(processes) else { return };
        self.known.extend(found.into_iter().map(|inode| (inode, Arc::clone(&holder))));
        if self.talkers.len() >= MOST_TALKERS {
            self.talkers.remove(0);
        }
        self.talkers.push(talker);
    }

    /// Whose control group it is, where its path names a service, a container or a session.
    fn group_owner(&mut self, group: u64, processes: &Processes) -> Option<Owner> {
        /// The root of the hierarchy, which is nobody's.
        const ROOT: u64 = 1;
        if group <= ROOT {
            return None;
        }
        if !self.groups.contains_key(&group) {
            self.groups = groups(processes);
            // One that has gone since is not looked for again and again.
            self.groups.entry(group).or_insert(None);
        }
        self.groups.get(&group).cloned().flatten()
    }
}

fn holder(pid: u32, processes: &Processes) -> Option<Arc<Holder>> {
    let process = processes.get(pid)?;
    Some(Arc::new(Holder { pid: Some(pid), name: Some(process.stat.name.clone()), owner: processes.owner(&process) }))
}

/// Every control group of the unified hierarchy by its number, which is its directory's inode.
fn groups(processes: &Processes) -> HashMap<u64, Option<Owner>> {
    let mut groups = HashMap::default();
    // Where the old hierarchies are in use as well, the unified one is below them.
    let unified =
        ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].into_iter().find(|at| processes.root().exists(&format!("{at}/cgroup.procs")));
    let Some(unified) = unified else { return groups };
    let mut left = vec![String::new()];
    while let Some(path) = left.pop() {
        let Ok(entries) = processes.root().path(&format!("{unified}{path}")).read_dir() else { continue };
        for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = format!("{path}/{name}");
            if groups.len() >= MOST_GROUPS {
                return groups;
            }
            groups.insert(entry.ino(), processes.owner_of_place(&cgroup::place(format!("0::{path}\n").as_bytes())));
            left.push(path);
        }
    }
    groups
}

/// Reads descriptors of one process and moves the sockets that it holds from `wanted` to `found`.
struct Look<'a> {
    directory: OwnedFd,
    present: &'a HashSet<u64>,
    wanted: &'a mut HashSet<u64>,
    found: &'a mut Vec<u64>,
}

impl<'a> Look<'a> {
    fn into(
        root: &Root,
        pid: u32,
        present: &'a HashSet<u64>,
        wanted: &'a mut HashSet<u64>,
        found: &'a mut Vec<u64>,
    ) -> Result<Self, Errno> {
        let path = root.path(&format!("/proc/{pid}/fd"));
        let directory = openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { directory, present, wanted, found })
    }

    fn read_all(&mut self, descriptors: &mut Descriptors) -> Result<(), Errno> {
        let before = std::mem::take(descriptors);
        for entry in Dir::read_from(&self.directory)? {
            let Some(number) = entry?.file_name().to_str().ok().and_then(|name| name.parse().ok()) else { continue };
            self.read(number, descriptors);
            if self.wanted.is_empty() {
                // The kernel lists them in order: those beyond are as they were.
                descriptors.extend(before.into_iter().filter(|(known, _)| *known > number));
                break;
            }
        }
        Ok(())
    }

    fn read_changed(&mut self, descriptors: &mut Descriptors) -> Result<(), Errno> {
        let gone: Vec<u32> =
            descriptors.iter().filter(|(_, inode)| **inode != 0 && !self.present.contains(inode)).map(|(number, _)| *number).collect();
        for number in gone {
            descriptors.remove(&number);
        }
        let mut free = 0;
        let mut number = 0;
        while free < MOST_FREE && !self.wanted.is_empty() && descriptors.len() < MOST_DESCRIPTORS {
            if !descriptors.contains_key(&number) {
                free = if self.read(number, descriptors) { 0 } else { free + 1 };
            }
            number += 1;
        }
        Ok(())
    }

    /// Whether there is a descriptor of this number.
    fn read(&mut self, number: u32, descriptors: &mut Descriptors) -> bool {
        let mut target = [MaybeUninit::uninit(); 64];
        let Ok((link, _)) = readlinkat_raw(&self.directory, DecInt::new(number), &mut target) else { return false };
        let mut known = 0;
        if let Some(inode) = process_stat::socket_inode(link) {
            let is_wanted = self.wanted.remove(&inode);
            if is_wanted {
                self.found.push(inode);
            }
            if is_wanted || self.present.contains(&inode) {
                known = inode;
            }
        }
        if descriptors.len() < MOST_DESCRIPTORS {
            descriptors.insert(number, known);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{MetadataExt, symlink},
        path::Path,
    };

    use rollcall_shared::wire::v1::{Protocol, ServiceKey};

    use super::*;
    use crate::sockets::State;

    fn socket(inode: u64, cgroup: u64) -> Socket {
        Socket {
            protocol: Protocol::Tcp,
            state: State::Connected,
            local: "10.0.0.1:40000".parse().unwrap(),
            peer: "10.0.0.2:5432".parse().unwrap(),
            inode,
            cgroup,
            network: 0,
        }
    }

    fn process(root: &Path, pid: u32, name: &str, sockets: &[u64]) {
        let at = root.join(format!("proc/{pid}"));
        fs::create_dir_all(at.join("fd")).unwrap();
        fs::write(at.join("stat"), format!("{pid} ({name}) S 1 {pid} {pid} 0 -1 0")).unwrap();
        fs::write(at.join("status"), "Uid:\t33\t33\t33\t33\n").unwrap();
        symlink(format!("/usr/sbin/{name}"), at.join("exe")).unwrap();
        for inode in sockets {
            symlink(format!("socket:[{inode}]"), at.join(format!("fd/{inode}"))).unwrap();
        }
    }

    fn service(key: &str) -> Owner {
        Owner::Service(ServiceKey(key.into()))
    }

    fn learn(holders: &mut Holders, root: &Path, sockets: &[Socket]) {
        holders.learn(sockets, sockets.iter(), &Processes::new(&Root::new(root)));
    }

    #[test]
    fn what_is_known_is_kept_and_not_read_again() {
        let root = tempfile::tempdir().unwrap();
        process(root.path(), 10, "a", &[42]);
        process(root.path(), 11, "b", &[44, 45]);
        let mut holders = Holders::default();
        learn(&mut holders, root.path(), &[socket(42, 0), socket(43, 0), socket(0, 0)]);
        assert_eq!(holders.of(42).map(|holder| (holder.pid, &holder.owner)), Some((Some(10), &service("process:/usr/sbin/a@33"))));
        assert!(holders.of(43).is_none() && !holders.denied());
        // The process has gone, its socket's holder is still known; a new one is found.
        fs::remove_dir_all(root.path().join("proc/10")).unwrap();
        learn(&mut holders, root.path(), &[socket(42, 0), socket(44, 0)]);
        assert_eq!(holders.of(44).and_then(|holder| holder.name.as_deref()), Some("b"));
        assert!(holders.of(42).is_some());
        learn(&mut holders, root.path(), &[socket(44, 0)]);
        assert!(holders.of(42).is_none(), "a socket that was closed is forgotten");
    }

    #[test]
    fn a_new_socket_is_found_whatever_its_number() {
        let root = tempfile::tempdir().unwrap();
        process(root.path(), 10, "a", &[]);
        let fd = |number: u32| root.path().join(format!("proc/10/fd/{number}"));
        let open = |number, inode: u64| symlink(format!("socket:[{inode}]"), fd(number)).unwrap();
        symlink("/dev/null", fd(0)).unwrap();
        open(1, 101);
        open(2, 102);
        open(9, 109);
        let mut holders = Holders::default();
        learn(&mut holders, root.path(), &[socket(101, 0), socket(102, 0), socket(109, 0)]);
        // In the place of one that is gone, in a free one, in that of a file, and far off: the last two are not where one looks first.
        for (number, inode) in [(2, 202), (3, 203), (0, 200), (1_000, 300)] {
            let _ = fs::remove_file(fd(number));
            open(number, inode);
            learn(&mut holders, root.path(), &[socket(101, 0), socket(109, 0), socket(inode, 0)]);
            assert_eq!(holders.of(inode).and_then(|holder| holder.pid), Some(10), "{inode}");
        }
    }

    #[test]
    fn a_connection_of_a_unit_needs_no_look_into_processes() {
        let root = tempfile::tempdir().unwrap();
        let group = root.path().join("sys/fs/cgroup/system.slice/app.service");
        fs::create_dir_all(&group).unwrap();
        fs::write(root.path().join("sys/fs/cgroup/cgroup.procs"), "").unwrap();
        let id = group.metadata().unwrap().ino();
        let mut holders = Holders::default();
        learn(&mut holders, root.path(), &[socket(42, id), socket(43, 1)]);
        assert_eq!(holders.of(42).map(|holder| &holder.owner), Some(&service("unit:app.service")));
        assert!(holders.of(43).is_none());
    }
}
