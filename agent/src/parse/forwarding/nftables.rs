//! nft's language, as `nft list ruleset` writes it and as people do in `nftables.conf`.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
};

use rollcall_shared::wire::v1::Protocol;

use super::{MOST_DEPTH, Ruleset, Step, Verdict, When, network, port, ports, target};

/// Tokens of all files together, what variables stand for included.
const MOST_TOKENS: usize = 400_000;
const MOST_INCLUDED: usize = 64;
/// Rules that one line stands for.
const MOST_OF_A_RULE: usize = 256;

/// Reads a file. `included` answers the files that a pattern in it means.
pub fn rules(bytes: &[u8], included: &mut dyn FnMut(&str) -> Vec<Vec<u8>>) -> Ruleset {
    let mut reader = Reader {
        found: Ruleset::default(),
        variables: BTreeMap::new(),
        sets: BTreeMap::new(),
        included,
        tokens_left: MOST_TOKENS,
        files_left: MOST_INCLUDED,
    };
    reader.file(bytes, 0);
    reader.resolve();
    reader.found
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Quoted(String),
    Sign(char),
    /// The end of a line, or `;`.
    End,
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Self::Word(text) | Self::Quoted(text) => text,
            Self::Sign(_) | Self::End => "",
        }
    }
}

struct Reader<'a> {
    found: Ruleset,
    variables: BTreeMap<String, Vec<Token>>,
    /// Named sets and maps, by table and name: what each element is, and what it stands for.
    sets: BTreeMap<String, Vec<(String, String)>>,
    included: &'a mut dyn FnMut(&str) -> Vec<Vec<u8>>,
    tokens_left: usize,
    files_left: usize,
}

/// Family and name of a table, as chains are named after.
fn table(family: &str, name: &str) -> String {
    format!("{family} {name}")
}

fn is_family(word: &str) -> bool {
    matches!(word, "ip" | "ip6" | "inet" | "arp" | "bridge" | "netdev")
}

