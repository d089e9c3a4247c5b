//! SMBIOS tables as in `/sys/firmware/dmi/tables/DMI` (DMTF DSP0134).

use rollcall_shared::wire::v1::{Board, Chassis, CpuSocket, Firmware, Hardware, MemoryModule};

use super::text::clean;

/// What the tables say.
#[derive(Debug, Default, PartialEq)]
pub struct Smbios {
    /// System, chassis, board and firmware.
    pub hardware: Hardware,
    /// Populated processor sockets.
    pub cpus: Vec<CpuSocket>,
    /// Filled memory slots.
    pub modules: Vec<MemoryModule>,
    /// Memory slots, filled or not.
    pub slots: u32,
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

/// Reads the tables. Of system, board and chassis the first structure of a kind counts, as the kernel does.
///
/// Before version 2.6 all parts of the UUID were stored big endian; since then the first three are little endian.
pub fn tables(bytes: &[u8], version: (u8, u8)) -> Smbios {
    let mut found = Smbios::default();
    let (mut system, mut board, mut chassis, mut firmware) = (false, false, false, false);
    for structure in structures(bytes) {
        match structure.kind {
            0 if !std::mem::replace(&mut firmware, true) => {
                found.virtual_machine = structure.byte(0x13).is_some_and(|bits| bits & 0x10 != 0);
                found.hardware.firmware = Some(Firmware {
                    vendor: structure.string(0x04),
                    version: structure.string(0x05),
                    date: structure.string(0x08).and_then(|date| iso_date(&date)),
                    uefi: structure.byte(0x13).map(|bits| bits & 0x08 != 0),
                });
            }
            1 if !std::mem::replace(&mut system, true) => {
                found.hardware.manufacturer = structure.string(0x04);
                found.hardware.product_name = structure.string(0x05);
                found.hardware.version = structure.string(0x06);
                found.hardware.serial = structure.string(0x07);
                found.hardware.uuid = structure.data.get(0x08..0x18).and_then(|uuid| uuid_text(uuid, version));
                found.hardware.sku = structure.string(0x19);
                found.hardware.family = structure.string(0x1a);
            }
            2 if !std::mem::replace(&mut board, true) => {
                found.hardware.board = Some(Board {
                    manufacturer: structure.string(0x04),
                    product_name: structure.string(0x05),
                    version: structure.string(0x06),
                    serial: structure.string(0x07),
                });
            }
            3 if !std::mem::replace(&mut chassis, true) => {
                found.hardware.chassis = Some(Chassis {
                    form: structure.byte(0x05).and_then(chassis_form).map(str::to_owned),
                    manufacturer: structure.string(0x04),
                    serial: structure.string(0x07),
                    asset_tag: structure.string(0x08),
                });
            }
            4 => found.cpus.extend(cpu(&structure)),
            17 => {
                found.slots += 1;
                found.modules.extend(module(&structure));
            }
            _ => {}
        }
    }
    found
}

/// A chassis type in words.
pub fn chassis_form(code: u8) -> Option<&'static str> {
    // The highest bit says that there is a lock.
    Some(match code & 0x7f {
        0x01 => "other",
        0x03 => "desktop",
        0x04 => "low_profile_desktop",
        0x05 => "pizza_box",
        0x06 => "mini_tower",
        0x07 => "tower",
        0x08 => "portable",
        0x09 => "laptop",
        0x0a => "notebook",
        0x0b => "hand_held",
        0x0c => "docking_station",
        0x0d => "all_in_one",
        0x0e => "sub_notebook",
        0x0f => "space_saving",
        0x10 => "lunch_box",
        0x11 => "main_server",
        0x12 => "expansion",
        0x13 => "sub_chassis",
        0x14 => "bus_expansion",
        0x15 => "peripheral",
        0x16 => "raid",
        0x17 => "rack_mount",
        0x18 => "sealed_case",
        0x19 => "multi_system",
        0x1a => "compact_pci",
        0x1b => "advanced_tca",
        0x1c => "blade",
        0x1d => "blade_enclosure",
        0x1e => "tablet",
        0x1f => "convertible",
        0x20 => "detachable",
        0x21 => "iot_gateway",
        0x22 => "embedded_pc",
        0x23 => "mini_pc",
        0x24 => "stick_pc",
        _ => return None,
    })
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

fn cpu(structure: &Structure<'_>) -> Option<CpuSocket> {
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
    })
}

fn module(structure: &Structure<'_>) -> Option<MemoryModule> {
    const MIB: u64 = 1 << 20;
    let size_bytes = match structure.word(0x0c)? {
        0 | 0xffff => return None,
        0x7fff => u64::from(structure.double_word(0x1c)? & 0x7fff_ffff) * MIB,
        kibibytes if kibibytes & 0x8000 != 0 => u64::from(kibibytes & 0x7fff) * 1_024,
        mebibytes => u64::from(mebibytes) * MIB,
    };
    let speed = match structure.word(0x15) {
        Some(0xffff) => structure.double_word(0x54),
        speed => speed.map(u32::from),
    };
    Some(MemoryModule {
        locator: structure.string(0x10),
        size_bytes,
        kind: structure.byte(0x12).and_then(memory_kind).map(str::to_owned),
        speed_mts: speed.filter(|&speed| speed != 0),
        manufacturer: structure.string(0x17),
        serial: structure.string(0x18),
        part_number: structure.string(0x1a),
    })
}

fn memory_kind(code: u8) -> Option<&'static str> {
    Some(match code {
        0x03 => "DRAM",
        0x07 => "RAM",
        0x09 => "Flash",
        0x0f => "SDRAM",
        0x12 => "DDR",
        0x13 => "DDR2",
        0x14 => "DDR2 FB-DIMM",
        0x18 => "DDR3",
        0x1a => "DDR4",
        0x1b => "LPDDR",
        0x1c => "LPDDR2",
        0x1d => "LPDDR3",
        0x1e => "LPDDR4",
        0x20 => "HBM",
        0x21 => "HBM2",
        0x22 => "DDR5",
        0x23 => "LPDDR5",
        0x24 => "HBM3",
        _ => return None,
    })
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

/// One structure: its formatted area, header included, and its strings.
struct Structure<'a> {
    kind: u8,
    data: &'a [u8],
    strings: &'a [u8],
}

impl Structure<'_> {
    fn byte(&self, at: usize) -> Option<u8> {
        self.data.get(at).copied()
    }
    fn word(&self, at: usize) -> Option<u16> {
        Some(u16::from_le_bytes(self.data.get(at..at + 2)?.try_into().ok()?))
    }
    fn double_word(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(self.data.get(at..at + 4)?.try_into().ok()?))
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
        let whole = notebook();
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
        fn no_change_of_a_real_table_panics(at in 0usize..400, value: u8) {
            let mut bytes = notebook();
            let at = at % bytes.len();
            bytes[at] = value;
            tables(&bytes, (3, 3));
        }
    }
}
