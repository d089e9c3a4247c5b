//! `rollcall-agent run`

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::bail;
use rand::RngExt;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::Instant,
};

use super::{FAILURE, WAITING, runtime, settings, settings::duration, token_text};
use crate::{
    backoff::Backoff,
    clock,
    collect::COLLECTORS,
    cycle::{Agent, CycleError},
    enroll::{self, Enrolled},
    spool::DEFAULT_LIMIT,
    state::StateDirectory,
};

/// What can be said on the command line.
#[derive(clap::Args)]
pub(super) struct Options {
    /// The configuration file [default: /etc/rollcall/agent.toml, if there is one].
    #[arg(long, env = "ROLLCALL_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check in this often [default: as often as the collector asks].
    #[arg(long, env = "ROLLCALL_CHECK_IN_INTERVAL", value_parser = duration, value_name = "TIME")]
    check_in_interval: Option<Duration>,
    /// Look at the socket table this often [default: 20s].
    #[arg(long, env = "ROLLCALL_SAMPLE_INTERVAL", value_parser = duration, value_name = "TIME")]
    sample_interval: Option<Duration>,
    /// Look at the machine no more often than this [default: at every check-in].
    #[arg(long, env = "ROLLCALL_INVENTORY_INTERVAL", value_parser = duration, value_name = "TIME")]
    inventory_interval: Option<Duration>,
    /// Wait a random time up to this before the first check-in [default: 15s].
    #[arg(long, env = "ROLLCALL_START_JITTER", value_parser = duration, value_name = "TIME")]
    start_jitter: Option<Duration>,
    /// How much may wait on disk for the collector, bytes [default: 67108864].
    #[arg(long, env = "ROLLCALL_SPOOL_LIMIT", value_name = "BYTES")]
    spool_limit: Option<u64>,
    /// Do not collect this section; may be repeated.
    #[arg(long = "disable-section", env = "ROLLCALL_DISABLE_SECTIONS", value_delimiter = ',', value_name = "NAME")]
    disable_sections: Vec<String>,
    /// Join with this token first, if the machine is not enrolled.
    #[arg(long, env = "ROLLCALL_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Join with the token in this file first, if the machine is not enrolled.
    #[arg(long, env = "ROLLCALL_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Report once; leave with code 0 only when the collector has acknowledged everything.
    #[arg(long)]
    once: bool,
}

struct Settings {
    check_in: Option<Duration>,
    sample: Duration,
    inventory: Duration,
    start_jitter: Duration,
    spool_limit: u64,
    disabled: Vec<String>,
}

impl Settings {
    fn new(options: &Options) -> anyhow::Result<Self> {
        let file = settings::File::read(options.config.as_deref())?;
        let disabled = if options.disable_sections.is_empty() { file.disable_sections } else { options.disable_sections.clone() };
        if let Some(unknown) = disabled.iter().find(|name| !COLLECTORS.iter().any(|collector| collector.name == **name)) {
            bail!("there is no section {unknown:?} to disable; see: rollcall-agent inventory --list");
        }
        const SHORTEST: Duration = Duration::from_millis(50);
        Ok(Self {
            check_in: options.check_in_interval.or(file.check_in_interval).map(|interval| interval.max(SHORTEST)),
            sample: options.sample_interval.or(file.sample_interval).unwrap_or(Duration::from_secs(20)).max(SHORTEST),
            inventory: options.inventory_interval.or(file.inventory_interval).unwrap_or_default(),
            start_jitter: options.start_jitter.or(file.start_jitter).unwrap_or(Duration::from_secs(15)),
            spool_limit: options.spool_limit.or(file.spool_limit).unwrap_or(DEFAULT_LIMIT),
            disabled,
        })
    }

    /// When to try again after failures: soon at first, then no more often than an ordinary day asks for.
    fn backoff(&self) -> Backoff {
        let first = Duration::from_secs(5);
        match self.check_in {
            Some(interval) => Backoff::new(first.min(interval), interval.saturating_mul(5).min(Duration::from_secs(900))),
            None => Backoff::new(first, Duration::from_secs(900)),
        }
    }

    /// How often to ask whether a held agent is free again.
    fn held(&self) -> Duration {
        self.check_in.map_or(Duration::from_secs(3_600), |interval| interval.saturating_mul(5).min(Duration::from_secs(3_600)))
    }
}

pub(super) fn run(state_dir: &Path, options: Options) -> anyhow::Result<u8> {
    let settings = Settings::new(&options)?;
    let state = StateDirectory::new(state_dir);
    state.prepare()?;
    let _lock = state.lock()?;
    runtime()?.block_on(async {
        let mut stop = Stop::new()?;
        if state.identity()?.is_none() && !join(&state, &options, &mut stop).await? {
            return Ok(WAITING);
        }
        let agent = Agent::open(state.clone(), settings.spool_limit, settings.disabled.clone())?;
        if options.once { once(agent, &settings).await } else { forever(agent, &settings, &mut stop).await }
    })
}

/// Joins first; `false` when stopped or still pending.
async fn join(state: &StateDirectory, options: &Options, stop: &mut Stop) -> anyhow::Result<bool> {
    const FOREVER: Duration = Duration::from_secs(10 * 365 * 86_400);
    let begun = state.enrollment()?.is_some();
    let token = match token_text(options.token.as_deref(), options.token_file.as_deref()) {
        // The unit always names a file; what was begun without one goes on without it.
        Err(_) if begun => None,
        token => token?,
    };
    if token.is_none() && !begun {
        bail!(CycleError::NotEnrolled);
    }
    let patience = if options.once { Duration::ZERO } else { FOREVER };
    let joining = enroll::enroll(state, token.as_deref(), patience, |what| tracing::info!("{what}"));
    let joined = tokio::select! {
        joined = joining => joined?,
        () = stop.wait() => return Ok(false),
    };
    if let Enrolled::Joined(identity) = &joined {
        tracing::info!(agent = %identity.credentials.agent_id, "enrolled");
    }
    Ok(!matches!(joined, Enrolled::Pending))
}

