use std::collections::{BTreeMap, BTreeSet};

use rollcall_shared::{
    Timestamp,
    wire::v1::{Cpu, Disks, Hardware, Identity, Memory, OperatingSystem, PlatformKind},
};
use serde_json::Value;
use uuid::Uuid;

use super::{Listed, bounded, is_placeholder, listed};
use crate::model::{IdentityKey, IdentityKeyKind, ReceivedDocument, ReceivedSection};

/// What a document says about the machine itself.
#[derive(Clone, Debug, Default)]
pub struct MachineFacts {
    /// Who it is, if the document says.
    pub identity: Option<Listed<IdentityFacts>>,
    /// The kind of chassis, if the document says.
    pub chassis: Option<ChassisClass>,
    /// The operating system's id (`debian`), if the document says.
    pub system_id: Option<String>,
    /// What it says about attributes. One that is not here was not talked about.
    pub attributes: BTreeMap<&'static str, Said>,
}

/// The agent's word on one attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// The value; `None`: the machine has none, or it is a filler that says nothing.
    pub value: Option<Value>,
    /// When it was collected.
    pub at: Timestamp,
}

/// Names and hardware ids.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IdentityFacts {
    /// The host name, trimmed; may be empty.
    pub hostname: String,
    /// The full name in lower case, if it has a domain that says anything.
    pub fqdn: Option<String>,
    /// What it is recognised by, sorted. [`IdentityKeyKind::NameAndSystem`] is not among them: it takes the system's id too.
    pub keys: BTreeSet<IdentityKey>,
    /// Every permanent MAC address that is part of the machine, also those too common to recognise it by.
    pub macs: BTreeSet<String>,
    /// Bare metal, virtual machine or container.
    pub platform: Option<PlatformKind>,
    /// The maker's name for the model, in lower case; none if it is a filler.
    pub model: Option<String>,
}

/// Classes that a chassis tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChassisClass {
    /// Carried around.
    Laptop,
    /// Stands on or under a desk.
    Desktop,
    /// Stands in a rack or a server room.
    Server,
}

/// SMBIOS chassis forms, spaces and hyphens as underscores.
const CHASSIS_FORMS: &[(ChassisClass, &[&str])] = &[
    (
        ChassisClass::Laptop,
        &[
            "portable",
            "laptop",
            "notebook",
            "sub_notebook",
            "hand_held",
            "handheld",
            "tablet",
            "convertible",
            "detachable",
            "docking_station",
        ],
    ),
    (
        ChassisClass::Desktop,
        &[
            "desktop",
            "low_profile_desktop",
            "pizza_box",
            "mini_tower",
            "tower",
            "all_in_one",
            "space_saving",
            "lunch_box",
            "mini_pc",
            "stick_pc",
            "sealed_case_pc",
        ],
    ),
    (
        ChassisClass::Server,
        &[
            "main_server_chassis",
            "expansion_chassis",
            "sub_chassis",
            "bus_expansion_chassis",
            "peripheral_chassis",
            "raid_chassis",
            "rack_mount",
            "rack_mount_chassis",
            "multi_system",
            "blade",
            "blade_enclosure",
            "compact_pci",
            "advanced_tca",
        ],
    ),
];

pub(super) fn read(document: &ReceivedDocument, dock_macs: &BTreeSet<String>, received_at: Timestamp) -> MachineFacts {
    let identity = listed(document.identity.as_ref(), received_at, |identity| read_identity(identity, dock_macs));
    let mut facts = MachineFacts { identity, ..MachineFacts::default() };
    facts.say(document.identity.as_ref(), received_at, |identity| identity_attributes(identity, dock_macs));
    facts.say(document.operating_system.as_ref(), received_at, system_attributes);
    facts.say(document.hardware.as_ref(), received_at, hardware_attributes);
    facts.say(document.cpu.as_ref(), received_at, cpu_attributes);
    facts.say(document.memory.as_ref(), received_at, |memory: &Memory| vec![("memory_bytes", memory.total_bytes.map(Value::from))]);
    facts.say(document.disks.as_ref(), received_at, disk_attributes);
    let system = document.operating_system.as_ref().and_then(|section| section.data.as_ref());
    facts.system_id = system.and_then(|system| system.id.clone().or_else(|| text(Some(&system.family)).and(Some(system.family.clone()))));
    let hardware = document.hardware.as_ref().and_then(|section| section.data.as_ref());
    facts.chassis = hardware.and_then(|hardware| chassis_class(hardware.chassis.as_ref()?.form.as_deref()?));
    facts
}

