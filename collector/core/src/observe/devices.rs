//! Devices that a machine has met on its local networks: what the kernel's tables and the devices' own announcements say, put together.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use rollcall_shared::wire::v1::{Announced, Neighbours};

use super::{AddressScope, is_placeholder, machine, scope};

/// One device, as one machine sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceFacts {
    /// The MAC address that it answers with, lower case; unknown for what is only heard.
    pub mac: Option<String>,
    /// Whether that address was given once in the world, to a part of one device.
    pub is_own_mac: bool,
    /// Its addresses that mean something in the realm.
    pub addresses: BTreeSet<IpAddr>,
    /// Whether those are its own: an adapter that answers for several may stand in for others (a repeater, a router).
    pub are_its_own: bool,
    /// The interface that it was met on; unknown for what is only heard.
    pub interface: Option<String>,
    /// Who made its adapter.
    pub maker: Option<String>,
    /// What it calls itself.
    pub name: Option<String>,
    /// What it says it is.
    pub model: Option<String>,
    /// What it says it runs.
    pub software: Option<String>,
    /// What it offers.
    pub services: BTreeSet<String>,
}

/// Characters of a text that a device says of itself.
const LONGEST: usize = 120;
/// Kinds of services of one device.
const MOST_SERVICES: usize = 16;
/// Addresses of one device that are shown.
const MOST_ADDRESSES: usize = 8;

/// The devices, one for each MAC address, and one for each address without.
pub(super) fn read(neighbours: &Neighbours) -> Vec<DeviceFacts> {
    let mut devices: BTreeMap<String, DeviceFacts> = BTreeMap::new();
    let mut met_at: BTreeMap<IpAddr, String> = BTreeMap::new();
    for neighbour in
        neighbours.neighbours.iter().filter(|it| machine::is_adapter(&it.mac) && !is_placeholder(&it.mac) && !is_abroad(it.address))
    {
        let mac = neighbour.mac.to_lowercase();
        let address = neighbour.address.to_canonical();
        met_at.insert(address, mac.clone());
        let device = devices.entry(mac).or_insert_with_key(|mac| DeviceFacts {
            mac: Some(mac.clone()),
            is_own_mac: machine::identifies_device(mac),
            interface: Some(neighbour.interface.clone()),
            ..DeviceFacts::default()
        });
        device.maker = device.maker.take().or_else(|| neighbour.vendor.as_deref().and_then(short));
        if is_local(address) && device.addresses.len() < MOST_ADDRESSES {
            device.addresses.insert(address);
        }
    }
    for device in devices.values_mut() {
        device.are_its_own = device.addresses.iter().filter(|address| address.is_ipv4()).count() <= 1;
    }
    let mut heard = Vec::new();
    for says in &neighbours.announced {
        let address = says.address.to_canonical();
        match met_at.get(&address).and_then(|mac| devices.get_mut(mac)) {
            Some(device) if device.are_its_own => device.says(says),
            // Who of those behind the adapter said it is not known.
            Some(_) => {}
            None if is_local(address) => {
                let mut device = DeviceFacts { addresses: BTreeSet::from([address]), are_its_own: true, ..DeviceFacts::default() };
                device.says(says);
                heard.push(device);
            }
            None => {}
        }
    }
    devices.into_values().chain(heard).filter(|device| device.is_own_mac || !device.addresses.is_empty()).collect()
}

/// Who stands at a public address is no device of a site, whatever an agent says: the network there may be a provider's with strangers in it.
fn is_abroad(address: IpAddr) -> bool {
    scope(address) == AddressScope::Internet
}

fn is_local(address: IpAddr) -> bool {
    scope(address) == AddressScope::Site
}

impl DeviceFacts {
    fn says(&mut self, says: &Announced) {
        let take = |known: &mut Option<String>, said: &Option<String>| *known = known.take().or_else(|| said.as_deref().and_then(short));
        take(&mut self.name, &says.name);
        take(&mut self.model, &says.model);
        take(&mut self.software, &says.software);
        let more = says.services.iter().filter_map(|service| short(service));
        self.services.extend(more.take(MOST_SERVICES.saturating_sub(self.services.len())));
    }
}

