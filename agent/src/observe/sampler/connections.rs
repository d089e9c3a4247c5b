//! What is connected: which end began it, and whose the local end is.

use std::{
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    sync::Arc,
    time::Instant,
};

use foldhash::{HashMap, HashSet};
use rollcall_shared::wire::v1::{Direction, DirectionMethod, Protocol, ServiceMethod};

use super::{Sampler, Sighting, listening::Listening};
use crate::{
    observe::{callers::Called, holders::Holder, windows::FlowKey},
    processes::Owner,
    sockets::{Socket, State, receives},
};

/// Network namespace, protocol and both ends, in a form that is quick to compare: thousands are looked up in each sample.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Ends {
    network: u64,
    local: u128,
    peer: u128,
    /// Both ports and the protocol.
    ports: u64,
}

impl Ends {
    pub(super) fn of(socket: &Socket) -> Self {
        let bits = |at: &SocketAddr| match at.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
            IpAddr::V6(v6) => v6.to_bits(),
        };
        let protocol = u64::from(socket.protocol == Protocol::Udp);
        let ports = (protocol << 32) | (u64::from(socket.local.port()) << 16) | u64::from(socket.peer.port());
        Self { network: socket.network, local: bits(&socket.local), peer: bits(&socket.peer), ports }
    }
}

/// A connection, and what was found out about it.
pub(super) struct Known {
    pub(super) owner: Owner,
    pub(super) owner_method: ServiceMethod,
    pub(super) direction: Direction,
    pub(super) method: DirectionMethod,
    /// The flow that it is part of, for as long as what is known of it stays the same.
    pub(super) flow: Option<Arc<FlowKey>>,
    /// The last sample that had it.
    pub(super) seen: u64,
}

/// The flows of one sample, by where each is kept: it is there once.
#[derive(Default)]
pub(super) struct Seen(HashMap<*const FlowKey, Flow>);

struct Flow {
    key: Arc<FlowKey>,
    method: DirectionMethod,
    owner_method: ServiceMethod,
    /// Whether it is noted who calls.
    noted: bool,
}

impl Seen {
    fn add(&mut self, flow: &Arc<FlowKey>, method: DirectionMethod, owner_method: ServiceMethod) -> &mut Flow {
        let new = || Flow { key: Arc::clone(flow), method, owner_method, noted: false };
        let flow = self.0.entry(Arc::as_ptr(flow)).or_insert_with(new);
        flow.method = flow.method.min(method);
        flow.owner_method = flow.owner_method.min(owner_method);
        flow
    }
}

/// Connections remembered of namespaces that are not read in each sample.
const MOST_KEPT: usize = 20_000;

impl Sampler {
    /// Whether it is a connection of the sample before of which nothing is to be found out.
    pub(super) fn is_settled(&mut self, socket: &Socket, seen: &mut Seen) -> bool {
        let Some(known) = self.connections.get_mut(&Ends::of(socket)) else { return false };
        let Some(flow) = known.flow.as_ref().filter(|_| known.owner != Owner::Unknown && known.owner_method == ServiceMethod::Socket)
        else {
            return false;
        };
        known.seen = self.samples;
        let flow = seen.add(flow, known.method, known.owner_method);
        if known.direction == Direction::Outgoing && !flow.noted {
            flow.noted = true;
            self.callers.note((socket.network, socket.protocol, socket.peer), &known.owner, self.samples);
        }
        true
    }

    /// What else is connected, those that live first.
    pub(super) fn connections<'s>(
        &mut self,
        connected: impl Iterator<Item = &'s Socket>,
        ports: &Listening,
        ephemeral: &RangeInclusive<u16>,
        seen: &mut Seen,
    ) {
        let now = Instant::now();
        for socket in connected {
            let ends = Ends::of(socket);
            // A connection that is in the table and among the closed ones is one.
            if socket.state == State::Closed && self.connections.get(&ends).is_some_and(|known| known.seen == self.samples) {
                continue;
            }
            let mut known = match self.connections.remove(&ends) {
                Some(before) => self.judge_again(socket, before),
                None => self.judge(socket, ports, ephemeral),
            };
            if known.direction == Direction::Outgoing {
                self.attribute_call(socket, &mut known, now);
            }
            if known.owner != Owner::Person {
                let flow = self.flow(socket, &mut known);
                seen.add(&flow, known.method, known.owner_method);
            }
            self.connections.insert(ends, known);
        }
    }

    /// What was seen, once for each flow. What was not is forgotten.
    pub(super) fn sightings(&mut self, sockets: &[Socket], seen: Seen) -> Vec<Sighting> {
        let read: HashSet<u64> = sockets.iter().map(|socket| socket.network).collect();
        let now = self.samples;
        let mut kept = 0;
        // Namespaces that were not read this time are as they were.
        self.connections.retain(|ends, known| {
            let is_kept = ends.network != 0 && !read.contains(&ends.network) && kept < MOST_KEPT;
            kept += usize::from(is_kept && known.seen != now);
            known.seen == now || is_kept
        });
        self.callers.forget(now);
        let sighting = |flow: Flow| Sighting { key: flow.key.as_ref().clone(), method: flow.method, service_method: flow.owner_method };
        let sightings = seen.0.into_values().map(sighting).collect();
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

    /// A connection does not turn round, and does not change hands where the kernel no longer tells whose it is.
    fn judge_again(&self, socket: &Socket, mut before: Known) -> Known {
        before.seen = self.samples;
        if let Some(holder) = self.holders.of(socket.inode)
            && (before.owner == Owner::Unknown || before.owner_method != ServiceMethod::Socket)
        {
            if before.owner != holder.owner {
                before.flow = None;
            }
            (before.owner, before.owner_method) = (holder.owner.clone(), ServiceMethod::Socket);
        }
        before
    }

    /// Which end began it, and whose the local end is.
    fn judge(&self, socket: &Socket, ports: &Listening, ephemeral: &RangeInclusive<u16>) -> Known {
        let holder: Option<&Holder> = self.holders.of(socket.inode);
        let owner = || holder.map_or(Owner::Unknown, |holder| holder.owner.clone());
        let seen = self.samples;
        let known = |owner, direction, method| Known { owner, owner_method: ServiceMethod::Socket, direction, method, flow: None, seen };
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

/// This machine, or one of the same site.
fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
    }
}
