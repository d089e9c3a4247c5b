//! A shop with redundancy, and those who look after it: what the graph says of an outage is what then happens.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, ensure};
use rollcall_tests::{
    estate::{
        Edge, Estate, Graph, Score, programs,
        shop::{self, Note},
    },
    harness::{Api, Collector, CollectorOptions, TokenOptions, api::text},
};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::Timing;

/// The machines, and the last number of their addresses.
const MACHINES: &[(&str, u8)] = &[
    ("dns", 10),
    ("cache", 11),
    ("db1", 12),
    ("db2", 13),
    ("app1", 14),
    ("app2", 15),
    ("app3", 16),
    ("proxy1", 17),
    ("proxy2", 18),
    ("batch", 19),
    ("desk", 20),
    ("admin", 21),
    ("monitor", 22),
];
const APPLICATIONS: [&str; 3] = ["app1", "app2", "app3"];
const PROXIES: [&str; 2] = ["proxy1", "proxy2"];
/// Services and what kind each is to the poller.
const SERVICES: &[(&str, &str)] = &[
    ("redis-server@cache", "redis"),
    ("postgres@db1", "postgres"),
    ("postgres@db2", "postgres"),
    ("shop.py@app1", "shop"),
    ("shop.py@app2", "shop"),
    ("shop.py@app3", "shop"),
    ("haproxy@proxy1", "proxy"),
    ("haproxy@proxy2", "proxy"),
    // Where nothing else is served, it asks for the remote shell.
    ("sshd@dns", "ssh"),
    ("sshd@batch", "ssh"),
    ("sshd@desk", "ssh"),
    ("sshd@admin", "ssh"),
];
/// Clients that note themselves whether they were served, and where.
const CLIENTS: &[(&str, &str, &str)] = &[("customers.py@desk", "desk", "customers"), ("report.py@batch", "batch", "report")];
/// How often the batch job runs, seconds.
const BATCH_EVERY: f64 = 12.0;

