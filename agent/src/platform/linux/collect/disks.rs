//! Disks, from `/sys/block`, and what smartd and the kernel know of their health. No disk is asked itself.

use rollcall_shared::wire::v1::{Disk, DiskHealth, Disks};

use super::{Machine, Outcome, network::is_bus_address};
use crate::{
    files::Root,
    parse::{ata, smartd, text::clean, udev},
};

const SMARTD: &str = "/var/lib/smartmontools";

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Disks> {
    let root = machine.root;
    let names = match root.names("/sys/block") {
        Ok(names) => names,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Outcome::NotPresent("no /sys/block".to_owned()),
        Err(error) => return Outcome::failed("/sys/block", &error),
    };
    let noted = root.names(SMARTD);
    let files = noted.as_deref().unwrap_or_default();
    let disks: Vec<Disk> = names.iter().filter_map(|name| disk(root, name, files)).collect();
    let unknown: Vec<&str> = disks.iter().filter(|disk| has_counts(disk) == Some(false)).map(|disk| disk.name.as_str()).collect();
    let health_unknown = (!unknown.is_empty()).then(|| {
        let why = match &noted {
            Ok(_) => format!("smartd has noted nothing of them in {SMARTD}"),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => format!("there is no smartd that notes them in {SMARTD}"),
            Err(error) => format!("{SMARTD}: {error}"),
        };
        format!("SMART values of {}: asking a disk takes rights that this agent goes without, and {why}", unknown.join(", "))
    });
    Outcome::Data(Disks { disks, health_unknown })
}

/// Whether SMART values are known; `None` for disks that have none.
fn has_counts(disk: &Disk) -> Option<bool> {
    let has_none = matches!(disk.bus.as_deref(), Some("virtio" | "xen" | "mmc" | "iscsi" | "fc") | None) || disk.remote_target.is_some();
    let health = disk.health.as_ref();
    let known = health
        .is_some_and(|health| health.logged_errors.is_some() || health.reallocated_sectors.is_some() || health.failed_self_tests.is_some());
    (!has_none).then_some(known)
}

fn disk(root: &Root, name: &str, smartd_files: &[String]) -> Option<Disk> {
    /// Devices that the kernel makes out of memory, files and other devices.
    const MADE_UP: &[&str] = &["loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd", "zd", "mtdblock", "drbd", "bcache"];
    if MADE_UP.iter().any(|prefix| name.starts_with(prefix)) {
        return None;
    }
    const SECTOR: u64 = 512;
    let at = format!("/sys/block/{name}");
    let text = |file: &str| root.text(&format!("{at}/{file}"));
    let number = |file: &str| root.number::<u64>(&format!("{at}/{file}"));
    let flag = |file: &str| number(file).map(|value| value != 0);
    let size_bytes = number("size")?.checked_mul(SECTOR).filter(|&size| size > 0)?;
    let place = root.link(&at).unwrap_or_default();
    let own = root.read(&format!("{at}/device/vpd_pg89")).ok().and_then(|page| ata::information(&page)).unwrap_or_default();
    let noted = text("dev").and_then(|device| root.read(&format!("/run/udev/data/b{device}")).ok()).unwrap_or_default();
    let noted = |property: &str| udev::property(&noted, property);
    // A partition table says nothing of the disk; and what udev read from the disk is better than what SCSI cut off.
    let serial = text("serial").or_else(|| text("device/serial")).or(own.serial).or_else(|| unit_serial(root, &at));
    let serial = serial.or_else(|| noted("ID_SERIAL_SHORT"));
    let health = health(root, &at, serial.as_deref(), smartd_files);
    Some(Disk {
        name: name.to_owned(),
        model: own.model.or_else(|| text("device/model")).or_else(|| text("device/name").filter(|_| name.starts_with("mmcblk"))),
        // "ATA" and numbers are not who made it.
        vendor: text("device/vendor").filter(|vendor| vendor != "ATA" && !vendor.starts_with("0x")),
        firmware: own.firmware.or_else(|| text("device/firmware_rev")).or_else(|| text("device/rev")).or_else(|| text("device/fwrev")),
        wwn: text("wwid").or_else(|| text("device/wwid")).filter(|id| !id.starts_with("t10.")).or_else(|| noted("ID_WWN")),
        size_bytes,
        rotational: flag("queue/rotational"),
        removable: flag("removable"),
        bus: bus(name, &place).map(str::to_owned),
        sector_sizes: number("queue/logical_block_size")
            .zip(number("queue/physical_block_size"))
            .map(|(logical, physical)| format!("{logical}/{physical}")),
        partition_table: noted("ID_PART_TABLE_TYPE"),
        remote_target: remote_target(root, &at, &place),
        rotations_per_minute: own.rotations_per_minute,
        form: own.form.map(str::to_owned),
        bus_address: place.split("/block/").next().and_then(|above| above.rsplit('/').find(|part| is_bus_address(part))).map(str::to_owned),
        serial,
        health,
    })
}

