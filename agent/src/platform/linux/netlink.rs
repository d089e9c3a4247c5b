//! Questions to the kernel over netlink: links, routes, neighbours, wireless networks. Everything is of the network namespace
//! that the agent runs in, which files below `/sys` need not be.

use std::{convert::Infallible, io};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload, NetlinkSerializable,
};
use netlink_sys::{
    Socket, SocketAddr,
    protocols::{NETLINK_GENERIC, NETLINK_ROUTE},
};

use crate::parse::netlink::{self, Link, Neighbour, Route};

const RTM_GETLINK: u16 = 18;
const RTM_GETROUTE: u16 = 26;
const RTM_GETNEIGH: u16 = 30;

/// The interfaces.
///
/// # Errors
/// As the kernel says.
pub(super) fn links() -> io::Result<Vec<Link>> {
    /// `struct ifinfomsg`, then an attribute that asks to leave statistics out (`IFLA_EXT_MASK`, `RTEXT_FILTER_SKIP_STATS`).
    const HEADER: usize = 16;
    const SKIP_STATISTICS: u32 = 1 << 3;
    let mut request = vec![0; HEADER];
    request.extend([&8u16.to_ne_bytes()[..], &29u16.to_ne_bytes(), &SKIP_STATISTICS.to_ne_bytes()].concat());
    let mut found = Vec::new();
    dump(NETLINK_ROUTE, RTM_GETLINK, &request, |payload| {
        found.extend(netlink::link(payload));
        true
    })?;
    Ok(found)
}

/// The routes of both families, and whether those are all: at most about `most` of each family are read.
///
/// # Errors
/// As the kernel says.
pub(super) fn routes(most: usize) -> io::Result<(Vec<Route>, bool)> {
    const AF_INET: u8 = 2;
    const AF_INET6: u8 = 10;
    let mut found = Vec::new();
    let mut complete = true;
    for family in [AF_INET, AF_INET6] {
        let mut request = vec![0; 12];
        request[0] = family;
        let before = found.len();
        complete &= dump(NETLINK_ROUTE, RTM_GETROUTE, &request, |payload| {
            found.extend(netlink::routes(payload));
            found.len() - before <= most
        })?;
    }
    Ok((found, complete))
}

/// The neighbours, and whether those are all: at most about `most` are read.
///
/// # Errors
/// As the kernel says.
pub(super) fn neighbours(most: usize) -> io::Result<(Vec<Neighbour>, bool)> {
    let mut found = Vec::new();
    let complete = dump(NETLINK_ROUTE, RTM_GETNEIGH, &[0; 12], |payload| {
        found.extend(netlink::neighbour(payload));
        found.len() <= most
    })?;
    Ok((found, complete))
}

/// The wireless networks that interfaces, by number, are connected to.
///
/// # Errors
/// As the kernel says; [`io::ErrorKind::NotFound`] where it knows no wireless networks.
pub(super) fn wireless_networks() -> io::Result<Vec<(u32, String)>> {
    const CONTROLLER: u16 = 16;
    const GET_FAMILY: [u8; 4] = [3, 1, 0, 0];
    const NAME: &[u8; 8] = b"nl80211\0";
    const GET_INTERFACE: [u8; 4] = [5, 0, 0, 0];
    let attribute = [&12u16.to_ne_bytes()[..], &2u16.to_ne_bytes(), NAME].concat();
    let mut family = None;
    ask(NETLINK_GENERIC, CONTROLLER, NLM_F_ACK, &[&GET_FAMILY[..], &attribute].concat(), |payload| {
        family = netlink::generic_family(payload);
        true
    })?;
    let family = family.ok_or(io::ErrorKind::NotFound)?;
    let mut found = Vec::new();
    dump(NETLINK_GENERIC, family, &GET_INTERFACE, |payload| {
        found.extend(netlink::wireless_network(payload));
        true
    })?;
    Ok(found)
}

/// Hands the payload of each message of the answer to `take`, until that answers `false`; whether the answer was read in full.
fn dump(protocol: isize, kind: u16, payload: &[u8], take: impl FnMut(&[u8]) -> bool) -> io::Result<bool> {
    ask(protocol, kind, NLM_F_DUMP, payload, take)
}

fn ask(protocol: isize, kind: u16, flags: u16, payload: &[u8], mut take: impl FnMut(&[u8]) -> bool) -> io::Result<bool> {
    let mut socket = Socket::new(protocol)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | flags;
    let mut packet = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(Raw { kind, payload: payload.to_vec() }));
    packet.finalize();
    let mut bytes = vec![0; packet.buffer_len()];
    packet.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    // The kernel never puts more than 32 KiB into one answer to a dump.
    let mut buffer = vec![0; 64 << 10];
    loop {
        let size = socket.recv(&mut &mut buffer[..], 0)?;
        match answer(buffer.get(..size).unwrap_or_default(), &mut take)? {
            Answer::More => {}
            Answer::Complete => return Ok(true),
            // Closing the socket ends the dump.
            Answer::Enough => return Ok(false),
        }
    }
}

enum Answer {
    More,
    Complete,
    Enough,
}

fn answer(mut bytes: &[u8], take: &mut impl FnMut(&[u8]) -> bool) -> io::Result<Answer> {
    const ALIGNMENT: usize = 4;
    while !bytes.is_empty() {
        let message = NetlinkMessage::<Raw>::deserialize(bytes).map_err(io::Error::other)?;
        match message.payload {
            NetlinkPayload::InnerMessage(Raw { payload, .. }) if !take(&payload) => return Ok(Answer::Enough),
            NetlinkPayload::Done(_) => return Ok(Answer::Complete),
            // An error without number acknowledges.
            NetlinkPayload::Error(error) if error.code.is_none() => return Ok(Answer::Complete),
            NetlinkPayload::Error(error) => return Err(error.to_io()),
            _ => {}
        }
        let length = (message.header.length as usize).next_multiple_of(ALIGNMENT);
        if length == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the kernel's answer holds a message without length"));
        }
        bytes = bytes.get(length..).unwrap_or_default();
    }
    Ok(Answer::More)
}

/// A message that `parse::netlink` reads.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Raw {
    kind: u16,
    payload: Vec<u8>,
}

impl NetlinkSerializable for Raw {
    fn message_type(&self) -> u16 {
        self.kind
    }

    fn buffer_len(&self) -> usize {
        self.payload.len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.payload);
    }
}

impl NetlinkDeserializable for Raw {
    type Error = Infallible;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, Infallible> {
        Ok(Self { kind: header.message_type, payload: payload.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_of_its_loopback() {
        let links = links().unwrap();
        let loopback = links.iter().find(|link| link.loopback).unwrap();
        assert_eq!((loopback.name.as_str(), loopback.mac.as_deref()), ("lo", None));
        assert!(loopback.mtu.is_some_and(|mtu| mtu > 1_000));
    }

    #[test]
    fn routes_and_neighbours_can_be_asked() {
        routes(16).unwrap();
        neighbours(16).unwrap();
        match wireless_networks() {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}"),
        }
    }

    proptest::proptest! {
        #[test]
        fn no_answer_panics(bytes: Vec<u8>) {
            let _ = answer(&bytes, &mut |_: &[u8]| true);
        }
    }
}
