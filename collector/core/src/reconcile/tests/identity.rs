use super::*;

/// `first` reports; an hour and more later `second`. Are they one machine, and what is asked?
fn check(what: &str, first: &Machine, second: &Machine, one: bool, conflicts: &[&str]) {
    let mut world = World::new();
    world.report(first);
    world.wait(3 * HOUR);
    world.report(&Machine { enrolled_at: world.now, ..second.clone() });
    assert_eq!(world.machine_of(first) == world.machine_of(second), one, "{what}: one machine");
    assert_eq!(world.conflicts(), conflicts, "{what}: conflicts");
}

fn with(machine: &Machine, change: impl FnOnce(&mut Identity)) -> Machine {
    let mut machine = machine.clone();
    change(machine.identity());
    machine
}

/// `other` with nothing in common with anybody but what `change` gives it.
fn other(change: impl FnOnce(&mut Identity)) -> Machine {
    with(&machine("other", 99), change)
}

/// A machine that is known by nothing but what `change` gives it.
fn bare(name: &str, number: u8, change: impl FnOnce(&mut Identity)) -> Machine {
    let mut machine = machine(name, number);
    machine.identity = Some(Identity { hostname: name.into(), ..Identity::default() });
    change(machine.identity());
    machine
}

#[test]
fn the_enrolled_agent_is_the_same_machine_whatever_else_changes() {
    let before = machine("old-name", 1);
    let mut after = machine("new-name", 2);
    after.agent = before.agent;
    check("renamed, new board, new adapters, new disk", &before, &after, true, &[]);
    check("another agent", &before, &machine("new-name", 2), false, &[]);
}

#[test]
fn smbios_uuid_and_serial() {
    let known = machine("a", 1);
    let ids = known.identity.clone().unwrap();
    let same = |it: &mut Identity| (it.smbios_uuid, it.serial) = (ids.smbios_uuid.clone(), ids.serial.clone());
    check("both", &known, &bare("b", 2, same), true, &[]);
    check("the UUID alone", &known, &other(|it| it.smbios_uuid = ids.smbios_uuid.clone()), false, &[]);
    check("the serial alone", &known, &bare("b", 2, |it| it.serial = ids.serial.clone()), false, &[]);
    check(
        "in capitals",
        &known,
        &bare("b", 2, |it| {
            same(it);
            it.smbios_uuid = it.smbios_uuid.take().map(|uuid| uuid.to_uppercase());
        }),
        true,
        &[],
    );
}

#[test]
fn serial_and_manufacturer() {
    let known = machine("a", 1);
    let same = |it: &mut Identity| (it.serial, it.manufacturer) = (Some("pf2abc001".into()), Some(" Lenovo ".into()));
    check("both, in other case", &known, &bare("b", 2, same), true, &[]);
    check(
        "another maker",
        &known,
        &bare("b", 2, |it| (it.serial, it.manufacturer) = (Some("PF2ABC001".into()), Some("HP".into()))),
        false,
        &[],
    );
    for filler in ["To be filled by O.E.M.", "Default string", "System Serial Number", "None", "0123456789", "000000", "N/A"] {
        let fill =
            |it: &mut Identity| (it.serial, it.smbios_uuid) = (Some(filler.into()), Some("03000200-0400-0500-0006-000700080009".into()));
        check(filler, &with(&known, fill), &other(fill), false, &[]);
    }
}

#[test]
fn machine_id() {
    let known = machine("a", 1);
    let id = known.identity.clone().unwrap().machine_id;
    check("nothing but the machine id", &known, &bare("b", 2, |it| it.machine_id = id.clone()), true, &[]);
    check("an image on other hardware", &known, &other(|it| it.machine_id = id.clone()), false, &[]);
    let imaged = bare("b", 2, |it| (it.machine_id, it.permanent_macs) = (id.clone(), vec!["04:7b:cb:00:00:77".into()]));
    check("an image with other adapters", &known, &imaged, false, &["same_identity a / b"]);
    check(
        "not an id",
        &bare("a", 1, |it| it.machine_id = Some("uninitialized".into())),
        &bare("b", 2, |it| it.machine_id = Some("uninitialized".into())),
        false,
        &[],
    );
}

