//! What lies between disks and file systems.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Partitions, arrays and mapped devices: what the kernel made out of the disks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Storage {
    /// Partitions, sorted by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<Partition>,
    /// Software RAID arrays (md), sorted by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub arrays: Vec<Array>,
    /// Device mapper devices: logical volumes, encrypted devices, multipath; sorted by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mapped: Vec<MappedDevice>,
    /// Active swap areas, in the kernel's order. Compressed memory (zram) is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub swaps: Vec<Swap>,
    /// LVM volume groups, sorted by name, from what LVM noted at the last change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volume_groups: Vec<VolumeGroup>,
    /// ZFS pools and btrfs file systems, sorted by kind and name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pools: Vec<Pool>,
    /// iSCSI sessions, sorted by target.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub iscsi: Vec<IscsiSession>,
    /// Fibre Channel ports of this machine, sorted by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fibre_channel: Vec<FibreChannelPort>,
}

/// One partition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Partition {
    /// Kernel name: `sda1`.
    pub name: String,
    /// The disk's kernel name: `sda`.
    pub disk: String,
    /// Where it begins, bytes from the beginning of the disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_bytes: Option<u64>,
    /// Size, bytes.
    pub size_bytes: u64,
    /// The name in the partition table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The unique id in the partition table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// What the partition table says is on it: a GUID or a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub type_id: Option<String>,
    /// What is on it: `ext4`, `crypto_LUKS`, `LVM2_member`, `linux_raid_member`, `zfs_member`, `swap`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Unique id of what is on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_uuid: Option<String>,
    /// Name of what is on it: of the file system, the ZFS pool or the array.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_label: Option<String>,
}

/// One software RAID array.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Array {
    /// Kernel name: `md0`.
    pub name: String,
    /// `raid1`, `raid5`, `linear`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// The kernel's word for how it is: `clean`, `active`, `inactive`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Size, bytes.
    pub size_bytes: u64,
    /// How many members it should have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raid_disks: Option<u32>,
    /// How many members are missing; absent for levels without redundancy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub degraded: Option<u32>,
    /// Unique id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Its members, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<ArrayMember>,
    /// Version of the metadata: `1.2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    /// The kernel's word for what it does to itself: `idle`, `check`, `resync`, `recover`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activity: Option<String>,
    /// Members that stand by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spares: Option<u32>,
}

/// A member of an array.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ArrayMember {
    /// Kernel name of the partition or disk.
    pub device: String,
    /// The kernel's words for how it is: `in_sync`, `spare`, `faulty`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Which place it fills; absent for one that stands by or is faulty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<u32>,
}

/// One device of the device mapper.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MappedDevice {
    /// Its name below `/dev/mapper`.
    pub name: String,
    /// Kernel name: `dm-0`.
    pub device: String,
    /// `lvm`, `crypt`, `multipath`, `partition` (of a mapped device), `verity`, `integrity`, `other`.
    pub kind: String,
    /// Size, bytes.
    pub size_bytes: u64,
    /// Volume group; LVM only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_group: Option<String>,
    /// Logical volume; LVM only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logical_volume: Option<String>,
    /// How it is encrypted: `luks1`, `luks2`, `plain`, `bitlk`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<String>,
    /// World wide id of the volume that the paths lead to; multipath only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wwid: Option<String>,
    /// Kernel names of the devices that it lies on, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<String>,
    /// Paths that lead to it and the state of each; multipath only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<DevicePath>,
}

/// A swap area.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Swap {
    /// Device or file.
    pub device: String,
    /// Size, bytes.
    pub size_bytes: u64,
    /// Whether this machine encrypts what is written there; absent where no file tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypted: Option<bool>,
}

/// A path to a volume.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DevicePath {
    /// Kernel name of the disk.
    pub device: String,
    /// The kernel's word for how it is: `running`, `offline`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// An LVM volume group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct VolumeGroup {
    /// Name.
    pub name: String,
    /// Unique id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Size of an extent, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extent_bytes: Option<u64>,
    /// Physical volumes, in the order of the file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub physical_volumes: Vec<PhysicalVolume>,
    /// Logical volumes, in the order of the file; what LVM keeps to itself is left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logical_volumes: Vec<LogicalVolume>,
}

/// A physical volume.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PhysicalVolume {
    /// Unique id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Where it was at the last change: `/dev/sda3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Size, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// How many of the group's extents it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extents: Option<u64>,
    /// How many of them no logical volume uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_extents: Option<u64>,
}

/// A logical volume.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LogicalVolume {
    /// Name.
    pub name: String,
    /// Unique id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// How it lies on the disks: `striped` (one stripe is a plain volume), `raid1`, `thin`, `cache`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// Size, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
}

/// A file system that manages several devices itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Pool {
    /// `zfs` or `btrfs`.
    pub kind: String,
    /// Name, or label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Unique id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// How it is: `ONLINE`, `DEGRADED`, `FAULTED`; ZFS only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// How data lies on the devices: `single`, `raid1`, …; btrfs only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// Members that are missing; btrfs only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<u32>,
    /// Kernel names of its devices, sorted, as far as files tell.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
}

/// A session with an iSCSI target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct IscsiSession {
    /// Name of the target.
    pub target: String,
    /// Address of the portal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub portal_address: Option<String>,
    /// Port of the portal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub portal_port: Option<u16>,
    /// The kernel's word for how it is: `LOGGED_IN`, `FAILED`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Kernel names of the disks behind it, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<String>,
}

/// A Fibre Channel port.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct FibreChannelPort {
    /// Kernel name: `host3`.
    pub name: String,
    /// World wide name of the port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_name: Option<String>,
    /// World wide name of the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_name: Option<String>,
    /// The kernel's word for how it is: `Online`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Speed: `16 Gbit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<String>,
    /// World wide names of the target ports it reaches, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
}
