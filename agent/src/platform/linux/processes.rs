//! Processes, and the service that each belongs to.

use std::{
    cell::{OnceCell, RefCell},
    collections::BTreeMap,
    io,
    rc::Rc,
};

use rollcall_shared::wire::v1::ServiceKey;

use crate::{
    files::Root,
    parse::{
        cgroup::{self, Place},
        command_line::{self, Program},
        key_value,
        process_stat::{self, ProcessStat},
    },
};

/// One process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// What the kernel tells of it.
    pub stat: ProcessStat,
    /// Its executable; absent for kernel threads and where the kernel does not tell.
    pub executable: Option<String>,
    /// What it is known by where it has no unit: its executable, or the program that an interpreter runs.
    pub program: Option<String>,
    /// The name of the user it runs as, or the number where there is no name.
    pub user: Option<String>,
    /// Its unit, container or session.
    pub place: Place,
}

/// Whose process it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A service's.
    Service(ServiceKey),
    /// A person's: a shell, an ssh session, or started from one. It is nobody's dependency.
    Person,
    /// The kernel does not tell.
    Unknown,
}

impl Owner {
    /// The service, if it is one's.
    pub fn service(&self) -> Option<&ServiceKey> {
        match self {
            Self::Service(key) => Some(key),
            Self::Person | Self::Unknown => None,
        }
    }
}

/// Reads processes when they are first asked for and remembers them.
pub struct Processes {
    root: Root,
    users: OnceCell<BTreeMap<u32, String>>,
    known: RefCell<BTreeMap<u32, Option<Rc<Process>>>>,
    containers: RefCell<BTreeMap<String, String>>,
}

const SHELLS: &[&str] = &["ash", "bash", "csh", "dash", "fish", "ksh", "nu", "sh", "tcsh", "zsh"];

impl Processes {
    /// The processes of the machine at `root`, as they are from now on.
    pub fn new(root: &Root) -> Self {
        Self { root: root.clone(), users: OnceCell::new(), known: RefCell::default(), containers: RefCell::default() }
    }

    /// The machine that they run on.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The numbers of all processes.
    ///
    /// # Errors
    /// As the system says of `/proc`.
    pub fn pids(&self) -> io::Result<Vec<u32>> {
        let mut pids: Vec<u32> = self.root.names("/proc")?.iter().filter_map(|name| name.parse().ok()).collect();
        pids.sort_unstable();
        Ok(pids)
    }

    /// A process; `None` when it has ended.
    pub fn get(&self, pid: u32) -> Option<Rc<Process>> {
        if let Some(known) = self.known.borrow().get(&pid) {
            return known.clone();
        }
        let read = self.read(pid).map(Rc::new);
        self.known.borrow_mut().insert(pid, read.clone());
        read
    }

    fn read(&self, pid: u32) -> Option<Process> {
        let stat = process_stat::stat(&self.root.read(&format!("/proc/{pid}/stat")).ok()?)?;
        if stat.is_kernel {
            return Some(Process { pid, stat, executable: None, program: None, user: None, place: Place::Unknown });
        }
        let status = self.root.read(&format!("/proc/{pid}/status")).unwrap_or_default();
        let user = process_stat::effective_user(&status);
        let place = self.root.read(&format!("/proc/{pid}/cgroup")).map_or(Place::Unknown, |bytes| cgroup::place(&bytes));
        // An executable that was replaced by an upgrade is still the same service.
        let executable = self.root.link(&format!("/proc/{pid}/exe")).map(|path| path.trim_end_matches(" (deleted)").to_owned());
        let executable = executable.filter(|path| path.starts_with('/') && path.len() <= 1_024);
        Some(Process {
            pid,
            program: executable.as_deref().map(|executable| self.program(pid, executable, &stat.name)),
            stat,
            executable,
            user: user.map(|id| self.users().get(&id).cloned().unwrap_or_else(|| id.to_string())),
            place,
        })
    }

    fn users(&self) -> &BTreeMap<u32, String> {
        self.users.get_or_init(|| self.root.read("/etc/passwd").map(|bytes| key_value::passwd(&bytes)).unwrap_or_default())
    }

