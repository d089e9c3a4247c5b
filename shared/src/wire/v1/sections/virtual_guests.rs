//! Virtual machines and containers that this machine hosts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Guests that are set up on this machine, running or not; sorted by technology and name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct VirtualGuests {
    /// The guests.
    pub guests: Vec<VirtualGuest>,
}

/// A virtual machine or a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct VirtualGuest {
    /// `libvirt`, `docker`, `podman`, `cri-o`, `containerd`, `lxc`, `lxd`, `incus`, `proxmox_qemu`, `proxmox_lxc`.
    pub technology: String,
    /// Its name here.
    pub name: String,
    /// Its id here: a container's id, Proxmox's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// UUID that the guest finds in its SMBIOS, lower case with hyphens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// MAC addresses, lower case with colons, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub macs: Vec<String>,
    /// The image that a container was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The Kubernetes pod that a container belongs to: `NAMESPACE/NAME`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Memory that it may use, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Virtual processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>,
    /// Whether it runs; absent where no file tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<bool>,
    /// Started with the machine; absent where no file tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autostart: Option<bool>,
}
