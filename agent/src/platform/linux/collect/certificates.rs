//! Certificates in well-known places, and those that configurations of servers name.

use std::collections::BTreeMap;

use rollcall_shared::wire::v1::{Certificate, Certificates};

use super::{Machine, Outcome, certificate_uses};
use crate::{files::Root, parse::certificate};

/// Where servers and the system keep certificates, and how deep to look below.
const PLACES: &[(&str, usize)] = &[
    ("/etc/ssl/certs", 0),
    ("/etc/pki/tls/certs", 0),
    ("/usr/local/share/ca-certificates", 1),
    ("/etc/pki/ca-trust/source/anchors", 0),
    ("/etc/nginx", 3),
    ("/etc/apache2", 3),
    ("/etc/httpd", 3),
    ("/etc/haproxy", 2),
    ("/etc/postfix", 1),
    ("/etc/dovecot", 2),
    ("/etc/kubernetes/pki", 1),
];
const LETS_ENCRYPT: &str = "/etc/letsencrypt/live";
/// Directories entered and files opened in all, and certificates sent.
const MOST_ENTRIES: usize = 4_096;
const MOST_CERTIFICATES: usize = 512;
/// Files that hold more are bundles of authorities.
const MOST_IN_A_FILE: usize = 8;
/// Of a directory that HAProxy takes certificates from.
const MOST_IN_A_DIRECTORY: usize = 512;
const MOST_BYTES: u64 = 128 << 10;

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Certificates> {
    let root = machine.root;
    let mut search = Search { root, entries: 0, found: BTreeMap::new(), denied: None };
    for (place, depth) in PLACES {
        search.directory(place, *depth);
    }
    // One directory a certificate, with links to the current files; the leaf alone is the machine's own.
    for name in root.names(LETS_ENCRYPT).unwrap_or_default() {
        search.file(format!("{LETS_ENCRYPT}/{name}/cert.pem"));
    }
    let uses = certificate_uses::read(root);
    for path in uses.keys() {
        search.named(path);
    }
    search.mark(&uses);
    let mut missing: Vec<String> = search.denied.take().into_iter().collect();
    if search.entries >= MOST_ENTRIES {
        missing.push(format!("the search ended after {MOST_ENTRIES} files"));
    }
    let mut certificates: Vec<Certificate> = search.found.into_values().collect();
    if certificates.len() > MOST_CERTIFICATES {
        certificates.truncate(MOST_CERTIFICATES);
        missing.push(format!("only {MOST_CERTIFICATES} certificates are listed"));
    }
    let found = Certificates { certificates };
    if missing.is_empty() { Outcome::Data(found) } else { Outcome::Partial(found, missing.join("; ")) }
}

struct Search<'a> {
    root: &'a Root,
    entries: usize,
    found: BTreeMap<String, Certificate>,
    denied: Option<String>,
}

