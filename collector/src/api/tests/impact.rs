//! What people ask about failures: sets, what-if, paths, pictures, kept answers, reports.

use serde_json::{Value, json};

use super::*;

/// A rack with a host that an application runs on; two databases of which it needs one; a team that owns it.
struct Estate {
    collector: Collector,
}

impl Estate {
    async fn new() -> Self {
        let estate = Self { collector: Collector::start().await };
        for (class, name, attributes) in [
            ("rack", "R12", json!({})),
            ("server", "host7", json!({})),
            ("server", "host8", json!({})),
            ("web_application", "shop", json!({"owner": "Team A"})),
            ("database", "db01", json!({})),
            ("database", "db02", json!({})),
            ("business_service", "Sales \"online\"", json!({})),
            ("server", "lonely", json!({})),
            ("printer", "paper", json!({"location": "R12"})),
        ] {
            let made = estate.collector.call("POST", "/cis", json!({"class": class, "name": name, "attributes": attributes})).await;
            assert_eq!(made.status, 201, "{}", made.body);
        }
        for (from, kind, to) in [
            ("host7", "located_in", "R12"),
            ("shop", "runs_on", "host7"),
            ("shop", "depends_on", "db01"),
            ("shop", "depends_on", "db02"),
            ("Sales \"online\"", "part_of", "shop"),
        ] {
            let (from, to) = (estate.id(from).await, estate.id(to).await);
            let made = estate.collector.call("POST", "/relationships", json!({"type": kind, "from": from, "to": to})).await;
            assert_eq!(made.status, 201, "{}", made.body);
        }
        let members = [estate.id("db01").await, estate.id("db02").await];
        let group =
            json!({"ci": estate.id("shop").await, "name": "databases", "members": members, "min_up": {"count": 1}, "hardness": "hard"});
        assert_eq!(estate.collector.call("POST", "/need-groups", group).await.status, 201);
        estate
    }

    async fn id(&self, name: &str) -> String {
        let filter = format!("name=\"{}\"", name.replace('"', "\\\""));
        let query: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        let found = self.collector.get(&format!("/cis?filter={query}")).await;
        found.body["items"][0]["id"].as_str().unwrap_or_else(|| panic!("{name}: {}", found.body)).to_owned()
    }

    /// `name:state` of everything affected, sorted.
    async fn ask(&self, question: Value) -> (Answer, Vec<String>) {
        let answer = self.collector.call("POST", "/impact", question).await;
        let states = states(&answer.body);
        (answer, states)
    }
}

fn states(answer: &Value) -> Vec<String> {
    let rows = answer["affected"].as_array().into_iter().flatten();
    let mut states: Vec<String> =
        rows.map(|row| format!("{}:{}", row["ci"]["name"].as_str().unwrap(), row["state"].as_str().unwrap())).collect();
    states.sort();
    states
}

