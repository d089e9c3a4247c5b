//! What runs as a service.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use rollcall_shared::wire::v1::{Service, ServiceKey, Services};

use super::{
    Machine, Outcome, daemons,
    init_scripts::{self, Script},
    packages,
    service_settings::{Known, Reading},
    units,
};
use crate::{
    parse::cgroup::Place,
    processes::{Owner, Process},
};

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Services> {
    let mut mains = match mains(machine) {
        Ok(mains) => mains,
        Err(error) => return Outcome::failed("/proc", &error),
    };
    let talking = talking(machine);
    let scripts = init_scripts::scripts(machine.root);
    let of_script = script_keys(machine, &mains, &scripts);
    // Units, containers and what a script started are services whatever they do; a process on its own only if it listens or keeps talking.
    mains.retain(|key, _| !key.0.starts_with("process:") || talking.contains_key(key) || of_script.contains_key(key));
    for (key, main) in talking {
        mains.entry(key).or_insert(main);
    }
    let reading = Reading::new(machine);
    let enabled = units::enabled(machine.root);
    let mut services: Vec<Service> = mains
        .iter()
        .map(|(key, main)| {
            let service = service(machine, key, main.as_deref(), &enabled, &reading);
            match of_script.get(key) {
                Some(script) => with_script(service, script),
                None => service,
            }
        })
        .collect();
    services.extend(units_that_do_not_run(machine, &mains, &enabled, &reading));
    let found: BTreeSet<&str> = of_script.values().map(|script| script.name.as_str()).collect();
    services.extend(scripts.iter().filter(|script| !found.contains(script.name.as_str())).filter_map(script_that_does_not_run));
    services.sort_by(|a, b| a.key.cmp(&b.key));
    services.dedup_by(|a, b| a.key == b.key);
    match &machine.attribution {
        Ok(attribution) if attribution.denied => Outcome::Partial(
            Services { services },
            "processes of other users may not be looked into; run the agent as root or with its unit's capabilities".to_owned(),
        ),
        Ok(_) => Outcome::Data(Services { services }),
        Err(reason) => Outcome::Partial(Services { services }, format!("only units and containers are known: {reason}")),
    }
}

