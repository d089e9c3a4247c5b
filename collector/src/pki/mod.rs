//! Certificates: the CA of this installation, the collector's own certificate and those of its agents.
//!
//! ```text
//! root ─┬─ collectors' intermediate (serverAuth) ── collector certificate, 30 days, replaced at half life
//!       └─ agents' intermediate (clientAuth)     ── agent certificate, 7 days, renewed at half life
//! ```
//! All keys are P-256 and lie in `DATA/ca/` and `DATA/tls/`, readable by the collector's user only.

mod agent_certificate;
mod authority;
mod collector_certificate;
mod files;
mod local_addresses;

pub use agent_certificate::{AgentIdentity, CsrRefused, PublicKey, identity_of, verify_signature};
pub use authority::Authority;
pub use collector_certificate::{CollectorCertificate, certified_key_from_files};
pub use local_addresses::local_addresses;

use std::{path::PathBuf, time::Duration};

use rcgen::{CertificateParams, DistinguishedName, DnType, SerialNumber};
use rollcall_shared::Timestamp;

/// Certificates are valid from an hour before they are made, for machines whose clock is a little late.
const BACKDATED_MS: i64 = 3_600_000;
const DAY_MS: i64 = 86_400_000;

/// Why certificates cannot be made or used. Each says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PkiError {
    /// A file cannot be read or written.
    #[error("{}: cannot {what}", .path.display())]
    File {
        /// Read, write, create.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A private key could be read by others.
    #[error(
        "{} can be read or written by others (mode {mode:o}); its owner alone may: run `chmod {wanted:o} {}`, and if somebody may have \
         copied it, make a new CA by moving the directory away and enrolling the agents again",
        .path.display(), .path.display()
    )]
    Permissions {
        /// The file or directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode it should have.
        wanted: u32,
    },
    /// A file does not hold what its name says.
    #[error("{}: {problem}; restore it from a backup", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A certificate could not be made.
    #[error("a certificate could not be made")]
    Make(#[from] rcgen::Error),
    /// The TLS library does not accept a key or certificate.
    #[error("a certificate could not be used")]
    Use(#[from] rustls::Error),
}

/// A template with our defaults: this common name, valid from now (backdated) for `lifetime_ms`, random serial number.
fn template(common_name: &str, now: Timestamp, lifetime_ms: i64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    // rcgen takes times of a library that nothing else here needs; adding to its epoch makes them without naming it.
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let since_epoch = |at: Timestamp| Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(0));
    params.not_before = epoch + since_epoch(now.plus_millis(-BACKDATED_MS));
    params.not_after = epoch + since_epoch(now.plus_millis(lifetime_ms));
    params.serial_number = Some(random_serial());
    params.use_authority_key_identifier_extension = true;
    params
}

/// 127 random bits: positive, and never to be guessed.
fn random_serial() -> SerialNumber {
    let mut bytes: [u8; 16] = rand::random();
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    SerialNumber::from_slice(&bytes)
}

#[cfg(test)]
mod tests;