#[tokio::test]
async fn sets_fail_as_one_and_say_what_they_were_taken_for() {
    let estate = Estate::new().await;
    let (answer, affected) = estate.ask(json!({"failures": [{"set": "rack:R12"}]})).await;
    assert_eq!(affected, ["Sales \"online\":down", "shop:down"], "{}", answer.body);
    let set = &answer.body["sets"][0];
    let names: Vec<&str> = set["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!((names, set["total"].as_u64()), (vec!["R12", "host7", "paper"], Some(3)));
    let shop = answer.body["affected"].as_array().unwrap().iter().find(|row| row["ci"]["name"] == "shop").unwrap();
    assert_eq!(
        (&shop["people"][0], &shop["certainty"], &shop["path"][0]["edges"][0]["evidence"][0]["method"]),
        (&json!("Team A"), &json!("known"), &json!("declared"))
    );

    // One of two databases is redundancy; both are not. Kinds may differ.
    let (answer, affected) = estate.ask(json!({"failures": [{"set": "one-of:databases", "kind": "maintenance"}]})).await;
    assert_eq!(affected, ["shop:at_risk"], "{}", answer.body);
    assert!(answer.body["sets"][0]["worst"]["name"].as_str().unwrap().starts_with("db0"));
    let (_, affected) =
        estate.ask(json!({"failures": [{"set": "db01", "kind": "maintenance"}, {"set": "db02", "kind": "degraded"}]})).await;
    assert_eq!(affected, ["Sales \"online\":degraded", "shop:degraded"]);
    let (answer, affected) = estate.ask(json!({"failures": [{"set": "filter:class:database"}]})).await;
    assert_eq!(affected, ["Sales \"online\":down", "shop:down"]);
    let cause = &answer.body["affected"].as_array().unwrap().iter().find(|row| row["ci"]["name"] == "shop").unwrap()["causes"][0];
    assert_eq!((&cause["group"], &cause["serving"], &cause["needed"]), (&json!("databases"), &json!(0), &json!(1)));

    for (failures, says) in [
        (json!([{"set": "rack:Mars"}]), "nothing is meant"),
        (json!([{"set": "class:server"}]), "several items"),
        (json!([{}]), "name an item"),
        (json!([{"set": "db01", "ci": estate.id("db01").await}]), "name an item"),
        (json!([{"set": "db01", "kind": "sad"}]), "down, maintenance or degraded"),
        (json!([]), "1 to"),
    ] {
        let (answer, _) = estate.ask(json!({"failures": failures})).await;
        assert_eq!(answer.status, 422, "{}", answer.body);
        assert!(answer.body["detail"].as_str().unwrap().contains(says), "{}", answer.body);
    }
}

#[tokio::test]
async fn what_is_pretended_is_answered_and_changes_nothing() {
    let estate = Estate::new().await;
    let what_if = async |set: &str, pretend: &[&str]| {
        let question = json!({"question": {"failures": [{"set": set}]}, "pretend": pretend});
        estate.collector.call("POST", "/impact/what-if", question).await
    };
    let moved = what_if("host7", &["shop moves host7 to host8"]).await;
    assert_eq!((states(&moved.body["before"]).len(), states(&moved.body["after"]).len()), (2, 0), "{}", moved.body);
    assert_eq!((&moved.body["differences"][0]["before"], &moved.body["differences"][0]["after"]), (&json!("down"), &json!("ok")));
    let without = what_if("db01", &["shop without databases"]).await;
    assert_eq!(states(&without.body["after"]), ["Sales \"online\":down", "shop:down"]);
    let group = what_if("host7", &["shop needs-not host7", "shop needs 1 of host7 host8"]).await;
    assert_eq!(states(&group.body["after"]), ["shop:at_risk"], "{}", group.body);
    let (_, now) = estate.ask(json!({"failures": [{"set": "host7"}]})).await;
    assert_eq!(now, ["Sales \"online\":down", "shop:down"], "nothing is changed");
    for (pretend, says) in [
        (&["shop eats host7"][..], "understood are"),
        (&["shop needs nobody"], "no item"),
        (&["shop moves db09 to host8"], "no item"),
        (&[], "1 to"),
    ] {
        let refused = what_if("host7", pretend).await;
        assert_eq!(refused.status, 422);
        assert!(refused.body["detail"].as_str().unwrap().contains(says), "{}", refused.body);
    }
}

#[tokio::test]
async fn what_does_not_run_is_down_already_and_no_redundancy_counts_on_it() {
    let estate = Estate::new().await;
    let path = format!("/cis/{}", estate.id("db02").await);
    let stopped = estate.collector.call("PATCH", &path, json!({"attributes": {"running": false}})).await;
    assert_eq!(stopped.status, 200, "{}", stopped.body);
    let (answer, affected) = estate.ask(json!({"failures": [{"set": "db01"}]})).await;
    assert_eq!(affected, ["Sales \"online\":down", "shop:down"]);
    let already: Vec<(&Value, &Value)> =
        answer.body["already"].as_array().unwrap().iter().map(|one| (&one["ci"]["name"], &one["reason"])).collect();
    assert_eq!(already, [(&json!("db02"), &json!("was seen not to run"))]);
    assert!(answer.body["verdict"].as_str().unwrap().ends_with("; db02 is down already."), "{}", answer.body["verdict"]);
    let (answer, affected) = estate.ask(json!({"failures": [{"set": "db02"}]})).await;
    assert!(affected.is_empty(), "{affected:?}");
    assert_eq!(answer.body["counts"], json!({"down": 0, "degraded": 0, "at_risk": 0}));
    // It runs again.
    let started = estate.collector.call("PATCH", &path, json!({"attributes": {"running": true}})).await;
    assert_eq!(started.status, 200, "{}", started.body);
    let (answer, affected) = estate.ask(json!({"failures": [{"set": "db01"}]})).await;
    assert_eq!((affected, &answer.body["already"]), (vec!["shop:at_risk".to_owned()], &Value::Null));
}

#[tokio::test]
async fn two_instants_are_compared() {
    let estate = Estate::new().await;
    let before = Timestamp::now();
    // The store's clock is this one: what comes after is later.
    while Timestamp::now() <= before {}
    let edge = json!({"type": "depends_on", "from": estate.id("lonely").await, "to": estate.id("db01").await});
    assert_eq!(estate.collector.call("POST", "/relationships", edge).await.status, 201);
    let question = json!({"question": {"failures": [{"set": "db01"}]}, "before": before.to_string()});
    let compared = estate.collector.call("POST", "/impact/compare", question).await;
    let differences = compared.body["differences"].as_array().unwrap();
    assert_eq!(differences.len(), 1, "{}", compared.body);
    assert_eq!(
        (&differences[0]["ci"]["name"], &differences[0]["before"], &differences[0]["after"]),
        (&json!("lonely"), &json!("ok"), &json!("down"))
    );
    let backwards = json!({"question": {"failures": [{"set": "db01"}], "as_of": before.to_string()}, "before": before.to_string()});
    assert_eq!(estate.collector.call("POST", "/impact/compare", backwards).await.status, 422);
}

#[tokio::test]
async fn paths_pictures_and_reports() {
    let estate = Estate::new().await;
    let found = estate.collector.get("/impact/paths?from=name:Sales&to=db01").await;
    let names: Vec<&str> =
        found.body["forward"][0].as_array().unwrap().iter().map(|step| step["provider"]["name"].as_str().unwrap()).collect();
    assert_eq!(
        (names, &found.body["backward"], &found.body["complete"]),
        (vec!["shop", "db01"], &json!([]), &json!(true)),
        "{}",
        found.body
    );
    assert_eq!(estate.collector.get("/impact/paths?from=db01&to=db01").await.status, 422);

    for (format, begins) in [("svg", "<svg"), ("dot", "digraph"), ("mermaid", "---\ntitle"), ("graphml", "<?xml")] {
        let body = json!({"failures": [{"set": "rack:R12"}]}).to_string();
        let request = request("POST", &format!("/impact/export?format={format}"), Some(&estate.collector.console), &body);
        let response = estate.collector.router.clone().oneshot(request).await.unwrap();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert!(text.starts_with(begins) && text.contains("shop"), "{text}");
    }
    assert_eq!(estate.collector.call("POST", "/impact/export?format=gif", json!({"failures": []})).await.status, 400);

    for (report, expected) in [("orphans", vec!["host8", "lonely"]), ("isolated", vec!["host8", "lonely"])] {
        let found = estate.collector.get(&format!("/reports/{report}")).await;
        let names: Vec<&str> = found.body["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
        assert!(
            expected.iter().all(|name| names.contains(name)) && !names.contains(&"shop") && !names.contains(&"db01"),
            "{report}: {names:?}"
        );
    }
}

#[tokio::test]
async fn a_kept_answer_stays_as_it_was_until_an_admin_deletes_it() {
    let estate = Estate::new().await;
    let viewer = estate.collector.token_for(Role::Viewer).await;
    let reviewer = estate.collector.token_for(Role::ChangeReviewer).await;
    let body = json!({"question": {"failures": [{"set": "rack:R12"}]}, "reason": "change 4711"}).to_string();
    assert_eq!(estate.collector.send(request("POST", "/impact/answers", Some(&viewer), &body)).await.status, 403);
    let kept = estate.collector.send(request("POST", "/impact/answers", Some(&reviewer), &body)).await;
    assert_eq!((kept.status, &kept.body["reason"]), (201, &json!("change 4711")), "{}", kept.body);
    assert_eq!(kept.headers[header::LOCATION], format!("/api/v1/impact/answers/{}", kept.body["id"].as_str().unwrap()));
    let path = format!("/impact/answers/{}", kept.body["id"].as_str().unwrap());

    let retired = estate.collector.call("POST", &format!("/cis/{}/retire", estate.id("shop").await), json!({})).await;
    assert_eq!(retired.status, 200, "{}", retired.body);
    let (_, now) = estate.ask(json!({"failures": [{"set": "rack:R12"}]})).await;
    assert!(now.is_empty());
    let shown = estate.collector.send(bare("GET", &path, Some(&viewer))).await;
    assert_eq!(states(&shown.body["answer"]), ["Sales \"online\":down", "shop:down"]);
    assert_eq!(
        (&shown.body["question"]["failures"][0]["set"], &shown.body["revision"]),
        (&json!("rack:R12"), &shown.body["answer"]["revision"])
    );
    let picture = &shown.body["answer"]["picture"];
    assert!(picture["nodes"].as_array().is_some_and(|nodes| !nodes.is_empty()));
    // How hard a relationship was, not how hard it is.
    let hard = picture["edges"].as_array().into_iter().flatten().filter(|edge| edge["hard"] == json!(true)).count();
    assert_eq!(hard, 3, "{picture}");

    assert_eq!(estate.collector.send(request("DELETE", &path, Some(&reviewer), "{}")).await.status, 403);
    assert_eq!(estate.collector.call("DELETE", &path, json!({})).await.status, 204);
    assert_eq!(estate.collector.get(&path).await.status, 404);
    assert_eq!(estate.collector.get("/impact/answers").await.body["items"], json!([]));
    let audit = estate.collector.get("/audit").await;
    let actions: Vec<&str> = audit.body["items"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert!(actions.contains(&"answer.freeze") && actions.contains(&"answer.delete"), "{actions:?}");

    let pretended = json!({"question": {"failures": [{"set": "db01"}]}, "pretend": ["lonely needs db01"]});
    let kept = estate.collector.call("POST", "/impact/answers", pretended).await;
    let shown = estate.collector.get(&format!("/impact/answers/{}", kept.body["id"].as_str().unwrap())).await;
    assert_eq!(states(&shown.body["comparison"]["after"]), ["lonely:down"], "{}", shown.body);
}
