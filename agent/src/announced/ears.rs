//! Sockets that only listen to what is sent to everybody on the local network.
//!
//! They are bound to the groups themselves: what is meant for another program of this machine that uses the same port goes there.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    task::Poll,
    time::{Duration, Instant},
};

use nix::{ifaddrs::getifaddrs, net::if_::InterfaceFlags};
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, socket_with,
    sockopt::{
        set_ip_add_membership_with_ifindex, set_ipv6_add_membership, set_ipv6_v6only, set_socket_recv_buffer_size, set_socket_reuseaddr,
        set_socket_reuseport,
    },
};
use tokio::net::UdpSocket;

use super::heard::Tongue;

/// The groups that are listened to.
const GROUPS: [(Tongue, IpAddr, u16); 4] = [
    (Tongue::Mdns, IpAddr::V4(Ipv4Addr::new(224, 0, 0, 251)), 5_353),
    (Tongue::Ssdp, IpAddr::V4(Ipv4Addr::new(239, 255, 255, 250)), 1_900),
    (Tongue::Mdns, IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb)), 5_353),
    (Tongue::Ssdp, IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x0c)), 1_900),
];
/// Interfaces that are listened on.
const MOST_INTERFACES: usize = 16;
/// Messages that are heard at once; after these the ears are shut for [`QUIET`], so that a flood costs little.
const MOST_MESSAGES: usize = 64;
const QUIET: Duration = Duration::from_secs(1);
/// A message fits into this (RFC 6762, section 17).
const LONGEST: usize = 9_000;

/// The sockets.
pub(super) struct Ears {
    sockets: Vec<(Tongue, UdpSocket)>,
    interfaces: BTreeSet<u32>,
    quiet_until: Option<Instant>,
    buffer: Vec<u8>,
}

impl Ears {
    /// Listens on every interface that has multicast. Where that fails it is logged; the rest is heard.
    pub(super) fn open() -> Self {
        let mut ears = Self { sockets: Vec::new(), interfaces: BTreeSet::new(), quiet_until: None, buffer: Vec::new() };
        ears.follow_interfaces();
        ears
    }

    /// Listens anew if there are other interfaces than before.
    pub(super) fn follow_interfaces(&mut self) {
        let interfaces = interfaces().unwrap_or_else(|error| {
            tracing::warn!(%error, "the interfaces to hear announcements on are not known");
            BTreeSet::new()
        });
        if interfaces != self.interfaces {
            self.sockets = sockets(&GROUPS, &interfaces);
            self.interfaces = interfaces;
        }
    }

    /// Waits until something was said.
    pub(super) async fn readable(&mut self) {
        if let Some(until) = self.quiet_until {
            tokio::time::sleep_until(until.into()).await;
        }
        std::future::poll_fn(|context| {
            let mut any = Poll::Pending;
            // Each is asked, so that each wakes.
            for (_, socket) in &self.sockets {
                if socket.poll_recv_ready(context).is_ready() {
                    any = Poll::Ready(());
                }
            }
            any
        })
        .await;
    }

    /// Hands over what was said, a bounded part of a flood.
    pub(super) fn listen(&mut self, now: Instant, mut hear: impl FnMut(Tongue, IpAddr, &[u8])) {
        self.buffer.resize(LONGEST, 0);
        let mut left = MOST_MESSAGES;
        for (tongue, socket) in &self.sockets {
            while left > 0 {
                // Nothing more to read, or an error that the next message will not have.
                let Ok((size, sender)) = socket.try_recv_from(&mut self.buffer) else { break };
                left -= 1;
                hear(*tongue, sender.ip(), self.buffer.get(..size).unwrap_or_default());
            }
        }
        self.quiet_until = (left == 0).then(|| now + QUIET);
        self.buffer = Vec::new();
    }
}

/// The interfaces, by number, that are up and have multicast.
fn interfaces() -> io::Result<BTreeSet<u32>> {
    let wanted = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_MULTICAST;
    let is_wanted = |flags: InterfaceFlags| flags.contains(wanted) && !flags.contains(InterfaceFlags::IFF_LOOPBACK);
    let names: BTreeSet<String> =
        getifaddrs()?.filter(|entry| is_wanted(entry.flags)).map(|entry| entry.interface_name).take(1_024).collect();
    Ok(names.iter().filter_map(|name| nix::net::if_::if_nametoindex(name.as_str()).ok()).take(MOST_INTERFACES).collect())
}

