//! How client commands reach the collector: through its API, with an API token, or on its own host with the console token.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use reqwest::{Certificate, Method, StatusCode};
use rollcall_shared::wire::Problem;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use url::Url;
use zeroize::Zeroizing;

use super::error::CliError;
use crate::{
    api::BASE,
    auth::console::{self, Listening, Trust},
};

/// Where the collector keeps its data if nobody says otherwise.
const DEFAULT_DATA_DIR: &str = "/var/lib/rollcall";
/// The kind of problem of a collector that has just started.
const STARTING: &str = "rollcall:starting";
/// How long it is waited for, and how often it is asked.
const WAIT_FOR_START: Duration = Duration::from_secs(300);
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// Most of an answer, in bytes.
const MAX_ANSWER_BYTES: usize = 256 << 20;

/// How to reach the collector.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Connection {
    /// The data directory of a collector on this host; its files are the proof of who asks.
    #[arg(long, global = true, env = "ROLLCALL_DATA_DIR", value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
    /// The address of a collector elsewhere: https://HOST:PORT
    #[arg(long, global = true, env = "ROLLCALL_URL", value_name = "URL")]
    pub(super) url: Option<Url>,
    /// A file with an API token, for --url; without it the one that `rollcall login` left.
    #[arg(long, global = true, env = "ROLLCALL_API_TOKEN_FILE", value_name = "FILE")]
    pub(super) api_token_file: Option<PathBuf>,
    /// A file with the root certificate (PEM) to trust, for --url; without it the system's.
    #[arg(long, global = true, env = "ROLLCALL_CA_FILE", value_name = "FILE")]
    pub(super) ca_file: Option<PathBuf>,
}

/// A collector that can be asked.
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<Zeroizing<String>>,
    cookie: Option<(String, String)>,
}

/// What `rollcall login` leaves.
#[derive(Serialize, Deserialize)]
pub(super) struct Credentials {
    pub(super) url: Url,
    pub(super) token: String,
    pub(super) ca_file: Option<PathBuf>,
}

impl Connection {
    /// A client by the first way that fits: `--url`, `--data-dir`, the usual data directory, what `rollcall login` left.
    pub(super) fn client(&self) -> Result<Client, CliError> {
        if let Some(url) = &self.url {
            let token = match &self.api_token_file {
                Some(file) => Some(read_token(file)?),
                None => Credentials::read().filter(|known| known.url == *url).map(|known| Zeroizing::new(known.token)),
            };
            let token = token.ok_or_else(|| {
                CliError::NotSignedIn(format!(
                    "no API token for {url}; name a file with --api-token-file, or run `rollcall login --url {url}`"
                ))
            })?;
            return Client::remote(url, self.ca_file.as_deref(), Some(token));
        }
        if let Some(dir) = &self.data_dir {
            return Client::local(dir);
        }
        let usual = Path::new(DEFAULT_DATA_DIR);
        if usual.join("console.token").exists() && console::read_token(usual).is_ok() {
            return Client::local(usual);
        }
        if let Some(known) = Credentials::read() {
            return Client::remote(&known.url, known.ca_file.as_deref(), Some(Zeroizing::new(known.token)));
        }
        Err(CliError::NotSignedIn(format!(
            "no collector is named and none of this user's runs on {DEFAULT_DATA_DIR}; use --data-dir DIR on the collector's host, \
             or --url URL with --api-token-file FILE"
        )))
    }
}

fn read_token(file: &Path) -> Result<Zeroizing<String>, CliError> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read the API token in {}", file.display()))?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

impl Credentials {
    fn path() -> Option<PathBuf> {
        let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
        let config = config.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")))?;
        Some(config.join("rollcall").join("credentials.json"))
    }

    fn read() -> Option<Self> {
        serde_json::from_slice(&fs::read(Self::path()?).ok()?).ok()
    }

