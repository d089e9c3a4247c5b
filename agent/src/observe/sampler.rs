//! One look at the socket table, made sense of.

use std::{
    collections::{HashMap, HashSet},
    io,
    net::SocketAddr,
    ops::RangeInclusive,
};

use rollcall_shared::wire::v1::{Direction, DirectionMethod, Protocol};

use super::windows::FlowKey;
use crate::{
    files::Root,
    processes::{Owner, Processes},
    sockets::{Socket, State, receives},
};

/// A flow seen in one sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// What was connected.
    pub key: FlowKey,
    /// How the direction is known.
    pub method: DirectionMethod,
}

/// A socket that waits for connections, and whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// Protocol.
    pub protocol: Protocol,
    /// Where it is bound.
    pub at: SocketAddr,
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
    pub pids: HashMap<Owner, u32>,
    /// Whether some processes could not be looked into, so that a missing owner may be a lack of privilege.
    pub denied: bool,
    /// What was connected.
    pub sightings: Vec<Sighting>,
}

/// Samples, and remembers between samples what the kernel forgets: who owned a connection that is now in `TIME_WAIT`, and
/// who listened a moment ago.
#[derive(Default)]
pub struct Sampler {
    owners: HashMap<u64, Holder>,
    connections: HashMap<Tuple, Known>,
    /// With the number of the last sample that had them.
    listeners: HashMap<(Protocol, SocketAddr), (Owner, u64)>,
    samples: u64,
    denied: bool,
}

type Tuple = (Protocol, SocketAddr, SocketAddr);

#[derive(Clone)]
struct Holder {
    pid: u32,
    name: String,
    owner: Owner,
}

#[derive(Clone)]
struct Known {
    owner: Owner,
    direction: Direction,
    method: DirectionMethod,
}

/// Connections outlive a listener that was closed; after this many samples it is forgotten.
const REMEMBER_LISTENERS: u64 = 30;

impl Sampler {
    /// Makes sense of `sockets`, asking `/proc` below `root` who holds those not seen before.
    pub fn sample(&mut self, sockets: &[Socket], root: &Root) -> Attribution {
        self.samples += 1;
        let ephemeral = ephemeral_range(root);
        self.attribute(sockets, root);
        let listeners: Vec<Listener> =
            sockets.iter().filter(|socket| is_listener(socket, &ephemeral)).map(|socket| self.listener(socket)).collect();
        for listener in &listeners {
            self.listeners.insert((listener.protocol, listener.at), (listener.owner.clone(), self.samples));
        }
        let now = self.samples;
        self.listeners.retain(|_, (_, seen)| now - *seen <= REMEMBER_LISTENERS);

        let ports: HashMap<(Protocol, u16), Vec<(SocketAddr, Owner)>> =
            self.listeners.iter().fold(HashMap::new(), |mut ports, ((protocol, at), (owner, _))| {
                ports.entry((*protocol, at.port())).or_insert_with(Vec::new).push((*at, owner.clone()));
                ports
            });
        let mut connections = HashMap::new();
        let mut sightings = HashMap::new();
        for socket in sockets.iter().filter(|socket| socket.state != State::Listen && socket.peer.port() != 0) {
            let tuple = (socket.protocol, socket.local, socket.peer);
            let known = self.connections.get(&tuple);
            let known = self.judge(socket, known, &ports, &ephemeral);
            if known.owner != Owner::Person {
                let key = flow_key(socket, &known);
                sightings.entry(key).and_modify(|method: &mut DirectionMethod| *method = known.method.min(*method)).or_insert(known.method);
            }
            connections.insert(tuple, known);
        }
        self.connections = connections;
        let pids = self.owners.values().map(|holder| (holder.owner.clone(), holder.pid)).collect();
        let sightings = sightings.into_iter().map(|(key, method)| Sighting { key, method }).collect();
        Attribution { listeners, pids, denied: self.denied, sightings }
    }

    /// Takes one sample of the running machine.
    ///
    /// # Errors
    /// As the kernel says of its socket tables.
    pub fn sample_machine(&mut self, root: &Root) -> io::Result<Attribution> {
        Ok(self.sample(&crate::sockets::dump()?, root))
    }

