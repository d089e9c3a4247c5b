//! MySQL and MariaDB: port, data directory, databases, and the servers it copies from or belongs to.

use rollcall_shared::wire::v1::{HostPort, ReplicationRole};

use super::{
    Subject,
    files::{absolute, directory},
    found::{Found, Said, host_port},
};
use crate::parse::{
    config::{ini, words},
    text::{clean, lines},
};

const MOST_DEPTH: usize = 8;
const MAIN: &[&str] = &["/etc/mysql/my.cnf", "/etc/my.cnf", "/usr/local/mysql/etc/my.cnf"];
/// The groups that the server itself reads.
const GROUPS: &[&str] = &["server", "mysqld", "mariadb", "mariadbd", "galera"];
/// Databases that every server has.
const OWN: &[&str] = &["mysql", "performance_schema", "sys", "information_schema"];

pub(super) fn read(subject: &Subject) -> Found {
    let mut found = Found::default();
    let mut settings = Vec::new();
    let named = words::option(&subject.arguments, "--defaults-file").or_else(|| words::option(&subject.arguments, "--defaults-extra-file"));
    if let Some(main) = named.or_else(|| MAIN.iter().find(|path| subject.files.exists(path)).copied()) {
        file(subject, main, 0, &mut settings);
    }
    let setting = |key: &str| {
        let folded = key.replace('_', "-");
        settings.iter().rev().find(|(_, found, _): &&(String, String, String)| *found == folded).map(|(file, _, value)| (file, value))
    };
    let data = words::option(&subject.arguments, "--datadir").or_else(|| setting("datadir").map(|(_, value)| value.as_str()));
    let data = data.unwrap_or("/var/lib/mysql").trim_end_matches('/').to_owned();
    let port = words::option(&subject.arguments, "--port").or_else(|| setting("port").map(|(_, value)| value.as_str()));
    found.port(port.unwrap_or("3306"));
    // MariaDB and MySQL before 8.0.23 keep the source in a file; of its lines only the host's and the port's are read.
    let source = format!("{data}/master.info");
    if let Some(bytes) = subject.files.read(&source) {
        let text = |line: usize| lines(&bytes).nth(line).and_then(clean);
        if let Some(host) = text(3).and_then(|host| host_port(&host, None)) {
            let port = text(6).and_then(|port| port.parse().ok()).or(Some(3_306));
            let replication = found.replication(Some(ReplicationRole::Replica), Said { file: &source, directive: "Master_Host" });
            replication.sources = vec![HostPort { port, ..host }];
        }
    }
    let clusters =
        [("wsrep-cluster-address", "wsrep-cluster-name", 4_567), ("group-replication-group-seeds", "group-replication-group-name", 33_061)];
    for (directive, name, usual) in clusters {
        let plain = |key: &str| setting(key).or_else(|| setting(&format!("loose-{key}")));
        if let Some((file, value)) = plain(directive) {
            let list = value.strip_prefix("gcomm://").unwrap_or(value).split('?').next().unwrap_or_default();
            let members: Vec<HostPort> = list.split(',').filter_map(|member| host_port(member, Some(usual))).collect();
            if !members.is_empty() {
                let group = plain(name).and_then(|(_, value)| crate::parse::config::connection::name(value));
                let replication = found.replication(Some(ReplicationRole::Member), Said { file, directive: &directive.replace('-', "_") });
                (replication.members, replication.group) = (members, group);
            }
        }
    }
    if subject.files.exists(&data) {
        // A directory is a database; characters other than letters, digits and `_` are written in code.
        let is_name =
            |name: &String| !OWN.contains(&name.as_str()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        found.details.databases = subject.files.directories(&data).into_iter().filter(is_name).collect();
        found.details.data_directory = Some(data);
    }
    found
}

/// File, key and value of every setting of the server, those of included files in place.
fn file(subject: &Subject, path: &str, depth: usize, settings: &mut Vec<(String, String, String)>) {
    if depth >= MOST_DEPTH {
        return;
    }
    let Some(bytes) = subject.files.read(path) else { return };
    for entry in ini::entries(&bytes) {
        if let Some(named) = entry.key.strip_prefix('!') {
            // `!includedir /etc/mysql/conf.d/`
            let target = absolute(&entry.value, directory(path));
            let paths = match named {
                "include" => vec![target],
                "includedir" => subject.files.expand(&format!("{}/*.cnf", target.trim_end_matches('/'))),
                _ => continue,
            };
            paths.iter().for_each(|path| file(subject, path, depth + 1, settings));
        } else if GROUPS.iter().any(|group| entry.section == *group || entry.section.starts_with(&format!("{group}-"))) {
            settings.push((path.to_owned(), entry.key.to_lowercase().replace('_', "-"), entry.value));
        }
    }
}
