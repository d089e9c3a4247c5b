//! What the handlers of both listeners share.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    sync::{Arc, RwLockReadGuard},
};

use rollcall_core::{Estate, Policy, graph::Graph};
use rollcall_shared::{Timestamp, wire::v1::EnrollmentToken};
use url::Url;

use crate::{
    auth::Auth,
    blast::BlastRadii,
    config::{Config, PeopleTls},
    graph_cache::GraphCache,
    ingest::Ingest,
    metrics::Metrics,
    pki::{Authority, CollectorCertificate, PkiError, local_addresses},
    query::Search,
    starting::Starting,
    store::SharedStore,
    writer::{SharedEstate, Writer},
};

/// The running collector, as its handlers see it. Cheap to clone through its `Arc`.
pub struct App {
    /// Settings.
    pub config: Config,
    /// The durable truth.
    pub store: SharedStore,
    /// The current state, in memory.
    pub estate: SharedEstate,
    /// The way to change it.
    pub writer: Writer,
    /// Signing in.
    pub auth: Auth,
    /// The CA.
    pub authority: Authority,
    /// The collector's own certificate.
    pub certificate: Arc<CollectorCertificate>,
    /// What is counted, for `/metrics`.
    pub metrics: Metrics,
    /// How observations are reconciled.
    pub policy: Policy,
    /// Reads inventory documents.
    pub(crate) ingest: Ingest,
    /// The graph of the estate.
    pub(crate) graph: GraphCache,
    /// Whether the estate has been read yet.
    pub(crate) starting: Starting,
    /// The index that lists and searches of the estate are answered by.
    pub search: Search,
    /// What each item's failure would do.
    pub(crate) blast_radii: BlastRadii,
    /// Where the listeners really listen (a configured port may be 0).
    pub addresses: Addresses,
    /// How people reach this collector.
    pub people_url: Url,
}

/// How handlers hold it.
pub type SharedApp = Arc<App>;

/// Where the listeners listen.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// The agents' listener.
    pub agents: SocketAddr,
    /// The listener for people.
    pub people: SocketAddr,
}

impl App {
    /// The current estate, to read. Drop it before the next await.
    pub fn estate(&self) -> RwLockReadGuard<'_, Estate> {
        // A panic while the writer held the lock cannot leave it half-changed: the writer replaces whole entries.
        self.estate.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Classes, relationship types and rules as they are now.
    pub fn catalogue(&self) -> Arc<rollcall_core::Catalogue> {
        match self.starting.early() {
            Ok(Some(early)) => Arc::clone(early.known.catalogue()),
            _ => Arc::clone(self.estate().catalogue()),
        }
    }

    /// The graph of the estate as it is now.
    pub async fn graph(&self) -> Arc<Graph> {
        self.graph.get(&self.estate).await
    }

    /// How agents reach this collector, in order of preference, for a new enrollment token.
    pub fn agent_urls(&self) -> Vec<Url> {
        agent_urls(&self.config, self.addresses.agents)
    }

    /// The one command that installs the agent on a Linux machine and enrolls it with `token`. The script and the binary
    /// are authenticated by the collector's key before anything of them is run.
    pub fn enroll_command(&self, token: &EnrollmentToken) -> String {
        let origin = token.urls.first().map(|url| url.origin().ascii_serialization()).unwrap_or_default();
        let pin = self.certificate.public_key_pin();
        format!(
            "curl --fail --silent --show-error --insecure --pinnedpubkey 'sha256//{pin}' {origin}/install | sh -s -- {}",
            token.to_text()
        )
    }

    /// Replaces the collector's certificate if it is due or no longer names all of this host's names.
    ///
    /// # Errors
    /// If the new one cannot be made; the old one is served on.
    pub fn renew_certificate_if_due(&self, now: Timestamp) -> Result<bool, PkiError> {
        self.certificate.renew_if_due(&self.authority, &certificate_names(&self.config), now)
    }

    /// Replaces the collector's certificate now, without a restart.
    ///
    /// # Errors
    /// If the new one cannot be made; the old one is served on.
    pub fn renew_certificate(&self, now: Timestamp) -> Result<(), PkiError> {
        self.certificate.renew(&self.authority, &certificate_names(&self.config), now)
    }
}

/// Every name and address that the collector's certificate is valid for.
pub(crate) fn certificate_names(config: &Config) -> BTreeSet<String> {
    let mut names = BTreeSet::from(["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()]);
    names.extend(host_name());
    names.extend(local_addresses().iter().map(IpAddr::to_string));
    names.extend(config.agents.urls.iter().chain(&config.people.url).filter_map(Url::host).map(|host| match host {
        url::Host::Domain(name) => name.to_owned(),
        url::Host::Ipv4(address) => address.to_string(),
        url::Host::Ipv6(address) => address.to_string(),
    }));
    names.extend(config.agents.names.iter().cloned());
    names
}

/// How people reach a collector that listens there.
///
/// # Errors
/// None in practice: an address always makes an URL.
pub(crate) fn people_url(config: &Config, listening: SocketAddr) -> Result<Url, url::ParseError> {
    if let Some(url) = &config.people.url {
        return Ok(url.clone());
    }
    let scheme = if config.people.tls == PeopleTls::Off { "http" } else { "https" };
    let host = match listening.ip() {
        ip if ip.is_loopback() => "localhost".to_owned(),
        ip if ip.is_unspecified() => host_name().unwrap_or_else(|| "localhost".to_owned()),
        ip => url_host(ip),
    };
    Url::parse(&format!("{scheme}://{host}:{}", listening.port()))
}

fn url_host(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

fn agent_urls(config: &Config, listening: SocketAddr) -> Vec<Url> {
    if !config.agents.urls.is_empty() {
        return config.agents.urls.clone();
    }
    let port = listening.port();
    let to_url = |host: String| Url::parse(&format!("https://{host}:{port}")).ok();
    let of_address = |address: IpAddr| to_url(url_host(address));
    if !listening.ip().is_unspecified() {
        return of_address(listening.ip()).into_iter().collect();
    }
    // Addresses first: another machine can use them even where nobody resolves this host's name.
    let reachable = |address: &IpAddr| listening.is_ipv6() || address.is_ipv4();
    let mut urls: Vec<Url> = local_addresses().into_iter().filter(reachable).filter_map(of_address).collect();
    urls.extend(host_name().and_then(to_url));
    if urls.is_empty() {
        urls.extend(to_url("localhost".to_owned()));
    }
    urls
}

/// This host's name, where it is one that a certificate can hold.
fn host_name() -> Option<String> {
    let name = hostname::get().ok()?.into_string().ok()?.to_ascii_lowercase();
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (name.len() <= 253 && name.split('.').all(plain)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_name_the_configured_addresses_or_the_one_listened_on() {
        let mut config = Config::default();
        let urls = |config: &Config, address: &str| {
            agent_urls(config, address.parse().unwrap()).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(urls(&config, "127.0.0.1:9000"), ["https://127.0.0.1:9000/"]);
        assert_eq!(urls(&config, "[::1]:9000"), ["https://[::1]:9000/"]);
        assert!(urls(&config, "0.0.0.0:9000").iter().all(|url| url.ends_with(":9000/")));
        config.agents.urls = vec!["https://rollcall.example:443/".parse().unwrap()];
        assert_eq!(urls(&config, "0.0.0.0:9000"), ["https://rollcall.example/"]);
        assert!(certificate_names(&config).contains("rollcall.example"));
    }
}
