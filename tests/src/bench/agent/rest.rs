//! Memory of all the agent's processes together while it has nothing to do.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, ensure};
use tokio::time::{Instant, sleep};

use super::Line;
use crate::harness::{AgentProcess, Collector, CollectorOptions, TokenOptions};

/// Until each has done its first work: the inventory is read and sent.
const FIRST_WORK: Duration = Duration::from_secs(8);
/// Readings are taken for a whole sampling interval (20 s unless set) and more, so that what a sample leaves behind is in them.
const READ_FOR: Duration = Duration::from_secs(25);
const BETWEEN_READINGS: Duration = Duration::from_millis(100);

pub(super) async fn lines(agent: &Path) -> anyhow::Result<Vec<Line>> {
    let collector = Collector::start(CollectorOptions::default()).await?;
    let process = AgentProcess::new()?;
    process.enroll(&collector.token_text(TokenOptions::default()).await?).await?;
    let mut reader = Half::start(agent, &process, "reader")?;
    sleep(FIRST_WORK).await;
    let mut sender = Half::start(agent, &process, "sender")?;
    sleep(FIRST_WORK).await;
    let mut readings = Vec::new();
    let until = Instant::now() + READ_FOR;
    while Instant::now() < until {
        // What works is not at rest.
        if let (Some(reader), Some(sender)) = (reader.asleep()?, sender.asleep()?) {
            readings.push((reader, sender));
        }
        sleep(BETWEEN_READINGS).await;
    }
    readings.sort_by(|one, other| together(one).total_cmp(&together(other)));
    let highest = readings.last().context("the agent never slept")?;
    let median = readings.get(readings.len() / 2).map_or(0.0, together);
    let own = readings.iter().map(|(reader, sender)| reader.own + sender.own).fold(0.0, f64::max);
    Ok(vec![
        Line::at_most(
            format!(
                "memory at rest, all processes, highest of {} readings in {} s (reader {:.1} + sender {:.1})",
                readings.len(),
                READ_FOR.as_secs(),
                highest.0.resident,
                highest.1.resident
            ),
            together(highest),
            10.0,
            "MiB",
        ),
        Line::plain("its median", format!("{median:.2} MiB")),
        Line::plain(
            "of the highest, what is not the program itself, whose pages the kernel takes back when it likes",
            format!("{own:.2} MiB"),
        ),
    ])
}

fn together((reader, sender): &(Memory, Memory)) -> f64 {
    reader.resident + sender.resident
}

/// What a process holds, MiB.
struct Memory {
    resident: f64,
    /// Of which is no file's.
    own: f64,
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

    /// What it holds; `None` while it works.
    fn asleep(&mut self) -> anyhow::Result<Option<Memory>> {
        ensure!(self.0.try_wait()?.is_none(), "a process of the agent has ended");
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let field = |which: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(which)?.strip_prefix(':'));
            value.map(str::trim).with_context(|| format!("no {which}"))
        };
        let mebibytes = |which: &str| anyhow::Ok(field(which)?.trim_end_matches(" kB").parse::<f64>()? / 1024.0);
        // Samples and inventories have a thread of their own.
        let is_asleep = field("State")?.starts_with('S') && field("Threads")? == "1";
        Ok(is_asleep.then_some(Memory { resident: mebibytes("VmRSS")?, own: mebibytes("RssAnon")? }))
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone after wait.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
