//! Interfaces, addresses, routes, gateways, resolvers, proxies, and what switches say of themselves.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{IpAddr, Ipv6Addr},
};

use nix::ifaddrs::getifaddrs;
use rollcall_shared::wire::v1::{Interface, InterfaceAddress, LldpNeighbour, Network, Route};

use super::{Machine, Outcome, forwarding, machine_servers, proxies};
use crate::{
    files::Root,
    parse::{
        key_value, lldp,
        netlink::{self as message, Link},
        routes,
        text::lines,
    },
    platform::linux::netlink,
};

/// A router with the routes of the whole internet is told from by its first ones.
const MOST_ROUTES: usize = 2_048;
const LLDP: &str = "/run/systemd/netif/lldp";

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Network> {
    let root = machine.root;
    let found = links(root).and_then(|links| Ok((addresses(root)?, links)));
    let (mut addresses, links) = match found {
        Ok(found) => found,
        Err(error) => return Outcome::failed("the interfaces", &error),
    };
    let names: BTreeMap<u32, String> = links.iter().map(|link| (link.index, link.name.clone())).collect();
    let (routes, routes_incomplete) = match self::routes(root, &names) {
        Ok(found) => found,
        Err(error) => return Outcome::failed("the routes", &error),
    };
    let (resolvers, search_domains) = resolvers(root);
    let (lldp, lldp_unknown) = lldp(root, &names);
    let mut interfaces: Vec<Interface> = links
        .iter()
        .map(|link| Interface {
            addresses: addresses.remove(&link.name).unwrap_or_default().into_iter().collect(),
            ..interface(root, link, &links, &names)
        })
        .collect();
    name_wireless_networks(root, &mut interfaces, &names);
    interfaces.sort_by(|a, b| a.name.cmp(&b.name));
    Outcome::Data(Network {
        interfaces,
        gateways: routes::gateways(&routes),
        resolvers,
        search_domains,
        routes,
        routes_incomplete,
        proxies: proxies::found(root),
        servers: machine_servers::found(root),
        lldp,
        lldp_unknown,
        forwarding: forwarding::found(root),
    })
}

/// MAC addresses that hardware came with, of interfaces that are hardware.
pub(super) fn permanent_macs(root: &Root) -> Vec<String> {
    /// The value of `addr_assign_type` for an address that was neither set by a person nor made up.
    const PERMANENT: u8 = 0;
    let links = links(root).unwrap_or_default();
    let hardware = links.into_iter().filter(|link| is_described(root, link) && root.exists(&sysfs(&link.name, "device")));
    let mac = |link: Link| {
        let is_permanent = root.number::<u8>(&sysfs(&link.name, "addr_assign_type")) == Some(PERMANENT);
        // A member of a bond uses another's address; the kernel still knows its own.
        if is_permanent { link.mac } else { link.permanent_mac }
    };
    let macs: BTreeSet<String> = hardware.filter_map(mac).collect();
    macs.into_iter().collect()
}

/// Netlink speaks of this namespace; `/sys/class/net` of the one it was mounted in, which may be another.
pub(super) fn links(root: &Root) -> io::Result<Vec<Link>> {
    if root.is_live() { netlink::links() } else { recorded(root) }
}

/// The interfaces of a recorded machine, from sysfs.
fn recorded(root: &Root) -> io::Result<Vec<Link>> {
    let link = |name: String| {
        let number = |file: &str| root.number::<u32>(&sysfs(&name, file));
        let kind = device_type(root, &name).filter(|kind| kind != "wlan");
        let vlan = root.read(&format!("/proc/net/vlan/{name}")).unwrap_or_default();
        let vlan_id =
            lines(&vlan).find_map(|line| std::str::from_utf8(line).ok()?.split("VID: ").nth(1)?.split_whitespace().next()?.parse().ok());
        let hardware_type = number("type").and_then(|kind| u16::try_from(kind).ok()).unwrap_or_default();
        Link {
            index: number("ifindex").unwrap_or_default(),
            hardware_type,
            up: root.text(&sysfs(&name, "operstate")).is_some_and(|state| state == "up"),
            loopback: hardware_type == LOOPBACK,
            mac: mac_in_sysfs(root, &name),
            below: number("iflink").filter(|&below| Some(below) != number("ifindex")),
            master: number("master/ifindex"),
            // "802.3ad 4"
            bond_mode: root.text(&sysfs(&name, "bonding/mode")).and_then(|mode| mode.split(' ').nth(1)?.parse().ok()),
            alias: root.text(&sysfs(&name, "ifalias")),
            carrier: number("carrier").map(|carrier| carrier != 0),
            mtu: number("mtu"),
            vlan_id,
            kind,
            name,
            ..Link::default()
        }
    };
    Ok(root.names("/sys/class/net")?.into_iter().map(link).collect())
}

