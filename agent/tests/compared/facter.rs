//! facter.

use super::{
    machine::json_of,
    rule::{Fact, Rule, flatten, lower},
};

pub(crate) fn facts() -> Vec<Fact> {
    let mut facts = Vec::new();
    flatten(&[], &json_of("facter", "facter", &["--json"]), &mut facts);
    facts
}

const ITS_OWN: &str = "about facter, Ruby or whoever runs it, not about the machine";
const MOVES: &str = "moves all the time; an inventory says what a machine is";
const DERIVED: &str = "said in other words by another fact that is compared";
const NOT_ON_LINUX: &str = "of other systems";

pub(crate) const RULES: &[Rule] = &[
    Rule::not("aio_agent_version", ITS_OWN),
    Rule::not("augeas/**", ITS_OWN),
    Rule::not("facterversion", ITS_OWN),
    Rule::not("identity/**", ITS_OWN),
    Rule::not("path", ITS_OWN),
    Rule::not("env_windows_installdir", NOT_ON_LINUX),
    Rule::not("ruby/**", ITS_OWN),
    Rule::not("load_averages/**", MOVES),
    Rule::not("system_uptime/**", DERIVED),
    Rule::not("filesystems", "what the kernel could mount; what is mounted is in file_systems"),
    Rule::not("fips_enabled", "not collected"),
    // The machine.
    Rule::same("dmi/manufacturer", "hardware.manufacturer"),
    Rule::same("dmi/product/name", "hardware.product_name"),
    Rule::same("dmi/product/serial_number", "hardware.serial"),
    Rule::as_("dmi/product/uuid", "hardware.uuid", lower),
    Rule::same("dmi/product/version", "hardware.version"),
    Rule::same("dmi/bios/vendor", "hardware.firmware.vendor"),
    Rule::same("dmi/bios/version", "hardware.firmware.version"),
    Rule::as_("dmi/bios/release_date", "hardware.firmware.date", iso_date),
    Rule::same("dmi/board/manufacturer", "hardware.board.manufacturer"),
    Rule::same("dmi/board/product", "hardware.board.product_name"),
    Rule::same("dmi/board/serial_number", "hardware.board.serial"),
    Rule::same("dmi/board/asset_tag", "hardware.board.asset_tag"),
    Rule::same("dmi/chassis/asset_tag", "hardware.chassis.asset_tag"),
    Rule::as_("dmi/chassis/type", "hardware.chassis.form", |value| Some(value.to_lowercase().replace(' ', "_"))),
    Rule::as_("is_virtual", "identity.platform.kind", |value| (value == "false").then(|| "physical".to_owned())),
    Rule::as_("virtual", "identity.platform.technology", technology),
    Rule::not("hypervisors/**", DERIVED),
    Rule::not("cloud/provider", DERIVED),
    Rule::not("ec2_metadata/**", "asks a server on the network; this agent reads local files only"),
    Rule::not("ec2_userdata", "asks a server on the network, and may hold secrets"),
    Rule::not("az_metadata/**", "asks a server on the network; this agent reads local files only"),
    Rule::not("gce/**", "asks a server on the network; this agent reads local files only"),
    Rule::not("xen/**", "of Xen's own tools"),
    // Processors and memory.
    Rule::same("processors/count", "cpu.threads"),
    Rule::same("processors/physicalcount", "cpu.sockets.#"),
    Rule::not("processors/cores", "cores of one processor as facter guesses them; ours counts those that the kernel tells"),
    Rule::not("processors/threads", DERIVED),
    Rule::same("processors/models/[]", "cpu.sockets.model"),
    Rule::not("processors/isa", "uname's word, unknown nearly everywhere"),
    Rule::not("processors/extensions/**", "the processor's model tells"),
    Rule::not("processors/speed", "the clock at this moment on virtual machines; ours is the highest the processor can"),
    Rule::as_("memory/system/total_bytes", "memory.total_bytes", as_is),
    Rule::as_("memory/swap/total_bytes", "memory.swap_total_bytes", as_is),
    Rule::not("memory/swap/encrypted", DERIVED),
    Rule::not("memory/*/total", DERIVED),
    Rule::not("memory/*/available", MOVES),
    Rule::not("memory/*/available_bytes", MOVES),
    Rule::not("memory/*/capacity", MOVES),
    Rule::not("memory/*/used", MOVES),
    Rule::not("memory/*/used_bytes", MOVES),
    // Disks and file systems.
    Rule::same("disks/*/size_bytes", "disks.disks[name=$1].size_bytes"),
    Rule::not("disks/*/size", DERIVED),
    Rule::as_("disks/*/type", "disks.disks[name=$1].rotational", |value| Some((value == "hdd").to_string())),
    Rule::as_("disks/*/vendor", "disks.disks[name=$1].vendor", |value| (!value.starts_with("0x")).then(|| value.to_owned())),
    Rule::same("disks/*/model", "disks.disks[name=$1].model"),
    Rule::same("disks/*/serial", "disks.disks[name=$1].serial"),
    Rule::as_("disks/*/wwn", "disks.disks[name=$1].wwn", |value| Some(value.trim_start_matches("0x").to_owned())),
    Rule::as_("mountpoints/*/device", "file_systems.file_systems[mount_point=$1].device", of_a_disk),
    Rule::not("mountpoints/*/filesystem", "also of memory and kernel file systems; compared by lsblk"),
    Rule::not("mountpoints/**", MOVES),
    Rule::not("partitions/**", "compared by lsblk, which says the same and more"),
    // Network.
    Rule::same("networking/hostname", "identity.hostname"),
    Rule::as_("networking/fqdn", "identity.fqdn", |value| value.contains('.').then(|| value.to_owned())),
    Rule::same("networking/domain", "network.search_domains"),
    Rule::same("networking/primary", "network.gateways.interface"),
    Rule::same("networking/ip", "network.interfaces.addresses.address"),
    Rule::same("networking/ip6", "network.interfaces.addresses.address"),
    Rule::as_("networking/mac", "network.interfaces.mac", lower),
    Rule::same("networking/mtu", "network.interfaces.mtu"),
    Rule::same("networking/dhcp", "network.interfaces.dhcp_server"),
    Rule::not("networking/netmask", DERIVED),
    Rule::not("networking/netmask6", DERIVED),
    Rule::not("networking/network", DERIVED),
    Rule::not("networking/network6", DERIVED),
    Rule::not("networking/scope6", DERIVED),
    Rule::same("networking/interfaces/*/ip", "network.interfaces[name=$1].addresses.address"),
    Rule::same("networking/interfaces/*/ip6", "network.interfaces[name=$1].addresses.address"),
    Rule::as_("networking/interfaces/*/mac", "network.interfaces[name=$1].mac", lower),
    Rule::same("networking/interfaces/*/mtu", "network.interfaces[name=$1].mtu"),
    Rule::as_("networking/interfaces/*/netmask", "network.interfaces[name=$1].addresses.prefix_length", prefix),
    Rule::as_("networking/interfaces/*/netmask6", "network.interfaces[name=$1].addresses.prefix_length", prefix),
    Rule::same("networking/interfaces/*/bindings/[]/address", "network.interfaces[name=$1].addresses.address"),
    Rule::same("networking/interfaces/*/bindings6/[]/address", "network.interfaces[name=$1].addresses.address"),
    Rule::as_("networking/interfaces/*/bindings/[]/netmask", "network.interfaces[name=$1].addresses.prefix_length", prefix),
    Rule::as_("networking/interfaces/*/bindings6/[]/netmask", "network.interfaces[name=$1].addresses.prefix_length", prefix),
    Rule::not("networking/interfaces/*/bindings/[]/network", DERIVED),
    Rule::not("networking/interfaces/*/bindings6/[]/network", DERIVED),
    Rule::not("networking/interfaces/*/bindings6/[]/scope6", DERIVED),
    Rule::not("networking/interfaces/*/bindings6/[]/flags/[]", "how the kernel came by the address; temporary ones are left out of ours"),
    Rule::not("networking/interfaces/*/network", DERIVED),
    Rule::not("networking/interfaces/*/network6", DERIVED),
    Rule::not("networking/interfaces/*/scope6", DERIVED),
    Rule::same("networking/interfaces/*/dhcp", "network.interfaces[name=$1].dhcp_server"),
    // The operating system.
    Rule::as_("kernel", "operating_system.family", lower),
    Rule::same("kernelrelease", "operating_system.kernel_release"),
    Rule::not("kernelmajversion", DERIVED),
    Rule::not("kernelversion", DERIVED),
    Rule::as_("os/architecture", "operating_system.architecture", |value| {
        Some(value.replace("amd64", "x86_64").replace("arm64", "aarch64"))
    }),
    Rule::same("os/hardware", "operating_system.architecture"),
    Rule::as_("os/distro/id", "operating_system.id", lower),
    Rule::same("os/distro/codename", "operating_system.codename"),
    Rule::same("os/distro/description", "operating_system.name"),
    Rule::same("os/distro/release/full", "operating_system.version"),
    Rule::not("os/distro/release/**", DERIVED),
    Rule::not("os/distro/specification", "of LSB, not of the machine"),
    Rule::as_("os/name", "operating_system.id", lower),
    Rule::not("os/family", DERIVED),
    Rule::same("os/release/full", "operating_system.version"),
    Rule::not("os/release/**", DERIVED),
    Rule::as_("os/selinux/enabled", "security.access_control.name", |value| (value == "true").then(|| "selinux".to_owned())),
    Rule::same("os/selinux/current_mode", "security.access_control[name=selinux].mode"),
    Rule::not("os/selinux/**", DERIVED),
    Rule::not("timezone", "the abbreviation of this season; ours is the zone's name"),
    Rule::as_("ssh/*/fingerprints/sha256", "accounts.ssh_host_keys.sha256", |_| None),
    Rule::not("ssh/**", "public keys and their older fingerprints; ours is the fingerprint that ssh prints today"),
];

fn as_is(value: &str) -> Option<String> {
    Some(value.to_owned())
}

/// `05/17/2024`
fn iso_date(value: &str) -> Option<String> {
    let [month, day, year] = value.split('/').collect::<Vec<_>>().try_into().ok()?;
    Some(format!("{year}-{month}-{day}"))
}

/// `physical` is no technology; what facter cannot tell it calls `unknown`.
fn technology(value: &str) -> Option<String> {
    match value {
        "physical" | "unknown" => None,
        "lxc" | "docker" | "kvm" | "vmware" | "virtualbox" | "hyperv" => Some(value.to_owned()),
        xen if xen.starts_with("xen") => Some("xen".to_owned()),
        other => Some(other.to_owned()),
    }
}

fn of_a_disk(value: &str) -> Option<String> {
    value.starts_with("/dev/").then(|| value.to_owned())
}

/// `255.255.255.0` or `ffff:ffff::` as the number of its ones.
fn prefix(value: &str) -> Option<String> {
    let ones = match value.parse().ok()? {
        std::net::IpAddr::V4(mask) => mask.to_bits().count_ones(),
        std::net::IpAddr::V6(mask) => mask.to_bits().count_ones(),
    };
    Some(ones.to_string())
}