fn sockets(groups: &[(Tongue, IpAddr, u16)], interfaces: &BTreeSet<u32>) -> Vec<(Tongue, UdpSocket)> {
    let mut opened = Vec::new();
    for &(tongue, group, port) in groups {
        let found: Vec<io::Result<UdpSocket>> = match group {
            IpAddr::V4(group) => vec![listening_v4(group, port, interfaces)],
            IpAddr::V6(group) => interfaces.iter().map(|interface| listening_v6(group, port, *interface)).collect(),
        };
        for socket in found {
            match socket {
                Ok(socket) => opened.push((tongue, socket)),
                Err(error) => tracing::info!(%error, %group, port, "announcements to this group are not heard"),
            }
        }
    }
    opened
}

/// One socket for a group on all interfaces.
fn listening_v4(group: Ipv4Addr, port: u16, interfaces: &BTreeSet<u32>) -> io::Result<UdpSocket> {
    let socket = shared_socket(AddressFamily::INET)?;
    bind(&socket, &SocketAddrV4::new(group, port))?;
    let mut joined = Err(io::ErrorKind::AddrNotAvailable.into());
    for interface in interfaces {
        let result = set_ip_add_membership_with_ifindex(&socket, &group, &Ipv4Addr::UNSPECIFIED, *interface);
        joined = joined.or(result.map_err(io::Error::from));
    }
    joined?;
    UdpSocket::from_std(socket.into())
}

/// One socket for a group of one interface: such a group is another on each.
fn listening_v6(group: Ipv6Addr, port: u16, interface: u32) -> io::Result<UdpSocket> {
    let socket = shared_socket(AddressFamily::INET6)?;
    set_ipv6_v6only(&socket, true)?;
    bind(&socket, &SocketAddr::V6(SocketAddrV6::new(group, port, 0, interface)))?;
    set_ipv6_add_membership(&socket, &group, interface)?;
    UdpSocket::from_std(socket.into())
}

/// Others of this machine may listen to the same.
fn shared_socket(family: AddressFamily) -> io::Result<std::os::fd::OwnedFd> {
    /// What waits in the kernel at most.
    const QUEUE: usize = 128 << 10;
    let socket = socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    set_socket_reuseaddr(&socket, true)?;
    set_socket_reuseport(&socket, true)?;
    set_socket_recv_buffer_size(&socket, QUEUE)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use rustix::net::sockopt::set_ip_multicast_if_with_ifindex;

    use super::*;

    const LOOPBACK: u32 = 1;

    /// Ears on any free ports of these groups, and one who speaks to them, both on the loopback interface.
    fn ears(groups: &[(Tongue, IpAddr, u16)]) -> (Ears, std::net::UdpSocket) {
        let sockets = sockets(groups, &[LOOPBACK].into());
        assert_eq!(sockets.len(), groups.len());
        let mouth = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        set_ip_multicast_if_with_ifindex(&mouth, &Ipv4Addr::UNSPECIFIED, &Ipv4Addr::UNSPECIFIED, LOOPBACK).unwrap();
        (Ears { sockets, interfaces: BTreeSet::new(), quiet_until: None, buffer: Vec::new() }, mouth)
    }

    #[tokio::test]
    async fn what_is_said_to_a_group_is_heard() {
        let (mut ears, mouth) = ears(&[(Tongue::Mdns, GROUPS[0].1, 0), (Tongue::Ssdp, GROUPS[1].1, 0)]);
        for (number, (_, ear)) in ears.sockets.iter().enumerate() {
            mouth.send_to(format!("message {number}").as_bytes(), ear.local_addr().unwrap()).unwrap();
        }
        let mut heard = Vec::new();
        while heard.len() < 2 {
            tokio::time::timeout(Duration::from_secs(10), ears.readable()).await.expect("nothing is heard");
            ears.listen(Instant::now(), |tongue, sender, message| {
                assert!(sender.is_loopback());
                heard.push((tongue, String::from_utf8(message.to_vec()).unwrap()));
            });
        }
        heard.sort_by_key(|(_, message)| message.clone());
        assert_eq!(heard, [(Tongue::Mdns, "message 0".to_owned()), (Tongue::Ssdp, "message 1".to_owned())]);
    }

    #[tokio::test]
    async fn a_flood_shuts_the_ears_for_a_while() {
        let (mut ears, mouth) = ears(&[(Tongue::Mdns, GROUPS[0].1, 0)]);
        let at = ears.sockets[0].1.local_addr().unwrap();
        for _ in 0..2 * MOST_MESSAGES {
            mouth.send_to(b"x", at).unwrap();
        }
        tokio::time::timeout(Duration::from_secs(10), ears.readable()).await.expect("nothing is heard");
        let (now, mut heard) = (Instant::now(), 0);
        ears.listen(now, |_, _, _| heard += 1);
        assert_eq!((heard, ears.quiet_until), (MOST_MESSAGES, Some(now + QUIET)));
    }
}
