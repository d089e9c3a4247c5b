//! First pages of filters and searches from a running collector with 100,000 items, over HTTPS, against looking at every item.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use rollcall::{
    query::{CiQuery, Search, list},
    store::{AttributedChange, Batch},
};
use rollcall_core::{
    Attribute, Change, Ci, Claim, Estate, Evidence, Lifecycle, Method, Put, Relationship, Revision, SoftwareEntry, Source,
};
use rollcall_shared::{CiId, RelationshipId, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Times;
use crate::{
    bench::graph::pure::timed,
    harness::{Collector, CollectorOptions},
};

/// Changes in one commit.
const BATCH: usize = 20_000;

/// What is asked: a filter over an indexed attribute, a search, a relation, an order.
const QUESTIONS: &[(&str, &str)] = &[
    ("", ""),
    ("class:server", ""),
    ("class:server,laptop owner:\"team 7\"", "-memory_bytes"),
    ("owner=\"Team 42\"", "last_seen"),
    ("memory_bytes>=64GiB cpu_cores<16", "-cpu_cores"),
    ("booted_at<30d", "booted_at"),
    ("os:debian location:\"room 9\"", "owner"),
    ("serial:SN0012", ""),
    ("address=10.1.2.3", ""),
    ("owner=\"\" class:machine", "-changed"),
    ("source:import:cmdb-old", ""),
    ("software:openssl<3.0.7", ""),
    ("-software:openssl class:server", ""),
    ("first_seen>100d OR owner:\"team 1\"", "class"),
    ("server-01234", ""),
    ("web", ""),
    ("a", ""),
    ("10.1.2", ""),
    ("debian 17", ""),
    ("nothing-is-called-so", ""),
    ("openssl", ""),
    ("runs_on:(class:server os:debian)", ""),
    ("class:server hosts:(class:database needed_by:(class:business_service criticality=critical))", ""),
    ("needs:server-00017", ""),
];

/// Measures and prints.
///
/// # Errors
/// If the collector cannot be started, answers wrongly, or misses 50 ms at the 99th percentile.
pub async fn run(cis: usize, rounds: usize) -> anyhow::Result<()> {
    let mut collector = Collector::start(CollectorOptions::default()).await?;
    collector.stop().await?;
    let changes = estate(cis);
    fill(collector.data_dir(), &changes).await?;
    let mut estate = Estate::default();
    estate.apply(&changes, Revision(1));
    drop(changes);

    let (search, indexing) = timed(|| {
        let search = Search::default();
        search.catch_up(&estate);
        search
    });
    println!("search: {cis} items; the index of all of them is made in {:.2} s of processor time", indexing.as_secs_f64());
    let begun = Instant::now();
    collector.start_again().await?;
    println!(
        "  the collector is ready after {:.1} s, {:.0} MiB",
        begun.elapsed().as_secs_f64(),
        collector.resident_bytes()? as f64 / 1_048_576.0
    );
    println!("  first page of 50, over HTTPS{:49}p50 /       p99 /       max   plain scan   ratio", "");
    let (mut all, mut plain_all) = (Vec::new(), Vec::new());
    for (filter, sort) in QUESTIONS {
        let pairs = [("filter", *filter), ("sort", *sort), ("limit", "50")];
        let path = reqwest::Url::parse_with_params("https://collector/api/v1/cis", pairs)?;
        let path = format!("{}?{}", path.path(), path.query().unwrap_or_default());
        let mut times = Vec::new();
        let mut answer = Value::Null;
        for _ in 0..rounds {
            let begun = Instant::now();
            answer = collector.api().get(&path).await?;
            times.push(begun.elapsed());
        }
        let asked = CiQuery::parse(&rollcall_core::Catalogue::built_in(), filter, sort, None, Some(50))?;
        let now = Timestamp::now();
        let (expected, plain) = timed(|| list(&estate, &asked, now));
        let expected = expected?;
        let (indexed, _) = timed(|| search.list(&estate, &asked, now).map(|page| page.total));
        ensure!(answer["total"] == json!(expected.total) && indexed? == expected.total, "{filter:?}: not what looking at every item finds");
        let ids: Vec<String> = expected.items.iter().map(|ci| ci.id.to_string()).collect();
        let found: Vec<&str> = answer["items"].as_array().into_iter().flatten().filter_map(|item| item["id"].as_str()).collect();
        ensure!(found == ids, "{filter:?} by {sort:?}: not in the order of looking at every item");
        let line = Times::new(times.clone());
        let [p50, p99, max] = [50, 99, 100].map(|percent| line.percentile(percent));
        println!("  {:<76}{} {} {} {} {:7.0}", format!("{filter} {sort}").trim(), ms(p50), ms(p99), ms(max), ms(plain), ratio(plain, p50));
        all.extend(times);
        plain_all.push(plain);
    }
    let all = Times::new(all);
    let [p50, p99] = [50, 99].map(|percent| all.percentile(percent));
    let plain = Times::new(plain_all).percentile(50);
    println!("  {:<76}{} {} {} {} {:7.0}", "all of them", ms(p50), ms(p99), ms(all.percentile(100)), ms(plain), ratio(plain, p50));
    ensure!(cis > 100_000 || p99 <= Duration::from_millis(50), "the 99th percentile is {p99:?}, more than 50 ms");
    Ok(())
}

fn ms(time: Duration) -> String {
    format!("{:9.2} ms", time.as_secs_f64() * 1e3)
}

fn ratio(plain: Duration, indexed: Duration) -> f64 {
    plain.as_secs_f64() / indexed.as_secs_f64().max(1e-9)
}

async fn fill(data: &Path, changes: &[Change]) -> anyhow::Result<()> {
    let store = rollcall::store::open("sqlite:rollcall.sqlite", data).await?;
    let mut base = store.load().await.context("the new store cannot be read")?.revision;
    for part in changes.chunks(BATCH) {
        let attributed = part.iter().map(|change| AttributedChange { actor: "collector".into(), change: change.clone() }).collect();
        let batch = Batch { at: Timestamp::now(), changes: attributed, documents: Vec::new(), inventories: Vec::new(), audit: Vec::new() };
        base = store.commit(base, &batch).await?;
    }
    Ok(())
}

fn id(number: usize) -> CiId {
    CiId(Uuid::from_u128(number as u128 + 1))
}

/// A fifth of all are machines, full of facts; on them run services that need each other, and every hundredth item is a business service.
fn estate(cis: usize) -> Vec<Change> {
    let now = Timestamp::now();
    let (machines, business) = (cis / 5, cis / 100);
    let change = |put: Put| Change { put, reason: String::new(), differs: Vec::new() };
    let mut changes: Vec<Change> = (0..cis).map(|number| change(Put::Ci(item(number, machines, cis - business, now)))).collect();
    let mut edge = |from: usize, to: usize, kind: &str| {
        let number = changes.len();
        changes.push(change(Put::Relationship(relationship(number, kind, from, to, now))));
    };
    for number in machines..cis - business {
        edge(number, number % machines, "runs_on");
        // Lower numbers are needed by many.
        for step in 1..4 {
            let to = machines + (number * step * 7919) % (number - machines + 1);
            if to != number {
                edge(number, to, "connects_to");
            }
        }
    }
    for number in cis - business..cis {
        edge(number, machines + (number * 31) % (cis - business - machines), "part_of");
    }
    for machine in 0..machines {
        let entry = |piece: usize| SoftwareEntry {
            kind: "deb".into(),
            name: if piece == 0 { "openssl".into() } else { format!("package-{piece}") },
            version: format!("3.0.{}", (machine + piece) % 16),
            architecture: "amd64".into(),
            publisher: String::new(),
        };
        let software = (0..40).map(|piece| entry(piece * (1 + machine % 11))).collect();
        changes.push(change(Put::Software { ci: id(machine), software }));
    }
    changes
}

fn item(number: usize, machines: usize, services_end: usize, now: Timestamp) -> Ci {
    let ago = |days: usize| now.plus_millis(-(days as i64) * 86_400_000);
    let mut attributes: BTreeMap<String, Attribute> = BTreeMap::new();
    let mut say = |name: &str, value: Value, source: Source| {
        let claim = Claim { value, source, since: now, confirmed: now, pinned: false };
        attributes.extend(Attribute::from_claims([claim]).map(|attribute| (name.to_owned(), attribute)));
    };
    let old = || Source::Import("cmdb-old".into());
    let (class, name) = if number < machines {
        let [_, _, b, c] = u32::try_from(number).unwrap_or(0).to_be_bytes();
        let name = format!("server-{number:05}");
        let uuid = Uuid::from_u128((number as u128 + 7).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835));
        for (attribute, value) in [
            ("hostname", json!(name)),
            ("fqdn", json!(format!("{name}.example.com"))),
            ("serial", json!(format!("SN{number:06}"))),
            ("smbios_uuid", json!(uuid)),
            ("machine_id", json!(uuid.simple().to_string())),
            ("manufacturer", json!(["Dell Inc.", "HPE", "Lenovo"][number % 3])),
            ("model", json!(format!("Model {}", number % 40))),
            ("operating_system", json!(["Debian GNU/Linux", "Red Hat Enterprise Linux", "Ubuntu"][number % 3])),
            ("operating_system_version", json!(format!("{}", 8 + number % 5))),
            ("kernel", json!(format!("6.1.0-{}-amd64", number % 30))),
            ("memory_bytes", json!((1_u64 << 30) * [8, 16, 32, 64, 128, 256][number % 6])),
            ("cpu_cores", json!([2, 4, 8, 16, 32][number % 5])),
            ("booted_at", json!(ago(number % 400).to_string())),
            ("ip_addresses", json!([format!("10.1.{b}.{c}"), format!("fe80::1:{number:x}")])),
            ("mac_addresses", json!([format!("52:54:00:01:{b:02x}:{c:02x}")])),
            ("address_history", json!([format!("10.1.{b}.{c} 2026-01-01T00:00:00Z 2026-01-01T00:00:00Z - -")])),
        ] {
            say(attribute, value, Source::Agent);
        }
        (if number % 4 == 3 { "laptop" } else { "server" }, name)
    } else if number < services_end {
        let kind = ["database", "web_server", "service_instance", "service_instance"][number % 4];
        say("service_key", json!(format!("unit {kind}-{}.service", number % 500)), Source::Agent);
        say("version", json!(format!("{}.{}", number % 17, number % 9)), Source::Agent);
        say("endpoints", json!([format!("tcp 0.0.0.0:{}", 1_024 + number % 60_000)]), Source::Agent);
        (kind, format!("{kind} {}", number % 5_000))
    } else {
        say("criticality", json!(if number.is_multiple_of(10) { "critical" } else { "normal" }), old());
        ("business_service", format!("Business service {number}"))
    };
    if !number.is_multiple_of(3) {
        say("owner", json!(format!("Team {}", number % 100)), old());
        say("location", json!(format!("Room {}", number % 250)), old());
    }
    let first_seen = ago(number % 700);
    Ci {
        id: id(number),
        class: class.into(),
        name,
        lifecycle: if number % 50 == 49 { Lifecycle::Retired } else { Lifecycle::Active },
        stage: if number % 50 == 49 { rollcall_core::Stage::Retired } else { rollcall_core::Stage::InUse },
        sighting: None,
        attributes,
        keys: Vec::new(),
        agent: None,
        merged_into: None,
        first_seen,
        valid_from: first_seen,
        version: 1,
    }
}

fn relationship(number: usize, kind: &str, from: usize, to: usize, now: Timestamp) -> Relationship {
    let evidence = Evidence {
        method: Method::Declared,
        agent: None,
        source: Source::Import("cmdb-old".into()),
        detail: String::new(),
        endpoints: Default::default(),
        samples_seen: 0,
        samples_total: 0,
        first_seen: now,
        last_seen: now,
        longest_silence_ms: 0,
    };
    Relationship {
        id: RelationshipId(Uuid::from_u128(number as u128)),
        kind: kind.into(),
        from: id(from),
        to: id(to),
        hardness: None,
        judgement: None,
        lifecycle: Lifecycle::Active,
        evidence: vec![evidence],
        first_seen: now,
        valid_from: now,
        version: 1,
    }
}
