//! A collector process with its own data directory and free ports.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, ensure};
use reqwest::Url;
use rollcall_shared::{AgentId, TokenId, wire::v1::EnrollmentToken};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Api, api, binary, until};

/// How a collector is set up.
#[derive(Clone, Debug)]
pub struct CollectorOptions {
    /// `sqlite:NAME` or `postgres://…`.
    pub database: String,
    /// Life of agents' certificates, seconds.
    pub certificate_seconds: u32,
    /// Seconds between check-ins.
    pub check_in_seconds: u32,
    /// Address that agents reach it at, if not the one it listens on (a proxy's).
    pub agents_url: Option<Url>,
    /// Where the agents' listener listens; port 0: any free one.
    pub agents_listen: String,
}

impl Default for CollectorOptions {
    fn default() -> Self {
        Self {
            database: "sqlite:rollcall.sqlite".into(),
            certificate_seconds: 7 * 86_400,
            check_in_seconds: 300,
            agents_url: None,
            agents_listen: "127.0.0.1:0".into(),
        }
    }
}

/// What a new enrollment token allows.
#[derive(Clone, Debug, Default)]
pub struct TokenOptions {
    /// Enrollments; none: any number.
    pub uses: Option<u32>,
    /// Whether a person approves each.
    pub needs_approval: bool,
}

/// A running collector. Dropping it kills the process; the data directory goes with the last owner of it.
pub struct Collector {
    /// Settings it was started with.
    pub options: CollectorOptions,
    data: DataDirectory,
    child: Option<Child>,
    listening: Value,
    api: Api,
}

enum DataDirectory {
    Own(TempDir),
    Given(PathBuf),
}

impl DataDirectory {
    fn path(&self) -> &Path {
        match self {
            Self::Own(directory) => directory.path(),
            Self::Given(path) => path,
        }
    }
}

impl Collector {
    /// Starts a collector with a fresh data directory and waits until it is ready.
    ///
    /// # Errors
    /// If it does not start; its log is in the message.
    pub async fn start(options: CollectorOptions) -> anyhow::Result<Self> {
        Self::start_in(DataDirectory::Own(tempfile::tempdir()?), options).await
    }

    /// Starts a collector on an existing data directory, which stays when it is dropped.
    ///
    /// # Errors
    /// If it does not start; its log is in the message.
    pub async fn start_on(data: &Path, options: CollectorOptions) -> anyhow::Result<Self> {
        Self::start_in(DataDirectory::Given(data.to_owned()), options).await
    }

    async fn start_in(data: DataDirectory, options: CollectorOptions) -> anyhow::Result<Self> {
        let (child, listening, api) = launch(data.path(), &options, None).await?;
        Ok(Self { options, data, child: Some(child), listening, api })
    }

    /// Its data directory.
    pub fn data_dir(&self) -> &Path {
        self.data.path()
    }

    /// What it has logged, every time that it was started.
    pub fn log(&self) -> String {
        fs::read_to_string(self.data.path().join("serve.log")).unwrap_or_default()
    }

    /// The API as the console.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Address and port of the agents' listener.
    pub fn agents_address(&self) -> &str {
        self.listening.get("agents_address").and_then(Value::as_str).unwrap_or_default()
    }

    /// URL of the agents' listener.
    ///
    /// # Errors
    /// If the collector published none.
    pub fn agents_url(&self) -> anyhow::Result<Url> {
        Ok(format!("https://{}/", self.agents_address()).parse()?)
    }

