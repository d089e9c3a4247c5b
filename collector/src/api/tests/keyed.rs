//! Writes that are done once, and answers with chosen fields.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Collector, request};
use crate::{api::idempotency, store::Role};

#[tokio::test(flavor = "multi_thread")]
async fn a_write_with_a_key_is_done_once() {
    let collector = Collector::start().await;
    let other = collector.token_for(Role::Admin).await;
    let keyed = |key: &str, path: &str, token: &str, body: Value| {
        let mut request = request("POST", path, Some(token), &body.to_string());
        request.headers_mut().insert(idempotency::HEADER, key.parse().unwrap());
        collector.send(request)
    };
    let (console, server) = (collector.console.as_str(), |name: &str| json!({ "class": "server", "name": name }));
    let first = keyed("k1", "/cis", console, server("a")).await;
    let second = keyed("k1", "/cis", console, server("a")).await;
    assert_eq!((first.status, second.status), (201, 201));
    assert_eq!((&first.body, first.headers.get("etag")), (&second.body, second.headers.get("etag")));
    assert_eq!((first.headers.get("idempotency-replayed"), second.headers["idempotency-replayed"].to_str().unwrap()), (None, "true"));
    // Another request, another person, another key.
    assert_eq!(keyed("k1", "/cis", console, server("b")).await.status, 422);
    assert_eq!(keyed("k1", "/cis", &other, server("a")).await.status, 201);
    assert_eq!(keyed("k2", "/cis", console, server("a")).await.status, 201);
    assert_eq!(collector.get("/cis?filter=name=a").await.body["total"], 3);
    // What was refused may be sent again, mended or not.
    assert_eq!(keyed("k3", "/cis", console, json!({ "class": "none", "name": "c" })).await.status, 422);
    assert_eq!(keyed("k3", "/cis", console, server("c")).await.status, 201);
    // A secret is not kept to be shown again.
    assert_eq!(keyed("k4", "/tokens", console, json!({ "name": "t" })).await.status, 201);
    let again = keyed("k4", "/tokens", console, json!({ "name": "t" })).await;
    assert_eq!((again.status, again.body.to_string().contains("rollcall1_")), (409, false));
    assert_eq!(collector.get("/tokens").await.body["total"], 1);
    for wrong in [&"k".repeat(256), "two words", ""] {
        assert_eq!(keyed(wrong, "/cis", console, server("d")).await.status, 400, "{wrong:?}");
    }
    assert_eq!(keyed("k5", "/cis", "rollcallapi_nobody", server("d")).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_has_the_fields_that_were_asked_for() {
    let collector = Collector::start().await;
    let made =
        collector.call("POST", "/cis", json!({ "class": "server", "name": "a", "attributes": { "owner": "x", "serial": "S" } })).await;
    let id = made.body["id"].as_str().unwrap();
    let list = collector.get("/cis?fields=name,attributes.owner&filter=class:server").await;
    assert_eq!(list.body["items"], json!([{ "name": "a", "attributes": { "owner": "x" } }]));
    assert_eq!(list.body["total"], 1);
    let one = collector.get(&format!("/cis/{id}?fields=id,software_count")).await;
    assert_eq!(one.body, json!({ "id": id, "software_count": 0 }));
    assert_eq!(one.headers["etag"], "\"1\"");
    let unknown = collector.get("/cis?fields=password").await;
    assert_eq!((unknown.status, unknown.body["next_step"].as_str().unwrap().contains("attributes")), (422, true));
    assert_eq!(collector.get(&format!("/cis/{}?fields=id", Uuid::nil())).await.status, 404, "what is refused stays whole");
}
