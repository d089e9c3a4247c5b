//! One look at the socket table, made sense of.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    sync::Arc,
    time::{Duration, Instant},
};

use foldhash::{HashMap, HashSet};
use rand::RngExt;
use rollcall_shared::wire::v1::{Direction, DirectionMethod, Protocol, ServiceMethod};
use rustix::time::{ClockId, clock_gettime};

use super::{
    callers::{Called, Callers},
    closed::Closed,
    holders::{Holder, Holders},
    hunts::Hunts,
    lookout::Lookout,
    networks::Networks,
    windows::FlowKey,
};
use crate::{
    files::Root,
    processes::{Owner, Processes},
    sockets::{self, Socket, State, receives},
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
    connections: HashMap<Tuple, Known>,
    /// How many sockets there were last.
    sockets: usize,
    /// Each flow once, however many connections it has.
    flows: HashSet<Arc<FlowKey>>,
    listeners: HashMap<Place, Remembered>,
    /// Local ports of the machine's own network where something listens.
    served: HashSet<(Protocol, u16)>,
    samples: u64,
}

/// Network namespace, protocol and both ends.
type Tuple = (u64, Protocol, SocketAddr, SocketAddr);
/// Network namespace, protocol and where something listens.
type Place = (u64, Protocol, SocketAddr);

/// What listens, and whose it is, by network namespace, protocol and port.
type Listening = HashMap<(u64, Protocol, u16), Vec<(IpAddr, Owner)>>;

struct Remembered {
    owner: Owner,
    /// The last sample that had it.
    seen: u64,
}

struct Known {
    owner: Owner,
    owner_method: ServiceMethod,
    direction: Direction,
    method: DirectionMethod,
    /// The flow that it is part of, for as long as what is known of it stays the same.
    flow: Option<Arc<FlowKey>>,
}

