//! Whether a value fits an attribute.

use rollcall_shared::{CiId, Timestamp};
use serde_json::Value;

use super::{AttributeDefinition, AttributeKind};

/// Characters of a text.
const MOST_TEXT: usize = 8_192;
/// Entries of a list.
const MOST_ENTRIES: usize = 1_000;

/// A value does not fit: what would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// What fits, to follow "needed: ".
    pub expected: String,
}

/// Checks a value against an attribute, without asking whether what it refers to exists.
///
/// # Errors
/// [`Misfit`] says what fits.
pub fn fits(attribute: &AttributeDefinition, value: &Value) -> Result<(), Misfit> {
    let text = |check: &dyn Fn(&str) -> bool| value.as_str().is_some_and(|text| text.chars().count() <= MOST_TEXT && check(text));
    let fits = match attribute.kind {
        AttributeKind::Text => text(&|text| matches(attribute, text)),
        AttributeKind::Integer => value.is_i64() || value.is_u64(),
        AttributeKind::Number => value.as_f64().is_some_and(f64::is_finite),
        AttributeKind::Boolean => value.is_boolean(),
        AttributeKind::Instant => text(&|text| text.parse::<Timestamp>().is_ok()),
        AttributeKind::Date => text(&is_date),
        AttributeKind::Url => text(&|text| is_url(text) && matches(attribute, text)),
        AttributeKind::Choice => text(&|text| attribute.allowed.iter().any(|allowed| allowed == text)),
        AttributeKind::Reference => text(&|text| text.parse::<CiId>().is_ok()),
        AttributeKind::TextList => value.as_array().is_some_and(|list| {
            list.len() <= MOST_ENTRIES
                && list.iter().all(|entry| entry.as_str().is_some_and(|text| text.chars().count() <= MOST_TEXT && matches(attribute, text)))
        }),
    };
    if fits { Ok(()) } else { Err(Misfit { expected: expectation(attribute) }) }
}

/// What an attribute's value must be, in words.
pub fn expectation(attribute: &AttributeDefinition) -> String {
    let mut expected = match attribute.kind {
        AttributeKind::Text => "a text of at most 8,192 characters".to_owned(),
        AttributeKind::Integer => "a whole number".to_owned(),
        AttributeKind::Number => "a number".to_owned(),
        AttributeKind::Boolean => "true or false".to_owned(),
        AttributeKind::Instant => "an RFC 3339 time such as \"2026-03-01T12:00:00Z\"".to_owned(),
        AttributeKind::Date => "a day such as \"2026-03-01\"".to_owned(),
        AttributeKind::Url => "a URL such as \"https://example.org/\"".to_owned(),
        AttributeKind::Choice => format!("one of {}", attribute.allowed.join(", ")),
        AttributeKind::Reference => {
            format!("the id of a configuration item of the class {}", attribute.references.as_deref().unwrap_or("item"))
        }
        AttributeKind::TextList => "a list of at most 1,000 texts".to_owned(),
    };
    if !attribute.unit.is_empty() {
        expected.push_str(&format!(" of {}", attribute.unit));
    }
    if let Some(pattern) = &attribute.pattern {
        expected.push_str(&format!(" that matches {}", pattern.as_str()));
    }
    expected
}

fn matches(attribute: &AttributeDefinition, text: &str) -> bool {
    attribute.pattern.as_ref().is_none_or(|pattern| pattern.matches(text))
}

fn is_date(text: &str) -> bool {
    let shape = text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() });
    shape && format!("{text}T00:00:00Z").parse::<Timestamp>().is_ok()
}

/// A scheme, `://` and something after it; nothing that a browser would run.
fn is_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, rest)| {
        let first = scheme.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
        let scheme = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        first && scheme && !rest.is_empty() && !rest.chars().any(|character| character.is_whitespace() || character.is_control())
    })
}
