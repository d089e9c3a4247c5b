//! What each kind of structure holds. Offsets are those of the standard, header included.

use rollcall_shared::wire::v1::{
    Battery, Board, Chassis, CpuCache, CpuSocket, Firmware, Hardware, ManagementController, MemoryModule, OnboardDevice, Port, PowerSupply,
    Slot, Tpm,
};

use super::{Structure, iso_date, words};
use crate::parse::text::clean;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

pub(super) fn firmware(structure: &Structure<'_>) -> Firmware {
    let release = |major: usize, minor: usize| match (structure.byte(major)?, structure.byte(minor)?) {
        (0xff, _) | (_, 0xff) | (0, 0) => None,
        (major, minor) => Some(format!("{major}.{minor}")),
    };
    let size_bytes = match structure.byte(0x09) {
        // The wide field has a unit of its own.
        Some(0xff) => structure.word(0x18).map(|size| u64::from(size & 0x3fff) * if size & 0x4000 != 0 { 1 << 30 } else { MIB }),
        Some(blocks) => Some((u64::from(blocks) + 1) * 64 * KIB),
        None => None,
    };
    Firmware {
        vendor: structure.string(0x04),
        version: structure.string(0x05),
        date: structure.string(0x08).and_then(|date| iso_date(&date)),
        uefi: structure.byte(0x13).map(|bits| bits & 0x08 != 0),
        release: release(0x14, 0x15),
        controller_release: release(0x16, 0x17),
        size_bytes,
        ..Firmware::default()
    }
}

pub(super) fn system(structure: &Structure<'_>, version: (u8, u8), hardware: &mut Hardware) {
    hardware.manufacturer = structure.string(0x04);
    hardware.product_name = structure.string(0x05);
    hardware.version = structure.string(0x06);
    hardware.serial = structure.string(0x07);
    hardware.uuid = structure.data.get(0x08..0x18).and_then(|uuid| uuid_text(uuid, version));
    hardware.sku = structure.string(0x19);
    hardware.family = structure.string(0x1a);
}

/// `None` for the values that mean "not set".
fn uuid_text(bytes: &[u8], version: (u8, u8)) -> Option<String> {
    let mut uuid: [u8; 16] = bytes.try_into().ok()?;
    if uuid == [0; 16] || uuid == [0xff; 16] {
        return None;
    }
    if version >= (2, 6) {
        uuid[..4].reverse();
        uuid[4..6].reverse();
        uuid[6..8].reverse();
    }
    Some(uuid::Uuid::from_bytes(uuid).to_string())
}

pub(super) fn board(structure: &Structure<'_>) -> Board {
    Board {
        manufacturer: structure.string(0x04),
        product_name: structure.string(0x05),
        version: structure.string(0x06),
        serial: structure.string(0x07),
        asset_tag: structure.string(0x08),
        location: structure.string(0x0a),
        kind: structure.byte(0x0d).and_then(words::board).map(str::to_owned),
    }
}

pub(super) fn chassis(structure: &Structure<'_>) -> Chassis {
    let count = |at: usize| structure.byte(at).filter(|&count| count != 0).map(u32::from);
    // The list of contained elements, count and length of each, stands before the last string.
    let after_elements =
        structure.byte(0x13).zip(structure.byte(0x14)).map(|(count, length)| 0x15 + usize::from(count) * usize::from(length));
    Chassis {
        form: structure.byte(0x05).and_then(words::chassis_form).map(str::to_owned),
        manufacturer: structure.string(0x04),
        version: structure.string(0x06),
        serial: structure.string(0x07),
        asset_tag: structure.string(0x08),
        height_units: count(0x11),
        power_cords: count(0x12),
        sku: after_elements.and_then(|at| structure.string(at)),
    }
}

pub(super) fn cpu(structure: &Structure<'_>) -> Option<CpuSocket> {
    let is_populated = structure.byte(0x18).is_none_or(|status| status & 0x40 != 0);
    // 0xff says that the count stands in the wide field of version 3.0.
    let count = |narrow: usize, wide: usize| match structure.byte(narrow)? {
        0 => None,
        0xff => structure.word(wide).map(u32::from).filter(|&count| count != 0 && count != 0xffff),
        count => Some(u32::from(count)),
    };
    is_populated.then(|| CpuSocket {
        designation: structure.string(0x04),
        manufacturer: structure.string(0x07),
        model: structure.string(0x10),
        cores: count(0x23, 0x2a),
        threads: count(0x25, 0x2e),
        max_mhz: structure.word(0x14).map(u32::from).filter(|&mhz| mhz != 0),
        serial: structure.string(0x20),
        asset_tag: structure.string(0x21),
        part_number: structure.string(0x22),
        socket_kind: structure.byte(0x19).and_then(words::cpu_socket).map(str::to_owned),
        ..CpuSocket::default()
    })
}

