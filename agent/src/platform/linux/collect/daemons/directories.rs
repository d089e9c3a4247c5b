//! Whom a machine asks for accounts and rights: SSSD and nslcd.

use super::{
    Subject,
    found::{Found, Said},
};
use crate::parse::config::{connection, ini, words};

const KERBEROS: u16 = 88;
const LDAP: u16 = 389;
/// What a setting of a domain names: the setting, what is spoken, its usual port.
const SERVERS: &[(&str, &str, u16)] = &[
    ("ad_backup_server", "ldap", LDAP),
    ("ad_server", "ldap", LDAP),
    ("ipa_backup_server", "ldap", LDAP),
    ("ipa_server", "ldap", LDAP),
    ("krb5_backup_server", "kerberos", KERBEROS),
    ("krb5_server", "kerberos", KERBEROS),
];
const URIS: &[&str] = &["ldap_backup_uri", "ldap_chpass_uri", "ldap_uri"];

pub(super) fn sssd(subject: &Subject) -> Found {
    let mut found = Found::default();
    let main = words::option(&subject.arguments, "-c").unwrap_or("/etc/sssd/sssd.conf").to_owned();
    for path in [main].into_iter().chain(subject.files.expand("/etc/sssd/conf.d/*.conf")) {
        let Some(bytes) = subject.files.read(&path) else { continue };
        for entry in ini::entries(&bytes).into_iter().filter(|entry| entry.section.starts_with("domain/")) {
            let hosts = entry.value.split([',', ' ']).map(str::trim).filter(|host| !host.is_empty());
            if let Some((directive, kind, port)) = SERVERS.iter().find(|(key, ..)| *key == entry.key) {
                // `_srv_` asks the name service, which says whom at that moment.
                for host in hosts.filter(|host| *host != "_srv_") {
                    found.host(kind, host, Some(*port), Said { file: &path, directive });
                }
            } else if let Some(directive) = URIS.iter().find(|key| **key == entry.key) {
                for target in hosts.flat_map(connection::targets) {
                    found.upstream(target, Said { file: &path, directive });
                }
            }
        }
    }
    found
}

pub(super) fn nslcd(subject: &Subject) -> Found {
    let mut found = Found::default();
    let path = "/etc/nslcd.conf";
    for line in subject.files.read(path).map(|bytes| words::lines(&bytes)).unwrap_or_default() {
        if line[0].eq_ignore_ascii_case("uri") {
            for target in line[1..].iter().flat_map(|uri| connection::targets(uri)) {
                found.upstream(target, Said { file: path, directive: "uri" });
            }
        }
    }
    found
}
