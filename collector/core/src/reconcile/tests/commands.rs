use rollcall_shared::catalogue::Hardness;
use serde_json::json;

use super::{super::commands::*, *};

fn new(class: &str, name: &str) -> NewCi {
    NewCi { class: class.into(), name: name.into(), ..NewCi::default() }
}

fn create(world: &mut World, class: &str, name: &str) -> CiId {
    let changes = world.command(|estate, order| create_ci(estate, &new(class, name), order));
    match &changes.changes[0].put {
        Put::Ci(ci) => ci.id,
        put => panic!("{put:?}"),
    }
}

/// What is refused, with words that the message must have.
fn refused(world: &mut World, order: impl FnOnce(&Estate, Order<'_>) -> Result<ChangeSet, CommandError>, words: &[&str]) {
    let error = world.order("ada", order).unwrap_err();
    let message = error.to_string();
    for word in words {
        assert!(message.contains(word), "{word:?} in {message:?}");
    }
}

#[test]
fn only_what_the_catalogue_knows_is_made() {
    let mut world = World::new();
    let mut printer = new("printer", "Floor 3");
    printer.attributes.insert("model".into(), json!("LaserJet"));
    printer.external_id = Some("4711".into());
    world.command(|estate, order| create_ci(estate, &printer, order));
    assert_eq!(world.ci("Floor 3").attributes["model"].winner().source, Source::User("ada".into()));
    refused(&mut world, |e, o| create_ci(e, &printer, o), &["4711", "Floor 3", "update"]);
    refused(&mut world, |e, o| create_ci(e, &new("teapot", "x"), o), &["teapot", "printer"]);
    refused(&mut world, |e, o| create_ci(e, &new("printer", "  "), o), &["name"]);
    printer.attributes.insert("memory_bytes".into(), json!(1));
    refused(&mut world, |e, o| create_ci(e, &printer, o), &["memory_bytes", "ip_addresses, mac_addresses"]);
    for (attribute, value, expected) in [
        ("memory_bytes", json!("16 GB"), "whole number of bytes"),
        ("booted_at", json!("yesterday"), "RFC 3339"),
        ("tags", json!("a"), "list"),
        ("owner", json!(null), "text"),
    ] {
        let mut server = new("server", "s");
        server.attributes.insert(attribute.into(), value);
        refused(&mut world, |e, o| create_ci(e, &server, o), &[attribute, expected]);
    }
}

#[test]
fn a_person_stands_against_discovery_until_released() {
    let mut world = World::new();
    let a = machine("a", 1);
    world.report(&a);
    let id = world.machine_of(&a);
    let edit = |edit: AttributeEdit| CiUpdate { attributes: [("serial".to_owned(), edit)].into(), ..CiUpdate::default() };
    let set = edit(AttributeEdit::Set { value: json!("REAL"), pin: true });
    world.command(|e, o| update_ci(e, id, &set, o));
    world.report(&a);
    assert_eq!(world.ci("a").text("serial"), Some("REAL"));
    assert_eq!(world.ci("a").attributes["serial"].claims().len(), 2, "who disagreed is kept");
    assert!(world.command(|e, o| update_ci(e, id, &set, o)).is_empty(), "again");
    world.command(|e, o| update_ci(e, id, &edit(AttributeEdit::Release), o));
    assert_eq!(world.ci("a").text("serial"), Some("PF2ABC001"));
    world.command(|e, o| update_ci(e, id, &edit(AttributeEdit::Withdraw), o));
    refused(&mut world, |e, o| update_ci(e, id, &edit(AttributeEdit::Withdraw), o), &["serial", "user:ada"]);
    refused(&mut world, |e, o| update_ci(e, CiId(Uuid::nil()), &set, o), &["no configuration item"]);
}

#[test]
fn relationships_are_declared_and_taken_back() {
    let mut world = World::new();
    let (shop, db) = (create(&mut world, "business_service", "Shop"), create(&mut world, "database", "db"));
    let declare = |e: &Estate, o: Order<'_>| declare_relationship(e, "depends_on", shop, db, None, "orders", o);
    world.command(declare);
    assert!(world.command(declare).is_empty(), "again");
    assert_eq!(world.edges("depends_on"), ["Shop -> db (user:ada)"]);
    refused(&mut world, |e, o| declare_relationship(e, "loves", shop, db, None, "", o), &["loves", "depends_on"]);
    refused(&mut world, |e, o| declare_relationship(e, "uses", shop, shop, None, "", o), &["Shop", "itself"]);
    let id = world.estate.relationships().next().unwrap().id;
    world.command(|e, o| set_hardness(e, id, Some(Hardness::Soft), o));
    assert_eq!(world.estate.relationship(id).unwrap().hardness, Some(Hardness::Soft));
    world.command(|e, o| retire_relationship(e, id, o));
    assert!(world.edges("depends_on").is_empty());
    refused(&mut world, |e, o| retire_relationship(e, id, o), &["no live relationship"]);
    world.command(|e, o| retire_ci(e, db, "", o));
    refused(&mut world, declare, &["db", "retired", "restore"]);
    refused(&mut world, |e, o| retire_ci(e, db, "", o), &["retired"]);
    world.command(|e, o| restore_ci(e, db, o));
    refused(&mut world, |e, o| restore_ci(e, db, o), &["not retired"]);
    world.command(declare);
}

#[test]
fn what_is_observed_cannot_be_taken_back_but_softened_for_good() {
    let mut world = World::new();
    let app = machine("app", 2).runs("shop", &[]).calls("shop", ip(1), 5432);
    world.report(&app);
    let id = world.estate.relationships().find(|it| it.kind == "connects_to").unwrap().id;
    refused(&mut world, |e, o| retire_relationship(e, id, o), &["tcp 10.0.0.1:5432", "hardness"]);
    world.command(|e, o| set_hardness(e, id, Some(Hardness::None), o));
    world.wait(2 * DAY).report(&app.clone().calls("shop", ip(1), 5433));
    assert_eq!(world.estate.relationship(id).unwrap().hardness, Some(Hardness::None));
}

#[test]
fn need_groups_are_checked() {
    let mut world = World::new();
    let (shop, a, b) =
        (create(&mut world, "business_service", "Shop"), create(&mut world, "database", "a"), create(&mut world, "database", "b"));
    let values =
        |members: &[CiId], min_up| NeedGroupValues { name: "replicas".into(), members: members.into(), min_up, hardness: Hardness::Hard };
    world.command(|e, o| declare_need_group(e, shop, &values(&[b, a, a, shop], MinUp::Count(1)), o));
    let group = world.estate.need_groups().next().unwrap().clone();
    let mut sorted = vec![a, b];
    sorted.sort();
    assert_eq!(group.members, sorted);
    refused(&mut world, |e, o| declare_need_group(e, shop, &values(&[shop], MinUp::Count(1)), o), &["members"]);
    refused(&mut world, |e, o| declare_need_group(e, shop, &values(&[a], MinUp::Count(2)), o), &["min_up", "1 to 1"]);
    refused(&mut world, |e, o| declare_need_group(e, shop, &values(&[a], MinUp::Percent(101)), o), &["min_up", "101"]);
    assert!(world.command(|e, o| update_need_group(e, group.id, &values(&[a, b], MinUp::Count(1)), o)).is_empty());
    world.command(|e, o| update_need_group(e, group.id, &values(&[a, b], MinUp::Percent(100)), o));
    assert_eq!(world.estate.need_group(group.id).unwrap().version, 2);
    world.command(|e, o| retire_need_group(e, group.id, o));
    refused(&mut world, |e, o| retire_need_group(e, group.id, o), &["no live need group"]);
}

fn twins() -> (World, Machine, Machine) {
    let mut world = World::new();
    let a = machine("a", 1).runs("nginx", &[80]);
    let mut b = machine("b", 2).runs("nginx", &[80]).runs("redis", &[6379]);
    b.identity().smbios_uuid = a.identity.clone().unwrap().smbios_uuid;
    b.identity().serial = a.identity.clone().unwrap().serial;
    world.report(&a);
    world.report(&b);
    world.report(&machine("c", 3).runs("app", &[]).calls("app", ip(1), 80).calls("app", ip(2), 80).calls("app", ip(2), 6379));
    assert_eq!(world.conflicts(), ["same_identity a / b"]);
    (world, a, b)
}

#[test]
fn kept_apart_is_not_asked_again() {
    let (mut world, a, b) = twins();
    let id = world.estate.open_conflicts().next().unwrap().id;
    refused(&mut world, |e, o| settle_conflict(e, id, Settlement::Acknowledge, o), &["two configuration items"]);
    world.command(|e, o| settle_conflict(e, id, Settlement::KeepApart, o));
    for machine in [&a, &b] {
        world.wait(MINUTE).report(machine);
    }
    assert!(world.conflicts().is_empty());
    refused(&mut world, |e, o| settle_conflict(e, id, Settlement::Merge, o), &["no open conflict"]);
}

#[test]
fn merge_moves_everything_and_split_brings_it_back() {
    let (mut world, a, b) = twins();
    let (known, other) = (world.machine_of(&a), world.machine_of(&b));
    let owner = CiUpdate {
        attributes: [("owner".to_owned(), AttributeEdit::Set { value: json!("Grace"), pin: false })].into(),
        ..CiUpdate::default()
    };
    world.command(|e, o| update_ci(e, other, &owner, o));
    let need = NeedGroupValues { name: "web".into(), members: vec![known, other], min_up: MinUp::Count(1), hardness: Hardness::Hard };
    let c = world.ci("c").id;
    world.command(|e, o| declare_need_group(e, c, &need, o));
    let id = world.estate.open_conflicts().next().unwrap().id;
    world.wait(MINUTE).command(|e, o| settle_conflict(e, id, Settlement::Merge, o));
    assert_eq!(world.estate.need_groups_of(c).next().unwrap().members, [known]);
    assert_eq!((world.machine_of(&a), world.machine_of(&b)), (known, known));
    assert_eq!(world.estate.ci(other).unwrap().merged_into, Some(known));
    assert_eq!(
        world.cis(),
        ["server a", "server c", "service_instance app@c", "database redis@a", "web_server nginx@a"]
            .map(String::from)
            .into_iter()
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
    );
    assert_eq!(world.edges("connects_to"), ["app@c -> nginx@a (c)", "app@c -> redis@a (c)"]);
    assert_eq!(world.ci("a").text("owner"), Some("Grace"));
    assert!(world.conflicts().is_empty());
    world.wait(2 * HOUR).report(&b);
    assert_eq!(world.machine_of(&b), known, "whoever looks for the other finds the known one");
    world.wait(MINUTE).command(|e, o| restore_ci(e, other, o));
    assert_eq!(world.machine_of(&b), other);
    world.wait(MINUTE).report(&b);
    world.wait(MINUTE).report(&a);
    assert_eq!((world.machine_of(&a), world.machine_of(&b)), (known, other));
    assert_eq!(world.conflicts(), ["same_identity a / b"], "the question is open again");
}
