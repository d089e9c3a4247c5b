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
