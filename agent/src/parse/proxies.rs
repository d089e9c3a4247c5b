//! Proxy settings of environments, apt and dnf. Names and passwords are removed: only scheme, host and port are kept.

use super::{
    text::{clean, lines},
    unit_file::unit_file,
};

/// One setting: what it is for (`http`, `https`, `ftp`, `all`, `none`) and where the proxy is, or the names that need none.
pub type Setting = (String, String);

/// Assignments such as `http_proxy=…` in `/etc/environment`, shell profiles, `/etc/sysconfig/proxy` and `wgetrc`; the last
/// of a kind counts.
pub fn assignments(bytes: &[u8]) -> Vec<Setting> {
    let mut found: Vec<Setting> = Vec::new();
    for line in lines(bytes) {
        let line = line.trim_ascii();
        let line = line.strip_prefix(b"export ").map_or(line, <[u8]>::trim_ascii);
        let Some(equals) = memchr::memchr(b'=', line) else { continue };
        let Some(name) = clean(&line[..equals]).map(|name| name.to_ascii_lowercase()) else { continue };
        let scheme = match name.as_str() {
            "no_proxy" => "none",
            "http_proxy" | "https_proxy" | "ftp_proxy" | "all_proxy" => name.trim_end_matches("_proxy"),
            _ => continue,
        };
        let Some(value) = clean(unquoted(line[equals + 1..].trim_ascii())) else { continue };
        // What a shell would have to work out is not known.
        if value.contains(['$', '`']) {
            continue;
        }
        let value = if scheme == "none" { Some(value) } else { address(&value) };
        if let Some(value) = value {
            found.retain(|(known, _)| known != scheme);
            found.push((scheme.to_owned(), value));
        }
    }
    found
}

/// `DefaultEnvironment="http_proxy=…" …` of systemd's manager, which gives it to everything that it starts.
pub fn manager(bytes: &[u8]) -> Vec<Setting> {
    let assigned = unit_file(bytes).environment.into_iter().map(|(name, value)| format!("{name}={value}\n"));
    assignments(assigned.collect::<String>().as_bytes())
}

/// `Acquire::http::Proxy "…";` of apt, also for one host (`Acquire::http::Proxy::deb.example.org`), which is left out: it is
/// not everybody's.
pub fn apt(bytes: &[u8]) -> Vec<Setting> {
    let setting = |line: &[u8]| {
        let line = clean(line)?;
        let (name, value) = line.split_once(char::is_whitespace)?;
        let name = name.to_ascii_lowercase();
        let scheme = name.strip_prefix("acquire::")?.strip_suffix("::proxy")?;
        let is_known = matches!(scheme, "http" | "https" | "ftp");
        let value = value.trim().trim_end_matches(';').trim().trim_matches('"');
        (is_known && !value.eq_ignore_ascii_case("direct")).then_some(())?;
        Some((scheme.to_owned(), address(value)?))
    };
    lines(bytes).filter_map(setting).collect()
}

/// `proxy=…` of dnf and yum, in the main part of their configuration.
pub fn dnf(bytes: &[u8]) -> Option<Setting> {
    let value = super::kernel::ini(bytes, "main", "proxy")?;
    (!value.eq_ignore_ascii_case("_none_")).then_some(("all".to_owned(), address(&value)?))
}

/// Scheme, host and port of a proxy's address, which may lack its scheme.
fn address(value: &str) -> Option<String> {
    let (scheme, rest) = value.split_once("://").map_or((None, value), |(scheme, rest)| (Some(scheme), rest));
    // A password may hold any of these, too; what stands after the last at sign is the host.
    let rest = rest.rsplit('@').next()?;
    let host = rest.split(['/', '?', '#']).next()?;
    let is_host = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]%".contains(&byte));
    let is_scheme = |scheme: &str| !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+');
    match scheme {
        _ if !is_host => None,
        Some(scheme) => is_scheme(scheme).then(|| format!("{scheme}://{host}")),
        None => Some(host.to_owned()),
    }
}

fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] | [b'\'', inner @ .., b'\''] => inner,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Vec<Setting> {
        pairs.iter().map(|(scheme, value)| ((*scheme).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn environments_are_read_without_secrets() {
        let text = b"PATH=/usr/bin\nexport http_proxy=\"http://anna:se/c@ret@proxy.example.org:3128/\"\nHTTPS_PROXY='proxy:3128'\n\
            no_proxy=localhost,.example.org\nftp_proxy=$http_proxy\nall_proxy=\n# http_proxy=http://old:1\n";
        let found = assignments(text);
        assert_eq!(
            found,
            settings(&[("http", "http://proxy.example.org:3128"), ("https", "proxy:3128"), ("none", "localhost,.example.org")])
        );
        assert!(!format!("{found:?}").contains("ret"));
        assert_eq!(assignments(b"http_proxy=http://a b@c d/"), []);
    }

    #[test]
    fn the_managers_environment_is_read() {
        let text = b"[Manager]\nDefaultEnvironment=\"http_proxy=http://u:p@proxy:3128\" LANG=C \"no_proxy=localhost\"\n\
            DefaultEnvironment=https_proxy=http://other:1\n[Else]\nDefaultEnvironment=ftp_proxy=http://x:1\n";
        let expected = settings(&[("http", "http://proxy:3128"), ("none", "localhost"), ("https", "http://other:1")]);
        assert_eq!(manager(text), expected);
    }

    #[test]
    fn apt_and_dnf_are_read() {
        let text = b"Acquire::http::Proxy \"http://u:p@apt.example.org:3142/\";\nAcquire::http::Proxy::local \"DIRECT\";\n\
            Acquire::https::Proxy \"DIRECT\";\n// Acquire::ftp::Proxy \"x\";\n";
        assert_eq!(apt(text), settings(&[("http", "http://apt.example.org:3142")]));
        assert_eq!(dnf(b"[main]\nproxy=http://p:8080\nproxy_password=secret\n"), Some(("all".into(), "http://p:8080".into())));
        assert_eq!(dnf(b"[main]\nproxy=_none_\n"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>, text: String) {
            assignments(&bytes);
            apt(&bytes);
            dnf(&bytes);
            manager(&bytes);
            assignments(format!("http_proxy={text}").as_bytes());
        }
        #[test]
        fn no_password_is_kept(user in "[a-z]{1,6}", password in "[a-zA-Z0-9:/@!#?]{1,12}") {
            let secret = format!("Q7{password}7Q");
            let found = assignments(format!("http_proxy=http://{user}:{secret}@proxy:1").as_bytes());
            assert!(!format!("{found:?}").contains("7Q"), "{found:?}");
        }
    }
}
