//! Collectors: one file and one line in [`COLLECTORS`] a section.
//!
//! A collector answers data, "this machine has no such thing", or failure. One failure never fails the document.

mod accounts;
mod apt;
mod budget;
mod bundles;
mod certificate_uses;
mod certificates;
mod cloud;
mod connections;
mod container_images;
mod cpu;
mod daemons;
mod devices;
mod disks;
mod file_systems;
mod forwarding;
mod hardware;
mod identity;
mod init_scripts;
mod kubernetes;
mod languages;
mod listening;
mod machine_servers;
mod memory;
mod neighbours;
mod network;
mod operating_system;
mod packages;
mod peripherals;
mod platform;
mod pools;
mod proxies;
mod rpm;
mod screen_locks;
mod security;
mod security_tools;
mod service_settings;
mod services;
mod storage;
mod timers;
mod units;
mod updates;
mod virtual_guests;

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    io,
    time::Instant,
};

use rollcall_shared::{
    Timestamp,
    wire::v1::{
        Accounts, Announced, Certificates, Cloud, Connections, ContainerImages, Cpu, Devices, Disks, FileSystems, Hardware, Identity,
        Kubernetes, Listening, Memory, Neighbours, Network, OperatingSystem, Packages, Peripherals, Section, SectionData, SectionStatus,
        Security, ServiceKey, Services, Storage, Timers, Updates, VirtualGuests,
    },
};

pub use budget::{Budget, Limits, Subject};
use serde::de::DeserializeOwned;

use crate::{
    announced,
    files::Root,
    observe::{Attribution, Windows},
    parse::smbios::{self, Smbios},
    processes::Processes,
    redact,
};

/// What a collector found.
#[derive(Debug, PartialEq)]
pub enum Outcome<T> {
    /// Read in full.
    Data(T),
    /// Read in part: the data, and what is missing and why.
    Partial(T, String),
    /// This machine has no such thing: what was looked for.
    NotPresent(String),
    /// It could not be read: why.
    Failed(String),
}

impl<T> Outcome<T> {
    /// Failure to read `what`.
    fn failed(what: &str, error: &io::Error) -> Self {
        Self::Failed(format!("{what}: {error}"))
    }
}

/// A section's collector.
pub struct Collector {
    /// The section's name.
    pub name: &'static str,
    collect: fn(&Machine<'_>) -> Result<Section, serde_json::Error>,
}

/// Every collector, in the order they run: what is quick and names the machine first.
pub const COLLECTORS: &[Collector] = &[
    Collector { name: Identity::NAME, collect: |machine| section(machine, identity::collect) },
    Collector { name: OperatingSystem::NAME, collect: |machine| section(machine, operating_system::collect) },
    Collector { name: Hardware::NAME, collect: |machine| section(machine, hardware::collect) },
    Collector { name: Cloud::NAME, collect: |machine| section(machine, cloud::collect) },
    Collector { name: Cpu::NAME, collect: |machine| section(machine, cpu::collect) },
    Collector { name: Memory::NAME, collect: |machine| section(machine, memory::collect) },
    Collector { name: Disks::NAME, collect: |machine| section(machine, disks::collect) },
    Collector { name: Devices::NAME, collect: |machine| section(machine, devices::collect) },
    Collector { name: Peripherals::NAME, collect: |machine| section(machine, peripherals::collect) },
    Collector { name: Storage::NAME, collect: |machine| section(machine, storage::collect) },
    Collector { name: FileSystems::NAME, collect: |machine| section(machine, file_systems::collect) },
    Collector { name: Network::NAME, collect: |machine| section(machine, network::collect) },
    Collector { name: Neighbours::NAME, collect: |machine| section(machine, neighbours::collect) },
    Collector { name: Accounts::NAME, collect: |machine| section(machine, accounts::collect) },
    Collector { name: Security::NAME, collect: |machine| section(machine, security::collect) },
    Collector { name: Certificates::NAME, collect: |machine| section(machine, certificates::collect) },
    Collector { name: VirtualGuests::NAME, collect: |machine| section(machine, virtual_guests::collect) },
    Collector { name: ContainerImages::NAME, collect: |machine| section(machine, container_images::collect) },
    Collector { name: Kubernetes::NAME, collect: |machine| section(machine, kubernetes::collect) },
    Collector { name: Packages::NAME, collect: |machine| section(machine, packages::collect) },
    Collector { name: Updates::NAME, collect: |machine| section(machine, updates::collect) },
    Collector { name: Services::NAME, collect: |machine| section(machine, services::collect) },
    Collector { name: Timers::NAME, collect: |machine| section(machine, timers::collect) },
    Collector { name: Listening::NAME, collect: |machine| section(machine, listening::collect) },
    Collector { name: Connections::NAME, collect: |machine| section(machine, connections::collect) },
];

/// What is collected only when it is asked for, by the names that the setting `also-collect` knows.
pub const EXTRAS: &[&str] = &[languages::EXTRA, neighbours::PUBLIC, announced::EXTRA];

/// The machine being read, with what several collectors need, read once.
pub struct Machine<'a> {
    root: &'a Root,
    now: Timestamp,
    windows: &'a Windows,
    attribution: Result<&'a Attribution, String>,
    extras: &'a [String],
    announced: &'a [Announced],
    smbios: OnceCell<Option<Smbios>>,
    processes: OnceCell<Processes>,
    packages: OnceCell<Result<packages::Found, String>>,
    owners: OnceCell<BTreeMap<String, String>>,
}

