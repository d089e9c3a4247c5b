//! Bounds on what comes in, checked in one pass before anything is built from it.
//!
//! Every error names the JSON path and the limit. Memory used is the path's, not the document's.

use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::Problem;

/// What a JSON document may hold.
#[derive(Clone, Copy, Debug)]
pub struct JsonLimits {
    /// Bytes of JSON text.
    pub bytes: u64,
    /// Arrays and objects inside each other.
    pub depth: u64,
    /// Entries of one array or object.
    pub items: u64,
    /// Entries of all arrays and objects together.
    pub total_items: u64,
    /// Bytes of one string, as UTF-8, after escapes are resolved.
    pub string_bytes: u64,
}

/// For an inventory document, decompressed.
pub const INVENTORY: JsonLimits = JsonLimits { bytes: 16 << 20, depth: 16, items: 50_000, total_items: 1_000_000, string_bytes: 8 << 10 };

/// For every other body an agent sends.
pub const CONTROL: JsonLimits = JsonLimits { bytes: 64 << 10, depth: 8, items: 1_000, total_items: 2_000, string_bytes: 16 << 10 };

/// An inventory document may grow by this factor at most when decompressed; beyond [`RATIO_FREE_BYTES`].
pub const MAX_RATIO: u64 = 200;
/// Documents up to this size are never refused for their ratio.
pub const RATIO_FREE_BYTES: u64 = 1 << 20;
/// Bytes of a compressed inventory document.
pub const MAX_COMPRESSED_BYTES: u64 = 4 << 20;

/// Reads `T` from `json` if it keeps to the limits.
///
/// # Errors
/// A [`Problem`] with the JSON path: 413 for a limit, 400 for what is not JSON, 422 for a wrong type.
pub fn parse<T: DeserializeOwned>(json: &[u8], limits: &JsonLimits) -> Result<T, Problem> {
    check(json, limits)?;
    parse_checked(json)
}

/// Like [`parse`] for a document that [`check`] has passed already.
///
/// # Errors
/// A [`Problem`] with the JSON path, status 422.
pub fn parse_checked<T: DeserializeOwned>(json: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| wrong_shape(&json_path(error.path()), error.inner()))
}

/// Like [`parse`] for a part of a document that was checked before; `at` is where that part stands.
///
/// # Errors
/// A [`Problem`] with the JSON path, status 422.
pub fn parse_part<T: DeserializeOwned>(json: &str, at: &str) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let below = json_path(error.path());
        wrong_shape(&format!("{at}{}", &below[1..]), error.inner())
    })
}

fn json_path(path: &serde_path_to_error::Path) -> String {
    match path.to_string().as_str() {
        "." => "$".to_owned(),
        below if below.starts_with('[') => format!("${below}"),
        below => format!("$.{below}"),
    }
}

fn wrong_shape(path: &str, error: &serde_json::Error) -> Problem {
    let detail = format!("{path}: {}", short(&error.to_string()));
    Problem::new(422, "wrong-shape", "The document does not have the shape of the wire format", detail)
        .at(path)
        .next("Compare the document with the JSON Schema of this wire format version.")
}

/// Checks `json` against the limits, and that it is one JSON value of UTF-8 text without NUL characters.
///
/// # Errors
/// A [`Problem`]: 413 for a limit, 400 for what is not JSON.
pub fn check(json: &[u8], limits: &JsonLimits) -> Result<(), Problem> {
    if json.len() as u64 > limits.bytes {
        return Err(exceeded("$", "bytes of JSON", json.len() as u64, limits.bytes));
    }
    let mut walk = Walk { limits, path: Vec::new(), total_items: 0, refused: None };
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let walked = Value(&mut walk).deserialize(&mut deserializer).and_then(|()| deserializer.end());
    match (walked, walk.refused.take()) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some(problem)) => Err(*problem),
        (Err(error), None) => {
            let path = walk.path();
            let detail = format!("not JSON at line {} column {}, in {path}: {}", error.line(), error.column(), short(&error.to_string()));
            Err(Problem::new(400, "not-json", "The body is not JSON", detail).at(path))
        }
    }
}

fn exceeded(path: &str, what: &str, found: u64, limit: u64) -> Problem {
    Problem::new(413, "limit-exceeded", "The document is beyond a limit", format!("{path}: {found} {what}, the limit is {limit}"))
        .at(path)
        .limited_to(limit)
}

/// Messages may quote what was sent; they must not carry all of it.
fn short(text: &str) -> String {
    const MOST: usize = 200;
    if text.chars().count() <= MOST { text.to_owned() } else { text.chars().take(MOST).chain(['…']).collect() }
}

enum Step {
    Key(String),
    Index(u64),
}

struct Walk<'a> {
    limits: &'a JsonLimits,
    path: Vec<Step>,
    total_items: u64,
    // Boxed: the walk's own frames are what grows with depth.
    refused: Option<Box<Problem>>,
}

