//! CPU time, peak memory and child processes of one inventory, ours and others' in turn.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use nix::sys::resource::{UsageWho, getrusage};

use super::{super::Times, Line};

/// What is run. The last part of the name is what the tool is compared by.
struct Tool {
    name: &'static str,
    command: Vec<String>,
    /// Debian's package of it.
    package: &'static str,
}

/// What a command used.
#[derive(Clone, Copy, Debug)]
struct Usage {
    cpu: Duration,
    peak_bytes: u64,
}

/// Runs `command` and prints what it and the processes it waited for used, for [`sample`]: the kernel keeps one peak for
/// all children of a process, so each measurement is a process of its own.
///
/// # Errors
/// If it cannot be run.
pub fn measure(command: &[String]) -> anyhow::Result<()> {
    let (program, arguments) = command.split_first().context("measure what?")?;
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .with_context(|| format!("cannot run {program}"))?;
    // facter ends with 1 where it could not tell one fact of many.
    ensure!(status.code().is_some_and(|code| code <= 1), "{program} ended with {status}");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = |time: nix::sys::time::TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    println!("{} {}", micros(usage.user_time()) + micros(usage.system_time()), usage.max_rss() * 1024);
    Ok(())
}

pub(super) fn lines(agent: &Path, rounds: usize) -> anyhow::Result<Vec<Line>> {
    let agent = agent.to_str().context("path of the agent")?;
    let state = tempfile::tempdir()?;
    let state = state.path().to_str().context("path of a directory")?;
    let tool = |name, package, command: &[&str]| Tool { name, package, command: command.iter().map(|part| (*part).to_owned()).collect() };
    let tools = [
        tool("rollcall-agent inventory", "", &[agent, "inventory", "--log", "error", "--state-dir", state]),
        tool("fusioninventory-inventory", "fusioninventory-agent", &["fusioninventory-inventory"]),
        tool("facter", "facter", &["facter", "--json"]),
        tool("dpkg-query -W", "dpkg", &["dpkg-query", "-W"]),
    ];
    for tool in &tools {
        ensure!(is_there(&tool.command[0]), "{} is missing; on Debian: apt-get install {}", tool.command[0], tool.package);
    }
    let mut samples = tools.each_ref().map(|_| Vec::new());
    for _ in 0..rounds {
        for (tool, samples) in tools.iter().zip(&mut samples) {
            samples.push(sample(&tool.command)?);
        }
    }
    let usages = samples.map(|samples| {
        let cpu = Times::new(samples.iter().map(|sample| sample.cpu).collect()).percentile(50);
        Usage { cpu, peak_bytes: samples.iter().map(|sample| sample.peak_bytes).max().unwrap_or(0) }
    });
    let [ours, fusion, facter, _] = usages;
    println!("agent: one whole inventory, {rounds} rounds in turn with each of the others; median CPU time, highest peak");
    let mut lines = Vec::new();
    for (tool, usage) in tools.iter().zip(usages) {
        let children = children(&tool.command)?;
        println!(
            "  {:<26} CPU {:8.2} ms   peak {:6.1} MiB   child processes {children}",
            tool.name,
            usage.cpu.as_secs_f64() * 1e3,
            mebibytes(usage.peak_bytes)
        );
        if tool.package.is_empty() {
            lines.push(Line::at_most("child processes of an inventory", children as f64, 0.0, ""));
        }
    }
    let times = |theirs: Usage| theirs.cpu.as_secs_f64() / ours.cpu.as_secs_f64().max(1e-6);
    lines.push(Line::at_least("CPU of fusioninventory-inventory to ours", times(fusion), 20.0, "x"));
    lines.push(Line::at_least("CPU of facter to ours", times(facter), 10.0, "x"));
    lines.push(Line::at_most("peak memory of an inventory", mebibytes(ours.peak_bytes), 16.0, "MiB"));
    Ok(lines)
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

fn is_there(program: &str) -> bool {
    if program.contains('/') {
        return Path::new(program).exists();
    }
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|directory| directory.join(program).exists()))
}

fn sample(command: &[String]) -> anyhow::Result<Usage> {
    let this = std::env::current_exe()?;
    let output = Command::new(this).arg("measure").arg("--").args(command).stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut numbers = text.split_whitespace().map(str::parse::<u64>);
    let (Some(Ok(cpu)), Some(Ok(peak_bytes))) = (numbers.next(), numbers.next()) else { bail!("no measurement of {command:?}: {text:?}") };
    Ok(Usage { cpu: Duration::from_micros(cpu), peak_bytes })
}

/// Processes that a command starts, those of its children too; threads are none.
fn children(command: &[String]) -> anyhow::Result<usize> {
    let log = tempfile::NamedTempFile::new()?;
    let status = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=clone,clone3,fork,vfork", "-e", "signal=none", "-o"])
        .arg(log.path())
        .args(command)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("strace is missing; on Debian: apt-get install strace")?;
    ensure!(status.code().is_some(), "strace of {command:?} ended with {status}");
    Ok(started(&std::fs::read_to_string(log.path())?))
}

/// Counts the calls that begin a process in a log of strace. A call that is told in two lines counts by its first.
fn started(log: &str) -> usize {
    let begins = |line: &&str| {
        let call = line.split_once(char::is_whitespace).map_or("", |(_, call)| call.trim_start());
        ["clone(", "clone3(", "fork(", "vfork("].iter().any(|name| call.starts_with(name))
            && !call.contains("CLONE_THREAD")
            && !call.contains("= -1 ")
    };
    log.lines().filter(begins).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_counted_and_threads_are_not() {
        let log = "\
10 clone3({flags=CLONE_VM|CLONE_VFORK, exit_signal=SIGCHLD}, 88) = 11
11 vfork( <unfinished ...>
10 clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD <unfinished ...>
10 <... clone resumed>, child_tidptr=0x7f) = 12
10 clone3({flags=CLONE_VM|CLONE_THREAD, child_tid=0x7f} => {parent_tid=[13]}, 88) = 13
10 clone(child_stack=NULL, flags=SIGCHLD) = -1 EAGAIN (Resource temporarily unavailable)
";
        assert_eq!(started(log), 3);
    }
}
