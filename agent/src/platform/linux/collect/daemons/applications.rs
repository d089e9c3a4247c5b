//! Applications: the settings in their environment and beside them that name what they depend on.

use super::{
    Subject,
    files::directory,
    found::{Found, Said},
};
use crate::parse::config::{
    connection,
    flat::{self, Setting},
    ini, php, settings, words, yaml,
};

/// Where an application is, besides its environment.
#[derive(Debug, Default)]
pub(in crate::platform::linux::collect) struct Place {
    /// The directory it runs in.
    pub(in crate::platform::linux::collect) directory: Option<String>,
    /// The program that its interpreter runs, a file.
    pub(in crate::platform::linux::collect) program: Option<String>,
    /// Directories that a web server shows.
    pub(in crate::platform::linux::collect) roots: Vec<String>,
    /// The home directory of the user it runs as, where that is its own.
    pub(in crate::platform::linux::collect) home: Option<String>,
    /// Whether it uses ODBC, whose sources the whole machine shares.
    pub(in crate::platform::linux::collect) uses_odbc: bool,
    /// Files that variables come from, with what they hold: for saying where a variable was found.
    pub(in crate::platform::linux::collect) variable_files: Vec<(String, Vec<Setting>)>,
}

type Grammar = fn(&[u8]) -> Vec<Setting>;

/// Files of settings beside a program.
const BESIDE: &[(&str, Grammar)] = &[
    (".env", assignments),
    (".env.local", assignments),
    (".env.production", assignments),
    ("application.properties", assignments),
    ("application.yml", yaml::settings),
    ("application.yaml", yaml::settings),
    ("application-prod.properties", assignments),
    ("application-prod.yml", yaml::settings),
    ("config/application.properties", assignments),
    ("config/application.yml", yaml::settings),
    ("config/database.yml", yaml::settings),
    ("config/redis.yml", yaml::settings),
    ("appsettings.json", flat::json),
    ("appsettings.Production.json", flat::json),
];

/// Files of web applications in the directory that is shown, or the one above.
const SHOWN: &[(&str, Grammar)] = &[
    ("wp-config.php", wordpress),
    ("LocalSettings.php", php::settings),
    ("config/config.php", php::settings),
    ("configuration.php", database),
    (".env", assignments),
    ("application.properties", assignments),
    ("application.yml", yaml::settings),
];

const MOST_ROOTS: usize = 64;

/// What an application's settings name.
pub(in crate::platform::linux::collect) fn application(subject: &Subject, place: &Place) -> Found {
    let mut found = Found::default();
    let environment = subject.environment.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    for named in settings::named(environment) {
        let in_file = place.variable_files.iter().find(|(_, variables)| variables.iter().any(|(key, _)| *key == named.key));
        add(&mut found, named, in_file.map_or("environment", |(file, _)| file));
    }
    let mut paths: Vec<(String, Grammar)> = Vec::new();
    let program = place.program.as_deref().filter(|program| program.starts_with('/')).map(directory);
    // What lies in a system directory belongs to no one program.
    let is_own = |path: &str| {
        !matches!(path.trim_end_matches('/'), "" | "/usr/bin" | "/usr/sbin" | "/bin" | "/sbin" | "/usr/local/bin" | "/root" | "/tmp")
    };
    for beside in [place.directory.as_deref(), program].into_iter().flatten().filter(|path| is_own(path)) {
        paths.extend(BESIDE.iter().map(|(name, grammar)| (format!("{}/{name}", beside.trim_end_matches('/')), *grammar)));
    }
    for option in ["--spring.config.location", "--spring.config.additional-location", "-Dspring.config.location"] {
        for path in words::option(&subject.arguments, option).unwrap_or_default().split(',') {
            let path = path.trim_start_matches("optional:").trim_start_matches("file:");
            let grammar: Grammar = if path.ends_with(".properties") { assignments } else { yaml::settings };
            paths.push((path.to_owned(), grammar));
        }
    }
    for root in place.roots.iter().take(MOST_ROOTS) {
        for base in [root.as_str(), directory(root)].into_iter().filter(|path| is_own(path)) {
            paths.extend(SHOWN.iter().map(|(name, grammar)| (format!("{base}/{name}"), *grammar)));
        }
    }
    paths.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    paths.dedup_by(|a, b| a.0 == b.0);
    for (path, grammar) in &paths {
        let written = subject.files.read(path).map(|bytes| grammar(&bytes)).unwrap_or_default();
        for named in settings::named(written.iter().map(|(key, value)| (key.as_str(), value.as_str()))) {
            add(&mut found, named, path);
        }
    }
    if let Some(home) = &place.home {
        pgpass(subject, &format!("{home}/.pgpass"), &mut found);
        my_cnf(subject, &format!("{home}/.my.cnf"), &mut found);
        odbc(subject, &format!("{home}/.odbc.ini"), &mut found);
    }
    if place.uses_odbc {
        odbc(subject, "/etc/odbc.ini", &mut found);
    }
    found
}

