//! What a program says, as the sections of our own inventory. What is known to be wrong in such inventories (the processor's
//! architecture, the system's installation, times without a zone) is left out.

use std::{collections::BTreeMap, net::IpAddr};

use rollcall_core::{ReceivedDocument, ReceivedSection};
use rollcall_shared::{Timestamp, wire::v1::*};

use super::{
    content::{Content, Item},
    message::Inventory,
};

/// MiB in the fields that have no unit of their own.
const MIB: u64 = 1 << 20;

/// The inventory as the core takes it.
pub(super) fn document(inventory: &Inventory, received_at: Timestamp) -> ReceivedDocument {
    let content = &inventory.content;
    let status = match inventory.partial {
        true => SectionStatus::Partial { reason: "only what changed was sent".to_owned() },
        false => SectionStatus::Ok,
    };
    ReceivedDocument {
        identity: said(content, &["hardware", "bios", "networks"], &status, received_at, identity),
        operating_system: said(content, &["operatingsystem", "hardware"], &status, received_at, operating_system),
        hardware: said(content, &["bios"], &status, received_at, hardware),
        cpu: said(content, &["cpus"], &status, received_at, cpu),
        memory: said(content, &["hardware", "memories"], &status, received_at, memory),
        disks: said(content, &["storages"], &status, received_at, disks),
        network: said(content, &["networks"], &status, received_at, network),
        packages: said(content, &["softwares"], &status, received_at, packages),
        ..ReceivedDocument::default()
    }
}

/// A section of ours, if any of theirs that it is made of was sent; it is whole only if all were.
fn said<T>(content: &Content, from: &[&str], status: &SectionStatus, at: Timestamp, read: fn(&Content) -> T) -> Option<ReceivedSection<T>> {
    if !from.iter().any(|section| content.has(section)) {
        return None;
    }
    let missing: Vec<&str> = from.iter().copied().filter(|section| !content.has(section)).collect();
    let status = match missing[..] {
        [] => status.clone(),
        _ => SectionStatus::Partial { reason: format!("not sent: {}", missing.join(", ")) },
    };
    Some(ReceivedSection { status, collected_at: at, data: Some(read(content)) })
}

fn identity(content: &Content) -> Identity {
    let (hardware, bios, system) = (content.first("hardware"), content.first("bios"), content.first("operatingsystem"));
    let name = hardware.and_then(|hardware| hardware.owned("name")).unwrap_or_default();
    let domain_name = |fqdn: &String| fqdn.contains('.');
    let macs = content.items("networks").iter().filter(|item| is_hardware(item)).filter_map(mac);
    let mut permanent_macs: Vec<String> = macs.collect();
    permanent_macs.sort();
    permanent_macs.dedup();
    Identity {
        fqdn: system.and_then(|system| system.owned("fqdn")).filter(domain_name).or_else(|| Some(name.clone()).filter(domain_name)),
        hostname: name,
        smbios_uuid: hardware.and_then(|hardware| hardware.text("uuid")).map(str::to_lowercase),
        serial: bios.and_then(|bios| bios.owned("ssn")),
        manufacturer: bios.and_then(|bios| bios.owned("smanufacturer")),
        model: bios.and_then(|bios| bios.owned("smodel")),
        permanent_macs,
        platform: hardware.and_then(|hardware| hardware.text("vmsystem")).map(platform),
        ..Identity::default()
    }
}

fn platform(system: &str) -> Platform {
    const CONTAINERS: &[&str] = &["docker", "podman", "lxc", "lxd", "openvz", "virtuozzo", "systemd-nspawn", "bsdjail", "solariszone"];
    let technology = system.to_lowercase();
    match technology.as_str() {
        "physical" => Platform { kind: PlatformKind::Physical, technology: None },
        name if CONTAINERS.contains(&name) => Platform { kind: PlatformKind::Container, technology: Some(technology) },
        _ => Platform { kind: PlatformKind::VirtualMachine, technology: Some(technology) },
    }
}

fn operating_system(content: &Content) -> OperatingSystem {
    let none = Item::default();
    let (system, hardware) = (content.first("operatingsystem").unwrap_or(&none), content.first("hardware").unwrap_or(&none));
    let name = system.owned("full_name").or_else(|| hardware.owned("osname"));
    let id = name.as_deref().or(system.text("name")).and_then(system_id);
    let kernel = system.text("kernel_name").map(str::to_lowercase);
    let family = match (kernel.as_deref(), id.as_deref()) {
        (Some("mswin32" | "windows"), _) | (_, Some("windows")) => "windows",
        (Some("darwin"), _) | (_, Some("macos")) => "macos",
        (Some(other), _) => other,
        (None, _) => "linux",
    };
    let is_release = |version: &String| version.starts_with(|c: char| c.is_ascii_digit());
    OperatingSystem {
        family: family.to_owned(),
        id,
        name,
        version: system.owned("version").filter(is_release),
        kernel_release: system.owned("kernel_version").or_else(|| hardware.owned("osversion")),
        architecture: system.owned("arch"),
        timezone: system.owned("timezone_name"),
        ..OperatingSystem::default()
    }
}

