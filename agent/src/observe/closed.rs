//! Connections that were closed between two samples, as the kernel tells of each when it destroys its socket.
//!
//! `TIME_WAIT` stays with the end that closed first, and with neither after a reset: this is how the other end still sees
//! what was shorter than the sampling interval. The kernel's queue is bounded, and what is kept of a flood is one
//! connection for each pair that it connects.

use std::{collections::HashMap, io, net::SocketAddr, os::fd::OwnedFd};

use netlink_sys::{Socket as Netlink, protocols::NETLINK_SOCK_DIAG};
use rollcall_shared::wire::v1::Protocol;

use crate::{
    parse::inet_diag::{self, DiagSocket, Message},
    sockets::{Socket, State},
};

/// Hears of closed connections.
pub struct Closed {
    netlink: Netlink,
    buffer: Vec<u8>,
    kept: HashMap<Pair, (SocketAddr, SocketAddr)>,
    lost: u64,
}

/// What a closed connection connected, without the port that was only taken for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Pair {
    protocol: Protocol,
    local: SocketAddr,
    peer: SocketAddr,
}

/// Pairs kept between two samples.
const MOST_PAIRS: usize = 4_096;
/// Messages read at a time: so many that a flood is thinned out, so few that it costs no more than a sample.
const MOST_MESSAGES: usize = 1_024;

impl Closed {
    /// Begins to listen.
    ///
    /// # Errors
    /// As the kernel says; older ones cannot tell.
    pub fn open() -> io::Result<Self> {
        /// `SKNLGRP_INET_TCP_DESTROY` and its like for UDP and IPv6.
        const DESTROYED: std::ops::RangeInclusive<u32> = 1..=4;
        /// What waits in the kernel: about a thousand messages.
        const QUEUE: usize = 1 << 20;
        let mut netlink = Netlink::new(NETLINK_SOCK_DIAG)?;
        netlink.bind_auto()?;
        netlink.set_non_blocking(true)?;
        netlink.set_rx_buf_sz(i32::try_from(QUEUE).unwrap_or(i32::MAX))?;
        for group in DESTROYED {
            netlink.add_membership(group)?;
        }
        Ok(Self { netlink, buffer: vec![0; 2 << 10], kept: HashMap::new(), lost: 0 })
    }

    /// A second handle, to wait on until there is something to read.
    ///
    /// # Errors
    /// As the system says.
    pub fn handle(&self) -> io::Result<OwnedFd> {
        Ok(rustix::io::fcntl_dupfd_cloexec(&self.netlink, 0)?)
    }

    /// Reads what has come in, a bounded part of a flood. `is_served` tells of a local port whether something listens there.
    /// Whether this machine opened some of it.
    pub fn read(&mut self, is_served: impl Fn(Protocol, u16) -> bool) -> bool {
        let mut opened = false;
        for _ in 0..MOST_MESSAGES {
            match self.netlink.recv(&mut &mut self.buffer[..], 0) {
                Ok(size) => {
                    for message in inet_diag::messages(self.buffer.get(..size).unwrap_or_default()) {
                        if let Message::Socket(socket) = message {
                            opened |= keep(&mut self.kept, &mut self.lost, &socket, &is_served);
                        }
                    }
                }
                // The kernel had to drop some; how many, it does not say.
                Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NOBUFS.raw_os_error()) => self.lost += 1,
                Err(_) => break,
            }
        }
        opened
    }

    /// One connection of each pair that was closed since the last call.
    pub fn take(&mut self) -> Vec<Socket> {
        let socket = |(pair, (local, peer)): (Pair, _)| Socket {
            protocol: pair.protocol,
            state: State::Closed,
            local,
            peer,
            inode: 0,
            cgroup: 0,
            network: 0,
        };
        std::mem::take(&mut self.kept).into_iter().map(socket).collect()
    }

    /// How often connections were closed faster than they could be kept.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

/// Whether this machine opened it.
fn keep(
    kept: &mut HashMap<Pair, (SocketAddr, SocketAddr)>,
    lost: &mut u64,
    socket: &DiagSocket,
    is_served: impl Fn(Protocol, u16) -> bool,
) -> bool {
    let protocol = match socket.protocol {
        Some(inet_diag::TCP) => Protocol::Tcp,
        Some(inet_diag::UDP) => Protocol::Udp,
        _ => return false,
    };
    let is_incoming = is_served(protocol, socket.local.port());
    // An attempt that nobody answered connected nothing.
    let is_attempt = protocol == Protocol::Tcp && !is_incoming && socket.acknowledged == Some(0);
    if socket.peer.port() == 0 || socket.local.port() == 0 || is_attempt {
        return false;
    }
    let pair = if is_incoming {
        Pair { protocol, local: socket.local, peer: SocketAddr::new(socket.peer.ip(), 0) }
    } else {
        Pair { protocol, local: SocketAddr::new(socket.local.ip(), 0), peer: socket.peer }
    };
    if kept.len() < MOST_PAIRS || kept.contains_key(&pair) {
        kept.insert(pair, (socket.local, socket.peer));
    } else {
        *lost += 1;
    }
    !is_incoming
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, TcpStream, UdpSocket},
        time::{Duration, Instant},
    };

    use super::*;

    fn closed(local: &str, peer: &str, acknowledged: u64) -> DiagSocket {
        DiagSocket {
            state: 7,
            local: local.parse().unwrap(),
            peer: peer.parse().unwrap(),
            inode: 0,
            cgroup: None,
            protocol: Some(inet_diag::TCP),
            acknowledged: Some(acknowledged),
        }
    }

    #[test]
    fn a_flood_is_kept_as_the_pairs_that_it_connects() {
        let (mut kept, mut lost) = (HashMap::new(), 0);
        let served = |_: Protocol, port: u16| port == 80;
        for port in 1_024..60_000_u16 {
            keep(&mut kept, &mut lost, &closed(&format!("10.0.0.1:{port}"), "10.0.0.2:5432", 100), served);
            keep(&mut kept, &mut lost, &closed("10.0.0.1:80", &format!("10.0.0.3:{port}"), 100), served);
        }
        assert_eq!((kept.len(), lost), (2, 0));
        keep(&mut kept, &mut lost, &closed("10.0.0.1:4000", "10.0.0.9:5432", 0), served);
        assert_eq!(kept.len(), 2, "nobody answered");
        for port in 1_024..60_000_u16 {
            keep(&mut kept, &mut lost, &closed("10.0.0.1:4000", &format!("10.0.0.3:{port}"), 1), served);
        }
        assert_eq!(kept.len(), MOST_PAIRS);
        assert!(lost > 0);
    }

    #[test]
    fn connections_that_leave_nothing_in_the_tables_are_heard_of() {
        let mut heard = Closed::open().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let client = TcpStream::connect(at).unwrap();
        let from = client.local_addr().unwrap();
        let (server, _) = listener.accept().unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        udp.connect(at).unwrap();
        let udp_from = udp.local_addr().unwrap();
        drop((udp, server, client));
        let mut found = Vec::new();
        let begun = Instant::now();
        let all = [(Protocol::Tcp, from, at), (Protocol::Tcp, at, from), (Protocol::Udp, udp_from, at)];
        while all.iter().any(|wanted| !found.contains(wanted)) {
            assert!(begun.elapsed() < Duration::from_secs(10), "{found:?}");
            heard.read(|_, _| false);
            found.extend(heard.take().into_iter().map(|socket| (socket.protocol, socket.local, socket.peer)));
            std::thread::yield_now();
        }
    }
}
