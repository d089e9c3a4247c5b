//! What files declare, three ways.

use rollcall_shared::catalogue::Hardness;
use serde_json::{Value, json};

use super::{super::commands::*, *};

fn item(key: &str, class: &str, attributes: Value) -> DeclaredItem {
    let attributes = attributes.as_object().cloned().unwrap_or_default().into_iter().collect();
    DeclaredItem { key: key.into(), matched: None, class: Some(class.into()), name: None, attributes, place: 0 }
}

fn matched(key: &str, id: CiId, attributes: Value) -> DeclaredItem {
    DeclaredItem { matched: Some(Match::Id(id)), class: None, ..item(key, "", attributes) }
}

fn key(key: &str) -> Named {
    Named::Key(key.into())
}

impl World {
    fn plan_files(&self, declared: &Declared) -> Result<CodePlan, Vec<CodeProblem>> {
        let mut ids = ids(&self.next_id);
        plan_code(&self.estate, "estate", declared, Order { source: Source::Code("estate".into()), now: self.now, ids: &mut ids })
    }

    /// Applies the files; what was done. Again, nothing is left to do.
    fn files(&mut self, declared: &Declared) -> Vec<String> {
        let plan = self.plan_files(declared).unwrap_or_else(|problems| panic!("{problems:?}"));
        self.apply(&plan.changes);
        let again = self.plan_files(declared).unwrap();
        assert!(again.changes.is_empty(), "the same files again: {:#?}", again.changes.changes);
        assert!(again.steps.iter().all(|step| step.action == CodeAction::Drift), "{:?}", again.steps);
        steps(&plan)
    }
}

fn steps(plan: &CodePlan) -> Vec<String> {
    plan.steps.iter().map(|step| format!("{:?} {:?} {}", step.action, step.subject, step.name)).collect()
}

#[test]
fn files_make_change_and_retire_only_what_is_theirs() {
    let mut world = World::new();
    let a = machine("a", 1);
    world.report(&a);
    let id = world.machine_of(&a);
    let mut declared = Declared {
        definitions: Vec::new(),
        items: vec![
            item("shop", "business_service", json!({"criticality": "high"})),
            matched("a", id, json!({"owner": "ada", "serial": "PF2ABC001"})),
        ],
        relationships: vec![DeclaredRelationship { kind: "part_of".into(), from: key("shop"), to: key("a"), hardness: None, place: 1 }],
        groups: Vec::new(),
    };
    assert_eq!(world.files(&declared), ["Create Item shop", "Update Item a", "Create Relationship shop is provided by a"]);
    assert_eq!(world.ci("a").attributes["serial"].claims().len(), 1, "what an agent says already is not said again");
    declared.items[0].attributes.insert("criticality".into(), json!("low"));
    declared.items[0].name = Some("Web shop".into());
    assert_eq!(world.files(&declared), ["Update Item Web shop"]);
    // What vanishes is retired where the files made it, and only released where they did not.
    let nothing = world.files(&Declared::default());
    assert_eq!(nothing, ["Retire Relationship Web shop is provided by a", "Release Item a", "Retire Item Web shop"]);
    assert_eq!((world.ci("a").lifecycle, world.ci("a").text("owner")), (Lifecycle::Active, None));
    // And it comes back as the same item.
    assert_eq!(world.files(&declared).len(), 3);
    assert_eq!(world.estate.cis().filter(|ci| ci.class == "business_service").count(), 1);
}

#[test]
fn what_others_say_first_is_drift_and_not_fought_over() {
    let mut world = World::new();
    let a = machine("a", 1);
    world.report(&a);
    let id = world.machine_of(&a);
    let declared = Declared { items: vec![matched("a", id, json!({"owner": "ada", "serial": "FILE"}))], ..Declared::default() };
    world.files(&declared);
    let ci = world.ci("a");
    assert_eq!((ci.text("serial"), ci.text("owner")), (Some("PF2ABC001"), Some("ada")), "the agent knows its serial number better");
    let say = |pin| CiUpdate {
        attributes: [("owner".to_owned(), AttributeEdit::Set { value: json!("bob"), pin })].into(),
        ..CiUpdate::default()
    };
    world.command(|e, o| update_ci(e, id, &say(false), o));
    assert_eq!(world.ci("a").text("owner"), Some("ada"), "what is reviewed stands before what somebody typed");
    world.command(|e, o| update_ci(e, id, &say(true), o));
    let plan = world.plan_files(&declared).unwrap();
    assert!(plan.changes.is_empty());
    let fields: Vec<(&str, &str)> =
        plan.steps[0].fields.iter().map(|field| (field.field.as_str(), field.note.as_deref().unwrap_or_default())).collect();
    assert_eq!(fields, [("attributes.owner", "user:ada, pinned, says so"), ("attributes.serial", "agent says so")]);
}

