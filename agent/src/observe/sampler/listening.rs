//! What listens, and whose it is.

use std::{
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
};

use foldhash::HashMap;
use rollcall_shared::wire::v1::Protocol;

use super::{Listener, Sampler};
use crate::{
    files::Root,
    processes::Owner,
    sockets::{Socket, State},
};

/// Network namespace, protocol and where something listens.
pub(super) type Place = (u64, Protocol, SocketAddr);

/// What listens, and whose it is, by network namespace, protocol and port.
pub(super) type Listening = HashMap<(u64, Protocol, u16), Vec<(IpAddr, Owner)>>;

/// A listener that was seen.
pub(super) struct Remembered {
    owner: Owner,
    /// The last sample that had it.
    seen: u64,
}

/// Connections outlive a listener that was closed; after this many samples it is forgotten.
pub(super) const REMEMBER_LISTENERS: u64 = 30;

impl Sampler {
    /// Remembers what listens, and returns it by port.
    pub(super) fn remember(&mut self, listening: &[&Socket]) -> Listening {
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

    pub(super) fn listener(&self, socket: &Socket) -> Listener {
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
}

/// A UDP socket bound to an ephemeral port asks; it does not serve.
pub(super) fn is_listener(socket: &Socket, ephemeral: &RangeInclusive<u16>) -> bool {
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
