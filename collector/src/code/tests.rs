use rollcall_core::{
    ChangeSet, Estate, MinUp, Revision, Source,
    reconcile::commands::{NeedGroupValues, NewCi, Order, create_ci, declare_need_group, declare_relationship},
};
use rollcall_shared::{CiId, Timestamp, catalogue::Hardness};
use serde_json::json;
use uuid::Uuid;

use super::*;

fn at() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

fn file(name: &str, text: &str) -> CodeFile {
    CodeFile { name: name.to_owned(), text: text.to_owned() }
}

fn planned(estate: &Estate, files: &[CodeFile]) -> Result<(CodePlan, CodePlanView), String> {
    plan(estate, "estate", &Files::read(files)?, at(), &mut Uuid::now_v7)
}

#[test]
fn what_is_wrong_is_said_with_file_line_and_path() {
    let estate = Estate::default();
    for (text, said) in [
        ("items:\n  - key: a\n    class: server\n    colour: red\n", "a.yaml:4: "),
        ("items:\n  - key: a\n    class: teapot\n", "a.yaml:2: items.a.class: there is no class"),
        (
            "items:\n  - key: a\n    class: server\n    attributes:\n      owner: x\n      memory_bytes: 16 GB\n",
            "a.yaml:6: items.a.attributes.memory_bytes: a whole",
        ),
        ("items:\n  - key: a\n    class: server\n    attributes: {owner: }\n", "a.yaml:4: items.a.attributes.owner: a value is needed"),
        ("relationships:\n  - {type: uses, from: a, to: b}\n", "a.yaml:2: relationships[0].from: no item with the key"),
        ("need_groups:\n  - {of: a, name: x, members: [b], min_up: most}\n", "a.yaml:2: need_groups[0].min_up: a number of members"),
        ("items: [\n", "a.yaml:"),
        ("items:\n- key: &a [*a]\n", "a.yaml:2"),
    ] {
        let problem = planned(&estate, &[file("a.yaml", text)]).map(|_| ()).unwrap_err();
        assert!(problem.contains(said), "{text}\n{problem}\nnot {said:?}");
    }
    assert!(planned(&estate, &[file("a.yaml", "# nothing yet\n---\n")]).unwrap().1.steps.is_empty());
}

#[test]
fn several_files_are_one_code_base_and_the_plan_has_a_digest_of_its_own() {
    let estate = Estate::default();
    let files = [
        file("a.yaml", "items:\n- {key: shop, class: business_service, name: Web shop}\n"),
        file("b.yaml", "relationships:\n- {type: part_of, from: shop, to: db}\nitems:\n- key: db\n  class: database\n"),
    ];
    let (first, view) = planned(&estate, &files).unwrap();
    let places: Vec<String> =
        view.steps.iter().map(|step| format!("{} {}:{}", step.name, step.file.clone().unwrap(), step.line.unwrap())).collect();
    assert_eq!(places, ["Web shop a.yaml:2", "db b.yaml:4", "Web shop is provided by db b.yaml:2"]);
    assert!(view.steps.iter().all(|step| step.ci.is_none()), "ids of what is still to be made are nobody's");
    assert_eq!(planned(&estate, &files).unwrap().1.digest, view.digest);
    let mut after = estate.clone();
    after.apply(&first.changes.changes, Revision(1));
    assert_ne!(planned(&after, &files).unwrap().1.digest, view.digest);
}

#[test]
fn the_first_files_change_nothing() {
    let mut estate = Estate::default();
    fn order(ids: &mut dyn IdSource) -> Order<'_> {
        Order { source: Source::User("ada".to_owned()), now: at(), ids }
    }
    let apply = |estate: &mut Estate, changes: ChangeSet| {
        let made = changes.changes.iter().find_map(|change| match &change.put {
            rollcall_core::Put::Ci(ci) => Some(ci.id),
            _ => None,
        });
        estate.apply(&changes.changes, Revision(1));
        made
    };
    let mut ids: Vec<CiId> = Vec::new();
    for (class, name) in
        [("business_service", "Web shop"), ("server", "db01"), ("server", "DB01"), ("team", "yes"), ("location", "0815: #1 'x'")]
    {
        let attributes = [("owner".to_owned(), json!("Team: A")), ("tags".to_owned(), json!(["null", "1e3", "a b"]))].into();
        let new = NewCi { class: class.to_owned(), name: name.to_owned(), attributes, external_id: None, stage: None };
        let changes = create_ci(&estate, &new, order(&mut Uuid::now_v7)).unwrap();
        ids.extend(apply(&mut estate, changes));
    }
    let changes = declare_relationship(&estate, "part_of", ids[0], ids[1], Some(Hardness::Soft), "", order(&mut Uuid::now_v7)).unwrap();
    apply(&mut estate, changes);
    let values =
        NeedGroupValues { name: "databases".into(), members: vec![ids[1], ids[2]], min_up: MinUp::Percent(50), hardness: Hardness::Hard };
    let changes = declare_need_group(&estate, ids[0], &values, order(&mut Uuid::now_v7)).unwrap();
    apply(&mut estate, changes);

    let files = export(&estate).unwrap();
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["business_service.yaml", "location.yaml", "server.yaml", "team.yaml", "relationships.yaml", "need-groups.yaml"]);
    let (plan, view) = planned(&estate, &files).unwrap_or_else(|problem| panic!("{problem}\n{files:#?}"));
    assert!(plan.changes.is_empty() && view.steps.is_empty(), "{view:#?}");
    // And what the files then say otherwise is a change.
    let mut files = files;
    files[0].text = files[0].text.replace("Team: A", "Team: B");
    assert_eq!(planned(&estate, &files).unwrap().1.changes, 1);
}

