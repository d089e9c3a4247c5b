//! This machine: our inventory of it, and other tools' words.

use std::process::{Command, Stdio};

use serde_json::Value;

/// What our inventory says.
pub(crate) struct Machine {
    /// Section names and their data.
    pub(crate) sections: Value,
}

impl Machine {
    /// Runs the agent as anyone would.
    pub(crate) fn now() -> Self {
        let state = tempfile::tempdir().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_rollcall-agent"))
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
