//! Name servers, directories, mail, containers and monitoring, as far as their configuration names other hosts.

use rollcall_shared::wire::v1::{HostPort, ReplicationRole};

use super::{
    Subject,
    files::absolute,
    found::{Found, Said, host_port, hosts},
};
use crate::parse::config::{
    blocks::{self, Statement},
    connection, flat, ini, settings, words, yaml,
};

const MOST_DEPTH: usize = 8;

pub(super) fn bind(subject: &Subject) -> Found {
    let mut found = Found::default();
    let usual = ["/etc/bind/named.conf", "/etc/named.conf"];
    let named = words::option(&subject.arguments, "-c").or_else(|| usual.iter().find(|path| subject.files.exists(path)).copied());
    if let Some(main) = named {
        bind_file(subject, main, 0, &mut found);
    }
    found.port("53");
    found
}

fn bind_file(subject: &Subject, path: &str, depth: usize, found: &mut Found) {
    if depth >= MOST_DEPTH {
        return;
    }
    let Some(bytes) = subject.files.read(path) else { return };
    for statement in blocks::statements(&bytes, blocks::BIND) {
        match statement.name() {
            "include" => bind_file(subject, &absolute(statement.argument(0).unwrap_or_default(), "/etc/bind"), depth + 1, found),
            "options" => {
                let data = statement.block.iter().find(|inner| inner.name() == "directory").and_then(|inner| inner.argument(0));
                found.details.data_directory = data.map(str::to_owned);
                forwarders(&statement, path, found);
            }
            "zone" => {
                forwarders(&statement, path, found);
                for inner in statement.block.iter().filter(|inner| matches!(inner.name(), "masters" | "primaries")) {
                    let sources: Vec<HostPort> = inner.block.iter().filter_map(|source| host_port(source.name(), Some(53))).collect();
                    let replication = found.replication(Some(ReplicationRole::Replica), Said { file: path, directive: inner.name() });
                    (replication.group, replication.sources) = (statement.argument(0).and_then(connection::name), sources);
                }
            }
            _ => {}
        }
    }
}

fn forwarders(statement: &Statement, file: &str, found: &mut Found) {
    for forwarder in statement.block.iter().filter(|inner| inner.name() == "forwarders").flat_map(|inner| &inner.block) {
        // `10.0.0.53 port 5353;`
        let port = forwarder.argument(1).filter(|_| forwarder.argument(0) == Some("port")).and_then(|port| port.parse().ok());
        found.host("dns", forwarder.name(), port.or(Some(53)), Said { file, directive: "forwarders" });
    }
}

pub(super) fn unbound(subject: &Subject) -> Found {
    let mut found = Found::default();
    let main = words::option(&subject.arguments, "-c").unwrap_or("/etc/unbound/unbound.conf");
    unbound_file(subject, main, 0, &mut found);
    found.port("53");
    found
}

fn unbound_file(subject: &Subject, path: &str, depth: usize, found: &mut Found) {
    if depth >= MOST_DEPTH {
        return;
    }
    let Some(bytes) = subject.files.read(path) else { return };
    for line in words::lines(&bytes) {
        let value = line.get(1).map_or("", String::as_str);
        match line[0].as_str() {
            "include:" | "include-toplevel:" => {
                subject
                    .files
                    .expand(&absolute(value, "/etc/unbound"))
                    .iter()
                    .for_each(|path| unbound_file(subject, path, depth + 1, found));
            }
            // `ADDRESS[@PORT][#NAME]`
            directive @ ("forward-addr:" | "forward-host:" | "stub-addr:" | "stub-host:") => {
                let address = value.split('#').next().unwrap_or_default();
                let (address, port) = address.split_once('@').unwrap_or((address, "53"));
                found.host("dns", address, port.parse().ok(), Said { file: path, directive: directive.trim_end_matches(':') });
            }
            _ => {}
        }
    }
}

