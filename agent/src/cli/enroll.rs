//! `rollcall-agent enroll`

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rollcall_shared::wire::v1::EnrollmentToken;

use super::{WAITING, runtime, settings::duration, token_text};
use crate::{
    enroll::{self, Enrolled},
    state::StateDirectory,
};

/// What can be said on the command line.
#[derive(clap::Args)]
pub(super) struct Options {
    /// The token, as `rollcall token create` printed it. Others on this machine can see it while the command runs.
    #[arg(long, env = "ROLLCALL_TOKEN", hide_env_values = true, conflicts_with = "token_file")]
    token: Option<String>,
    /// A file that holds the token; - for standard input.
    #[arg(long, env = "ROLLCALL_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// How long to try while the collector cannot be reached or approval is pending.
    #[arg(long, env = "ROLLCALL_ENROLL_WAIT", default_value = "10m", value_parser = duration, value_name = "TIME")]
    wait: Duration,
    /// Try once; leave with code 3 if approval is pending.
    #[arg(long)]
    no_wait: bool,
    /// Forget the agent that this machine is now, and join as a new one.
    #[arg(long)]
    again: bool,
}

pub(super) fn run(state_dir: &Path, options: &Options) -> anyhow::Result<u8> {
    let token = token_text(options.token.as_deref(), options.token_file.as_deref())?;
    let state = StateDirectory::new(state_dir);
    state.prepare()?;
    let _lock = state.lock()?;
    if options.again {
        // What is given up cannot be had back: not for a token that was cut short.
        let token = token.as_deref().ok_or(enroll::EnrollError::NoToken)?;
        EnrollmentToken::parse(token)?;
        state.reset()?;
    }
    let patience = if options.no_wait { Duration::ZERO } else { options.wait };
    let enrolled = runtime()?.block_on(enroll::enroll(&state, token.as_deref(), patience, |what| eprintln!("{what}")))?;
    match enrolled {
        Enrolled::Joined(identity) => {
            let urls: Vec<&str> = identity.collector_urls.iter().map(url::Url::as_str).collect();
            say!("enrolled as agent {}", identity.credentials.agent_id);
            say!("  collector    {}", urls.join(", "));
            say!("  certificate  until {} (renewed by itself)", identity.credentials.not_after);
            say!("  state        {}", state.path().display());
            say!("next: start reporting with: systemctl enable --now rollcall-agent   (or: rollcall-agent run)");
            Ok(0)
        }
        Enrolled::Already(identity) => {
            say!("this machine is enrolled already, as agent {}; nothing was done", identity.credentials.agent_id);
            say!("next: see how it is with: rollcall-agent status");
            Ok(0)
        }
        Enrolled::Pending => {
            say!("this machine has asked to join and waits for approval");
            say!("next: approve it on the collector (enrollment page, or: rollcall agent approve), then run: rollcall-agent enroll");
            Ok(WAITING)
        }
    }
}
