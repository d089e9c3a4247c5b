//! Connection strings: which host, port and database they name. Everything else in them is left where it is.
//!
//! A string that can be read in two ways, because a password is not escaped, names nothing: part of a password is never
//! taken for a host or a database.

/// A place that a connection string names.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// What is spoken, see `Upstream::kind` of the wire format.
    pub kind: String,
    /// A name or address in lower case, or the absolute path of a Unix socket.
    pub host: String,
    /// The port, the usual one where none is written.
    pub port: Option<u16>,
    /// The database.
    pub database: Option<String>,
}

/// What a scheme means: its kind, the usual port, and whether the path names a database.
struct Scheme {
    name: &'static str,
    kind: &'static str,
    port: u16,
    has_database: bool,
}

const fn with_database(name: &'static str, kind: &'static str, port: u16) -> Scheme {
    Scheme { name, kind, port, has_database: true }
}

const fn plain(name: &'static str, kind: &'static str, port: u16) -> Scheme {
    Scheme { name, kind, port, has_database: false }
}

/// The schemes of services that programs depend on.
const SCHEMES: &[Scheme] = &[
    plain("ajp", "ajp", 8009),
    with_database("amqp", "amqp", 5672),
    with_database("amqps", "amqp", 5671),
    plain("bolt", "neo4j", 7687),
    plain("cassandra", "cassandra", 9042),
    with_database("clickhouse", "clickhouse", 9000),
    with_database("cockroachdb", "postgresql", 26257),
    plain("couchdb", "couchdb", 5984),
    with_database("db2", "db2", 50000),
    plain("elasticsearch", "elasticsearch", 9200),
    plain("etcd", "etcd", 2379),
    plain("fcgi", "fastcgi", 9000),
    plain("gelf", "gelf", 12201),
    plain("h2c", "h2c", 80),
    plain("http", "http", 80),
    plain("https", "https", 443),
    plain("kafka", "kafka", 9092),
    plain("ldap", "ldap", 389),
    plain("ldaps", "ldap", 636),
    with_database("mariadb", "mysql", 3306),
    plain("memcache", "memcached", 11211),
    plain("memcached", "memcached", 11211),
    with_database("mongodb", "mongodb", 27017),
    plain("mqtt", "mqtt", 1883),
    plain("mqtts", "mqtt", 8883),
    with_database("mssql", "sqlserver", 1433),
    with_database("mysql", "mysql", 3306),
    with_database("mysql2", "mysql", 3306),
    with_database("mysqlx", "mysql", 33060),
    plain("nats", "nats", 4222),
    plain("neo4j", "neo4j", 7687),
    with_database("oracle", "oracle", 1521),
    with_database("pgsql", "postgresql", 5432),
    with_database("postgis", "postgresql", 5432),
    with_database("postgres", "postgresql", 5432),
    with_database("postgresql", "postgresql", 5432),
    plain("pulsar", "pulsar", 6650),
    with_database("redis", "redis", 6379),
    with_database("rediss", "redis", 6379),
    plain("scgi", "scgi", 4000),
    plain("smtp", "smtp", 25),
    plain("smtps", "smtp", 465),
    with_database("sqlserver", "sqlserver", 1433),
    plain("stomp", "stomp", 61613),
    plain("uwsgi", "uwsgi", 3031),
    with_database("valkey", "redis", 6379),
    plain("ws", "http", 80),
    plain("wss", "https", 443),
    plain("zookeeper", "zookeeper", 2181),
];

fn scheme(name: &str) -> Option<&'static Scheme> {
    SCHEMES.iter().find(|scheme| scheme.name == name)
}

/// The usual port of a kind.
pub fn usual_port(kind: &str) -> Option<u16> {
    SCHEMES.iter().find(|scheme| scheme.kind == kind && scheme.name == kind).map(|scheme| scheme.port)
}

const MOST_LENGTH: usize = 4_096;
const MOST_TARGETS: usize = 64;

