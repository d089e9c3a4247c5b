//! Numbers, sizes and times as people read them.

use std::fmt;

use askama::filters::HtmlSafe;
use rollcall_core::catalogue::{AttributeDefinition, AttributeKind};
use rollcall_shared::Timestamp;
use serde_json::Value;

/// `1,234,567`.
pub(super) fn count(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `62,000`, `1,200.50`: a number that may have a fraction.
fn grouped(number: &serde_json::Number) -> String {
    match (number.as_u64(), number.as_f64()) {
        (Some(whole), _) => count(whole),
        (None, Some(value)) if value.fract() == 0.0 && (0.0..1e15).contains(&value) => count(value as u64),
        (None, Some(value)) if (1_000.0..1e15).contains(&value) => {
            let text = number.to_string();
            let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
            format!("{}.{fraction}", count(value.trunc() as u64))
        }
        _ => number.to_string(),
    }
}

/// `1 machine`, `2 machines`.
pub(super) fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", count(number as u64), if number == 1 { one } else { many })
}

/// Bytes in the largest binary unit that leaves at least 1: `15.6 GiB`.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    match (unit, size) {
        (0, _) => format!("{bytes} {}", UNITS[0]),
        (_, size) if size >= 100.0 || size.fract() < 0.05 => format!("{size:.0} {}", UNITS[unit]),
        (_, size) => format!("{size:.1} {}", UNITS[unit]),
    }
}

/// An attribute's value as one line per entry.
pub(super) fn value(kind: Option<&AttributeDefinition>, value: &Value, now: Timestamp) -> Vec<String> {
    match (kind, value) {
        (_, Value::Array(members)) => members.iter().map(|member| one(None, member, now)).collect(),
        (kind, value) => vec![one(kind, value, now)],
    }
}

fn one(definition: Option<&AttributeDefinition>, value: &Value, now: Timestamp) -> String {
    let unit = definition.map_or("", |definition| definition.unit.as_str());
    match (definition.map(|definition| definition.kind), value) {
        (Some(AttributeKind::Integer), Value::Number(number)) if unit == "bytes" => {
            number.as_u64().map_or_else(|| number.to_string(), bytes)
        }
        (Some(AttributeKind::Number), Value::Number(number)) => match unit {
            "" => grouped(number),
            unit => format!("{} {unit}", grouped(number)),
        },
        (Some(AttributeKind::Integer), Value::Number(number)) => match (number.as_u64(), unit) {
            (Some(number), "") => count(number),
            (Some(number), unit) => format!("{} {unit}", count(number)),
            (None, _) => number.to_string(),
        },
        (Some(AttributeKind::Instant), Value::String(text)) => match text.parse::<Timestamp>() {
            Ok(at) => format!("{} ({})", absolute(at), relative(at, now)),
            Err(_) => text.clone(),
        },
        (_, Value::Bool(yes)) => (if *yes { "yes" } else { "no" }).to_owned(),
        (_, Value::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    }
}

/// `2026-03-01 12:00 UTC`.
pub(super) fn absolute(at: Timestamp) -> String {
    let text = at.to_string();
    match (text.get(0..10), text.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day} {minute} UTC"),
        _ => text,
    }
}

/// `3 hours ago`, `in 2 days`.
pub(super) fn relative(at: Timestamp, now: Timestamp) -> String {
    let millis = now.millis_since(at);
    let words = duration(millis.saturating_abs());
    match (words, millis >= 0) {
        (None, _) => "just now".to_owned(),
        (Some(words), true) => format!("{words} ago"),
        (Some(words), false) => format!("in {words}"),
    }
}

/// The largest unit that fits, rounded down; `None` below ten seconds.
fn duration(millis: i64) -> Option<String> {
    const UNITS: [(i64, &str); 6] = [
        (31_557_600_000, "year"),
        (2_629_800_000, "month"),
        (86_400_000, "day"),
        (3_600_000, "hour"),
        (60_000, "minute"),
        (1_000, "second"),
    ];
    if millis < 10_000 {
        return None;
    }
    let (unit, name) = UNITS.into_iter().find(|(unit, _)| millis >= *unit)?;
    let number = millis / unit;
    Some(format!("{number} {name}{}", if number == 1 { "" } else { "s" }))
}