fn add(found: &mut Found, named: settings::Named, file: &str) {
    let group = named.is_list.then(|| named.key.clone());
    found.upstream(named.target, Said { file, directive: &named.key }).group = group;
}

fn assignments(bytes: &[u8]) -> Vec<Setting> {
    ini::entries(bytes).into_iter().map(|entry| (entry.key, entry.value)).collect()
}

/// WordPress knows MySQL only.
fn wordpress(bytes: &[u8]) -> Vec<Setting> {
    let mut found = php::settings(bytes);
    found.push(("DB_CONNECTION".to_owned(), "mysql".to_owned()));
    found
}

/// A file whose every setting is the database's.
fn database(bytes: &[u8]) -> Vec<Setting> {
    php::settings(bytes).into_iter().map(|(key, value)| (format!("db.{key}"), value)).collect()
}

/// `host:port:database:user:password`: nothing behind the database is looked at.
fn pgpass(subject: &Subject, path: &str, found: &mut Found) {
    let bytes = subject.files.read(path).unwrap_or_default();
    for line in String::from_utf8_lossy(&bytes).lines().filter(|line| !line.starts_with('#')) {
        let mut parts = line.split(':');
        let (Some(host), Some(port), Some(database), Some(_)) = (parts.next(), parts.next(), parts.next(), parts.next()) else { continue };
        let Some(target) = connection::host(host) else { continue };
        let target = connection::Target {
            kind: "postgresql".to_owned(),
            host: target,
            port: port.parse().ok().or(Some(5_432)),
            database: connection::name(database),
        };
        found.upstream(target, Said { file: path, directive: "host" });
    }
}

fn my_cnf(subject: &Subject, path: &str, found: &mut Found) {
    let entries = subject.files.read(path).map(|bytes| ini::entries(&bytes)).unwrap_or_default();
    if let Some(host) = ini::last(&entries, "client", "host") {
        let port = ini::last(&entries, "client", "port").and_then(|port| port.parse().ok()).or(Some(3_306));
        found.host("mysql", host, port, Said { file: path, directive: "host" });
    }
}

fn odbc(subject: &Subject, path: &str, found: &mut Found) {
    let entries = subject.files.read(path).map(|bytes| ini::entries(&bytes)).unwrap_or_default();
    let mut sources: Vec<&str> = entries.iter().map(|entry| entry.section.as_str()).filter(|section| !section.is_empty()).collect();
    sources.dedup();
    for source in sources {
        let value = |keys: &[&str]| keys.iter().find_map(|key| ini::last(&entries, source, key));
        let Some(server) = value(&["servername", "server", "host"]) else { continue };
        let driver = value(&["driver", "description"]).unwrap_or_default().to_lowercase();
        let kinds = [
            ("postgres", "postgresql"),
            ("psql", "postgresql"),
            ("my", "mysql"),
            ("maria", "mysql"),
            ("sql server", "sqlserver"),
            ("tds", "sqlserver"),
            ("oracle", "oracle"),
        ];
        let kind = kinds.iter().find(|(word, _)| driver.contains(word)).map_or("database", |(_, kind)| *kind);
        let port = value(&["port"]).and_then(|port| port.parse().ok()).or_else(|| connection::usual_port(kind));
        if let Some(target) = connection::host_port(server, kind, port) {
            let database = value(&["database", "dbname"]).and_then(connection::name);
            found.upstream(connection::Target { database, ..target }, Said { file: path, directive: source });
        }
    }
}
