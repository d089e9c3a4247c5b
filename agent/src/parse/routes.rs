//! `/proc/net/route`, `/proc/net/ipv6_route`, `/proc/net/if_inet6`: what recorded machines have in place of netlink.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use rollcall_shared::wire::v1::{Gateway, Route};

use super::text::{clean, fields, lines};

/// `RTF_UP`
const UP: u32 = 0x0001;
/// `RTF_GATEWAY`
const GATEWAY: u32 = 0x0002;
/// `RTF_REJECT`, `RTF_ANYCAST`, `RTF_LOCAL`, `RTF_CACHE`
const NOT_UNICAST: u32 = 0x0200 | 0x0010_0000 | 0x8000_0000 | 0x0100_0000;
/// `IFA_F_TEMPORARY`
const TEMPORARY: u32 = 0x01;

/// The routes of `/proc/net/route`. Its addresses are numbers in the machine's own byte order.
pub fn ipv4_routes(bytes: &[u8]) -> Vec<Route> {
    let route = |line: &[u8]| {
        let words: Vec<&[u8]> = fields(line).collect();
        let [interface, destination, gateway, flags, _, _, metric, mask, ..] = words[..] else { return None };
        let (destination, gateway, mask) = (hexadecimal(destination)?, hexadecimal(gateway)?, hexadecimal(mask)?);
        let flags = hexadecimal(flags)?;
        let address = |number: u32| Ipv4Addr::from(number.to_ne_bytes());
        (flags & UP != 0 && flags & NOT_UNICAST == 0).then(|| Route {
            destination: format!("{}/{}", address(destination), mask.count_ones()),
            gateway: (flags & GATEWAY != 0 && gateway != 0).then(|| IpAddr::V4(address(gateway))),
            interface: clean(interface),
            metric: super::text::number(metric).filter(|&metric| metric != 0),
            ..Route::default()
        })
    };
    lines(bytes).skip(1).filter_map(route).collect()
}

/// The routes of `/proc/net/ipv6_route`, without those of each link's own networks.
pub fn ipv6_routes(bytes: &[u8]) -> Vec<Route> {
    let route = |line: &[u8]| {
        let words: Vec<&[u8]> = fields(line).collect();
        let [destination, length, _, _, gateway, metric, _, _, flags, interface] = words[..] else { return None };
        let (destination, gateway, flags) = (ipv6(destination)?, ipv6(gateway)?, hexadecimal(flags)?);
        let is_link_own = destination.is_multicast() || destination.is_unicast_link_local() || destination.is_loopback();
        (flags & UP != 0 && flags & NOT_UNICAST == 0 && !is_link_own).then_some(())?;
        Some(Route {
            destination: format!("{destination}/{}", hexadecimal(length)?),
            gateway: (flags & GATEWAY != 0 && !gateway.is_unspecified()).then_some(IpAddr::V6(gateway)),
            interface: clean(interface),
            metric: hexadecimal(metric).filter(|&metric| metric != 0),
            ..Route::default()
        })
    };
    lines(bytes).filter_map(route).collect()
}

/// The default gateways among routes of the main table, sorted.
pub fn gateways(routes: &[Route]) -> Vec<Gateway> {
    let gateway = |route: &Route| {
        let is_default = route.table.is_none() && matches!(route.destination.as_str(), "0.0.0.0/0" | "::/0");
        is_default.then_some(Gateway { address: route.gateway?, interface: route.interface.clone()? })
    };
    let found: BTreeSet<Gateway> = routes.iter().filter_map(gateway).collect();
    found.into_iter().collect()
}

/// The temporary (privacy) addresses of `/proc/net/if_inet6`.
pub fn temporary_addresses(bytes: &[u8]) -> BTreeSet<Ipv6Addr> {
    lines(bytes)
        .filter_map(|line| {
            let mut words = fields(line);
            let address = ipv6(words.next()?)?;
            let flags = hexadecimal(words.nth(3)?)?;
            (flags & TEMPORARY != 0).then_some(address)
        })
        .collect()
}

fn hexadecimal(word: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()
}

fn ipv6(word: &[u8]) -> Option<Ipv6Addr> {
    if word.len() != 32 {
        return None;
    }
    u128::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok().map(Ipv6Addr::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_and_default_gateways_are_found() {
        let v4 = b"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\n\
            eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
            eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        if cfg!(target_endian = "little") {
            let routes = ipv4_routes(v4);
            let seen: Vec<_> = routes.iter().map(|route| (route.destination.as_str(), route.metric)).collect();
            assert_eq!(seen, [("0.0.0.0/0", Some(100)), ("192.0.2.0/24", None)]);
            assert_eq!(gateways(&routes), [Gateway { address: "192.0.2.1".parse().unwrap(), interface: "eth0".into() }]);
        }
        let zero = "0".repeat(32);
        let v6 = format!(
            "{zero} 00 {zero} 00 fd000000000000000000000000000001 00000400 00000002 00000000 00000003     eth0\n\
             {zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo\n\
             fe800000000000000000000000000000 40 {zero} 00 {zero} 00000100 00000001 00000000 00000001     eth0\n\
             fd000000000000000000000000000002 80 {zero} 00 {zero} 00000000 00000002 00000000 80200001     eth0\n"
        );
        let routes = ipv6_routes(v6.as_bytes());
        assert_eq!(routes.len(), 1);
        assert_eq!(gateways(&routes), [Gateway { address: "fd00::1".parse().unwrap(), interface: "eth0".into() }]);
    }

    #[test]
    fn temporary_addresses_are_told_apart() {
        let bytes = b"fd000000000000000000000000000002 04 40 00 80     eth0\nfd000000000000000000000000000003 04 40 00 01     eth0\n";
        assert_eq!(temporary_addresses(bytes), BTreeSet::from(["fd00::3".parse().unwrap()]));
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            gateways(&ipv4_routes(&bytes));
            gateways(&ipv6_routes(&bytes));
            temporary_addresses(&bytes);
        }
    }
}
