//! Tables: which item a row is about, what changes, and taking it back.

use serde_json::{Value, json};

use super::{super::commands::*, *};
use crate::catalogue::{DefinitionBody, PrecedenceRule, SourcePattern, SourceRank};

fn erp() -> Source {
    Source::Import("erp".into())
}

fn rules() -> RowRules {
    RowRules { source: erp(), mark: "import 1".into(), default_class: None, names_identify: false, realm: "default".into() }
}

/// A row from what a table says; `attributes` is an object.
fn row(number: u64, class: &str, name: &str, attributes: Value) -> Row {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let attributes = attributes.as_object().cloned().unwrap_or_default().into_iter().collect();
    Row { number, class: text(class), name: text(name), attributes, ..Row::default() }
}

impl World {
    fn plan_table(&self, rows: &[Row], rules: &RowRules) -> (ChangeSet, Vec<RowOutcome>) {
        let index = RowIndex::new(&self.estate);
        let mut seen = RowsSeen::default();
        rows.iter().filter_map(|row| row.name.as_deref()).for_each(|name| seen.note_name(name));
        plan_rows(&self.estate, rows, rules, &index, &mut seen, self.now, &self.policy, &mut ids(&self.next_id))
    }

    /// Applies a table; the states of its rows. The same table again is unchanged where it was applied.
    fn table(&mut self, rows: &[Row], rules: &RowRules) -> Vec<RowOutcome> {
        let (changes, outcomes) = self.plan_table(rows, rules);
        self.apply(&changes);
        let (again, after) = self.plan_table(rows, rules);
        assert!(again.is_empty(), "the same table again: {:#?}", again.changes);
        for (before, after) in outcomes.iter().zip(&after) {
            let applied = matches!(before.state, RowState::Create | RowState::Update | RowState::Unchanged);
            assert!(before.waits || after.state == if applied { RowState::Unchanged } else { before.state }, "{before:?}\n{after:?}");
        }
        outcomes
    }
}

fn states(outcomes: &[RowOutcome]) -> Vec<&'static str> {
    outcomes.iter().map(|outcome| outcome.state.as_str()).collect()
}

#[test]
fn a_row_is_recognised_by_what_is_its_own_and_never_by_a_machines_name_alone() {
    let mut world = World::new();
    let a = machine("a", 1);
    world.report(&a);
    let id = world.machine_of(&a);
    for (said, state, why) in [
        (
            row(2, "laptop", "other", json!({"serial": "PF2ABC001", "manufacturer": "LENOVO", "owner": "ada"})),
            "update",
            "serial number and manufacturer",
        ),
        (row(2, "", "zz", json!({"serial": "pf2abc001", "owner": "ada"})), "update", "only this one has"),
        (
            row(2, "laptop", "zz", json!({"serial": "PF2ABC001", "manufacturer": "Dell", "owner": "ada"})),
            "conflict",
            "another manufacturer",
        ),
        (row(2, "laptop", "a", json!({"owner": "ada"})), "conflict", "nothing else says"),
        (row(2, "laptop", "a", json!({"serial": "Default string", "owner": "ada"})), "conflict", "nothing else says"),
        (row(2, "laptop", "a", json!({"serial": "ANOTHER", "owner": "ada"})), "create", "no rule"),
        (row(2, "", "x", json!({"owner": "ada"})), "error", "class"),
        (row(2, "teapot", "x", json!({})), "error", "teapot"),
        (row(2, "laptop", "", json!({})), "error", "name"),
        (row(2, "laptop", "x", json!({"memory_bytes": "16 GB"})), "error", "whole number"),
        (Row { id: Some(CiId(Uuid::nil())), ..row(2, "", "x", json!({})) }, "error", "no configuration item"),
    ] {
        let (_, outcomes) = world.plan_table(std::slice::from_ref(&said), &rules());
        let [outcome] = &outcomes[..] else { panic!("{outcomes:?}") };
        let text = format!("{} {:?}", outcome.reason, outcome.problems);
        assert_eq!(outcome.state.as_str(), state, "{said:?}: {text}");
        assert!(text.contains(why), "{why:?} in {text}");
        assert!(state != "update" || outcome.ci == Some(id));
    }
    let by_name = RowRules { names_identify: true, ..rules() };
    let outcomes = world.table(&[row(2, "laptop", "A", json!({"owner": "ada"}))], &by_name);
    assert_eq!((states(&outcomes), outcomes[0].ci), (vec!["update"], Some(id)), "somebody said that names identify");
    assert_eq!(world.ci("a").text("owner"), Some("ada"));
}

