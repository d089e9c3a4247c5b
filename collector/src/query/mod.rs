//! Lists of configuration items: filter, sort and page over the estate in memory. API, web UI and command line ask here.

pub mod meant;
pub mod pretend;
mod search;
#[cfg(test)]
mod tests;

use std::{cmp::Ordering, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
pub use rollcall_core::query::{Condition, Field, Filter, FilterError, MAX_FILTER_BYTES, MAX_TERMS, Matcher, Term, last_seen};
use rollcall_core::{Catalogue, Ci, Estate, infer::last_met};
use rollcall_shared::{CiId, Timestamp};
pub use search::Search;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::blast::Ranking;

/// Most items on one page.
pub const MAX_LIMIT: usize = 1_000;

/// Items on a page if nobody says how many.
pub const DEFAULT_LIMIT: usize = 50;

/// What to list.
#[derive(Clone, Debug)]
pub struct CiQuery {
    /// Which.
    pub filter: Filter,
    /// In which order.
    pub sort: Sort,
    /// From where on: the `next` of the page before.
    pub after: Option<String>,
    /// How many at most; clamped to 1 … [`MAX_LIMIT`].
    pub limit: usize,
    /// What `rank` sorts by; without it every item lacks the value.
    pub ranking: Option<Arc<Ranking>>,
}

impl PartialEq for CiQuery {
    fn eq(&self, other: &Self) -> bool {
        let ranking = |query: &Self| query.ranking.as_ref().map(Arc::as_ptr);
        (&self.filter, &self.sort, &self.after, self.limit, ranking(self))
            == (&other.filter, &other.sort, &other.after, other.limit, ranking(other))
    }
}

impl Default for CiQuery {
    fn default() -> Self {
        Self { filter: Filter::default(), sort: Sort::default(), after: None, limit: DEFAULT_LIMIT, ranking: None }
    }
}

impl CiQuery {
    /// The sort value of an item in a list by rank.
    fn rank_of(&self, ci: CiId) -> Key {
        self.ranking.as_ref().and_then(|ranking| ranking.rank(ci)).map_or(Key::Missing, |rank| Key::Number(rank.into()))
    }

    /// A query from its outside form, as in a URL: all texts may be empty.
    ///
    /// # Errors
    /// [`QueryError`] says what is wrong and what is understood.
    pub fn parse(catalogue: &Catalogue, filter: &str, sort: &str, after: Option<String>, limit: Option<usize>) -> Result<Self, QueryError> {
        let filter = Filter::parse(catalogue, filter)?;
        // Who searches wants the best find first, who filters a list that reads well.
        let sort = match sort {
            "" if filter.texts().next().is_some() => Sort { column: Column::Relevance, descending: false },
            sort => Sort::parse(catalogue, sort)?,
        };
        Ok(Self { filter, sort, after: after.filter(|cursor| !cursor.is_empty()), limit: limit.unwrap_or(DEFAULT_LIMIT), ranking: None })
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
    /// How near an item is to what the filter's texts are, then by name: exactly its name, serial number or address; the beginning of one;
    /// of a word; in the middle; in any fact; in the name of its software.
    Relevance,
    /// The name.
    Name,
    /// The class's name.
    Class,
    /// The lifecycle state.
    Lifecycle,
    /// When it was first seen.
    FirstSeen,
    /// When its agent was last heard, or a device without one was last met.
    LastSeen,
    /// When it last changed.
    Changed,
    /// How much its failure would take with it, the worst first.
    Rank,
    /// An attribute.
    Attribute(String),
}

impl Column {
    /// The column of that name.
    pub fn parse(catalogue: &Catalogue, name: &str) -> Option<Self> {
        Some(match name {
            "relevance" => Self::Relevance,
            "name" => Self::Name,
            "class" => Self::Class,
            "lifecycle" => Self::Lifecycle,
            "first_seen" => Self::FirstSeen,
            "last_seen" => Self::LastSeen,
            "changed" => Self::Changed,
            "rank" => Self::Rank,
            other => match rollcall_core::query::field(catalogue, other) {
                Some(Field::Attributes(_, names)) => Self::Attribute(names.into_iter().next()?),
                _ => return None,
            },
        })
    }
}

impl std::fmt::Display for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Relevance => "relevance",
            Self::Name => "name",
            Self::Class => "class",
            Self::Lifecycle => "lifecycle",
            Self::FirstSeen => "first_seen",
            Self::LastSeen => "last_seen",
            Self::Changed => "changed",
            Self::Rank => "rank",
            Self::Attribute(name) => name,
        })
    }
}

impl Sort {
    /// Reads `name`, or `-last_seen` for largest first; empty means by name. `relevance` has no reverse.
    ///
    /// # Errors
    /// [`QueryError::Sort`] if there is no such column.
    pub fn parse(catalogue: &Catalogue, text: &str) -> Result<Self, QueryError> {
        let (descending, name) = match text.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, text),
        };
        let name = if name.is_empty() { "name" } else { name };
        let column = Column::parse(catalogue, name).filter(|column| !descending || *column != Column::Relevance);
        let column = column.ok_or_else(|| QueryError::Sort(name.chars().take(80).collect()))?;
        Ok(Self { column, descending })
    }
}

impl std::fmt::Display for Sort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", if self.descending { "-" } else { "" }, self.column)
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
        "cannot sort by {0:?}: use relevance, name, class, lifecycle, first_seen, last_seen, changed, rank or an attribute, with - in front for largest first"
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

