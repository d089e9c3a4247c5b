//! The kernel's socket tables, by one netlink dump for each protocol and family.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::{
    SockDiagMessage,
    constants::{AF_INET, AF_INET6, IPPROTO_TCP, IPPROTO_UDP},
    inet::{ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags},
};
use netlink_sys::{Socket as Netlink, SocketAddr as NetlinkAddress, protocols::NETLINK_SOCK_DIAG};
use rollcall_shared::wire::v1::Protocol;

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
    /// Closed, and remembered by the kernel for a minute; no process holds it.
    TimeWait,
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
}

/// Every TCP and UDP socket of this network namespace.
///
/// # Errors
/// As the kernel says; a table that the kernel does not have (no IPv6) is empty.
pub fn dump() -> io::Result<Vec<Socket>> {
    let mut netlink = Netlink::new(NETLINK_SOCK_DIAG)?;
    netlink.bind_auto()?;
    netlink.connect(&NetlinkAddress::new(0, 0))?;
    let mut sockets = Vec::new();
    for (family, protocol) in [(AF_INET, IPPROTO_TCP), (AF_INET6, IPPROTO_TCP), (AF_INET, IPPROTO_UDP), (AF_INET6, IPPROTO_UDP)] {
        table(&netlink, family, protocol, &mut sockets)?;
    }
    Ok(sockets)
}

fn table(netlink: &Netlink, family: u8, protocol: u8, sockets: &mut Vec<Socket>) -> io::Result<()> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let socket_id = if family == AF_INET { SocketId::new_v4() } else { SocketId::new_v6() };
    let request = InetRequest { family, protocol, extensions: ExtensionFlags::empty(), states: StateFlags::all(), socket_id };
    let mut packet = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
    packet.finalize();
    let mut bytes = vec![0; packet.buffer_len()];
    packet.serialize(&mut bytes);
    netlink.send(&bytes, 0)?;

    // The kernel never puts more than 32 KiB into one answer to a dump.
    let mut buffer = vec![0; 64 << 10];
    loop {
        let size = netlink.recv(&mut &mut buffer[..], 0)?;
        if read_answer(buffer.get(..size).unwrap_or_default(), protocol, sockets)? {
            return Ok(());
        }
    }
}

/// Reads one answer of the kernel; `true` when it was the last.
fn read_answer(mut bytes: &[u8], protocol: u8, sockets: &mut Vec<Socket>) -> io::Result<bool> {
    const NLMSG_ALIGN: usize = 4;
    while !bytes.is_empty() {
        let message = NetlinkMessage::<SockDiagMessage>::deserialize(bytes).map_err(io::Error::other)?;
        let length = (message.header.length as usize).next_multiple_of(NLMSG_ALIGN);
        match message.payload {
            NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) => sockets.extend(socket(&response, protocol)),
            NetlinkPayload::Done(_) => return Ok(true),
            NetlinkPayload::Error(error) => {
                let error = error.to_io();
                // A kernel without IPv6 or without this diagnosis module.
                return if error.kind() == io::ErrorKind::NotFound { Ok(true) } else { Err(error) };
            }
            _ => {}
        }
        if length == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the kernel's answer holds a message without length"));
        }
        bytes = bytes.get(length..).unwrap_or_default();
    }
    Ok(false)
}

fn socket(response: &InetResponse, protocol: u8) -> Option<Socket> {
    use netlink_packet_sock_diag::constants::{TCP_CLOSE, TCP_LISTEN, TCP_SYN_RECV, TCP_SYN_SENT, TCP_TIME_WAIT};
    // Request sockets are listed in a state of their own, number 12, which StateFlags does not name.
    const TCP_NEW_SYN_RECV: u8 = 12;
    let header = &response.header;
    let id = &header.socket_id;
    let is_udp = protocol == IPPROTO_UDP;
    let state = match header.state {
        TCP_LISTEN => State::Listen,
        TCP_CLOSE if is_udp => State::Listen,
        // A TCP socket that was never connected talks to nobody.
        TCP_CLOSE => return None,
        TCP_SYN_SENT => State::Opening,
        TCP_SYN_RECV | TCP_NEW_SYN_RECV => State::Accepting,
        TCP_TIME_WAIT => State::TimeWait,
        _ => State::Connected,
    };
    Some(Socket {
        protocol: if is_udp { Protocol::Udp } else { Protocol::Tcp },
        state,
        local: SocketAddr::new(plain(id.source_address), id.source_port),
        peer: SocketAddr::new(plain(id.destination_address), id.destination_port),
        inode: u64::from(header.inode),
    })
}

fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
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
    }

    #[test]
    fn mapped_addresses_are_ipv4_and_wildcards_receive() {
        assert_eq!(plain("::ffff:10.0.0.1".parse().unwrap()), "10.0.0.1".parse::<IpAddr>().unwrap());
        let receives = |bound: &str, address: &str| receives(bound.parse().unwrap(), address.parse().unwrap());
        assert!(receives("0.0.0.0", "10.0.0.1") && receives("::", "10.0.0.1") && receives("10.0.0.1", "10.0.0.1"));
        assert!(!receives("0.0.0.0", "fd00::1") && !receives("127.0.0.1", "10.0.0.1"));
    }

    proptest::proptest! {
        #[test]
        fn no_answer_panics(bytes: Vec<u8>) {
            let _ = read_answer(&bytes, IPPROTO_TCP, &mut Vec::new());
        }
    }
}
