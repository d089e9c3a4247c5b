//! Talking to the collector: one async function for each message, over given credentials. Knows nothing of the state
//! directory, so that a simulated fleet can use it too.

use std::{
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use reqwest::{
    StatusCode,
    header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER},
};
use rollcall_shared::{
    DocumentId, Timestamp,
    wire::{
        Problem,
        v1::{
            CheckInRequest, CheckInResponse, Credentials, EnrollRequest, EnrollResponse, Exchange, InventoryDocument, InventoryResponse,
            RecoverRequest, RenewRequest, Section, VERSION, paths,
        },
    },
};
use rustls::{
    AlertDescription,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde::{Serialize, de::DeserializeOwned};
use url::Url;
use uuid::Uuid;

use crate::{
    keys::AgentKey,
    proxy::ProxyRules,
    tls::{self, CollectorVerifier, Time, Trust},
};

/// This agent's version.
pub const VERSION_TEXT: &str = env!("CARGO_PKG_VERSION");

/// The level at which documents are compressed. They are sent seldom, and at 9 they are an eighth smaller than at 3, for six
/// milliseconds more; beyond, zstd takes much longer for little.
const ZSTD_LEVEL: i32 = 9;

/// How long to stay with another address before the first one is tried again, unless told otherwise.
pub const RETURN_TO_FIRST: Duration = Duration::from_secs(600);

/// How to get to the collector.
#[derive(Clone, Debug)]
pub struct Route {
    /// Through which proxy.
    pub proxy: ProxyRules,
    /// How long to stay with another address before the first one is tried again.
    pub return_to_first: Duration,
}

impl Default for Route {
    fn default() -> Self {
        Self { proxy: ProxyRules::none(), return_to_first: RETURN_TO_FIRST }
    }
}

/// A connection to one of the collector's addresses, with or without an identity.
pub struct Client {
    http: reqwest::Client,
    urls: Vec<Url>,
    current: Mutex<Current>,
    return_to_first: Duration,
    verifier: Arc<CollectorVerifier>,
}

/// The address that answered last.
struct Current {
    index: usize,
    /// When the first address was last found not to answer.
    since: Instant,
}

/// A message was not answered as hoped.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The collector could not be reached, or the connection broke: try again later.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// The address tried last.
        url: Url,
        /// Why, down to the cause.
        reason: String,
    },
    /// Whoever answered is not the collector that this agent trusts.
    #[error("{url} is not the collector that this agent trusts: {reason}; check the address, or enroll again with a new token")]
    Untrusted {
        /// The address.
        url: Url,
        /// Why.
        reason: String,
    },
    /// The collector does not take this agent's certificate: it has expired, or is not one of the collector's.
    #[error("{url} does not take this agent's certificate: {reason}")]
    CertificateRefused {
        /// The address.
        url: Url,
        /// Why.
        reason: String,
    },
    /// The collector answered with a problem.
    #[error("{}", describe(problem))]
    Refused {
        /// The collector's words.
        problem: Box<Problem>,
        /// How long to wait, if it said so.
        retry_after: Option<Duration>,
    },
    /// What answered does not speak as a collector does.
    #[error("{url} gave an answer that is not a collector's ({reason}); check the address and what stands between")]
    Answer {
        /// The address.
        url: Url,
        /// What is wrong.
        reason: String,
    },
    /// The credentials cannot be used.
    #[error("the agent's credentials cannot be used: {reason}; enroll again")]
    Credentials {
        /// Why.
        reason: String,
    },
}

/// A problem in a sentence, with its next step.
pub fn describe(problem: &Problem) -> String {
    let place = problem.path.as_deref().map(|path| format!(" (at {path})")).unwrap_or_default();
    let next = problem.next_step.as_deref().map(|step| format!("; next: {step}")).unwrap_or_default();
    let text = format!("the collector answered {}: {}{place}{next}", problem.status, problem.detail);
    // It goes to a terminal and to logs.
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(2_000).collect()
}

impl ClientError {
    /// The HTTP status, if the collector answered.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { problem, .. } => Some(problem.status),
            _ => None,
        }
    }

    /// How long the collector asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the same message may succeed later: no connection, an overloaded or failing collector.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Answer { .. } => true,
            Self::Refused { problem, .. } => problem.status >= 500 || matches!(problem.status, 408 | 425 | 429),
            Self::Untrusted { .. } | Self::CertificateRefused { .. } | Self::Credentials { .. } => false,
        }
    }
}

