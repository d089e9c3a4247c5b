//! Rules of the packet filter that send connections elsewhere: how `nft` and `iptables-save` write them, as one list in the order in which
//! they are tried.
//!
//! What is not understood makes a rule one that applies *sometimes*: whoever asks then knows that it cannot be told.

pub mod iptables;
pub mod nftables;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

use rollcall_shared::wire::v1::{ForwardingRule, Protocol};

/// The rules of one program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruleset {
    /// By name, that of the table included.
    chains: BTreeMap<String, Vec<Step>>,
    /// Chains that the kernel begins with, by priority.
    starts: BTreeSet<(i32, String)>,
    /// Networks whose machines call under another address.
    hides: BTreeSet<String>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    when: When,
    verdict: Verdict,
}

/// What a rule applies to; empty is anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct When {
    protocol: Option<Protocol>,
    addresses: Vec<String>,
    sources: Vec<String>,
    ports: Vec<(u16, u16)>,
    interfaces: Vec<String>,
    other_interfaces: bool,
    /// It asks for more than is understood.
    sometimes: bool,
    /// It is about something else than connections to this machine.
    never: bool,
}

/// What becomes of what a rule applies to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// It stays as it is, whatever rules follow.
    Stay,
    /// Back to the chain that has sent it here.
    Return,
    /// To another chain, and back.
    Jump(String),
    /// To another chain for good.
    Goto(String),
    /// To an address (this machine without one) and port (the same without one).
    Forward(Option<IpAddr>, Option<u16>),
    /// To one of several places.
    Somewhere,
}

const MOST_RULES: usize = 512;
const MOST_STEPS: usize = 20_000;
const MOST_DEPTH: usize = 8;

impl Ruleset {
    /// The rules in the order in which they are tried.
    pub fn rules(&self) -> Vec<ForwardingRule> {
        let mut steps = Vec::new();
        let mut left = MOST_STEPS;
        for (place, (_, chain)) in self.starts.iter().enumerate() {
            let from = steps.len();
            self.flatten(chain, &When::default(), 0, &mut left, &mut steps);
            // What one chain leaves as it is, the next one that the kernel begins with may still send elsewhere.
            if self.starts.iter().skip(place + 1).any(|(_, next)| is_of_one_family(chain, next)) {
                steps.iter_mut().skip(from).filter(|(_, verdict)| *verdict == Verdict::Stay).for_each(|(when, _)| when.sometimes = true);
            }
        }
        let mut rules: Vec<ForwardingRule> = steps.into_iter().flat_map(|(when, verdict)| written(&when, &verdict)).collect();
        if rules.len() > MOST_RULES || left == 0 {
            rules.truncate(MOST_RULES);
            // What is missing may say something else of anything.
            rules.iter_mut().for_each(|rule| rule.sometimes = true);
        }
        // What stays is said only before something that does not.
        let last = rules.iter().rposition(|rule| !is_staying(rule)).map_or(0, |at| at + 1);
        rules.truncate(last);
        rules
    }

    /// Networks whose machines call others under an address of this one, sorted.
    pub fn hides(&self) -> impl Iterator<Item = &String> {
        self.hides.iter()
    }

    fn flatten(&self, chain: &str, within: &When, depth: usize, left: &mut usize, into: &mut Vec<(When, Verdict)>) {
        // What has gone back, or on for good, by a rule that may apply to some of what follows.
        let mut gone: Vec<When> = Vec::new();
        for step in self.chains.get(chain).into_iter().flatten() {
            *left = left.saturating_sub(1);
            let mut when = within.and(&step.when);
            if when.never || *left == 0 || into.len() > MOST_RULES {
                continue;
            }
            when.sometimes |= gone.iter().any(|gone| !gone.and(&when).never);
            match &step.verdict {
                Verdict::Jump(to) | Verdict::Goto(to) if depth < MOST_DEPTH && self.chains.contains_key(to) => {
                    self.flatten(to, &when, depth + 1, left, into);
                }
                // It leads nowhere that is known.
                Verdict::Jump(_) | Verdict::Goto(_) => into.push((When { sometimes: true, ..when.clone() }, Verdict::Stay)),
                Verdict::Return => {}
                Verdict::Stay | Verdict::Forward(..) | Verdict::Somewhere => into.push((when.clone(), step.verdict.clone())),
            }
            if matches!(step.verdict, Verdict::Return | Verdict::Goto(_)) {
                if step.when.is_everything() {
                    return;
                }
                gone.push(when);
            }
        }
    }
}

