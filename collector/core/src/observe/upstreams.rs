use std::collections::BTreeSet;

use rollcall_shared::wire::v1::{Protocol, Service, UpstreamRole};

/// More places than this of one service say no more about it.
const MOST: usize = 256;

/// A place that a service's configuration names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UpstreamFacts {
    /// A name or an address, in lower case.
    pub host: String,
    /// Protocol of the transport.
    pub protocol: Protocol,
    /// The port.
    pub port: u16,
    /// In words, without commas: what is spoken, where it says so.
    pub how: String,
}

/// Protocols that go by datagram.
const DATAGRAMS: &[&str] = &["dns", "ntp", "radius", "snmp", "statsd", "syslog_udp", "udp"];

/// What a service's configuration sends requests to or copies from. What is switched off there is none, nor is a socket on this machine's disk.
pub(super) fn read(service: &Service) -> BTreeSet<UpstreamFacts> {
    let plain = |text: &str| text.chars().map(|c| if c == ',' || c.is_control() { ' ' } else { c }).take(120).collect::<String>();
    let used = service.upstreams.iter().filter(|upstream| upstream.role != UpstreamRole::Disabled);
    let upstreams = used.filter_map(|upstream| {
        let port = upstream.port?;
        let group = upstream.group.as_ref().map(|group| format!(" of group {}", plain(group))).unwrap_or_default();
        let reserve = if upstream.role == UpstreamRole::Backup { " in reserve" } else { "" };
        let how = format!("{}{group}{reserve} by {} in {}", plain(&upstream.kind), plain(&upstream.directive), plain(&upstream.file));
        let protocol = if DATAGRAMS.contains(&upstream.kind.as_str()) { Protocol::Udp } else { Protocol::Tcp };
        Some(UpstreamFacts { host: upstream.host.to_lowercase(), protocol, port, how })
    });
    let copies = service.details.iter().flat_map(|details| &details.replication).flat_map(|replication| {
        replication.sources.iter().filter_map(move |source| {
            let how = format!("copied from by {} in {}", plain(&replication.directive), plain(&replication.file));
            Some(UpstreamFacts { host: source.host.to_lowercase(), protocol: Protocol::Tcp, port: source.port?, how })
        })
    });
    upstreams.chain(copies).filter(|upstream| !upstream.host.starts_with('/')).take(MOST).collect()
}
