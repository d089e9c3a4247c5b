//! Interfaces, addresses, gateways and resolvers.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{IpAddr, Ipv6Addr},
};

use nix::{ifaddrs::getifaddrs, net::if_::InterfaceFlags};
use rollcall_shared::wire::v1::{Interface, InterfaceAddress, Network};

use super::{Machine, Outcome};
use crate::{
    files::Root,
    parse::{key_value, routes},
};

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Network> {
    let root = machine.root;
    let links = match links(root) {
        Ok(links) => links,
        Err(error) => return Outcome::failed("the interfaces", &error),
    };
    let file = |path: &str| root.read(path).unwrap_or_default();
    let mut gateways = routes::ipv4_gateways(&file("/proc/net/route"));
    gateways.extend(routes::ipv6_gateways(&file("/proc/net/ipv6_route")));
    gateways.sort();
    gateways.dedup();
    let (resolvers, search_domains) = resolvers(root);
    let interfaces = links.into_iter().map(|(name, link)| interface(root, name, link)).collect();
    Outcome::Data(Network { interfaces, gateways, resolvers, search_domains, ..Network::default() })
}

/// MAC addresses that hardware came with, of interfaces that are hardware.
pub(super) fn permanent_macs(root: &Root) -> Vec<String> {
    /// The value of `addr_assign_type` for an address that was neither set by a person nor made up.
    const PERMANENT: u8 = 0;
    let links = links(root).unwrap_or_default();
    let macs = links.into_iter().filter(|(name, link)| {
        is_described(root, name, link)
            && root.exists(&sysfs(name, "device"))
            && root.number::<u8>(&sysfs(name, "addr_assign_type")) == Some(PERMANENT)
    });
    let macs: BTreeSet<String> = macs.filter_map(|(_, link)| link.mac).collect();
    macs.into_iter().collect()
}

/// What the kernel tells about an interface of the agent's own network namespace.
#[derive(Default)]
struct Link {
    mac: Option<String>,
    /// The kernel's number for the kind of hardware (`ARPHRD_…`).
    hardware_type: Option<u16>,
    up: bool,
    loopback: bool,
    addresses: BTreeSet<InterfaceAddress>,
}

/// `getifaddrs` speaks of this namespace; `/sys/class/net` of the one it was mounted in, which may be another.
fn links(root: &Root) -> io::Result<BTreeMap<String, Link>> {
    if !root.is_live() {
        let names = root.names("/sys/class/net")?;
        return Ok(names.into_iter().map(|name| (name.clone(), Link { mac: mac_in_sysfs(root, &name), ..Link::default() })).collect());
    }
    let temporary = routes::temporary_addresses(&root.read("/proc/net/if_inet6").unwrap_or_default());
    let mut links: BTreeMap<String, Link> = BTreeMap::new();
    for entry in getifaddrs()? {
        let link = links.entry(entry.interface_name).or_default();
        link.up = entry.flags.contains(InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING);
        link.loopback = entry.flags.contains(InterfaceFlags::IFF_LOOPBACK);
        let Some(address) = entry.address else { continue };
        if let Some(hardware) = address.as_link_addr() {
            link.hardware_type = Some(hardware.hatype());
            link.mac = hardware.addr().filter(|mac| hardware.halen() == mac.len() && mac.iter().any(|&byte| byte != 0)).map(mac_text);
        } else if let Some(v4) = address.as_sockaddr_in() {
            let mask = entry.netmask.and_then(|mask| Some(mask.as_sockaddr_in()?.ip()));
            let prefix_length = mask.map_or(32, |mask| mask.to_bits().count_ones() as u8);
            link.addresses.insert(InterfaceAddress { address: IpAddr::V4(v4.ip()), prefix_length });
        } else if let Some(v6) = address.as_sockaddr_in6()
            && !temporary.contains(&v6.ip())
        {
            let mask = entry.netmask.and_then(|mask| Some(mask.as_sockaddr_in6()?.ip()));
            let prefix_length = mask.map_or(128, |mask: Ipv6Addr| mask.to_bits().count_ones() as u8);
            link.addresses.insert(InterfaceAddress { address: IpAddr::V6(v6.ip()), prefix_length });
        }
    }
    Ok(links)
}

fn interface(root: &Root, name: String, link: Link) -> Interface {
    let described = is_described(root, &name, &link);
    let number = |file: &str| if described { root.number::<u32>(&sysfs(&name, file)) } else { None };
    let link_name = |file: &str| if described { root.link_name(&sysfs(&name, file)) } else { None };
    let physical = described && root.exists(&sysfs(&name, "device"));
    let is_up_in_sysfs = || root.text(&sysfs(&name, "operstate")).is_some_and(|state| state == "up");
    Interface {
        kind: kind(root, &name, &link, described).to_owned(),
        physical,
        up: link.up || (!root.is_live() && is_up_in_sysfs()),
        mtu: number("mtu"),
        // The kernel says -1 or 4294967295 where there is no speed.
        speed_mbps: number("speed").filter(|&speed| speed > 0 && speed < u32::MAX),
        driver: link_name("device/driver"),
        master: link_name("master"),
        mac: link.mac,
        addresses: link.addresses.into_iter().collect(),
        name,
        ..Interface::default()
    }
}

