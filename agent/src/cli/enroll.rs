//! `rollcall-agent enroll`

use std::time::Duration;

use anyhow::Context;
use rollcall_shared::wire::v1::EnrollmentToken;

use super::{WAITING, runtime, token_text};
use crate::{
    client::Route,
    enroll::{self, Enrolled, Joining},
    permissions,
    settings::{self, Settings, Time},
    state::StateDirectory,
};

/// What can be said on the command line.
#[derive(clap::Args)]
pub(super) struct Options {
    /// The token, as `rollcall token create` printed it. Others on this machine can see it while the command runs; give
    /// --token-file FILE, or --token-file - for standard input, instead.
    #[arg(long, env = "ROLLCALL_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// How long to try while the collector cannot be reached or approval is pending.
    #[arg(long, env = "ROLLCALL_ENROLL_WAIT", default_value = "10m", value_name = "TIME")]
    wait: Time,
    /// Try once; leave with code 3 if approval is pending.
    #[arg(long)]
    no_wait: bool,
    /// Forget the agent that this machine is now, and join as a new one.
    #[arg(long)]
    again: bool,
    /// Whoever runs this starts the agent too: a person need not be told to. A variable, since an agent of another version
    /// may be asked.
    #[arg(long, env = "ROLLCALL_INSTALLING", value_parser = clap::builder::FalseyValueParser::new(), hide = true)]
    installing: bool,
}

pub(super) fn run(settings: &Settings, options: &Options) -> anyhow::Result<u8> {
    if let Some(file) = &settings.file {
        settings::check_permissions(file)?;
    }
    let file = settings.token_file();
    let token = match token_text(options.token.as_deref(), file.as_deref()) {
        // A file that is only named in the configuration belongs to the first enrollment, which may be over.
        Err(_) if settings.given.token_file.is_none() => None,
        token => token?,
    };
    // Both need privileges that the agent's own user does not have.
    let machine = enroll::this_machine()?;
    let state = StateDirectory::new(settings.state_dir());
    permissions::work_as_owner_of(state.path()).with_context(|| format!("working as the user who owns {}", state.path().display()))?;
    state.prepare()?;
    let _lock = state.lock()?;
    if options.again {
        // What is given up cannot be had back: not for a token that was cut short.
        let token = token.as_deref().ok_or(enroll::EnrollError::NoToken)?;
        EnrollmentToken::parse(token)?;
        state.reset()?;
        settings.spool().sender().clear()?;
    }
    let joining = Joining {
        token: token.as_deref(),
        machine,
        urls: settings.collector_urls()?,
        route: Route { proxy: settings.proxy()?, return_to_first: settings.failover_return() },
        patience: if options.no_wait { Duration::ZERO } else { options.wait.0 },
    };
    let (runtime, _) = runtime()?;
    let enrolled = runtime.block_on(enroll::enroll(&state, joining, |what| eprintln!("{what}")))?;
    match enrolled {
        Enrolled::Joined(identity) => {
            let urls: Vec<&str> = identity.collector_urls.iter().map(url::Url::as_str).collect();
            say!("enrolled as agent {}", identity.credentials.agent_id);
            say!("  collector    {}", urls.join(", "));
            say!("  certificate  until {} (renewed by itself)", identity.credentials.not_after);
            say!("  state        {}", state.path().display());
            if !options.installing {
                say!("next: start reporting with: systemctl enable --now rollcall-agent.target   (or: rollcall-agent run)");
            }
            Ok(0)
        }
        Enrolled::Already(identity) => {
            say!("this machine is enrolled already, as agent {}; nothing was done", identity.credentials.agent_id);
            say!("next: see how it is with: rollcall-agent status");
            Ok(0)
        }
        Enrolled::Pending => {
            say!("this machine has asked to join and waits for approval");
            // What is started asks by itself.
            let then = if options.installing { "" } else { ", then run: rollcall-agent enroll" };
            say!("next: approve it on the collector (enrollment page, or: rollcall agent approve){then}");
            Ok(WAITING)
        }
    }
}
