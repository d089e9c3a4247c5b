use std::collections::BTreeMap;

use rollcall_core::{Attribute, Ci, Claim, Estate, Evidence, Lifecycle, Method, Put, Relationship, SoftwareEntry, Source};
use rollcall_shared::{AgentId, CiId, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;

const DAY_MS: i64 = 24 * 3_600_000;

fn now() -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000)
}

fn ci(number: u128, class: &str, name: &str, attributes: &[(&str, Value)]) -> Ci {
    Ci {
        id: CiId(Uuid::from_u128(number)),
        class: class.into(),
        name: name.into(),
        lifecycle: Lifecycle::Active,
        stage: rollcall_core::Stage::InUse,
        sighting: None,
        attributes: attributes
            .iter()
            .map(|(name, value)| {
                let claim = Claim { value: value.clone(), source: Source::Agent, since: now(), confirmed: now(), pinned: false };
                ((*name).to_owned(), Attribute::from_claims([claim]).unwrap())
            })
            .collect::<BTreeMap<_, _>>(),
        keys: Vec::new(),
        agent: None,
        merged_into: None,
        first_seen: now(),
        valid_from: now(),
        version: 1,
    }
}

/// Five machines and a person, with agents heard one and forty days ago.
fn estate() -> Estate {
    let (fresh, quiet) = (AgentId(Uuid::from_u128(100)), AgentId(Uuid::from_u128(101)));
    let mut estate = Estate::default();
    let server = |number, name: &str, memory: i64| {
        ci(
            number,
            "server",
            name,
            &[("memory_bytes", json!(memory)), ("owner", json!("Team A")), ("operating_system", json!("Debian GNU/Linux"))],
        )
    };
    for item in [
        Ci { agent: Some(fresh), ..server(1, "db01", 64) },
        Ci { agent: Some(quiet), ..server(2, "Web01", 8) },
        ci(3, "virtual_machine", "app01", &[("ip_addresses", json!(["10.0.0.7", "fe80::7"])), ("tags", json!(["pci", "prod"]))]),
        ci(4, "laptop", "<script>alert(1)</script>", &[("serial", json!("ABC-123")), ("owner", json!("Zoë"))]),
        Ci { lifecycle: Lifecycle::Retired, ..server(5, "old", 4) },
        ci(6, "person", "Zoë Müller", &[]),
    ] {
        estate.put(&Put::Ci(item));
    }
    estate.heard(fresh, now().plus_millis(-DAY_MS));
    estate.heard(quiet, now().plus_millis(-40 * DAY_MS));
    let openssl = SoftwareEntry {
        kind: "deb".into(),
        name: "OpenSSL".into(),
        version: "3".into(),
        architecture: "amd64".into(),
        publisher: String::new(),
    };
    estate.put(&Put::Software { ci: CiId(Uuid::from_u128(1)), software: [openssl].into() });
    estate
}

fn listed(filter: &str, sort: &str) -> Vec<u128> {
    let estate = estate();
    let query = CiQuery::parse(estate.catalogue(), filter, sort, None, None).unwrap();
    let page = list(&estate, &query, now()).unwrap();
    assert_eq!(page.total, page.items.len());
    page.items.iter().map(|ci| ci.id.0.as_u128()).collect()
}

