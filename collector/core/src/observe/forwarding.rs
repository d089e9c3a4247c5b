//! What a machine passes on to others, in the form in which an item keeps it: one line for each rule, in the order in which they are tried.

use std::{fmt, net::IpAddr, str::FromStr};

use rollcall_shared::wire::v1::{Forwarding, ForwardingRule, Network, Protocol};

use super::network::{is_in, network_of};
use crate::model::Endpoint;

/// What the rules of a machine's packet filter do with connections to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForwardingFacts {
    /// The rules, each written as [`Forward`] is.
    pub rules: Vec<String>,
    /// By which interface callers come in: `eth1 10.0.0.0/24`. Only where a rule asks.
    pub ways: Vec<String>,
    /// Whether machines behind it call others under its address.
    pub hides_callers: bool,
}

/// Where some of the connections to a machine go. Written `tcp 203.0.113.5 443 * eth0 10.0.0.3 8443 always`: protocol, addresses and ports
/// that are called, callers, interfaces (`!` for all others), where to, port there; `*` for any, `-` for what stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Forward {
    protocol: Option<Protocol>,
    addresses: Vec<String>,
    ports: Option<(u16, u16)>,
    /// Networks that call; empty for any.
    pub(crate) sources: Vec<String>,
    /// Interfaces by which the call comes in; empty for any.
    pub(crate) interfaces: Vec<String>,
    /// All but those.
    pub(crate) other_interfaces: bool,
    to_address: Option<IpAddr>,
    to_port: Option<u16>,
    /// Whether it is all that it asks.
    pub(crate) always: bool,
}

/// Rules that an item keeps.
const MOST_RULES: usize = 256;
/// Ways in that an item keeps.
const MOST_WAYS: usize = 64;
/// Addresses or interfaces of one rule.
const MOST_NAMED: usize = 16;

impl Forward {
    /// Whether it is about connections to this end, whoever opens them.
    pub(crate) fn is_about(&self, called: &Endpoint) -> bool {
        self.protocol.is_none_or(|protocol| protocol == called.protocol)
            && self.ports.is_none_or(|(first, last)| (first..=last).contains(&called.port))
            && (self.addresses.is_empty() || self.addresses.iter().any(|network| is_in_or_is(called.address, network)))
    }

    /// Where what is sent to this end goes; `None` for the machine itself, at the given port.
    pub(crate) fn target(&self, called: &Endpoint) -> (Option<IpAddr>, u16) {
        (self.to_address, self.to_port.unwrap_or(called.port))
    }

    /// Whether it sends anything elsewhere.
    pub(crate) fn changes(&self) -> bool {
        self.to_address.is_some() || self.to_port.is_some() || !self.always
    }

    fn said(rule: &ForwardingRule) -> Self {
        let mut always = !rule.sometimes;
        let networks = |said: &[String], always: &mut bool| {
            let valid: Vec<String> = said.iter().filter_map(|network| canonical(network)).take(MOST_NAMED).collect();
            *always &= valid.len() == said.len();
            // Every address of a family is less than any address only where both families are there.
            valid
        };
        let addresses = networks(&rule.addresses, &mut always);
        let sources = networks(&rule.sources, &mut always);
        let is_name =
            |name: &&String| name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-@:".contains(&byte));
        let interfaces: Vec<String> = rule.interfaces.iter().filter(is_name).take(MOST_NAMED).cloned().collect();
        always &= interfaces.len() == rule.interfaces.len();
        Self {
            protocol: rule.protocol,
            addresses,
            ports: rule.port.map(|first| (first, rule.last_port.unwrap_or(first))),
            sources,
            interfaces,
            other_interfaces: rule.other_interfaces,
            to_address: rule.to_address.map(|address| address.to_canonical()),
            to_port: rule.to_port,
            always,
        }
    }
}

/// Whether an address is one that was written, or in a network that was.
pub(crate) fn is_in_or_is(address: IpAddr, network: &str) -> bool {
    match network.parse::<IpAddr>() {
        Ok(one) => one == address,
        Err(_) => network.ends_with("/0") && network.contains(':') == address.is_ipv6() || is_in(address, network),
    }
}

/// An address or a network, as it is compared.
fn canonical(text: &str) -> Option<String> {
    let Some((address, length)) = text.split_once('/') else { return text.parse::<IpAddr>().ok().map(|address| address.to_string()) };
    let (address, length) = (address.parse::<IpAddr>().ok()?, length.parse::<u8>().ok()?);
    match length {
        0 if address.is_ipv4() => Some("0.0.0.0/0".to_owned()),
        0 => Some("::/0".to_owned()),
        length => network_of(address, length),
    }
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |items: &[String]| if items.is_empty() { "*".to_owned() } else { items.join(",") };
        let protocol = self.protocol.map_or_else(|| "*".to_owned(), |protocol| protocol.to_string());
        let ports = match self.ports {
            None => "*".to_owned(),
            Some((first, last)) if first == last => first.to_string(),
            Some((first, last)) => format!("{first}-{last}"),
        };
        let not = if self.other_interfaces { "!" } else { "" };
        write!(f, "{protocol} {} {ports} {} {not}{} ", list(&self.addresses), list(&self.sources), list(&self.interfaces))?;
        match self.to_address {
            Some(address) => write!(f, "{address} ")?,
            None => f.write_str("- ")?,
        }
        match self.to_port {
            Some(port) => write!(f, "{port} ")?,
            None => f.write_str("- ")?,
        }
        f.write_str(if self.always { "always" } else { "sometimes" })
    }
}

