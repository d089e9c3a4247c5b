//! Apache: what is proxied, and to which balancers' members.

use rollcall_shared::wire::v1::{Frontend, UpstreamRole};

use super::{
    Subject,
    files::{absolute, directory},
    found::{Found, Said},
};
use crate::parse::config::{
    connection::{self, Target},
    words,
};

const MOST_DEPTH: usize = 12;
const MAIN: &[&str] =
    &["/etc/apache2/apache2.conf", "/etc/httpd/conf/httpd.conf", "/etc/apache2/httpd.conf", "/usr/local/apache2/conf/httpd.conf"];

pub(super) fn read(subject: &Subject) -> Found {
    let named = words::option(&subject.arguments, "-f").filter(|path| path.starts_with('/'));
    let main = named.or_else(|| MAIN.iter().find(|path| subject.files.exists(path)).copied());
    let Some(main) = main else { return Found::default() };
    // Red Hat's and the upstream layout have the configuration in a directory below the server's.
    let base = directory(main);
    let root = base.strip_suffix("/conf").unwrap_or(base).to_owned();
    let mut walk = Walk { subject, root, found: Found::default(), balancer: None, host: None };
    walk.file(main, 0);
    let mut found = walk.found;
    // What is passed to a balancer is not a host.
    let groups: Vec<String> = found.upstreams.iter().filter_map(|upstream| upstream.group.clone()).collect();
    for frontend in &mut found.details.frontends {
        frontend.groups.retain(|group| groups.contains(group));
    }
    found
}

struct Walk<'a> {
    subject: &'a Subject,
    root: String,
    found: Found,
    /// The balancer whose section is open.
    balancer: Option<String>,
    /// The virtual host whose section is open, as an index into the frontends.
    host: Option<std::ops::Range<usize>>,
}

impl Walk<'_> {
    fn file(&mut self, path: &str, depth: usize) {
        if depth >= MOST_DEPTH {
            return;
        }
        let Some(bytes) = self.subject.files.read(path) else { return };
        for line in words::lines(&bytes) {
            let directive = line[0].to_lowercase();
            let first = line.get(1).map_or("", String::as_str);
            match directive.as_str() {
                "serverroot" if first.starts_with('/') && !first.contains('$') => self.root = first.to_owned(),
                "include" | "includeoptional" => {
                    let pattern = absolute(first, &self.root);
                    // A directory stands for everything in it.
                    let inside = self.subject.files.expand(&format!("{pattern}/*"));
                    let paths = if inside.is_empty() { self.subject.files.expand(&pattern) } else { inside };
                    for path in paths {
                        self.file(&path, depth + 1);
                    }
                }
                _ => self.directive(&directive, &line, path),
            }
        }
    }

    fn directive(&mut self, directive: &str, line: &[String], file: &str) {
        let first = line.get(1).map_or("", |word| word.trim_end_matches('>'));
        let said = Said { file, directive: line[0].trim_start_matches('<') };
        match directive {
            "listen" => self.found.port(first),
            "<virtualhost" => self.open_host(&line[1..]),
            "</virtualhost>" => self.host = None,
            "servername" | "serveralias" => {
                let names: Vec<String> = line[1..].iter().filter_map(|name| connection::host(name.split(':').next()?)).collect();
                for frontend in self.host.clone().and_then(|range| self.found.details.frontends.get_mut(range)).into_iter().flatten() {
                    frontend.server_names.extend(names.iter().cloned());
                }
            }
            "<proxy" => self.balancer = first.strip_prefix("balancer://").map(|name| name.trim_end_matches('/').to_owned()),
            "</proxy>" => self.balancer = None,
            "balancermember" => {
                let (name, place, options) = match first.strip_prefix("balancer://") {
                    Some(name) => (Some(name.to_owned()), line.get(2).map_or("", String::as_str), line.get(3..)),
                    None => (self.balancer.clone(), first, line.get(2..)),
                };
                let status = options.unwrap_or_default().iter().find_map(|option| option.strip_prefix("status="));
                let role = match status.unwrap_or_default().trim_start_matches('+') {
                    status if status.contains(['D', 'S']) => UpstreamRole::Disabled,
                    status if status.contains(['H', 'R']) => UpstreamRole::Backup,
                    _ => UpstreamRole::Active,
                };
                if let (Some(name), Some(target)) = (name, target(place)) {
                    self.found.member(target, &name, role, said);
                }
            }
            "proxypass" | "proxypassmatch" => {
                // Inside a <Location> the path is left out.
                let place = line[1..].iter().find(|word| word.contains("://") || word.starts_with("unix:"));
                self.pass(place.map_or("", String::as_str), said);
            }
            "sethandler" => self.pass(first.strip_prefix("proxy:").unwrap_or_default(), said),
            "rewriterule"
                if line.get(3).is_some_and(|flags| flags.trim_matches(['[', ']']).split(',').any(|flag| matches!(flag, "P" | "proxy"))) =>
            {
                self.pass(line.get(2).map_or("", String::as_str), said);
            }
            "documentroot" if first.starts_with('/') && !first.contains('$') => self.found.roots.push(first.to_owned()),
            "authldapurl" => self.pass(first, said),
            _ => {}
        }
    }

    fn open_host(&mut self, addresses: &[String]) {
        let begin = self.found.details.frontends.len();
        for address in addresses {
            let Some((host, port)) = address.trim_end_matches('>').rsplit_once(':') else { continue };
            let Ok(port) = port.parse() else { continue };
            let address = host.trim_matches(['[', ']']).parse().ok();
            self.found.details.frontends.push(Frontend { address, port, ..Frontend::default() });
        }
        self.host = Some(begin..self.found.details.frontends.len());
    }

    fn pass(&mut self, place: &str, said: Said<'_>) {
        if let Some(rest) = place.strip_prefix("balancer://") {
            let name = rest.split('/').next().unwrap_or_default();
            for frontend in self.host.clone().and_then(|range| self.found.details.frontends.get_mut(range)).into_iter().flatten() {
                frontend.groups.push(name.to_owned());
            }
        } else if let Some(target) = target(place) {
            self.found.upstream(target, said);
        }
    }
}

/// `http://host:port/path`, `unix:/run/php.sock|fcgi://localhost/`
fn target(place: &str) -> Option<Target> {
    if let Some((path, url)) = place.strip_prefix("unix:").and_then(|rest| rest.split_once('|')) {
        let kind = if url.starts_with("fcgi:") { "fastcgi" } else { url.split(':').next()? };
        return connection::socket(kind, path);
    }
    // What a pattern matched may follow the host.
    let place = match place.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", rest.split(['/', '$', '?']).next()?),
        None => return None,
    };
    connection::targets(&place).into_iter().next()
}
