//! The command line.

mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The command failed.
const FAILURE: u8 = 1;

/// The Rollcall collector: a CMDB that fills itself.
#[derive(Parser)]
#[command(name = "rollcall", version, max_term_width = 120)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// What to log: error, warn, info, debug, or a tracing filter.
    #[arg(long, global = true, env = "ROLLCALL_LOG", default_value = "info", value_name = "FILTER")]
    log: String,
    /// How to log: text or json.
    #[arg(long, global = true, env = "ROLLCALL_LOG_FORMAT", default_value = "text", value_parser = ["text", "json"], value_name = "FORMAT")]
    log_format: String,
}

#[derive(Subcommand)]
enum Command {
    /// Serve agents and people until stopped.
    Serve(serve::Options),
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr(&cli.log, &cli.log_format);
    let result = match cli.command {
        Command::Serve(options) => serve::run(options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rollcall: {error:#}");
            ExitCode::from(FAILURE)
        }
    }
}

fn log_to_stderr(filter: &str, format: &str) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|error| {
        eprintln!("rollcall: log filter {filter:?}: {error}; logging at info");
        EnvFilter::new("info")
    });
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if format == "json" {
        log.json().init();
    } else {
        log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init();
    }
}
