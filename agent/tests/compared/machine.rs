//! This machine: our inventory of it, and other tools' words.

use std::process::{Command, Stdio};

use serde_json::Value;

/// What our inventory says.
pub(crate) struct Machine {
    /// Section names and their data.
    pub(crate) sections: Value,
}

impl Machine {
    /// Runs the agent as anyone would, in the network namespace of this process or in another one.
    pub(crate) fn now(namespace: Option<&Namespace>) -> Self {
        const AGENT: &str = env!("CARGO_BIN_EXE_rollcall-agent");
        let state = tempfile::tempdir().unwrap();
        let mut command = match namespace {
            None => Command::new(AGENT),
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace.name(), AGENT]);
                command
            }
        };
        let output = command
            .args(["inventory", "--format", "json", "--log", "error", "--state-dir"])
            .arg(state.path())
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success(), "the inventory failed: {}", output.status);
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let sections = document["sections"].as_object().unwrap();
        Self { sections: sections.iter().map(|(name, section)| (name.clone(), section["data"].clone())).collect() }
    }
}

/// A network namespace of a test's own, removed with it.
pub(crate) struct Namespace(String);

impl Namespace {
    /// With a bridge, two cables, a tunnel, addresses, routes and neighbours.
    pub(crate) fn busy() -> Self {
        let namespace = Self(format!("rollcall-compared-{}", std::process::id()));
        assert!(ip(&["netns", "add", namespace.name()]), "a network namespace takes root, and iproute2");
        for line in [
            "link set lo up",
            "link add br0 type bridge",
            "link add port0 type veth peer name far0",
            "link add port1 type veth peer name far1",
            "link add vx0 type vxlan id 7 dstport 4789",
            "link set port0 master br0",
            "link set port1 master br0 alias to-the-lab",
            "address add 10.77.0.1/24 dev br0",
            "address add fd77::1/64 dev br0",
            "link set br0 mtu 1400 up",
            "link set port0 up",
            "link set far0 up",
            "route add 10.78.0.0/16 via 10.77.0.9 dev br0 metric 50",
            "route add default via 10.77.0.254 dev br0 proto static",
            "route add fd78::/48 via fd77::9 dev br0 metric 70",
            "route add 10.79.0.5 dev br0 proto static",
            "neighbour add 10.77.0.9 lladdr 02:00:00:00:77:09 dev br0 nud permanent",
            "neighbour add fd77::9 lladdr 02:00:00:00:77:10 dev br0 nud permanent",
            "neighbour add 203.0.113.9 lladdr 02:00:00:00:77:11 dev br0 nud permanent",
        ] {
            let words: Vec<&str> = ["-n", namespace.name()].into_iter().chain(line.split(' ')).collect();
            assert!(ip(&words), "ip {line}");
        }
        namespace
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&["netns", "delete", &self.0]);
    }
}

fn ip(arguments: &[&str]) -> bool {
    Command::new("ip").args(arguments).status().is_ok_and(|status| status.success())
}

/// What a tool prints.
pub(crate) fn output_of(package: &str, program: &str, arguments: &[&str]) -> String {
    let run = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        // Debian keeps some of them where a plain user's path does not lead.
        .env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let output = run.unwrap_or_else(|error| panic!("{program}: {error}; on Debian: sudo apt-get install {package}"));
    // facter fails as a whole if one fact could not be had; that it said something is enough.
    assert!(output.status.success() || !output.stdout.is_empty(), "{program} {arguments:?}: {}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a tool prints as JSON.
pub(crate) fn json_of(package: &str, program: &str, arguments: &[&str]) -> Value {
    let text = output_of(package, program, arguments);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{program} {arguments:?} prints no JSON: {error}"))
}