impl FromStr for Forward {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let fields: Vec<&str> = text.split(' ').collect();
        let [protocol, addresses, ports, sources, interfaces, to_address, to_port, how] = fields[..] else { return Err(()) };
        let list = |text: &str| if text == "*" { Vec::new() } else { text.split(',').map(str::to_owned).collect() };
        let known = |text: &str| (text != "-").then(|| text.to_owned());
        let ports = match ports.split_once('-') {
            _ if ports == "*" => None,
            Some((first, last)) => Some((first.parse().map_err(drop)?, last.parse().map_err(drop)?)),
            None => ports.parse().map(|port| Some((port, port))).map_err(drop)?,
        };
        Ok(Self {
            protocol: match protocol {
                "tcp" => Some(Protocol::Tcp),
                "udp" => Some(Protocol::Udp),
                _ => None,
            },
            addresses: list(addresses),
            ports,
            sources: list(sources),
            interfaces: list(interfaces.trim_start_matches('!')),
            other_interfaces: interfaces.starts_with('!'),
            to_address: known(to_address).map(|address| address.parse()).transpose().map_err(drop)?,
            to_port: known(to_port).map(|port| port.parse()).transpose().map_err(drop)?,
            always: how == "always",
        })
    }
}

pub(super) fn read(network: &Network, internal: impl Fn(&str) -> bool) -> ForwardingFacts {
    let Some(said) = &network.forwarding else { return ForwardingFacts::default() };
    let mut rules: Vec<Forward> = said.rules.iter().take(MOST_RULES).map(Forward::said).collect();
    let mut ways = if rules.iter().any(|rule| !rule.interfaces.is_empty()) { ways(network) } else { Vec::new() };
    if said.rules.len() > MOST_RULES || ways.len() > MOST_WAYS {
        // What was left out may say something else.
        rules.iter_mut().for_each(|rule| rule.always = false);
        ways.truncate(MOST_WAYS);
    }
    ForwardingFacts { rules: rules.iter().map(ToString::to_string).collect(), ways, hides_callers: hides_callers(said, internal) }
}

/// Whether there is anybody behind it but its own containers and guests.
fn hides_callers(said: &Forwarding, internal: impl Fn(&str) -> bool) -> bool {
    said.hides.iter().filter_map(|network| canonical(network)).any(|network| !internal(&network))
}

/// Networks with the interface that they are behind.
fn ways(network: &Network) -> Vec<String> {
    let of_interface = network.interfaces.iter().flat_map(|interface| interface.addresses.iter().map(move |held| (interface, held)));
    let own = of_interface.filter_map(|(interface, held)| {
        Some(format!("{} {}", interface.name, network_of(held.address.to_canonical(), held.prefix_length)?))
    });
    let routed =
        network.routes.iter().filter_map(|route| Some(format!("{} {}", route.interface.as_deref()?, canonical(&route.destination)?)));
    let default = network.gateways.iter().map(|gateway| {
        let everything = if gateway.address.to_canonical().is_ipv4() { "0.0.0.0/0" } else { "::/0" };
        format!("{} {everything}", gateway.interface)
    });
    let mut ways: Vec<String> = own.chain(routed).chain(default).filter(|way| way.split(' ').count() == 2).collect();
    ways.sort();
    ways.dedup();
    ways
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_round_trip_and_what_is_not_understood_is_not_certain() {
        let rule = |change: fn(&mut ForwardingRule)| {
            let mut rule = ForwardingRule {
                protocol: Some(Protocol::Tcp),
                addresses: vec!["203.0.113.5".into(), "198.51.100.7/24".into()],
                port: Some(443),
                to_address: "10.0.0.3".parse().ok(),
                to_port: Some(8443),
                ..ForwardingRule::default()
            };
            change(&mut rule);
            Forward::said(&rule)
        };
        for (forward, text) in [
            (rule(|_| {}), "tcp 203.0.113.5,198.51.100.0/24 443 * * 10.0.0.3 8443 always"),
            (
                rule(|rule| {
                    (rule.last_port, rule.protocol, rule.to_port) = (Some(445), None, None);
                    (rule.interfaces, rule.other_interfaces) = (vec!["eth0".into()], true);
                }),
                "* 203.0.113.5,198.51.100.0/24 443-445 * !eth0 10.0.0.3 - always",
            ),
            (
                rule(|rule| (rule.addresses, rule.to_address, rule.port) = (vec!["0.0.0.0/0".into()], None, None)),
                "tcp 0.0.0.0/0 * * * - 8443 always",
            ),
            (rule(|rule| rule.sometimes = true), "tcp 203.0.113.5,198.51.100.0/24 443 * * 10.0.0.3 8443 sometimes"),
            (rule(|rule| rule.sources = vec!["<b>".into()]), "tcp 203.0.113.5,198.51.100.0/24 443 * * 10.0.0.3 8443 sometimes"),
            (rule(|rule| rule.interfaces = vec!["a b".into()]), "tcp 203.0.113.5,198.51.100.0/24 443 * * 10.0.0.3 8443 sometimes"),
        ] {
            assert_eq!(forward.to_string(), text);
            assert_eq!(text.parse(), Ok(forward), "{text}");
        }
        for text in ["", "tcp", "tcp * x * * - - always", "tcp * 1 * * x - always"] {
            assert_eq!(text.parse::<Forward>(), Err(()), "{text}");
        }
        let forward = rule(|_| {});
        let called = |address: &str, port| Endpoint { protocol: Protocol::Tcp, address: address.parse().unwrap(), port };
        assert!(forward.is_about(&called("203.0.113.5", 443)) && forward.is_about(&called("198.51.100.9", 443)));
        assert!(!forward.is_about(&called("203.0.113.5", 444)) && !forward.is_about(&called("10.0.0.1", 443)));
    }
}