/// The places that a connection string names: an URL (also of JDBC and R2DBC, also with several hosts), libpq's, ADO.NET's, PDO's keywords, Go's
/// MySQL names. Nothing where it is none of these.
pub fn targets(text: &str) -> Vec<Target> {
    let text = text.trim();
    if text.is_empty() || text.len() > MOST_LENGTH {
        return Vec::new();
    }
    let found = match text.strip_prefix("jdbc:").or_else(|| text.strip_prefix("r2dbc:")) {
        Some(rest) => jdbc(rest),
        None => url(text).or_else(|| keywords(text)).or_else(|| go_mysql(text)),
    };
    let mut found = found.unwrap_or_default();
    found.truncate(MOST_TARGETS);
    found
}

/// `scheme[+driver]://[user[:password]@]host[:port][,host[:port]…][/database][?…]`
fn url(text: &str) -> Option<Vec<Target>> {
    let (name, rest) = text.split_once("://")?;
    let name = name.to_ascii_lowercase();
    let mut parts = name.split('+');
    let scheme = parts.next().and_then(scheme)?;
    let modifier = parts.next().unwrap_or_default();
    if let Some(path) = rest.strip_prefix('/').filter(|_| scheme.has_database) {
        // `redis:///run/redis.sock`; where it is a database there is no host.
        let path = format!("/{}", path.split(['?', '#']).next()?);
        let is_socket = path.ends_with(".sock") || path.ends_with(".socket");
        return is_socket.then(|| socket(scheme.kind, &path)).flatten().map(|target| vec![target]);
    }
    let (authority, database) = authority(rest)?;
    let database = database.filter(|_| scheme.has_database);
    // Records of the name say where the servers are.
    let port = (modifier != "srv").then_some(scheme.port);
    hosts(authority, scheme.kind, port, database.as_deref())
}

/// The part with the hosts, without the user, and the first segment of the path.
fn authority(rest: &str) -> Option<(&str, Option<String>)> {
    let end = rest.find(['/', '?', '#', ';']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    // An `@` further on says that a password was not escaped: nobody can tell where the host begins.
    // Two slashes at once begin another address of a list.
    if path.contains('@') || path.starts_with("//") {
        return None;
    }
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    let segment = path.strip_prefix('/').and_then(|path| path.split(['/', '?', '#', ';', '&']).next());
    Some((hosts, segment.and_then(name)))
}

fn hosts(list: &str, kind: &str, port: Option<u16>, database: Option<&str>) -> Option<Vec<Target>> {
    list.split(',')
        .map(|entry| host_port(entry, kind, port).map(|found| Target { database: database.map(str::to_owned), ..found }))
        .collect()
}

/// `host`, `host:port`, `[address]:port`; with the usual port of `kind` where none is written.
pub fn host_port(text: &str, kind: &str, usual: Option<u16>) -> Option<Target> {
    let text = text.trim();
    let (written, port) = if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        (address, rest.strip_prefix(':'))
    } else if text.parse::<std::net::Ipv6Addr>().is_ok() {
        (text, None)
    } else {
        text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
    };
    let port = match port {
        Some("") | None => usual,
        Some(port) => Some(port.parse().ok().filter(|port| *port != 0)?),
    };
    Some(Target { kind: kind.to_owned(), host: host(written)?, port, database: None })
}

/// A Unix socket.
pub fn socket(kind: &str, path: &str) -> Option<Target> {
    let is_path =
        path.starts_with('/') && path.len() <= 256 && path.bytes().all(|byte| byte.is_ascii_graphic() && !b"@?$%".contains(&byte));
    is_path.then(|| Target { kind: kind.to_owned(), host: path.to_owned(), port: None, database: None })
}

/// A host's name or address, in lower case; `None` for a variable, a pattern and anything else.
pub fn host(text: &str) -> Option<String> {
    let text = text.trim().trim_end_matches('.');
    if text.parse::<std::net::IpAddr>().is_ok() {
        return Some(text.to_ascii_lowercase());
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
    };
    // A number alone is no host.
    let is_name = text.len() <= 253 && text.split('.').all(is_label) && text.bytes().any(|byte| byte.is_ascii_alphabetic());
    is_name.then(|| text.to_ascii_lowercase())
}

