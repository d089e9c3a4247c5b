use std::{cmp::Ordering, fmt};

use rollcall_shared::Timestamp;
use serde_json::Value;

/// Who claims something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The machine's own agent.
    Agent,
    /// A named import.
    Import(String),
    /// A client of the API, by the name of its token.
    Api(String),
    /// A person, by sign-in name.
    User(String),
    /// Declarations in files, by the name of their code base.
    Code(String),
}

impl Source {
    /// Reads the form that [`Source`] displays as; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None if text == "agent" => Some(Self::Agent),
            Some(("import", name)) => Some(Self::Import(name.to_owned())),
            Some(("api", name)) => Some(Self::Api(name.to_owned())),
            Some(("user", name)) => Some(Self::User(name.to_owned())),
            Some(("code", name)) => Some(Self::Code(name.to_owned())),
            _ => None,
        }
    }

    /// Authority of a claim that is not pinned, where no rule of the catalogue says otherwise: people and API over imports over discovery
    /// would freeze what machines know better, so discovery comes first; what it does not know, others fill in. What is declared in files
    /// stands before what somebody typed, unless they pinned it: files are reviewed, and would be undone by every hasty edit.
    pub(crate) fn authority(&self) -> u8 {
        match self {
            Self::Agent => 4,
            Self::Code(_) => 3,
            Self::User(_) => 2,
            Self::Api(_) => 1,
            Self::Import(_) => 0,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent => f.write_str("agent"),
            Self::Import(name) => write!(f, "import:{name}"),
            Self::Api(name) => write!(f, "api:{name}"),
            Self::User(name) => write!(f, "user:{name}"),
            Self::Code(name) => write!(f, "code:{name}"),
        }
    }
}

/// One source's word on an attribute's value.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The value; never null (a source that knows nothing makes no claim).
    pub value: Value,
    /// Who says so.
    pub source: Source,
    /// Since when this source says this value, without interruption.
    pub since: Timestamp,
    /// When this source last said it. Where a rule of precedence has a freshness window for it, this is kept up to date, but for a quarter of
    /// the window: what is said again changes nothing else and would fill the history. Elsewhere it may stay at `since`. An agent's word
    /// is confirmed by every check-in, see [`crate::Estate::agent_last_seen`].
    pub confirmed: Timestamp,
    /// Set by a person to stand against discovery until released.
    pub pinned: bool,
}

impl Claim {
    /// When its source last said it, where its item's agent was last heard at `heard`: an agent says all that it said with every check-in.
    pub(crate) fn confirmed_by(&self, heard: Option<Timestamp>) -> Timestamp {
        match (&self.source, heard) {
            (Source::Agent, Some(heard)) => self.confirmed.max(heard),
            _ => self.confirmed,
        }
    }
}

/// An attribute: every source's claim, the winner first. Never empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    claims: Vec<Claim>,
}

impl Attribute {
    /// An attribute from its claims, in any order; the last of several by one source stands. `None` if there are none.
    pub fn from_claims(claims: impl IntoIterator<Item = Claim>) -> Option<Self> {
        let mut attribute = Self { claims: Vec::new() };
        for claim in claims {
            attribute.put(claim);
        }
        (!attribute.claims.is_empty()).then_some(attribute)
    }

    /// An attribute as it was stored: the winner first. `None` if there are no claims, or two of one source.
    pub fn from_ordered(claims: Vec<Claim>) -> Option<Self> {
        let twice = claims.iter().enumerate().any(|(at, claim)| claims[..at].iter().any(|before| before.source == claim.source));
        (!claims.is_empty() && !twice).then_some(Self { claims })
    }

    /// The value that stands.
    pub fn value(&self) -> &Value {
        &self.claims[0].value
    }

    /// Who says the value that stands, since when, and whether it is pinned.
    pub fn winner(&self) -> &Claim {
        &self.claims[0]
    }

    /// Everybody's claim, the winner first.
    pub fn claims(&self) -> &[Claim] {
        &self.claims
    }

    /// Puts a claim in the place of this source's earlier one; the same value keeps its `since` and is confirmed. Returns whether
    /// anything else changed. Whose word stands is decided by the catalogue's rules when the change is planned to its end.
    pub fn put(&mut self, claim: Claim) -> bool {
        match self.claims.iter_mut().find(|known| known.source == claim.source) {
            Some(known) if known.value == claim.value && known.pinned == claim.pinned => {
                known.confirmed = known.confirmed.max(claim.confirmed);
                return false;
            }
            Some(known) => *known = claim,
            None => {
                // Most attributes have one claim for ever, and there are millions.
                self.claims.reserve_exact(1);
                self.claims.push(claim);
            }
        }
        self.claims.sort_by(precedence);
        true
    }

    /// The claims, to be put in order by rules: the winner must be first afterwards.
    pub(crate) fn set_order(&mut self, claims: Vec<Claim>) {
        if !claims.is_empty() {
            self.claims = claims;
        }
    }

    /// Takes this source's claim away. Returns whether it had one, and the attribute that is left, if any.
    pub fn without(mut self, source: &Source) -> (bool, Option<Self>) {
        let before = self.claims.len();
        self.claims.retain(|claim| claim.source != *source);
        (self.claims.len() != before, (!self.claims.is_empty()).then_some(self))
    }
}

/// Pinned first, then by authority, then the newer word, then by name so that the order is total.
fn precedence(a: &Claim, b: &Claim) -> Ordering {
    (b.pinned, b.source.authority(), b.since).cmp(&(a.pinned, a.source.authority(), a.since)).then_with(|| a.source.cmp(&b.source))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(value: &str, source: Source, since: i64, pinned: bool) -> Claim {
        let at = Timestamp::from_millis(since);
        Claim { value: value.into(), source, since: at, confirmed: at, pinned }
    }

    #[test]
    fn a_pin_beats_discovery_and_discovery_beats_the_rest() {
        let person = || Source::User("ada".into());
        let mut attribute = Attribute::from_claims([claim("a", person(), 9, false), claim("b", Source::Agent, 1, false)]).unwrap();
        assert_eq!(attribute.value(), "b");
        assert!(attribute.put(claim("a", person(), 10, true)));
        assert_eq!((attribute.value().as_str(), attribute.claims().len()), (Some("a"), 2));
        let (had, left) = attribute.without(&person());
        assert!(had);
        assert_eq!(left.unwrap().value(), "b");
    }

    #[test]
    fn the_same_word_again_is_no_change() {
        let mut attribute = Attribute::from_claims([claim("a", Source::Agent, 1, false)]).unwrap();
        assert!(!attribute.put(claim("a", Source::Agent, 5, false)));
        let winner = attribute.winner();
        assert_eq!((winner.since, winner.confirmed), (Timestamp::from_millis(1), Timestamp::from_millis(5)));
    }

    #[test]
    fn sources_round_trip_as_text() {
        for source in [
            Source::Agent,
            Source::Import("sap".into()),
            Source::Api("ci:x".into()),
            Source::User("ada".into()),
            Source::Code("estate".into()),
        ] {
            assert_eq!(Source::parse(&source.to_string()), Some(source));
        }
        assert_eq!(Source::parse("root"), None);
    }
}