impl MachineFacts {
    /// A section read in part says what it lists; only one read in full says what is not there.
    fn say<S: Default>(
        &mut self,
        section: Option<&ReceivedSection<S>>,
        received_at: Timestamp,
        attributes: impl FnOnce(&S) -> Vec<(&'static str, Option<Value>)>,
    ) {
        let Some(listed) = listed(section, received_at, attributes) else { return };
        for (name, value) in listed.items {
            if value.is_some() || listed.complete {
                self.attributes.insert(name, Said { value, at: listed.at });
            }
        }
    }
}

pub(super) fn read_identity(identity: &Identity, dock_macs: &BTreeSet<String>) -> IdentityFacts {
    IdentityFacts {
        hostname: identity.hostname.trim().to_owned(),
        fqdn: full_name(identity.fqdn.as_deref()),
        keys: keys(identity, dock_macs),
        macs: own_macs(identity, dock_macs),
        platform: identity.platform.as_ref().map(|platform| platform.kind),
        model: key_part(&identity.model),
    }
}

/// The hardware ids that a container reads are its host's: only what its own image and cloud gave it counts.
fn is_container(identity: &Identity) -> bool {
    match &identity.platform {
        Some(platform) => platform.kind == PlatformKind::Container,
        // A program that cannot tell: hardware has an adapter that was not made up by a hypervisor.
        None => {
            let mut macs = identity.permanent_macs.iter().map(|mac| even_mac(mac)).filter(|mac| mac_bytes(mac).is_some()).peekable();
            macs.peek().is_some() && macs.all(|mac| VIRTUAL_PREFIXES.iter().any(|prefix| mac.starts_with(prefix)))
        }
    }
}

fn keys(identity: &Identity, dock_macs: &BTreeSet<String>) -> BTreeSet<IdentityKey> {
    let mut keys = BTreeSet::new();
    let mut add = |kind, value: String| {
        keys.insert(IdentityKey { kind, value });
    };
    if !is_container(identity) {
        let (uuid, serial, maker) = (uuid_part(&identity.smbios_uuid), serial_part(&identity.serial), maker_part(&identity.manufacturer));
        if let (Some(uuid), Some(serial)) = (&uuid, &serial) {
            add(IdentityKeyKind::SmbiosUuidAndSerial, format!("{uuid}|{serial}"));
        }
        if let (Some(serial), Some(maker)) = (&serial, maker) {
            add(IdentityKeyKind::SerialAndManufacturer, format!("{serial}|{maker}"));
        }
        serial.into_iter().for_each(|serial| add(IdentityKeyKind::Serial, serial));
        uuid.into_iter().for_each(|uuid| add(IdentityKeyKind::SmbiosUuid, uuid));
        for mac in own_macs(identity, dock_macs).into_iter().filter(|mac| identifies(mac)) {
            add(IdentityKeyKind::Mac, mac);
        }
    }
    let given = identity.permanent_macs.iter().map(|mac| even_mac(mac));
    let chosen = |mac: &String| !EVERYBODYS_PREFIXES.iter().any(|prefix| mac.starts_with(prefix)) && !is_placeholder(mac);
    for mac in given.filter(|mac| mac_bytes(mac).is_some_and(|bytes| bytes[0] & 1 == 0) && !identifies(mac) && chosen(mac)) {
        add(IdentityKeyKind::MadeUpMac, mac);
    }
    if let Some(machine_id) = key_part(&identity.machine_id).filter(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())) {
        add(IdentityKeyKind::MachineId, machine_id);
    }
    if let Some(instance) = key_part(&identity.cloud_instance_id) {
        add(IdentityKeyKind::CloudInstanceId, instance);
    }
    keys
}

/// Lower case, spaces evened out, `|` kept free as the separator; `None` for a filler.
fn key_part(value: &Option<String>) -> Option<String> {
    let value = value.as_deref().filter(|value| !is_placeholder(value))?;
    let even = value.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase().replace('|', "/");
    Some(bounded(&even).into_owned())
}

/// A serial number without what people and programs write differently: case, spaces, hyphens.
fn serial_part(value: &Option<String>) -> Option<String> {
    let even = key_part(value)?;
    let bare: String = even.chars().filter(|c| c.is_alphanumeric() || *c == '/').collect();
    Some(bare).filter(|bare| !is_placeholder(bare))
}

/// A UUID in one of its two byte orders: firmware before SMBIOS 2.6 and some programs swap the first three fields.
fn uuid_part(value: &Option<String>) -> Option<String> {
    let even = key_part(value)?;
    let Ok(uuid) = Uuid::parse_str(&even) else { return Some(even) };
    let swapped = Uuid::from_bytes_le(*uuid.as_bytes());
    Some(uuid.min(swapped).to_string()).filter(|_| !is_placeholder(&swapped.to_string()))
}

