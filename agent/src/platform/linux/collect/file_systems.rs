//! Mounted file systems.

use std::{collections::BTreeSet, io};

use rollcall_shared::wire::v1::{FileSystem, FileSystems};

use super::{Machine, Outcome, storage};
use crate::{
    files::Root,
    parse::{
        mountinfo::{self, Mount},
        udev,
    },
};

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<FileSystems> {
    match mounts(machine.root) {
        Ok(mounts) => {
            Outcome::Data(FileSystems { file_systems: mounts.into_iter().map(|mount| file_system(machine.root, mount)).collect() })
        }
        Err(error) => Outcome::failed("/proc/self/mountinfo", &error),
    }
}

/// Whether this machine encrypts the device that the root file system lies on; `None` where no file tells.
pub(super) fn is_root_encrypted(root: &Root) -> Option<bool> {
    let mounts = mounts(root).ok()?;
    let mount = mounts.iter().find(|mount| mount.mount_point == "/" && mount.server().is_none())?;
    storage::is_encrypted(root, &mount.source, &mount.device_number)
}

/// The mounts that hold files of a disk or a server, each file system once, sorted by mount point.
fn mounts(root: &Root) -> io::Result<Vec<Mount>> {
    // The agent's unit gives it a view of its own, in which everything is read-only; the first process has the machine's.
    let bytes = root.read("/proc/1/mountinfo").or_else(|_| root.read("/proc/self/mountinfo"))?;
    let mut mounts: Vec<Mount> = mountinfo::mountinfo(&bytes).into_iter().filter(Mount::is_storage).collect();
    // The last mount on a point hides those below it; of one file system mounted several times the shortest point counts.
    mounts.reverse();
    let mut points = BTreeSet::new();
    mounts.retain(|mount| points.insert(mount.mount_point.clone()));
    mounts.sort_by_key(|mount| (mount.mount_point.len(), mount.mount_point.clone()));
    let mut devices = BTreeSet::new();
    mounts.retain(|mount| devices.insert((mount.device_number.clone(), mount.source.clone())));
    mounts.sort_by(|a, b| a.mount_point.cmp(&b.mount_point));
    Ok(mounts)
}

fn file_system(root: &Root, mount: Mount) -> FileSystem {
    let remote_server = mount.server();
    // A server that does not answer would hang whoever asks it for its size.
    let usage = if root.is_live() && remote_server.is_none() { usage(&mount.mount_point) } else { None };
    let encrypted = if remote_server.is_none() { storage::is_encrypted(root, &mount.source, &mount.device_number) } else { None };
    let noted = if remote_server.is_none() { noted(root, &mount) } else { Vec::new() };
    FileSystem {
        encrypted,
        remote_address: mount.server_address.filter(|_| remote_server.is_some()),
        uuid: udev::property(&noted, "ID_FS_UUID"),
        label: udev::property(&noted, "ID_FS_LABEL"),
        device: mount.source,
        kind: mount.kind,
        size_bytes: usage.map(|(size, _)| size),
        used_percent: usage.map(|(_, percent)| percent),
        read_only: mount.read_only,
        remote_server,
        mount_point: mount.mount_point,
    }
}

/// What udev noted of the device; file systems of several devices have numbers of their own, and are known by one of theirs.
fn noted(root: &Root, mount: &Mount) -> Vec<u8> {
    let read = |device: &str| root.read(&format!("/run/udev/data/b{device}")).ok();
    let by_name = || {
        let name = mount.source.strip_prefix("/dev/").filter(|name| !name.contains('/'))?;
        read(&root.text(&format!("/sys/class/block/{name}/dev"))?)
    };
    read(&mount.device_number).or_else(by_name).unwrap_or_default()
}

fn usage(mount_point: &str) -> Option<(u64, u8)> {
    let found = rustix::fs::statvfs(mount_point).ok()?;
    let size = found.f_blocks.checked_mul(found.f_frsize).filter(|&size| size > 0)?;
    Some((size, rounded_percent(found.f_blocks.saturating_sub(found.f_bfree), found.f_blocks)))
}

/// Rounded up to the next 5.
fn rounded_percent(used: u64, total: u64) -> u8 {
    const STEP: u128 = 5;
    let steps = (u128::from(used.min(total)) * (100 / STEP)).div_ceil(u128::from(total.max(1)));
    u8::try_from(steps * STEP).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::collect_one, *};

    #[test]
    fn percents_go_up_in_fives() {
        let cases = [(0, 100, 0), (1, 100, 5), (5, 100, 5), (51, 1_000, 10), (100, 100, 100), (7, 0, 0), (u64::MAX, u64::MAX, 100)];
        for (used, total, expected) in cases {
            assert_eq!(rounded_percent(used, total), expected, "{used} of {total}");
        }
    }

    #[test]
    fn bind_mounts_and_hidden_mounts_are_listed_once() {
        let mounts = "27 1 254:0 / / rw - ext4 /dev/vda rw\n\
            28 27 254:0 /srv /srv/bind rw - ext4 /dev/vda rw\n\
            29 27 0:5 / /data rw - tmpfs tmpfs rw\n\
            30 27 8:1 / /data rw - xfs /dev/sda1 ro\n\
            31 27 0:9 / /net rw - nfs4 nas:/a rw,addr=10.0.0.9\n";
        let Outcome::Data(found) =
            collect_one(&[("/proc/self/mountinfo", mounts), ("/run/udev/data/b8:1", "E:ID_FS_UUID=0f-1\n")], collect)
        else {
            panic!("no data")
        };
        let seen: Vec<_> =
            found.file_systems.iter().map(|fs| (fs.mount_point.as_str(), fs.read_only, fs.remote_server.as_deref())).collect();
        assert_eq!(seen, [("/", false, None), ("/data", true, None), ("/net", false, Some("nas"))]);
        assert_eq!(
            (found.file_systems[1].uuid.as_deref(), found.file_systems[2].remote_address),
            (Some("0f-1"), Some("10.0.0.9".parse().unwrap()))
        );
    }
}
