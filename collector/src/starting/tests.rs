use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{agents, people, serve::begin, store::open, testing};

async fn ask(router: &Router, console: &str, method: &str, path: &str, body: &Value) -> (StatusCode, Value, bool) {
    let request = Request::builder().method(method).uri(path).header(header::AUTHORIZATION, format!("Bearer {console}"));
    let request = request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string())).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let (status, again) = (response.status(), response.headers().contains_key(header::RETRY_AFTER));
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into()), again)
}

/// What is not the same from one moment to the next.
fn lasting(mut answer: Value) -> Value {
    answer["at"] = Value::Null;
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn impact_is_answered_before_the_estate_is_read() {
    let (running, console, dir) = testing::collector().await;
    let router = people::router(&running.app);
    let nothing = Value::Null;
    let mut ids = Vec::new();
    for (class, name) in [("business_service", "Shop"), ("server", "web1"), ("server", "web2"), ("database", "db")] {
        let item = json!({"class": class, "name": name, "attributes": {"owner": "Shop team"}});
        ids.push(ask(&router, &console, "POST", "/api/v1/cis", &item).await.1["id"].clone());
    }
    let needs = json!({"type": "part_of", "from": ids[0], "to": ids[3], "note": "order data"});
    assert_eq!(ask(&router, &console, "POST", "/api/v1/relationships", &needs).await.0, 201);
    let config = running.app.config.clone();
    running.shutdown().await;

    // Something comes after the copies: a collector that was killed leaves older ones.
    let copies = ["graph.snapshot"].map(|name| (name, std::fs::read(dir.path().join(name)).unwrap()));
    let store = open(&config.database, &config.data_dir).await.unwrap();
    let running = crate::serve::start_on(config.clone(), store).await.unwrap();
    let console = crate::auth::console::read_token(dir.path()).unwrap().to_string();
    let router = people::router(&running.app);
    let group = json!({"ci": ids[0], "name": "web", "members": [ids[1], ids[2]], "min_up": {"count": 2}});
    assert_eq!(ask(&router, &console, "POST", "/api/v1/need-groups", &group).await.0, 201);
    running.shutdown().await;
    for (name, bytes) in copies {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }

    let store = open(&config.database, &config.data_dir).await.unwrap();
    let beginning = begin(config, store).await.unwrap();
    let console = crate::auth::console::read_token(dir.path()).unwrap().to_string();
    let router = people::router(beginning.app());
    let questions = [
        json!({"failures": [{"ci": ids[3]}]}),
        json!({"failures": [{"set": "DB"}, {"set": "web1"}], "picture": true}),
        json!({"failures": [{"ci": ids[1], "kind": "maintenance"}]}),
    ];
    let mut early = Vec::new();
    for question in &questions {
        let (status, answer, _) = ask(&router, &console, "POST", "/api/v1/impact", question).await;
        assert_eq!((status, answer["affected"][0]["ci"]["name"].as_str()), (StatusCode::OK, Some("Shop")), "{answer}");
        early.push(lasting(answer));
    }
    assert_eq!(early[0]["affected"][0]["path"][0]["edges"][0]["evidence"][0]["detail"], "order data");
    let (status, drawing, _) = ask(&router, &console, "POST", "/api/v1/impact/export?format=mermaid", &questions[0]).await;
    assert!(status == StatusCode::OK && drawing.as_str().is_some_and(|text| text.contains("Shop")), "{drawing}");
    let page = async |address: String| {
        let (status, page, _) = ask(&router, &console, "GET", &address, &nothing).await;
        assert_eq!(status, StatusCode::OK, "{address} {page}");
        page.as_str().map_or_else(|| page.to_string(), str::to_owned)
    };
    let id = |at: usize| ids[at].as_str().unwrap();
    let shown = page(format!("/impact?ci={}", id(3))).await;
    let chosen = "<span class=\"name\">db</span><span class=\"muted small\">Database</span>";
    for words in ["still reading the inventory", "If db is down, the business service Shop goes down.", chosen] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(!shown.contains("Keep this answer"), "{shown}");
    let found = page(format!("/impact?find=WEB&ci={}", id(2))).await;
    let offers = |at: usize| found.contains(&format!("<button name=\"fails\" value=\"{}\"", id(at)));
    assert!(offers(1) && !offers(2) && !offers(3), "{found}");
    let drawn = page(format!("/impact/picture?ci={}", id(3))).await;
    assert!(drawn.contains("Business service"), "{drawn}");
    assert!(page(format!("/impact?ci={}&before=2020-01-01", id(3))).await.contains("reading the estate"));
    assert!(page("/impact?ci=site:Berlin".to_owned()).await.contains("reading the estate"));
    for (method, path, body) in [
        ("GET", "/api/v1/cis", &nothing),
        ("POST", "/api/v1/impact", &json!({"failures": [{"set": "site:Berlin"}]})),
        ("POST", "/api/v1/impact", &json!({"failures": [{"ci": ids[3]}], "as_of": "2020-01-01T00:00:00Z"})),
        ("GET", "/-/ready", &nothing),
        ("GET", "/items", &nothing),
        ("POST", "/foreign", &nothing),
    ] {
        let (status, answer, again) = ask(&router, &console, method, path, body).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{path} {answer}");
        assert!(again || path == "/-/ready", "{path}");
        assert!(answer.to_string().contains("being read") || answer.to_string().contains("reading the estate"), "{path} {answer}");
    }
    let page = Request::get("/items").body(Body::empty()).unwrap();
    assert_eq!(router.clone().oneshot(page).await.unwrap().headers()[header::REFRESH], "5");
    let (_, page, _) = ask(&router, &console, "GET", "/items", &nothing).await;
    assert!(page.as_str().is_some_and(|page| page.contains("comes by itself") && page.contains("href=\"/impact\"")), "{page}");
    assert_eq!(ask(&router, &console, "GET", "/-/healthy", &nothing).await.0, 200);
    let agents = agents::router(beginning.app(), &mut tokio::task::JoinSet::new());
    assert_eq!(ask(&agents, &console, "POST", "/agent/v1/check-in", &nothing).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ask(&router, &console, "POST", "/api/v1/impact", &json!({"failures": []})).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let (unknown, _, _) = ask(&router, "nobody", "POST", "/api/v1/impact", &questions[0]).await;
    assert_eq!(unknown, StatusCode::UNAUTHORIZED);

    let running = beginning.finish().await.unwrap();
    for (question, early) in questions.iter().zip(early) {
        assert_eq!(lasting(ask(&router, &console, "POST", "/api/v1/impact", question).await.1), early);
    }
    assert_eq!(ask(&router, &console, "GET", "/api/v1/cis", &nothing).await.0, 200);
    assert_eq!(ask(&router, &console, "GET", "/-/ready", &nothing).await.0, 200);
    running.shutdown().await;
}
