use super::*;

#[test]
fn a_failed_commit_leaves_no_trace() {
    let mut world = World::new();
    let mut db = machine("db", 1).runs("postgresql", &[5432]).called_by("postgresql", ip(3), 5432);
    let package = |name: &str| Package { kind: "deb".into(), name: name.into(), version: "1".into(), ..Package::default() };
    db.packages = Some(Packages { packages: vec![package("bash")] });
    world.report(&db);
    let image = |estate: &Estate| {
        let mut lines: Vec<String> = estate.cis().map(|ci| format!("{ci:?}")).collect();
        lines.extend(estate.relationships().map(|it| format!("{it:?}")));
        lines.extend(estate.open_conflicts().map(|it| format!("{it:?}")));
        lines.extend(estate.software().entries().map(|it| format!("{it:?}")));
        lines.extend(estate.cis().flat_map(|ci| estate.software().of(ci.id).map(move |it| format!("{} {it:?}", ci.id))));
        lines.extend(
            estate
                .cis()
                .flat_map(|ci| estate.dependencies(ci.id).chain(estate.dependents(ci.id)).map(move |it| format!("{} {}", ci.id, it.id))),
        );
        lines.extend(
            estate.cis().flat_map(|ci| ci.keys.iter().flat_map(|key| estate.with_key(key).map(move |ci| format!("{key:?} {}", ci.id)))),
        );
        lines.extend((0..9).map(|n| format!("{:?}", estate.machine_of(machine("x", n).agent).map(|ci| ci.id))));
        lines.sort();
        lines
    };
    let before = image(&world.estate);
    db.packages = Some(Packages { packages: vec![package("bash"), package("zsh")] });
    let mut clone = machine("clone", 4);
    clone.identity().smbios_uuid = db.identity().smbios_uuid.clone();
    clone.identity().serial = db.identity().serial.clone();
    let batch = [db.clone(), machine("app", 3).runs("shop", &[]).calls("shop", ip(1), 5432), machine("db", 1), clone];
    let mut undos = Vec::new();
    for machine in &batch {
        let changes = world.plan(machine);
        assert!(!changes.is_empty());
        undos.push(world.estate.apply_recording(&changes.changes));
    }
    assert_ne!(image(&world.estate), before);
    assert!(!world.conflicts().is_empty());
    undos.into_iter().rev().for_each(|undo| world.estate.revert(undo));
    assert_eq!(image(&world.estate), before);
}
