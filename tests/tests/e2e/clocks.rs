//! Machines whose clock is wrong: they join, report, renew and are told so; nothing is decided by their clock.

use std::path::Path;

use anyhow::{Context, ensure};
use rollcall_shared::Timestamp;
use rollcall_tests::harness::{AgentProcess, Collector, CollectorOptions, TokenOptions, until};

use super::support::at;

/// Where Debian's libfaketime lies; tests/run installs it.
fn libfaketime() -> anyhow::Result<String> {
    let candidates = ["x86_64-linux-gnu", "aarch64-linux-gnu"].map(|triple| format!("/usr/lib/{triple}/faketime/libfaketime.so.1"));
    candidates.into_iter().find(|path| Path::new(path).exists()).context("libfaketime is missing: install the package libfaketime")
}

async fn offset_agent(offset_days: i64) -> anyhow::Result<()> {
    let collector = Collector::start(CollectorOptions { certificate_seconds: 6, ..CollectorOptions::default() }).await?;
    let mut agent = AgentProcess::new()?;
    agent.set("LD_PRELOAD", &libfaketime()?);
    agent.set("FAKETIME", &format!("{offset_days:+}d"));
    agent.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    agent.enroll(&collector.token_text(TokenOptions::default()).await?).await?;
    agent.report_once().await?;
    let id = agent.agent_id().context("no identity")?.parse()?;

    // It is seen at the collector's time, and the difference is known.
    let shown = collector.agent(id).await?;
    let last_seen: Timestamp = at(&shown, "/last_seen")?.as_str().context("last_seen")?.parse()?;
    ensure!(Timestamp::now().millis_since(last_seen).abs() < 60_000, "{shown}");
    let skew = at(&shown, "/clock_skew_ms")?.as_i64().context("skew")?;
    ensure!((skew - offset_days * 86_400_000).abs() < 120_000, "a skew of {skew} ms for {offset_days} days");

    // Renewal, by whatever the agent believes the time to be.
    agent.start()?;
    until("it has renewed twice", || std::future::ready(agent.generation().filter(|&generation| generation >= 3))).await;
    agent.kill();
    agent.report_once().await?;
    ensure!(collector.agent_state(id).await? == "active");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_a_day_behind() -> anyhow::Result<()> {
    offset_agent(-1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_a_day_ahead() -> anyhow::Result<()> {
    offset_agent(1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_a_year_behind() -> anyhow::Result<()> {
    offset_agent(-366).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_a_year_ahead() -> anyhow::Result<()> {
    offset_agent(366).await
}
