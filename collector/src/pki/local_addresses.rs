//! This host's own addresses, for its certificate and for the addresses that tokens name.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket},
};

/// This host's unicast addresses, loopback and link-local ones left out, the one of the default route first.
pub fn local_addresses() -> Vec<IpAddr> {
    let mut found = Vec::new();
    found.extend(address_of_default_route());
    let mut others = BTreeSet::new();
    others.extend(fs::read_to_string("/proc/net/fib_trie").map(|text| parse_fib_trie(&text)).unwrap_or_default());
    others.extend(fs::read_to_string("/proc/net/if_inet6").map(|text| parse_if_inet6(&text)).unwrap_or_default());
    found.extend(others.into_iter().filter(|address| !found.contains(address)).collect::<Vec<_>>());
    found.retain(|address| !address.is_loopback() && !address.is_unspecified() && !is_link_local(*address));
    found
}

/// Connecting a datagram socket sends nothing; it makes the kernel choose the source address.
fn address_of_default_route() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// `/proc/net/fib_trie`: an address line (`|-- 10.0.0.5`) followed by `/32 host LOCAL` is an address of this host.
fn parse_fib_trie(text: &str) -> Vec<IpAddr> {
    let mut address = None;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("|-- ") {
            address = text.parse::<Ipv4Addr>().ok();
        } else if line == "/32 host LOCAL" {
            found.extend(address.map(IpAddr::V4));
        }
    }
    found
}

/// `/proc/net/if_inet6`: one line each, the address as 32 hexadecimal digits first.
fn parse_if_inet6(text: &str) -> Vec<IpAddr> {
    text.lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter_map(|digits| u128::from_str_radix(digits, 16).ok())
        .map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_host_are_read_from_the_kernels_tables() {
        let trie = "Local:\n  +-- 0.0.0.0/0 2 0 2\n     |-- 10.1.2.0\n        /24 link UNICAST\n     |-- 10.1.2.3\n        /32 host LOCAL\n     \
                    |-- 10.1.2.255\n        /32 link BROADCAST\n";
        assert_eq!(parse_fib_trie(trie), [IpAddr::from([10, 1, 2, 3])]);
        let inet6 = "20010db8000000000000000000000005 02 40 00 80     eth0\nnonsense\n";
        assert_eq!(parse_if_inet6(inet6), ["2001:db8::5".parse::<IpAddr>().unwrap()]);
    }
}
