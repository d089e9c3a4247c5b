//! HAProxy: binds, backends and their servers.

use std::{collections::BTreeSet, net::IpAddr};

use rollcall_shared::wire::v1::{Frontend, UpstreamRole};

use super::{
    Subject,
    found::{Found, Said, host_port},
};
use crate::parse::config::{connection, words};

pub(super) fn read(subject: &Subject) -> Found {
    // `-f` may stand several times, and may name a directory.
    let mut named: Vec<&str> = Vec::new();
    for (index, argument) in subject.arguments.iter().enumerate() {
        if argument == "-f" {
            named.extend(subject.arguments.get(index + 1).map(String::as_str));
        }
    }
    let mut paths: Vec<String> = Vec::new();
    for path in if named.is_empty() { vec!["/etc/haproxy/haproxy.cfg"] } else { named } {
        let inside = subject.files.expand(&format!("{path}/*.cfg"));
        paths.extend(if inside.is_empty() { vec![path.to_owned()] } else { inside });
    }
    paths.dedup();
    let mut state = State::default();
    for path in &paths {
        if let Some(bytes) = subject.files.read(path) {
            state.file(&bytes, path);
        }
    }
    state.found()
}

#[derive(Default)]
struct State {
    sections: Vec<Section>,
    /// What `defaults` said last.
    is_http: bool,
    is_checked: bool,
}

#[derive(Default)]
struct Section {
    kind: String,
    name: String,
    file: String,
    is_http: bool,
    is_checked: bool,
    binds: Vec<(Option<IpAddr>, u16)>,
    groups: Vec<String>,
    servers: Vec<Vec<String>>,
}

impl State {
    fn file(&mut self, bytes: &[u8], path: &str) {
        for line in words::lines(bytes) {
            let word = |index: usize| line.get(index).map_or("", String::as_str);
            match word(0) {
                kind @ ("global" | "defaults" | "frontend" | "backend" | "listen" | "peers" | "resolvers") => {
                    if kind == "defaults" {
                        (self.is_http, self.is_checked) = (false, false);
                    }
                    self.sections.push(Section {
                        kind: kind.to_owned(),
                        name: word(1).to_owned(),
                        file: path.to_owned(),
                        is_http: self.is_http,
                        is_checked: self.is_checked,
                        ..Section::default()
                    });
                }
                directive => {
                    let Some(section) = self.sections.last_mut() else { continue };
                    match directive {
                        "mode" => section.is_http = word(1) == "http",
                        "default-server" => section.is_checked |= line.iter().any(|word| word == "check"),
                        "bind" => section.binds.extend(word(1).split(',').filter_map(bind)),
                        "default_backend" | "use_backend" => section.groups.push(word(1).to_owned()),
                        "server" | "server-template" | "peer" | "nameserver" => section.servers.push(line.clone()),
                        _ => {}
                    }
                    if section.kind == "defaults" {
                        (self.is_http, self.is_checked) = (section.is_http, section.is_checked);
                    }
                }
            }
        }
    }

    fn found(self) -> Found {
        let mut found = Found::default();
        let names: BTreeSet<&str> = self.sections.iter().map(|section| section.name.as_str()).collect();
        for section in &self.sections {
            match section.kind.as_str() {
                "frontend" | "listen" => {
                    let own = (section.kind == "listen" && !section.servers.is_empty()).then(|| section.name.clone());
                    // A name that is computed names no group.
                    let groups = section.groups.iter().filter(|group| names.contains(group.as_str())).cloned();
                    let groups: Vec<String> = groups.chain(own).collect();
                    for (address, port) in &section.binds {
                        let name = Some(section.name.clone());
                        let frontend = Frontend { name, address: *address, port: *port, groups: groups.clone(), server_names: Vec::new() };
                        found.details.ports.push(*port);
                        found.details.frontends.push(frontend);
                    }
                }
                "peers" => {
                    let members = section.servers.iter().filter_map(|line| host_port(address(line.get(2)?), None)).collect();
                    found.replication(None, Said { file: &section.file, directive: "peers" }).members = members;
                }
                "resolvers" => {
                    for line in &section.servers {
                        let said = Said { file: &section.file, directive: "nameserver" };
                        found.host("dns", line.get(2).map_or("", |text| address(text)), Some(53), said);
                    }
                }
                _ => {}
            }
            if matches!(section.kind.as_str(), "backend" | "listen") {
                section.servers.iter().for_each(|line| section.server(line, &mut found));
            }
        }
        found
    }
}

impl Section {
    fn server(&self, line: &[String], found: &mut Found) {
        // `server NAME ADDRESS …`, `server-template PREFIX NUMBER ADDRESS …`
        let at = if line[0] == "server-template" { 3 } else { 2 };
        let Some(place) = line.get(at) else { return };
        let place = address(place);
        let has = |word: &str| line.iter().skip(at + 1).any(|found| found == word);
        let kind = match (self.is_http, has("ssl")) {
            (true, true) => "https",
            (true, false) => "http",
            (false, _) => "tcp",
        };
        // Without a port of its own a server has that of the bind.
        let port = self.binds.first().map(|(_, port)| *port);
        let target = match place.strip_prefix("unix@") {
            Some(path) => connection::socket(kind, path),
            None if place.starts_with('/') => connection::socket(kind, place),
            None => connection::host_port(place, kind, port),
        };
        let role = match (has("disabled"), has("backup")) {
            (true, _) => UpstreamRole::Disabled,
            (_, true) => UpstreamRole::Backup,
            _ => UpstreamRole::Active,
        };
        if let Some(target) = target {
            let said = Said { file: &self.file, directive: "server" };
            let is_checked = (has("check") || self.is_checked) && !has("no-check");
            found.member(target, &self.name, role, said).checked = Some(is_checked);
        }
    }
}

/// Without the prefix that tells the address family.
fn address(text: &str) -> &str {
    ["ipv4@", "ipv6@", "tcp@", "tcp4@", "tcp6@", "udp@"].iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text)
}

fn bind(text: &str) -> Option<(Option<IpAddr>, u16)> {
    let (host, port) = address(text).rsplit_once(':')?;
    let host: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    // A range begins with its first port.
    let port = port.split('-').next()?.parse().ok()?;
    Some((host.filter(|host| !host.is_unspecified()), port))
}
