//! SMBIOS tables as in `/sys/firmware/dmi/tables/DMI` (DMTF DSP0134).

mod read;
mod words;

use std::collections::BTreeMap;

use rollcall_shared::wire::v1::{Battery, CpuCache, CpuSocket, Hardware, MemoryModule, PowerSupply};

use super::text::clean;
pub use words::chassis_form;

/// What the tables say.
#[derive(Debug, Default, PartialEq)]
pub struct Smbios {
    /// System, chassis, boards, firmware, slots and ports.
    pub hardware: Hardware,
    /// Populated processor sockets.
    pub cpus: Vec<CpuSocket>,
    /// Caches; of each the size of all instances together.
    pub caches: Vec<CpuCache>,
    /// Filled memory slots.
    pub modules: Vec<MemoryModule>,
    /// Memory slots, filled or not.
    pub slots: u32,
    /// Most that the memory slots can hold, bytes.
    pub maximum_memory_bytes: Option<u64>,
    /// How errors of the memory are corrected.
    pub error_correction: Option<&'static str>,
    /// Batteries.
    pub batteries: Vec<Battery>,
    /// Power supplies.
    pub power_supplies: Vec<PowerSupply>,
    /// Whether the firmware says that this is a virtual machine.
    pub virtual_machine: bool,
}

/// The version in `/sys/firmware/dmi/tables/smbios_entry_point`, major and minor.
pub fn version(entry_point: &[u8]) -> Option<(u8, u8)> {
    let at = if entry_point.starts_with(b"_SM3_") {
        7
    } else if entry_point.starts_with(b"_SM_") {
        6
    } else {
        return None;
    };
    Some((*entry_point.get(at)?, *entry_point.get(at + 1)?))
}

/// Reads the tables. Of system, board and chassis the first structure of a kind counts, as the kernel does; further boards
/// and chassis are listed beside them. Strings of the maker's own (type 11) are left out: virtual machines are handed secrets there.
///
/// Before version 2.6 all parts of the UUID were stored big endian; since then the first three are little endian.
pub fn tables(bytes: &[u8], version: (u8, u8)) -> Smbios {
    let mut found = Smbios::default();
    let (mut has_system, mut has_firmware) = (false, false);
    // What a memory array is for, by its handle: firmware chips are listed like modules.
    let mut array_uses = BTreeMap::new();
    let mut modules = Vec::new();
    for structure in structures(bytes) {
        let hardware = &mut found.hardware;
        match structure.kind {
            0 if !std::mem::replace(&mut has_firmware, true) => {
                found.virtual_machine = structure.byte(0x13).is_some_and(|bits| bits & 0x10 != 0);
                hardware.firmware = Some(read::firmware(&structure));
            }
            1 if !std::mem::replace(&mut has_system, true) => read::system(&structure, version, hardware),
            2 => match hardware.board {
                None => hardware.board = Some(read::board(&structure)),
                Some(_) => hardware.other_boards.push(read::board(&structure)),
            },
            3 => match hardware.chassis {
                None => hardware.chassis = Some(read::chassis(&structure)),
                Some(_) => hardware.other_chassis.push(read::chassis(&structure)),
            },
            4 => found.cpus.extend(read::cpu(&structure)),
            7 => found.caches.extend(read::cache(&structure)),
            8 => hardware.ports.extend(read::port(&structure)),
            9 => hardware.slots.push(read::slot(&structure)),
            16 => {
                const SYSTEM_MEMORY: u8 = 3;
                array_uses.insert(structure.handle(), structure.byte(0x05));
                if structure.byte(0x05) == Some(SYSTEM_MEMORY) {
                    let maximum = found.maximum_memory_bytes.unwrap_or(0).saturating_add(read::maximum_memory(&structure).unwrap_or(0));
                    found.maximum_memory_bytes = Some(maximum).filter(|&bytes| bytes > 0);
                    found.error_correction = found.error_correction.or(structure.byte(0x06).and_then(words::error_correction));
                }
            }
            17 => modules.push((structure.word(0x04), read::module(&structure))),
            22 => found.batteries.push(read::battery(&structure)),
            38 if hardware.management_controller.is_none() => {
                hardware.management_controller = Some(read::management_controller(&structure))
            }
            39 => found.power_supplies.push(read::power_supply(&structure)),
            41 => hardware.onboard_devices.push(read::onboard_device(&structure)),
            43 if hardware.tpm.is_none() => hardware.tpm = Some(read::tpm(&structure)),
            _ => {}
        }
    }
    for (array, module) in modules {
        const OTHER_USES: &[u8] = &[4, 5, 6, 7];
        let used_for = array.and_then(|array| array_uses.get(&Some(array)).copied().flatten());
        if !used_for.is_some_and(|used_for| OTHER_USES.contains(&used_for)) {
            found.slots += 1;
            found.modules.extend(module);
        }
    }
    found
}

