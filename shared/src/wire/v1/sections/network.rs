//! Interfaces, addresses, gateways and resolvers.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{daemon::Upstream, forwarding::Forwarding};

/// The network as this machine is set up for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Network {
    /// Interfaces, sorted by name.
    pub interfaces: Vec<Interface>,
    /// Default gateways.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<Gateway>,
    /// Name servers, in the order they are asked. A local stub is listed with what it forwards to where a file tells.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resolvers: Vec<IpAddr>,
    /// Search domains.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub search_domains: Vec<String>,
    /// Unicast routes of all tables but the local one, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// Why some routes are left out; absent where none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routes_incomplete: Option<String>,
    /// Proxies that files set for everybody, for apt or for dnf; names and passwords removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub proxies: Vec<ProxySetting>,
    /// Servers that files set for the machine as a whole, whatever runs on it: directories (`krb5.conf`, `ldap.conf`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<Upstream>,
    /// What the other ends of cables say of themselves (LLDP), sorted by interface.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lldp: Vec<LldpNeighbour>,
    /// Why nothing is known of LLDP; absent where something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lldp_unknown: Option<String>,
    /// What is passed on to others by the rules of the packet filter; absent where no file tells of any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwarding: Option<Forwarding>,
}

/// One network interface.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Interface {
    /// Name: `eth0`.
    pub name: String,
    /// `ethernet`, `wireless`, `loopback`, `bridge`, `bond`, `vlan`, `tunnel`, `veth`, `other`.
    pub kind: String,
    /// MAC address in use, lower case with colons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Whether hardware stands behind it.
    pub physical: bool,
    /// Administratively and operationally up.
    pub up: bool,
    /// Largest packet, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// Link speed, Mbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed_mbps: Option<u32>,
    /// Kernel driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// The bridge or bond it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// Addresses, sorted; temporary ones (IPv6 privacy) are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<InterfaceAddress>,
    /// The kernel's word for what it is made of: `bond`, `vlan`, `wireguard`, `vxlan`, `tun`, …; absent for hardware.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_kind: Option<String>,
    /// The MAC address that the hardware came with, where it differs from the one in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permanent_mac: Option<String>,
    /// The interface below: of a VLAN, a MACVLAN, a tunnel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Number of the VLAN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan_id: Option<u16>,
    /// Number of the virtual network, of a tunnel that carries many (VXLAN, Geneve).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_network: Option<u32>,
    /// How a bond uses its members: `active-backup`, `802.3ad`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bond_mode: Option<String>,
    /// The member that a bond uses now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bond_active: Option<String>,
    /// Members of a bond, a bridge or a team, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
    /// `full` or `half`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplex: Option<String>,
    /// Whether a cable or its like is plugged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier: Option<bool>,
    /// Name of the wireless network it is connected to; absent where nothing tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssid: Option<String>,
    /// Name that people gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Where the adapter is on its bus: `0000:02:00.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bus_address: Option<String>,
    /// Version of the driver, where it has one of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver_version: Option<String>,
}

/// One address of an interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct InterfaceAddress {
    /// The address.
    pub address: IpAddr,
    /// Length of the network prefix, bits.
    pub prefix_length: u8,
}

/// A default gateway.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Gateway {
    /// Its address.
    pub address: IpAddr,
    /// The interface it is reached by.
    pub interface: String,
}

/// A route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Route {
    /// Destination network: `10.1.0.0/16`, `0.0.0.0/0`.
    pub destination: String,
    /// Next hop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// The interface it leads through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Lower is better.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<u32>,
    /// Number of the routing table, unless it is the main one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// Who set it: `kernel`, `boot`, `static`, `dhcp`, `ra`, `bgp`, `ospf`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Address that packets are sent from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
}

/// A proxy that a file sets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ProxySetting {
    /// The file.
    pub file: String,
    /// What it is set for: `http`, `https`, `ftp`, `all`, or `none` for the names that need no proxy.
    pub scheme: String,
    /// Its address without name and password, or the names.
    pub value: String,
}

/// What the other end of a cable says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LldpNeighbour {
    /// The interface here.
    pub interface: String,
    /// Id of the device there: a MAC address, a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chassis_id: Option<String>,
    /// Id of its port: an interface name, a MAC address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_id: Option<String>,
    /// Description of its port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_description: Option<String>,
    /// Name of the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_name: Option<String>,
    /// Description of the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_description: Option<String>,
    /// Address of its management, where it tells one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub management_address: Option<IpAddr>,
    /// Number of the VLAN of untagged packets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan_id: Option<u16>,
}
