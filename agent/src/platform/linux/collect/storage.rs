//! What lies between disks and file systems: partitions, arrays, logical volumes, encryption.

use std::io;

use rollcall_shared::wire::v1::{Array, ArrayMember, DevicePath, MappedDevice, Partition, Storage, Swap};

use super::{Machine, Outcome, pools};
use crate::{
    files::Root,
    parse::{
        device_mapper::{self, Kind},
        text::{clean, fields, lines, number},
        udev,
    },
};

const BLOCK: &str = "/sys/class/block";
const SECTOR: u64 = 512;
/// A device that lies on a device that lies on …
const DEEPEST: usize = 16;
const MOST_DEVICES: usize = 8_192;

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Storage> {
    let root = machine.root;
    let mut names = match root.names(BLOCK) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Outcome::NotPresent(format!("no {BLOCK}")),
        Err(error) => return Outcome::failed(BLOCK, &error),
    };
    let complete = names.len() <= MOST_DEVICES;
    names.truncate(MOST_DEVICES);
    let mut found = Storage { swaps: swaps(root), ..Storage::default() };
    for name in &names {
        if name.starts_with("dm-") {
            found.mapped.extend(mapped(root, name));
        } else if name.starts_with("md") && root.exists(&at(name, "md")) {
            found.arrays.extend(array(root, name));
        } else if root.exists(&at(name, "partition")) {
            found.partitions.extend(partition(root, name));
        }
    }
    found.mapped.sort_by(|a, b| a.name.cmp(&b.name));
    found.pools = pools::pools(root, &found.partitions);
    found.iscsi = pools::iscsi(root);
    found.fibre_channel = pools::fibre_channel(root);
    let mut missing = (!complete).then(|| format!("only the first {MOST_DEVICES} block devices are listed"));
    match pools::volume_groups(root) {
        Ok(groups) => found.volume_groups = groups,
        Err(error) => missing = Some(format!("/etc/lvm/backup: {error}; volume groups are not known")),
    }
    match missing {
        None => Outcome::Data(found),
        Some(missing) => Outcome::Partial(found, missing),
    }
}

/// Whether this machine encrypts what is written to a device such as `/dev/sda1`, whose number is `number` (`8:1`); `None`
/// where no file tells: a loop device's file may lie on anything, and file systems of several devices have numbers of their
/// own. Disks that encrypt themselves do it unseen.
pub(super) fn is_encrypted(root: &Root, device: &str, number: &str) -> Option<bool> {
    let by_number = || root.link_name(&format!("/sys/dev/block/{number}"));
    let by_name = || {
        let name = device.strip_prefix("/dev/")?;
        match name.strip_prefix("mapper/") {
            Some(mapped) => root
                .names(BLOCK)
                .ok()?
                .into_iter()
                .filter(|name| name.starts_with("dm-"))
                .find(|name| root.text(&at(name, "dm/name")).as_deref() == Some(mapped)),
            None => (!name.contains('/')).then(|| name.to_owned()),
        }
    };
    layer_is_encrypted(root, &by_number().or_else(by_name)?, DEEPEST)
}

fn layer_is_encrypted(root: &Root, name: &str, deepest: usize) -> Option<bool> {
    if name.starts_with("loop") || name.starts_with("nbd") || !root.exists(&at(name, "size")) {
        return None;
    }
    if matches!(device_mapper::kind(&root.text(&at(name, "dm/uuid")).unwrap_or_default()), Kind::Crypt(_)) {
        return Some(true);
    }
    // One layer in the clear is a device in the clear.
    let mut all_encrypted = None;
    for below in root.names(&at(name, "slaves")).unwrap_or_default() {
        let encrypted = layer_is_encrypted(root, &below, deepest.checked_sub(1)?)?;
        all_encrypted = Some(all_encrypted.unwrap_or(true) && encrypted);
    }
    Some(all_encrypted.unwrap_or(false))
}

fn at(name: &str, file: &str) -> String {
    format!("{BLOCK}/{name}/{file}")
}

fn bytes(root: &Root, name: &str, file: &str) -> Option<u64> {
    root.number::<u64>(&at(name, file))?.checked_mul(SECTOR)
}