#[test]
fn needs_are_declared_changed_and_taken_back() {
    let mut world = World::new();
    let group = |min_up, members: &[&str]| DeclaredGroup {
        of: key("shop"),
        name: "databases".into(),
        members: members.iter().map(|it| key(it)).collect(),
        min_up,
        hardness: Hardness::Hard,
        place: 9,
    };
    let items = vec![item("shop", "business_service", json!({})), item("db1", "database", json!({})), item("db2", "database", json!({}))];
    let mut declared = Declared { items, groups: vec![group(MinUp::Count(1), &["db1", "db2"])], ..Declared::default() };
    assert_eq!(world.files(&declared).last().unwrap(), "Create NeedGroup shop: databases");
    declared.groups[0].min_up = MinUp::Percent(100);
    assert_eq!(world.files(&declared), ["Update NeedGroup shop: databases"]);
    declared.groups.clear();
    assert_eq!(world.files(&declared), ["Retire NeedGroup shop: databases"]);
    for (wrong, path, words) in [
        (group(MinUp::Count(3), &["db1", "db2"]), "min_up", "1 to 2"),
        (group(MinUp::Count(1), &["db9"]), "members", "db9"),
        (group(MinUp::Count(1), &["shop"]), "members", "at least one"),
    ] {
        declared.groups = vec![wrong];
        let problems = world.plan_files(&declared).unwrap_err();
        assert_eq!((problems[0].path.as_str(), problems[0].place), (path, 9), "{problems:?}");
        assert!(problems[0].message.contains(words), "{problems:?}");
    }
}

#[test]
fn a_value_may_refer_to_another_declared_item_wherever_it_stands() {
    let mut world = World::new();
    let ada = item("ada", "person", json!({"manager": "grace"}));
    let files = |ada: DeclaredItem| Declared {
        items: vec![item("lap-7", "laptop", json!({"assigned_to": "ada"})), ada, item("grace", "person", json!({}))],
        ..Declared::default()
    };
    world.files(&files(ada.clone()));
    let id = |name: &str| world.ci(name).id.to_string();
    assert_eq!((world.ci("lap-7").text("assigned_to"), world.ci("ada").text("manager")), (Some(&*id("ada")), Some(&*id("grace"))));
    assert!(world.files(&files(ada)).is_empty(), "as it is");
    for (wrong, why) in [(json!({"manager": "babbage"}), "no item with the key \"babbage\""), (json!({"manager": "lap-7"}), "class person")]
    {
        let problems = world.plan_files(&files(item("ada", "person", wrong))).unwrap_err();
        assert!(problems.iter().any(|it| it.path == "attributes.manager" && it.message.contains(why)), "{problems:?}");
    }
    let circle = |name: &str, other: &str| item(name, "person", json!({"manager": other}));
    let problems =
        World::new().plan_files(&Declared { items: vec![circle("a", "b"), circle("b", "a")], ..Declared::default() }).unwrap_err();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].message.contains("refers back"), "{problems:?}");
}

#[test]
fn wrong_files_change_nothing_and_every_problem_is_said() {
    let mut world = World::new();
    let taken = world.command(|e, o| create_ci(e, &NewCi { class: "team".into(), name: "Ops".into(), ..NewCi::default() }, o));
    assert!(!taken.is_empty());
    let declared = Declared {
        definitions: Vec::new(),
        items: vec![
            item("ops", "team", json!({})),
            item("x", "teapot", json!({})),
            item("y", "server", json!({"memory_bytes": "16 GB", "colour": "red"})),
            item("y", "server", json!({})),
            matched("z", CiId(Uuid::nil()), json!({})),
        ],
        relationships: vec![
            DeclaredRelationship { kind: "loves".into(), from: key("x"), to: key("y"), hardness: None, place: 0 },
            DeclaredRelationship { kind: "uses".into(), from: key("y"), to: key("yy"), hardness: None, place: 0 },
        ],
        groups: Vec::new(),
    };
    let problems = world.plan_files(&declared).unwrap_err();
    let text = problems.iter().map(|it| format!("{}: {}", it.path, it.message)).collect::<Vec<_>>().join("\n");
    for words in [
        "is there already",
        "teapot",
        "attributes.memory_bytes",
        "attributes.colour",
        "declared twice",
        "match.id",
        "loves",
        "is \"y\" meant",
    ] {
        assert!(text.contains(words), "{words:?} in\n{text}");
    }
}
