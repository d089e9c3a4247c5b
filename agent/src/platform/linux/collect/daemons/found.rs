//! What is found out about a daemon, put together in one way.

use rollcall_shared::wire::v1::{DaemonDetails, HostPort, Replication, ReplicationRole, Upstream, UpstreamRole};

use crate::parse::config::connection::{self, Target};

const MOST_UPSTREAMS: usize = 1_024;
const MOST_DETAILS: usize = 512;

/// What the files of a daemon or of an application say.
#[derive(Debug, Default, PartialEq)]
pub(in crate::platform::linux::collect) struct Found {
    pub(in crate::platform::linux::collect) details: DaemonDetails,
    pub(in crate::platform::linux::collect) upstreams: Vec<Upstream>,
    /// Directories that a web server shows: applications lie there. Not reported.
    pub(in crate::platform::linux::collect) roots: Vec<String>,
}

/// Where something is said.
#[derive(Clone, Copy, Debug)]
pub(in crate::platform::linux::collect) struct Said<'a> {
    pub(in crate::platform::linux::collect) file: &'a str,
    pub(in crate::platform::linux::collect) directive: &'a str,
}

impl Found {
    /// Requests go to `target`.
    pub(in crate::platform::linux::collect) fn upstream(&mut self, target: Target, said: Said<'_>) -> &mut Upstream {
        let upstream = Upstream {
            kind: target.kind,
            host: target.host,
            port: target.port,
            database: target.database,
            file: said.file.to_owned(),
            directive: said.directive.to_owned(),
            ..Upstream::default()
        };
        self.upstreams.push(upstream);
        let last = self.upstreams.len() - 1;
        &mut self.upstreams[last]
    }

    /// Requests go to `target` as a member of `group`.
    pub(super) fn member(&mut self, target: Target, group: &str, role: UpstreamRole, said: Said<'_>) -> &mut Upstream {
        let upstream = self.upstream(target, said);
        upstream.group = Some(group.to_owned());
        upstream.role = role;
        upstream
    }

    /// Requests go to `host`, or `host:port`, unless that is no host.
    pub(in crate::platform::linux::collect) fn host(&mut self, kind: &str, text: &str, usual: Option<u16>, said: Said<'_>) {
        if let Some(target) = connection::host_port(text, kind, usual) {
            self.upstream(target, said);
        }
    }

    /// It belongs together with others.
    pub(super) fn replication(&mut self, role: Option<ReplicationRole>, said: Said<'_>) -> &mut Replication {
        let replication = Replication { role, file: said.file.to_owned(), directive: said.directive.to_owned(), ..Replication::default() };
        self.details.replication.push(replication);
        let last = self.details.replication.len() - 1;
        &mut self.details.replication[last]
    }

    /// It is configured to listen on this port, where it is one.
    pub(super) fn port(&mut self, text: &str) {
        // `:80`, `*:80`, `0.0.0.0:80`, `[::]:80`, `80`
        let port = text.trim().rsplit(':').next().unwrap_or_default();
        self.details.ports.extend(port.parse::<u16>().ok().filter(|port| *port != 0));
    }

    /// Sorted, each once, within bounds.
    pub(in crate::platform::linux::collect) fn tidied(mut self) -> Self {
        fn tidy<T: Ord>(list: &mut Vec<T>, most: usize) {
            list.sort_unstable();
            list.dedup();
            list.truncate(most);
        }
        tidy(&mut self.upstreams, MOST_UPSTREAMS);
        let details = &mut self.details;
        tidy(&mut details.ports, MOST_DETAILS);
        tidy(&mut details.databases, MOST_DETAILS);
        for frontend in &mut details.frontends {
            tidy(&mut frontend.server_names, MOST_DETAILS);
            tidy(&mut frontend.groups, MOST_DETAILS);
        }
        tidy(&mut details.frontends, MOST_DETAILS);
        details.replication.iter_mut().for_each(|replication| replication.members.truncate(MOST_DETAILS));
        tidy(&mut details.replication, MOST_DETAILS);
        tidy(&mut details.virtual_addresses, MOST_DETAILS);
        details.configuration.truncate(MOST_DETAILS);
        self
    }
}

/// `host` or `host:port`, where it is one.
pub(super) fn host_port(text: &str, usual: Option<u16>) -> Option<HostPort> {
    connection::host_port(text, "", usual).map(|target| HostPort { host: target.host, port: target.port })
}

/// The hosts of a connection string.
pub(super) fn hosts(text: &str) -> Vec<HostPort> {
    connection::targets(text).into_iter().map(|target| HostPort { host: target.host, port: target.port }).collect()
}
