//! The kernel's socket tables, by netlink dumps: one of TCP, one of UDP for each family.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use netlink_sys::{Socket as Netlink, SocketAddr as NetlinkAddress, protocols::NETLINK_SOCK_DIAG};
use rollcall_shared::wire::v1::Protocol;

use crate::parse::{
    inet_diag::{self, DiagSocket, Message},
    proc_net::TableSocket,
};

/// What a socket is doing; the states that mean the same to us are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Waits for connections, or for datagrams from anyone.
    Listen,
    /// This end is opening the connection.
    Opening,
    /// The other end is opening the connection.
    Accepting,
    /// Connected or closing.
    Connected,
    /// Closed, and still remembered by the kernel or by us; no process holds it.
    Closed,
}

/// One socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Protocol.
    pub protocol: Protocol,
    /// State.
    pub state: State,
    /// This end; an IPv4 address in IPv6 clothing is IPv4.
    pub local: SocketAddr,
    /// The other end; unspecified where there is none.
    pub peer: SocketAddr,
    /// What `/proc/PID/fd` knows it by; 0 where no process holds it.
    pub inode: u64,
    /// The control group that it was made in; 0 where the kernel does not tell.
    pub cgroup: u64,
    /// The network namespace that it is in; 0 for the machine's own.
    pub network: u64,
}

const ALL_STATES: u32 = u32::MAX;
/// Those of a connection that a process holds.
const HELD_STATES: u32 = (1 << 1) | (1 << 2) | (1 << 4) | (1 << 5) | (1 << 8);

/// Every TCP and UDP socket of this network namespace.
///
/// # Errors
/// As the kernel says; a table that the kernel does not have (no IPv6) is empty.
pub fn dump() -> io::Result<Vec<Socket>> {
    dump_about(0)
}

/// The same, where about so many are expected.
///
/// # Errors
/// As [`dump`].
pub fn dump_about(expected: usize) -> io::Result<Vec<Socket>> {
    let mut tables = Tables::open()?;
    // A few more than the last time are no reason to move them all.
    let mut sockets = Vec::with_capacity(expected + expected / 16);
    tables.ask(&inet_diag::request_tcp(ALL_STATES), inet_diag::TCP, &mut sockets)?;
    for family in [inet_diag::IPV4, inet_diag::IPV6] {
        tables.read(family, inet_diag::UDP, ALL_STATES, 0, &mut sockets)?;
    }
    Ok(sockets)
}

/// Connections that a process of this network namespace holds to one of these ports of a peer.
///
/// # Errors
/// As the kernel says.
pub fn dump_held(to: impl IntoIterator<Item = (Protocol, u16)>) -> io::Result<Vec<Socket>> {
    let mut tables = Tables::open()?;
    let mut sockets = Vec::new();
    for (protocol, port) in to {
        let number = if protocol == Protocol::Tcp { inet_diag::TCP } else { inet_diag::UDP };
        for family in [inet_diag::IPV4, inet_diag::IPV6] {
            tables.read(family, number, HELD_STATES, port, &mut sockets)?;
        }
    }
    Ok(sockets)
}

struct Tables {
    netlink: Netlink,
    buffer: Vec<u8>,
}

impl Tables {
    fn open() -> io::Result<Self> {
        let mut netlink = Netlink::new(NETLINK_SOCK_DIAG)?;
        netlink.bind_auto()?;
        netlink.connect(&NetlinkAddress::new(0, 0))?;
        // The kernel never puts more than 32 KiB into one answer to a dump.
        Ok(Self { netlink, buffer: vec![0; 32 << 10] })
    }

    fn read(&mut self, family: u8, protocol: u8, states: u32, peer_port: u16, sockets: &mut Vec<Socket>) -> io::Result<()> {
        self.ask(&inet_diag::request(family, protocol, states, peer_port), protocol, sockets)
    }

    fn ask(&mut self, request: &[u8], protocol: u8, sockets: &mut Vec<Socket>) -> io::Result<()> {
        self.netlink.send(request, 0)?;
        loop {
            let size = self.netlink.recv(&mut &mut self.buffer[..], 0)?;
            for message in inet_diag::messages(self.buffer.get(..size).unwrap_or_default()) {
                match message {
                    Message::Socket(found) => sockets.extend(socket(&found, protocol)),
                    Message::Done => return Ok(()),
                    // A kernel without IPv6 or without this diagnosis module.
                    Message::Error(error) if error == rustix::io::Errno::NOENT.raw_os_error() => return Ok(()),
                    Message::Error(error) => return Err(io::Error::from_raw_os_error(error)),
                }
            }
        }
    }
}

