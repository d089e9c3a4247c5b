use std::collections::BTreeSet;

use rollcall_shared::wire::v1::{Network, Protocol, Service, Upstream, UpstreamRole};

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

/// What files set for the machine as a whole: directories, and the proxies that everything goes out by.
pub(super) fn of_machine(network: &Network) -> BTreeSet<UpstreamFacts> {
    let proxies = network.proxies.iter().filter(|setting| setting.scheme != "none").filter_map(|setting| {
        // `http://proxy:3128`; a proxy's usual port is the scheme's.
        let (scheme, rest) = setting.value.split_once("://").unwrap_or(("http", &setting.value));
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, rest)) => (address, rest.strip_prefix(':')),
            None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
        };
        let usual = match scheme {
            "https" => 443,
            "socks" | "socks4" | "socks5" | "socks5h" => 1_080,
            _ => 80,
        };
        let port = port.map_or(Some(usual), |port| port.parse().ok()).filter(|port| *port != 0)?;
        let how = format!("proxy for {} in {}", plain(&setting.scheme), plain(&setting.file));
        Some(UpstreamFacts { host: host.to_lowercase(), protocol: Protocol::Tcp, port, how })
    });
    let places = proxies.chain(network.servers.iter().filter_map(place));
    places.filter(|place| !place.host.is_empty() && !place.host.starts_with('/')).take(MOST).collect()
}

fn plain(text: &str) -> String {
    text.chars().map(|c| if c == ',' || c.is_control() { ' ' } else { c }).take(120).collect()
}

/// `None` for what is switched off.
fn place(upstream: &Upstream) -> Option<UpstreamFacts> {
    if upstream.role == UpstreamRole::Disabled {
        return None;
    }
    let port = upstream.port?;
    let group = upstream.group.as_ref().map(|group| format!(" of group {}", plain(group))).unwrap_or_default();
    let reserve = if upstream.role == UpstreamRole::Backup { " in reserve" } else { "" };
    let how = format!("{}{group}{reserve} by {} in {}", plain(&upstream.kind), plain(&upstream.directive), plain(&upstream.file));
    let protocol = if DATAGRAMS.contains(&upstream.kind.as_str()) { Protocol::Udp } else { Protocol::Tcp };
    Some(UpstreamFacts { host: upstream.host.to_lowercase(), protocol, port, how })
}

/// What a service's configuration sends requests to or copies from. What is switched off there is none, nor is a socket on this machine's disk.
pub(super) fn read(service: &Service) -> BTreeSet<UpstreamFacts> {
    let upstreams = service.upstreams.iter().filter_map(place);
    let copies = service.details.iter().flat_map(|details| &details.replication).flat_map(|replication| {
        replication.sources.iter().filter_map(move |source| {
            let how = format!("copied from by {} in {}", plain(&replication.directive), plain(&replication.file));
            Some(UpstreamFacts { host: source.host.to_lowercase(), protocol: Protocol::Tcp, port: source.port?, how })
        })
    });
    upstreams.chain(copies).filter(|upstream| !upstream.host.starts_with('/')).take(MOST).collect()
}