#[test]
fn cloud_instance_id() {
    let instance = |name, number, id: &str| {
        bare(name, number, |it| {
            it.cloud_instance_id = Some(id.into());
            it.platform = Some(Platform { kind: PlatformKind::VirtualMachine, technology: Some("kvm".into()) });
        })
    };
    check("the same", &instance("a", 1, "aws:i-0abc"), &instance("b", 2, "aws:i-0abc"), true, &[]);
    check("another", &instance("a", 1, "aws:i-0abc"), &instance("b", 2, "aws:i-0abd"), false, &[]);
}

#[test]
fn two_mac_addresses() {
    let macs = |name, number, macs: &[&str]| bare(name, number, |it| it.permanent_macs = macs.iter().map(|mac| (*mac).into()).collect());
    let (one, two, three) = ("04:7b:cb:00:00:01", "04:7b:cb:00:00:02", "04:7b:cb:00:00:03");
    check("two", &macs("a", 1, &[one, two]), &macs("b", 2, &[one, two]), true, &[]);
    check("two and a new one", &macs("a", 1, &[one, two]), &macs("b", 2, &[one, two, three]), true, &[]);
    check("one", &macs("a", 1, &[one]), &macs("b", 2, &[one]), false, &[]);
    check(
        "made up locally",
        &macs("a", 1, &["02:00:00:00:00:01", "52:54:00:00:00:02"]),
        &macs("b", 2, &["02:00:00:00:00:01", "52:54:00:00:00:02"]),
        false,
        &[],
    );
    check(
        "made up by a hypervisor",
        &macs("a", 1, &["00:50:56:00:00:01", "08:00:27:00:00:02"]),
        &macs("b", 2, &["00:50:56:00:00:01", "08:00:27:00:00:02"]),
        false,
        &[],
    );
    check(
        "docking stations' prefix",
        &macs("a", 1, &["00:50:b6:00:00:01", "00:e0:4c:00:00:02"]),
        &macs("b", 2, &["00:50:b6:00:00:01", "00:e0:4c:00:00:02"]),
        false,
        &[],
    );
    check(
        "two on a dock, and one of its own each",
        &macs("a", 1, &[one, two, "04:7b:cb:00:00:0a"]),
        &macs("b", 2, &[one, two, "04:7b:cb:00:00:0b"]),
        false,
        &[],
    );
    let hardware =
        |machine: Machine, serial: &str| with(&machine, |it| (it.serial, it.manufacturer) = (Some(serial.into()), Some("HP".into())));
    check(
        "two, but other hardware",
        &hardware(macs("a", 1, &[one, two]), "S1AAA"),
        &hardware(macs("b", 2, &[one, two]), "S2BBB"),
        false,
        &[],
    );
}

#[test]
fn adapters_on_usb_belong_to_the_desk() {
    let docked = |name, number| {
        let mut machine = bare(name, number, |it| it.permanent_macs = vec!["04:7b:cb:00:00:01".into(), "04:7b:cb:00:00:02".into()]);
        for mac in ["04:7b:cb:00:00:01", "04:7b:cb:00:00:02"] {
            let interface =
                Interface { name: mac.into(), mac: Some(mac.into()), driver: Some("r8152".into()), physical: true, ..Interface::default() };
            machine.network.as_mut().unwrap().interfaces.push(interface);
        }
        machine
    };
    check("USB driver", &docked("a", 1), &docked("b", 2), false, &[]);
}

#[test]
fn a_name_suggests_and_never_merges() {
    let named = |name, number, fqdn: &str| bare(name, number, |it| it.fqdn = Some(fqdn.into()));
    check("full name", &named("a", 1, "db.corp.net"), &named("b", 2, "DB.corp.net."), false, &["possible_duplicate a / b"]);
    check("host name alone", &bare("a", 1, |_| ()), &bare("a", 2, |_| ()), false, &[]);
    check("a name that says nothing", &named("a", 1, "localhost.localdomain"), &named("b", 2, "localhost.localdomain"), false, &[]);
    let mut windows = named("b", 2, "db.corp.net");
    windows.system = Some(OperatingSystem { family: "windows".into(), ..OperatingSystem::default() });
    check("another system", &named("a", 1, "db.corp.net"), &windows, false, &[]);
}