/// A database's name, where it is a plain one.
pub fn name(text: &str) -> Option<String> {
    let text = text.trim();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    ((1..=128).contains(&text.len()) && text.bytes().all(is_plain)).then(|| text.to_owned())
}

/// Behind `jdbc:`.
fn jdbc(rest: &str) -> Option<Vec<Target>> {
    let (driver, details) = rest.split_once(':')?;
    match driver {
        "sqlserver" | "jtds" => {
            // `sqlserver://host\instance:1433;databaseName=x;…`, `jtds:sqlserver://host:1433/x;…`
            let details = details.strip_prefix("sqlserver:").unwrap_or(details).strip_prefix("//")?;
            let (servers, properties) = details.split_once(';').unwrap_or((details, ""));
            let (servers, path) = servers.split_once('/').map_or((servers, None), |(servers, path)| (servers, Some(path)));
            if servers.contains('@') || path.is_some_and(|path| path.contains('@')) {
                return None;
            }
            let named = pairs(properties, ';').into_iter().find(|(key, _)| matches!(key.as_str(), "databasename" | "database"));
            let database = path.and_then(name).or_else(|| named.and_then(|(_, value)| name(&value)));
            let (server, port) = servers.split_once(':').map_or((servers, ""), |(server, port)| (server, port));
            let server = server.split('\\').next()?;
            let target = host_port(&format!("{server}:{port}"), "sqlserver", Some(1_433))?;
            Some(vec![Target { database, ..target }])
        }
        "oracle" => {
            // `thin:[user/password]@[//]host[:port][/service]`, `…@host:port:sid`
            let (before, place) = details.rsplit_once('@')?;
            if !before.starts_with("thin:") && !before.starts_with("oci:") {
                return None;
            }
            let place = place.strip_prefix("//").unwrap_or(place).split('?').next()?;
            let (server, service) = match place.split_once('/') {
                Some((server, service)) => (server, Some(service)),
                None => match place.rsplit_once(':') {
                    Some((server, sid)) if server.contains(':') => (server, Some(sid)),
                    _ => (place, None),
                },
            };
            let target = host_port(server, "oracle", Some(1_521))?;
            Some(vec![Target { database: service.and_then(name), ..target }])
        }
        _ => {
            // `mysql:loadbalance://`, `mariadb:sequential://`, `pool:postgresql://`
            let url_of = |scheme: &str, rest: &str| url(&format!("{scheme}://{rest}"));
            match details.split_once("//")? {
                ("", rest) => url_of(driver, rest),
                (mode, rest) => {
                    let mode = mode.trim_end_matches(':');
                    if scheme(driver).is_some() { url_of(driver, rest) } else { url_of(mode, rest) }
                }
            }
        }
    }
}

/// `key=value` pairs, keys in lower case without blanks; a separator inside quotes belongs to the value. Nothing where a quote stays open.
fn pairs(text: &str, separator: char) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('=') {
        let key = rest[..at].rsplit(separator).next().unwrap_or_default();
        let key: String = key.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
        rest = rest[at + 1..].trim_start_matches(' ');
        let mut value = String::new();
        match rest.chars().next().filter(|c| matches!(c, '\'' | '"')) {
            Some(quote) => {
                let mut characters = rest[1..].char_indices();
                let end = loop {
                    match characters.next() {
                        // Who can tell what belongs to which key?
                        None => return Vec::new(),
                        Some((_, '\\')) => value.extend(characters.next().map(|(_, c)| c)),
                        Some((at, c)) if c == quote => break at + 2,
                        Some((_, c)) => value.push(c),
                    }
                };
                rest = &rest[end..];
            }
            None => {
                let end = rest.find(separator).unwrap_or(rest.len());
                value.push_str(rest[..end].trim());
                rest = &rest[end..];
            }
        }
        found.push((key, value));
    }
    found
}

