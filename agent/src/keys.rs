//! The agent's key.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData, SigningKey};
use rollcall_shared::{
    AgentId,
    wire::v1::{RecoverRequest, RenewRequest, recover_message},
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use uuid::Uuid;
use zeroize::Zeroizing;

/// An ECDSA P-256 key that this machine made and that never leaves it.
pub struct AgentKey(KeyPair);

/// A key could not be made, read or used.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct KeyError {
    doing: &'static str,
    source: rcgen::Error,
}

impl KeyError {
    fn when(doing: &'static str) -> impl FnOnce(rcgen::Error) -> Self {
        move |source| Self { doing, source }
    }
}

impl AgentKey {
    /// A new key.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn generate() -> Result<Self, KeyError> {
        KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map(Self).map_err(KeyError::when("making the agent's key"))
    }

    /// Reads what [`Self::to_pem`] wrote.
    ///
    /// # Errors
    /// If it is no P-256 key in PKCS #8.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        KeyPair::from_pem_and_sign_algo(pem, &PKCS_ECDSA_P256_SHA256).map(Self).map_err(KeyError::when("reading the agent's key"))
    }

    /// The key as PKCS #8 PEM. It is a secret.
    pub fn to_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.serialize_pem())
    }

    /// The key as the TLS library wants it.
    pub fn to_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.0.serialize_der()))
    }

    /// The public key: a SubjectPublicKeyInfo, DER.
    pub fn public_der(&self) -> Vec<u8> {
        self.0.subject_public_key_info()
    }

    /// A PKCS #10 request for this key, DER, base64. The collector reads nothing of it but the key.
    ///
    /// # Errors
    /// If signing fails.
    pub fn csr(&self) -> Result<String, KeyError> {
        let doing = "making a certificate request";
        let request = CertificateParams::default().serialize_request(&self.0).map_err(KeyError::when(doing))?;
        Ok(STANDARD.encode(request.der()))
    }

    /// Asks for a certificate after the old one expired, with proof that this is the key's holder.
    ///
    /// # Errors
    /// If signing fails.
    pub fn recovery(&self, agent_id: AgentId, generation: u64, nonce: Uuid) -> Result<RecoverRequest, KeyError> {
        let message = recover_message(agent_id, generation, nonce);
        let signature = self.0.sign(&message).map_err(KeyError::when("signing a recovery"))?;
        Ok(RecoverRequest { agent_id, renew: RenewRequest { nonce, generation, csr: self.csr()? }, signature: STANDARD.encode(signature) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_file() {
        let key = AgentKey::generate().unwrap();
        let read = AgentKey::from_pem(&key.to_pem()).unwrap();
        assert_eq!(read.public_der(), key.public_der());
        assert!(AgentKey::from_pem("-----BEGIN PRIVATE KEY-----\n").is_err());
    }
}
