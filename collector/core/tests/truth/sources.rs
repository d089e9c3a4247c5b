//! How each source sees a machine: with its own gaps, spellings and errors.

use rollcall_core::{ReceivedDocument, ReceivedSection, reconcile::commands::NewCi};
use rollcall_shared::{Timestamp, wire::v1::*};
use serde_json::json;

use crate::{
    dice::Dice,
    machines::{FILLERS, Kind, Machine},
};

fn section<T>(data: T, at: Timestamp, partial: bool) -> Option<ReceivedSection<T>> {
    let status = if partial { SectionStatus::Partial { reason: "only what changed was sent".into() } } else { SectionStatus::Ok };
    Some(ReceivedSection { status, collected_at: at, data: Some(data) })
}

fn platform(machine: &Machine) -> Option<Platform> {
    let (kind, technology) = match machine.kind {
        Kind::Container => (PlatformKind::Container, Some("lxc")),
        Kind::Kvm => (PlatformKind::VirtualMachine, Some("kvm")),
        Kind::Vmware => (PlatformKind::VirtualMachine, Some("vmware")),
        Kind::HyperV => (PlatformKind::VirtualMachine, Some("microsoft")),
        Kind::XenPv => (PlatformKind::VirtualMachine, Some("xen")),
        Kind::Cloud => (PlatformKind::VirtualMachine, Some("amazon")),
        _ => (PlatformKind::Physical, None),
    };
    Some(Platform { kind, technology: technology.map(str::to_owned) })
}

/// Our agent's document.
pub(crate) fn agent(machine: &Machine, dock: Option<&[String; 2]>, at: Timestamp) -> ReceivedDocument {
    let mut macs = machine.macs.clone();
    let interface = |name: String, mac: &String, driver: Option<&str>| Interface {
        name,
        kind: "ethernet".into(),
        mac: Some(mac.clone()),
        physical: true,
        up: true,
        driver: driver.map(str::to_owned),
        ..Interface::default()
    };
    let mut interfaces: Vec<Interface> =
        machine.macs.iter().enumerate().map(|(number, mac)| interface(format!("eth{number}"), mac, Some("e1000e"))).collect();
    for mac in dock.into_iter().flatten() {
        macs.push(mac.clone());
        interfaces.push(interface(format!("enx{}", mac.replace(':', "")), mac, Some("r8152")));
    }
    macs.sort();
    let read = |value: &Option<String>| value.clone().filter(|_| !machine.agent_blind);
    let identity = Identity {
        hostname: machine.hostname.clone(),
        fqdn: machine.full_name(),
        machine_id: Some(machine.machine_id.clone()),
        smbios_uuid: read(&machine.uuid),
        serial: read(&machine.serial),
        manufacturer: (!machine.agent_blind && !machine.maker.is_empty()).then(|| machine.maker.to_owned()),
        model: (!machine.agent_blind && !machine.model.is_empty()).then(|| machine.model.clone()),
        cloud_instance_id: machine.cloud_id.clone(),
        permanent_macs: macs,
        platform: platform(machine),
    };
    ReceivedDocument {
        identity: section(identity, at, false),
        operating_system: section(system(), at, false),
        network: section(Network { interfaces, ..Network::default() }, at, false),
        ..ReceivedDocument::default()
    }
}

fn system() -> OperatingSystem {
    OperatingSystem { family: "linux".into(), id: Some("debian".into()), ..OperatingSystem::default() }
}

/// The first three fields in the other byte order, as some programs print it.
fn swapped(uuid: &str) -> String {
    uuid::Uuid::parse_str(uuid).map_or_else(|_| uuid.to_owned(), |uuid| uuid::Uuid::from_bytes_le(*uuid.as_bytes()).to_string())
}

fn spelled(dice: &mut Dice, maker: &str) -> String {
    let short = match maker {
        "Dell Inc." => "Dell",
        "HP" | "HPE" => "Hewlett-Packard",
        "Hewlett-Packard" => "HP",
        "LENOVO" => "Lenovo",
        "Gigabyte Technology Co., Ltd." => "Gigabyte Technology",
        other => other,
    };
    if dice.percent(40.0) { short.to_owned() } else { maker.to_owned() }
}

/// An inventory program's document: no machine id, adapters that are up, spellings of its own; sometimes not allowed to read SMBIOS.
pub(crate) fn program(dice: &mut Dice, machine: &Machine, dock: Option<&[String; 2]>, at: Timestamp, partial: bool) -> ReceivedDocument {
    let mut macs: Vec<String> = machine.macs.clone();
    if macs.len() > 1 && dice.percent(10.0) {
        macs.pop();
    }
    macs.extend(dock.into_iter().flatten().cloned());
    let hostname = if dice.percent(10.0) { machine.hostname.to_uppercase() } else { machine.hostname.clone() };
    let read = |value: Option<String>| value.filter(|_| !machine.program_blind);
    let uuid = machine.uuid.as_deref().map(|uuid| if machine.program_swaps_uuid { swapped(uuid) } else { uuid.to_owned() });
    let serial = machine.serial.clone().map(|serial| if dice.percent(5.0) { format!(" {} ", serial.to_lowercase()) } else { serial });
    // Its reading of containers is not perfect.
    let platform = platform(machine).filter(|_| machine.kind != Kind::Container || !machine.number.is_multiple_of(10));
    let identity = Identity {
        hostname,
        fqdn: machine.full_name().filter(|_| !machine.number.is_multiple_of(3)),
        smbios_uuid: read(uuid),
        serial: read(serial),
        manufacturer: read(Some(spelled(dice, machine.maker))),
        model: read(Some(machine.model.clone())),
        permanent_macs: macs,
        platform,
        ..Identity::default()
    };
    ReceivedDocument {
        identity: section(identity, at, partial),
        operating_system: section(system(), at, partial),
        ..ReceivedDocument::default()
    }
}

