//! Stores and brokers with flat settings: MongoDB, Elasticsearch, etcd, Consul, RabbitMQ, Kafka, ZooKeeper, memcached.

use rollcall_shared::wire::v1::{HostPort, ReplicationRole};

use super::{
    Subject,
    files::directory,
    found::{Found, Said, host_port, hosts},
};
use crate::parse::config::{
    connection,
    flat::{self, Setting},
    ini, settings, words, yaml,
};

/// Members of a cluster, where any are named.
fn members(found: &mut Found, group: Option<&str>, members: Vec<HostPort>, said: Said<'_>) {
    let group = group.and_then(connection::name);
    if group.is_some() || !members.is_empty() {
        let replication = found.replication(Some(ReplicationRole::Member), said);
        (replication.group, replication.members) = (group, members);
    }
}

pub(super) fn mongodb(subject: &Subject) -> Found {
    let mut found = Found::default();
    let named = words::option(&subject.arguments, "--config").or_else(|| words::option(&subject.arguments, "-f"));
    let file = subject.files.first(&[named.unwrap_or("/etc/mongod.conf"), "/etc/mongodb.conf"]);
    let (path, bytes) = file.unwrap_or_default();
    let mut written = yaml::settings(&bytes);
    // The configuration of before version 2.6 has `key = value`.
    written.extend(ini::entries(&bytes).into_iter().map(|entry| (entry.key, entry.value)));
    let value = |option: &str, key: &str, old: &str| {
        words::option(&subject.arguments, option)
            .or_else(|| flat::first(&written, key))
            .or_else(|| flat::first(&written, old))
            .map(str::to_owned)
    };
    found.port(value("--port", "net.port", "port").as_deref().unwrap_or("27017"));
    let data = value("--dbpath", "storage.dbPath", "dbpath").unwrap_or_else(|| "/var/lib/mongodb".to_owned());
    let said = Said { file: if path.is_empty() { "command line" } else { &path }, directive: "replSetName" };
    members(&mut found, value("--replSet", "replication.replSetName", "replSet").as_deref(), Vec::new(), said);
    // mongos: `configReplSet/host:port,…`
    if let Some(servers) = value("--configdb", "sharding.configDB", "configdb") {
        let (group, list) = servers.split_once('/').unwrap_or(("", &servers));
        for target in list.split(',').filter_map(|text| connection::host_port(text, "mongodb", Some(27_019))) {
            let upstream = found.upstream(target, Said { directive: "sharding.configDB", ..said });
            upstream.group = connection::name(group);
        }
    }
    if subject.files.exists(&data) {
        if flat::first(&written, "storage.directoryPerDB").is_some_and(|value| value == "true") {
            let own = ["admin", "local", "config", "journal", "diagnostic.data", "_tmp"];
            found.details.databases = subject.files.directories(&data).into_iter().filter(|name| !own.contains(&name.as_str())).collect();
        }
        found.details.data_directory = Some(data);
    }
    found
}

pub(super) fn elasticsearch(subject: &Subject) -> Found {
    let mut found = Found::default();
    let property = |name: &str| words::option(&subject.arguments, name).map(str::to_owned);
    let is_opensearch = subject.arguments.iter().any(|argument| argument.contains("opensearch"));
    let product = if is_opensearch { "opensearch" } else { "elasticsearch" };
    let directory = property("-Des.path.conf").or_else(|| property("-Dopensearch.path.conf")).unwrap_or_else(|| format!("/etc/{product}"));
    let path = format!("{directory}/{product}.yml");
    let written = subject.files.read(&path).map(|bytes| yaml::settings(&bytes)).unwrap_or_default();
    found.port(flat::first(&written, "http.port").unwrap_or("9200"));
    found.details.data_directory = flat::first(&written, "path.data").map(str::to_owned);
    let seeds = [
        "discovery.seed_hosts",
        "cluster.initial_master_nodes",
        "cluster.initial_cluster_manager_nodes",
        "discovery.zen.ping.unicast.hosts",
    ];
    let named = seeds.iter().find(|key| flat::first(&written, key).is_some()).copied().unwrap_or("cluster.name");
    let list = flat::all(&written, named).filter(|_| named != "cluster.name").filter_map(|text| host_port(text, Some(9_300))).collect();
    members(&mut found, flat::first(&written, "cluster.name"), list, Said { file: &path, directive: named });
    found.details.version = jar_version(subject, product);
    found
}

