use std::net::IpAddr;

use rollcall_shared::{
    Timestamp,
    wire::v1::{Connections, Direction, DirectionMethod, ServiceKey},
};

use super::{AddressScope, scope, services::bounded_key};
use crate::model::Endpoint;

/// Who talked to whom in one window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flows {
    /// When it was collected, the collector's clock.
    pub at: Timestamp,
    /// Samples taken.
    pub samples: u64,
    /// Connections that this machine opened.
    pub outgoing: Vec<OutgoingFlow>,
    /// Connections that others opened to it.
    pub incoming: Vec<IncomingFlow>,
}

/// This machine depends on somebody.
#[derive(Clone, Debug, PartialEq)]
pub struct OutgoingFlow {
    /// The local service, where the kernel told.
    pub service: Option<ServiceKey>,
    /// Where to.
    pub to: Endpoint,
    /// Samples in which it was seen, at most those taken.
    pub samples_seen: u64,
    /// How the direction is known, in words.
    pub how: &'static str,
}

/// Somebody depends on this machine.
#[derive(Clone, Debug, PartialEq)]
pub struct IncomingFlow {
    /// The local service, where the kernel told.
    pub service: Option<ServiceKey>,
    /// The local end.
    pub at: Endpoint,
    /// Who.
    pub from: IpAddr,
    /// Samples in which it was seen, at most those taken.
    pub samples_seen: u64,
    /// How the direction is known, in words.
    pub how: &'static str,
}

/// Multicast, broadcast and link-local peers say nothing about a dependency between two machines that can be told apart;
/// a flow without the port of the end that was called says nothing about which service was meant.
pub(super) fn read(connections: &Connections) -> Flows {
    let samples = u64::from(connections.samples);
    let mut flows = Flows { samples, ..Flows::default() };
    for flow in &connections.flows {
        let peer = flow.peer_address.to_canonical();
        if scope(peer) == AddressScope::Unusable {
            continue;
        }
        let samples_seen = u64::from(flow.samples_seen).min(samples);
        let how = match flow.direction_method {
            DirectionMethod::Listener => "direction from the listener table",
            DirectionMethod::State => "direction from the socket's state",
            DirectionMethod::EphemeralRange => "direction from the ephemeral port range",
        };
        let service = flow.service.as_ref().map(bounded_key);
        match (flow.direction, flow.peer_port, flow.local_port) {
            (Direction::Outgoing, Some(port), _) => {
                let to = Endpoint { protocol: flow.protocol, address: peer, port };
                flows.outgoing.push(OutgoingFlow { service, to, samples_seen, how });
            }
            (Direction::Incoming, _, Some(port)) => {
                let at = Endpoint { protocol: flow.protocol, address: flow.local_address.to_canonical(), port };
                flows.incoming.push(IncomingFlow { service, at, from: peer, samples_seen, how });
            }
            (Direction::Outgoing, None, _) | (Direction::Incoming, _, None) => {}
        }
    }
    flows
}
