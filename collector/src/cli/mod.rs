//! The command line: `rollcall serve` and the client commands, one file each.

mod agent;
mod api_token;
mod application;
mod backup;
mod ci;
mod class;
mod client;
mod code;
mod doctor;
mod error;
mod export;
pub(crate) mod identity;
mod impact;
mod import;
mod login;
mod output;
mod precedence;
mod prompt;
mod relationship_type;
mod report;
mod serve;
mod single_points;
mod suggestion;
mod token;
mod user;
mod view;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::{client::Connection, error::CliError, output::Format};

/// The Rollcall collector: a CMDB that fills itself.
#[derive(Parser)]
#[command(name = "rollcall", version, max_term_width = 120, after_help = error::EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
    /// How to print.
    #[arg(long, short, global = true, env = "ROLLCALL_OUTPUT", value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
    /// What to log: error, warn, info, debug, or a tracing filter.  [default: info for serve, warn otherwise]
    #[arg(long, global = true, env = "ROLLCALL_LOG", value_name = "FILTER")]
    log: Option<String>,
    /// How to log: text or json.
    #[arg(long, global = true, env = "ROLLCALL_LOG_FORMAT", default_value = "text", value_parser = ["text", "json"], value_name = "FORMAT")]
    log_format: String,
}

#[derive(Subcommand)]
enum Command {
    /// Serve agents and people until stopped.
    Serve(Box<serve::Options>),
    /// Configuration items: list, show, set, retire, explain, merge, split, keep-apart.
    #[command(subcommand)]
    Ci(ci::Command),
    /// Classes of items and their attributes: list, show, define, delete.
    #[command(subcommand)]
    Class(class::Command),
    /// Relationship types: list, define, delete.
    #[command(subcommand)]
    RelationshipType(relationship_type::Command),
    /// Rules for whose word stands: list, set, delete, each to be tried first with --dry-run.
    #[command(subcommand)]
    Precedence(precedence::Command),
    /// Saved views: list, show, save, delete.
    #[command(subcommand)]
    View(view::Command),
    /// Items that may be one, with what they have in common and what stands against it.
    Duplicates(identity::DuplicatesOptions),
    /// What changed between two instants.
    Diff(identity::DiffOptions),
    /// What breaks if these fail, why, and whom to tell.
    Impact(impact::Options),
    /// How one item depends on another.
    Path(impact::PathOptions),
    /// What takes an item down alone, and which two together.
    SinglePoints(single_points::Options),
    /// Answers that people keep: list, show, delete.
    #[command(subcommand)]
    Answer(impact::AnswerCommand),
    /// Where evidence, the register and people do not agree: orphans, isolated, declared, observed.
    Report(report::Options),
    /// Redundancy that evidence suggests: list, accept, reject.
    #[command(subcommand)]
    Suggestion(suggestion::Command),
    /// Applications: propose, create, list, show, confirm.
    #[command(subcommand)]
    Application(application::Command),
    /// Write the items of a filter as CSV, XLSX, JSON or YAML, or what was declared as code.
    Export(Box<export::Options>),
    /// Preview a table of items, apply it, take it back.
    Import(Box<import::Options>),
    /// Show what declarations in YAML files would change, and what is not as they say.
    Plan(code::Options),
    /// Make it as declarations in YAML files say, all or nothing.
    #[command(after_help = code::FILES_HELP)]
    Apply(code::ApplyOptions),
    /// Agents: list, show, approve, deny, revoke, release.
    #[command(subcommand)]
    Agent(agent::Command),
    /// Enrollment tokens: create, list, revoke.
    #[command(subcommand)]
    Token(token::Command),
    /// People who sign in: add, list, passwd, role, disable, enable.
    #[command(subcommand)]
    User(user::Command),
    /// Tokens for the API: create, list, revoke.
    #[command(subcommand)]
    ApiToken(api_token::Command),
    /// Sign in to a collector elsewhere; the next commands use it.
    Login(login::Options),
    /// Copy database and CA into a new directory, while the collector serves.
    Backup(Box<backup::Options>),
    /// Check this collector, and say what to do where something is wrong.
    Doctor(Box<doctor::Options>),
}

/// What client commands share.
struct Context {
    connection: Connection,
    output: Format,
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let Cli { command, connection, output, log, log_format } = Cli::parse();
    let usual = if matches!(command, Command::Serve(_)) { "info" } else { "warn" };
    log_to_stderr(log.as_deref().unwrap_or(usual), &log_format);
    let result = match command {
        Command::Serve(options) => serve::run(*options, connection.data_dir).map_err(CliError::from),
        command => run_client(command, &Context { connection, output }),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rollcall: {error}");
            error.exit_code()
        }
    }
}

fn run_client(command: Command, context: &Context) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| CliError::Failed(error.into()))?;
    runtime.block_on(async {
        match command {
            Command::Serve(_) => Ok(()),
            Command::Ci(command) => ci::run(command, context).await,
            Command::Class(command) => class::run(command, context).await,
            Command::RelationshipType(command) => relationship_type::run(command, context).await,
            Command::Precedence(command) => precedence::run(command, context).await,
            Command::Duplicates(options) => identity::duplicates(options, context).await,
            Command::Diff(options) => identity::diff(options, context).await,
            Command::Impact(options) => impact::run(options, context).await,
            Command::Path(options) => impact::run_path(options, context).await,
            Command::SinglePoints(options) => single_points::run(options, context).await,
            Command::Answer(command) => impact::run_answer(command, context).await,
            Command::Report(options) => report::run(options, context).await,
            Command::Suggestion(command) => suggestion::run(command, context).await,
            Command::Application(command) => application::run(command, context).await,
            Command::Export(options) => export::run(*options, context).await,
            Command::Import(options) => import::run(*options, context).await,
            Command::Plan(options) => code::plan(options, context).await,
            Command::Apply(options) => code::apply(options, context).await,
            Command::Agent(command) => agent::run(command, context).await,
            Command::Token(command) => token::run(command, context).await,
            Command::User(command) => user::run(command, context).await,
            Command::View(command) => view::run(command, context).await,
            Command::ApiToken(command) => api_token::run(command, context).await,
            Command::Login(options) => login::run(options, context).await,
            Command::Backup(options) => backup::run(*options, context).await,
            Command::Doctor(options) => doctor::run(*options, context).await,
        }
    })
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn where_the_collector_is_can_be_said_before_or_after_the_command() {
        for arguments in [["rollcall", "--data-dir", "/d", "token", "list"], ["rollcall", "token", "list", "--data-dir", "/d"]] {
            let cli = Cli::try_parse_from(arguments).unwrap();
            assert_eq!(cli.connection.data_dir, Some("/d".into()));
        }
    }
}
