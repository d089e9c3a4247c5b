//! Brings a simulated company into a collector: its agents enroll and report over the real wire, people's knowledge
//! comes through the API.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use clap::Parser;
use rollcall_shared::wire::v1::EnrollmentToken;
use rollcall_tests::{
    fleet::{
        Company, Machine, SimulatedAgent,
        declare::declare,
        living::{self, Directory},
        wire::WireError,
    },
    harness::{Api, api::text},
};
use serde_json::json;
use tokio::task::JoinSet;

/// Adds a simulated company of about 300 machines to a running collector. Machines that it has already stay as they are. With --stay they
/// report again and again.
#[derive(Parser)]
struct Arguments {
    /// The data directory of a collector that runs on this machine.
    #[arg(long)]
    data_dir: PathBuf,
    /// Agents that report at the same time.
    #[arg(long, default_value_t = 16)]
    parallel: usize,
    /// Where what the agents must not lose is kept, their keys among it.
    #[arg(long)]
    state_dir: PathBuf,
    /// Add nothing; let the agents in --state-dir report, until this is ended.
    #[arg(long)]
    stay: bool,
    /// Another number makes other machines.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    ensure!(arguments.parallel > 0, "--parallel must be at least 1");
    let api = Api::console(&arguments.data_dir)?;
    let directory = Directory::open(&arguments.state_dir)?;
    let company = directory.company(arguments.seed)?;
    if arguments.stay {
        return living::report(directory.agents(company)?, &directory).await;
    }
    let started = Instant::now();
    let joined = report(&api, &company, &directory, arguments.parallel).await?;
    match joined {
        0 => println!("its {} machines are known already", company.machines.len()),
        _ => println!("{joined} simulated machines enrolled and reported in {:.1} s", started.elapsed().as_secs_f64()),
    }
    let declared = declare(&api, &company).await?;
    println!("declared {} items, {} relationships, {} redundancy groups", declared.items, declared.relationships, declared.groups);
    Ok(())
}

/// Enrolls every machine that the collector does not know yet, each with a token that names its site, and reports once.
async fn report(api: &Api, company: &Company, directory: &Directory, parallel: usize) -> anyhow::Result<usize> {
    let known: Vec<String> =
        api.all("/api/v1/agents?limit=1000").await?.iter().filter_map(|agent| Some(agent.get("hostname")?.as_str()?.to_owned())).collect();
    let mut waiting: Vec<&Machine> = company.machines.iter().filter(|machine| !known.contains(&machine.identity.hostname)).collect();
    // Taken from the end: the servers first, so that what laptops talk to is known.
    waiting.reverse();
    let total = waiting.len();
    if total == 0 {
        return Ok(0);
    }
    let mut tokens = std::collections::HashMap::new();
    for site in rollcall_tests::fleet::company::SITES {
        let body = json!({ "name": format!("simulated: {}", site.name), "uses": 0, "days": 1, "attributes": { "location": site.name } });
        let answer = api.post("/api/v1/tokens", &body).await?;
        tokens.insert(site.code, EnrollmentToken::parse(text(&answer, "token")?)?);
    }
    let mut running = JoinSet::new();
    let mut done = 0;
    while done < total {
        while running.len() < parallel {
            let Some(machine) = waiting.pop() else { break };
            let token = tokens.get(machine.site.as_str()).cloned().context("a machine at no site")?;
            running.spawn(enroll_and_report(token, machine.clone(), directory.clone()));
        }
        match running.join_next().await {
            Some(result) => result??,
            None => bail!("nothing left to wait for"),
        }
        done += 1;
        if done % 50 == 0 {
            println!("  {done} of {total}");
        }
    }
    for token in tokens.values() {
        api.delete(&format!("/api/v1/tokens/{}", token.id)).await?;
    }
    Ok(total)
}

async fn enroll_and_report(token: EnrollmentToken, machine: Machine, directory: Directory) -> anyhow::Result<()> {
    let hostname = machine.identity.hostname.clone();
    let mut agent =
        patiently(|| SimulatedAgent::enroll(&token, machine.clone())).await.with_context(|| format!("{hostname}: enrolling"))?;
    for _ in 0..10 {
        match living::round(&mut agent, &directory).await {
            Ok(_) => return Ok(()),
            Err(error) if living::passes(&error) => tokio::time::sleep(Duration::from_millis(500)).await,
            Err(error) => return Err(error).with_context(|| format!("{hostname}: reporting")),
        }
    }
    bail!("{hostname}: the collector is too busy")
}

async fn patiently<T, F: Future<Output = Result<T, WireError>>>(mut attempt: impl FnMut() -> F) -> Result<T, WireError> {
    for _ in 0..9 {
        match attempt().await {
            Err(error) if matches!(error.status(), Some(429 | 503)) => tokio::time::sleep(Duration::from_millis(500)).await,
            result => return result,
        }
    }
    attempt().await
}