/// What companies add to their names.
const COMPANY_FORMS: &[&str] = &[
    "inc",
    "incorporated",
    "corp",
    "corporation",
    "co",
    "company",
    "ltd",
    "limited",
    "gmbh",
    "ag",
    "sa",
    "bv",
    "llc",
    "computer",
    "computers",
];

/// Makers that write themselves in several ways.
const MAKERS: &[(&str, &str)] =
    &[("hewlett packard", "hp"), ("hewlett packard enterprise", "hp"), ("hpe", "hp"), ("asustek", "asus"), ("fujitsu siemens", "fujitsu")];

/// A maker's name without its company's form.
fn maker_part(value: &Option<String>) -> Option<String> {
    let even = key_part(value)?;
    let words = even.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty() && !COMPANY_FORMS.contains(word));
    let bare = words.collect::<Vec<_>>().join(" ");
    let name = MAKERS.iter().find(|(written, _)| *written == bare).map_or(bare.as_str(), |(_, name)| name);
    // A maker that is called nothing but "Company" keeps its name.
    Some(if name.is_empty() { even.clone() } else { name.to_owned() })
}

/// What a container calls its adapters' addresses was made up for it, and is worth showing all the same.
fn shown_macs(identity: &Identity, dock_macs: &BTreeSet<String>) -> BTreeSet<String> {
    match is_container(identity) {
        true => identity.permanent_macs.iter().map(|mac| even_mac(mac)).filter(|mac| mac_bytes(mac).is_some()).collect(),
        false => own_macs(identity, dock_macs),
    }
}

fn even_mac(mac: &str) -> String {
    mac.trim().to_lowercase().replace('-', ":")
}

fn own_macs(identity: &Identity, dock_macs: &BTreeSet<String>) -> BTreeSet<String> {
    if is_container(identity) {
        return BTreeSet::new();
    }
    let macs = identity.permanent_macs.iter().map(|mac| even_mac(mac));
    macs.filter(|mac| mac_bytes(mac).is_some() && !is_placeholder(mac) && !dock_macs.contains(mac) && !is_dock(mac)).collect()
}

/// Makers' prefixes that stand on docking stations and USB adapters only.
const DOCK_PREFIXES: &[&str] =
    &["00:50:b6", "00:e0:4c", "00:0e:c6", "8c:ae:4c", "a0:ce:c8", "f8:e4:3b", "3c:18:a0", "58:ef:68", "24:f5:a2", "00:13:3b"];

/// Prefixes that hypervisors give to their guests' adapters: global by the bit, made up by software all the same.
const VIRTUAL_PREFIXES: &[&str] =
    &["00:05:69", "00:0c:29", "00:1c:14", "00:50:56", "00:15:5d", "08:00:27", "00:16:3e", "00:1c:42", "0a:00:27"];

/// Beginnings of made-up addresses that are the same on many hosts: container engines, desktop hypervisors' images, emulators left as they come.
const EVERYBODYS_PREFIXES: &[&str] = &["02:42:", "08:00:27", "0a:00:27", "52:54:00:12:34:5", "52:55:0a:00:02", "fe:ff:ff"];

fn is_dock(mac: &str) -> bool {
    DOCK_PREFIXES.iter().any(|prefix| mac.starts_with(prefix))
}

/// Whether a MAC address was given once in the world: not made up locally, not by a hypervisor, not a group's.
fn identifies(mac: &str) -> bool {
    mac_bytes(mac).is_some_and(|bytes| bytes[0] & 0b11 == 0) && !VIRTUAL_PREFIXES.iter().any(|prefix| mac.starts_with(prefix))
}

/// Whether this is written like the MAC address of one adapter.
pub(super) fn is_adapter(mac: &str) -> bool {
    mac_bytes(mac).is_some_and(|bytes| bytes[0] & 1 == 0)
}

/// MAC addresses that routers share in pairs by a protocol: the same at many sites.
const VIRTUAL_ROUTERS: &[&str] =
    &["00:00:5e:00:01:", "00:00:5e:00:02:", "00:00:0c:07:ac:", "00:00:0c:9f:f", "00:05:73:a0:0", "00:07:b4:00:"];

/// Whether it is one that routers share.
pub(crate) fn is_virtual_router(mac: &str) -> bool {
    VIRTUAL_ROUTERS.iter().any(|prefix| mac.starts_with(prefix))
}

/// Whether a device is known by this MAC address wherever it is met: not lent from desk to desk, made up, or shared.
pub(super) fn identifies_device(mac: &str) -> bool {
    identifies(mac) && !is_dock(mac) && !is_virtual_router(mac)
}

