//! `krb5.conf`: the realm of the machine, and whom it asks for tickets there.

use std::collections::BTreeMap;

/// What one file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kerberos {
    /// The realm that is meant where none is named.
    pub default_realm: Option<String>,
    /// By realm: the setting, and the host (with its port) that it names, in the order written.
    pub servers: BTreeMap<String, Vec<(&'static str, String)>>,
    /// Files that are read at this place.
    pub includes: Vec<String>,
    /// Directories whose files are.
    pub include_directories: Vec<String>,
}

/// Settings of a realm that name a server.
const SERVERS: &[&str] = &["kdc", "admin_server", "kpasswd_server", "primary_kdc", "master_kdc"];
const MOST_LINES: usize = 20_000;
const MOST_SERVERS: usize = 256;
const MOST_INCLUDES: usize = 32;

/// Reads a file.
pub fn kerberos(bytes: &[u8]) -> Kerberos {
    let text = String::from_utf8_lossy(bytes);
    let mut found = Kerberos::default();
    let mut section = String::new();
    // The realm that is open, and how many braces are within it.
    let mut realm: Option<(String, usize)> = None;
    let mut named = 0;
    for line in text.lines().take(MOST_LINES).map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            (section, realm) = (name.trim().to_owned(), None);
            continue;
        }
        if let Some((word, path)) = line.split_once(char::is_whitespace).filter(|(_, path)| path.trim().starts_with('/')) {
            let list = match word {
                "include" => &mut found.includes,
                "includedir" => &mut found.include_directories,
                _ => continue,
            };
            if list.len() < MOST_INCLUDES {
                list.push(path.trim().to_owned());
            }
            continue;
        }
        if line.starts_with('}') {
            realm = realm.and_then(|(name, depth)| Some((name, depth.checked_sub(1)?)));
            continue;
        }
        let Some((key, value)) = line.split_once('=').map(|(key, value)| (key.trim(), value.trim())) else { continue };
        if value.starts_with('{') {
            realm = Some(realm.map_or_else(|| (key.to_owned(), 0), |(name, depth)| (name, depth + 1)));
            continue;
        }
        let value = value.trim_matches('"');
        match (&*section, &realm) {
            ("libdefaults", _) if key == "default_realm" && !value.is_empty() => {
                found.default_realm.get_or_insert_with(|| value.to_owned());
            }
            ("realms", Some((name, 0))) if named < MOST_SERVERS => {
                if let Some(setting) = SERVERS.iter().find(|setting| **setting == key.trim_end_matches('*')) {
                    found.servers.entry(name.clone()).or_default().push((setting, value.to_owned()));
                    named += 1;
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn realms_have_servers() {
        let text = "includedir /etc/krb5.conf.d/\ninclude /etc/krb5.more\n[libdefaults]\n default_realm = CORP.NET\n dns_lookup_kdc = true\n\
            [realms]\n CORP.NET = {\n  kdc = kdc1.corp.net:88\n  # kdc = old\n  kdc = kdc2.corp.net\n  admin_server = \"kdc1.corp.net\"\n\
            auth_to_local_names = {\n   kdc = not-a-server\n  }\n  kpasswd_server* = pw.corp.net:464\n }\n OTHER = { \n kdc = x\n }\n\
            [domain_realm]\n .corp.net = CORP.NET\n kdc = nothing\n";
        let found = kerberos(text.as_bytes());
        assert_eq!(found.default_realm.as_deref(), Some("CORP.NET"));
        let servers: Vec<_> = found.servers["CORP.NET"].iter().map(|(setting, host)| format!("{setting} {host}")).collect();
        assert_eq!(servers, ["kdc kdc1.corp.net:88", "kdc kdc2.corp.net", "admin_server kdc1.corp.net", "kpasswd_server pw.corp.net:464"]);
        assert_eq!(found.servers["OTHER"], [("kdc", "x".to_owned())]);
        assert_eq!((found.includes, found.include_directories), (vec!["/etc/krb5.more".into()], vec!["/etc/krb5.conf.d/".into()]));
        assert_eq!(kerberos(b"kdc = x\n[realms]\nkdc = y\n}\n}\nA = {\n"), Kerberos::default());
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(text in "([\\[\\]{}=a-z \n/#*]|realms|kdc|include ){0,200}", bytes: Vec<u8>) {
            kerberos(text.as_bytes());
            kerberos(&bytes);
        }
    }
}
