//! The sections of an inventory. One struct each, one line each in [`SECTIONS`].
//!
//! Sizes are bytes, times RFC 3339. A field that could not be read is absent, never guessed or empty.

mod accounts;
mod certificates;
mod devices;
mod package_url;
mod peripherals;
mod security;
mod storage;
mod virtual_guests;

use std::{collections::BTreeSet, fmt, net::IpAddr};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

pub use self::{accounts::*, certificates::*, devices::*, peripherals::*, security::*, storage::*, virtual_guests::*};
use crate::time::Timestamp;

/// A section's type.
pub trait SectionData: Serialize + JsonSchema {
    /// The section's name in the document.
    const NAME: &'static str;

    /// The part of the data that says whether the machine changed, for the digest: all of it, unless the section holds
    /// counters that move by themselves.
    fn stable(&self) -> impl Serialize + '_
    where
        Self: Sized,
    {
        self
    }
}

/// A known section, for the schema and for listings.
pub struct SectionDefinition {
    /// The section's name in the document.
    pub name: &'static str,
    /// What it holds and why it is sent, in a sentence for the person whose machine it is.
    pub purpose: &'static str,
    /// Its JSON Schema.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

/// Every section of this wire format version.
pub const SECTIONS: &[SectionDefinition] = &[
    section::<Identity>("Names and hardware ids, to tell that it is the same machine as before."),
    section::<OperatingSystem>("Operating system and kernel versions, time zone, last start."),
    section::<Hardware>("Manufacturer, model, serial numbers and firmware from SMBIOS."),
    section::<Cpu>("Processors, cores and threads."),
    section::<Memory>("Memory size and modules."),
    section::<Disks>("Physical and virtual disks."),
    section::<Devices>("Devices on the PCI and USB buses."),
    section::<Peripherals>("Batteries and monitors."),
    section::<Storage>("Partitions, RAID arrays, logical volumes, encrypted devices and swap."),
    section::<FileSystems>("Mounted file systems, with size and rounded usage."),
    section::<Network>("Network interfaces, addresses, gateways and resolvers."),
    section::<Accounts>("Local users and groups, who may administer, last logins, public ssh host keys; never passwords."),
    section::<Security>("Encryption, secure boot, firewalls, malware protection, remote control, update policy, kernel modules."),
    section::<Certificates>("Certificates of servers and local authorities: names, validity, fingerprint, where; never keys."),
    section::<VirtualGuests>("Virtual machines and containers on this machine: names, ids, addresses; never their environment."),
    section::<Packages>("Installed software packages."),
    section::<Services>("What runs as a service: units and processes that listen or keep talking."),
    section::<Listening>("Sockets that wait for connections, with the service behind each."),
    section::<Connections>("Which service talked to which address and port, aggregated; never content."),
];

const fn section<T: SectionData>(purpose: &'static str) -> SectionDefinition {
    SectionDefinition { name: T::NAME, purpose, schema: T::json_schema }
}

macro_rules! section_data {
    ($($type:ident = $name:literal;)*) => {$(
        impl SectionData for $type {
            const NAME: &'static str = $name;
        }
    )*};
}

section_data! {
    Identity = "identity";
    OperatingSystem = "operating_system";
    Hardware = "hardware";
    Cpu = "cpu";
    Memory = "memory";
    Disks = "disks";
    Devices = "devices";
    Peripherals = "peripherals";
    Storage = "storage";
    Security = "security";
    VirtualGuests = "virtual_guests";
    Certificates = "certificates";
    FileSystems = "file_systems";
    Network = "network";
    Packages = "packages";
    Services = "services";
    Listening = "listening";
}

/// Names and hardware ids of the machine. Placeholder values are sent as found; the collector knows them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Identity {
    /// The host name, without domain.
    pub hostname: String,
    /// The fully qualified domain name where the machine knows one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fqdn: Option<String>,
    /// `/etc/machine-id`: 32 hexadecimal digits, made at installation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine_id: Option<String>,
    /// SMBIOS system UUID, lower case with hyphens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smbios_uuid: Option<String>,
    /// SMBIOS system serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// SMBIOS system manufacturer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// SMBIOS product name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Instance id given by a cloud, with the cloud's name before it: `aws:i-0abc…`. From a local file or DMI only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud_instance_id: Option<String>,
    /// Permanent MAC addresses of physical interfaces, lower case with colons, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub permanent_macs: Vec<String>,
    /// What the machine is: bare metal, a virtual machine, a container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

/// What kind of machine this is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Platform {
    /// The kind.
    pub kind: PlatformKind,
    /// The virtualisation or container technology: `kvm`, `vmware`, `lxc`, `docker`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub technology: Option<String>,
}

