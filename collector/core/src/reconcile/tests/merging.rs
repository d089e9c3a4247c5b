//! What was merged and split again is as it was, to the last claim, and what happened in between stays.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rollcall_shared::catalogue::Hardness;
use serde_json::json;

use super::{super::commands::*, *};

/// Everything that an estate holds, in an order of its own. Versions count on and say when they began: that is history, not state.
fn canonical(estate: &Estate) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let epoch = Timestamp::default();
    lines.extend(estate.cis().map(|ci| format!("{:?}", Ci { version: 0, valid_from: epoch, ..ci.clone() })));
    lines.extend(estate.relationships().map(|it| format!("{:?}", Relationship { version: 0, valid_from: epoch, ..it.clone() })));
    let groups = estate.need_groups().chain(estate.suggestions());
    lines.extend(groups.map(|it| format!("{:?}", NeedGroup { version: 0, valid_from: epoch, ..it.clone() })));
    lines.extend(estate.cis().flat_map(|ci| estate.conflicts_of(ci.id)).map(|conflict| format!("{conflict:?}")));
    for ci in estate.cis() {
        let mut software: Vec<_> = estate.software().of(ci.id).collect();
        software.sort();
        let mut agents: Vec<_> = estate.agents_of(ci.id).collect();
        agents.sort();
        lines.push(format!("{} has {software:?}, reported by {agents:?}, merge {:?}", ci.id, estate.merge_of(ci.id)));
    }
    lines.sort();
    lines
}

fn assert_same(before: &[String], after: &[String]) {
    let only = |a: &[String], b: &[String]| a.iter().filter(|line| !b.contains(line)).cloned().collect::<Vec<_>>();
    assert_eq!(only(before, after), only(after, before), "as it was, and as it is");
    assert_eq!(before.len(), after.len());
}

/// Machines that share what `shared` says, with services, connections, needs, people's words and pins.
fn estate(machines: &[(bool, bool, u8)], pins: &[(usize, bool)], needs: &[(usize, usize)]) -> (World, Vec<CiId>) {
    let mut world = World::new();
    let twin = machine("twin", 200).identity.unwrap();
    let built: Vec<Machine> = machines
        .iter()
        .enumerate()
        .map(|(at, (is_twin, runs, calls))| {
            let mut it = machine(&format!("m{at}"), u8::try_from(at + 1).unwrap());
            if *is_twin {
                (it.identity().smbios_uuid, it.identity().serial) = (twin.smbios_uuid.clone(), twin.serial.clone());
            }
            if *runs {
                it = it.runs("nginx", &[80]).runs("redis", &[6379]);
            }
            let names =
                (0..*calls).map(|n| Package { kind: "deb".into(), name: format!("p{n}"), version: "1".into(), ..Package::default() });
            it.packages = Some(Packages { packages: names.collect() });
            it.runs("app", &[]).calls("app", ip(calls % 6 + 1), 80).calls("app", ip(calls % 4 + 1), 6379).asks("10.0.0.53")
        })
        .collect();
    for it in &built {
        world.wait(MINUTE).report(it);
    }
    let cis: Vec<CiId> = built.iter().map(|it| world.machine_of(it)).collect();
    for (at, pin) in pins {
        let set = AttributeEdit::Set { value: json!(format!("said of {at}")), pin: *pin };
        let update = CiUpdate { attributes: [("owner".to_owned(), set.clone()), ("serial".to_owned(), set)].into(), ..CiUpdate::default() };
        let id = cis[at % cis.len()];
        world.wait(MINUTE).command(|e, o| update_ci(e, id, &update, o));
    }
    for (needing, needed) in needs {
        let (ci, members) = (cis[needing % cis.len()], vec![cis[needed % cis.len()], cis[(needed + 1) % cis.len()]]);
        if members.iter().any(|member| *member != ci) {
            let values = NeedGroupValues { name: "web".into(), members, min_up: MinUp::Count(1), hardness: Hardness::Hard };
            world.command(|e, o| declare_need_group(e, ci, &values, o));
        }
        let (from, to) = (cis[needed % cis.len()], cis[needing % cis.len()]);
        if from != to {
            world.command(|e, o| declare_relationship(e, "depends_on", from, to, None, "", o));
        }
    }
    (world, cis)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn merge_then_split_restores_everything(
        machines in prop::collection::vec((any::<bool>(), any::<bool>(), 0..8_u8), 2..6),
        pins in prop::collection::vec((0..6_usize, any::<bool>()), 0..4),
        needs in prop::collection::vec((0..6_usize, 0..6_usize), 0..4),
        which in (0..6_usize, 1..5_usize),
    ) {
        let (mut world, cis) = estate(&machines, &pins, &needs);
        let (known, other) = (cis[which.0 % cis.len()], cis[(which.0 + which.1) % cis.len()]);
        prop_assume!(known != other);
        let before = canonical(&world.estate);
        world.wait(MINUTE).command(|e, o| merge_cis(e, known, other, "the same", o));
        prop_assert_ne!(&before, &canonical(&world.estate));
        world.wait(MINUTE).command(|e, o| restore_ci(e, other, o));
        assert_same(&before, &canonical(&world.estate));
    }

    /// Twice in a row, into one: the last is split first, or the first.
    #[test]
    fn merges_into_one_are_taken_back_in_any_order(
        machines in prop::collection::vec((any::<bool>(), any::<bool>(), 0..8_u8), 3..5),
        pins in prop::collection::vec((0..6_usize, any::<bool>()), 0..3),
        first in any::<bool>(),
    ) {
        let (mut world, cis) = estate(&machines, &pins, &[]);
        let before = canonical(&world.estate);
        world.wait(MINUTE).command(|e, o| merge_cis(e, cis[0], cis[1], "", o));
        let between = canonical(&world.estate);
        world.wait(MINUTE).command(|e, o| merge_cis(e, cis[0], cis[2], "", o));
        let order = if first { [cis[1], cis[2]] } else { [cis[2], cis[1]] };
        world.wait(MINUTE).command(|e, o| restore_ci(e, order[0], o));
        if !first {
            assert_same(&between, &canonical(&world.estate));
        }
        world.wait(MINUTE).command(|e, o| restore_ci(e, order[1], o));
        let after = canonical(&world.estate);
        if first {
            // What two had in common went to the one that was first; every item is there, and whole.
            let of = |lines: &[String]| lines.iter().filter(|line| line.starts_with("Ci {")).count();
            prop_assert_eq!(of(&before), of(&after));
        } else {
            assert_same(&before, &after);
        }
    }
}

