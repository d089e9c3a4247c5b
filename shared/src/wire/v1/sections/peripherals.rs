//! What a person has in front of them, and what keeps the machine running.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Batteries, power supplies, monitors, graphics, sound, cameras, input devices and printers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Peripherals {
    /// Batteries, sorted by name; those of mice and other devices too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub batteries: Vec<Battery>,
    /// Connected monitors, sorted by connector.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub monitors: Vec<Monitor>,
    /// Power supplies, chargers and sockets, sorted by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub power_supplies: Vec<PowerSupply>,
    /// Graphics adapters, sorted by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub graphics: Vec<GraphicsAdapter>,
    /// Sound cards, by number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sound_cards: Vec<SoundCard>,
    /// Cameras and other video inputs, sorted by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cameras: Vec<Camera>,
    /// Keyboards, mice, touch screens and other input devices, sorted by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<InputDevice>,
    /// Print queues of CUPS, sorted by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub printers: Vec<Printer>,
}

/// A battery. How full it is moves all the time and is not sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Battery {
    /// Kernel name: `BAT0`.
    pub name: String,
    /// `system`, or `device` for what is attached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Manufacturer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Chemistry: `Li-ion`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub technology: Option<String>,
    /// What it was made to hold, milliwatt hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub design_capacity_mwh: Option<u64>,
    /// How much of that it can still hold, percent, rounded down to a multiple of 5 so that a day's wear is not a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_percent: Option<u8>,
    /// Where it sits, from SMBIOS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Date of manufacture, ISO 8601, where it tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_on: Option<String>,
    /// Times it was charged in full, rounded down to a multiple of 50.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cycles: Option<u32>,
    /// What it was made to give, millivolts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub design_millivolts: Option<u32>,
}

/// A monitor, as its EDID describes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Monitor {
    /// Where it is plugged in: `card0-HDMI-A-1`.
    pub connector: String,
    /// The maker's three letters: `DEL`.
    pub manufacturer_id: String,
    /// The maker's number for the product, four hexadecimal digits.
    pub product_id: String,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Serial number: the text where there is one, else the number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Year of manufacture, or of the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub year: Option<u16>,
    /// Width of the picture, millimetres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width_mm: Option<u32>,
    /// Height of the picture, millimetres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height_mm: Option<u32>,
    /// Preferred resolution: `2560x1440`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
}

/// A power supply.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PowerSupply {
    /// Kernel name, or name in SMBIOS.
    pub name: String,
    /// `mains`, `usb`, `ups`, `wireless`, or `built_in` for one that SMBIOS lists.
    pub kind: String,
    /// Where it sits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Manufacturer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Part number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_number: Option<String>,
    /// Asset tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset_tag: Option<String>,
    /// Revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Most that it gives, watts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_watts: Option<u32>,
    /// Whether it is there; a server tells of empty bays too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub present: Option<bool>,
    /// Whether it is plugged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugged_in: Option<bool>,
    /// Whether it can be replaced while running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hot_replaceable: Option<bool>,
}

/// A graphics adapter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct GraphicsAdapter {
    /// Kernel name: `card0`.
    pub name: String,
    /// Where it is on its bus: `0000:01:00.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bus_address: Option<String>,
    /// Kernel driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Vendor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Memory of its own, bytes, where the driver tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

/// A sound card.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SoundCard {
    /// Number.
    pub number: u32,
    /// Short name: `PCH`.
    pub id: String,
    /// Driver as the card names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A camera or another video input.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Camera {
    /// Kernel name: `video0`.
    pub name: String,
    /// Name of the product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Where it hangs on its bus: `1-3`, `0000:00:05.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bus_address: Option<String>,
}

/// An input device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct InputDevice {
    /// Name.
    pub name: String,
    /// What it is: `keyboard`, `mouse`, `touchpad`, `touchscreen`, `joystick`.
    pub kind: String,
    /// How it is attached: `usb`, `bluetooth`, `ps2`, `i2c`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bus: Option<String>,
    /// The vendor's number, four hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor_id: Option<String>,
    /// The product's number, four hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_id: Option<String>,
}

/// A print queue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Printer {
    /// Name of the queue.
    pub name: String,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Maker and model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Where it is reached, without names and passwords: `ipp://10.0.0.9/ipp/print`, `usb://HP/LaserJet`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// The host in it, for a printer on the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Serial number, where its address tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Whether other machines may print here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared: Option<bool>,
    /// Whether it is this machine's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_default: Option<bool>,
}
