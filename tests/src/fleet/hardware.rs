//! Hardware that machines are made of: a table of models.

use rand::{RngExt, rngs::StdRng};
use rollcall_shared::wire::v1::{
    Board, Chassis, Cpu, CpuSocket, Disk, Disks, Firmware, Hardware, Identity, Memory, MemoryModule, Platform, PlatformKind,
};

/// What kind of machine it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A notebook.
    Laptop,
    /// A desktop.
    Desktop,
    /// A physical server.
    Server,
    /// A guest of a hypervisor.
    VirtualMachine,
}

impl Kind {
    /// What its agent reports.
    pub fn platform(self) -> Platform {
        match self {
            Self::VirtualMachine => Platform { kind: PlatformKind::VirtualMachine, technology: Some("kvm".into()) },
            _ => Platform { kind: PlatformKind::Physical, technology: None },
        }
    }
}

const GIB: u64 = 1 << 30;

/// A model that is bought in numbers.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    kind: Kind,
    /// Maker.
    pub manufacturer: &'static str,
    /// Product name.
    pub product: &'static str,
    form: &'static str,
    processor: &'static str,
    sockets: u32,
    cores: u32,
    memory_gib: u64,
    /// Size of its first disk, bytes.
    pub disk_bytes: u64,
    disk_model: &'static str,
    /// What its serial numbers begin with.
    pub serial_prefix: &'static str,
    /// What its MAC addresses begin with.
    pub mac_prefix: &'static str,
    /// Network ports.
    pub network_ports: usize,
}

/// Every model.
const MODELS: &[Model] = &[
    model(
        Kind::Laptop,
        "LENOVO",
        "ThinkPad T14 Gen 4",
        "notebook",
        "13th Gen Intel(R) Core(TM) i5-1345U",
        1,
        10,
        16,
        512,
        "PF4",
        "6c:24:08",
    ),
    model(Kind::Laptop, "Dell Inc.", "Latitude 7440", "notebook", "13th Gen Intel(R) Core(TM) i7-1365U", 1, 10, 32, 512, "8K", "a4:bb:6d"),
    model(Kind::Laptop, "HP", "HP EliteBook 845 14 inch G10", "notebook", "AMD Ryzen 7 PRO 7840U", 1, 8, 32, 1024, "5CG", "bc:0f:f3"),
    model(Kind::Desktop, "HP", "HP EliteDesk 800 G9", "desktop", "12th Gen Intel(R) Core(TM) i5-12500", 1, 6, 16, 256, "CZC", "64:4e:d7"),
    model(Kind::Desktop, "FUJITSU", "ESPRIMO D7012", "desktop", "12th Gen Intel(R) Core(TM) i3-12100", 1, 4, 8, 256, "YMD", "90:1b:0e"),
    model(Kind::Server, "Dell Inc.", "PowerEdge R650", "rack_mount", "Intel(R) Xeon(R) Gold 6338", 2, 64, 512, 3840, "4Q", "b0:7b:25"),
    model(
        Kind::Server,
        "HPE",
        "ProLiant DL360 Gen10 Plus",
        "rack_mount",
        "Intel(R) Xeon(R) Silver 4314",
        2,
        32,
        256,
        1920,
        "CZJ",
        "5c:ed:8c",
    ),
    model(
        Kind::VirtualMachine,
        "QEMU",
        "Standard PC (Q35 + ICH9, 2009)",
        "other",
        "Intel Xeon Processor (Icelake)",
        1,
        4,
        8,
        80,
        "",
        "52:54:00",
    ),
    model(
        Kind::VirtualMachine,
        "QEMU",
        "Standard PC (Q35 + ICH9, 2009)",
        "other",
        "Intel Xeon Processor (Icelake)",
        1,
        8,
        32,
        200,
        "",
        "52:54:00",
    ),
];

#[expect(clippy::too_many_arguments, reason = "one row of the table above, in its order")]
const fn model(
    kind: Kind,
    manufacturer: &'static str,
    product: &'static str,
    form: &'static str,
    processor: &'static str,
    sockets: u32,
    cores: u32,
    memory_gib: u64,
    disk_gib: u64,
    serial_prefix: &'static str,
    mac_prefix: &'static str,
) -> Model {
    let (network_ports, disk_model) = match kind {
        Kind::Server => (4, "SAMSUNG MZ7L3"),
        Kind::VirtualMachine => (1, "QEMU HARDDISK"),
        _ => (2, "SAMSUNG MZVL2"),
    };
    let disk_bytes = disk_gib * GIB;
    Model {
        kind,
        manufacturer,
        product,
        form,
        processor,
        sockets,
        cores,
        memory_gib,
        disk_bytes,
        disk_model,
        serial_prefix,
        mac_prefix,
        network_ports,
    }
}

