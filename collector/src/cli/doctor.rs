//! `rollcall doctor`: whether this collector is well, and what to do where it is not.

use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use rollcall_shared::Timestamp;
use serde::Serialize;
use x509_parser::pem::Pem;

use super::{
    Context,
    error::CliError,
    output::{Rows, print},
    serve,
};
use crate::{auth::console::Listening, config::Config, store};

#[derive(clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    settings: serve::Options,
}

/// What a check found.
#[derive(Serialize)]
struct Finding {
    check: &'static str,
    /// `ok`, `warning` or `problem`.
    state: &'static str,
    found: String,
    next: String,
}

fn ok(check: &'static str, found: impl Into<String>) -> Finding {
    Finding { check, state: "ok", found: found.into(), next: String::new() }
}

fn warning(check: &'static str, found: impl Into<String>, next: impl Into<String>) -> Finding {
    Finding { check, state: "warning", found: found.into(), next: next.into() }
}

fn problem(check: &'static str, found: impl Into<String>, next: impl Into<String>) -> Finding {
    Finding { check, state: "problem", found: found.into(), next: next.into() }
}

pub(super) async fn run(options: Options, context: &Context) -> Result<(), CliError> {
    let config = serve::settings(options.settings, context.connection.data_dir.clone())?;
    let now = Timestamp::now();
    let mut findings = vec![data_directory(&config.data_dir), ca(&config.data_dir)];
    findings.push(certificate("collector certificate", &config.data_dir.join("tls"), now, 5));
    findings.push(certificate("CA certificates", &config.data_dir.join("ca"), now, 30));
    findings.push(database(&config).await);
    findings.extend(listeners(&config.data_dir).await);
    findings.push(clock(now));
    findings.push(disk(&config.data_dir));
    print(context.output, &findings, || {
        let mut rows = Rows::new(&["Check", "State", "Found", "Next"]);
        for finding in &findings {
            rows.push([finding.check.to_owned(), finding.state.to_owned(), finding.found.clone(), finding.next.clone()]);
        }
        rows
    })?;
    match findings.iter().filter(|finding| finding.state == "problem").count() {
        0 => Ok(()),
        problems => Err(CliError::Failed(anyhow::anyhow!("{problems} problems were found"))),
    }
}

fn data_directory(dir: &Path) -> Finding {
    const CHECK: &str = "data directory";
    match fs::metadata(dir) {
        Err(error) => problem(CHECK, format!("{}: {error}", dir.display()), "name it with --data-dir; `rollcall serve` makes it"),
        Ok(about) if about.permissions().mode() & 0o022 != 0 => {
            problem(CHECK, format!("others can write to {}", dir.display()), format!("chmod go-w {}", dir.display()))
        }
        Ok(_) => ok(CHECK, dir.display().to_string()),
    }
}

fn ca(data_dir: &Path) -> Finding {
    const CHECK: &str = "CA";
    let dir = data_dir.join("ca");
    let entries = match fs::read_dir(&dir) {
        Err(error) => {
            return problem(
                CHECK,
                format!("{}: {error}", dir.display()),
                "start the collector once, or restore the directory from a backup",
            );
        }
        Ok(entries) => entries,
    };
    for entry in entries.flatten() {
        let open = entry.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o077 != 0);
        if open && fs::read_to_string(entry.path()).is_ok_and(|text| text.contains("PRIVATE KEY")) {
            let path = entry.path();
            return problem(CHECK, format!("others can read the private key {}", path.display()), format!("chmod 600 {}", path.display()));
        }
    }
    ok(CHECK, format!("{}, private keys readable by their owner only", dir.display()))
}

/// The certificate of a directory that ends first.
fn certificate(check: &'static str, dir: &Path, now: Timestamp, warn_days: i64) -> Finding {
    let mut first: Option<(i64, String)> = None;
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let Ok(bytes) = fs::read(entry.path()) else { continue };
        for pem in Pem::iter_from_buffer(&bytes).flatten().filter(|pem| pem.label == "CERTIFICATE") {
            if let Ok(certificate) = pem.parse_x509() {
                let ends = certificate.validity().not_after.timestamp();
                if first.as_ref().is_none_or(|(earliest, _)| ends < *earliest) {
                    first = Some((ends, entry.file_name().to_string_lossy().into_owned()));
                }
            }
        }
    }
    let Some((ends, name)) = first else {
        return problem(check, format!("none in {}", dir.display()), "start the collector once; it makes them");
    };
    let days = (ends - now.as_millis() / 1_000) / 86_400;
    let until = Timestamp::from_millis(ends.saturating_mul(1_000));
    match days {
        ..0 => problem(check, format!("{name} ended {until}"), "start the collector: it replaces its own; check this host's clock"),
        days if days < warn_days => {
            warning(check, format!("{name} ends {until}"), "it is replaced at half its life while the collector runs; see its log")
        }
        days => ok(check, format!("{name} ends first, in {days} days")),
    }
}