/// Bare metal, virtual machine or container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlatformKind {
    /// Hardware of its own.
    Physical,
    /// A guest of a hypervisor.
    VirtualMachine,
    /// A container on a host that shares its kernel.
    Container,
}

/// The operating system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct OperatingSystem {
    /// `linux`, `windows`, `macos`.
    pub family: String,
    /// The distribution's id: `debian`, `rhel`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name and version in words: `Debian GNU/Linux 12 (bookworm)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The version, as exact as the system tells: `12.11`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The release's code name: `bookworm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codename: Option<String>,
    /// The kernel's release: `6.1.0-37-amd64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_release: Option<String>,
    /// The kernel's build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_version: Option<String>,
    /// The machine's architecture: `x86_64`, `aarch64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// The time zone's name: `Europe/Berlin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// When the kernel was started, to the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub booted_at: Option<Timestamp>,
    /// When the system was installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installed_at: Option<Timestamp>,
}

/// The machine as its maker describes it, from SMBIOS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Hardware {
    /// System manufacturer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// System product name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_name: Option<String>,
    /// System version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// System serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// System UUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Stock keeping unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// Product family.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// The chassis: form, serial, asset tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chassis: Option<Chassis>,
    /// The main board.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub board: Option<Board>,
    /// BIOS or UEFI firmware.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware: Option<Firmware>,
}

/// The chassis.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Chassis {
    /// The form in SMBIOS words: `notebook`, `desktop`, `rack_mount`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// Manufacturer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Asset tag, where the owner has set one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset_tag: Option<String>,
}

/// The main board.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Board {
    /// Manufacturer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Product name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_name: Option<String>,
    /// Version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
}

/// The firmware.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Firmware {
    /// Vendor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Release date, ISO 8601 (`2024-05-17`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Whether the system was started by UEFI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uefi: Option<bool>,
}

/// Processors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Cpu {
    /// Physical packages, in order of their number.
    pub sockets: Vec<CpuSocket>,
    /// Physical cores of all packages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cores: Option<u32>,
    /// Hardware threads that the system runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<u32>,
}

/// One physical processor package.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CpuSocket {
    /// The socket's name on the board.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub designation: Option<String>,
    /// Manufacturer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Model name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Cores in this package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cores: Option<u32>,
    /// Threads in this package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<u32>,
    /// Highest clock, MHz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_mhz: Option<u32>,
}

/// Memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Memory {
    /// Memory that the system can use, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_bytes: Option<u64>,
    /// Swap, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_total_bytes: Option<u64>,
    /// Memory modules from SMBIOS; empty slots are not listed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<MemoryModule>,
    /// Slots, filled or not, from SMBIOS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<u32>,
}

/// One memory module.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MemoryModule {
    /// The slot: `DIMM 0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locator: Option<String>,
    /// Size, bytes.
    pub size_bytes: u64,
    /// Type: `DDR4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Speed, million transfers a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed_mts: Option<u32>,
    /// Manufacturer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Part number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_number: Option<String>,
}

/// Disks, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Disks {
    /// The disks.
    pub disks: Vec<Disk>,
}

/// One disk; loop devices, RAM disks and empty drives are not listed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Disk {
    /// Kernel name: `sda`, `nvme0n1`.
    pub name: String,
    /// Model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Vendor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Firmware revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
    /// World wide name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wwn: Option<String>,
    /// Size, bytes.
    pub size_bytes: u64,
    /// Whether it has turning platters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotational: Option<bool>,
    /// Whether it can be taken out while running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removable: Option<bool>,
    /// How it is attached: `nvme`, `sata`, `scsi`, `usb`, `virtio`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bus: Option<String>,
}

