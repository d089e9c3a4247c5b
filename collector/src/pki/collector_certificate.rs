//! The collector's own certificate: valid for its names, replaced at half life while serving. Its key stays, so that
//! the pin in printed install commands stays valid.

use std::{
    collections::BTreeSet,
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PublicKeyData, SanType};
use rollcall_shared::Timestamp;
use rustls::{
    crypto::ring::default_provider,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use sha2::{Digest as _, Sha256};
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

use super::{Authority, DAY_MS, PkiError, files, template};

const LIFETIME_MS: i64 = 30 * DAY_MS;

/// The collector's certificate as both listeners serve it.
#[derive(Debug)]
pub struct CollectorCertificate {
    path: PathBuf,
    key: KeyPair,
    current: ArcSwap<CertifiedKey>,
}

impl CollectorCertificate {
    /// The certificate in `directory`, or a new one if there is none that is good for these names.
    ///
    /// # Errors
    /// If the files cannot be used; the message names them.
    pub fn load_or_create(directory: &Path, authority: &Authority, names: &BTreeSet<String>, now: Timestamp) -> Result<Self, PkiError> {
        files::create_private_dir(directory)?;
        files::check_private(directory)?;
        let key = load_or_create_key(&directory.join("collector.key"))?;
        let path = directory.join("collector.pem");
        let chain = match stored_chain(&path)? {
            Some(chain) if !is_due(&chain, &key, authority, names, now) => chain,
            _ => issue(&path, &key, authority, names, now)?,
        };
        let current = ArcSwap::from_pointee(certified(chain, &key)?);
        Ok(Self { path, key, current })
    }

    /// Replaces the certificate if it is past half of its life, does not name all of `names`, or its file was
    /// deleted. Returns whether it was replaced.
    ///
    /// # Errors
    /// If the new one cannot be made or written; the old one is served on.
    pub fn renew_if_due(&self, authority: &Authority, names: &BTreeSet<String>, now: Timestamp) -> Result<bool, PkiError> {
        if self.path.exists() && !is_due(&self.current.load().cert, &self.key, authority, names, now) {
            return Ok(false);
        }
        self.renew(authority, names, now).map(|()| true)
    }

    /// Replaces the certificate now.
    ///
    /// # Errors
    /// As [`CollectorCertificate::renew_if_due`].
    pub fn renew(&self, authority: &Authority, names: &BTreeSet<String>, now: Timestamp) -> Result<(), PkiError> {
        let chain = issue(&self.path, &self.key, authority, names, now)?;
        self.current.store(Arc::new(certified(chain, &self.key)?));
        Ok(())
    }

    /// SHA-256 of the certificate's SubjectPublicKeyInfo, base64, as `curl --pinnedpubkey` takes it after `sha256//`.
    pub fn public_key_pin(&self) -> String {
        STANDARD.encode(Sha256::digest(self.key.subject_public_key_info()))
    }

    /// The chain that is served now: certificate, intermediate, root.
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.current.load().cert.clone()
    }
}

impl ResolvesServerCert for CollectorCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

/// A certificate chain and key from PEM files that somebody else keeps current.
///
/// # Errors
/// If a file cannot be read, holds nothing usable, or the key is not the certificate's; the message names it.
pub fn certified_key_from_files(certificate: &Path, private_key: &Path) -> Result<CertifiedKey, PkiError> {
    let damaged = |path: &Path, problem: String| PkiError::Damaged { path: path.to_owned(), problem };
    let chain = CertificateDer::pem_slice_iter(files::read(certificate)?.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| damaged(certificate, format!("not a PEM certificate chain: {error}")))?;
    if chain.is_empty() {
        return Err(damaged(certificate, "holds no PEM certificate".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(files::read(private_key)?.as_bytes())
        .map_err(|error| damaged(private_key, format!("not a PEM private key: {error}")))?;
    Ok(CertifiedKey::from_der(chain, key, &default_provider())?)
}

fn load_or_create_key(path: &Path) -> Result<KeyPair, PkiError> {
    match fs::read_to_string(path) {
        Ok(pem) => {
            files::check_private(path)?;
            KeyPair::from_pem(&pem)
                .map_err(|error| PkiError::Damaged { path: path.to_owned(), problem: format!("not a private key: {error}") })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = KeyPair::generate()?;
            files::replace_private(path, &key.serialize_pem())?;
            Ok(key)
        }
        Err(error) => Err(files::failed("read", path)(error)),
    }
}

/// The chain in the file; `None` if there is no file or nothing to use in it, since a new one can always be made.
fn stored_chain(path: &Path) -> Result<Option<Vec<CertificateDer<'static>>>, PkiError> {
    match fs::read(path) {
        Ok(pem) => Ok(CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>().ok().filter(|chain| !chain.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(files::failed("read", path)(error)),
    }
}

fn is_due(chain: &[CertificateDer<'_>], key: &KeyPair, authority: &Authority, names: &BTreeSet<String>, now: Timestamp) -> bool {
    let Some(Ok((_, certificate))) = chain.first().map(|first| X509Certificate::from_der(first)) else { return true };
    let same_issuer = chain.get(1) == Some(&authority.collectors.certificate) && chain.get(2) == Some(authority.root());
    let same_key = certificate.public_key().subject_public_key.data.as_ref() == key.public_key_raw();
    let half_life = certificate.validity().not_after.timestamp().saturating_mul(1_000) - LIFETIME_MS / 2;
    !same_issuer || !same_key || now.as_millis() >= half_life || !names.is_subset(&names_in(&certificate))
}

fn names_in(certificate: &X509Certificate<'_>) -> BTreeSet<String> {
    let names = certificate.subject_alternative_name().ok().flatten();
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress([a, b, c, d]) => Some(IpAddr::from([*a, *b, *c, *d]).to_string()),
        GeneralName::IPAddress(bytes) => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
        _ => None,
    };
    names.iter().flat_map(|names| names.value.general_names.iter()).filter_map(name).collect()
}

fn issue(
    path: &Path,
    key: &KeyPair,
    authority: &Authority,
    names: &BTreeSet<String>,
    now: Timestamp,
) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    let mut params = template("Rollcall collector", now, LIFETIME_MS);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    for name in names {
        params.subject_alt_names.push(match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(name.as_str().try_into()?),
        });
    }
    let certificate = params.signed_by(key, &authority.collectors.issuer)?;
    files::replace_private(path, &format!("{}{}{}", certificate.pem(), authority.collectors.pem, authority.root_pem()))?;
    Ok(vec![certificate.into(), authority.collectors.certificate.clone(), authority.root().clone()])
}

fn certified(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Result<CertifiedKey, PkiError> {
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(|error| rustls::Error::General(error.to_owned()))?;
    Ok(CertifiedKey::from_der(chain, key, &default_provider())?)
}
