//! `ip address`, `ip route` and `ip neighbour`.

use serde_json::Value;

use super::{
    machine::json_of,
    rule::{Fact, Rule, flatten, lower},
};

pub(crate) fn facts() -> Vec<Fact> {
    let mut facts = Vec::new();
    for mut link in entries(&["-j", "-d", "address"]) {
        let name = text(&link["ifname"]);
        let addresses = link["addr_info"].take();
        for address in addresses.as_array().into_iter().flatten() {
            let local = text(&address["local"]);
            flatten(&["link".into(), name.clone(), "addr_info".into(), local], address, &mut facts);
        }
        flatten(&["link".into(), name], &link, &mut facts);
    }
    for arguments in [["-j", "-4", "route"], ["-j", "-6", "route"]] {
        for route in entries(&arguments) {
            let kind = if text(&route["dst"]) == "default" { "default" } else { "route" };
            flatten(&[kind.into(), text(&route["gateway"])], &route, &mut facts);
        }
    }
    for neighbour in entries(&["-j", "neighbour"]) {
        flatten(&["neighbour".into(), text(&neighbour["dst"])], &neighbour, &mut facts);
    }
    facts
}

fn entries(arguments: &[&str]) -> Vec<Value> {
    json_of("iproute2", "ip", arguments).as_array().cloned().unwrap_or_default()
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
    Rule::as_("link/*/permaddr", "identity.permanent_macs", lower),
    Rule::as_("link/*/flags/[]", "network.interfaces[name=$1].up", |flag| (flag == "LOWER_UP").then(|| "true".to_owned())),
    Rule::as_("link/*/operstate", "network.interfaces[name=$1].up", |state| match state {
        "UP" => Some("true".to_owned()),
        "DOWN" => Some("false".to_owned()),
        _ => None,
    }),
    Rule::same("link/*/master", "network.interfaces[name=$1].master"),
    Rule::as_("link/*/link_type", "network.interfaces[name=$1].kind", |kind| (kind == "loopback").then(|| kind.to_owned())),
    Rule::as_("link/*/linkinfo/info_kind", "network.interfaces[name=$1].kind", |kind| {
        ["bridge", "bond", "vlan", "veth"].contains(&kind).then(|| kind.to_owned())
    }),
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
    Rule::same("default/*/gateway", "network.gateways.address"),
    Rule::same("default/*/dev", "network.gateways[address=$1].interface"),
    Rule::not("default/*/**", "one way out is as good as another here: gateway and interface are compared"),
    Rule::not("route/**", "routes but the default one"),
    Rule::not("neighbour/**", "off by default outside private networks, and moves all the time"),
];

/// The loopback's is all zeros, which is none.
fn hardware_address(value: &str) -> Option<String> {
    (value != "00:00:00:00:00:00").then(|| value.to_lowercase())
}
