//! What the kernel says over netlink of links, routes, neighbours (rtnetlink) and wireless interfaces (nl80211): the payload
//! of one message each, in the machine's byte order. Attributes that are not known are passed over: newer kernels have more.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::text::clean;

/// An interface.
#[derive(Debug, Default, PartialEq)]
pub struct Link {
    /// The kernel's number.
    pub index: u32,
    /// Name.
    pub name: String,
    /// The kernel's number for the kind of hardware (`ARPHRD_…`).
    pub hardware_type: u16,
    /// `IFF_UP` and `IFF_RUNNING`.
    pub up: bool,
    /// `IFF_LOOPBACK`
    pub loopback: bool,
    /// MAC address in use.
    pub mac: Option<String>,
    /// MAC address that the hardware came with.
    pub permanent_mac: Option<String>,
    /// Largest packet, bytes.
    pub mtu: Option<u32>,
    /// Number of the interface below, or of the other end; in this namespace unless [`Link::peer_elsewhere`].
    pub below: Option<u32>,
    /// Whether the interface below is in another namespace.
    pub peer_elsewhere: bool,
    /// Number of the bridge or bond that it belongs to.
    pub master: Option<u32>,
    /// What it is made of: `vlan`, `bond`, `bridge`, `veth`, …; `None` for hardware.
    pub kind: Option<String>,
    /// Number of the VLAN.
    pub vlan_id: Option<u16>,
    /// Number of the virtual network, of a VXLAN or Geneve tunnel.
    pub virtual_network: Option<u32>,
    /// Number of the bond's mode.
    pub bond_mode: Option<u8>,
    /// Number of the member that the bond uses.
    pub bond_active: Option<u32>,
    /// Name that people gave it.
    pub alias: Option<String>,
    /// Whether a cable or its like is plugged in.
    pub carrier: Option<bool>,
    /// Where the hardware is on its bus.
    pub bus_address: Option<String>,
}

/// The payload of an `RTM_NEWLINK`.
pub fn link(bytes: &[u8]) -> Option<Link> {
    const HEADER: usize = 16;
    const UP_AND_RUNNING: u32 = 0x0041;
    const LOOPBACK: u32 = 0x0008;
    const MAC: usize = 6;
    let flags = u32_at(bytes, 8)?;
    let mut found = Link {
        index: u32_at(bytes, 4)?,
        hardware_type: u16_at(bytes, 2)?,
        up: flags & UP_AND_RUNNING == UP_AND_RUNNING,
        loopback: flags & LOOPBACK != 0,
        ..Link::default()
    };
    for (kind, value) in attributes(bytes.get(HEADER..)?) {
        match kind {
            1 if value.len() == MAC => found.mac = mac(value),
            3 => found.name = text(value)?,
            4 => found.mtu = u32_at(value, 0),
            5 => found.below = u32_at(value, 0).filter(|&index| index != 0 && index != found.index),
            10 => found.master = u32_at(value, 0).filter(|&index| index != 0),
            18 => link_info(value, &mut found),
            20 => found.alias = text(value),
            33 => found.carrier = value.first().map(|&carrier| carrier != 0),
            37 => found.peer_elsewhere = true,
            54 if value.len() == MAC => found.permanent_mac = mac(value),
            56 => found.bus_address = text(value),
            _ => {}
        }
    }
    (!found.name.is_empty()).then_some(found)
}

fn link_info(bytes: &[u8], found: &mut Link) {
    found.kind = attributes(bytes).find(|(kind, _)| *kind == 1).and_then(|(_, value)| text(value));
    let Some((_, data)) = attributes(bytes).find(|(kind, _)| *kind == 2) else { return };
    for (kind, value) in attributes(data) {
        match (found.kind.as_deref(), kind) {
            (Some("vlan"), 1) => found.vlan_id = u16_at(value, 0),
            (Some("vxlan" | "geneve"), 1) => found.virtual_network = u32_at(value, 0),
            (Some("bond"), 1) => found.bond_mode = value.first().copied(),
            (Some("bond"), 2) => found.bond_active = u32_at(value, 0).filter(|&index| index != 0),
            _ => {}
        }
    }
}

