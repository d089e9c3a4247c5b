//! Whatever comes in: a refusal that says what and where, soon, in bounded memory; and the collector keeps serving.

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use rollcall_shared::{Timestamp, wire::Problem, wire::v1::paths};
use rollcall_tests::{
    fleet::{SimulatedAgent, wire::WireClient},
    harness::{Collector, CollectorOptions},
};
use serde_json::{Value, json};

use super::support::{joined, machine};

/// Longest that a refusal may take. The best of [`TRIES`] counts: other tests run on the same processors.
const MOST: Duration = Duration::from_millis(250);
const TRIES: usize = 5;

struct Bad {
    name: &'static str,
    path: &'static str,
    body: Vec<u8>,
    zstd: bool,
    statuses: &'static [u16],
    /// What the refusal must name: a JSON path, or a word of the detail.
    names: &'static str,
}

fn compressed(json: &[u8]) -> Vec<u8> {
    zstd::encode_all(json, 3).expect("compression of a slice")
}

/// 2 GiB of spaces in a few hundred kilobytes.
fn bomb() -> std::io::Result<Vec<u8>> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1)?;
    let spaces = vec![b' '; 1 << 20];
    for _ in 0..2_048 {
        encoder.write_all(&spaces)?;
    }
    encoder.finish()
}

fn document(agent: &mut SimulatedAgent, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let document = agent.machine.document(agent.exchanges.current(), Timestamp::now(), None);
    let mut value = serde_json::to_value(&document).expect("documents are JSON");
    change(&mut value);
    compressed(&serde_json::to_vec(&value).expect("values are JSON"))
}

