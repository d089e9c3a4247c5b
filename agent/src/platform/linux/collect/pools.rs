//! File systems that manage several devices themselves, volume groups, and storage that is reached over a network.

use std::{collections::BTreeMap, io};

use rollcall_shared::wire::v1::{FibreChannelPort, IscsiSession, Partition, Pool, VolumeGroup};

use crate::{files::Root, parse::lvm_backup};

const BTRFS: &str = "/sys/fs/btrfs";
const ZFS: &str = "/proc/spl/kstat/zfs";
const LVM: &str = "/etc/lvm/backup";
const ISCSI: &str = "/sys/class/iscsi_session";
const FIBRE_CHANNEL: &str = "/sys/class/fc_host";
const MOST: usize = 1_024;

/// The volume groups, from what LVM noted at the last change.
///
/// # Errors
/// Where the notes are there and may not be read.
pub(super) fn volume_groups(root: &Root) -> io::Result<Vec<VolumeGroup>> {
    let names = match root.names(LVM) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for name in names.iter().take(MOST) {
        match root.read(&format!("{LVM}/{name}")) {
            Ok(bytes) => found.extend(lvm_backup::volume_group(&bytes)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::IsADirectory) => {}
            Err(error) => return Err(error),
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The pools and file systems that are in use. Members of ZFS pools are told by what udev read from the partitions.
pub(super) fn pools(root: &Root, partitions: &[Partition]) -> Vec<Pool> {
    let mut found: Vec<Pool> = root.names(BTRFS).unwrap_or_default().iter().take(MOST).filter_map(|uuid| btrfs(root, uuid)).collect();
    let zfs = root.names(ZFS).unwrap_or_default();
    found.extend(zfs.into_iter().take(MOST).filter_map(|name| {
        let state = root.text(&format!("{ZFS}/{name}/state"))?;
        let is_member =
            |partition: &&Partition| partition.content.as_deref() == Some("zfs_member") && partition.content_label.as_ref() == Some(&name);
        let members = partitions.iter().filter(is_member).map(|partition| partition.name.clone()).collect();
        Some(Pool { kind: "zfs".to_owned(), name: Some(name), state: Some(state), members, ..Pool::default() })
    }));
    found.sort_by(|a, b| (&a.kind, &a.name, &a.uuid).cmp(&(&b.kind, &b.name, &b.uuid)));
    found
}

fn btrfs(root: &Root, uuid: &str) -> Option<Pool> {
    const LAYOUTS: &[&str] = &["single", "dup", "raid0", "raid1", "raid1c3", "raid1c4", "raid10", "raid5", "raid6"];
    let at = format!("{BTRFS}/{uuid}");
    // Beside the file systems, the directory lists what the kernel can do.
    let members = root.names(&format!("{at}/devices")).ok()?;
    let layouts = root.names(&format!("{at}/allocation/data")).unwrap_or_default();
    let mut layouts: Vec<String> = layouts.into_iter().filter(|name| LAYOUTS.contains(&name.as_str())).collect();
    layouts.sort();
    let infos = root.names(&format!("{at}/devinfo"));
    let is_missing = |id: &&String| root.number::<u8>(&format!("{at}/devinfo/{id}/missing")).is_some_and(|missing| missing != 0);
    let missing = infos.ok().and_then(|ids| u32::try_from(ids.iter().filter(is_missing).count()).ok());
    Some(Pool {
        kind: "btrfs".to_owned(),
        name: root.text(&format!("{at}/label")),
        uuid: Some(uuid.to_owned()),
        // Two at once while data is moved from one to the other.
        layout: Some(layouts.join("+")).filter(|layout| !layout.is_empty()),
        missing,
        members,
        ..Pool::default()
    })
}

/// The sessions, and the disks that hang below each in the device tree.
pub(super) fn iscsi(root: &Root) -> Vec<IscsiSession> {
    let sessions = root.names(ISCSI).unwrap_or_default();
    if sessions.is_empty() {
        return Vec::new();
    }
    let disks = root.names("/sys/block").unwrap_or_default();
    let places: Vec<(String, String)> =
        disks.into_iter().filter_map(|disk| Some((root.link(&format!("/sys/block/{disk}"))?, disk))).collect();
    let session = |name: &String| {
        let number = name.strip_prefix("session")?;
        let text = |file: &str| root.text(&format!("{ISCSI}/{name}/{file}"));
        let connection = |file: &str| root.text(&format!("/sys/class/iscsi_connection/connection{number}:0/{file}"));
        let below = format!("/{name}/");
        Some(IscsiSession {
            target: text("targetname")?,
            portal_address: connection("persistent_address").or_else(|| connection("address")),
            portal_port: connection("persistent_port").or_else(|| connection("port")).and_then(|port| port.parse().ok()),
            state: text("state"),
            disks: places.iter().filter(|(place, _)| place.contains(&below)).map(|(_, disk)| disk.clone()).collect(),
        })
    };
    let mut found: Vec<IscsiSession> = sessions.iter().take(MOST).filter_map(session).collect();
    found.sort_by(|a, b| (&a.target, &a.portal_address).cmp(&(&b.target, &b.portal_address)));
    found
}

/// The ports, and the targets that each reaches: remote port `rport-3:0-1` is reached by `host3`.
pub(super) fn fibre_channel(root: &Root) -> Vec<FibreChannelPort> {
    const REMOTE: &str = "/sys/class/fc_remote_ports";
    let hosts = root.names(FIBRE_CHANNEL).unwrap_or_default();
    if hosts.is_empty() {
        return Vec::new();
    }
    let mut targets: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for port in root.names(REMOTE).unwrap_or_default().iter().take(MOST) {
        let is_target = root.text(&format!("{REMOTE}/{port}/roles")).is_some_and(|roles| roles.contains("Target"));
        let host = port.strip_prefix("rport-").and_then(|rest| rest.split(':').next());
        if let (true, Some(host), Some(name)) = (is_target, host, root.text(&format!("{REMOTE}/{port}/port_name"))) {
            targets.entry(format!("host{host}")).or_default().push(name);
        }
    }
    let port = |name: &String| {
        let text = |file: &str| root.text(&format!("{FIBRE_CHANNEL}/{name}/{file}"));
        let mut targets = targets.remove(name).unwrap_or_default();
        targets.sort();
        FibreChannelPort {
            name: name.clone(),
            port_name: text("port_name"),
            node_name: text("node_name"),
            state: text("port_state"),
            speed: text("speed").filter(|speed| speed != "unknown"),
            targets,
        }
    };
    hosts.iter().take(MOST).map(port).collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Outcome, tests::collect_one},
        *,
    };

    #[test]
    fn pools_are_told_with_their_members() {
        let files = [
            ("/sys/fs/btrfs/features/raid56", "0\n"),
            ("/sys/fs/btrfs/0f-1/label", "data\n"),
            ("/sys/fs/btrfs/0f-1/devices/sdb", ""),
            ("/sys/fs/btrfs/0f-1/devices/sdc", ""),
            ("/sys/fs/btrfs/0f-1/devinfo/1/missing", "0\n"),
            ("/sys/fs/btrfs/0f-1/devinfo/2/missing", "1\n"),
            ("/sys/fs/btrfs/0f-1/allocation/data/raid1/used_bytes", "1\n"),
            ("/sys/fs/btrfs/0f-1/allocation/data/bytes_used", "1\n"),
            ("/proc/spl/kstat/zfs/tank/state", "DEGRADED\n"),
            ("/proc/spl/kstat/zfs/arcstats", "x\n"),
        ];
        let member = |name: &str, label: &str| Partition {
            name: name.into(),
            content: Some("zfs_member".into()),
            content_label: Some(label.into()),
            ..Partition::default()
        };
        let partitions = [member("sdd1", "tank"), member("sde1", "other")];
        let Outcome::Data(found) = collect_one(&files, |machine| Outcome::Data(pools(machine.root, &partitions))) else {
            panic!("no data")
        };
        let [btrfs, zfs] = &found[..] else { panic!("{found:?}") };
        assert_eq!((btrfs.name.as_deref(), btrfs.layout.as_deref(), btrfs.missing), (Some("data"), Some("raid1"), Some(1)));
        assert_eq!(btrfs.members, ["sdb", "sdc"]);
        assert_eq!(
            (zfs.name.as_deref(), zfs.state.as_deref(), zfs.members.as_slice()),
            (Some("tank"), Some("DEGRADED"), &["sdd1".to_owned()][..])
        );
    }

    #[test]
    fn storage_networks_are_told() {
        let files = [
            ("/sys/class/iscsi_session/session1/targetname", "iqn.2024-05.org.example:db\n"),
            ("/sys/class/iscsi_session/session1/state", "LOGGED_IN\n"),
            ("/sys/class/iscsi_connection/connection1:0/persistent_address", "10.0.0.9\n"),
            ("/sys/class/iscsi_connection/connection1:0/persistent_port", "3260\n"),
            ("/sys/block/sdb", "-> ../devices/platform/host3/session1/target3:0:0/3:0:0:1/block/sdb"),
            ("/sys/block/sdc", "-> ../devices/platform/host4/session12/target4:0:0/4:0:0:1/block/sdc"),
            ("/sys/class/fc_host/host5/port_name", "0x21000024ff000001\n"),
            ("/sys/class/fc_host/host5/port_state", "Online\n"),
            ("/sys/class/fc_remote_ports/rport-5:0-0/port_name", "0x5006016000000001\n"),
            ("/sys/class/fc_remote_ports/rport-5:0-0/roles", "FCP Target\n"),
            ("/sys/class/fc_remote_ports/rport-5:0-1/port_name", "0x5006016000000002\n"),
            ("/sys/class/fc_remote_ports/rport-5:0-1/roles", "FCP Initiator\n"),
        ];
        let Outcome::Data((sessions, ports)) =
            collect_one(&files, |machine| Outcome::Data((iscsi(machine.root), fibre_channel(machine.root))))
        else {
            panic!("no data")
        };
        let [session] = &sessions[..] else { panic!("{sessions:?}") };
        assert_eq!((session.portal_address.as_deref(), session.portal_port), (Some("10.0.0.9"), Some(3_260)));
        assert_eq!(session.disks, ["sdb"]);
        assert_eq!((ports[0].state.as_deref(), ports[0].targets.as_slice()), (Some("Online"), &["0x5006016000000001".to_owned()][..]));
    }
}
