//! The main job: a machine enrolls itself, is in the CMDB, and "what breaks if it goes down" is answered.

use anyhow::{Context, ensure};
use rollcall_tests::harness::{AgentProcess, Collector, CollectorOptions, TokenOptions};

use super::support::at;

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_enrolls_itself_and_its_impact_is_answered() -> anyhow::Result<()> {
    let collector = Collector::start(CollectorOptions::default()).await?;
    let agent = AgentProcess::new()?;
    agent.enroll(&collector.token_text(TokenOptions::default()).await?).await?;
    agent.report_once().await?;

    let id = agent.agent_id().context("no identity")?.parse()?;
    let machine = collector.machine_of(id).await?;
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname")?;
    ensure!(at(&machine, "/attributes/hostname")?.as_str() == Some(hostname.trim().split('.').next().unwrap_or_default()), "{machine}");
    let ci = at(&machine, "/id")?.as_str().context("id")?;
    let answer = collector.impact(&[ci]).await?;
    ensure!(
        at(&answer, "/verdict")?
            .as_str()
            .is_some_and(|sentence| sentence.contains(at(&machine, "/name").ok().and_then(|name| name.as_str()).unwrap_or("?"))),
        "{answer}"
    );

    // The unchanged machine sends digests only.
    let printed = agent.report_once().await?;
    ensure!(printed.contains("acknowledged"), "{printed}");
    Ok(())
}