fn socket(found: &DiagSocket, protocol: u8) -> Option<Socket> {
    let is_udp = protocol == inet_diag::UDP;
    Some(Socket {
        protocol: if is_udp { Protocol::Udp } else { Protocol::Tcp },
        state: state(found.state, is_udp)?,
        local: found.local,
        peer: found.peer,
        inode: u64::from(found.inode),
        cgroup: found.cgroup.unwrap_or_default(),
        network: 0,
    })
}

/// A socket of the tables of another network namespace.
pub fn in_network(found: &TableSocket, protocol: Protocol, network: u64) -> Option<Socket> {
    let state = state(found.state, protocol == Protocol::Udp)?;
    Some(Socket { protocol, state, local: found.local, peer: found.peer, inode: found.inode, cgroup: 0, network })
}

/// What the kernel's number means; `None` for a TCP socket that was never connected, which talks to nobody.
fn state(number: u8, is_udp: bool) -> Option<State> {
    const SYN_SENT: u8 = 2;
    const SYN_RECEIVED: u8 = 3;
    const TIME_WAIT: u8 = 6;
    const CLOSE: u8 = 7;
    const LISTEN: u8 = 10;
    /// Connections that are being opened are listed in a state of their own.
    const NEW_SYN_RECEIVED: u8 = 12;
    match number {
        LISTEN => Some(State::Listen),
        CLOSE => is_udp.then_some(State::Listen),
        SYN_SENT => Some(State::Opening),
        SYN_RECEIVED | NEW_SYN_RECEIVED => Some(State::Accepting),
        TIME_WAIT => Some(State::Closed),
        _ => Some(State::Connected),
    }
}

/// Whether a socket bound to `bound` receives what is sent to `address`. `::` is taken to receive IPv4 too: that is how
/// nearly every server binds it.
pub fn receives(bound: IpAddr, address: IpAddr) -> bool {
    bound == address || bound == IpAddr::V6(Ipv6Addr::UNSPECIFIED) || (bound == IpAddr::V4(Ipv4Addr::UNSPECIFIED) && address.is_ipv4())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;

    #[test]
    fn own_sockets_are_seen_in_each_state() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let client = TcpStream::connect(at).unwrap();
        let (_server, _) = listener.accept().unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sockets = dump().unwrap();
        let seen = |protocol, state, local: SocketAddr, peer_port: u16| {
            sockets
                .iter()
                .any(|s| s.protocol == protocol && s.state == state && s.local == local && s.peer.port() == peer_port && s.inode != 0)
        };
        assert!(seen(Protocol::Tcp, State::Listen, at, 0));
        assert!(seen(Protocol::Tcp, State::Connected, client.local_addr().unwrap(), at.port()));
        assert!(seen(Protocol::Tcp, State::Connected, at, client.local_addr().unwrap().port()));
        assert!(seen(Protocol::Udp, State::Listen, udp.local_addr().unwrap(), 0));

        // Both families are in one answer, where this machine has both.
        if let Ok(listener) = TcpListener::bind("[::1]:0") {
            let at = listener.local_addr().unwrap();
            let client = TcpStream::connect(at).unwrap();
            let sockets = dump().unwrap();
            let is_seen = |socket: &&Socket| (socket.local, socket.peer) == (client.local_addr().unwrap(), at) && socket.inode != 0;
            assert_eq!(sockets.iter().filter(is_seen).count(), 1);
            assert!(sockets.iter().any(|socket| socket.local == at && socket.state == State::Listen));
        }

        let held = dump_held([(Protocol::Tcp, at.port())]).unwrap();
        assert_eq!(held.iter().map(|socket| socket.local).collect::<Vec<_>>(), [client.local_addr().unwrap()]);
    }

    #[test]
    fn wildcards_receive() {
        let receives = |bound: &str, address: &str| receives(bound.parse().unwrap(), address.parse().unwrap());
        assert!(receives("0.0.0.0", "10.0.0.1") && receives("::", "10.0.0.1") && receives("10.0.0.1", "10.0.0.1"));
        assert!(!receives("0.0.0.0", "fd00::1") && !receives("127.0.0.1", "10.0.0.1"));
    }
}
