//! Rows of a table, one configuration item each: which item a row is about, and what it changes.
//!
//! Identity is decided by the rules that documents go through. Besides, somebody who exports names items by their id, and may say that
//! names identify. What already stands is not said again: a table that agrees with what is there changes nothing.

mod find;
mod index;
mod links;
mod questions;
mod references;
mod write;

use std::{borrow::Cow, collections::BTreeMap};

use rollcall_shared::{CiId, Timestamp};
use serde_json::Value;

pub use self::{
    index::{RowIndex, RowsSeen},
    questions::settle_questions,
};
use super::class as known_class;
use crate::{
    Estate,
    model::{ChangeSet, IdSource, IdentityKeyKind, Lifecycle, Source, Stage},
    reconcile::{Policy, plan::Plan},
};

/// What one row says. What is absent is not talked about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Its number in the file, for people: the header is 1.
    pub number: u64,
    /// The item's id in this installation.
    pub id: Option<CiId>,
    /// The id that the source knows it by.
    pub external_id: Option<String>,
    /// Its class.
    pub class: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Whether it counts.
    pub lifecycle: Option<Lifecycle>,
    /// Where it is in its life, where the row says more than that.
    pub stage: Option<Stage>,
    /// Values by attribute. A reference may be a [`Reference`] in words: it is looked up.
    pub attributes: BTreeMap<String, Value>,
    /// What it is related to.
    pub links: Vec<Link>,
}

/// Relationships of one type that a row names.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// The relationship type.
    pub kind: String,
    /// Whether the others depend on the row's item, not it on them.
    pub reverse: bool,
    /// The others.
    pub others: Vec<Reference>,
}

impl Link {
    /// The column that says this: `relationship:runs_on`, or `relationship:^runs_on` for what runs on it.
    pub fn column(&self) -> String {
        format!("relationship:{}{}", if self.reverse { "^" } else { "" }, self.kind)
    }
}

/// How a table names an item: `NAME (ID)`, an id, or a name that only one item has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// By its id.
    Id(CiId),
    /// By its name.
    Name(String),
}

impl Reference {
    /// Reads one; nothing is refused: what is no id is a name.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let inside = text.strip_suffix(')').and_then(|text| text.rsplit_once('(')).map(|(_, id)| id.trim());
        match inside.and_then(|id| id.parse().ok()).or_else(|| text.parse().ok()) {
            Some(id) => Self::Id(id),
            None => Self::Name(text.to_owned()),
        }
    }
}

/// What holds for all rows of a table.
#[derive(Clone, Debug)]
pub struct RowRules {
    /// Who says it.
    pub source: Source,
    /// What stands in every reason, so that what this table changed is found again: `import 0198…`.
    pub mark: String,
    /// The class of new items that name none.
    pub default_class: Option<String>,
    /// Somebody has said that a name which only one item of the class has identifies it, machines included.
    pub names_identify: bool,
    /// The network realm of its machines.
    pub realm: String,
}

/// What comes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowState {
    /// A new item is made.
    Create,
    /// An item changes.
    Update,
    /// The row says what is known.
    Unchanged,
    /// Which item is meant is not certain. Nothing of the row is applied.
    Conflict,
    /// The row cannot be used. Nothing of it is applied.
    Error,
}

impl RowState {
    /// Every state, in the order in which people look at them.
    pub const ALL: [Self; 5] = [Self::Create, Self::Update, Self::Unchanged, Self::Conflict, Self::Error];

    /// The name in data and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Unchanged => "unchanged",
            Self::Conflict => "conflict",
            Self::Error => "error",
        }
    }
}

/// A row, decided.
#[derive(Clone, Debug, PartialEq)]
pub struct RowOutcome {
    /// The row's number.
    pub number: u64,
    /// What comes of it.
    pub state: RowState,
    /// The item, if one is meant or made.
    pub ci: Option<CiId>,
    /// The item's name, or what the row calls it.
    pub name: String,
    /// The item's class, or what the row says.
    pub class: String,
    /// Why this item, or why none.
    pub reason: String,
    /// What changes.
    pub fields: Vec<FieldChange>,
    /// What is wrong, with its column.
    pub problems: Vec<RowProblem>,
    /// It names items that this table makes in other rows.
    pub waits: bool,
}

