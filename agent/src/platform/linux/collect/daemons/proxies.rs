//! Proxies with short configurations: Varnish, Caddy, Traefik, Squid, PgBouncer.

use rollcall_shared::wire::v1::{Frontend, UpstreamRole};

use super::{
    Subject,
    files::{absolute, directory},
    found::{Found, Said},
};
use crate::parse::config::{
    blocks::{self, Statement},
    connection, flat, ini, words, yaml,
};

const MOST_DEPTH: usize = 8;

pub(super) fn varnish(subject: &Subject) -> Found {
    let mut found = Found::default();
    let arguments = &subject.arguments;
    for (index, argument) in arguments.iter().enumerate() {
        // `-a [name=][host]:port[,protocol]`
        if argument == "-a" {
            let listen = arguments.get(index + 1).map_or("", String::as_str);
            found.port(listen.split(',').next().unwrap_or_default());
        }
    }
    match words::option(arguments, "-b") {
        Some(backend) => found.host("http", backend, Some(80), Said { file: "command line", directive: "-b" }),
        None => vcl(subject, words::option(arguments, "-f").unwrap_or("/etc/varnish/default.vcl"), 0, &mut found),
    }
    found
}

fn vcl(subject: &Subject, path: &str, depth: usize, found: &mut Found) {
    if depth >= MOST_DEPTH {
        return;
    }
    let path = absolute(path, "/etc/varnish");
    let Some(bytes) = subject.files.read(&path) else { return };
    let statements = blocks::statements(&bytes, blocks::VCL);
    // `new web = directors.round_robin();`, `web.add_backend(app1);`: which director has which backend.
    let mut directors: Vec<(String, String)> = Vec::new();
    let all = statements.iter().flat_map(|statement| std::iter::once(statement).chain(&statement.block));
    for statement in all {
        let text = statement.words.join(" ");
        if let Some((director, rest)) = text.split_once(".add_backend(") {
            let backend = rest.split([',', ')']).next().unwrap_or_default().trim();
            directors.push((director.trim().to_owned(), backend.to_owned()));
        }
    }
    for statement in &statements {
        match statement.name() {
            "include" => vcl(subject, statement.argument(0).unwrap_or_default(), depth + 1, found),
            "backend" => {
                // `.host = "10.0.0.1";`, with or without blanks.
                let value = |name: &str| {
                    let own = |inner: &&Statement| inner.words.join(" ").replace(" = ", "=").starts_with(&format!("{name}="));
                    let inner = statement.block.iter().find(own)?;
                    inner.words.join(" ").replace(" = ", "=").split_once('=').map(|(_, value)| value.trim_matches('"').to_owned())
                };
                let usual = value(".port").map_or(Some(80), |port| port.parse().ok());
                let said = Said { file: &path, directive: "backend" };
                if let Some(path) = value(".path").and_then(|path| connection::socket("http", &path)) {
                    found.upstream(path, said);
                } else if let Some(target) = value(".host").and_then(|host| connection::host_port(&host, "http", usual)) {
                    let name = statement.argument(0).unwrap_or_default();
                    let upstream = found.upstream(target, said);
                    upstream.group = directors.iter().find(|(_, backend)| backend == name).map(|(director, _)| director.clone());
                    upstream.checked = Some(statement.block.iter().any(|inner| inner.name() == ".probe"));
                }
            }
            _ => {}
        }
    }
}

pub(super) fn caddy(subject: &Subject) -> Found {
    let mut found = Found::default();
    let main = words::option(&subject.arguments, "--config").unwrap_or("/etc/caddy/Caddyfile");
    caddyfile(subject, main, 0, &mut found);
    found
}

