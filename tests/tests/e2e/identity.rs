//! Copies and revocations: nobody reports in another's name, and a copy never overwrites.

use anyhow::{Context, ensure};
use rollcall_tests::harness::{AgentProcess, Collector, CollectorOptions, TokenOptions};

use super::support::{joined, machines};

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_state_directory_holds_both_sides_and_overwrites_nothing() -> anyhow::Result<()> {
    let collector = Collector::start(CollectorOptions::default()).await?;
    let (_, mut original) = joined(&collector).await?;
    original.report().await?;
    let name = original.machine.identity.hostname.clone();

    // The image is started on another machine, and reports first.
    let mut copy = original.clone();
    copy.connect()?;
    copy.machine = machines().swap_remove(0);
    let copied = copy.report().await;
    let both = original.report().await;
    let state = collector.agent_state(original.id()).await?;
    ensure!(state == "held", "{state} after {copied:?} and {both:?}");
    for side in [&mut original, &mut copy] {
        let refused = side.check_in().await;
        ensure!(refused.as_ref().is_err_and(|error| matches!(error.status(), Some(403 | 409))), "{refused:?}");
    }
    // Once held, what the machine was stays what it is.
    let machine = collector.machine_of(original.id()).await?;
    ensure!([Some(&*name), Some(&*copy.machine.identity.hostname)].contains(&machine.get("name").and_then(|name| name.as_str())));
    let machines: Vec<_> = collector.machines().await?;
    ensure!(machines.len() == 1, "a copy became {} machines", machines.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_agents_copied_state_directory_is_seen_at_its_first_message() -> anyhow::Result<()> {
    let collector = Collector::start(CollectorOptions::default()).await?;
    let original = AgentProcess::new()?;
    original.enroll(&collector.token_text(TokenOptions::default()).await?).await?;
    original.report_once().await?;
    let copy = AgentProcess::copy_of(&original)?;
    original.report_once().await?;

    let id = original.agent_id().context("no identity")?.parse()?;
    let output = copy.run(["run", "--once", "--check-in-interval", "200ms"]).await?;
    ensure!(output.status.code() == Some(3), "{output:?}");
    ensure!(collector.agent_state(id).await? == "held");
    let output = original.run(["run", "--once", "--check-in-interval", "200ms"]).await?;
    ensure!(output.status.code() == Some(3), "{output:?}");
    let status = original.run(["status"]).await?;
    ensure!(String::from_utf8_lossy(&status.stdout).contains("held"), "{status:?}");
    ensure!(collector.machines().await?.len() == 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_works_on_the_next_request_of_an_open_connection() -> anyhow::Result<()> {
    let collector = Collector::start(CollectorOptions::default()).await?;
    let (_, mut agent) = joined(&collector).await?;
    agent.report().await?;
    agent.check_in().await?;
    collector.decide_on(agent.id(), "revoke").await?;
    // The same client, hence the same connection.
    for path in ["check-in", "inventory", "renew"] {
        let refused = match path {
            "check-in" => agent.check_in().await.map(drop),
            "inventory" => agent.upload(None).await.map(drop),
            _ => agent.renew().await,
        };
        ensure!(refused.as_ref().is_err_and(|error| error.status() == Some(403)), "{path}: {refused:?}");
    }
    let refused = agent.recover().await;
    ensure!(refused.as_ref().is_err_and(|error| error.status() == Some(403)), "{refused:?}");
    Ok(())
}
