use std::collections::BTreeMap;

use proptest::prelude::*;
use rollcall_shared::{AgentId, CiId, RelationshipId, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::{
    Estate,
    model::{Attribute, Ci, Claim, Evidence, Lifecycle, Method, Put, Relationship, SoftwareEntry, Source},
};

const DAY_MS: i64 = 24 * 3_600_000;

pub(super) fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

pub(super) fn id(number: u128) -> CiId {
    CiId(Uuid::from_u128(number))
}

pub(super) fn ci(number: u128, class: &str, name: &str, attributes: &[(&str, Source, Value)]) -> Ci {
    let attribute = |(name, source, value): &(&str, Source, Value)| {
        let pinned = matches!(source, Source::User(_));
        let claim = Claim { value: value.clone(), source: source.clone(), since: now(), confirmed: now(), pinned };
        ((*name).to_owned(), Attribute::from_claims([claim]).unwrap())
    };
    Ci {
        id: id(number),
        class: class.into(),
        name: name.into(),
        lifecycle: Lifecycle::Active,
        stage: crate::Stage::InUse,
        sighting: None,
        attributes: attributes.iter().map(attribute).collect::<BTreeMap<_, _>>(),
        keys: Vec::new(),
        agent: None,
        merged_into: None,
        first_seen: now().plus_millis(-(number as i64) * 10 * DAY_MS),
        valid_from: now().plus_millis(-(number as i64) * DAY_MS),
        version: 1,
    }
}

pub(super) fn relationship(number: u128, kind: &str, from: u128, to: u128) -> Relationship {
    Relationship {
        id: RelationshipId(Uuid::from_u128(number)),
        kind: kind.into(),
        from: id(from),
        to: id(to),
        hardness: None,
        judgement: None,
        lifecycle: Lifecycle::Active,
        evidence: vec![Evidence {
            method: Method::Declared,
            agent: None,
            source: Source::User("ada".into()),
            detail: String::new(),
            endpoints: Default::default(),
            samples_seen: 0,
            samples_total: 0,
            first_seen: now(),
            last_seen: now(),
            longest_silence_ms: 0,
        }],
        first_seen: now(),
        valid_from: now(),
        version: 1,
    }
}

pub(super) fn software(name: &str, version: &str) -> SoftwareEntry {
    SoftwareEntry { kind: "deb".into(), name: name.into(), version: version.into(), architecture: "amd64".into(), publisher: String::new() }
}

/// A shop: the service needs the application, that the database, that its host; a licence; a notebook; a service that is gone.
fn estate() -> Estate {
    let agent = || Source::Agent;
    let sap = || Source::Import("sap".into());
    let ada = || Source::User("ada".into());
    let mut estate = Estate::default();
    let host = AgentId(Uuid::from_u128(100));
    for item in [
        ci(1, "business_service", "Shop", &[("criticality", ada(), json!("critical"))]),
        ci(2, "web_application", "shop-app", &[]),
        ci(3, "database", "orders", &[("version", agent(), json!("15.4"))]),
        Ci {
            agent: Some(host),
            ..ci(
                4,
                "server",
                "db01",
                &[
                    ("memory_bytes", agent(), json!(17_179_869_184_u64)),
                    ("cpu_cores", agent(), json!(4)),
                    ("owner", sap(), json!("Team A")),
                ],
            )
        },
        ci(5, "licence", "Office", &[("valid_until", sap(), json!("2026-12-15")), ("tags", ada(), json!(["eu", "Paid"]))]),
        ci(
            6,
            "laptop",
            "note",
            &[("memory_bytes", agent(), json!(8_589_934_592_u64)), ("booted_at", agent(), json!("2026-10-01T00:00:00Z"))],
        ),
        Ci { lifecycle: Lifecycle::Retired, ..ci(7, "database", "old", &[]) },
        ci(8, "server", "db02", &[("firmware_version", agent(), json!("2.10")), ("inventory_incomplete", agent(), json!(true))]),
    ] {
        estate.put(&Put::Ci(item));
    }
    for edge in [
        relationship(1, "part_of", 1, 2),
        relationship(2, "connects_to", 2, 3),
        relationship(3, "runs_on", 3, 4),
        relationship(4, "runs_on", 7, 8),
        relationship(5, "covered_by", 6, 5),
    ] {
        estate.put(&Put::Relationship(edge));
    }
    estate.put(&Put::Software { ci: id(4), software: [software("openssl", "3.0.2-1"), software("libc6", "2.36")].into() });
    estate
        .put(&Put::Software { ci: id(6), software: [software("openssl", "3.0.15-1~deb12u1"), software("python3-openssl", "0.9")].into() });
    estate.heard(host, now().plus_millis(-2 * DAY_MS));
    estate
}

#[test]
fn filters_mean_what_they_say() {
    let estate = estate();
    for (written, expected) in [
        ("memory_bytes>=16GiB", vec![4]),
        ("memory_bytes<16GB", vec![6]),
        ("memory_bytes:8GiB..16GiB", vec![4, 6]),
        ("memory_bytes!=16GiB class:machine", vec![6, 8]),
        ("cpu_cores=4", vec![4]),
        ("class:server,laptop", vec![4, 6, 8]),
        ("class:licence OR (class:server db02)", vec![5, 8]),
        ("owner:*", vec![4]),
        (r#"owner="" class:machine"#, vec![6, 8]),
        ("valid_until<2026-12-31", vec![5]),
        ("valid_until<30d", vec![5]),
        ("valid_until<+7d", vec![]),
        ("booted_at>30d", vec![6]),
        ("tag=paid", vec![5]),
        ("tag:p,x", vec![5]),
        ("firmware_version<2.9", vec![]),
        ("firmware_version>=2.9", vec![8]),
        ("inventory_incomplete:yes", vec![8]),
        ("first_seen:20d", vec![1, 2]),
        ("changed>5d", vec![6, 8]),
        ("last_seen:3d", vec![4]),
        ("last_seen:*", vec![4]),
        ("software:openssl", vec![4, 6]),
        ("software:openssl<3.0.7", vec![4]),
        ("software:openssl>=3.0.15", vec![6]),
        ("software=OpenSSL -software:openssl<3.0.7", vec![6]),
        ("source:import:sap", vec![4, 5]),
        ("source:import", vec![4, 5]),
        ("source:import:sa", vec![]),
        ("owner.source:import", vec![4]),
        ("pinned:yes", vec![1, 5]),
        ("tags.pinned:yes", vec![5]),
        ("hosts:(class:database)", vec![4]),
        ("hosts:(lifecycle:any class:database)", vec![4, 8]),
        ("runs_on:db01", vec![3]),
        ("class:server hosts:(class:database needed_by:(class:business_service criticality=critical))", vec![4]),
        ("needs:db01", vec![1, 2, 3]),
        ("needed_by:(class:business_service)", vec![2, 3, 4]),
        ("needs:*", vec![1, 2, 3]),
        ("used_by:shop-app", vec![3]),
        ("covers:*", vec![5]),
        ("related:Office", vec![6]),
        ("-related:*", vec![8]),
    ] {
        let filter = Filter::parse(&crate::Catalogue::built_in(), written).unwrap_or_else(|error| panic!("{written}: {error}"));
        let matcher = Matcher::new(&estate, &filter, now());
        let mut found: Vec<u128> = estate.cis().filter(|ci| matcher.holds(ci)).map(|ci| ci.id.0.as_u128()).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{written}");
    }
}

/// Filters of all kinds, and what people and machines mistype.
pub(super) fn any_filter() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "db",
        "0",
        "a",
        "shop",
        "team a",
        "\"team a\"",
        "é",
        "class:server",
        "class:machine",
        "class:server,laptop",
        "-",
        "NOT",
        "OR",
        "(",
        ")",
        "lifecycle:any",
        "lifecycle:retired",
        "agent:yes",
        "agent:no",
        "seen:1d",
        "quiet:1d",
        "software:openssl",
        "software=bash",
        "software:openssl<3.0.7",
        "owner:*",
        "owner=\"\"",
        "owner=ada",
        "owner:a,\"b,c\"",
        "owner!=ada",
        "memory_bytes>=8GiB",
        "cpu_cores:2..4",
        "cpu_cores<3",
        "cpu_cores!=2",
        "booted_at<30d",
        "booted_at<2026-11",
        "first_seen>30d",
        "changed:40d",
        "last_seen:*",
        "last_seen>-2d",
        "firmware_version<2.9",
        "os:deb",
        "tag=eu",
        "tag:p",
        "name:db",
        "name=db1",
        "name>=db5",
        "source:agent",
        "source:import",
        "source:user:ada",
        "owner.source:import:sap",
        "pinned:yes",
        "pinned:no",
        "owner.pinned:yes",
        "hosts:(",
        "runs_on:(",
        "needs:(",
        "needed_by:(",
        "related:(",
        "hosts:*",
        "runs_on:db",
        "used_by:*",
        "inventory_incomplete:yes",
        ":",
        "\"",
        "\\",
        "<",
        "fe80::1",
        "memory_bytes:..",
        "x:y",
    ]);
    prop::collection::vec(words, 1..9).prop_map(|words| {
        // What opens is closed often enough to be a filter.
        let open = words.iter().filter(|word| word.ends_with('(')).count();
        let closed = words.iter().filter(|word| **word == ")").count();
        let separator = |word: &str| if word == "-" { "" } else { " " };
        let text: String = words.iter().flat_map(|word| [*word, separator(word)]).collect();
        text + &")".repeat(open.saturating_sub(closed))
    })
}

proptest! {
    #[test]
    fn what_is_displayed_means_the_same(written in any_filter()) {
        if let Ok(filter) = Filter::parse(&crate::Catalogue::built_in(), &written) {
            let displayed = filter.to_string();
            prop_assert_eq!(Filter::parse(&crate::Catalogue::built_in(), &displayed), Ok(filter), "{} as {}", written, displayed);
        }
    }

    #[test]
    fn nothing_that_is_sent_breaks_the_parser(written in "\\PC{0,60}") {
        if let Ok(filter) = Filter::parse(&crate::Catalogue::built_in(), &written) {
            prop_assert_eq!(Filter::parse(&crate::Catalogue::built_in(), &filter.to_string()), Ok(filter), "{}", written);
        }
    }
}
