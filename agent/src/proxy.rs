//! Which proxy leads to a collector, if any.

use std::net::IpAddr;

use url::{Host, Url};

/// One proxy, and what is reached without it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProxyRules {
    proxy: Option<Url>,
    without: Vec<String>,
}

impl ProxyRules {
    /// No proxy at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// This proxy (`http://[user:password@]host[:port]`, or `host:port`), but not for what `without` names.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(proxy: &str, without: Vec<String>) -> Result<Self, String> {
        let text = if proxy.contains("://") { proxy.to_owned() } else { format!("http://{proxy}") };
        let url = Url::parse(&text).map_err(|error| format!("not an address ({error}); write it as http://HOST:PORT"))?;
        // The connection to the collector is encrypted from end to end; a proxy only passes it on.
        if url.scheme() != "http" {
            return Err(format!("{} is not spoken; write it as http://HOST:PORT", url.scheme()));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err("it names no host; write it as http://HOST:PORT".to_owned());
        }
        Ok(Self { proxy: Some(url), without })
    }

    /// As the usual variables say. What cannot be used is left out: it was meant for other programs too.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&str]| names.iter().find_map(|name| variable(name).filter(|text| !text.is_empty()));
        let without = first(&["no_proxy", "NO_PROXY"]).unwrap_or_default();
        let without = without.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let proxy = first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]);
        proxy.and_then(|proxy| Self::new(&proxy, without).ok()).unwrap_or_default()
    }

    /// The same, but not for these either.
    pub fn also_without(mut self, more: Vec<String>) -> Self {
        self.without.extend(more);
        self
    }

    /// The proxy for this address.
    pub fn for_url(&self, url: &Url) -> Option<&Url> {
        let proxy = self.proxy.as_ref()?;
        let host = url.host()?;
        (!self.without.iter().any(|rule| matches(rule, &host))).then_some(proxy)
    }
}

/// `*`, a host, a domain (with or without a leading dot) with all below it, an address, or a network as `10.0.0.0/8`.
fn matches(rule: &str, host: &Host<&str>) -> bool {
    let rule = rule.trim();
    if rule == "*" {
        return true;
    }
    let address = match host {
        Host::Domain(name) => {
            let rule = rule.trim_start_matches("*.").trim_matches('.').to_ascii_lowercase();
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            return !rule.is_empty() && (name == rule || name.strip_suffix(&rule).is_some_and(|rest| rest.ends_with('.')));
        }
        Host::Ipv4(address) => IpAddr::V4(*address),
        Host::Ipv6(address) => IpAddr::V6(*address),
    };
    let (network, prefix) = match rule.split_once('/') {
        Some((network, prefix)) => (network, prefix.parse().ok()),
        None => (rule, Some(128)),
    };
    let (Ok(network), Some(prefix)) = (network.trim_matches(['[', ']']).parse::<IpAddr>(), prefix) else { return false };
    in_network(address, network, prefix)
}

fn in_network(address: IpAddr, network: IpAddr, prefix: u32) -> bool {
    let (address, network, bits) = match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => (u128::from(address.to_bits()), u128::from(network.to_bits()), 32),
        (IpAddr::V6(address), IpAddr::V6(network)) => (address.to_bits(), network.to_bits(), 128),
        _ => return false,
    };
    let ignored = bits - prefix.min(bits);
    address.checked_shr(ignored).unwrap_or(0) == network.checked_shr(ignored).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_without_the_proxy() {
        let cases = [
            ("", "https://collector.example:8444", true),
            ("example", "https://collector.example", false),
            (".example", "https://collector.example", false),
            ("*.example", "https://collector.example", false),
            ("ample", "https://collector.example", true),
            ("Collector.Example", "https://collector.example.", false),
            ("*", "https://10.0.0.1", false),
            ("10.0.0.0/8", "https://10.200.0.1", false),
            ("10.0.0.0/8", "https://11.0.0.1", true),
            ("0.0.0.0/0", "https://11.0.0.1", false),
            ("10.0.0.1", "https://10.0.0.1", false),
            ("10.0.0.1", "https://10.0.0.2", true),
            ("fd00::/8", "https://[fd12::1]:8444", false),
            ("[fd12::1]", "https://[fd12::1]:8444", false),
            ("10.0.0.0/x", "https://10.0.0.1", true),
        ];
        for (without, url, expected) in cases {
            let rules = ProxyRules::new("proxy:3128", vec![without.to_owned()]).unwrap();
            assert_eq!(rules.for_url(&url.parse().unwrap()).is_some(), expected, "{without} {url}");
        }
    }

    #[test]
    fn what_is_a_proxy() {
        for good in ["proxy", "proxy:3128", "http://proxy:3128/", "http://user:secret@[::1]:3128"] {
            assert!(ProxyRules::new(good, Vec::new()).is_ok(), "{good}");
        }
        for bad in ["https://proxy", "socks5://proxy", "http://", "http://proxy:99999"] {
            assert!(ProxyRules::new(bad, Vec::new()).unwrap_err().contains("http://HOST:PORT"), "{bad}");
        }
    }

    #[test]
    fn the_environment() {
        let rules = |variables: &[(&str, &str)]| {
            let find = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
            ProxyRules::from_environment(find)
        };
        let url: Url = "https://collector.example".parse().unwrap();
        let port = |rules: &ProxyRules| rules.for_url(&url).and_then(Url::port);
        assert_eq!(port(&rules(&[("HTTPS_PROXY", "http://p:1"), ("ALL_PROXY", "http://p:2")])), Some(1));
        assert_eq!(port(&rules(&[("HTTPS_PROXY", ""), ("all_proxy", "http://p:2")])), Some(2));
        assert_eq!(port(&rules(&[("https_proxy", "http://p:1"), ("NO_PROXY", "localhost, .example")])), None);
        assert_eq!(rules(&[("http_proxy", "http://p:1")]), ProxyRules::none());
    }
}
