//! Lists of configuration items: filter, sort and page over the estate in memory. API, web UI and command line ask here.

mod filter;
mod matching;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
pub use filter::{Condition, Field, Filter, FilterError, MAX_FILTER_BYTES, MAX_TERMS, Term};
pub use matching::last_seen;
use rollcall_core::{Ci, Estate};
use rollcall_shared::{CiId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most items on one page.
pub const MAX_LIMIT: usize = 1_000;

/// Items on a page if nobody says how many.
pub const DEFAULT_LIMIT: usize = 50;

/// What to list.
#[derive(Clone, Debug, PartialEq)]
pub struct CiQuery {
    /// Which.
    pub filter: Filter,
    /// In which order.
    pub sort: Sort,
    /// From where on: the `next` of the page before.
    pub after: Option<String>,
    /// How many at most; clamped to 1 … [`MAX_LIMIT`].
    pub limit: usize,
}

impl Default for CiQuery {
    fn default() -> Self {
        Self { filter: Filter::default(), sort: Sort::default(), after: None, limit: DEFAULT_LIMIT }
    }
}

impl CiQuery {
    /// A query from its outside form, as in a URL: all texts may be empty.
    ///
    /// # Errors
    /// [`QueryError`] says what is wrong and what is understood.
    pub fn parse(filter: &str, sort: &str, after: Option<String>, limit: Option<usize>) -> Result<Self, QueryError> {
        Ok(Self {
            filter: Filter::parse(filter)?,
            sort: Sort::parse(sort)?,
            after: after.filter(|cursor| !cursor.is_empty()),
            limit: limit.unwrap_or(DEFAULT_LIMIT),
        })
    }
}

/// The order of a list. Items without the value come last, whichever the direction; equal ones are in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub column: Column,
    /// Largest first.
    pub descending: bool,
}

impl Default for Sort {
    fn default() -> Self {
        Self { column: Column::Name, descending: false }
    }
}

/// What a list can be sorted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// The name.
    Name,
    /// The class's name.
    Class,
    /// The lifecycle state.
    Lifecycle,
    /// When it was first seen.
    FirstSeen,
    /// When its agent was last heard.
    LastSeen,
    /// When it last changed.
    Changed,
    /// An attribute.
    Attribute(&'static str),
}

impl Sort {
    /// Reads `name`, or `-last_seen` for largest first; empty means by name.
    ///
    /// # Errors
    /// [`QueryError::Sort`] if there is no such column.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let (descending, name) = match text.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, text),
        };
        let column = match name {
            "" | "name" => Column::Name,
            "class" => Column::Class,
            "lifecycle" => Column::Lifecycle,
            "first_seen" => Column::FirstSeen,
            "last_seen" => Column::LastSeen,
            "changed" => Column::Changed,
            other => match filter::field(other) {
                Some(Field::Attributes(_, names)) if !names.is_empty() => Column::Attribute(names[0]),
                _ => return Err(QueryError::Sort(other.chars().take(80).collect())),
            },
        };
        Ok(Self { column, descending })
    }
}

impl std::fmt::Display for Sort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.column {
            Column::Name => "name",
            Column::Class => "class",
            Column::Lifecycle => "lifecycle",
            Column::FirstSeen => "first_seen",
            Column::LastSeen => "last_seen",
            Column::Changed => "changed",
            Column::Attribute(name) => name,
        };
        write!(f, "{}{name}", if self.descending { "-" } else { "" })
    }
}

/// A list that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The filter cannot be read.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// There is no such column.
    #[error(
        "cannot sort by {0:?}: use name, class, lifecycle, first_seen, last_seen, changed or an attribute, with - in front for largest first"
    )]
    Sort(String),
    /// The cursor is not one of this list.
    #[error("the cursor is not one of this list in this order; start again without it")]
    Cursor,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The cursor of the next page; absent on the last.
    pub next: Option<String>,
    /// How many items the whole list has now.
    pub total: usize,
}

