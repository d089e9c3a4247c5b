//! One machine and its inventory sections.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use rollcall_shared::{
    Digest, DocumentId, Timestamp,
    wire::v1::{
        Connections, Cpu, Disks, Exchange, FileSystem, FileSystems, Gateway, Hardware, Identity, Interface, InterfaceAddress,
        InventoryDocument, Listening, ListeningSocket, Memory, Network, OperatingSystem, Packages, Protocol, Section, SectionData,
        SectionStatus, Service, ServiceKey, Services, VERSION,
    },
};
use uuid::Uuid;

use super::{
    hardware::{self, Kind},
    software::{self, Daemon},
};

/// The version that simulated agents claim to be.
pub const AGENT_VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "-simulated");

/// One simulated machine with everything its agent would report.
#[derive(Clone, Debug)]
pub struct Machine {
    /// What it is for: `shop-db`, `laptop`.
    pub role: String,
    /// Short name of its site: `ham`.
    pub site: String,
    /// What kind of machine it is.
    pub kind: Kind,
    /// Names and hardware ids.
    pub identity: Identity,
    /// Operating system.
    pub operating_system: OperatingSystem,
    /// SMBIOS.
    pub hardware: Hardware,
    /// Processors.
    pub cpu: Cpu,
    /// Memory.
    pub memory: Memory,
    /// Disks.
    pub disks: Disks,
    /// File systems.
    pub file_systems: FileSystems,
    /// Network.
    pub network: Network,
    /// Packages.
    pub packages: Packages,
    /// Services.
    pub services: Services,
    /// Listening sockets.
    pub listening: Listening,
    /// Flows.
    pub connections: Connections,
}

/// What a machine is made from.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// Decides everything random about it.
    pub seed: u64,
    /// Host name.
    pub hostname: String,
    /// See [`Machine::role`].
    pub role: &'a str,
    /// See [`Machine::site`].
    pub site: &'a str,
    /// Kind of machine.
    pub kind: Kind,
    /// Its address; the network is the /16 around it, the gateway that network's first address.
    pub address: Ipv4Addr,
    /// Name servers.
    pub resolvers: Vec<IpAddr>,
    /// What it runs, besides what every machine runs.
    pub daemons: &'a [Daemon],
    /// The time that "now" is for boot times and windows.
    pub now: Timestamp,
}

const DAY_MS: i64 = 86_400_000;

impl Machine {
    /// The machine that a plan describes: always the same one for the same plan.
    pub fn build(plan: &Plan<'_>) -> Self {
        let mut rng = StdRng::seed_from_u64(plan.seed);
        let model = hardware::pick(plan.kind, &mut rng);
        let identity = identity(plan, &model, &mut rng);
        let daemons = || software::EVERY_MACHINE.iter().chain(plan.daemons);
        let packages = software::packages(plan.kind, daemons(), plan.now, &mut rng);
        let mut services: Vec<Service> = daemons().map(|daemon| daemon.service(&packages)).collect();
        services.sort_by(|a, b| a.key.cmp(&b.key));
        let mut sockets: Vec<ListeningSocket> = daemons().flat_map(Daemon::sockets).collect();
        sockets.sort();
        Self {
            role: plan.role.to_owned(),
            site: plan.site.to_owned(),
            kind: plan.kind,
            hardware: model.hardware(&identity, &mut rng),
            cpu: model.cpu(),
            memory: model.memory(&mut rng),
            disks: model.disks(&mut rng),
            operating_system: operating_system(plan, &mut rng),
            file_systems: file_systems(&model, &mut rng),
            network: network(plan, &identity),
            packages: Packages { packages },
            services: Services { services },
            listening: Listening { sockets },
            connections: Connections {
                window_start: plan.now.plus_millis(-15 * 60_000),
                window_end: plan.now,
                samples: 60,
                flows: Vec::new(),
            },
            identity,
        }
    }