/// The addresses of this machine.
pub(super) fn own_addresses() -> io::Result<BTreeSet<IpAddr>> {
    let address = |entry: nix::ifaddrs::InterfaceAddress| {
        let address = entry.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    };
    Ok(getifaddrs()?.filter_map(address).collect())
}

fn addresses(root: &Root) -> io::Result<BTreeMap<String, BTreeSet<InterfaceAddress>>> {
    let mut found: BTreeMap<String, BTreeSet<InterfaceAddress>> = BTreeMap::new();
    if !root.is_live() {
        return Ok(found);
    }
    let temporary = routes::temporary_addresses(&root.read("/proc/net/if_inet6").unwrap_or_default());
    for entry in getifaddrs()? {
        let Some(address) = entry.address else { continue };
        let of_interface = found.entry(entry.interface_name).or_default();
        if let Some(v4) = address.as_sockaddr_in() {
            let mask = entry.netmask.and_then(|mask| Some(mask.as_sockaddr_in()?.ip()));
            let prefix_length = mask.map_or(32, |mask| mask.to_bits().count_ones() as u8);
            of_interface.insert(InterfaceAddress { address: IpAddr::V4(v4.ip()), prefix_length });
        } else if let Some(v6) = address.as_sockaddr_in6()
            && !temporary.contains(&v6.ip())
        {
            let mask = entry.netmask.and_then(|mask| Some(mask.as_sockaddr_in6()?.ip()));
            let prefix_length = mask.map_or(128, |mask: Ipv6Addr| mask.to_bits().count_ones() as u8);
            of_interface.insert(InterfaceAddress { address: IpAddr::V6(v6.ip()), prefix_length });
        }
    }
    Ok(found)
}

fn interface(root: &Root, link: &Link, links: &[Link], names: &BTreeMap<u32, String>) -> Interface {
    let name = &link.name;
    let described = is_described(root, link);
    let text = |file: &str| if described { root.text(&sysfs(name, file)) } else { None };
    let physical = described && root.exists(&sysfs(name, "device"));
    let named = |index: Option<u32>| index.and_then(|index| names.get(&index)).cloned();
    let is_paired = link.peer_elsewhere || is_veth(root, link, described);
    let mut members: Vec<String> =
        links.iter().filter(|member| link.index != 0 && member.master == Some(link.index)).map(|member| member.name.clone()).collect();
    members.sort();
    Interface {
        kind: kind(root, link, described).to_owned(),
        link_kind: link.kind.clone(),
        physical,
        up: link.up,
        mtu: link.mtu,
        // The kernel says -1 or 4294967295 where there is no speed.
        speed_mbps: text("speed").and_then(|speed| speed.parse().ok()).filter(|&speed| speed > 0 && speed < u32::MAX),
        duplex: text("duplex").filter(|duplex| duplex != "unknown"),
        driver: if described { root.link_name(&sysfs(name, "device/driver")) } else { None },
        driver_version: if physical { text("device/driver/module/version") } else { None },
        bus_address: physical.then(|| hardware_address(root, name).or_else(|| link.bus_address.clone())).flatten(),
        master: named(link.master),
        parent: if is_paired { None } else { named(link.below) },
        vlan_id: link.vlan_id,
        virtual_network: link.virtual_network,
        bond_mode: link.bond_mode.and_then(message::bond_mode).map(str::to_owned),
        bond_active: named(link.bond_active).or_else(|| text("bonding/active_slave")),
        carrier: link.carrier.filter(|_| physical),
        alias: link.alias.clone(),
        mac: link.mac.clone(),
        permanent_mac: link.permanent_mac.clone().filter(|mac| link.mac.as_ref() != Some(mac)),
        members,
        name: name.clone(),
        ..Interface::default()
    }
}

/// The kernel's number for a loopback (`ARPHRD_LOOPBACK`).
const LOOPBACK: u16 = 772;

