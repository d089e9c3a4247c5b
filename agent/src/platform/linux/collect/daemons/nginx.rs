//! nginx: servers, upstream groups, and what is passed to them.

use std::net::IpAddr;

use rollcall_shared::wire::v1::{Frontend, UpstreamRole};

use super::{
    Subject,
    files::{absolute, directory},
    found::{Found, Said},
};
use crate::parse::config::{
    blocks::{self, Statement},
    connection::{self, Target},
    words,
};

const MOST_DEPTH: usize = 12;

pub(super) fn read(subject: &Subject) -> Found {
    let main = words::option(&subject.arguments, "-c").unwrap_or("/etc/nginx/nginx.conf");
    let mut walk = Walk { subject, directory: directory(main), state: State::default() };
    walk.file(main, &Context { kind: "http", group: None, server: None }, 0);
    walk.state.found()
}

/// What a block belongs to.
#[derive(Clone, Copy)]
struct Context {
    kind: &'static str,
    group: Option<usize>,
    server: Option<usize>,
}

struct Walk<'a> {
    subject: &'a Subject,
    directory: &'a str,
    state: State,
}

#[derive(Default)]
struct State {
    groups: Vec<Group>,
    servers: Vec<Server>,
    passes: Vec<Pass>,
    resolvers: Vec<(Target, String)>,
    roots: Vec<String>,
}

struct Group {
    name: String,
    kind: &'static str,
    members: Vec<(Target, UpstreamRole, String)>,
}

#[derive(Default)]
struct Server {
    listens: Vec<(Option<IpAddr>, u16)>,
    names: Vec<String>,
    groups: Vec<String>,
}

struct Pass {
    target: Target,
    directive: String,
    file: String,
    server: Option<usize>,
}

impl Walk<'_> {
    fn file(&mut self, path: &str, context: &Context, depth: usize) {
        // What includes itself is stopped by the depth and by the number of files.
        if depth < MOST_DEPTH
            && let Some(bytes) = self.subject.files.read(path)
        {
            self.statements(&blocks::statements(&bytes, blocks::NGINX), path, context, depth);
        }
    }

    fn statements(&mut self, statements: &[Statement], file: &str, context: &Context, depth: usize) {
        for statement in statements {
            let inner = match statement.name() {
                "include" => {
                    if let Some(pattern) = statement.argument(0) {
                        for path in self.subject.files.expand(&absolute(pattern, self.directory)) {
                            self.file(&path, context, depth + 1);
                        }
                    }
                    continue;
                }
                "stream" => Context { kind: "tcp", ..*context },
                "upstream" => {
                    let Some(name) = statement.argument(0) else { continue };
                    self.state.groups.push(Group { name: name.to_owned(), kind: context.kind, members: Vec::new() });
                    Context { group: Some(self.state.groups.len() - 1), ..*context }
                }
                "server" if context.group.is_some() => {
                    self.state.member(statement, file, context);
                    continue;
                }
                "server" => {
                    self.state.servers.push(Server::default());
                    Context { server: Some(self.state.servers.len() - 1), ..*context }
                }
                _ => {
                    self.state.directive(statement, file, context);
                    *context
                }
            };
            self.statements(&statement.block, file, &inner, depth);
        }
    }
}

impl State {
    fn member(&mut self, statement: &Statement, file: &str, context: &Context) {
        let (Some(group), Some(address)) = (context.group.and_then(|at| self.groups.get_mut(at)), statement.argument(0)) else { return };
        let target = match address.strip_prefix("unix:") {
            Some(path) => connection::socket(group.kind, path),
            None => connection::host_port(address, group.kind, (group.kind == "http").then_some(80)),
        };
        let has = |word: &str| statement.arguments().skip(1).any(|argument| argument == word);
        let role = match (has("down"), has("backup")) {
            (true, _) => UpstreamRole::Disabled,
            (_, true) => UpstreamRole::Backup,
            _ => UpstreamRole::Active,
        };
        group.members.extend(target.map(|target| (target, role, file.to_owned())));
    }

