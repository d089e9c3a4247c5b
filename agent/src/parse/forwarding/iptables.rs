//! `iptables-save`, which `rules.v4` and ufw's `before.rules` are written like too.

use std::collections::{BTreeMap, BTreeSet};

use rollcall_shared::wire::v1::Protocol;

use super::{Ruleset, Step, Verdict, When, is_any, network, ports};
use crate::parse::config::words;

const MOST_LINES: usize = 50_000;

/// Reads what `iptables-save` (`ip6tables-save`) wrote.
pub fn saved(bytes: &[u8]) -> Ruleset {
    let text = String::from_utf8_lossy(bytes);
    let mut found = Ruleset::default();
    // Both families keep their rules in files of their own.
    let is_v6 = text.lines().take(MOST_LINES).any(|line| line.contains("::") && line.starts_with(['-', '[']));
    let any = if is_v6 { "::/0" } else { "0.0.0.0/0" };
    let mut chains: BTreeMap<String, Vec<Said>> = BTreeMap::new();
    let mut is_nat = false;
    for line in text.lines().take(MOST_LINES).map(str::trim) {
        if let Some(table) = line.strip_prefix('*') {
            is_nat = table == "nat";
        } else if is_nat && let Some(chain) = line.strip_prefix(':') {
            chains.entry(chain.split(' ').next().unwrap_or_default().to_owned()).or_default();
        } else if is_nat && line.starts_with(['-', '[']) {
            let words = words::words(line);
            // `iptables-save -c` puts counters first.
            let counters = usize::from(line.starts_with('['));
            let [command, chain, rest @ ..] = words.get(counters..).unwrap_or_default() else { continue };
            let rules = chains.entry(chain.clone()).or_default();
            match &**command {
                "-A" | "--append" => rules.push(said(rest)),
                "-I" | "--insert" => {
                    let position = rest.first().and_then(|word| word.parse::<usize>().ok());
                    let rule = said(rest.get(usize::from(position.is_some())..).unwrap_or_default());
                    rules.insert(position.unwrap_or(1).saturating_sub(1).min(rules.len()), rule);
                }
                _ => {}
            }
        }
    }
    let names: BTreeSet<String> = chains.keys().cloned().collect();
    for (chain, rules) in chains {
        let steps = found.chains.entry(chain).or_default();
        for said in rules {
            let then = said.verdict(&names);
            let mut when = said.when;
            match then {
                Then::Hide if is_any(&when.sources) => drop(found.hides.insert(any.to_owned())),
                Then::Hide => found.hides.extend(when.sources),
                Then::Do(verdict) => {
                    if when.addresses.is_empty() {
                        when.addresses.push(any.to_owned());
                    }
                    steps.push(Step { when, verdict });
                }
                Then::GoOn => {}
            }
        }
    }
    if names.contains("PREROUTING") {
        found.starts.insert((0, "PREROUTING".to_owned()));
    }
    found
}

/// One rule as it is written.
#[derive(Default)]
struct Said {
    when: When,
    target: String,
    is_goto: bool,
    to: Option<String>,
}

enum Then {
    Do(Verdict),
    /// Callers get another address.
    Hide,
    /// Nothing that matters here.
    GoOn,
}

impl Said {
    fn verdict(&self, chains: &BTreeSet<String>) -> Then {
        let target = &*self.target;
        let to = self.to.as_deref().unwrap_or_default();
        Then::Do(match target {
            "ACCEPT" => Verdict::Stay,
            "RETURN" => Verdict::Return,
            "DNAT" => super::target(to),
            "REDIRECT" => match ports(to) {
                Some((first, last)) if first == last => Verdict::Forward(None, Some(first)),
                Some(_) => Verdict::Somewhere,
                None => Verdict::Stay,
            },
            "MASQUERADE" | "SNAT" => return Then::Hide,
            "" | "LOG" | "NFLOG" | "ULOG" | "MARK" | "CONNMARK" | "TRACE" | "AUDIT" | "SET" => return Then::GoOn,
            name if chains.contains(name) && self.is_goto => Verdict::Goto(name.to_owned()),
            name if chains.contains(name) => Verdict::Jump(name.to_owned()),
            _ => Verdict::Somewhere,
        })
    }
}