impl When {
    /// What both apply to.
    fn and(&self, other: &Self) -> Self {
        let mut both = other.clone();
        both.never |= self.never;
        both.sometimes |= self.sometimes;
        match (self.protocol, other.protocol) {
            (Some(one), Some(two)) => both.never |= one != two,
            (one, None) => both.protocol = one,
            (None, Some(_)) => {}
        }
        if other.ports.is_empty() {
            both.ports.clone_from(&self.ports);
        } else if !self.ports.is_empty() {
            let overlap = |one: (u16, u16), two: (u16, u16)| Some((one.0.max(two.0), one.1.min(two.1))).filter(|(low, high)| low <= high);
            both.ports = self.ports.iter().flat_map(|one| other.ports.iter().filter_map(|two| overlap(*one, *two))).collect();
            both.never |= both.ports.is_empty();
        }
        for (mine, theirs) in [(&self.addresses, &mut both.addresses), (&self.sources, &mut both.sources)] {
            if is_any(theirs) {
                if !mine.is_empty() {
                    theirs.clone_from(mine);
                }
            } else if !is_any(mine) && mine != theirs {
                both.sometimes = true;
            }
        }
        both.on_interfaces_of(self);
        both
    }

    /// Whether it applies to all that comes to this machine.
    fn is_everything(&self) -> bool {
        let any = Self { addresses: self.addresses.clone(), sources: self.sources.clone(), ..Self::default() };
        *self == any && is_any(&self.addresses) && is_any(&self.sources)
    }

    fn on_interfaces_of(&mut self, other: &Self) {
        if other.interfaces.is_empty() {
            return;
        }
        let has_pattern = |names: &[String]| names.iter().any(|name| name.ends_with(['*', '+']));
        if self.interfaces.is_empty() {
            (self.interfaces, self.other_interfaces) = (other.interfaces.clone(), other.other_interfaces);
        } else if has_pattern(&self.interfaces) || has_pattern(&other.interfaces) {
            self.sometimes = true;
        } else {
            let (mine, theirs) = (&self.interfaces, &other.interfaces);
            let (names, is_other): (Vec<String>, bool) = match (self.other_interfaces, other.other_interfaces) {
                (false, false) => (mine.iter().filter(|name| theirs.contains(name)).cloned().collect(), false),
                (false, true) => (mine.iter().filter(|name| !theirs.contains(name)).cloned().collect(), false),
                (true, false) => (theirs.iter().filter(|name| !mine.contains(name)).cloned().collect(), false),
                (true, true) => (mine.iter().chain(theirs.iter().filter(|name| !mine.contains(name))).cloned().collect(), true),
            };
            self.never |= names.is_empty();
            (self.interfaces, self.other_interfaces) = (names, is_other);
        }
    }
}

/// Whether two chains see the same packets. The family is the first word of a chain's name.
fn is_of_one_family(one: &str, other: &str) -> bool {
    let family = |name: &str| name.split(' ').next().unwrap_or_default().to_owned();
    let (one, other) = (family(one), family(other));
    one == other || one == "inet" || other == "inet"
}

/// Whether every address is meant, of one family at least.
fn is_any(networks: &[String]) -> bool {
    networks.iter().all(|network| network.ends_with("/0"))
}

fn written(when: &When, verdict: &Verdict) -> Vec<ForwardingRule> {
    let (to_address, to_port, sometimes) = match verdict {
        Verdict::Forward(address, port) => (*address, *port, false),
        Verdict::Somewhere => (None, None, true),
        _ => (None, None, false),
    };
    let any = [(0, 0)];
    let ports = if when.ports.is_empty() { &any[..] } else { &when.ports };
    let rule = |&(first, last): &(u16, u16)| ForwardingRule {
        protocol: when.protocol,
        addresses: when.addresses.clone(),
        port: (last > 0).then_some(first),
        last_port: (last > first).then_some(last),
        sources: when.sources.clone(),
        interfaces: when.interfaces.clone(),
        other_interfaces: when.other_interfaces,
        to_address,
        to_port,
        sometimes: sometimes || when.sometimes || when.interfaces.iter().any(|name| name.ends_with(['*', '+'])),
    };
    ports.iter().map(rule).collect()
}

fn is_staying(rule: &ForwardingRule) -> bool {
    rule.to_address.is_none() && rule.to_port.is_none() && !rule.sometimes
}