/// Cut to what is worth keeping, without what a terminal or a table would stumble over; fillers say nothing.
fn short(text: &str) -> Option<String> {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    let plain = plain.trim();
    (!plain.is_empty() && !is_placeholder(plain)).then(|| plain.to_owned())
}

#[cfg(test)]
mod tests {
    use rollcall_shared::wire::v1::Neighbour;

    use super::*;

    fn met(address: &str, mac: &str) -> Neighbour {
        let vendor = Some("ACME".to_owned());
        Neighbour { address: address.parse().unwrap(), mac: mac.into(), interface: "eth0".into(), state: None, router: false, vendor }
    }

    fn heard(address: &str, name: &str) -> Announced {
        let services = vec!["_ipp._tcp".to_owned()];
        Announced { address: address.parse().unwrap(), name: Some(name.into()), model: None, software: None, services }
    }

    /// `MAC own addresses name`, one line for each.
    fn gist(neighbours: Vec<Neighbour>, announced: Vec<Announced>) -> Vec<String> {
        let line = |device: DeviceFacts| {
            let addresses: Vec<String> = device.addresses.iter().map(ToString::to_string).collect();
            let (mac, name) = (device.mac.unwrap_or_default(), device.name.unwrap_or_default());
            format!("{mac} {} {} {name}", device.is_own_mac, addresses.join(",")).trim().to_owned()
        };
        read(&Neighbours { neighbours, announced, left_out: 0 }).into_iter().map(line).collect()
    }

    #[test]
    fn tables_and_announcements_are_put_together() {
        const PRINTER: &str = "00:1B:A9:00:00:01";
        for (what, neighbours, announced, expected) in [
            (
                "one adapter, three addresses, one of them only its link's",
                vec![met("10.0.0.9", PRINTER), met("fd00::9", PRINTER), met("fe80::9", PRINTER)],
                vec![heard("fe80::9", "printer")],
                &["00:1b:a9:00:00:01 true 10.0.0.9,fd00::9 printer"][..],
            ),
            ("only its link's address", vec![met("fe80::9", PRINTER)], vec![], &["00:1b:a9:00:00:01 true"]),
            ("only heard", vec![], vec![heard("10.0.0.8", "tv"), heard("fe80::8", "nobody")], &["false 10.0.0.8 tv"]),
            (
                "made up",
                vec![met("10.0.0.7", "da:00:00:00:00:01"), met("fe80::7", "da:00:00:00:00:02")],
                vec![],
                &["da:00:00:00:00:01 false 10.0.0.7"],
            ),
            (
                "a repeater: whose the name is cannot be told",
                vec![met("10.0.0.5", PRINTER), met("10.0.0.6", PRINTER)],
                vec![heard("10.0.0.5", "phone")],
                &["00:1b:a9:00:00:01 true 10.0.0.5,10.0.0.6"],
            ),
            (
                "a dock, a hypervisor's guest, a pair of routers",
                vec![met("10.0.0.1", "00:00:5e:00:01:07"), met("10.0.0.2", "00:50:b6:00:00:01"), met("10.0.0.3", "00:50:56:00:00:01")],
                vec![],
                &["00:00:5e:00:01:07 false 10.0.0.1", "00:50:56:00:00:01 false 10.0.0.3", "00:50:b6:00:00:01 false 10.0.0.2"],
            ),
            (
                "nonsense",
                vec![met("10.0.0.4", "00:1b"), met("10.0.0.4", "00:00:00:00:00:00"), met("10.0.0.4", "01:00:5e:00:00:01")],
                vec![],
                &[],
            ),
        ] {
            assert_eq!(gist(neighbours, announced), expected, "{what}");
        }
    }

    #[test]
    fn what_a_device_says_is_bounded() {
        let services = (0..100).map(|n| format!("_{n}._tcp")).collect();
        let says = Announced { services, ..heard("10.0.0.8", &"\u{1b}".repeat(500)) };
        let loud = Announced { model: Some("xy".repeat(5_000)), ..says };
        let devices = read(&Neighbours { announced: vec![loud], ..Neighbours::default() });
        assert_eq!((devices[0].services.len(), &devices[0].name), (MOST_SERVICES, &None));
        assert_eq!(devices[0].model.as_ref().unwrap().len(), LONGEST);
    }
}