/// The id that the system's own files use.
fn system_id(name: &str) -> Option<String> {
    let lower = name.to_lowercase();
    let known = [
        ("red hat", "rhel"),
        ("microsoft windows", "windows"),
        ("windows", "windows"),
        ("mac os", "macos"),
        ("macos", "macos"),
        ("suse linux enterprise", "sles"),
    ];
    known
        .iter()
        .find(|(prefix, _)| lower.starts_with(prefix))
        .map_or_else(|| lower.split_whitespace().next().map(str::to_owned), |(_, id)| Some((*id).to_owned()))
}

fn hardware(content: &Content) -> Hardware {
    let none = Item::default();
    let (bios, machine) = (content.first("bios").unwrap_or(&none), content.first("hardware").unwrap_or(&none));
    let form = machine.text("chassis_type").or(bios.text("type")).map(|form| form.to_lowercase().replace([' ', '-'], "_"));
    Hardware {
        manufacturer: bios.owned("smanufacturer"),
        product_name: bios.owned("smodel"),
        serial: bios.owned("ssn"),
        uuid: machine.text("uuid").map(str::to_lowercase),
        sku: bios.owned("skunumber"),
        chassis: Some(Chassis { form, asset_tag: bios.owned("assettag"), ..Chassis::default() }),
        board: Some(Board {
            manufacturer: bios.owned("mmanufacturer"),
            product_name: bios.owned("mmodel"),
            serial: bios.owned("msn"),
            ..Board::default()
        }),
        firmware: Some(Firmware { vendor: bios.owned("bmanufacturer"), version: bios.owned("bversion"), ..Firmware::default() }),
        ..Hardware::default()
    }
}

fn cpu(content: &Content) -> Cpu {
    let small =
        |item: &Item, names: [&str; 3]| names.iter().find_map(|name| item.number(name)).and_then(|number| u32::try_from(number).ok());
    let sockets: Vec<CpuSocket> = content
        .items("cpus")
        .iter()
        .map(|item| CpuSocket {
            manufacturer: item.owned("manufacturer"),
            model: item.any(&["name", "type"]).map(str::to_owned),
            cores: small(item, ["core", "cores", "corecount"]),
            threads: small(item, ["thread", "logical_cpus", "threads"]),
            max_mhz: small(item, ["speed", "speed", "speed"]),
            ..CpuSocket::default()
        })
        .collect();
    let sum = |of: fn(&CpuSocket) -> Option<u32>| {
        let all: Option<Vec<u32>> = sockets.iter().map(of).collect();
        all.filter(|all| !all.is_empty()).map(|all| all.iter().fold(0u32, |sum, one| sum.saturating_add(*one)))
    };
    Cpu { cores: sum(|socket| socket.cores), threads: sum(|socket| socket.threads), sockets, ..Cpu::default() }
}

fn memory(content: &Content) -> Memory {
    let hardware = content.first("hardware");
    let bytes = |item: &Item, name: &str| item.number(name).and_then(|mib| mib.checked_mul(MIB));
    let modules = content.items("memories").iter().filter_map(|item| {
        let size_bytes = bytes(item, "capacity").filter(|bytes| *bytes > 0)?;
        Some(MemoryModule {
            locator: item.any(&["caption", "numslots"]).map(str::to_owned),
            size_bytes,
            kind: item.owned("type"),
            speed_mts: item.number("speed").and_then(|speed| u32::try_from(speed).ok()),
            manufacturer: item.owned("manufacturer"),
            serial: item.any(&["serialnumber", "serial"]).map(str::to_owned),
            part_number: item.owned("model"),
            ..MemoryModule::default()
        })
    });
    Memory {
        total_bytes: hardware.and_then(|hardware| bytes(hardware, "memory")),
        swap_total_bytes: hardware.and_then(|hardware| bytes(hardware, "swap")),
        modules: modules.collect(),
        ..Memory::default()
    }
}