pub(super) fn dnsmasq(subject: &Subject) -> Found {
    let mut found = Found::default();
    let mut paths = vec!["/etc/dnsmasq.conf".to_owned()];
    paths.extend(subject.files.expand("/etc/dnsmasq.d/*"));
    for path in &paths {
        for entry in subject.files.read(path).map(|bytes| ini::entries(&bytes)).unwrap_or_default() {
            match entry.key.as_str() {
                // `server=[/domain/]ADDRESS[#PORT]`
                "server" => {
                    let address = entry.value.rsplit('/').next().unwrap_or_default().split('@').next().unwrap_or_default();
                    let (address, port) = address.split_once('#').unwrap_or((address, "53"));
                    found.host("dns", address, port.parse().ok(), Said { file: path, directive: "server" });
                }
                "port" => found.port(&entry.value),
                _ => {}
            }
        }
    }
    found
}

pub(super) fn postfix(subject: &Subject) -> Found {
    let mut found = Found::default();
    let path = "/etc/postfix/main.cf";
    let Some(bytes) = subject.files.read(path) else { return found };
    let entries = ini::entries(&bytes);
    for directive in ["relayhost", "smtp_fallback_relay", "fallback_relay"] {
        // `[host]:port`: brackets keep it from asking for the mail exchanger.
        for text in ini::last(&entries, "", directive).unwrap_or_default().split([',', ' ']) {
            let text = text.strip_prefix("smtp:").unwrap_or(text).replace(['[', ']'], "");
            found.host("smtp", &text, Some(25), Said { file: path, directive });
        }
    }
    found.port("25");
    found.details.data_directory = ini::last(&entries, "", "queue_directory").map(str::to_owned);
    found
}

pub(super) fn openldap(subject: &Subject) -> Found {
    let mut found = Found::default();
    found.port("389");
    // `olcSyncrepl: {0}rid=1 provider=ldap://10.0.0.1 … credentials=…`
    let mut paths: Vec<String> = subject.files.expand("/etc/ldap/slapd.d/cn=config/olcDatabase=*.ldif");
    paths.extend(subject.files.expand("/etc/openldap/slapd.d/cn=config/olcDatabase=*.ldif"));
    paths.extend(["/etc/ldap/slapd.conf".to_owned(), "/etc/openldap/slapd.conf".to_owned()]);
    for path in &paths {
        let Some(bytes) = subject.files.read(path) else { continue };
        let text = String::from_utf8_lossy(&bytes).replace("\n ", "");
        for line in text.lines() {
            let lower = line.to_lowercase();
            if let Some(data) = line.strip_prefix("olcDbDirectory: ") {
                found.details.data_directory = Some(data.trim().to_owned());
            } else if lower.starts_with("olcsyncrepl") || lower.starts_with("syncrepl") {
                let provider = line.split_whitespace().find_map(|word| word.strip_prefix("provider="));
                let sources = provider.map(|url| hosts(url.trim_matches('"'))).unwrap_or_default();
                if !sources.is_empty() {
                    found.replication(Some(ReplicationRole::Replica), Said { file: path, directive: "olcSyncrepl" }).sources = sources;
                }
            }
        }
    }
    found
}

pub(super) fn samba(subject: &Subject) -> Found {
    let mut found = Found::default();
    let path = words::option(&subject.arguments, "-s")
        .or_else(|| words::option(&subject.arguments, "--configfile"))
        .unwrap_or("/etc/samba/smb.conf");
    let Some(bytes) = subject.files.read(path) else { return found };
    let entries = ini::entries(&bytes);
    found.details.ports = vec![139, 445];
    // A member of a domain asks its controllers, by the domain's name where none is written.
    let realm = ini::last(&entries, "global", "realm")
        .filter(|_| ini::last(&entries, "global", "security").is_some_and(|how| how.eq_ignore_ascii_case("ads")));
    let servers = ini::last(&entries, "global", "password server").filter(|list| *list != "*");
    let (directive, list) = servers.map_or(("realm", realm), |list| ("password server", Some(list)));
    for host in list.unwrap_or_default().split([',', ' ']).filter(|host| *host != "*") {
        found.host("ldap", host, Some(389), Said { file: path, directive });
    }
    found
}

pub(super) fn docker(subject: &Subject) -> Found {
    let mut found = Found::default();
    let path = words::option(&subject.arguments, "--config-file").unwrap_or("/etc/docker/daemon.json").to_owned();
    let written = subject.files.read(&path).map(|bytes| flat::json(&bytes)).unwrap_or_default();
    let data = words::option(&subject.arguments, "--data-root").or_else(|| flat::first(&written, "data-root")).unwrap_or("/var/lib/docker");
    found.details.data_directory = Some(data.to_owned()).filter(|path| subject.files.exists(path));
    for mirror in flat::all(&written, "registry-mirrors").flat_map(connection::targets) {
        found.upstream(mirror, Said { file: &path, directive: "registry-mirrors" });
    }
    found
}