#[test]
fn what_happened_in_between_stays() {
    let (mut world, cis) = estate(&[(true, true, 3), (true, true, 5)], &[(1, false)], &[(0, 1)]);
    let before: BTreeMap<CiId, Ci> = world.estate.cis().map(|ci| (ci.id, ci.clone())).collect();
    world.wait(MINUTE).command(|e, o| merge_cis(e, cis[0], cis[1], "", o));
    let set = AttributeEdit::Set { value: json!("Room 7"), pin: true };
    let update = CiUpdate { attributes: [("location".to_owned(), set)].into(), ..CiUpdate::default() };
    let known = cis[0];
    world.wait(MINUTE).command(|e, o| update_ci(e, known, &update, o));
    let other = cis[1];
    world.wait(MINUTE).command(|e, o| restore_ci(e, other, o));
    let survivor = world.estate.ci(known).unwrap();
    assert_eq!(survivor.text("location"), Some("Room 7"), "said after the merge");
    assert_eq!(survivor.value("owner"), before[&known].value("owner"), "the other's");
    assert_eq!(world.estate.ci(other).unwrap().attributes, before[&other].attributes);
}

#[test]
fn what_rules_joined_and_somebody_splits_stays_apart() {
    let mut world = World::new();
    // The register knows the serial number, the program only adapters; the agent shows that both mean one machine.
    let whole = machine("a", 1);
    let mut row = whole.partial();
    row.identity = Some(Identity {
        hostname: "inv-1".into(),
        serial: whole.identity.clone().unwrap().serial,
        manufacturer: Some("Lenovo".into()),
        ..Identity::default()
    });
    let mut seen = whole.partial();
    seen.identity =
        Some(Identity { hostname: "a".into(), permanent_macs: whole.identity.clone().unwrap().permanent_macs, ..Identity::default() });
    let import = |world: &mut World, machine: &Machine, source: &str| {
        let facts = ImportFacts { source: Source::Import(source.into()), device: "1".into(), realm: "default".into(), partial: false };
        let observed = observe(&machine.document(world.now), &facts.realm, world.now);
        let changes =
            crate::reconcile::reconcile_import(&world.estate, &facts, &observed, world.now, &world.policy, &mut ids(&world.next_id));
        world.apply(&changes);
    };
    import(&mut world, &row, "register");
    import(&mut world, &seen, "program");
    assert_eq!(world.cis().len(), 2, "{:?}", world.cis());
    world.wait(DAY).report(&whole);
    assert_eq!(world.cis(), ["server a"], "the agent shows that they are one");
    assert!(world.conflicts().is_empty(), "{:?}", world.conflicts());
    let absorbed = world.estate.cis().find(|ci| ci.merged_into.is_some()).unwrap().id;
    world.wait(MINUTE).command(|e, o| restore_ci(e, absorbed, o));
    assert_eq!(world.estate.active_cis().count(), 2);
    world.wait(MINUTE).report(&whole);
    assert_eq!(world.estate.active_cis().count(), 2, "they were split: not joined again");
    assert!(world.conflicts().is_empty(), "nor asked again: {:?}", world.conflicts());
}
