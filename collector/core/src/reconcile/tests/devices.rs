//! Devices met on local networks: one item each, whoever meets it and wherever, and the machine's own once its agent is there.

use super::{
    super::commands::{AttributeEdit, CiUpdate, update_ci},
    *,
};

const PRINTER: &str = "00:1b:a9:00:00:01";
const CAMERA: &str = "00:1b:a9:00:00:02";
const PHONE: &str = "da:a1:19:00:00:01";

fn met(address: &str, mac: &str) -> Neighbour {
    let (interface, vendor) = ("eth0".to_owned(), Some("Brother".to_owned()));
    Neighbour { address: address.parse().unwrap(), mac: mac.into(), interface, state: None, router: false, vendor }
}

impl Machine {
    /// What it has met since, and nothing else.
    fn meets(&self, met: &[Neighbour]) -> Self {
        Self { neighbours: Some(Neighbours { neighbours: met.to_vec(), ..Neighbours::default() }), ..self.partial() }
    }
}

fn owned_by(owner: &str) -> CiUpdate {
    let edit = AttributeEdit::Set { value: owner.into(), pin: false };
    CiUpdate { attributes: BTreeMap::from([("owner".to_owned(), edit)]), ..CiUpdate::default() }
}

/// Machines at 10.0.0.1 and on, which have reported.
fn world(names: &[&str]) -> (World, Vec<Machine>) {
    let machines: Vec<Machine> = (1..).zip(names).map(|(number, name)| machine(name, number)).collect();
    (World::of_reports(&machines), machines)
}

impl World {
    /// Devices without an agent, sorted: `name addresses macs`.
    fn devices(&self) -> Vec<String> {
        let list = |ci: &Ci, name: &str| ci.value(name).map(ToString::to_string).unwrap_or_default().replace('"', "");
        let hosts = self.estate.active_cis().filter(|ci| ci.class == "unmanaged_host");
        let mut devices: Vec<_> =
            hosts.map(|ci| format!("{} {} {}", ci.name, list(ci, "ip_addresses"), list(ci, "mac_addresses"))).collect();
        devices.sort();
        devices
    }
}

#[test]
fn a_device_is_one_item_whoever_meets_it_and_wherever() {
    let (mut world, machines) = world(&["a", "b", "c"]);
    world.report(&machines[0].meets(&[met("10.0.0.99", PRINTER), met("fe80::99", PRINTER), met("10.0.0.2", "04:7b:cb:00:00:02")]));
    let first = ["10.0.0.99 [10.0.0.99] [00:1b:a9:00:00:01]"];
    assert_eq!(world.devices(), first, "machines with agents are none");
    assert_eq!(world.ci("10.0.0.99").text("adapter_maker"), Some("Brother"));
    for machine in &machines[1..] {
        world.report(&machine.meets(&[met("10.0.0.99", PRINTER)]));
    }
    assert_eq!(world.devices(), first);
    assert_eq!(world.edges("meets"), ["a -> 10.0.0.99 (a)", "b -> 10.0.0.99 (b)"], "two witnesses are enough");
    // It gets another address: the item is the same, and called as it is called there.
    let id = world.ci("10.0.0.99").id;
    world.wait(HOUR).report(&machines[1].meets(&[met("10.0.0.98", PRINTER)]));
    assert_eq!(world.devices(), ["10.0.0.98 [10.0.0.98] [00:1b:a9:00:00:01]"]);
    assert_eq!(world.ci("10.0.0.98").id, id);
    // Who has the address that it had is another one.
    world.wait(HOUR).report(&machines[0].meets(&[met("10.0.0.98", CAMERA)]));
    assert_eq!(world.devices(), ["00:1b:a9:00:00:01  [00:1b:a9:00:00:01]", "10.0.0.98 [10.0.0.98] [00:1b:a9:00:00:02]"]);
    // What was seen before that does not turn it back.
    let before = Some(world.now.plus_millis(-30 * MINUTE));
    world.report(&Machine { collected_at: before, ..machines[2].meets(&[met("10.0.0.98", PRINTER)]) });
    assert_eq!(world.ci("10.0.0.98").keys.iter().filter(|key| key.value == CAMERA).count(), 1, "{:?}", world.devices());
}