    /// Learns who holds the sockets; those seen in the sample before are known.
    fn attribute(&mut self, sockets: &[Socket], root: &Root) {
        let present: HashSet<u64> = sockets.iter().map(|socket| socket.inode).filter(|&inode| inode != 0).collect();
        self.owners.retain(|inode, _| present.contains(inode));
        let mut wanted: HashSet<u64> = present.into_iter().filter(|inode| !self.owners.contains_key(inode)).collect();
        if wanted.is_empty() {
            return;
        }
        let processes = Processes::new(root);
        let mut found = HashMap::new();
        self.denied = processes.holders(&mut wanted, &mut found);
        for (inode, pid) in found {
            if let Some(process) = processes.get(pid) {
                let owner = processes.owner(&process);
                self.owners.insert(inode, Holder { pid, name: process.stat.name.clone(), owner });
            }
        }
    }

    fn listener(&self, socket: &Socket) -> Listener {
        let holder = self.owners.get(&socket.inode);
        Listener {
            protocol: socket.protocol,
            at: socket.local,
            owner: holder.map_or(Owner::Unknown, |holder| holder.owner.clone()),
            pid: holder.map(|holder| holder.pid),
            process: holder.map(|holder| holder.name.clone()),
        }
    }

    /// Which end began it, and whose the local end is.
    fn judge(
        &self,
        socket: &Socket,
        before: Option<&Known>,
        ports: &HashMap<(Protocol, u16), Vec<(SocketAddr, Owner)>>,
        ephemeral: &RangeInclusive<u16>,
    ) -> Known {
        let holder = self.owners.get(&socket.inode).map(|holder| &holder.owner);
        if let Some(before) = before {
            // A connection does not turn round, and does not change hands where the kernel no longer tells whose it is.
            let owner = match (&before.owner, holder) {
                (Owner::Unknown, Some(holder)) => holder.clone(),
                (owner, _) => owner.clone(),
            };
            return Known { owner, ..before.clone() };
        }
        let holder = holder.cloned().unwrap_or(Owner::Unknown);
        match socket.state {
            State::Opening => return Known { owner: holder, direction: Direction::Outgoing, method: DirectionMethod::State },
            State::Listen | State::Accepting | State::Connected | State::TimeWait => {}
        }
        let listener = ports.get(&(socket.protocol, socket.local.port())).and_then(|listeners| {
            // The exact address before a wildcard: two services may share a port on different addresses.
            let exact = listeners.iter().find(|(at, _)| at.ip() == socket.local.ip());
            exact.or_else(|| listeners.iter().find(|(at, _)| receives(at.ip(), socket.local.ip())))
        });
        if let Some((_, owner)) = listener {
            // Whoever listens answers for it; an ssh session or a worker holds the socket only for now.
            let owner = if *owner == Owner::Unknown { holder } else { owner.clone() };
            return Known { owner, direction: Direction::Incoming, method: DirectionMethod::Listener };
        }
        if socket.state == State::Accepting {
            return Known { owner: holder, direction: Direction::Incoming, method: DirectionMethod::State };
        }
        if !ephemeral.contains(&socket.local.port()) && ephemeral.contains(&socket.peer.port()) && socket.protocol == Protocol::Tcp {
            // Whoever listened here has gone before the first sample.
            return Known { owner: holder, direction: Direction::Incoming, method: DirectionMethod::EphemeralRange };
        }
        Known { owner: holder, direction: Direction::Outgoing, method: DirectionMethod::Listener }
    }
}

fn flow_key(socket: &Socket, known: &Known) -> FlowKey {
    let incoming = known.direction == Direction::Incoming;
    FlowKey {
        direction: known.direction,
        protocol: socket.protocol,
        service: known.owner.service().cloned(),
        local_address: socket.local.ip(),
        local_port: incoming.then(|| socket.local.port()),
        peer_address: socket.peer.ip(),
        peer_port: (!incoming).then(|| socket.peer.port()),
    }
}

/// A UDP socket bound to an ephemeral port asks; it does not serve.
fn is_listener(socket: &Socket, ephemeral: &RangeInclusive<u16>) -> bool {
    let waits = socket.state == State::Listen && socket.local.port() != 0;
    waits && (socket.protocol == Protocol::Tcp || (socket.peer.port() == 0 && !ephemeral.contains(&socket.local.port())))
}

