use rollcall_shared::{Timestamp, wire::v1::Certificates};

/// More certificates of one machine than this say no more about it.
const MOST: usize = 200;

/// A certificate of a server that lies on a machine.
#[derive(Clone, Debug, PartialEq)]
pub struct CertificateFacts {
    /// SHA-256, lower case.
    pub fingerprint: String,
    /// The first common name, else the first name that it is for, else the whole subject.
    pub name: String,
    /// Who signed it.
    pub issuer: String,
    /// Names that it is for.
    pub names: Vec<String>,
    /// When it ends to be valid.
    pub valid_until: Timestamp,
    /// A file that holds it, and how many more do.
    pub place: String,
}

/// Certificates that name somebody; authorities are left out: nobody fails with one before those that it has signed.
pub(super) fn read(certificates: &Certificates) -> Vec<CertificateFacts> {
    let listed = certificates.certificates.iter().filter(|certificate| !certificate.is_ca && is_fingerprint(&certificate.fingerprint));
    let facts = listed.take(MOST).map(|certificate| {
        let common = certificate.subject.split([',', '+']).find_map(|part| part.trim().strip_prefix("CN=")).map(str::trim);
        let name = common.filter(|name| !name.is_empty()).or(certificate.names.first().map(String::as_str)).unwrap_or(&certificate.subject);
        let place = match &certificate.paths[..] {
            [] => "on the machine".to_owned(),
            [one] => one.clone(),
            [first, more @ ..] => format!("{first} and {} more", more.len()),
        };
        let short = |text: &str, most: usize| text.chars().take(most).collect::<String>();
        CertificateFacts {
            fingerprint: certificate.fingerprint.to_lowercase(),
            name: if name.trim().is_empty() { "certificate without a name".to_owned() } else { short(name, 255) },
            issuer: short(&certificate.issuer, 400),
            names: certificate.names.iter().take(100).map(|name| short(name, 255)).collect(),
            valid_until: certificate.not_after,
            place: short(&place, 200),
        }
    });
    facts.collect()
}

fn is_fingerprint(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