#[test]
fn a_container_is_not_its_host() {
    let host = machine("host", 1);
    let mut container = with(&host, |it| {
        it.hostname = "box".into();
        it.fqdn = None;
        it.machine_id = None;
        it.platform = Some(Platform { kind: PlatformKind::Container, technology: Some("lxc".into()) });
    });
    container.agent = AgentId(Uuid::from_u128(7));
    check("the host's hardware ids", &host, &container, false, &[]);
}

#[test]
fn a_machine_installed_anew_is_the_same_one() {
    for (what, pause) in [("a day later", DAY), ("within the hour", 20 * MINUTE)] {
        let mut world = World::new();
        let before = machine("a", 1).runs("nginx", &[80]);
        world.report(&before);
        world.wait(pause);
        let mut after = before.enrolled_again(0xbeef, world.now);
        after.identity().machine_id = Some(format!("{:032x}", 0xfeed));
        let changes = world.report(&after);
        assert_eq!(world.machine_of(&before), world.machine_of(&after), "{what}");
        assert_eq!(world.cis(), ["server a", "web_server nginx@a"], "{what}");
        assert!(world.conflicts().is_empty(), "{what}: {:?}", world.conflicts());
        assert!(world.ci("nginx@a").agent == Some(after.agent), "{what}: services follow");
        assert_eq!(world.edges("runs_on"), ["nginx@a -> a (a)"], "{what}: one end, not two");
        assert!(changes.changes.iter().any(|change| change.reason.contains("SMBIOS UUID and serial number")), "{what}: {changes:#?}");
    }
}

#[test]
fn a_living_twin_is_a_copy_and_asked_about_once() {
    let original = machine("a", 1);
    for (what, twin) in [
        (
            "other adapters",
            with(&machine("b", 2), |it| {
                (it.smbios_uuid, it.serial) = {
                    let i = original.identity.clone().unwrap();
                    (i.smbios_uuid, i.serial)
                }
            }),
        ),
        ("no adapters", with(&original, |it| (it.hostname, it.fqdn, it.permanent_macs) = ("b".into(), None, vec![]))),
        ("everything copied", with(&original, |it| (it.hostname, it.fqdn) = ("b".into(), None))),
    ] {
        let twin = Machine { agent: AgentId(Uuid::from_u128(2)), ..twin };
        let mut gists = Vec::new();
        for order in [[&original, &twin], [&twin, &original]] {
            let mut world = World::new();
            for machine in [order[0], order[1], order[0], order[1]] {
                world.report(machine);
                world.wait(MINUTE);
            }
            assert_ne!(world.machine_of(&original), world.machine_of(&twin), "{what}");
            assert_eq!(world.conflicts(), ["same_identity a / b"], "{what}");
            gists.push(world.gist());
        }
        assert_eq!(gists[0], gists[1], "{what}");
    }
}

#[test]
fn two_living_agents_of_one_machine_are_asked_about() {
    let mut world = World::new();
    let first = machine("a", 1);
    world.report(&first);
    world.wait(2 * HOUR);
    let second = first.enrolled_again(2, world.now);
    world.report(&second);
    assert!(world.conflicts().is_empty());
    world.wait(MINUTE);
    world.report(&first);
    assert_eq!(world.conflicts(), ["same_identity a"]);
    let id = world.estate.open_conflicts().next().unwrap().id;
    world.command(|estate, order| super::super::commands::settle_conflict(estate, id, super::super::commands::Settlement::Split, order));
    world.wait(MINUTE);
    world.report(&first);
    world.report(&second);
    assert_ne!(world.machine_of(&first), world.machine_of(&second));
    assert!(world.conflicts().is_empty(), "{:?}", world.conflicts());
}

