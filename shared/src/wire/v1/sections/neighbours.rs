//! Devices seen on the local network.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SectionData;

/// Devices that this machine has met within a day on the networks it is on, by ARP and NDP; sorted. Addresses outside private ranges
/// (RFC 1918, unique local, link local) are left out unless the machine was told to send them too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Neighbours {
    /// The devices.
    pub neighbours: Vec<Neighbour>,
    /// How many addresses were left out because they are not private.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: u32,
    /// What devices announce of themselves (mDNS, SSDP), by address; only where the machine was told to listen. The ranges that hold
    /// for the others hold for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub announced: Vec<Announced>,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// One address of a device on the local network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Neighbour {
    /// Its address.
    pub address: IpAddr,
    /// Its MAC address, lower case with colons.
    pub mac: String,
    /// The interface it was met on.
    pub interface: String,
    /// The kernel's word for how sure it is: `reachable`, `stale`, `delay`, `probe`, `permanent`. It moves all the time and is
    /// not part of the digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Whether it says that it routes for others (NDP).
    #[serde(default)]
    pub router: bool,
    /// Who made its network adapter, where a file of this machine tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
}

/// What a device says of itself to everybody on the local network, in its own words. Nothing was asked of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Announced {
    /// The address that it sends from.
    pub address: IpAddr,
    /// Its host name, without `.local`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is, by its maker's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The software that it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software: Option<String>,
    /// Kinds of services that it offers, such as `_ipp._tcp` or `urn:schemas-upnp-org:device:MediaRenderer:1`; sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
}

impl SectionData for Neighbours {
    const NAME: &'static str = "neighbours";

    fn stable(&self) -> impl Serialize + '_ {
        let met = |neighbour: &Neighbour| (neighbour.interface.clone(), neighbour.address, neighbour.mac.clone(), neighbour.router);
        (self.neighbours.iter().map(met).collect::<Vec<_>>(), &self.announced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Timestamp,
        wire::v1::{Section, SectionStatus},
    };

    #[test]
    fn how_sure_the_kernel_is_does_not_make_a_change() {
        let digest = |state: &str, mac: &str| {
            let neighbour = Neighbour {
                address: "192.0.2.1".parse().unwrap(),
                mac: mac.into(),
                interface: "eth0".into(),
                state: Some(state.into()),
                router: false,
                vendor: None,
            };
            let found = Neighbours { neighbours: vec![neighbour], left_out: u32::from(state == "stale"), ..Neighbours::default() };
            Section::new(SectionStatus::Ok, Timestamp::default(), 1, Some(&found)).unwrap().digest
        };
        assert_eq!(digest("reachable", "02:00:00:00:00:01"), digest("stale", "02:00:00:00:00:01"));
        assert_ne!(digest("reachable", "02:00:00:00:00:01"), digest("reachable", "02:00:00:00:00:02"));
    }
}
