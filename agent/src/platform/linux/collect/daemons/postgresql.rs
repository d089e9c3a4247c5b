//! PostgreSQL: one cluster's version, port and data directory, and whom it copies from.

use rollcall_shared::wire::v1::ReplicationRole;

use super::{
    Subject,
    files::{absolute, directory},
    found::{Found, Said, hosts},
};
use crate::parse::{
    config::{
        ini::{self, Entry},
        words,
    },
    text::clean,
};

const MOST_DEPTH: usize = 8;

pub(super) fn read(subject: &Subject) -> Found {
    let mut found = Found::default();
    let arguments = &subject.arguments;
    let named = words::option(arguments, "config_file").or_else(|| words::option(arguments, "--config-file")).map(str::to_owned);
    let data = words::option(arguments, "-D").or_else(|| words::option(arguments, "--data-directory")).map(str::to_owned);
    let data = data.or_else(|| subject.variable("PGDATA").map(str::to_owned));
    let path = named.or_else(|| data.as_ref().map(|data| format!("{data}/postgresql.conf")));
    let Some(path) = path.or_else(|| only_cluster(subject)) else { return found };
    let mut entries = Vec::new();
    file(subject, &path, 0, &mut entries);
    let written = ini::last(&located(&entries), "", "data_directory").map(str::to_owned);
    let data = written.or(data).unwrap_or_else(|| directory(&path).to_owned());
    // What ALTER SYSTEM set counts last; recovery.conf is from before version 12.
    for name in ["postgresql.auto.conf", "recovery.conf"] {
        file(subject, &format!("{data}/{name}"), 0, &mut entries);
    }
    let plain = located(&entries);
    let version = subject.files.read(&format!("{data}/PG_VERSION"));
    found.details.version = version.and_then(|bytes| clean(&bytes)).filter(|version| version.len() < 16);
    // Debian's layout names the cluster: /etc/postgresql/15/main/postgresql.conf
    let instance = path.strip_prefix("/etc/postgresql/").and_then(|rest| rest.strip_suffix("/postgresql.conf"));
    found.details.instance = instance.map(str::to_owned);
    let port = words::option(arguments, "-p").or_else(|| words::option(arguments, "--port")).or(ini::last(&plain, "", "port"));
    found.port(port.unwrap_or("5432"));
    let is_standby =
        ["standby.signal", "recovery.signal", "recovery.conf"].iter().any(|name| subject.files.exists(&format!("{data}/{name}")));
    let from = entries.iter().rev().find(|(_, entry)| entry.key.eq_ignore_ascii_case("primary_conninfo") && !entry.value.is_empty());
    if let (true, Some((file, entry))) = (is_standby, from) {
        let replication = found.replication(Some(ReplicationRole::Replica), Said { file, directive: "primary_conninfo" });
        replication.sources = hosts(&entry.value);
        // A cluster's name is every server's own where it was not set on purpose.
    }
    if subject.files.exists(&data) {
        found.details.data_directory = Some(data);
    }
    found
}

/// Where neither the process nor its unit names a cluster and there is one only.
fn only_cluster(subject: &Subject) -> Option<String> {
    let mut paths = subject.files.expand("/etc/postgresql/*/*/postgresql.conf");
    paths.extend(subject.files.expand("/var/lib/pgsql/*/data/postgresql.conf"));
    paths.extend(["/var/lib/pgsql/data/postgresql.conf".to_owned()].into_iter().filter(|path| subject.files.exists(path)));
    (paths.len() == 1).then(|| paths.remove(0))
}

fn located(entries: &[(String, Entry)]) -> Vec<Entry> {
    entries.iter().map(|(_, entry)| entry.clone()).collect()
}

/// The settings of a file and of those it includes.
fn file(subject: &Subject, path: &str, depth: usize, entries: &mut Vec<(String, Entry)>) {
    if depth >= MOST_DEPTH {
        return;
    }
    let Some(bytes) = subject.files.read(path) else { return };
    for entry in ini::entries(&bytes) {
        match entry.key.as_str() {
            "include" | "include_if_exists" => file(subject, &absolute(&entry.value, directory(path)), depth + 1, entries),
            "include_dir" => {
                for path in subject.files.expand(&format!("{}/*.conf", absolute(&entry.value, directory(path)))) {
                    file(subject, &path, depth + 1, entries);
                }
            }
            _ => entries.push((path.to_owned(), entry)),
        }
    }
}