fn table(agent: &mut SimulatedAgent) -> anyhow::Result<Vec<Bad>> {
    let check_in = serde_json::to_value(agent.check_in_request(Timestamp::now()))?;
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut value = check_in.clone();
        change(&mut value);
        serde_json::to_vec(&value).unwrap_or_default()
    };
    let whole = document(agent, |_| {});
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)).into_bytes();
    let mut nul = changed(&|_| {});
    nul.extend_from_slice(b"\0");
    let inventory = |name, body, statuses, names| Bad { name, path: paths::INVENTORY, body, zstd: true, statuses, names };
    let control = |name, body, statuses, names| Bad { name, path: paths::CHECK_IN, body, zstd: false, statuses, names };
    Ok(vec![
        control("empty body", Vec::new(), &[400], "$"),
        control("truncated JSON", changed(&|_| {})[..100].to_vec(), &[400], "$"),
        control("not UTF-8", b"{\"format\":\"\xff\xfe\"}".to_vec(), &[400, 422], "$"),
        control("NUL byte after the document", nul, &[400], "$"),
        control("NUL in a text", changed(&|v| v["agent_version"] = json!("1\u{0}2")), &[422], "$.agent_version"),
        control("wrong type", changed(&|v| v["exchange"]["counter"] = json!("one")), &[422], "$.exchange.counter"),
        control("unknown format version", changed(&|v| v["format"] = json!(99)), &[400, 422], "format"),
        control("too deep", deep.clone(), &[413], "$"),
        control("too long", vec![b' '; 1 << 20], &[413], ""),
        control("a bomb as a check-in", bomb()?, &[400, 413, 415], ""),
        inventory("truncated zstd", whole[..whole.len() / 2].to_vec(), &[400], ""),
        inventory("not zstd", b"hello".repeat(100), &[400], ""),
        inventory("a bomb", bomb()?, &[413], ""),
        inventory("oversized", vec![0x5a; 5 << 20], &[413], ""),
        inventory("too deep", compressed(&deep), &[413], "$"),
        inventory("sections missing", compressed(b"{}"), &[422], "$"),
        inventory(
            "too many packages",
            document(agent, |v| {
                // Each another one: equal ones would be refused as a bomb.
                let one = |n: u32| json!({ "kind": "deb", "name": blake3::hash(&n.to_le_bytes()).to_string(), "version": "1" });
                v["sections"]["packages"]["data"]["packages"] = (0..50_001).map(one).collect();
            }),
            &[413],
            "$.sections.packages.data.packages",
        ),
        inventory(
            "a long text",
            document(agent, |v| v["sections"]["identity"]["data"]["hostname"] = json!("x".repeat(9_000))),
            &[413],
            "$.sections.identity.data.hostname",
        ),
        inventory(
            "NUL in a section",
            document(agent, |v| v["sections"]["identity"]["data"]["hostname"] = json!("a\u{0}b")),
            &[422],
            "$.sections.identity.data.hostname",
        ),
        Bad { name: "wrong path", path: "/agent/v1/../../etc/passwd", body: Vec::new(), zstd: false, statuses: &[404], names: "" },
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_with_its_place_and_the_collector_keeps_serving() -> anyhow::Result<()> {
    let collector = Collector::start(CollectorOptions::default()).await?;
    let (_, mut agent) = joined(&collector).await?;
    agent.report().await?;
    let before = collector.resident_bytes()?;
    let mut slowest = (Duration::ZERO, "");
    for bad in table(&mut agent)? {
        let mut fastest = Duration::MAX;
        for _ in 0..TRIES {
            let started = Instant::now();
            let (status, answer) =
                agent.client().raw(bad.path, bad.body.clone(), bad.zstd.then_some("zstd")).await.with_context(|| bad.name)?;
            fastest = fastest.min(started.elapsed());
            let words = String::from_utf8_lossy(&answer);
            ensure!(bad.statuses.contains(&status.as_u16()), "{}: {status} {words}", bad.name);
            let problem: Problem = serde_json::from_slice(&answer).map_err(|_| anyhow::anyhow!("{}: no problem: {words}", bad.name))?;
            let place = problem.path.clone().unwrap_or_default();
            ensure!(place.starts_with(bad.names) || problem.detail.contains(bad.names), "{}: {problem:?}", bad.name);
            ensure!(answer.len() < 4_096, "{}: an answer of {} bytes", bad.name, answer.len());
        }
        ensure!(fastest < MOST, "{}: refused after {fastest:?}", bad.name);
        slowest = slowest.max((fastest, bad.name));
    }
    let grown = collector.resident_bytes()?.saturating_sub(before);
    println!("slowest refusal {:?} ({}); memory grew by {} KiB", slowest.0, slowest.1, grown >> 10);
    ensure!(grown < 96 << 20, "memory grew by {grown} bytes");

    // Nothing of it was applied, and everybody is still served.
    agent.connect()?;
    ensure!(agent.report().await?.is_empty(), "a refused document was applied");
    ensure!(collector.agent_state(agent.id()).await? == "active");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_at_the_same_time_stay_within_memory() -> anyhow::Result<()> {
    let collector = Collector::start(CollectorOptions::default()).await?;
    let (token, first) = joined(&collector).await?;
    let mut agents = vec![first];
    for _ in 0..15 {
        agents.push(SimulatedAgent::enroll(&token, machine()).await?);
    }
    let before = collector.resident_bytes()?;
    let bomb = bomb()?;
    let mut sending = tokio::task::JoinSet::new();
    for agent in agents {
        let bomb = bomb.clone();
        sending.spawn(async move { agent.client().raw(paths::INVENTORY, bomb, Some("zstd")).await.map(|(status, _)| status.as_u16()) });
    }
    while let Some(status) = sending.join_next().await {
        let status = status??;
        ensure!([413, 429, 503].contains(&status), "{status}");
    }
    let grown = collector.resident_bytes()?.saturating_sub(before);
    println!("16 bombs of 2 GiB at once: memory grew by {} KiB", grown >> 10);
    ensure!(grown < 512 << 20, "memory grew by {grown} bytes");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_agent_id_in_the_body_changes_nothing_of_that_agent() -> anyhow::Result<()> {
    let collector = Collector::start(CollectorOptions::default()).await?;
    let (token, mut victim) = joined(&collector).await?;
    victim.report().await?;
    let mut attacker = SimulatedAgent::enroll(&token, super::support::machines().swap_remove(5)).await?;
    attacker.report().await?;
    let before = collector.machine_of(victim.id()).await?;

    attacker.machine.identity.hostname = "stolen".into();
    let body = document(&mut attacker, |v| {
        v["agent_id"] = json!(victim.id());
        v["sections"]["identity"]["agent_id"] = json!(victim.id());
        v["sections"]["identity"]["data"]["agent_id"] = json!(victim.id());
    });
    // Unknown fields are tolerated; the identity is the certificate's. Either way nothing of the victim changes.
    let (status, _) = attacker.client().raw(paths::INVENTORY, body, Some("zstd")).await?;
    ensure!(status.is_success() || status.is_client_error(), "{status}");
    ensure!(collector.machine_of(victim.id()).await? == before, "another agent's machine was changed");
    ensure!(victim.report().await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_never_ends_does_not_hold_up_others() -> anyhow::Result<()> {
    let collector = Collector::start(CollectorOptions::default()).await?;
    let (token, mut agent) = joined(&collector).await?;
    // Connections that say nothing at all.
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(tokio::net::TcpStream::connect(collector.agents_address()).await?);
    }
    let anonymous = WireClient::new(&collector.agents_url()?, &token.root_pin, None)?;
    let (status, _) = anonymous.raw(paths::ENROLL, b"{".to_vec(), None).await?;
    ensure!(status == 400, "{status}");
    agent.report().await?;
    drop(silent);
    Ok(())
}
