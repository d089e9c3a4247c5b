//! A filter as it was understood.

use std::fmt;

use rollcall_shared::{AgentId, CiId};

use super::{
    operand::{Comparison, Operand},
    relation::Relation,
};
use crate::model::{Lifecycle, Stage};

/// A filter: every term must hold. Its [`Display`](fmt::Display) form parses to itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// The terms, in the order they were written.
    pub terms: Vec<Term>,
}

/// One condition of a filter, as it is or turned round.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// Whether the condition must *not* hold.
    pub negated: bool,
    /// The condition.
    pub condition: Condition,
}

/// What one word asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// The text occurs anywhere.
    Text(String),
    /// Of this class or one that specialises it.
    Class(String),
    /// In this state; `None`: in any.
    Lifecycle(Option<Lifecycle>),
    /// In this stage of its life.
    Stage(Stage),
    /// Somebody stood before it within so many milliseconds.
    SightedWithin(i64),
    /// Nobody stood before it within so many milliseconds.
    NotSightedFor(i64),
    /// Reported by an agent.
    HasAgent(bool),
    /// Reported by this agent.
    Agent(AgentId),
    /// Its agent was heard within so many milliseconds.
    SeenWithin(i64),
    /// It has an agent, not heard within so many milliseconds.
    QuietFor(i64),
    /// Has software in whose name this occurs, or that is called exactly that.
    Software {
        /// What it is called.
        name: String,
        /// Whether that is the whole name; always so where a version is compared.
        exact: bool,
        /// In a version that compares so.
        version: Option<(Comparison, String)>,
    },
    /// This item.
    Id(CiId),
    /// The field's text has this in it, ignoring case.
    Contains(Field, String),
    /// The field is this, ignoring case; empty: it has none.
    Is(Field, String),
    /// The field has a value.
    Has(Field),
    /// The field compares so.
    Compare(Field, Comparison, Operand),
    /// This source says something of the item: its whole name (`import:sap`) or its kind (`import`).
    Source(String),
    /// The value that stands for this attribute is that source's word.
    SourceOf(String, String),
    /// A person pinned some value, or none.
    Pinned(bool),
    /// The value that stands for this attribute is pinned, or not.
    PinnedOf(String, bool),
    /// In this relationship to an item for which the filter holds.
    Related(Relation, Filter),
    /// One of these holds: each is terms that must all hold. Never empty, and none of them is.
    Any(Vec<Vec<Term>>),
}

/// What a condition compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// The item's name.
    Name,
    /// When it was first seen or made.
    FirstSeen,
    /// When its agent was last heard.
    LastSeen,
    /// When it last changed.
    Changed,
    /// One attribute, or several of which any may match, by the word that was written.
    Attributes(String, Vec<String>),
}

impl Filter {
    /// The class asked for, if exactly one is, so that lists can show that class's columns.
    pub fn class(&self) -> Option<&str> {
        let mut classes = self.terms.iter().filter_map(|term| match &term.condition {
            Condition::Class(class) if !term.negated => Some(class.as_str()),
            _ => None,
        });
        classes.next().filter(|_| classes.next().is_none())
    }

    /// Whether the filter says itself which lifecycle states it wants, anywhere but in what it asks of related items.
    pub fn names_lifecycle(&self) -> bool {
        names_lifecycle(&self.terms)
    }

    /// The texts that are searched for: what a list is ranked by.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.terms.iter().filter_map(|term| match &term.condition {
            Condition::Text(text) if !term.negated && !text.is_empty() => Some(text.as_str()),
            _ => None,
        })
    }
}

fn names_lifecycle(terms: &[Term]) -> bool {
    terms.iter().any(|term| match &term.condition {
        Condition::Lifecycle(_) | Condition::Stage(_) => true,
        Condition::Any(alternatives) => alternatives.iter().any(|terms| names_lifecycle(terms)),
        _ => false,
    })
}

impl Term {
    /// A condition as it is.
    pub fn new(condition: Condition) -> Self {
        Self { negated: false, condition }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_all(f, &self.terms)
    }
}

fn write_all(f: &mut fmt::Formatter<'_>, terms: &[Term]) -> fmt::Result {
    for (index, term) in terms.iter().enumerate() {
        if index > 0 {
            f.write_str(" ")?;
        }
        write!(f, "{term}")?;
    }
    Ok(())
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negated {
            f.write_str("-")?;
        }
        match &self.condition {
            Condition::Text(text) => write!(f, "{}", Quoted(text)),
            Condition::Class(class) => write!(f, "class:{class}"),
            Condition::Stage(stage) => write!(f, "lifecycle:{}", stage.as_str()),
            Condition::SightedWithin(millis) => write!(f, "sighted:{}m", millis / 60_000),
            Condition::NotSightedFor(millis) => write!(f, "unsighted:{}m", millis / 60_000),
            Condition::Lifecycle(state) => write!(f, "lifecycle:{}", state.map_or("any", Lifecycle::as_str)),
            Condition::HasAgent(has) => write!(f, "agent:{}", yes_no(*has)),
            Condition::Agent(id) => write!(f, "agent:{id}"),
            Condition::SeenWithin(millis) => write!(f, "seen:{}m", millis / MINUTE_MS),
            Condition::QuietFor(millis) => write!(f, "quiet:{}m", millis / MINUTE_MS),
            Condition::Software { name, version: Some((comparison, version)), .. } => {
                write!(f, "software:{}{comparison}{}", Quoted(name), Quoted(version))
            }
            Condition::Software { name, exact, version: None } => write!(f, "software{}{}", if *exact { "=" } else { ":" }, Quoted(name)),
            Condition::Id(id) => write!(f, "id:{id}"),
            Condition::Contains(field, value) => write!(f, "{field}:{}", Quoted(value)),
            Condition::Is(field, value) => write!(f, "{field}={}", Quoted(value)),
            Condition::Has(field) => write!(f, "{field}:*"),
            Condition::Compare(field, comparison, Operand::Version(version)) => write!(f, "{field}{comparison}{}", Quoted(version)),
            Condition::Compare(field, comparison, operand) => write!(f, "{field}{comparison}{operand}"),
            Condition::Source(source) => write!(f, "source:{}", Quoted(source)),
            Condition::SourceOf(attribute, source) => write!(f, "{attribute}.source:{}", Quoted(source)),
            Condition::Pinned(pinned) => write!(f, "pinned:{}", yes_no(*pinned)),
            Condition::PinnedOf(attribute, pinned) => write!(f, "{attribute}.pinned:{}", yes_no(*pinned)),
            Condition::Related(relation, filter) if filter.terms.is_empty() => write!(f, "{relation}:*"),
            Condition::Related(relation, filter) => write!(f, "{relation}:({filter})"),
            Condition::Any(alternatives) => {
                f.write_str("(")?;
                for (index, terms) in alternatives.iter().enumerate() {
                    if index > 0 {
                        f.write_str(" OR ")?;
                    }
                    write_all(f, terms)?;
                }
                f.write_str(")")
            }
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "name",
            Self::FirstSeen => "first_seen",
            Self::LastSeen => "last_seen",
            Self::Changed => "changed",
            Self::Attributes(name, _) => name,
        })
    }
}

fn yes_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

/// A value as it must be written: always quoted, so that nothing in it is taken for an operator.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for character in self.0.chars() {
            if matches!(character, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{character}")?;
        }
        f.write_str("\"")
    }
}

pub(super) const MINUTE_MS: i64 = 60_000;
