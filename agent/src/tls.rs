//! Whom the agent trusts: one root, and nothing else.

use std::sync::{Arc, Mutex};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rollcall_shared::Timestamp;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{WebPkiSupportedAlgorithms, ring, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Whom to trust.
#[derive(Clone, Debug)]
pub enum Trust {
    /// At first contact: the root in the collector's chain whose public key has this SHA-256 (base64url).
    Pin(String),
    /// Afterwards: this root.
    Root(CertificateDer<'static>),
}

/// The time by which certificates are judged.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    /// The best knowledge of the time, see [`crate::clock`].
    pub best: Timestamp,
    /// The last time that an authenticated collector told; nothing that ended before it is accepted.
    pub last_authenticated: Option<Timestamp>,
}

/// Checks the collector's certificate: chain, name and usage strictly, the validity period by the best knowledge of the
/// time, see ARCHITECTURE.md, "Wrong clocks".
#[derive(Debug)]
pub struct CollectorVerifier {
    trust: Trust,
    time: Mutex<Time>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl CollectorVerifier {
    /// Trusts `trust`, and judges validity periods by `time`.
    pub fn new(trust: Trust, time: Time) -> Self {
        Self { trust, time: Mutex::new(time), algorithms: ring::default_provider().signature_verification_algorithms }
    }

    /// From now on, judge validity periods by `time`.
    pub fn set_time(&self, time: Time) {
        *self.time.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = time;
    }

    fn time(&self) -> Time {
        *self.time.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The root to verify against.
    fn root(&self, chain: &[CertificateDer<'_>]) -> Result<CertificateDer<'static>, rustls::Error> {
        match &self.trust {
            Trust::Root(root) => Ok(root.clone()),
            Trust::Pin(pin) => {
                let pinned = chain.iter().find(|certificate| spki_pin(certificate).as_ref() == Some(pin));
                let root = pinned.ok_or(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
                Ok(root.clone().into_owned())
            }
        }
    }
}

/// SHA-256 of a certificate's SubjectPublicKeyInfo, base64url; `None` for what is no certificate.
pub fn spki_pin(certificate: &[u8]) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(URL_SAFE_NO_PAD.encode(Sha256::digest(parsed.tbs_certificate.subject_pki.raw)))
}

impl ServerCertVerifier for CollectorVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let root = self.root(intermediates)?;
        let mut roots = RootCertStore::empty();
        roots.add(root)?;
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let bad = || rustls::Error::InvalidCertificate(CertificateError::BadEncoding);
        let (_, parsed) = X509Certificate::from_der(end_entity).map_err(|_| bad())?;
        // The verification library accepts a certificate without any stated usage; we do not.
        let usage = parsed.extended_key_usage().map_err(|_| bad())?;
        if !usage.is_some_and(|usage| usage.value.server_auth) {
            return Err(rustls::Error::InvalidCertificate(CertificateError::InvalidPurpose));
        }
        let validity = parsed.validity();
        let seconds = |time: i64| Timestamp::from_millis(time.saturating_mul(1_000));
        let (from, until) = (seconds(validity.not_before.timestamp()), seconds(validity.not_after.timestamp()));
        let verify = |at: Timestamp| {
            let at = UnixTime::since_unix_epoch(std::time::Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(0)));
            verify_server_cert_signed_by_trust_anchor(&certificate, &roots, intermediates, at, self.algorithms.all)
        };
        let time = self.time();
        // A certificate that ended before a time known to be past is old, whatever the clock says.
        let best = time.last_authenticated.map_or(time.best, |last| time.best.max(last));
        match verify(best) {
            Err(rustls::Error::InvalidCertificate(error)) if is_about_time(&error) => {
                let middle = from.plus_millis(until.millis_since(from) / 2);
                let at = time.last_authenticated.map_or(middle, |last| middle.max(last));
                verify(at)?;
                tracing::warn!(best_time = %best, %from, %until, "the collector's certificate is valid, but not at the time that this machine takes it to be; check the clock");
            }
            other => other?,
        }
        verify_server_name(&certificate, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn is_about_time(error: &CertificateError) -> bool {
    use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    matches!(error, Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. })
}

/// A TLS 1.3 client that believes `verifier` and shows `identity`, if any.
///
/// # Errors
/// If certificate and key do not belong together.
pub fn client_config(
    verifier: Arc<CollectorVerifier>,
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    match identity {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key),
        None => Ok(builder.with_no_client_auth()),
    }
}
