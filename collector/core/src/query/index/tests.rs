use proptest::prelude::*;
use rollcall_shared::{AgentId, CiId};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    super::{
        Filter, Matcher,
        tests::{any_filter, ci, id, now, relationship, software},
    },
    *,
};
use crate::model::{Change, Put, Source};

const ITEMS: u128 = 12;
const DAY_MS: i64 = 24 * 3_600_000;

/// One write to an estate.
#[derive(Clone, Debug)]
enum Write {
    Put(Box<Put>),
    Heard(AgentId, i64),
    /// What is applied and taken back again.
    Undone(Box<Put>),
}

fn any_item() -> impl Strategy<Value = Put> {
    let class = prop::sample::select(vec!["server", "laptop", "database", "business_service", "licence", "unheard_of"]);
    let name = prop::sample::select(vec!["db1", "DB2", "Shop é", "web", "a", ""]);
    let source = prop::sample::select(vec![Source::Agent, Source::Import("sap".into()), Source::User("ada".into())]);
    let attribute = prop::sample::select(vec![
        ("owner", json!("Ada")),
        ("owner", json!("Team A")),
        ("owner", json!("")),
        ("memory_bytes", json!(8_589_934_592_u64)),
        ("memory_bytes", json!("8589934592")),
        ("cpu_cores", json!(2)),
        ("cpu_cores", json!(4.5)),
        ("booted_at", json!("2026-11-20T00:00:00Z")),
        ("booted_at", json!("2026-09-20")),
        ("firmware_version", json!("2.10~rc1")),
        ("operating_system", json!("Debian GNU/Linux")),
        ("operating_system_version", json!("12")),
        ("tags", json!(["EU", "prod", 7])),
        ("tags", json!([])),
        ("inventory_incomplete", json!(true)),
        ("address_history", json!(["db 0 a"])),
        ("ip_addresses", json!(["10.0.0.1", "fe80::1"])),
    ]);
    let attributes = prop::collection::vec((attribute, source), 0..5);
    let (agent, merged) = (prop::option::of(100..103_u128), prop::option::weighted(0.15, 1..=ITEMS));
    (1..=ITEMS, class, name, attributes, agent, any::<bool>(), merged).prop_map(
        |(number, class, name, attributes, agent, active, merged)| {
            let attributes: Vec<(&str, Source, Value)> =
                attributes.into_iter().map(|((name, value), source)| (name, source, value)).collect();
            let lifecycle = if active && merged.is_none() { Lifecycle::Active } else { Lifecycle::Retired };
            let agent = agent.map(|agent| AgentId(Uuid::from_u128(agent)));
            Put::Ci(Ci { lifecycle, agent, merged_into: merged.map(id), ..ci(number, class, name, &attributes) })
        },
    )
}

fn any_write() -> impl Strategy<Value = Write> {
    let kind = prop::sample::select(vec!["runs_on", "connects_to", "uses", "covered_by", "unheard_of"]);
    let edge = (1..15_u128, kind, 1..=ITEMS + 1, 1..=ITEMS, prop::bool::weighted(0.7)).prop_map(|(number, kind, from, to, active)| {
        let lifecycle = if active { Lifecycle::Active } else { Lifecycle::Retired };
        Put::Relationship(crate::model::Relationship { lifecycle, ..relationship(number, kind, from, to) })
    });
    let piece = prop::sample::select(vec![("openssl", "3.0.2-1"), ("OpenSSL", "3.0.15"), ("bash", "5"), ("libdb", "1")]);
    let installed = (1..=ITEMS, prop::collection::vec(piece, 0..3)).prop_map(|(number, pieces)| {
        let software = pieces.into_iter().map(|(name, version)| software(name, version)).collect();
        Put::Software { ci: id(number), software }
    });
    let put = prop_oneof![4 => any_item(), 3 => edge, 1 => installed];
    let heard = (100..103_u128, 0..3_i64).prop_map(|(agent, days)| Write::Heard(AgentId(Uuid::from_u128(agent)), days));
    (put, 0..10_u8).prop_flat_map(move |(put, way)| {
        let put = Box::new(put);
        match way {
            0 => Just(Write::Undone(put)).boxed(),
            1 => heard.clone().boxed(),
            _ => Just(Write::Put(put)).boxed(),
        }
    })
}

fn apply(estate: &mut Estate, write: &Write) {
    match write {
        Write::Put(put) => estate.put(put),
        Write::Heard(agent, days) => estate.heard(*agent, now().plus_millis(-days * DAY_MS)),
        Write::Undone(put) => {
            let change = Change { put: (**put).clone(), reason: String::new(), differs: Vec::new() };
            let undo = estate.apply_recording([&change]);
            estate.revert(undo);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// The index that followed the writes, one that is made anew, and looking at every item give the same answer.
    #[test]
    fn the_index_answers_what_looking_at_everything_answers(
        writes in prop::collection::vec((any_write(), any::<bool>()), 1..40),
        filters in prop::collection::vec(any_filter(), 8),
    ) {
        let mut estate = Estate::default();
        let mut index = SearchIndex::from_estate(&estate);
        for (write, is_asked_after) in &writes {
            apply(&mut estate, write);
            if *is_asked_after {
                index.catch_up(&estate);
            }
        }
        index.catch_up(&estate);
        let anew = SearchIndex::from_estate(&estate);
        for written in &filters {
            let Ok(filter) = Filter::parse(&crate::Catalogue::built_in(), written) else { continue };
            let matcher = Matcher::new(&estate, &filter, now());
            let expected: BTreeSet<CiId> = estate.cis().filter(|ci| matcher.holds(ci)).map(|ci| ci.id).collect();
            for index in [&index, &anew] {
                let nearness = index.nearness(&filter);
                let numbers = index.find(&estate, &filter, now());
                let found: BTreeSet<CiId> = numbers.iter().filter_map(|number| index.id(number)).collect();
                prop_assert_eq!(&found, &expected, "{}", written);
                for number in numbers {
                    let ci = index.id(number).and_then(|id| estate.ci(id)).unwrap();
                    prop_assert_eq!(nearness[number as usize], matcher.nearness(ci), "{} is near {}", written, ci.name);
                }
            }
        }
    }
}
