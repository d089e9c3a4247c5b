//! What the files and the environment of one service say about it and about what it depends on.

use rollcall_shared::wire::v1::User;

use super::{
    Machine,
    daemons::{self, Files, Found, Place as Application, Subject},
    units,
};
use crate::{
    files::Root,
    parse::{accounts, cgroup::Place, command_line, config::ini, unit_file::UnitFile},
    processes::{Process, Processes},
};

/// Longer command lines are cut: a Java class path may have hundreds of thousands of bytes.
const MOST_ARGUMENTS: u64 = 128 << 10;
const MOST_ENVIRONMENT: u64 = 256 << 10;

/// What is read once for all services.
pub(super) struct Reading<'a> {
    root: &'a Root,
    processes: &'a Processes,
    users: Vec<User>,
    has_odbc: bool,
}

/// One service.
pub(super) struct Known<'a> {
    /// The main process.
    pub(super) main: Option<&'a Process>,
    /// The unit's name, and its file.
    pub(super) unit: Option<(&'a str, &'a UnitFile, &'a str)>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(machine: &'a Machine<'_>) -> Self {
        let users = machine.root.read("/etc/passwd").map(|bytes| accounts::users(&bytes)).unwrap_or_default();
        Self {
            root: machine.root,
            processes: machine.processes(),
            users,
            has_odbc: machine.root.size("/etc/odbc.ini").is_some_and(|size| size > 0),
        }
    }

    /// The daemon that it is, and what is said of it.
    pub(super) fn of(&self, known: &Known<'_>) -> (Option<&'static str>, Found) {
        let arguments = known.main.map(|main| self.arguments(main)).unwrap_or_default();
        let daemon = known.main.and_then(|main| daemons::daemon_of(main, &arguments));
        if known.main.is_none() && known.unit.is_none() {
            return (daemon, Found::default());
        }
        let base = match known.main {
            // As the container sees it: nothing outside it can be named by it.
            Some(Process { place: Place::Container(_), pid, .. }) => format!("/proc/{pid}/root"),
            _ => "/".to_owned(),
        };
        let mut subject = Subject { files: Files::new(self.root, &base), arguments, environment: Vec::new() };
        let variable_files = self.environment(known, &mut subject);
        if let Some((_, unit, _)) = known.unit {
            subject.arguments.extend(unit.command.iter().cloned());
        }
        let own = daemon.map(|daemon| daemons::read(daemon, &subject)).unwrap_or_default();
        let application = Application { roots: own.roots.clone(), variable_files, ..self.place(known, daemon.is_some()) };
        let mut found = own;
        // Beside a daemon lie its data and not an application's settings, but its environment and what it shows count.
        found.upstreams.extend(daemons::application(&subject, &application).upstreams);
        (daemon, found.tidied())
    }

    /// The process's words, then those of the processes of the same program that started it: a worker's title (`nginx: worker process`)
    /// does not say what its master was given.
    fn arguments(&self, main: &Process) -> Vec<String> {
        const MOST_ANCESTORS: usize = 4;
        let mut arguments = self.words(main.pid);
        let mut parent = self.processes.get(main.stat.parent);
        for _ in 0..MOST_ANCESTORS {
            let Some(ancestor) = parent.filter(|parent| parent.executable.is_some() && parent.executable == main.executable) else { break };
            // Two programs of one interpreter have nothing to do with each other.
            if ancestor.program != main.program {
                break;
            }
            arguments.extend(self.words(ancestor.pid));
            parent = self.processes.get(ancestor.stat.parent);
        }
        arguments
    }

    fn words(&self, pid: u32) -> Vec<String> {
        let bytes = self.root.read_at(&format!("/proc/{pid}/cmdline"), 0, MOST_ARGUMENTS).unwrap_or_default();
        command_line::arguments(&bytes)
    }

    /// The process's environment, or what its unit gives it. Answers the files that variables come from.
    fn environment(&self, known: &Known<'_>, subject: &mut Subject) -> Vec<(String, Vec<(String, String)>)> {
        let mut files: Vec<(String, Vec<(String, String)>)> = Vec::new();
        if let Some((name, unit, path)) = known.unit {
            for pattern in &unit.environment_files {
                for path in subject.files.expand(&units::resolved(pattern, name)) {
                    let entries = subject.files.read(&path).map(|bytes| ini::entries(&bytes)).unwrap_or_default();
                    files.push((path, entries.into_iter().map(|entry| (entry.key, entry.value)).collect()));
                }
            }
            files.push((path.to_owned(), unit.environment.clone()));
        }
        let bytes = known.main.and_then(|main| self.root.read_at(&format!("/proc/{}/environ", main.pid), 0, MOST_ENVIRONMENT).ok());
        subject.environment = bytes.map(|bytes| command_line::environment(&bytes)).unwrap_or_default();
        if subject.environment.is_empty() {
            subject.environment = files.iter().flat_map(|(_, variables)| variables.iter().cloned()).collect();
        }
        files
    }

    fn place(&self, known: &Known<'_>, is_daemon: bool) -> Application {
        if is_daemon {
            return Application::default();
        }
        let in_container = known.main.is_some_and(|main| matches!(main.place, Place::Container(_)));
        let directory = known.main.and_then(|main| self.root.link(&format!("/proc/{}/cwd", main.pid)));
        let in_unit = known.unit.and_then(|(_, unit, _)| unit.working_directory.clone());
        let program = known.main.and_then(|main| main.program.clone().filter(|program| main.executable.as_ref() != Some(program)));
        let user = known.main.and_then(|main| main.user.as_deref()).filter(|_| !in_container);
        // Root's home is everybody's who may become root; a home shared by system accounts is nobody's.
        let home =
            user.and_then(|name| self.users.iter().find(|user| user.name == name && user.id != 0)).and_then(|user| user.home.clone());
        let home = home.filter(|home| ["/home/", "/srv/", "/opt/", "/var/lib/", "/var/www"].iter().any(|prefix| home.starts_with(prefix)));
        let maps = || known.main.and_then(|main| self.root.read_at(&format!("/proc/{}/maps", main.pid), 0, 1 << 20).ok());
        let uses_odbc = self.has_odbc && !in_container && maps().is_some_and(|maps| memchr::memmem::find(&maps, b"libodbc").is_some());
        Application { directory: directory.or(in_unit), program, home, uses_odbc, ..Application::default() }
    }
}