impl Reader<'_> {
    fn file(&mut self, bytes: &[u8], depth: usize) {
        let text = String::from_utf8_lossy(bytes);
        let mut tokens: VecDeque<Token> = tokens(&text, self.tokens_left).into();
        self.tokens_left -= tokens.len().min(self.tokens_left);
        while let Some(token) = tokens.pop_front() {
            match token.text() {
                "define" | "redefine" => {
                    let mut said = self.statement(&mut tokens);
                    if said.len() >= 3 && said[1] == Token::Sign('=') {
                        self.variables.insert(said[0].text().to_owned(), said.split_off(2));
                    }
                }
                "include" => {
                    let said = self.statement(&mut tokens);
                    let Some(pattern) = said.first().filter(|_| depth < MOST_DEPTH) else { continue };
                    for file in (self.included)(pattern.text()) {
                        if self.files_left > 0 {
                            self.files_left -= 1;
                            self.file(&file, depth + 1);
                        }
                    }
                }
                "table" => self.table(&mut tokens),
                "add" | "create" | "insert" => self.add(&mut tokens, token.text() == "insert"),
                "flush" | "delete" | "destroy" => self.remove(&mut tokens),
                _ => {
                    if token != Token::End {
                        self.statement(&mut tokens);
                    }
                }
            }
        }
    }

    /// What is said up to the end of the line, variables resolved. What is in braces may take several lines.
    fn statement(&mut self, tokens: &mut VecDeque<Token>) -> Vec<Token> {
        let mut said = Vec::new();
        let mut open = 0_usize;
        while let Some(token) = tokens.pop_front() {
            match &token {
                Token::Sign('{') => open += 1,
                Token::Sign('}') if open == 0 => {
                    // It closes what this statement stands in.
                    tokens.push_front(token);
                    break;
                }
                Token::Sign('}') => open -= 1,
                Token::End if open == 0 => break,
                Token::End => continue,
                Token::Word(word) if word.contains('$') => {
                    self.expand(word, &mut said);
                    continue;
                }
                Token::Word(_) | Token::Quoted(_) | Token::Sign(_) => {}
            }
            said.push(token);
        }
        said
    }

    /// `$web`, or a variable within a word: `$web:8443`.
    fn expand(&mut self, word: &str, into: &mut Vec<Token>) {
        let (before, rest) = word.split_once('$').unwrap_or((word, ""));
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (name, after) = rest.split_at(length);
        let value = self.variables.get(name).cloned().unwrap_or_default();
        self.tokens_left = self.tokens_left.saturating_sub(value.len());
        match &value[..] {
            _ if self.tokens_left == 0 => {}
            [one] if !matches!(one, Token::Sign(_)) => into.push(Token::Word(format!("{before}{}{after}", one.text()))),
            _ if before.is_empty() && after.is_empty() && !value.is_empty() => into.extend(value),
            // It is kept as something that is not understood.
            _ => into.push(Token::Word(word.to_owned())),
        }
    }

    /// `[family] NAME { … }`
    fn table(&mut self, tokens: &mut VecDeque<Token>) {
        let mut head = Vec::new();
        loop {
            match tokens.pop_front() {
                Some(Token::Sign('{')) => break,
                Some(Token::End) | None => return,
                Some(token) => head.push(token.text().to_owned()),
            }
        }
        let of = match &head[..] {
            [family, name, ..] if is_family(family) => table(family, name),
            [name, ..] => table("ip", name),
            [] => return,
        };
        while let Some(token) = tokens.pop_front() {
            match token.text() {
                "chain" => {
                    let name = tokens.pop_front().map(|name| name.text().to_owned()).unwrap_or_default();
                    if tokens.front() == Some(&Token::Sign('{')) {
                        tokens.pop_front();
                        self.chain(tokens, &of, &name);
                    }
                }
                "set" | "map" => {
                    let said = self.statement(tokens);
                    self.elements(&of, &said);
                }
                _ if token == Token::Sign('}') => return,
                _ if token == Token::End => {}
                _ => drop(self.statement(tokens)),
            }
        }
    }

    fn chain(&mut self, tokens: &mut VecDeque<Token>, of: &str, name: &str) {
        let chain = format!("{of} {name}");
        self.found.chains.entry(chain.clone()).or_default();
        loop {
            let said = self.statement(tokens);
            if said.is_empty() {
                match tokens.front() {
                    Some(Token::Sign('}')) => {
                        tokens.pop_front();
                        return;
                    }
                    Some(_) => continue,
                    None => return,
                }
            }
            self.in_chain(&chain, &said, false);
        }
    }

    fn in_chain(&mut self, chain: &str, said: &[Token], first: bool) {
        match said.first().map(Token::text) {
            Some("type") => {
                let word = |index: usize| said.get(index).map(Token::text);
                if word(1) == Some("nat") && word(3) == Some("prerouting") {
                    let rest: String = said.iter().skip(5).map(|token| token.text()).collect::<Vec<_>>().join("");
                    self.found.starts.insert((priority(&rest), chain.to_owned()));
                }
            }
            Some("policy" | "comment" | "devices" | "flags") | None => {}
            Some(_) => {
                let steps = self.steps(chain, said);
                let known = self.found.chains.entry(chain.to_owned()).or_default();
                let at = if first { 0 } else { known.len() };
                known.splice(at..at, steps);
            }
        }
    }

    /// `add table|chain|rule|element|set|map [family] TABLE NAME …`
    fn add(&mut self, tokens: &mut VecDeque<Token>, first: bool) {
        let kind = tokens.pop_front().map(|token| token.text().to_owned()).unwrap_or_default();
        if kind == "table" {
            return self.table(tokens);
        }
        let has_family = tokens.front().is_some_and(|token| is_family(token.text()));
        let mut word = || tokens.pop_front().map(|token| token.text().to_owned()).unwrap_or_default();
        let family = if has_family { word() } else { "ip".to_owned() };
        let of = table(&family, &word());
        match &*kind {
            "chain" => {
                let name = word();
                if tokens.front() == Some(&Token::Sign('{')) {
                    tokens.pop_front();
                    self.chain(tokens, &of, &name);
                } else {
                    self.found.chains.entry(format!("{of} {name}")).or_default();
                }
            }
            "rule" => {
                let chain = format!("{of} {}", word());
                let mut said = self.statement(tokens);
                if matches!(said.first().map(Token::text), Some("position" | "handle" | "index")) {
                    said.drain(..2.min(said.len()));
                }
                self.in_chain(&chain, &said, first);
            }
            "element" | "set" | "map" => {
                let said = self.statement(tokens);
                self.elements(&of, &said);
            }
            _ => drop(self.statement(tokens)),
        }
    }

    /// `ruleset`, or a table or chain that is begun anew.
    fn remove(&mut self, tokens: &mut VecDeque<Token>) {
        let said = self.statement(tokens);
        let words: Vec<&str> = said.iter().map(Token::text).collect();
        let named = |rest: &[&str]| match rest {
            [family, rest @ ..] if is_family(family) => format!("{family} {}", rest.join(" ")),
            rest => format!("ip {}", rest.join(" ")),
        };
        match &words[..] {
            ["ruleset"] => self.found = Ruleset::default(),
            ["table", rest @ ..] => {
                let of = format!("{} ", named(rest));
                self.found.chains.iter_mut().filter(|(name, _)| name.starts_with(&of)).for_each(|(_, steps)| steps.clear());
            }
            ["chain", rest @ ..] => {
                if let Some(steps) = self.found.chains.get_mut(&named(rest)) {
                    steps.clear();
                }
            }
            _ => {}
        }
    }

    /// `NAME { type …; elements = { a : b, c } }`, or `NAME { a : b }`.
    fn elements(&mut self, of: &str, said: &[Token]) {
        let Some((name, rest)) = said.split_first() else { return };
        let inner = rest.iter().rposition(|token| *token == Token::Sign('{')).map_or(&rest[rest.len()..], |at| &rest[at + 1..]);
        self.sets.entry(format!("{of} {}", name.text())).or_default().extend(pairs(inner));
    }

    /// What one line means: several rules where it looks its target up in a map.
    fn steps(&mut self, chain: &str, said: &[Token]) -> Vec<Step> {
        let of = chain.rsplit_once(' ').map_or(chain, |(of, _)| of);
        let family = of.split(' ').next().unwrap_or_default();
        let mut rule = Rule { when: When::default(), family: family.to_owned(), then: Vec::new(), hides: false };
        rule.read(said, |name| self.sets.get(&format!("{of} {name}")).map(Vec::as_slice));
        let any = match &*rule.family {
            "ip" => Some("0.0.0.0/0"),
            "ip6" => Some("::/0"),
            _ => None,
        };
        if rule.hides {
            let all = any.map_or_else(|| vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()], |any| vec![any.to_owned()]);
            let hidden = if rule.when.sources.is_empty() { all } else { rule.when.sources };
            self.found.hides.extend(hidden);
            return Vec::new();
        }
        let step = |(only, verdict): (When, Verdict)| {
            let mut when = rule.when.and(&only);
            if when.addresses.is_empty() {
                // An address is of one family, and is what only those of its family are sent to.
                let of_target = match &verdict {
                    Verdict::Forward(Some(IpAddr::V4(_)), _) => Some("0.0.0.0/0"),
                    Verdict::Forward(Some(IpAddr::V6(_)), _) => Some("::/0"),
                    _ => None,
                };
                when.addresses.extend(any.or(of_target).map(str::to_owned));
            }
            Step { when, verdict }
        };
        rule.then.into_iter().take(MOST_OF_A_RULE).map(step).collect()
    }

    /// Chains are named in rules without their table.
    fn resolve(&mut self) {
        for (chain, steps) in &mut self.found.chains {
            let of = chain.rsplit_once(' ').map_or("", |(of, _)| of);
            for step in steps {
                if let Verdict::Jump(to) | Verdict::Goto(to) = &mut step.verdict {
                    *to = format!("{of} {to}");
                }
            }
        }
    }
}

