//! The command line.

/// Prints a line. Whoever reads may have had enough; that must not stop what is being done.
macro_rules! say {
    ($($argument:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($argument)*);
    }};
}

mod doctor;
mod enroll;
mod inventory;
mod run;
mod status;
mod validate;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{
    memory,
    rest::Rest,
    settings::{Given, Settings},
};

/// The command failed.
const FAILURE: u8 = 1;
/// The collector waits for a person: approval is pending, or the agent is held.
const WAITING: u8 = 3;

/// Collects what this machine is and whom it talks to, and reports it to a Rollcall collector.
#[derive(Parser)]
#[command(name = "rollcall-agent", version, max_term_width = 120)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// The configuration file [env: ROLLCALL_CONFIG] [default: /etc/rollcall/agent.toml, if there is one].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    given: Given,
}

#[derive(Subcommand)]
enum Command {
    /// Join a collector with a token.
    Enroll(enroll::Options),
    /// Report to the collector until stopped.
    Run(run::Options),
    /// Print exactly what would be sent. Needs no enrollment.
    Inventory(inventory::Options),
    /// Show who this agent is and how far it has got.
    Status(status::Options),
    /// Find out what stops this agent, with the next step.
    Doctor,
    /// Check the configuration, and show each setting that holds.
    Validate,
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    memory::keep_small();
    let cli = Cli::parse();
    let result = Settings::load(&cli.given, cli.config.as_deref()).and_then(|settings| {
        log_to_stderr(settings.log(), settings.logs_json());
        match cli.command {
            Command::Enroll(options) => enroll::run(&settings, &options),
            Command::Run(options) => run::run(&settings, &options),
            Command::Inventory(options) => inventory::run(&settings, &options),
            Command::Status(options) => status::run(&settings, &options),
            Command::Doctor => doctor::run(&settings),
            Command::Validate => validate::run(&settings),
        }
    });
    match result {
        Ok(code) => ExitCode::from(code),
        // Whoever reads had enough.
        Err(error) if error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe) => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("rollcall-agent: {error:#}");
            ExitCode::from(FAILURE)
        }
    }
}

fn log_to_stderr(filter: &str, json: bool) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|error| {
        eprintln!("rollcall-agent: log filter {filter:?}: {error}; logging at info");
        EnvFilter::new("info")
    });
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // Set once a process; a second call could only come from a test.
    let _ = if json { subscriber.json().try_init() } else { subscriber.with_ansi(false).try_init() };
}

/// One thread does everything; name look-ups borrow a second one for as long as they take. Whenever it sleeps, it is small.
fn runtime() -> anyhow::Result<(tokio::runtime::Runtime, Rest)> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().max_blocking_threads(1).thread_keep_alive(std::time::Duration::from_secs(1));
    let rest = Rest::watch(&mut builder, Rest::PAUSE, memory::give_back);
    let runtime = builder.build()?;
    runtime.spawn(rest.clone().keep());
    Ok((runtime, rest))
}

/// A token from a flag, a file, or standard input (`-`).
fn token_text(token: Option<&str>, file: Option<&std::path::Path>) -> anyhow::Result<Option<String>> {
    use anyhow::Context;
    use std::io::Read;
    const MOST: u64 = 64 << 10;
    if let Some(token) = token {
        return Ok(Some(token.to_owned()));
    }
    let Some(path) = file else { return Ok(None) };
    let mut text = String::new();
    if path.as_os_str() == "-" {
        std::io::stdin().take(MOST).read_to_string(&mut text).context("reading the token from standard input")?;
    } else {
        let file = std::fs::File::open(path).with_context(|| format!("reading the token from {}", path.display()))?;
        file.take(MOST).read_to_string(&mut text).with_context(|| format!("reading the token from {}", path.display()))?;
    }
    Ok(Some(text))
}
