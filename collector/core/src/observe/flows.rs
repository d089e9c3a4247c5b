use std::net::IpAddr;

use rollcall_shared::{
    Timestamp,
    wire::v1::{Connections, Direction, DirectionMethod, Flow, ServiceKey, ServiceMethod},
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
    /// How long before the collection it was last seen, milliseconds.
    pub quiet_ms: i64,
    /// How long before the collection it was first seen, milliseconds.
    pub since_ms: i64,
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
    /// How long before the collection it was last seen, milliseconds.
    pub quiet_ms: i64,
    /// How long before the collection it was first seen, milliseconds.
    pub since_ms: i64,
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
        if flow.network.is_some() && !is_told_apart(flow) {
            continue;
        }
        let how = match (flow.service_method, flow.direction_method) {
            (Some(ServiceMethod::OnlyCaller), _) => "by the only service there that was seen calling it",
            (_, DirectionMethod::Listener) => "direction from the listener table",
            (_, DirectionMethod::State) => "direction from the socket's state",
            (_, DirectionMethod::EphemeralRange) => "direction from the ephemeral port range",
        };
        let service = flow.service.as_ref().map(bounded_key);
        let (quiet_ms, since_ms) = (before_end(connections, flow.last_seen), before_end(connections, flow.first_seen));
        match (flow.direction, flow.peer_port, flow.local_port) {
            (Direction::Outgoing, Some(port), _) => {
                let to = Endpoint { protocol: flow.protocol, address: peer, port };
                flows.outgoing.push(OutgoingFlow { service, to, samples_seen, quiet_ms, since_ms, how });
            }
            (Direction::Incoming, _, Some(port)) => {
                let at = Endpoint { protocol: flow.protocol, address: flow.local_address.to_canonical(), port };
                flows.incoming.push(IncomingFlow { service, at, from: peer, samples_seen, quiet_ms, since_ms, how });
            }
            (Direction::Outgoing, None, _) | (Direction::Incoming, _, None) => {}
        }
    }
    flows
}

/// Whether a flow in a network namespace of its own says who is meant: what a container calls at a loopback address or its own is itself, and
/// what it is called by says nothing unless the service is known, because the machine's own services listen elsewhere.
fn is_told_apart(flow: &Flow) -> bool {
    let is_own = flow.peer_address.to_canonical().is_loopback() || flow.peer_address == flow.local_address;
    !is_own && (flow.direction == Direction::Outgoing || flow.service.is_some())
}

/// Both are the agent's clock, so that its skew does not matter. A flow without a time counts as seen last of all.
fn before_end(connections: &Connections, seen: Timestamp) -> i64 {
    if seen == Timestamp::default() { 0 } else { connections.window_end.millis_since(seen).max(0) }
}
