//! `/proc/PID/net/tcp`, `tcp6`, `udp` and `udp6`: the socket tables of the network that a process lives in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::text::{fields, lines, number};

/// One line of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct TableSocket {
    /// The kernel's number of its TCP state.
    pub state: u8,
    /// This end; an IPv4 address in IPv6 clothing is IPv4.
    pub local: SocketAddr,
    /// The other end; unspecified where there is none.
    pub peer: SocketAddr,
    /// What `/proc/PID/fd` knows it by; 0 where no process holds it.
    pub inode: u64,
}

/// The sockets of a table. The heading, and a last line that was cut off, are left out.
pub fn sockets(bytes: &[u8]) -> impl Iterator<Item = TableSocket> {
    lines(bytes).filter_map(socket)
}

fn socket(line: &[u8]) -> Option<TableSocket> {
    let mut words = fields(line);
    words.next()?.strip_suffix(b":")?;
    let (local, peer) = (end(words.next()?)?, end(words.next()?)?);
    let state = u8::from_str_radix(std::str::from_utf8(words.next()?).ok()?, 16).ok()?;
    // Queues, timer, retransmissions, user and timeout come before the inode; a field after it tells that it is whole.
    let inode = number(words.nth(5)?)?;
    words.next()?;
    Some(TableSocket { state, local, peer, inode })
}

/// Address and port: `0100007F:1F90`, the address as words of this machine's byte order.
fn end(text: &[u8]) -> Option<SocketAddr> {
    let (address, port) = std::str::from_utf8(text).ok()?.split_once(':')?;
    let word = |at: usize| Some(u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    let ip = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut octets = [0; 16];
            for (index, part) in octets.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(index * 8)?);
            }
            IpAddr::V6(Ipv6Addr::from(octets)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn both_families_and_a_line_cut_off() {
        let table = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100 0 0 10 0\n\
            1: 0000000000000000FFFF00000100000A:1538 0000000000000000FFFF00000200000A:9C40 06 00000000:00000000 03:00000D2F 00000000     0        0 0 3 0\n\
            2: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 42";
        let found: Vec<_> = sockets(table).collect();
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(
            found,
            [
                TableSocket { state: 10, local: at("127.0.0.1:8080"), peer: at("0.0.0.0:0"), inode: 4_242 },
                TableSocket { state: 6, local: at("10.0.0.1:5432"), peer: at("10.0.0.2:40000"), inode: 0 },
            ]
        );
    }

    proptest::proptest! {
        #[test]
        fn no_table_panics(bytes: Vec<u8>, text in "[0-9A-F: ]{0,80}") {
            sockets(&bytes).count();
            sockets(text.as_bytes()).count();
        }
    }
}