fn kind(root: &Root, name: &str, link: &Link, described: bool) -> &'static str {
    const ETHERNET: u16 = 1;
    const LOOPBACK: u16 = 772;
    /// PPP, IP in IP, IPv6 in IPv4, GRE, and "no link layer" (tun, wireguard).
    const TUNNELS: &[u16] = &[512, 768, 769, 776, 778, 823, 65_534];
    let has = |file: &str| described && root.exists(&sysfs(name, file));
    let device_type = if described { root.read(&sysfs(name, "uevent")).unwrap_or_default() } else { Vec::new() };
    let devtype = crate::parse::text::lines(&device_type).find_map(|line| line.strip_prefix(b"DEVTYPE="));
    let hardware_type = link.hardware_type.or_else(|| if described { root.number(&sysfs(name, "type")) } else { None });
    match (devtype, hardware_type) {
        _ if link.loopback || hardware_type == Some(LOOPBACK) => "loopback",
        (Some(b"wlan"), _) => "wireless",
        (Some(b"vlan"), _) => "vlan",
        (Some(b"bridge"), _) => "bridge",
        (Some(b"bond"), _) => "bond",
        (Some(b"wireguard" | b"vxlan" | b"geneve" | b"gre" | b"ppp"), _) => "tunnel",
        _ if has("wireless") || has("phy80211") => "wireless",
        _ if has("bridge") => "bridge",
        _ if has("bonding") => "bond",
        _ if has("tun_flags") => "tunnel",
        (_, Some(kind)) if TUNNELS.contains(&kind) => "tunnel",
        (_, Some(ETHERNET)) if is_veth(root, name, described) => "veth",
        (_, Some(ETHERNET)) => "ethernet",
        _ => "other",
    }
}

/// One end of a virtual cable: made up, and paired with an interface of another number.
fn is_veth(root: &Root, name: &str, described: bool) -> bool {
    if !described || root.exists(&sysfs(name, "device")) {
        return false;
    }
    let number = |file: &str| root.number::<u32>(&sysfs(name, file));
    matches!((number("ifindex"), number("iflink")), (Some(own), Some(peer)) if own != peer)
}

/// Whether sysfs speaks of this very interface.
fn is_described(root: &Root, name: &str, link: &Link) -> bool {
    root.exists(&format!("/sys/class/net/{name}")) && mac_in_sysfs(root, name) == link.mac
}

fn mac_in_sysfs(root: &Root, name: &str) -> Option<String> {
    let is_mac = |text: &String| text.len() == 17 && text.bytes().any(|byte| byte != b'0' && byte != b':');
    root.text(&sysfs(name, "address")).filter(is_mac).map(|mac| mac.to_ascii_lowercase())
}

fn sysfs(interface: &str, file: &str) -> String {
    format!("/sys/class/net/{interface}/{file}")
}

fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
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
            ("/sys/class/net/eth0/address", "02:FC:00:00:00:01\n"),
            ("/sys/class/net/eth0/addr_assign_type", "0\n"),
            ("/sys/class/net/eth0/type", "1\n"),
            ("/sys/class/net/eth0/device/driver", "-> ../bus/drivers/virtio_net"),
            ("/sys/class/net/eth0/mtu", "1500\n"),
            ("/sys/class/net/eth0/speed", "-1\n"),
            ("/sys/class/net/eth0/operstate", "up\n"),
            ("/sys/class/net/br0/address", "02:fc:00:00:00:02\n"),
            ("/sys/class/net/br0/uevent", "DEVTYPE=bridge\nINTERFACE=br0\n"),
            ("/sys/class/net/lo/address", "00:00:00:00:00:00\n"),
            ("/sys/class/net/lo/type", "772\n"),
            ("/etc/resolv.conf", "nameserver 127.0.0.53\nsearch example.org\n"),
            ("/run/systemd/resolve/resolv.conf", "nameserver 10.0.0.53\n"),
        ];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        let seen: Vec<_> = found.interfaces.iter().map(|i| (i.name.as_str(), i.kind.as_str(), i.physical, i.mac.as_deref())).collect();
        assert_eq!(
            seen,
            [
                ("br0", "bridge", false, Some("02:fc:00:00:00:02")),
                ("eth0", "ethernet", true, Some("02:fc:00:00:00:01")),
                ("lo", "loopback", false, None)
            ]
        );
        let eth0 = &found.interfaces[1];
        assert_eq!((eth0.driver.as_deref(), eth0.mtu, eth0.speed_mbps, eth0.up), (Some("virtio_net"), Some(1_500), None, true));
        assert_eq!(found.resolvers, ["127.0.0.53".parse::<IpAddr>().unwrap(), "10.0.0.53".parse().unwrap()]);
        let Outcome::Data(macs) = collect_one(&files, |machine| Outcome::Data(permanent_macs(machine.root))) else { panic!("no data") };
        assert_eq!(macs, ["02:fc:00:00:00:01"]);
    }

    #[test]
    fn this_machine_has_a_loopback() {
        let links = links(&Root::new("/")).unwrap();
        let loopback = links.values().find(|link| link.loopback).unwrap();
        assert!(loopback.addresses.iter().any(|address| address.address.is_loopback() && address.prefix_length == 8));
    }
}
