//! `lshw`.

use serde_json::Value;

use super::{
    machine::json_of,
    rule::{Fact, Rule, flatten, lower},
};

pub(crate) fn facts() -> Vec<Fact> {
    let mut facts = Vec::new();
    let output = json_of("lshw", "lshw", &["-json", "-quiet"]);
    // Older versions print one system, newer ones a list of them.
    match output {
        Value::Array(systems) => systems.iter().for_each(|system| walk(system, &mut facts)),
        system => walk(&system, &mut facts),
    }
    facts
}

/// A node and those below it, each under its class, bus and place on the bus.
fn walk(node: &Value, facts: &mut Vec<Fact>) {
    let mut node = node.clone();
    let children = node["children"].take();
    let text = |name: &str| node[name].as_str().unwrap_or_default().to_owned();
    let (bus, place) = match text("businfo").split_once('@') {
        Some((bus, place)) => (bus.to_owned(), place.to_owned()),
        None => (text("id").split(':').next().unwrap_or_default().to_owned(), String::new()),
    };
    // `1:2.3` is `1-2.3` to the kernel; what has no port is the kernel's own root hub.
    let (bus, place) = match (bus.as_str(), place.split_once(':')) {
        ("usb", Some((number, port))) => (bus, format!("{number}-{port}")),
        ("usb", None) => ("root hub".to_owned(), place),
        _ => (bus, place),
    };
    // An interface is known by its name, wherever it is plugged in.
    let (bus, place) = match (text("class").as_str(), text("logicalname")) {
        ("network", name) if !name.is_empty() && node["serial"].is_string() => ("interface".to_owned(), name),
        _ => (bus, place),
    };
    flatten(&[text("class"), bus, place], &node, facts);
    children.as_array().into_iter().flatten().for_each(|child| walk(child, facts));
}

const FEATURES: &str = "what the chip could do; its model tells";
const TREE: &str = "where in lshw's own tree";
const COVERED: &str = "the same in lshw's words for people";
const TUNING: &str = "settings of the bus";
const KERNEL_CHIPS: &str = "devices on the board without an id of their own";
const BY_LSBLK: &str = "compared by lsblk, which says the same and more";

