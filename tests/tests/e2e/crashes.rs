//! kill -9 of collector and agents at random moments under load: nothing acknowledged is lost, nothing is invented,
//! duplicates are absorbed.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, ensure};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rollcall::store;
use rollcall_shared::{AgentId, DocumentId};
use rollcall_tests::{
    fleet::SimulatedAgent,
    harness::{AgentProcess, Collector, CollectorOptions, TokenOptions, until},
};
use tokio::{sync::Mutex, task::JoinHandle};

use super::support::machines;

/// How often something is killed.
const ROUNDS: usize = 200;
const SIMULATED: usize = 50;
const REAL: usize = 4;

/// A simulated agent that changes and reports without end. Its state survives the task, as a state directory does.
struct Reporter {
    agent: Arc<Mutex<SimulatedAgent>>,
    task: JoinHandle<()>,
    reports: Arc<AtomicU64>,
    refused: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
}

impl Reporter {
    fn new(agent: SimulatedAgent, reports: Arc<AtomicU64>, refused: Arc<Mutex<Vec<String>>>) -> Self {
        let agent = Arc::new(Mutex::new(agent));
        let stop = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(report_forever(agent.clone(), reports.clone(), refused.clone(), stop.clone()));
        Self { agent, task, reports, refused, stop }
    }

    /// kill -9: whatever it was doing ends here, and it begins again from what it had kept.
    async fn crash(&mut self) {
        self.task.abort();
        // The abort is what ends it.
        let _ = (&mut self.task).await;
        self.task = tokio::spawn(report_forever(self.agent.clone(), self.reports.clone(), self.refused.clone(), self.stop.clone()));
    }

    async fn finish(self) -> anyhow::Result<SimulatedAgent> {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await?;
        Ok(Arc::into_inner(self.agent).context("still in use")?.into_inner())
    }
}

async fn report_forever(
    agent: Arc<Mutex<SimulatedAgent>>,
    reports: Arc<AtomicU64>,
    refused: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
) {
    let mut seed = 0;
    while !stop.load(Ordering::SeqCst) {
        let mut agent = agent.lock().await;
        seed += 1;
        agent.machine.upgrade(1, seed);
        match agent.report().await {
            Ok(_) => {
                reports.fetch_add(1, Ordering::SeqCst);
                drop(agent);
                // Load, not starvation: a started collector needs a processor too.
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
            // While the collector is down, connections fail; when it stops, it says so.
            Err(error) if error.status().is_none_or(|status| status == 503 || status == 429) => {
                drop(agent);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => refused.lock().await.push(format!("{}: {error}", agent.id())),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_200_times_under_load_loses_nothing_and_invents_nothing() -> anyhow::Result<()> {
    let mut collector = Collector::start(CollectorOptions::default()).await?;
    let token = collector.token(TokenOptions::default()).await?;
    let (reports, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
    let mut reporters = Vec::new();
    for mut machine in machines().into_iter().step_by(5).take(SIMULATED) {
        // Small documents: the load is in their number.
        machine.packages.packages.truncate(60);
        let agent = SimulatedAgent::enroll(&token, machine).await?;
        reporters.push(Reporter::new(agent, reports.clone(), refused.clone()));
    }
    let mut real = Vec::new();
    for _ in 0..REAL {
        let mut agent = AgentProcess::new()?;
        agent.enroll(&token.to_text()).await?;
        agent.start()?;
        real.push(agent);
    }

    let mut rng = StdRng::seed_from_u64(1);
    for round in 0..ROUNDS {
        // Each kill meets running work: at least one report since the last one.
        let seen = reports.load(Ordering::SeqCst);
        until("somebody reports", || std::future::ready((reports.load(Ordering::SeqCst) > seen).then_some(()))).await;
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..60))).await;
        if round % 2 == 0 {
            collector.start_again().await?;
        } else {
            for _ in 0..10 {
                let victim = rng.random_range(0..reporters.len());
                reporters[victim].crash().await;
            }
            let victim = rng.random_range(0..real.len());
            real[victim].start()?;
        }
    }

    for agent in &mut real {
        agent.kill();
        agent.report_once().await?;
    }
    let mut agents = Vec::new();
    for reporter in reporters {
        agents.push(reporter.finish().await?);
    }
    let refused = std::mem::take(&mut *refused.lock().await);
    ensure!(refused.is_empty(), "{} honest reports were refused, such as {}", refused.len(), refused[0]);
    for agent in &mut agents {
        agent.report().await?;
        // What the collector has is what the agent has.
        ensure!(agent.report().await?.is_empty(), "{} is still asked for sections", agent.id());
    }
    check_estate(&collector, &agents, &real).await?;
    collector.stop().await?;
    let acknowledged = check_documents(&collector, &agents).await?;
    println!("{} reports, {acknowledged} documents acknowledged, {ROUNDS} kills", reports.load(Ordering::SeqCst));
    Ok(())
}

async fn check_estate(collector: &Collector, agents: &[SimulatedAgent], real: &[AgentProcess]) -> anyhow::Result<()> {
    for agent in agents {
        let machine = collector.machine_of(agent.id()).await?;
        let name = machine.get("name").and_then(|name| name.as_str());
        ensure!(name == Some(&*agent.machine.identity.hostname), "{} became {machine}", agent.machine.identity.hostname);
        let count = machine.pointer("/attributes/package_count").and_then(serde_json::Value::as_u64);
        ensure!(count == Some(agent.machine.packages.packages.len() as u64), "{machine}");
        ensure!(collector.agent_state(agent.id()).await? == "active");
    }
    let known: BTreeSet<AgentId> = agents.iter().map(SimulatedAgent::id).collect();
    let reported = collector.agents().await?;
    ensure!(reported.len() == known.len() + real.len(), "{} agents", reported.len());
    // The real ones all sit on this one machine.
    let machines = collector.machines().await?.len();
    ensure!((agents.len() + 1..=agents.len() + real.len()).contains(&machines), "{machines} machines");
    Ok(())
}

/// Every acknowledged document is stored.
async fn check_documents(collector: &Collector, agents: &[SimulatedAgent]) -> anyhow::Result<usize> {
    let store = store::open(&collector.options.database, collector.data_dir()).await?;
    let mut acknowledged = 0;
    for agent in agents {
        let ids: &[DocumentId] = &agent.acknowledged;
        let distinct: BTreeSet<DocumentId> = ids.iter().copied().collect();
        let stored: BTreeSet<DocumentId> = store.known_documents(ids).await?.into_iter().collect();
        ensure!(stored == distinct, "of {} acknowledged documents {} are stored", distinct.len(), stored.len());
        acknowledged += distinct.len();
    }
    Ok(acknowledged)
}
