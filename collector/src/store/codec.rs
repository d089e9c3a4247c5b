//! How what the store keeps is written: the row of each table, and the JSON in its columns. Both databases use the same.
//!
//! Rows cross the driver in bulk as JSON: a statement takes one array of objects, named by column, and gives arrays of
//! arrays in the order of the fields here. One value for a thousand rows is many times cheaper than a thousand rows.

mod agent;
mod ci;
mod definition;
mod event;
mod frozen;
mod import;
mod inventory;
mod merge;
mod person;
mod relationship;
mod view;

use std::borrow::Cow;

use rollcall_core::{Lifecycle, Source};
use rollcall_shared::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

pub(super) use self::{
    agent::{AgentRow, TokenRow},
    ci::{BindingRow, CiRow, ConflictRow, SoftwareRow, SoftwareSetRow, software_digest},
    definition::DefinitionRow,
    event::{AuditRow, EventRow},
    frozen::FrozenAnswerRow,
    import::ImportRow,
    inventory::{DocumentRow, InventoryRow, SeenRow, UnchangedRow},
    merge::MergeRow,
    person::{ApiTokenRow, PersonRow, SessionRow},
    relationship::{NeedGroupRow, RelationshipRow},
    view::ViewRow,
};
use super::StoreError;

/// A row of a table.
pub(super) trait Row: DeserializeOwned + Send + 'static {
    /// The table, for errors.
    const TABLE: &'static str;
}

/// A row that its record is read from.
pub(super) trait Decode: Row {
    /// What it is read as.
    type Record: Send + 'static;

    /// Reads it.
    fn decode(self) -> Result<Self::Record, StoreError>;
}

/// Rows as one JSON text for a statement.
///
/// PostgreSQL cannot hold U+0000 in text; what comes over the wire has none, and what slips past becomes U+FFFD in both.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    let text = serde_json::to_string(value).map_err(|error| StoreError::Database(sqlx::Error::Encode(error.into())))?;
    Ok(match without_nul(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(text) => text,
    })
}

/// Replaces the escape `\u0000` (not an escaped backslash before `u0000`) by U+FFFD.
fn without_nul(json: &str) -> Cow<'_, str> {
    const ESCAPE: &str = "\\u0000";
    if !json.contains(ESCAPE) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let (text, length) = if escape.starts_with(ESCAPE) { ("\u{fffd}", ESCAPE.len()) } else { (&escape[..2], 2) };
        out.push_str(text);
        rest = &escape[length..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Text of a column of its own, under the same rule as [`json`].
pub(super) fn text(value: &str) -> Cow<'_, str> {
    if value.contains('\0') { Cow::Owned(value.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(value) }
}

/// Reads what a statement gives: a JSON array of arrays.
pub(super) fn rows<T: Row>(text: &str) -> Result<Vec<T>, StoreError> {
    serde_json::from_str(text).map_err(|error| which_row::<T>(text, &error))
}

/// The same, read as records.
pub(super) fn records<T: Decode>(text: &str) -> Result<Vec<T::Record>, StoreError> {
    rows::<T>(text)?.into_iter().map(T::decode).collect()
}

/// Decodes each, into the room that they take: a collector keeps millions, and what collects in place would leave them in the room of their
/// JSON, four at least.
pub(super) fn each<T, R>(items: Vec<T>, mut decode: impl FnMut(T) -> Result<R, StoreError>) -> Result<Vec<R>, StoreError> {
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        all.push(decode(item)?);
    }
    Ok(all)
}

/// Finds the row that did not read, for the error.
fn which_row<T: Row>(text: &str, error: &serde_json::Error) -> StoreError {
    let corrupt = |id: String, problem: String| StoreError::Corrupt { table: T::TABLE, id, column: "(any)", problem };
    let Ok(parts) = serde_json::from_str::<Vec<&RawValue>>(text) else {
        return corrupt("(unknown)".into(), error.to_string());
    };
    for part in parts {
        if let Err(error) = serde_json::from_str::<T>(part.get()) {
            let columns: Vec<serde_json::Value> = serde_json::from_str(part.get()).unwrap_or_default();
            let id = columns.first().map_or_else(|| "(unknown)".into(), |id| id.as_str().map_or_else(|| id.to_string(), str::to_owned));
            return corrupt(id, error.to_string());
        }
    }
    corrupt("(unknown)".into(), error.to_string())
}

/// Where a value stands, for the error if it does not read.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    table: &'static str,
    id: &'a dyn std::fmt::Display,
}

impl<'a> At<'a> {
    fn row<T: Row>(id: &'a dyn std::fmt::Display) -> Self {
        Self { table: T::TABLE, id }
    }

    fn corrupt(self, column: &'static str, problem: impl std::fmt::Display) -> StoreError {
        StoreError::Corrupt { table: self.table, id: self.id.to_string(), column, problem: problem.to_string() }
    }

    /// A column that holds JSON.
    fn json<T: DeserializeOwned>(self, column: &'static str, text: &str) -> Result<T, StoreError> {
        serde_json::from_str(text).map_err(|error| self.corrupt(column, error))
    }

    /// A column that holds one of a few words.
    fn word<T>(self, column: &'static str, text: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, StoreError> {
        parse(text).ok_or_else(|| self.corrupt(column, format!("{text:?} is not known to this version of Rollcall")))
    }

    fn lifecycle(self, text: &str) -> Result<Lifecycle, StoreError> {
        self.word("lifecycle", text, Lifecycle::parse)
    }

    fn source(self, column: &'static str, text: &str) -> Result<Source, StoreError> {
        self.word(column, text, Source::parse)
    }

    /// A column that counts and is never negative.
    fn count(self, column: &'static str, value: i64) -> Result<u64, StoreError> {
        u64::try_from(value).map_err(|_| self.corrupt(column, format!("{value} is negative")))
    }

    /// A BLAKE3 hash in hexadecimal.
    fn hash(self, column: &'static str, text: &str) -> Result<[u8; 32], StoreError> {
        blake3::Hash::from_hex(text).map(|hash| *hash.as_bytes()).map_err(|error| self.corrupt(column, error))
    }
}

/// A hash as its column holds it.
pub(super) fn hash_text(hash: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*hash).to_hex().to_string()
}

/// A count as its column holds it. The databases count to 2^63; an agent that claims more is held to that.
pub(super) fn count(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn time(value: i64) -> Timestamp {
    Timestamp::from_millis(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[allow(dead_code, reason = "only read to see whether it reads")]
    struct Pair(String, i64);
    impl Row for Pair {
        const TABLE: &'static str = "pair";
    }

    #[test]
    fn only_a_real_nul_is_replaced() {
        for text in ["plain", "\\u0000", "\\\\u0000", "a\0b", "\0\\\0", "\\\0", "é\"\\u0000\0"] {
            let back: String = serde_json::from_str(&json(text).unwrap()).unwrap();
            assert_eq!(back, text.replace('\0', "\u{fffd}"), "{text:?}");
        }
    }

    #[test]
    fn a_row_that_does_not_read_is_named() {
        let error = rows::<Pair>(r#"[["a",1],["b","x"]]"#).unwrap_err().to_string();
        assert!(error.starts_with("table pair, row b, column"), "{error}");
    }
}