/// Connections outlive a listener that was closed; after this many samples it is forgotten.
const REMEMBER_LISTENERS: u64 = 30;

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
        let (listening, connected): (Vec<&Socket>, Vec<&Socket>) = sockets
            .iter()
            .filter(|socket| socket.state != State::Listen || is_listener(socket, &ephemeral))
            .partition(|socket| socket.state == State::Listen);
        self.learn_holders(sockets, &listening, &connected, processes);
        let listeners: Vec<Listener> = listening.iter().map(|socket| self.listener(socket)).collect();
        let ports = self.remember(&listening);
        let sightings = self.connections(&connected, &ports, &ephemeral);
        Attribution { listeners, pids: self.holders.pids(), denied: self.holders.denied(), sightings }
    }

    /// Finds out who holds what listens and what calls. What is called is whose the listener is.
    fn learn_holders(&mut self, sockets: &[Socket], listening: &[&Socket], connected: &[&Socket], processes: &Processes) {
        let served: HashSet<(u64, Protocol, u16)> =
            listening.iter().map(|socket| (socket.network, socket.protocol, socket.local.port())).collect();
        let calls = |socket: &&&Socket| !served.contains(&(socket.network, socket.protocol, socket.local.port()));
        self.holders.learn(sockets, listening.iter().chain(connected.iter().filter(calls)).copied(), processes);
        // The few listeners without an owner may be a worker's that only their connections tell of.
        let unowned: HashSet<(u64, Protocol, u16)> = listening
            .iter()
            .filter(|socket| self.holders.of(socket.inode).is_none())
            .map(|socket| (socket.network, socket.protocol, socket.local.port()))
            .collect();
        if !unowned.is_empty() {
            let theirs = connected.iter().filter(|socket| unowned.contains(&(socket.network, socket.protocol, socket.local.port())));
            self.holders.learn(sockets, theirs.copied(), processes);
        }
    }

    /// Remembers what listens, and returns it by port.
    fn remember(&mut self, listening: &[&Socket]) -> Listening {
        let now = self.samples;
        for socket in listening {
            let owner = self.holders.of(socket.inode).map_or(Owner::Unknown, |holder| holder.owner.clone());
            self.listeners.insert((socket.network, socket.protocol, socket.local), Remembered { owner, seen: now });
        }
        self.listeners.retain(|_, remembered| now - remembered.seen <= REMEMBER_LISTENERS);
        self.served =
            self.listeners.keys().filter(|(network, _, _)| *network == 0).map(|(_, protocol, at)| (*protocol, at.port())).collect();
        let mut ports = Listening::default();
        for ((network, protocol, at), remembered) in &self.listeners {
            ports.entry((*network, *protocol, at.port())).or_default().push((at.ip(), remembered.owner.clone()));
        }
        ports
    }

    /// What is connected, once for each flow. Connections that live come first: they tell whose the closed ones were.
    fn connections(&mut self, connected: &[&Socket], ports: &Listening, ephemeral: &RangeInclusive<u16>) -> Vec<Sighting> {
        let now = Instant::now();
        let room = HashMap::with_capacity_and_hasher(self.connections.len(), Default::default());
        let mut before = std::mem::replace(&mut self.connections, room);
        // By where the flow is kept: each is there once.
        let mut sightings: HashMap<*const FlowKey, (Arc<FlowKey>, DirectionMethod, ServiceMethod)> = HashMap::default();
        let (closed, live): (Vec<&Socket>, Vec<&Socket>) = connected.iter().partition(|socket| socket.state == State::Closed);
        for socket in live.into_iter().chain(closed).filter(|socket| socket.peer.port() != 0) {
            let tuple = (socket.network, socket.protocol, socket.local, socket.peer);
            // A connection that is in the table and among the closed ones is one.
            if socket.state == State::Closed && self.connections.contains_key(&tuple) {
                continue;
            }
            let mut known = self.judge(socket, before.remove(&tuple), ports, ephemeral);
            if known.direction == Direction::Outgoing {
                self.attribute_call(socket, &mut known, now);
            }
            if known.owner != Owner::Person {
                let flow = self.flow(socket, &mut known);
                let (_, method, owner_method) = sightings.entry(Arc::as_ptr(&flow)).or_insert((flow, known.method, known.owner_method));
                *method = known.method.min(*method);
                *owner_method = known.owner_method.min(*owner_method);
            }
            self.connections.insert(tuple, known);
        }
        // Namespaces that were not read this time are as they were.
        let read: HashSet<u64> = connected.iter().map(|socket| socket.network).collect();
        self.connections.extend(before.into_iter().filter(|((network, ..), _)| *network != 0 && !read.contains(network)).take(MOST_KEPT));
        self.callers.forget(self.samples);
        let sighting =
            |(flow, method, service_method): (Arc<FlowKey>, _, _)| Sighting { key: flow.as_ref().clone(), method, service_method };
        let sightings = sightings.into_values().map(sighting).collect();
        self.flows.retain(|flow| Arc::strong_count(flow) > 1);
        sightings
    }

    /// The flow that a connection is part of.
    fn flow(&mut self, socket: &Socket, known: &mut Known) -> Arc<FlowKey> {
        if let Some(flow) = &known.flow {
            return Arc::clone(flow);
        }
        let key = self.flow_key(socket, known);
        let flow = self.flows.get(&key).map(Arc::clone).unwrap_or_else(|| {
            let flow = Arc::new(key);
            self.flows.insert(Arc::clone(&flow));
            flow
        });
        known.flow = Some(Arc::clone(&flow));
        flow
    }

    /// Remembers who calls, where the kernel tells; where it does not, and exactly one service here is known to call that port of
    /// that peer, it is taken to be this one's. What is left is looked out for.
    fn attribute_call(&mut self, socket: &Socket, known: &mut Known, now: Instant) {
        let called: Called = (socket.network, socket.protocol, socket.peer);
        if known.owner != Owner::Unknown && known.owner_method == ServiceMethod::Socket {
            self.callers.note(called, &known.owner, self.samples);
            return;
        }
        if known.owner == Owner::Unknown
            && let Some(service) = self.callers.only_service(&called)
        {
            known.owner = Owner::Service(service.clone());
            known.owner_method = ServiceMethod::OnlyCaller;
            known.flow = None;
        }
        // Whoever calls the internet for a moment is mostly a person's program, and would be looked for all day.
        if socket.state == State::Closed && socket.network == 0 && is_local(socket.peer.ip()) {
            self.hunts.want((socket.protocol, socket.peer), now);
        }
    }

    fn listener(&self, socket: &Socket) -> Listener {
        let holder = self.holders.of(socket.inode);
        Listener {
            protocol: socket.protocol,
            at: socket.local,
            network: self.label(socket.network),
            owner: holder.map_or(Owner::Unknown, |holder| holder.owner.clone()),
            pid: holder.and_then(|holder| holder.pid),
            process: holder.and_then(|holder| holder.name.clone()),
        }
    }

    fn label(&self, network: u64) -> Option<String> {
        (network != 0).then(|| self.labels.get(&network).cloned().unwrap_or_default())
    }

    /// Which end began it, and whose the local end is.
    fn judge(&self, socket: &Socket, before: Option<Known>, ports: &Listening, ephemeral: &RangeInclusive<u16>) -> Known {
        let holder: Option<&Holder> = self.holders.of(socket.inode);
        let owner = || holder.map_or(Owner::Unknown, |holder| holder.owner.clone());
        if let Some(mut before) = before {
            // A connection does not turn round, and does not change hands where the kernel no longer tells whose it is.
            if holder.is_some() && (before.owner == Owner::Unknown || before.owner_method != ServiceMethod::Socket) {
                let owner = owner();
                if before.owner != owner {
                    before.flow = None;
                }
                (before.owner, before.owner_method) = (owner, ServiceMethod::Socket);
            }
            return before;
        }
        let known = |owner, direction, method| Known { owner, owner_method: ServiceMethod::Socket, direction, method, flow: None };
        if socket.state == State::Opening {
            return known(owner(), Direction::Outgoing, DirectionMethod::State);
        }
        let listener = ports.get(&(socket.network, socket.protocol, socket.local.port())).and_then(|listeners| {
            // The exact address before a wildcard: two services may share a port on different addresses.
            let exact = listeners.iter().find(|(at, _)| *at == socket.local.ip());
            exact.or_else(|| listeners.iter().find(|(at, _)| receives(*at, socket.local.ip())))
        });
        if let Some((_, listens)) = listener {
            // Whoever listens answers for it; an ssh session or a worker holds the socket only for now.
            let owner = if *listens == Owner::Unknown { owner() } else { listens.clone() };
            return known(owner, Direction::Incoming, DirectionMethod::Listener);
        }
        if socket.state == State::Accepting {
            return known(owner(), Direction::Incoming, DirectionMethod::State);
        }
        if !ephemeral.contains(&socket.local.port()) && ephemeral.contains(&socket.peer.port()) && socket.protocol == Protocol::Tcp {
            // Whoever listened here has gone before the first sample.
            return known(owner(), Direction::Incoming, DirectionMethod::EphemeralRange);
        }
        known(owner(), Direction::Outgoing, DirectionMethod::Listener)
    }

    fn flow_key(&self, socket: &Socket, known: &Known) -> FlowKey {
        let incoming = known.direction == Direction::Incoming;
        FlowKey {
            direction: known.direction,
            protocol: socket.protocol,
            network: self.label(socket.network),
            service: known.owner.service().cloned(),
            local_address: socket.local.ip(),
            local_port: incoming.then(|| socket.local.port()),
            peer_address: socket.peer.ip(),
            peer_port: (!incoming).then(|| socket.peer.port()),
        }
    }
}