fn kind(root: &Root, link: &Link, described: bool) -> &'static str {
    const ETHERNET: u16 = 1;
    /// PPP, IP in IP, IPv6 in IPv4, GRE, and "no link layer" (tun, wireguard).
    const TUNNELS: &[u16] = &[512, 768, 769, 776, 778, 823, 65_534];
    let has = |file: &str| described && root.exists(&sysfs(&link.name, file));
    if link.loopback || link.hardware_type == LOOPBACK {
        return "loopback";
    }
    match link.kind.as_deref() {
        Some("vlan") => "vlan",
        Some("bridge" | "openvswitch") => "bridge",
        Some("bond" | "team") => "bond",
        Some("veth") => "veth",
        Some(
            "wireguard" | "vxlan" | "geneve" | "gre" | "gretap" | "ip6gre" | "ip6gretap" | "erspan" | "ipip" | "sit" | "ip6tnl" | "vti"
            | "vti6" | "xfrm" | "ppp" | "tun",
        ) => "tunnel",
        _ if has("wireless") || has("phy80211") => "wireless",
        _ if has("bridge") => "bridge",
        _ if has("bonding") => "bond",
        _ if has("tun_flags") => "tunnel",
        _ if TUNNELS.contains(&link.hardware_type) => "tunnel",
        _ if link.hardware_type == ETHERNET && is_veth(root, link, described) => "veth",
        _ if link.hardware_type == ETHERNET => "ethernet",
        _ => "other",
    }
}

/// One end of a virtual cable: made up, and paired with an interface of another number.
fn is_veth(root: &Root, link: &Link, described: bool) -> bool {
    match link.kind.as_deref() {
        Some(kind) => kind == "veth",
        None => described && link.below.is_some() && link.vlan_id.is_none() && !root.exists(&sysfs(&link.name, "device")),
    }
}

/// Whether sysfs speaks of this very interface.
fn is_described(root: &Root, link: &Link) -> bool {
    root.exists(&format!("/sys/class/net/{}", link.name)) && mac_in_sysfs(root, &link.name) == link.mac
}

fn mac_in_sysfs(root: &Root, name: &str) -> Option<String> {
    let is_mac = |text: &String| text.len() == 17 && text.bytes().any(|byte| byte != b'0' && byte != b':');
    root.text(&sysfs(name, "address")).filter(is_mac).map(|mac| mac.to_ascii_lowercase())
}

fn device_type(root: &Root, name: &str) -> Option<String> {
    let uevent = root.read(&sysfs(name, "uevent")).ok()?;
    lines(&uevent).find_map(|line| crate::parse::text::clean(line.strip_prefix(b"DEVTYPE=")?))
}

/// The nearest device above that is on a bus of its own: virtio devices lie on a PCI device.
fn hardware_address(root: &Root, name: &str) -> Option<String> {
    let place = root.link(&format!("/sys/class/net/{name}"))?;
    let above = place.split("/net/").next()?;
    above.rsplit('/').find(|part| is_bus_address(part)).map(str::to_owned)
}

/// `0000:00:03.0` of PCI, `1-1.4` of USB.
pub(super) fn is_bus_address(part: &str) -> bool {
    let is_hex = |text: &str, digits: usize| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let pci = part.split([':', '.']).collect::<Vec<_>>();
    if let [domain, bus, device, function] = pci[..] {
        return domain.len() >= 4 && is_hex(bus, 2) && is_hex(device, 2) && is_hex(function, 1);
    }
    let is_port = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    part.split_once('-').is_some_and(|(bus, port)| is_port(bus) && is_port(port))
}

fn sysfs(interface: &str, file: &str) -> String {
    format!("/sys/class/net/{interface}/{file}")
}

/// The unicast routes of every table but the local one, sorted, and why some are left out if some are.
fn routes(root: &Root, names: &BTreeMap<u32, String>) -> io::Result<(Vec<Route>, Option<String>)> {
    const MAIN_TABLE: u32 = 254;
    let file = |path: &str| root.read_up_to(path, 4 << 20).unwrap_or_default();
    let (mut routes, complete) = if root.is_live() {
        let (found, complete) = netlink::routes(MOST_ROUTES)?;
        let route = |route: message::Route| Route {
            destination: format!("{}/{}", route.destination, route.prefix_length),
            gateway: route.gateway,
            interface: route.interface.and_then(|index| names.get(&index)).cloned(),
            metric: route.metric,
            table: (route.table != MAIN_TABLE).then_some(route.table),
            protocol: Some(message::route_protocol(route.protocol).map_or_else(|| route.protocol.to_string(), str::to_owned)),
            source: route.source,
        };
        (found.into_iter().map(route).collect::<Vec<_>>(), complete)
    } else {
        let found = [routes::ipv4_routes(&file("/proc/net/route")), routes::ipv6_routes(&file("/proc/net/ipv6_route"))].concat();
        (found, true)
    };
    let key = |route: &Route| (route.table, route.destination.clone(), route.metric, route.gateway, route.interface.clone());
    routes.sort_by_cached_key(key);
    Ok((routes, (!complete).then(|| format!("only about {MOST_ROUTES} routes of each family are listed"))))
}

