//! Many writes at once.

use serde_json::{Value, json};
use uuid::Uuid;

use super::Collector;

#[tokio::test(flavor = "multi_thread")]
async fn writes_are_done_together_and_may_use_what_the_ones_before_them_make() {
    let collector = Collector::start().await;
    let call = |writes: Value| collector.call("POST", "/writes", json!({ "reason": "the shop goes live", "writes": writes }));
    let done = call(json!([
        { "create_item": { "as": "db", "item": { "class": "database", "name": "orders" } } },
        { "create_item": { "as": "shop", "item": { "class": "business_service", "name": "shop" } } },
        { "declare_relationship": { "type": "depends_on", "from": "@shop", "to": "@db" } },
        { "update_item": { "id": "@db", "version": 1, "change": { "attributes": { "owner": "Team Data" } } } },
    ]))
    .await;
    assert_eq!(done.status, 200, "{}", done.body);
    let writes = &done.body["writes"];
    let (database, shop) = (writes[0]["item"].as_str().unwrap(), writes[1]["item"].as_str().unwrap());
    let relationship = writes[2]["relationship"].as_str().unwrap();
    assert_eq!((&writes[3]["item"], &writes[3]["version"]), (&json!(database), &json!(2)));
    let view = collector.get(&format!("/cis/{database}")).await;
    assert_eq!((&view.body["attributes"]["owner"], &view.headers["etag"]), (&json!("Team Data"), &"\"2\"".parse().unwrap()));
    assert_eq!(collector.get(&format!("/relationships/{relationship}")).await.body["from"]["id"], shop);
    // One commit: every change of it is of the one revision.
    let changes = collector.get("/changes").await;
    let revisions: Vec<&Value> = changes.body["items"].as_array().unwrap().iter().map(|change| &change["revision"]).collect();
    assert!(revisions.len() >= 4 && revisions.iter().all(|revision| **revision == done.body["revision"]), "{revisions:?}");
    let audit = collector.get("/audit").await.body.to_string();
    assert_eq!(audit.matches("the shop goes live").count(), 4, "{audit}");

    let taken_back = call(json!([
        { "set_hardness": { "id": relationship, "hardness": "soft" } },
        { "retire_relationship": { "id": relationship } },
        { "retire_item": { "id": shop } },
        { "restore_item": { "id": shop } },
    ]))
    .await;
    assert_eq!(taken_back.status, 200, "{}", taken_back.body);
    assert_eq!(collector.get(&format!("/relationships/{relationship}")).await.status, 404);
    assert_eq!(collector.get(&format!("/cis/{shop}")).await.body["lifecycle"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_refused_is_named_and_nothing_of_the_call_is_done() {
    let collector = Collector::start().await;
    let made = collector.call("POST", "/cis", json!({ "class": "server", "name": "before" })).await;
    let id = made.body["id"].as_str().unwrap();
    let server = |name: &str| json!({ "create_item": { "as": name, "item": { "class": "server", "name": name } } });
    let update = |id: &str, version: u32, change: Value| json!({ "update_item": { "id": id, "version": version, "change": change } });
    let owner = json!({ "attributes": { "owner": "somebody" } });
    let cases = [
        (update(id, 7, owner.clone()), 412, "$.writes[2].update_item.change"),
        (update(id, 1, json!({ "attributes": { "owner": 5 } })), 422, "$.writes[2].update_item.change.attributes.owner"),
        (update(id, 1, json!({ "pin": ["owner"] })), 422, "$.writes[2].update_item.change.pin"),
        (update(&Uuid::nil().to_string(), 1, owner), 404, "$.writes[2].update_item.change"),
        (json!({ "create_item": { "item": { "class": "spaceship", "name": "x" } } }), 422, "$.writes[2].create_item.item"),
        (server("a"), 422, "$.writes[2].create_item.as"),
        (server("Ä"), 400, "$.writes[2].create_item.as"),
        (json!({ "retire_item": { "id": "@later" } }), 422, "$.writes[2].retire_item"),
        (json!({ "retire_item": { "id": "nobody" } }), 422, "$.writes[2].retire_item.id"),
        (json!({ "declare_relationship": { "type": "runs_on", "from": "@a", "to": "@a" } }), 422, "$.writes[2].declare_relationship"),
        (json!({ "drop_table": {} }), 422, "$.writes[2]"),
    ];
    let before = collector.get("/changes").await.body;
    for (third, status, path) in cases {
        let writes = json!({ "writes": [server("a"), server("b"), third, server("d")] });
        let refused = collector.call("POST", "/writes", writes).await;
        assert_eq!(refused.status, status, "{third}: {}", refused.body);
        assert!(refused.body["path"].as_str().is_some_and(|it| it.starts_with(path)), "{path}: {}", refused.body);
    }
    assert_eq!(collector.get("/changes").await.body, before);
    assert_eq!(collector.get("/cis?filter=class:server").await.body["total"], 1);
    let many: Vec<Value> = (0..1_001).map(|n| server(&format!("s{n}"))).collect();
    for writes in [json!([]), json!(many)] {
        let refused = collector.call("POST", "/writes", json!({ "writes": writes })).await;
        assert_eq!((refused.status, &refused.body["path"]), (422, &json!("$.writes")));
    }
}