/// What is to be looked at closer.
pub struct Glance {
    /// Whether to look again and again for a moment.
    stares: bool,
    /// Sockets that were just opened, with the process that holds each.
    fresh: HashMap<u64, u32>,
    now: Instant,
    took: Duration,
}

/// Between two samples.
impl Sampler {
    /// Hears from now on of connections that are closed between two samples. Where the kernel cannot tell, `TIME_WAIT` is all
    /// that is seen of them.
    pub fn hear_closed(&mut self) {
        match Closed::open() {
            Ok(closed) => self.closed = Some(closed),
            Err(error) => {
                tracing::info!(%error, "the kernel does not tell of closed connections; short ones are known from TIME_WAIT alone")
            }
        }
    }

    /// What [`Self::attend`] has to be called for: readable when connections were closed.
    pub fn closed(&self) -> Option<&Closed> {
        self.closed.as_ref()
    }

    /// How many samples were taken.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// When the next look for short connections is due.
    pub fn look_due(&self) -> Option<Instant> {
        self.hunts.due()
    }

    /// Reads what the kernel tells of closed connections, and, if a look for short ones is due, sees whether there is anything to
    /// [look closer](Self::look_closer) at. This waits for nobody.
    pub fn glance(&mut self, root: &Root) -> Option<Glance> {
        let heard = match &mut self.closed {
            Some(closed) => closed.read(|protocol, port| self.served.contains(&(protocol, port))),
            None => false,
        };
        let now = Instant::now();
        if heard && self.hunts.may_stare(now) {
            return Some(Glance { stares: true, fresh: HashMap::default(), now, took: Duration::ZERO });
        }
        if !self.hunts.is_due(now) {
            return None;
        }
        let begun = processor_time();
        let fresh = self.lookout.fresh(root, std::process::id(), now);
        let took = processor_time().saturating_sub(begun);
        if !self.is_worth_reading(&fresh, now) {
            self.looked(took);
            return None;
        }
        Some(Glance { stares: false, fresh, now, took })
    }

