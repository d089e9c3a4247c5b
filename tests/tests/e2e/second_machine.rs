//! The printed command, run where another machine would run it: in a network, mount and host name space of its own.

use std::process::{Command, Output};

use anyhow::{Context, ensure};
use rollcall_tests::harness::{AgentProcess, Collector, CollectorOptions, TokenOptions, api::text};
use serde_json::{Value, json};

/// A network namespace with one cable to this machine.
struct OtherMachine {
    name: String,
    /// This machine's end of the cable.
    here: String,
    /// The other machine's address.
    there: String,
}

fn run(arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(arguments[0]).args(&arguments[1..]).output().with_context(|| format!("{arguments:?}"))?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

impl OtherMachine {
    fn new() -> anyhow::Result<Self> {
        ensure!(rustix::process::geteuid().is_root(), "network namespaces need root: run this test as root");
        let process = std::process::id();
        let name = format!("rollcall{process}");
        let (near, far) = (format!("rch{process}"), format!("rcn{process}"));
        let network = format!("10.213.{}", process % 250);
        run(&["ip", "netns", "add", &name])?;
        // From here on it is removed again, whatever happens.
        let machine = Self { here: format!("{network}.1"), there: format!("{network}.2"), name: name.clone() };
        run(&["ip", "link", "add", &near, "type", "veth", "peer", "name", &far, "netns", &name])?;
        run(&["ip", "addr", "add", &format!("{}/30", machine.here), "dev", &near])?;
        run(&["ip", "link", "set", &near, "up"])?;
        run(&["ip", "-n", &name, "addr", "add", &format!("{}/30", machine.there), "dev", &far])?;
        run(&["ip", "-n", &name, "link", "set", &far, "up"])?;
        run(&["ip", "-n", &name, "link", "set", "lo", "up"])?;
        Ok(machine)
    }

    /// Runs a script as the other machine: its own host name, machine id, /usr/local/bin and state; no SMBIOS of this one, and
    /// no service manager that would be this one's.
    async fn run(&self, script: &str) -> anyhow::Result<Output> {
        const MAKE_OTHER: &str = r#"
            set -eu
            mount --make-rprivate /
            hostname second-machine
            work=$(mktemp -d)
            mount -t tmpfs tmpfs "$work"
            echo 5ec0d5ec0d5ec0d5ec0d5ec0d5ec0d01 >"$work/machine-id"
            [ -e /etc/machine-id ] && mount --bind "$work/machine-id" /etc/machine-id
            mount -t tmpfs tmpfs /usr/local/bin
            for hidden in /run/systemd /sys/firmware/dmi /sys/devices/virtual/dmi; do
                [ -d "$hidden" ] && mount -t tmpfs tmpfs "$hidden"
            done
            export ROLLCALL_STATE_DIR="$work/state"
        "#;
        let script = format!("{MAKE_OTHER}\n{script}\n");
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, "unshare", "--mount", "--uts", "sh", "-c", &script]);
        Ok(tokio::task::spawn_blocking(move || command.output()).await??)
    }
}

impl Drop for OtherMachine {
    fn drop(&mut self) {
        // The cable goes with the namespace.
        if let Err(error) = run(&["ip", "netns", "del", &self.name]) {
            eprintln!("{error:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_command_brings_a_second_machine_in() -> anyhow::Result<()> {
    let other = OtherMachine::new()?;
    let options = CollectorOptions { agents_listen: format!("{}:0", other.here), ..CollectorOptions::default() };
    let collector = Collector::start(options).await?;
    let this = AgentProcess::new()?;
    this.enroll(&collector.token_text(TokenOptions::default()).await?).await?;
    this.report_once().await?;

    let token = collector.api().post("/api/v1/tokens", &json!({ "name": "second machine" })).await?;
    let script = format!("{}\n/usr/local/bin/rollcall-agent run --once --check-in-interval 200ms", text(&token, "command")?);
    let output = other.run(&script).await?;
    let (printed, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{printed}\n{complained}");

    let machines = collector.machines().await?;
    ensure!(machines.len() == 2, "{machines:?}");
    let second = machines.iter().find(|machine| machine.get("name").and_then(Value::as_str) == Some("second-machine"));
    let second = second.with_context(|| format!("no second-machine among {machines:?}"))?;
    let addresses = second.pointer("/attributes/ip_addresses").context("addresses")?;
    ensure!(addresses.as_array().is_some_and(|all| all.contains(&json!(other.there))), "{addresses}");
    Ok(())
}