#[test]
fn what_was_talked_to_and_what_was_met_is_one() {
    let (mut world, machines) = world(&["a", "b"]);
    world.report(&machines[0].clone().runs("shop", &[]).calls("shop", ip(99), 9100));
    let id = world.ci("10.0.0.99").id;
    let says = Announced {
        address: ip(99),
        name: Some("Printer in the hall".into()),
        model: Some("HL-1".into()),
        software: None,
        services: vec!["_ipp._tcp".into()],
    };
    let mut meets = machines[1].meets(&[met("10.0.0.99", PRINTER)]);
    meets.neighbours.as_mut().unwrap().announced = vec![says];
    world.report(&meets);
    let device = world.ci("Printer in the hall");
    assert_eq!((device.id, device.text("announced_model")), (id, Some("HL-1")));
    assert_eq!(world.edges("connects_to"), ["shop@a -> Printer in the hall (a)"]);
    // A person's name and word stand.
    let update = CiUpdate { name: Some("hall-printer".into()), ..owned_by("facility") };
    world.command(|estate, order| update_ci(estate, id, &update, order));
    world.wait(HOUR).report(&machines[1].meets(&[met("10.0.0.97", PRINTER)]));
    assert_eq!(world.devices(), ["hall-printer [10.0.0.97] [00:1b:a9:00:00:01]"]);
    // Two that were talked to turn out to be one: a camera that went from one address to the other.
    world.report(&machines[0].clone().runs("shop", &[]).calls("shop", ip(50), 80));
    world.report(&machines[0].meets(&[met("10.0.0.51", CAMERA)]));
    world.wait(HOUR).report(&machines[0].meets(&[met("10.0.0.50", CAMERA)]));
    assert_eq!(world.devices(), ["10.0.0.50 [10.0.0.50] [00:1b:a9:00:00:02]", "hall-printer [10.0.0.97] [00:1b:a9:00:00:01]"]);
    assert!(world.edges("connects_to").contains(&"shop@a -> 10.0.0.50 (a)".to_owned()), "{:?}", world.edges("connects_to"));
}

#[test]
fn a_device_that_gets_an_agent_is_that_machine() {
    let (mut world, machines) = world(&["a"]);
    let server = machine("server", 7);
    let own = server.identity.as_ref().unwrap().permanent_macs[0].clone();
    world.report(&machines[0].meets(&[met("10.0.0.77", &own), met("10.0.0.78", PRINTER)]));
    let id = world.ci("10.0.0.77").id;
    world.command(|estate, order| update_ci(estate, id, &owned_by("web team"), order));
    // It has another address by now.
    world.wait(HOUR).report(&server);
    assert_eq!(world.devices(), ["10.0.0.78 [10.0.0.78] [00:1b:a9:00:00:01]"]);
    assert_eq!(world.estate.ci(id).unwrap().merged_into, Some(world.machine_of(&server)));
    assert_eq!(world.ci("server").text("owner"), Some("web team"), "what people said of it stays said");
    assert_eq!(world.edges("meets"), ["a -> 10.0.0.78 (a)"]);
    // Met again, by whatever address: it is not made anew.
    world.wait(HOUR).report(&machines[0].meets(&[met("10.0.0.55", &own), met("fe80::55", &own)]));
    assert_eq!(world.estate.active_cis().filter(|ci| ci.class == "unmanaged_host").count(), 1, "{:?}", world.devices());
    // A new machine that gets a printer's address is not the printer.
    let guest = machine("guest", 78);
    world.report(&guest);
    assert!(world.devices().iter().any(|device| device.contains(PRINTER)), "{:?}", world.devices());
}