/// A model of this kind.
pub fn pick(kind: Kind, rng: &mut StdRng) -> Model {
    let fitting: Vec<&Model> = MODELS.iter().filter(|model| model.kind == kind).collect();
    *fitting[rng.random_range(0..fitting.len())]
}

impl Model {
    /// Kernel name of its first disk.
    pub fn disk_name(&self) -> &'static str {
        match self.kind {
            Kind::VirtualMachine => "vda",
            Kind::Server => "sda",
            _ => "nvme0n1",
        }
    }

    /// Its SMBIOS section, with the ids of `identity`.
    pub fn hardware(&self, identity: &Identity, rng: &mut StdRng) -> Hardware {
        let real = self.kind != Kind::VirtualMachine;
        Hardware {
            manufacturer: identity.manufacturer.clone(),
            product_name: identity.model.clone(),
            version: None,
            serial: identity.serial.clone(),
            uuid: identity.smbios_uuid.clone(),
            sku: None,
            family: None,
            chassis: Some(Chassis {
                form: Some(self.form.into()),
                manufacturer: Some(self.manufacturer.into()),
                serial: identity.serial.clone(),
                asset_tag: real.then(|| format!("NW-{:05}", rng.random_range(1..100_000_u32))),
                ..Chassis::default()
            }),
            board: real.then(|| Board { manufacturer: Some(self.manufacturer.into()), ..Board::default() }),
            firmware: Some(Firmware {
                vendor: Some(if real { self.manufacturer } else { "SeaBIOS" }.into()),
                version: Some(format!("1.{}", rng.random_range(2..40_u8))),
                date: Some(format!("2024-{:02}-{:02}", rng.random_range(1..13_u8), rng.random_range(1..29_u8))),
                uefi: Some(real),
                ..Firmware::default()
            }),
            ..Hardware::default()
        }
    }

    /// Its processors.
    pub fn cpu(&self) -> Cpu {
        let cores = self.cores / self.sockets;
        let socket = |number: u32| CpuSocket {
            designation: Some(format!("CPU{number}")),
            manufacturer: Some(if self.processor.starts_with("AMD") { "AuthenticAMD" } else { "GenuineIntel" }.into()),
            model: Some(self.processor.into()),
            cores: Some(cores),
            threads: Some(cores * 2),
            max_mhz: Some(3_600),
            ..CpuSocket::default()
        };
        Cpu { sockets: (0..self.sockets).map(socket).collect(), cores: Some(self.cores), threads: Some(self.cores * 2), ..Cpu::default() }
    }

    /// Its memory.
    pub fn memory(&self, rng: &mut StdRng) -> Memory {
        let slots = if self.kind == Kind::Server { 16 } else { 2 };
        let module = |slot: u64, serial: u32| MemoryModule {
            locator: Some(format!("DIMM {slot}")),
            size_bytes: self.memory_gib * GIB / slots,
            kind: Some(if self.kind == Kind::Server { "DDR4" } else { "DDR5" }.into()),
            speed_mts: Some(if self.kind == Kind::Server { 3_200 } else { 4_800 }),
            manufacturer: Some("Samsung".into()),
            serial: Some(format!("{serial:08X}")),
            part_number: Some("M425R2GA3BB0".into()),
            ..MemoryModule::default()
        };
        let real = self.kind != Kind::VirtualMachine;
        Memory {
            total_bytes: Some(self.memory_gib * GIB - GIB / 3),
            swap_total_bytes: Some(GIB),
            modules: if real { (0..slots).map(|slot| module(slot, rng.random())).collect() } else { Vec::new() },
            slots: real.then_some(u32::try_from(slots).unwrap_or(0)),
            ..Memory::default()
        }
    }

    /// Its disks.
    pub fn disks(&self, rng: &mut StdRng) -> Disks {
        let bus = match self.kind {
            Kind::VirtualMachine => "virtio",
            Kind::Server => "sata",
            _ => "nvme",
        };
        let disk = Disk {
            name: self.disk_name().into(),
            model: Some(self.disk_model.into()),
            serial: Some(format!("S{:013X}", rng.random_range(0..1_u64 << 52))),
            firmware: Some("GXA7801Q".into()),
            size_bytes: self.disk_bytes,
            rotational: Some(false),
            removable: Some(false),
            bus: Some(bus.into()),
            ..Disk::default()
        };
        Disks { disks: vec![disk], ..Disks::default() }
    }
}
