use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use rollcall_shared::wire::v1::{FileSystems, Interface, Neighbours, Network};

use super::{
    UpstreamFacts,
    forwarding::{self, ForwardingFacts},
    is_placeholder, upstreams,
};
use crate::model::ReceivedSection;

/// Addresses and who is asked for the way and for names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkFacts {
    /// Addresses that others can reach this machine by, in its realm.
    pub owned: BTreeSet<IpAddr>,
    /// All addresses but loopback and link-local ones.
    pub addresses: BTreeSet<IpAddr>,
    /// Networks that exist within this machine only, as `172.17.0.0/16`.
    pub internal: BTreeSet<String>,
    /// Default gateways.
    pub gateways: BTreeSet<IpAddr>,
    /// Name servers beyond this machine's own stub.
    pub resolvers: BTreeSet<IpAddr>,
    /// MAC addresses that its adapters use now, docks' among them.
    pub macs: BTreeSet<String>,
    /// Servers that files set for the machine as a whole: proxies and directories.
    pub servers: BTreeSet<UpstreamFacts>,
    /// Networks that this machine is on and that have a default gateway, with that gateway.
    pub segments: BTreeSet<(String, IpAddr)>,
    /// What its packet filter does with connections to it.
    pub forwarding: ForwardingFacts,
}

/// The servers whose file systems are mounted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RemoteMounts {
    /// Those named by their address.
    pub addresses: BTreeSet<IpAddr>,
    /// Those named by a name, in lower case.
    pub names: BTreeSet<String>,
}

/// What an address says about who may own it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressScope {
    /// This machine itself.
    Loopback,
    /// One machine of the realm.
    Site,
    /// One machine of the internet.
    Internet,
    /// Nobody that can be told apart: multicast, broadcast, unspecified, link-local.
    Unusable,
}

/// Judges an address. What is set aside for documentation or benchmarks counts as the site's own.
pub fn scope(address: IpAddr) -> AddressScope {
    let address = address.to_canonical();
    if address.is_loopback() {
        return AddressScope::Loopback;
    }
    if address.is_unspecified() || address.is_multicast() {
        return AddressScope::Unusable;
    }
    match address {
        IpAddr::V4(v4) if v4.is_broadcast() || v4.is_link_local() || v4.octets()[0] == 0 || v4.octets()[0] >= 240 => AddressScope::Unusable,
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let carrier_grade = a == 100 && (64..128).contains(&b);
            let benchmark = a == 198 && (b == 18 || b == 19);
            if v4.is_private() || v4.is_documentation() || carrier_grade || benchmark { AddressScope::Site } else { AddressScope::Internet }
        }
        IpAddr::V6(v6) if v6.is_unicast_link_local() => AddressScope::Unusable,
        IpAddr::V6(v6) => {
            let documentation = v6.segments()[0] == 0x2001 && v6.segments()[1] == 0xdb8;
            if v6.is_unique_local() || documentation { AddressScope::Site } else { AddressScope::Internet }
        }
    }
}

pub(super) fn is_reachable(address: IpAddr) -> bool {
    matches!(scope(address), AddressScope::Site | AddressScope::Internet)
}

pub(super) fn read(network: &Network) -> NetworkFacts {
    let mut facts = NetworkFacts::default();
    for interface in &network.interfaces {
        let internal = is_internal(interface, network);
        if !internal && interface.up {
            facts.macs.extend(interface.mac.as_ref().map(|mac| mac.to_lowercase()));
        }
        for held in &interface.addresses {
            let address = held.address.to_canonical();
            if !is_reachable(address) {
                continue;
            }
            facts.addresses.insert(address);
            if internal {
                facts.internal.extend(network_of(address, held.prefix_length));
            } else if interface.up {
                facts.owned.insert(address);
            }
        }
    }
    let held = network.interfaces.iter().flat_map(|interface| &interface.addresses);
    let networks: BTreeSet<String> = held.filter_map(|held| network_of(held.address.to_canonical(), held.prefix_length)).collect();
    for gateway in network.gateways.iter().map(|gateway| gateway.address.to_canonical()).filter(|gateway| is_reachable(*gateway)) {
        facts.segments.extend(networks.iter().filter(|network| is_in(gateway, network)).map(|network| (network.clone(), gateway)));
    }
    let reachable = |address: IpAddr| Some(address.to_canonical()).filter(|address| is_reachable(*address));
    facts.gateways = network.gateways.iter().filter_map(|gateway| reachable(gateway.address)).collect();
    facts.forwarding = forwarding::read(network, |network| facts.internal.contains(network));
    facts.servers = upstreams::of_machine(network);
    facts.resolvers = network.resolvers.iter().filter_map(|resolver| reachable(*resolver)).collect();
    facts
}

