//! Mounted file systems.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Mounted file systems that hold files of a disk or a server, sorted by mount point.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct FileSystems {
    /// The file systems.
    pub file_systems: Vec<FileSystem>,
}

/// One mounted file system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct FileSystem {
    /// Where it is mounted.
    pub mount_point: String,
    /// What is mounted: a device or `server:/path`.
    pub device: String,
    /// Type: `ext4`, `nfs4`.
    pub kind: String,
    /// Size, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// How full, percent, rounded up to the next 5 so that an ordinary day is not a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_percent: Option<u8>,
    /// Mounted read-only.
    pub read_only: bool,
    /// Whether this machine encrypts the device below; absent where no file tells. Disks that encrypt themselves do it unseen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypted: Option<bool>,
    /// The server, for a remote file system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_server: Option<String>,
    /// Address of the server that the kernel talks to, for a remote file system whose mount tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_address: Option<std::net::IpAddr>,
    /// Unique id of the file system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Name of the file system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}