pub(super) fn etcd(subject: &Subject) -> Found {
    let mut found = Found::default();
    let named = words::option(&subject.arguments, "--config-file").map(str::to_owned);
    let written = named.as_ref().and_then(|path| subject.files.read(path)).map(|bytes| yaml::settings(&bytes)).unwrap_or_default();
    let value = |key: &str| {
        let variable = format!("ETCD_{}", key.to_uppercase().replace('-', "_"));
        let option = words::option(&subject.arguments, &format!("--{key}")).or_else(|| subject.variable(&variable));
        option.or_else(|| flat::first(&written, key)).map(str::to_owned)
    };
    found.details.data_directory =
        value("data-dir").or_else(|| Some("/var/lib/etcd/default".to_owned())).filter(|path| subject.files.exists(path));
    let listening = value("listen-client-urls").unwrap_or_default();
    found.details.ports.extend(listening.split(',').flat_map(hosts).filter_map(|address| address.port));
    // `name=http://10.0.0.1:2380,…`
    let cluster = value("initial-cluster").unwrap_or_default();
    let list = cluster.split(',').filter_map(|entry| entry.split_once('=')).flat_map(|(_, url)| hosts(url)).collect();
    let file = named.as_deref().unwrap_or("/etc/default/etcd");
    // The cluster's token is no secret to etcd, but it is called one.
    members(&mut found, None, list, Said { file, directive: "initial-cluster" });
    found
}

pub(super) fn consul(subject: &Subject) -> Found {
    let mut found = Found::default();
    let directory = words::option(&subject.arguments, "-config-dir").unwrap_or("/etc/consul.d").to_owned();
    let mut written: Vec<Setting> = Vec::new();
    let mut path = directory.clone();
    for pattern in ["*.json", "*.hcl"] {
        for file in subject.files.expand(&format!("{directory}/{pattern}")) {
            let Some(bytes) = subject.files.read(&file) else { continue };
            let found = if file.ends_with(".json") { flat::json(&bytes) } else { hcl(&bytes) };
            if found.iter().any(|(key, _)| matches!(key.as_str(), "retry_join" | "start_join")) {
                path = file;
            }
            written.extend(found);
        }
    }
    let data = words::option(&subject.arguments, "-data-dir").or_else(|| flat::first(&written, "data_dir"));
    found.details.data_directory = data.map(str::to_owned);
    found.port(flat::first(&written, "ports.http").unwrap_or("8500"));
    let joined = ["retry_join", "start_join"].into_iter().flat_map(|key| flat::all(&written, key));
    let list: Vec<HostPort> = joined.filter_map(|text| host_port(text, Some(8_301))).collect();
    let datacenter = flat::first(&written, "datacenter").map(str::to_owned);
    members(&mut found, datacenter.filter(|_| !list.is_empty()).as_deref(), list, Said { file: &path, directive: "retry_join" });
    found
}

/// HashiCorp's language as far as `key = value` and `key = ["a", "b"]` go.
fn hcl(bytes: &[u8]) -> Vec<Setting> {
    let value = |entry: ini::Entry| {
        let list = entry.value.trim_matches(['[', ']']).split(',').map(|text| text.trim().trim_matches('"').to_owned()).collect::<Vec<_>>();
        list.into_iter().filter(|value| !value.is_empty()).map(move |value| (entry.key.clone(), value)).collect::<Vec<_>>()
    };
    ini::entries(bytes).into_iter().filter(|entry| !entry.value.is_empty()).flat_map(value).collect()
}

pub(super) fn rabbitmq(subject: &Subject) -> Found {
    let mut found = Found::default();
    let path = "/etc/rabbitmq/rabbitmq.conf";
    let written = subject.files.read(path).map(|bytes| ini::entries(&bytes)).unwrap_or_default();
    found.port(ini::last(&written, "", "listeners.tcp.default").unwrap_or("5672"));
    // `cluster_formation.classic_config.nodes.1 = rabbit@host1`
    let nodes = written.iter().filter(|entry| entry.key.starts_with("cluster_formation.classic_config.nodes."));
    let list = nodes.filter_map(|entry| host_port(entry.value.split_once('@')?.1, None)).collect();
    let name = ini::last(&written, "", "cluster_name");
    members(&mut found, name, list, Said { file: path, directive: "cluster_formation.classic_config.nodes" });
    let data = "/var/lib/rabbitmq/mnesia";
    found.details.data_directory = subject.files.exists(data).then(|| data.to_owned());
    // `…/rabbitmq_server-3.10.8/…` stands in the arguments.
    let version = subject.arguments.iter().find_map(|argument| argument.split_once("rabbitmq_server-"));
    found.details.version = version.map(|(_, rest)| rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect());
    found
}