    /// Its first address.
    pub fn address(&self) -> IpAddr {
        let interfaces = self.network.interfaces.iter().filter(|interface| interface.kind != "loopback");
        let first = interfaces.flat_map(|interface| &interface.addresses).next();
        first.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.address)
    }

    /// The service that listens on a port.
    pub fn listener(&self, protocol: Protocol, port: u16) -> Option<&ServiceKey> {
        let found = self.listening.sockets.iter().find(|socket| socket.protocol == protocol && socket.port == port);
        found.and_then(|socket| socket.service.as_ref())
    }

    /// All sections as the agent would send them, collected at `now`.
    pub fn sections(&self, now: Timestamp) -> BTreeMap<String, Section> {
        let mut sections = BTreeMap::new();
        let out = &mut sections;
        add(out, &self.identity, now);
        add(out, &self.operating_system, now);
        add(out, &self.hardware, now);
        add(out, &self.cpu, now);
        add(out, &self.memory, now);
        add(out, &self.disks, now);
        add(out, &self.file_systems, now);
        add(out, &self.network, now);
        add(out, &self.packages, now);
        add(out, &self.services, now);
        add(out, &self.listening, now);
        add(out, &self.connections, now);
        sections
    }

    /// The digests that a check-in carries.
    pub fn digests(&self, now: Timestamp) -> BTreeMap<String, Digest> {
        self.sections(now).into_iter().map(|(name, section)| (name, section.digest)).collect()
    }

    /// A document with the sections that `wanted` names, or all.
    pub fn document(&self, exchange: Exchange, now: Timestamp, wanted: Option<&[String]>) -> InventoryDocument {
        let mut sections = self.sections(now);
        if let Some(wanted) = wanted {
            sections.retain(|name, _| wanted.contains(name));
        }
        InventoryDocument {
            format: VERSION,
            document_id: DocumentId(Uuid::now_v7()),
            exchange,
            agent_version: AGENT_VERSION.to_owned(),
            sent_at: now,
            sections,
        }
    }

    /// Upgrades `count` packages, chosen by `seed`: the small change of an ordinary day.
    pub fn upgrade(&mut self, count: usize, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        let packages = &mut self.packages.packages;
        for _ in 0..count.min(packages.len()) {
            let chosen = rng.random_range(0..packages.len());
            packages[chosen].version.push_str("+u1");
        }
    }
}

fn add<T: SectionData>(sections: &mut BTreeMap<String, Section>, data: &T, now: Timestamp) {
    let section = Section::new(SectionStatus::Ok, now, 1, Some(data)).expect("section types are JSON");
    sections.insert(T::NAME.to_owned(), section);
}

fn identity(plan: &Plan<'_>, model: &hardware::Model, rng: &mut StdRng) -> Identity {
    let macs = (0..model.network_ports).map(|_| mac(model.mac_prefix, rng)).collect();
    let mut macs: Vec<String> = macs;
    macs.sort();
    Identity {
        hostname: plan.hostname.clone(),
        fqdn: Some(format!("{}.{}.nordwind.example", plan.hostname, plan.site)),
        machine_id: Some(format!("{:032x}", rng.random::<u128>())),
        smbios_uuid: Some(Uuid::from_u128(rng.random::<u128>()).to_string()),
        serial: (plan.kind != Kind::VirtualMachine).then(|| format!("{}{:07X}", model.serial_prefix, rng.random_range(0..0x0FFF_FFFF_u32))),
        manufacturer: Some(model.manufacturer.to_owned()),
        model: Some(model.product.to_owned()),
        cloud_instance_id: None,
        permanent_macs: macs,
        platform: Some(plan.kind.platform()),
    }
}

/// A random MAC address with this vendor's prefix.
pub fn mac(prefix: &str, rng: &mut StdRng) -> String {
    let [a, b, c] = rng.random::<[u8; 3]>();
    format!("{prefix}:{a:02x}:{b:02x}:{c:02x}")
}