    /// Its process id, while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Resident memory of the process, bytes.
    ///
    /// # Errors
    /// If it does not run.
    pub fn resident_bytes(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process_id().context("not running")?))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes * 1024)
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself; either way it is gone after wait.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM, and waits until it has ended.
    ///
    /// # Errors
    /// If it does not end in time, or not with success.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let pid = Pid::from_child(&child);
        kill_process(pid, Signal::TERM)?;
        let status = until("the collector ends", || std::future::ready(child.try_wait().transpose())).await?;
        ensure!(status.success(), "the collector ended with {status}; its log:\n{}", log_tail(self.data.path()));
        Ok(())
    }

    /// Starts it again on the same data, at the same addresses.
    ///
    /// # Errors
    /// If it does not start; its log is in the message.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        self.kill();
        let (child, listening, api) = launch(self.data.path(), &self.options, Some(&self.listening)).await?;
        (self.child, self.listening, self.api) = (Some(child), listening, api);
        Ok(())
    }

    /// A new enrollment token.
    ///
    /// # Errors
    /// If the collector refuses.
    pub async fn token(&self, options: TokenOptions) -> anyhow::Result<EnrollmentToken> {
        Ok(EnrollmentToken::parse(&self.token_text(options).await?)?)
    }

    /// A new enrollment token, as text.
    ///
    /// # Errors
    /// If the collector refuses.
    pub async fn token_text(&self, options: TokenOptions) -> anyhow::Result<String> {
        let body = json!({ "name": "test", "uses": options.uses.unwrap_or(0), "needs_approval": options.needs_approval });
        let answer = self.api.post("/api/v1/tokens", &body).await?;
        Ok(api::text(&answer, "token")?.to_owned())
    }

    /// A token as the API shows it.
    ///
    /// # Errors
    /// If it shows none of that id.
    pub async fn token_shown(&self, id: TokenId) -> anyhow::Result<Value> {
        find(self.api.all("/api/v1/tokens").await?, &id.to_string())
    }

    /// Revokes a token.
    ///
    /// # Errors
    /// If the collector refuses.
    pub async fn revoke_token(&self, id: TokenId) -> anyhow::Result<()> {
        self.api.delete(&format!("/api/v1/tokens/{id}")).await
    }

    /// Every agent, newest first.
    ///
    /// # Errors
    /// If the collector does not answer.
    pub async fn agents(&self) -> anyhow::Result<Vec<Value>> {
        self.api.all("/api/v1/agents?limit=1000").await
    }

    /// One agent.
    ///
    /// # Errors
    /// If there is none of that id.
    pub async fn agent(&self, id: AgentId) -> anyhow::Result<Value> {
        self.api.get(&format!("/api/v1/agents/{id}")).await
    }

    /// An agent's state: `active`, `held`, …
    ///
    /// # Errors
    /// If there is none of that id.
    pub async fn agent_state(&self, id: AgentId) -> anyhow::Result<String> {
        Ok(api::text(&self.agent(id).await?, "state")?.to_owned())
    }

    /// The newest certificate generation issued to an agent.
    ///
    /// # Errors
    /// If there is none.
    pub async fn issued_generation(&self, id: AgentId) -> anyhow::Result<u64> {
        self.agent(id).await?.get("certificate_generation").and_then(Value::as_u64).context("no certificate")
    }

    /// Decides on an agent: `approve`, `deny`, `revoke`, `release`.
    ///
    /// # Errors
    /// If the collector refuses.
    pub async fn decide(&self, agent: &Value, decision: &str) -> anyhow::Result<()> {
        self.decide_on(api::text(agent, "id")?.parse()?, decision).await
    }

    /// See [`Collector::decide`].
    ///
    /// # Errors
    /// If the collector refuses.
    pub async fn decide_on(&self, agent: AgentId, decision: &str) -> anyhow::Result<()> {
        self.api.post(&format!("/api/v1/agents/{agent}/{decision}"), &json!({ "reason": "test" })).await.map(drop)
    }

    /// Every active machine.
    ///
    /// # Errors
    /// If the collector does not answer.
    pub async fn machines(&self) -> anyhow::Result<Vec<Value>> {
        self.api.all("/api/v1/cis?filter=class:machine&limit=1000").await
    }

    /// The machine that an agent reports.
    ///
    /// # Errors
    /// If it reports none.
    pub async fn machine_of(&self, agent: AgentId) -> anyhow::Result<Value> {
        let id = agent.to_string();
        let is_its = |machine: &Value| machine.get("agent").and_then(Value::as_str) == Some(&id);
        self.machines().await?.into_iter().find(is_its).with_context(|| format!("agent {id} has no machine"))
    }

    /// What breaks if these go down.
    ///
    /// # Errors
    /// If the collector refuses.
    pub async fn impact(&self, cis: &[&str]) -> anyhow::Result<Value> {
        let failures: Vec<Value> = cis.iter().map(|ci| json!({ "ci": ci })).collect();
        self.api.post("/api/v1/impact", &json!({ "failures": failures })).await
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.kill();
    }
}

fn find(items: Vec<Value>, id: &str) -> anyhow::Result<Value> {
    let is_it = |item: &Value| item.get("id").and_then(Value::as_str) == Some(id);
    items.into_iter().find(is_it).with_context(|| format!("no {id}"))
}

async fn launch(data: &Path, options: &CollectorOptions, before: Option<&Value>) -> anyhow::Result<(Child, Value, Api)> {
    let config = data.join("rollcall.toml");
    fs::write(&config, configuration(data, options, before))?;
    let listening_file = data.join("listening.json");
    // One left by a killed collector would look like a started one.
    let _ = fs::remove_file(&listening_file);
    let log = fs::OpenOptions::new().create(true).append(true).open(data.join("serve.log"))?;
    let mut child = Command::new(binary("rollcall"))
        .args(["serve", "--config"])
        .arg(&config)
        .env_remove("ROLLCALL_CONFIG")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    let look = || {
        let ended = child.try_wait().ok().flatten().map(|status| Err(anyhow::anyhow!("it ended with {status}")));
        let found = ended.or_else(|| serde_json::from_slice::<Value>(&fs::read(&listening_file).ok()?).ok().map(Ok));
        std::future::ready(found)
    };
    let listening =
        until("the collector listens", look).await.with_context(|| format!("the collector did not start; its log:\n{}", log_tail(data)))?;
    let api = Api::console(data)?;
    until("the collector is ready", || async { api.text("/-/ready").await.is_ok_and(|(status, _)| status.is_success()).then_some(()) })
        .await;
    Ok((child, listening, api))
}

fn configuration(data: &Path, options: &CollectorOptions, before: Option<&Value>) -> String {
    let again = |name: &str| before.and_then(|listening| listening.get(name)).and_then(Value::as_str).map(str::to_owned);
    let agents = again("agents_address").unwrap_or_else(|| options.agents_listen.clone());
    let people = again("people_address").unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let urls: Vec<&str> = options.agents_url.iter().map(Url::as_str).collect();
    format!(
        "data_dir = {data:?}\ndatabase = {:?}\n[agents]\nlisten = {agents:?}\nurls = {urls:?}\ncheck_in_seconds = {}\n\
         certificate_seconds = {}\n[people]\nlisten = {people:?}\n",
        options.database, options.check_in_seconds, options.certificate_seconds,
    )
}

fn log_tail(data: &Path) -> String {
    let log = fs::read_to_string(data.join("serve.log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
