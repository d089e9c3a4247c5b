//! The API over a real store: who may call what, what is refused and how, and that the committed description is current.

mod bulk;
mod impact;

use axum::{
    Router,
    body::Body,
    http::{Request, header},
};
use http_body_util::BodyExt as _;
use rollcall_shared::{ApiTokenId, Timestamp, UserId};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

mod keyed;

use super::{calls, document, router};
use crate::{
    auth::{API_TOKEN_PREFIX, Secret},
    serve::Running,
    store::{ApiTokenRecord, AuditEntry, Role, UserRecord},
    testing,
};

/// A collector with an empty estate.
struct Collector {
    running: Running,
    router: Router,
    console: String,
    _dir: tempfile::TempDir,
}

/// An answer.
struct Answer {
    status: u16,
    headers: axum::http::HeaderMap,
    body: Value,
}

impl Collector {
    async fn start() -> Self {
        let (running, console, dir) = testing::collector().await;
        Self { router: router(running.app.clone()), running, console, _dir: dir }
    }

    /// An API token of a new person with this role.
    async fn token_for(&self, role: Role) -> String {
        let (now, store) = (Timestamp::now(), &self.running.app.store);
        let audit = AuditEntry { at: now, actor: "console".into(), action: "test".into(), subject: String::new(), detail: String::new() };
        let user = UserRecord {
            id: UserId(Uuid::now_v7()),
            name: format!("{}-{}", role.as_str(), Uuid::now_v7()),
            password_hash: String::new(),
            role,
            disabled: false,
            created_at: now,
        };
        assert!(store.create_user(&user, &audit).await.unwrap());
        let secret = Secret::generate(API_TOKEN_PREFIX).unwrap();
        let token = ApiTokenRecord {
            id: ApiTokenId(Uuid::now_v7()),
            secret_hash: secret.hash,
            name: "test".into(),
            user: user.id,
            role,
            realm: "default".into(),
            created_at: now,
            expires_at: now.plus_millis(3_600_000),
            revoked_at: None,
        };
        store.create_api_token(&token, &audit).await.unwrap();
        secret.text.to_string()
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
    }

    /// A call with a JSON body by the console.
    async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        self.send(request(method, path, Some(&self.console), &body.to_string())).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(bare("GET", path, Some(&self.console))).await
    }
}

fn request(method: &str, path: &str, token: Option<&str>, body: &str) -> Request<Body> {
    let mut request = bare(method, path, token);
    request.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    *request.body_mut() = Body::from(body.to_owned());
    request
}

fn bare(method: &str, path: &str, token: Option<&str>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    request.body(Body::empty()).unwrap()
}

fn description() -> Value {
    document::of(calls().into_openapi())
}

#[test]
fn the_committed_description_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let now = String::from_utf8(document::to_json(&document::of(calls().into_openapi()))).unwrap();
    if std::env::var_os("ROLLCALL_UPDATE").is_some() {
        std::fs::write(path, &now).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == now, "collector/openapi.json is not current; run this test once with ROLLCALL_UPDATE=1 and commit the file");
}

/// Two types of one name would silently be one schema: the later of the two.
#[test]
fn no_two_types_have_one_name_in_the_description() {
    let mut names = std::collections::BTreeMap::new();
    let mut directories = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                directories.push(entry);
            } else if let Ok(text) = std::fs::read_to_string(&entry) {
                let lines: Vec<&str> = text.lines().collect();
                for at in
                    lines.iter().enumerate().filter(|(_, line)| line.starts_with("#[derive(") && line.contains("ToSchema")).map(|it| it.0)
                {
                    let below = &lines[at..lines.len().min(at + 8)];
                    let renamed = below.iter().find_map(|line| line.split_once("schema(as = ")?.1.split([')', ',']).next());
                    let declared = below.iter().find_map(|line| line.split_once("struct ").or_else(|| line.split_once("enum ")));
                    let name = renamed.or_else(|| declared?.1.split([' ', '<', '(']).next()).unwrap().to_owned();
                    let before = names.insert(name.clone(), entry.clone());
                    assert_eq!(before, None, "{name} is there twice, also in {}: give one of them #[schema(as = ...)]", entry.display());
                }
            }
        }
    }
    assert!(names.len() > 100, "{}", names.len());
}

/// A type that refuses unknown keys, flattened into another, forbids what the other adds: no answer could ever be as described.
#[test]
fn no_part_of_a_type_forbids_the_other_parts() {
    let description = description();
    let schemas = description["components"]["schemas"].as_object().unwrap();
    for (name, schema) in schemas {
        for part in schema["allOf"].as_array().into_iter().flatten() {
            let referred = part["$ref"].as_str().and_then(|path| path.strip_prefix("#/components/schemas/")).map(|of| &schemas[of]);
            let strict = referred.unwrap_or(part)["additionalProperties"] == Value::Bool(false);
            assert!(!strict, "{name} is made of parts, and one forbids the others: {part}");
        }
    }
}

