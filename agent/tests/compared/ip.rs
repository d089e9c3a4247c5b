//! `ip address`, `ip route` and `ip neighbour`.

use std::net::{IpAddr, Ipv6Addr};

use serde_json::Value;

use super::{
    machine::{Namespace, json_of},
    rule::{Fact, Rule, flatten, lower},
};

/// What it says, of the network namespace of this process or of another one.
pub(crate) fn facts(namespace: Option<&Namespace>) -> Vec<Fact> {
    let entries = |arguments: &[&str]| {
        let within = namespace.map_or(Vec::new(), |namespace| vec!["-n", namespace.name()]);
        json_of("iproute2", "ip", &[&within, arguments].concat()).as_array().cloned().unwrap_or_default()
    };
    let mut facts = Vec::new();
    for mut link in entries(&["-j", "-d", "address"]) {
        let name = text(&link["ifname"]);
        let addresses = link["addr_info"].take();
        for address in addresses.as_array().into_iter().flatten() {
            let local = text(&address["local"]);
            flatten(&["link".into(), name.clone(), "addr_info".into(), local], address, &mut facts);
        }
        let kind = text(&link["linkinfo"]["info_kind"]);
        if let Some(id) = link["linkinfo"]["info_data"].get_mut("id").filter(|_| kind != "vlan") {
            link["linkinfo"]["info_data"]["virtual_network"] = id.take();
        }
        flatten(&["link".into(), name], &link, &mut facts);
    }
    for (family, everywhere) in [("-4", "0.0.0.0/0"), ("-6", "::/0")] {
        for mut route in entries(&["-j", "-d", family, "route"]) {
            let destination = destination(&text(&route["dst"]), everywhere);
            if is_of_a_link(&destination) {
                continue;
            }
            route["dst"] = destination.clone().into();
            flatten(&["route".into(), destination, text(&route["dev"])], &route, &mut facts);
        }
    }
    for neighbour in entries(&["-j", "neighbour"]) {
        let address = text(&neighbour["dst"]);
        let is_known = neighbour["lladdr"].is_string() && !neighbour["state"].to_string().contains("FAILED");
        let kind = if is_private(&address) && is_known { "neighbour" } else { "left_out" };
        flatten(&[kind.into(), address], &neighbour, &mut facts);
    }
    facts
}

/// `default` and hosts as the networks that they are.
fn destination(text: &str, everywhere: &str) -> String {
    match text {
        "default" => everywhere.to_owned(),
        host if host.contains('/') => host.to_owned(),
        host if host.contains(':') => format!("{host}/128"),
        host => format!("{host}/32"),
    }
}

/// Link local and multicast: every interface has those.
fn is_of_a_link(destination: &str) -> bool {
    let address = destination.split('/').next().and_then(|address| address.parse::<Ipv6Addr>().ok());
    address.is_some_and(|address| address.is_unicast_link_local() || address.is_multicast())
}