impl<'a> Machine<'a> {
    /// The same machine, of which these [`EXTRAS`] are collected too.
    #[must_use]
    pub fn with_extras(self, extras: &'a [String]) -> Self {
        Self { extras, ..self }
    }

    /// The same machine, of whose neighbours these announce themselves.
    #[must_use]
    pub fn with_announced(self, announced: &'a [Announced]) -> Self {
        Self { announced, ..self }
    }

    fn wants(&self, extra: &str) -> bool {
        self.extras.iter().any(|wanted| wanted == extra)
    }

    /// The machine at `root`, at `now` by the agent's clock, whose sockets were watched: `windows` is what was added up and
    /// `attribution` the latest sample, or why there is none.
    pub fn new(root: &'a Root, now: Timestamp, windows: &'a Windows, attribution: Result<&'a Attribution, String>) -> Self {
        Self {
            root,
            now,
            windows,
            attribution,
            extras: &[],
            announced: &[],
            smbios: OnceCell::new(),
            processes: OnceCell::new(),
            packages: OnceCell::new(),
            owners: OnceCell::new(),
        }
    }

    /// What SMBIOS says; `None` where the machine has none or it may not be read.
    fn smbios(&self) -> Option<&Smbios> {
        const TABLES: &str = "/sys/firmware/dmi/tables";
        let read = || {
            let tables = self.root.read(&format!("{TABLES}/DMI")).ok()?;
            let entry_point = self.root.read(&format!("{TABLES}/smbios_entry_point")).unwrap_or_default();
            Some(smbios::tables(&tables, smbios::version(&entry_point).unwrap_or((3, 0))))
        };
        self.smbios.get_or_init(read).as_ref()
    }

    /// A value of `/sys/class/dmi/id`, which the kernel keeps also where the tables may not be read.
    fn dmi(&self, name: &str) -> Option<String> {
        self.root.text(&format!("/sys/class/dmi/id/{name}"))
    }

    fn processes(&self) -> &Processes {
        self.processes.get_or_init(|| Processes::new(self.root))
    }

    fn packages(&self) -> &Result<packages::Found, String> {
        self.packages.get_or_init(|| packages::read(self.root, self.wants(languages::EXTRA)))
    }