fn mac_bytes(mac: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = mac.split(':');
    for byte in &mut bytes {
        let part = parts.next().filter(|part| part.len() == 2)?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}

/// A name with a domain that is somebody's, in lower case.
pub(crate) fn full_name(fqdn: Option<&str>) -> Option<String> {
    let name = fqdn?.trim().trim_end_matches('.').to_lowercase();
    let (host, domain) = name.split_once('.')?;
    let says_nothing = ["localdomain", "local", "localhost", "lan", "home", "internal", "example", "invalid", "test"];
    (name.len() <= 253 && !host.is_empty() && host != "localhost" && !domain.is_empty() && !says_nothing.contains(&domain)).then_some(name)
}

fn chassis_class(form: &str) -> Option<ChassisClass> {
    let form = form.trim().to_lowercase().replace([' ', '-'], "_");
    CHASSIS_FORMS.iter().find(|(_, forms)| forms.contains(&form.as_str())).map(|(class, _)| *class)
}

fn text(value: Option<&String>) -> Option<Value> {
    value.map(|value| value.trim()).filter(|value| !value.is_empty()).map(Value::from)
}

/// Text that is no filler.
fn meant(value: &Option<String>) -> Option<Value> {
    text(value.as_ref().filter(|value| !is_placeholder(value)))
}

fn list(values: impl IntoIterator<Item = String>) -> Option<Value> {
    let values: Vec<_> = values.into_iter().map(Value::from).collect();
    (!values.is_empty()).then_some(Value::Array(values))
}

fn identity_attributes(identity: &Identity, dock_macs: &BTreeSet<String>) -> Vec<(&'static str, Option<Value>)> {
    let own = |value: &Option<String>| if is_container(identity) { None } else { meant(value) };
    let platform = identity.platform.as_ref().map(|platform| {
        let kind = match platform.kind {
            PlatformKind::Physical => "physical",
            PlatformKind::VirtualMachine => "virtual machine",
            PlatformKind::Container => "container",
        };
        platform.technology.as_ref().filter(|t| !t.is_empty()).map_or(kind.to_owned(), |technology| format!("{kind} ({technology})"))
    });
    vec![
        ("hostname", text(Some(&identity.hostname))),
        ("fqdn", text(identity.fqdn.as_ref())),
        ("machine_id", meant(&identity.machine_id)),
        ("smbios_uuid", own(&identity.smbios_uuid)),
        ("serial", own(&identity.serial)),
        ("manufacturer", own(&identity.manufacturer)),
        ("model", own(&identity.model)),
        ("cloud_instance_id", meant(&identity.cloud_instance_id)),
        ("mac_addresses", list(shown_macs(identity, dock_macs))),
        ("platform", platform.map(Value::from)),
    ]
}

fn system_attributes(system: &OperatingSystem) -> Vec<(&'static str, Option<Value>)> {
    vec![
        ("operating_system", text(system.name.as_ref().or(system.id.as_ref()).or(Some(&system.family)))),
        ("operating_system_version", text(system.version.as_ref())),
        ("kernel", text(system.kernel_release.as_ref())),
        ("architecture", text(system.architecture.as_ref())),
        ("timezone", text(system.timezone.as_ref())),
        ("booted_at", system.booted_at.map(|at| Value::from(at.to_string()))),
    ]
}

fn hardware_attributes(hardware: &Hardware) -> Vec<(&'static str, Option<Value>)> {
    vec![
        ("asset_tag", hardware.chassis.as_ref().and_then(|chassis| meant(&chassis.asset_tag))),
        ("firmware_version", hardware.firmware.as_ref().and_then(|firmware| meant(&firmware.version))),
    ]
}

fn cpu_attributes(cpu: &Cpu) -> Vec<(&'static str, Option<Value>)> {
    vec![
        ("cpu_model", cpu.sockets.first().and_then(|socket| meant(&socket.model))),
        ("cpu_sockets", Some(cpu.sockets.len()).filter(|sockets| *sockets > 0).map(Value::from)),
        ("cpu_cores", cpu.cores.map(Value::from)),
        ("cpu_threads", cpu.threads.map(Value::from)),
    ]
}

/// Disks that stay in the machine.
fn disk_attributes(disks: &Disks) -> Vec<(&'static str, Option<Value>)> {
    let fixed = disks.disks.iter().filter(|disk| disk.removable != Some(true));
    let bytes = fixed.fold(0u64, |sum, disk| sum.saturating_add(disk.size_bytes));
    vec![("disk_bytes", Some(bytes).filter(|bytes| *bytes > 0).map(Value::from))]
}
