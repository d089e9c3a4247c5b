//! A client of the API for people, as the console or as whoever a bearer token belongs to.

use std::{fs, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use reqwest::{Client, Method, StatusCode, Url};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde_json::Value;

/// A client of the API.
#[derive(Clone, Debug)]
pub struct Api {
    http: Client,
    base: Url,
    bearer: String,
}

impl Api {
    /// The API at `base`, trusting `root` (PEM), as `bearer`.
    ///
    /// # Errors
    /// If the root cannot be read.
    pub fn new(base: Url, root: &str, bearer: &str) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(root.as_bytes()) {
            roots.add(certificate?)?;
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let http = Client::builder().tls_backend_preconfigured(tls).no_proxy().timeout(Duration::from_secs(60)).build()?;
        Ok(Self { http, base, bearer: bearer.to_owned() })
    }

    /// The API of the collector that runs on this data directory, as its console.
    ///
    /// # Errors
    /// If none runs there, or its files cannot be read.
    pub fn console(data_dir: &Path) -> anyhow::Result<Self> {
        let read = |name: &str| {
            let path = data_dir.join(name);
            fs::read_to_string(&path).with_context(|| format!("{}: does a collector run on this data directory?", path.display()))
        };
        let listening: Value = serde_json::from_str(&read("listening.json")?)?;
        let scheme = text(&listening, "people_url")?.split(':').next().unwrap_or_default();
        let base = format!("{scheme}://{}/", text(&listening, "people_address")?);
        Self::new(base.parse()?, &read("ca/root.pem")?, read("console.token")?.trim())
    }

    /// Where it is.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Any request; returns status and answer (null if it is not JSON).
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<(StatusCode, Value)> {
        let mut request = self.http.request(method, self.base.join(path)?).bearer_auth(&self.bearer);
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(serde_json::to_vec(body)?);
        }
        let response = request.send().await?;
        let status = response.status();
        let bytes = response.bytes().await?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }

    /// Reads.
    ///
    /// # Errors
    /// If there is no answer or a refusal.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        accept(path, self.send(Method::GET, path, None).await?)
    }

    /// Creates or asks.
    ///
    /// # Errors
    /// If there is no answer or a refusal.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        accept(path, self.send(Method::POST, path, Some(body)).await?)
    }

    /// Ends something.
    ///
    /// # Errors
    /// If there is no answer or a refusal.
    pub async fn delete(&self, path: &str) -> anyhow::Result<()> {
        accept(path, self.send(Method::DELETE, path, None).await?).map(drop)
    }

    /// Plain text, from outside the API: metrics, health.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn text(&self, path: &str) -> anyhow::Result<(StatusCode, String)> {
        let response = self.http.get(self.base.join(path)?).bearer_auth(&self.bearer).send().await?;
        Ok((response.status(), response.text().await?))
    }

    /// Every item of a list, all pages.
    ///
    /// # Errors
    /// If there is no answer or a refusal.
    pub async fn all(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let joint = if path.contains('?') { '&' } else { '?' };
            let page = match &after {
                None => path.to_owned(),
                Some(after) => {
                    let after: String =
                        reqwest::Url::parse_with_params("http://x/", [("after", after)])?.query().unwrap_or_default().to_owned();
                    format!("{path}{joint}{after}")
                }
            };
            let mut answer = self.get(&page).await?;
            let found = answer.get_mut("items").map(Value::take);
            let Some(Value::Array(found)) = found else { bail!("{path}: no list: {answer}") };
            items.extend(found);
            after = answer.get("next").and_then(Value::as_str).map(str::to_owned);
            if after.is_none() {
                return Ok(items);
            }
        }
    }
}

fn accept(path: &str, (status, answer): (StatusCode, Value)) -> anyhow::Result<Value> {
    if !status.is_success() {
        let detail = answer.get("detail").and_then(Value::as_str).unwrap_or("no detail");
        let place = answer.get("path").and_then(Value::as_str).unwrap_or_default();
        return Err(anyhow::anyhow!("{path}: {status}: {detail} {place}"));
    }
    Ok(answer)
}

/// A text member of an answer.
///
/// # Errors
/// If it has none.
pub fn text<'a>(value: &'a Value, member: &str) -> anyhow::Result<&'a str> {
    value.get(member).and_then(Value::as_str).with_context(|| format!("no {member} in {value}"))
}
