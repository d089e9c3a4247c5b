//! Pages over a real store: what a refused form shows, what is asked before it is done, addresses that take forms only.

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, header},
};
use http_body_util::BodyExt as _;
use rollcall_core::{
    ChangeSet, Estate, Put, Source,
    catalogue::{AttributeDefinition, AttributeKind, ClassDefinition, DefinitionBody},
    reconcile::commands::{self, NewCi},
};
use rollcall_shared::CiId;
use tower::ServiceExt as _;

use super::router;
use crate::{
    serve::Running,
    testing,
    writer::{Audit, Command, CommandRefused, Plan},
};

/// A collector with an empty estate, and its pages as the console sees them.
struct Pages {
    running: Running,
    router: Router,
    console: String,
    _dir: tempfile::TempDir,
}

struct Page {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Pages {
    async fn start() -> Self {
        let (running, console, dir) = testing::collector().await;
        Self { router: router(running.app.clone()), running, console, _dir: dir }
    }

    async fn send(&self, method: &str, path: &str, form: &str) -> Page {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.console))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned()))
            .unwrap();
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Page { status: parts.status.as_u16(), headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    async fn get(&self, path: &str) -> Page {
        self.send("GET", path, "").await
    }

    /// Orders something in Ada's name; gives the item that it made.
    async fn order(
        &self,
        action: &'static str,
        mut make: impl FnMut(&Estate, commands::Order<'_>) -> Result<ChangeSet, commands::CommandError> + Send + 'static,
    ) -> Option<CiId> {
        let plan: Plan = Box::new(move |estate, now, ids| {
            let order = commands::Order { source: Source::User("ada".into()), now, ids };
            make(estate, order).map_err(|error| CommandRefused { status: 422, message: error.to_string() })
        });
        let audit = Some(Audit { action, subject: "test".to_owned(), detail: String::new() });
        let command = Command { actor: "user:ada".into(), audit, plan };
        let committed = self.running.app.writer.command(command).await.unwrap();
        committed.changes.changes.iter().find_map(|change| match &change.put {
            Put::Ci(ci) => Some(ci.id),
            _ => None,
        })
    }

    async fn item(&self, class: &str, name: &str) -> CiId {
        let new = NewCi { class: class.into(), name: name.into(), ..NewCi::default() };
        self.order("ci.create", move |estate, order| commands::create_ci(estate, &new, order)).await.unwrap()
    }
}

/// Every form that has something to type, wrong in one thing: what else was typed stands there again.
#[tokio::test]
async fn a_refused_form_keeps_what_was_typed() {
    let pages = Pages::start().await;
    let [db, other] = [pages.item("server", "db01").await, pages.item("server", "db02").await];
    let item = |rest: &str| format!("/items/{db}/{rest}");
    for (to, form, why, kept) in [
        (
            "/classes",
            "label=Till+%3Cb%3E&plural=Tills&name=Till&parent=hardware&icon=cash",
            "a-z",
            vec![
                r#"name="label" value="Till &#60;b&#62;""#,
                r#"name="name" value="Till""#,
                r#"value="hardware" selected"#,
                r#"name="icon" value="cash""#,
            ],
        ),
        (
            "/relationship-types",
            "forward=is+cooled+by&reverse=cools&name=C&hardness=soft&meaning=air",
            "a-z",
            vec![r#"name="forward" value="is cooled by""#, r#"value="soft" selected"#, r#"name="meaning" value="air""#],
        ),
        (
            "/classes/server/attributes",
            "label=Rack+unit&name=x&kind=text&pattern=(&required=yes",
            "",
            vec![r#"name="label" value="Rack unit""#, r#"name="pattern" value="(""#, r#"name="required" value="yes" checked"#],
        ),
        (
            "/classes/server/rules",
            "attribute=owner&order=nobody",
            "nobody",
            vec![r#"name="order" required maxlength="1000" value="nobody""#],
        ),
        (
            "/people",
            "name=grace&password=hunter2x&role=asset_manager",
            "",
            vec![r#"name="name" value="grace""#, r#"value="asset_manager" selected"#],
        ),
        (
            "/enrollment/tokens",
            "name=Berlin&uses=many&hours=168&approval=yes&owner=Ada&realm=north",
            "whole number",
            vec![
                r#"name="name" value="Berlin""#,
                r#"value="many""#,
                r#"value="168" selected"#,
                r#"name="approval" value="yes" checked"#,
                r#"name="owner" value="Ada""#,
                r#"name="realm" value="north""#,
            ],
        ),
        (
            "/views",
            "name=Mine&shared=yes&q=owner%3Aada",
            "no views",
            vec![r#"name="name" value="Mine""#, r#"name="shared" value="yes" checked"#, r#"value="owner:ada""#],
        ),
        (
            "/items",
            "class=server&name=db03&a-warranty_until=soon&a-owner=Ada",
            "a day such as",
            vec![r#"value="db03""#, r#"value="soon""#, r#"name="a-owner" value="Ada""#],
        ),
        (
            &item("edit"),
            "version=1&a-warranty_until=soon&a-owner=Ada",
            "a day such as",
            vec![r#"value="soon""#, r#"name="a-owner" value="Ada""#],
        ),
        (
            &item("relationships"),
            "kind=depends_on&other=nobody&detail=Runbook",
            "nobody",
            vec![r#"name="other" value="nobody""#, r#"name="detail" value="Runbook""#],
        ),
        (
            &item("lifecycle"),
            "to=disposed&disposed_on=soon&disposal_reason=Scrap&confirmed=yes",
            "",
            vec![r#"value="Scrap""#, r#"value="soon""#],
        ),
        (&item("sightings"), &format!("place={}", "x".repeat(300)), "", vec![&format!(r#"value="{}""#, "x".repeat(300))]),
        (
            "/applications",
            &format!("start={db}&name=&class=business_service&pruned={other}"),
            "",
            vec![r#"value="business_service" selected"#],
        ),
    ] {
        let page = pages.send("POST", to, form).await;
        assert_eq!(page.status, 422, "{to}: {} {}", page.status, page.text);
        let flash = page.text.split_once(r#"class="flash problem""#).unwrap_or_else(|| panic!("{to} says nothing")).1;
        assert!(flash.split("</p>").next().unwrap().contains(why), "{to}: {flash:.300}");
        for kept in kept {
            assert!(page.text.contains(kept), "{to} has lost {kept}");
        }
        assert!(!page.text.contains("hunter2x"), "{to} shows a password");
        assert_eq!(page.text.matches(r#" id="typed""#).count(), 1, "{to}: the message leads to the form");
        assert!(page.text.contains(r##"href="#typed""##), "{to}");
    }
    // What was not typed into is as ever, and nothing of it was done.
    let page = pages.get("/enrollment").await;
    assert!(page.text.contains(r#"max="1000000" value="1""#) && page.text.contains(r#"value="24" selected"#), "{}", page.text);
    assert_eq!(pages.running.app.store.tokens().await.unwrap(), []);
}

#[tokio::test]
async fn an_address_that_takes_forms_only_is_a_page_that_leads_on() {
    let pages = Pages::start().await;
    let id = pages.item("server", "db01").await;
    for (path, leads) in [
        (format!("/items/{id}/retire"), format!("/items/{id}")),
        (format!("/items/{id}/need-groups/{id}/retire"), format!("/items/{id}")),
        ("/classes/server/attributes".into(), "/classes/server".into()),
        ("/relationship-types/cooled_by/delete".into(), "/classes".into()),
        ("/enrollment/tokens".into(), "/enrollment".into()),
        ("/views".into(), "/items".into()),
        ("/sign-out".into(), "/".into()),
    ] {
        let page = pages.get(&path).await;
        assert_eq!((page.status, page.headers[header::ALLOW].to_str().unwrap()), (405, "POST"), "{path}");
        assert!(page.text.contains("Nothing was changed.") && page.text.contains(&format!(r#"href="{leads}""#)), "{path}: {}", page.text);
        assert!(page.headers.contains_key(header::CONTENT_SECURITY_POLICY), "{path}");
    }
    assert_eq!(pages.send("POST", "/audit", "").await.headers[header::ALLOW], "GET,HEAD");
}

#[tokio::test]
async fn what_destroys_is_asked_first_and_done_when_confirmed() {
    let pages = Pages::start().await;
    let id = pages.item("server", "<b>db01").await;
    let is_active = || pages.running.app.estate().active_cis().any(|ci| ci.id == id);
    let retire = format!("/items/{id}/retire");
    let asked = pages.send("POST", &retire, "reason=sold+%22it%22").await;
    assert_eq!(asked.status, 200);
    assert!(
        asked.text.contains("Retire &#60;b&#62;db01?") && asked.text.contains(r#"name="reason" value="sold &#34;it&#34;""#),
        "{}",
        asked.text
    );
    assert!(asked.text.contains(&format!(r#"action="{retire}""#)) && asked.text.contains(r#"name="confirmed" value="yes""#));
    assert!(is_active(), "nothing is done before it is confirmed");
    let done = pages.send("POST", &retire, "reason=sold&confirmed=yes").await;
    assert_eq!((done.status, is_active()), (303, false));

    let other = pages.item("server", "db02").await;
    let made = pages.send("POST", "/classes", "label=Till&plural=Tills&name=till&parent=hardware").await;
    assert_eq!(made.status, 303);
    for (path, form) in [
        (format!("/items/{other}/lifecycle"), "to=retired"),
        ("/classes/till/delete".to_owned(), ""),
        ("/classes/till/rules".to_owned(), "delete=yes&attribute=owner"),
        ("/classes/till/attributes/owner/delete".to_owned(), ""),
        ("/relationship-types/x/delete".to_owned(), ""),
        (format!("/enrollment/tokens/{other}/revoke"), ""),
        (format!("/enrollment/agents/{other}/revoke"), ""),
        (format!("/impact/answers/{other}/delete"), ""),
        (format!("/items/{other}/relationships/{other}/retire"), ""),
        (format!("/items/{other}/need-groups/{other}/retire"), ""),
        ("/duplicates".to_owned(), &*format!("one={id}&other={other}&decision=merge")),
    ] {
        let page = pages.send("POST", &path, form).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.text.contains(r#"name="confirmed" value="yes""#), "{path} does not ask");
        assert!(page.text.contains(">Cancel</a>"), "{path} has no way back");
    }
    assert!(pages.running.app.catalogue().class("till").is_some());
}

#[tokio::test]
async fn the_audit_log_says_when_exactly_and_names_what_it_is_about() {
    let pages = Pages::start().await;
    let [one, other] = [pages.item("server", "<b>db01").await, pages.item("server", "db02").await];
    let declared = pages.send("POST", &format!("/items/{one}/relationships"), &format!("kind=depends_on&other={other}&detail=x")).await;
    assert_eq!(declared.status, 303);
    let class = pages.send("POST", "/classes", "label=Till&plural=Tills&name=till&parent=hardware").await;
    assert_eq!(class.status, 303);
    let page = pages.get("/audit").await;
    assert_eq!(page.status, 200);
    let day = rollcall_shared::Timestamp::now().to_string();
    assert!(page.text.contains(&format!(">{} ", &day[..10])) && page.text.contains(" UTC</time>"), "{}", page.text);
    let (one_link, other_link) =
        (format!(r#"<a href="/items/{one}">&#60;b&#62;db01</a>"#), format!(r#"<a href="/items/{other}">db02</a>"#));
    assert!(page.text.contains(&format!("depends_on: {one_link} to {other_link}")), "{}", page.text);
    assert!(page.text.contains(r#"<a href="/classes/till">till</a>"#), "{}", page.text);
    assert!(!page.text.contains(&format!(">{one}<")), "an id is shown as it is");
}

#[tokio::test]
async fn what_changed_says_when_who_and_why() {
    let pages = Pages::start().await;
    let [one, other] = [pages.item("server", "db01").await, pages.item("server", "db02").await];
    let from = rollcall_shared::Timestamp::now();
    while rollcall_shared::Timestamp::now() <= from {
        tokio::task::yield_now().await;
    }
    pages
        .order("relationship.declare", move |estate, order| {
            commands::declare_relationship(estate, "depends_on", one, other, None, "Runbook", order)
        })
        .await;
    let done = pages.send("POST", &format!("/items/{other}/retire"), "reason=sold+to+%3Cb%3E&confirmed=yes").await;
    assert_eq!(done.status, 303);
    let page = pages.get(&format!("/changes?from={from}")).await;
    let changes: Vec<&str> = page.text.split("<li><div class=\"line\">").skip(1).collect();
    assert!(changes.len() >= 2, "{}", page.text);
    for change in &changes {
        assert!(change.contains(" UTC</time>"), "{change}");
    }
    assert!(changes.iter().any(|change| change.contains("db01") && change.contains(" · ada</span>")), "{}", page.text);
    assert!(page.text.contains("old to &#60;b&#62;"), "{}", page.text);
    // A reason that names another item leads to it, on the item's own pages too.
    let reason = format!("replaced by {one}");
    pages.order("ci.retire", move |estate, order| commands::restore_ci(estate, other, order)).await;
    pages.order("ci.retire", move |estate, order| commands::retire_ci(estate, other, &reason, order)).await;
    let history = pages.get(&format!("/items/{other}?view=history")).await;
    assert!(history.text.contains(&format!(r#"eplaced by <a href="/items/{one}">db01</a>"#)), "{}", history.text);
    let identity = pages.get(&format!("/items/{other}?view=identity")).await;
    assert!(identity.text.contains(&format!(r#"<a href="/items/{one}">db01</a>"#)), "{}", identity.text);
}

#[tokio::test]
async fn a_list_of_ones_own_class_shows_its_attributes_what_it_is_recognised_by_first() {
    let pages = Pages::start().await;
    let attribute = |name: &str, required| AttributeDefinition {
        name: name.into(),
        label: format!("The {name}"),
        kind: AttributeKind::Text,
        unit: String::new(),
        allowed: Vec::new(),
        references: None,
        pattern: None,
        required,
        built_in: false,
    };
    for (name, parent, identity) in [("till", "hardware", vec![vec!["number".to_owned()]]), ("kiosk", "server", Vec::new())] {
        let class = DefinitionBody::Class(ClassDefinition {
            name: name.into(),
            label: name.into(),
            plural: format!("{name}s"),
            parent: Some(parent.into()),
            identity,
            attributes: [("drawer", false), ("number", false), ("shop", true)].map(|(name, required)| attribute(name, required)).to_vec(),
            ..ClassDefinition::default()
        });
        pages.order("test", move |estate, order| commands::put_definition(estate, &class, order)).await;
    }
    for (class, expected) in [
        ("till", "Name, The number, The shop, The drawer, Owner, Location, Failure harms"),
        (
            "kiosk",
            "Name, Serial number, Manufacturer, Asset tag, The shop, The drawer, System, Address, Owner, Location, Failure harms, Last heard",
        ),
        ("server", "Name, Class, System, Address, Owner, Location, Failure harms, Last heard"),
    ] {
        let mut new = NewCi { class: class.into(), name: format!("a {class}"), ..NewCi::default() };
        if class != "server" {
            new.attributes.extend(["number", "shop"].map(|name| (name.to_owned(), class.into())));
        }
        pages.order("ci.create", move |estate, order| commands::create_ci(estate, &new, order)).await;
        let page = pages.get(&format!("/items?q=class%3A{class}")).await;
        let heads = page.text.split("<thead>").nth(1).map_or_else(String::new, |table| {
            let head = table.split("</thead>").next().unwrap_or_default();
            let labels = head.split("</a>").filter_map(|cell| cell.rsplit_once('>').map(|(_, label)| label.to_owned()));
            labels.filter(|label| !label.trim().is_empty()).collect::<Vec<_>>().join(", ")
        });
        assert_eq!(heads, expected, "{class}");
    }
}
