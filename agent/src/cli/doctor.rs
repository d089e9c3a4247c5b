//! `rollcall-agent doctor`

use std::{net::ToSocketAddrs, path::Path, sync::Arc, time::Duration};

use rustls::pki_types::ServerName;
use url::Url;

use super::FAILURE;
use crate::{
    client,
    clock::{self, LocalTime},
    cycle,
    state::{Identity, Progress, StateDirectory},
    tls::{self, CollectorVerifier, Trust},
};

/// One thing looked at.
struct Finding {
    what: String,
    state: State,
}

enum State {
    Good(String),
    /// Works, but not as well as it could; with the next step.
    Warning(String, String),
    /// Stops the agent; with the next step.
    Bad(String, String),
}

pub(super) fn run(state_dir: &Path) -> anyhow::Result<u8> {
    let state = StateDirectory::new(state_dir);
    let mut findings = vec![directory(&state), privileges()];
    let progress = state.progress().unwrap_or_default();
    match state.identity() {
        Ok(Some(identity)) => {
            findings.push(certificate(&identity, &progress));
            findings.push(clock(&progress));
            for url in &identity.collector_urls {
                findings.extend(network(url, &identity, &progress));
            }
            findings.push(standing(&progress));
        }
        Ok(None) => findings.push(Finding {
            what: "enrollment".to_owned(),
            state: State::Bad("this machine is not enrolled".to_owned(), "rollcall-agent enroll --token TOKEN".to_owned()),
        }),
        Err(error) => findings.push(Finding {
            what: "enrollment".to_owned(),
            state: State::Bad(
                error.to_string(),
                "restore the state directory, or enroll again with: rollcall-agent enroll --again".to_owned(),
            ),
        }),
    }
    let mut code = 0;
    for Finding { what, state } in findings {
        match state {
            State::Good(text) => say!("ok       {what}: {text}"),
            State::Warning(text, next) => say!("warning  {what}: {text}\n         next: {next}"),
            State::Bad(text, next) => {
                say!("FAILED   {what}: {text}\n         next: {next}");
                code = FAILURE;
            }
        }
    }
    Ok(code)
}

fn finding(what: impl Into<String>, state: State) -> Finding {
    Finding { what: what.into(), state }
}

fn directory(state: &StateDirectory) -> Finding {
    let path = state.path().display();
    let found = if !state.path().exists() {
        State::Bad(format!("{path} does not exist"), "rollcall-agent enroll makes it; or name another with --state-dir".to_owned())
    } else {
        match state.check_permissions() {
            Ok(()) => State::Good(format!("{path} is this agent's alone")),
            Err(crate::state::StateError::Permissions { next_step, path, mode, .. }) => {
                State::Bad(format!("{} has mode {mode:04o}", path.display()), next_step)
            }
            Err(error) => State::Bad(error.to_string(), "run this as the user the agent runs as (root)".to_owned()),
        }
    };
    finding("state directory", found)
}

/// Whether the owners of other users' sockets can be seen.
fn privileges() -> Finding {
    const CAP_DAC_READ_SEARCH: u32 = 2;
    const CAP_SYS_PTRACE: u32 = 19;
    let status = std::fs::read("/proc/self/status").unwrap_or_default();
    let line = crate::parse::text::lines(&status).find_map(|line| line.strip_prefix(b"CapEff:"));
    let bits = line.and_then(|line| u64::from_str_radix(std::str::from_utf8(line).ok()?.trim(), 16).ok()).unwrap_or(0);
    let has = |capability: u32| bits >> capability & 1 == 1;
    let found = if has(CAP_DAC_READ_SEARCH) && has(CAP_SYS_PTRACE) {
        State::Good("processes of all users can be seen".to_owned())
    } else {
        State::Warning(
            "processes of other users cannot be seen, so that services and connections lack their owner".to_owned(),
            "run as root, or with CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE as the packaged unit does".to_owned(),
        )
    };
    finding("privileges", found)
}

fn certificate(identity: &Identity, progress: &Progress) -> Finding {
    let ends = identity.credentials.not_after;
    let now = clock::best(progress.server_time.as_ref(), &LocalTime::now());
    let found = if now >= ends {
        State::Warning(
            format!("it ended {ends}"),
            "none: the running agent recovers by proof of its key once it reaches the collector".to_owned(),
        )
    } else {
        State::Good(format!("generation {}, ends {ends}", identity.credentials.generation))
    };
    finding("certificate", found)
}