/// `dstnat`, `-100`, `dstnat + 5`.
fn priority(text: &str) -> i32 {
    const DSTNAT: i32 = -100;
    match text.strip_prefix("dstnat") {
        Some(rest) => DSTNAT + rest.parse().unwrap_or(0),
        None => text.parse().unwrap_or(0),
    }
}

/// One rule while it is read.
struct Rule {
    when: When,
    family: String,
    /// What it does; with what it looks up, for several kinds of connections.
    then: Vec<(When, Verdict)>,
    hides: bool,
}

/// The elements of a named set.
trait Sets<'s>: Fn(&str) -> Option<&'s [(String, String)]> {}
impl<'s, F: Fn(&str) -> Option<&'s [(String, String)]>> Sets<'s> for F {}

impl Rule {
    fn read<'s>(&mut self, said: &[Token], sets: impl Sets<'s>) {
        let mut rest = Rest { said, at: 0 };
        while let Some(word) = rest.next() {
            match word {
                "iifname" | "iif" => self.interfaces(&mut rest, &sets),
                "meta" => match rest.next() {
                    Some("iifname" | "iif") => self.interfaces(&mut rest, &sets),
                    Some("l4proto") => self.protocols(&mut rest, &sets),
                    Some("nfproto") => match rest.value(&sets) {
                        Some((false, values)) if values == ["ipv4"] => self.family = "ip".to_owned(),
                        Some((false, values)) if values == ["ipv6"] => self.family = "ip6".to_owned(),
                        _ => self.when.sometimes = true,
                    },
                    _ => self.not_understood(&mut rest, &sets),
                },
                "ip" | "ip6" => {
                    if self.family == "inet" {
                        word.clone_into(&mut self.family);
                    }
                    match rest.next() {
                        Some("daddr") => {
                            let (addresses, sometimes) = networks(rest.value(&sets));
                            self.also(&When { addresses, sometimes, ..When::default() });
                        }
                        Some("saddr") => {
                            let (sources, sometimes) = networks(rest.value(&sets));
                            self.also(&When { sources, sometimes, ..When::default() });
                        }
                        Some("protocol" | "nexthdr") => self.protocols(&mut rest, &sets),
                        _ => self.not_understood(&mut rest, &sets),
                    }
                }
                "tcp" | "udp" | "th" => {
                    match word {
                        "tcp" => self.when.protocol = Some(Protocol::Tcp),
                        "udp" => self.when.protocol = Some(Protocol::Udp),
                        _ => {}
                    }
                    match (rest.next(), rest.peek()) {
                        (Some("dport"), Some("vmap" | "map")) => self.when.sometimes = true,
                        (Some("dport"), _) => self.ports(rest.value(&sets)),
                        _ => self.not_understood(&mut rest, &sets),
                    }
                }
                "sctp" | "dccp" | "icmp" | "icmpv6" | "esp" | "ah" => self.when.never = true,
                "fib" => {
                    let what = [rest.next(), rest.next()];
                    match (what, rest.value(&sets)) {
                        // What is asked here is about connections to this machine.
                        ([Some("daddr"), Some("type")], Some((negated, values))) => {
                            self.when.never |= values.iter().any(|it| it == "local") == negated
                        }
                        _ => self.when.sometimes = true,
                    }
                }
                "ct" => match (rest.next(), rest.value(&sets)) {
                    // The rules are asked for the first packet of a connection.
                    (Some("state"), Some((negated, values))) => self.when.never |= values.iter().any(|it| it == "new") == negated,
                    _ => self.when.sometimes = true,
                },
                "counter" => rest.skip(&["packets", "bytes", "name"]),
                "log" => rest.skip(&["prefix", "level", "group", "snaplen", "queue-threshold", "flags"]),
                "comment" => drop(rest.next()),
                "accept" | "drop" | "reject" => return self.then.push((When::default(), Verdict::Stay)),
                "return" => return self.then.push((When::default(), Verdict::Return)),
                "jump" | "goto" => {
                    let to = rest.next().unwrap_or_default().to_owned();
                    let verdict = if word == "jump" { Verdict::Jump(to) } else { Verdict::Goto(to) };
                    return self.then.push((When::default(), verdict));
                }
                "masquerade" | "snat" => {
                    self.hides = true;
                    return;
                }
                "dnat" => return self.forward(&mut rest, &sets),
                "redirect" => {
                    let verdict = match (rest.next(), rest.next()) {
                        (Some("to"), Some(place)) if place.starts_with(':') => target(place),
                        (Some("to"), Some(place)) => port(place).map_or(Verdict::Somewhere, |port| Verdict::Forward(None, Some(port))),
                        (Some("to"), None) => Verdict::Somewhere,
                        _ => Verdict::Stay,
                    };
                    return self.then.push((When::default(), verdict));
                }
                "meters" | "queue" | "vmap" | "tproxy" => return self.then.push((When::default(), Verdict::Somewhere)),
                _ => self.when.sometimes = true,
            }
        }
    }

    /// `[ip|ip6] to PLACE`, or to what a map of ports says.
    fn forward<'s>(&mut self, rest: &mut Rest<'_>, sets: &impl Sets<'s>) {
        if let Some(family @ ("ip" | "ip6")) = rest.peek() {
            family.clone_into(&mut self.family);
            rest.next();
        }
        if rest.peek() == Some("addr") || rest.peek() == Some("prefix") {
            rest.next();
        }
        if rest.next() != Some("to") {
            return self.then.push((When::default(), Verdict::Somewhere));
        }
        let place = rest.next().unwrap_or_default();
        if !matches!(place, "tcp" | "udp" | "th") || rest.next() != Some("dport") || rest.next() != Some("map") {
            let is_alone = rest.peek().is_none_or(|word| matches!(word, "random" | "persistent" | "fully-random" | "comment"));
            return self.then.push((When::default(), if is_alone { target(place) } else { Verdict::Somewhere }));
        }
        match place {
            "tcp" => self.when.protocol = Some(Protocol::Tcp),
            "udp" => self.when.protocol = Some(Protocol::Udp),
            _ => {}
        }
        let Some(found) = rest.pairs(sets) else { return self.then.push((When::default(), Verdict::Somewhere)) };
        for (key, place) in found {
            let verdict = match place.split_once(" . ") {
                Some((address, port)) if address.contains(':') => target(&format!("[{address}]:{port}")),
                Some((address, port)) => target(&format!("{address}:{port}")),
                None => target(&place),
            };
            let ports = ports(&key);
            let only = When { sometimes: ports.is_none(), ports: ports.into_iter().collect(), ..When::default() };
            self.then.push((only, verdict));
        }
    }

    fn interfaces<'s>(&mut self, rest: &mut Rest<'_>, sets: &impl Sets<'s>) {
        match rest.value(sets) {
            Some((other_interfaces, interfaces)) => self.also(&When { interfaces, other_interfaces, ..When::default() }),
            None => self.when.sometimes = true,
        }
    }

    fn protocols<'s>(&mut self, rest: &mut Rest<'_>, sets: &impl Sets<'s>) {
        let has = |values: &[String], names: [&str; 2]| values.iter().any(|value| names.contains(&value.as_str()));
        match rest.value(sets) {
            Some((false, values)) => match (has(&values, ["tcp", "6"]), has(&values, ["udp", "17"])) {
                (true, true) => {}
                (true, false) => self.when.protocol = Some(Protocol::Tcp),
                (false, true) => self.when.protocol = Some(Protocol::Udp),
                (false, false) => self.when.never = true,
            },
            _ => self.when.sometimes = true,
        }
    }

    fn ports(&mut self, value: Option<(bool, Vec<String>)>) {
        match value {
            Some((false, values)) => {
                let read: Vec<_> = values.iter().filter_map(|value| ports(value)).collect();
                let sometimes = read.len() < values.len();
                self.also(&When { ports: read, sometimes, ..When::default() });
            }
            _ => self.when.sometimes = true,
        }
    }

    fn also(&mut self, condition: &When) {
        self.when = self.when.and(condition);
    }

    fn not_understood<'s>(&mut self, rest: &mut Rest<'_>, sets: &impl Sets<'s>) {
        self.when.sometimes = true;
        rest.value(sets);
    }
}