#[test]
fn everything_is_described() {
    let description = description();
    assert_eq!(description["openapi"], "3.1.0");
    let schemas = description["components"]["schemas"].as_object().unwrap();
    for (name, schema) in schemas {
        for (field, of) in schema["properties"].as_object().into_iter().flatten() {
            let inside = &of["oneOf"][0]["description"];
            assert!(of["description"].is_string() || inside.is_string(), "{name}.{field} has no description");
        }
    }
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if let Some(content) = operation.pointer("/requestBody/content/application~1json") {
                let schema = content["schema"]["$ref"].as_str().and_then(|name| schemas.get(name.rsplit('/').next()?));
                let has = content["example"].is_object() || schema.is_some_and(|schema| schema["examples"][0].is_object());
                assert!(has, "{method} {path}: the body has no example; see api/examples.rs");
            }
            let text = operation["summary"].as_str().or(operation["description"].as_str());
            assert!(text.is_some_and(|text| !text.is_empty()), "{method} {path}");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(parameter["description"].is_string(), "{method} {path}: {}", parameter["name"]);
            }
        }
    }
}

/// The role that a call's description promises; `None` where anybody may call it.
fn promised_role(operation: &Value) -> Option<Role> {
    let text = format!("{} {}", operation["summary"].as_str().unwrap_or_default(), operation["description"].as_str().unwrap_or_default());
    let name = text.rsplit_once("Role: ")?.1.trim().trim_end_matches('.').to_owned();
    Some(Role::parse(&name).unwrap_or_else(|| panic!("no role {name:?}")))
}

#[tokio::test]
async fn every_call_is_open_to_its_role_and_closed_below_it() {
    let collector = Collector::start().await;
    let mut tokens = Vec::new();
    for role in Role::ALL {
        tokens.push((role, collector.token_for(role).await));
    }
    let mut checked = 0;
    for (path, methods) in description()["paths"].as_object().unwrap() {
        let called = path.replace("{id}", &Uuid::now_v7().to_string()).replace("{name}", "packages");
        for (method, operation) in methods.as_object().unwrap() {
            let method = method.to_uppercase();
            if path == "/session" && method == "POST" {
                continue;
            }
            // Signing out and one's own account are for whoever is signed in.
            let promised = promised_role(operation).unwrap_or(Role::Viewer);
            assert_eq!(collector.send(request(&method, &called, None, "{}")).await.status, 401, "{method} {path} by nobody");
            for (role, token) in &tokens {
                let answer = collector.send(request(&method, &called, Some(token), "{}")).await;
                if *role < promised {
                    assert_eq!(answer.status, 403, "{method} {path} by {role:?}");
                    assert_eq!(answer.body["type"], "rollcall:not-permitted", "{method} {path} by {role:?}");
                } else {
                    assert!(
                        ![401, 403, 405, 500].contains(&answer.status),
                        "{method} {path} by {role:?}: {} {}",
                        answer.status,
                        answer.body
                    );
                }
                checked += 1;
            }
        }
    }
    assert!(checked > 150, "{checked}");
}