    /// The package of each program that runs as a service or listens: one look through the lists of files for all sections.
    fn owners(&self) -> &BTreeMap<String, String> {
        self.owners.get_or_init(|| services::owners(self))
    }

    /// Who talked to whom. A service that listens, or is a unit, needs no other proof that it is one.
    fn connections(&self) -> Connections {
        let listens: BTreeSet<&ServiceKey> = match self.attribution {
            Ok(attribution) => attribution.listeners.iter().filter_map(|listener| listener.owner.service()).collect(),
            Err(_) => BTreeSet::new(),
        };
        self.windows.report(|service| listens.contains(service))
    }
}

/// Runs the collectors of these sections, all of them for `None`.
///
/// A section that cannot be written as JSON is left out and logged; the section types always can.
pub fn collect(machine: &Machine<'_>, only: Option<&[String]>) -> BTreeMap<String, Section> {
    let is_wanted = |collector: &&Collector| only.is_none_or(|names| names.iter().any(|name| name == collector.name));
    let mut sections = BTreeMap::new();
    for collector in COLLECTORS.iter().filter(is_wanted) {
        match (collector.collect)(machine) {
            Ok(section) => {
                sections.insert(collector.name.to_owned(), section);
            }
            Err(error) => tracing::error!(section = collector.name, %error, "a section could not be written as JSON and is left out"),
        }
    }
    sections
}

fn section<T: SectionData + DeserializeOwned>(
    machine: &Machine<'_>,
    collect: fn(&Machine<'_>) -> Outcome<T>,
) -> Result<Section, serde_json::Error> {
    let started = Instant::now();
    let (status, data) = match collect(machine) {
        Outcome::Data(data) => (SectionStatus::Ok, Some(data)),
        Outcome::Partial(data, reason) => (SectionStatus::Partial { reason }, Some(data)),
        Outcome::NotPresent(reason) => (SectionStatus::Absent { reason }, None),
        Outcome::Failed(reason) => (SectionStatus::Failed { reason }, None),
    };
    let duration_ms = u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX);
    let section = Section::new(status, machine.now, duration_ms, data.as_ref())?;
    match redact::section(section.data.get()) {
        None => Ok(section),
        // Rare: what a collector let through is taken out, and the section made again, so that its digest is that of what is sent.
        Some(clean) => Section::new(section.status, machine.now, duration_ms, Some(&serde_json::from_value::<T>(clean)?)),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use rollcall_shared::wire::v1::SECTIONS;

    use super::*;

    #[test]
    fn there_is_a_collector_for_every_section() {
        let collected: BTreeSet<_> = COLLECTORS.iter().map(|collector| collector.name).collect();
        assert_eq!(collected, SECTIONS.iter().map(|section| section.name).collect());
    }

    #[test]
    fn an_empty_machine_fails_section_by_section_and_invents_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::new(directory.path());
        let windows = Windows::default();
        let machine = Machine::new(&root, Timestamp::default(), &windows, Err("not asked".into()));
        let sections = collect(&machine, None);
        assert_eq!(sections.len(), COLLECTORS.len());
        for name in ["packages", "listening", "connections", "hardware", "cpu"] {
            assert!(sections[name].data.get() == "null", "{name}: {}", sections[name].data.get());
        }
    }

    /// A machine from these files, and one section of it.
    pub(crate) fn collect_one<T>(files: &[(&str, &str)], collect: impl Fn(&Machine<'_>) -> Outcome<T>) -> Outcome<T> {
        let directory = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = directory.path().join(path.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            match content.strip_prefix("-> ") {
                Some(target) => std::os::unix::fs::symlink(target, path).unwrap(),
                None => std::fs::write(path, content).unwrap(),
            }
        }
        let root = Root::new(directory.path());
        let windows = Windows::default();
        let attribution = Attribution::default();
        collect(&Machine::new(&root, Timestamp::default(), &windows, Ok(&attribution)))
    }
}
