//! `lsblk`.

use serde_json::Value;

use super::{
    machine::json_of,
    rule::{Fact, Rule, flatten},
};

pub(crate) fn facts() -> Vec<Fact> {
    let mut facts = Vec::new();
    let devices = json_of("util-linux", "lsblk", &["--json", "--bytes", "--output-all"]);
    devices["blockdevices"].as_array().into_iter().flatten().for_each(|device| walk(device, &mut facts));
    facts
}

/// A device and those on it, each under its type and name. Loop devices and what has no size are no disks.
fn walk(device: &Value, facts: &mut Vec<Fact>) {
    let mut device = device.clone();
    let children = device["children"].take();
    let kind = device["type"].as_str().unwrap_or_default().to_owned();
    let is_memory = device["kname"].as_str().is_some_and(|name| name.starts_with("zram") || name.starts_with("ram"));
    if kind != "loop" && !is_memory && device["size"].as_u64() != Some(0) {
        // Every kind of RAID level, and everything the device mapper makes, is one kind of thing to us.
        let kind = match kind.as_str() {
            raid if raid.starts_with("raid") || raid == "linear" => "array",
            "lvm" | "crypt" | "dm" | "mpath" => "mapped",
            other => other,
        };
        let path = [kind.to_owned(), device["kname"].as_str().unwrap_or_default().to_owned()];
        flatten(&path, &device, facts);
    }
    children.as_array().into_iter().flatten().for_each(|child| walk(child, facts));
}

const TUNING: &str = "limits and tuning of the kernel's queue";
const PERMISSIONS: &str = "permissions of the device file";
const ELSEWHERE: &str = "the same in other words";
const SUPERBLOCK: &str = "udev read it from the device itself; this agent opens no disk";