fn partition(root: &Root, name: &str) -> Option<Partition> {
    let uevent = root.read(&at(name, "uevent")).unwrap_or_default();
    let value = |key: &[u8]| lines(&uevent).find_map(|line| line.strip_prefix(key).and_then(clean));
    // The device tree has a partition below its disk.
    let place = root.link(&format!("{BLOCK}/{name}"))?;
    let disk = place.rsplit('/').nth(1)?.to_owned();
    // What is on it is known by what udev read there; no disk is opened here.
    let noted = root.text(&at(name, "dev")).and_then(|device| root.read(&format!("/run/udev/data/b{device}")).ok()).unwrap_or_default();
    let noted = |property: &str| udev::property(&noted, property);
    Some(Partition {
        start_bytes: bytes(root, name, "start"),
        size_bytes: bytes(root, name, "size")?,
        label: value(b"PARTNAME="),
        uuid: value(b"PARTUUID="),
        type_id: noted("ID_PART_ENTRY_TYPE"),
        content: noted("ID_FS_TYPE"),
        content_uuid: noted("ID_FS_UUID"),
        content_label: noted("ID_FS_LABEL"),
        name: name.to_owned(),
        disk,
    })
}

fn array(root: &Root, name: &str) -> Option<Array> {
    let text = |file: &str| root.text(&at(name, file));
    let member = |entry: String| {
        let device = entry.strip_prefix("dev-")?;
        Some(ArrayMember {
            device: device.to_owned(),
            state: text(&format!("md/{entry}/state")),
            slot: root.number(&at(name, &format!("md/{entry}/slot"))),
        })
    };
    let members: Vec<ArrayMember> = root.names(&at(name, "md")).unwrap_or_default().into_iter().filter_map(member).collect();
    let spares = members.iter().filter(|member| member.state.as_deref() == Some("spare")).count();
    Some(Array {
        name: name.to_owned(),
        metadata: text("md/metadata_version"),
        activity: text("md/sync_action"),
        spares: u32::try_from(spares).ok().filter(|&spares| spares > 0),
        level: text("md/level"),
        state: text("md/array_state"),
        size_bytes: bytes(root, name, "size")?,
        // "4 (3)" while it is being reshaped: the first number is what it should have.
        raid_disks: text("md/raid_disks").and_then(|disks| disks.split(' ').next()?.parse().ok()),
        degraded: root.number(&at(name, "md/degraded")),
        uuid: text("md/uuid"),
        members,
    })
}

fn mapped(root: &Root, device: &str) -> Option<MappedDevice> {
    let name = root.text(&at(device, "dm/name"))?;
    let uuid = root.text(&at(device, "dm/uuid")).unwrap_or_default();
    let mut found = MappedDevice {
        device: device.to_owned(),
        size_bytes: bytes(root, device, "size")?,
        on: root.names(&at(device, "slaves")).unwrap_or_default(),
        name,
        ..MappedDevice::default()
    };
    found.kind = match device_mapper::kind(&uuid) {
        Kind::Lvm => {
            (found.volume_group, found.logical_volume) = device_mapper::lvm_names(&found.name).unzip();
            "lvm"
        }
        Kind::Crypt(format) => {
            found.encryption = Some(format.to_ascii_lowercase());
            "crypt"
        }
        Kind::Multipath(wwid) => {
            found.wwid = Some(wwid.to_owned());
            let path = |disk: &String| DevicePath { device: disk.clone(), state: root.text(&at(disk, "device/state")) };
            found.paths = found.on.iter().map(path).collect();
            "multipath"
        }
        Kind::Partition => "partition",
        Kind::Checked(how) => how,
        Kind::Other => "other",
    }
    .to_owned();
    Some(found)
}