impl Client {
    /// A client without a certificate, to enroll and to recover.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn anonymous(urls: Vec<Url>, trust: Trust, time: Time, route: Route) -> Result<Self, ClientError> {
        Self::new(urls, trust, time, None, route)
    }

    /// A client that shows these credentials.
    ///
    /// # Errors
    /// [`ClientError::Credentials`] if certificate, key and root do not go together.
    pub fn with_credentials(
        urls: Vec<Url>,
        credentials: &Credentials,
        key: &AgentKey,
        time: Time,
        route: Route,
    ) -> Result<Self, ClientError> {
        let unusable = |reason: String| ClientError::Credentials { reason };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(credentials.certificate_chain.as_bytes()).collect();
        let chain = chain.map_err(|error| unusable(format!("certificate chain: {error}")))?;
        let root = root_of(credentials)?;
        Self::new(urls, Trust::Root(root), time, Some((chain, key.to_der())), route)
    }

    fn new(
        urls: Vec<Url>,
        trust: Trust,
        time: Time,
        identity: Option<(Vec<CertificateDer<'static>>, rustls::pki_types::PrivateKeyDer<'static>)>,
        route: Route,
    ) -> Result<Self, ClientError> {
        let unusable = |reason: String| ClientError::Credentials { reason };
        if urls.is_empty() {
            return Err(unusable("no collector address is known".to_owned()));
        }
        let verifier = Arc::new(CollectorVerifier::new(trust, time));
        let tls = tls::client_config(Arc::clone(&verifier), identity).map_err(|error| unusable(error.to_string()))?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            // The library's own reading of the environment is left out: settings, doctor and this go by one rule.
            .no_proxy()
            .proxy(reqwest::Proxy::custom(move |url| route.proxy.for_url(url).cloned()))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(15))
            .timeout(Duration::from_secs(120))
            .pool_max_idle_per_host(1)
            .pool_idle_timeout(Duration::from_secs(600))
            .user_agent(concat!("rollcall-agent/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| unusable(chain_of(&error)))?;
        let current = Mutex::new(Current { index: 0, since: Instant::now() });
        Ok(Self { http, urls, current, return_to_first: route.return_to_first, verifier })
    }

    /// From now on, judge the collector's certificate by `time`.
    pub fn set_time(&self, time: Time) {
        self.verifier.set_time(time);
    }

    /// Joins with a token, or asks again.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn enroll(&self, request: &EnrollRequest) -> Result<EnrollResponse, ClientError> {
        self.post_json(paths::ENROLL, request).await
    }

    /// Asks for the next certificate.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn renew(&self, request: &RenewRequest) -> Result<Credentials, ClientError> {
        self.post_json(paths::RENEW, request).await
    }

    /// Asks for a certificate after the old one expired. Needs no certificate.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn recover(&self, request: &RecoverRequest) -> Result<Credentials, ClientError> {
        self.post_json(paths::RECOVER, request).await
    }

    /// Checks in.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn check_in(&self, request: &CheckInRequest) -> Result<CheckInResponse, ClientError> {
        self.post_json(paths::CHECK_IN, request).await
    }

    /// Sends a document as [`compressed`] made it. When this returns, the collector has it durably.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn upload(&self, body: &[u8]) -> Result<InventoryResponse, ClientError> {
        self.post(paths::INVENTORY, body, true).await
    }

    async fn post_json<Q: Serialize, A: DeserializeOwned>(&self, path: &str, request: &Q) -> Result<A, ClientError> {
        let body = serde_json::to_vec(request).map_err(|error| ClientError::Credentials { reason: error.to_string() })?;
        self.post(path, &body, false).await
    }

    /// Tries the address that answered last, then the others in order; after a while the first one again.
    async fn post<A: DeserializeOwned>(&self, path: &str, body: &[u8], is_zstd: bool) -> Result<A, ClientError> {
        let mut result = Err(ClientError::Credentials { reason: "no collector address is known".to_owned() });
        for index in self.order() {
            let Some(url) = self.urls.get(index) else { continue };
            result = self.post_to(url, path, body, is_zstd).await;
            match &result {
                Err(ClientError::Unreachable { .. } | ClientError::Untrusted { .. } | ClientError::Answer { .. }) => {
                    if index == 0 {
                        self.current().since = Instant::now();
                    }
                }
                _ => {
                    self.current().index = index;
                    break;
                }
            }
        }
        result
    }

    /// In which order the addresses are tried.
    fn order(&self) -> impl Iterator<Item = usize> + use<> {
        let current = self.current();
        let first = if current.since.elapsed() >= self.return_to_first { 0 } else { current.index };
        let all = 0..self.urls.len();
        std::iter::once(first).chain(all.filter(move |index| *index != first))
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn post_to<A: DeserializeOwned>(&self, base: &Url, path: &str, body: &[u8], is_zstd: bool) -> Result<A, ClientError> {
        const MOST_BYTES: usize = 4 << 20;
        let mut url = base.clone();
        url.set_path(path);
        let mut request = self.http.post(url.clone()).header(CONTENT_TYPE, "application/json").header(ACCEPT, "application/json");
        if is_zstd {
            request = request.header(CONTENT_ENCODING, "zstd");
        }
        let mut response = request.body(body.to_vec()).send().await.map_err(|error| transport_error(&url, &error))?;
        let (status, retry_after) = (response.status(), retry_after(&response));
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| transport_error(&url, &error))? {
            if answer.len() + chunk.len() > MOST_BYTES {
                return Err(ClientError::Answer { url, reason: format!("more than {MOST_BYTES} bytes") });
            }
            answer.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return serde_json::from_slice(&answer).map_err(|error| ClientError::Answer { url, reason: error.to_string() });
        }
        let problem = serde_json::from_slice(&answer).unwrap_or_else(|_| plain_problem(status, &answer));
        Err(ClientError::Refused { problem: Box::new(Problem { status: status.as_u16(), ..problem }), retry_after })
    }
}