/// `05/17/2024` as `2024-05-17`; years of two digits belong to the last century.
pub fn iso_date(text: &str) -> Option<String> {
    let mut parts = text.split('/');
    let (month, day, year) = (parts.next()?, parts.next()?, parts.next()?);
    let (month, day): (u8, u8) = (month.parse().ok()?, day.parse().ok()?);
    let year: u16 = if year.len() == 2 { 1_900 + year.parse::<u16>().ok()? } else { year.parse().ok()? };
    let is_date = (1..=12).contains(&month) && (1..=31).contains(&day) && (1_970..=2_199).contains(&year);
    (is_date && parts.next().is_none()).then(|| format!("{year:04}-{month:02}-{day:02}"))
}

/// One structure: its formatted area, header included, and its strings.
struct Structure<'a> {
    kind: u8,
    data: &'a [u8],
    strings: &'a [u8],
}

impl Structure<'_> {
    fn handle(&self) -> Option<u16> {
        self.word(2)
    }
    fn byte(&self, at: usize) -> Option<u8> {
        self.data.get(at).copied()
    }
    fn word(&self, at: usize) -> Option<u16> {
        Some(u16::from_le_bytes(self.data.get(at..at + 2)?.try_into().ok()?))
    }
    fn double_word(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(self.data.get(at..at + 4)?.try_into().ok()?))
    }
    fn quad_word(&self, at: usize) -> Option<u64> {
        Some(u64::from_le_bytes(self.data.get(at..at + 8)?.try_into().ok()?))
    }
    /// The string that the byte at `at` numbers, counting from 1.
    fn string(&self, at: usize) -> Option<String> {
        let index = usize::from(self.byte(at)?).checked_sub(1)?;
        clean(self.strings.split(|&byte| byte == 0).nth(index)?)
    }
}