/// `host=a port=5432 dbname=x` (libpq), `Server=a,1433;Database=x;…` (ADO.NET), `mysql:host=a;dbname=x` (PDO).
fn keywords(text: &str) -> Option<Vec<Target>> {
    if !text.contains('=') || text.contains("://") {
        return None;
    }
    let driver = text.split_once(':').filter(|(driver, rest)| scheme(driver).is_some() && rest.contains('='));
    let (driver, rest) = driver.map_or((None, text), |(driver, rest)| (scheme(driver), rest));
    let is_libpq = driver.is_none() && !rest.contains(';');
    let found = pairs(rest, if is_libpq { ' ' } else { ';' });
    let get = |keys: &[&str]| found.iter().find(|(key, _)| keys.contains(&key.as_str())).map(|(_, value)| value.as_str());
    let server = get(&["host", "server", "datasource", "address", "addr", "networkaddress"])?;
    let database = get(&["dbname", "database", "initialcatalog"]).and_then(name);
    let port = get(&["port"]);
    // An ADO.NET string does not name its product: a password key tells it from any other list of pairs, its spelling tells the product.
    let server = server.strip_prefix("tcp:").unwrap_or(server);
    let by_comma = server.split_once(',').filter(|_| !is_libpq);
    let known = driver.map(|driver| driver.kind).or(match (is_libpq, by_comma.is_some()) {
        (true, _) if get(&["dbname"]).is_some() || get(&["user"]).is_some() => Some("postgresql"),
        (true, _) => None,
        (false, true) => Some("sqlserver"),
        (false, false) if get(&["initialcatalog", "trustservercertificate", "multipleactiveresultsets"]).is_some() => Some("sqlserver"),
        (false, false) if get(&["username"]).is_some() && get(&["host"]).is_some() => Some("postgresql"),
        (false, false) if get(&["uid"]).is_some() => Some("mysql"),
        (false, false) => database.as_ref().map(|_| "database"),
    });
    let kind = known?;
    if server.starts_with('/') {
        return socket(kind, server).map(|target| vec![Target { database, ..target }]);
    }
    if let Some((server, port)) = by_comma {
        let server = server.split('\\').next()?;
        return Some(vec![Target { database, ..host_port(&format!("{server}:{port}"), kind, Some(1_433))? }]);
    }
    let ports: Vec<&str> = port.unwrap_or_default().split(',').collect();
    let targets = server.split(',').enumerate().map(|(index, server)| {
        let port = ports.get(index).or(ports.first()).filter(|port| !port.is_empty());
        let usual = port.map_or(usual_port(kind), |port| port.parse().ok());
        let server = server.split('\\').next().unwrap_or_default();
        Some(Target { database: database.clone(), ..host_port(server, kind, usual)? })
    });
    targets.collect()
}