/// The name of a bond's mode.
pub fn bond_mode(number: u8) -> Option<&'static str> {
    const NAMES: &[&str] = &["balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"];
    NAMES.get(usize::from(number)).copied()
}

/// One way of a route.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Destination network.
    pub destination: IpAddr,
    /// Length of the destination's prefix, bits.
    pub prefix_length: u8,
    /// Next hop.
    pub gateway: Option<IpAddr>,
    /// Number of the interface.
    pub interface: Option<u32>,
    /// Lower is better.
    pub metric: Option<u32>,
    /// Number of the table.
    pub table: u32,
    /// Number of who set it.
    pub protocol: u8,
    /// Address that packets are sent from.
    pub source: Option<IpAddr>,
}

/// The payload of an `RTM_NEWROUTE`: a route for each way that it has. Only unicast routes are; the tables of the kernel's
/// own addresses, cached routes and those of each link's own networks (link local, multicast) are not.
pub fn routes(bytes: &[u8]) -> Vec<Route> {
    route(bytes).unwrap_or_default()
}

fn route(bytes: &[u8]) -> Option<Vec<Route>> {
    const HEADER: usize = 12;
    const UNICAST: u8 = 1;
    const CLONED: u32 = 0x200;
    const LOCAL_TABLE: u32 = 255;
    const MULTIPATH: u16 = 9;
    let &[family, prefix_length, _, _, table, protocol, _, kind] = bytes.get(..8)? else { return None };
    if kind != UNICAST || u32_at(bytes, 8)? & CLONED != 0 {
        return None;
    }
    let unspecified = match family {
        AF_INET => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        AF_INET6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => return None,
    };
    let body = bytes.get(HEADER..)?;
    let mut found = Route {
        destination: unspecified,
        prefix_length,
        gateway: None,
        interface: None,
        metric: None,
        table: u32::from(table),
        protocol,
        source: None,
    };
    for (kind, value) in attributes(body) {
        match kind {
            1 => found.destination = address(value)?,
            4 => found.interface = u32_at(value, 0),
            6 => found.metric = u32_at(value, 0).filter(|&metric| metric != 0),
            7 => found.source = address(value),
            15 => found.table = u32_at(value, 0)?,
            _ => found.gateway = found.gateway.or_else(|| next_hop(kind, value)),
        }
    }
    let is_link_own = match found.destination {
        IpAddr::V4(v4) => v4.is_multicast(),
        IpAddr::V6(v6) => v6.is_multicast() || v6.is_unicast_link_local(),
    };
    if found.table == LOCAL_TABLE || is_link_own {
        return None;
    }
    let ways = attributes(body).find(|(kind, _)| *kind == MULTIPATH).map(|(_, ways)| ways);
    Some(match ways {
        Some(ways) => multipath(ways, &found),
        None => vec![found],
    })
}