/// Lists configuration items. `now` is what ages are counted from.
///
/// Paging is by the last item's sort value and id: items that come or go between two pages move nothing else.
///
/// # Errors
/// [`QueryError::Cursor`] if the cursor is not one of this order.
pub fn list<'a>(estate: &'a Estate, query: &CiQuery, now: Timestamp) -> Result<Page<&'a Ci>, QueryError> {
    let after = query.after.as_deref().map(|cursor| Position::parse(cursor, &query.sort)).transpose()?;
    let matcher = matching::Matcher::new(estate, &query.filter, now);
    let limit = query.limit.clamp(1, MAX_LIMIT);
    let mut total = 0;
    let mut rest: Vec<(Key, &Ci)> = Vec::new();
    for ci in estate.cis().filter(|ci| matcher.holds(ci)) {
        total += 1;
        let key = key_of(estate, ci, &query.sort.column);
        if after.as_ref().is_none_or(|after| order(&key, ci.id, &after.key, after.id, query.sort.descending).is_gt()) {
            rest.push((key, ci));
        }
    }
    let by_order = |a: &(Key, &Ci), b: &(Key, &Ci)| order(&a.0, a.1.id, &b.0, b.1.id, query.sort.descending);
    let more = rest.len() > limit;
    if more {
        // Only the page needs to be in order, not the estate.
        rest.select_nth_unstable_by(limit - 1, by_order);
        rest.truncate(limit);
    }
    rest.sort_unstable_by(by_order);
    let next =
        rest.last().filter(|_| more).map(|(key, ci)| Position { sort: query.sort.to_string(), key: key.clone(), id: ci.id }.to_text());
    Ok(Page { items: rest.into_iter().map(|(_, ci)| ci).collect(), next, total })
}

/// Every configuration item for which the query's filter holds, in no order.
pub fn matching<'a>(estate: &'a Estate, query: &'a CiQuery, now: Timestamp) -> impl Iterator<Item = &'a Ci> {
    let matcher = matching::Matcher::new(estate, &query.filter, now);
    estate.cis().filter(move |ci| matcher.holds(ci))
}

/// A sort value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Key {
    Number(f64),
    Text(String),
    Missing,
}

/// Where a page ended. The sort is in it, so that a cursor of another order is refused instead of skipping items.
#[derive(Serialize, Deserialize)]
struct Position {
    sort: String,
    key: Key,
    id: CiId,
}

impl Position {
    fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    fn parse(text: &str, sort: &Sort) -> Result<Self, QueryError> {
        let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| QueryError::Cursor)?;
        let position: Self = serde_json::from_slice(&json).map_err(|_| QueryError::Cursor)?;
        if position.sort == sort.to_string() { Ok(position) } else { Err(QueryError::Cursor) }
    }
}

fn key_of(estate: &Estate, ci: &Ci, column: &Column) -> Key {
    let time = |at: Timestamp| Key::Number(at.as_millis() as f64);
    match column {
        Column::Name => Key::Text(ci.name.to_lowercase()),
        Column::Class => Key::Text(ci.class.clone()),
        Column::Lifecycle => Key::Text(ci.lifecycle.as_str().to_owned()),
        Column::FirstSeen => time(ci.first_seen),
        Column::LastSeen => last_seen(estate, ci).map_or(Key::Missing, time),
        Column::Changed => time(ci.valid_from),
        Column::Attribute(name) => match ci.value(name) {
            None | Some(Value::Null) => Key::Missing,
            Some(Value::Number(number)) => number.as_f64().map_or(Key::Missing, Key::Number),
            Some(Value::String(text)) => Key::Text(text.to_lowercase()),
            Some(Value::Array(members)) => members.first().map_or(Key::Missing, |first| match first {
                Value::String(text) => Key::Text(text.to_lowercase()),
                other => Key::Text(other.to_string()),
            }),
            Some(other) => Key::Text(other.to_string()),
        },
    }
}

fn order(a: &Key, a_id: CiId, b: &Key, b_id: CiId, descending: bool) -> Ordering {
    let turn = |ordering: Ordering| if descending { ordering.reverse() } else { ordering };
    match (a, b) {
        (Key::Missing, Key::Missing) => Ordering::Equal,
        (Key::Missing, _) => Ordering::Greater,
        (_, Key::Missing) => Ordering::Less,
        (Key::Number(a), Key::Number(b)) => turn(a.total_cmp(b)),
        (Key::Text(a), Key::Text(b)) => turn(a.cmp(b)),
        (Key::Number(_), Key::Text(_)) => turn(Ordering::Less),
        (Key::Text(_), Key::Number(_)) => turn(Ordering::Greater),
    }
    .then_with(|| a_id.cmp(&b_id))
}