    /// Finds out whose the connections are that a glance has met.
    ///
    /// # Errors
    /// As the kernel says of its socket tables.
    pub fn look_closer(&mut self, root: &Root, glance: Glance) -> io::Result<()> {
        let begun = processor_time();
        let spent = || processor_time().saturating_sub(begun);
        if !glance.stares {
            let looked = self.read_held(root, &glance.fresh, glance.now);
            self.looked(glance.took + spent());
            return looked;
        }
        let mut looked = Ok(());
        while looked.is_ok() && spent() < STARE && glance.now.elapsed() < 2 * STARE {
            let now = Instant::now();
            let fresh = self.lookout.fresh(root, std::process::id(), now);
            if self.is_worth_reading(&fresh, now) {
                looked = self.read_held(root, &fresh, now);
            }
        }
        self.hunts.stared(Instant::now(), spent());
        looked
    }

    /// Reading the table costs much more than looking at descriptors, and comes too late for what is not held any more when it is read.
    fn is_worth_reading(&self, fresh: &HashMap<u64, u32>, now: Instant) -> bool {
        !fresh.is_empty() || self.table_due.is_none_or(|due| now >= due)
    }

    fn read_held(&mut self, root: &Root, fresh: &HashMap<u64, u32>, now: Instant) -> io::Result<()> {
        self.table_due = Some(now + READ_TABLE);
        let sockets = sockets::dump_held(self.hunts.ports(now))?;
        self.look(&sockets, fresh, &Processes::new(root), now);
        Ok(())
    }

    fn looked(&mut self, took: Duration) {
        self.hunts.looked(Instant::now(), took, rand::rng().random_range(0.0..=1.0));
        if self.hunts.due().is_none() {
            self.lookout.rest();
        }
    }