#[test]
fn keys_that_point_at_two_machines_are_asked_about_and_the_stronger_wins() {
    let mut world = World::new();
    let (a, b) = (bare("a", 1, |it| it.machine_id = Some(format!("{:032x}", 0xabc1))), machine("b", 2));
    world.report(&a);
    world.report(&b);
    world.wait(DAY);
    let third = bare("c", 3, |it| {
        (it.serial, it.manufacturer) = (b.identity.clone().unwrap().serial, Some("LENOVO".into()));
        it.machine_id = Some(format!("{:032x}", 0xabc1));
    });
    world.report(&Machine { enrolled_at: world.now, ..third.clone() });
    assert_eq!(world.machine_of(&third), world.machine_of(&b));
    assert_eq!(world.conflicts(), ["keys_disagree a / c"]);
}

#[test]
fn a_retired_machine_that_reports_is_back_and_asked_about() {
    let mut world = World::new();
    let a = machine("a", 1).runs("nginx", &[80]);
    world.report(&a);
    let id = world.machine_of(&a);
    world.wait(MINUTE).command(|estate, order| super::super::commands::retire_ci(estate, id, "sold", order));
    assert!(world.cis().is_empty());
    world.wait(MINUTE).report(&Machine { identity: a.identity.clone(), ..a.partial() });
    assert_eq!(world.cis(), ["server a", "web_server nginx@a"], "and what ran on it, though only one section came");
    assert_eq!(world.conflicts(), ["returned_from_retirement a"]);
    world.wait(MINUTE).report(&a);
    assert_eq!(world.conflicts().len(), 1, "asked once");
}

#[test]
fn a_value_that_a_whole_fleet_carries_says_nothing() {
    let mut world = World::new();
    world.policy.most_carriers = 3;
    for number in 1..=9 {
        world.report(&bare(&format!("m{number}"), number, |it| it.machine_id = Some(format!("{:032x}", 0xabc1))));
    }
    assert_eq!(world.estate.active_cis().count(), 9);
    assert_eq!(world.conflicts().len(), 3, "{:?}", world.conflicts());
}

#[test]
fn failed_is_not_absent() {
    let mut world = World::new();
    let a = machine("a", 1).runs("nginx", &[80]).asks("10.0.0.53");
    world.report(&a);
    let before = world.gist();
    let reason = || "permission denied".to_owned();
    world.wait(HOUR).report(&Machine { status: SectionStatus::Failed { reason: reason() }, ..a.clone() });
    assert_eq!(world.gist(), before, "failed");
    world.wait(HOUR).report(&a.partial());
    assert_eq!(world.gist(), before, "not sent");
    let mut less = Machine { status: SectionStatus::Partial { reason: reason() }, ..machine("a", 1) };
    less.identity().serial = None;
    world.wait(HOUR).report(&less);
    assert_eq!(world.gist(), before, "in part");
    less.status = SectionStatus::Ok;
    world.wait(HOUR).report(&less);
    assert_eq!(world.cis(), ["server a", "unmanaged_host 10.0.0.53"]);
    assert!(world.ci("a").value("serial").is_none());
    assert!(world.edges("resolves_names_with").is_empty());
}

#[test]
fn attributes_keep_their_source_and_age() {
    let mut world = World::new();
    let mut a = machine("a", 1);
    a.assigned.insert("owner".into(), "Ada".into());
    a.assigned.insert("color".into(), "red".into());
    a.assigned.insert("location".into(), 7.into());
    let began = world.now;
    world.report(&a);
    world.wait(DAY).report(&a);
    let serial = world.ci("a").attributes["serial"].winner().clone();
    assert_eq!((serial.source, serial.since), (Source::Agent, began));
    assert_eq!(world.ci("a").attributes["owner"].winner().source, Source::Api("enrollment".into()));
    assert!(world.ci("a").value("color").is_none() && world.ci("a").value("location").is_none());
    a.assigned.clear();
    world.report(&a);
    assert!(world.ci("a").value("owner").is_none());
}