/// True edges: what the shop needs for its work, and what looks after it.
fn truth() -> (BTreeSet<Edge>, BTreeSet<Edge>) {
    let connects = |from: &str, to: &str| Edge::new("connects_to", from, to);
    let mut work = BTreeSet::from([connects("postgres@db2", "postgres@db1"), connects("report.py@batch", "postgres@db2")]);
    work.extend(MACHINES.iter().filter(|(name, _)| *name != "dns").map(|(name, _)| Edge::new("resolves_names_with", name, "dns")));
    for application in APPLICATIONS.map(|machine| format!("shop.py@{machine}")) {
        work.extend([connects(&application, "postgres@db1"), connects(&application, "redis-server@cache")]);
        work.extend(PROXIES.map(|machine| connects(&format!("haproxy@{machine}"), &application)));
    }
    work.extend(PROXIES.map(|machine| connects("customers.py@desk", &format!("haproxy@{machine}"))));
    let signed_in = MACHINES.iter().filter(|(name, _)| *name != "admin").map(|(name, _)| connects("admin", &format!("sshd@{name}")));
    let asked = SERVICES.iter().map(|(service, _)| connects("poller.py@monitor", service));
    (work, signed_in.chain(asked).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn outages_are_as_predicted() -> anyhow::Result<()> {
    let timing = Timing::new(90.0)?;
    let mut estate = Estate::new()?;
    let options = CollectorOptions { agents_listen: format!("{}:0", estate.address(1)), ..CollectorOptions::default() };
    let collector = Collector::start(options).await?;
    set_up(&mut estate, &collector, &timing).await?;
    let graph = true_graph(&estate_score(&collector, &timing).await?)?;
    let api = collector.api();
    looked_after_is_no_need(api).await?;
    accept_redundancy(api).await?;

    // What is to happen is asked before it happens.
    let names = names(api).await?;
    let failures = [("app1", "shop", "shop.py@app1", Signal::TERM), ("db1", "postgres", "postgres@db1", Signal::INT)];
    let mut told = Vec::new();
    for (machine, program, service, signal) in failures {
        let predicted = predicted(api, &names, service).await?;
        estate.machine(machine)?.stop_with(program, signal).await?;
        let observed = observed(&mut estate).await?;
        told.push((service, predicted, observed));
        if program == "shop" {
            shop::application(estate.machine(machine)?).await?;
            all_serve(&mut estate).await?;
        }
    }
    println!("shop: {} machines, {} s of traffic, a sample every {} s", MACHINES.len(), timing.traffic, timing.sample);
    print!("{graph}");
    let mut wrong = Vec::new();
    for (service, predicted, observed) in &told {
        let right = predicted.intersection(observed).count() as f64;
        let (precision, recall) = (100.0 * right / predicted.len().max(1) as f64, 100.0 * right / observed.len().max(1) as f64);
        println!(
            "  outage of {service}: predicted {}, observed {}: precision {precision:6.2} %, recall {recall:6.2} %",
            predicted.len(),
            observed.len()
        );
        if predicted != observed {
            wrong.push(format!("outage of {service}: predicted {predicted:?}, observed {observed:?}"));
        }
    }
    ensure!(wrong.is_empty(), "predictions did not come true:\n{}", wrong.join("\n"));
    Ok(())
}

async fn set_up(estate: &mut Estate, collector: &Collector, timing: &Timing) -> anyhow::Result<()> {
    let number = |name: &str| MACHINES.iter().find(|(machine, _)| *machine == name).map_or(0, |(_, number)| *number);
    for (name, at) in MACHINES {
        estate.add(name, *at, number("dns")).await?;
    }
    let addresses: BTreeMap<&str, String> = MACHINES.iter().map(|(name, number)| (*name, estate.address(*number))).collect();
    let at = |name: &str| addresses.get(name).cloned().unwrap_or_default();
    let names = [
        ("cache.estate", "cache"),
        ("database.estate", "db1"),
        ("copy.estate", "db2"),
        ("www1.estate", "proxy1"),
        ("www2.estate", "proxy2"),
    ];
    let names: BTreeMap<&str, String> = names.into_iter().map(|(name, machine)| (name, at(machine))).collect();
    let network = estate.network();
    programs::resolver(estate.machine("dns")?, &at("dns"), &names).await?;
    programs::redis(estate.machine("cache")?).await?;
    programs::postgres(estate.machine("db1")?, &network).await?;
    programs::postgres_replica(estate.machine("db2")?, &at("db1")).await?;
    for machine in APPLICATIONS {
        shop::application(estate.machine(machine)?).await?;
    }
    let servers = APPLICATIONS.map(|machine| format!("{}:8000", at(machine)));
    for machine in PROXIES {
        shop::proxy(estate.machine(machine)?, &servers).await?;
    }
    let key = estate.directory().join("key").to_str().context("path")?.to_owned();
    let public_key = shop::new_key(&key)?;
    let token = collector.token_text(TokenOptions::default()).await?;
    for machine in estate.machines() {
        shop::remote_shell(machine, &public_key).await?;
        machine.start_agent(&token, timing.sample, timing.sample)?;
    }
    shop::customers(estate.machine("desk")?)?;
    shop::batch(estate.machine("batch")?, BATCH_EVERY)?;
    let others: Vec<String> = MACHINES.iter().filter(|(name, _)| *name != "admin").map(|(name, _)| at(name)).collect();
    shop::administrator(estate.machine("admin")?, &key, &others)?;
    let targets = SERVICES.iter().map(|(service, kind)| ((*service).to_owned(), *kind, at(service.rsplit('@').next().unwrap_or_default())));
    let targets: Vec<(String, &str, String)> = targets.collect();
    shop::poller(estate.machine("monitor")?, &targets)
}

/// The graph after the traffic, as soon as it is the true one, or as it is after five minutes: whose the shortest connections are is found by
/// looking often, which a busy machine does less of.
async fn estate_score(collector: &Collector, timing: &Timing) -> anyhow::Result<(Graph, Score)> {
    const LONGEST: Duration = Duration::from_secs(300);
    let begun = Instant::now();
    tokio::time::sleep(timing.traffic()).await;
    let (work, looked_after) = truth();
    loop {
        let graph = Graph::read(collector.api()).await?;
        let score = Score::new(&graph, &work, &looked_after);
        if score.is_exact() || begun.elapsed() > LONGEST.max(timing.traffic() + timing.reported_within()) {
            return Ok((graph, score));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn true_graph((graph, score): &(Graph, Score)) -> anyhow::Result<String> {
    ensure!(score.is_exact(), "the graph is not the true one:\n{score}{}", graph.diagnosis(score));
    Ok(score.to_string())
}

/// Looking after machines is told apart from work, and is nobody's need; soon after the last edge was drawn.
async fn looked_after_is_no_need(api: &Api) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let wrong = taken_for_another(api).await?;
        if wrong.is_empty() {
            return Ok(());
        }
        ensure!(begun.elapsed() < Duration::from_secs(30), "connections are taken for what they are not:\n{}", wrong.join("\n"));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Connections whose purpose is not recognised.
async fn taken_for_another(api: &Api) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    for relationship in api.all("/api/v1/relationships?limit=1000").await? {
        let field = |pointer: &str| relationship.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        if field("/type") != "connects_to" {
            continue;
        }
        let (from, to) = (field("/from/name"), field("/to/name"));
        let expected = match from {
            "poller.py" => ("none", "monitoring"),
            "admin" => ("none", "administration"),
            "postgres" => ("soft", "replication"),
            _ => ("hard", ""),
        };
        let found = (field("/hardness"), field("/judgement/purpose"));
        if found != expected {
            wrong.push(format!("{from} -> {to}: {found:?} instead of {expected:?}: {}", field("/judgement/reason")));
        }
    }
    Ok(wrong)
}

/// The redundancy of proxies and application is suggested, and a person accepts it. That of the databases is suggested as well, and
/// rejected: nothing here goes over to the copy.
async fn accept_redundancy(api: &Api) -> anyhow::Result<()> {
    let mut wanted: BTreeMap<(String, String), usize> = BTreeMap::from([(("customers.py".into(), "spread_client".into()), 2)]);
    wanted.insert(("haproxy".into(), "behind_balancer".into()), 3);
    let mut accepted: BTreeMap<(String, String), usize> = BTreeMap::new();
    let begun = Instant::now();
    loop {
        let suggestions = api.all("/api/v1/suggestions").await?;
        for suggestion in &suggestions {
            let field = |pointer: &str| suggestion.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            let members = suggestion.get("members").and_then(Value::as_array).map_or(0, Vec::len);
            let key = (field("/ci/name"), field("/pattern"));
            let is_whole = wanted.get(&key) == Some(&members);
            if is_whole {
                api.post(&format!("/api/v1/suggestions/{}/accept", text(suggestion, "id")?), &json!({})).await?;
                *accepted.entry(key).or_default() += 1;
            } else if field("/pattern") == "replicas" {
                api.post(&format!("/api/v1/suggestions/{}/reject", text(suggestion, "id")?), &json!({})).await?;
            }
        }
        let done = accepted.get(&("haproxy".into(), "behind_balancer".into())) == Some(&2) && accepted.len() == wanted.len();
        if done {
            return Ok(());
        }
        ensure!(
            begun.elapsed() < Duration::from_secs(30),
            "redundancy is not suggested as it is; accepted {accepted:?}, there is {suggestions:#?}"
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Services by `SERVICE@MACHINE`.
async fn names(api: &Api) -> anyhow::Result<BTreeMap<String, String>> {
    let mut names = BTreeMap::new();
    for relationship in api.all("/api/v1/relationships?limit=1000&type=runs_on").await? {
        let field = |pointer: &str| relationship.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        names.insert(field("/from/id").to_owned(), format!("{}@{}", field("/from/name"), field("/to/name")));
    }
    Ok(names)
}

/// Those of whom the shop can say whether they serve.
fn asked() -> BTreeSet<String> {
    SERVICES.iter().map(|(service, _)| *service).chain(CLIENTS.iter().map(|(client, ..)| *client)).map(str::to_owned).collect()
}

/// Who would be down if this service failed, itself included.
async fn predicted(api: &Api, names: &BTreeMap<String, String>, service: &str) -> anyhow::Result<BTreeSet<String>> {
    let id = names.iter().find(|(_, name)| *name == service).map(|(id, _)| id).with_context(|| format!("no {service} in {names:?}"))?;
    let answer = api.post("/api/v1/impact", &json!({ "failures": [{ "ci": id }] })).await?;
    println!("  {}", text(&answer, "verdict")?);
    let affected = answer.get("affected").and_then(Value::as_array).into_iter().flatten();
    let down = affected.filter(|it| it.get("state").and_then(Value::as_str) == Some("down"));
    let named = down.filter_map(|it| names.get(it.pointer("/ci/id")?.as_str()?).cloned());
    let asked = asked();
    Ok(named.chain([service.to_owned()]).filter(|name| asked.contains(name)).collect())
}

/// Who serves nobody any more, asked when everybody has had the time to notice.
async fn observed(estate: &mut Estate) -> anyhow::Result<BTreeSet<String>> {
    /// Proxies take a server out after two checks.
    const NOTICED: Duration = Duration::from_secs(6);
    const ANSWERS: usize = 2;
    let since = now() + NOTICED.as_secs_f64();
    let begun = Instant::now();
    loop {
        let answers = answers(estate, since)?;
        let late: Vec<&String> = answers.iter().filter(|(_, oks)| oks.len() < ANSWERS).map(|(who, _)| who).collect();
        if late.is_empty() {
            return Ok(answers.into_iter().filter(|(_, oks)| !oks.iter().any(|ok| *ok)).map(|(who, _)| who).collect());
        }
        ensure!(begun.elapsed() < Duration::from_secs(120), "nothing is known of {late:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Waits until everybody serves.
async fn all_serve(estate: &mut Estate) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let answers = answers(estate, now() - 8.0)?;
        let failing: Vec<String> = answers.into_iter().filter(|(_, oks)| oks.last() == Some(&false)).map(|(who, _)| who).collect();
        if failing.is_empty() && begun.elapsed() > Duration::from_secs(8) {
            return Ok(());
        }
        ensure!(begun.elapsed() < Duration::from_secs(60), "{failing:?} do not serve again");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Everybody's answers since then, in order.
fn answers(estate: &mut Estate, since: f64) -> anyhow::Result<BTreeMap<String, Vec<bool>>> {
    let mut answers: BTreeMap<String, Vec<bool>> = asked().into_iter().map(|who| (who, Vec::new())).collect();
    let mut add = |who: &str, note: &Note| {
        if let Some(oks) = answers.get_mut(who).filter(|_| note.at >= since) {
            oks.push(note.ok);
        }
    };
    for note in shop::notes(&estate.machine("monitor")?.log("poller")) {
        add(&note.who.clone(), &note);
    }
    for (client, machine, program) in CLIENTS {
        for note in shop::notes(&estate.machine(machine)?.log(program)) {
            add(client, &note);
        }
    }
    Ok(answers)
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