pub(crate) const RULES: &[Rule] = &[
    Rule::same("disk/*/kname", "disks.disks[name=$1].name"),
    Rule::same("disk/*/size", "disks.disks[name=$1].size_bytes"),
    Rule::same("disk/*/model", "disks.disks[name=$1].model"),
    Rule::as_("disk/*/vendor", "disks.disks[name=$1].vendor", |value| (!value.starts_with("0x")).then(|| value.trim().to_owned())),
    Rule::same("disk/*/serial", "disks.disks[name=$1].serial"),
    Rule::as_("disk/*/wwn", "disks.disks[name=$1].wwn", |value| Some(value.trim_start_matches("0x").to_owned())),
    Rule::same("disk/*/rev", "disks.disks[name=$1].firmware"),
    Rule::same("disk/*/rota", "disks.disks[name=$1].rotational"),
    Rule::same("disk/*/rm", "disks.disks[name=$1].removable"),
    Rule::same("disk/*/tran", "disks.disks[name=$1].bus"),
    Rule::same("part/*/kname", "storage.partitions[name=$1].name"),
    Rule::same("part/*/pkname", "storage.partitions[name=$1].disk"),
    Rule::same("part/*/size", "storage.partitions[name=$1].size_bytes"),
    Rule::as_("part/*/start", "storage.partitions[name=$1].start_bytes", |sectors| Some((sectors.parse::<u64>().ok()? * 512).to_string())),
    Rule::same("part/*/partuuid", "storage.partitions[name=$1].uuid"),
    Rule::same("part/*/partlabel", "storage.partitions[name=$1].label"),
    Rule::same("array/*/kname", "storage.arrays[name=$1].name"),
    Rule::same("array/*/size", "storage.arrays[name=$1].size_bytes"),
    Rule::same("array/*/type", "storage.arrays[name=$1].level"),
    Rule::same("mapped/*/kname", "storage.mapped[device=$1].device"),
    Rule::same("mapped/*/name", "storage.mapped[device=$1].name"),
    Rule::same("mapped/*/size", "storage.mapped[device=$1].size_bytes"),
    Rule::not("rom/**", "an empty or read-only drive; the device it is stands on its bus"),
    // Mounted file systems. An LXC or a bind mount shows a part of one: its root is not "/".
    Rule::as_("*/*/mountpoints/[]", "file_systems.file_systems.mount_point", mounted),
    Rule::as_("*/*/mountpoint", "file_systems.file_systems.mount_point", mounted),
    Rule::not("*/*/fsroots/[]", ELSEWHERE),
    Rule::not("*/*/fssize", "the size without what the file system keeps for itself; ours is statvfs's"),
    Rule::not("*/*/fsavail", "moves all the time; ours is rounded"),
    Rule::not("*/*/fsused", "moves all the time; ours is rounded"),
    Rule::not("*/*/fsuse%", "moves all the time; ours is rounded"),
    Rule::not("*/*/fstype", SUPERBLOCK),
    Rule::not("*/*/fsver", SUPERBLOCK),
    Rule::not("*/*/label", SUPERBLOCK),
    Rule::not("*/*/uuid", SUPERBLOCK),
    Rule::not("*/*/pttype", SUPERBLOCK),
    Rule::not("*/*/ptuuid", SUPERBLOCK),
    Rule::not("*/*/parttype", SUPERBLOCK),
    Rule::not("*/*/parttypename", SUPERBLOCK),
    Rule::not("*/*/partflags", SUPERBLOCK),
    Rule::not("*/*/name", ELSEWHERE),
    Rule::not("*/*/path", ELSEWHERE),
    Rule::not("*/*/pkname", ELSEWHERE),
    Rule::not("*/*/type", ELSEWHERE),
    Rule::not("*/*/subsystems", ELSEWHERE),
    Rule::not("*/*/hctl", "where on the SCSI bus"),
    Rule::not("*/*/hotplug", ELSEWHERE),
    Rule::not("*/*/maj:min", "numbers of this start of the system"),
    Rule::not("*/*/state", "moves"),
    Rule::not("*/*/ro", "of the device; whether a file system is mounted read-only is in ours"),
    Rule::not("*/*/owner", PERMISSIONS),
    Rule::not("*/*/group", PERMISSIONS),
    Rule::not("*/*/mode", PERMISSIONS),
    Rule::not("*/*/alignment", TUNING),
    Rule::not("*/*/disc-aln", TUNING),
    Rule::not("*/*/disc-gran", TUNING),
    Rule::not("*/*/disc-max", TUNING),
    Rule::not("*/*/disc-zero", TUNING),
    Rule::not("*/*/dax", TUNING),
    Rule::not("*/*/log-sec", TUNING),
    Rule::not("*/*/phy-sec", TUNING),
    Rule::not("*/*/min-io", TUNING),
    Rule::not("*/*/opt-io", TUNING),
    Rule::not("*/*/ra", TUNING),
    Rule::not("*/*/rand", TUNING),
    Rule::not("*/*/rq-size", TUNING),
    Rule::not("*/*/sched", TUNING),
    Rule::not("*/*/wsame", TUNING),
    Rule::not("*/*/zoned", TUNING),
    Rule::not("*/*/zone-sz", TUNING),
    Rule::not("*/*/zone-wgran", TUNING),
    Rule::not("*/*/zone-app", TUNING),
    Rule::not("*/*/zone-nr", TUNING),
    Rule::not("*/*/zone-omax", TUNING),
    Rule::not("*/*/zone-amax", TUNING),
    Rule::not("*/*/start", ELSEWHERE),
    Rule::not("*/*/rota", "of the disk below"),
    Rule::not("*/*/rm", "of the disk below"),
    Rule::not("*/*/tran", "of the disk below"),
    Rule::not("*/*/rev", "of the disk below"),
    Rule::not("*/*/model", "of the disk below"),
    Rule::not("*/*/serial", "of the disk below"),
    Rule::not("*/*/vendor", "of the disk below"),
    Rule::not("*/*/wwn", "of the disk below"),
    Rule::not("*/*/partn", ELSEWHERE),
    Rule::not("*/*/partlabel", SUPERBLOCK),
    Rule::not("*/*/partuuid", SUPERBLOCK),
];

/// Swap is no file system, and what is mounted below `/run` belongs to a program: containers, network namespaces.
fn mounted(value: &str) -> Option<String> {
    (value.starts_with('/') && !value.starts_with("/run/")).then(|| value.to_owned())
}