#[test]
fn filters_mean_what_they_say() {
    for (filter, expected) in [
        ("", vec![1, 2, 3, 4, 6]),
        ("class:machine", vec![1, 2, 3, 4]),
        ("class:server", vec![1, 2]),
        ("-class:machine", vec![6]),
        ("lifecycle:retired", vec![5]),
        ("lifecycle:any class:server", vec![1, 2, 5]),
        ("web01", vec![2]),
        ("OPENSSL", vec![1]),
        ("software:openssl", vec![1]),
        ("-software:openssl class:server", vec![2]),
        ("abc-1", vec![4]),
        ("10.0.0.7", vec![3]),
        ("address:10.0.0", vec![3]),
        ("address=10.0.0", vec![]),
        ("tag=PCI", vec![3]),
        ("owner:team", vec![1, 2]),
        (r#"owner="team a""#, vec![1, 2]),
        ("owner=team", vec![]),
        ("ZOË", vec![4, 6]),
        (r#"owner="""#, vec![3, 6]),
        ("os:debian memory_bytes=64", vec![1]),
        ("seen:7d", vec![1]),
        ("quiet:7d", vec![2]),
        ("agent:no class:machine", vec![3, 4]),
        ("id:00000000-0000-0000-0000-000000000003", vec![3]),
        ("<script>", vec![4]),
        ("%", vec![]),
        ("' OR 1=1 --", vec![]),
    ] {
        let mut found = listed(filter, "");
        found.sort_unstable();
        assert_eq!(found, expected, "{filter}");
    }
}

#[test]
fn what_has_no_value_comes_last_in_both_directions() {
    for (sort, expected) in [
        ("name", vec![4, 3, 1, 2, 6]),
        ("-name", vec![6, 2, 1, 3, 4]),
        ("memory_bytes", vec![2, 1, 3, 4, 6]),
        ("-memory_bytes", vec![1, 2, 3, 4, 6]),
        ("-last_seen", vec![1, 2, 3, 4, 6]),
        ("last_seen", vec![2, 1, 3, 4, 6]),
    ] {
        assert_eq!(listed("", sort), expected, "{sort}");
    }
    assert!(matches!(Sort::parse(&rollcall_core::Catalogue::built_in(), "nonsense"), Err(QueryError::Sort(_))));
}

#[test]
fn pages_join_to_the_whole_list_even_when_items_go_between_them() {
    let mut estate = estate();
    let mut query =
        CiQuery { limit: 2, sort: Sort::parse(&rollcall_core::Catalogue::built_in(), "-memory_bytes").unwrap(), ..CiQuery::default() };
    let mut seen = Vec::new();
    loop {
        let page = list(&estate, &query, now()).unwrap();
        seen.extend(page.items.iter().map(|ci| ci.id.0.as_u128()));
        let first = seen[0];
        let Some(next) = page.next else { break };
        query.after = Some(next);
        // What was on the first page goes; the next pages stay as they are.
        let mut gone = estate.ci(CiId(Uuid::from_u128(first))).unwrap().clone();
        gone.lifecycle = Lifecycle::Retired;
        estate.put(&Put::Ci(gone));
    }
    assert_eq!(seen, [1, 2, 3, 4, 6]);
}

#[test]
fn a_foreign_cursor_is_refused() {
    let estate = estate();
    let first = list(&estate, &CiQuery { limit: 1, ..CiQuery::default() }, now()).unwrap();
    let other_order =
        CiQuery { after: first.next, sort: Sort::parse(&rollcall_core::Catalogue::built_in(), "class").unwrap(), ..CiQuery::default() };
    assert_eq!(list(&estate, &other_order, now()), Err(QueryError::Cursor));
    for cursor in ["x", "e30", "%00", "bnVsbA"] {
        let query = CiQuery { after: Some(cursor.into()), ..CiQuery::default() };
        assert_eq!(list(&estate, &query, now()), Err(QueryError::Cursor), "{cursor}");
    }
}

/// Every item of a list, page by page, by the index.
fn pages(search: &Search, estate: &Estate, filter: &str, sort: &str, limit: usize) -> Vec<u128> {
    let mut query = CiQuery::parse(&rollcall_core::Catalogue::built_in(), filter, sort, None, Some(limit)).unwrap();
    let mut all = Vec::new();
    loop {
        let page = search.list(estate, &query, now()).unwrap();
        all.extend(page.items.iter().map(|ci| ci.id.0.as_u128()));
        let Some(next) = page.next else {
            assert_eq!(page.total, all.len());
            return all;
        };
        query.after = Some(next);
    }
}

#[test]
fn the_index_lists_what_looking_at_everything_lists() {
    let mut estate = estate();
    let search = Search::default();
    for round in 0..40_u128 {
        for filter in ["", "lifecycle:any", "class:machine", "o", "zo OR db", "lifecycle:any 0", "quiet:7d", "openssl", "memory_bytes:*"] {
            for sort in
                ["", "name", "-name", "memory_bytes", "-memory_bytes", "-last_seen", "last_seen", "class", "changed", "-owner", "tags"]
            {
                let plain =
                    list(&estate, &CiQuery::parse(&rollcall_core::Catalogue::built_in(), filter, sort, None, Some(1_000)).unwrap(), now())
                        .unwrap();
                let expected: Vec<u128> = plain.items.iter().map(|ci| ci.id.0.as_u128()).collect();
                assert_eq!(
                    pages(&search, &estate, filter, sort, 1 + round as usize % 3),
                    expected,
                    "{filter:?} by {sort:?} in round {round}"
                );
            }
        }
        // A list is right before its order is made, and when that has been made and followed what was written since.
        assert_eq!(search.is_current(&estate), round > 1, "the first questions want orders");
        if round == 1 {
            search.catch_up(&estate);
            assert!(search.is_current(&estate));
        }
        // Items come, change and go between two questions.
        let name = format!("new{}", round * 7 % 11);
        let item = ci(100 + round % 7, "server", &name, &[("memory_bytes", json!(round * 13 % 5)), ("owner", json!(name))]);
        let lifecycle = if round % 3 == 0 { Lifecycle::Retired } else { Lifecycle::Active };
        estate.put(&Put::Ci(Ci { lifecycle, ..item }));
    }
}

#[test]
fn the_nearest_find_comes_first() {
    let mut estate = Estate::default();
    for (number, name, attribute, value) in [
        (1, "a", "description", "with web in it"),
        (2, "web", "description", ""),
        (3, "web01", "description", ""),
        (4, "old-web", "description", ""),
        (5, "cobweb", "description", ""),
        (6, "b", "serial", "WEB"),
        (7, "c", "hostname", "web7"),
        (8, "d", "description", "cobweb"),
        (9, "e", "description", "nothing"),
    ] {
        estate.put(&Put::Ci(ci(number, "server", name, &[(attribute, json!(value))])));
    }
    let text = String::new;
    let software =
        SoftwareEntry { kind: "deb".into(), name: "webmin".into(), version: "2".into(), architecture: text(), publisher: text() };
    estate.put(&Put::Software { ci: CiId(Uuid::from_u128(9)), software: [software].into() });
    assert_eq!(pages(&Search::default(), &estate, "web", "", 2), [6, 2, 3, 7, 4, 5, 1, 8, 9]);
    let by_name = pages(&Search::default(), &estate, "web", "name", 2);
    assert_eq!(by_name, [1, 6, 7, 5, 8, 9, 4, 2, 3]);
}

/// `from` meets a device, last seen so many days ago.
fn meets(number: u128, from: u128, device: u128, days: i64) -> Put {
    let evidence = Evidence {
        method: Method::Neighbour,
        agent: Some(AgentId(Uuid::from_u128(100))),
        source: Source::Agent,
        detail: "its table of neighbours".into(),
        endpoints: Default::default(),
        samples_seen: 0,
        samples_total: 1,
        first_seen: now().plus_millis(-90 * DAY_MS),
        last_seen: now().plus_millis(-days * DAY_MS),
        longest_silence_ms: 0,
    };
    Put::Relationship(Relationship {
        id: rollcall_shared::RelationshipId(Uuid::from_u128(number)),
        kind: "meets".into(),
        from: CiId(Uuid::from_u128(from)),
        to: CiId(Uuid::from_u128(device)),
        hardness: None,
        judgement: None,
        lifecycle: Lifecycle::Active,
        evidence: vec![evidence],
        first_seen: now(),
        valid_from: now(),
        version: 1,
    })
}

#[test]
fn devices_without_an_agent_are_sorted_by_when_they_were_met() {
    let mut estate = estate();
    for (number, name) in [(20, "printer"), (21, "camera"), (22, "never")] {
        estate.put(&Put::Ci(ci(number, "unmanaged_host", name, &[])));
    }
    estate.put(&Put::Ci(Ci { lifecycle: Lifecycle::Retired, ..ci(23, "unmanaged_host", "gone", &[]) }));
    for put in [meets(1, 1, 20, 9), meets(2, 2, 20, 3), meets(3, 1, 21, 5), meets(4, 1, 23, 4)] {
        estate.put(&put);
    }
    // Who talks to it too has met it once.
    let Put::Relationship(talk) = meets(5, 2, 20, 8) else { panic!("a relationship") };
    estate.put(&Put::Relationship(Relationship { kind: "connects_to".into(), ..talk }));
    let met: Vec<(u128, i64)> = rollcall_core::infer::meetings(&estate, CiId(Uuid::from_u128(20)))
        .into_iter()
        .map(|(who, at)| (who.0.as_u128(), now().millis_since(at) / DAY_MS))
        .collect();
    assert_eq!(met, [(2, 3), (1, 9)]);
    let plain = |filter: &str, sort: &str| -> Vec<u128> {
        let query = CiQuery::parse(estate.catalogue(), filter, sort, None, Some(1_000)).unwrap();
        list(&estate, &query, now()).unwrap().items.iter().map(|ci| ci.id.0.as_u128()).collect()
    };
    for (filter, sort, expected) in [
        ("class:unmanaged_host", "-last_seen", &[20, 21, 22][..]),
        ("class:unmanaged_host", "last_seen", &[21, 20, 22]),
        // Machines whose agents were heard a day and forty days ago are in the same order.
        ("class:unmanaged_host OR class:server", "-last_seen", &[1, 20, 21, 2, 22]),
    ] {
        assert_eq!(plain(filter, sort), expected, "{filter} by {sort}");
        assert_eq!(pages(&Search::default(), &estate, filter, sort, 2), expected, "{filter} by {sort}, by the index");
    }
    let with_retired = ("lifecycle:any class:unmanaged_host", "-last_seen");
    assert_eq!(pages(&Search::default(), &estate, with_retired.0, with_retired.1, 1), plain(with_retired.0, with_retired.1));
}