pub(crate) const RULES: &[Rule] = &[
    // lshw's own tree.
    Rule::not("*/*/*/id", TREE),
    Rule::not("*/*/*/class", TREE),
    Rule::not("*/*/*/claimed", TREE),
    Rule::not("*/*/*/disabled", TREE),
    Rule::not("*/*/*/handle", TREE),
    Rule::not("*/*/*/physid", TREE),
    Rule::not("*/*/*/businfo", TREE),
    Rule::not("*/*/*/description", COVERED),
    Rule::not("*/*/*/hints/**", TREE),
    Rule::not("*/*/*/width", FEATURES),
    Rule::not("*/*/*/capabilities/**", FEATURES),
    Rule::not("*/*/*/clock", TUNING),
    // The machine.
    Rule::same("system/*/*/vendor", "hardware.manufacturer"),
    Rule::as_("system/*/*/product", "hardware.product_name", |value| value.split(" (").next().map(str::to_owned)),
    Rule::same("system/*/*/serial", "hardware.serial"),
    Rule::same("system/*/*/version", "hardware.version"),
    Rule::as_("system/*/*/configuration/uuid", "hardware.uuid", lower),
    Rule::same("system/*/*/configuration/sku", "hardware.sku"),
    Rule::same("system/*/*/configuration/family", "hardware.family"),
    Rule::as_("system/*/*/configuration/chassis", "hardware.chassis.form", |value| Some(value.replace('-', "_"))),
    Rule::not("system/*/*/configuration/**", COVERED),
    Rule::same("bus/core/*/vendor", "hardware.board.manufacturer"),
    Rule::same("bus/core/*/product", "hardware.board.product_name"),
    Rule::same("bus/core/*/serial", "hardware.board.serial"),
    Rule::same("bus/core/*/version", "hardware.board.version"),
    Rule::not("bus/core/*/slot", "where the board is in its chassis"),
    Rule::same("memory/firmware/*/vendor", "hardware.firmware.vendor"),
    Rule::same("memory/firmware/*/version", "hardware.firmware.version"),
    Rule::not("memory/firmware/**", "sizes of the firmware's chip, and the date that facter compares"),
    Rule::not("memory/cache/**", "caches; the processor's model tells"),
    // lshw adds up hot-plug blocks, in which the kernel's own memory is, and never agrees with /proc/meminfo.
    Rule::not("memory/memory/*/size", "memory blocks with what the kernel keeps for itself; facter compares what is usable"),
    Rule::not("memory/memory/*/units", COVERED),
    Rule::not("memory/memory/*/slot", "the board"),
    Rule::same("memory/bank/*/size", "memory.modules.size_bytes"),
    Rule::same("memory/bank/*/vendor", "memory.modules.manufacturer"),
    Rule::same("memory/bank/*/product", "memory.modules.part_number"),
    Rule::same("memory/bank/*/serial", "memory.modules.serial"),
    Rule::same("memory/bank/*/slot", "memory.modules.locator"),
    Rule::not("memory/bank/**", COVERED),
    Rule::not("memory/pci/**", "the chip set's own"),
    // Processors.
    Rule::same("processor/cpu/*/product", "cpu.sockets.model"),
    Rule::as_("processor/cpu/*/vendor", "cpu.sockets.manufacturer", maker),
    Rule::not("processor/cpu/*/version", "family, model and stepping; the model's name tells"),
    Rule::same("processor/cpu/*/serial", "cpu.sockets.serial"),
    Rule::same("processor/cpu/*/slot", "cpu.sockets.designation"),
    Rule::not("processor/cpu/*/units", COVERED),
    Rule::not("processor/cpu/*/size", "the clock at this moment"),
    Rule::not("processor/cpu/*/capacity", "the clock that the socket takes, as the firmware's maker left it"),
    Rule::same("processor/cpu/*/configuration/cores", "cpu.sockets.cores"),
    Rule::same("processor/cpu/*/configuration/threads", "cpu.sockets.threads"),
    Rule::as_("processor/cpu/*/configuration/microcode", "cpu.sockets.microcode", |number| {
        Some(format!("{:#x}", number.parse::<u64>().ok()?))
    }),
    Rule::not("processor/cpu/*/configuration/**", "the cores switched on, which facter compares"),
    // PCI and USB.
    Rule::as_("*/pci/*/product", "devices.devices[bus=pci,address=$2].product", named),
    Rule::same("*/pci/*/vendor", "devices.devices[bus=pci,address=$2].vendor"),
    Rule::same("*/pci/*/version", "devices.devices[bus=pci,address=$2].revision"),
    Rule::same("*/pci/*/configuration/driver", "devices.devices[bus=pci,address=$2].drivers"),
    Rule::not("*/pci/*/configuration/**", TUNING),
    Rule::not("*/pci/*/logicalname", "the interface, disk or camera is in its own section"),
    Rule::not("*/pci/*/logicalname/**", "the interface, disk or camera is in its own section"),
    Rule::same("*/usb/*/product", "devices.devices[bus=usb,address=$2].product"),
    Rule::same("*/usb/*/vendor", "devices.devices[bus=usb,address=$2].vendor"),
    Rule::same("*/usb/*/serial", "devices.devices[bus=usb,address=$2].serial"),
    Rule::same("*/usb/*/configuration/driver", "devices.devices[bus=usb,address=$2].drivers"),
    Rule::not("*/usb/**", TUNING),
    Rule::not("bus/root hub/**", "the kernel's own root hubs; the controller is on the PCI bus"),
    // Interfaces.
    Rule::same("network/interface/*/logicalname", "network.interfaces[name=$1].name"),
    Rule::as_("network/interface/*/serial", "network.interfaces[name=$1].mac", lower),
    Rule::same("network/interface/*/configuration/driver", "network.interfaces[name=$1].driver"),
    Rule::same("network/interface/*/configuration/ip", "network.interfaces[name=$1].addresses.address"),
    Rule::as_("network/interface/*/configuration/link", "network.interfaces[name=$1].up", |value| Some((value == "yes").to_string())),
    Rule::not("network/interface/*/configuration/**", TUNING),
    Rule::not("network/interface/*/product", "the device is in the devices section"),
    Rule::not("network/interface/*/vendor", "the device is in the devices section"),
    Rule::not("network/interface/*/version", "the device is in the devices section"),
    Rule::not("network/interface/*/size", "the speed, which ip and facter do not tell either"),
    Rule::not("network/interface/*/capacity", FEATURES),
    // Disks.
    Rule::not("disk/**", BY_LSBLK),
    Rule::not("volume/**", BY_LSBLK),
    Rule::not("storage/scsi/**", BY_LSBLK),
    Rule::not("storage/nvme/**", BY_LSBLK),
    // What has no vendor or product number.
    Rule::not("generic/virtio/**", "the virtual device is on the PCI bus, where it is compared"),
    Rule::not("network/virtio/**", "the virtual device is on the PCI bus, where it is compared"),
    Rule::not("communication/**", KERNEL_CHIPS),
    Rule::not("input/**", KERNEL_CHIPS),
    Rule::not("system/pnp00/**", KERNEL_CHIPS),
    Rule::not("generic/pnp00/**", KERNEL_CHIPS),
    Rule::not("power/**", "batteries and power supplies as SMBIOS has them; the kernel's are in peripherals"),
    Rule::not("sound/**", KERNEL_CHIPS),
    Rule::not("multimedia/**", KERNEL_CHIPS),
];

/// lshw's names of processor makers.
fn maker(value: &str) -> Option<String> {
    Some(match value {
        "Advanced Micro Devices [AMD]" => "AMD".to_owned(),
        "Intel Corp." => "Intel".to_owned(),
        other => other.to_owned(),
    })
}

/// A product that is the vendor's name over again is one that lshw has no name for.
fn named(value: &str) -> Option<String> {
    (!value.ends_with("Corporation") && !value.ends_with("Inc.")).then(|| value.to_owned())
}
