//! People's own classes and rules, and an item's life.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{super::commands::*, *};
use crate::catalogue::{DefinitionBody, DefinitionKind};

fn body(json: Value) -> DefinitionBody {
    serde_json::from_value(json).unwrap()
}

fn class(name: &str, parent: &str, attributes: Value) -> DefinitionBody {
    body(json!({"class": {"name": name, "label": name, "plural": name, "parent": parent, "attributes": attributes}}))
}

fn rule(class: &str, attribute: Option<&str>, order: Value) -> DefinitionBody {
    body(json!({"precedence": {"class": class, "attribute": attribute, "order": order}}))
}

fn refusal(world: &mut World, order: impl FnOnce(&Estate, Order<'_>) -> Result<ChangeSet, CommandError>) -> String {
    world.order("ada", order).unwrap_err().to_string()
}

fn create(world: &mut World, class: &str, name: &str, attributes: &[(&str, Value)]) -> CiId {
    let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let new = NewCi { class: class.into(), name: name.into(), attributes, ..NewCi::default() };
    world.command(|e, o| create_ci(e, &new, o));
    world.ci(name).id
}

fn set(attribute: &str, value: Value) -> CiUpdate {
    CiUpdate { attributes: [(attribute.to_owned(), AttributeEdit::Set { value, pin: false })].into(), ..CiUpdate::default() }
}

#[test]
fn a_class_is_used_at_once_and_not_deleted_while_it_is() {
    let mut world = World::new();
    let lane = json!([
        {"name": "lane", "label": "Lane", "kind": "integer", "required": true},
        {"name": "colour", "label": "Colour", "kind": "choice", "allowed": ["red", "blue"]},
        {"name": "keeper", "label": "Keeper", "kind": "reference", "references": "person"},
    ]);
    let till = class("till", "desktop", lane);
    world.command(|e, o| put_definition(e, &till, o));
    assert!(world.order("ada", |e, o| put_definition(e, &till, o)).unwrap().is_empty(), "again");

    let new = |attributes: Value| NewCi {
        class: "till".into(),
        name: "Till 1".into(),
        attributes: serde_json::from_value(attributes).unwrap(),
        ..NewCi::default()
    };
    assert!(refusal(&mut world, |e, o| create_ci(e, &new(json!({})), o)).starts_with("attributes.lane: the class \"till\" requires it"));
    let ada = create(&mut world, "person", "Ada", &[]);
    world.command(|e, o| create_ci(e, &new(json!({"lane": 3, "serial": "S1", "keeper": ada.to_string()})), o));
    let id = world.ci("Till 1").id;
    for (attribute, value, words) in [
        ("colour", json!("green"), "one of red, blue"),
        ("keeper", json!(id.to_string()), "of the class person"),
        ("keeper", json!("0198c0de-0000-7000-8000-000000000001"), "of the class person"),
    ] {
        let message = refusal(&mut world, |e, o| update_ci(e, id, &set(attribute, value), o));
        assert!(message.starts_with(&format!("attributes.{attribute}: ")) && message.contains(words), "{message}");
    }
    let withdraw = CiUpdate { attributes: [("lane".to_owned(), AttributeEdit::Withdraw)].into(), ..CiUpdate::default() };
    assert!(refusal(&mut world, |e, o| update_ci(e, id, &withdraw, o)).contains("requires it"));

    world.command(|e, o| update_ci(e, id, &set("colour", json!("red")), o));
    let gone = class("till", "desktop", json!([{"name": "lane", "label": "Lane", "kind": "integer"}]));
    assert!(refusal(&mut world, |e, o| put_definition(e, &gone, o)).contains("\"Till 1\""));
    let other = class("till", "item", json!([{"name": "lane", "label": "Lane", "kind": "integer"}]));
    assert!(refusal(&mut world, |e, o| put_definition(e, &other, o)).contains("1 items"), "it would lose its serial number");
    let message = refusal(&mut world, |e, o| delete_definition(e, DefinitionKind::Class, "till", o));
    assert!(message.contains("is of this class"), "{message}");
    let small = class("small_till", "till", json!([]));
    world.command(|e, o| put_definition(e, &small, o));
    world.command(|e, o| retire_ci(e, id, "", o));
    let message = refusal(&mut world, |e, o| delete_definition(e, DefinitionKind::Class, "till", o));
    assert!(message.contains("small_till"), "{message}");
    world.command(|e, o| delete_definition(e, DefinitionKind::Class, "small_till", o));
    world.command(|e, o| delete_definition(e, DefinitionKind::Class, "till", o));
    assert!(world.estate.catalogue().class("till").is_none());
    assert!(refusal(&mut world, |e, o| delete_definition(e, DefinitionKind::Class, "server", o)).contains("comes with Rollcall"));
}

#[test]
fn a_relationship_type_of_people_carries_failure_as_it_says() {
    let mut world = World::new();
    let kind = |hardness: &str| {
        body(json!({"relationship_type": {"name": "cooled_by", "forward": "is cooled by", "reverse": "cools", "hardness": hardness}}))
    };
    world.command(|e, o| put_definition(e, &kind("hard"), o));
    let (server, cooler) = (create(&mut world, "server", "s", &[]), create(&mut world, "hardware", "cooler", &[]));
    world.command(|e, o| declare_relationship(e, "cooled_by", server, cooler, None, "", o));
    let mark = world.estate.mark();
    let before = crate::graph::Graph::from_estate(&world.estate);
    let hardness = |graph: &crate::graph::Graph| graph.dependencies(server).map(|edge| edge.hardness).collect::<Vec<_>>();
    assert_eq!(hardness(&before), [rollcall_shared::catalogue::Hardness::Hard]);
    world.command(|e, o| put_definition(e, &kind("soft"), o));
    let after = before.after(&world.estate, world.estate.touched_since(mark).unwrap());
    assert_eq!(hardness(&after), [rollcall_shared::catalogue::Hardness::Soft]);
    assert!(refusal(&mut world, |e, o| delete_definition(e, DefinitionKind::RelationshipType, "cooled_by", o)).contains("\"cooler\""));
}

#[test]
fn a_rule_changes_whose_word_stands_and_says_so() {
    let mut world = World::new();
    let a = machine("a", 1);
    world.report(&a);
    let id = world.machine_of(&a);
    world.command(|e, o| update_ci(e, id, &set("serial", json!("TYPED")), o));
    assert_eq!(world.ci("a").text("serial"), Some("PF2ABC001"));

    let users_first = rule("hardware", Some("serial"), json!([{"source": "user"}, {"source": "agent"}]));
    let DefinitionBody::Precedence(tried) = &users_first else { unreachable!() };
    let effects = dry_run(&world.estate, std::slice::from_ref(tried), &BTreeSet::new(), world.now).unwrap();
    assert_eq!(effects.len(), 1);
    assert_eq!((effects[0].before.value.clone(), effects[0].after.value.clone()), (json!("PF2ABC001"), json!("TYPED")));
    assert_eq!(effects[0].rule.as_deref(), Some("hardware.serial"));
    assert_eq!(world.ci("a").text("serial"), Some("PF2ABC001"), "nothing is written");

    let changes = world.command(|e, o| put_definition(e, &users_first, o));
    assert_eq!(world.ci("a").text("serial"), Some("TYPED"));
    let change = changes.changes.iter().find(|change| matches!(change.put, Put::Ci(_))).unwrap();
    assert!(change.reason.contains("hardware.serial") && change.reason.contains("user:ada"), "{}", change.reason);
    assert_eq!(change.differs, ["attributes.serial"]);
    world.report(&a);
    assert_eq!(world.ci("a").text("serial"), Some("TYPED"), "a report changes nothing of it");
    world.command(|e, o| delete_definition(e, DefinitionKind::Precedence, "hardware.serial", o));
    assert_eq!(world.ci("a").text("serial"), Some("PF2ABC001"));
}

#[test]
fn a_word_that_is_not_said_again_gives_way() {
    let mut world = World::new();
    let a = machine("a", 1);
    world.report(&a);
    let id = world.machine_of(&a);
    world.command(|e, o| update_ci(e, id, &set("serial", json!("TYPED")), o));
    let order = json!([{"source": "user", "fresh_for_ms": 10 * DAY}, {"source": "agent"}]);
    world.command(|e, o| put_definition(e, &rule("item", None, order), o));
    assert_eq!(world.ci("a").text("serial"), Some("TYPED"));
    // Said again after a while: the time is kept, because the rule asks for it.
    world.wait(8 * DAY);
    world.command(|e, o| update_ci(e, id, &set("serial", json!("TYPED")), o));
    world.wait(8 * DAY);
    world.keep_house();
    assert_eq!(world.ci("a").text("serial"), Some("TYPED"));
    let standings = world.estate.standings(world.ci("a"), "serial", &world.ci("a").attributes["serial"], world.now);
    assert!(standings.iter().all(|(_, standing)| standing.fresh));
    world.wait(3 * DAY);
    world.keep_house();
    assert_eq!(world.ci("a").text("serial"), Some("PF2ABC001"));
    assert_eq!(world.ci("a").attributes["serial"].claims().len(), 2, "who is not fresh is still known");
}

fn step(to: Stage, attributes: &[(&str, Value)]) -> LifeStep {
    let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    LifeStep { to, reason: String::new(), attributes }
}

#[test]
fn a_life_goes_the_ways_there_are() {
    let mut world = World::new();
    let new = NewCi { class: "laptop".into(), name: "n".into(), stage: Some(Stage::Planned), ..NewCi::default() };
    world.command(|e, o| create_ci(e, &new, o));
    let id = world.ci("n").id;
    assert!(!world.ci("n").takes_part());
    assert!(refusal(&mut world, |e, o| enter_stage(e, id, &step(Stage::Disposed, &[]), o)).contains("ordered, in_stock, in_use, retired"));
    world.command(|e, o| enter_stage(e, id, &step(Stage::InStock, &[]), o));
    assert!(refusal(&mut world, |e, o| enter_stage(e, id, &step(Stage::InUse, &[]), o)).contains("owner, assigned_to, location"));
    world.command(|e, o| enter_stage(e, id, &step(Stage::InUse, &[("location", json!("Berlin"))]), o));
    assert!(world.ci("n").takes_part() && world.ci("n").text("location") == Some("Berlin"));
    let proof = [("disposed_on", json!("2026-03-01")), ("disposal_reason", json!("sold"))];
    assert!(refusal(&mut world, |e, o| enter_stage(e, id, &step(Stage::Disposed, &proof[..1]), o)).contains("disposal_reason"));
    world.command(|e, o| enter_stage(e, id, &step(Stage::Disposed, &proof), o));
    let ci = world.estate.ci(id).unwrap();
    assert_eq!((ci.stage, ci.lifecycle), (Stage::Disposed, Lifecycle::Retired));
}

#[test]
fn what_reports_is_in_use_and_what_was_disposed_of_asks() {
    let mut world = World::new();
    let a = machine("a", 1);
    world.report(&a);
    let id = world.machine_of(&a);
    world.command(|e, o| enter_stage(e, id, &step(Stage::InStock, &[]), o));
    world.report(&a);
    assert_eq!(world.ci("a").stage, Stage::InUse);
    let proof = [("disposed_on", json!("2026-03-01")), ("disposal_reason", json!("scrapped"))];
    world.command(|e, o| enter_stage(e, id, &step(Stage::Disposed, &proof), o));
    world.report(&a);
    assert_eq!(world.ci("a").stage, Stage::InUse);
    assert_eq!(world.conflicts(), ["returned_from_retirement a"]);
    assert!(world.estate.open_conflicts().next().unwrap().detail.contains("was disposed of"));
}

#[test]
fn the_latest_sighting_stands() {
    let mut world = World::new();
    let id = create(&mut world, "printer", "p", &[]);
    let seen = |place: &str, at: Timestamp| NewSighting { at: Some(at), place: place.into(), by: "Grace".into() };
    let now = world.now;
    world.command(|e, o| record_sighting(e, id, &seen("Room 1", now), o));
    assert!(world.command(|e, o| record_sighting(e, id, &seen("Room 0", now.plus_millis(-DAY)), o)).is_empty());
    let sighting = world.ci("p").sighting.clone().unwrap();
    assert_eq!((sighting.place.as_str(), sighting.by.as_str(), sighting.source.as_str()), ("Room 1", "Grace", "user:ada"));
    assert!(refusal(&mut world, |e, o| record_sighting(e, id, &seen("x", now.plus_millis(DAY)), o)).contains("future"));
}

#[test]
fn what_a_class_is_recognised_by_makes_no_second_item() {
    let mut world = World::new();
    let espresso = body(json!({"class": {
        "name": "espresso_machine", "label": "Espresso machine", "plural": "Espresso machines", "parent": "hardware",
        "attributes": [{"name": "machine_number", "label": "Machine number", "kind": "text"}],
        "identity": [["machine_number"]],
    }}));
    world.command(|e, o| put_definition(e, &espresso, o));
    let kitchen = create(&mut world, "espresso_machine", "Kitchen", &[("machine_number", json!("EM-1"))]);
    let bar = create(&mut world, "espresso_machine", "Bar", &[("machine_number", json!("EM-2"))]);
    let new = |number: &str| NewCi {
        class: "espresso_machine".into(),
        name: "New".into(),
        attributes: [("machine_number".to_owned(), json!(number))].into(),
        ..NewCi::default()
    };
    let message = refusal(&mut world, |e, o| create_ci(e, &new(" em-1 "), o));
    assert!(message.contains("\"Kitchen\"") && message.contains("machine_number \"em-1\""), "{message}");
    assert!(refusal(&mut world, |e, o| update_ci(e, bar, &set("machine_number", json!("EM-1")), o)).contains("\"Kitchen\""));
    world.command(|e, o| update_ci(e, kitchen, &set("machine_number", json!("EM-9")), o));
    world.command(|e, o| create_ci(e, &new("EM-1"), o));

    // A table means the item that its row recognises, whatever it calls it.
    let row = |number: u64, name: &str, said: &str| Row {
        number,
        class: Some("espresso_machine".into()),
        name: Some(name.into()),
        attributes: [("machine_number".to_owned(), json!(said))].into(),
        ..Row::default()
    };
    let rules = RowRules {
        source: Source::Import("list".into()),
        mark: "import 1".into(),
        default_class: None,
        names_identify: false,
        realm: "default".into(),
    };
    let rows = [row(2, "Coffee bar", "em-2"), row(3, "Bar", "EM-3"), row(4, "Roof", "EM-4"), row(5, "Roof too", "em-4 ")];
    let (index, mut seen, policy) = (RowIndex::new(&world.estate), RowsSeen::default(), Policy::default());
    let (_, outcomes) = plan_rows(&world.estate, &rows, &rules, &index, &mut seen, world.now, &policy, &mut ids(&world.next_id));
    let states: Vec<_> = outcomes.iter().map(|outcome| (outcome.state, outcome.ci == Some(bar))).collect();
    let expected = [(RowState::Update, true), (RowState::Create, false), (RowState::Create, false), (RowState::Conflict, false)];
    assert_eq!(states, expected, "{outcomes:#?}");
}