/// `10.0.0.3`, `10.0.0.3:8443`, `[fd00::3]:8443`, `fd00::3`, `:8443`; anything else is one of several places.
fn target(text: &str) -> Verdict {
    let unbracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = unbracketed.parse::<IpAddr>() {
        return Verdict::Forward(Some(address), None);
    }
    if let Ok(place) = text.parse::<SocketAddr>() {
        return Verdict::Forward(Some(place.ip()), Some(place.port()));
    }
    match text.strip_prefix(':').and_then(port) {
        Some(port) => Verdict::Forward(None, Some(port)),
        None => Verdict::Somewhere,
    }
}

/// `80`, `80-90`, `80:90`, or a name that everybody knows.
fn ports(text: &str) -> Option<(u16, u16)> {
    match text.split_once(['-', ':']) {
        Some((first, last)) => Some((port(first)?, port(last)?)).filter(|(first, last)| first <= last),
        None => port(text).map(|port| (port, port)),
    }
}

fn port(text: &str) -> Option<u16> {
    const NAMES: &[(&str, u16)] = &[
        ("ssh", 22),
        ("smtp", 25),
        ("domain", 53),
        ("http", 80),
        ("https", 443),
        ("imap", 143),
        ("imap2", 143),
        ("imaps", 993),
        ("ldap", 389),
        ("ldaps", 636),
        ("mysql", 3306),
        ("ntp", 123),
        ("pop3", 110),
        ("pop3s", 995),
        ("postgresql", 5432),
        ("submission", 587),
        ("syslog", 514),
    ];
    text.parse().ok().filter(|port| *port > 0).or_else(|| NAMES.iter().find(|(name, _)| *name == text).map(|(_, port)| *port))
}

/// An address or a network as it is sent; one that holds a single address is that.
fn network(text: &str) -> Option<String> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address.parse::<IpAddr>().ok()?, length.parse::<u8>().ok()?),
        None => return text.parse::<IpAddr>().ok().map(|address| address.to_string()),
    };
    let whole = if address.is_ipv4() { 32 } else { 128 };
    match length {
        length if length > whole => None,
        length if length == whole => Some(address.to_string()),
        length => Some(format!("{address}/{length}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line for each rule.
    pub(super) fn shown(rules: &[ForwardingRule]) -> Vec<String> {
        let one = |rule: &ForwardingRule| {
            let mut text = rule.protocol.map_or("any".to_owned(), |protocol| format!("{protocol:?}").to_lowercase());
            text += &format!(" {}", if rule.addresses.is_empty() { "*".to_owned() } else { rule.addresses.join(",") });
            text += &rule.port.map_or(String::new(), |port| format!(":{port}"));
            text += &rule.last_port.map_or(String::new(), |port| format!("-{port}"));
            if !rule.sources.is_empty() {
                text += &format!(" from {}", rule.sources.join(","));
            }
            if !rule.interfaces.is_empty() {
                text += &format!(" by {}{}", if rule.other_interfaces { "not " } else { "" }, rule.interfaces.join(","));
            }
            text += &format!(" -> {}", rule.to_address.map_or("self".to_owned(), |address| address.to_string()));
            text += &rule.to_port.map_or(String::new(), |port| format!(" {port}"));
            text + if rule.sometimes { " sometimes" } else { "" }
        };
        rules.iter().map(one).collect()
    }

    #[test]
    fn places_and_networks_are_read() {
        let cases = [
            ("10.0.0.3", Verdict::Forward(Some([10, 0, 0, 3].into()), None)),
            ("10.0.0.3:8443", Verdict::Forward(Some([10, 0, 0, 3].into()), Some(8443))),
            ("[fd00::3]:8443", Verdict::Forward(Some("fd00::3".parse().unwrap()), Some(8443))),
            ("[fd00::3]", Verdict::Forward(Some("fd00::3".parse().unwrap()), None)),
            (":8080", Verdict::Forward(None, Some(8080))),
            ("10.0.0.3-10.0.0.9", Verdict::Somewhere),
            ("10.0.0.3:80-90", Verdict::Somewhere),
            ("", Verdict::Somewhere),
        ];
        for (text, expected) in cases {
            assert_eq!(target(text), expected, "{text}");
        }
        assert_eq!(network("203.0.113.6/32").as_deref(), Some("203.0.113.6"));
        assert_eq!(network("10.0.0.0/16").as_deref(), Some("10.0.0.0/16"));
        assert_eq!((network("10.0.0.0/33"), network("x")), (None, None));
        assert_eq!(
            (ports("80-90"), ports("80:81"), ports("ssh"), ports("90-80"), ports("0")),
            (Some((80, 90)), Some((80, 81)), Some((22, 22)), None, None)
        );
    }
}