fn said(words: &[String]) -> Said {
    let mut said = Said::default();
    let mut words = words.iter().map(String::as_str).peekable();
    let mut negated = false;
    while let Some(word) = words.next() {
        let when = &mut said.when;
        let mut value = || words.next_if(|word| !word.starts_with('-') && *word != "!").unwrap_or_default();
        let is_negated = std::mem::take(&mut negated);
        match word {
            "!" => negated = true,
            "-p" | "--protocol" => match value() {
                "tcp" | "6" => when.protocol = Some(Protocol::Tcp),
                "udp" | "17" => when.protocol = Some(Protocol::Udp),
                "all" | "0" => {}
                _ => when.never = !is_negated,
            },
            "-d" | "--destination" => list(value(), &mut when.addresses, &mut when.sometimes),
            "-s" | "--source" => list(value(), &mut when.sources, &mut when.sometimes),
            "-i" | "--in-interface" => {
                when.interfaces.push(value().to_owned());
                when.other_interfaces = is_negated;
            }
            "--dport" | "--dports" | "--destination-port" | "--destination-ports" => {
                for part in value().split(',') {
                    match ports(part) {
                        Some(range) => when.ports.push(range),
                        None => when.sometimes = true,
                    }
                }
            }
            "--dst-type" => {
                // What is asked here is about connections to this machine.
                when.never |= (value() == "LOCAL") == is_negated;
            }
            "--state" | "--ctstate" => {
                // The rules are asked for the first packet of a connection.
                when.never |= value().split(',').any(|state| state == "NEW") == is_negated;
            }
            "-m" | "--match" | "--comment" | "--reject-with" | "--log-prefix" | "--log-level" => drop(value()),
            "-j" | "--jump" => said.target = value().to_owned(),
            "-g" | "--goto" => {
                said.target = value().to_owned();
                said.is_goto = true;
            }
            "--to-destination" | "--to-ports" | "--to-source" => said.to = Some(value().to_owned()),
            "--random" | "--persistent" | "--random-fully" => {}
            _ => {
                when.sometimes = true;
                while words.next_if(|word| !word.starts_with('-') && *word != "!").is_some() {}
            }
        }
        // What is excepted is understood of interfaces and types only.
        if is_negated && !matches!(word, "!" | "-i" | "--in-interface" | "--dst-type" | "--state" | "--ctstate") {
            excepted(&mut said.when, word);
        }
    }
    said
}

/// The condition is turned round: what it names is left out again, and that there is one is kept.
fn excepted(when: &mut When, option: &str) {
    when.sometimes = true;
    match option {
        "-p" | "--protocol" => when.protocol = None,
        "-d" | "--destination" => when.addresses.clear(),
        "-s" | "--source" => when.sources.clear(),
        _ => when.ports.clear(),
    }
}

