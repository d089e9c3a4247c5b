//! `rollcall serve`

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context;
use rollcall_shared::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use url::Url;

use crate::{
    config::{Config, PeopleTls},
    serve::{self, Running},
};

/// Where settings are looked for if the command line names no file.
const DEFAULT_CONFIG: &str = "/etc/rollcall/rollcall.toml";

/// What can be said on the command line; it stands over the environment, and both over the file.
#[derive(clap::Args)]
#[group(id = "settings")]
pub(super) struct Options {
    /// Settings, TOML.  [default: /etc/rollcall/rollcall.toml, if it is there]
    #[arg(long, env = "ROLLCALL_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// sqlite:PATH or postgres://USER@HOST/NAME.
    #[arg(long, env = "ROLLCALL_DATABASE", hide_env_values = true, value_name = "URL")]
    database: Option<String>,
    /// Where to listen for agents.
    #[arg(long, env = "ROLLCALL_AGENTS_LISTEN", value_name = "ADDRESS:PORT")]
    agents_listen: Option<SocketAddr>,
    /// How agents reach this collector; several are tried in order.
    #[arg(long, env = "ROLLCALL_AGENTS_URL", value_name = "URL", value_delimiter = ',')]
    agents_url: Vec<Url>,
    /// A directory with agent binaries, rollcall-agent-ARCHITECTURE, for the install script.
    #[arg(long, env = "ROLLCALL_AGENTS_BINARIES", value_name = "DIR")]
    agents_binaries: Option<PathBuf>,
    /// Seconds between check-ins of an agent.
    #[arg(long, env = "ROLLCALL_CHECK_IN_SECONDS", value_name = "SECONDS")]
    check_in_seconds: Option<u32>,
    /// Seconds that an agent's certificate is valid.
    #[arg(long, env = "ROLLCALL_CERTIFICATE_SECONDS", value_name = "SECONDS")]
    certificate_seconds: Option<u32>,
    /// Where to listen for people and API clients.
    #[arg(long, env = "ROLLCALL_PEOPLE_LISTEN", value_name = "ADDRESS:PORT")]
    people_listen: Option<SocketAddr>,
    /// How people are served: own (a certificate of the collector's CA), files, or off.
    #[arg(long, env = "ROLLCALL_PEOPLE_TLS", value_name = "HOW")]
    people_tls: Option<PeopleTls>,
    /// How people reach this collector.
    #[arg(long, env = "ROLLCALL_PEOPLE_URL", value_name = "URL")]
    people_url: Option<Url>,
}

pub(super) fn run(options: Options, data_dir: Option<PathBuf>) -> anyhow::Result<()> {
    let config = settings(options, data_dir)?;
    allow_many_connections();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let running = serve::start(config).await?;
        eprintln!("rollcall: people reach this collector at {}", running.app.people_url);
        let agents: Vec<String> = running.app.agent_urls().iter().map(ToString::to_string).collect();
        eprintln!("rollcall: agents reach it at {}", agents.join(", "));
        until_stopped(&running).await?;
        running.shutdown().await;
        Ok(())
    })
}

/// The settings from file, environment and command line.
pub(super) fn settings(options: Options, data_dir: Option<PathBuf>) -> anyhow::Result<Config> {
    let default = PathBuf::from(DEFAULT_CONFIG);
    let file = options.config.or_else(|| default.exists().then_some(default));
    let mut config = match file {
        None => Config::default(),
        Some(file) => {
            let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read the settings in {}", file.display()))?;
            toml::from_str(&text).with_context(|| format!("the settings in {} cannot be used", file.display()))?
        }
    };
    put(&mut config.data_dir, data_dir);
    put(&mut config.database, options.database);
    put(&mut config.agents.listen, options.agents_listen);
    put(&mut config.agents.check_in_seconds, options.check_in_seconds);
    put(&mut config.agents.certificate_seconds, options.certificate_seconds);
    put(&mut config.people.listen, options.people_listen);
    put(&mut config.people.tls, options.people_tls);
    if !options.agents_url.is_empty() {
        config.agents.urls = options.agents_url;
    }
    config.agents.binaries = options.agents_binaries.or(config.agents.binaries);
    config.people.url = options.people_url.or(config.people.url);
    Ok(config)
}

/// Each connection is a file descriptor; the usual soft limit is for programs that have a few.
fn allow_many_connections() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        tracing::warn!(%error, ?limit, "the limit of open files could not be raised");
    }
}

fn put<T>(setting: &mut T, said: Option<T>) {
    if let Some(said) = said {
        *setting = said;
    }
}

/// Waits for SIGTERM or SIGINT; SIGHUP replaces the collector's certificate now.
async fn until_stopped(running: &Running) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hang_up.recv() => match running.app.renew_certificate(Timestamp::now()) {
                Ok(()) => tracing::info!("the collector's certificate was replaced"),
                Err(error) => tracing::error!("the collector's certificate could not be replaced: {:#}", anyhow::Error::from(error)),
            },
        }
    }
}