impl Walk<'_> {
    fn path(&self) -> String {
        let mut text = String::from("$");
        for step in &self.path {
            match step {
                Step::Index(index) => text.push_str(&format!("[{index}]")),
                Step::Key(key) if is_plain(key) => text.push_str(&format!(".{key}")),
                Step::Key(key) => text.push_str(&format!("[{:?}]", short(key))),
            }
        }
        text
    }

    fn refuse<E: serde::de::Error>(&mut self, what: &str, found: u64, limit: u64) -> E {
        self.refused = Some(Box::new(exceeded(&self.path(), what, found, limit)));
        E::custom("refused")
    }

    fn string<E: serde::de::Error>(&mut self, text: &str) -> Result<(), E> {
        if text.len() as u64 > self.limits.string_bytes {
            return Err(self.refuse("bytes of string", text.len() as u64, self.limits.string_bytes));
        }
        if text.contains('\0') {
            let path = self.path();
            self.refused = Some(Box::new(
                Problem::new(422, "nul-character", "A string holds a NUL character", format!("{path}: strings may not hold U+0000"))
                    .at(path),
            ));
            return Err(E::custom("refused"));
        }
        Ok(())
    }

    fn item<E: serde::de::Error>(&mut self, index: u64) -> Result<(), E> {
        self.total_items += 1;
        if index >= self.limits.items {
            self.path.pop();
            return Err(self.refuse("or more entries", index + 1, self.limits.items));
        }
        if self.total_items > self.limits.total_items {
            return Err(self.refuse("entries in the whole document", self.total_items, self.limits.total_items));
        }
        Ok(())
    }

    fn enter<E: serde::de::Error>(&mut self) -> Result<(), E> {
        if self.path.len() as u64 >= self.limits.depth {
            return Err(self.refuse("levels of nesting", self.path.len() as u64 + 1, self.limits.depth));
        }
        Ok(())
    }
}

fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.len() <= 64 && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// Walks one value, leaving `path` where the walk stopped if it fails.
struct Value<'w, 'a>(&'w mut Walk<'a>);

impl<'de> DeserializeSeed<'de> for Value<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.0.string(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        self.0.enter()?;
        for index in 0.. {
            self.0.path.push(Step::Index(index));
            if entries.next_element_seed(Entry(self.0, index))?.is_none() {
                self.0.path.pop();
                break;
            }
            self.0.path.pop();
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        self.0.enter()?;
        for index in 0.. {
            // A document with the same key twice means different things to different readers; serde's derived types
            // refuse that where it matters.
            let Some(key) = entries.next_key_seed(Key(self.0))? else { break };
            self.0.path.push(Step::Key(key));
            entries.next_value_seed(Entry(self.0, index))?;
            self.0.path.pop();
        }
        Ok(())
    }
}

/// One entry of an array or object: counted, then walked.
struct Entry<'w, 'a>(&'w mut Walk<'a>, u64);

impl<'de> DeserializeSeed<'de> for Entry<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.item::<D::Error>(self.1)?;
        Value(self.0).deserialize(deserializer)
    }
}

struct Key<'w, 'a>(&'w mut Walk<'a>);

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = String;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_, '_> {
    type Value = String;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<String, E> {
        self.0.string(key)?;
        Ok(key.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: JsonLimits = JsonLimits { bytes: 200, depth: 3, items: 4, total_items: 8, string_bytes: 5 };

    fn refusal(json: &str) -> (u16, Option<String>, Option<u64>) {
        let problem = check(json.as_bytes(), &TINY).expect_err(json);
        (problem.status, problem.path, problem.limit)
    }

    fn at(path: &str) -> Option<String> {
        Some(path.to_owned())
    }

    #[test]
    fn what_keeps_to_the_limits_passes() {
        check(br#"{"a":[1,2.5,{"b":"12345"}],"c":null,"d":true}"#, &TINY).unwrap();
    }

    #[test]
    fn every_limit_is_refused_with_its_path() {
        assert_eq!(refusal(&format!("[{}]", " ".repeat(200))), (413, at("$"), Some(200)));
        assert_eq!(refusal(r#"{"a":{"b":{"c":{}}}}"#), (413, at("$.a.b.c"), Some(3)));
        assert_eq!(refusal(r#"{"a":[1,2,3,4,5]}"#), (413, at("$.a"), Some(4)));
        assert_eq!(refusal(r#"[[1,2,3],[1,2,3],[1,2,3]]"#), (413, at("$[2]"), Some(8)));
        assert_eq!(refusal(r#"{"a":{"b":["x","123456"]}}"#), (413, at("$.a.b[1]"), Some(5)));
    }

    #[test]
    fn broken_json_names_the_place() {
        let (status, path, _) = refusal(r#"{"a":[1,}"#);
        assert_eq!((status, path), (400, at("$.a[1]")));
        assert_eq!(refusal("{} {}").0, 400);
        assert_eq!(refusal("").0, 400);
        assert_eq!(check(b"\"\xff\"", &TINY).unwrap_err().status, 400);
    }

    #[test]
    fn nul_is_refused() {
        assert_eq!(refusal(r#"["a\u0000"]"#), (422, at("$[0]"), None));
    }

    #[test]
    fn a_wrong_type_names_the_place() {
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "only its shape is used")]
        struct Shape {
            a: Vec<u8>,
        }
        let problem = parse::<Shape>(br#"{"a":[1,"x"]}"#, &TINY).unwrap_err();
        assert_eq!((problem.status, problem.path), (422, at("$.a[1]")));
        let problem = parse_part::<Shape>(r#"{"a":[1,"x"]}"#, "$.sections.s.data").unwrap_err();
        assert_eq!(problem.path, at("$.sections.s.data.a[1]"));
    }

    #[test]
    fn a_quote_of_what_was_sent_is_short() {
        let limits = JsonLimits { string_bytes: 1 << 20, bytes: 1 << 20, ..TINY };
        let problem = parse::<u8>(format!("{:?}", "x".repeat(100_000)).as_bytes(), &limits).unwrap_err();
        assert!(problem.detail.len() < 1_000, "{}", problem.detail.len());
    }
}
