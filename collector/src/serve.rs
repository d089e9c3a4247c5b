//! `rollcall serve`: puts the parts together, starts them, and stops them in order.

use std::{collections::BTreeSet, fs, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use rollcall_core::{Estate, Policy};
use rollcall_shared::Timestamp;
use rustls::{ServerConfig, crypto::ring, server::WebPkiClientVerifier};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinSet,
};
use url::Url;

use crate::{
    agents,
    app::{Addresses, App, SharedApp, certificate_names, people_url},
    auth::{
        Auth,
        console::{self, Listening},
    },
    blast::{self, BlastRadii},
    config::{Config, PeopleListener, PeopleTls},
    given_certificate::GivenCertificate,
    graph_cache::GraphCache,
    graph_copy::{self, Early},
    ingest::Ingest,
    jobs,
    listener::{Listener, Transport},
    memory,
    metrics::Metrics,
    people,
    pki::{Authority, CollectorCertificate},
    query::Search,
    starting::Starting,
    store::{self, SharedStore},
    writer::{self, Writer},
};

const DAY_MS: i64 = 86_400_000;
/// Jobs that may wait for the writer; more are answered "busy".
const WRITER_QUEUE: usize = 4_096;

/// A collector that serves. Dropping it without [`Running::shutdown`] abandons what is being answered.
pub struct Running {
    /// Where agents reach it.
    pub agents_addr: SocketAddr,
    /// Where people reach it.
    pub people_addr: SocketAddr,
    /// What its handlers share.
    pub app: SharedApp,
    stop: watch::Sender<bool>,
    listeners: JoinSet<()>,
    jobs: JoinSet<()>,
    writer: tokio::task::JoinHandle<()>,
    stop_writer: watch::Sender<bool>,
}

impl Running {
    /// Stops in order: no new connections, requests answered, the writer's queue written. Nothing acknowledged is lost.
    pub async fn shutdown(mut self) {
        tracing::info!("stopping");
        self.stop.send_replace(true);
        while self.listeners.join_next().await.is_some() {}
        self.jobs.shutdown().await;
        self.stop_writer.send_replace(true);
        if let Err(error) = self.writer.await {
            tracing::error!(%error, "the writer ended badly");
        }
        graph_copy::leave(&self.app).await;
        console::remove(&self.app.config.data_dir);
        tracing::info!("stopped");
    }
}

/// Opens the store that the settings name, and starts a collector on it.
///
/// # Errors
/// As [`start_on`], and if the store cannot be opened.
pub async fn start(config: Config) -> anyhow::Result<Running> {
    fs::create_dir_all(&config.data_dir).with_context(|| format!("cannot create {}", config.data_dir.display()))?;
    let store = store::open(&config.database, &config.data_dir).await.context("the database cannot be opened")?;
    start_on(config, store).await
}

/// Starts a collector on this store, and waits until it has read the estate.
///
/// # Errors
/// If a setting is refused, a file cannot be used, an address is taken, or the store cannot be read; the message says which and what
/// to do.
pub async fn start_on(config: Config, store: SharedStore) -> anyhow::Result<Running> {
    begin(config, store).await?.finish().await
}

/// A collector that listens and has no estate yet: it answers questions of impact, if there is a copy of the graph, and sends everybody else
/// away for a moment.
pub(crate) struct Beginning {
    app: SharedApp,
    stop: watch::Sender<bool>,
    listeners: JoinSet<()>,
    jobs: JoinSet<()>,
    queue: mpsc::Receiver<writer::Job>,
    early: Option<Arc<Early>>,
}

