//! One machine: its own network, processes, mounts and host name, on this machine's kernel and files.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, ensure};
use rollcall_agent::parse::proc_net;
use rustix::process::{Pid, Signal, kill_process};

use super::run;
use crate::harness::{binary, until};

/// A machine. Dropping it ends every process of it.
pub struct Machine {
    name: String,
    namespace: String,
    directory: PathBuf,
    /// The process that holds its namespaces, as this machine counts.
    holder: Child,
    init: u32,
    programs: Vec<Program>,
}

/// A program that was started on a machine.
pub struct Program {
    name: String,
    entered: Child,
}

impl Machine {
    pub(super) async fn start(work: &Path, bridge: &str, name: &str, address: &str, resolver: &str, letter: char) -> anyhow::Result<Self> {
        let process = std::process::id();
        let number = address.rsplit('.').next().unwrap_or_default();
        let namespace = format!("rce{process}{letter}-{name}");
        let (near, far) = (format!("rv{process}{letter}{number}"), "eth0");
        let directory = work.join(name);
        fs::create_dir_all(&directory)?;
        run(&["ip", "netns", "add", &namespace])?;
        // From here on it is removed again, whatever happens.
        let guard = Namespace(namespace.clone());
        run(&["ip", "link", "add", &near, "type", "veth", "peer", "name", far, "netns", &namespace])?;
        run(&["ip", "link", "set", &near, "master", bridge, "up"])?;
        run(&["ip", "-n", &namespace, "addr", "add", &format!("{address}/24"), "dev", far])?;
        run(&["ip", "-n", &namespace, "link", "set", far, "up"])?;
        run(&["ip", "-n", &namespace, "link", "set", "lo", "up"])?;
        fs::write(directory.join("resolv.conf"), format!("nameserver {resolver}\n"))?;
        fs::write(
            directory.join("machine-id"),
            format!(
                "{:032x}\n",
                0x0e57_a7e0_0000_0000_u128 << 64
                    | u128::from(process) << 16
                    | u128::from(letter as u8) << 8
                    | u128::from(number.parse::<u8>()?)
            ),
        )?;
        // Nobody signs in by password; an account that is locked may not sign in by key either. And whoever signs in is not to start what
        // this machine's people have in their profiles.
        let accounts = [("shadow", "root:*:19000:0:99999:7:::", 0o600), ("passwd", "root:x:0:0:root:/:/bin/sh", 0o644)];
        for (file, root, mode) in accounts {
            let lines = fs::read_to_string(format!("/etc/{file}")).unwrap_or_default();
            let lines: Vec<&str> = lines.lines().map(|line| if line.starts_with("root:") { root } else { line }).collect();
            let path = directory.join(file);
            fs::write(&path, lines.join("\n") + "\n")?;
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode))?;
        }
        let script = r#"
            set -eu
            mount --make-rprivate /
            hostname "$1"
            touch /etc/machine-id 2>/dev/null || true
            for file in resolv.conf machine-id shadow passwd; do [ -e "/etc/$file" ] && mount --bind "$2/$file" "/etc/$file"; done
            for hidden in /run/systemd /sys/firmware/dmi /sys/devices/virtual/dmi; do
                [ -d "$hidden" ] && mount -t tmpfs tmpfs "$hidden"
            done
            echo ready >"$2/ready"
            exec sleep infinity
        "#;
        let log = fs::File::create(directory.join("machine.log"))?;
        let mut holder = Command::new("ip")
            .args([
                "netns",
                "exec",
                &namespace,
                "unshare",
                "--mount",
                "--uts",
                "--pid",
                "--cgroup",
                "--fork",
                "--kill-child",
                "--mount-proc",
            ])
            .args(["sh", "-c", script, "sh", name])
            .arg(&directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let ready = || std::future::ready((directory.join("ready").exists() || !matches!(holder.try_wait(), Ok(None))).then_some(()));
        until(&format!("machine {name} is there"), ready).await;
        let init = children(holder.id()).first().copied();
        let init =
            init.with_context(|| format!("machine {name}: {}", fs::read_to_string(directory.join("machine.log")).unwrap_or_default()))?;
        std::mem::forget(guard);
        Ok(Self { name: name.to_owned(), namespace, directory, holder, init, programs: Vec::new() })
    }

    /// Its host name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its directory, at the same path for all machines.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes a file into its directory.
    ///
    /// # Errors
    /// As the system says.
    pub fn file(&self, name: &str, content: &str) -> anyhow::Result<String> {
        let path = self.directory.join(name);
        fs::write(&path, content)?;
        Ok(path.to_str().context("the path is not text")?.to_owned())
    }

    /// A command that runs on it, in a session of its own, as a service manager would start it.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init.to_string(), "--mount", "--uts", "--net", "--pid", "--cgroup", "--", "setsid"]);
        command.args(arguments).stdin(Stdio::null()).current_dir("/");
        command
    }

    /// Starts a program that stays; its log is `NAME.log` in the machine's directory.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn spawn<S: AsRef<OsStr>>(&mut self, name: &str, arguments: impl IntoIterator<Item = S>) -> anyhow::Result<()> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.directory.join(format!("{name}.log")))?;
        let entered = self.command(arguments).stdout(log.try_clone()?).stderr(log).spawn().with_context(|| format!("{name}: nsenter"))?;
        self.programs.push(Program { name: name.to_owned(), entered });
        Ok(())
    }

    /// Starts a program and waits until it listens on a TCP port.
    ///
    /// # Errors
    /// If it ends before; its log is in the message.
    pub async fn serve<S: AsRef<OsStr>>(&mut self, name: &str, port: u16, arguments: impl IntoIterator<Item = S>) -> anyhow::Result<()> {
        const LISTEN: u8 = 10;
        self.spawn(name, arguments)?;
        let init = self.init;
        let tables = move || {
            let read = |table: &str| fs::read(format!("/proc/{init}/net/{table}")).unwrap_or_default();
            [read("tcp"), read("tcp6")]
        };
        let program = self.programs.last_mut().context("no program")?;
        let found = until(&format!("{name} listens"), || {
            let listens = tables().iter().any(|table| proc_net::sockets(table).any(|it| it.state == LISTEN && it.local.port() == port));
            let ended = program.entered.try_wait().ok().flatten().map(|_| false);
            std::future::ready(listens.then_some(true).or(ended))
        })
        .await;
        ensure!(found, "{name} ended: {}", self.log(name));
        Ok(())
    }

    /// Stops a program with SIGTERM and waits until it has ended.
    ///
    /// # Errors
    /// If there is none of that name.
    pub async fn stop(&mut self, name: &str) -> anyhow::Result<()> {
        self.stop_with(name, Signal::TERM).await
    }

    /// Stops a program with the signal that makes it end at once, and waits until it has.
    ///
    /// # Errors
    /// If there is none of that name.
    pub async fn stop_with(&mut self, name: &str, signal: Signal) -> anyhow::Result<()> {
        let at = self.programs.iter().position(|program| program.name == name).with_context(|| format!("no program {name}"))?;
        let mut program = self.programs.remove(at);
        for pid in children(program.entered.id()) {
            let pid = Pid::from_raw(i32::try_from(pid)?).context("process number")?;
            // It may have ended by itself.
            let _ = kill_process(pid, signal);
        }
        until(&format!("{name} ends"), || std::future::ready(program.entered.try_wait().ok().flatten())).await;
        Ok(())
    }

    /// What a program has written.
    pub fn log(&self, name: &str) -> String {
        fs::read_to_string(self.directory.join(format!("{name}.log"))).unwrap_or_default()
    }

    /// Joins the collector and starts an agent that samples this often, both in seconds.
    ///
    /// # Errors
    /// If it cannot join; its words are in the message.
    pub fn start_agent(&mut self, token: &str, sample: f64, check_in: f64) -> anyhow::Result<()> {
        let agent = binary("rollcall-agent");
        let state = self.directory.join("state");
        let token = self.file("token", token)?;
        fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        let agent = agent.to_str().context("the agent's path is not text")?;
        let state = state.to_str().context("the path is not text")?;
        let joined = self.command([agent, "--state-dir", state, "enroll", "--token-file", &token, "--wait", "30s"]).output()?;
        ensure!(joined.status.success(), "{}: enroll: {}", self.name, String::from_utf8_lossy(&joined.stderr));
        let (sample, check_in) = (format!("{}ms", (sample * 1e3).round()), format!("{}ms", (check_in * 1e3).round()));
        let timing = ["--sample-interval", &sample, "--check-in-interval", &check_in, "--start-jitter", "1ms"];
        self.spawn("agent", [&[agent, "--state-dir", state, "run"][..], &timing].concat())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // With the holder goes its first process, and with that all of them.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
        for program in &mut self.programs {
            let _ = program.entered.wait();
        }
        drop(Namespace(self.namespace.clone()));
    }
}

/// Removes a network namespace; the cable goes with it.
struct Namespace(String);

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(error) = run(&["ip", "netns", "del", &self.0]) {
            eprintln!("{error:#}");
        }
    }
}

/// Children of a process, as this machine counts.
fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}