/// Mounted file systems that hold files of a disk or a server, sorted by mount point.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct FileSystems {
    /// The file systems.
    pub file_systems: Vec<FileSystem>,
}

/// One mounted file system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct FileSystem {
    /// Where it is mounted.
    pub mount_point: String,
    /// What is mounted: a device or `server:/path`.
    pub device: String,
    /// Type: `ext4`, `nfs4`.
    pub kind: String,
    /// Size, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// How full, percent, rounded up to the next 5 so that an ordinary day is not a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_percent: Option<u8>,
    /// Mounted read-only.
    pub read_only: bool,
    /// Whether this machine encrypts the device below; absent where no file tells. Disks that encrypt themselves do it unseen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypted: Option<bool>,
    /// The server, for a remote file system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_server: Option<String>,
}

/// The network as this machine is set up for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Network {
    /// Interfaces, sorted by name.
    pub interfaces: Vec<Interface>,
    /// Default gateways.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<Gateway>,
    /// Name servers, in the order they are asked. A local stub is listed with what it forwards to where a file tells.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resolvers: Vec<IpAddr>,
    /// Search domains.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub search_domains: Vec<String>,
}

/// One network interface.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Interface {
    /// Name: `eth0`.
    pub name: String,
    /// `ethernet`, `wireless`, `loopback`, `bridge`, `bond`, `vlan`, `tunnel`, `veth`, `other`.
    pub kind: String,
    /// MAC address in use, lower case with colons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Whether hardware stands behind it.
    pub physical: bool,
    /// Administratively and operationally up.
    pub up: bool,
    /// Largest packet, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// Link speed, Mbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed_mbps: Option<u32>,
    /// Kernel driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// The bridge or bond it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// Addresses, sorted; temporary ones (IPv6 privacy) are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<InterfaceAddress>,
}

/// One address of an interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct InterfaceAddress {
    /// The address.
    pub address: IpAddr,
    /// Length of the network prefix, bits.
    pub prefix_length: u8,
}

/// A default gateway.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Gateway {
    /// Its address.
    pub address: IpAddr,
    /// The interface it is reached by.
    pub interface: String,
}

/// Installed packages, sorted by name, version, architecture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Packages {
    /// The packages.
    pub packages: Vec<Package>,
}

/// One installed package.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Package {
    /// Kind of package: `deb`, `apk`, `pacman`, `snap`, `flatpak`, `rpm`, …
    pub kind: String,
    /// Name.
    pub name: String,
    /// Version as the package manager writes it.
    pub version: String,
    /// Architecture as the package manager writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// Who publishes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publisher: Option<String>,
    /// Installed size, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// When it was installed or last upgraded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installed_at: Option<Timestamp>,
}

/// What a service is known by on its machine, never by PID: `unit:nginx.service`, `container:NAME`,
/// `process:/usr/sbin/dnsmasq@nobody`. A restart, an upgrade or another worker is the same service.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ServiceKey(pub String);

impl ServiceKey {
    /// A service manager's unit.
    pub fn unit(name: &str) -> Self {
        Self(format!("unit:{name}"))
    }
    /// A container.
    pub fn container(name: &str) -> Self {
        Self(format!("container:{name}"))
    }
    /// A process that belongs to neither, by executable and user.
    pub fn process(executable: &str, user: &str) -> Self {
        Self(format!("process:{executable}@{user}"))
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceKey({})", self.0)
    }
}

/// Services, sorted by key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Services {
    /// The services.
    pub services: Vec<Service>,
}

/// One service: an active unit, a container, or a process that listens or keeps talking. A person's shell and what was
/// started from it, and an ssh session, are none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Service {
    /// What it is known by.
    pub key: ServiceKey,
    /// Short name for people: `nginx`.
    pub name: String,
    /// The unit's own description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The executable of its main process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<String>,
    /// The package that the executable belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// That package's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The user it runs as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The well-known daemon it is: `postgresql`, `nginx`, `sshd`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daemon: Option<String>,
    /// Started with the machine; absent where no service manager tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// `tcp` or `udp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// Listening sockets, sorted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Listening {
    /// The sockets; workers that share one are one.
    pub sockets: Vec<ListeningSocket>,
}