/// A time for a page: relative, with the absolute time as its title.
#[derive(Clone, Copy, Debug)]
pub(super) struct When {
    at: Timestamp,
    now: Timestamp,
}

impl When {
    /// `at` as seen from `now`.
    pub(super) fn new(at: Timestamp, now: Timestamp) -> Self {
        Self { at, now }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, r#"<time datetime="{}" title="{}">{}</time>"#, self.at, absolute(self.at), relative(self.at, self.now))
    }
}

// Made of digits and our own words only.
impl HtmlSafe for When {}

/// A time for a page that is evidence: to the second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exactly {
    at: Timestamp,
    now: Timestamp,
}

impl Exactly {
    /// `at` as seen from `now`.
    pub(super) fn new(at: Timestamp, now: Timestamp) -> Self {
        Self { at, now }
    }

    /// How long ago that is.
    pub(super) fn ago(&self) -> String {
        relative(self.at, self.now)
    }
}

impl fmt::Display for Exactly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.at.to_string();
        let (day, time) = (text.get(..10).unwrap_or(&text), text.get(11..19).unwrap_or_default());
        write!(f, r#"<time datetime="{text}">{day} {time} UTC</time>"#)
    }
}

// Made of digits and our own words only.
impl HtmlSafe for Exactly {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number as u64), text);
        }
    }

    #[test]
    fn fractions_are_kept_and_wholes_have_none() {
        for (number, text) in
            [("62000", "62,000"), ("1200.0", "1,200"), ("1200.5", "1,200.5"), ("9.5", "9.5"), ("-3", "-3"), ("1e300", "1e+300")]
        {
            assert_eq!(grouped(&serde_json::from_str(number).unwrap()), text);
        }
    }

    #[test]
    fn sizes_take_the_unit_that_fits() {
        for (size, text) in [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1 KiB"), (16_751_738_880, "15.6 GiB"), (512 << 30, "512 GiB")] {
            assert_eq!(bytes(size), text);
        }
    }

    #[test]
    fn times_are_relative_with_the_absolute_time_beside() {
        let now = Timestamp::from_millis(1_000 * 86_400_000);
        for (ago, text) in [
            (0, "just now"),
            (59_000, "59 seconds ago"),
            (60_000, "1 minute ago"),
            (7_199_000, "1 hour ago"),
            (-172_800_000, "in 2 days"),
            (400 * 86_400_000, "1 year ago"),
        ] {
            assert_eq!(relative(now.plus_millis(-ago), now), text);
        }
        let html = When::new(now, now).to_string();
        assert!(html.contains(r#"title="1972-09-27 00:00 UTC">just now<"#), "{html}");
    }

    #[test]
    fn what_is_evidence_has_its_second() {
        let now = Timestamp::from_millis(1_000 * 86_400_000 + 61_000);
        let exactly = Exactly::new(now.plus_millis(-60_000), now);
        let html = exactly.to_string();
        assert!(html.contains(">1972-09-27 00:00:01 UTC</time>") && exactly.ago() == "1 minute ago", "{html}");
    }

    #[test]
    fn values_read_as_their_kind() {
        let now = Timestamp::from_millis(0);
        assert_eq!(value(rollcall_core::Catalogue::built_in().any_attribute("memory_bytes"), &1_073_741_824_u64.into(), now), ["1 GiB"]);
        assert_eq!(value(rollcall_core::Catalogue::built_in().any_attribute("tags"), &serde_json::json!(["a", "b"]), now), ["a", "b"]);
        assert_eq!(value(rollcall_core::Catalogue::built_in().any_attribute("owner"), &true.into(), now), ["yes"]);
    }
}
