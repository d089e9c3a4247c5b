//! `rollcall-agent doctor`

mod network;

use std::path::Path;

use rollcall_shared::wire::v1::EnrollmentToken;

use super::{FAILURE, token_text};
use crate::{
    client,
    clock::{self, LocalTime},
    cycle,
    proxy::ProxyRules,
    settings::{self, Settings},
    spool::{Role, Spool, SpoolError},
    state::{Identity, Progress, StateDirectory, StateError},
    tls::{Time, Trust},
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

pub(super) fn run(settings: &Settings) -> anyhow::Result<u8> {
    let state = StateDirectory::new(settings.state_dir());
    if let Some(owner) = state.owner_elsewhere() {
        // Nothing of it can be looked at; and whoever asks must not be told to take it over.
        say!("FAILED   state directory: {} is the agent's, which runs as user number {owner}", state.path().display());
        say!("         next: run this as root: sudo rollcall-agent doctor");
        return Ok(FAILURE);
    }
    let proxy = settings.proxy()?;
    let mut findings = Vec::new();
    findings.extend(settings.file.as_deref().map(configuration));
    findings.extend([directory(&state), spool(&settings.spool()), privileges()]);
    let progress = state.progress().unwrap_or_default();
    match state.identity() {
        Ok(Some(identity)) => findings.extend(enrolled(settings, &proxy, &identity, &progress)),
        Ok(None) => findings.extend(joining(settings, &proxy, &state)),
        Err(error) => findings.push(finding(
            "enrollment",
            State::Bad(error.to_string(), "restore the state directory, or enroll again with: rollcall-agent enroll --again".to_owned()),
        )),
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

fn enrolled(settings: &Settings, proxy: &ProxyRules, identity: &Identity, progress: &Progress) -> Vec<Finding> {
    let mut findings = vec![certificate(identity, progress), clock(progress)];
    let configured = settings.collector_urls().unwrap_or_default();
    let urls = if configured.is_empty() { &identity.collector_urls } else { &configured };
    match client::root_of(&identity.credentials) {
        Ok(root) => {
            let trust = Trust::Root(root);
            findings.extend(urls.iter().flat_map(|url| network::findings(url, proxy, &trust, cycle::time(progress))));
        }
        Err(error) => findings.push(finding(
            "trust",
            State::Bad(error.to_string(), "enroll again with: rollcall-agent enroll --again --token TOKEN".to_owned()),
        )),
    }
    findings.push(standing(progress));
    findings
}

/// What stops a machine from joining.
fn joining(settings: &Settings, proxy: &ProxyRules, state: &StateDirectory) -> Vec<Finding> {
    const NEW_TOKEN: &str = "create a token on the collector with: rollcall token create, then: rollcall-agent enroll --token TOKEN";
    let begun = state.enrollment().ok().flatten();
    let refused = begun.as_ref().and_then(|begun| begun.refused.clone());
    let text = match begun {
        Some(begun) => Some(begun.token),
        None => token_text(None, settings.token_file().as_deref()).ok().flatten().filter(|text| !text.trim().is_empty()),
    };
    let Some(text) = text else {
        return vec![finding(
            "enrollment",
            State::Bad("this machine is not enrolled, and there is no token".to_owned(), NEW_TOKEN.to_owned()),
        )];
    };
    let token = match EnrollmentToken::parse(&text) {
        Ok(token) => token,
        Err(error) => return vec![finding("token", State::Bad(error.to_string(), NEW_TOKEN.to_owned()))],
    };
    let found = match refused {
        Some(words) => State::Bad(words, NEW_TOKEN.to_owned()),
        None => State::Good(format!("{} for {}", token.id, urls_text(&token.urls))),
    };
    let mut findings = vec![finding("token", found)];
    let configured = settings.collector_urls().unwrap_or_default();
    let urls = if configured.is_empty() { &token.urls } else { &configured };
    let trust = Trust::Pin(token.root_pin.clone());
    let time = Time { best: rollcall_shared::Timestamp::now(), last_authenticated: None };
    findings.extend(urls.iter().flat_map(|url| network::findings(url, proxy, &trust, time)));
    findings.push(finding("enrollment", State::Bad("this machine is not enrolled yet".to_owned(), "rollcall-agent enroll".to_owned())));
    findings
}

fn urls_text(urls: &[url::Url]) -> String {
    urls.iter().map(url::Url::as_str).collect::<Vec<_>>().join(", ")
}

fn finding(what: impl Into<String>, state: State) -> Finding {
    Finding { what: what.into(), state }
}

fn configuration(file: &Path) -> Finding {
    let found = match settings::check_permissions(file) {
        Ok(()) => State::Good(format!("{} can be used", file.display())),
        Err(error) => State::Bad(error.to_string(), error.next_step()),
    };
    finding("configuration", found)
}

fn directory(state: &StateDirectory) -> Finding {
    let path = state.path().display();
    // Root looks at what belongs to the agent's own user.
    let looks = state.check_permissions_of_owner();
    let found = if !state.path().exists() {
        State::Bad(format!("{path} does not exist"), "rollcall-agent enroll makes it; or name another with --state-dir".to_owned())
    } else {
        match looks {
            Ok(()) => State::Good(format!("{path} is this agent's alone")),
            Err(StateError::Unsafe(error)) => State::Bad(error.to_string(), error.next_step()),
            Err(error) => State::Bad(error.to_string(), "run this as root, or as the user the agent runs as".to_owned()),
        }
    };
    finding("state directory", found)
}

/// Whether what one half leaves there is fresh, and can be read by the other.
fn spool(spool: &Spool) -> Finding {
    let path = spool.directory().display();
    let start = || match spool.is_busy(Role::Reader) {
        Some(false) => "start the agent: systemctl enable --now rollcall-agent.target".to_owned(),
        _ => "wait: the reading process is at work; its log tells more (journalctl -u rollcall-agent-reader)".to_owned(),
    };
    let found = match spool.reader().inventory().and_then(|found| spool.sender().acknowledged().map(|_| found)) {
        Ok(Some(snapshot)) => {
            let at = LocalTime::now();
            let age = snapshot.age(&at).unwrap_or_else(|| at.local.millis_since(snapshot.collected_at())) / 60_000;
            let text = format!("the inventory in {path} was collected {age} min ago; {} of {} bytes used", spool.used(), spool.limit());
            if age > 60 { State::Warning(text, start()) } else { State::Good(text) }
        }
        Ok(None) => State::Warning(format!("there is no inventory in {path} yet"), start()),
        Err(error @ SpoolError::Untrusted { .. }) => {
            let next = match &error {
                SpoolError::Untrusted { next_step, .. } => next_step.clone(),
                _ => String::new(),
            };
            State::Bad(error.to_string(), next)
        }
        Err(error @ SpoolError::Damaged { .. }) => {
            State::Warning(error.to_string(), "none: whoever wrote it replaces it; if it comes back, check the disk".to_owned())
        }
        Err(error) => State::Bad(error.to_string(), "run this as root, or check the directory".to_owned()),
    };
    finding("spool", found)
}

/// The number of the reading process, where that is one of its own.
fn reading_process() -> Option<String> {
    let is_it = |pid: &String| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = command.split(|byte| *byte == 0).collect();
        words.first().is_some_and(|program| program.ends_with(b"rollcall-agent"))
            && words.windows(2).any(|pair| matches!(pair, [b"--role", b"reader"]))
    };
    let names = std::fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).find(is_it)
}

/// Whether the owners of other users' sockets can be seen by whoever reads the machine: the packaged service, or else who asks.
fn privileges() -> Finding {
    const CAP_DAC_READ_SEARCH: u32 = 2;
    const CAP_SYS_PTRACE: u32 = 19;
    let reader = reading_process().unwrap_or_else(|| "self".to_owned());
    let status = std::fs::read(format!("/proc/{reader}/status")).unwrap_or_default();
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
            None => {
                State::Warning("no check-in yet".to_owned(), "start the agent: systemctl enable --now rollcall-agent.target".to_owned())
            }
        },
    };
    finding("standing with the collector", found)
}