/// One socket that waits for connections.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct ListeningSocket {
    /// Protocol.
    pub protocol: Protocol,
    /// The address it is bound to; unspecified (`0.0.0.0`, `::`) means all.
    pub address: IpAddr,
    /// Port.
    pub port: u16,
    /// The service behind it; absent where the kernel did not tell (not enough privilege).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceKey>,
    /// The process's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
}

/// Who talked to whom in a window of time. The digest covers who, not how often: see [`SectionData::stable`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Connections {
    /// When watching began, the agent's clock.
    pub window_start: Timestamp,
    /// When the last sample was taken.
    pub window_end: Timestamp,
    /// Samples of the socket table taken.
    pub samples: u32,
    /// The flows, sorted by what they connect. Flows within the machine (loopback) are listed too.
    pub flows: Vec<Flow>,
}

/// All connections between one local service and one remote address and port, or remote address for incoming ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Flow {
    /// Which way it was opened, and how that is known.
    pub direction: Direction,
    /// How the direction is known.
    pub direction_method: DirectionMethod,
    /// Protocol.
    pub protocol: Protocol,
    /// The local service; absent where the kernel did not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceKey>,
    /// The local address.
    pub local_address: IpAddr,
    /// The local port for incoming flows. Absent for outgoing ones: it is ephemeral.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_port: Option<u16>,
    /// The remote address.
    pub peer_address: IpAddr,
    /// The remote port for outgoing flows. Absent for incoming ones: it is ephemeral.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_port: Option<u16>,
    /// Samples in which at least one such connection was seen.
    pub samples_seen: u32,
    /// First time seen in the window.
    pub first_seen: Timestamp,
    /// Last time seen in the window.
    pub last_seen: Timestamp,
}

/// Which end opened the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// This machine did: it depends on the peer.
    Outgoing,
    /// The peer did: it depends on this machine.
    Incoming,
}

/// How a flow's direction is known, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DirectionMethod {
    /// The local port is, or is not, one that listens.
    Listener,
    /// The socket's state tells (`SYN_SENT`, or `TIME_WAIT` on the end that closed is not used).
    State,
    /// The port lies in the host's ephemeral range.
    EphemeralRange,
}

impl SectionData for Connections {
    const NAME: &'static str = "connections";

    fn stable(&self) -> impl Serialize + '_ {
        self.flows
            .iter()
            .map(|flow| (flow.direction, flow.protocol, &flow.service, flow.local_port, flow.peer_address, flow.peer_port))
            .collect::<BTreeSet<_>>()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::inventory::*, *};

    fn connections(samples: u32, peer_port: u16) -> Connections {
        let at = Timestamp::from_millis(i64::from(samples));
        let flow = Flow {
            direction: Direction::Outgoing,
            direction_method: DirectionMethod::Listener,
            protocol: Protocol::Tcp,
            service: Some(ServiceKey::unit("app.service")),
            local_address: "10.0.0.1".parse().unwrap(),
            local_port: None,
            peer_address: "10.0.0.2".parse().unwrap(),
            peer_port: Some(peer_port),
            samples_seen: samples,
            first_seen: at,
            last_seen: at,
        };
        Connections { window_start: at, window_end: at, samples, flows: vec![flow] }
    }

    fn digest(data: &impl SectionData) -> crate::Digest {
        Section::new(SectionStatus::Ok, Timestamp::default(), 1, Some(data)).unwrap().digest
    }

    #[test]
    fn a_busier_window_is_no_change_but_a_new_peer_is() {
        assert_eq!(digest(&connections(3, 5432)), digest(&connections(90, 5432)));
        assert_ne!(digest(&connections(3, 5432)), digest(&connections(3, 5433)));
    }

    #[test]
    fn section_names_are_unique() {
        let names: BTreeSet<_> = SECTIONS.iter().map(|section| section.name).collect();
        assert_eq!(names.len(), SECTIONS.len());
    }

    #[test]
    fn unknown_fields_are_tolerated_and_absent_ones_stay_absent() {
        let identity: Identity = serde_json::from_str(r#"{"hostname":"a","color":"red"}"#).unwrap();
        assert_eq!(serde_json::to_string(&identity).unwrap(), r#"{"hostname":"a"}"#);
    }
}
