//! Answers of the kernel's socket diagnosis: netlink messages that each hold one `inet_diag_msg` and its attributes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// `AF_INET`.
pub const IPV4: u8 = 2;
/// `AF_INET6`.
pub const IPV6: u8 = 10;
/// `IPPROTO_TCP`.
pub const TCP: u8 = 6;
/// `IPPROTO_UDP`.
pub const UDP: u8 = 17;

/// One netlink message.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// A socket.
    Socket(DiagSocket),
    /// The dump has ended.
    Done,
    /// The kernel refuses, with this error number; 0 is an acknowledgement.
    Error(i32),
}

/// What the kernel says of one socket.
#[derive(Clone, Debug, PartialEq)]
pub struct DiagSocket {
    /// The kernel's number of its TCP state.
    pub state: u8,
    /// This end; an IPv4 address in IPv6 clothing is IPv4.
    pub local: SocketAddr,
    /// The other end; unspecified where there is none.
    pub peer: SocketAddr,
    /// What `/proc/PID/fd` knows it by; 0 where no process holds it.
    pub inode: u32,
    /// The control group that it was made in, where told.
    pub cgroup: Option<u64>,
    /// The protocol, where told: only of sockets that were destroyed.
    pub protocol: Option<u8>,
    /// Bytes that the other end has acknowledged, the opening of the connection included: none if it never came about.
    /// Told of TCP sockets that were destroyed.
    pub acknowledged: Option<u64>,
}

/// The request for sockets of a family and protocol: all in the states of the mask, and with this remote port if not 0.
pub fn request(family: u8, protocol: u8, states: u32, peer_port: u16) -> [u8; 72] {
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    // NLM_F_REQUEST | NLM_F_DUMP.
    const FLAGS: u16 = 0x1 | 0x300;
    let mut bytes = [0; 72];
    let mut at = 0;
    let mut put = |part: &[u8]| {
        if let Some(place) = bytes.get_mut(at..at + part.len()) {
            place.copy_from_slice(part);
        }
        at += part.len();
    };
    put(&72_u32.to_ne_bytes());
    put(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    put(&FLAGS.to_ne_bytes());
    // Sequence number and sender: one question at a time, from the socket's own address.
    put(&[0; 8]);
    put(&[family, protocol, 0, 0]);
    put(&states.to_ne_bytes());
    // Local port, remote port, then addresses, interface and cookie: any.
    put(&[0; 2]);
    put(&peer_port.to_be_bytes());
    bytes
}

/// The request for the TCP sockets of both families in the states of the mask. This older form of the question has the kernel walk its
/// table, of which most places are empty, once instead of twice.
pub fn request_tcp(states: u32) -> [u8; 76] {
    let mut bytes = [0; 76];
    let mut at = 0;
    let mut put = |part: &[u8]| {
        if let Some(place) = bytes.get_mut(at..at + part.len()) {
            place.copy_from_slice(part);
        }
        at += part.len();
    };
    put(&76_u32.to_ne_bytes());
    put(&TCPDIAG_GETSOCK.to_ne_bytes());
    // NLM_F_REQUEST | NLM_F_DUMP.
    put(&(0x1_u16 | 0x300).to_ne_bytes());
    // Sequence number and sender; any family, no prefixes, no extensions; any ports, addresses, interface and cookie.
    put(&[0; 8 + 4 + 48]);
    put(&states.to_ne_bytes());
    bytes
}

const TCPDIAG_GETSOCK: u16 = 18;

/// The messages in what was received at once. Ends early where the bytes are not what the kernel writes.
pub fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message> {
    const HEADER: usize = 16;
    const DONE: u16 = 3;
    const ERROR: u16 = 2;
    const BY_FAMILY: u16 = 20;
    std::iter::from_fn(move || {
        loop {
            let length = u32_at(bytes, 0)? as usize;
            let kind = u16_at(bytes, 4)?;
            let body = bytes.get(HEADER..length)?;
            bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
            match kind {
                DONE => return Some(Message::Done),
                ERROR => return Some(Message::Error(u32_at(body, 0)?.cast_signed().saturating_neg())),
                BY_FAMILY | TCPDIAG_GETSOCK => {
                    if let Some(socket) = socket(body) {
                        return Some(Message::Socket(socket));
                    }
                }
                _ => {}
            }
        }
    })
}

fn socket(body: &[u8]) -> Option<DiagSocket> {
    const FIXED: usize = 72;
    const INFO: u16 = 2;
    const PROTOCOL: u16 = 10;
    const CGROUP_ID: u16 = 21;
    /// Where `tcp_info` has `tcpi_bytes_acked`.
    const BYTES_ACKED: usize = 120;
    let family = *body.first()?;
    let mut socket = DiagSocket {
        state: *body.get(1)?,
        local: SocketAddr::new(address(family, body.get(8..24)?)?, port_at(body, 4)?),
        peer: SocketAddr::new(address(family, body.get(24..40)?)?, port_at(body, 6)?),
        inode: u32_at(body, 68)?,
        cgroup: None,
        protocol: None,
        acknowledged: None,
    };
    let mut attributes = body.get(FIXED..)?;
    while let (Some(length), Some(kind)) = (u16_at(attributes, 0), u16_at(attributes, 2)) {
        let Some(value) = attributes.get(4..usize::from(length)) else { break };
        match kind {
            CGROUP_ID => socket.cgroup = u64_at(value, 0),
            PROTOCOL => socket.protocol = value.first().copied(),
            INFO => socket.acknowledged = u64_at(value, BYTES_ACKED),
            _ => {}
        }
        attributes = attributes.get(usize::from(length).next_multiple_of(4)..).unwrap_or_default();
    }
    Some(socket)
}

fn address(family: u8, bytes: &[u8]) -> Option<IpAddr> {
    match family {
        IPV4 => Some(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes.get(..4)?).ok()?))),
        IPV6 => Some(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)).to_canonical()),
        _ => None,
    }
}

