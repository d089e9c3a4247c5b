//! Which configurations of servers name which certificates.

use std::collections::BTreeMap;

use crate::{
    files::Root,
    parse::certificate_uses::{self as parse, Syntax},
};

/// A server: its name, where its configuration is, and how a certificate is written in it.
struct Server {
    name: &'static str,
    /// Files, and directories whose files all belong to it; `*` stands for every name.
    places: &'static [&'static str],
    syntax: Syntax,
}

const SERVERS: &[Server] = &[
    Server {
        name: "apache",
        places: &[
            "/etc/apache2/apache2.conf",
            "/etc/apache2/sites-enabled",
            "/etc/apache2/conf-enabled",
            "/etc/apache2/mods-enabled",
            "/etc/httpd/conf/httpd.conf",
            "/etc/httpd/conf.d",
        ],
        syntax: Syntax::Directive(&["SSLCertificateFile"]),
    },
    Server {
        name: "dovecot",
        places: &["/etc/dovecot/dovecot.conf", "/etc/dovecot/local.conf", "/etc/dovecot/conf.d"],
        syntax: Syntax::Setting(&["ssl_cert", "ssl_server_cert_file"]),
    },
    Server {
        name: "exim",
        places: &["/etc/exim4/exim4.conf.localmacros", "/etc/exim4/exim4.conf", "/etc/exim/exim.conf"],
        syntax: Syntax::Setting(&["tls_certificate", "MAIN_TLS_CERTIFICATE"]),
    },
    Server { name: "haproxy", places: &["/etc/haproxy/haproxy.cfg", "/etc/haproxy/conf.d"], syntax: Syntax::Word("crt") },
    Server {
        name: "mysql",
        places: &[
            "/etc/mysql/my.cnf",
            "/etc/mysql/conf.d",
            "/etc/mysql/mysql.conf.d",
            "/etc/mysql/mariadb.conf.d",
            "/etc/my.cnf",
            "/etc/my.cnf.d",
        ],
        syntax: Syntax::Setting(&["ssl-cert", "ssl_cert"]),
    },
    Server {
        name: "nginx",
        places: &["/etc/nginx/nginx.conf", "/etc/nginx/conf.d", "/etc/nginx/sites-enabled"],
        syntax: Syntax::Directive(&["ssl_certificate"]),
    },
    Server {
        name: "openldap",
        places: &["/etc/ldap/slapd.conf", "/etc/openldap/slapd.conf"],
        syntax: Syntax::Directive(&["TLSCertificateFile"]),
    },
    Server {
        name: "openvpn",
        places: &["/etc/openvpn", "/etc/openvpn/server", "/etc/openvpn/client"],
        syntax: Syntax::Directive(&["cert"]),
    },
    Server {
        name: "postfix",
        places: &["/etc/postfix/main.cf"],
        syntax: Syntax::Setting(&["smtpd_tls_cert_file", "smtpd_tls_chain_files", "smtp_tls_cert_file"]),
    },
    Server {
        name: "postgresql",
        places: &["/etc/postgresql/*/*/postgresql.conf", "/var/lib/pgsql/data/postgresql.conf"],
        syntax: Syntax::Setting(&["ssl_cert_file"]),
    },
    Server { name: "vsftpd", places: &["/etc/vsftpd.conf", "/etc/vsftpd/vsftpd.conf"], syntax: Syntax::Setting(&["rsa_cert_file"]) },
];

const MOST_FILES: usize = 512;

/// The configurations that name a certificate, by the certificate's path: server and file.
pub(super) fn read(root: &Root) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for server in SERVERS {
        for file in server.places.iter().flat_map(|place| files(root, place)).take(MOST_FILES) {
            let Ok(bytes) = root.read(&file) else { continue };
            let directory = file.rsplit_once('/').map_or("", |(directory, _)| directory);
            for path in parse::named(&bytes, server.syntax, directory) {
                found.entry(path).or_default().push(format!("{}: {file}", server.name));
            }
        }
    }
    found
}

/// The files of a place.
fn files(root: &Root, place: &str) -> Vec<String> {
    if let Some((before, after)) = place.split_once("/*/") {
        return root.names(before).unwrap_or_default().iter().flat_map(|name| files(root, &format!("{before}/{name}/{after}"))).collect();
    }
    match root.names(place) {
        Ok(names) => names.into_iter().filter(|name| !is_key(name)).map(|name| format!("{place}/{name}")).collect(),
        Err(_) => vec![place.to_owned()],
    }
}

/// By custom, what is named so is a key or a certificate and no configuration; it is not opened.
fn is_key(name: &str) -> bool {
    [".key", ".pem", ".crt", ".p12", ".pfx"].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::{super::Outcome, super::tests::collect_one, *};

    #[test]
    fn configurations_are_found_where_servers_have_them() {
        let files = [
            ("/etc/postgresql/15/main/postgresql.conf", "ssl_cert_file = '/etc/ssl/certs/ssl-cert-snakeoil.pem'\n"),
            ("/etc/apache2/sites-enabled/000-default.conf", "SSLCertificateFile /etc/ssl/certs/ssl-cert-snakeoil.pem\n"),
            ("/etc/nginx/nginx.conf", "ssl_certificate tls/own.pem;\n"),
        ];
        let Outcome::Data(found) = collect_one(&files, |machine| Outcome::Data(read(machine.root))) else { panic!("no data") };
        let expected = ["apache: /etc/apache2/sites-enabled/000-default.conf", "postgresql: /etc/postgresql/15/main/postgresql.conf"];
        assert_eq!(found["/etc/ssl/certs/ssl-cert-snakeoil.pem"], expected);
        assert_eq!(found["/etc/nginx/tls/own.pem"], ["nginx: /etc/nginx/nginx.conf"]);
    }
}