async fn once(mut agent: Agent, settings: &Settings) -> anyhow::Result<u8> {
    const MOST_TRIES: u32 = 4;
    let mut backoff = settings.backoff();
    for attempt in 1.. {
        agent.sample();
        agent.collect();
        let result = agent.exchange().await;
        agent.store_windows();
        match result {
            Ok(exchanged) if agent.is_acknowledged() => {
                say!(
                    "acknowledged: {} sections sent, {} known before",
                    exchanged.sent.len(),
                    agent.progress().acknowledged.len().saturating_sub(exchanged.sent.len())
                );
                return Ok(0);
            }
            Ok(exchanged) => {
                for (section, words) in &exchanged.refused {
                    eprintln!("section {section} was refused: {words}");
                }
                eprintln!("the collector has not acknowledged everything");
                return Ok(FAILURE);
            }
            Err(CycleError::Client(error)) if error.is_temporary() && attempt < MOST_TRIES => {
                let wait = backoff.next(error.retry_after());
                tracing::warn!(%error, wait_ms = wait.as_millis(), "trying again");
                tokio::time::sleep(wait).await;
            }
            Err(error @ CycleError::Held(_)) => {
                eprintln!("rollcall-agent: {error}");
                return Ok(WAITING);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(FAILURE)
}

async fn forever(mut agent: Agent, settings: &Settings, stop: &mut Stop) -> anyhow::Result<u8> {
    /// Observed connections are on disk at most this late.
    const STORE_WINDOWS: Duration = Duration::from_secs(300);
    /// How long a stopping agent waits for an answer.
    const LAST_EXCHANGE: Duration = Duration::from_secs(5);
    tracing::info!(agent = %agent.identity().credentials.agent_id, version = crate::client::VERSION_TEXT, "started");
    let mut backoff = settings.backoff();
    let start = Instant::now();
    let mut sample_at = start;
    let mut check_in = Due::after(settings.start_jitter.mul_f64(rand::rng().random_range(0.0..=1.0)));
    let mut store_at = start + STORE_WINDOWS;
    let mut collected: Option<Instant> = None;
    loop {
        tokio::select! {
            () = stop.wait() => {
                agent.store_windows();
                tracing::info!("stopped");
                return Ok(0);
            }
            () = tokio::time::sleep_until(sample_at) => {
                agent.sample();
                sample_at = Instant::now() + settings.sample;
                if Instant::now() >= store_at {
                    agent.store_windows();
                    store_at = Instant::now() + STORE_WINDOWS;
                }
                if !check_in.is_past() {
                    continue;
                }
            }
            () = tokio::time::sleep_until(check_in.at) => {}
        }
        if collected.is_none_or(|at| at.elapsed() >= settings.inventory) {
            agent.sample();
            agent.collect();
            agent.store_windows();
            collected = Some(Instant::now());
        }
        let (exchanged, stopped) = {
            let mut exchange = std::pin::pin!(agent.exchange());
            tokio::select! {
                exchanged = &mut exchange => (Some(exchanged), false),
                // An exchange left in the middle is repeated at the next start, and until then a copy of this state cannot
                // be told from the original: so it is brought to its end, if that is near.
                () = stop.wait() => (tokio::time::timeout(LAST_EXCHANGE, exchange).await.ok(), true),
            }
        };
        if stopped {
            agent.store_windows();
            tracing::info!("stopped");
            return Ok(0);
        }
        let Some(exchanged) = exchanged else { continue };
        check_in = Due::after(next(exchanged, settings, &mut backoff));
    }
}

fn next(exchanged: Result<crate::cycle::Exchanged, CycleError>, settings: &Settings, backoff: &mut Backoff) -> Duration {
    const SHORTEST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_secs(7 * 86_400);
    match exchanged {
        Ok(exchanged) => {
            backoff.reset();
            tracing::debug!(sent = ?exchanged.sent, next_s = exchanged.next_check_in.as_secs(), "checked in");
            settings.check_in.unwrap_or_else(|| exchanged.next_check_in.clamp(SHORTEST, LONGEST))
        }
        Err(CycleError::Held(held)) => {
            let wait = settings.held();
            tracing::error!(reason = %held.reason, next_step = held.next_step.as_deref().unwrap_or("decide on the collector's agents page"), "held: no inventory is sent");
            wait
        }
        Err(error) => {
            let asked = match &error {
                CycleError::Client(error) => error.retry_after(),
                _ => None,
            };
            let wait = backoff.next(asked);
            tracing::warn!(%error, wait_s = wait.as_secs(), "the collector has not got everything; trying again");
            wait
        }
    }
}

/// When something is due. Timers stand still while a laptop sleeps; the time since its start does not.
struct Due {
    at: Instant,
    since_boot: i64,
}

impl Due {
    fn after(wait: Duration) -> Self {
        Self {
            at: Instant::now() + wait,
            since_boot: clock::since_boot().saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)),
        }
    }

    fn is_past(&self) -> bool {
        clock::since_boot() >= self.since_boot
    }
}

/// SIGTERM or SIGINT.
struct Stop(Signal, Signal);

impl Stop {
    fn new() -> std::io::Result<Self> {
        Ok(Self(signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?))
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}