pub(super) fn cache(structure: &Structure<'_>) -> Option<CpuCache> {
    let configuration = structure.word(0x05)?;
    // The highest bit of a size says that it counts blocks of 64 KiB and not of one.
    let size = |value: u64, is_coarse: bool| value * if is_coarse { 64 * KIB } else { KIB };
    let narrow = structure.word(0x09)?;
    let size_bytes = match (narrow, structure.double_word(0x17)) {
        (0xffff, Some(wide)) => size(u64::from(wide & 0x7fff_ffff), wide & 0x8000_0000 != 0),
        _ => size(u64::from(narrow & 0x7fff), narrow & 0x8000 != 0),
    };
    Some(CpuCache {
        level: u32::from(configuration & 0x07) + 1,
        kind: words::cache_kind(structure.byte(0x11)?)?.to_owned(),
        size_bytes: Some(size_bytes).filter(|&size| size > 0)?,
        count: None,
        ways: structure.byte(0x12).and_then(words::cache_ways),
    })
}

/// A connector without any name tells nothing.
pub(super) fn port(structure: &Structure<'_>) -> Option<Port> {
    let (internal_name, external_name) = (structure.string(0x04), structure.string(0x06));
    // One of the two connectors is inside.
    let connector = [0x07, 0x05].into_iter().find_map(|at| structure.byte(at).and_then(words::connector));
    (internal_name.is_some() || external_name.is_some()).then(|| Port {
        internal_name,
        external_name,
        connector: connector.map(str::to_owned),
        kind: structure.byte(0x08).and_then(words::port).map(str::to_owned),
    })
}

pub(super) fn slot(structure: &Structure<'_>) -> Slot {
    Slot {
        designation: structure.string(0x04),
        kind: structure.byte(0x05).and_then(words::slot),
        width: structure.byte(0x06).and_then(words::slot_width).map(str::to_owned),
        in_use: match structure.byte(0x07) {
            Some(3) => Some(false),
            Some(4) => Some(true),
            _ => None,
        },
        bus_address: bus_address(structure, 0x0d),
    }
}

pub(super) fn onboard_device(structure: &Structure<'_>) -> OnboardDevice {
    let kind = structure.byte(0x05);
    OnboardDevice {
        designation: structure.string(0x04),
        kind: kind.and_then(|kind| words::onboard_device(kind & 0x7f)).map(str::to_owned),
        enabled: kind.map(|kind| kind & 0x80 != 0),
        bus_address: bus_address(structure, 0x07),
    }
}

/// Segment group, bus, device and function; all ones where there is none.
fn bus_address(structure: &Structure<'_>, at: usize) -> Option<String> {
    let (segment, bus, place) = (structure.word(at)?, structure.byte(at + 2)?, structure.byte(at + 3)?);
    let is_set = segment != 0xffff && !(bus == 0xff && place == 0xff) && (segment, bus, place) != (0, 0, 0);
    is_set.then(|| format!("{segment:04x}:{bus:02x}:{:02x}.{}", place >> 3, place & 7))
}

pub(super) fn maximum_memory(structure: &Structure<'_>) -> Option<u64> {
    match structure.double_word(0x07)? {
        0x8000_0000 => structure.quad_word(0x0f),
        kibibytes => Some(u64::from(kibibytes) * KIB),
    }
}

pub(super) fn module(structure: &Structure<'_>) -> Option<MemoryModule> {
    let size_bytes = match structure.word(0x0c)? {
        0 | 0xffff => return None,
        0x7fff => u64::from(structure.double_word(0x1c)? & 0x7fff_ffff) * MIB,
        kibibytes if kibibytes & 0x8000 != 0 => u64::from(kibibytes & 0x7fff) * KIB,
        mebibytes => u64::from(mebibytes) * MIB,
    };
    let speed = |narrow: usize, wide: usize| match structure.word(narrow) {
        Some(0xffff) => structure.double_word(wide),
        speed => speed.map(u32::from),
    };
    let known = |at: usize| structure.word(at).map(u32::from).filter(|&value| value != 0 && value != 0xffff);
    Some(MemoryModule {
        locator: structure.string(0x10),
        bank: structure.string(0x11),
        form: structure.byte(0x0e).and_then(words::memory_form).map(str::to_owned),
        size_bytes,
        kind: structure.byte(0x12).and_then(words::memory_kind).map(str::to_owned),
        technology: structure.byte(0x28).and_then(words::memory_technology).map(str::to_owned),
        speed_mts: speed(0x15, 0x54).filter(|&speed| speed != 0),
        configured_mts: speed(0x20, 0x58).filter(|&speed| speed != 0),
        manufacturer: structure.string(0x17),
        serial: structure.string(0x18),
        asset_tag: structure.string(0x19),
        part_number: structure.string(0x1a),
        ranks: structure.byte(0x1b).map(|bits| u32::from(bits & 0x0f)).filter(|&ranks| ranks != 0),
        total_bits: known(0x08),
        data_bits: known(0x0a),
        millivolts: known(0x26),
    })
}

