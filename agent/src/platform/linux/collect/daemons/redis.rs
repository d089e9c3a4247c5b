//! Redis and Valkey: port, directory, and whom it copies from; Sentinel's masters and a cluster's members.

use rollcall_shared::wire::v1::{HostPort, ReplicationRole};

use super::{
    Subject,
    files::absolute,
    found::{Found, Said, host_port},
};
use crate::parse::config::words;

const MOST_DEPTH: usize = 8;
const SERVER: &[&str] = &[
    "/etc/redis/redis.conf",
    "/etc/redis.conf",
    "/etc/valkey/valkey.conf",
    "/etc/redis/redis-server.conf",
    "/usr/local/etc/redis/redis.conf",
];
const SENTINEL: &[&str] = &["/etc/redis/sentinel.conf", "/etc/redis-sentinel.conf", "/etc/valkey/sentinel.conf"];

pub(super) fn read(subject: &Subject) -> Found {
    server(subject, SERVER)
}

pub(super) fn sentinel(subject: &Subject) -> Found {
    server(subject, SENTINEL)
}

fn server(subject: &Subject, usual: &[&str]) -> Found {
    let mut found = Found::default();
    let named = subject.arguments.iter().skip(1).find(|argument| argument.starts_with('/') && argument.ends_with(".conf"));
    let main = named.map(String::as_str).or_else(|| usual.iter().find(|path| subject.files.exists(path)).copied());
    let mut settings = Vec::new();
    if let Some(main) = main {
        file(subject, main, 0, &mut settings);
    }
    let mut cluster = None;
    let mut port = words::option(&subject.arguments, "--port").map(str::to_owned);
    for (file, words) in &settings {
        let word = |index: usize| words.get(index).map_or("", String::as_str);
        match word(0).to_lowercase().as_str() {
            "port" | "tls-port" if word(1) != "0" => port = port.or_else(|| Some(word(1).to_owned())),
            "dir" => found.details.data_directory = Some(word(1).to_owned()).filter(|path| path.starts_with('/')),
            directive @ ("replicaof" | "slaveof") => {
                if let Some(source) = peer(word(1), word(2)) {
                    found.replication(Some(ReplicationRole::Replica), Said { file, directive }).sources = vec![source];
                }
            }
            "cluster-enabled" if word(1) == "yes" => cluster = Some((file.clone(), "nodes.conf".to_owned())),
            "cluster-config-file" => cluster = cluster.map(|(file, _)| (file, word(1).to_owned())),
            "sentinel" if word(1) == "monitor" => {
                if let Some(master) = peer(word(3), word(4)) {
                    let replication = found.replication(Some(ReplicationRole::Member), Said { file, directive: "sentinel monitor" });
                    (replication.members, replication.group) = (vec![master], crate::parse::config::connection::name(word(2)));
                }
            }
            // What Sentinel learned and wrote down itself.
            "sentinel" if matches!(word(1), "known-replica" | "known-slave") => {
                let known = found.details.replication.iter_mut().find(|known| known.group.as_deref() == Some(word(2)));
                if let (Some(known), Some(replica)) = (known, peer(word(3), word(4))) {
                    known.members.push(replica);
                }
            }
            _ => {}
        }
    }
    found.port(port.as_deref().unwrap_or(if usual == SENTINEL { "26379" } else { "6379" }));
    if let Some((_, name)) = cluster {
        let path = absolute(&name, found.details.data_directory.as_deref().unwrap_or("/var/lib/redis"));
        let members: Vec<HostPort> = subject.files.read(&path).map(|bytes| nodes(&bytes)).unwrap_or_default();
        if !members.is_empty() {
            found.replication(Some(ReplicationRole::Member), Said { file: &path, directive: "cluster-enabled" }).members = members;
        }
    }
    found
}

fn peer(host: &str, port: &str) -> Option<HostPort> {
    Some(HostPort { port: port.parse().ok(), ..host_port(host, None)? })
}

/// `ID 10.0.0.1:6379@16379[,name] master …`, one member a line.
fn nodes(bytes: &[u8]) -> Vec<HostPort> {
    let lines = words::lines(bytes).into_iter().filter(|line| line.len() > 7);
    lines.filter_map(|line| host_port(line[1].split('@').next()?, None)).collect()
}

fn file(subject: &Subject, path: &str, depth: usize, settings: &mut Vec<(String, Vec<String>)>) {
    if depth >= MOST_DEPTH {
        return;
    }
    let Some(bytes) = subject.files.read(path) else { return };
    for line in words::lines(&bytes) {
        match line.get(1).filter(|_| line[0].eq_ignore_ascii_case("include")) {
            Some(pattern) => subject.files.expand(pattern).iter().for_each(|path| file(subject, path, depth + 1, settings)),
            None => settings.push((path.to_owned(), line)),
        }
    }
}