fn swaps(root: &Root) -> Vec<Swap> {
    let table = root.read("/proc/swaps").unwrap_or_default();
    let swap = |line: &[u8]| {
        let mut words = fields(line);
        let device = clean(words.next()?)?;
        let kind = words.next()?;
        let size_bytes = number::<u64>(words.next()?)?.checked_mul(1_024)?;
        let is_memory = device.starts_with("/dev/zram");
        // Only the file system that a swap file lies on knows whether it is encrypted.
        let encrypted = if kind == b"partition" { is_encrypted(root, &device, "") } else { None };
        (!is_memory).then_some(Swap { device, size_bytes, encrypted })
    };
    lines(&table).skip(1).filter_map(swap).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::tests::collect_one, *};

    const FILES: &[(&str, &str)] = &[
        // A disk with two partitions: one in the clear, one encrypted with logical volumes on it.
        ("/sys/devices/pci0/block/sda/size", "4096\n"),
        ("/sys/devices/pci0/block/sda/sda1/size", "1024\n"),
        ("/sys/devices/pci0/block/sda/sda1/start", "2048\n"),
        ("/sys/devices/pci0/block/sda/sda1/partition", "1\n"),
        ("/sys/devices/pci0/block/sda/sda1/uevent", "DEVNAME=sda1\nPARTNAME=EFI system\nPARTUUID=0f-1\n"),
        ("/sys/devices/pci0/block/sda/sda2/size", "2048\n"),
        ("/sys/devices/pci0/block/sda/sda2/partition", "2\n"),
        ("/sys/class/block/sda", "-> ../../devices/pci0/block/sda"),
        ("/sys/class/block/sda1", "-> ../../devices/pci0/block/sda/sda1"),
        ("/sys/class/block/sda2", "-> ../../devices/pci0/block/sda/sda2"),
        ("/sys/class/block/dm-0/size", "2000\n"),
        ("/sys/class/block/dm-0/dm/name", "sda2_crypt\n"),
        ("/sys/class/block/dm-0/dm/uuid", "CRYPT-LUKS2-0f-sda2_crypt\n"),
        ("/sys/class/block/dm-0/slaves/sda2", ""),
        ("/sys/class/block/dm-1/size", "1000\n"),
        ("/sys/class/block/dm-1/dm/name", "vg--a-root\n"),
        ("/sys/class/block/dm-1/dm/uuid", "LVM-abc\n"),
        ("/sys/class/block/dm-1/slaves/dm-0", ""),
        // A volume that spans an encrypted and a plain device.
        ("/sys/class/block/dm-2/size", "1000\n"),
        ("/sys/class/block/dm-2/dm/name", "vg--a-mixed\n"),
        ("/sys/class/block/dm-2/dm/uuid", "LVM-abd\n"),
        ("/sys/class/block/dm-2/slaves/dm-0", ""),
        ("/sys/class/block/dm-2/slaves/md0", ""),
        ("/sys/class/block/md0/size", "512\n"),
        ("/sys/class/block/md0/md/level", "raid1\n"),
        ("/sys/class/block/md0/md/array_state", "clean\n"),
        ("/sys/class/block/md0/md/raid_disks", "2\n"),
        ("/sys/class/block/md0/md/degraded", "1\n"),
        ("/sys/class/block/md0/md/dev-sdb1/state", "in_sync\n"),
        ("/sys/class/block/md0/md/dev-sdc1/state", "faulty\n"),
        ("/sys/class/block/md0/md/dev-sdb1/slot", "0\n"),
        ("/sys/class/block/md0/md/dev-sdc1/slot", "none\n"),
        ("/sys/class/block/md0/md/dev-sdd1/state", "spare\n"),
        ("/sys/class/block/md0/md/sync_action", "recover\n"),
        ("/sys/class/block/dm-4/size", "8\n"),
        ("/sys/class/block/dm-4/dm/name", "mpatha\n"),
        ("/sys/class/block/dm-4/dm/uuid", "mpath-36005\n"),
        ("/sys/class/block/dm-4/slaves/sdx", ""),
        ("/sys/class/block/dm-4/slaves/sdy", ""),
        ("/sys/class/block/sdx/device/state", "running\n"),
        ("/sys/class/block/sdy/device/state", "offline\n"),
        ("/sys/devices/pci0/block/sda/sda2/dev", "8:2\n"),
        ("/run/udev/data/b8:2", "E:ID_FS_TYPE=crypto_LUKS\nE:ID_FS_UUID=0f-2\n"),
        // A device that claims to lie on itself.
        ("/sys/class/block/dm-3/size", "8\n"),
        ("/sys/class/block/dm-3/dm/name", "loop\n"),
        ("/sys/class/block/dm-3/slaves/dm-3", ""),
        ("/sys/class/block/loop0/size", "8\n"),
        ("/sys/dev/block/254:1", "-> ../../devices/virtual/block/dm-1"),
        (
            "/proc/swaps",
            "Filename Type Size Used Priority\n/dev/sda1 partition 512 0 -2\n/dev/zram0 partition 9 0 1\n/swapfile file 1024 0 -3\n",
        ),
    ];

    #[test]
    fn layers_are_told() {
        let Outcome::Data(found) = collect_one(FILES, collect) else { panic!("no data") };
        let partitions: Vec<_> = found.partitions.iter().map(|p| (p.name.as_str(), p.disk.as_str(), p.size_bytes)).collect();
        assert_eq!(partitions, [("sda1", "sda", 1_024 * 512), ("sda2", "sda", 2_048 * 512)]);
        assert_eq!((found.partitions[0].label.as_deref(), found.partitions[0].uuid.as_deref()), (Some("EFI system"), Some("0f-1")));
        let mapped: Vec<_> = found.mapped.iter().map(|m| (m.name.as_str(), m.kind.as_str(), m.logical_volume.as_deref())).collect();
        assert_eq!(
            mapped,
            [
                ("loop", "other", None),
                ("mpatha", "multipath", None),
                ("sda2_crypt", "crypt", None),
                ("vg--a-mixed", "lvm", Some("mixed")),
                ("vg--a-root", "lvm", Some("root"))
            ]
        );
        assert_eq!((found.mapped[2].encryption.as_deref(), found.mapped[2].on.as_slice()), (Some("luks2"), &["sda2".to_owned()][..]));
        let [array] = &found.arrays[..] else { panic!("{found:?}") };
        assert_eq!((array.level.as_deref(), array.degraded, array.members.len()), (Some("raid1"), Some(1), 3));
        assert_eq!((array.activity.as_deref(), array.spares, array.members[0].slot), (Some("recover"), Some(1), Some(0)));
        assert_eq!(
            (found.partitions[1].content.as_deref(), found.partitions[1].content_uuid.as_deref()),
            (Some("crypto_LUKS"), Some("0f-2"))
        );
        let paths: Vec<_> = found.mapped[1].paths.iter().map(|path| (path.device.as_str(), path.state.as_deref())).collect();
        assert_eq!(paths, [("sdx", Some("running")), ("sdy", Some("offline"))]);
        assert_eq!(array.members[1], ArrayMember { device: "sdc1".into(), state: Some("faulty".into()), slot: None });
        let swaps: Vec<_> = found.swaps.iter().map(|swap| (swap.device.as_str(), swap.size_bytes, swap.encrypted)).collect();
        assert_eq!(swaps, [("/dev/sda1", 512 * 1_024, Some(false)), ("/swapfile", 1_024 * 1_024, None)]);
    }

    #[test]
    fn encrypted_means_every_layer_below_and_unknown_is_not_guessed() {
        let cases = [
            ("/dev/mapper/vg--a-root", "254:1", Some(true)),
            ("/dev/mapper/vg--a-root", "0:40", Some(true)),
            ("/dev/mapper/vg--a-mixed", "", Some(false)),
            ("/dev/sda1", "", Some(false)),
            ("/dev/loop0", "", None),
            ("/dev/mapper/loop", "", None),
            ("/dev/mapper/none", "", None),
            ("/dev/../../etc", "", None),
            ("tmpfs", "0:5", None),
        ];
        let Outcome::Data(found) =
            collect_one(FILES, |machine| Outcome::Data(cases.map(|(device, number, _)| is_encrypted(machine.root, device, number))))
        else {
            panic!("no data")
        };
        assert_eq!(found, cases.map(|(.., expected)| expected));
    }
}