fn structures(bytes: &[u8]) -> impl Iterator<Item = Structure<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        const HEADER: usize = 4;
        const END_OF_TABLE: u8 = 127;
        let (kind, length) = (*rest.first()?, usize::from(*rest.get(1)?));
        if kind == END_OF_TABLE || length < HEADER {
            return None;
        }
        let data = rest.get(..length)?;
        let after = &rest[length..];
        // Two zero bytes end the strings, also where there are none.
        let end = memchr::memmem::find(after, &[0, 0])?;
        rest = &after[end + 2..];
        Some(Structure { kind, data, strings: &after[..end] })
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A structure with its fields at their offsets and its strings.
    pub(crate) fn structure(kind: u8, length: u8, fields: &[(usize, &[u8])], strings: &[&str]) -> Vec<u8> {
        let mut bytes = vec![0; usize::from(length)];
        bytes[0] = kind;
        bytes[1] = length;
        for (at, value) in fields {
            bytes[*at..*at + value.len()].copy_from_slice(value);
        }
        for text in strings {
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(0);
        }
        bytes.extend_from_slice(if strings.is_empty() { &[0, 0] } else { &[0] });
        bytes
    }

    /// The tables of a two-slot notebook.
    pub(crate) fn notebook() -> Vec<u8> {
        let uuid: Vec<u8> = (0x10..0x20).collect();
        [
            structure(0, 0x18, &[(4, &[1, 2]), (8, &[3]), (0x13, &[0x08])], &["ACME Firmware", "1.42", "05/17/2024"]),
            structure(1, 0x1b, &[(4, &[1, 2, 3, 4]), (8, &uuid), (0x19, &[5, 6])], &["ACME", "Book 14", "v2", "SN-0815", "SKU-1", "Book"]),
            structure(2, 0x0f, &[(4, &[1, 2, 0, 3])], &["ACME", "Board 7", "BSN-1"]),
            structure(3, 0x16, &[(4, &[1, 0x8a]), (7, &[2, 3])], &["ACME", "CSN-1", "ASSET-0042"]),
            structure(
                4,
                0x30,
                &[(4, &[1]), (7, &[2]), (0x10, &[3]), (0x14, &4_700u16.to_le_bytes()), (0x18, &[0x41]), (0x23, &[8, 8, 16])],
                &["U3E1", "ACME Silicon", "Fast 7"],
            ),
            structure(
                17,
                0x5c,
                &[
                    (0x0c, &0x7fffu16.to_le_bytes()),
                    (0x10, &[1]),
                    (0x12, &[0x22]),
                    (0x15, &5_600u16.to_le_bytes()),
                    (0x17, &[2, 3]),
                    (0x1a, &[4]),
                    (0x1c, &65_536u32.to_le_bytes()),
                ],
                &["DIMM 0", "RAMCO", "R-1", "PN-64G"],
            ),
            structure(17, 0x22, &[(0x10, &[1])], &["DIMM 1"]),
            structure(127, 4, &[], &[]),
        ]
        .concat()
    }

    #[test]
    fn a_notebook_is_read() {
        let found = tables(&notebook(), (3, 3));
        let hardware = &found.hardware;
        assert_eq!(hardware.serial.as_deref(), Some("SN-0815"));
        assert_eq!(hardware.uuid.as_deref(), Some("13121110-1514-1716-1819-1a1b1c1d1e1f"));
        assert_eq!(hardware.chassis.as_ref().unwrap().form.as_deref(), Some("notebook"));
        assert_eq!(hardware.chassis.as_ref().unwrap().asset_tag.as_deref(), Some("ASSET-0042"));
        assert_eq!(hardware.board.as_ref().unwrap().serial.as_deref(), Some("BSN-1"));
        let firmware = hardware.firmware.as_ref().unwrap();
        assert_eq!((firmware.date.as_deref(), firmware.uefi), (Some("2024-05-17"), Some(true)));
        assert_eq!((found.cpus[0].cores, found.cpus[0].threads, found.cpus[0].max_mhz), (Some(8), Some(16), Some(4_700)));
        assert_eq!((found.slots, found.modules.len()), (2, 1));
        assert_eq!((found.modules[0].size_bytes, found.modules[0].speed_mts), (64 << 30, Some(5_600)));
        assert_eq!(found.modules[0].part_number.as_deref(), Some("PN-64G"));
    }

    /// What a server has and a notebook has not: two power supplies, a riser, slots, a management controller, a TPM.
    fn server() -> Vec<u8> {
        [
            structure(2, 0x0f, &[(4, &[1, 2, 3, 4, 5, 0, 6]), (0x0d, &[0x0a])], &["ACME", "Main", "A0", "B-1", "TAG-9", "Rear"]),
            structure(2, 0x0f, &[(4, &[1, 2]), (7, &[3]), (0x0d, &[0x09])], &["ACME", "Riser", "B-2"]),
            structure(3, 0x19, &[(4, &[1, 0x17]), (7, &[2]), (0x11, &[2, 2, 1, 3]), (0x18, &[3])], &["ACME", "C-1", "SKU-7"]),
            structure(
                4,
                0x30,
                &[(4, &[1]), (0x18, &[0x41, 0x3f]), (0x20, &[2, 3, 4, 0xff]), (0x2a, &128u16.to_le_bytes())],
                &["CPU0", "S-CPU", "A-CPU", "P-CPU"],
            ),
            structure(7, 0x1b, &[(4, &[1]), (5, &[0x82, 0x01]), (9, &[0xff, 0xff]), (0x11, &[5, 8]), (0x17, &[0, 1, 0, 0x80])], &["L3"]),
            structure(8, 9, &[(4, &[1, 0, 2, 0x0b, 0x1f])], &["J1", "LAN 1"]),
            structure(9, 0x11, &[(4, &[1, 0xc2, 0x0d, 4]), (0x0d, &[1, 0, 0x3b, 0x08])], &["PCIe Slot 1"]),
            structure(9, 0x0d, &[(4, &[1, 0xa6, 0x08, 3])], &["PCIe Slot 2"]),
            structure(
                16,
                0x17,
                &[(2, &[0, 0x10]), (4, &[3, 3, 6]), (7, &0x8000_0000u32.to_le_bytes()), (0x0f, &(4u64 << 40).to_le_bytes())],
                &[],
            ),
            structure(16, 0x0f, &[(2, &[1, 0x10]), (4, &[3, 5, 3])], &[]),
            structure(
                17,
                0x28,
                &[
                    (4, &[0, 0x10]),
                    (8, &[72, 0, 64, 0, 0, 0x80, 9]),
                    (0x0c, &0x7fffu16.to_le_bytes()),
                    (0x10, &[1, 2, 0x1a]),
                    (0x19, &[3, 0, 2]),
                    (0x1c, &65_536u32.to_le_bytes()),
                    (0x20, &3_200u16.to_le_bytes()),
                    (0x26, &1_200u16.to_le_bytes()),
                ],
                &["A1", "Bank 0", "AT-1"],
            ),
            structure(17, 0x1b, &[(4, &[1, 0x10]), (0x0c, &[16, 0]), (0x10, &[1]), (0x12, &[9])], &["BIOS chip"]),
            structure(38, 0x12, &[(4, &[1, 0x20])], &[]),
            structure(
                39,
                0x16,
                &[(5, &[1, 2, 3, 4, 5, 6, 7]), (0x0c, &750u16.to_le_bytes()), (0x0e, &[0x03, 0])],
                &["Bay 1", "PSU 1", "DELTA", "PS-1", "PA-1", "PN-750", "R2"],
            ),
            structure(39, 0x16, &[(5, &[1]), (0x0c, &0x8000u16.to_le_bytes()), (0x0e, &[0x05, 0])], &["Bay 2"]),
            structure(41, 0x0b, &[(4, &[1, 0x85, 1, 0, 0, 2, 0])], &["NIC 1"]),
            structure(43, 0x1f, &[(4, b"IFX\0"), (8, &[2, 0]), (0x0a, &[63, 0, 7, 0]), (0x12, &[1])], &["TPM 2.0"]),
        ]
        .concat()
    }

    #[test]
    fn a_server_is_read() {
        let found = tables(&server(), (3, 3));
        let hardware = &found.hardware;
        let board = hardware.board.as_ref().unwrap();
        assert_eq!((board.asset_tag.as_deref(), board.kind.as_deref()), (Some("TAG-9"), Some("motherboard")));
        assert_eq!(hardware.other_boards[0].serial.as_deref(), Some("B-2"));
        let chassis = hardware.chassis.as_ref().unwrap();
        assert_eq!((chassis.form.as_deref(), chassis.height_units, chassis.power_cords), (Some("rack_mount"), Some(2), Some(2)));
        assert_eq!(chassis.sku.as_deref(), Some("SKU-7"));
        let cpu = &found.cpus[0];
        assert_eq!((cpu.serial.as_deref(), cpu.part_number.as_deref(), cpu.cores), (Some("S-CPU"), Some("P-CPU"), Some(128)));
        assert_eq!(cpu.socket_kind.as_deref(), Some("LGA4677"));
        assert_eq!(found.caches, [CpuCache { level: 3, kind: "unified".into(), size_bytes: 16 << 20, count: None, ways: Some(16) }]);
        assert_eq!((hardware.ports[0].connector.as_deref(), hardware.ports[0].kind.as_deref()), (Some("RJ-45"), Some("network")));
        let slots: Vec<_> = hardware
            .slots
            .iter()
            .map(|slot| (slot.kind.as_deref(), slot.width.as_deref(), slot.in_use, slot.bus_address.as_deref()))
            .collect();
        assert_eq!(
            slots,
            [
                (Some("PCI Express 5 x8"), Some("x16"), Some(true), Some("0001:3b:01.0")),
                (Some("PCI Express x1"), Some("x1"), Some(false), None)
            ]
        );
        assert_eq!((found.slots, found.maximum_memory_bytes, found.error_correction), (1, Some(4 << 40), Some("multi_bit_ecc")));
        let module = &found.modules[0];
        assert_eq!((module.form.as_deref(), module.ranks, module.configured_mts), (Some("DIMM"), Some(2), Some(3_200)));
        assert_eq!((module.total_bits, module.data_bits, module.millivolts), (Some(72), Some(64), Some(1_200)));
        let controller = hardware.management_controller.as_ref().unwrap();
        assert_eq!((controller.interface.as_deref(), controller.ipmi_version.as_deref()), (Some("KCS"), Some("2.0")));
        let [first, second] = &found.power_supplies[..] else { panic!("{found:?}") };
        assert_eq!((first.serial.as_deref(), first.part_number.as_deref(), first.max_watts), (Some("PS-1"), Some("PN-750"), Some(750)));
        assert_eq!((first.present, first.plugged_in, first.hot_replaceable), (Some(true), Some(true), Some(true)));
        assert_eq!((second.max_watts, second.present, second.plugged_in), (None, Some(false), None));
        let onboard = &hardware.onboard_devices[0];
        assert_eq!(
            (onboard.kind.as_deref(), onboard.enabled, onboard.bus_address.as_deref()),
            (Some("ethernet"), Some(true), Some("0000:02:00.0"))
        );
        let tpm = hardware.tpm.as_ref().unwrap();
        assert_eq!((tpm.vendor.as_deref(), tpm.version.as_deref(), tpm.firmware.as_deref()), (Some("IFX"), Some("2.0"), Some("7.63")));
    }

    #[test]
    fn a_battery_is_read() {
        let table = structure(
            22,
            0x1a,
            &[
                (4, &[1, 2, 0, 0, 3, 2]),
                (0x0a, &5_700u16.to_le_bytes()),
                (0x0c, &11_550u16.to_le_bytes()),
                (0x10, &[0x34, 0x12, 0xb1, 0x58, 4, 10]),
            ],
            &["Rear", "SMP", "BAT 9", "LiP"],
        );
        let [battery] = &tables(&table, (3, 0)).batteries[..] else { panic!("none") };
        assert_eq!((battery.name.as_str(), battery.location.as_deref(), battery.serial.as_deref()), ("BAT 9", Some("Rear"), Some("1234")));
        assert_eq!((battery.made_on.as_deref(), battery.technology.as_deref()), (Some("2024-05-17"), Some("LiP")));
        assert_eq!((battery.design_capacity_mwh, battery.design_millivolts), (Some(57_000), Some(11_550)));
    }

    #[test]
    fn old_versions_store_the_uuid_big_endian() {
        assert_eq!(tables(&notebook(), (2, 5)).hardware.uuid.as_deref(), Some("10111213-1415-1617-1819-1a1b1c1d1e1f"));
    }

    #[test]
    fn entry_points_tell_the_version() {
        assert_eq!(version(b"_SM3_\x00\x18\x03\x03\x00"), Some((3, 3)));
        assert_eq!(version(b"_SM_\x00\x1f\x02\x08"), Some((2, 8)));
        assert_eq!(version(b"_SM_"), None);
        assert_eq!(version(b"garbage"), None);
    }

    #[test]
    fn dates_that_are_none_are_dropped() {
        assert_eq!(iso_date("12/01/99").as_deref(), Some("1999-12-01"));
        for text in ["", "13/01/2020", "01/01/0001", "2020-01-01", "1/2/3/4", "01/01/99999"] {
            assert_eq!(iso_date(text), None, "{text}");
        }
    }

    #[test]
    fn every_truncation_is_survived() {
        let whole = [server(), notebook()].concat();
        for cut in 0..whole.len() {
            tables(&whole[..cut], (3, 3));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>, major: u8) {
            tables(&bytes, (major, 0));
            version(&bytes);
        }
        #[test]
        fn no_change_of_a_real_table_panics(at in 0usize..1_600, value: u8) {
            let mut bytes = [server(), notebook()].concat();
            let at = at % bytes.len();
            bytes[at] = value;
            tables(&bytes, (3, 3));
        }
    }
}