fn operating_system(plan: &Plan<'_>, rng: &mut StdRng) -> OperatingSystem {
    // Most machines are on the newest release; some lag, as in life.
    let (release, version, codename, kernel) = match rng.random_range(0..10_u8) {
        0 => ("11", "11.11", "bullseye", "5.10.0-34-amd64"),
        1..=5 => ("12", "12.11", "bookworm", "6.1.0-37-amd64"),
        _ => ("13", "13.1", "trixie", "6.12.41+deb13-amd64"),
    };
    let day =
        |rng: &mut StdRng, most: i64| plan.now.as_millis() - rng.random_range(1..most) * DAY_MS - rng.random_range(0..86_400_i64) * 1_000;
    let seconds = |millis: i64| Timestamp::from_millis(millis - millis.rem_euclid(1_000));
    OperatingSystem {
        family: "linux".into(),
        id: Some("debian".into()),
        name: Some(format!("Debian GNU/Linux {release} ({codename})")),
        version: Some(version.into()),
        codename: Some(codename.into()),
        kernel_release: Some(kernel.into()),
        kernel_version: Some("#1 SMP PREEMPT_DYNAMIC Debian".into()),
        architecture: Some("x86_64".into()),
        timezone: Some(if plan.site == "gdn" { "Europe/Warsaw" } else { "Europe/Berlin" }.into()),
        booted_at: Some(seconds(day(rng, if plan.kind == Kind::Laptop { 10 } else { 200 }))),
        installed_at: Some(seconds(day(rng, 1_400))),
    }
}

fn file_systems(model: &hardware::Model, rng: &mut StdRng) -> FileSystems {
    let device = model.disk_name();
    let partition = if device.starts_with("nvme") { format!("/dev/{device}p2") } else { format!("/dev/{device}2") };
    let root = FileSystem {
        mount_point: "/".into(),
        device: partition,
        kind: "ext4".into(),
        size_bytes: Some(model.disk_bytes / 100 * 96),
        used_percent: Some(5 * rng.random_range(2..19_u8)),
        ..FileSystem::default()
    };
    FileSystems { file_systems: vec![root] }
}

fn network(plan: &Plan<'_>, identity: &Identity) -> Network {
    let [a, b, ..] = plan.address.octets();
    let loopback = Interface {
        name: "lo".into(),
        kind: "loopback".into(),
        up: true,
        mtu: Some(65_536),
        addresses: vec![InterfaceAddress { address: IpAddr::V4(Ipv4Addr::LOCALHOST), prefix_length: 8 }],
        ..Interface::default()
    };
    let ports = identity.permanent_macs.iter().enumerate().map(|(index, mac)| Interface {
        name: format!("enp{}s0", index + 1),
        kind: "ethernet".into(),
        mac: Some(mac.clone()),
        physical: true,
        up: index == 0,
        mtu: Some(1_500),
        speed_mbps: (index == 0).then_some(if plan.kind == Kind::Server { 10_000 } else { 1_000 }),
        driver: Some(if plan.kind == Kind::VirtualMachine { "virtio_net" } else { "e1000e" }.into()),
        master: None,
        addresses: if index == 0 { vec![InterfaceAddress { address: IpAddr::V4(plan.address), prefix_length: 16 }] } else { Vec::new() },
        ..Interface::default()
    });
    let mut interfaces: Vec<Interface> = ports.chain([loopback]).collect();
    interfaces.sort_by(|a, b| a.name.cmp(&b.name));
    Network {
        interfaces,
        gateways: vec![Gateway { address: IpAddr::V4(Ipv4Addr::new(a, b, 0, 1)), interface: "enp1s0".into() }],
        resolvers: plan.resolvers.clone(),
        search_domains: vec![format!("{}.nordwind.example", plan.site)],
        ..Network::default()
    }
}