fn disks(content: &Content) -> Disks {
    let is_disk =
        |item: &&Item| item.text("type").is_none_or(|kind| kind.to_lowercase().contains("disk") || kind.eq_ignore_ascii_case("ssd"));
    let disks = content.items("storages").iter().filter(is_disk).filter_map(|item| {
        // These megabytes are decimal.
        let size_bytes = item.number("disksize")?.checked_mul(1_000_000).filter(|bytes| *bytes > 0)?;
        Some(Disk {
            name: item.owned("name")?,
            model: item.owned("model"),
            vendor: item.owned("manufacturer"),
            serial: item.any(&["serial", "serialnumber"]).map(str::to_owned),
            firmware: item.owned("firmware"),
            wwn: item.owned("wwn"),
            size_bytes,
            bus: item.text("interface").map(str::to_lowercase),
            ..Disk::default()
        })
    });
    Disks { disks: disks.collect(), ..Disks::default() }
}

/// Each address is an item of its own in theirs.
fn network(content: &Content) -> Network {
    let mut interfaces: BTreeMap<String, Interface> = BTreeMap::new();
    let mut gateways = Vec::new();
    for item in content.items("networks") {
        let Some(name) = item.text("description") else { continue };
        let interface = interfaces.entry(name.to_owned()).or_insert_with(|| Interface {
            name: name.to_owned(),
            kind: item.text("type").map_or("other", kind).to_owned(),
            mac: mac(item),
            physical: is_hardware(item),
            up: item.text("status").is_some_and(|status| status.eq_ignore_ascii_case("up")),
            mtu: item.number("mtu").and_then(|mtu| u32::try_from(mtu).ok()),
            driver: item.owned("driver"),
            ..Interface::default()
        });
        let pairs = [("ipaddress", "ipmask"), ("ipaddress6", "ipmask6")];
        for address in pairs.iter().filter_map(|(address, mask)| prefixed(item.text(address)?, item.text(mask))) {
            interface.addresses.push(address);
        }
        if let Some(address) = item.text("ipgateway").and_then(|address| address.parse().ok()) {
            gateways.push(Gateway { address, interface: name.to_owned() });
        }
    }
    for interface in interfaces.values_mut() {
        interface.addresses.sort();
        interface.addresses.dedup();
    }
    gateways.sort();
    gateways.dedup();
    Network { interfaces: interfaces.into_values().collect(), gateways, ..Network::default() }
}

fn prefixed(address: &str, mask: Option<&str>) -> Option<InterfaceAddress> {
    let address: IpAddr = address.parse().ok()?;
    let all = if address.is_ipv4() { 32 } else { 128 };
    let prefix_length = match mask.and_then(|mask| mask.parse::<IpAddr>().ok()) {
        Some(IpAddr::V4(mask)) => mask.to_bits().leading_ones() as u8,
        // FusionInventory writes `fff0::` whatever the prefix; nobody's network is that wide.
        Some(IpAddr::V6(mask)) if mask.to_bits().leading_ones() >= 32 => mask.to_bits().leading_ones() as u8,
        _ if address.is_ipv6() => 64,
        _ => all,
    };
    Some(InterfaceAddress { address, prefix_length: prefix_length.min(all) })
}

fn kind(theirs: &str) -> &'static str {
    match theirs.to_lowercase().as_str() {
        "ethernet" => "ethernet",
        "wifi" => "wireless",
        "loopback" => "loopback",
        "bridge" => "bridge",
        "aggregate" => "bond",
        "alias" => "vlan",
        "dialup" => "tunnel",
        _ => "other",
    }
}

fn mac(item: &Item) -> Option<String> {
    item.any(&["mac", "macaddr"]).map(str::to_lowercase).filter(|mac| mac != "00:00:00:00:00:00")
}

/// Whether hardware stands behind an interface.
fn is_hardware(item: &Item) -> bool {
    let is_virtual = item.text("virtualdev").is_some_and(|flag| flag == "1" || flag.eq_ignore_ascii_case("true"));
    let says_so = item.text("type").is_some_and(|theirs| ["ethernet", "wifi"].iter().any(|kind| theirs.eq_ignore_ascii_case(kind)));
    says_so && !is_virtual
}

fn packages(content: &Content) -> Packages {
    let packages = content.items("softwares").iter().filter_map(|item| {
        Some(Package {
            kind: item.text("from").map_or_else(|| "software".to_owned(), str::to_lowercase),
            name: item.owned("name")?,
            version: item.owned("version").unwrap_or_default(),
            architecture: item.owned("arch"),
            publisher: item.owned("publisher"),
            size_bytes: item.number("filesize"),
            installed_at: item.text("install_date").and_then(day),
            ..Package::default()
        })
    });
    let mut packages: Vec<Package> = packages.collect();
    packages.sort_by(|a, b| (&a.name, &a.version, &a.architecture).cmp(&(&b.name, &b.version, &b.architecture)));
    Packages { packages }
}

/// `2026-03-31`. Other ways of writing a day are not told apart safely.
fn day(text: &str) -> Option<Timestamp> {
    let is_day = text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() });
    is_day.then(|| format!("{text}T00:00:00Z").parse().ok())?
}