async fn database(config: &Config) -> Finding {
    const CHECK: &str = "database";
    if !config.data_dir.join("ca").is_dir() {
        // Opening it would make an empty one.
        return problem(CHECK, "no collector has run here", "start it once with `rollcall serve`");
    }
    let store = match store::open(&config.database, &config.data_dir).await {
        Ok(store) => store,
        Err(error) => {
            return problem(
                CHECK,
                chain(&error),
                "see that the database runs and that --database names it; restore a backup if it is damaged",
            );
        }
    };
    if let Err(error) = store.ping().await {
        return problem(CHECK, chain(&error), "see that the database runs");
    }
    // Reading everything finds what a ping does not: a damaged page, a row that is not understood.
    let mut things = 0_usize;
    match store.load_in_pages(&mut |_| things += 1).await {
        Ok(snapshot) => ok(CHECK, format!("answers; revision {}, {things} things read in full", snapshot.revision.0)),
        Err(error) => problem(CHECK, chain(&error), "restore a backup; keep the damaged database for the question what damaged it"),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

async fn listeners(data_dir: &Path) -> Vec<Finding> {
    let Ok(listening) = Listening::read(data_dir) else {
        return vec![warning("listeners", "no collector runs on this data directory", "start it with `rollcall serve`")];
    };
    let people = reach("people's listener", listening.people_address).await;
    vec![people, reach("agents' listener", listening.agents_address).await]
}

async fn reach(check: &'static str, mut address: SocketAddr) -> Finding {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    match tokio::time::timeout(Duration::from_secs(5), tokio::net::TcpStream::connect(address)).await {
        Ok(Ok(_)) => ok(check, address.to_string()),
        Ok(Err(error)) => problem(check, format!("{address}: {error}"), "see whether the collector runs; its log says why it stopped"),
        Err(_) => problem(check, format!("{address} does not answer within 5 s"), "see the collector's log and this host's firewall"),
    }
}

/// 2025-01-01: this was written later.
const EARLIEST_MS: i64 = 1_735_689_600_000;

fn clock(now: Timestamp) -> Finding {
    if now.as_millis() < EARLIEST_MS {
        return problem("clock", now.to_string(), "set this host's clock, and keep it with NTP; certificates and history depend on it");
    }
    ok("clock", now.to_string())
}

fn disk(dir: &Path) -> Finding {
    const CHECK: &str = "disk space";
    match rustix::fs::statvfs(dir) {
        Err(error) => warning(CHECK, error.to_string(), "see that the data directory is there"),
        Ok(space) => {
            let (free, all) = (space.f_bavail.saturating_mul(space.f_frsize), space.f_blocks.saturating_mul(space.f_frsize).max(1));
            let said = format!("{} MiB free of {} MiB", free >> 20, all >> 20);
            match free {
                ..0x1000_0000 => problem(CHECK, said, "make room: below 256 MiB the database may stop"),
                0x1000_0000..0x8000_0000 => warning(CHECK, said, "make room before it is below 256 MiB"),
                _ => ok(CHECK, said),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_permissions_and_missing_certificates_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let ca_dir = dir.path().join("ca");
        assert_eq!(ca(dir.path()).state, "problem");
        fs::create_dir(&ca_dir).unwrap();
        assert_eq!(ca(dir.path()).state, "ok");
        fs::write(ca_dir.join("root.key"), "-----BEGIN PRIVATE KEY-----").unwrap();
        fs::set_permissions(ca_dir.join("root.key"), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(ca(dir.path()).next.starts_with("chmod 600"));
        assert_eq!(certificate("x", &ca_dir, Timestamp::now(), 5).state, "problem");
        assert_eq!(data_directory(dir.path()).state, "ok");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(data_directory(dir.path()).state, "problem");
        assert_eq!(clock(Timestamp::from_millis(0)).state, "problem");
        assert_eq!(disk(Path::new("/nonexistent")).state, "warning");
    }
}
