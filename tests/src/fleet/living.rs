//! A simulated company that goes on reporting, also after a restart: what its agents must not lose lies in a directory, a file for each.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use rollcall_shared::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{task::JoinSet, time::sleep};

use super::{Company, CompanyOptions, Machine, SimulatedAgent, wire::WireError};

/// Between the first reports of two agents after a start.
const ONE_AFTER_THE_OTHER: Duration = Duration::from_millis(50);
/// Until it is tried again, where the collector is not there or busy.
const AGAIN: Duration = Duration::from_secs(15);

/// The directory in which a company is kept.
#[derive(Clone, Debug)]
pub struct Directory(PathBuf);

/// From what a company was made: with it the same one is made again.
#[derive(Serialize, Deserialize)]
struct Made {
    seed: u64,
    at: Timestamp,
}

impl Directory {
    /// This directory; it is made if it is not there.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(path.join("agents")).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path.to_owned()))
    }

    /// The demonstration's company: the one that is kept here, or a new one of this seed.
    ///
    /// # Errors
    /// If its file cannot be read or written.
    pub fn company(&self, seed: u64) -> anyhow::Result<Company> {
        let path = self.0.join("company.json");
        let made = if path.exists() { read(&path)? } else { Made { seed, at: Timestamp::now() } };
        write(&path, &made)?;
        Ok(Company::build(&CompanyOptions { seed: made.seed, ..CompanyOptions::demo(made.at) }))
    }

    /// Saves what an agent must not lose. To be called before each of its exchanges.
    ///
    /// # Errors
    /// If its file cannot be written.
    pub fn save(&self, agent: &mut SimulatedAgent) -> anyhow::Result<()> {
        write(&self.agent(&agent.machine), &agent.saved())
    }

    /// The agents of those machines that are kept here.
    ///
    /// # Errors
    /// If a file cannot be read, or what is in it cannot be used.
    pub fn agents(&self, company: Company) -> anyhow::Result<Vec<SimulatedAgent>> {
        let kept = company.machines.into_iter().filter(|machine| self.agent(machine).exists());
        kept.map(|machine| Ok(SimulatedAgent::restored(read(&self.agent(&machine))?, machine)?)).collect()
    }

    fn agent(&self, machine: &Machine) -> PathBuf {
        self.0.join("agents").join(format!("{}.json", machine.identity.hostname))
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is not what was written there", path.display()))
}

/// Whole or not at all.
fn write(path: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    let made = path.with_extension("new");
    fs::write(&made, serde_json::to_vec(value)?).with_context(|| format!("cannot write {}", made.display()))?;
    fs::rename(&made, path).with_context(|| format!("cannot replace {}", path.display()))
}

/// Lets these agents report as often as the collector wants, for as long as it lets them.
///
/// # Errors
/// None of an agent: those are told on standard error. If one panics.
pub async fn report(agents: Vec<SimulatedAgent>, directory: &Directory) -> anyhow::Result<()> {
    let mut running = JoinSet::new();
    for (agent, number) in agents.into_iter().zip(0..) {
        running.spawn(go_on(agent, directory.clone(), ONE_AFTER_THE_OTHER * number));
    }
    while let Some(ended) = running.join_next().await {
        let (hostname, error) = ended?;
        eprintln!("{hostname} does not report any more: {error:#}");
    }
    Ok(())
}

async fn go_on(mut agent: SimulatedAgent, directory: Directory, delay: Duration) -> (String, anyhow::Error) {
    sleep(delay).await;
    loop {
        let next = match round(&mut agent, &directory).await {
            Ok(next) => next,
            Err(error) if passes(&error) => AGAIN,
            Err(error) => return (agent.machine.identity.hostname, error),
        };
        sleep(next).await;
    }
}

/// Whether what went wrong passes: the collector is not there, or busy.
pub fn passes(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<WireError>()
        .is_some_and(|error| matches!(error, WireError::Transport(_)) || matches!(error.status(), Some(429 | 503)))
}

/// One report; when the next is due.
///
/// # Errors
/// [`WireError`], or if what must be saved cannot be.
pub async fn round(agent: &mut SimulatedAgent, directory: &Directory) -> anyhow::Result<Duration> {
    let life = agent.credentials.not_after.as_millis() - agent.credentials.issued_at.as_millis();
    if Timestamp::now() >= agent.credentials.issued_at.plus_millis(life / 2) {
        agent.renew().await?;
    }
    directory.save(agent)?;
    let answer = agent.check_in().await?;
    if !answer.want.is_empty() {
        directory.save(agent)?;
        agent.upload(Some(&answer.want)).await?;
    }
    Ok(Duration::from_secs(answer.next_check_in_seconds.into()))
}
