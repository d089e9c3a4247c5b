//! Disks, from `/sys/block`.

use rollcall_shared::wire::v1::{Disk, Disks};

use super::{Machine, Outcome};
use crate::{files::Root, parse::text::clean};

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Disks> {
    match machine.root.names("/sys/block") {
        Ok(names) => Outcome::Data(Disks { disks: names.iter().filter_map(|name| disk(machine.root, name)).collect(), ..Disks::default() }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Outcome::NotPresent("no /sys/block".to_owned()),
        Err(error) => Outcome::failed("/sys/block", &error),
    }
}

fn disk(root: &Root, name: &str) -> Option<Disk> {
    /// Devices that the kernel makes out of memory, files and other devices.
    const MADE_UP: &[&str] = &["loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd", "zd", "mtdblock", "drbd", "bcache"];
    if MADE_UP.iter().any(|prefix| name.starts_with(prefix)) {
        return None;
    }
    const SECTOR: u64 = 512;
    let at = format!("/sys/block/{name}");
    let text = |file: &str| root.text(&format!("{at}/{file}"));
    let flag = |file: &str| root.number::<u8>(&format!("{at}/{file}")).map(|value| value != 0);
    let size_bytes = root.number::<u64>(&format!("{at}/size"))?.checked_mul(SECTOR).filter(|&size| size > 0)?;
    Some(Disk {
        name: name.to_owned(),
        model: text("device/model"),
        // "ATA" and numbers are not who made it.
        vendor: text("device/vendor").filter(|vendor| vendor != "ATA" && !vendor.starts_with("0x")),
        serial: text("serial").or_else(|| text("device/serial")).or_else(|| unit_serial(root, &at)),
        firmware: text("device/firmware_rev").or_else(|| text("device/rev")),
        wwn: text("wwid").or_else(|| text("device/wwid")).filter(|id| !id.starts_with("t10.")),
        size_bytes,
        rotational: flag("queue/rotational"),
        removable: flag("removable"),
        bus: bus(name, &root.link(&at).unwrap_or_default()).map(str::to_owned),
        ..Disk::default()
    })
}

/// The serial number page of a SCSI or SATA disk: four bytes of header, then text.
fn unit_serial(root: &Root, at: &str) -> Option<String> {
    let page = root.read(&format!("{at}/device/vpd_pg80")).ok()?;
    clean(page.get(4..)?)
}

/// By name and by where in the device tree the disk hangs.
fn bus(name: &str, device_path: &str) -> Option<&'static str> {
    if name.starts_with("nvme") {
        Some("nvme")
    } else if name.starts_with("mmcblk") {
        Some("mmc")
    } else if name.starts_with("vd") {
        Some("virtio")
    } else if name.starts_with("xvd") {
        Some("xen")
    } else if device_path.contains("/usb") {
        Some("usb")
    } else if device_path.contains("/ata") {
        Some("sata")
    } else if device_path.contains("/virtio") || device_path.contains("/host") {
        Some("scsi")
    } else {
        None
    }
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
            ("/sys/devices/pci0000:00/ata1/host0/block/sda/size", "2000409264\n"),
            ("/sys/devices/pci0000:00/ata1/host0/block/sda/queue/rotational", "1\n"),
            ("/sys/devices/pci0000:00/ata1/host0/block/sda/device/model", "WDC WD10EZEX-08W \n"),
            ("/sys/devices/pci0000:00/ata1/host0/block/sda/device/vendor", "ATA     \n"),
            ("/sys/devices/pci0000:00/ata1/host0/block/sda/device/vpd_pg80", "\u{0}\u{1}\u{0}\u{8} WD-WCC6\n"),
            ("/sys/block/sda", "-> ../devices/pci0000:00/ata1/host0/block/sda"),
            ("/sys/block/vda/size", "2048\n"),
        ];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        let [sda, vda] = &found.disks[..] else { panic!("{found:?}") };
        assert_eq!((sda.model.as_deref(), sda.vendor.as_deref(), sda.bus.as_deref()), (Some("WDC WD10EZEX-08W"), None, Some("sata")));
        assert_eq!((sda.serial.as_deref(), sda.size_bytes, sda.rotational), (Some("WD-WCC6"), 1_024_209_543_168, Some(true)));
        assert_eq!((vda.name.as_str(), vda.bus.as_deref(), vda.size_bytes), ("vda", Some("virtio"), 1 << 20));
    }
}