/// Lists configuration items by looking at each of them; [`Search`] has an index. `now` is what ages are counted from.
///
/// Paging is by the last item's sort value and id: items that come or go between two pages move nothing else.
///
/// # Errors
/// [`QueryError::Cursor`] if the cursor is not one of this order.
pub fn list<'a>(estate: &'a Estate, query: &CiQuery, now: Timestamp) -> Result<Page<&'a Ci>, QueryError> {
    let after = query.after.as_deref().map(|cursor| Position::parse(cursor, &query.sort)).transpose()?;
    let matcher = Matcher::new(estate, &query.filter, now);
    let limit = query.limit.clamp(1, MAX_LIMIT);
    let mut total = 0;
    let mut rest: Vec<(Key, CiId)> = Vec::new();
    for ci in estate.cis().filter(|ci| matcher.holds(ci)) {
        total += 1;
        let key = match query.sort.column {
            Column::Relevance => Key::near(matcher.nearness(ci), &ci.name.to_lowercase()),
            Column::Rank => query.rank_of(ci.id),
            _ => key_of(estate, ci, &query.sort.column),
        };
        if after.as_ref().is_none_or(|after| order(&key, ci.id, &after.key, after.id, query.sort.descending).is_gt()) {
            rest.push((key, ci.id));
        }
    }
    let by_order = |a: &(Key, CiId), b: &(Key, CiId)| order(&a.0, a.1, &b.0, b.1, query.sort.descending);
    let more = rest.len() > limit;
    if more {
        // Only the page needs to be in order, not the estate.
        rest.select_nth_unstable_by(limit - 1, by_order);
        rest.truncate(limit);
    }
    rest.sort_unstable_by(by_order);
    let next = next_of(&rest, more, &query.sort);
    Ok(Page { items: rest.into_iter().filter_map(|(_, id)| estate.ci(id)).collect(), next, total })
}

/// The cursor behind a page.
fn next_of(page: &[(Key, CiId)], more: bool, sort: &Sort) -> Option<String> {
    page.last().filter(|_| more).map(|(key, id)| Position { sort: sort.to_string(), key: key.clone(), id: *id }.to_text())
}

/// Every configuration item for which the query's filter holds, in no order.
pub fn matching<'a>(estate: &'a Estate, query: &'a CiQuery, now: Timestamp) -> impl Iterator<Item = &'a Ci> {
    let matcher = Matcher::new(estate, &query.filter, now);
    estate.cis().filter(move |ci| matcher.holds(ci))
}

/// The ids of every configuration item for which the query's filter holds, in the query's order; page and limit do not matter.
pub fn ids(estate: &Estate, query: &CiQuery, now: Timestamp) -> Vec<CiId> {
    let matcher = Matcher::new(estate, &query.filter, now);
    let key = |ci: &Ci| match query.sort.column {
        Column::Relevance => Key::near(matcher.nearness(ci), &ci.name.to_lowercase()),
        _ => key_of(estate, ci, &query.sort.column),
    };
    let mut found: Vec<(Key, CiId)> = estate.cis().filter(|ci| matcher.holds(ci)).map(|ci| (key(ci), ci.id)).collect();
    found.sort_unstable_by(|a, b| order(&a.0, a.1, &b.0, b.1, query.sort.descending));
    found.into_iter().map(|(_, id)| id).collect()
}

/// A sort value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Key {
    Number(f64),
    Text(String),
    Missing,
}

impl Key {
    /// The sort value of an item that is so near and has this name, in lower case.
    fn near(near: u32, name: &str) -> Self {
        // At most as many texts as a filter has terms, each at most 7 away.
        Self::Text(format!("{near:04} {name}"))
    }
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

    /// How near the item was, and its name, in a list by relevance.
    fn nearness(&self) -> Option<(u32, String)> {
        let Key::Text(key) = &self.key else { return None };
        let (near, name) = key.split_once(' ')?;
        Some((near.parse().ok()?, name.to_owned()))
    }

    fn parse(text: &str, sort: &Sort) -> Result<Self, QueryError> {
        let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| QueryError::Cursor)?;
        let position: Self = serde_json::from_slice(&json).map_err(|_| QueryError::Cursor)?;
        if position.sort == sort.to_string() { Ok(position) } else { Err(QueryError::Cursor) }
    }
}

/// When an item's agent was last heard; of a device without one, when it was last met.
pub(crate) fn last_noticed(estate: &Estate, ci: &Ci) -> Option<Timestamp> {
    last_seen(estate, ci).or_else(|| last_met(estate, ci))
}

fn key_of(estate: &Estate, ci: &Ci, column: &Column) -> Key {
    let time = |at: Timestamp| Key::Number(at.as_millis() as f64);
    match column {
        Column::Relevance | Column::Name => Key::Text(ci.name.to_lowercase()),
        Column::Class => Key::Text(ci.class.clone()),
        Column::Lifecycle => Key::Text(ci.stage.as_str().to_owned()),
        Column::FirstSeen => time(ci.first_seen),
        Column::LastSeen => last_noticed(estate, ci).map_or(Key::Missing, time),
        Column::Changed => time(ci.valid_from),
        // Not of the estate: see [`CiQuery::ranking`].
        Column::Rank => Key::Missing,
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