#[test]
fn an_adapter_that_is_lent_or_made_up_is_the_machines_at_its_address() {
    let (mut world, machines) = world(&["a"]);
    // A notebook that shows the network a made-up address, and has reported before.
    let notebook = |address: u8| {
        let mut notebook = machine("notebook", 8);
        let interface = &mut notebook.network.as_mut().unwrap().interfaces[0];
        (interface.mac, interface.addresses[0].address) = (Some(PHONE.into()), ip(address));
        notebook
    };
    world.report(&notebook(8));
    world.wait(HOUR).report(&machines[0].meets(&[met("10.0.0.9", PHONE)]));
    assert_eq!(world.devices(), [format!("10.0.0.9 [10.0.0.9] [{PHONE}]")]);
    world.wait(MINUTE).report(&notebook(9));
    assert_eq!(world.devices(), [""; 0]);
    world.wait(MINUTE).report(&machines[0].meets(&[met("10.0.0.9", PHONE)]));
    assert_eq!(world.devices(), [""; 0]);
}

#[test]
fn made_up_adapters_make_one_item_for_each_address() {
    let (mut world, machines) = world(&["a"]);
    for day in 0..50 {
        let mac = format!("da:a1:19:00:01:{day:02x}");
        world.wait(DAY).report(&machines[0].meets(&[met("10.0.0.60", &mac), met("fe80::60", &mac)]));
    }
    assert_eq!(world.devices(), ["10.0.0.60 [10.0.0.60] [da:a1:19:00:01:31]"]);
    // A printer takes the address, and gives it back: no more than two items in turn.
    for _ in 0..3 {
        world.wait(HOUR).report(&machines[0].meets(&[met("10.0.0.60", PRINTER)]));
        assert_eq!(world.devices(), ["10.0.0.60 [10.0.0.60] [00:1b:a9:00:00:01]"]);
        world.wait(HOUR).report(&machines[0].meets(&[met("10.0.0.60", PHONE)]));
    }
    assert_eq!(world.estate.cis().filter(|ci| ci.class == "unmanaged_host").count(), 2);
}

#[test]
fn what_answers_for_others_has_none_of_their_addresses() {
    let (mut world, machines) = world(&["a"]);
    world.report(&machines[0].clone().runs("shop", &[]).calls("shop", ip(71), 80));
    world.report(&machines[0].meets(&[met("10.0.0.71", PRINTER), met("10.0.0.72", PRINTER)]));
    assert_eq!(world.devices(), ["10.0.0.71 [10.0.0.71,10.0.0.72] [00:1b:a9:00:00:01]", "10.0.0.71 [10.0.0.71] "]);
    world.report(&machines[0].clone().runs("shop", &[]).calls("shop", ip(72), 80));
    assert_eq!(world.edges("connects_to").len(), 2);
    // Containers and guests of the machine itself are not on its network.
    let mut host = machines[0].clone();
    let address = InterfaceAddress { address: "172.17.0.1".parse().unwrap(), prefix_length: 16 };
    let bridge = Interface { name: "docker0".into(), kind: "bridge".into(), up: true, addresses: vec![address], ..Interface::default() };
    host.network.as_mut().unwrap().interfaces.push(bridge);
    world.report(&host);
    let before = world.devices();
    world.report(&host.meets(&[met("10.0.0.71", PRINTER), met("10.0.0.72", PRINTER), met("172.17.0.2", "02:42:ac:11:00:02")]));
    assert_eq!(world.devices(), before);
}