/// Begins to listen.
///
/// # Errors
/// As [`start_on`].
pub(crate) async fn begin(config: Config, store: SharedStore) -> anyhow::Result<Beginning> {
    check(&config)?;
    let now = Timestamp::now();
    let authority = Authority::load_or_create(&config.data_dir.join("ca"), now).context("the CA cannot be used")?;
    check_root_pin(&store, &authority, &config.data_dir).await?;
    let certificate = CollectorCertificate::load_or_create(&config.data_dir.join("tls"), &authority, &certificate_names(&config), now)
        .context("the collector's certificate cannot be used")?;
    let certificate = Arc::new(certificate);

    let agents_socket = bind(config.agents.listen, "agents").await?;
    let people_socket = bind(config.people.listen, "people").await?;
    let addresses = Addresses { agents: agents_socket.local_addr()?, people: people_socket.local_addr()? };
    let (writer, queue) = Writer::queue(WRITER_QUEUE);
    let people_url = people_url(&config, addresses.people)?;
    let console = console::create_token(&config.data_dir).with_context(|| format!("cannot write to {}", config.data_dir.display()))?;
    let auth = Auth::new(config.people.tls != PeopleTls::Off, Some(console));
    let policy = policy(&config, addresses);
    let app = Arc::new(App {
        config,
        auth,
        store,
        estate: Arc::default(),
        writer,
        authority,
        certificate,
        metrics: Metrics::default(),
        policy,
        ingest: Ingest::default(),
        search: Search::default(),
        graph: GraphCache::default(),
        starting: Starting::default(),
        blast_radii: BlastRadii::default(),
        addresses,
        people_url,
    });

    let (stop, stopping) = watch::channel(false);
    let mut jobs = JoinSet::new();
    let people_tls = people_tls(&app, &mut jobs)?;
    let idle_agent = Duration::from_secs(2 * u64::from(app.config.agents.check_in_seconds) + 60);
    let agents = Listener {
        name: "agents",
        socket: agents_socket,
        transport: Transport::Tls(agents_tls(&app)?),
        idle: Duration::from_secs(15),
        idle_agent,
        router: agents::router(&app, &mut jobs),
    };
    let people = Listener {
        name: "people",
        socket: people_socket,
        transport: people_tls,
        idle: Duration::from_secs(75),
        idle_agent,
        router: people::router(&app),
    };
    let mut listeners = JoinSet::new();
    listeners.spawn(agents.run(Arc::clone(&app), stopping.clone()));
    listeners.spawn(people.run(Arc::clone(&app), stopping));
    publish_addresses(&app)?;

    // Before the estate takes the processors and the memory.
    let early = graph_copy::early(&app.config.data_dir, &app.store).await.map(Arc::new);
    if let Some(early) = &early {
        app.starting.answer_on(Arc::clone(early));
    }
    Ok(Beginning { app, stop, listeners, jobs, queue, early })
}

impl Beginning {
    /// What its handlers share.
    #[cfg(test)]
    pub(crate) fn app(&self) -> &SharedApp {
        &self.app
    }

    /// Reads the estate and serves everything.
    ///
    /// # Errors
    /// As [`start_on`].
    pub(crate) async fn finish(self) -> anyhow::Result<Running> {
        let Self { app, stop, listeners, mut jobs, queue, early } = self;
        let estate = load_estate(&app.store).await?;
        // Before anybody waits for it.
        app.search.catch_up(&estate);
        *app.estate.write().unwrap_or_else(std::sync::PoisonError::into_inner) = estate;
        if let Some(early) = early {
            match graph_copy::caught_up(Arc::clone(&early.graph), &app.store, &app.estate).await {
                Ok(graph) => app.graph.begin_with(graph, &app.estate),
                Err(error) => tracing::info!("the graph is made anew: {error:#}"),
            }
        }
        app.starting.end();
        tokio::task::spawn_blocking(memory::give_back);

        let (stop_writer, writer_stopping) = watch::channel(false);
        let writer = tokio::spawn(writer::run(Arc::clone(&app), queue, writer_stopping));
        jobs.spawn(jobs::run(Arc::clone(&app)));
        jobs.spawn(blast::keep_current(Arc::clone(&app)));
        jobs.spawn(graph_copy::keep_current(Arc::clone(&app)));
        let Addresses { agents: agents_addr, people: people_addr } = app.addresses;
        tracing::info!(agents = %agents_addr, people = %people_addr, "serving");
        Ok(Running { agents_addr, people_addr, app, stop, listeners, jobs, writer, stop_writer })
    }
}

/// How observations are reconciled here.
fn policy(config: &Config, addresses: Addresses) -> Policy {
    let mut collector_ports = BTreeSet::from([addresses.agents.port()]);
    collector_ports.extend(config.agents.urls.iter().filter_map(Url::port_or_known_default));
    Policy {
        retire_unconfirmed_ms: i64::from(config.retention.unconfirmed_relationship_days) * DAY_MS,
        collector_ports,
        fan_out_machines: config.inference.poller_machines,
        fan_out_percent: config.inference.poller_percent,
        shared_by: config.inference.shared_by_machines,
        accepted_patterns: config.inference.accept.iter().map(|pattern| pattern.0).collect(),
        rejected_patterns: config.inference.reject.iter().map(|pattern| pattern.0).collect(),
        strong_percent: config.inference.strong_percent,
        fair_percent: config.inference.fair_percent,
        fades_after_ms: i64::from(config.inference.fades_after_days) * DAY_MS,
        address_settling_ms: 2_000 * i64::from(config.agents.check_in_seconds),
        ..Policy::default()
    }
}

