//! Accepting connections, for both listeners: TLS, limits, time limits, who is at the other end, and a graceful end.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{Router, extract::ConnectInfo};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::{
    app::SharedApp,
    pki::{AgentIdentity, identity_of},
    serve::stopped,
};

mod unread;

/// Open connections that one listener takes on; the rest wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 16_384;
/// TLS handshakes at once: they are what costs, and cheap to ask for.
const MAX_HANDSHAKES: usize = 256;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long requests that are being answered may take when the collector stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes read ahead of what is handled; also bounds request line and headers.
const MAX_BUFFER_BYTES: usize = 64 << 10;

/// Who is at the other end of the connection; an extension of every request.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its address (the proxy's, behind one).
    pub address: SocketAddr,
    /// The agent, if it presented a certificate of one.
    pub agent: Option<AgentIdentity>,
}

/// One of the two listeners.
pub(crate) struct Listener {
    /// For logs and metrics: `agents`, `people`.
    pub(crate) name: &'static str,
    /// Where it listens.
    pub(crate) socket: TcpListener,
    /// How it is served.
    pub(crate) transport: Transport,
    /// How long a connection may wait for a request of somebody unknown.
    pub(crate) idle: Duration,
    /// How long a connection may wait for a request of an agent.
    pub(crate) idle_agent: Duration,
    /// What it serves.
    pub(crate) router: Router,
}

/// How a listener is served.
#[derive(Clone)]
pub(crate) enum Transport {
    /// With TLS.
    Tls(Arc<ServerConfig>),
    /// Without, to these addresses and loopback only.
    Plain {
        /// Proxies.
        trusted: Arc<[IpAddr]>,
    },
}

impl Listener {
    /// Serves until `stop` says so; then takes no more connections and waits, bounded, for what is being answered.
    pub(crate) async fn run(self, app: SharedApp, mut stop: watch::Receiver<bool>) {
        let shared = Arc::new(Shared {
            app,
            name: self.name,
            transport: self.transport,
            idle: self.idle,
            idle_agent: self.idle_agent,
            router: self.router,
            handshakes: Semaphore::new(MAX_HANDSHAKES),
        });
        let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let graceful = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                accepted = accept(&self.socket, &connections) => accepted,
                () = stopped(&mut stop) => break,
            };
            match accepted {
                Ok((stream, address, permit)) => {
                    tokio::spawn(Arc::clone(&shared).connection(stream, address, graceful.watcher(), permit));
                }
                Err(error) => {
                    // Out of file descriptors, most likely: others have to close first.
                    tracing::warn!(listener = self.name, %error, "cannot accept connections");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        drop(self.socket);
        if timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
            tracing::warn!(listener = self.name, "requests were cut off after {DRAIN_TIMEOUT:?}");
        }
    }
}

async fn accept(
    socket: &TcpListener,
    connections: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, Option<OwnedSemaphorePermit>)> {
    // The semaphore is never closed.
    let permit = Arc::clone(connections).acquire_owned().await.ok();
    let (stream, address) = socket.accept().await?;
    Ok((stream, address, permit))
}

struct Shared {
    app: SharedApp,
    name: &'static str,
    transport: Transport,
    idle: Duration,
    idle_agent: Duration,
    router: Router,
    handshakes: Semaphore,
}

impl Shared {
    async fn connection(self: Arc<Self>, stream: TcpStream, address: SocketAddr, watcher: Watcher, _permit: Option<OwnedSemaphorePermit>) {
        let open = self.app.metrics.connections.get_or_create(&self.name.into()).clone();
        open.inc();
        self.serve(stream, address, watcher).await;
        open.dec();
    }

    async fn serve(&self, stream: TcpStream, address: SocketAddr, watcher: Watcher) {
        // Answers are written whole; waiting to fill a packet only delays them.
        let _ = stream.set_nodelay(true);
        match &self.transport {
            Transport::Plain { trusted } => {
                let ip = address.ip().to_canonical();
                if ip.is_loopback() || trusted.contains(&ip) {
                    self.http(stream, Peer { address, agent: None }, watcher).await;
                } else {
                    tracing::info!(listener = self.name, %address, "plain HTTP is served to loopback and the trusted proxies only");
                }
            }
            Transport::Tls(config) => {
                let _permit = self.handshakes.acquire().await;
                let handshake = timeout(HANDSHAKE_TIMEOUT, TlsAcceptor::from(Arc::clone(config)).accept(stream)).await;
                drop(_permit);
                let stream = match handshake {
                    Ok(Ok(stream)) => stream,
                    Ok(Err(error)) => return self.handshake_failed(address, &error.to_string()),
                    Err(_) => return self.handshake_failed(address, "it took too long"),
                };
                let agent = match stream.get_ref().1.peer_certificates().and_then(<[_]>::first).map(|first| identity_of(first)) {
                    None => None,
                    Some(Some(agent)) => Some(agent),
                    Some(None) => return self.handshake_failed(address, "the client certificate names no agent"),
                };
                self.http(stream, Peer { address, agent }, watcher).await;
            }
        }
    }

    fn handshake_failed(&self, address: SocketAddr, reason: &str) {
        self.app.metrics.failed_handshakes.get_or_create(&self.name.into()).inc();
        tracing::debug!(listener = self.name, %address, reason, "TLS handshake failed");
    }

    async fn http(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: Peer, watcher: Watcher) {
        let service = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(ConnectInfo(peer.address));
            let router = self.router.clone();
            async move {
                let answer = async |request| router.oneshot(request).await.unwrap_or_else(|never| match never {});
                Ok::<_, Infallible>(unread::read_on(request, answer).await)
            }
        });
        let idle = if peer.agent.is_some() { self.idle_agent } else { self.idle };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(idle)
            .max_buf_size(MAX_BUFFER_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(listener = self.name, address = %peer.address, %error, "connection ended");
        }
    }
}