#[tokio::test]
async fn what_is_wrong_is_answered_with_a_problem_that_says_where() {
    let collector = Collector::start().await;
    let (post, id) = ("POST", "00000000-0000-0000-0000-000000000001");
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    for (method, path, body, status, at) in [
        ("GET", "/nonsense", "", 404, None),
        ("DELETE", "/cis", "", 405, None),
        ("GET", "/cis/x", "", 400, None),
        ("GET", "/cis/%00", "", 400, None),
        ("GET", "/cis/%ff", "", 400, None),
        ("GET", &format!("/cis/{id}"), "", 404, None),
        ("GET", &format!("/cis/{id}/sections/%ff"), "", 400, None),
        ("GET", "/cis?limit=many", "", 400, None),
        ("GET", "/cis?limit=0", "", 400, None),
        ("GET", "/audit?limit=1001", "", 400, None),
        ("GET", "/cis?colour=red", "", 400, None),
        ("GET", "/cis?filter=class:nonsense", "", 422, None),
        ("GET", "/cis?sort=nonsense", "", 422, None),
        ("GET", "/cis?after=nonsense", "", 422, None),
        ("GET", "/changes?after=-1", "", 400, None),
        (post, "/cis", "{", 400, Some("$")),
        (post, "/cis", "[]", 422, Some("$")),
        (post, "/cis", r#"{"class":"server"}"#, 422, Some("$")),
        (post, "/cis", r#"{"class":"server","name":"a","colour":"red"}"#, 422, Some("$.colour")),
        (post, "/cis", r#"{"class":"server","name":7}"#, 422, Some("$.name")),
        (post, "/cis", r#"{"class":"nonsense","name":"a"}"#, 422, Some("$.class")),
        (post, "/cis", r#"{"class":"server","name":""}"#, 422, Some("$.name")),
        (post, "/cis", r#"{"class":"server","name":"a\u0000b"}"#, 422, Some("$.name")),
        (post, "/cis", r#"{"class":"server","name":"a","attributes":{"owner":7}}"#, 422, Some("$.attributes.owner")),
        (post, "/cis", &deep, 413, None),
        (post, "/impact", r#"{"failures":[]}"#, 422, Some("$.failures")),
        (post, "/impact", &format!(r#"{{"failures":[{{"ci":"{id}","kind":"tired"}}]}}"#), 422, Some("$.failures[0].kind")),
        (post, "/impact", &format!(r#"{{"failures":[{{"ci":"{id}"}}]}}"#), 404, Some("$.failures[0]")),
        (post, "/impact", &format!(r#"{{"failures":[{{"ci":"{id}"}}],"as_of":"9999-01-01T00:00:00Z"}}"#), 422, Some("$.as_of")),
        (post, "/relationships", &format!(r#"{{"type":"uses","from":"{id}","to":"{id}"}}"#), 404, None),
        (post, "/tokens", r#"{"days":0}"#, 422, Some("$.days")),
        (post, "/tokens", r#"{"attributes":{"nonsense":1}}"#, 422, Some("$.attributes.nonsense")),
        (post, "/users", r#"{"name":"Ada L","role":"admin","password":"correct horse battery"}"#, 422, Some("$.name")),
        (post, "/users", r#"{"name":"ada","role":"king","password":"correct horse battery"}"#, 422, Some("$.role")),
        (post, "/users", r#"{"name":"ada","role":"admin","password":"short"}"#, 422, Some("$.password")),
        (post, "/api-tokens", r#"{"name":"x"}"#, 422, Some("$.owner")),
        (post, &format!("/agents/{id}/approve"), "{}", 404, None),
        (post, &format!("/conflicts/{id}/settle"), r#"{"settlement":"merge"}"#, 404, None),
    ] {
        let answer = collector.send(request(method, path, Some(&collector.console), body)).await;
        let what = format!("{method} {path} {body}: {} {}", answer.status, answer.body);
        assert_eq!(answer.status, status, "{what}");
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json", "{what}");
        assert_eq!(answer.body["status"], status, "{what}");
        assert!(answer.body["type"].as_str().unwrap().starts_with("rollcall:"), "{what}");
        assert!(answer.body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{what}");
        if let Some(at) = at {
            assert_eq!(answer.body["path"], at, "{what}");
        }
    }
    let too_large = collector.call(post, "/cis", json!({ "name": "x".repeat(2 << 20) })).await;
    assert_eq!((too_large.status, &too_large.body["type"]), (413, &json!("rollcall:limit-exceeded")));
    let mut not_json = request(post, "/cis", Some(&collector.console), "{}");
    not_json.headers_mut().insert(header::CONTENT_TYPE, "text/plain".parse().unwrap());
    assert_eq!(collector.send(not_json).await.status, 415);
}

#[tokio::test]
async fn wrong_proofs_are_refused_and_not_made_up_for_by_others() {
    let collector = Collector::start().await;
    for authorization in ["", "Bearer", "Bearer nonsense", "Basic YTpi", "Bearer rollcallapi_AAAA", "Bearer rollcallconsole_AAAA"] {
        let mut request = bare("GET", "/me", None);
        request.headers_mut().insert(header::AUTHORIZATION, authorization.parse().unwrap());
        let answer = collector.send(request).await;
        assert_eq!(answer.status, 401, "{authorization:?}");
        assert_eq!(answer.headers[header::WWW_AUTHENTICATE], "Bearer");
    }
    let me = collector.get("/me").await;
    assert_eq!((me.status, &me.body["via"], &me.body["role"]), (200, &json!("console"), &json!("admin")));
}

#[tokio::test]
async fn an_item_is_made_changed_pinned_retired_and_its_history_tells() {
    let collector = Collector::start().await;
    let made = collector.call("POST", "/cis", json!({"class": "server", "name": "db01", "attributes": {"owner": "Team A"}})).await;
    assert_eq!((made.status, &made.headers[header::ETAG]), (201, &"\"1\"".parse().unwrap()), "{}", made.body);
    let path = format!("/cis/{}", made.body["id"].as_str().unwrap());

    let patch = json!({"name": "db02", "attributes": {"owner": "Team B", "location": "Rack 7"}, "pin": ["owner"]});
    let changed = collector.call("PATCH", &path, patch).await;
    assert_eq!((changed.status, &changed.body["version"]), (200, &json!(2)), "{}", changed.body);
    assert_eq!(changed.body["provenance"]["owner"][0]["source"], "user:console");
    assert_eq!(changed.body["provenance"]["owner"][0]["pinned"], true);

    let mut late = request("PATCH", &path, Some(&collector.console), r#"{"name":"late"}"#);
    late.headers_mut().insert(header::IF_MATCH, "\"1\"".parse().unwrap());
    let late = collector.send(late).await;
    assert_eq!((late.status, &late.body["type"]), (412, &json!("rollcall:changed-meanwhile")));
    let mut in_time = request("PATCH", &path, Some(&collector.console), r#"{"release":["owner"],"attributes":{"location":null}}"#);
    in_time.headers_mut().insert(header::IF_MATCH, "\"2\"".parse().unwrap());
    let released = collector.send(in_time).await;
    assert_eq!((released.status, &released.body["provenance"]["owner"][0]["pinned"]), (200, &json!(false)), "{}", released.body);
    assert!(released.body["attributes"].get("location").is_none());
    let unvalued = collector.call("PATCH", &path, json!({"pin": ["owner"]})).await;
    assert_eq!((unvalued.status, &unvalued.body["path"]), (422, &json!("$.pin")));

    assert_eq!(collector.call("POST", &format!("{path}/retire"), json!({"reason": "sold"})).await.body["lifecycle"], "retired");
    assert_eq!(collector.get("/cis").await.body["total"], 0);
    assert_eq!(collector.call("POST", &format!("{path}/retire"), json!({})).await.status, 409);
    assert_eq!(collector.send(bare("POST", &format!("{path}/restore"), Some(&collector.console))).await.status, 200);
    assert_eq!(collector.get("/cis?filter=name:DB02").await.body["total"], 1);

    let history = collector.get(&format!("{path}/history")).await.body;
    let versions: Vec<u64> = history["items"].as_array().unwrap().iter().map(|version| version["version"].as_u64().unwrap()).collect();
    assert_eq!(versions, [5, 4, 3, 2, 1]);
    assert_eq!(history["items"][4]["name"], "db01");
    assert!(history["items"][1]["reason"].as_str().unwrap().contains("sold"));
    let audit = collector.get("/audit?limit=1").await.body;
    assert_eq!((&audit["items"][0]["action"], &audit["items"][0]["actor"]), (&json!("ci.restore"), &json!("console")));
    assert!(audit["next"].is_string());
}

#[tokio::test]
async fn declared_needs_answer_what_breaks_and_every_change_is_in_the_feed() {
    let collector = Collector::start().await;
    let mut ids = Vec::new();
    for (class, name) in [("business_service", "Shop"), ("server", "web1"), ("server", "web2"), ("database", "db")] {
        let made = collector.call("POST", "/cis", json!({"class": class, "name": name, "attributes": {"owner": "Shop team"}})).await;
        ids.push(made.body["id"].as_str().unwrap().to_owned());
    }
    let [shop, web1, web2, db] = &ids[..] else { unreachable!("four were made") };
    let declared = collector.call("POST", "/relationships", json!({"type": "part_of", "from": shop, "to": db, "note": "order data"})).await;
    assert_eq!((declared.status, &declared.body["hardness"]), (201, &json!("hard")), "{}", declared.body);
    let again = collector.call("POST", "/relationships", json!({"type": "part_of", "from": shop, "to": db, "note": "order data"})).await;
    assert_eq!((again.status, &again.body["id"]), (200, &declared.body["id"]));
    let group = json!({"ci": shop, "name": "web", "members": [web1, web2], "min_up": {"count": 1}});
    let group = collector.call("POST", "/need-groups", group).await;
    assert_eq!(group.status, 201, "{}", group.body);

    let one = collector.call("POST", "/impact", json!({"failures": [{"ci": web1}], "picture": true})).await;
    assert_eq!((&one.body["counts"]["down"], &one.body["counts"]["at_risk"]), (&json!(0), &json!(1)), "{}", one.body);
    assert!(!one.body["picture"]["nodes"].as_array().unwrap().is_empty());
    let down = collector.call("POST", "/impact", json!({"failures": [{"ci": db, "kind": "maintenance"}]})).await;
    assert_eq!((&down.body["affected"][0]["ci"]["name"], &down.body["affected"][0]["state"]), (&json!("Shop"), &json!("down")));
    let hop = &down.body["affected"][0]["path"][0];
    assert_eq!((&hop["provider"]["name"], &hop["edges"][0]["evidence"][0]["method"]), (&json!("db"), &json!("declared")));
    assert_eq!(down.body["people"][0]["name"], "Shop team");
    assert!(down.body["verdict"].as_str().unwrap().contains("Shop"), "{}", down.body["verdict"]);

    let points = collector.get(&format!("/services/{shop}/single-points-of-failure?pairs=true")).await.body;
    let alone: Vec<&Value> = points["points"].as_array().unwrap().iter().map(|point| &point["ci"]["name"]).collect();
    assert_eq!(alone, ["db"], "{points}");
    assert_eq!(points["pairs"].as_array().unwrap().len(), 1, "{points}");
    let ranking = collector.get("/impact/ranking?limit=1").await.body;
    assert_eq!((&ranking["items"][0]["ci"]["name"], &ranking["total"]), (&json!("db"), &json!(4)));
    assert_eq!(collector.get(&format!("/cis/{shop}/needs")).await.body["items"].as_array().unwrap().len(), 3);
    let both = collector.get(&format!("/cis/{db}/relationships")).await.body;
    assert_eq!(both["dependents"][0]["from"]["name"], "Shop");

    let before = Timestamp::from_millis(1_000).to_string();
    let past = collector.call("POST", "/impact", json!({"failures": [{"ci": db}], "as_of": before})).await;
    assert_eq!(past.status, 404, "{}", past.body);
    let now = collector.call("POST", "/impact", json!({"failures": [{"ci": db}], "as_of": Timestamp::now().to_string()})).await;
    assert_eq!((now.status, &now.body["certainty"]), (200, &json!("known")), "{}", now.body);

    let feed = collector.get("/changes?limit=3").await.body;
    assert_eq!(feed["items"].as_array().unwrap().len(), 3);
    let rest = collector.get(&format!("/changes?after={}", feed["cursor"])).await.body;
    let kinds: Vec<&Value> = rest["items"].as_array().unwrap().iter().map(|event| &event["kind"]).collect();
    assert_eq!(kinds, ["ci", "relationship", "need_group"], "{rest}");
    let (feed, item) = (format!("/changes?after={}&wait=20", rest["cursor"]), format!("/cis/{db}"));
    let waited = tokio::join!(collector.get(&feed), collector.call("PATCH", &item, json!({"name": "db-new"})));
    assert_eq!(waited.0.body["items"][0]["differs"], json!(["name"]), "{}", waited.0.body);
}

#[tokio::test]
async fn a_browser_signs_in_proves_its_writes_and_is_slowed_when_guessing() {
    let collector = Collector::start().await;
    let password = "correct horse battery";
    let user = collector.call("POST", "/users", json!({"name": "ada", "role": "admin", "password": password})).await;
    assert_eq!(user.status, 201, "{}", user.body);
    let user = format!("/users/{}", user.body["id"].as_str().unwrap());
    for patch in [json!({"role": "viewer"}), json!({"disabled": true})] {
        assert_eq!(collector.call("PATCH", &user, patch).await.status, 409, "the last admin stays one");
    }

    let sign_in = |password: &str| request("POST", "/session", None, &json!({"name": "ada", "password": password}).to_string());
    let signed_in = collector.send(sign_in(password)).await;
    assert_eq!(signed_in.status, 200, "{}", signed_in.body);
    let cookie = signed_in.headers[header::SET_COOKIE].to_str().unwrap();
    for attribute in ["__Host-rollcall=", "; Path=/;", "; HttpOnly", "; SameSite=Lax", "; Secure"] {
        assert!(cookie.contains(attribute), "{attribute} in {cookie}");
    }
    let cookie: String = cookie.split(';').next().unwrap().to_owned();
    let write = |csrf: Option<&str>| {
        let mut request = request("POST", "/cis", None, r#"{"class":"person","name":"Ada"}"#);
        request.headers_mut().insert(header::COOKIE, cookie.parse().unwrap());
        if let Some(csrf) = csrf {
            request.headers_mut().insert("x-csrf-token", csrf.parse().unwrap());
        }
        request
    };
    assert_eq!(collector.send(write(None)).await.status, 403);
    assert_eq!(collector.send(write(Some("wrong"))).await.status, 403);
    assert_eq!(collector.send(write(signed_in.body["csrf_token"].as_str())).await.status, 201);
    let with_cookie = |method: &str, path: &str| {
        let mut request = bare(method, path, None);
        request.headers_mut().insert(header::COOKIE, cookie.parse().unwrap());
        request.headers_mut().insert("x-csrf-token", signed_in.body["csrf_token"].as_str().unwrap().parse().unwrap());
        request
    };
    assert_eq!(collector.send(with_cookie("DELETE", "/session")).await.status, 204);
    assert_eq!(collector.send(with_cookie("GET", "/me")).await.status, 401);

    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(collector.send(sign_in("wrong")).await.status);
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429]);
    let slowed = collector.send(sign_in(password)).await;
    assert_eq!(slowed.status, 429);
    assert!(slowed.headers.contains_key(header::RETRY_AFTER));
}

#[tokio::test]
async fn tokens_show_their_secret_once_and_end_when_revoked() {
    let collector = Collector::start().await;
    let made = collector.call("POST", "/tokens", json!({"name": "laptops", "uses": 0, "attributes": {"owner": "IT"}})).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let token = rollcall_shared::wire::v1::EnrollmentToken::parse(made.body["token"].as_str().unwrap()).unwrap();
    assert_eq!(token.root_pin, collector.running.app.authority.root_pin());
    assert!(made.body["command"].as_str().unwrap().contains(made.body["token"].as_str().unwrap()));
    let listed = collector.get("/tokens").await.body;
    assert_eq!((&listed["items"][0]["state"], listed["items"][0].get("token")), (&json!("usable"), None));
    let path = format!("/tokens/{}", token.id);
    assert_eq!(collector.call("DELETE", &path, json!({})).await.status, 204);
    assert_eq!(collector.get("/tokens").await.body["items"][0]["state"], "revoked");

    collector.call("POST", "/users", json!({"name": "ada", "role": "asset_manager", "password": "correct horse battery"})).await;
    let api = collector.call("POST", "/api-tokens", json!({"name": "sync", "owner": "ada", "days": 1})).await;
    assert_eq!((api.status, &api.body["role"]), (201, &json!("asset_manager")), "{}", api.body);
    let secret = api.body["token"].as_str().unwrap();
    let me = collector.send(bare("GET", "/me", Some(secret))).await.body;
    assert_eq!((&me["name"], &me["via"]), (&json!("ada/sync"), &json!("api_token")));
    let greedy = collector.send(request("POST", "/api-tokens", Some(secret), r#"{"name":"x","role":"admin"}"#)).await;
    assert_eq!(greedy.status, 403);
    let child = collector.send(request("POST", "/api-tokens", Some(secret), r#"{"name":"child","days":366}"#)).await;
    assert_eq!(child.body["expires_at"], api.body["expires_at"], "a token's token lives no longer");
    let path = format!("/api-tokens/{}", api.body["id"].as_str().unwrap());
    assert_eq!(collector.call("DELETE", &path, json!({})).await.status, 204);
    assert_eq!(collector.send(bare("GET", "/me", Some(secret))).await.status, 401);
}

#[tokio::test]
async fn a_view_is_ones_own_until_it_is_shared() {
    let collector = Collector::start().await;
    let (ada, bob, admin) =
        (collector.token_for(Role::Viewer).await, collector.token_for(Role::Viewer).await, collector.token_for(Role::Admin).await);
    let call = async |method: &str, path: &str, token: &str, body: Value| {
        collector.send(request(method, path, Some(token), &body.to_string())).await
    };
    let mut view = json!({ "name": "Big", "filter": "memory_bytes>=16GiB", "sort": "-memory_bytes", "columns": ["name", "memory_bytes"] });
    let made = call("POST", "/views", &ada, view.clone()).await;
    assert_eq!((made.status, &made.body["changeable"]), (201, &json!(true)), "{}", made.body);
    let path = format!("/views/{}", made.body["id"].as_str().unwrap());
    assert_eq!(call("POST", "/views", &ada, view.clone()).await.status, 409, "the name is taken");
    assert_eq!(call("GET", &path, &bob, json!({})).await.status, 404, "nobody else sees it");
    assert_eq!(call("PUT", &path, &admin, view.clone()).await.status, 404);

    view["shared"] = json!(true);
    assert_eq!(call("PUT", &path, &ada, view.clone()).await.status, 200);
    let seen = call("GET", "/views", &bob, json!({})).await.body;
    assert_eq!((&seen["items"][0]["name"], &seen["items"][0]["changeable"]), (&json!("Big"), &json!(false)));
    assert_eq!(call("PUT", &path, &bob, view.clone()).await.status, 403);
    assert_eq!(call("DELETE", &path, &bob, json!({})).await.status, 403);
    assert_eq!(call("DELETE", &path, &admin, json!({})).await.status, 204);
    assert_eq!(call("GET", "/views", &ada, json!({})).await.body["total"], 0);

    for (change, at) in
        [(json!({ "filter": "(class:server" }), "$.filter"), (json!({ "sort": "x" }), "$.sort"), (json!({ "columns": ["x"] }), "$.columns")]
    {
        let mut wrong = view.clone();
        wrong.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = call("POST", "/views", &ada, wrong).await;
        assert_eq!((answer.status, answer.body["path"].as_str()), (422, Some(at)), "{}", answer.body);
    }
    assert_eq!(collector.call("POST", "/views", view).await.status, 422, "the console is nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_items_are_compared_merged_split_and_kept_apart() {
    let collector = Collector::start().await;
    // Before the first write, which may come within this millisecond.
    let begun = Timestamp::now().plus_millis(-1).to_string();
    let make = async |name: &str, attributes: Value| {
        let made = collector.call("POST", "/cis", json!({"class": "server", "name": name, "attributes": attributes})).await;
        assert_eq!(made.status, 201, "{}", made.body);
        made.body["id"].as_str().unwrap().to_owned()
    };
    let one = make("db01", json!({"serial": "PF2ABC001", "manufacturer": "Dell Inc.", "model": "R650"})).await;
    let other = make("db01", json!({"serial": "PF2ABC00I", "model": "R650", "owner": "Ada"})).await;

    // Who registers a machine that is there already is told which one it is.
    let again = collector
        .call("POST", "/cis", json!({"class": "server", "name": "x", "attributes": {"serial": "pf2abc001", "manufacturer": "Dell"}}))
        .await;
    assert_eq!(again.status, 409, "{}", again.body);
    assert!(again.body["detail"].as_str().unwrap().contains(&one), "{}", again.body);

    let report = collector.get("/duplicates").await;
    assert_eq!((report.status, report.body["total"].as_u64()), (200, Some(1)), "{}", report.body);
    assert_eq!(report.body["items"][0]["strength"], "weak");
    assert!(!report.body["items"][0]["against"].as_array().unwrap().is_empty(), "the serials differ: {}", report.body);

    let compared = collector.get(&format!("/identity/compare?a={one}&b={other}")).await;
    assert_eq!((compared.status, compared.body["standing"].as_str()), (200, Some("open")));
    let serial = compared.body["keys"].as_array().unwrap().iter().find(|key| key["kind"] == "serial").unwrap();
    assert_eq!(serial["agree"], false, "{serial}");
    assert!(compared.body["rules"].as_array().unwrap().iter().all(|rule| rule["verdict"] != "joins"), "{}", compared.body);
    assert_eq!(collector.get(&format!("/identity/compare?a={one}&b={}", Uuid::nil())).await.status, 404);

    let before = collector.get(&format!("/cis/{one}")).await.body["attributes"].clone();
    let merged = collector.call("POST", &format!("/cis/{one}/merge"), json!({"other": other, "reason": "a typing error"})).await;
    assert_eq!(merged.status, 204, "{}", merged.body);
    let explained = collector.get(&format!("/cis/{one}/identity")).await;
    assert_eq!(explained.body["merged"][0]["item"]["id"], other.as_str(), "{}", explained.body);
    let reasons = explained.body["decisions"].to_string();
    assert!(reasons.contains("a typing error") && reasons.contains("made"), "{reasons}");
    assert_eq!(collector.get(&format!("/cis/{one}")).await.body["attributes"]["owner"], "Ada");
    let audit = collector.get("/audit?limit=1").await;
    assert!(audit.body["items"][0]["detail"].as_str().unwrap().contains("a typing error"), "{}", audit.body);

    assert_eq!(collector.call("POST", &format!("/cis/{other}/restore"), json!({})).await.status, 200);
    assert_eq!(collector.get(&format!("/cis/{one}")).await.body["attributes"], before);
    let apart = collector.call("POST", &format!("/cis/{one}/keep-apart"), json!({"other": other})).await;
    assert_eq!(apart.status, 204, "{}", apart.body);
    assert_eq!(collector.get("/duplicates").await.body["total"], 0);
    assert_eq!(collector.call("POST", &format!("/cis/{one}/merge"), json!({"other": one})).await.status, 422);

    // And all of that is what changed since.
    let diff = collector.get(&format!("/diff?from={begun}")).await;
    assert_eq!(diff.status, 200, "{}", diff.body);
    let items = diff.body["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{}", diff.body);
    assert!(items.iter().all(|item| item["change"] == "appeared" && item["class"] == "server"), "{}", diff.body);
    // Restored last, by whom it was asked for.
    let said: Vec<&Value> = items.iter().flat_map(|item| [&item["actor"], &item["at"], &item["reason"]]).collect();
    assert!(said.iter().all(|said| said.as_str().is_some_and(|text| !text.is_empty())), "{}", diff.body);
    assert_eq!(items[0]["actor"], "console");
    let at: Timestamp = items[0]["at"].as_str().unwrap().parse().unwrap();
    assert!(at >= begun.parse::<Timestamp>().unwrap(), "{}", diff.body);
    assert_eq!(diff.body["groups"][0]["count"], 2);
    let now = Timestamp::now().to_string();
    let filtered = collector.get(&format!("/diff?from={begun}&to={now}&filter=id:{other}")).await;
    assert_eq!(filtered.body["items"].as_array().unwrap().len(), 1, "{}", filtered.body);
    assert!(collector.get(&format!("/diff?from={now}")).await.body["items"].as_array().unwrap().is_empty());
    assert_eq!(collector.get(&format!("/diff?from={now}&to={begun}")).await.status, 422);
    assert_eq!(collector.get("/diff?from=1d").await.status, 200);
    assert_eq!(collector.get("/diff?from=Monday").await.status, 422);

    // A cursor from before what is kept says where to begin.
    let cut = crate::store::Cut { events_before: Some(Timestamp::now().plus_millis(1)), period_ms: 1, ..Default::default() };
    collector.running.app.store.thin(&cut).await.unwrap();
    let gone = collector.get("/changes?after=1").await;
    assert_eq!(gone.status, 410, "{}", gone.body);
    let removed = collector.running.app.store.events_removed().await.unwrap();
    assert!(gone.body["next_step"].as_str().unwrap().contains(&format!("after={removed}")), "{}", gone.body);
    assert_eq!(collector.get(&format!("/changes?after={removed}")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_failure_of_each_item_would_do_is_shown_and_sorted_by() {
    let collector = Collector::start().await;
    let mut ids = Vec::new();
    for (class, name) in [("server", "a-spare"), ("business_service", "shop"), ("server", "the-database")] {
        let made = collector.call("POST", "/cis", json!({ "class": class, "name": name })).await;
        ids.push(made.body["id"].as_str().unwrap().to_owned());
    }
    let [_, shop, database] = &ids[..] else { unreachable!() };
    let related = collector.call("POST", "/relationships", json!({ "type": "part_of", "from": shop, "to": database })).await;
    assert_eq!(related.status, 201, "{}", related.body);
    // Worked out in the background, soon after.
    let until = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    let radius = loop {
        let found = collector.get(&format!("/cis/{database}")).await.body["blast_radius"].clone();
        if found["services_down"] == json!(1) {
            break found;
        }
        assert!(tokio::time::Instant::now() < until, "{found}");
        tokio::task::yield_now().await;
    };
    assert_eq!((&radius["rank"], &radius["of"], &radius["down"], &radius["degraded"]), (&json!(1), &json!(3), &json!(1), &json!(0)));
    assert_eq!(collector.get(&format!("/cis/{shop}")).await.body["blast_radius"]["rank"], json!(2));
    let listed = collector.get("/cis?sort=rank").await;
    assert_eq!(listed.body["items"][0]["id"], json!(database), "{}", listed.body);
    let exported = collector.get("/export?sort=-rank&format=json").await;
    let names: Vec<&Value> = exported.body.as_array().unwrap().iter().map(|row| &row["id"]).collect();
    assert_eq!(names.last(), Some(&&json!(database)), "{}", exported.body);
}

#[tokio::test]
async fn a_class_of_ones_own_counts_at_once() {
    let collector = Collector::start().await;
    let lane = json!({"name": "lane", "label": "Lane", "kind": "integer", "required": true});
    let zone = json!({"name": "zone", "label": "Zone", "kind": "choice", "allowed": ["a", "b"]});
    let till = json!({"label": "Till", "plural": "Tills", "parent": "desktop", "attributes": [lane, zone]});
    let made = collector.call("PUT", "/catalogue/classes/till", till).await;
    assert_eq!((made.status, &made.body["built_in"]), (200, &json!(false)), "{}", made.body);
    let item = |attributes: Value| json!({"class": "till", "name": "Till 1", "attributes": attributes});
    let refused = collector.call("POST", "/cis", item(json!({"lane": 1, "zone": "c"}))).await;
    assert_eq!((refused.status, &refused.body["path"]), (422, &json!("$.attributes.zone")), "{}", refused.body);
    assert!(refused.body["detail"].as_str().unwrap().contains("one of a, b"), "{}", refused.body);
    assert_eq!(collector.call("POST", "/cis", item(json!({}))).await.status, 422, "lane is required");
    let made = collector.call("POST", "/cis", item(json!({"lane": 1}))).await;
    assert_eq!(made.status, 201, "{}", made.body);
    for (filter, total) in [("class:till", 1), ("class:machine", 1), ("lane>0", 1), ("lifecycle:in_stock", 0), ("unsighted:1d", 1)] {
        let encoded = filter.replace('>', "%3E");
        let found = collector.get(&format!("/cis?filter={encoded}")).await;
        assert_eq!(found.body["total"], json!(total), "{filter}: {}", found.body);
    }
    let in_use = collector.send(bare("DELETE", "/catalogue/classes/till", Some(&collector.console))).await;
    assert_eq!(in_use.status, 409, "{}", in_use.body);
    assert_eq!(collector.call("PUT", "/catalogue/classes/till", json!({"label": "T", "plural": "T", "parent": "till"})).await.status, 422);
    let viewer = collector.token_for(Role::AssetManager).await;
    let not_allowed = collector.send(request("PUT", "/catalogue/classes/x", Some(&viewer), "{}")).await;
    assert_eq!(not_allowed.status, 403);
}

#[tokio::test]
async fn a_life_a_sighting_and_a_rule_are_written_and_shown() {
    let collector = Collector::start().await;
    let made = collector.call("POST", "/cis", json!({"class": "laptop", "name": "n1", "lifecycle": "ordered"})).await;
    assert_eq!((made.status, &made.body["stage"]), (201, &json!("ordered")), "{}", made.body);
    let path = format!("/cis/{}", made.body["id"].as_str().unwrap());
    let refused = collector.call("POST", &format!("{path}/lifecycle"), json!({"to": "in_use"})).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    let there = json!({"to": "in_use", "attributes": {"location": "Berlin"}});
    let there = collector.call("POST", &format!("{path}/lifecycle"), there).await;
    assert_eq!((there.status, &there.body["stage"]), (200, &json!("in_use")), "{}", there.body);
    let ways = collector.get(&format!("{path}/lifecycle")).await;
    assert!(
        ways.body["items"].as_array().unwrap().iter().any(|way| way["to"] == "disposed" && way["needs"].as_array().unwrap().len() == 2)
    );
    let seen = collector.call("POST", &format!("{path}/sightings"), json!({"place": "Room 7", "by": "Grace"})).await;
    assert_eq!((seen.status, &seen.body["sighting"]["place"]), (200, &json!("Room 7")), "{}", seen.body);
    assert_eq!(collector.get("/cis?filter=sighted:1h").await.body["total"], json!(1));

    let order = json!({"order": [{"source": "import", "fresh_for_seconds": 86_400}, {"source": "user"}]});
    let rule = collector.call("PUT", "/precedence/item/location", order.clone()).await;
    assert_eq!(rule.status, 200, "{}", rule.body);
    let shown = collector.get(&path).await;
    assert_eq!(shown.body["decided_by"]["location"], json!("item.location"));
    assert_eq!(shown.body["provenance"]["location"][0]["fresh"], json!(true));
    let tried = collector.call("POST", "/precedence/dry-run", json!({"delete": ["item.location"]})).await;
    assert_eq!((tried.status, &tried.body["total"]), (200, &json!(0)), "{}", tried.body);
    assert_eq!(collector.call("PUT", "/precedence/item/nothing", order).await.status, 422);
}
