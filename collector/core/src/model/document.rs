use std::collections::BTreeMap;

use rollcall_shared::{
    AgentId, Timestamp,
    wire::v1::{
        Certificates, Connections, Cpu, Disks, FileSystems, Hardware, Identity, Listening, Memory, Neighbours, Network, OperatingSystem,
        Packages, SectionStatus, Services, VirtualGuests,
    },
};

use super::attribute::Source;

/// A section as it came, parsed: how collecting went, when (corrected by the skew), and what was found.
#[derive(Clone, Debug)]
pub struct ReceivedSection<T> {
    /// How collecting went.
    pub status: SectionStatus,
    /// When it was collected: the agent's clock corrected by the measured skew, never after the receipt.
    pub collected_at: Timestamp,
    /// What was found; absent unless `ok` or `partial`.
    pub data: Option<T>,
}

/// An inventory document after ingest: authenticated, within limits, typed. A section that was not sent, not
/// understood or refused is `None`: nothing new is known about it.
#[derive(Clone, Debug, Default)]
pub struct ReceivedDocument {
    /// Names and hardware ids.
    pub identity: Option<ReceivedSection<Identity>>,
    /// Operating system.
    pub operating_system: Option<ReceivedSection<OperatingSystem>>,
    /// SMBIOS.
    pub hardware: Option<ReceivedSection<Hardware>>,
    /// Processors.
    pub cpu: Option<ReceivedSection<Cpu>>,
    /// Memory.
    pub memory: Option<ReceivedSection<Memory>>,
    /// Disks.
    pub disks: Option<ReceivedSection<Disks>>,
    /// File systems.
    pub file_systems: Option<ReceivedSection<FileSystems>>,
    /// Network.
    pub network: Option<ReceivedSection<Network>>,
    /// Packages.
    pub packages: Option<ReceivedSection<Packages>>,
    /// Services.
    pub services: Option<ReceivedSection<Services>>,
    /// Listening sockets.
    pub listening: Option<ReceivedSection<Listening>>,
    /// Connections.
    pub connections: Option<ReceivedSection<Connections>>,
    /// Devices on the local network.
    pub neighbours: Option<ReceivedSection<Neighbours>>,
    /// Certificates.
    pub certificates: Option<ReceivedSection<Certificates>>,
    /// Guests.
    pub virtual_guests: Option<ReceivedSection<VirtualGuests>>,
}

/// Whose inventory it is that another program than the agent has sent.
#[derive(Clone, Debug)]
pub struct ImportFacts {
    /// The source, by the name of the token that it uses.
    pub source: Source,
    /// What the program calls the machine. It is chosen at installation and copied with the disk.
    pub device: String,
    /// The network realm of its addresses, see [`AgentFacts::realm`].
    pub realm: String,
    /// It holds only what changed: what it does not mention is not gone.
    pub partial: bool,
}

/// What the collector knows about the agent that sent a document.
#[derive(Clone, Debug)]
pub struct AgentFacts {
    /// The agent.
    pub agent: AgentId,
    /// The network realm it reports from: addresses are compared within one realm only. `default` unless its
    /// enrollment token said otherwise.
    pub realm: String,
    /// When it was enrolled, the collector's clock.
    pub enrolled_at: Timestamp,
    /// Attributes that its enrollment token assigns (owner, location, tags), by name.
    pub assigned: BTreeMap<String, serde_json::Value>,
}
