//! The numbers of SMBIOS in words. `None` where a number means "other" or "unknown", or is not in the standard.

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

pub(super) fn board(code: u8) -> Option<&'static str> {
    Some(match code {
        0x03 => "server_blade",
        0x04 => "connectivity_switch",
        0x05 => "system_management_module",
        0x06 => "processor_module",
        0x07 => "io_module",
        0x08 => "memory_module",
        0x09 => "riser",
        0x0a => "motherboard",
        0x0b => "processor_memory_module",
        0x0c => "processor_io_module",
        0x0d => "interconnect",
        _ => return None,
    })
}

pub(super) fn cpu_socket(code: u8) -> Option<&'static str> {
    const FIRST: u8 = 0x13;
    const NAMES: &[&str] = &[
        "mPGA604",
        "LGA771",
        "LGA775",
        "S1",
        "AM2",
        "F (LGA1207)",
        "LGA1366",
        "G34",
        "AM3",
        "C32",
        "LGA1156",
        "LGA1567",
        "PGA988A",
        "BGA1288",
        "rPGA988B",
        "BGA1023",
        "BGA1224",
        "LGA1155",
        "LGA1356",
        "LGA2011",
        "FS1",
        "FS2",
        "FM1",
        "FM2",
        "LGA2011-3",
        "LGA1356-3",
        "LGA1150",
        "BGA1168",
        "BGA1234",
        "BGA1364",
        "AM4",
        "LGA1151",
        "BGA1356",
        "BGA1440",
        "BGA1515",
        "LGA3647-1",
        "SP3",
        "SP3r2",
        "LGA2066",
        "BGA1392",
        "BGA1510",
        "BGA1528",
        "LGA4189",
        "LGA1200",
        "LGA4677",
        "LGA1700",
        "BGA1744",
        "BGA1781",
        "BGA1211",
        "BGA2422",
        "LGA1211",
        "LGA2422",
        "LGA5773",
        "BGA5773",
        "AM5",
        "SP5",
        "SP6",
        "BGA883",
        "BGA1190",
        "BGA4129",
        "LGA4710",
        "LGA7529",
    ];
    NAMES.get(usize::from(code.checked_sub(FIRST)?)).copied()
}

pub(super) fn cache_kind(code: u8) -> Option<&'static str> {
    Some(match code {
        0x03 => "instruction",
        0x04 => "data",
        0x05 => "unified",
        _ => return None,
    })
}

pub(super) fn cache_ways(code: u8) -> Option<u32> {
    Some(match code {
        0x03 => 1,
        0x04 => 2,
        0x05 => 4,
        0x07 => 8,
        0x08 => 16,
        0x09 => 12,
        0x0a => 24,
        0x0b => 32,
        0x0c => 48,
        0x0d => 64,
        0x0e => 20,
        _ => return None,
    })
}

pub(super) fn connector(code: u8) -> Option<&'static str> {
    Some(match code {
        0x01 => "Centronics",
        0x02 => "Mini Centronics",
        0x04 => "DB-25 pin male",
        0x05 => "DB-25 pin female",
        0x06 => "DB-15 pin male",
        0x07 => "DB-15 pin female",
        0x08 => "DB-9 pin male",
        0x09 => "DB-9 pin female",
        0x0a => "RJ-11",
        0x0b => "RJ-45",
        0x0c => "50-pin MiniSCSI",
        0x0d => "Mini-DIN",
        0x0e => "Micro-DIN",
        0x0f => "PS/2",
        0x10 => "Infrared",
        0x11 => "HP-HIL",
        0x12 => "USB",
        0x13 => "SSA SCSI",
        0x1d => "Headphone mini-jack",
        0x1e => "BNC",
        0x1f => "IEEE 1394",
        0x20 => "SAS/SATA",
        0x21 => "USB Type-C",
        _ => return None,
    })
}

pub(super) fn port(code: u8) -> Option<&'static str> {
    Some(match code {
        0x01..=0x05 => "parallel",
        0x06..=0x0a => "serial",
        0x0b => "scsi",
        0x0d => "keyboard",
        0x0e => "mouse",
        0x10 => "usb",
        0x11 => "firewire",
        0x12..=0x14 => "pcmcia",
        0x1c => "video",
        0x1d => "audio",
        0x1e => "modem",
        0x1f => "network",
        0x20 => "sata",
        0x21 => "sas",
        0x22 => "multi_function",
        0x23 => "thunderbolt",
        _ => return None,
    })
}

