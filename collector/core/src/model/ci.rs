use std::{collections::BTreeMap, fmt};

use rollcall_shared::{AgentId, CiId, Timestamp};
use serde_json::Value;

use super::{
    attribute::Attribute,
    stage::{Sighting, Stage},
};

/// The attribute that is false on what should run and does not; absent on what does, or of which nobody knows.
pub const RUNNING: &str = "running";

/// A configuration item, current version.
#[derive(Clone, Debug, PartialEq)]
pub struct Ci {
    /// Its id.
    pub id: CiId,
    /// Its class, a name of the catalogue.
    pub class: String,
    /// What people call it.
    pub name: String,
    /// Whether it counts in lists: [`Stage::lifecycle`] of `stage`. Set both through [`Ci::enter`].
    pub lifecycle: Lifecycle,
    /// Where it is in its life.
    pub stage: Stage,
    /// When somebody last stood before it.
    pub sighting: Option<Sighting>,
    /// Attributes by name.
    pub attributes: BTreeMap<String, Attribute>,
    /// What it is recognised by, sorted.
    pub keys: Vec<IdentityKey>,
    /// The agent that reports it, for a machine; the machine's agent, for what runs on it.
    pub agent: Option<AgentId>,
    /// The CI it was merged into, if it was.
    pub merged_into: Option<CiId>,
    /// When it was first seen or made.
    pub first_seen: Timestamp,
    /// When this version came to be, the collector's clock.
    pub valid_from: Timestamp,
    /// Counts this CI's versions from 1.
    pub version: u32,
}

impl Ci {
    /// Goes to another stage of its life. Returns whether it was in another one.
    pub fn enter(&mut self, stage: Stage) -> bool {
        let before = (self.stage, self.lifecycle);
        (self.stage, self.lifecycle) = (stage, stage.lifecycle());
        before != (self.stage, self.lifecycle)
    }

    /// Whether it takes part in graph and impact: it is there and may be what others need.
    pub fn takes_part(&self) -> bool {
        self.lifecycle == Lifecycle::Active && self.stage.takes_part()
    }

    /// The value that stands for an attribute.
    pub fn value(&self, attribute: &str) -> Option<&Value> {
        self.attributes.get(attribute).map(Attribute::value)
    }

    /// Whether it was seen not to run though it is set up to: its [`RUNNING`] attribute is false.
    pub fn is_stopped(&self) -> bool {
        self.value(RUNNING) == Some(&Value::Bool(false))
    }

    /// The value that stands, if it is text.
    pub fn text(&self, attribute: &str) -> Option<&str> {
        self.value(attribute).and_then(Value::as_str)
    }
}

/// Whether something counts. Of a CI see also [`Stage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lifecycle {
    /// Exists and counts in lists; and in graph and impact, unless the stage of a CI says otherwise.
    Active,
    /// Gone or merged: kept for history, out of lists, graph and impact.
    Retired,
}

impl Lifecycle {
    /// The name in data and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }

    /// The reverse of [`Lifecycle::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Retired].into_iter().find(|state| state.as_str() == text)
    }
}

/// One thing that a CI is recognised by: a kind and a normalised value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityKey {
    /// What kind of key.
    pub kind: IdentityKeyKind,
    /// The value, normalised: trimmed, lower case where the kind ignores case; never a placeholder.
    pub value: String,
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.kind.as_str(), self.value)
    }
}

/// Kinds of identity keys. Composite ones join their parts with `|`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdentityKeyKind {
    /// SMBIOS UUID and system serial.
    SmbiosUuidAndSerial,
    /// System serial and manufacturer.
    SerialAndManufacturer,
    /// `/etc/machine-id`.
    MachineId,
    /// Cloud instance id with its cloud.
    CloudInstanceId,
    /// One permanent MAC address; two equal ones identify.
    Mac,
    /// Host name and operating system; suggests, never merges.
    NameAndSystem,
    /// A service on a machine: machine's CI id and service key.
    ServiceOnMachine,
    /// An address in a network realm, for unmanaged hosts: `realm|address`.
    AddressInRealm,
    /// An address that a machine had in a network realm, see its `address_history`: `realm|address`.
    FormerAddressInRealm,
    /// A machine's full name in a network realm, for what names it: `realm|name`. Nothing merges on it.
    NameInRealm,
    /// What a guest is known by on its host: `uuid:…`, `mac:…`, `container:…`.
    GuestHandle,
    /// What a host knows one of its running guests by.
    HostedGuest,
    /// A certificate's SHA-256.
    CertificateFingerprint,
    /// An id given by an import or API client: `source|id`.
    External,
    /// The system serial alone; identifies only together with something else.
    Serial,
    /// The SMBIOS UUID alone; identifies only together with something else.
    SmbiosUuid,
    /// A MAC address that a hypervisor or administrator made up; identifies only together with a full name.
    MadeUpMac,
}

impl IdentityKeyKind {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::SmbiosUuidAndSerial,
        Self::SerialAndManufacturer,
        Self::MachineId,
        Self::CloudInstanceId,
        Self::Mac,
        Self::NameAndSystem,
        Self::ServiceOnMachine,
        Self::AddressInRealm,
        Self::FormerAddressInRealm,
        Self::NameInRealm,
        Self::GuestHandle,
        Self::HostedGuest,
        Self::CertificateFingerprint,
        Self::External,
        Self::Serial,
        Self::SmbiosUuid,
        Self::MadeUpMac,
    ];

    /// The name in data and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SmbiosUuidAndSerial => "smbios_uuid_and_serial",
            Self::SerialAndManufacturer => "serial_and_manufacturer",
            Self::MachineId => "machine_id",
            Self::CloudInstanceId => "cloud_instance_id",
            Self::Mac => "mac",
            Self::NameAndSystem => "name_and_system",
            Self::ServiceOnMachine => "service_on_machine",
            Self::AddressInRealm => "address_in_realm",
            Self::FormerAddressInRealm => "former_address_in_realm",
            Self::NameInRealm => "name_in_realm",
            Self::GuestHandle => "guest_handle",
            Self::HostedGuest => "hosted_guest",
            Self::CertificateFingerprint => "certificate_fingerprint",
            Self::External => "external",
            Self::Serial => "serial",
            Self::SmbiosUuid => "smbios_uuid",
            Self::MadeUpMac => "made_up_mac",
        }
    }

    /// The reverse of [`IdentityKeyKind::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}