pub(super) fn kafka(subject: &Subject) -> Found {
    let mut found = Found::default();
    let named = subject.arguments.iter().skip(1).find(|argument| argument.ends_with(".properties")).map(String::as_str);
    let (path, bytes) = subject
        .files
        .first(&[named.unwrap_or_default(), "/etc/kafka/server.properties", "/opt/kafka/config/server.properties"])
        .unwrap_or_default();
    let written = ini::entries(&bytes);
    let value = |key: &str| ini::last(&written, "", key);
    found.details.data_directory = value("log.dirs").or(value("log.dir")).and_then(|list| list.split(',').next()).map(str::to_owned);
    // `PLAINTEXT://:9092,SSL://host:9093`
    value("listeners").unwrap_or("PLAINTEXT://:9092").split(',').for_each(|listener| found.port(listener));
    // `1@k1:9093,2@k2:9093`
    let voters = value("controller.quorum.voters").unwrap_or_default();
    let list = voters.split(',').filter_map(|voter| host_port(voter.split_once('@')?.1, None)).collect();
    members(&mut found, None, list, Said { file: &path, directive: "controller.quorum.voters" });
    let keepers = value("zookeeper.connect").map(|keepers| ("zookeeper.connect", keepers));
    for named in settings::named(keepers.into_iter()) {
        let upstream = found.upstream(named.target, Said { file: &path, directive: "zookeeper.connect" });
        upstream.group = named.is_list.then(|| "zookeeper.connect".to_owned());
    }
    found.details.version = jar_version(subject, "kafka_");
    found
}

pub(super) fn zookeeper(subject: &Subject) -> Found {
    let mut found = Found::default();
    let named = subject.arguments.iter().skip(1).find(|argument| argument.ends_with(".cfg") || argument.ends_with("zookeeper.properties"));
    let usual = ["/etc/zookeeper/conf/zoo.cfg", "/etc/zookeeper/zoo.cfg", "/opt/zookeeper/conf/zoo.cfg"];
    let paths: Vec<&str> = named.map(String::as_str).into_iter().chain(usual).collect();
    let (path, bytes) = subject.files.first(&paths).unwrap_or_default();
    let written = ini::entries(&bytes);
    found.details.data_directory = ini::last(&written, "", "dataDir").map(str::to_owned);
    found.port(ini::last(&written, "", "clientPort").unwrap_or("2181"));
    // `server.1=host:2888:3888`
    let servers = written.iter().filter(|entry| entry.key.starts_with("server."));
    let list = servers
        .filter_map(|entry| host_port(entry.value.split(':').next()?, ini::last(&written, "", "clientPort")?.parse().ok()))
        .collect();
    members(&mut found, None, list, Said { file: &path, directive: "server" });
    found.details.version = jar_version(subject, "zookeeper-");
    found
}