/// The root among credentials.
///
/// # Errors
/// [`ClientError::Credentials`] if it is no certificate.
pub fn root_of(credentials: &Credentials) -> Result<CertificateDer<'static>, ClientError> {
    let root = CertificateDer::from_pem_slice(credentials.root.as_bytes());
    root.map_err(|error| ClientError::Credentials { reason: format!("root: {error}") })
}

/// A document of these sections.
pub fn document(sections: std::collections::BTreeMap<String, Section>, exchange: Exchange, now: Timestamp) -> InventoryDocument {
    InventoryDocument {
        format: VERSION,
        document_id: DocumentId(Uuid::now_v7()),
        exchange,
        agent_version: VERSION_TEXT.to_owned(),
        sent_at: now,
        sections,
    }
}

/// A document as [`Client::upload`] sends it.
///
/// # Errors
/// Only if it cannot be written as JSON or compressed, which it always can.
pub fn compressed(document: &InventoryDocument) -> std::io::Result<Vec<u8>> {
    let json = serde_json::to_vec(document)?;
    // In one piece: knowing the size, zstd takes tables of that size and not of what the level could need.
    zstd::bulk::compress(&json, ZSTD_LEVEL)
}

/// Seconds, as collectors send it; the date form is for caches.
fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    const MOST: u64 = 24 * 3_600;
    let seconds: u64 = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(MOST)))
}

/// What a proxy or an overloaded listener answers.
fn plain_problem(status: StatusCode, answer: &[u8]) -> Problem {
    let text: String = String::from_utf8_lossy(answer).chars().take(200).collect();
    let reason = status.canonical_reason().unwrap_or("no reason given");
    let detail = if text.trim().is_empty() { reason.to_owned() } else { format!("{reason}: {}", text.trim()) };
    Problem::new(status.as_u16(), "http", reason, detail)
}

fn transport_error(url: &Url, error: &reqwest::Error) -> ClientError {
    let mut url = url.clone();
    url.set_path("");
    match tls_error(error) {
        Some(rustls::Error::AlertReceived(alert)) if is_about_certificate(*alert) => {
            ClientError::CertificateRefused { url, reason: format!("{alert:?}") }
        }
        Some(reason @ rustls::Error::InvalidCertificate(_)) => ClientError::Untrusted { url, reason: reason.to_string() },
        _ => ClientError::Unreachable { url, reason: chain_of(error) },
    }
}

/// The TLS error among the causes.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let found = error.downcast_ref::<rustls::Error>();
    // An I/O error names as its source the source of what it carries, and passes over the thing itself.
    let carried = || error.downcast_ref::<std::io::Error>()?.get_ref();
    found.or_else(|| carried().and_then(|inner| tls_error(inner))).or_else(|| error.source().and_then(tls_error))
}

fn is_about_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::CertificateRequired
    )
}

/// The causes of an error, the deepest last; what repeats its source is left out.
fn chain_of(error: &dyn Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut cause = Some(error);
    while let Some(current) = cause {
        let text = current.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        cause = current.source();
    }
    parts.join(": ")
}
