//! Settings of applications (environment, `.env`, properties, YAML): which of them name a service that is depended on.

use std::collections::BTreeMap;

use super::connection::{self, Target};

/// A setting that names a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The setting's key.
    pub key: String,
    /// Whether the setting names several that stand in for each other.
    pub is_list: bool,
    /// The service.
    pub target: Target,
}

/// Words of a key that tell what its host is, most telling first.
const PRODUCTS: &[(&str, &str)] = &[
    ("postgres", "postgresql"),
    ("postgresql", "postgresql"),
    ("pg", "postgresql"),
    ("pgsql", "postgresql"),
    ("pghost", "postgresql"),
    ("mysql", "mysql"),
    ("mariadb", "mysql"),
    ("mssql", "sqlserver"),
    ("sqlserver", "sqlserver"),
    ("redis", "redis"),
    ("valkey", "redis"),
    ("rabbitmq", "amqp"),
    ("rabbit", "amqp"),
    ("amqp", "amqp"),
    ("mongo", "mongodb"),
    ("mongodb", "mongodb"),
    ("zookeeper", "zookeeper"),
    ("kafka", "kafka"),
    ("memcached", "memcached"),
    ("memcache", "memcached"),
    ("elasticsearch", "elasticsearch"),
    ("elastic", "elasticsearch"),
    ("opensearch", "elasticsearch"),
    ("ldap", "ldap"),
    ("smtp", "smtp"),
    ("mail", "smtp"),
    ("nats", "nats"),
    ("mqtt", "mqtt"),
    ("cassandra", "cassandra"),
    ("clickhouse", "clickhouse"),
    ("wordpress", "mysql"),
    ("db", "database"),
    ("database", "database"),
    ("datasource", "database"),
];

/// Keys whose address is the service's own, or a page for people.
const NOT_DEPENDED_ON: &[&str] = &[
    "base",
    "bug",
    "callback",
    "canonical",
    "cors",
    "doc",
    "docs",
    "documentation",
    "domain",
    "external",
    "frontend",
    "home",
    "homepage",
    "issuer",
    "logo",
    "origin",
    "origins",
    "own",
    "policy",
    "privacy",
    "public",
    "redirect",
    "report",
    "root",
    "schema",
    "self",
    "site",
    "support",
    "terms",
    "xmlns",
];
/// Last words of a key whose address is depended on.
const ADDRESS_WORDS: &[&str] = &[
    "addr",
    "address",
    "addresses",
    "backend",
    "endpoint",
    "endpoints",
    "host",
    "hosts",
    "proxy",
    "server",
    "servers",
    "target",
    "upstream",
    "uri",
    "uris",
    "url",
    "urls",
];
const HOST_WORDS: &[&str] = &["host", "hostname", "server", "address", "addr"];
const MOST_SETTINGS: usize = 10_000;
const MOST_NAMED: usize = 128;

/// The settings that name a service. Only hosts, ports and databases come out of it, whatever the values hold.
pub fn named<'a>(settings: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Vec<Named> {
    let mut found = Vec::new();
    let mut groups: BTreeMap<String, Group<'a>> = BTreeMap::new();
    for (key, value) in settings.take(MOST_SETTINGS) {
        if found.len() >= MOST_NAMED || is_injected(key) {
            continue;
        }
        let words = words(key);
        let targets = strings(&words, value);
        if targets.is_empty() {
            groups_of(key, &words, value, &mut groups);
        }
        let is_list = targets.len() > 1;
        found.extend(targets.into_iter().map(|target| Named { key: key.to_owned(), is_list, target }));
    }
    found.extend(groups.into_values().filter_map(Group::named));
    found.truncate(MOST_NAMED);
    found
}

/// What Kubernetes and Docker links put into every container's environment, whether it is used or not.
fn is_injected(key: &str) -> bool {
    let markers = ["_SERVICE_HOST", "_SERVICE_PORT", "_TCP_ADDR", "_TCP_PORT", "_TCP_PROTO", "_UDP_ADDR"];
    key.starts_with("KUBERNETES_") || markers.iter().any(|marker| key.ends_with(marker)) || (key.contains("_TCP") && key.contains("_PORT"))
}

/// `spring.datasource.jdbcUrl` is spring, datasource, jdbc, url.
fn words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in key.chars().take(256) {
        let begins = !c.is_alphanumeric() || (c.is_uppercase() && was_lower);
        if begins && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if let (true, Some(word)) = (c.is_alphanumeric(), words.last_mut()) {
            word.extend(c.to_lowercase());
        }
        was_lower = c.is_lowercase() || c.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    // `dbhost` is db, host.
    if let Some(rest) = words.last().and_then(|last| last.strip_prefix("db")).filter(|rest| is_role(rest)).map(str::to_owned) {
        words.pop();
        words.extend(["db".to_owned(), rest]);
    }
    words
}

