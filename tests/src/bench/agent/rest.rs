//! Memory of all the agent's processes together while it has nothing to do.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, ensure};

use super::Line;
use crate::harness::{AgentProcess, Collector, CollectorOptions, TokenOptions};

pub(super) async fn lines(agent: &Path) -> anyhow::Result<Vec<Line>> {
    let collector = Collector::start(CollectorOptions::default()).await?;
    let process = AgentProcess::new()?;
    process.enroll(&collector.token_text(TokenOptions::default()).await?).await?;
    let mut halves = Vec::new();
    for role in ["reader", "sender"] {
        halves.push(Half::start(agent, &process, role)?);
        // Each has done its first work: the inventory is read and sent.
        tokio::time::sleep(Duration::from_secs(8)).await;
    }
    let (mut together, mut own) = (0.0, 0.0);
    let mut each = Vec::new();
    for (half, role) in halves.iter_mut().zip(["reader", "sender"]) {
        let resident = half.mebibytes("VmRSS:")?;
        together += resident;
        own += half.mebibytes("RssAnon:")?;
        each.push(format!("{role} {resident:.1}"));
    }
    Ok(vec![
        Line::at_most(format!("memory at rest, all processes ({})", each.join(" + ")), together, 10.0, "MiB"),
        Line::plain("of which is not the program itself, whose pages the kernel takes back when it likes", format!("{own:.2} MiB")),
    ])
}

/// One of the agent's two processes.
struct Half(Child);

impl Half {
    fn start(agent: &Path, process: &AgentProcess, role: &str) -> anyhow::Result<Self> {
        let log = fs::File::create(process.directory().join(format!("{role}.log")))?;
        let child = Command::new(agent)
            .args(["run", "--role", role, "--start-jitter", "1ms", "--log", "warn", "--state-dir"])
            .arg(process.state_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        Ok(Self(child))
    }

    fn mebibytes(&mut self, which: &str) -> anyhow::Result<f64> {
        ensure!(self.0.try_wait()?.is_none(), "a process of the agent has ended");
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(which)).with_context(|| format!("no {which}"))?;
        Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone after wait.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