impl Search<'_> {
    fn directory(&mut self, directory: &str, depth: usize) {
        for name in self.root.names(directory).unwrap_or_default() {
            if self.entries >= MOST_ENTRIES {
                return;
            }
            let path = format!("{directory}/{name}");
            // The system's trust store is links into its package, and links made by hash to files that are here too.
            if self.root.link(&path).is_some() {
                continue;
            }
            self.entries += 1;
            let is_certificate = [".pem", ".crt", ".cer", ".der"].iter().any(|end| name.ends_with(end));
            let is_bundle = ["ca-certificates", "ca-bundle", "tls-ca-bundle"].iter().any(|start| name.starts_with(start));
            // By custom, what is named a key is one; it is not opened.
            let is_key = name.contains("key") || name.contains("dhparam");
            if is_certificate && !is_bundle && !is_key {
                self.file(path);
            } else if depth > 0 && !name.contains('.') {
                self.directory(&path, depth - 1);
            }
        }
    }

    /// What a configuration names is opened whatever it is called, and may be a directory of files.
    fn named(&mut self, path: &str) {
        match self.root.names(path) {
            Ok(names) => names.into_iter().take(MOST_IN_A_DIRECTORY).for_each(|name| self.file(format!("{path}/{name}"))),
            Err(_) => self.file(path.to_owned()),
        }
    }

    /// Notes who uses what was found. A path may be named by way of a link.
    fn mark(&mut self, uses: &BTreeMap<String, Vec<String>>) {
        for certificate in self.found.values_mut() {
            let of_path = |path: &String| {
                let directory = path.rsplit_once('/').map(|(directory, _)| directory.to_owned());
                [Some(path.clone()), directory]
                    .into_iter()
                    .flatten()
                    .filter_map(|path| uses.get(&path))
                    .flatten()
                    .cloned()
                    .collect::<Vec<_>>()
            };
            certificate.used_by = certificate.paths.iter().flat_map(of_path).collect();
            certificate.used_by.sort_unstable();
            certificate.used_by.dedup();
        }
    }

    fn file(&mut self, path: String) {
        let bytes = match self.root.read_up_to(&path, MOST_BYTES) {
            Ok(bytes) => bytes,
            Err(error) => {
                if error.kind() == std::io::ErrorKind::PermissionDenied {
                    self.denied.get_or_insert_with(|| format!("{path}: {error}"));
                }
                return;
            }
        };
        for certificate in certificate::certificates(&bytes, MOST_IN_A_FILE) {
            let known = self.found.entry(certificate.fingerprint.clone()).or_insert(certificate);
            if !known.paths.contains(&path) {
                known.paths.push(path.clone());
                known.paths.sort_unstable();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::collect_one, *};
    use crate::parse::certificate::tests::pem;

    #[test]
    fn uses_are_told_also_of_what_lies_elsewhere() {
        let ((web, _), (shop, _), (mail, _)) = (pem("www.example.org"), pem("shop.example.org"), pem("mail.example.org"));
        let files = [
            (
                "/etc/nginx/sites-enabled/www",
                "server {\n  ssl_certificate /etc/letsencrypt/live/www/fullchain.pem;\n  ssl_certificate_key /k;\n}\n",
            ),
            ("/etc/letsencrypt/live/www/cert.pem", web.as_str()),
            ("/etc/letsencrypt/live/www/fullchain.pem", web.as_str()),
            ("/etc/haproxy/haproxy.cfg", "frontend x\n bind :443 ssl crt /srv/tls alpn h2\n"),
            ("/srv/tls/shop", shop.as_str()),
            ("/etc/postfix/main.cf", "smtpd_tls_cert_file = /srv/mail.chain\n"),
            ("/srv/mail.chain", mail.as_str()),
        ];
        let Outcome::Data(mut found) = collect_one(&files, collect) else { panic!("no data") };
        found.certificates.sort_by(|a, b| a.subject.cmp(&b.subject));
        let seen: Vec<_> = found.certificates.iter().map(|found| (found.paths.join(" "), found.used_by.join(" "))).collect();
        let expected = [
            ("/srv/mail.chain", "postfix: /etc/postfix/main.cf"),
            ("/srv/tls/shop", "haproxy: /etc/haproxy/haproxy.cfg"),
            ("/etc/letsencrypt/live/www/cert.pem /etc/letsencrypt/live/www/fullchain.pem", "nginx: /etc/nginx/sites-enabled/www"),
        ];
        assert_eq!(seen, expected.map(|(paths, used_by)| (paths.to_owned(), used_by.to_owned())));
    }

    #[test]
    fn own_certificates_are_listed_once_and_the_trust_store_is_not() {
        let ((web, key), (mail, _), (authority, _)) = (pem("www.example.org"), pem("mail.example.org"), pem("ca.example.org"));
        let combined = format!("{key}{web}");
        let files = [
            ("/usr/share/ca-certificates/mozilla/root.crt", authority.as_str()),
            ("/etc/ssl/certs/root.pem", "-> ../../../usr/share/ca-certificates/mozilla/root.crt"),
            ("/etc/ssl/certs/ca-certificates.crt", authority.as_str()),
            ("/etc/ssl/certs/mail.pem", mail.as_str()),
            ("/etc/nginx/ssl/www/site.pem", combined.as_str()),
            ("/etc/nginx/ssl/www/too/deep/site.pem", authority.as_str()),
            ("/etc/nginx/nginx.conf", "http {}"),
            ("/etc/letsencrypt/archive/www/cert1.pem", web.as_str()),
            ("/etc/letsencrypt/live/www/cert.pem", "-> ../../archive/www/cert1.pem"),
            ("/etc/letsencrypt/live/README", "x"),
        ];
        let Outcome::Data(mut found) = collect_one(&files, collect) else { panic!("no data") };
        found.certificates.sort_by(|a, b| a.subject.cmp(&b.subject));
        let seen: Vec<_> = found.certificates.iter().map(|found| (found.names.join(" "), found.paths.join(" "))).collect();
        let expected = [
            ("192.0.2.1 mail.example.org", "/etc/ssl/certs/mail.pem"),
            ("192.0.2.1 www.example.org", "/etc/letsencrypt/live/www/cert.pem /etc/nginx/ssl/www/site.pem"),
        ];
        assert_eq!(seen, expected.map(|(names, paths)| (names.to_owned(), paths.to_owned())));
    }
}
