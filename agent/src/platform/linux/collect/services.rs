//! What runs as a service.

use std::{collections::BTreeMap, rc::Rc};

use rollcall_shared::wire::v1::{Service, ServiceKey, Services};

use super::{Machine, Outcome, daemons, packages};
use crate::{
    files::Root,
    parse::{
        cgroup::Place,
        unit_file::{self, UnitFile},
    },
    processes::{Owner, Process},
};

/// Where systemd looks for units, what counts first.
const UNIT_DIRECTORIES: &[&str] =
    &["/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Services> {
    let mut mains = match mains(machine) {
        Ok(mains) => mains,
        Err(error) => return Outcome::failed("/proc", &error),
    };
    let talking = talking(machine);
    // Units and containers are services whatever they do; a process on its own only if it listens or keeps talking.
    mains.retain(|key, _| !key.0.starts_with("process:") || talking.contains_key(key));
    for (key, main) in talking {
        mains.entry(key).or_insert(main);
    }
    let programs: Vec<&str> = mains.values().filter_map(|main| main.as_ref()?.program.as_deref()).collect();
    let owners = packages::owners(machine.root, &programs);
    let enabled = enabled_units(machine.root);
    let services = mains.iter().map(|(key, main)| service(machine, key, main.as_deref(), &owners, &enabled)).collect();
    match &machine.attribution {
        Ok(attribution) if attribution.denied => Outcome::Partial(
            Services { services },
            "processes of other users may not be looked into; run the agent as root or with its unit's capabilities".to_owned(),
        ),
        Ok(_) => Outcome::Data(Services { services }),
        Err(reason) => Outcome::Partial(Services { services }, format!("only units and containers are known: {reason}")),
    }
}

type Main = Option<Rc<Process>>;

/// Every service with a running process, and its main one: the one whose parent belongs to another, and the oldest of these.
fn mains(machine: &Machine<'_>) -> std::io::Result<BTreeMap<ServiceKey, Main>> {
    let processes = machine.processes();
    let mut mains: BTreeMap<ServiceKey, Main> = BTreeMap::new();
    for pid in processes.pids()? {
        let Some(process) = processes.get(pid).filter(|process| process.stat.state != b'Z') else { continue };
        let Owner::Service(key) = processes.owner(&process) else { continue };
        let parent_key = processes.get(process.stat.parent).map(|parent| processes.owner(&parent));
        let is_main = parent_key != Some(Owner::Service(key.clone()));
        let known = mains.entry(key).or_default();
        if is_main && known.is_none() {
            *known = Some(process);
        }
    }
    Ok(mains)
}

/// The services that own a listening socket or a reported flow.
fn talking(machine: &Machine<'_>) -> BTreeMap<ServiceKey, Main> {
    let mut talking: BTreeMap<ServiceKey, Main> = BTreeMap::new();
    let Ok(attribution) = &machine.attribution else { return talking };
    let process = |pid: Option<u32>| pid.and_then(|pid| machine.processes().get(pid));
    for listener in &attribution.listeners {
        if let Some(key) = listener.owner.service() {
            talking.entry(key.clone()).or_insert_with(|| process(listener.pid));
        }
    }
    for key in machine.connections().flows.into_iter().filter_map(|flow| flow.service) {
        let pid = attribution.pids.get(&Owner::Service(key.clone())).copied();
        talking.entry(key).or_insert_with(|| process(pid));
    }
    talking
}

fn service(
    machine: &Machine<'_>,
    key: &ServiceKey,
    main: Option<&Process>,
    owners: &BTreeMap<String, String>,
    enabled: &std::collections::BTreeSet<String>,
) -> Service {
    // A service that is not running at this moment is still known by its key.
    let (from_key, user_from_key) = match key.0.strip_prefix("process:").and_then(|rest| rest.rsplit_once('@')) {
        Some((executable, user)) => (Some(executable.to_owned()), Some(user.to_owned())),
        None => (None, None),
    };
    let program = main.and_then(|process| process.program.clone()).or(from_key);
    let executable = main.and_then(|process| process.executable.clone()).or_else(|| program.clone());
    // The interpreter's package says nothing about the program it runs.
    let package = program.as_ref().and_then(|program| owners.get(program)).cloned();
    let version = package.as_ref().and_then(|name| {
        let installed = machine.packages().as_ref().ok()?;
        installed.packages.iter().find(|package| package.kind == "deb" && package.name == *name).map(|package| package.version.clone())
    });
    let unit = key.0.strip_prefix("unit:");
    let file = unit.and_then(|unit| unit_file(machine.root, unit));
    let file_name = program.as_deref().and_then(|path| path.rsplit('/').next());
    let name = match (unit, key.0.strip_prefix("container:")) {
        (Some(unit), _) => unit.strip_suffix(".service").unwrap_or(unit),
        (_, Some(container)) => container,
        _ => file_name.unwrap_or(&key.0),
    };
    Service {
        name: name.to_owned(),
        description: file.as_ref().and_then(|file| file.description.clone()).map(|text| resolved(&text, unit.unwrap_or_default())),
        daemon: executable.as_deref().and_then(daemons::daemon).map(str::to_owned),
        enabled: unit.zip(file).and_then(|(unit, file)| {
            let is_enabled = enabled.contains(unit);
            // A unit that cannot be enabled is started by another one; that it is not enabled says nothing.
            (is_enabled || file.can_be_enabled).then_some(is_enabled)
        }),
        user: match main {
            // The user inside a container is not one of this machine's.
            Some(Process { place: Place::Container(_), .. }) => None,
            Some(process) => process.user.clone(),
            None => user_from_key,
        },
        package,
        version,
        executable,
        key: key.clone(),
        manager: unit.map(|_| "systemd".to_owned()),
        ..Service::default()
    }
}

