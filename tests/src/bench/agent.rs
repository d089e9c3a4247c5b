//! What one inventory costs the agent, against `dpkg-query -W` in the same run.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use nix::sys::resource::{UsageWho, getrusage};

use super::Times;

/// What a command used.
#[derive(Clone, Copy, Debug)]
struct Usage {
    cpu: Duration,
    peak_bytes: u64,
}

/// Runs `command` and prints what it used, for [`run`]: the kernel keeps one peak for all children of a process, so
/// each measurement is a process of its own.
///
/// # Errors
/// If it cannot be run or fails.
pub fn measure(command: &[String]) -> anyhow::Result<()> {
    let (program, arguments) = command.split_first().context("measure what?")?;
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).status().with_context(|| format!("cannot run {program}"))?;
    ensure!(status.success(), "{program} ended with {status}");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = |time: nix::sys::time::TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    println!("{} {}", micros(usage.user_time()) + micros(usage.system_time()), usage.max_rss() * 1024);
    Ok(())
}

/// Runs both `rounds` times in turn and prints CPU time, peak memory and ratios.
///
/// # Errors
/// If the agent or dpkg-query cannot be run.
pub fn run(agent: &Path, rounds: usize) -> anyhow::Result<()> {
    let agent = agent.to_str().context("path of the agent")?;
    let commands: [&[&str]; 2] = [&[agent, "inventory"], &["dpkg-query", "-W"]];
    let mut samples = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (command, samples) in commands.iter().zip(&mut samples) {
            samples.push(sample(command)?);
        }
    }
    println!("agent: one full inventory, {rounds} rounds in turn with dpkg-query -W");
    let [ours, theirs] = samples.map(|samples| {
        let cpu = Times::new(samples.iter().map(|sample| sample.cpu).collect()).percentile(50);
        let peak = samples.iter().map(|sample| sample.peak_bytes).max().unwrap_or(0);
        Usage { cpu, peak_bytes: peak }
    });
    let print = |name: &str, usage: Usage| {
        println!("  {name:<28} CPU p50 {:8.2} ms   peak {:6.1} MiB", usage.cpu.as_secs_f64() * 1e3, usage.peak_bytes as f64 / 1_048_576.0);
    };
    print("rollcall-agent inventory", ours);
    print("dpkg-query -W", theirs);
    println!(
        "  relative to dpkg-query       CPU     {:8.2}      peak {:6.2}",
        ours.cpu.as_secs_f64() / theirs.cpu.as_secs_f64().max(1e-6),
        ours.peak_bytes as f64 / theirs.peak_bytes.max(1) as f64
    );
    Ok(())
}

fn sample(command: &[&str]) -> anyhow::Result<Usage> {
    let this = std::env::current_exe()?;
    let output = Command::new(this).arg("measure").arg("--").args(command).stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut numbers = text.split_whitespace().map(str::parse::<u64>);
    let (Some(Ok(cpu)), Some(Ok(peak_bytes))) = (numbers.next(), numbers.next()) else { bail!("no measurement of {command:?}: {text:?}") };
    Ok(Usage { cpu: Duration::from_micros(cpu), peak_bytes })
}