/// A bridge that nothing but containers and guests of this machine is plugged into. Its addresses (172.17.0.1, 192.168.122.1)
/// are the same on every machine, so that they say nothing about who is meant.
fn is_internal(interface: &Interface, network: &Network) -> bool {
    let reaches_out = |other: &Interface| {
        other.master.as_deref() == Some(&interface.name) && (other.physical || matches!(other.kind.as_str(), "bond" | "vlan" | "tunnel"))
    };
    interface.kind == "bridge" && !network.interfaces.iter().any(reaches_out)
}

/// The network that an address stands in, if its prefix leaves one.
pub(super) fn network_of(address: IpAddr, prefix_length: u8) -> Option<String> {
    let network: IpAddr = match address {
        IpAddr::V4(v4) if (1..=32).contains(&prefix_length) => {
            Ipv4Addr::from_bits(v4.to_bits() & (u32::MAX << (32 - u32::from(prefix_length)))).into()
        }
        IpAddr::V6(v6) if (1..=128).contains(&prefix_length) => {
            std::net::Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << (128 - u32::from(prefix_length)))).into()
        }
        IpAddr::V4(_) | IpAddr::V6(_) => return None,
    };
    Some(format!("{network}/{prefix_length}"))
}

/// Whether an address lies in a network written by [`network_of`].
pub(crate) fn is_in(address: IpAddr, network: &str) -> bool {
    let prefix_length = network.rsplit_once('/').and_then(|(_, length)| length.parse().ok());
    prefix_length.and_then(|length| network_of(address, length)).is_some_and(|of| of == network)
}

pub(super) fn read_mounts(file_systems: &FileSystems) -> RemoteMounts {
    let mut mounts = RemoteMounts::default();
    for server in file_systems.file_systems.iter().filter_map(|file_system| file_system.remote_server.as_deref()) {
        match server.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) if is_reachable(address) => drop(mounts.addresses.insert(address)),
            Ok(_) => {}
            Err(_) => drop(mounts.names.insert(server.trim().to_lowercase())),
        }
    }
    mounts
}

/// The MAC address behind each address that the machine has met.
pub(super) fn read_neighbours(neighbours: &Neighbours) -> BTreeMap<IpAddr, String> {
    let met = neighbours.neighbours.iter().filter(|neighbour| neighbour.mac.len() == 17 && !is_placeholder(&neighbour.mac));
    met.map(|neighbour| (neighbour.address.to_canonical(), neighbour.mac.to_lowercase())).collect()
}

/// Kernel drivers of network adapters that hang on USB: a docking station or an adapter, which is lent from desk to desk.
const USB_DRIVERS: &[&str] = &[
    "asix",
    "aqc111",
    "ax88179_178a",
    "cdc_eem",
    "cdc_ether",
    "cdc_mbim",
    "cdc_ncm",
    "dm9601",
    "ipheth",
    "kalmia",
    "lan78xx",
    "mcs7830",
    "pegasus",
    "qmi_wwan",
    "r8152",
    "r8153_ecm",
    "rndis_host",
    "rtl8150",
    "smsc75xx",
    "smsc95xx",
    "sr9700",
    "usbnet",
];

/// MAC addresses of adapters that are not part of the machine.
pub(super) fn dock_macs(network: Option<&ReceivedSection<Network>>) -> BTreeSet<String> {
    let interfaces = network.and_then(|section| section.data.as_ref()).map(|network| network.interfaces.as_slice()).unwrap_or_default();
    let on_usb = interfaces.iter().filter(|interface| interface.driver.as_deref().is_some_and(|driver| USB_DRIVERS.contains(&driver)));
    on_usb.filter_map(|interface| Some(interface.mac.as_ref()?.to_lowercase())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_judged_by_who_may_own_them() {
        for (address, expected) in [
            ("127.0.0.53", AddressScope::Loopback),
            ("::1", AddressScope::Loopback),
            ("::ffff:10.0.0.1", AddressScope::Site),
            ("192.168.1.1", AddressScope::Site),
            ("100.64.0.1", AddressScope::Site),
            ("fd00::1", AddressScope::Site),
            ("203.0.113.5", AddressScope::Site),
            ("9.9.9.9", AddressScope::Internet),
            ("2a00::1", AddressScope::Internet),
            ("224.0.0.251", AddressScope::Unusable),
            ("255.255.255.255", AddressScope::Unusable),
            ("169.254.1.1", AddressScope::Unusable),
            ("fe80::1", AddressScope::Unusable),
            ("0.0.0.0", AddressScope::Unusable),
        ] {
            assert_eq!(scope(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn a_network_is_found_by_any_address_in_it() {
        let network = network_of("172.17.0.1".parse().unwrap(), 16).unwrap();
        assert_eq!(network, "172.17.0.0/16");
        assert!(is_in("172.17.255.9".parse().unwrap(), &network));
        assert!(!is_in("172.18.0.1".parse().unwrap(), &network));
        assert!(!is_in("fd00::1".parse().unwrap(), &network));
        assert_eq!(network_of("10.0.0.1".parse().unwrap(), 0), None);
    }
}
