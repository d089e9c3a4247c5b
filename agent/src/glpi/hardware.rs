//! `hardware` and `bios`: the machine and its firmware.

use rollcall_shared::wire::v1::{Accounts, Hardware, Identity, Memory, Network, OperatingSystem, Platform, PlatformKind, Security};
use serde_json::{Value, json};

use super::{Source, mebibytes};

pub(super) fn hardware(source: &Source<'_>) -> Option<Value> {
    let identity: Identity = source.get().unwrap_or_default();
    let maker: Hardware = source.get().unwrap_or_default();
    let memory: Memory = source.get().unwrap_or_default();
    let network: Network = source.get().unwrap_or_default();
    let system: OperatingSystem = source.get().unwrap_or_default();
    let accounts: Accounts = source.get().unwrap_or_default();
    let addresses = network.interfaces.iter().filter(|interface| interface.kind != "loopback").flat_map(|interface| &interface.addresses);
    let last = accounts.users.iter().filter_map(|user| Some((user.last_login.as_ref()?.at, &user.name))).max();
    Some(json!({
        "chassis_type": maker.chassis.and_then(|chassis| chassis.form).map(|form| chassis_type(&form)),
        "datelastloggeduser": last.map(|(at, _)| source.date_time(at)),
        "defaultgateway": network.gateways.first().map(|gateway| gateway.address.to_string()),
        "dns": slashes(network.resolvers.iter().map(ToString::to_string)),
        "ipaddr": slashes(addresses.filter(|address| address.address.is_ipv4()).map(|address| address.address.to_string())),
        "lastloggeduser": last.map(|(_, name)| name),
        "memory": memory.total_bytes.map(mebibytes),
        "name": identity.hostname,
        "oscomments": system.kernel_version,
        "swap": memory.swap_total_bytes.map(mebibytes),
        "uuid": maker.uuid.or(identity.smbios_uuid),
        "vmsystem": identity.platform.as_ref().map(vm_system),
        "workgroup": network.search_domains.first(),
    }))
}

pub(super) fn bios(source: &Source<'_>) -> Option<Value> {
    let maker: Hardware = source.get()?;
    let (chassis, board, firmware) =
        (maker.chassis.unwrap_or_default(), maker.board.unwrap_or_default(), maker.firmware.unwrap_or_default());
    let secure_boot = source.get::<Security>().and_then(|security| security.secure_boot);
    Some(json!({
        "assettag": chassis.asset_tag,
        "bdate": firmware.date,
        "bmanufacturer": firmware.vendor,
        "bversion": firmware.version,
        "enclosureserial": chassis.serial,
        "mmanufacturer": board.manufacturer,
        "mmodel": board.product_name,
        "msn": board.serial,
        "secure_boot": secure_boot.map(|on| if on { "enabled" } else { "disabled" }),
        "skunumber": maker.sku,
        "smanufacturer": maker.manufacturer,
        "smodel": maker.product_name,
        "ssn": maker.serial,
    }))
}

/// In dmidecode's words, which that format keeps.
fn chassis_type(form: &str) -> String {
    match form {
        "rack_mount" => "Rack Mount Chassis".to_owned(),
        "main_server" => "Main Server Chassis".to_owned(),
        "all_in_one" => "All in One".to_owned(),
        other => other.split('_').map(capital).collect::<Vec<_>>().join(" "),
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn vm_system(platform: &Platform) -> &str {
    match (platform.kind, platform.technology.as_deref()) {
        (PlatformKind::Physical, _) => "Physical",
        (_, Some("kvm")) => "QEMU",
        (_, Some("vmware")) => "VMware",
        (_, Some("virtualbox")) => "VirtualBox",
        (_, Some("xen")) => "Xen",
        (_, Some("hyperv")) => "Hyper-V",
        (_, Some("parallels")) => "Parallels",
        (_, Some("docker")) => "Docker",
        (_, Some(other)) => other,
        (PlatformKind::VirtualMachine, None) => "Virtual Machine",
        (PlatformKind::Container, None) => "lxc",
    }
}

fn slashes(values: impl Iterator<Item = String>) -> String {
    values.collect::<Vec<_>>().join("/")
}