/// The serial number page of a SCSI or SATA disk: four bytes of header, then text.
fn unit_serial(root: &Root, at: &str) -> Option<String> {
    let page = root.read(&format!("{at}/device/vpd_pg80")).ok()?;
    clean(page.get(4..)?)
}

/// Where a disk is reached whose controller is the network.
fn remote_target(root: &Root, at: &str, place: &str) -> Option<String> {
    if let Some(session) = place.split('/').find(|part| part.strip_prefix("session").is_some_and(is_number)) {
        return root.text(&format!("/sys/class/iscsi_session/{session}/targetname"));
    }
    let transport = root.text(&format!("{at}/device/transport"))?;
    (transport != "pcie").then(|| root.text(&format!("{at}/device/address"))).flatten()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// By name and by where in the device tree the disk hangs.
fn bus(name: &str, place: &str) -> Option<&'static str> {
    let has = |part: &str| place.contains(part);
    Some(match name {
        _ if name.starts_with("nvme") => "nvme",
        _ if name.starts_with("mmcblk") => "mmc",
        _ if name.starts_with("vd") => "virtio",
        _ if name.starts_with("xvd") => "xen",
        _ if has("/usb") => "usb",
        _ if has("/session") => "iscsi",
        _ if has("/rport-") => "fc",
        _ if has("/end_device-") => "sas",
        _ if has("/ata") => "sata",
        _ if has("/virtio") || has("/host") => "scsi",
        _ => return None,
    })
}

/// What the kernel shows of it, and what smartd noted.
fn health(root: &Root, at: &str, serial: Option<&str>, smartd_files: &[String]) -> Option<DiskHealth> {
    const MILLI: i32 = 1_000;
    let file = serial.and_then(|serial| smartd_files.iter().find(|file| smartd::is_of(file, serial)));
    let noted = file.and_then(|file| root.read(&format!("{SMARTD}/{file}")).ok());
    let mut found = noted.map(|bytes| smartd::state(&bytes)).unwrap_or_default();
    found.state = root.text(&format!("{at}/device/state"));
    if let Some(sensor) = sensor(root, at) {
        let number = |file: &str| root.number::<i32>(&format!("{sensor}/{file}"));
        let temperature = number("temp1_input");
        found.celsius = temperature.map(|milli| milli / MILLI);
        let beyond = || Some(temperature? >= number("temp1_crit").filter(|&limit| limit > 0)?);
        found.too_hot = number("temp1_alarm").map(|alarm| alarm != 0).or_else(beyond);
    }
    (found != DiskHealth::default()).then_some(found)
}