fn caddyfile(subject: &Subject, path: &str, depth: usize, found: &mut Found) {
    if depth >= MOST_DEPTH {
        return;
    }
    let Some(bytes) = subject.files.read(path) else { return };
    let statements = blocks::statements(&bytes, blocks::CADDY);
    for statement in &statements {
        let before = found.upstreams.len();
        caddy_block(subject, std::slice::from_ref(statement), path, depth, found);
        // A site: its addresses stand before its block.
        let mut groups: Vec<String> = found.upstreams[before..].iter().filter_map(|upstream| upstream.group.clone()).collect();
        groups.dedup();
        for address in statement.words.iter().filter(|_| !statement.block.is_empty()).map(|word| word.trim_end_matches(',')) {
            let (scheme, place) = address.split_once("://").unwrap_or(("", address));
            let place = place.split('/').next().unwrap_or_default();
            let usual = if scheme == "http" { 80 } else { 443 };
            let (host, port) = place.rsplit_once(':').map_or((place, Some(usual)), |(host, port)| (host, port.parse().ok()));
            let Some(port) = port.filter(|_| host.is_empty() || host.contains('.') || host == "localhost") else { continue };
            found.details.ports.push(port);
            let server_names = connection::host(host).into_iter().collect();
            found.details.frontends.push(Frontend { name: None, address: None, port, server_names, groups: groups.clone() });
        }
    }
}

fn caddy_block(subject: &Subject, statements: &[Statement], path: &str, depth: usize, found: &mut Found) {
    for statement in statements {
        let directive = statement.name();
        match directive {
            "import" => {
                let pattern = absolute(statement.argument(0).unwrap_or_default(), directory(path));
                subject.files.expand(&pattern).iter().for_each(|path| caddyfile(subject, path, depth + 1, found));
            }
            "reverse_proxy" | "php_fastcgi" => {
                let kind = if directive == "reverse_proxy" { "http" } else { "fastcgi" };
                // A matcher (`/path`, `@name`, `*`) may stand first; further upstreams in `to` lines.
                let to = statement.block.iter().filter(|inner| inner.name() == "to").flat_map(|inner| inner.arguments());
                let targets: Vec<_> = statement.arguments().chain(to).filter_map(|text| dial(text, kind)).collect();
                let group = (targets.len() > 1).then(|| format!("{directive} {}", statement.words[1..].join(" ")));
                for target in targets {
                    found.upstream(target, Said { file: path, directive }).group = group.clone();
                }
            }
            _ if depth < 16 => caddy_block(subject, &statement.block, path, depth + 1, found),
            _ => {}
        }
    }
}

fn dial(text: &str, kind: &str) -> Option<connection::Target> {
    if text.starts_with(['/', '@', '*']) {
        return None;
    }
    if let Some(path) = text.strip_prefix("unix/").or_else(|| text.strip_prefix("unix//")) {
        return connection::socket(kind, &format!("/{}", path.trim_start_matches('/')));
    }
    if text.contains("://") {
        return connection::targets(text).into_iter().next();
    }
    // A port alone is this machine's.
    let text = text.strip_prefix(':').map_or_else(|| text.to_owned(), |port| format!("localhost:{port}"));
    connection::host_port(&text, kind, Some(80))
}