#[test]
fn classes_types_and_rules_are_declared_with_what_is_of_them() {
    let mut estate = Estate::default();
    let text = "\
items:
- {key: kitchen, class: espresso_machine, name: Kitchen, attributes: {boiler_bar: 9.5, milk: manual}}
relationships:
- {type: brewed_by, from: kitchen, to: id:0198c0de-0000-7000-8000-000000000001}
classes:
- {name: ristretto_machine, label: Ristretto machine, plural: Ristretto machines, parent: espresso_machine}
- name: espresso_machine
  label: Espresso machine
  plural: Espresso machines
  parent: hardware
  attributes:
  - {name: boiler_bar, label: Boiler pressure, kind: number, unit: bar, required: true}
  - {name: milk, label: Milk, kind: choice, allowed: [none, manual]}
relationship_types:
- {name: brewed_by, forward: is brewed by, reverse: brews, hardness: soft}
precedence:
- {class: espresso_machine, attribute: location, order: [{source: import:scanner, fresh_for_seconds: 86400}, user]}
";
    let without_edge =
        text.replace("relationships:\n- {type: brewed_by, from: kitchen, to: id:0198c0de-0000-7000-8000-000000000001}\n", "");
    let problem = planned(&estate, &[file("a.yaml", text)]).map(|_| ()).unwrap_err();
    assert!(problem.contains("a.yaml:4: relationships[0].to: there is no configuration item"), "{problem}");
    for (from, to, said) in [
        ("milk: manual", "milk: oat", "items.kitchen.attributes.milk: one of none, manual is needed"),
        ("boiler_bar: 9.5, ", "", "requires it: a number of bar is needed"),
        ("kind: number", "kind: pressure", "a.yaml:5: classes.espresso_machine.attributes.boiler_bar.kind: an attribute's kind is one of"),
        ("parent: hardware", "parent: kettle", "classes.espresso_machine.parent: there is no class"),
        ("import:scanner", "gossip", "precedence.espresso_machine.location.order[0].source: \"gossip\" is no source"),
        ("hardness: soft", "hardness: limp", "a.yaml:"),
    ] {
        let problem = planned(&estate, &[file("a.yaml", &without_edge.replace(from, to))]).map(|_| ()).unwrap_err();
        assert!(problem.contains(said), "{problem}\nnot {said:?}");
    }
    let (first, view) = planned(&estate, &[file("a.yaml", &without_edge)]).unwrap();
    let steps: Vec<String> = view.steps.iter().map(|step| format!("{} {}", step.kind, step.name)).collect();
    let expected = [
        "class espresso_machine",
        "class ristretto_machine",
        "relationship_type brewed_by",
        "precedence espresso_machine.location",
        "item Kitchen",
    ];
    assert_eq!(steps, expected);
    estate.apply(&first.changes.changes, Revision(1));
    assert!(planned(&estate, &[file("a.yaml", &without_edge)]).unwrap().1.steps.is_empty());

    // What is written out from there changes nothing, and names what people have added.
    let files = export(&estate).unwrap();
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(
        names,
        ["catalogue-classes.yaml", "catalogue-relationship-types.yaml", "catalogue-precedence.yaml", "espresso_machine.yaml"]
    );
    assert!(planned(&estate, &files).unwrap_or_else(|problem| panic!("{problem}\n{files:#?}")).1.steps.is_empty());

    // What vanishes is deleted, unless something that stays is of it.
    let items_only = file("a.yaml", without_edge.split("classes:").next().unwrap());
    let problem = planned(&estate, &[items_only]).map(|_| ()).unwrap_err();
    assert!(problem.contains("\"espresso_machine\" is no longer in the files, but in use"), "{problem}");
    let (last, view) = planned(&estate, &[file("a.yaml", "items: []\n")]).unwrap();
    assert!(view.steps.len() == 5 && view.steps.iter().all(|step| step.action == "retire"), "{view:#?}");
    estate.apply(&last.changes.changes, Revision(2));
    assert!(estate.catalogue().rows().next().is_none());
}
