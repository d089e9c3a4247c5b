//! The sections of an inventory. One struct each, one line each in [`SECTIONS`].
//!
//! Sizes are bytes, times RFC 3339. A field that could not be read is absent, never guessed or empty.

mod accounts;
mod certificates;
mod cloud;
mod connections;
mod container_images;
mod cpu;
mod daemon;
mod devices;
mod disks;
mod file_systems;
mod forwarding;
mod hardware;
mod identity;
mod kubernetes;
mod listening;
mod memory;
mod neighbours;
mod network;
mod operating_system;
mod package_url;
mod packages;
mod peripherals;
mod security;
mod services;
mod storage;
mod timers;
mod updates;
mod virtual_guests;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

pub use self::{
    accounts::*, certificates::*, cloud::*, connections::*, container_images::*, cpu::*, daemon::*, devices::*, disks::*, file_systems::*,
    forwarding::*, hardware::*, identity::*, kubernetes::*, listening::*, memory::*, neighbours::*, network::*, operating_system::*,
    packages::*, peripherals::*, security::*, services::*, storage::*, timers::*, updates::*, virtual_guests::*,
};

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
    section::<Hardware>("Manufacturer, model, serial numbers, slots, ports and firmware from SMBIOS; the TPM."),
    section::<Cloud>("Which cloud the machine is an instance in, and what that cloud calls it."),
    section::<Cpu>("Processors, cores and threads."),
    section::<Memory>("Memory size and modules."),
    section::<Disks>("Physical and virtual disks, and what is known of their health."),
    section::<Devices>("Devices on the PCI and USB buses."),
    section::<Peripherals>("Batteries, power supplies, monitors, graphics, sound, cameras, input devices and printers."),
    section::<Storage>("Partitions, RAID arrays, logical volumes, pools, encrypted devices, swap and storage networks."),
    section::<FileSystems>("Mounted file systems, with size and rounded usage."),
    section::<Network>("Network interfaces, addresses, routes, resolvers and proxies; which connections are passed on to others."),
    section::<Neighbours>("Devices met on private networks: address, MAC address, maker; what they announce only where asked for."),
    section::<Accounts>("Local users and groups, who may administer, last logins, public ssh host keys; never passwords."),
    section::<Security>(
        "Encryption, secure boot, firewalls, malware protection, remote control, update policy, screen locks, kernel modules.",
    ),
    section::<Certificates>("Certificates of servers and local authorities: names, validity, fingerprint, where; never keys."),
    section::<VirtualGuests>("Virtual machines and containers on this machine: names, ids, addresses; never their environment."),
    section::<ContainerImages>("Container images stored on this machine: names, tags, digests."),
    section::<Kubernetes>("This machine as a Kubernetes node: name, API servers, pods; never credentials."),
    section::<Packages>("Installed software packages."),
    section::<Updates>("Pending updates, when they were last looked for and installed, whether a restart is due."),
    section::<Services>("What runs as a service, and which hosts its configuration names; never passwords, tokens or query strings."),
    section::<Timers>("What is started at set times; what may be a secret in a command is replaced."),
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
    Cloud = "cloud";
    Cpu = "cpu";
    Memory = "memory";
    Devices = "devices";
    Peripherals = "peripherals";
    Storage = "storage";
    Security = "security";
    VirtualGuests = "virtual_guests";
    Certificates = "certificates";
    FileSystems = "file_systems";
    Network = "network";
    Packages = "packages";
    ContainerImages = "container_images";
    Kubernetes = "kubernetes";
    Services = "services";
    Listening = "listening";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

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
