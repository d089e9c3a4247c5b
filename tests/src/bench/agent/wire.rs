//! Bytes between agent and collector, TLS included, counted by a proxy between them.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, ensure};

use super::Line;
use crate::harness::{AgentProcess, Collector, CollectorOptions, Proxy, TokenOptions, until};

pub(super) async fn lines(agent: &Path) -> anyhow::Result<Vec<Line>> {
    let proxy = Proxy::start("127.0.0.1:1").await?;
    let options = CollectorOptions { agents_url: Some(format!("https://{}/", proxy.address()).parse()?), ..CollectorOptions::default() };
    let collector = Collector::start(options).await?;
    proxy.retarget(collector.agents_address());
    let process = AgentProcess::new()?;
    process.enroll(&collector.token_text(TokenOptions::default()).await?).await?;

    let enrolled = proxy.bytes();
    process.report_once().await?;
    let reported = proxy.bytes();
    let first = (reported - enrolled) as f64 / 1024.0;

    // What goes over one kept connection while nothing changes. Who talks to whom changes all the time on a busy machine,
    // so that section is left out.
    let state = process.state_dir();
    let mut running = Command::new(agent)
        .args(["run", "--check-in-interval", "200ms", "--sample-interval", "1h", "--start-jitter", "1ms", "--log", "error"])
        .args(["--disable-sections", "connections,services,listening,neighbours"])
        .arg("--state-dir")
        .arg(&state)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    let measured = unchanged(&proxy, &process).await;
    // It may have ended by itself; either way it is gone after wait.
    let _ = running.kill();
    let _ = running.wait();
    let (connection, check_in) = measured?;
    Ok(vec![
        Line::at_most("first upload", first - connection / 1024.0, 30.0, "KB"),
        Line::plain("the same with its connection and check-in", format!("{first:.2} KB")),
        Line::at_most("unchanged check-in on a kept connection", check_in / 1024.0, 1.0, "KB"),
        Line::plain("a new connection with its first check-in", format!("{:.2} KB", connection / 1024.0)),
    ])
}

/// Bytes of a new connection with its first check-in, and of each check-in after that.
async fn unchanged(proxy: &Proxy, process: &AgentProcess) -> anyhow::Result<(f64, f64)> {
    const CHECK_INS: u64 = 10;
    let (bytes, answered) = (proxy.bytes(), answered(process)?);
    // A section that another start sees otherwise may travel with the first check-ins.
    let settled = wait_for(process, answered + 1).await?;
    let connected = proxy.bytes() - bytes;
    let begun = wait_for(process, settled + 3).await?;
    let before = proxy.bytes();
    let ended = wait_for(process, begun + CHECK_INS).await?;
    let after = proxy.bytes();
    ensure!(ended > begun, "no check-in was answered");
    Ok((connected as f64, (after - before) as f64 / (ended - begun) as f64))
}

async fn wait_for(process: &AgentProcess, number: u64) -> anyhow::Result<u64> {
    until(&format!("check-in {number} is answered"), || async { answered(process).ok().filter(|answered| *answered >= number) }).await;
    // What was read as answered may still be on its way through the proxy.
    tokio::time::sleep(Duration::from_millis(20)).await;
    answered(process)
}

fn answered(process: &AgentProcess) -> anyhow::Result<u64> {
    let progress: serde_json::Value = serde_json::from_slice(&std::fs::read(process.state_file("progress.json"))?)?;
    progress["answered"].as_u64().context("progress.json tells no number of answered exchanges")
}