fn is_role(word: &str) -> bool {
    HOST_WORDS.contains(&word) || matches!(word, "port" | "name" | "type" | "driver")
}

fn product(words: &[String]) -> Option<&'static str> {
    PRODUCTS.iter().find(|(word, _)| words.iter().any(|found| found == word)).map(|(_, kind)| *kind)
}

/// What one value names by itself.
fn strings(words: &[String], value: &str) -> Vec<Target> {
    let value = value.trim();
    let last = words.last().map_or("", String::as_str);
    let has = |word: &str| words.iter().any(|found| found == word);
    let mut targets = connection::targets(value);
    if targets.is_empty() && value.contains("://") {
        // A list of addresses: each must be one.
        let each: Vec<Vec<Target>> = value.split(',').map(connection::targets).collect();
        if each.iter().all(|targets| targets.len() == 1) {
            targets = each.into_iter().flatten().collect();
        }
    }
    if let Some(first) = targets.first() {
        let is_web = matches!(first.kind.as_str(), "http" | "https");
        let is_wanted = !is_web || (ADDRESS_WORDS.contains(&last) && !has("no") && !NOT_DEPENDED_ON.iter().any(|word| has(word)));
        if !is_wanted {
            return Vec::new();
        }
        // A web address of a known product is the product's.
        let kind = is_web.then(|| product(words)).flatten().filter(|kind| *kind != "database");
        return targets.into_iter().map(|target| Target { kind: kind.map_or(target.kind, str::to_owned), ..target }).collect();
    }
    // `bootstrap.servers=k1:9092,k2:9092`, `zookeeper.connect=z1:2181,z2:2181/kafka`
    let is_bootstrap = has("bootstrap") && last == "servers";
    let kind = if is_bootstrap { Some("kafka") } else { product(words) };
    let is_list_key = matches!(last, "servers" | "hosts" | "brokers" | "nodes" | "endpoints" | "connect" | "addresses");
    match kind.filter(|kind| *kind != "database" && is_list_key) {
        Some(kind) => {
            let list = value.split('/').next().unwrap_or_default();
            let targets: Option<Vec<Target>> =
                list.split(',').map(|entry| connection::host_port(entry, kind, connection::usual_port(kind))).collect();
            targets.unwrap_or_default()
        }
        None => Vec::new(),
    }
}

/// Settings that only together name a service: `DB_HOST`, `DB_PORT`, `DB_NAME`.
#[derive(Default)]
struct Group<'a> {
    kind: Option<&'static str>,
    driver: Option<&'a str>,
    host: Option<(&'a str, &'a str)>,
    port: Option<u16>,
    database: Option<&'a str>,
}

fn groups_of<'a>(key: &'a str, words: &[String], value: &'a str, groups: &mut BTreeMap<String, Group<'a>>) {
    // libpq's own variables have no separator.
    let (words, last, is_libpq) = match words {
        [one] if matches!(one.as_str(), "pghost" | "pgport" | "pgdatabase") => (&words[..0], &one[2..], true),
        [before @ .., last] => (before, last.as_str(), false),
        [] => return,
    };
    let kind = if is_libpq { Some("postgresql") } else { product(words) };
    // Rails' `production.host` names its product by `production.adapter`.
    let is_environment =
        words.last().is_some_and(|word| matches!(word.as_str(), "production" | "default" | "development" | "primary" | "staging"));
    let mut stem = words.to_vec();
    let role = match last {
        last if HOST_WORDS.contains(&last) => "host",
        "port" => "port",
        "name" | "database" | "dbname" | "db" | "schema" => "database",
        "driver" | "adapter" | "engine" | "connection" | "dialect" | "client" | "type" | "vendor" => "driver",
        _ => return,
    };
    if kind.is_none() && !is_environment {
        return;
    }
    if is_libpq {
        stem = vec!["pg".to_owned()];
    }
    let group = groups.entry(stem.join(".")).or_default();
    group.kind = group.kind.or(kind);
    match role {
        "host" => group.host = group.host.or(Some((key, value))),
        "port" => group.port = group.port.or(value.trim().parse().ok()),
        "database" => group.database = group.database.or(Some(value)),
        _ => group.driver = group.driver.or(Some(value)),
    }
}