/// Those that are understood, and whether there are others.
fn networks(value: Option<(bool, Vec<String>)>) -> (Vec<String>, bool) {
    match value {
        Some((false, values)) => {
            let read: Vec<_> = values.iter().filter_map(|value| network(value)).collect();
            let others = read.len() < values.len();
            (read, others)
        }
        _ => (Vec::new(), true),
    }
}

/// What of a rule is not read yet.
struct Rest<'a> {
    said: &'a [Token],
    at: usize,
}

impl<'a> Rest<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let word = self.said.get(self.at)?;
        self.at += 1;
        Some(word.text())
    }

    fn peek(&self) -> Option<&'a str> {
        self.said.get(self.at).map(Token::text)
    }

    /// These words, each with its value.
    fn skip(&mut self, names: &[&str]) {
        while self.peek().is_some_and(|word| names.contains(&word)) {
            self.at += 2;
        }
    }

    /// What something is compared with, and whether it is to be anything else. `None` where a set is not known.
    fn value<'s>(&mut self, sets: &impl Sets<'s>) -> Option<(bool, Vec<String>)> {
        let negated = self.peek() == Some("!=");
        if negated || self.peek() == Some("==") {
            self.at += 1;
        }
        match self.said.get(self.at)? {
            Token::Sign('{') => Some((negated, self.braces().into_iter().map(|(key, _)| key).collect())),
            Token::Sign(_) | Token::End => None,
            token => {
                self.at += 1;
                if let Some(name) = token.text().strip_prefix('@') {
                    return Some((negated, sets(name)?.iter().map(|(key, _)| key.clone()).collect()));
                }
                let mut values = vec![token.text().to_owned()];
                // `established,related`
                while self.said.get(self.at) == Some(&Token::Sign(',')) {
                    values.extend(self.said.get(self.at + 1).map(|value| value.text().to_owned()));
                    self.at += 2;
                }
                Some((negated, values))
            }
        }
    }

    /// A map, named or written here.
    fn pairs<'s>(&mut self, sets: &impl Sets<'s>) -> Option<Vec<(String, String)>> {
        if self.said.get(self.at) == Some(&Token::Sign('{')) {
            return Some(self.braces());
        }
        Some(sets(self.next()?.strip_prefix('@')?)?.to_vec())
    }

    fn braces(&mut self) -> Vec<(String, String)> {
        let inner = &self.said[self.at + 1..];
        let length = inner.iter().position(|token| *token == Token::Sign('}')).unwrap_or(inner.len());
        self.at = (self.at + length + 2).min(self.said.len());
        pairs(&inner[..length])
    }
}