/// The version in the name of a jar of the class path: `elasticsearch-8.13.0.jar`, `kafka_2.13-3.6.0.jar`.
fn jar_version(subject: &Subject, product: &str) -> Option<String> {
    let version = |path: &str| {
        let name = path.rsplit('/').next()?.strip_suffix(".jar")?.strip_prefix(product)?;
        let version = name.rsplit_once('-').map_or(name, |(_, version)| version);
        let is_version = version.starts_with(|c: char| c.is_ascii_digit()) && version.len() < 32;
        (is_version && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')).then(|| version.to_owned())
    };
    let named = subject.arguments.iter().flat_map(|argument| argument.split(':')).find_map(version);
    // A class path of `lib/*` names no jar.
    let home = ["-Des.path.home", "-Dopensearch.path.home"].iter().find_map(|option| words::option(&subject.arguments, option));
    named.or_else(|| subject.files.expand(&format!("{}/lib/{product}*.jar", home?)).iter().find_map(|path| version(path)))
}

pub(super) fn memcached(subject: &Subject) -> Found {
    let mut found = Found::default();
    // Debian's wrapper turns the lines of this file into arguments.
    let lines = subject.files.read("/etc/memcached.conf").map(|bytes| words::lines(&bytes)).unwrap_or_default();
    let in_file = lines.iter().find(|line| line[0] == "-p").and_then(|line| line.get(1)).map(String::as_str);
    found.port(words::option(&subject.arguments, "-p").or(in_file).unwrap_or("11211"));
    found
}

pub(super) fn tomcat(subject: &Subject) -> Found {
    let mut found = Found::default();
    let option = |name: &str| words::option(&subject.arguments, name).map(str::to_owned);
    let Some(base) = option("-Dcatalina.base").or_else(|| subject.variable("CATALINA_BASE").map(str::to_owned)) else { return found };
    found.details.instance = base.rsplit('/').next().map(str::to_owned);
    let mut paths = vec![format!("{base}/conf/server.xml"), format!("{base}/conf/context.xml")];
    paths.extend(subject.files.expand(&format!("{base}/conf/Catalina/localhost/*.xml")));
    for path in &paths {
        let Some(bytes) = subject.files.read(path) else { continue };
        for (tag, attributes) in tags(&String::from_utf8_lossy(&bytes)) {
            let value = |name: &str| attributes.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
            match tag {
                "Connector" => found.port(value("port").unwrap_or_default()),
                "Resource" | "Realm" | "Environment" => {
                    for (key, text) in
                        attributes.iter().filter(|(key, _)| matches!(*key, "url" | "jdbcUrl" | "connectionURL" | "alternateURL" | "value"))
                    {
                        for target in connection::targets(&text.replace("&amp;", "&")) {
                            found.upstream(target, Said { file: path, directive: &format!("{tag} {key}") });
                        }
                    }
                }
                _ => {}
            }
        }
    }
    // `Apache Tomcat Version 9.0.70` stands in its notes.
    let home = option("-Dcatalina.home").unwrap_or_else(|| base.clone());
    let notes = subject.files.read(&format!("{home}/RELEASE-NOTES")).unwrap_or_default();
    let notes = String::from_utf8_lossy(&notes);
    let version =
        notes.split_once("Apache Tomcat Version ").map(|(_, rest)| rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect());
    found.details.version = version;
    found.roots = subject.files.expand(&format!("{base}/webapps/*/WEB-INF/classes"));
    found.details.data_directory = Some(base);
    found.details.configuration = paths.into_iter().filter(|path| directory(path).ends_with("/conf")).take(1).collect();
    found
}

/// The tags of an XML file that open something, outside comments, with their attributes.
fn tags(text: &str) -> Vec<(&str, Vec<(&str, &str)>)> {
    const MOST_TAGS: usize = 10_000;
    let mut found = Vec::new();
    let mut rest = text;
    while let (Some(at), true) = (rest.find('<'), found.len() < MOST_TAGS) {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.find("-->").map_or("", |end| &comment[end + 3..]);
            continue;
        }
        let name_end = rest.find(|c: char| c.is_whitespace() || matches!(c, '>' | '/')).unwrap_or(rest.len());
        let (name, after) = rest.split_at(name_end);
        rest = after;
        let mut attributes = Vec::new();
        // `key="value"` until the tag ends.
        loop {
            rest = rest.trim_start();
            let Some(equals) = rest.find('=').filter(|equals| rest.find('>').is_none_or(|end| *equals < end)) else { break };
            let key = rest[..equals].trim();
            let value = rest[equals + 1..].trim_start();
            let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else { break };
            let Some(end) = value[1..].find(quote) else { break };
            attributes.push((key, &value[1..=end]));
            rest = &value[end + 2..];
        }
        if !name.is_empty() && !name.starts_with(['!', '?']) {
            found.push((name, attributes));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_have_attributes_and_comments_are_passed_over() {
        let text = "<?xml version='1.0'?><!-- <Connector port=\"1\"/> --><Server><Connector port=\"8080\"\n a='b>c'/></Server>";
        assert_eq!(tags(text), [("Server", vec![]), ("Connector", vec![("port", "8080"), ("a", "b>c")])]);
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(text: String, xml in "[<>/!\\-a-z=\"' ]{0,80}", bytes: Vec<u8>) {
            tags(&text);
            tags(&xml);
            hcl(&bytes);
        }
    }
}