fn is_private(address: &str) -> bool {
    match address.parse() {
        Ok(IpAddr::V4(v4)) => v4.is_private() || v4.is_link_local(),
        Ok(IpAddr::V6(v6)) => v6.is_unique_local() || v6.is_unicast_link_local(),
        Err(_) => false,
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

const TUNING: &str = "tuning of the kernel's queues";
const NUMBER: &str = "a number of this start of the system";
const MOVES: &str = "moves all the time";
const BROADCAST: &str = "follows from the address or the kind of interface";

pub(crate) const RULES: &[Rule] = &[
    Rule::same("link/*/ifname", "network.interfaces[name=$1].name"),
    Rule::same("link/*/mtu", "network.interfaces[name=$1].mtu"),
    Rule::as_("link/*/address", "network.interfaces[name=$1].mac", hardware_address),
    Rule::as_("link/*/permaddr", "network.interfaces[name=$1].permanent_mac", lower),
    Rule::as_("link/*/flags/[]", "network.interfaces[name=$1].up", |flag| (flag == "LOWER_UP").then(|| "true".to_owned())),
    Rule::as_("link/*/operstate", "network.interfaces[name=$1].up", |state| match state {
        "UP" => Some("true".to_owned()),
        "DOWN" => Some("false".to_owned()),
        _ => None,
    }),
    Rule::same("link/*/master", "network.interfaces[name=$1].master"),
    Rule::as_("link/*/link_type", "network.interfaces[name=$1].kind", |kind| (kind == "loopback").then(|| kind.to_owned())),
    Rule::same("link/*/linkinfo/info_kind", "network.interfaces[name=$1].link_kind"),
    Rule::same("link/*/linkinfo/info_data/mode", "network.interfaces[name=$1].bond_mode"),
    Rule::same("link/*/linkinfo/info_data/id", "network.interfaces[name=$1].vlan_id"),
    Rule::same("link/*/linkinfo/info_data/virtual_network", "network.interfaces[name=$1].virtual_network"),
    Rule::same("link/*/ifalias", "network.interfaces[name=$1].alias"),
    Rule::not("link/*/linkinfo/**", "settings of the kind of interface"),
    Rule::not("link/*/link_index", NUMBER),
    Rule::not("link/*/link", "of virtual pairs; kinds and members say how interfaces hang together"),
    Rule::not("link/*/link_netnsid", NUMBER),
    Rule::not("link/*/ifindex", NUMBER),
    Rule::not("link/*/broadcast", BROADCAST),
    Rule::not("link/*/qdisc", TUNING),
    Rule::not("link/*/group", "a name for scripts"),
    Rule::not("link/*/txqlen", TUNING),
    Rule::not("link/*/promiscuity", TUNING),
    Rule::not("link/*/allmulti", TUNING),
    Rule::not("link/*/min_mtu", TUNING),
    Rule::not("link/*/max_mtu", TUNING),
    Rule::not("link/*/num_tx_queues", TUNING),
    Rule::not("link/*/num_rx_queues", TUNING),
    Rule::not("link/*/gso_max_size", TUNING),
    Rule::not("link/*/gso_max_segs", TUNING),
    Rule::not("link/*/gso_ipv4_max_size", TUNING),
    Rule::not("link/*/gro_ipv4_max_size", TUNING),
    Rule::not("link/*/tso_max_size", TUNING),
    Rule::not("link/*/tso_max_segs", TUNING),
    Rule::not("link/*/gro_max_size", TUNING),
    Rule::not("link/*/inet6_addr_gen_mode", TUNING),
    Rule::not("link/*/phys_port_id", "of switch chips"),
    Rule::not("link/*/phys_switch_id", "of switch chips"),
    Rule::not("link/*/phys_port_name", "of switch chips"),
    Rule::not("link/*/altnames/[]", "other names of the same interface"),
    Rule::not("link/*/parentbus", "the driver says it"),
    Rule::not("link/*/parentdev", "the device is in the devices section"),
    Rule::same("link/*/addr_info/*/local", "network.interfaces[name=$1].addresses[address=$2].address"),
    Rule::same("link/*/addr_info/*/prefixlen", "network.interfaces[name=$1].addresses[address=$2].prefix_length"),
    Rule::not("link/*/addr_info/*/family", BROADCAST),
    Rule::not("link/*/addr_info/*/broadcast", BROADCAST),
    Rule::not("link/*/addr_info/*/scope", BROADCAST),
    Rule::not("link/*/addr_info/*/label", "another name of the interface"),
    Rule::not("link/*/addr_info/*/address", "the other end of a point-to-point link"),
    Rule::not("link/*/addr_info/*/valid_life_time", MOVES),
    Rule::not("link/*/addr_info/*/preferred_life_time", MOVES),
    Rule::not("link/*/addr_info/*/**", "how the kernel came by the address"),
    Rule::same("route/*/*/dst", "network.routes[interface=$2].destination"),
    Rule::same("route/*/*/dev", "network.routes[destination=$1].interface"),
    Rule::same("route/*/*/gateway", "network.routes[destination=$1,interface=$2].gateway"),
    Rule::same("route/*/*/metric", "network.routes[destination=$1,interface=$2].metric"),
    Rule::same("route/*/*/protocol", "network.routes[destination=$1,interface=$2].protocol"),
    Rule::same("route/*/*/prefsrc", "network.routes[destination=$1,interface=$2].source"),
    Rule::not("route/*/*/type", "only routes that lead somewhere are ours"),
    Rule::not("route/*/*/scope", BROADCAST),
    Rule::not("route/*/*/**", MOVES),
    Rule::same("neighbour/*/dst", "neighbours.neighbours[address=$1].address"),
    Rule::same("neighbour/*/lladdr", "neighbours.neighbours[address=$1].mac"),
    Rule::same("neighbour/*/dev", "neighbours.neighbours[address=$1].interface"),
    Rule::not("neighbour/*/**", MOVES),
    Rule::not("left_out/**", "outside private networks, or without an answer"),
];

/// The loopback's is all zeros, which is none.
fn hardware_address(value: &str) -> Option<String> {
    (value != "00:00:00:00:00:00").then(|| value.to_lowercase())
}
