//! Disks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SectionData;

/// Disks, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Disks {
    /// The disks.
    pub disks: Vec<Disk>,
    /// What could not be learnt of the health of disks, and why; absent where all of it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_unknown: Option<String>,
}

/// One disk; loop devices, RAM disks and empty drives are not listed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Disk {
    /// Kernel name: `sda`, `nvme0n1`.
    pub name: String,
    /// Model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Vendor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Firmware revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
    /// World wide name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wwn: Option<String>,
    /// Size, bytes.
    pub size_bytes: u64,
    /// Whether it has turning platters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotational: Option<bool>,
    /// Whether it can be taken out while running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removable: Option<bool>,
    /// How it is attached: `nvme`, `sata`, `scsi`, `usb`, `virtio`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bus: Option<String>,
    /// Sector sizes, logical and physical, bytes: `512/4096`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sector_sizes: Option<String>,
    /// Kind of partition table: `gpt`, `dos`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition_table: Option<String>,
    /// Where it is reached, for a disk behind a network: `traddr=10.0.0.9,trsvcid=4420`, or its iSCSI target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_target: Option<String>,
    /// Turns a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotations_per_minute: Option<u32>,
    /// Width of the case: `2.5in`, `3.5in`, `m.2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// Where the controller is on the PCI bus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bus_address: Option<String>,
    /// What is known of its health; absent where nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<DiskHealth>,
}

/// What is known of the health of a disk, without asking the disk itself: what the kernel shows, and what smartd noted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DiskHealth {
    /// The kernel's word for how it is: `live`, `running`, `offline`, `dead`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Temperature, degrees Celsius. It moves all the time and is not part of the digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub celsius: Option<i32>,
    /// Whether it is hotter than it may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub too_hot: Option<bool>,
    /// Sectors that were replaced, from what smartd noted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reallocated_sectors: Option<u64>,
    /// Sectors that wait to be replaced, from what smartd noted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_sectors: Option<u64>,
    /// Sectors that could not be read, from what smartd noted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncorrectable_sectors: Option<u64>,
    /// Errors in the log of the disk, from what smartd noted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logged_errors: Option<u64>,
    /// Self-tests that failed, from what smartd noted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_self_tests: Option<u64>,
    /// Hours under power, from what smartd noted. It moves all the time and is not part of the digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_on_hours: Option<u64>,
}

impl SectionData for Disks {
    const NAME: &'static str = "disks";

    fn stable(&self) -> impl Serialize + '_ {
        let mut still = self.clone();
        for health in still.disks.iter_mut().filter_map(|disk| disk.health.as_mut()) {
            (health.celsius, health.power_on_hours) = (None, None);
        }
        still
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Timestamp,
        wire::v1::{Section, SectionStatus},
    };

    #[test]
    fn warmth_is_no_change_and_a_bad_sector_is() {
        let digest = |celsius, reallocated_sectors| {
            let health = DiskHealth { celsius: Some(celsius), reallocated_sectors: Some(reallocated_sectors), ..DiskHealth::default() };
            let disk = Disk { name: "sda".into(), health: Some(health), ..Disk::default() };
            let found = Disks { disks: vec![disk], ..Disks::default() };
            Section::new(SectionStatus::Ok, Timestamp::default(), 1, Some(&found)).unwrap().digest
        };
        assert_eq!(digest(31, 0), digest(44, 0));
        assert_ne!(digest(31, 0), digest(31, 1));
    }
}
