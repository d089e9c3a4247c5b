use rollcall_shared::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::model::{Claim, Lifecycle, Source};

fn definition(number: u128, body: Value) -> Definition {
    let body = serde_json::from_value(body).unwrap();
    let valid_from = Timestamp::from_millis(0);
    Definition {
        id: DefinitionId(Uuid::from_u128(number)),
        body,
        source: Source::User("ada".into()),
        lifecycle: Lifecycle::Active,
        valid_from,
        version: 1,
    }
}

fn class(name: &str, parent: &str, attributes: Value) -> Value {
    json!({"class": {"name": name, "label": name, "plural": name, "parent": parent, "attributes": attributes}})
}

fn till() -> Definition {
    let lane = json!([{"name": "lane", "label": "Lane", "kind": "integer"}]);
    definition(1, class("till", "desktop", lane))
}

#[test]
fn a_class_that_people_add_inherits_and_is_deleted_again() {
    let catalogue = Catalogue::built_in().with([&till()]);
    assert!(catalogue.is_a("till", "machine") && catalogue.is_a("till", "item") && !catalogue.is_a("desktop", "till"));
    assert_eq!(catalogue.attribute("till", "memory_bytes").unwrap().unit, "bytes");
    assert_eq!(catalogue.attribute("till", "lane").unwrap().kind, AttributeKind::Integer);
    let deleted = Definition { lifecycle: Lifecycle::Retired, version: 2, ..till() };
    assert!(catalogue.with([&deleted]).class("till").is_none());
}

#[test]
fn attributes_are_added_to_classes_that_come_with_rollcall() {
    let body = json!({"class": {"name": "server", "label": "", "plural": "", "attributes": [{"name": "rack_unit", "label": "Unit", "kind": "integer"}]}});
    let row = definition(1, body);
    assert_eq!(Catalogue::built_in().check(&row.body), Ok(()));
    let catalogue = Catalogue::built_in().with([&row]);
    assert!(!catalogue.attribute("server", "rack_unit").unwrap().built_in);
    assert!(catalogue.attribute("laptop", "rack_unit").is_none());
}

#[test]
fn what_does_not_fit_the_catalogue_is_refused_with_its_place() {
    let catalogue = Catalogue::built_in().with([&till()]);
    let text = |name: &str| json!([{"name": name, "label": "X", "kind": "text"}]);
    let cases = [
        (class("Till", "item", json!([])), "name: \"Till\" is no name"),
        (class("x", "nothing", json!([])), "parent: there is no class"),
        (class("till", "till", json!([])), "parent: \"till\" is \"till\" itself"),
        (class("x", "desktop", text("serial")), "attributes.serial: the class \"hardware\" has"),
        (class("x", "item", text("seen")), "attributes.seen: this word means something else"),
        (
            class("x", "item", text("memory_bytes")),
            "attributes.memory_bytes: the class \"machine\" has an attribute of this name that is integer in bytes",
        ),
        (class("server", "item", json!([])), "name: this class comes with Rollcall"),
        (class("x", "item", json!([{"name": "a", "label": "A", "kind": "choice"}])), "attributes.a.allowed"),
        (class("x", "item", json!([{"name": "a", "label": "A", "kind": "reference"}])), "attributes.a.references"),
        (class("x", "item", json!([{"name": "a", "label": "A", "kind": "text", "unit": "m"}])), "attributes.a.unit"),
        (
            json!({"relationship_type": {"name": "runs_on", "forward": "f", "reverse": "r", "hardness": "hard"}}),
            "name: this relationship type comes",
        ),
        (
            json!({"precedence": {"class": "server", "attribute": "nothing", "order": [{"source": "agent"}]}}),
            "attribute: the class \"server\" has no",
        ),
        (
            json!({"precedence": {"class": "server", "order": [{"source": "agent"}, {"source": "agent"}]}}),
            "order.agent: this source is there twice",
        ),
        (json!({"precedence": {"class": "server", "order": [{"source": "agent", "fresh_for_ms": 1}]}}), "order.agent: a freshness window"),
    ];
    for (body, expected) in cases {
        let body: DefinitionBody = serde_json::from_value(body.clone()).unwrap_or_else(|error| panic!("{body}: {error}"));
        let error = catalogue.check(&body).expect_err(expected).to_string();
        assert!(error.starts_with(expected), "{error} does not begin with {expected}");
    }
    let child =
        json!({"class": {"name": "desktop", "label": "", "plural": "", "attributes": [{"name": "lane", "label": "L", "kind": "integer"}]}});
    let error = catalogue.check(&serde_json::from_value(child).unwrap()).unwrap_err().to_string();
    assert!(error.contains("the class \"till\" has"), "an attribute of a descendant would be hidden: {error}");
}