pub(super) fn kubelet(subject: &Subject) -> Found {
    let mut found = Found::default();
    let path = words::option(&subject.arguments, "--kubeconfig").unwrap_or("/etc/kubernetes/kubelet.conf").to_owned();
    let written = subject.files.read(&path).map(|bytes| yaml::settings(&bytes)).unwrap_or_default();
    for server in flat::all(&written, "clusters.cluster.server").flat_map(connection::targets) {
        found.upstream(server, Said { file: &path, directive: "server" });
    }
    found.details.data_directory = Some("/var/lib/kubelet".to_owned()).filter(|path| subject.files.exists(path));
    found.port("10250");
    found
}

pub(super) fn kubernetes_api(subject: &Subject) -> Found {
    let mut found = Found::default();
    for target in words::option(&subject.arguments, "--etcd-servers").unwrap_or_default().split(',').flat_map(connection::targets) {
        let upstream = found.member(target, "etcd-servers", Default::default(), Said { file: "command line", directive: "--etcd-servers" });
        "etcd".clone_into(&mut upstream.kind);
    }
    found.port(words::option(&subject.arguments, "--secure-port").unwrap_or("6443"));
    found
}

pub(super) fn prometheus(subject: &Subject) -> Found {
    let mut found = Found::default();
    let path = words::option(&subject.arguments, "--config.file").unwrap_or("/etc/prometheus/prometheus.yml").to_owned();
    let written = subject.files.read(&path).map(|bytes| yaml::settings(&bytes)).unwrap_or_default();
    // What it scrapes it does not need: a target that is gone is what it is there to tell.
    for directive in ["remote_write.url", "remote_read.url"] {
        for target in flat::all(&written, directive).flat_map(connection::targets) {
            found.upstream(target, Said { file: &path, directive });
        }
    }
    for alertmanager in flat::all(&written, "alerting.alertmanagers.static_configs.targets") {
        found.host("http", alertmanager, Some(9_093), Said { file: &path, directive: "alertmanagers" });
    }
    let usual = ["/var/lib/prometheus", "/var/lib/prometheus/metrics2"];
    let data =
        words::option(&subject.arguments, "--storage.tsdb.path").or_else(|| usual.into_iter().find(|path| subject.files.exists(path)));
    found.details.data_directory = data.map(str::to_owned);
    found.port(words::option(&subject.arguments, "--web.listen-address").unwrap_or("9090"));
    found
}

pub(super) fn grafana(subject: &Subject) -> Found {
    let mut found = Found::default();
    let path = words::option(&subject.arguments, "--config")
        .or_else(|| words::option(&subject.arguments, "-config"))
        .unwrap_or("/etc/grafana/grafana.ini")
        .to_owned();
    let entries = subject.files.read(&path).map(|bytes| ini::entries(&bytes)).unwrap_or_default();
    found.port(ini::last(&entries, "server", "http_port").unwrap_or("3000"));
    found.details.data_directory = ini::last(&entries, "paths", "data").or(Some("/var/lib/grafana")).map(str::to_owned);
    let database = |key: &str| ini::last(&entries, "database", key);
    let written = match database("type") {
        Some("sqlite3") | None => Vec::new(),
        Some(kind) => vec![
            ("database.type", kind),
            // `host:port`, or a Unix socket's path.
            ("database.host", database("host").unwrap_or_default()),
            ("database.name", database("name").unwrap_or_default()),
        ],
    };
    let written = written.into_iter().chain(database("url").map(|url| ("database.url", url)));
    for named in settings::named(written) {
        found.upstream(named.target, Said { file: &path, directive: &named.key });
    }
    for path in subject.files.expand("/etc/grafana/provisioning/datasources/*.y*ml") {
        let written = subject.files.read(&path).map(|bytes| yaml::settings(&bytes)).unwrap_or_default();
        for target in flat::all(&written, "datasources.url").flat_map(connection::targets) {
            found.upstream(target, Said { file: &path, directive: "datasources.url" });
        }
    }
    found
}
