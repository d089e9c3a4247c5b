//! Files of keys and values: os-release, meminfo, resolv.conf, passwd, hosts.

use std::{collections::BTreeMap, net::IpAddr};

use super::text::{clean, fields, lines, number};

/// `/etc/os-release`: shell-like assignments; quotes and backslashes are resolved.
pub fn os_release(bytes: &[u8]) -> BTreeMap<String, String> {
    lines(bytes)
        .filter_map(|line| {
            let line = line.trim_ascii();
            let equals = memchr::memchr(b'=', line)?;
            let key = std::str::from_utf8(&line[..equals]).ok()?;
            if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return None;
            }
            Some((key.to_owned(), clean(&unquoted(&line[equals + 1..]))?))
        })
        .collect()
}

fn unquoted(value: &[u8]) -> Vec<u8> {
    let quote = match value.first() {
        Some(&quote @ (b'"' | b'\'')) if value.len() >= 2 && value.last() == Some(&quote) => quote,
        _ => return value.to_vec(),
    };
    let inner = &value[1..value.len() - 1];
    if quote == b'\'' {
        return inner.to_vec();
    }
    let mut result = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&byte) = bytes.next() {
        if byte == b'\\' {
            result.extend(bytes.next());
        } else {
            result.push(byte);
        }
    }
    result
}

/// `/proc/meminfo`: the value of `key` in bytes.
pub fn meminfo(bytes: &[u8], key: &str) -> Option<u64> {
    lines(bytes).find_map(|line| {
        let rest = line.strip_prefix(key.as_bytes())?.strip_prefix(b":")?;
        number::<u64>(fields(rest).next()?)?.checked_mul(1_024)
    })
}

/// What `resolv.conf` says.
#[derive(Debug, Default, PartialEq)]
pub struct ResolvConf {
    /// Name servers in the order they are asked; a zone (`%eth0`) is dropped.
    pub servers: Vec<IpAddr>,
    /// Search domains of the last `search` or `domain` line, which is the one that counts.
    pub search: Vec<String>,
}

/// `/etc/resolv.conf`.
pub fn resolv_conf(bytes: &[u8]) -> ResolvConf {
    let mut found = ResolvConf::default();
    for line in lines(bytes) {
        let mut words = fields(line);
        match words.next() {
            Some(b"nameserver") => {
                let address = words.next().and_then(|word| std::str::from_utf8(word).ok());
                let address = address.and_then(|text| text.split('%').next()?.parse().ok());
                if let Some(address) = address
                    && !found.servers.contains(&address)
                {
                    found.servers.push(address);
                }
            }
            Some(b"search" | b"domain") => {
                found.search = words.filter_map(clean).filter(|domain| domain != ".").take(32).collect();
            }
            _ => {}
        }
    }
    found.servers.truncate(16);
    found
}

/// `/etc/passwd`: user names by id; of two names for one id the first counts.
pub fn passwd(bytes: &[u8]) -> BTreeMap<u32, String> {
    let mut users = BTreeMap::new();
    for line in lines(bytes) {
        let mut parts = line.split(|&byte| byte == b':');
        if let (Some(name), Some(_), Some(id)) = (parts.next().and_then(clean), parts.next(), parts.next().and_then(number)) {
            users.entry(id).or_insert(name);
        }
    }
    users
}

/// `/etc/hosts`: the fully qualified name that stands with `hostname` on a line, if any.
pub fn fqdn_in_hosts(bytes: &[u8], hostname: &str) -> Option<String> {
    lines(bytes).find_map(|line| {
        let line = line.split(|&byte| byte == b'#').next()?;
        let names: Vec<&str> = fields(line).skip(1).filter_map(|name| std::str::from_utf8(name).ok()).collect();
        let prefix = format!("{hostname}.");
        let fqdn = names.iter().find(|name| name.starts_with(&prefix) && name.len() > prefix.len())?;
        (!fqdn.ends_with(".localdomain")).then(|| fqdn.trim_end_matches('.').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_resolves_quotes() {
        let found = os_release(
            b"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n# NOTE=1\nID=debian\nA='x y'\nB=\"say \\\"hi\\\"\"\nbad key=1\nC=\n",
        );
        assert_eq!(found["PRETTY_NAME"], "Debian GNU/Linux 12 (bookworm)");
        assert_eq!((found["ID"].as_str(), found["A"].as_str(), found["B"].as_str()), ("debian", "x y", "say \"hi\""));
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn meminfo_is_bytes() {
        let bytes = b"MemTotal:       24684084 kB\nMemFree: 1 kB\nSwapTotal: 0 kB\nHugePages_Total: x\n";
        assert_eq!(meminfo(bytes, "MemTotal"), Some(24_684_084 * 1_024));
        assert_eq!(meminfo(bytes, "SwapTotal"), Some(0));
        assert_eq!(meminfo(bytes, "HugePages_Total"), None);
        assert_eq!(meminfo(b"MemTotal: 18446744073709551615 kB", "MemTotal"), None);
    }

    #[test]
    fn resolv_conf_keeps_order_and_the_last_search() {
        let found = resolv_conf(
            b"# x\ndomain a.example\nnameserver 10.0.0.2\nnameserver fe80::1%eth0\nnameserver 10.0.0.2\nsearch b.example c.example\n",
        );
        assert_eq!(found.servers, ["10.0.0.2".parse::<IpAddr>().unwrap(), "fe80::1".parse().unwrap()]);
        assert_eq!(found.search, ["b.example", "c.example"]);
    }

    #[test]
    fn passwd_and_hosts() {
        assert_eq!(
            passwd(b"root:x:0:0::/:/bin/sh\nalias:x:0:0::\nbroken\npostgres:x:113:1::\n"),
            BTreeMap::from([(0, "root".into()), (113, "postgres".into())])
        );
        let hosts = b"127.0.0.1 localhost\n10.0.0.5 db01.example.org db01 # main\n";
        assert_eq!(fqdn_in_hosts(hosts, "db01").as_deref(), Some("db01.example.org"));
        assert_eq!(fqdn_in_hosts(hosts, "db0"), None);
        assert_eq!(fqdn_in_hosts(b"127.0.1.1 a.localdomain a", "a"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            os_release(&bytes);
            meminfo(&bytes, "MemTotal");
            resolv_conf(&bytes);
            passwd(&bytes);
            fqdn_in_hosts(&bytes, "a");
        }
    }
}
