//! The network namespaces of containers and isolated services.
//!
//! The kernel's diagnosis tells of the asker's namespace only, and entering another needs a privilege that the agent does
//! not have. The tables below `/proc/PID/net` are those of the process's namespace, so one process of each is enough.

use std::collections::BTreeMap;

use foldhash::HashMap;
use rollcall_shared::wire::v1::Protocol;

use crate::{
    files::Root,
    parse::proc_net,
    processes::Processes,
    sockets::{Socket, in_network},
};

/// Another network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Network {
    /// Its number.
    pub(super) id: u64,
    /// What it is known by: the container or service that its oldest process belongs to.
    pub(super) label: String,
    /// Its oldest process.
    pid: u32,
}

/// Finds the namespaces and reads them in turn.
#[derive(Default)]
pub(super) struct Networks {
    /// The namespace of each process, and in how many looks it was found there.
    of: HashMap<u32, (u64, u32)>,
    /// The oldest process of each namespace, when they were last listed.
    oldest: BTreeMap<u64, u32>,
    /// The newest process then, and in how many looks they were not listed since.
    listed: Option<(u32, u32)>,
    /// Those that a look has left for the next.
    last: u64,
}

/// Namespaces read in one look; the others come in the next.
const MOST_READ: usize = 16;
/// Bytes read of one table: about 3,500 sockets.
const MOST_BYTES: u64 = 512 << 10;
/// A starting container moves to its namespace after its process has begun: so often is it looked at before that is taken to be settled.
const SETTLED: u32 = 3;
/// Without a new process nothing is listed in so many looks: an old one seldom moves to another namespace.
const LIST_AGAIN: u32 = 5;
/// After this many looks even what is settled is looked at again.
const LOOK_AGAIN: u32 = 60;

const TABLES: &[(&str, Protocol)] = &[("tcp", Protocol::Tcp), ("tcp6", Protocol::Tcp), ("udp", Protocol::Udp), ("udp6", Protocol::Udp)];

impl Networks {
    /// Adds the sockets of other namespaces to `sockets` and returns the namespaces that were read.
    pub(super) fn read(&mut self, processes: &Processes, sockets: &mut Vec<Socket>) -> Vec<Network> {
        let root = processes.root();
        let Some(own) = root.link("/proc/self/ns/net").as_deref().and_then(number) else { return Vec::new() };
        if !self.is_listed(processes) {
            self.oldest = self.list(processes);
        }
        let after: Vec<(u64, u32)> = self.oldest.iter().map(|(id, pid)| (*id, *pid)).filter(|(id, _)| *id != own).collect();
        // From where the last look stopped, and round.
        let start = after.partition_point(|(id, _)| *id <= self.last);
        let (before, after) = after.split_at(start);
        let mut read = Vec::new();
        for &(id, pid) in after.iter().chain(before).take(MOST_READ) {
            let Some(owner) = processes.get(pid).map(|process| processes.owner(&process)) else {
                // It has ended; another of the same namespace may live.
                self.listed = None;
                continue;
            };
            let label = owner.service().map_or_else(|| "other network namespace".to_owned(), |key| key.0.clone());
            read_tables(root, pid, id, sockets);
            read.push(Network { id, label, pid });
            self.last = id;
        }
        read
    }

    /// Whether what was listed holds: to list the processes costs a third of a sample in which nothing else is new.
    fn is_listed(&mut self, processes: &Processes) -> bool {
        let newest = newest(processes.root());
        let is_settled = self.of.values().all(|(_, looks)| *looks >= SETTLED);
        match (&mut self.listed, newest) {
            (Some((before, looks)), Some(newest)) if *before == newest && *looks < LIST_AGAIN && is_settled => {
                *looks += 1;
                true
            }
            _ => {
                self.listed = newest.map(|newest| (newest, 0));
                false
            }
        }
    }

    /// The oldest process of each namespace.
    fn list(&mut self, processes: &Processes) -> BTreeMap<u64, u32> {
        let mut oldest = BTreeMap::new();
        let mut now = HashMap::default();
        for pid in processes.pids().unwrap_or_default() {
            let known = self.of.get(&pid).filter(|(_, looks)| *looks >= SETTLED && *looks < LOOK_AGAIN);
            let found = match known {
                Some((id, looks)) => Some((*id, looks + 1)),
                None => {
                    let before = self.of.get(&pid).map_or(0, |(_, looks)| if *looks < SETTLED { *looks } else { 0 });
                    processes.root().link(&format!("/proc/{pid}/ns/net")).as_deref().and_then(number).map(|id| (id, before + 1))
                }
            };
            if let Some((id, looks)) = found {
                oldest.entry(id).or_insert(pid);
                now.insert(pid, (id, looks));
            }
        }
        self.of = now;
        oldest
    }
}

