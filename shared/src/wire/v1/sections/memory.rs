//! Memory.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Memory {
    /// Memory that the system can use, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_bytes: Option<u64>,
    /// Swap, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_total_bytes: Option<u64>,
    /// Memory modules from SMBIOS; empty slots are not listed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<MemoryModule>,
    /// Slots, filled or not, from SMBIOS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<u32>,
    /// Memory that is built in, bytes: what the modules add up to, or the blocks that the kernel manages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installed_bytes: Option<u64>,
    /// Most that the slots can hold, bytes, from SMBIOS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_bytes: Option<u64>,
    /// How errors are corrected: `none`, `parity`, `single_bit_ecc`, `multi_bit_ecc`, `crc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_correction: Option<String>,
    /// Where the modules are known from: `smbios`, `edac`; absent where nothing tells of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modules_from: Option<String>,
}

/// One memory module.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MemoryModule {
    /// The slot: `DIMM 0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locator: Option<String>,
    /// Size, bytes.
    pub size_bytes: u64,
    /// Type: `DDR4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Speed, million transfers a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed_mts: Option<u32>,
    /// Manufacturer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Part number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_number: Option<String>,
    /// The bank's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bank: Option<String>,
    /// `DIMM`, `SODIMM`, `row_of_chips`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// Speed it runs at, million transfers a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configured_mts: Option<u32>,
    /// Asset tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset_tag: Option<String>,
    /// Ranks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ranks: Option<u32>,
    /// Width of the data, bits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_bits: Option<u32>,
    /// Width with the bits for error correction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_bits: Option<u32>,
    /// Voltage it runs at, millivolts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub millivolts: Option<u32>,
    /// What else tells its technology: `DRAM`, `NVDIMM-N`, `Intel Optane persistent memory`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub technology: Option<String>,
}