/// The unit's file; an instance (`a@b.service`) has its template's.
fn unit_file(root: &Root, unit: &str) -> Option<UnitFile> {
    let template = unit.split_once('@').map(|(name, _)| format!("{name}@.service"));
    let names = std::iter::once(unit.to_owned()).chain(template);
    let mut paths = names.flat_map(|name| UNIT_DIRECTORIES.iter().map(move |directory| format!("{directory}/{name}")));
    paths.find_map(|path| root.read(&path).ok()).map(|bytes| unit_file::unit_file(&bytes))
}

/// `%i` and `%I` are the instance.
fn resolved(description: &str, unit: &str) -> String {
    let instance = unit.split_once('@').and_then(|(_, rest)| rest.strip_suffix(".service")).unwrap_or_default();
    description.replace("%i", instance).replace("%I", instance)
}

/// The units that some target wants at start: links in `*.wants` directories.
pub(super) fn enabled_units(root: &Root) -> std::collections::BTreeSet<String> {
    let wants = |directory: &str| {
        let names = root.names(directory).unwrap_or_default().into_iter();
        let directory = directory.to_owned();
        names.filter(|name| name.ends_with(".wants") || name.ends_with(".requires")).map(move |name| format!("{directory}/{name}"))
    };
    let directories = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system", "/run/systemd/system"];
    directories.iter().flat_map(|directory| wants(directory)).flat_map(|wants| root.names(&wants).unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::tests::collect_one, *};

    #[test]
    fn units_are_services_and_idle_processes_are_not() {
        let files = [
            ("/etc/passwd", "root:x:0:0::/:\npostgres:x:113:1::/:\n"),
            ("/proc/20/stat", "20 (postgres) S 1 20 20 0 -1 4194304"),
            ("/proc/20/status", "Uid:\t113\t113\t113\t113\n"),
            ("/proc/20/cgroup", "0::/system.slice/system-postgresql.slice/postgresql@15-main.service\n"),
            ("/proc/20/exe", "-> /usr/lib/postgresql/15/bin/postgres"),
            ("/proc/21/stat", "21 (postgres) S 20 20 20 0 -1 4194304"),
            ("/proc/21/cgroup", "0::/system.slice/system-postgresql.slice/postgresql@15-main.service\n"),
            ("/proc/30/stat", "30 (idle) S 1 30 30 0 -1 4194304"),
            ("/proc/30/status", "Uid:\t0\t0\t0\t0\n"),
            ("/proc/30/cgroup", "0::/\n"),
            ("/proc/30/exe", "-> /usr/bin/idle"),
            (
                "/lib/systemd/system/postgresql@.service",
                "[Unit]\nDescription=PostgreSQL Cluster %i\n[Install]\nWantedBy=multi-user.target\n",
            ),
            ("/etc/systemd/system/multi-user.target.wants/postgresql@15-main.service", ""),
            ("/var/lib/dpkg/status", "Package: postgresql-15\nStatus: install ok installed\nVersion: 15.13-0+deb12u1\n"),
            ("/var/lib/dpkg/info/postgresql-15.list", "/.\n/usr/lib/postgresql/15/bin/postgres\n"),
        ];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        let expected = Service {
            key: ServiceKey::unit("postgresql@15-main.service"),
            name: "postgresql@15-main".into(),
            description: Some("PostgreSQL Cluster 15-main".into()),
            executable: Some("/usr/lib/postgresql/15/bin/postgres".into()),
            package: Some("postgresql-15".into()),
            version: Some("15.13-0+deb12u1".into()),
            user: Some("postgres".into()),
            daemon: Some("postgresql".into()),
            enabled: Some(true),
            manager: Some("systemd".into()),
            ..Service::default()
        };
        assert_eq!(found.services, [expected]);
    }
}
