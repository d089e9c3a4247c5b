//! Certificates that configurations of servers name.

use super::text::{clean, lines};

/// How a server writes the file of a certificate in its configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// `DIRECTIVE PATH`, perhaps with a semicolon behind: nginx, Apache, ldap.
    Directive(&'static [&'static str]),
    /// `KEY = PATH`, perhaps with `<` before the path: Postfix, Dovecot, PostgreSQL, MySQL.
    Setting(&'static [&'static str]),
    /// `… crt PATH …` within a line, a file or a directory: HAProxy.
    Word(&'static str),
}

/// The absolute paths of certificates in a configuration, each once, in their order. Relative ones are joined to `directory`.
pub fn named(bytes: &[u8], syntax: Syntax, directory: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in lines(bytes) {
        let Some(line) = clean(line).filter(|line| !line.starts_with(['#', ';'])) else { continue };
        let path = match syntax {
            Syntax::Directive(names) => {
                let (name, value) = line.split_once(char::is_whitespace).unwrap_or((&line, ""));
                names.iter().any(|known| known.eq_ignore_ascii_case(name)).then_some(value)
            }
            Syntax::Setting(names) => line.split_once('=').filter(|(name, _)| names.contains(&name.trim())).map(|(_, value)| value),
            Syntax::Word(word) => {
                let words: Vec<&str> = line.split_whitespace().take_while(|word| !word.starts_with('#')).collect();
                for pair in words.windows(2).filter(|pair| pair[0] == word) {
                    add(&mut found, pair[1], directory);
                }
                None
            }
        };
        if let Some(path) = path {
            add(&mut found, path, directory);
        }
    }
    found
}

fn add(found: &mut Vec<String>, value: &str, directory: &str) {
    let value = value.trim().trim_start_matches('<').trim();
    let value = match value.strip_prefix(['"', '\'']) {
        Some(quoted) => quoted.split(['"', '\'']).next().unwrap_or_default(),
        None => value.split([';', '#', ',']).next().unwrap_or_default().split_whitespace().next().unwrap_or_default(),
    };
    // What is put together when the server starts cannot be followed.
    if value.is_empty() || value.contains(['$', '*']) {
        return;
    }
    let path = if value.starts_with('/') { value.to_owned() } else { format!("{directory}/{value}") };
    if !found.contains(&path) {
        found.push(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_in_every_syntax() {
        let nginx = Syntax::Directive(&["ssl_certificate"]);
        let setting = Syntax::Setting(&["ssl_cert", "smtpd_tls_cert_file"]);
        let haproxy = Syntax::Word("crt");
        let cases: &[(&str, Syntax, &[&str])] = &[
            ("  ssl_certificate /etc/ssl/www.pem; # x\n# ssl_certificate /no;\nssl_certificate_key /key;\n", nginx, &["/etc/ssl/www.pem"]),
            ("ssl_certificate \"certs/a b.pem\";\nssl_certificate $name;\n", nginx, &["/etc/x/certs/a b.pem"]),
            ("sslcertificatefile\t/a.crt\nSSLCertificateFile /a.crt", Syntax::Directive(&["SSLCertificateFile"]), &["/a.crt"]),
            ("ssl_cert = </etc/dovecot/d.pem\n", setting, &["/etc/dovecot/d.pem"]),
            ("smtpd_tls_cert_file=/etc/ssl/mail.pem\nsmtpd_tls_cert_file_x = /no\n", setting, &["/etc/ssl/mail.pem"]),
            ("ssl_cert = 'server.crt'\t# relative\n", setting, &["/etc/x/server.crt"]),
            (
                " bind :443 ssl crt /etc/haproxy/a.pem crt /etc/haproxy/certs.d alpn h2\n",
                haproxy,
                &["/etc/haproxy/a.pem", "/etc/haproxy/certs.d"],
            ),
            ("# bind :443 ssl crt /no\nbind :80\n", haproxy, &[]),
        ];
        for (text, syntax, expected) in cases {
            assert_eq!(named(text.as_bytes(), *syntax, "/etc/x"), *expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>, text in "(crt| |/a|=|<|\"|;|#|\n|a){0,24}") {
            for bytes in [&bytes[..], text.as_bytes()] {
                named(bytes, Syntax::Word("crt"), "/");
                named(bytes, Syntax::Setting(&["a"]), "/");
                named(bytes, Syntax::Directive(&["a", "crt"]), "/");
            }
        }
    }
}