fn port_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message as the kernel writes it.
    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = (16 + body.len() as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(body);
        bytes
    }

    fn body(family: u8, address: &[u8]) -> Vec<u8> {
        let mut body = vec![family, 1, 0, 0];
        body.extend([0x14, 0xe9, 0x9c, 0x40]);
        let mut padded = address.to_vec();
        padded.resize(16, 0);
        body.extend(padded.repeat(2));
        body.resize(68, 0);
        body.extend(4_242_u32.to_ne_bytes());
        body.extend([12, 0, 21, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
        body.extend([5, 0, 10, 0, 6, 0, 0, 0]);
        body
    }

    #[test]
    fn sockets_of_both_families() {
        let mapped = "::ffff:10.0.0.1".parse::<Ipv6Addr>().unwrap().octets();
        let mut bytes = message(20, &body(IPV4, &[10, 0, 0, 1]));
        bytes.extend(message(20, &body(IPV6, &mapped)));
        bytes.extend(message(20, &body(1, &[])));
        bytes.extend(message(3, &[0; 4]));
        let expected = Message::Socket(DiagSocket {
            state: 1,
            local: "10.0.0.1:5353".parse().unwrap(),
            peer: "10.0.0.1:40000".parse().unwrap(),
            inode: 4_242,
            cgroup: Some(7),
            protocol: Some(TCP),
            acknowledged: None,
        });
        assert_eq!(messages(&bytes).collect::<Vec<_>>(), [expected.clone(), expected, Message::Done]);
    }

    #[test]
    fn errors_are_told() {
        assert_eq!(messages(&message(2, &(-2_i32).to_ne_bytes())).collect::<Vec<_>>(), [Message::Error(2)]);
        assert_eq!(messages(&message(2, &i32::MIN.to_ne_bytes())).collect::<Vec<_>>(), [Message::Error(i32::MAX)]);
        // A message without length would never end.
        assert_eq!(messages(&[0; 64]).count(), 0);
    }

    proptest::proptest! {
        #[test]
        fn no_answer_panics(bytes: Vec<u8>, body: Vec<u8>) {
            messages(&bytes).count();
            messages(&message(20, &body)).count();
        }
    }
}