    /// Learns who holds the connections that are looked out for.
    fn look(&mut self, sockets: &[Socket], held: &HashMap<u64, u32>, processes: &Processes, now: Instant) {
        let is_new = |socket: &&Socket| {
            self.hunts.wants(&(socket.protocol, socket.peer), now)
                && socket.inode != 0
                && !self.served.contains(&(socket.protocol, socket.local.port()))
                && !self.connections.contains_key(&(0, socket.protocol, socket.local, socket.peer))
        };
        let new: Vec<&Socket> = sockets.iter().filter(is_new).collect();
        if new.is_empty() {
            return;
        }
        self.holders.find(&new, held, processes);
        for socket in new {
            let Some(holder) = self.holders.of(socket.inode) else { continue };
            self.callers.note((0, socket.protocol, socket.peer), &holder.owner, self.samples);
            let (direction, method) = (Direction::Outgoing, DirectionMethod::Listener);
            let known = Known { owner: holder.owner.clone(), owner_method: ServiceMethod::Socket, direction, method, flow: None };
            self.connections.insert((0, socket.protocol, socket.local, socket.peer), known);
        }
    }
}

/// While connections are looked out for, the whole table is read so often even if no process is seen opening a socket.
const READ_TABLE: Duration = Duration::from_secs(2);
/// Processor time that is spent looking without a pause after a connection was closed: others of the same burst follow.
const STARE: Duration = Duration::from_millis(20);
/// Connections remembered of namespaces that are not read in each sample.
const MOST_KEPT: usize = 20_000;

/// Processor time that this thread has used.
fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// This machine, or one of the same site.
fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
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
    use std::{
        io::{Read, Write},
        net::{TcpListener, TcpStream},
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
    };

    use super::*;

    fn socket(protocol: Protocol, state: State, local: &str, peer: &str) -> Socket {
        Socket { protocol, state, local: local.parse().unwrap(), peer: peer.parse().unwrap(), inode: 0, cgroup: 0, network: 0 }
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
            (&[tcp(State::Closed, "10.0.0.1:41000", "10.0.0.2:443")], &["Outgoing 10.0.0.2 443 by Listener"]),
            (
                &[tcp(State::Listen, "[::]:443", any), tcp(State::Closed, "10.0.0.1:443", "10.0.0.3:5000")],
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
        let closed = Socket { state: State::Closed, ..open };
        assert_eq!(sample(&mut sampler, &[closed]), ["Incoming 10.0.0.9 50000 by Listener"]);
    }

    /// Not a test of its own: what the next one starts, to ask the address in its environment one thing and hang up, again and again.
    #[test]
    #[ignore = "a program that another test starts"]
    fn calls_for_a_moment() {
        let Ok(at) = std::env::var(CALLED) else { return };
        while let Ok(mut connection) = TcpStream::connect(&at) {
            let _ = connection.read(&mut [0]);
            drop(connection);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    const CALLED: &str = "ROLLCALL_TEST_CALLED";

    #[test]
    fn whose_connections_of_a_millisecond_are_is_found_out() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let ends = Arc::new(AtomicBool::new(false));
        let serve = std::thread::spawn({
            let ends = Arc::clone(&ends);
            move || {
                while let Ok((mut connection, _)) = listener.accept()
                    && !ends.load(Ordering::Relaxed)
                {
                    std::thread::sleep(Duration::from_millis(1));
                    let _ = connection.write_all(&[0]);
                }
            }
        });
        let mut client = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "observe::sampler::tests::calls_for_a_moment"])
            .env(CALLED, at.to_string())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let root = Root::new("/");
        let mut sampler = Sampler::default();
        let begun = Instant::now();
        let called: Called = (0, Protocol::Tcp, at);
        while !sampler.callers.is_known(&called) && begun.elapsed() < Duration::from_secs(50) {
            sampler.hunts.want((Protocol::Tcp, at), Instant::now());
            if let Some(glance) = sampler.glance(&root) {
                sampler.look_closer(&root, glance).unwrap();
            }
            std::thread::sleep(sampler.look_due().map_or(Duration::ZERO, |due| due.saturating_duration_since(Instant::now())));
        }
        let is_known = sampler.callers.is_known(&called);
        ends.store(true, Ordering::Relaxed);
        client.kill().unwrap();
        client.wait().unwrap();
        let _ = TcpStream::connect(at);
        serve.join().unwrap();
        assert!(is_known, "nobody was seen in {:?}", begun.elapsed());
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
