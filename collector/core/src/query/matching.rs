//! Whether a CI holds for a filter, by looking at it: the plain way, without an index, for estates that have none (a past instant)
//! and as what the index is compared with.

use std::collections::{BTreeSet, HashMap, HashSet};

use rollcall_shared::{CiId, Timestamp};
use serde_json::Value;

use super::{
    filter::{Condition, Field, Filter, Term},
    operand::{Comparison, Operand},
    relation::{Hop, Relation, carries_outage},
    text::{self, contains, is_searched},
    version,
};
use crate::{
    Estate,
    graph::survivor,
    model::{Ci, Lifecycle},
};

/// A filter made ready for one estate: texts in lower case, software and related items looked up once.
pub struct Matcher<'a> {
    estate: &'a Estate,
    now: Timestamp,
    active_only: bool,
    terms: Vec<Ready<'a>>,
}

struct Ready<'a> {
    negated: bool,
    test: Test<'a>,
}

enum Test<'a> {
    Plain(&'a Condition),
    Text { wanted: String, machines: BTreeSet<CiId> },
    Machines(BTreeSet<CiId>),
    Value { field: &'a Field, wanted: String, whole: bool },
    Without(&'a Field),
    Related(HashSet<CiId>),
    Any(Vec<Vec<Ready<'a>>>),
}

impl<'a> Matcher<'a> {
    /// A filter made ready. `now` is what ages are counted from.
    pub fn new(estate: &'a Estate, filter: &'a Filter, now: Timestamp) -> Self {
        Self { estate, now, active_only: !filter.names_lifecycle(), terms: ready(estate, &filter.terms, now) }
    }

    /// Whether the filter holds for a CI of the estate.
    pub fn holds(&self, ci: &Ci) -> bool {
        (!self.active_only || is_listed(ci.lifecycle)) && self.all(&self.terms, ci)
    }

    /// How far a CI is from being exactly what is searched for; smaller is nearer. See [`text::Nearness`].
    pub fn nearness(&self, ci: &Ci) -> u32 {
        let texts = self.terms.iter().filter_map(|term| match &term.test {
            Test::Text { wanted, .. } if !term.negated => Some(wanted),
            _ => None,
        });
        texts.map(|wanted| u32::from(text::nearness_of_ci(ci, wanted))).sum()
    }

    fn all(&self, terms: &[Ready<'_>], ci: &Ci) -> bool {
        terms.iter().all(|term| self.test(&term.test, ci) != term.negated)
    }

    fn test(&self, test: &Test<'_>, ci: &Ci) -> bool {
        match test {
            Test::Plain(condition) => self.condition(condition, ci),
            Test::Text { wanted, machines } => {
                contains(&ci.name, wanted)
                    || ci
                        .attributes
                        .iter()
                        .any(|(name, attribute)| is_searched(name) && any_text(attribute.value(), |text| contains(text, wanted)))
                    || machines.contains(&ci.id)
            }
            Test::Machines(machines) => machines.contains(&ci.id),
            Test::Value { field, wanted, whole: false } => self.field_any(ci, field, |text| contains(text, wanted)),
            Test::Value { field, wanted, .. } => self.field_any(ci, field, |text| text.to_lowercase() == *wanted),
            Test::Without(field) => !self.field_any(ci, field, |text| !text.is_empty()),
            Test::Related(related) => related.contains(&ci.id),
            Test::Any(alternatives) => alternatives.iter().any(|terms| self.all(terms, ci)),
        }
    }

    fn condition(&self, condition: &Condition, ci: &Ci) -> bool {
        let any_claim = |wanted: &dyn Fn(&crate::Claim) -> bool| ci.attributes.values().flat_map(|a| a.claims()).any(wanted);
        match condition {
            Condition::Class(wanted) => self.estate.is_a(ci, wanted),
            Condition::Lifecycle(wanted) => wanted.is_none_or(|wanted| ci.lifecycle == wanted),
            Condition::Stage(wanted) => ci.stage == *wanted,
            Condition::SightedWithin(millis) => is_sighted(ci, self.now, *millis),
            Condition::NotSightedFor(millis) => !is_sighted(ci, self.now, *millis),
            Condition::HasAgent(wanted) => ci.agent.is_some() == *wanted,
            Condition::Agent(wanted) => ci.agent == Some(*wanted),
            Condition::SeenWithin(millis) => last_seen(self.estate, ci).is_some_and(|seen| self.now.millis_since(seen) <= *millis),
            Condition::QuietFor(millis) => {
                ci.agent.is_some() && last_seen(self.estate, ci).is_none_or(|seen| self.now.millis_since(seen) > *millis)
            }
            Condition::Id(wanted) => ci.id == *wanted,
            Condition::Has(field) => self.field_any(ci, field, |text| !text.is_empty()),
            Condition::Compare(field, comparison, operand) => self.compares(ci, field, *comparison, operand),
            Condition::Source(wanted) => any_claim(&|claim| is_source(&claim.source.to_string(), wanted)),
            Condition::SourceOf(attribute, wanted) => {
                ci.attributes.get(attribute).is_some_and(|attribute| is_source(&attribute.winner().source.to_string(), wanted))
            }
            Condition::Pinned(wanted) => any_claim(&|claim| claim.pinned) == *wanted,
            Condition::PinnedOf(attribute, wanted) => ci.attributes.get(attribute).is_some_and(|a| a.winner().pinned == *wanted),
            // Made ready as something else.
            Condition::Text(_)
            | Condition::Software { .. }
            | Condition::Contains(..)
            | Condition::Is(..)
            | Condition::Related(..)
            | Condition::Any(_) => false,
        }
    }

    fn compares(&self, ci: &Ci, field: &Field, comparison: Comparison, operand: &Operand) -> bool {
        let time = |at: Timestamp| match operand {
            Operand::Time(moment) => moment.compares(at, comparison, self.now),
            _ => false,
        };
        match field {
            Field::Name => operand.compares(&Value::String(ci.name.clone()), comparison, self.now),
            Field::FirstSeen => time(ci.first_seen),
            Field::Changed => time(ci.valid_from),
            Field::LastSeen => last_seen(self.estate, ci).is_some_and(time),
            Field::Attributes(_, names) => {
                names.iter().filter_map(|name| ci.value(name)).any(|value| operand.compares(value, comparison, self.now))
            }
        }
    }

    fn field_any(&self, ci: &Ci, field: &Field, mut wanted: impl FnMut(&str) -> bool) -> bool {
        match field {
            Field::Name => wanted(&ci.name),
            Field::FirstSeen | Field::Changed => wanted("1"),
            Field::LastSeen => last_seen(self.estate, ci).is_some() && wanted("1"),
            Field::Attributes(_, names) => names.iter().filter_map(|name| ci.value(name)).any(|value| any_text(value, &mut wanted)),
        }
    }
}

fn ready<'a>(estate: &'a Estate, terms: &'a [Term], now: Timestamp) -> Vec<Ready<'a>> {
    let test = |condition: &'a Condition| match condition {
        Condition::Text(text) => {
            let wanted = text.to_lowercase();
            let machines = estate.software().machines_with(|entry| contains(&entry.name, &wanted));
            Test::Text { wanted, machines }
        }
        Condition::Software { name, exact, version } => {
            let wanted = software_test(name, *exact, version.as_ref());
            Test::Machines(estate.software().machines_with(|entry| wanted(&entry.name, &entry.version)))
        }
        Condition::Contains(field, text) => Test::Value { field, wanted: text.to_lowercase(), whole: false },
        Condition::Is(field, text) if text.is_empty() => Test::Without(field),
        Condition::Is(field, text) => Test::Value { field, wanted: text.to_lowercase(), whole: true },
        Condition::Related(relation, filter) => Test::Related(related(estate, relation, filter, now)),
        Condition::Any(alternatives) => Test::Any(alternatives.iter().map(|terms| ready(estate, terms, now)).collect()),
        plain => Test::Plain(plain),
    };
    terms.iter().map(|term| Ready { negated: term.negated, test: test(&term.condition) }).collect()
}

/// The CIs in a relation to one for which the filter holds.
fn related(estate: &Estate, relation: &Relation, filter: &Filter, now: Timestamp) -> HashSet<CiId> {
    let matcher = Matcher::new(estate, filter, now);
    let targets: HashSet<CiId> = estate.cis().filter(|ci| matcher.holds(ci)).map(|ci| ci.id).collect();
    let ends = |from: CiId, to: CiId| Some((survivor(estate, from), survivor(estate, to))).filter(|(from, to)| from != to);
    if matches!(relation.hop, Hop::Step(_) | Hop::Any) {
        let mut found = HashSet::new();
        for relationship in estate.relationships() {
            let Some((from, to)) = ends(relationship.from, relationship.to) else { continue };
            if relation.hop.follows(&relationship.kind, true) && targets.contains(&to) {
                found.insert(from);
            }
            if relation.hop.follows(&relationship.kind, false) && targets.contains(&from) {
                found.insert(to);
            }
        }
        return found;
    }
    let needs =
        estate.relationships().filter(|relationship| carries_outage(estate.catalogue(), relationship)).map(|edge| (edge.from, edge.to));
    let groups = estate.need_groups().flat_map(|group| group.members.iter().map(|member| (group.ci, *member)));
    let mut next: HashMap<CiId, Vec<CiId>> = HashMap::new();
    for (from, to) in needs.chain(groups).filter_map(|(from, to)| ends(from, to)) {
        let (at, onward) = if relation.hop == Hop::Needs { (to, from) } else { (from, to) };
        next.entry(at).or_default().push(onward);
    }
    let mut found = HashSet::new();
    let mut waiting: Vec<CiId> = targets.into_iter().collect();
    while let Some(at) = waiting.pop() {
        for &onward in next.get(&at).into_iter().flatten() {
            // What is not active passes nothing on.
            if estate.ci(onward).is_some_and(|ci| ci.lifecycle == Lifecycle::Active) && found.insert(onward) {
                waiting.push(onward);
            }
        }
    }
    found
}

/// Whether software of a name and version is what a condition asks for.
pub(super) fn software_test<'a>(
    name: &str,
    exact: bool,
    version: Option<&'a (Comparison, String)>,
) -> impl Fn(&str, &str) -> bool + use<'a> {
    let wanted = name.to_lowercase();
    move |name, installed| {
        let named = if exact { name.to_lowercase() == wanted } else { contains(name, &wanted) };
        named && version.is_none_or(|(comparison, wanted)| comparison.holds(version::compare(installed, wanted)))
    }
}

/// Whether a source is the wanted one, or of the wanted kind.
pub(super) fn is_source(source: &str, wanted: &str) -> bool {
    source.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || (!wanted.contains(':') && rest.starts_with(':')))
}

/// Whether lists have items in this state unless their filter names a state.
/// Whether somebody stood before it within so many milliseconds.
pub(super) fn is_sighted(ci: &Ci, now: Timestamp, within_ms: i64) -> bool {
    ci.sighting.as_ref().is_some_and(|sighting| now.millis_since(sighting.at) <= within_ms)
}

pub(super) fn is_listed(lifecycle: Lifecycle) -> bool {
    lifecycle == Lifecycle::Active
}

/// When a CI's agent was last heard.
pub fn last_seen(estate: &Estate, ci: &Ci) -> Option<Timestamp> {
    ci.agent.and_then(|agent| estate.agent_last_seen(agent))
}

/// Whether a value, or for a list one of its members, is wanted; numbers and truth values by their text.
fn any_text(value: &Value, mut wanted: impl FnMut(&str) -> bool) -> bool {
    match value {
        Value::String(text) => wanted(text),
        Value::Array(members) => members.iter().any(|member| match member {
            Value::String(text) => wanted(text),
            other => wanted(&other.to_string()),
        }),
        other => wanted(&other.to_string()),
    }
}
