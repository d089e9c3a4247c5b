//! Names and hardware ids.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Names and hardware ids of the machine. Placeholder values are sent as found; the collector knows them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Identity {
    /// The host name, without domain.
    pub hostname: String,
    /// The fully qualified domain name where the machine knows one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fqdn: Option<String>,
    /// `/etc/machine-id`: 32 hexadecimal digits, made at installation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine_id: Option<String>,
    /// SMBIOS system UUID, lower case with hyphens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smbios_uuid: Option<String>,
    /// SMBIOS system serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// SMBIOS system manufacturer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// SMBIOS product name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Instance id given by a cloud, with the cloud's name before it: `aws:i-0abc…`. From a local file or DMI only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud_instance_id: Option<String>,
    /// Permanent MAC addresses of physical interfaces, lower case with colons, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub permanent_macs: Vec<String>,
    /// What the machine is: bare metal, a virtual machine, a container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

/// What kind of machine this is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Platform {
    /// The kind.
    pub kind: PlatformKind,
    /// The virtualisation or container technology: `kvm`, `vmware`, `lxc`, `docker`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub technology: Option<String>,
}

/// Bare metal, virtual machine or container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlatformKind {
    /// Hardware of its own.
    Physical,
    /// A guest of a hypervisor.
    VirtualMachine,
    /// A container on a host that shares its kernel.
    Container,
}