pub(super) fn battery(structure: &Structure<'_>) -> Battery {
    let (location, device_name) = (structure.string(0x04), structure.string(0x08));
    let multiplier = structure.byte(0x15).map_or(1, u64::from).max(1);
    // "Smart" batteries tell serial number, date and chemistry in numbers instead of text.
    let smart_serial = || structure.word(0x10).filter(|&serial| serial != 0).map(|serial| format!("{serial:04X}"));
    let smart_date = || {
        let packed = structure.word(0x12).filter(|&packed| packed != 0)?;
        iso_date(&format!("{}/{}/{}", packed >> 5 & 0x0f, packed & 0x1f, 1_980 + (packed >> 9)))
    };
    let technology = structure.byte(0x09).and_then(words::battery_chemistry).map(str::to_owned);
    Battery {
        name: device_name.clone().or_else(|| location.clone()).unwrap_or_else(|| "battery".to_owned()),
        scope: Some("system".to_owned()),
        location,
        manufacturer: structure.string(0x05),
        model: device_name,
        serial: structure.string(0x07).or_else(smart_serial),
        technology: technology.or_else(|| structure.string(0x14)),
        made_on: structure.string(0x06).and_then(|date| iso_date(&date)).or_else(smart_date),
        design_capacity_mwh: structure.word(0x0a).filter(|&capacity| capacity != 0).map(|capacity| u64::from(capacity) * multiplier),
        design_millivolts: structure.word(0x0c).filter(|&volts| volts != 0).map(u32::from),
        ..Battery::default()
    }
}

pub(super) fn power_supply(structure: &Structure<'_>) -> PowerSupply {
    const UNKNOWN: u16 = 0x8000;
    let bits = structure.word(0x0e);
    let present = bits.map(|bits| bits & 0x02 != 0);
    let (location, device_name) = (structure.string(0x05), structure.string(0x06));
    PowerSupply {
        name: device_name.clone().or_else(|| location.clone()).unwrap_or_else(|| "power supply".to_owned()),
        kind: "built_in".to_owned(),
        location,
        manufacturer: structure.string(0x07),
        model: device_name,
        serial: structure.string(0x08),
        asset_tag: structure.string(0x09),
        part_number: structure.string(0x0a),
        revision: structure.string(0x0b),
        max_watts: structure.word(0x0c).filter(|&watts| watts != UNKNOWN && watts != 0).map(u32::from),
        present,
        // Of an empty bay it says nothing.
        plugged_in: bits.filter(|_| present == Some(true)).map(|bits| bits & 0x04 == 0),
        hot_replaceable: bits.map(|bits| bits & 0x01 != 0),
    }
}

pub(super) fn management_controller(structure: &Structure<'_>) -> ManagementController {
    ManagementController {
        interface: structure.byte(0x04).and_then(words::ipmi_interface).map(str::to_owned),
        ipmi_version: structure
            .byte(0x05)
            .filter(|&revision| revision != 0)
            .map(|revision| format!("{}.{}", revision >> 4, revision & 0x0f)),
        firmware: None,
    }
}

pub(super) fn tpm(structure: &Structure<'_>) -> Tpm {
    let version = structure.byte(0x08).zip(structure.byte(0x09)).filter(|&(major, _)| major != 0);
    // Since version 2 the first of the two numbers is major and minor version; before, it means what the maker likes.
    let firmware = structure.double_word(0x0a).filter(|_| version.is_some_and(|(major, _)| major >= 2));
    Tpm {
        version: version.map(|(major, minor)| format!("{major}.{minor}")),
        vendor: structure.data.get(0x04..0x08).and_then(clean),
        firmware: firmware.map(|number| format!("{}.{}", number >> 16, number & 0xffff)),
        description: structure.string(0x12),
    }
}