    /// Keeps them where only this user can read them; returns where.
    pub(super) fn write(&self) -> anyhow::Result<PathBuf> {
        let path = Self::path().context("there is no HOME to keep the sign-in in")?;
        let dir = path.parent().context("there is no directory to keep the sign-in in")?;
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let mut file = tempfile_in(dir)?;
        file.1.write_all(&serde_json::to_vec_pretty(self)?)?;
        fs::rename(&file.0, &path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

fn tempfile_in(dir: &Path) -> anyhow::Result<(PathBuf, fs::File)> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = dir.join(format!("credentials.{}.new", std::process::id()));
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    let file = file.with_context(|| format!("cannot write {}", path.display()))?;
    Ok((path, file))
}

impl Client {
    /// The collector on this host, by the files that it leaves in its data directory.
    pub(super) fn local(dir: &Path) -> Result<Self, CliError> {
        let not_running = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                CliError::Unreachable(format!("no collector runs on {}; start it with `rollcall serve --data-dir {0}`", dir.display()))
            }
            std::io::ErrorKind::PermissionDenied => CliError::NotSignedIn(format!(
                "{} belongs to the collector's user; run this as that user or root, or use --url with an API token",
                dir.display()
            )),
            _ => CliError::Failed(anyhow::Error::new(error).context(format!("cannot read {}", dir.display()))),
        };
        let listening = Listening::read(dir).map_err(not_running)?;
        let token = console::read_token(dir).map_err(not_running)?;
        let mut address = listening.people_address;
        if address.ip().is_unspecified() {
            address.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
        }
        let roots = match listening.trust {
            Trust::Own => Some(dir.join("ca").join("root.pem")),
            Trust::System | Trust::None => None,
        };
        let (scheme, host) = match listening.trust {
            Trust::None => ("http", address.ip().to_string()),
            // The collector's own certificate always names this.
            Trust::Own => ("https", "localhost".to_owned()),
            Trust::System => ("https", listening.people_url.host_str().unwrap_or("localhost").to_owned()),
        };
        let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host };
        let base = Url::parse(&format!("{scheme}://{host}:{}", address.port()))
            .context("the collector listens where no address can be made of")?;
        let builder = builder(roots.as_deref())?.no_proxy();
        let builder = base.domain().map(str::to_owned).into_iter().fold(builder, |builder, name| builder.resolve(&name, address));
        Ok(Self { http: build(builder)?, base, token: Some(token), cookie: None })
    }

    /// A collector elsewhere.
    pub(super) fn remote(url: &Url, ca_file: Option<&Path>, token: Option<Zeroizing<String>>) -> Result<Self, CliError> {
        let is_loopback = match url.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        };
        if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback) {
            return Err(CliError::Usage(format!("{url} is not an https address; a token must not travel in the clear")));
        }
        Ok(Self { http: build(builder(ca_file)?)?, base: url.clone(), token, cookie: None })
    }

    /// Goes on with a browser's session, as `rollcall login` does between password and token.
    pub(super) fn with_session(mut self, cookie: String, csrf: String) -> Self {
        self.cookie = Some((cookie, csrf));
        self
    }

    /// Asks for something.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, CliError> {
        self.json(Method::GET, path, query, None::<&()>).await
    }

    /// Sends something and reads the answer.
    pub(super) async fn send<T: DeserializeOwned>(&self, method: Method, path: &str, body: &impl Serialize) -> Result<T, CliError> {
        self.json(method, path, &[], Some(body)).await
    }

    /// Sends something that is answered by nothing.
    pub(super) async fn order(&self, method: Method, path: &str, body: &impl Serialize) -> Result<(), CliError> {
        self.call(method, path, &[], Some(body)).await.map(drop)
    }

    async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&impl Serialize>,
    ) -> Result<T, CliError> {
        let (_, _, bytes) = self.call(method, path, query, body).await?;
        Ok(serde_json::from_slice(&bytes).context("the collector's answer is not understood; is it of another version?")?)
    }

    /// One call: status, headers and body of what was not refused.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&impl Serialize>,
    ) -> Result<(StatusCode, reqwest::header::HeaderMap, Vec<u8>), CliError> {
        let body = body.map(serde_json::to_vec).transpose().context("the request cannot be written as JSON")?;
        let until = Instant::now() + WAIT_FOR_START;
        let mut is_told = false;
        loop {
            let mut request = self.request(method.clone(), path, query);
            if let Some(json) = &body {
                request = request.header("content-type", "application/json").body(json.clone());
            }
            let response = request.send().await.map_err(|error| self.unreachable(&error))?;
            let (status, headers) = (response.status(), response.headers().clone());
            match self.accepted(response).await {
                // Nothing was done: it has just started.
                Err(CliError::Refused(problem)) if problem.kind == STARTING && Instant::now() < until => {
                    if !std::mem::replace(&mut is_told, true) {
                        eprintln!("rollcall: {}; waiting", problem.detail);
                    }
                    tokio::time::sleep(ASK_AGAIN).await;
                }
                answer => return Ok((status, headers, answer?)),
            }
        }
    }

    /// Sends a file as it is and reads the answer.
    pub(super) async fn upload<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)], file: &Path) -> Result<T, CliError> {
        let opened = tokio::fs::File::open(file).await.with_context(|| format!("cannot read {}", file.display()))?;
        let request = self.request(Method::POST, path, query).header("content-type", "application/octet-stream").body(opened);
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let bytes = self.accepted(response).await?;
        Ok(serde_json::from_slice(&bytes).context("the collector's answer is not understood; is it of another version?")?)
    }

    /// Writes an answer of any length as it comes. A reader that has gone away is no error.
    pub(super) async fn download(&self, path: &str, query: &[(&str, &str)], out: &mut impl std::io::Write) -> Result<(), CliError> {
        let mut response = self.request(Method::GET, path, query).send().await.map_err(|error| self.unreachable(&error))?;
        if !response.status().is_success() {
            return self.accepted(response).await.map(drop);
        }
        let mut write = |bytes: Option<&[u8]>| match bytes {
            Some(bytes) => out.write_all(bytes),
            None => out.flush(),
        };
        loop {
            let chunk = response.chunk().await.map_err(|error| self.unreachable(&error))?;
            match write(chunk.as_deref()) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
                Err(error) => return Err(CliError::Failed(anyhow::Error::new(error).context("the table cannot be written"))),
            }
            if chunk.is_none() {
                return Ok(());
            }
        }
    }

    fn request(&self, method: Method, path: &str, query: &[(&str, &str)]) -> reqwest::RequestBuilder {
        let mut url = self.base.clone();
        url.set_path(&format!("{BASE}{path}"));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.http.request(method, url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.as_str());
        }
        if let Some((cookie, csrf)) = &self.cookie {
            request = request.header("cookie", cookie).header("x-csrf-token", csrf);
        }
        request
    }

    /// The body of what was not refused.
    async fn accepted(&self, mut response: reqwest::Response) -> Result<Vec<u8>, CliError> {
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if bytes.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(CliError::Failed(anyhow::anyhow!("the collector's answer is larger than {MAX_ANSWER_BYTES} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return Ok(bytes);
        }
        let problem = serde_json::from_slice(&bytes).unwrap_or_else(|_| {
            Problem::new(status.as_u16(), "unknown", "Refused", format!("{} answered {status}", self.base))
                .next("check that this is the address of a Rollcall collector's people listener")
        });
        Err(CliError::Refused(Box::new(problem)))
    }

    fn unreachable(&self, error: &reqwest::Error) -> CliError {
        let mut causes = Vec::new();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        let why = causes.last().cloned().unwrap_or_else(|| error.to_string());
        CliError::Unreachable(format!(
            "{} does not answer: {why}\nnext: check that the collector runs and that the address is right",
            self.base
        ))
    }
}

fn builder(roots: Option<&Path>) -> Result<reqwest::ClientBuilder, CliError> {
    // Fails only if it was done before, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(10))
        .timeout(Duration::from_secs(120))
        // A token is for the collector that was named, and nobody it points at.
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("rollcall/", env!("CARGO_PKG_VERSION")));
    let Some(file) = roots else { return Ok(builder) };
    let pem = fs::read(file).with_context(|| format!("cannot read the root certificate in {}", file.display()))?;
    let roots = Certificate::from_pem_bundle(&pem).with_context(|| format!("{} holds no root certificate", file.display()))?;
    Ok(builder.tls_certs_only(roots))
}

fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, CliError> {
    Ok(builder.build().context("no HTTP client can be made")?)
}
