//! A real `rollcall-agent` with its own state directory.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use anyhow::Context;
use tempfile::TempDir;

use super::{binary, until};

/// A real agent: its state directory and, while it runs, its process.
pub struct AgentProcess {
    directory: TempDir,
    child: Option<Child>,
    environment: Vec<(String, String)>,
}

impl AgentProcess {
    /// An agent that has not joined yet.
    ///
    /// # Errors
    /// If no directory can be made.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self { directory: tempfile::tempdir()?, child: None, environment: Vec::new() })
    }

    /// An agent with a copy of another's state directory, as on a machine installed from an image.
    ///
    /// # Errors
    /// If it cannot be copied.
    pub fn copy_of(other: &Self) -> anyhow::Result<Self> {
        let copy = Self::new()?;
        let copied = Command::new("cp").arg("-a").arg(other.state_dir()).arg(copy.state_dir()).status()?;
        anyhow::ensure!(copied.success(), "cp ended with {copied}");
        Ok(copy)
    }

    /// Sets an environment variable for every command from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(set, _)| set != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Its state directory.
    pub fn state_dir(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// A file of its own with this content, for tokens.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn file(&self, name: &str, content: &str) -> anyhow::Result<PathBuf> {
        let path = self.directory.path().join(name);
        fs::write(&path, content)?;
        Ok(path)
    }

    /// The command with these arguments.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(binary("rollcall-agent"));
        command.arg("--state-dir").arg(self.state_dir()).args(arguments).stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end, without holding up the runtime.
    ///
    /// # Errors
    /// If it cannot be run.
    pub async fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> anyhow::Result<Output> {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output()).await?.context("rollcall-agent cannot be run")
    }

    /// `enroll` with this token; returns what it printed.
    ///
    /// # Errors
    /// If it fails; its words are in the message.
    pub async fn enroll(&self, token: &str) -> anyhow::Result<String> {
        let file = self.file("token", token)?;
        let output =
            self.run([OsStr::new("enroll"), OsStr::new("--token-file"), file.as_os_str(), OsStr::new("--wait"), OsStr::new("30s")]).await?;
        succeeded("enroll", &output)
    }

    /// `run --once`: one whole report; returns what it printed.
    ///
    /// # Errors
    /// If it fails; its words are in the message.
    pub async fn report_once(&self) -> anyhow::Result<String> {
        let output = self.run(["run", "--once", "--check-in-interval", "200ms"]).await?;
        succeeded("run --once", &output)
    }

    /// Starts `run` in the background, checking in quickly. Its log goes to [`AgentProcess::log`].
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(&mut self) -> anyhow::Result<()> {
        self.kill();
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log_path())?;
        let arguments = ["run", "--check-in-interval", "200ms", "--sample-interval", "500ms", "--start-jitter", "1ms"];
        self.child = Some(self.command(arguments).stdout(Stdio::null()).stderr(log).spawn()?);
        Ok(())
    }

    /// kill -9 of the running agent.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself; either way it is gone after wait.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// What the running agent has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Waits until the log has this text.
    pub async fn logged(&self, text: &str) {
        until(&format!("the agent logs {text:?}"), || std::future::ready(self.log().contains(text).then_some(()))).await;
    }

    /// A file of the state directory.
    pub fn state_file(&self, name: &str) -> PathBuf {
        self.state_dir().join(name)
    }

    /// `identity.json`, if the agent has joined.
    pub fn identity(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&fs::read(self.state_file("identity.json")).ok()?).ok()
    }

    /// The agent's id, if it has joined.
    pub fn agent_id(&self) -> Option<String> {
        Some(self.identity()?.pointer("/credentials/agent_id")?.as_str()?.to_owned())
    }

    /// The generation of its certificate, if it has joined.
    pub fn generation(&self) -> Option<u64> {
        self.identity()?.pointer("/credentials/generation")?.as_u64()
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("run.log")
    }

    /// Where its files lie.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for AgentProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

fn succeeded(what: &str, output: &Output) -> anyhow::Result<String> {
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    anyhow::ensure!(output.status.success(), "{what} ended with {}: {printed}{}", output.status, String::from_utf8_lossy(&output.stderr));
    Ok(printed)
}