    fn directive(&mut self, statement: &Statement, file: &str, context: &Context) {
        let Some(first) = statement.argument(0) else { return };
        let server = context.server.and_then(|at| self.servers.get_mut(at));
        match statement.name() {
            "listen" => {
                if let Some(server) = server {
                    server.listens.extend(listen(first, context.kind));
                }
            }
            "server_name" => {
                if let Some(server) = server {
                    server.names.extend(statement.arguments().filter_map(server_name));
                }
            }
            "root" if first.starts_with('/') && !first.contains('$') => self.roots.push(first.to_owned()),
            "resolver" => {
                let addresses = statement.arguments().filter(|argument| !argument.contains('='));
                self.resolvers.extend(addresses.filter_map(|text| Some((connection::host_port(text, "dns", Some(53))?, file.to_owned()))));
            }
            directive => {
                if let Some(target) = pass(directive, first, context.kind) {
                    self.passes.push(Pass { target, directive: directive.to_owned(), file: file.to_owned(), server: context.server });
                }
            }
        }
    }

    fn found(mut self) -> Found {
        let mut found = Found::default();
        for pass in self.passes {
            let group = self.groups.iter_mut().find(|group| group.name.eq_ignore_ascii_case(&pass.target.host));
            match group {
                Some(group) => {
                    group.kind = kind_of(&pass.target.kind);
                    if let Some(server) = pass.server.and_then(|at| self.servers.get_mut(at)) {
                        server.groups.push(group.name.clone());
                    }
                }
                None => {
                    found.upstream(pass.target, Said { file: &pass.file, directive: &pass.directive });
                }
            }
        }
        for group in self.groups {
            for (target, role, file) in group.members {
                let target = Target { kind: group.kind.to_owned(), ..target };
                found.member(target, &group.name, role, Said { file: &file, directive: "upstream" });
            }
        }
        for (target, file) in self.resolvers {
            found.upstream(target, Said { file: &file, directive: "resolver" });
        }
        for server in self.servers {
            // Without a `listen`, nginx takes port 80.
            let listens = if server.listens.is_empty() { vec![(None, 80)] } else { server.listens };
            for (address, port) in listens {
                found.details.ports.push(port);
                let (server_names, groups) = (server.names.clone(), server.groups.clone());
                found.details.frontends.push(Frontend { name: None, address, port, server_names, groups });
            }
        }
        found.roots = self.roots;
        found
    }
}

const KINDS: &[&str] = &["http", "https", "fastcgi", "grpc", "uwsgi", "scgi", "memcached", "tcp"];

fn kind_of(kind: &str) -> &'static str {
    KINDS.iter().find(|known| **known == kind).copied().unwrap_or("http")
}

/// Where a `…_pass` directive points.
fn pass(directive: &str, value: &str, context: &str) -> Option<Target> {
    let (kind, usual) = match directive {
        "proxy_pass" if context == "tcp" => ("tcp", None),
        "proxy_pass" => ("http", Some(80)),
        "fastcgi_pass" => ("fastcgi", None),
        "grpc_pass" => ("grpc", Some(80)),
        "uwsgi_pass" => ("uwsgi", None),
        "scgi_pass" => ("scgi", None),
        "memcached_pass" => ("memcached", Some(11_211)),
        _ => return None,
    };
    let (scheme, place) = value.split_once("://").unwrap_or(("", value));
    let (kind, usual) = match scheme {
        "https" => ("https", Some(443)),
        "grpcs" => ("grpc", Some(443)),
        _ => (kind, usual),
    };
    if let Some(path) = place.strip_prefix("unix:") {
        // A path on the other end may follow the socket's.
        return connection::socket(kind, path.split(':').next()?);
    }
    let authority = place.split(['/', '?']).next()?;
    (!authority.contains('@')).then(|| connection::host_port(authority, kind, usual)).flatten()
}

fn listen(text: &str, kind: &str) -> Option<(Option<IpAddr>, u16)> {
    if text.starts_with("unix:") {
        return None;
    }
    if let Ok(port) = text.parse() {
        return Some((None, port));
    }
    let (address, port) = match text.rsplit_once(':') {
        Some((address, port)) if !port.ends_with(']') => (address, port.parse().ok()?),
        _ if kind == "http" => (text, 80),
        _ => return None,
    };
    let address: Option<IpAddr> = address.trim_matches(['[', ']']).parse().ok();
    Some((address.filter(|address| !address.is_unspecified()), port))
}

/// A host name, perhaps with a wildcard; `_` and the like stand for none.
fn server_name(text: &str) -> Option<String> {
    let plain = text.strip_prefix("*.").or_else(|| text.strip_prefix('.')).unwrap_or(text);
    (plain.contains('.') && connection::host(plain).is_some()).then(|| text.to_lowercase())
}