impl Group<'_> {
    fn named(self) -> Option<Named> {
        let (key, host) = self.host?;
        // A driver's name says the product: `postgresql`, `org.postgresql.Driver`, `django.db.backends.mysql`, `mysql2`.
        let by_driver = self.driver.and_then(|driver| {
            let driver = driver.to_lowercase();
            PRODUCTS.iter().filter(|(word, _)| word.len() > 4).find(|(word, _)| driver.contains(word)).map(|(_, kind)| *kind)
        });
        let by_port = match self.port {
            Some(5_432) => Some("postgresql"),
            Some(3_306) => Some("mysql"),
            Some(1_433) => Some("sqlserver"),
            Some(27_017) => Some("mongodb"),
            _ => None,
        };
        let kind = match self.kind {
            Some("database") | None => by_driver.or(by_port).or(self.kind)?,
            Some(kind) => kind,
        };
        let host = host.trim();
        let usual = self.port.or_else(|| connection::usual_port(kind));
        let target = if host.starts_with('/') { connection::socket(kind, host) } else { connection::host_port(host, kind, usual) };
        let database = self.database.and_then(connection::name);
        Some(Named { key: key.to_owned(), is_list: false, target: Target { database, ..target? } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The settings, one a line, as `key = kind host:port/database`.
    fn shown(settings: &str) -> Vec<String> {
        let pairs = settings.lines().filter_map(|line| line.split_once('='));
        let one = |named: &Named| {
            let port = named.target.port.map(|port| format!(":{port}")).unwrap_or_default();
            let database = named.target.database.as_deref().map(|name| format!("/{name}")).unwrap_or_default();
            let list = if named.is_list { "*" } else { "" };
            format!("{}{list} = {} {}{port}{database}", named.key, named.target.kind, named.target.host)
        };
        named(pairs).iter().map(one).collect()
    }

    #[test]
    fn settings_name_what_is_depended_on() {
        let cases: &[(&str, &[&str])] = &[
            ("DATABASE_URL=postgres://u:p@db/app", &["DATABASE_URL = postgresql db:5432/app"]),
            ("spring.datasource.url=jdbc:postgresql://db/app", &["spring.datasource.url = postgresql db:5432/app"]),
            ("DB_CONNECTION=mysql\nDB_HOST=my1\nDB_DATABASE=shop\nDB_PASSWORD=p", &["DB_HOST = mysql my1:3306/shop"]),
            ("DB_HOST=10.0.0.5\nDB_PORT=5432", &["DB_HOST = postgresql 10.0.0.5:5432"]),
            ("PGHOST=db\nPGPORT=6432\nPGDATABASE=app\nPGPASSWORD=p", &["PGHOST = postgresql db:6432/app"]),
            ("production.adapter=mysql2\nproduction.host=my1\nproduction.database=shop", &["production.host = mysql my1:3306/shop"]),
            ("dbtype=pgsql\ndbhost=pg:5433\ndbname=cloud\ndbpassword=p", &["dbhost = postgresql pg:5433/cloud"]),
            ("REDIS_HOST=cache", &["REDIS_HOST = redis cache:6379"]),
            ("spring.data.redis.host=cache\nspring.data.redis.port=6380", &["spring.data.redis.host = redis cache:6380"]),
            ("WORDPRESS_DB_HOST=my1:3307\nWORDPRESS_DB_NAME=wp", &["WORDPRESS_DB_HOST = mysql my1:3307/wp"]),
            (
                "KAFKA_BOOTSTRAP_SERVERS=k1:9092,k2",
                &["KAFKA_BOOTSTRAP_SERVERS* = kafka k1:9092", "KAFKA_BOOTSTRAP_SERVERS* = kafka k2:9092"],
            ),
            ("zookeeper.connect=z1:2181/kafka", &["zookeeper.connect = zookeeper z1:2181"]),
            (
                "ELASTICSEARCH_HOSTS=http://e1:9200,http://e2:9200",
                &["ELASTICSEARCH_HOSTS* = elasticsearch e1:9200", "ELASTICSEARCH_HOSTS* = elasticsearch e2:9200"],
            ),
            ("ELASTICSEARCH_URL=http://e1:9200", &["ELASTICSEARCH_URL = elasticsearch e1:9200"]),
            ("PAYMENT_API_URL=https://pay.example.org/v1?key=s", &["PAYMENT_API_URL = https pay.example.org:443"]),
            ("https_proxy=http://u:p@proxy:3128", &["https_proxy = http proxy:3128"]),
            // What is no dependency.
            ("APP_BASE_URL=https://own.example.org\nHOME_URL=https://debian.org\nPUBLIC_URL=https://a.b", &[]),
            ("KUBERNETES_SERVICE_HOST=10.96.0.1\nREDIS_SERVICE_HOST=10.96.0.2\nDB_PORT_5432_TCP_ADDR=10.0.0.1", &[]),
            ("HOST=web1\nSERVER=x\nHOSTNAME=y\nSSH_AUTH=unix\nDB_PASSWORD=postgres\nDB_HOST=${X}", &[]),
            ("no_proxy=localhost,10.0.0.0/8", &[]),
        ];
        for (settings, expected) in cases {
            assert_eq!(shown(settings), *expected, "{settings}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(pairs: Vec<(String, String)>, key in "(DB_|PG|redis\\.|bootstrap.)(HOST|host|PORT|servers|url)", value in "[a-z0-9:,/@\\[\\]]{0,40}") {
            named(pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())));
            named([(key.as_str(), value.as_str())].into_iter());
        }
    }
}