fn name_wireless_networks(root: &Root, interfaces: &mut [Interface], names: &BTreeMap<u32, String>) {
    if !root.is_live() || !interfaces.iter().any(|interface| interface.kind == "wireless") {
        return;
    }
    // Where the kernel does not tell, nothing is claimed.
    for (index, ssid) in netlink::wireless_networks().unwrap_or_default() {
        if let Some(interface) = interfaces.iter_mut().find(|interface| names.get(&index) == Some(&interface.name)) {
            interface.ssid = Some(ssid);
        }
    }
}

/// What systemd-networkd heard, and why nothing is known if nothing can be.
fn lldp(root: &Root, names: &BTreeMap<u32, String>) -> (Vec<LldpNeighbour>, Option<String>) {
    const LLDPD: &str = "/run/lldpd.socket";
    let files = match root.names(LLDP) {
        Ok(files) => files,
        Err(_) if root.exists(LLDPD) => return (Vec::new(), Some(format!("lldpd listens, and tells nobody but its own client ({LLDPD})"))),
        Err(_) => return (Vec::new(), Some(format!("nothing here listens for LLDP (no {LLDP}, no {LLDPD})"))),
    };
    let mut found = Vec::new();
    for file in files {
        let Some(interface) = file.parse().ok().and_then(|index: u32| names.get(&index)) else { continue };
        let heard = lldp::saved(&root.read(&format!("{LLDP}/{file}")).unwrap_or_default());
        found.extend(heard.into_iter().map(|neighbour| LldpNeighbour { interface: interface.clone(), ..neighbour }));
    }
    let key = |neighbour: &LldpNeighbour| (neighbour.interface.clone(), neighbour.chassis_id.clone(), neighbour.port_id.clone());
    found.sort_by_cached_key(key);
    (found, None)
}