/// One field, before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    /// `name`, `class`, `lifecycle`, `attributes.owner`, `relationship:runs_on`.
    pub field: String,
    /// What stands now.
    pub old: Option<Value>,
    /// What the row says.
    pub new: Value,
    /// Why the new value will not stand, where it will not.
    pub note: Option<String>,
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq)]
pub struct RowProblem {
    /// The column, by the field's name; empty for the row as a whole.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// Plans rows of a table, in their order.
///
/// Call it for one part of a table after the other with the same `seen`. What waits for items of other parts ([`RowOutcome::waits`]) is
/// planned again once those are there.
#[expect(clippy::too_many_arguments, reason = "the context of a plan and of a table")]
pub fn plan_rows(
    estate: &Estate,
    rows: &[Row],
    rules: &RowRules,
    index: &RowIndex,
    seen: &mut RowsSeen,
    now: Timestamp,
    policy: &Policy,
    ids: &mut dyn IdSource,
) -> (ChangeSet, Vec<RowOutcome>) {
    let mut plan = Plan::new(estate, now, policy, ids);
    let outcomes = rows
        .iter()
        .map(|row| Planner { plan: &mut plan, rules, index, seen, row, values: Cow::Borrowed(&row.attributes) }.plan())
        .collect();
    (plan.finish(), outcomes)
}

struct Planner<'p, 'e, 'r> {
    plan: &'p mut Plan<'e>,
    rules: &'r RowRules,
    index: &'r RowIndex,
    seen: &'r mut RowsSeen,
    row: &'r Row,
    /// The row's values, once what they refer to by name is looked up.
    values: Cow<'r, BTreeMap<String, Value>>,
}

/// Keys that prove nothing alone: two rows may share them.
const WEAK: [IdentityKeyKind; 5] = [
    IdentityKeyKind::Mac,
    IdentityKeyKind::MadeUpMac,
    IdentityKeyKind::Serial,
    IdentityKeyKind::SmbiosUuid,
    IdentityKeyKind::NameAndSystem,
];

/// Which item a row is about.
enum Found {
    /// This one, because.
    Known(CiId, String),
    /// None that is there.
    New(String),
}

/// Why a row is not applied.
struct Stop {
    state: RowState,
    problem: RowProblem,
    ci: Option<CiId>,
}

fn error(field: &str, message: impl Into<String>) -> Stop {
    Stop { state: RowState::Error, problem: RowProblem { field: field.to_owned(), message: message.into() }, ci: None }
}

fn conflict(field: &str, message: impl Into<String>, ci: Option<CiId>) -> Stop {
    Stop { state: RowState::Conflict, problem: RowProblem { field: field.to_owned(), message: message.into() }, ci }
}

impl Planner<'_, '_, '_> {
    fn plan(mut self) -> RowOutcome {
        let row = self.row;
        let mut outcome = RowOutcome {
            number: row.number,
            state: RowState::Unchanged,
            ci: None,
            name: row.name.clone().unwrap_or_default(),
            class: row.class.clone().or_else(|| self.rules.default_class.clone()).unwrap_or_default(),
            reason: String::new(),
            fields: Vec::new(),
            problems: Vec::new(),
            waits: false,
        };
        match self.decide(&mut outcome) {
            Ok(()) => self.settle(outcome.ci),
            Err(stop) => {
                self.ask(&stop);
                outcome.state = stop.state;
                outcome.ci = stop.ci.or(outcome.ci);
                outcome.fields.clear();
                outcome.problems.push(stop.problem);
            }
        }
        outcome
    }

    fn decide(&mut self, outcome: &mut RowOutcome) -> Result<(), Stop> {
        let class = self.row.class.as_deref().or(self.rules.default_class.as_deref());
        let class = class
            .map(|name| known_class(self.plan.estate.catalogue(), name))
            .transpose()
            .map_err(|problem| error("class", problem.to_string()))?;
        let waiting = self.look_up(class)?;
        let keys = self.identity(class);
        let links = self.links(outcome)?;
        match self.find(class, &keys)? {
            Found::Known(id, reason) => {
                outcome.reason = reason;
                outcome.ci = Some(id);
                self.only_once(&("item", id), "the same item")?;
                self.update(id, &keys, links, outcome)?;
            }
            Found::New(reason) => {
                outcome.reason = reason;
                self.create(class, &keys, &waiting, links, outcome)?;
            }
        }
        waiting.note(outcome);
        Ok(())
    }

    fn only_once(&mut self, what: &(impl std::hash::Hash + ?Sized), words: &str) -> Result<(), Stop> {
        match self.seen.claim(what, self.row.number) {
            Some(earlier) => Err(conflict("", format!("row {earlier} is about {words}; keep one of the two"), None)),
            None => Ok(()),
        }
    }

    fn text(&self, attribute: &str) -> Option<String> {
        let text = self.values.get(attribute)?.as_str()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }
}
