//! One look at the socket table, made sense of.

mod between;
mod connections;
mod listening;

#[cfg(test)]
mod tests;

use std::{io, net::SocketAddr, sync::Arc, time::Instant};

use connections::{Ends, Known, Seen};
use foldhash::{HashMap, HashSet};
pub use listening::ephemeral_range;
use listening::{Place, Remembered, is_listener};
use rollcall_shared::wire::v1::{DirectionMethod, Protocol, ServiceMethod};

use super::{callers::Callers, closed::Closed, holders::Holders, hunts::Hunts, lookout::Lookout, networks::Networks, windows::FlowKey};
use crate::{
    files::Root,
    processes::{Owner, Processes},
    sockets::{self, Socket, State},
};

/// A flow seen in one sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// What was connected.
    pub key: FlowKey,
    /// How the direction is known.
    pub method: DirectionMethod,
    /// How the service is known.
    pub service_method: ServiceMethod,
}

/// A socket that waits for connections, and whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// Protocol.
    pub protocol: Protocol,
    /// Where it is bound.
    pub at: SocketAddr,
    /// The network namespace that it is in, if it is not the machine's own.
    pub network: Option<String>,
    /// Whose it is.
    pub owner: Owner,
    /// The process, where the kernel tells.
    pub pid: Option<u32>,
    /// The process's name.
    pub process: Option<String>,
}

/// One sample with who owns what.
#[derive(Clone, Debug, Default)]
pub struct Attribution {
    /// The sockets that listen.
    pub listeners: Vec<Listener>,
    /// A process of each service that owns a socket of this sample.
    pub pids: std::collections::HashMap<Owner, u32>,
    /// Whether some processes could not be looked into, so that a missing owner may be a lack of privilege.
    pub denied: bool,
    /// What was connected.
    pub sightings: Vec<Sighting>,
}

/// Samples, and remembers between samples what the kernel forgets: who owned a connection that is now closed, who calls
/// whom, and who listened a moment ago.
#[derive(Default)]
pub struct Sampler {
    holders: Holders,
    networks: Networks,
    /// What the other network namespaces are known by.
    labels: HashMap<u64, String>,
    closed: Option<Closed>,
    callers: Callers,
    hunts: Hunts,
    lookout: Lookout,
    /// When the whole table is read next, whether or not a process has opened a socket.
    table_due: Option<Instant>,
    connections: HashMap<Ends, Known>,
    /// How many sockets there were last.
    sockets: usize,
    /// Each flow once, however many connections it has.
    flows: HashSet<Arc<FlowKey>>,
    listeners: HashMap<Place, Remembered>,
    /// Local ports of the machine's own network where something listens.
    served: HashSet<(Protocol, u16)>,
    samples: u64,
}

impl Sampler {
    /// Takes one sample of the running machine.
    ///
    /// # Errors
    /// As the kernel says of its socket tables.
    pub fn sample_machine(&mut self, root: &Root) -> io::Result<Attribution> {
        let mut sockets = sockets::dump_about(self.sockets)?;
        self.sockets = sockets.len();
        let processes = Processes::new(root);
        for network in self.networks.read(&processes, &mut sockets) {
            let before = self.labels.insert(network.id, network.label.clone());
            if before.is_some_and(|before| before != network.label) {
                self.connections.values_mut().for_each(|known| known.flow = None);
            }
        }
        if let Some(closed) = &mut self.closed {
            closed.read(|protocol, port| self.served.contains(&(protocol, port)));
            sockets.extend(closed.take());
        }
        Ok(self.make_sense(&sockets, &processes))
    }

    /// Makes sense of `sockets`, asking `/proc` below `root` who holds those not seen before.
    pub fn sample(&mut self, sockets: &[Socket], root: &Root) -> Attribution {
        self.make_sense(sockets, &Processes::new(root))
    }

    fn make_sense(&mut self, sockets: &[Socket], processes: &Processes) -> Attribution {
        self.samples += 1;
        let ephemeral = ephemeral_range(processes.root());
        let mut seen = Seen::default();
        let (mut listening, mut open, mut closed) = (Vec::new(), Vec::new(), Vec::new());
        for socket in sockets {
            match socket.state {
                State::Listen if is_listener(socket, &ephemeral) => listening.push(socket),
                State::Listen => {}
                _ if socket.peer.port() == 0 => {}
                State::Closed => closed.push(socket),
                // Most are those of the sample before, and nothing about them is to be found out.
                _ if self.is_settled(socket, &mut seen) => {}
                _ => open.push(socket),
            }
        }
        self.learn_holders(sockets, &listening, &open, processes);
        let listeners: Vec<Listener> = listening.iter().map(|socket| self.listener(socket)).collect();
        let ports = self.remember(&listening);
        // Connections that live come first: they tell whose the closed ones were.
        self.connections(open.into_iter().chain(closed), &ports, &ephemeral, &mut seen);
        let sightings = self.sightings(sockets, seen);
        Attribution { listeners, pids: self.holders.pids(), denied: self.holders.denied(), sightings }
    }

    /// Finds out who holds what listens and what calls. What is called is whose the listener is.
    fn learn_holders(&mut self, sockets: &[Socket], listening: &[&Socket], connected: &[&Socket], processes: &Processes) {
        let place = |socket: &Socket| (socket.network, socket.protocol, socket.local.port());
        let served: HashSet<(u64, Protocol, u16)> = listening.iter().map(|socket| place(socket)).collect();
        let calls = |socket: &&&Socket| !served.contains(&place(socket));
        self.holders.learn(sockets, listening.iter().chain(connected.iter().filter(calls)).copied(), processes);
        // The few listeners without an owner may be a worker's that only their connections tell of.
        let unowned: HashSet<(u64, Protocol, u16)> =
            listening.iter().filter(|socket| self.holders.of(socket.inode).is_none()).map(|socket| place(socket)).collect();
        if !unowned.is_empty() {
            let theirs = connected.iter().filter(|socket| unowned.contains(&place(socket)));
            self.holders.learn(sockets, theirs.copied(), processes);
        }
    }

    fn label(&self, network: u64) -> Option<String> {
        (network != 0).then(|| self.labels.get(&network).cloned().unwrap_or_default())
    }
}