/// The ports that this host takes for connections it opens.
pub fn ephemeral_range(root: &Root) -> RangeInclusive<u16> {
    const DEFAULT: RangeInclusive<u16> = 32_768..=60_999;
    let Some(text) = root.text("/proc/sys/net/ipv4/ip_local_port_range") else { return DEFAULT };
    let mut ports = text.split_whitespace().map(str::parse);
    match (ports.next(), ports.next()) {
        (Some(Ok(low)), Some(Ok(high))) if low <= high => low..=high,
        _ => DEFAULT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(protocol: Protocol, state: State, local: &str, peer: &str) -> Socket {
        Socket { protocol, state, local: local.parse().unwrap(), peer: peer.parse().unwrap(), inode: 0 }
    }

    fn tcp(state: State, local: &str, peer: &str) -> Socket {
        socket(Protocol::Tcp, state, local, peer)
    }

    fn sample(sampler: &mut Sampler, sockets: &[Socket]) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let mut seen: Vec<_> = sampler
            .sample(sockets, &Root::new(directory.path()))
            .sightings
            .iter()
            .map(|sighting| {
                let key = &sighting.key;
                let port = key.local_port.or(key.peer_port).unwrap_or(0);
                format!("{:?} {} {port} by {:?}", key.direction, key.peer_address, sighting.method)
            })
            .collect();
        seen.sort();
        seen
    }

    #[test]
    fn directions() {
        let any = "0.0.0.0:0";
        let cases: &[(&[Socket], &[&str])] = &[
            // A server and its client, both here.
            (
                &[
                    tcp(State::Listen, "0.0.0.0:5432", any),
                    tcp(State::Connected, "127.0.0.1:5432", "127.0.0.1:40000"),
                    tcp(State::Connected, "127.0.0.1:40000", "127.0.0.1:5432"),
                ],
                &["Incoming 127.0.0.1 5432 by Listener", "Outgoing 127.0.0.1 5432 by Listener"],
            ),
            // Connections that were closed between samples.
            (&[tcp(State::TimeWait, "10.0.0.1:41000", "10.0.0.2:443")], &["Outgoing 10.0.0.2 443 by Listener"]),
            (
                &[tcp(State::Listen, "[::]:443", any), tcp(State::TimeWait, "10.0.0.1:443", "10.0.0.3:5000")],
                &["Incoming 10.0.0.3 443 by Listener"],
            ),
            // The state says it before any table does.
            (
                &[tcp(State::Listen, "0.0.0.0:700", any), tcp(State::Opening, "10.0.0.1:700", "10.0.0.2:2049")],
                &["Outgoing 10.0.0.2 2049 by State"],
            ),
            // A high port that listens is a server's.
            (
                &[tcp(State::Listen, "0.0.0.0:50000", any), tcp(State::Connected, "10.0.0.1:50000", "10.0.0.9:50001")],
                &["Incoming 10.0.0.9 50000 by Listener"],
            ),
            // The listener has gone.
            (&[tcp(State::Connected, "10.0.0.1:22", "10.0.0.9:50001")], &["Incoming 10.0.0.9 22 by EphemeralRange"]),
            // A listener on another address is not this connection's.
            (
                &[tcp(State::Listen, "127.0.0.1:40001", any), tcp(State::Connected, "10.0.0.1:40001", "10.0.0.9:22")],
                &["Outgoing 10.0.0.9 22 by Listener"],
            ),
            (&[socket(Protocol::Udp, State::Connected, "10.0.0.1:33000", "10.0.0.2:53")], &["Outgoing 10.0.0.2 53 by Listener"]),
            (&[socket(Protocol::Udp, State::Listen, "0.0.0.0:33000", any)], &[]),
        ];
        for (sockets, expected) in cases {
            assert_eq!(&sample(&mut Sampler::default(), sockets), expected, "{sockets:?}");
        }
    }

    #[test]
    fn a_connection_keeps_its_direction_after_its_listener_has_gone() {
        let mut sampler = Sampler::default();
        let open = tcp(State::Connected, "10.0.0.1:50000", "10.0.0.9:50001");
        sample(&mut sampler, &[tcp(State::Listen, "0.0.0.0:50000", "0.0.0.0:0"), open.clone()]);
        for _ in 0..2 * REMEMBER_LISTENERS {
            assert_eq!(sample(&mut sampler, std::slice::from_ref(&open)), ["Incoming 10.0.0.9 50000 by Listener"]);
        }
        let closed = Socket { state: State::TimeWait, ..open };
        assert_eq!(sample(&mut sampler, &[closed]), ["Incoming 10.0.0.9 50000 by Listener"]);
    }

    #[test]
    fn udp_listeners_have_known_ports() {
        let directory = tempfile::tempdir().unwrap();
        let any = "0.0.0.0:0";
        let sockets = [socket(Protocol::Udp, State::Listen, "0.0.0.0:53", any), socket(Protocol::Udp, State::Listen, "0.0.0.0:45000", any)];
        let found = Sampler::default().sample(&sockets, &Root::new(directory.path()));
        assert_eq!(found.listeners.iter().map(|listener| listener.at.port()).collect::<Vec<_>>(), [53]);
    }
}