/// Settings that contradict each other or would be unsafe.
fn check(config: &Config) -> anyhow::Result<()> {
    let PeopleListener { listen, tls, certificate, private_key, trusted_proxies, .. } = &config.people;
    match tls {
        PeopleTls::Off if !listen.ip().is_loopback() && trusted_proxies.is_empty() => bail!(
            "people.tls = \"off\" would send passwords in the clear from {listen}; listen on 127.0.0.1, name the proxy that does TLS \
             in people.trusted_proxies, or use people.tls = \"own\""
        ),
        PeopleTls::Files if certificate.is_none() || private_key.is_none() => {
            bail!("people.tls = \"files\" needs people.certificate and people.private_key")
        }
        _ => {}
    }
    if config.agents.check_in_seconds == 0 || config.agents.certificate_seconds == 0 {
        bail!("agents.check_in_seconds and agents.certificate_seconds must be at least 1");
    }
    if let Some(url) = config.agents.urls.iter().find(|url| url.scheme() != "https" || url.host().is_none()) {
        bail!("agents.urls: {url} is not an https address such as https://rollcall.example:8444");
    }
    Ok(())
}

/// The database belongs to one root: agents that trust it could not be served with another.
async fn check_root_pin(store: &SharedStore, authority: &Authority, data_dir: &Path) -> anyhow::Result<()> {
    let standing = store.claim_root_pin(authority.root_pin()).await.context("the database cannot be used")?;
    if standing != authority.root_pin() {
        let directory = data_dir.join("ca");
        bail!(
            "the CA in {} is not the one that this database's agents trust (root pin {}, expected {standing}); copy the directory \
             from the collector that made it or from its backup, or use another database",
            directory.display(),
            authority.root_pin(),
        );
    }
    Ok(())
}

async fn bind(address: SocketAddr, name: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}; set {name}.listen to a free address"))
}

async fn load_estate(store: &SharedStore) -> anyhow::Result<Estate> {
    let mut estate = Estate::default();
    let rest = store.load_in_pages(&mut |put| estate.take(put)).await.context("the database cannot be read")?;
    tokio::task::spawn_blocking(move || {
        rest.apply_to(&mut estate);
        estate
    })
    .await
    .context("loading was interrupted")
}

/// TLS 1.3 only; a client certificate is verified against the agents' intermediate if one is presented.
fn agents_tls(app: &App) -> anyhow::Result<Arc<ServerConfig>> {
    let provider = Arc::new(ring::default_provider());
    let mut issuers = rustls::RootCertStore::empty();
    issuers.add(app.authority.agents_issuer().clone())?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(issuers), Arc::clone(&provider)).allow_unauthenticated().build()?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::clone(&app.certificate) as _);
    with_resumption(config)
}

fn people_tls(app: &SharedApp, jobs: &mut JoinSet<()>) -> anyhow::Result<Transport> {
    let people = &app.config.people;
    let resolver: Arc<dyn rustls::server::ResolvesServerCert> = match (people.tls, &people.certificate, &people.private_key) {
        (PeopleTls::Off, ..) => return Ok(Transport::Plain { trusted: people.trusted_proxies.clone().into() }),
        (PeopleTls::Files, Some(certificate), Some(key)) => {
            let given = Arc::new(GivenCertificate::load(certificate, key).context("the certificate for people cannot be used")?);
            jobs.spawn(Arc::clone(&given).follow_files());
            given
        }
        _ => Arc::clone(&app.certificate) as _,
    };
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    Ok(Transport::Tls(with_resumption(config)?))
}

fn with_resumption(mut config: ServerConfig) -> anyhow::Result<Arc<ServerConfig>> {
    config.ticketer = ring::Ticketer::new()?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Tells tests and the command line where the listeners are; a configured port may be 0.
fn publish_addresses(app: &App) -> anyhow::Result<()> {
    let listening = Listening {
        people_url: app.people_url.clone(),
        people_address: app.addresses.people,
        agents_address: app.addresses.agents,
        trust: app.config.people.tls.into(),
        process_id: std::process::id(),
    };
    listening.write(&app.config.data_dir).with_context(|| format!("cannot write to {}", app.config.data_dir.display()))
}

/// Returns when it is time to stop.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The sender is gone: then it is time too.
    let _ = stop.wait_for(|stop| *stop).await;
}