#[test]
fn what_stands_is_not_said_again_and_what_an_agent_knows_better_is_kept_beside() {
    let mut world = World::new();
    let a = machine("a", 1);
    world.report(&a);
    let id = world.machine_of(&a);
    let same = Row { id: Some(id), ..row(2, "", " a ", json!({"serial": "PF2ABC001"})) };
    assert_eq!(states(&world.table(&[same], &rules())), ["unchanged"]);
    let other = Row { id: Some(id), ..row(2, "laptop", "other", json!({"serial": "WRONG", "owner": "ada"})) };
    let (changes, outcomes) = world.plan_table(&[other], &rules());
    world.apply(&changes);
    let notes: Vec<(&str, bool)> = outcomes[0].fields.iter().map(|field| (field.field.as_str(), field.note.is_some())).collect();
    assert_eq!(notes, [("class", true), ("name", true), ("attributes.owner", false), ("attributes.serial", true)]);
    let ci = world.ci("a");
    assert_eq!((ci.text("serial"), ci.text("owner")), (Some("PF2ABC001"), Some("ada")));
    assert_eq!(ci.attributes["serial"].claims().len(), 2, "who disagrees is kept");
}

#[test]
fn two_rows_about_one_item_contradict_each_other() {
    let mut world = World::new();
    let serial = |number, name| row(number, "laptop", name, json!({"serial": "S1", "manufacturer": "Lenovo"}));
    let outcomes =
        world.table(&[serial(2, "a"), serial(3, "b"), row(4, "team", "Ops", json!({})), row(5, "team", "ops", json!({}))], &rules());
    assert_eq!(states(&outcomes), ["create", "conflict", "create", "conflict"]);
    assert!(outcomes[1].problems[0].message.contains("row 2"), "{outcomes:?}");
    assert_eq!(world.estate.active_cis().count(), 2);
    // Also across parts, between which only what was seen is kept.
    let (index, mut seen) = (RowIndex::default(), RowsSeen::default());
    let world = World::new();
    let part = |rows: &[Row], seen: &mut RowsSeen| {
        let planned = plan_rows(&world.estate, rows, &rules(), &index, seen, world.now, &world.policy, &mut ids(&world.next_id));
        states(&planned.1)
    };
    assert_eq!(part(&[serial(2, "a")], &mut seen), ["create"]);
    assert_eq!(part(&[serial(3, "b")], &mut seen), ["conflict"]);
    assert_eq!(part(&[serial(2, "a")], &mut seen), ["create"], "the same part again is no contradiction");
}

#[test]
fn the_sources_own_id_recognises_an_item_whatever_it_is_called_now() {
    let mut world = World::new();
    let numbered = |name: &str| Row { external_id: Some("4711".into()), ..row(2, "printer", name, json!({"model": "LaserJet"})) };
    assert_eq!(states(&world.table(&[numbered("Floor 3")], &rules())), ["create"]);
    let renamed = world.table(&[numbered("Floor 4")], &rules());
    assert_eq!((states(&renamed), renamed[0].fields[0].field.as_str()), (vec!["update"], "name"));
    assert_eq!(world.estate.active_cis().count(), 1);
}

#[test]
fn rows_name_each_other_before_they_are_made() {
    let mut world = World::new();
    let link =
        |others: &[&str]| Link { kind: "part_of".into(), reverse: false, others: others.iter().map(|it| Reference::parse(it)).collect() };
    let shop = Row { links: vec![link(&["db"])], ..row(2, "business_service", "Shop", json!({})) };
    let rows = [shop.clone(), row(3, "database", "db", json!({}))];
    let (changes, outcomes) = world.plan_table(&rows, &rules());
    assert!(outcomes[0].waits && !outcomes[1].waits);
    world.apply(&changes);
    assert_eq!(states(&world.table(&rows, &rules())), ["update", "unchanged"], "once it is there");
    assert_eq!(world.edges("part_of"), ["Shop -> db (import:erp)"]);
    let lost = Row { links: vec![link(&["nobody"])], ..shop };
    assert_eq!(states(&world.plan_table(&[lost], &rules()).1), ["error"]);
}

