//! The CA of this installation: a root and two intermediates, one for each role, made once.

use std::{fs, io, path::Path};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rcgen::{BasicConstraints, Certificate, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rollcall_shared::Timestamp;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{DAY_MS, PkiError, files, template};

const ROOT_LIFETIME_MS: i64 = 20 * 365 * DAY_MS;
const INTERMEDIATE_LIFETIME_MS: i64 = 10 * 365 * DAY_MS;

const ROOT: &str = "root";
const COLLECTORS: &str = "collectors";
const AGENTS: &str = "agents";

/// The CA: signs collectors' and agents' certificates.
pub struct Authority {
    root: CertificateDer<'static>,
    root_pem: String,
    root_pin: String,
    pub(super) collectors: Intermediate,
    pub(super) agents: Intermediate,
}

/// An intermediate CA with its key.
pub(super) struct Intermediate {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) pem: String,
    pub(super) issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// The CA in `directory`; makes one there if the directory does not exist.
    ///
    /// # Errors
    /// If a file is missing, damaged or readable by others; the message names it.
    pub fn load_or_create(directory: &Path, now: Timestamp) -> Result<Self, PkiError> {
        if !directory.try_exists().map_err(files::failed("read", directory))? {
            create(directory, now)?;
        }
        Self::load(directory)
    }

    fn load(directory: &Path) -> Result<Self, PkiError> {
        files::check_private(directory)?;
        let root_key = directory.join(format!("{ROOT}.key"));
        // The root's key is not needed to serve: it may be kept elsewhere.
        if root_key.exists() {
            files::check_private(&root_key)?;
        }
        let (root, root_pem) = read_certificate(directory, ROOT)?;
        let root_pin = URL_SAFE_NO_PAD.encode(Sha256::digest(public_key_info(directory, ROOT, &root)?));
        let collectors = Intermediate::load(directory, COLLECTORS)?;
        let agents = Intermediate::load(directory, AGENTS)?;
        Ok(Self { root, root_pem, root_pin, collectors, agents })
    }

    /// SHA-256 of the root's SubjectPublicKeyInfo, base64url: what enrollment tokens carry.
    pub fn root_pin(&self) -> &str {
        &self.root_pin
    }

    /// The root certificate, PEM.
    pub fn root_pem(&self) -> &str {
        &self.root_pem
    }

    /// The root certificate.
    pub fn root(&self) -> &CertificateDer<'static> {
        &self.root
    }

    /// The agents' intermediate: what client certificates are verified against.
    pub fn agents_issuer(&self) -> &CertificateDer<'static> {
        &self.agents.certificate
    }
}

impl Intermediate {
    fn load(directory: &Path, name: &str) -> Result<Self, PkiError> {
        let (certificate, pem) = read_certificate(directory, name)?;
        let path = directory.join(format!("{name}.key"));
        files::check_private(&path)?;
        let damaged = |problem: String| PkiError::Damaged { path: path.clone(), problem };
        let key = KeyPair::from_pem(&files::read(&path)?).map_err(|error| damaged(format!("not a private key: {error}")))?;
        let (_, parsed) = X509Certificate::from_der(&certificate).map_err(|error| damaged(format!("unreadable certificate: {error}")))?;
        if parsed.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
            return Err(damaged(format!("not the key of {name}.pem")));
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        Ok(Self { certificate, pem, issuer })
    }
}

fn read_certificate(directory: &Path, name: &str) -> Result<(CertificateDer<'static>, String), PkiError> {
    let path = directory.join(format!("{name}.pem"));
    let pem = files::read(&path)?;
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| PkiError::Damaged { path, problem: format!("not a certificate: {error}") })?;
    Ok((certificate, pem))
}

fn public_key_info(directory: &Path, name: &str, certificate: &CertificateDer<'_>) -> Result<Vec<u8>, PkiError> {
    let (_, parsed) = X509Certificate::from_der(certificate)
        .map_err(|error| PkiError::Damaged { path: directory.join(format!("{name}.pem")), problem: error.to_string() })?;
    Ok(parsed.public_key().raw.to_vec())
}

/// Makes the whole CA beside its place and moves it there, so that a crash leaves none or all of it.
fn create(directory: &Path, now: Timestamp) -> Result<(), PkiError> {
    if let Some(parent) = directory.parent() {
        fs::create_dir_all(parent).map_err(files::failed("create", parent))?;
    }
    let beside = files::beside(directory);
    match fs::remove_dir_all(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(files::failed("replace", &beside)(error)),
        _ => {}
    }
    files::create_private_dir(&beside)?;

    let root_key = KeyPair::generate()?;
    let root_params = ca_template("Rollcall root", now, ROOT_LIFETIME_MS, BasicConstraints::Constrained(1), &[]);
    write(&beside, ROOT, &root_params.self_signed(&root_key)?, &root_key)?;
    let root = Issuer::new(root_params, root_key);
    for (name, common_name, usage) in [
        (COLLECTORS, "Rollcall collectors", ExtendedKeyUsagePurpose::ServerAuth),
        (AGENTS, "Rollcall agents", ExtendedKeyUsagePurpose::ClientAuth),
    ] {
        let key = KeyPair::generate()?;
        let params = ca_template(common_name, now, INTERMEDIATE_LIFETIME_MS, BasicConstraints::Constrained(0), &[usage]);
        write(&beside, name, &params.signed_by(&key, &root)?, &key)?;
    }
    files::sync_parent(&beside.join(ROOT))?;
    match fs::rename(&beside, directory) {
        Ok(()) => files::sync_parent(directory),
        // Another process was faster: its CA stands.
        Err(_) if directory.exists() => fs::remove_dir_all(&beside).map_err(files::failed("remove", &beside)),
        Err(error) => Err(files::failed("create", directory)(error)),
    }
}

fn ca_template(
    common_name: &str,
    now: Timestamp,
    lifetime_ms: i64,
    constraints: BasicConstraints,
    usages: &[ExtendedKeyUsagePurpose],
) -> CertificateParams {
    let mut params = template(common_name, now, lifetime_ms);
    params.is_ca = IsCa::Ca(constraints);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.extended_key_usages = usages.to_vec();
    params
}

fn write(directory: &Path, name: &str, certificate: &Certificate, key: &KeyPair) -> Result<(), PkiError> {
    files::write_new_private(&directory.join(format!("{name}.pem")), &certificate.pem())?;
    files::write_new_private(&directory.join(format!("{name}.key")), &key.serialize_pem())
}
