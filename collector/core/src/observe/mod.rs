//! A document to what it says: one file for each topic. Pure, and without knowledge of the estate.
//!
//! What a section did not say is `None`, so that later stages cannot mistake "failed" or "not sent" for "gone".

mod bounded;
mod certificates;
mod claims;
mod devices;
mod flows;
mod forwarding;
mod guests;
mod machine;
mod network;
mod placeholder;
mod services;
mod software;
mod upstreams;

use std::{collections::BTreeMap, net::IpAddr};

pub(crate) use bounded::bounded;
use rollcall_shared::{Timestamp, wire::v1::SectionStatus};

pub use certificates::CertificateFacts;
pub(crate) use claims::identity_claimed_by;
pub use devices::DeviceFacts;
pub use flows::{Flows, IncomingFlow, OutgoingFlow};
pub use forwarding::ForwardingFacts;
pub(crate) use forwarding::{Forward, is_in_or_is};
pub use guests::GuestHandles;
pub use machine::{ChassisClass, IdentityFacts, MachineFacts, Said};
pub(crate) use machine::{full_name, is_virtual_router};
pub(crate) use network::is_in;
pub use network::{AddressScope, NetworkFacts, RemoteMounts, scope};
pub use placeholder::is_placeholder;
pub use services::{Listeners, ServiceFacts, ServiceListing, daemon_class};
pub use upstreams::UpstreamFacts;

use crate::model::{ReceivedDocument, ReceivedSection, SoftwareSet};

/// What one document says, section by section.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The network realm in which its addresses mean something.
    pub realm: String,
    /// Names, hardware ids and attributes of the machine itself.
    pub machine: MachineFacts,
    /// Addresses, gateways and resolvers.
    pub network: Option<Listed<NetworkFacts>>,
    /// Servers whose file systems are mounted.
    pub mounts: Option<Listed<RemoteMounts>>,
    /// Installed software.
    pub software: Option<Listed<SoftwareSet>>,
    /// What runs as a service.
    pub services: Option<Listed<ServiceListing>>,
    /// What listens.
    pub listeners: Option<Listed<Listeners>>,
    /// Who talked to whom.
    pub flows: Option<Flows>,
    /// What the machine, if it is a guest, is known by on its host; where names and network were said.
    pub guest_handles: Option<GuestHandles>,
    /// The MAC address behind each address that the machine has met.
    pub neighbour_macs: Option<BTreeMap<IpAddr, String>>,
    /// Devices that the machine has met on its local networks.
    pub devices: Option<Listed<Vec<DeviceFacts>>>,
    /// Guests that run on the machine.
    pub guests: Option<Listed<BTreeMap<String, GuestHandles>>>,
    /// Certificates of servers on the machine.
    pub certificates: Option<Listed<Vec<CertificateFacts>>>,
}

/// What a section that could be read lists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listed<T> {
    /// What it lists.
    pub items: T,
    /// Whether what it does not list is not there.
    pub complete: bool,
    /// When it was collected, the collector's clock.
    pub at: Timestamp,
}

/// Reads a document.
pub fn observe(document: &ReceivedDocument, realm: &str, received_at: Timestamp) -> Observed {
    let dock_macs = network::dock_macs(document.network.as_ref());
    Observed {
        realm: realm.to_owned(),
        machine: machine::read(document, &dock_macs, received_at),
        network: listed(document.network.as_ref(), received_at, network::read),
        mounts: listed(document.file_systems.as_ref(), received_at, network::read_mounts),
        software: listed(document.packages.as_ref(), received_at, software::read),
        services: listed(document.services.as_ref(), received_at, services::read),
        listeners: listed(document.listening.as_ref(), received_at, services::read_listeners),
        flows: listed(document.connections.as_ref(), received_at, flows::read).map(|listed| Flows { at: listed.at, ..listed.items }),
        guest_handles: own_handles(document),
        neighbour_macs: listed(document.neighbours.as_ref(), received_at, network::read_neighbours).map(|listed| listed.items),
        devices: listed(document.neighbours.as_ref(), received_at, devices::read),
        guests: listed(document.virtual_guests.as_ref(), received_at, guests::read),
        certificates: listed(document.certificates.as_ref(), received_at, certificates::read),
    }
}

/// Only where both sections say all that there is.
fn own_handles(document: &ReceivedDocument) -> Option<GuestHandles> {
    let identity = document.identity.as_ref().filter(|section| section.status.is_authoritative())?;
    let network = document.network.as_ref().filter(|section| section.status.is_authoritative())?;
    Some(guests::own(identity.data.as_ref(), network.data.as_ref()))
}

/// `None` for a section that was not sent, failed, or claims success without data.
fn listed<S: Default, T>(section: Option<&ReceivedSection<S>>, received_at: Timestamp, read: impl FnOnce(&S) -> T) -> Option<Listed<T>> {
    let section = section?;
    let items = match (&section.status, &section.data) {
        (SectionStatus::Failed { .. }, _) | (SectionStatus::Ok | SectionStatus::Partial { .. }, None) => return None,
        (SectionStatus::Absent { .. }, _) => read(&S::default()),
        (SectionStatus::Ok | SectionStatus::Partial { .. }, Some(data)) => read(data),
    };
    Some(Listed { items, complete: section.status.is_authoritative(), at: section.collected_at.min(received_at) })
}