/// A local stub is followed by what it forwards to, where systemd-resolved tells.
fn resolvers(root: &Root) -> (Vec<IpAddr>, Vec<String>) {
    let mut found = key_value::resolv_conf(&root.read("/etc/resolv.conf").unwrap_or_default());
    if found.servers.iter().any(IpAddr::is_loopback)
        && let Ok(bytes) = root.read("/run/systemd/resolve/resolv.conf")
    {
        let forwards = key_value::resolv_conf(&bytes);
        let new: Vec<IpAddr> = forwards.servers.into_iter().filter(|address| !found.servers.contains(address)).collect();
        found.servers.extend(new);
    }
    (found.servers, found.search)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::collect_one, *};

    #[test]
    fn a_recorded_machine_is_read() {
        let files = [
            ("/sys/devices/pci0000:00/0000:00:03.0/virtio2/net/eth0/address", "02:FC:00:00:00:01\n"),
            ("/sys/devices/pci0000:00/0000:00:03.0/virtio2/net/eth0/addr_assign_type", "0\n"),
            ("/sys/devices/pci0000:00/0000:00:03.0/virtio2/net/eth0/type", "1\n"),
            ("/sys/devices/pci0000:00/0000:00:03.0/virtio2/net/eth0/ifindex", "2\n"),
            ("/sys/devices/pci0000:00/0000:00:03.0/virtio2/net/eth0/device/driver", "-> ../bus/drivers/virtio_net"),
            ("/sys/devices/pci0000:00/0000:00:03.0/virtio2/net/eth0/mtu", "1500\n"),
            ("/sys/devices/pci0000:00/0000:00:03.0/virtio2/net/eth0/speed", "-1\n"),
            ("/sys/devices/pci0000:00/0000:00:03.0/virtio2/net/eth0/duplex", "full\n"),
            ("/sys/devices/pci0000:00/0000:00:03.0/virtio2/net/eth0/operstate", "up\n"),
            ("/sys/class/net/eth0", "-> ../../devices/pci0000:00/0000:00:03.0/virtio2/net/eth0"),
            ("/sys/devices/virtual/net/bond0/address", "02:fc:00:00:00:02\n"),
            ("/sys/devices/virtual/net/bond0/uevent", "DEVTYPE=bond\nINTERFACE=bond0\n"),
            ("/sys/devices/virtual/net/bond0/bonding/mode", "802.3ad 4\n"),
            ("/sys/devices/virtual/net/bond0/ifindex", "5\n"),
            ("/sys/class/net/bond0", "-> ../../devices/virtual/net/bond0"),
            ("/sys/class/net/eth1/address", "02:fc:00:00:00:02\n"),
            ("/sys/class/net/eth1/type", "1\n"),
            ("/sys/class/net/eth1/ifindex", "3\n"),
            ("/sys/class/net/eth1/master", "-> ../../../devices/virtual/net/bond0"),
            ("/sys/class/net/bond0.12/address", "02:fc:00:00:00:02\n"),
            ("/sys/class/net/bond0.12/uevent", "DEVTYPE=vlan\n"),
            ("/sys/class/net/bond0.12/ifindex", "6\n"),
            ("/sys/class/net/bond0.12/iflink", "5\n"),
            ("/proc/net/vlan/bond0.12", "bond0.12  VID: 12\t REORDER_HDR: 1  dev->priv_flags: 1\n"),
            ("/sys/class/net/lo/address", "00:00:00:00:00:00\n"),
            ("/sys/class/net/lo/type", "772\n"),
            ("/etc/resolv.conf", "nameserver 127.0.0.53\nsearch example.org\n"),
            ("/run/systemd/resolve/resolv.conf", "nameserver 10.0.0.53\n"),
            ("/etc/environment", "http_proxy=http://u:p@proxy:3128\n"),
        ];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        let seen: Vec<_> = found.interfaces.iter().map(|i| (i.name.as_str(), i.kind.as_str(), i.physical, i.mac.as_deref())).collect();
        assert_eq!(
            seen,
            [
                ("bond0", "bond", false, Some("02:fc:00:00:00:02")),
                ("bond0.12", "vlan", false, Some("02:fc:00:00:00:02")),
                ("eth0", "ethernet", true, Some("02:fc:00:00:00:01")),
                ("eth1", "ethernet", false, Some("02:fc:00:00:00:02")),
                ("lo", "loopback", false, None)
            ]
        );
        let [bond, vlan, eth0, eth1, _] = &found.interfaces[..] else { panic!("{found:?}") };
        assert_eq!((bond.bond_mode.as_deref(), bond.members.as_slice()), (Some("802.3ad"), &["eth1".to_owned()][..]));
        assert_eq!((vlan.vlan_id, vlan.parent.as_deref(), eth1.master.as_deref()), (Some(12), Some("bond0"), Some("bond0")));
        assert_eq!((eth0.driver.as_deref(), eth0.mtu, eth0.speed_mbps, eth0.up), (Some("virtio_net"), Some(1_500), None, true));
        assert_eq!((eth0.duplex.as_deref(), eth0.bus_address.as_deref()), (Some("full"), Some("0000:00:03.0")));
        assert_eq!(found.resolvers, ["127.0.0.53".parse::<IpAddr>().unwrap(), "10.0.0.53".parse().unwrap()]);
        assert_eq!(found.proxies[0].value, "http://proxy:3128");
        assert!(found.lldp_unknown.is_some());
        let Outcome::Data(macs) = collect_one(&files, |machine| Outcome::Data(permanent_macs(machine.root))) else { panic!("no data") };
        assert_eq!(macs, ["02:fc:00:00:00:01"]);
    }

    #[test]
    fn this_machine_has_a_loopback() {
        let windows = crate::observe::Windows::default();
        let root = Root::new("/");
        let machine = Machine::new(&root, rollcall_shared::Timestamp::default(), &windows, Err("not asked".to_owned()));
        let Outcome::Data(found) = collect(&machine) else { panic!("no data") };
        let loopback = found.interfaces.iter().find(|interface| interface.kind == "loopback").unwrap();
        assert!(loopback.addresses.iter().any(|address| address.address.is_loopback() && address.prefix_length == 8));
    }

    #[test]
    fn bus_addresses_are_told_from_other_names() {
        for (part, expected) in
            [("0000:00:03.0", true), ("1-1.4", true), ("3-2", true), ("virtio2", false), ("pci0000:00", false), ("1-1:1.0", false)]
        {
            assert_eq!(is_bus_address(part), expected, "{part}");
        }
    }
}
