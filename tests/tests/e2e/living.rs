//! The quickstart's simulated company goes on after a restart.

use anyhow::{Context, ensure};
use rollcall_tests::{
    fleet::{
        Company, SimulatedAgent,
        living::{Directory, round},
    },
    harness::{Collector, CollectorOptions, TokenOptions},
};

use super::support::machine;

#[tokio::test(flavor = "multi_thread")]
async fn a_simulated_agent_goes_on_where_it_was() -> anyhow::Result<()> {
    let collector = Collector::start(CollectorOptions::default()).await?;
    let kept = tempfile::tempdir()?;
    let directory = Directory::open(kept.path())?;
    let machine = machine();
    let token = collector.token(TokenOptions::default()).await?;
    let mut first = SimulatedAgent::enroll(&token, machine.clone()).await?;
    let id = first.id();
    round(&mut first, &directory).await?;
    drop(first);
    let restored = || -> anyhow::Result<SimulatedAgent> {
        let company = Company { machines: vec![machine.clone(), super::support::machines().swap_remove(3)] };
        let mut agents = directory.agents(company)?;
        ensure!(agents.len() == 1, "only one is kept, not {}", agents.len());
        agents.pop().context("an agent")
    };
    // Each time it ends before it has saved that its last exchange was answered.
    for upgraded in 0..3 {
        let mut agent = restored()?;
        agent.machine.upgrade(upgraded, 1);
        round(&mut agent, &directory).await?;
        ensure!(agent.acknowledged.len() == usize::from(upgraded > 0), "{upgraded} packages were upgraded");
    }
    ensure!(restored()?.id() == id && collector.agent_state(id).await? == "active");
    let conflicts = collector.api().get("/api/v1/conflicts").await?;
    ensure!(conflicts["items"].as_array().is_some_and(Vec::is_empty), "{conflicts}");
    Ok(())
}
