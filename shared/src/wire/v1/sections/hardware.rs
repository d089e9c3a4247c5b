//! The machine as its maker describes it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The machine as its maker describes it, from SMBIOS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Hardware {
    /// System manufacturer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// System product name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_name: Option<String>,
    /// System version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// System serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// System UUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Stock keeping unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// Product family.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// The chassis: form, serial, asset tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chassis: Option<Chassis>,
    /// The main board.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub board: Option<Board>,
    /// BIOS or UEFI firmware.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware: Option<Firmware>,
    /// Boards beside the main one: risers, backplanes, interconnects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_boards: Vec<Board>,
    /// Enclosures beside the first: a blade has its own and that of the rack it sits in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_chassis: Vec<Chassis>,
    /// Slots for expansion cards, used or not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<Slot>,
    /// Connectors of the board and the case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// Devices that are part of the board.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub onboard_devices: Vec<OnboardDevice>,
    /// The trusted platform module; absent where neither kernel nor firmware knows one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpm: Option<Tpm>,
    /// The management controller (BMC); absent where neither kernel nor firmware knows one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub management_controller: Option<ManagementController>,
}

/// The chassis.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Chassis {
    /// The form in SMBIOS words: `notebook`, `desktop`, `rack_mount`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// Manufacturer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Asset tag, where the owner has set one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset_tag: Option<String>,
    /// Version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Stock keeping unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// Height in a rack, rack units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height_units: Option<u32>,
    /// Power cords.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_cords: Option<u32>,
}

/// The main board.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Board {
    /// Manufacturer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Product name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_name: Option<String>,
    /// Version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Asset tag, where the owner has set one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset_tag: Option<String>,
    /// Where in the chassis it sits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// What it is in SMBIOS words: `motherboard`, `server_blade`, `riser`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// The firmware.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Firmware {
    /// Vendor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Release date, ISO 8601 (`2024-05-17`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Whether the system was started by UEFI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uefi: Option<bool>,
    /// The firmware's own release: `1.42`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Release of the embedded controller: `1.9`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller_release: Option<String>,
    /// Size of the chip, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Whether the firmware starts signed systems only; absent where it was not started by UEFI or no file tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secure_boot: Option<bool>,
    /// Whether the keys of secure boot can still be set by anyone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setup_mode: Option<bool>,
}

/// A slot for an expansion card.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Slot {
    /// The slot's name on the board.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub designation: Option<String>,
    /// What fits in, in SMBIOS words: `PCI Express 4 x16`, `M.2 Socket 3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whether something is in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_use: Option<bool>,
    /// Lanes of the bus: `x8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<String>,
    /// Where the card in it is on the PCI bus: `0000:01:00.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bus_address: Option<String>,
}

/// A connector.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Port {
    /// Its name on the board.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub internal_name: Option<String>,
    /// Its name on the case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_name: Option<String>,
    /// The shape of the connector: `USB`, `RJ-45`, `HDMI`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connector: Option<String>,
    /// What goes through it: `USB`, `Network`, `Video`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// A device that is part of the board.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct OnboardDevice {
    /// Its name on the board.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub designation: Option<String>,
    /// What it is: `video`, `ethernet`, `sound`, `sata_controller`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whether the firmware has it switched on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Where it is on the PCI bus: `0000:02:00.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bus_address: Option<String>,
}

/// The trusted platform module.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Tpm {
    /// Version of the specification: `2.0`, `1.2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The maker's four letters: `INTC`, `IFX`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Version of its firmware.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
    /// What the firmware or the kernel calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The management controller of a server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ManagementController {
    /// How the system talks to it: `KCS`, `SMIC`, `BT`, `SSIF`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Version of the IPMI specification: `2.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipmi_version: Option<String>,
    /// Version of its firmware.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
}
