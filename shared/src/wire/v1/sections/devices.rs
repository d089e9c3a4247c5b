//! What is plugged in and built in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Devices on the PCI and USB buses, sorted by bus and address. The kernel's own root hubs are not listed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Devices {
    /// The devices.
    pub devices: Vec<Device>,
}

/// One device on a bus.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Device {
    /// `pci` or `usb`.
    pub bus: String,
    /// Where on the bus: `0000:00:1f.3`, `1-1.4`.
    pub address: String,
    /// The vendor's number, four hexadecimal digits.
    pub vendor_id: String,
    /// The product's number, four hexadecimal digits.
    pub product_id: String,
    /// Number of the card's maker and of the card, `103c:8079`; PCI only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subsystem_id: Option<String>,
    /// The vendor's name: as the machine's id database has it, or as a USB device calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// The product's name, from where the vendor's is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// Serial number; USB only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// What it is: `video`, `audio`, `network`, `storage`, `camera`, `keyboard`, `printer`, `bridge`, …; sorted. A USB device
    /// can be several things at once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// PCI class, subclass and programming interface, six hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_code: Option<String>,
    /// Revision as the bus tells it, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Kernel drivers in charge of it, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drivers: Vec<String>,
}
