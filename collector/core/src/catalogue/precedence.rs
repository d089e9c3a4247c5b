//! Whose word stands on an attribute, as data.

use std::{cmp::Ordering, fmt};

use rollcall_shared::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Claim, Source};

/// An order of sources for one attribute of a class and those that specialise it, or for all attributes that have no rule of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrecedenceRule {
    /// The class; `item` for all.
    pub class: String,
    /// The attribute; absent for all that have no rule of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribute: Option<String>,
    /// Sources, the most believed first. Those that are not named come after them, in the order that comes with Rollcall.
    pub order: Vec<SourceRank>,
}

/// One place in an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRank {
    /// Whose word.
    pub source: SourcePattern,
    /// How long, milliseconds, its word stands without being said again; after that every fresh one stands before it. Absent: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh_for_ms: Option<i64>,
}

/// One source, or all of a kind: `agent`, `user`, `user:ada`, `api`, `api:NAME`, `import`, `import:NAME`, `code`,
/// `code:BASE`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SourcePattern {
    kind: String,
    name: Option<String>,
}

impl SourcePattern {
    /// Reads one; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, name) = match text.split_once(':') {
            Some((kind, name)) if kind != "agent" && !name.is_empty() && name.len() <= 255 => (kind, Some(name.to_owned())),
            Some(_) => return None,
            None => (text, None),
        };
        ["agent", "user", "api", "import", "code"].contains(&kind).then(|| Self { kind: kind.to_owned(), name })
    }

    fn fits(&self, source: &Source) -> bool {
        let (kind, name) = match source {
            Source::Agent => ("agent", None),
            Source::User(name) => ("user", Some(name)),
            Source::Api(name) => ("api", Some(name)),
            Source::Import(name) => ("import", Some(name)),
            Source::Code(name) => ("code", Some(name)),
        };
        self.kind == kind && (self.name.is_none() || self.name.as_ref() == name)
    }
}

impl fmt::Display for SourcePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{}:{name}", self.kind),
            None => f.write_str(&self.kind),
        }
    }
}

impl TryFrom<String> for SourcePattern {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let shown: String = text.chars().take(80).collect();
        Self::parse(&text).ok_or_else(|| {
            format!("{shown:?} is no source: use agent, user, user:NAME, api, api:NAME, import, import:NAME, code or code:BASE")
        })
    }
}

impl From<SourcePattern> for String {
    fn from(pattern: SourcePattern) -> Self {
        pattern.to_string()
    }
}

impl PrecedenceRule {
    /// `CLASS.ATTRIBUTE`, or `CLASS.*`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.class, self.attribute.as_deref().unwrap_or("*"))
    }

    /// The place of a source and the window for its word. A pattern with a name is meant before one without, wherever they stand.
    fn place(&self, source: &Source) -> Option<(usize, Option<i64>)> {
        let fitting = || self.order.iter().enumerate().filter(|(_, rank)| rank.source.fits(source));
        let named = fitting().find(|(_, rank)| rank.source.name.is_some());
        named.or_else(|| fitting().next()).map(|(at, rank)| (at, rank.fresh_for_ms))
    }

    /// How long that source's word stands without being said again.
    pub fn window(&self, source: &Source) -> Option<i64> {
        self.place(source)?.1
    }
}

/// The rule that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Governing<'a> {
    /// The order that comes with Rollcall: agent, code base, person, API client, import; of equals the newer word.
    BuiltIn,
    /// A rule that somebody made.
    Rule(&'a PrecedenceRule),
}

/// How one claim stands, for people to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// When its source last said it.
    pub confirmed: Timestamp,
    /// Whether it was said within the rule's window; always where there is none.
    pub fresh: bool,
}

/// The claims of an attribute in order of precedence.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The claims, the one that stands first.
    pub claims: Vec<(Claim, Standing)>,
}

/// Puts claims in order: pinned ones first, then fresh before stale, then by the rule's order, then by the order that comes with Rollcall,
/// then the newer word, then by name so that the order is total.
pub fn decide(
    governing: Governing<'_>,
    claims: impl IntoIterator<Item = Claim>,
    confirmed: impl Fn(&Claim) -> Timestamp,
    now: Timestamp,
) -> Decision {
    /// Not pinned, not fresh, the place in the rule, how little authority.
    type Rank = (bool, bool, usize, u8);
    let mut ranked: Vec<(Rank, Claim, Standing)> = claims
        .into_iter()
        .map(|claim| {
            let place = match governing {
                Governing::BuiltIn => None,
                Governing::Rule(rule) => rule.place(&claim.source),
            };
            let confirmed = confirmed(&claim);
            let fresh = place.and_then(|(_, window)| window).is_none_or(|window| now.millis_since(confirmed) <= window);
            let rank = place.map_or(usize::MAX, |(at, _)| at);
            ((!claim.pinned, !fresh, rank, u8::MAX - claim.source.authority()), claim, Standing { confirmed, fresh })
        })
        .collect();
    ranked.sort_by(|(a, one, _), (b, other, _)| a.cmp(b).then_with(|| newer(one, other)));
    Decision { claims: ranked.into_iter().map(|(_, claim, standing)| (claim, standing)).collect() }
}

fn newer(one: &Claim, other: &Claim) -> Ordering {
    other.since.cmp(&one.since).then_with(|| one.source.cmp(&other.source))
}