#[test]
fn what_a_value_refers_to_may_be_named() {
    let mut world = World::new();
    world.table(
        &[row(2, "person", "Ada Lovelace", json!({})), row(3, "team", "Twin", json!({})), row(4, "person", "Twin", json!({}))],
        &rules(),
    );
    let ada = world.ci("Ada Lovelace").id;
    for (said, state, why) in [
        ("ada lovelace", "create", ""),
        (&*format!("Ada ({ada})"), "create", ""),
        (&*ada.to_string(), "create", ""),
        ("Twin", "create", ""),
        ("Babbage", "error", "no person \"Babbage\""),
    ] {
        let (_, outcomes) = world.plan_table(&[row(2, "laptop", "n", json!({"assigned_to": said}))], &rules());
        assert_eq!(outcomes[0].state.as_str(), state, "{said}: {outcomes:?}");
        assert!(state == "error" || outcomes[0].fields.iter().any(|it| it.new.as_str().is_some_and(|id| id.parse::<CiId>().is_ok())));
        assert!(outcomes[0].problems.iter().all(|it| it.field == "attributes.assigned_to" && it.message.contains(why)), "{outcomes:?}");
    }
    // Before it is made, by another row of the same table.
    let rows =
        [row(2, "laptop", "n1", json!({"assigned_to": "Grace Hopper", "serial": "S7"})), row(3, "person", "Grace Hopper", json!({}))];
    let (changes, outcomes) = world.plan_table(&rows, &rules());
    assert!(outcomes[0].waits && !outcomes[1].waits);
    world.apply(&changes);
    assert_eq!(world.ci("n1").value("assigned_to"), None);
    assert_eq!(states(&world.table(&rows, &rules())), ["update", "unchanged"], "once it is there");
    assert_eq!(world.ci("n1").text("assigned_to"), Some(&*world.ci("Grace Hopper").id.to_string()));
}