    /// Two programs of one interpreter are two services.
    fn program(&self, pid: u32, executable: &str, name: &str) -> String {
        let interpreter = executable.rsplit('/').next().unwrap_or(executable);
        let arguments = || self.root.read(&format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let named = match command_line::program(interpreter, &arguments()) {
            None => None,
            Some(Program::Module(name)) => Some(format!("{executable}:{name}")),
            Some(Program::File(path)) if path.starts_with('/') => Some(path),
            Some(Program::File(path)) => self
                .root
                .link(&format!("/proc/{pid}/cwd"))
                .map(|directory| format!("{}/{}", directory.trim_end_matches('/'), path.trim_start_matches("./"))),
        };
        named.filter(|program| program.len() <= 1_024).or_else(|| self.called_as(executable, name)).unwrap_or_else(|| executable.to_owned())
    }

    /// The name beside its executable that a process was started by: one executable may be several programs, of which
    /// `redis-server` is better known than the `redis-check-rdb` that it is a link to.
    fn called_as(&self, executable: &str, name: &str) -> Option<String> {
        let (directory, file) = executable.rsplit_once('/')?;
        if file.starts_with(name) || name.contains('/') {
            return None;
        }
        let path = format!("{directory}/{name}");
        let target = self.root.link(&path)?;
        (target == file || target == executable).then_some(path)
    }

    /// Whose process it is.
    pub fn owner(&self, process: &Process) -> Owner {
        if let Some(owner) = self.owner_of_place(&process.place) {
            return owner;
        }
        match (&process.program, &process.user) {
            _ if process.stat.is_kernel => Owner::Unknown,
            _ if self.is_of_person(process) => Owner::Person,
            (Some(program), Some(user)) => Owner::Service(ServiceKey::process(program, user)),
            _ => Owner::Unknown,
        }
    }

    /// Whose the processes of a place are, where the place alone tells.
    pub fn owner_of_place(&self, place: &Place) -> Option<Owner> {
        match place {
            Place::Unit(unit) => Some(Owner::Service(ServiceKey::unit(unit))),
            Place::Container(id) => Some(Owner::Service(ServiceKey::container(&self.container_name(id)))),
            Place::Session => Some(Owner::Person),
            Place::Unknown => None,
        }
    }

    /// Without a unit: a shell, what hangs on a terminal, and what was started from either or by an ssh session.
    fn is_of_person(&self, process: &Process) -> bool {
        const MOST_ANCESTORS: usize = 64;
        let name = process.executable.as_deref().and_then(|path| path.rsplit('/').next()).unwrap_or(&process.stat.name);
        if SHELLS.contains(&name) || process.stat.terminal != 0 {
            return true;
        }
        let mut parent = self.get(process.stat.parent);
        for _ in 0..MOST_ANCESTORS {
            let Some(ancestor) = parent else { return false };
            if ancestor.stat.terminal != 0 || ancestor.place == Place::Session {
                return true;
            }
            let grandparent = self.get(ancestor.stat.parent);
            let is_sshd = |process: &Process| process.stat.name.starts_with("sshd");
            if is_sshd(&ancestor) && grandparent.as_deref().is_some_and(is_sshd) {
                return true;
            }
            parent = grandparent;
        }
        false
    }

    /// The name that people know a container by, from the container tool's files, else the start of its id.
    fn container_name(&self, id: &str) -> String {
        if let Some(name) = self.containers.borrow().get(id) {
            return name.clone();
        }
        let name = self.docker_name(id).or_else(|| self.podman_name(id)).unwrap_or_else(|| match id.len() {
            64 => id.chars().take(12).collect(),
            _ => id.to_owned(),
        });
        self.containers.borrow_mut().insert(id.to_owned(), name.clone());
        name
    }

    fn docker_name(&self, id: &str) -> Option<String> {
        #[derive(serde::Deserialize)]
        struct Config {
            #[serde(rename = "Name")]
            name: String,
        }
        if !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let bytes = self.root.read(&format!("/var/lib/docker/containers/{id}/config.v2.json")).ok()?;
        let config: Config = serde_json::from_slice(&bytes).ok()?;
        crate::parse::text::clean(config.name.trim_start_matches('/').as_bytes())
    }

    /// The name of Docker's container with this address.
    pub fn container_at(&self, address: &str) -> Option<String> {
        const CONTAINERS: &str = "/var/lib/docker/containers";
        const MOST_CONTAINERS: usize = 1_024;
        let ids = self.root.names(CONTAINERS).ok()?;
        // An address stands in quotes; the whole document need not be understood.
        let (quoted, wanted) =
            (format!("\"{address}\""), |bytes: &[u8], text: &str| memchr::memmem::find(bytes, text.as_bytes()).is_some());
        ids.iter().take(MOST_CONTAINERS).find_map(|id| {
            let bytes = self.root.read(&format!("{CONTAINERS}/{id}/config.v2.json")).ok()?;
            wanted(&bytes, &quoted).then(|| self.container_name(id))
        })
    }

    fn podman_name(&self, id: &str) -> Option<String> {
        #[derive(serde::Deserialize)]
        struct Container {
            id: String,
            #[serde(default)]
            names: Vec<String>,
        }
        let bytes = self.root.read("/var/lib/containers/storage/overlay-containers/containers.json").ok()?;
        let containers: Vec<Container> = serde_json::from_slice(&bytes).ok()?;
        let container = containers.into_iter().find(|container| container.id == id)?;
        crate::parse::text::clean(container.names.first()?.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    /// A machine with these processes: pid, stat after the pid, cgroup, executable.
    fn machine(processes: &[(u32, &str, &str, &str)]) -> (tempfile::TempDir, Processes) {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(root.join("etc/passwd"), "root:x:0:0::/:\nwww:x:33:33::/:\n").unwrap();
        for (pid, stat, cgroup, executable) in processes {
            let at = root.join(format!("proc/{pid}"));
            fs::create_dir_all(at.join("fd")).unwrap();
            fs::write(at.join("stat"), format!("{pid} {stat}")).unwrap();
            fs::write(at.join("status"), "Uid:\t33\t33\t33\t33\n").unwrap();
            fs::write(at.join("cgroup"), format!("0::{cgroup}\n")).unwrap();
            symlink(executable, at.join("exe")).unwrap();
        }
        let processes = Processes::new(&Root::new(root));
        (directory, processes)
    }

    #[test]
    fn services_are_told_from_people() {
        let service = |text: &str| Owner::Service(ServiceKey(text.into()));
        let cases = [
            (10, "(nginx) S 1 10 10 0 -1 4194304", "/system.slice/nginx.service", "/usr/sbin/nginx", service("unit:nginx.service")),
            (11, "(dnsmasq) S 1 11 11 0 -1 4194304", "/", "/usr/sbin/dnsmasq (deleted)", service("process:/usr/sbin/dnsmasq@www")),
            (12, "(curl) S 13 12 12 34816 -1 4194304", "/", "/usr/bin/curl", Owner::Person),
            (13, "(bash) S 1 13 13 0 -1 4194304", "/", "/usr/bin/bash", Owner::Person),
            (14, "(sshd) S 1 14 14 0 -1 4194304", "/", "/usr/sbin/sshd", service("process:/usr/sbin/sshd@www")),
            (15, "(sshd) S 14 15 15 0 -1 4194304", "/", "/usr/sbin/sshd", service("process:/usr/sbin/sshd@www")),
            (16, "(rsync) S 15 16 16 0 -1 4194304", "/", "/usr/bin/rsync", Owner::Person),
            (17, "(vim) S 1 17 17 0 -1 4194304", "/user.slice/user-1000.slice/session-1.scope", "/usr/bin/vim", Owner::Person),
            (19, "(python3) S 1 19 19 0 -1 4194304", "/", "/usr/bin/python3.11", service("process:/srv/app/app.py@www")),
            (20, "(redis-server) S 1 20 20 0 -1 4194304", "/", "/usr/bin/redis-check-rdb", service("process:/usr/bin/redis-server@www")),
            (18, "(kworker) S 2 0 0 0 -1 2129984", "/", "", Owner::Unknown),
        ];
        let files: Vec<_> =
            cases.iter().map(|(pid, stat, cgroup, exe, _)| (*pid, *stat, *cgroup, if exe.is_empty() { "x" } else { *exe })).collect();
        let (directory, processes) = machine(&files);
        std::fs::write(directory.path().join("proc/19/cmdline"), "python3\0./app.py\0--token=x\0").unwrap();
        symlink("/srv/app", directory.path().join("proc/19/cwd")).unwrap();
        std::fs::create_dir_all(directory.path().join("usr/bin")).unwrap();
        symlink("redis-check-rdb", directory.path().join("usr/bin/redis-server")).unwrap();
        for (pid, _, _, _, expected) in &cases {
            assert_eq!(&processes.owner(&processes.get(*pid).unwrap()), expected, "{pid}");
        }
        assert!(processes.get(99).is_none());
    }
}