fn list(text: &str, into: &mut Vec<String>, sometimes: &mut bool) {
    for part in text.split(',') {
        match network(part) {
            Some(network) => into.push(network),
            None => *sometimes = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::shown, *};

    /// Written by `iptables-legacy-save` in a network namespace.
    const V4: &[u8] = include_bytes!("../../../tests/fixtures/forwarding/rules.v4");
    /// Written by `ip6tables-nft-save`.
    const V6: &[u8] = include_bytes!("../../../tests/fixtures/forwarding/rules.v6");

    #[test]
    fn what_was_saved_is_read_in_the_order_in_which_it_is_tried() {
        let found = saved(V4);
        let any = "0.0.0.0/0";
        assert_eq!(
            shown(&found.rules()),
            [
                format!("tcp {any}:9000 by not docker0 -> 172.17.0.2 80"),
                format!("tcp {any}:443 by eth0 -> 10.0.0.3 8443"),
                "tcp 203.0.113.6:80 -> 10.0.0.5".to_owned(),
                "tcp 203.0.113.6:8080-8090 -> 10.0.0.5".to_owned(),
                format!("udp {any}:514 -> 10.0.0.8 5514"),
                format!("tcp {any}:5432 from 198.51.100.0/24 -> 10.0.0.4"),
                format!("tcp {any}:81 -> self 8080"),
                format!("tcp {any}:3306 -> 10.0.0.11 sometimes"),
                format!("tcp {any}:3306 -> 10.0.0.12"),
                format!("tcp {any}:5060 -> self sometimes"),
            ]
        );
        assert_eq!(found.hides().collect::<Vec<_>>(), ["0.0.0.0/0", "10.0.0.0/16"]);
        let found = saved(V6);
        assert_eq!(shown(&found.rules()), ["tcp ::/0:443 by eth0 -> fd00::3 8443", "tcp 2001:db8::5:22 -> self 2222"]);
        assert_eq!(found.hides().collect::<Vec<_>>(), ["::/0"]);
    }

    #[test]
    fn what_else_a_rule_asks_makes_it_one_that_applies_sometimes() {
        let nat =
            |rule: &str| shown(&saved(format!("*nat\n:PREROUTING ACCEPT [0:0]\n:OTHER - [0:0]\n{rule}\nCOMMIT\n").as_bytes()).rules());
        for (rule, expected) in [
            ("-A PREROUTING -p tcp ! -s 10.0.0.0/8 --dport 80 -j DNAT --to-destination 10.0.0.5", "tcp 0.0.0.0/0:80 -> 10.0.0.5 sometimes"),
            ("-A PREROUTING -p tcp ! --dport 80 -j DNAT --to-destination 10.0.0.5", "tcp 0.0.0.0/0 -> 10.0.0.5 sometimes"),
            (
                "-A PREROUTING -p tcp --dport 80 -m time --timestart 08:00 -j REDIRECT --to-ports 81",
                "tcp 0.0.0.0/0:80 -> self 81 sometimes",
            ),
            ("[1:60] -A PREROUTING -j DNAT --to-destination 10.0.0.5", "any 0.0.0.0/0 -> 10.0.0.5"),
            ("-A PREROUTING -p tcp --dport 80 -j ELSEWHERE", "tcp 0.0.0.0/0:80 -> self sometimes"),
        ] {
            assert_eq!(nat(rule), [expected], "{rule}");
        }
        for rule in [
            "-A PREROUTING -p icmp -j DNAT --to-destination 10.0.0.5",
            "-A PREROUTING -m addrtype ! --dst-type LOCAL -j DNAT --to-destination 10.0.0.5",
            "-A OUTPUT -p tcp --dport 80 -j DNAT --to-destination 10.0.0.5",
            "-A OTHER -p tcp --dport 80 -j DNAT --to-destination 10.0.0.5",
            "-A PREROUTING -p tcp --dport 80 -j ACCEPT",
            "COMMIT\n*filter\n-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.0.0.5",
        ] {
            assert_eq!(nat(rule), [] as [&str; 0], "{rule}");
        }
        assert_eq!(
            nat(
                "-A PREROUTING -g OTHER\n-A PREROUTING -j DNAT --to-destination 10.0.0.5\n-A OTHER -i lan -j RETURN\n-A OTHER -i wan -p udp -j DNAT --to-destination 10.0.0.6\n-A OTHER -p udp -j DNAT --to-destination 10.0.0.7"
            ),
            ["udp 0.0.0.0/0 by wan -> 10.0.0.6", "udp 0.0.0.0/0 -> 10.0.0.7 sometimes"]
        );
    }
}