/// `a, b : c, d . e : f` up to a closing brace.
fn pairs(tokens: &[Token]) -> Vec<(String, String)> {
    let until = tokens.iter().position(|token| *token == Token::Sign('}')).unwrap_or(tokens.len());
    let pair = |part: &[Token]| {
        let mut halves = part.splitn(2, |token| *token == Token::Word(":".to_owned()));
        let mut half = || halves.next().unwrap_or_default().iter().map(Token::text).collect::<Vec<_>>().join(" ");
        Some((half(), half())).filter(|(key, _)| !key.is_empty())
    };
    tokens[..until].split(|token| *token == Token::Sign(',')).filter_map(pair).collect()
}

fn tokens(text: &str, most: usize) -> Vec<Token> {
    let mut found = Vec::new();
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if found.len() >= most {
            break;
        }
        match c {
            '\n' | ';' => found.push(Token::End),
            '#' => while characters.next_if(|c| *c != '\n').is_some() {},
            '\\' if characters.peek() == Some(&'\n') => drop(characters.next()),
            '"' => {
                let mut quoted = String::new();
                while let Some(c) = characters.next_if(|c| *c != '"' && *c != '\n') {
                    quoted.push(c);
                }
                characters.next_if_eq(&'"');
                found.push(Token::Quoted(quoted));
            }
            '{' | '}' | ',' => found.push(Token::Sign(c)),
            '=' if characters.peek() != Some(&'=') => found.push(Token::Sign('=')),
            _ if c.is_whitespace() => {}
            _ => {
                let mut word = String::from(c);
                let ends = |c: &char| c.is_whitespace() || matches!(c, '{' | '}' | ',' | ';' | '"' | '#');
                while let Some(c) = characters.next_if(|c| !ends(c) && (*c != '=' || word.ends_with(['!', '=']))) {
                    word.push(c);
                }
                found.push(Token::Word(word));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{super::tests::shown, *};

    /// Written by hand, and by `nft list ruleset` after it was loaded in a network namespace.
    const WRITTEN: &[u8] = include_bytes!("../../../tests/fixtures/forwarding/nftables.conf");
    const INCLUDED: &[u8] = include_bytes!("../../../tests/fixtures/forwarding/included.nft");
    const LISTED: &[u8] = include_bytes!("../../../tests/fixtures/forwarding/ruleset.nft");

    #[test]
    fn what_people_write_is_what_nft_lists() {
        let mut asked = Vec::new();
        let written = rules(WRITTEN, &mut |pattern| {
            asked.push(pattern.to_owned());
            vec![INCLUDED.to_vec()]
        });
        assert_eq!(asked, ["/etc/nftables.d/*.nft"]);
        let listed = rules(LISTED, &mut |_| panic!("nothing is included"));
        let any = "0.0.0.0/0";
        assert_eq!(shown(&written.rules()), shown(&listed.rules()));
        assert_eq!(
            shown(&listed.rules()),
            [
                format!("tcp {any}:6379 -> 10.0.0.13"),
                "tcp ::/0:6380 -> fd00::13".to_owned(),
                format!("any {any} by not eth0 -> self"),
                format!("tcp {any}:5432 from 198.51.100.0/24 -> 10.0.0.4 5432"),
                format!("tcp {any}:443 by eth0 -> 10.0.0.3 8443"),
                "tcp 203.0.113.6:25 by eth0 -> 10.0.0.7".to_owned(),
                "udp 203.0.113.5,203.0.113.6:514 -> 10.0.0.8 5514".to_owned(),
                format!("tcp {any}:80 -> self 8080"),
                format!("tcp {any}:81 -> self 8080"),
                format!("tcp {any}:9000-9010 -> 10.0.0.5"),
                format!("tcp {any}:3306 -> self sometimes"),
                format!("tcp {any}:2222 -> 10.0.0.9 22"),
                format!("tcp {any}:8025 -> 10.0.0.7 25"),
                format!("tcp {any}:7000 -> 10.0.0.6 7001 sometimes"),
                "tcp ::/0:443 by eth0 -> fd00::3 8443".to_owned(),
                "tcp 2001:db8::5:22 -> self 2222".to_owned(),
            ]
        );
        assert_eq!(listed.hides().collect::<Vec<_>>(), ["0.0.0.0/0", "10.0.0.0/23"]);
        assert_eq!(written.hides().collect::<Vec<_>>(), ["0.0.0.0/0", "10.0.0.0/24", "10.0.1.0/24"]);
    }

    #[test]
    fn what_else_a_rule_asks_makes_it_one_that_applies_sometimes() {
        let nat = |rule: &str| {
            let text = format!(
                "define here = {{ 1, 2 }}\ntable inet nat {{\nmap m {{ type inet_service : ipv4_addr\nelements = {{ 1 : 10.0.0.1,\n 2 : 10.0.0.2 }} }}\nchain p {{\ntype nat hook prerouting priority dstnat + 5; policy accept;\n{rule}\n}}\n}}\n"
            );
            shown(&rules(text.as_bytes(), &mut |_| Vec::new()).rules())
        };
        for (rule, expected) in [
            ("tcp dport 80 dnat ip to 10.0.0.5", &["tcp 0.0.0.0/0:80 -> 10.0.0.5"][..]),
            ("meta mark 7 tcp dport 80 dnat ip to 10.0.0.5", &["tcp 0.0.0.0/0:80 -> 10.0.0.5 sometimes"]),
            ("tcp dport 80 limit rate 1/second dnat ip to 10.0.0.5", &["tcp 0.0.0.0/0:80 -> 10.0.0.5 sometimes"]),
            ("ip saddr != 10.0.0.0/8 tcp dport 80 dnat to 10.0.0.5", &["tcp 0.0.0.0/0:80 -> 10.0.0.5 sometimes"]),
            ("ip daddr @unknown tcp dport 80 dnat to 10.0.0.5", &["tcp 0.0.0.0/0:80 -> 10.0.0.5 sometimes"]),
            ("tcp dport $here dnat ip to 10.0.0.5", &["tcp 0.0.0.0/0:1 -> 10.0.0.5", "tcp 0.0.0.0/0:2 -> 10.0.0.5"]),
            ("tcp dport $there dnat ip to 10.0.0.5", &["tcp 0.0.0.0/0 -> 10.0.0.5 sometimes"]),
            ("dnat ip to tcp dport map @m", &["tcp 0.0.0.0/0:1 -> 10.0.0.1", "tcp 0.0.0.0/0:2 -> 10.0.0.2"]),
            ("dnat ip to tcp dport map @n", &["tcp 0.0.0.0/0 -> self sometimes"]),
            ("tcp dport vmap { 22 : accept, 80 : jump x }", &["tcp * -> self sometimes"]),
            ("tcp dport 80 jump nowhere", &["tcp *:80 -> self sometimes"]),
            ("meta l4proto { tcp, udp } th dport 53 redirect to :5353", &["any *:53 -> self 5353"]),
            ("fib daddr type local tcp dport 80 redirect to 81", &["tcp *:80 -> self 81"]),
            ("iifname { \"a\", \"b\" } iifname != \"b\" tcp dport 80 redirect to :81", &["tcp *:80 by a -> self 81"]),
            ("ct state established,related dnat ip to 10.0.0.5", &[]),
            ("icmp type echo-request dnat ip to 10.0.0.5", &[]),
            ("tcp dport 80 accept", &[]),
            ("tcp dport 80 counter packets 1 bytes 2 log prefix \"x; dnat\"", &[]),
        ] {
            assert_eq!(nat(rule), expected, "{rule}");
        }
    }

    #[test]
    fn damaged_files_are_read_as_far_as_they_go() {
        for text in [
            &b"table"[..],
            b"table ip x {",
            b"table ip x { chain",
            b"table ip x { chain y {",
            b"define",
            b"define x =",
            b"add",
            b"add rule",
            b"include",
            b"}}}}",
            b"delete table",
            b"set { {",
        ] {
            assert_eq!(rules(text, &mut |_| Vec::new()).rules(), [], "{}", String::from_utf8_lossy(text));
        }
        // A file that includes itself ends.
        let own = b"include \"self\"\ntable ip n { chain p { type nat hook prerouting priority 0; tcp dport 1 redirect to :2; } }";
        assert!(!rules(own, &mut |_| vec![own.to_vec()]).rules().is_empty());
    }
}
