//! Devices met on the local network, from the kernel's tables of ARP and NDP, and what they announce where the sending half listens.
//! Nothing is sent to find them.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    os::unix::fs::FileExt,
};

use rollcall_shared::wire::v1::{Announced, Neighbour, Neighbours};

use super::{Machine, Outcome, network};
use crate::{files::Root, parse::oui, platform::linux::netlink};

/// The name by which neighbours outside private ranges are asked for.
pub(super) const PUBLIC: &str = "public-neighbours";
/// More than the kernel keeps by default.
const MOST: usize = 4_096;
/// Makers are looked up on disk for at most so many kinds of adapters.
const MOST_MAKERS: usize = 256;

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Neighbours> {
    let root = machine.root;
    if !root.is_live() {
        return Outcome::NotPresent("neighbours are asked of the running kernel only".to_owned());
    }
    let (found, complete) = match netlink::neighbours(MOST) {
        Ok(found) => found,
        Err(error) => return Outcome::failed("the kernel's neighbours", &error),
    };
    let names: BTreeMap<u32, String> = match network::links(root) {
        Ok(links) => links.into_iter().map(|link| (link.index, link.name)).collect(),
        Err(error) => return Outcome::failed("the interfaces", &error),
    };
    let mut makers = Makers::new(root);
    let all = found.len();
    let mut neighbours: Vec<Neighbour> = found
        .into_iter()
        .filter(|neighbour| is_private(neighbour.address) || machine.wants(PUBLIC))
        .filter_map(|neighbour| {
            Some(Neighbour {
                address: neighbour.address,
                interface: names.get(&neighbour.interface)?.clone(),
                state: Some(neighbour.state.to_owned()),
                router: neighbour.router,
                vendor: makers.of(&neighbour.mac),
                mac: neighbour.mac,
            })
        })
        .collect();
    neighbours.sort_by(|a, b| (&a.interface, a.address, &a.mac).cmp(&(&b.interface, b.address, &b.mac)));
    let left_out = u32::try_from(all - neighbours.len()).unwrap_or(u32::MAX);
    let own = network::own_addresses().unwrap_or_default();
    let is_told = |says: &&Announced| (is_private(says.address) || machine.wants(PUBLIC)) && !own.contains(&says.address);
    let announced = machine.announced.iter().filter(is_told).cloned().collect();
    let data = Neighbours { neighbours, left_out, announced };
    if complete { Outcome::Data(data) } else { Outcome::Partial(data, format!("only about {MOST} neighbours are listed")) }
}

/// RFC 1918, unique local, link local. The range that providers share among their customers (100.64.0.0/10) is theirs.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Makers of adapters by the part of the address that tells them.
struct Makers {
    database: Option<std::fs::File>,
    known: HashMap<String, Option<String>>,
}

impl Makers {
    fn new(root: &Root) -> Self {
        let places = ["/etc/udev/hwdb.bin", "/usr/lib/udev/hwdb.bin", "/lib/udev/hwdb.bin"];
        Self { database: places.iter().find_map(|place| root.open(place).ok()), known: HashMap::new() }
    }

    fn of(&mut self, mac: &str) -> Option<String> {
        /// The longest part that a maker is told by: 36 bits.
        const TELLING: usize = 13;
        if !oui::is_of_a_maker(mac) {
            return None;
        }
        let database = self.database.as_ref()?;
        let part = mac.get(..TELLING)?;
        if let Some(known) = self.known.get(part) {
            return known.clone();
        }
        if self.known.len() == MOST_MAKERS {
            return None;
        }
        let read = |at: u64, length: usize| {
            let mut bytes = vec![0; length];
            let read = database.read_at(&mut bytes, at).ok()?;
            bytes.truncate(read);
            Some(bytes)
        };
        let found = oui::vendor(read, mac);
        self.known.insert(part.to_owned(), found.clone());
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_private_ranges_are() {
        let cases = [
            ("10.1.2.3", true),
            ("172.31.0.1", true),
            ("172.32.0.1", false),
            ("192.168.7.1", true),
            ("169.254.1.1", true),
            ("100.64.0.1", false),
            ("192.0.2.1", false),
            ("fd00::1", true),
            ("fe80::1", true),
            ("2001:db8::1", false),
        ];
        for (address, expected) in cases {
            assert_eq!(is_private(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn this_machines_neighbours_are_private() {
        let (root, windows) = (Root::new("/"), crate::observe::Windows::default());
        let machine = Machine::new(&root, rollcall_shared::Timestamp::default(), &windows, Err("not asked".to_owned()));
        let Outcome::Data(found) = collect(&machine) else { panic!("no data") };
        assert!(found.neighbours.iter().all(|neighbour| is_private(neighbour.address) && neighbour.mac.len() == 17));
        let extras = [PUBLIC.to_owned()];
        let Outcome::Data(all) = collect(&machine.with_extras(&extras)) else { panic!("no data") };
        assert_eq!(all.left_out, 0, "whoever asks for all gets all");
    }

    #[test]
    fn announcements_of_others_in_private_ranges_are_told() {
        let (root, windows) = (Root::new("/"), crate::observe::Windows::default());
        let says = |address: &str| Announced {
            address: address.parse().unwrap(),
            name: Some("printer".to_owned()),
            model: None,
            software: None,
            services: Vec::new(),
        };
        let heard = [says("10.254.253.252"), says("203.0.113.9"), says("127.0.0.1"), says("::1")];
        let machine = Machine::new(&root, rollcall_shared::Timestamp::default(), &windows, Err("not asked".to_owned()));
        let Outcome::Data(found) = collect(&machine.with_announced(&heard)) else { panic!("no data") };
        assert_eq!(found.announced, heard[..1]);
    }
}
