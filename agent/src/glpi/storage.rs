//! `storages` (disks) and `drives` (file systems).

use rollcall_shared::wire::v1::{Disks, FileSystems};
use serde_json::{Value, json};

use super::{Source, mebibytes, megabytes};

pub(super) fn storages(source: &Source<'_>) -> Option<Value> {
    let disks: Disks = source.get()?;
    let disks = disks.disks.into_iter().map(|disk| {
        json!({
            "description": disk.bus.as_deref().map(str::to_uppercase),
            "disksize": megabytes(disk.size_bytes),
            "firmware": disk.firmware,
            "interface": disk.bus.as_deref().and_then(interface),
            "manufacturer": disk.vendor,
            "model": disk.model,
            "name": disk.name,
            "serial": disk.serial,
            "type": "disk",
            "wwn": disk.wwn,
        })
    });
    Some(disks.collect())
}

pub(super) fn drives(source: &Source<'_>) -> Option<Value> {
    let mounted: FileSystems = source.get()?;
    let mounted = mounted.file_systems.into_iter().map(|mounted| {
        // Usage is rounded up, so this is the least that is free.
        let free = mounted.size_bytes.zip(mounted.used_percent).map(|(size, used)| size / 100 * u64::from(100 - used.min(100)));
        json!({
            "encrypt_name": mounted.encrypted.filter(|encrypted| *encrypted).map(|_| "cryptsetup"),
            "encrypt_status": mounted.encrypted.map(|encrypted| if encrypted { "Yes" } else { "No" }),
            "filesystem": mounted.kind,
            "free": free.map(mebibytes),
            "total": mounted.size_bytes.map(mebibytes),
            "type": mounted.mount_point,
            "volumn": mounted.device,
        })
    });
    Some(mounted.collect())
}

/// The attachments that the format lists; NVMe and virtio have no word there.
fn interface(bus: &str) -> Option<&'static str> {
    match bus {
        "scsi" => Some("SCSI"),
        "sata" => Some("SATA"),
        "sas" => Some("SAS"),
        "usb" => Some("USB"),
        "ide" | "ata" => Some("IDE"),
        _ => None,
    }
}
