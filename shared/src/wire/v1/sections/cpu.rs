//! Processors.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Processors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Cpu {
    /// Physical packages, in order of their number.
    pub sockets: Vec<CpuSocket>,
    /// Physical cores of all packages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cores: Option<u32>,
    /// Hardware threads that the system runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<u32>,
    /// Threads of a core; absent where cores are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads_per_core: Option<u32>,
    /// Memory nodes (NUMA).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numa_nodes: Option<u32>,
    /// What lets it run virtual machines: `vmx` (Intel), `svm` (AMD), `hyp` (ARM); absent where it cannot, or a hypervisor hides it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtualization: Option<String>,
    /// Whether it runs under a hypervisor, as the processor tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub under_hypervisor: Option<bool>,
    /// Width of physical and of virtual addresses, bits: `48/48`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_bits: Option<String>,
    /// Caches, sorted by level and kind.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub caches: Vec<CpuCache>,
}

/// One physical processor package.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CpuSocket {
    /// The socket's name on the board.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub designation: Option<String>,
    /// Manufacturer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Model name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Cores in this package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cores: Option<u32>,
    /// Threads in this package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<u32>,
    /// Highest clock, MHz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_mhz: Option<u32>,
    /// Serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Part number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_number: Option<String>,
    /// Asset tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset_tag: Option<String>,
    /// What the socket is: `LGA4677`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket_kind: Option<String>,
    /// Family number of the processor, as the processor tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<u32>,
    /// Model number of the processor, as the processor tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_number: Option<u32>,
    /// Stepping (revision) number, as the processor tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stepping: Option<u32>,
    /// Revision of the loaded microcode: `0x1000065`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub microcode: Option<String>,
}

/// Caches of one level and kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CpuCache {
    /// Level: 1 is nearest to the core.
    pub level: u32,
    /// `data`, `instruction` or `unified`.
    pub kind: String,
    /// Size of one of them, bytes.
    pub size_bytes: u64,
    /// How many there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Ways of associativity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ways: Option<u32>,
}