/// The package of each program and executable that runs as a service or listens.
pub(super) fn owners(machine: &Machine<'_>) -> BTreeMap<String, String> {
    let mains = mains(machine).unwrap_or_default().into_values().chain(talking(machine).into_values());
    let mut programs: BTreeSet<String> = BTreeSet::new();
    for process in mains.flatten() {
        programs.extend(process.program.iter().chain(&process.executable).cloned());
    }
    if let Ok(attribution) = machine.attribution {
        let pids = attribution.listeners.iter().filter_map(|listener| listener.pid);
        programs.extend(pids.filter_map(|pid| machine.processes().get(pid)?.executable.clone()));
    }
    packages::owners(machine.root, &programs.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Which of these services a script started: by its pid file, else by the program that it starts.
fn script_keys<'a>(machine: &Machine<'_>, mains: &BTreeMap<ServiceKey, Main>, scripts: &'a [Script]) -> BTreeMap<ServiceKey, &'a Script> {
    let mut keys = BTreeMap::new();
    for script in scripts {
        let by_pid = script
            .pid
            .and_then(|pid| machine.processes().get(pid))
            .and_then(|process| machine.processes().owner(&process).service().cloned());
        let program = script.script.program.as_deref();
        let runs = |main: &Main| main.as_ref().is_some_and(|main| program.is_some() && main.executable.as_deref() == program);
        let key = by_pid.or_else(|| mains.iter().find(|(_, main)| runs(main)).map(|(key, _)| key.clone()));
        if let Some(key) = key.filter(|key| !key.0.starts_with("container:")) {
            keys.insert(key, script);
        }
    }
    keys
}

fn with_script(service: Service, script: &Script) -> Service {
    Service {
        name: script.name.clone(),
        description: script.script.description.clone().or(service.description),
        manager: Some(script.manager.to_owned()),
        enabled: Some(script.enabled),
        ..service
    }
}

/// An enabled script whose service is known not to run: OpenRC says so, or there is no process of the program that it starts.
fn script_that_does_not_run(script: &Script) -> Option<Service> {
    let is_stopped = script.started.map_or(script.script.program.is_some(), |started| !started);
    (script.enabled && is_stopped).then(|| {
        let program = script.script.program.clone();
        let service = Service {
            key: ServiceKey::unit(&script.name),
            daemon: program.as_deref().and_then(daemons::daemon).map(str::to_owned),
            executable: program,
            running: Some(false),
            ..Service::default()
        };
        with_script(service, script)
    })
}

/// Units that some target wants, that are to keep running, and that have neither a process nor systemd's mark of an active unit.
fn units_that_do_not_run(
    machine: &Machine<'_>,
    mains: &BTreeMap<ServiceKey, Main>,
    enabled: &BTreeSet<String>,
    reading: &Reading<'_>,
) -> Vec<Service> {
    if !units::is_running(machine.root) {
        return Vec::new();
    }
    let stopped = |unit: &&String| {
        // A template that is wanted is no service; its instances are.
        unit.ends_with(".service")
            && !unit.contains("@.")
            && !mains.contains_key(&ServiceKey::unit(unit))
            && !units::is_active(machine.root, unit)
    };
    let service = |unit: &String| {
        let (_, file) = units::unit(machine.root, unit)?;
        let is_expected = !file.is_oneshot && !file.command.is_empty();
        is_expected.then(|| {
            let executable = file.command.first().filter(|path| path.starts_with('/')).cloned();
            let service = service(machine, &ServiceKey::unit(unit), None, enabled, reading);
            Service {
                running: Some(false),
                daemon: executable.as_deref().and_then(daemons::daemon).map(str::to_owned),
                executable,
                ..service
            }
        })
    };
    enabled.iter().filter(stopped).filter_map(service).collect()
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

fn service(machine: &Machine<'_>, key: &ServiceKey, main: Option<&Process>, enabled: &BTreeSet<String>, reading: &Reading<'_>) -> Service {
    // A service that is not running at this moment is still known by its key.
    let (from_key, user_from_key) = match key.0.strip_prefix("process:").and_then(|rest| rest.rsplit_once('@')) {
        Some((executable, user)) => (Some(executable.to_owned()), Some(user.to_owned())),
        None => (None, None),
    };
    let program = main.and_then(|process| process.program.clone()).or(from_key);
    let executable = main.and_then(|process| process.executable.clone()).or_else(|| program.clone());
    // The interpreter's package says nothing about the program it runs.
    let package = program.as_ref().and_then(|program| machine.owners().get(program)).cloned();
    let version = package.as_ref().and_then(|name| {
        let installed = machine.packages().as_ref().ok()?;
        installed.packages.iter().find(|package| package.kind == "deb" && package.name == *name).map(|package| package.version.clone())
    });
    let unit = key.0.strip_prefix("unit:");
    let file = unit.and_then(|unit| units::unit(machine.root, unit));
    let known = Known { main, unit: unit.zip(file.as_ref()).map(|(unit, (path, file))| (unit, file, path.as_str())) };
    let (daemon, found) = reading.of(&known);
    let manager = match unit {
        // Where systemd does not run, a unit is OpenRC's.
        Some(unit) if unit.contains('.') => Some("systemd"),
        Some(_) => Some("openrc"),
        None => None,
    };
    let file = file.map(|(_, file)| file);
    let file_name = program.as_deref().and_then(|path| path.rsplit('/').next());
    let name = match (unit, key.0.strip_prefix("container:")) {
        (Some(unit), _) => unit.strip_suffix(".service").unwrap_or(unit),
        (_, Some(container)) => container,
        _ => file_name.unwrap_or(&key.0),
    };
    Service {
        name: name.to_owned(),
        description: file.as_ref().and_then(|file| file.description.clone()).map(|text| units::resolved(&text, unit.unwrap_or_default())),
        daemon: daemon.or_else(|| executable.as_deref().and_then(daemons::daemon)).map(str::to_owned),
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
        manager: manager.map(str::to_owned),
        running: None,
        details: Some(found.details).filter(|details| !details.is_empty()),
        upstreams: found.upstreams,
    }
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

    #[test]
    fn a_worker_is_configured_as_its_master_was_told_and_what_should_run_and_does_not_is_listed() {
        let files = [
            ("/etc/passwd", "root:x:0:0::/:\nwww:x:33:33::/:\n"),
            ("/proc/20/stat", "20 (nginx) S 1 20 20 0 -1 4194304"),
            ("/proc/20/cgroup", "0::/\n"),
            ("/proc/20/status", "Uid:\t0\t0\t0\t0\n"),
            ("/proc/20/exe", "-> /usr/sbin/nginx"),
            ("/proc/20/cmdline", "nginx: master process nginx -c /srv/n.conf"),
            ("/proc/21/stat", "21 (nginx) S 20 20 20 0 -1 4194304"),
            ("/proc/21/cgroup", "0::/\n"),
            ("/proc/21/status", "Uid:\t33\t33\t33\t33\n"),
            ("/proc/21/exe", "-> /usr/sbin/nginx"),
            ("/proc/21/cmdline", "nginx: worker process"),
            ("/srv/n.conf", "http { server { listen 8080; location / { proxy_pass http://10.0.0.9; } } }"),
            ("/etc/nginx/nginx.conf", "http { server { listen 1; } }"),
            ("/etc/runlevels/default/nginx", ""),
            ("/etc/runlevels/default/crond", ""),
            ("/run/openrc/started/nginx", ""),
            ("/run/nginx.pid", "21\n"),
            ("/etc/init.d/nginx", "description=\"Web server\"\n"),
            ("/etc/init.d/crond", "command=/usr/sbin/crond\n"),
            ("/etc/init.d/not-enabled", "command=/usr/sbin/x\n"),
        ];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        let shown = |service: &Service| {
            let upstreams: Vec<_> = service.upstreams.iter().map(|upstream| upstream.host.as_str()).collect();
            let ports = service.details.as_ref().map(|details| details.ports.clone()).unwrap_or_default();
            format!(
                "{} {} {:?} {:?} {ports:?} {upstreams:?}",
                service.key,
                service.name,
                service.manager.as_deref().unwrap_or("-"),
                service.running
            )
        };
        let expected =
            ["process:/usr/sbin/nginx@www nginx \"openrc\" None [8080] [\"10.0.0.9\"]", "unit:crond crond \"openrc\" Some(false) [] []"];
        assert_eq!(found.services.iter().map(shown).collect::<Vec<_>>(), expected);
    }
}