#[test]
fn what_is_not_met_any_more_ages_and_goes() {
    let (mut world, machines) = world(&["a", "b"]);
    world.report(&machines[0].meets(&[met("10.0.0.99", PRINTER), met("10.0.0.98", CAMERA)]));
    let (printer, camera) = (world.ci("10.0.0.99").id, world.ci("10.0.0.98").id);
    // Unchanged check-ins confirm what was met.
    world.wait(40 * DAY);
    world.estate.heard(machines[0].agent, world.now);
    assert!(world.keep_house().is_empty());
    assert_eq!(crate::infer::meetings(&world.estate, printer), [(world.machine_of(&machines[0]), world.now)]);
    // The printer goes.
    let gone = world.now;
    let changes = world.report(&machines[0].meets(&[met("10.0.0.98", CAMERA)]));
    assert_eq!(changes.changes.len(), 1, "{changes:#?}");
    world.wait(20 * DAY);
    world.estate.heard(machines[0].agent, world.now);
    world.keep_house();
    assert_eq!(crate::infer::meetings(&world.estate, printer)[0].1, gone);
    world.wait(11 * DAY);
    world.estate.heard(machines[0].agent, world.now);
    world.keep_house();
    assert_eq!(world.devices(), ["10.0.0.98 [10.0.0.98] [00:1b:a9:00:00:02]"]);
    // Somebody else at its address is somebody else; it comes back where it is met.
    world.report(&machines[1].clone().runs("shop", &[]).calls("shop", ip(99), 80));
    world.report(&machines[1].meets(&[met("10.0.0.96", PRINTER), met("10.0.0.98", CAMERA)]));
    assert_eq!((world.ci("10.0.0.96").id, world.ci("10.0.0.98").id), (printer, camera));
    assert_eq!(world.devices().len(), 3, "{:?}", world.devices());
}

#[test]
fn what_one_machine_says_is_bounded() {
    let (mut world, machines) = world(&["a", "b"]);
    (world.policy.new_unmanaged_per_document, world.policy.most_met) = (10, 25);
    let flood = |from: u32| {
        (from..from + 40).map(|n| met(&format!("10.9.{}.{}", n / 250, n % 250), &format!("00:1b:a9:01:{:02x}:{:02x}", n / 250, n % 250)))
    };
    for round in 0..20 {
        let met: Vec<Neighbour> = flood(round * 40).collect();
        let document = machines[0].meets(&met);
        let changes = world.plan(&document);
        world.wait(HOUR).apply(&changes);
    }
    assert_eq!(world.devices().len(), 25);
    // Its word for what it has said before still counts, and so does another's.
    world.report(&machines[1].meets(&[met("10.0.0.99", PRINTER)]));
    assert_eq!(world.devices().len(), 26);
}

#[test]
fn containers_and_other_sites() {
    // A container's neighbours are its host's.
    let mut container = machine("container", 5);
    container.identity().platform = Some(Platform { kind: PlatformKind::Container, technology: None });
    let mut world = World::of_reports(&[container.clone()]);
    world.report(&container.meets(&[met("10.0.0.99", PRINTER)]));
    assert_eq!(world.devices(), [""; 0]);
    // One address at two sites, no adapter that tells: two devices.
    let at = |name: &str, number: u8, gateway: &str| {
        let mut machine = machine(name, number);
        machine.network.as_mut().unwrap().gateways.push(Gateway { address: ip(254), interface: "eth0".into() });
        let both = vec![met("10.0.0.254", gateway), met("10.0.0.60", PHONE)];
        machine.neighbours = Some(Neighbours { neighbours: both, ..Neighbours::default() });
        machine
    };
    let world = World::of_reports(&[at("here", 3, PRINTER), at("there", 4, CAMERA)]);
    let phones = world.devices().into_iter().filter(|device| device.contains(PHONE)).count();
    assert_eq!((phones, world.devices().len()), (2, 4), "{:?}", world.devices());
    assert_eq!(world.edges("routes_through"), ["here -> 10.0.0.254 (here)", "there -> 10.0.0.254 (there)"]);
}

#[test]
fn who_stands_at_a_public_address_is_no_device() {
    let (mut world, machines) = world(&["a"]);
    let heard = |address: &str| Announced {
        address: address.parse().unwrap(),
        name: Some("tv".into()),
        model: None,
        software: None,
        services: vec![],
    };
    let met = vec![met("81.2.69.142", PRINTER), met("2a00:1450::9", CAMERA), met("10.0.0.60", PHONE), met("81.2.69.143", PHONE)];
    let neighbours = Neighbours { neighbours: met, announced: vec![heard("81.2.69.144"), heard("2a00:1450::8")], ..Neighbours::default() };
    world.report(&Machine { neighbours: Some(neighbours), ..machines[0].partial() });
    assert_eq!(world.devices(), ["10.0.0.60 [10.0.0.60] [da:a1:19:00:00:01]"]);
    assert_eq!(world.edges("meets").len(), 1);
}