/// `[user[:password]@]tcp(host:port)/database[?…]`
fn go_mysql(text: &str) -> Option<Vec<Target>> {
    let (_, rest) = text.rsplit_once("tcp(")?;
    let (server, rest) = rest.split_once(')')?;
    if rest.contains('@') || !rest.starts_with('/') {
        return None;
    }
    let database = rest[1..].split('?').next().and_then(name);
    Some(vec![Target { database, ..host_port(server, "mysql", Some(3_306))? }])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `kind host:port/database`, several joined by blanks.
    fn shown(text: &str) -> String {
        let one = |target: &Target| {
            let port = target.port.map(|port| format!(":{port}")).unwrap_or_default();
            let database = target.database.as_deref().map(|name| format!("/{name}")).unwrap_or_default();
            format!("{} {}{port}{database}", target.kind, target.host)
        };
        targets(text).iter().map(one).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn every_shape_names_its_host_and_nothing_else() {
        let cases = [
            ("postgres://app:s3cret@DB1.example.org/orders?sslmode=require&password=x", "postgresql db1.example.org:5432/orders"),
            ("postgresql+asyncpg://app@10.0.0.5:6432/orders", "postgresql 10.0.0.5:6432/orders"),
            ("postgres://u:p@a:5432,b:5433/x", "postgresql a:5432/x, postgresql b:5433/x"),
            ("redis://:s3cret@cache:6380/0", "redis cache:6380/0"),
            ("rediss://cache", "redis cache:6379"),
            ("redis:///run/redis/redis.sock", "redis /run/redis/redis.sock"),
            ("amqps://u:p@mq.example.org/orders", "amqp mq.example.org:5671/orders"),
            ("mongodb+srv://u:p@cluster0.example.net/app?retryWrites=true", "mongodb cluster0.example.net/app"),
            ("mongodb://u:p@m1,m2:27018/app?replicaSet=rs0", "mongodb m1:27017/app, mongodb m2:27018/app"),
            ("http://[fd00::1]:8080/services/T0/B0/token", "http fd00::1:8080"),
            ("https://key@sentry.example.org/2", "https sentry.example.org:443"),
            ("ldaps://ldap1.example.org/dc=example", "ldap ldap1.example.org:636"),
            ("jdbc:postgresql://db:5433/app?user=u&password=p", "postgresql db:5433/app"),
            ("jdbc:mysql:replication://a,b:3307/app", "mysql a:3306/app, mysql b:3307/app"),
            ("jdbc:mariadb://a/app", "mysql a:3306/app"),
            ("jdbc:sqlserver://sql1\\INST:1444;databaseName=erp;user=sa;password=p", "sqlserver sql1:1444/erp"),
            ("jdbc:jtds:sqlserver://sql1/erp;instance=x", "sqlserver sql1:1433/erp"),
            ("jdbc:oracle:thin:@//ora:1522/ORCL", "oracle ora:1522/ORCL"),
            ("jdbc:oracle:thin:scott/tiger@ora:1521:XE", "oracle ora:1521/XE"),
            ("r2dbc:postgresql://u:p@db/app", "postgresql db:5432/app"),
            ("host=db port=5433 dbname=app user=u password=p", "postgresql db:5433/app"),
            ("user=u password='x host=no' host='db.example.org' dbname=app", "postgresql db.example.org:5432/app"),
            ("password='x host=no", ""),
            ("host=/run/postgresql dbname=app", "postgresql /run/postgresql/app"),
            ("Server=tcp:sql1,1444;Initial Catalog=erp;User ID=sa;Password=p;", "sqlserver sql1:1444/erp"),
            ("Host=db;Port=5433;Database=app;Username=u;Password=p", "postgresql db:5433/app"),
            ("Server=my1;Database=app;Uid=u;Pwd=p;", "mysql my1:3306/app"),
            ("mysql:host=my1;port=3307;dbname=app", "mysql my1:3307/app"),
            ("u:p@tcp(my1:3307)/app?parseTime=true", "mysql my1:3307/app"),
            // What names no host, or not one alone.
            ("postgres://${DB_HOST}:5432/app", ""),
            ("postgres://u:pa/ss@db:5432/app", ""),
            ("postgres://u:123/secret@db/app", ""),
            ("postgres://u:p?s@db/app", ""),
            ("jdbc:h2:mem:test", ""),
            ("jdbc:sqlite:/var/lib/x.db", ""),
            ("sqlite:///var/lib/x.db", ""),
            ("key=value;other=value", ""),
            ("user=a password=b", ""),
            ("https://*.example.org", ""),
            ("x://y", ""),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(SCHEMES.is_sorted_by_key(|scheme| scheme.name));
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(text: String, tail in "[a-z:/@?;=,\\[\\]()\\\\]{0,60}") {
            targets(&text);
            for prefix in ["jdbc:oracle:thin:", "jdbc:sqlserver://", "jdbc:mysql:", "postgres://", "host=", "mysql:host=", ""] {
                targets(&format!("{prefix}{tail}"));
            }
        }

        /// However it is written, a password is in no target.
        #[test]
        fn a_password_never_becomes_a_name(middle in "[a-z0-9:/@?#;=,.%+ ]{0,12}") {
            let password = format!("{middle}canary7secret{middle}");
            for text in [
                format!("postgres://user:{password}@db:5432/app"),
                format!("redis://:{password}@cache/0"),
                format!("amqp://u:{password}@mq"),
                format!("jdbc:oracle:thin:u/{password}@//ora:1521/x"),
                format!("u:{password}@tcp(my1:3306)/app"),
            ] {
                proptest::prop_assert!(!shown(&text).contains("canary7secret"), "{text} -> {}", shown(&text));
            }
        }
    }
}