/// The kernel's thermometer of a disk: that of NVMe hangs on the controller, that of SATA below `hwmon`.
fn sensor(root: &Root, at: &str) -> Option<String> {
    for directory in [format!("{at}/device/hwmon"), format!("{at}/device")] {
        let names = root.names(&directory).unwrap_or_default();
        if let Some(name) = names.iter().find(|name| name.strip_prefix("hwmon").is_some_and(is_number)) {
            return Some(format!("{directory}/{name}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{super::tests::collect_one, *};

    #[test]
    fn real_disks_are_listed_and_made_up_ones_are_not() {
        let files = [
            ("/sys/block/loop0/size", "100\n"),
            ("/sys/block/sr0/size", "100\n"),
            ("/sys/block/sdb/size", "0\n"),
            ("/sys/devices/pci0000:00/0000:00:17.0/ata1/host0/block/sda/size", "2000409264\n"),
            ("/sys/devices/pci0000:00/0000:00:17.0/ata1/host0/block/sda/queue/rotational", "1\n"),
            ("/sys/devices/pci0000:00/0000:00:17.0/ata1/host0/block/sda/queue/logical_block_size", "512\n"),
            ("/sys/devices/pci0000:00/0000:00:17.0/ata1/host0/block/sda/queue/physical_block_size", "4096\n"),
            ("/sys/devices/pci0000:00/0000:00:17.0/ata1/host0/block/sda/device/model", "WDC WD10EZEX-08W \n"),
            ("/sys/devices/pci0000:00/0000:00:17.0/ata1/host0/block/sda/device/vendor", "ATA     \n"),
            ("/sys/devices/pci0000:00/0000:00:17.0/ata1/host0/block/sda/device/state", "running\n"),
            ("/sys/devices/pci0000:00/0000:00:17.0/ata1/host0/block/sda/device/vpd_pg80", "\u{0}\u{1}\u{0}\u{8} WD-WCC6\n"),
            ("/sys/devices/pci0000:00/0000:00:17.0/ata1/host0/block/sda/device/hwmon/hwmon2/temp1_input", "44000\n"),
            ("/sys/devices/pci0000:00/0000:00:17.0/ata1/host0/block/sda/device/hwmon/hwmon2/temp1_crit", "60000\n"),
            ("/sys/devices/pci0000:00/0000:00:17.0/ata1/host0/block/sda/dev", "8:0\n"),
            ("/run/udev/data/b8:0", "E:ID_PART_TABLE_TYPE=gpt\nE:ID_WWN=0x50014ee2\n"),
            ("/sys/block/sda", "-> ../devices/pci0000:00/0000:00:17.0/ata1/host0/block/sda"),
            (
                "/var/lib/smartmontools/smartd.WDC_WD10EZEX_08W-WD_WCC6.ata.state",
                "ata-smart-attribute.0.id = 5\nata-smart-attribute.0.raw = 3\n",
            ),
            ("/sys/block/vda/size", "2048\n"),
        ];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        let [sda, vda] = &found.disks[..] else { panic!("{found:?}") };
        assert_eq!((sda.model.as_deref(), sda.vendor.as_deref(), sda.bus.as_deref()), (Some("WDC WD10EZEX-08W"), None, Some("sata")));
        assert_eq!((sda.serial.as_deref(), sda.size_bytes, sda.rotational), (Some("WD-WCC6"), 1_024_209_543_168, Some(true)));
        assert_eq!((sda.sector_sizes.as_deref(), sda.bus_address.as_deref()), (Some("512/4096"), Some("0000:00:17.0")));
        assert_eq!((sda.partition_table.as_deref(), sda.wwn.as_deref()), (Some("gpt"), Some("0x50014ee2")));
        let health = sda.health.as_ref().unwrap();
        assert_eq!((health.celsius, health.too_hot, health.reallocated_sectors), (Some(44), Some(false), Some(3)));
        assert_eq!(health.state.as_deref(), Some("running"));
        assert_eq!((vda.name.as_str(), vda.bus.as_deref(), vda.size_bytes), ("vda", Some("virtio"), 1 << 20));
        assert_eq!(found.health_unknown, None, "virtual disks have no SMART values");
    }

    #[test]
    fn whose_health_nobody_noted_is_said() {
        let files = [
            ("/sys/block/nvme0n1/size", "2048\n"),
            ("/sys/block/nvme0n1/device/state", "live\n"),
            ("/sys/block/nvme0n1/device/transport", "pcie\n"),
            ("/sys/block/nvme0n1/device/hwmon1/temp1_input", "38850\n"),
            ("/sys/block/nvme1n1/size", "2048\n"),
            ("/sys/block/nvme1n1/device/transport", "tcp\n"),
            ("/sys/block/nvme1n1/device/address", "traddr=10.0.0.9,trsvcid=4420\n"),
            ("/sys/devices/platform/host3/session1/target3:0:0/block/sdb/size", "2048\n"),
            ("/sys/block/sdb", "-> ../devices/platform/host3/session1/target3:0:0/block/sdb"),
            ("/sys/class/iscsi_session/session1/targetname", "iqn.2024-05.org.example:db\n"),
        ];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        let seen: Vec<_> = found.disks.iter().map(|disk| (disk.bus.as_deref(), disk.remote_target.as_deref())).collect();
        assert_eq!(
            seen,
            [
                (Some("nvme"), None),
                (Some("nvme"), Some("traddr=10.0.0.9,trsvcid=4420")),
                (Some("iscsi"), Some("iqn.2024-05.org.example:db"))
            ]
        );
        let health = found.disks[0].health.as_ref().unwrap();
        assert_eq!((health.state.as_deref(), health.celsius), (Some("live"), Some(38)));
        assert!(found.health_unknown.unwrap().contains("of nvme0n1:"));
    }

    #[test]
    fn a_disk_in_its_own_words() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().join("sys/block/sda/device");
        std::fs::create_dir_all(&at).unwrap();
        std::fs::write(at.join("../size"), "2048\n").unwrap();
        std::fs::write(at.join("model"), "WDC WD40EFRX-68N\n").unwrap();
        std::fs::write(at.join("rev"), "0A80\n").unwrap();
        std::fs::write(at.join("vpd_pg89"), ata::tests::page()).unwrap();
        let found = disk(&Root::new(directory.path()), "sda", &[]).unwrap();
        assert_eq!((found.model.as_deref(), found.firmware.as_deref()), (Some("WDC WD40EFRX-68N32N0"), Some("80.00A80")));
        assert_eq!((found.rotations_per_minute, found.form.as_deref()), (Some(5_400), Some("3.5in")));
    }
}