pub(super) fn traefik(subject: &Subject) -> Found {
    let mut found = Found::default();
    let named = ["--configFile", "--configfile"].iter().find_map(|option| words::option(&subject.arguments, option));
    let usual = ["/etc/traefik/traefik.yml", "/etc/traefik/traefik.yaml", "/etc/traefik/traefik.toml"];
    let main = named.or_else(|| usual.iter().find(|path| subject.files.exists(path)).copied());
    let settings = |path: &str| {
        subject.files.read(path).map(|bytes| if path.ends_with(".toml") { flat::toml(&bytes) } else { yaml::settings(&bytes) })
    };
    let fixed = main.and_then(settings).unwrap_or_default();
    let mut dynamic: Vec<String> = main.map(str::to_owned).into_iter().collect();
    dynamic.extend(flat::all(&fixed, "providers.file.filename").map(str::to_owned));
    dynamic.extend(words::option(&subject.arguments, "--providers.file.filename").map(str::to_owned));
    let in_file = flat::all(&fixed, "providers.file.directory");
    for directory in in_file.chain(words::option(&subject.arguments, "--providers.file.directory")) {
        for pattern in ["*.yml", "*.yaml", "*.toml"] {
            dynamic.extend(subject.files.expand(&format!("{directory}/{pattern}")));
        }
    }
    for (key, value) in fixed.iter().filter(|(key, _)| key.starts_with("entryPoints.") && key.ends_with(".address")) {
        if let Ok(port) = value.rsplit(':').next().unwrap_or_default().split('/').next().unwrap_or_default().parse() {
            let name = key.strip_prefix("entryPoints.").and_then(|rest| rest.strip_suffix(".address")).map(str::to_owned);
            found.details.ports.push(port);
            found.details.frontends.push(Frontend { name, port, ..Frontend::default() });
        }
    }
    for path in &dynamic {
        // `http.services.NAME.loadBalancer.servers.url`, `tcp.services.NAME.loadBalancer.servers.address`
        for (key, value) in settings(path).unwrap_or_default() {
            let parts: Vec<&str> = key.split('.').collect();
            let [protocol @ ("http" | "tcp" | "udp"), "services", name, balancer, "servers", field @ ("url" | "address")] = parts[..]
            else {
                continue;
            };
            if !balancer.eq_ignore_ascii_case("loadBalancer") {
                continue;
            }
            let target =
                if field == "url" { connection::targets(&value).into_iter().next() } else { connection::host_port(&value, protocol, None) };
            if let Some(target) = target {
                found.member(target, name, UpstreamRole::Active, Said { file: path, directive: "loadBalancer.servers" });
            }
        }
    }
    found
}

pub(super) fn squid(subject: &Subject) -> Found {
    let mut found = Found::default();
    let usual = ["/etc/squid/squid.conf", "/etc/squid3/squid.conf"];
    let named = words::option(&subject.arguments, "-f").or_else(|| usual.iter().find(|path| subject.files.exists(path)).copied());
    squid_file(subject, named.unwrap_or(usual[0]), 0, &mut found);
    found
}

fn squid_file(subject: &Subject, path: &str, depth: usize, found: &mut Found) {
    if depth >= MOST_DEPTH {
        return;
    }
    let Some(bytes) = subject.files.read(path) else { return };
    for line in words::lines(&bytes) {
        let word = |index: usize| line.get(index).map_or("", String::as_str);
        match word(0) {
            "include" => subject.files.expand(word(1)).iter().for_each(|path| squid_file(subject, path, depth + 1, found)),
            "http_port" | "https_port" => found.port(word(1)),
            "cache_dir" => found.details.data_directory = Some(word(2).to_owned()).filter(|path| path.starts_with('/')),
            // `cache_peer HOST parent|sibling HTTP-PORT ICP-PORT [options]`
            "cache_peer" => {
                if let Some(target) = connection::host_port(word(1), "http", word(3).parse().ok()) {
                    let has = |option: &str| line.iter().skip(5).any(|found| found == option);
                    let group =
                        (has("round-robin") || has("carp") || has("userhash") || has("sourcehash")).then(|| "cache_peer".to_owned());
                    let upstream = found.upstream(target, Said { file: path, directive: "cache_peer" });
                    upstream.group = group;
                }
            }
            _ => {}
        }
    }
}

pub(super) fn pgbouncer(subject: &Subject) -> Found {
    let mut found = Found::default();
    let named = subject.arguments.iter().skip(1).find(|argument| argument.ends_with(".ini")).map(String::as_str);
    let path = named.unwrap_or("/etc/pgbouncer/pgbouncer.ini");
    let Some(bytes) = subject.files.read(path) else { return found };
    let entries = ini::entries(&bytes);
    found.port(ini::last(&entries, "pgbouncer", "listen_port").unwrap_or("6432"));
    for entry in entries.iter().filter(|entry| entry.section == "databases") {
        // Without `dbname` the database has the entry's name.
        let text = if entry.value.contains("dbname") { entry.value.clone() } else { format!("{} dbname={}", entry.value, entry.key) };
        for target in connection::targets(&text) {
            found.upstream(target, Said { file: path, directive: "databases" });
        }
    }
    found
}