pub(super) fn slot(code: u8) -> Option<String> {
    const WIDTHS: [&str; 6] = ["", " x1", " x2", " x4", " x8", " x16"];
    // Each generation of PCI Express has six numbers in a row, the first without a width.
    let generations =
        [(0xa5, "PCI Express"), (0xab, "PCI Express 2"), (0xb1, "PCI Express 3"), (0xb8, "PCI Express 4"), (0xbe, "PCI Express 5")];
    for (first, generation) in generations {
        if let Some(width) = code.checked_sub(first).and_then(|at| WIDTHS.get(usize::from(at))) {
            return Some(format!("{generation}{width}"));
        }
    }
    let name = match code {
        0x03 => "ISA",
        0x04 => "MCA",
        0x05 => "EISA",
        0x06 => "PCI",
        0x07 => "PC Card",
        0x0f => "AGP",
        0x10 => "AGP 2X",
        0x11 => "AGP 4X",
        0x12 => "PCI-X",
        0x13 => "AGP 8X",
        0x14 => "M.2 Socket 1-DP",
        0x15 => "M.2 Socket 1-SD",
        0x16 => "M.2 Socket 2",
        0x17 => "M.2 Socket 3",
        0x18 => "MXM Type I",
        0x19 => "MXM Type II",
        0x1a => "MXM Type III",
        0x1b => "MXM Type III-HE",
        0x1c => "MXM Type IV",
        0x1d => "MXM 3.0 Type A",
        0x1e => "MXM 3.0 Type B",
        0x1f => "PCI Express 2 SFF-8639 (U.2)",
        0x20 => "PCI Express 3 SFF-8639 (U.2)",
        0x21 => "PCI Express Mini 52-pin with bottom-side keep-outs",
        0x22 => "PCI Express Mini 52-pin",
        0x23 => "PCI Express Mini 76-pin",
        0x24 => "PCI Express 4 SFF-8639 (U.2)",
        0x25 => "PCI Express 5 SFF-8639 (U.2)",
        0x26 => "OCP NIC 3.0 Small Form Factor",
        0x27 => "OCP NIC 3.0 Large Form Factor",
        0x28 => "OCP NIC prior to 3.0",
        0x30 => "CXL Flexbus 1.0",
        0xc4 => "PCI Express 6 or later",
        0xc5 => "EDSFF E1.S or E1.L",
        0xc6 => "EDSFF E3.S or E3.L",
        _ => return None,
    };
    Some(name.to_owned())
}

pub(super) fn slot_width(code: u8) -> Option<&'static str> {
    Some(match code {
        0x03 => "8 bit",
        0x04 => "16 bit",
        0x05 => "32 bit",
        0x06 => "64 bit",
        0x07 => "128 bit",
        0x08 => "x1",
        0x09 => "x2",
        0x0a => "x4",
        0x0b => "x8",
        0x0c => "x12",
        0x0d => "x16",
        0x0e => "x32",
        _ => return None,
    })
}

pub(super) fn onboard_device(code: u8) -> Option<&'static str> {
    Some(match code {
        0x03 => "video",
        0x04 => "scsi_controller",
        0x05 => "ethernet",
        0x06 => "token_ring",
        0x07 => "sound",
        0x08 => "pata_controller",
        0x09 => "sata_controller",
        0x0a => "sas_controller",
        0x0b => "wireless_lan",
        0x0c => "bluetooth",
        0x0d => "wwan",
        0x0e => "emmc",
        0x0f => "nvme_controller",
        0x10 => "ufs_controller",
        _ => return None,
    })
}

pub(super) fn error_correction(code: u8) -> Option<&'static str> {
    Some(match code {
        0x03 => "none",
        0x04 => "parity",
        0x05 => "single_bit_ecc",
        0x06 => "multi_bit_ecc",
        0x07 => "crc",
        _ => return None,
    })
}

pub(super) fn memory_form(code: u8) -> Option<&'static str> {
    Some(match code {
        0x03 => "SIMM",
        0x05 => "chip",
        0x08 => "proprietary_card",
        0x09 => "DIMM",
        0x0b => "row_of_chips",
        0x0c => "RIMM",
        0x0d => "SODIMM",
        0x0f => "FB-DIMM",
        0x10 => "die",
        0x11 => "CAMM",
        _ => return None,
    })
}

pub(super) fn memory_technology(code: u8) -> Option<&'static str> {
    Some(match code {
        0x03 => "DRAM",
        0x04 => "NVDIMM-N",
        0x05 => "NVDIMM-F",
        0x06 => "NVDIMM-P",
        0x07 => "Intel Optane persistent memory",
        0x08 => "MRDIMM",
        _ => return None,
    })
}

pub(super) fn memory_kind(code: u8) -> Option<&'static str> {
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
        0x1f => "logical_non_volatile",
        0x20 => "HBM",
        0x21 => "HBM2",
        0x22 => "DDR5",
        0x23 => "LPDDR5",
        0x24 => "HBM3",
        _ => return None,
    })
}

pub(super) fn battery_chemistry(code: u8) -> Option<&'static str> {
    Some(match code {
        0x03 => "lead acid",
        0x04 => "NiCd",
        0x05 => "NiMH",
        0x06 => "Li-ion",
        0x07 => "zinc air",
        0x08 => "Li-poly",
        _ => return None,
    })
}

pub(super) fn ipmi_interface(code: u8) -> Option<&'static str> {
    Some(match code {
        0x01 => "KCS",
        0x02 => "SMIC",
        0x03 => "BT",
        0x04 => "SSIF",
        _ => return None,
    })
}
