//! Fleets with every vice of real ones: shared host names, fillers for serial numbers, docks, cloned ids. Nothing may be merged wrongly.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// What two machines of a fleet may share without being one.
#[derive(Clone, Copy, Debug)]
enum Vice {
    None,
    SameHostname,
    Fillers,
    SharedDock,
    UnknownDock,
    ClonedUuid,
    ClonedImage,
    ClonedUuidAndSerial,
    BareVirtual,
}

const VICES: &[Vice] = &[
    Vice::None,
    Vice::SameHostname,
    Vice::Fillers,
    Vice::SharedDock,
    Vice::UnknownDock,
    Vice::ClonedUuid,
    Vice::ClonedImage,
    Vice::ClonedUuidAndSerial,
    Vice::BareVirtual,
];

fn build(number: usize, vices: &[Vice]) -> Machine {
    let (high, low) = (u8::try_from(number / 200).unwrap(), u8::try_from(number % 200 + 1).unwrap());
    let mut machine = machine(&format!("m{number}"), low);
    machine.agent = AgentId(Uuid::from_u128(0xf1ee7 << 64 | number as u128));
    machine.network.as_mut().unwrap().interfaces[0].addresses[0].address = IpAddr::from([10, 1, high, low]);
    let identity = machine.identity();
    identity.fqdn = Some(format!("m{number}.corp.net"));
    identity.machine_id = Some(format!("{:032x}", 0xabcdef_u128 << 64 | number as u128));
    identity.smbios_uuid = Some(Uuid::from_u128(0x4c4c << 112 | number as u128).to_string());
    identity.serial = Some(format!("SN{number:06}"));
    identity.permanent_macs = vec![format!("04:7b:cb:10:{high:02x}:{low:02x}")];
    for vice in vices {
        match vice {
            Vice::None => {}
            Vice::SameHostname => (identity.hostname, identity.fqdn) = ("debian".into(), Some("debian.localdomain".into())),
            Vice::Fillers => {
                identity.serial = Some("To be filled by O.E.M.".into());
                identity.smbios_uuid = Some("03000200-0400-0500-0006-000700080009".into());
            }
            Vice::SharedDock => identity.permanent_macs.extend(["00:50:b6:00:00:01".into(), "00:50:b6:00:00:02".into()]),
            Vice::UnknownDock => identity.permanent_macs.extend(["04:7b:cb:99:00:01".into(), "04:7b:cb:99:00:02".into()]),
            Vice::ClonedUuid => identity.smbios_uuid = Some("deadbeef-0000-4000-8000-00000000cafe".into()),
            Vice::ClonedImage => identity.machine_id = Some(format!("{:032x}", 0xc10e)),
            Vice::ClonedUuidAndSerial => {
                identity.smbios_uuid = Some("deadbeef-0000-4000-8000-00000000beef".into());
                identity.serial = Some("CLONED-42".into());
            }
            Vice::BareVirtual => {
                identity.platform = Some(Platform { kind: PlatformKind::VirtualMachine, technology: Some("kvm".into()) });
                (identity.serial, identity.smbios_uuid) = (None, None);
                identity.permanent_macs = vec![format!("52:54:00:00:{high:02x}:{low:02x}")];
            }
        }
    }
    machine
}

fn vices() -> impl Strategy<Value = Vec<Vice>> {
    prop::collection::vec(prop::sample::select(VICES), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Some report at once, some days apart, some are installed anew in between.
    #[test]
    fn no_two_machines_are_ever_merged(
        fleet in prop::collection::vec((vices(), 0..3_i64, any::<bool>()), 20..60),
    ) {
        let mut world = World::new();
        let mut homes: BTreeMap<CiId, usize> = BTreeMap::new();
        let machines: Vec<_> = fleet.iter().enumerate().map(|(number, (vices, pause, _))| (build(number, vices), *pause)).collect();
        for (number, (machine, pause)) in machines.iter().enumerate() {
            world.wait(MINUTE + pause * DAY);
            world.report(&Machine { enrolled_at: world.now, ..machine.clone() });
            let home = world.machine_of(machine);
            prop_assert_eq!(*homes.entry(home).or_insert(number), number, "merged with {:?}", machines[homes[&home]].0.identity);
        }
        // Installed anew after a pause: never somebody else's home either.
        for (number, (machine, _)) in machines.iter().enumerate().filter(|(number, _)| fleet[*number].2) {
            world.wait(2 * HOUR);
            let again = machine.enrolled_again(0xa9a1 << 64 | number as u128, world.now);
            world.report(&again);
            let home = world.machine_of(&again);
            prop_assert_eq!(*homes.entry(home).or_insert(number), number, "merged with {:?}", machines[homes[&home]].0.identity);
        }
    }

    /// The same machines at the same time in another order make the same estate.
    #[test]
    fn the_order_of_arrival_does_not_show(
        fleet in prop::collection::vec((prop::collection::vec(prop::sample::select(&VICES[..7]), 0..3), prop::collection::vec((0..12_usize, 0..3_u16), 0..4)), 12),
        order in Just((0..12_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let machines: Vec<_> = fleet.iter().enumerate().map(|(number, (vices, links))| {
            let machine = build(number, vices).runs("nginx", &[8000]).runs("redis", &[8001]);
            links.iter().fold(machine, |machine, (peer, port)| {
                let address = IpAddr::from([10, 1, 0, u8::try_from(*peer + 1).unwrap()]);
                machine.calls("nginx", address, 8000 + port).called_by("redis", address, 8001)
            })
        }).collect();
        let run = |order: &[usize]| {
            let mut world = World::new();
            order.iter().for_each(|index| drop(world.report(&machines[*index])));
            // Which of several copies is asked about depends on who came first; that somebody asks does not.
            let (asked, facts): (Vec<_>, Vec<_>) = world.gist().into_iter().partition(|line| world.conflicts().contains(line));
            (facts, asked.is_empty())
        };
        let sorted: Vec<usize> = (0..12).collect();
        let (one, other) = (run(&sorted), run(&order));
        let only = |a: &[String], b: &[String]| a.iter().filter(|line| !b.contains(line)).cloned().collect::<Vec<_>>();
        prop_assert_eq!(only(&one.0, &other.0), only(&other.0, &one.0), "estates");
        prop_assert_eq!(one.1, other.1, "nothing to ask");
    }
}

#[test]
fn hundreds_of_machines_stay_as_many() {
    let mut world = World::new();
    let machines: Vec<_> = (0..400)
        .map(|number| {
            let (first, second) = (VICES[number % VICES.len()], VICES[number / VICES.len() % VICES.len()]);
            build(number, &[first, second])
        })
        .collect();
    for (number, machine) in machines.iter().enumerate() {
        world.wait(if number % 3 == 0 { 2 * HOUR } else { MINUTE });
        world.report(&Machine { enrolled_at: world.now, ..machine.clone() });
    }
    let homes: std::collections::BTreeSet<_> = machines.iter().map(|machine| world.machine_of(machine)).collect();
    assert_eq!(homes.len(), machines.len());
}
