//! Connections between machines: both ends of each get the flow that they would see.

use std::collections::BTreeSet;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use rollcall_shared::wire::v1::{Direction, DirectionMethod, Flow, Protocol, ServiceKey};

use super::Machine;

/// One service of a machine keeps connecting to a port of another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// Index of the machine that opens the connections.
    pub client: usize,
    /// The service that opens them.
    pub client_service: ServiceKey,
    /// Index of the machine that is connected to.
    pub server: usize,
    /// TCP port there.
    pub port: u16,
}

/// Gives both ends of every link their flow. A link named twice is one.
pub fn wire(machines: &mut [Machine], links: &BTreeSet<Link>, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    for link in links {
        let (client, server) = (machines[link.client].address(), machines[link.server].address());
        let window = &machines[link.client].connections;
        let (first_seen, last_seen, samples) = (window.window_start, window.window_end, window.samples);
        let outgoing = Flow {
            direction: Direction::Outgoing,
            direction_method: DirectionMethod::Listener,
            protocol: Protocol::Tcp,
            service: Some(link.client_service.clone()),
            service_method: None,
            network: None,
            local_address: client,
            local_port: None,
            peer_address: server,
            peer_port: Some(link.port),
            samples_seen: rng.random_range(1..=samples),
            first_seen,
            last_seen,
        };
        let incoming = Flow {
            direction: Direction::Incoming,
            service: machines[link.server].listener(Protocol::Tcp, link.port).cloned(),
            local_address: server,
            local_port: Some(link.port),
            peer_address: client,
            peer_port: None,
            ..outgoing.clone()
        };
        machines[link.client].connections.flows.push(outgoing);
        let flows = &mut machines[link.server].connections.flows;
        // Two services of one client look the same from the server.
        let same =
            |flow: &Flow| flow.direction == Direction::Incoming && flow.local_port == incoming.local_port && flow.peer_address == client;
        if !flows.iter().any(same) {
            flows.push(incoming);
        }
    }
}