fn read_tables(root: &Root, pid: u32, id: u64, sockets: &mut Vec<Socket>) {
    for &(name, protocol) in TABLES {
        // A namespace without IPv6, or a process that has just ended, has no table.
        let Ok(table) = root.read_at(&format!("/proc/{pid}/net/{name}"), 0, MOST_BYTES) else { continue };
        sockets.extend(proc_net::sockets(&table).filter_map(|found| in_network(&found, protocol, id)));
    }
}

/// The number of the process (or thread) that was begun last: `0.08 0.03 0.01 2/345 6789`.
fn newest(root: &Root) -> Option<u32> {
    root.text("/proc/loadavg")?.rsplit(' ').next()?.parse().ok()
}

/// The number in `net:[4026531840]`.
fn number(link: &str) -> Option<u64> {
    link.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, path::Path};

    use super::*;

    const HEADING: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn process(root: &Path, pid: &str, network: u64, table: &str) {
        let at = root.join("proc").join(pid);
        fs::create_dir_all(at.join("ns")).unwrap();
        fs::create_dir_all(at.join("net")).unwrap();
        fs::write(at.join("stat"), format!("{pid} (app) S 1 1 1 0 -1 0")).unwrap();
        fs::write(at.join("cgroup"), format!("0::/lxc.payload.c{network}\n")).unwrap();
        symlink(format!("net:[{network}]"), at.join("ns/net")).unwrap();
        fs::write(at.join("net/tcp"), format!("{HEADING}{table}")).unwrap();
    }

    #[test]
    fn each_other_namespace_is_read_once_and_all_in_turn() {
        let root = tempfile::tempdir().unwrap();
        let line = "0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 7 1 0\n";
        process(root.path(), "self", 1, line);
        process(root.path(), "10", 1, line);
        for network in 2..42 {
            process(root.path(), &(network * 100).to_string(), network, line);
            process(root.path(), &(network * 100 + 1).to_string(), network, line);
        }
        let mut networks = Networks::default();
        let mut labels = Vec::new();
        for expected in [16, 16, 16] {
            let mut sockets = Vec::new();
            let read = networks.read(&Processes::new(&Root::new(root.path())), &mut sockets);
            assert_eq!((read.len(), sockets.len()), (expected, expected));
            assert!(sockets.iter().all(|socket| socket.network != 1 && socket.network != 0));
            labels.extend(read.into_iter().map(|network| network.label));
        }
        assert_eq!(labels.first().map(String::as_str), Some("container:c2"));
        labels.sort();
        labels.dedup();
        assert_eq!(labels.len(), 40);
    }

    #[test]
    fn processes_are_listed_when_there_are_new_ones() {
        let root = tempfile::tempdir().unwrap();
        let newest = |number: u32| fs::write(root.path().join("proc/loadavg"), format!("0.08 0.03 0.01 2/345 {number}\n")).unwrap();
        process(root.path(), "self", 1, "");
        process(root.path(), "10", 1, "");
        newest(10);
        let mut networks = Networks::default();
        let mut read = || networks.read(&Processes::new(&Root::new(root.path())), &mut Vec::new()).len();
        // Until it is certain where each is.
        (0..SETTLED).for_each(|_| assert_eq!(read(), 0));
        process(root.path(), "20", 2, "");
        assert_eq!(read(), 0, "nothing says that there is another");
        newest(20);
        assert_eq!(read(), 1);
        (0..SETTLED).for_each(|_| assert_eq!(read(), 1));
        process(root.path(), "30", 3, "");
        let looks = (0..2 * LIST_AGAIN).take_while(|_| read() == 1).count();
        assert!(looks <= LIST_AGAIN as usize, "it is found in the end: {looks}");
        fs::remove_dir_all(root.path().join("proc/30")).unwrap();
        assert_eq!((read(), read()), (1, 1));
    }
}