/// Each way has a header of its own: length, flags, weight, interface.
fn multipath(mut bytes: &[u8], route: &Route) -> Vec<Route> {
    const HEADER: usize = 8;
    let mut found = Vec::new();
    while let (Some(length), Some(interface)) = (u16_at(bytes, 0), u32_at(bytes, 4)) {
        let length = usize::from(length);
        let Some(body) = bytes.get(HEADER..length) else { break };
        let gateway = attributes(body).find_map(|(kind, value)| next_hop(kind, value));
        found.push(Route { gateway, interface: Some(interface), ..route.clone() });
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

/// A gateway of the route's family, or one of another.
fn next_hop(kind: u16, value: &[u8]) -> Option<IpAddr> {
    const GATEWAY: u16 = 5;
    const VIA: u16 = 18;
    let found = match kind {
        GATEWAY => address(value),
        VIA => address(value.get(2..)?),
        _ => None,
    };
    found.filter(|address| !address.is_unspecified())
}

/// Who set a route, in the words of `rt_protos`.
pub fn route_protocol(number: u8) -> Option<&'static str> {
    Some(match number {
        1 => "redirect",
        2 => "kernel",
        3 => "boot",
        4 => "static",
        8 => "gated",
        9 => "ra",
        11 => "zebra",
        12 => "bird",
        14 => "xorp",
        15 => "ntk",
        16 => "dhcp",
        18 => "keepalived",
        42 => "babel",
        186 => "bgp",
        187 => "isis",
        188 => "ospf",
        189 => "rip",
        192 => "eigrp",
        _ => return None,
    })
}

/// A neighbour.
#[derive(Debug, PartialEq)]
pub struct Neighbour {
    /// Its address.
    pub address: IpAddr,
    /// Its MAC address.
    pub mac: String,
    /// Number of the interface.
    pub interface: u32,
    /// The kernel's word for how sure it is.
    pub state: &'static str,
    /// Whether it says that it routes for others.
    pub router: bool,
}

/// The payload of an `RTM_NEWNEIGH`. `None` for those that did not answer, not for a day either (the kernel keeps small tables for ever), and
/// for what is no device: multicast, broadcast, addresses of interfaces without link layer addresses.
pub fn neighbour(bytes: &[u8]) -> Option<Neighbour> {
    const HEADER: usize = 12;
    const ROUTER: u8 = 0x80;
    let family = *bytes.first()?;
    if !matches!(family, AF_INET | AF_INET6) {
        return None;
    }
    let state = match u16_at(bytes, 8)? {
        0x02 => "reachable",
        0x04 => "stale",
        0x08 => "delay",
        0x10 => "probe",
        0x80 => "permanent",
        _ => return None,
    };
    let body = bytes.get(HEADER..)?;
    let value = |wanted: u16| attributes(body).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    let link_address = value(2).filter(|value| value.len() == 6)?;
    const MULTICAST: u8 = 0x01;
    (link_address[0] & MULTICAST == 0).then_some(())?;
    /// In the kernel's ticks for programs, of which a second has 100 everywhere.
    const DAY: u32 = 24 * 3_600 * 100;
    // When it was confirmed, used and updated, each so long ago.
    let silent = value(3).and_then(|ages| Some(u32_at(ages, 0)?.min(u32_at(ages, 8)?)));
    (state == "permanent" || silent.is_none_or(|ticks| ticks < DAY)).then_some(())?;
    Some(Neighbour {
        address: address(value(1)?).filter(|address| !address.is_multicast() && !address.is_unspecified())?,
        mac: mac(link_address)?,
        interface: u32_at(bytes, 4)?,
        state,
        router: bytes.get(10)? & ROUTER != 0,
    })
}

/// The number of a generic netlink family, in the controller's answer.
pub fn generic_family(bytes: &[u8]) -> Option<u16> {
    u16_at(attributes(bytes.get(GENERIC_HEADER..)?).find(|(kind, _)| *kind == 1)?.1, 0)
}

/// Number of the interface and name of the network of an `NL80211_CMD_NEW_INTERFACE`; `None` where it is not connected.
pub fn wireless_network(bytes: &[u8]) -> Option<(u32, String)> {
    let value = |wanted: u16| attributes(bytes.get(GENERIC_HEADER..)?).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    Some((u32_at(value(3)?, 0)?, clean(value(52)?)?))
}

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const GENERIC_HEADER: usize = 4;

/// Type and value of each attribute, up to the first that is damaged.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        const HEADER: usize = 4;
        const ALIGNMENT: usize = 4;
        /// Without the two flags in its highest bits.
        const TYPE: u16 = 0x3fff;
        let (length, kind) = (usize::from(u16_at(bytes, 0)?), u16_at(bytes, 2)? & TYPE);
        let value = bytes.get(HEADER..length)?;
        bytes = bytes.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::V4(v4.into()));
    }
    <[u8; 16]>::try_from(bytes).ok().map(|v6| IpAddr::V6(v6.into()))
}

