//! Agents' certificates: our own template around the public key of a request, and what is read back from a presented one.

use rcgen::{ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, PublicKeyData, SanType, SubjectPublicKeyInfo};
use rollcall_shared::{AgentId, Timestamp};
use rustls::{SignatureScheme, crypto::ring::default_provider};
use x509_parser::{
    certification_request::X509CertificationRequest,
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

use super::{Authority, PkiError, template};

const URI_PREFIX: &str = "rollcall:agent:";
/// `ecdsa-with-SHA256`
const ECDSA_WITH_SHA256: &str = "1.2.840.10045.4.3.2";

/// Who presented a client certificate. Read from a certificate that TLS has verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentIdentity {
    /// The agent.
    pub agent: AgentId,
    /// Which certificate of this agent it is.
    pub generation: u64,
    /// When the certificate ends. A connection or a resumed session may outlive it; requests may not.
    pub not_after: Timestamp,
}

/// A P-256 public key: SubjectPublicKeyInfo, DER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(Vec<u8>);

/// A certificate request that is not signed for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CsrRefused {
    /// It is not a PKCS #10 request in DER.
    #[error("it is not a PKCS #10 certificate request in DER")]
    Unreadable,
    /// The key is not of the one kind that is accepted.
    #[error("its key is not an ECDSA key on the curve P-256")]
    Key,
    /// Whoever sent it does not hold the key.
    #[error("its signature was not made with its key")]
    Signature,
}

impl PublicKey {
    /// The public key of a request whose sender has proved to hold the private one. Nothing else of the request is read.
    ///
    /// # Errors
    /// See [`CsrRefused`].
    pub fn of_request(der: &[u8]) -> Result<Self, CsrRefused> {
        let (rest, request) = X509CertificationRequest::from_der(der).map_err(|_| CsrRefused::Unreadable)?;
        if !rest.is_empty() {
            return Err(CsrRefused::Unreadable);
        }
        let info = &request.certification_request_info;
        let key = Self(info.subject_pki.raw.to_vec());
        key.parse().ok_or(CsrRefused::Key)?;
        let by_known_algorithm = request.signature_algorithm.algorithm.to_id_string() == ECDSA_WITH_SHA256;
        if !by_known_algorithm || !verify_signature(key.der(), info.raw, &request.signature_value.data) {
            return Err(CsrRefused::Signature);
        }
        Ok(key)
    }

    /// SubjectPublicKeyInfo.
    pub fn der(&self) -> &[u8] {
        &self.0
    }

    fn parse(&self) -> Option<SubjectPublicKeyInfo> {
        parse_p256(&self.0)
    }
}

fn parse_p256(subject_public_key_info: &[u8]) -> Option<SubjectPublicKeyInfo> {
    let key = SubjectPublicKeyInfo::from_der(subject_public_key_info).ok()?;
    (key.algorithm() == &rcgen::PKCS_ECDSA_P256_SHA256).then_some(key)
}

/// Whether `signature` (ASN.1 DER) over `message` was made with the private half of this P-256 key
/// (SubjectPublicKeyInfo, DER).
pub fn verify_signature(public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Some(key) = parse_p256(public_key) else { return false };
    let algorithms = default_provider().signature_verification_algorithms;
    let p256 = algorithms.mapping.iter().find(|(scheme, _)| *scheme == SignatureScheme::ECDSA_NISTP256_SHA256);
    p256.and_then(|(_, algorithms)| algorithms.first())
        .is_some_and(|algorithm| algorithm.verify_signature(key.der_bytes(), message, signature).is_ok())
}

impl Authority {
    /// Signs a certificate for an agent: client authentication only, no CA, and its identity as the only name. Returns
    /// the chain (certificate and issuer, PEM) and when it ends.
    ///
    /// # Errors
    /// If signing fails, which a key that [`PublicKey::of_request`] accepted does not cause.
    pub fn issue_agent_certificate(
        &self,
        agent: AgentId,
        generation: u64,
        key: &PublicKey,
        now: Timestamp,
        lifetime_ms: i64,
    ) -> Result<(String, Timestamp), PkiError> {
        let mut params = template(&format!("Rollcall agent {agent}"), now, lifetime_ms);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.subject_alt_names = vec![SanType::URI(format!("{URI_PREFIX}{agent}:{generation}").try_into()?)];
        let key = key.parse().ok_or(rcgen::Error::UnsupportedSignatureAlgorithm)?;
        let certificate = params.signed_by(&key, &self.agents.issuer)?;
        // Certificates hold whole seconds.
        let not_after = Timestamp::from_millis(now.plus_millis(lifetime_ms).as_millis() / 1_000 * 1_000);
        Ok((format!("{}{}", certificate.pem(), self.agents.pem), not_after))
    }
}

/// The identity in an agent's certificate; `None` if it is not one of ours in form. TLS has verified the issuer before.
pub fn identity_of(certificate: &[u8]) -> Option<AgentIdentity> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let names = certificate.subject_alternative_name().ok()??;
    let [GeneralName::URI(uri)] = names.value.general_names.as_slice() else { return None };
    let (agent, generation) = uri.strip_prefix(URI_PREFIX)?.split_once(':')?;
    let not_after = Timestamp::from_millis(certificate.validity().not_after.timestamp().saturating_mul(1_000));
    Some(AgentIdentity { agent: agent.parse().ok()?, generation: generation.parse().ok()?, not_after })
}
