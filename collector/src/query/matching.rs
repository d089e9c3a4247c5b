//! Whether a CI holds for a filter.

use std::collections::BTreeSet;

use rollcall_core::{Ci, Estate, Lifecycle};
use rollcall_shared::{CiId, Timestamp, catalogue};
use serde_json::Value;

use super::filter::{Condition, Field, Filter};

/// A filter made ready for one estate: texts in lower case, software looked up once.
pub(super) struct Matcher<'a> {
    estate: &'a Estate,
    now: Timestamp,
    active_only: bool,
    terms: Vec<Ready<'a>>,
}

struct Ready<'a> {
    negated: bool,
    condition: &'a Condition,
    wanted: String,
    machines: BTreeSet<CiId>,
}

impl<'a> Matcher<'a> {
    pub(super) fn new(estate: &'a Estate, filter: &'a Filter, now: Timestamp) -> Self {
        let terms = filter
            .terms
            .iter()
            .map(|term| {
                let wanted = match &term.condition {
                    Condition::Text(text) | Condition::Software(text) | Condition::Contains(_, text) | Condition::Is(_, text) => {
                        text.to_lowercase()
                    }
                    _ => String::new(),
                };
                let machines = match &term.condition {
                    Condition::Text(_) | Condition::Software(_) => estate.software().machines_with(|entry| contains(&entry.name, &wanted)),
                    _ => BTreeSet::new(),
                };
                Ready { negated: term.negated, condition: &term.condition, wanted, machines }
            })
            .collect();
        Self { estate, now, active_only: !filter.names_lifecycle(), terms }
    }

    pub(super) fn holds(&self, ci: &Ci) -> bool {
        (!self.active_only || ci.lifecycle == Lifecycle::Active) && self.terms.iter().all(|term| self.term_holds(term, ci) != term.negated)
    }

    fn term_holds(&self, term: &Ready<'_>, ci: &Ci) -> bool {
        match term.condition {
            Condition::Text(_) => {
                contains(&ci.name, &term.wanted)
                    || ci.attributes.values().any(|attribute| any_text(attribute.value(), |text| contains(text, &term.wanted)))
                    || term.machines.contains(&ci.id)
            }
            Condition::Class(wanted) => catalogue::class(&ci.class).is_some_and(|class| class.is_a(wanted)),
            Condition::Lifecycle(wanted) => wanted.is_none_or(|wanted| ci.lifecycle == wanted),
            Condition::HasAgent(wanted) => ci.agent.is_some() == *wanted,
            Condition::Agent(wanted) => ci.agent == Some(*wanted),
            Condition::SeenWithin(millis) => last_seen(self.estate, ci).is_some_and(|seen| self.now.millis_since(seen) <= *millis),
            Condition::QuietFor(millis) => {
                ci.agent.is_some() && last_seen(self.estate, ci).is_none_or(|seen| self.now.millis_since(seen) > *millis)
            }
            Condition::Software(_) => term.machines.contains(&ci.id),
            Condition::Id(wanted) => ci.id == *wanted,
            Condition::Contains(field, _) => field_any(ci, field, |text| contains(text, &term.wanted)),
            Condition::Is(field, _) if term.wanted.is_empty() => !field_any(ci, field, |text| !text.is_empty()),
            Condition::Is(field, _) => field_any(ci, field, |text| text.to_lowercase() == term.wanted),
        }
    }
}

/// When a CI's agent was last heard.
pub fn last_seen(estate: &Estate, ci: &Ci) -> Option<Timestamp> {
    ci.agent.and_then(|agent| estate.agent_last_seen(agent))
}

fn field_any(ci: &Ci, field: &Field, mut wanted: impl FnMut(&str) -> bool) -> bool {
    match field {
        Field::Name => wanted(&ci.name),
        Field::Attributes(_, names) => names.iter().filter_map(|name| ci.value(name)).any(|value| any_text(value, &mut wanted)),
    }
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

/// Whether `wanted`, in lower case, occurs in `text`, ignoring case; without allocating for plain ASCII, which names are.
fn contains(text: &str, wanted: &str) -> bool {
    if wanted.is_empty() {
        return true;
    }
    if text.is_ascii() {
        return text.as_bytes().windows(wanted.len()).any(|window| window.eq_ignore_ascii_case(wanted.as_bytes()));
    }
    text.to_lowercase().contains(wanted)
}