fn text(bytes: &[u8]) -> Option<String> {
    clean(bytes.split(|&byte| byte == 0).next()?)
}

/// `None` where all of it is zero: interfaces without one.
fn mac(bytes: &[u8]) -> Option<String> {
    bytes.iter().any(|&byte| byte != 0).then(|| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An attribute, padded.
    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len() + 4).unwrap();
        let mut bytes = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn link_message(index: u32, flags: u32, attributes: &[Vec<u8>]) -> Vec<u8> {
        [&[0, 0][..], &1u16.to_ne_bytes(), &index.to_ne_bytes(), &flags.to_ne_bytes(), &[0; 4], &attributes.concat()].concat()
    }

    fn route_message(family: u8, prefix: u8, table: u8, kind: u8, attributes: &[Vec<u8>]) -> Vec<u8> {
        [&[family, prefix, 0, 0, table, 3, 0, kind][..], &[0; 4], &attributes.concat()].concat()
    }

    fn neighbour_message(family: u8, state: u16, flags: u8, attributes: &[Vec<u8>]) -> Vec<u8> {
        [&[family, 0, 0, 0][..], &2u32.to_ne_bytes(), &state.to_ne_bytes(), &[flags, 1], &attributes.concat()].concat()
    }

    #[test]
    fn a_vlan_on_a_bond() {
        let info = [attribute(1, b"vlan\0"), attribute(2, &attribute(1, &12u16.to_ne_bytes()))].concat();
        let attributes = [
            attribute(3, b"bond0.12\0"),
            attribute(1, &[2, 0, 0, 0, 0, 1]),
            attribute(4, &1_500u32.to_ne_bytes()),
            attribute(5, &3u32.to_ne_bytes()),
            attribute(18 | 0x8000, &info),
            attribute(900, b"of a newer kernel"),
        ];
        let found = link(&link_message(7, 0x1043, &attributes)).unwrap();
        assert_eq!((found.name.as_str(), found.kind.as_deref(), found.vlan_id, found.below), ("bond0.12", Some("vlan"), Some(12), Some(3)));
        assert_eq!((found.mac.as_deref(), found.mtu, found.up), (Some("02:00:00:00:00:01"), Some(1_500), true));
        let info = [attribute(1, b"bond"), attribute(2, &[attribute(1, &[4]), attribute(2, &5u32.to_ne_bytes())].concat())].concat();
        let found = link(&link_message(3, 0, &[attribute(3, b"bond0\0"), attribute(18, &info)])).unwrap();
        assert_eq!((found.bond_mode.and_then(bond_mode), found.bond_active, found.up), (Some("802.3ad"), Some(5), false));
        assert_eq!(link(&link_message(3, 0, &[])), None);
    }

    #[test]
    fn routes_are_told_with_each_of_their_ways() {
        let gateway = [192, 0, 2, 1];
        let default =
            route_message(2, 0, 254, 1, &[attribute(5, &gateway), attribute(4, &2u32.to_ne_bytes()), attribute(6, &100u32.to_ne_bytes())]);
        let [found] = &routes(&default)[..] else { panic!("none") };
        assert_eq!((found.destination.to_string().as_str(), found.prefix_length, found.metric), ("0.0.0.0", 0, Some(100)));
        assert_eq!((found.gateway, found.interface, found.table), (Some("192.0.2.1".parse().unwrap()), Some(2), 254));
        let way = |interface: u32, gateway: [u8; 4]| {
            let body = attribute(5, &gateway);
            [&u16::try_from(8 + body.len()).unwrap().to_ne_bytes()[..], &[0, 0], &interface.to_ne_bytes(), &body].concat()
        };
        let ways = [way(2, [10, 0, 0, 1]), way(3, [10, 0, 1, 1])].concat();
        let many = routes(&route_message(2, 8, 254, 1, &[attribute(1, &[10, 0, 0, 0]), attribute(9, &ways)]));
        let seen: Vec<_> = many.iter().map(|route| (route.interface, route.gateway.unwrap().to_string())).collect();
        assert_eq!(seen, [(Some(2), "10.0.0.1".into()), (Some(3), "10.0.1.1".into())]);
        for left_out in [
            route_message(2, 32, 255, 1, &[attribute(1, &[10, 0, 0, 5])]),
            route_message(2, 32, 254, 2, &[attribute(1, &[10, 0, 0, 5])]),
            route_message(
                10,
                64,
                254,
                1,
                &[attribute(1, &{
                    let mut a = [0; 16];
                    a[0] = 0xfe;
                    a[1] = 0x80;
                    a
                })],
            ),
            route_message(7, 0, 254, 1, &[]),
        ] {
            assert_eq!(routes(&left_out), []);
        }
    }

    #[test]
    fn neighbours_that_answered_are_told() {
        let attributes = |mac: [u8; 6]| vec![attribute(1, &[192, 0, 2, 9]), attribute(2, &mac)];
        let found = neighbour(&neighbour_message(2, 0x04, 0x80, &attributes([2, 0, 0, 0, 0, 9]))).unwrap();
        assert_eq!(
            (found.address.to_string().as_str(), found.mac.as_str(), found.state, found.router),
            ("192.0.2.9", "02:00:00:00:00:09", "stale", true)
        );
        for (family, state, mac) in [
            (2, 0x20, [2, 0, 0, 0, 0, 9]),
            (2, 0x40, [2, 0, 0, 0, 0, 9]),
            (7, 4, [2, 0, 0, 0, 0, 9]),
            (2, 4, [1, 0, 0x5e, 0, 0, 1]),
            (2, 4, [0; 6]),
        ] {
            assert_eq!(neighbour(&neighbour_message(family, state, 0, &attributes(mac))), None);
        }
        for (state, confirmed, updated, is_told) in
            [(0x04, 8_639_999u32, 9_000_000u32, true), (0x04, 9_000_000, 8_640_000, false), (0x80, 9_000_000, 9_000_000, true)]
        {
            let ages = [confirmed, 0, updated, 1].map(u32::to_ne_bytes).concat();
            let attributes = [attributes([2, 0, 0, 0, 0, 9]), vec![attribute(3, &ages)]].concat();
            assert_eq!(neighbour(&neighbour_message(2, state, 0, &attributes)).is_some(), is_told, "{state} {confirmed} {updated}");
        }
    }

    #[test]
    fn a_wireless_network_has_a_name() {
        let message =
            [&[7, 1, 0, 0][..], &attribute(3, &3u32.to_ne_bytes()), &attribute(4, b"wlan0\0"), &attribute(52, "Büro".as_bytes())].concat();
        assert_eq!(wireless_network(&message), Some((3, "Büro".into())));
        assert_eq!(wireless_network(&message[..16]), None);
        assert_eq!(
            generic_family(&[&[1, 2, 0, 0][..], &attribute(2, b"nl80211\0"), &attribute(1, &28u16.to_ne_bytes())].concat()),
            Some(28)
        );
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            link(&bytes);
            routes(&bytes);
            neighbour(&bytes);
            generic_family(&bytes);
            wireless_network(&bytes);
        }
        #[test]
        fn no_attributes_panic(attributes in proptest::collection::vec((0u16..60, proptest::collection::vec(proptest::num::u8::ANY, 0..24)), 0..6)) {
            let attributes: Vec<Vec<u8>> = attributes.iter().map(|(kind, value)| attribute(*kind, value)).collect();
            link(&link_message(1, 0, &attributes));
            routes(&route_message(2, 0, 254, 1, &attributes));
            neighbour(&neighbour_message(2, 4, 0, &attributes));
        }
    }
}
