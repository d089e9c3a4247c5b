//! An independent client of the agents' listener: TLS with the pinned root, raw requests, problems as answers.
//!
//! It shares no code with the real agent, so that the two cannot agree on the same mistake.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{Client, StatusCode, Url};
use rollcall_shared::wire::Problem;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Why an exchange did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// No answer.
    #[error("no answer from the collector")]
    Transport(#[from] reqwest::Error),
    /// The collector refused.
    #[error("{status}: {}", .problem.detail)]
    Refused {
        /// Status.
        status: StatusCode,
        /// What it said.
        problem: Box<Problem>,
    },
    /// The answer is not what the wire format says.
    #[error("answer with status {status} that is not of the wire format: {body}")]
    Shape {
        /// Status.
        status: StatusCode,
        /// The beginning of what was sent.
        body: String,
    },
    /// Our own side: keys, certificates.
    #[error("{0}")]
    Local(String),
}

impl WireError {
    /// The status of a refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(status.as_u16()),
            _ => None,
        }
    }
}

/// A client of one collector.
#[derive(Clone, Debug)]
pub struct WireClient {
    base: Url,
    http: Client,
}

/// A client certificate and its key.
pub struct Identity<'a> {
    /// PEM chain.
    pub chain: &'a str,
    /// PEM key.
    pub key: &'a str,
}

impl WireClient {
    /// A client that trusts the root with this pin and, with `identity`, shows a certificate.
    ///
    /// # Errors
    /// [`WireError::Local`] if pin, certificate or key cannot be read.
    pub fn new(base: &Url, root_pin: &str, identity: Option<Identity<'_>>) -> Result<Self, WireError> {
        let provider = Arc::new(ring::default_provider());
        let pin = URL_SAFE_NO_PAD.decode(root_pin).map_err(|_| WireError::Local("pin is not base64url".into()))?;
        let verifier = Arc::new(Pinned { pin, provider: provider.clone() });
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(local)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let tls = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let chain = CertificateDer::pem_slice_iter(identity.chain.as_bytes()).collect::<Result<_, _>>().map_err(local)?;
                let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).map_err(local)?;
                builder.with_client_auth_cert(chain, key).map_err(local)?
            }
        };
        let http = Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .pool_max_idle_per_host(1)
            .build()?;
        Ok(Self { base: base.clone(), http })
    }

    /// Sends a body as it is; returns status and answer.
    ///
    /// # Errors
    /// [`WireError::Transport`] if there is no answer.
    pub async fn raw(&self, path: &str, body: Vec<u8>, encoding: Option<&str>) -> Result<(StatusCode, Vec<u8>), WireError> {
        let url = self.base.join(path).map_err(|error| WireError::Local(error.to_string()))?;
        let mut request = self.http.post(url).header("Content-Type", "application/json").body(body);
        if let Some(encoding) = encoding {
            request = request.header("Content-Encoding", encoding);
        }
        let response = request.send().await?;
        let status = response.status();
        Ok((status, response.bytes().await?.to_vec()))
    }

    /// Sends JSON and reads the answer.
    ///
    /// # Errors
    /// See [`WireError`].
    pub async fn post<A: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<A, WireError> {
        let json = serde_json::to_vec(body).map_err(local)?;
        let (status, answer) = self.raw(path, json, None).await?;
        read(status, &answer)
    }

    /// Sends JSON, compressed, and reads the answer.
    ///
    /// # Errors
    /// See [`WireError`].
    pub async fn post_compressed<A: DeserializeOwned>(&self, path: &str, zstd: Vec<u8>) -> Result<A, WireError> {
        let (status, answer) = self.raw(path, zstd, Some("zstd")).await?;
        read(status, &answer)
    }
}

/// An answer: what was asked for, or the problem.
///
/// # Errors
/// See [`WireError`].
pub fn read<A: DeserializeOwned>(status: StatusCode, answer: &[u8]) -> Result<A, WireError> {
    let shape = || WireError::Shape { status, body: String::from_utf8_lossy(&answer[..answer.len().min(500)]).into_owned() };
    if status.is_success() {
        return serde_json::from_slice(answer).map_err(|_| shape());
    }
    let problem = serde_json::from_slice(answer).map_err(|_| shape())?;
    Err(WireError::Refused { status, problem: Box::new(problem) })
}

fn local(error: impl std::fmt::Display) -> WireError {
    WireError::Local(error.to_string())
}

/// Trusts the root that the server sends along if its key has the pinned hash.
#[derive(Debug)]
struct Pinned {
    pin: Vec<u8>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let has_pin = |certificate: &&CertificateDer<'_>| {
            X509Certificate::from_der(certificate).is_ok_and(|(_, parsed)| Sha256::digest(parsed.public_key().raw)[..] == self.pin[..])
        };
        let root = intermediates.iter().find(has_pin).ok_or(rustls::CertificateError::UnknownIssuer)?;
        let mut roots = RootCertStore::empty();
        roots.add(root.clone().into_owned())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone())
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
