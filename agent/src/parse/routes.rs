//! `/proc/net/route`, `/proc/net/ipv6_route`, `/proc/net/if_inet6`.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use rollcall_shared::wire::v1::Gateway;

use super::text::{clean, fields, lines};

/// `RTF_UP | RTF_GATEWAY`
const GATEWAY: u32 = 0x0003;
/// `RTF_REJECT`
const REJECT: u32 = 0x0200;
/// `IFA_F_TEMPORARY`
const TEMPORARY: u32 = 0x01;

/// Default gateways of `/proc/net/route`. Its addresses are numbers in the machine's own byte order.
pub fn ipv4_gateways(bytes: &[u8]) -> Vec<Gateway> {
    lines(bytes)
        .skip(1)
        .filter_map(|line| {
            let mut words = fields(line);
            let interface = clean(words.next()?)?;
            let (destination, gateway, flags) = (hexadecimal(words.next()?)?, hexadecimal(words.next()?)?, hexadecimal(words.next()?)?);
            let mask = hexadecimal(words.nth(3)?)?;
            let is_default = destination == 0 && mask == 0 && flags & GATEWAY == GATEWAY && gateway != 0;
            is_default.then(|| Gateway { address: IpAddr::V4(Ipv4Addr::from(gateway.to_ne_bytes())), interface })
        })
        .collect()
}

/// Default gateways of `/proc/net/ipv6_route`.
pub fn ipv6_gateways(bytes: &[u8]) -> Vec<Gateway> {
    lines(bytes)
        .filter_map(|line| {
            let words: Vec<&[u8]> = fields(line).collect();
            let [destination, length, _, _, gateway, _, _, _, flags, interface] = words[..] else { return None };
            let (gateway, flags) = (ipv6(gateway)?, hexadecimal(flags)?);
            let is_default = ipv6(destination)?.is_unspecified() && length == b"00" && flags & GATEWAY == GATEWAY && flags & REJECT == 0;
            (is_default && !gateway.is_unspecified()).then_some(())?;
            Some(Gateway { address: IpAddr::V6(gateway), interface: clean(interface)? })
        })
        .collect()
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
    fn default_gateways_are_found() {
        let v4 = b"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\n\
            eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        if cfg!(target_endian = "little") {
            assert_eq!(ipv4_gateways(v4), [Gateway { address: "192.0.2.1".parse().unwrap(), interface: "eth0".into() }]);
        }
        let zero = "0".repeat(32);
        let v6 = format!(
            "{zero} 00 {zero} 00 fd000000000000000000000000000001 00000400 00000002 00000000 00000003     eth0\n\
             {zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo\n"
        );
        assert_eq!(ipv6_gateways(v6.as_bytes()), [Gateway { address: "fd00::1".parse().unwrap(), interface: "eth0".into() }]);
    }

    #[test]
    fn temporary_addresses_are_told_apart() {
        let bytes = b"fd000000000000000000000000000002 04 40 00 80     eth0\nfd000000000000000000000000000003 04 40 00 01     eth0\n";
        assert_eq!(temporary_addresses(bytes), BTreeSet::from(["fd00::3".parse().unwrap()]));
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            ipv4_gateways(&bytes);
            ipv6_gateways(&bytes);
            temporary_addresses(&bytes);
        }
    }
}
