//! X.509 certificates in PEM and DER.

use std::{fmt::Write, net::IpAddr};

use rollcall_shared::{Timestamp, wire::v1::Certificate};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Name};

use super::text::clean;

const MOST_NAMES: usize = 100;

/// The certificates in a file, without its path: PEM blocks, or one certificate in DER. Keys in the same file are passed over,
/// and so is what is damaged. A file with more than `most` certificates is somebody's trust store and has none.
pub fn certificates(bytes: &[u8], most: usize) -> Vec<Certificate> {
    // DER begins with a sequence; PEM is text.
    if bytes.first() == Some(&0x30) {
        return certificate(bytes).into_iter().collect();
    }
    let blocks: Vec<CertificateDer<'_>> = CertificateDer::pem_slice_iter(bytes).filter_map(Result::ok).take(most + 1).collect();
    if blocks.len() > most { Vec::new() } else { blocks.iter().filter_map(|der| certificate(der)).collect() }
}

fn certificate(der: &[u8]) -> Option<Certificate> {
    let (rest, found) = X509Certificate::from_der(der).ok()?;
    let der = &der[..der.len() - rest.len()];
    let fingerprint = Sha256::digest(der).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    let time = |seconds: i64| Timestamp::from_millis(seconds.saturating_mul(1_000));
    Some(Certificate {
        fingerprint,
        subject: name(found.subject()),
        issuer: name(found.issuer()),
        serial: clean(found.raw_serial_as_string().as_bytes()).unwrap_or_default(),
        names: names(&found),
        not_before: time(found.validity().not_before.timestamp()),
        not_after: time(found.validity().not_after.timestamp()),
        is_ca: found.is_ca(),
        paths: Vec::new(),
        used_by: Vec::new(),
    })
}

fn name(name: &X509Name<'_>) -> String {
    clean(name.to_string().as_bytes()).unwrap_or_default()
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(alternatives)) = certificate.subject_alternative_name() else { return Vec::new() };
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => clean(name.as_bytes()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
            16 => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
            _ => None,
        },
        _ => None,
    };
    let mut names: Vec<String> = alternatives.value.general_names.iter().filter_map(text).take(MOST_NAMES).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
pub(crate) mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    /// A certificate for this name and its key, both in PEM.
    pub(crate) fn pem(name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned(), "192.0.2.1".to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.not_after = rcgen::date_time_ymd(2030, 6, 1);
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    #[test]
    fn certificates_are_found_and_keys_are_not() {
        let ((first, key), (second, _)) = (pem("www.example.org"), pem("db.example.org"));
        let file = format!("# combined\n{key}\n{first}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n{second}");
        let found = certificates(file.as_bytes(), 8);
        assert_eq!(found.iter().map(|found| found.subject.contains("CN=")).collect::<Vec<_>>(), [true, true]);
        assert_eq!(found[0].names, ["192.0.2.1", "www.example.org"]);
        assert_eq!(found[0].not_after.to_string(), "2030-06-01T00:00:00Z");
        assert!(!found[0].is_ca && found[0].issuer == found[0].subject);
        let secret = key.lines().nth(1).unwrap();
        assert!(!serde_json::to_string(&found).unwrap().contains(secret));
        assert!(certificates(file.as_bytes(), 2).is_empty(), "three blocks are more than two");
        let der = CertificateDer::from_pem_slice(first.as_bytes()).unwrap();
        assert_eq!(certificates(&der, 8), found[..1]);
        for cut in 0..der.len() {
            assert_eq!(certificates(&der[..cut], 8), []);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            certificates(&bytes, 8);
            certificates(&[&[0x30], &bytes[..]].concat(), 8);
        }
    }
}