fn clock(progress: &Progress) -> Finding {
    const MOST_SECONDS: i64 = 120;
    let Some(known) = &progress.server_time else {
        return finding(
            "clock",
            State::Warning("the collector's clock is not known yet".to_owned(), "let the agent check in once".to_owned()),
        );
    };
    // The counter since boot tells the true distance to the collector's clock at this moment.
    let at = LocalTime::now();
    let ahead = at.local.millis_since(known.best(&at)) / 1_000;
    let found = if ahead.abs() <= MOST_SECONDS {
        State::Good(format!("{} s from the collector's", ahead.abs()))
    } else {
        let direction = if ahead > 0 { "ahead of" } else { "behind" };
        State::Warning(
            format!("{} s {direction} the collector's; the agent corrects for it", ahead.abs()),
            "set the clock, and keep it right with systemd-timesyncd or chrony".to_owned(),
        )
    };
    finding("clock", found)
}

/// Name, connection, trust: each only where the one before it worked.
fn network(url: &Url, identity: &Identity, progress: &Progress) -> Vec<Finding> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().unwrap_or(443);
    let mut findings = Vec::new();
    let addresses: Vec<_> = match (host.as_str(), port).to_socket_addrs() {
        Ok(addresses) => addresses.collect(),
        Err(error) => {
            let next = "check /etc/resolv.conf and that the name server knows the name".to_owned();
            findings.push(finding(format!("name {host}"), State::Bad(error.to_string(), next)));
            return findings;
        }
    };
    let listed: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    findings.push(finding(format!("name {host}"), State::Good(listed.join(", "))));
    let mut last = None;
    let connected = addresses.iter().find_map(|address| match std::net::TcpStream::connect_timeout(address, PATIENCE) {
        Ok(stream) => Some(stream),
        Err(error) => {
            last = Some(error);
            None
        }
    });
    let Some(stream) = connected else {
        let why = last.map_or_else(|| "the name has no address".to_owned(), |error| error.to_string());
        let next = format!("check that the collector runs and that firewalls let TCP port {port} pass");
        findings.push(finding(format!("connection to {host}:{port}"), State::Bad(why, next)));
        return findings;
    };
    findings.push(finding(format!("connection to {host}:{port}"), State::Good("open".to_owned())));
    let found = match handshake(stream, &host, identity, progress, PATIENCE) {
        Ok(()) => State::Good("the collector proved that it is the one this agent trusts".to_owned()),
        Err(why) => State::Bad(why, "check the address and what stands between; if the collector was replaced, enroll again".to_owned()),
    };
    findings.push(finding(format!("trust in {host}"), found));
    findings
}

fn handshake(
    mut stream: std::net::TcpStream,
    host: &str,
    identity: &Identity,
    progress: &Progress,
    patience: Duration,
) -> Result<(), String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let root = client::root_of(&identity.credentials).map_err(|error| text(&error))?;
    let verifier = Arc::new(CollectorVerifier::new(Trust::Root(root), cycle::time(progress)));
    let config = tls::client_config(verifier, None).map_err(|error| text(&error))?;
    let name = ServerName::try_from(host.to_owned()).map_err(|error| text(&error))?;
    let mut connection = rustls::ClientConnection::new(Arc::new(config), name).map_err(|error| text(&error))?;
    stream.set_read_timeout(Some(patience)).and_then(|()| stream.set_write_timeout(Some(patience))).map_err(|error| text(&error))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).map_err(|error| text(&error))?;
    }
    Ok(())
}

fn standing(progress: &Progress) -> Finding {
    let found = match (&progress.held, &progress.last_error) {
        (Some(held), _) => State::Bad(
            format!("held since {}: {}", held.since, held.reason),
            held.next_step.clone().unwrap_or_else(|| "decide on the collector's agents page".to_owned()),
        ),
        (None, Some(error)) => {
            State::Warning(format!("{}: {}", error.at, error.message), "the running agent tries again by itself".to_owned())
        }
        (None, None) => match progress.last_check_in {
            Some(at) => State::Good(format!("last check-in {at}")),
            None => State::Warning("no check-in yet".to_owned(), "start the agent: systemctl enable --now rollcall-agent".to_owned()),
        },
    };
    finding("standing with the collector", found)
}
