//! Why a client command did not do it, and the exit code that says so.

use std::process::ExitCode;

use rollcall_shared::wire::Problem;

/// What `--help` says of exit codes.
pub(super) const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 not permitted or not signed in, 5 collector not reachable.";

/// Why a command did not do it.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// The collector refused.
    #[error("{}", refused(.0))]
    Refused(Box<Problem>),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// No proof of who asks.
    #[error("{0}")]
    NotSignedIn(String),
    /// The collector does not answer.
    #[error("{0}")]
    Unreachable(String),
    /// Anything else.
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
}

impl CliError {
    /// The exit code.
    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Refused(problem) => match problem.status {
                401 | 403 => 4,
                404 => 3,
                _ => 1,
            },
            Self::Usage(_) => 2,
            Self::NotFound(_) => 3,
            Self::NotSignedIn(_) => 4,
            Self::Unreachable(_) => 5,
            Self::Failed(_) => 1,
        })
    }
}

fn refused(problem: &Problem) -> String {
    let place = problem.path.as_ref().map(|path| format!(" (at {path})")).unwrap_or_default();
    let next = problem.next_step.as_ref().map(|next| format!("\nnext: {next}")).unwrap_or_default();
    super::output::plain(&format!("{}{place}{next}", problem.detail))
}
