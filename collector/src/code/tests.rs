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
