//! What a person has in front of them, and what keeps the machine running.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Batteries and monitors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Peripherals {
    /// Batteries, sorted by name; those of mice and other devices too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub batteries: Vec<Battery>,
    /// Connected monitors, sorted by connector.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub monitors: Vec<Monitor>,
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