#[test]
fn values_are_checked_by_kind() {
    let attribute = |spec: Value| -> AttributeDefinition { serde_json::from_value(spec).unwrap() };
    let of = |kind: &str| attribute(json!({"name": "a", "label": "A", "kind": kind}));
    let colour = attribute(json!({"name": "a", "label": "A", "kind": "choice", "allowed": ["red", "blue"]}));
    let code = attribute(json!({"name": "a", "label": "A", "kind": "text", "pattern": "[A-Z]{2}|x"}));
    for (attribute, value, good) in [
        (&of("number"), json!(1.5), true),
        (&of("number"), json!("1.5"), false),
        (&of("integer"), json!(1.5), false),
        (&of("date"), json!("2026-02-28"), true),
        (&of("date"), json!("2026-02-30"), false),
        (&of("date"), json!("2026-02-28T00"), false),
        (&of("url"), json!("https://example.org/a"), true),
        (&of("url"), json!("javascript:alert(1)"), false),
        (&of("reference"), json!("0198c0de-0000-7000-8000-000000000001"), true),
        (&of("reference"), json!("db01"), false),
        (&colour, json!("red"), true),
        (&colour, json!("Red"), false),
        (&code, json!("AB"), true),
        (&code, json!("ABC"), false),
        (&code, json!("xx"), false),
    ] {
        assert_eq!(fits(attribute, &value).is_ok(), good, "{attribute:?} {value}");
    }
    assert_eq!(fits(&colour, &json!("green")).unwrap_err().expected, "one of red, blue");
    for bad in ["", "(", ")(", "a{99999999}", &"x".repeat(501)] {
        assert!(Pattern::parse(bad).is_err(), "{bad:.20}");
    }
}

fn claim(source: &str, since: i64, pinned: bool) -> Claim {
    let at = Timestamp::from_millis(since);
    Claim { value: source.into(), source: Source::parse(source).unwrap(), since: at, confirmed: at, pinned }
}

fn winner(rule: Option<&str>, claims: &[Claim], now: i64) -> String {
    let rule: Option<PrecedenceRule> = rule.map(|order| {
        let order: Vec<Value> = order
            .split(' ')
            .map(|rank| match rank.split_once('<') {
                Some((source, window)) => json!({"source": source, "fresh_for_ms": window.parse::<i64>().unwrap()}),
                None => json!({"source": rank}),
            })
            .collect();
        serde_json::from_value(json!({"class": "item", "order": order})).unwrap()
    });
    let governing = rule.as_ref().map_or(Governing::BuiltIn, Governing::Rule);
    let decision = decide(governing, claims.to_vec(), |claim| claim.confirmed, Timestamp::from_millis(now));
    decision.claims[0].0.source.to_string()
}

#[test]
fn the_rule_decides_and_pins_stand_against_it() {
    let claims = [claim("agent", 10, false), claim("user:ada", 20, false), claim("import:sap", 5, false)];
    for (rule, now, expected) in [
        (None, 100, "agent"),
        (Some("import agent"), 100, "import:sap"),
        (Some("import<50 user agent"), 100, "user:ada"),
        (Some("import<50 agent<50"), 100, "user:ada"),
        (Some("import:other agent"), 100, "agent"),
        (Some("user import"), 100, "user:ada"),
        (Some("agent<1 user<1 import<1"), 100, "agent"),
    ] {
        assert_eq!(winner(rule, &claims, now), expected, "{rule:?}");
    }
    let mut pinned = claims.to_vec();
    pinned[2].pinned = true;
    assert_eq!(winner(Some("agent user"), &pinned, 100), "import:sap");
}

#[test]
fn the_nearest_rule_that_names_the_attribute_governs() {
    let rule = |number, class: &str, attribute: Option<&str>, source: &str| {
        definition(number, json!({"precedence": {"class": class, "attribute": attribute, "order": [{"source": source}]}}))
    };
    let rules = [rule(1, "item", Some("owner"), "user"), rule(2, "server", None, "import"), rule(3, "machine", Some("owner"), "api")];
    let catalogue = Catalogue::built_in().with(&rules);
    let of = |class: &str, attribute: &str| catalogue.rule(class, attribute).map(PrecedenceRule::name);
    assert_eq!(of("server", "owner").as_deref(), Some("machine.owner"));
    assert_eq!(of("server", "serial").as_deref(), Some("server.*"));
    assert_eq!(of("person", "owner").as_deref(), Some("item.owner"));
    assert_eq!(of("person", "email"), None);
}

#[test]
fn rules_are_read_as_they_were_written() {
    for text in ["agent", "user", "user:ada:x", "api:enrollment", "import", "import:sap"] {
        assert_eq!(SourcePattern::parse(text).unwrap().to_string(), text);
    }
    for text in ["", "root", "agent:x", "user:", "x:y"] {
        assert_eq!(SourcePattern::parse(text), None, "{text}");
    }
}