/// A row of the register, typed once and seldom corrected: the same every time it is imported.
pub(crate) fn row(machine: &Machine, at: Timestamp) -> ReceivedDocument {
    let mut dice = Dice::new(0xc5f0 ^ machine.number as u64);
    let serial = match machine.kind {
        Kind::WhiteBox | Kind::SeriesBox => dice.percent(60.0).then(|| machine.sticker.clone()),
        _ if dice.percent(1.5) => dice.percent(50.0).then(|| (*dice.pick(FILLERS)).to_owned()),
        _ => Some(written(&mut dice, &machine.sticker)),
    };
    let is_sure = serial.as_deref().is_some_and(|serial| !FILLERS.contains(&serial))
        && machine.kind != Kind::WhiteBox
        && machine.kind != Kind::SeriesBox;
    // Who has no serial number to write down writes down the adapter's.
    let has_mac = dice.percent(if is_sure { 10.0 } else { 99.0 });
    let stale_name = dice.percent(6.0);
    let identity = Identity {
        hostname: if stale_name { format!("old-{}", machine.number % 97) } else { machine.hostname.clone() },
        serial,
        manufacturer: dice.percent(92.0).then(|| spelled(&mut dice, machine.maker)),
        model: dice.percent(85.0).then(|| machine.model.clone()),
        permanent_macs: has_mac.then(|| machine.first_mac.to_uppercase().replace(':', "-")).into_iter().collect(),
        ..Identity::default()
    };
    ReceivedDocument { identity: section(identity, at, false), ..ReceivedDocument::default() }
}

/// As a person writes a serial number down.
fn written(dice: &mut Dice, serial: &str) -> String {
    match dice.under(1_000) {
        // Two letters changed places, an O for a 0: nobody can know.
        0..1 => {
            let mut letters: Vec<char> = serial.chars().collect();
            if let Some(last) = letters.last_mut() {
                *last = if *last == 'Z' { 'Y' } else { 'Z' };
            }
            letters.into_iter().collect()
        }
        1..100 => serial.to_lowercase(),
        100..150 => format!("{} {}", &serial[..serial.len() / 2], &serial[serial.len() / 2..]),
        _ => serial.to_owned(),
    }
}

/// What a tool that makes guests, or manages devices, registers through the API.
pub(crate) fn client(machine: &Machine, external_id: &str) -> NewCi {
    let mut new = NewCi { name: machine.hostname.clone(), external_id: Some(external_id.to_owned()), ..NewCi::default() };
    let mut say =
        |name: &str, value: Option<String>| value.into_iter().for_each(|value| drop(new.attributes.insert(name.into(), json!(value))));
    say("hostname", Some(machine.hostname.clone()));
    match machine.kind {
        Kind::Cloud => {
            say("cloud_instance_id", machine.cloud_id.clone());
            say("fqdn", machine.full_name());
            new.attributes.insert("mac_addresses".into(), json!(machine.macs));
        }
        Kind::Laptop => {
            say("serial", machine.serial.clone());
            say("manufacturer", Some(machine.maker.to_owned()));
            say("model", Some(machine.model.clone()));
        }
        _ => {
            say("smbios_uuid", machine.uuid.clone());
            say("fqdn", machine.full_name());
            new.attributes.insert("mac_addresses".into(), json!(machine.macs));
        }
    }
    new.class = if machine.kind == Kind::Laptop { "laptop" } else { "virtual_machine" }.into();
    new
}

/// What a person enters by hand.
pub(crate) fn entry(dice: &mut Dice, machine: &Machine) -> NewCi {
    let class = match machine.kind {
        Kind::Laptop => "laptop",
        Kind::Server => "server",
        _ => "desktop",
    };
    let mut new = NewCi { class: class.into(), name: machine.hostname.clone(), ..NewCi::default() };
    let serial = written(dice, &machine.sticker);
    let spelled = spelled(dice, machine.maker);
    if machine.kind == Kind::WhiteBox || machine.kind == Kind::SeriesBox {
        new.attributes.insert("mac_addresses".into(), json!([machine.macs[0]]));
    } else {
        new.attributes.insert("serial".into(), json!(serial));
    }
    new.attributes.insert("manufacturer".into(), json!(spelled));
    new.attributes.insert("model".into(), json!(machine.model));
    new
}
