//! Servers that files set for the machine as a whole, whatever runs: where accounts and tickets come from (`krb5.conf`, `ldap.conf`).

use rollcall_shared::wire::v1::Upstream;

use super::daemons::{Files, Found};
use crate::{
    files::Root,
    parse::{config::words, krb5},
};

const MOST_DEPTH: usize = 4;
const KERBEROS: u16 = 88;
const KERBEROS_ADMIN: u16 = 749;
const KERBEROS_PASSWORD: u16 = 464;
const LDAP: u16 = 389;

/// The servers, sorted.
pub(super) fn found(root: &Root) -> Vec<Upstream> {
    let files = Files::new(root, "/");
    let mut found = Found::default();
    kerberos(&files, &mut found);
    for path in ["/etc/ldap/ldap.conf", "/etc/openldap/ldap.conf"] {
        ldap(&files, path, &mut found);
    }
    found.tidied().upstreams
}

/// The servers of the machine's own realm. Distributions bring files with many realms of others.
fn kerberos(files: &Files, found: &mut Found) {
    let mut read: Vec<(String, krb5::Kerberos)> = Vec::new();
    let mut open = vec![("/etc/krb5.conf".to_owned(), 0)];
    while let Some((path, depth)) = open.pop() {
        let Some(bytes) = files.read(&path) else { continue };
        let said = krb5::kerberos(&bytes);
        if depth < MOST_DEPTH {
            open.extend(said.includes.iter().map(|path| (path.clone(), depth + 1)));
            let named_well = |path: &String| {
                let name = path.rsplit('/').next().unwrap_or_default();
                let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
                is_plain || name.ends_with(".conf")
            };
            for directory in &said.include_directories {
                let paths = files.expand(&format!("{}/*", directory.trim_end_matches('/')));
                open.extend(paths.into_iter().filter(named_well).map(|path| (path, depth + 1)));
            }
        }
        read.push((path, said));
    }
    let Some(realm) = read.iter().find_map(|(_, said)| said.default_realm.clone()) else { return };
    for (file, said) in &read {
        for (directive, host) in said.servers.get(&realm).into_iter().flatten() {
            let port = match *directive {
                "admin_server" => KERBEROS_ADMIN,
                "kpasswd_server" => KERBEROS_PASSWORD,
                _ => KERBEROS,
            };
            found.host("kerberos", host, Some(port), super::daemons::Said { file, directive });
        }
    }
}

/// `URI ldap://one ldaps://two`, or `HOST one two:port` as it was written long ago.
fn ldap(files: &Files, path: &str, found: &mut Found) {
    let Some(bytes) = files.read(path) else { return };
    for line in words::lines(&bytes) {
        let (directive, values) = (line[0].to_lowercase(), &line[1..]);
        let said = super::daemons::Said { file: path, directive: &directive };
        match &*directive {
            "uri" => {
                for target in values.iter().flat_map(|uri| crate::parse::config::connection::targets(uri)) {
                    found.upstream(target, said);
                }
            }
            "host" => values.iter().for_each(|host| found.host("ldap", host, Some(LDAP), said)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_found_without_a_daemon() {
        let directory = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(
            "etc/krb5.conf",
            "includedir /etc/krb5.conf.d\n[libdefaults]\ndefault_realm = CORP.NET\n[realms]\nMIT.EDU = {\nkdc = kdc.mit.edu\n}\n",
        );
        write(
            "etc/krb5.conf.d/corp",
            "[realms]\nCORP.NET = {\nkdc = dc1.corp.net\nadmin_server = dc1.corp.net\n}\ninclude /etc/krb5.conf\n",
        );
        write("etc/krb5.conf.d/corp.rpmsave", "[realms]\nCORP.NET = {\nkdc = old.corp.net\n}\n");
        write(
            "etc/ldap/ldap.conf",
            "# URI ldap://commented\nBASE dc=corp,dc=net\nURI ldaps://dir1.corp.net ldap://dir2.corp.net:1389 ldapi:///\nBINDPW s3cret\n",
        );
        let text: Vec<String> = found(&Root::new(directory.path()))
            .iter()
            .map(|it| format!("{} {}:{} {} {}", it.kind, it.host, it.port.unwrap(), it.directive, it.file))
            .collect();
        assert_eq!(
            text,
            [
                "kerberos dc1.corp.net:88 kdc /etc/krb5.conf.d/corp",
                "kerberos dc1.corp.net:749 admin_server /etc/krb5.conf.d/corp",
                "ldap dir1.corp.net:636 uri /etc/ldap/ldap.conf",
                "ldap dir2.corp.net:1389 uri /etc/ldap/ldap.conf",
            ]
        );
        assert_eq!(found(&Root::new("/nonexistent")), []);
    }
}