#[test]
fn a_row_that_only_a_person_can_place_is_asked_about_until_a_table_tells() {
    let mut world = World::new();
    let a = machine("a", 1);
    world.report(&a);
    let id = world.machine_of(&a);
    let questions = |world: &World| -> Vec<(CiId, String)> {
        world.estate.open_conflicts().map(|it| (it.known, format!("{} {}", it.kind.as_str(), it.detail))).collect()
    };
    let uncertain = row(2, "laptop", "a", json!({"owner": "ada"}));
    assert_eq!(states(&world.table(std::slice::from_ref(&uncertain), &rules())), ["conflict"]);
    let [(known, said)] = &questions(&world)[..] else { panic!("{:?}", questions(&world)) };
    assert_eq!(*known, id);
    for part in ["imported_row import:erp, import 1, row 2", "name \"a\"", "class laptop", "owner \"ada\"", "nothing else says"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let told = Row { id: Some(id), ..uncertain.clone() };
    let others = RowRules { source: Source::Import("hr".into()), mark: "import 2".into(), ..rules() };
    world.table(std::slice::from_ref(&told), &others);
    assert_eq!(questions(&world).len(), 1, "another source's table answers nothing");
    world.table(&[told], &RowRules { mark: "import 3".into(), ..rules() });
    assert_eq!(questions(&world), [], "this one says which item is meant");

    world.table(&[uncertain], &RowRules { mark: "import 4".into(), ..rules() });
    assert_eq!(questions(&world).len(), 1);
    world.command(|e, o| Ok(settle_questions(e, "import 3", o)));
    assert_eq!(questions(&world).len(), 1, "it is import 4's");
    world.command(|e, o| Ok(settle_questions(e, "import 4", o)));
    assert_eq!(questions(&world), [], "the table is taken back");
}

#[test]
fn a_preview_says_who_stands_by_the_rules_of_this_estate() {
    let mut world = World::new();
    let a = machine("a", 1);
    world.report(&a);
    let said = Row { id: Some(world.machine_of(&a)), ..row(2, "", "a", json!({"serial": "INVOICE"})) };
    let note = |world: &World| world.plan_table(std::slice::from_ref(&said), &rules()).1[0].fields[0].note.clone();
    assert_eq!(note(&world).as_deref(), Some("kept beside: agent says otherwise and comes first"));
    let order = vec![SourceRank { source: SourcePattern::parse("import:erp").unwrap(), fresh_for_ms: None }];
    let rule = PrecedenceRule { class: "machine".into(), attribute: Some("serial".into()), order };
    world.command(|e, o| put_definition(e, &DefinitionBody::Precedence(rule), o));
    assert_eq!(note(&world), None);
    world.table(std::slice::from_ref(&said), &rules());
    assert_eq!(world.ci("a").text("serial"), Some("INVOICE"));
}

/// Takes the table back; every item with what was left.
fn undo(world: &mut World, before: &Estate, touched: &[CiId]) -> Vec<Undone> {
    let steps: Vec<UndoStep> =
        touched.iter().map(|id| UndoStep { before: before.ci(*id).cloned(), after: world.estate.ci(*id).unwrap().clone() }).collect();
    undo_steps(world, &steps)
}

fn undo_steps(world: &mut World, steps: &[UndoStep]) -> Vec<Undone> {
    let (changes, undone) = {
        let order = Order { source: erp(), now: world.now, ids: &mut ids(&world.next_id) };
        undo_rows(&world.estate, steps, "import 1", order)
    };
    world.apply(&changes);
    undone
}

#[test]
fn a_table_is_taken_back_as_a_whole_except_of_what_others_changed_since() {
    let mut world = World::new();
    let a = machine("a", 1);
    world.report(&a);
    let id = world.machine_of(&a);
    let link = Link { kind: "owned_by".into(), reverse: false, others: vec![Reference::Id(id)] };
    let rows = [
        Row { id: Some(id), ..row(2, "", "", json!({"owner": "ada", "serial": "WRONG"})) },
        Row { links: vec![link], ..row(3, "team", "Ops", json!({"email": "ops@example.org"})) },
        row(4, "team", "Dev", json!({})),
    ];
    let before = world.estate.clone();
    let (changes, outcomes) = world.plan_table(&rows, &rules());
    world.apply(&changes);
    assert_eq!(world.edges("owned_by").len(), 1);
    let touched: Vec<CiId> = outcomes.iter().filter_map(|outcome| outcome.ci).collect();
    let steps: Vec<UndoStep> =
        touched.iter().map(|id| UndoStep { before: before.ci(*id).cloned(), after: world.estate.ci(*id).unwrap().clone() }).collect();
    // Meanwhile somebody works with one of the new items.
    let update = CiUpdate {
        attributes: [("owner".to_owned(), AttributeEdit::Set { value: json!("bob"), pin: false })].into(),
        ..CiUpdate::default()
    };
    world.command(|e, o| update_ci(e, touched[2], &update, o));
    let undone = undo_steps(&mut world, &steps);
    assert_eq!(undone.iter().map(|it| it.state).collect::<Vec<_>>(), [UndoneState::Restored, UndoneState::Retired, UndoneState::Left]);
    assert!(undone[2].left[0].contains("user:ada says owner"), "{undone:?}");
    let known = before.ci(id).unwrap();
    let now = world.estate.ci(id).unwrap();
    assert_eq!((&now.attributes, &now.keys, &now.name), (&known.attributes, &known.keys, &known.name), "bit for bit");
    assert_eq!(world.edges("owned_by"), [""; 0]);
    let by_name = world.table(&rows[2..], &rules());
    assert_eq!(states(&by_name), ["unchanged"], "what a table has made with nothing but a name it knows again");
    assert!(undo(&mut world, &before, &touched[..1]).iter().all(|it| it.state == UndoneState::Unchanged), "again");
}
