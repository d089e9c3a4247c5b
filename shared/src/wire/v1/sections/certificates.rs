//! Certificates that lie on the machine.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Certificates in well-known places, without the trust store that comes with the system; sorted by fingerprint.
/// Private keys are never sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Certificates {
    /// The certificates, each once.
    pub certificates: Vec<Certificate>,
}

/// A certificate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Certificate {
    /// SHA-256 over the certificate, 64 hexadecimal digits.
    pub fingerprint: String,
    /// Whom it names: `CN=www.example.org`.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// Serial number, hexadecimal bytes with colons.
    pub serial: String,
    /// DNS names and addresses that it is for, sorted; the first 100.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// When it begins to be valid.
    pub not_before: Timestamp,
    /// When it ends to be valid.
    pub not_after: Timestamp,
    /// Whether it may sign others.
    pub is_ca: bool,
    /// The files that hold it, sorted.
    pub paths: Vec<String>,
    /// Where it is used: service and configuration file that names it, as in `nginx: /etc/nginx/sites-enabled/www`, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub used_by: Vec<String>,
}
