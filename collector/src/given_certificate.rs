//! A certificate that somebody else keeps current in files, for the listener for people.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::pki::{PkiError, certified_key_from_files};

const LOOK_EVERY: Duration = Duration::from_secs(30);

/// The certificate as it is served now.
#[derive(Debug)]
pub(crate) struct GivenCertificate {
    certificate: PathBuf,
    private_key: PathBuf,
    current: ArcSwap<CertifiedKey>,
}

impl GivenCertificate {
    /// Reads the files.
    pub(crate) fn load(certificate: &Path, private_key: &Path) -> Result<Self, PkiError> {
        let current = ArcSwap::from_pointee(certified_key_from_files(certificate, private_key)?);
        Ok(Self { certificate: certificate.to_owned(), private_key: private_key.to_owned(), current })
    }

    /// Reads the files again whenever they have changed; what cannot be used is logged, and the one before is served on.
    pub(crate) async fn follow_files(self: Arc<Self>) {
        let mut seen = self.modified();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let modified = self.modified();
            if modified != seen && self.reload() {
                seen = modified;
            }
        }
    }

    /// Reads the files again now; `false` if they cannot be used, such as between the writing of one and the other.
    fn reload(&self) -> bool {
        match certified_key_from_files(&self.certificate, &self.private_key) {
            Ok(key) => {
                self.current.store(Arc::new(key));
                tracing::info!(certificate = %self.certificate.display(), "certificate read again");
                true
            }
            Err(error) => {
                let error = anyhow::Error::from(error);
                tracing::warn!("the certificate for people was changed and cannot be used; the one before is served on: {error:#}");
                false
            }
        }
    }

    fn modified(&self) -> [Option<SystemTime>; 2] {
        [&self.certificate, &self.private_key].map(|path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok())
    }
}

impl ResolvesServerCert for GivenCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}
