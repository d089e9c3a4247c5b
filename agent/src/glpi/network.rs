//! `networks`: one entry for each address, as that format has them, and one for an interface without any.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rollcall_shared::wire::v1::{Interface, InterfaceAddress, Network};
use serde_json::{Value, json};

use super::Source;

pub(super) fn networks(source: &Source<'_>) -> Option<Value> {
    let network: Network = source.get()?;
    let mut entries = Vec::new();
    for interface in &network.interfaces {
        let members = network.interfaces.iter().filter(|member| member.master.as_deref() == Some(&interface.name));
        let slaves = members.map(|member| member.name.as_str()).collect::<Vec<_>>().join(",");
        let gateway = network.gateways.iter().find(|gateway| gateway.interface == interface.name && gateway.address.is_ipv4());
        let gateway = gateway.map(|gateway| gateway.address.to_string());
        if interface.addresses.is_empty() {
            entries.push(entry(interface, &slaves, None, None));
        }
        for address in &interface.addresses {
            entries.push(entry(interface, &slaves, Some(address), gateway.as_deref()));
        }
    }
    Some(entries.into())
}

fn entry(interface: &Interface, slaves: &str, address: Option<&InterfaceAddress>, gateway: Option<&str>) -> Value {
    let v4 = address.and_then(|address| match address.address {
        IpAddr::V4(ip) => Some((ip, Ipv4Addr::from_bits(mask(address.prefix_length, 32) as u32))),
        IpAddr::V6(_) => None,
    });
    let v6 = address.and_then(|address| match address.address {
        IpAddr::V6(ip) => Some((ip, Ipv6Addr::from_bits(mask(address.prefix_length, 128)))),
        IpAddr::V4(_) => None,
    });
    json!({
        "description": interface.name,
        "driver": interface.driver,
        "ipaddress": v4.map(|(ip, _)| ip),
        "ipaddress6": v6.map(|(ip, _)| ip),
        "ipgateway": v4.and(gateway),
        "ipmask": v4.map(|(_, mask)| mask),
        "ipmask6": v6.map(|(_, mask)| mask),
        "ipsubnet": v4.map(|(ip, mask)| ip & mask),
        "ipsubnet6": v6.map(|(ip, mask)| ip & mask),
        "mac": interface.mac,
        "mtu": interface.mtu,
        "slaves": slaves,
        "speed": interface.speed_mbps.map(|speed| speed.to_string()),
        "status": if interface.up { "up" } else { "down" },
        "type": kind(&interface.kind),
        "virtualdev": !interface.physical,
    })
}

/// The first `length` of `width` bits set, in the low `width` bits.
fn mask(length: u8, width: u32) -> u128 {
    let length = u32::from(length).min(width);
    let all = u128::MAX >> (128 - width);
    all.checked_shl(width - length).map_or(0, |mask| mask & all)
}

/// The kinds that the format lists; others have no word there.
fn kind(kind: &str) -> Option<&'static str> {
    match kind {
        "ethernet" | "vlan" | "veth" => Some("ethernet"),
        "wireless" => Some("wifi"),
        "loopback" => Some("loopback"),
        "bridge" => Some("bridge"),
        "bond" => Some("aggregate"),
        "infiniband" => Some("infiniband"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks() {
        let cases = [(0, "0.0.0.0"), (8, "255.0.0.0"), (23, "255.255.254.0"), (32, "255.255.255.255"), (200, "255.255.255.255")];
        for (length, expected) in cases {
            assert_eq!(Ipv4Addr::from_bits(mask(length, 32) as u32).to_string(), expected);
        }
        assert_eq!(Ipv6Addr::from_bits(mask(64, 128)).to_string(), "ffff:ffff:ffff:ffff::");
        assert_eq!((mask(0, 128), mask(128, 128)), (0, u128::MAX));
    }
}
