//! `rollcall-agent run`

use std::time::Duration;

use anyhow::bail;
use rand::RngExt;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::Instant,
};

use super::{FAILURE, WAITING, runtime, token_text};
use crate::{
    announced,
    backoff::Backoff,
    client::Route,
    clock,
    cycle::{Agent, Collected, CycleError, Exchanged, Reader},
    enroll::{self, Enrolled, Joining},
    files::Lock,
    reader,
    rest::Rest,
    settings::{self, Settings},
    spool::{Role, Spool, SpoolError},
    state::{StateDirectory, StateError},
};

/// What can be said on the command line.
#[derive(clap::Args)]
pub(super) struct Options {
    /// Do only one half of the work: the packaged services run each half with what it needs, and nothing else.
    #[arg(long, value_enum, value_name = "ROLE")]
    role: Option<Half>,
    /// Join with this token first, if the machine is not enrolled.
    #[arg(long, env = "ROLLCALL_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Report once; leave with code 0 only when the collector has acknowledged everything.
    #[arg(long)]
    once: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Half {
    /// Read the machine into the spool; no network.
    Reader,
    /// Send what is in the spool; no privileges.
    Sender,
}

/// Observed connections are on disk at most this late.
const STORE_WINDOWS: Duration = Duration::from_secs(300);

pub(super) fn run(settings: &Settings, options: &Options) -> anyhow::Result<u8> {
    if let Some(file) = &settings.file {
        settings::check_permissions(file)?;
    }
    let spool = settings.spool();
    if options.role == Some(Half::Reader) {
        spool.prepare(&[Role::Reader])?;
        let _lock = lock(&spool, Role::Reader)?;
        let (runtime, rest) = runtime()?;
        return runtime.block_on(read(Reader::open(&spool, settings), options.once, &rest));
    }
    let reads = options.role.is_none();
    let state = StateDirectory::new(settings.state_dir());
    state.prepare()?;
    let _lock = state.lock()?;
    let roles: &[Role] = if reads { &[Role::Reader, Role::Sender] } else { &[Role::Sender] };
    spool.prepare(roles)?;
    let _locks = roles.iter().map(|role| lock(&spool, *role)).collect::<Result<Vec<_>, _>>()?;
    let (runtime, rest) = runtime()?;
    runtime.block_on(async {
        let mut stop = Stop::new()?;
        if !reads && !await_reader(&spool, options.once, &mut stop).await? {
            return Ok(0);
        }
        if state.identity()?.is_none() && !join(&state, settings, options, &mut stop).await? {
            return Ok(WAITING);
        }
        let agent = Agent::open(state.clone(), settings, reads)?;
        if options.once { once(agent, settings).await } else { forever(agent, settings, &mut stop, &rest).await }
    })
}

fn lock(spool: &Spool, role: Role) -> Result<Lock, StateError> {
    spool.lock(role).map_err(|source| {
        let path = spool.directory().to_owned();
        match source.kind() {
            std::io::ErrorKind::WouldBlock => StateError::Busy { path },
            _ => StateError::Io { doing: "locking", path, source },
        }
    })
}

/// The reading half.
async fn read(mut reader: Reader, once: bool, rest: &Rest) -> anyhow::Result<u8> {
    let mut stop = Stop::new()?;
    tracing::info!(version = crate::client::VERSION_TEXT, "reading this machine");
    let mut store_at = Instant::now() + STORE_WINDOWS;
    reader.hear_closed();
    loop {
        reader.sample();
        reader.learn();
        let collected = reader.is_due().then(|| reader.collect());
        if collected.is_some() || Instant::now() >= store_at {
            reader.store_windows();
            store_at = Instant::now() + STORE_WINDOWS;
        }
        if once {
            return Ok(if collected == Some(Collected::Stored) { 0 } else { FAILURE });
        }
        let sample_at = Instant::now() + reader.sample_interval();
        rest.worked_much();
        loop {
            tokio::select! {
                () = stop.wait() => {
                    reader.store_windows();
                    tracing::info!("stopped");
                    return Ok(0);
                }
                () = tokio::time::sleep_until(sample_at) => break,
                () = reader.disturbed() => reader.attend(),
            }
        }
    }
}

/// Waits until the reading process has left something; `false` when stopped.
async fn await_reader(spool: &Spool, once: bool, stop: &mut Stop) -> anyhow::Result<bool> {
    const PATIENCE: Duration = Duration::from_secs(60);
    let patience = if once { Duration::from_secs(5) } else { PATIENCE };
    let files = spool.reader();
    loop {
        let found = tokio::select! {
            found = reader::first_inventory(&files, patience) => found,
            () = stop.wait() => return Ok(false),
        };
        match found {
            Ok(Some(_)) => return Ok(true),
            Ok(None) if once => bail!(CycleError::NothingCollected),
            Ok(None) => tracing::warn!("{}", CycleError::NothingCollected),
            Err(error @ SpoolError::Untrusted { .. }) => bail!(error),
            Err(error) => tracing::warn!(%error, "waiting for the reading process"),
        }
    }
}

/// Joins first; `false` when stopped or still pending.
async fn join(state: &StateDirectory, settings: &Settings, options: &Options, stop: &mut Stop) -> anyhow::Result<bool> {
    const FOREVER: Duration = Duration::from_secs(10 * 365 * 86_400);
    let begun = state.enrollment()?.is_some();
    let token = match token_text(options.token.as_deref(), settings.token_file().as_deref()) {
        // The settings may always name a file; what was begun without one goes on without it.
        Err(_) if begun => None,
        token => token?.filter(|token| !token.trim().is_empty()),
    };
    if token.is_none() && !begun {
        bail!(CycleError::NotEnrolled);
    }
    let machine = match options.role {
        Some(_) => enroll::machine_in(&settings.spool().reader().inventory()?.ok_or(CycleError::NothingCollected)?)?,
        None => enroll::this_machine()?,
    };
    let joining = Joining {
        token: token.as_deref(),
        machine,
        urls: settings.collector_urls()?,
        route: Route { proxy: settings.proxy()?, return_to_first: settings.failover_return() },
        patience: if options.once { Duration::ZERO } else { FOREVER },
    };
    let joined = tokio::select! {
        joined = enroll::enroll(state, joining, |what| tracing::info!("{what}")) => joined?,
        () = stop.wait() => return Ok(false),
    };
    if let Enrolled::Joined(identity) = &joined {
        tracing::info!(agent = %identity.credentials.agent_id, "enrolled");
    }
    Ok(!matches!(joined, Enrolled::Pending))
}

async fn once(mut agent: Agent, settings: &Settings) -> anyhow::Result<u8> {
    const MOST_TRIES: u32 = 4;
    let mut backoff = retries(settings);
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

async fn forever(mut agent: Agent, settings: &Settings, stop: &mut Stop, rest: &Rest) -> anyhow::Result<u8> {
    /// How long a stopping agent waits for an answer.
    const LAST_EXCHANGE: Duration = Duration::from_secs(5);
    /// How often an agent that takes no samples looks whether the machine has slept past a check-in.
    const LOOK: Duration = Duration::from_secs(60);
    tracing::info!(agent = %agent.identity().credentials.agent_id, version = crate::client::VERSION_TEXT, "started");
    let mut backoff = retries(settings);
    let start = Instant::now();
    let tick = if agent.reads() { settings.sample_interval() } else { LOOK };
    let mut tick_at = start;
    let mut check_in = Due::after(first_wait(settings.start_jitter(), &mut rand::rng()));
    let mut store_at = start + STORE_WINDOWS;
    let mut collected: Option<Instant> = None;
    agent.hear(settings.also_collect().iter().any(|extra| extra == announced::EXTRA));
    loop {
        tokio::select! {
            () = stop.wait() => {
                agent.store_windows();
                tracing::info!("stopped");
                return Ok(0);
            }
            () = tokio::time::sleep_until(tick_at) => {
                agent.sample();
                rest.worked_much();
                tick_at = Instant::now() + tick;
                if Instant::now() >= store_at {
                    agent.store_windows();
                    store_at = Instant::now() + STORE_WINDOWS;
                }
                if !check_in.is_past() {
                    continue;
                }
            }
            () = agent.disturbed() => {
                agent.attend();
                continue;
            }
            () = tokio::time::sleep_until(check_in.at) => {}
        }
        if collected.is_none_or(|at| at.elapsed() >= settings.inventory_interval()) {
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
        let wait = next(exchanged, settings, &mut backoff);
        agent.plan(wait);
        rest.worked_much();
        check_in = Due::after(wait);
    }
}

/// How long a starting agent waits before it first checks in: any time up to `longest`, so that machines that get power together do not
/// arrive together.
fn first_wait(longest: Duration, random: &mut impl RngExt) -> Duration {
    longest.mul_f64(random.random_range(0.0..=1.0))
}

/// When to try again after failures: soon at first, then no more often than an ordinary day asks for.
fn retries(settings: &Settings) -> Backoff {
    let first = Duration::from_secs(5);
    match settings.check_in_interval() {
        Some(interval) => Backoff::new(first.min(interval), interval.saturating_mul(5).min(Duration::from_secs(900))),
        None => Backoff::new(first, Duration::from_secs(900)),
    }
}

fn next(exchanged: Result<Exchanged, CycleError>, settings: &Settings, backoff: &mut Backoff) -> Duration {
    const SHORTEST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_secs(7 * 86_400);
    /// How often to ask whether a held agent is free again.
    const HELD: Duration = Duration::from_secs(3_600);
    match exchanged {
        Ok(exchanged) => {
            backoff.reset();
            tracing::debug!(sent = ?exchanged.sent, next_s = exchanged.next_check_in.as_secs(), "checked in");
            settings.check_in_interval().unwrap_or_else(|| exchanged.next_check_in.clamp(SHORTEST, LONGEST))
        }
        Err(CycleError::Held(held)) => {
            tracing::error!(reason = %held.reason, next_step = held.next_step.as_deref().unwrap_or("decide on the collector's agents page"), "held: no inventory is sent");
            settings.check_in_interval().map_or(HELD, |interval| interval.saturating_mul(5).min(HELD))
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

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn agents_that_start_together_do_not_check_in_together() {
        const AGENTS: usize = 1_000;
        let longest = Duration::from_secs(15);
        let mut random = StdRng::seed_from_u64(7);
        let mut in_second = [0; 16];
        for _ in 0..AGENTS {
            let wait = first_wait(longest, &mut random);
            assert!(wait <= longest);
            in_second[usize::try_from(wait.as_secs()).unwrap()] += 1;
        }
        let even = AGENTS / 15;
        assert!(in_second[..15].iter().all(|count| (even / 2..even * 2).contains(count)), "{in_second:?}");
        assert_eq!(first_wait(Duration::ZERO, &mut random), Duration::ZERO, "who asks for none has none");
    }
}