#[test]
fn a_wavering_start_is_no_change() {
    let mut world = World::new();
    let mut a = machine("a", 1);
    let mut started = |world: &mut World, at: i64| {
        a.system.as_mut().unwrap().booted_at = Some(Timestamp::from_millis(1_699_000_000_000 + at));
        world.report(&a).changes.len()
    };
    assert_ne!(started(&mut world, 0), 0);
    assert_eq!((started(&mut world, 2_000), started(&mut world, -2_000)), (0, 0));
    assert_eq!(started(&mut world, HOUR), 1);
}

#[test]
fn a_name_follows_the_machine_until_a_person_gives_one() {
    let mut world = World::new();
    let mut a = machine("a", 1);
    world.report(&a);
    a.identity().hostname = "b".into();
    world.report(&a);
    assert_eq!(world.cis(), ["server b"]);
    let id = world.machine_of(&a);
    let update = super::super::commands::CiUpdate { name: Some("Payroll".into()), ..Default::default() };
    world.command(|estate, order| super::super::commands::update_ci(estate, id, &update, order));
    a.identity().hostname = "c".into();
    world.report(&a);
    assert_eq!(world.cis(), ["server Payroll"]);
    assert_eq!(world.ci("Payroll").text("hostname"), Some("c"));
}

#[test]
fn the_class_follows_the_evidence() {
    for (platform, form, class) in [
        (PlatformKind::Physical, Some("notebook"), "laptop"),
        (PlatformKind::Physical, Some("Mini Tower"), "desktop"),
        (PlatformKind::Physical, Some("rack_mount"), "server"),
        (PlatformKind::Physical, Some("other"), "machine"),
        (PlatformKind::Physical, None, "machine"),
        (PlatformKind::VirtualMachine, Some("other"), "virtual_machine"),
        (PlatformKind::Container, Some("notebook"), "container"),
    ] {
        let mut world = World::new();
        let mut a = machine("a", 1);
        a.identity().platform = Some(Platform { kind: platform, technology: None });
        a.hardware =
            Some(Hardware { chassis: Some(Chassis { form: form.map(str::to_owned), ..Chassis::default() }), ..Hardware::default() });
        world.report(&a);
        assert_eq!(world.cis(), [format!("{class} a")], "{platform:?} {form:?}");
    }
}

#[test]
fn hostile_text_comes_through_unchanged() {
    let mut world = World::new();
    for (number, nasty) in
        ["<script>alert(1)</script>", "'; DROP TABLE ci; --", "=cmd|' /C calc'!A0", "\u{202e}gnp.exe", "a|b|c", "🦀\u{0}", "   "]
            .into_iter()
            .enumerate()
    {
        let number = u8::try_from(number).unwrap() + 1;
        let mut a = machine(nasty, number).runs(nasty, &[80]);
        a.identity().serial = Some(nasty.into());
        a.identity().fqdn = Some(nasty.into());
        world.report(&a);
        let ci = world.estate.machine_of(a.agent).unwrap();
        assert!(!ci.name.trim().is_empty(), "{nasty:?}");
        assert_eq!(ci.text("hostname").unwrap_or(""), nasty.trim());
        assert_eq!(world.estate.reported_by(a.agent).count(), 2, "{nasty:?}");
    }
    let endless = "x".repeat(8_000);
    let mut a = machine(&endless, 99).runs(&endless, &[80]);
    a.identity().serial = Some(endless.clone());
    a.identity().fqdn = Some(format!("{endless}.net"));
    a.packages = Some(Packages { packages: vec![Package { name: endless.clone(), version: endless, ..Package::default() }] });
    for change in world.report(&a).changes {
        match change.put {
            Put::Ci(ci) => assert!(ci.name.len() < 300 && ci.keys.iter().all(|key| key.value.len() < 2_000), "{:?}", ci.keys),
            Put::Software { software, .. } => assert!(software.iter().all(|entry| entry.name.len() < 2_000)),
            _ => {}
        }
    }
}
