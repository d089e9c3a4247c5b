//! An estate of real daemons, each on a machine of its own: the graph that its agents' reports yield is the true one.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::ensure;
use rollcall_tests::{
    estate::{Edge, Estate, Graph, Score, programs},
    harness::{Collector, CollectorOptions, TokenOptions},
};
use serde_json::Value;

use super::Timing;

/// The machines, and the last number of their addresses.
const MACHINES: &[(&str, u8)] =
    &[("dns", 10), ("cache", 11), ("db", 12), ("app1", 13), ("app2", 14), ("web", 15), ("proxy", 16), ("desk", 17)];

/// The true edges of connections that stay open, and of those that are shorter than the sampling interval: what the programs are
/// set up to do, and what their logs say that they did.
fn truth() -> (BTreeSet<Edge>, BTreeSet<Edge>) {
    let connects = |from: &str, to: &str| Edge::new("connects_to", from, to);
    let resolves = |from: &&(&str, u8)| Edge::new("resolves_names_with", from.0, "dns");
    let mut long: BTreeSet<Edge> = MACHINES.iter().filter(|(name, _)| *name != "dns").map(|machine| resolves(&machine)).collect();
    long.extend([
        connects("visitors.py@desk", "haproxy@proxy"),
        connects("orders.py@app1", "postgres@db"),
        connects("orders.py@app1", "redis-server@cache"),
    ]);
    let short = [
        connects("haproxy@proxy", "nginx@web"),
        connects("nginx@web", "orders.py@app1"),
        connects("nginx@web", "stock.py@app2"),
        connects("stock.py@app2", "postgres@db"),
        connects("stock.py@app2", "redis-server@cache"),
    ];
    (long, short.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_graph_is_the_true_one() -> anyhow::Result<()> {
    let timing = Timing::new(120.0)?;
    let mut estate = Estate::new()?;
    let options = CollectorOptions { agents_listen: format!("{}:0", estate.address(1)), ..CollectorOptions::default() };
    let collector = Collector::start(options).await?;
    let address = |name: &str| MACHINES.iter().find(|(machine, _)| *machine == name).map_or(0, |(_, number)| *number);
    for (name, number) in MACHINES {
        estate.add(name, *number, address("dns")).await?;
    }
    let at = |estate: &Estate, name: &str| estate.address(address(name));
    let names = [("cache.estate", "cache"), ("database.estate", "db"), ("www.estate", "proxy")];
    let names: BTreeMap<&str, String> = names.into_iter().map(|(name, machine)| (name, at(&estate, machine))).collect();
    let (dns, network) = (at(&estate, "dns"), estate.network());
    let applications = [format!("{}:8000", at(&estate, "app1")), format!("{}:8000", at(&estate, "app2"))];
    let web = [format!("{}:80", at(&estate, "web"))];
    programs::resolver(estate.machine("dns")?, &dns, &names).await?;
    programs::redis(estate.machine("cache")?).await?;
    programs::postgres(estate.machine("db")?, &network).await?;
    programs::application(estate.machine("app1")?, "orders", true).await?;
    programs::application(estate.machine("app2")?, "stock", false).await?;
    programs::nginx(estate.machine("web")?, &applications).await?;
    programs::haproxy(estate.machine("proxy")?, &web).await?;
    let token = collector.token_text(TokenOptions::default()).await?;
    for machine in estate.machines() {
        machine.start_agent(&token, timing.sample, timing.sample)?;
    }

    programs::visitors(estate.machine("desk")?, "visitors")?;
    tokio::time::sleep(timing.traffic()).await;
    estate.machine("desk")?.stop("visitors").await?;
    let (long, short) = truth();
    let begun = Instant::now();
    let (graph, score) = loop {
        let graph = Graph::read(collector.api()).await?;
        let score = Score::new(&graph, &long, &short);
        if score.is_exact() || begun.elapsed() > timing.reported_within() {
            break (graph, score);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    println!("estate: {} machines, {} s of traffic, a sample every {} s", MACHINES.len(), timing.traffic, timing.sample);
    for (machine, program, least) in [("app2", "stock", 10), ("desk", "visitors", 10)] {
        let closed = connections(&estate.machine(machine)?.log(program));
        println!("  {program} logged {} short connections, the longest {:.3} s", closed.len(), closed.iter().copied().fold(0.0, f64::max));
        ensure!(closed.len() >= least, "{program} made too few connections: {}", estate.machine(machine)?.log(program));
    }
    ensure!(connections(&estate.machine("app1")?.log("orders")).is_empty(), "orders has closed a connection that was to stay");
    print!("{score}");
    if !score.is_exact() {
        for edge in &graph.edges {
            println!("  drawn: {edge}: {}", graph.evidence.get(edge).map(|all| all.join("; ")).unwrap_or_default());
        }
        for machine in estate.machines() {
            let log = machine.log("agent");
            println!("  {}'s agent: {}", machine.name(), log.lines().rev().take(5).collect::<Vec<_>>().join("\n    "));
        }
    }
    // Last of all, where whoever sees only the end of a log sees it.
    ensure!(score.is_exact(), "the graph is not the true one:\n{}", graph.diagnosis(&score));
    Ok(())
}

/// How long the connections in a client's log lasted, seconds.
fn connections(log: &str) -> Vec<f64> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter_map(|line| line.get("seconds")?.as_f64()).collect()
}
