//! What a field is compared with: numbers with units, moments, versions.

use std::{cmp::Ordering, fmt};

use rollcall_shared::Timestamp;
use serde_json::Value;

use super::{filter::MINUTE_MS, version};

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `=`
    Equal,
    /// `>=`
    AtLeast,
    /// `>`
    More,
}

/// What a field is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// A number in the attribute's unit; finite.
    Number(f64),
    /// A moment.
    Time(Moment),
    /// A version, or any text that counts as one.
    Version(String),
}

/// A moment as people say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A stretch of the calendar (UTC) by its beginning.
    At(Timestamp, Precision),
    /// So many milliseconds from now, the past negative.
    FromNow(i64),
    /// So many milliseconds away from now, in whichever direction.
    Distance(i64),
}

/// How long a stretch of the calendar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// A year.
    Year,
    /// A month.
    Month,
    /// A day.
    Day,
    /// A millisecond.
    Instant,
}

impl Comparison {
    /// Whether values in this order compare so.
    pub fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Equal => order.is_eq(),
            Self::AtLeast => order.is_ge(),
            Self::More => order.is_gt(),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Equal => "=",
            Self::AtLeast => ">=",
            Self::More => ">",
        })
    }
}

impl Operand {
    /// Whether a value (for a list: one of its members) compares so with this.
    pub fn compares(&self, value: &Value, comparison: Comparison, now: Timestamp) -> bool {
        match value {
            Value::Array(members) => members.iter().any(|member| self.compares(member, comparison, now)),
            Value::String(text) => self.compares_with(&text.to_lowercase(), numeric(value), comparison, now),
            other => self.compares_with(&other.to_string(), numeric(value), comparison, now),
        }
    }

    /// The same of one value by its text, in lower case, and what [`numeric`] makes of it.
    pub(super) fn compares_with(&self, text: &str, number: Option<f64>, comparison: Comparison, now: Timestamp) -> bool {
        match self {
            Self::Number(wanted) => number.is_some_and(|number| comparison.holds(number.total_cmp(wanted))),
            // Milliseconds of years up to 9999 are whole in an f64.
            Self::Time(moment) => number.is_some_and(|millis| moment.compares(Timestamp::from_millis(millis as i64), comparison, now)),
            // "Debian" is neither before nor after 12.
            Self::Version(wanted) => {
                let is_version = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
                !text.is_empty() && (!is_version(wanted) || is_version(text)) && comparison.holds(version::compare(text, wanted))
            }
        }
    }
}

/// A value as a number: numbers as they are, instants and days in milliseconds since 1970, everything else not at all.
pub(super) fn numeric(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => instant(text).map(|at| at.as_millis() as f64),
        _ => None,
    }
}

fn instant(text: &str) -> Option<Timestamp> {
    // Everything else is sorted out before it is taken apart: most texts are no times.
    if text.len() < 10 || !text.as_bytes()[..4].iter().all(u8::is_ascii_digit) || text.as_bytes()[4] != b'-' {
        return None;
    }
    match text.len() {
        10 => format!("{text}T00:00:00Z").parse().ok(),
        _ => text.parse().ok(),
    }
}

impl Moment {
    /// Whether an instant compares so with this.
    pub fn compares(self, at: Timestamp, comparison: Comparison, now: Timestamp) -> bool {
        let (start, end) = match self {
            Self::Distance(wanted) => return comparison.holds(now.millis_since(at).saturating_abs().cmp(&wanted)),
            Self::FromNow(millis) => (now.plus_millis(millis), now.plus_millis(millis.saturating_add(1))),
            Self::At(start, precision) => (start, precision.end(start)),
        };
        match comparison {
            Comparison::Less => at < start,
            Comparison::AtMost => at < end,
            Comparison::Equal => start <= at && at < end,
            Comparison::AtLeast => at >= start,
            Comparison::More => at >= end,
        }
    }

    /// Reads `2026-12-31`, `2026-12`, `2026`, an RFC 3339 instant, `now`, `+30d`, `-2h`, `7d`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("now") {
            return Some(Self::FromNow(0));
        }
        if let Some(ahead) = text.strip_prefix('+') {
            return duration_ms(ahead).map(Self::FromNow);
        }
        if let Some(back) = text.strip_prefix('-') {
            return duration_ms(back).map(|millis| Self::FromNow(-millis));
        }
        if let Some(millis) = duration_ms(text) {
            return Some(Self::Distance(millis));
        }
        let (full, precision) = match text.len() {
            4 => (format!("{text}-01-01T00:00:00Z"), Precision::Year),
            7 => (format!("{text}-01T00:00:00Z"), Precision::Month),
            10 => (format!("{text}T00:00:00Z"), Precision::Day),
            _ => (text.to_owned(), Precision::Instant),
        };
        full.parse().ok().map(|start| Self::At(start, precision))
    }
}

impl Precision {
    /// The end, not in it, of the stretch that begins there.
    fn end(self, start: Timestamp) -> Timestamp {
        let next = |year: i64, month: i64| format!("{year:04}-{month:02}-01T00:00:00Z").parse().unwrap_or(Timestamp::from_millis(i64::MAX));
        let part = |text: &str, range: std::ops::Range<usize>| text.get(range).and_then(|digits| digits.parse::<i64>().ok()).unwrap_or(1);
        let text = start.to_string();
        match self {
            Self::Instant => start.plus_millis(1),
            Self::Day => start.plus_millis(24 * 60 * MINUTE_MS),
            Self::Month if part(&text, 5..7) < 12 => next(part(&text, 0..4), part(&text, 5..7) + 1),
            Self::Month | Self::Year => next(part(&text, 0..4) + 1, 1),
        }
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Time(moment) => write!(f, "{moment}"),
            Self::Version(version) => f.write_str(version),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(start, precision) => {
                let text = start.to_string();
                let length = match precision {
                    Precision::Year => 4,
                    Precision::Month => 7,
                    Precision::Day => 10,
                    Precision::Instant => text.len(),
                };
                f.write_str(text.get(..length).unwrap_or(&text))
            }
            Self::FromNow(0) => f.write_str("now"),
            Self::FromNow(millis) => write!(f, "{}{}m", if *millis < 0 { '-' } else { '+' }, millis.abs() / MINUTE_MS),
            Self::Distance(millis) => write!(f, "{}m", millis / MINUTE_MS),
        }
    }
}

/// As long as the calendar is.
const LONGEST_MS: i64 = 10_000 * 365 * 24 * 60 * MINUTE_MS;

/// Reads `7d`: a whole number and `m`, `h`, `d`, `w` or `y` (365 days).
pub(super) fn duration_ms(text: &str) -> Option<i64> {
    let split = text.len().checked_sub(1).filter(|at| text.is_char_boundary(*at))?;
    let (number, unit) = text.split_at(split);
    let unit_ms = match unit {
        "m" => MINUTE_MS,
        "h" => 60 * MINUTE_MS,
        "d" => 24 * 60 * MINUTE_MS,
        "w" => 7 * 24 * 60 * MINUTE_MS,
        "y" => 365 * 24 * 60 * MINUTE_MS,
        _ => return None,
    };
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse::<i64>().ok().filter(|_| digits)?.checked_mul(unit_ms).filter(|millis| *millis <= LONGEST_MS)
}

/// Reads a number in the unit of an attribute: `4`, `2.5`, and for bytes `16GiB`, `16G` (the same) or `16GB` (powers of ten).
pub(super) fn number(text: &str, unit: &str) -> Option<f64> {
    let split = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-'))).unwrap_or(text.len());
    let (digits, written_unit) = text.split_at(split);
    let plain = digits.strip_prefix('-').unwrap_or(digits);
    if plain.is_empty() || !plain.starts_with(|c: char| c.is_ascii_digit()) || plain.ends_with('.') || plain.contains('-') {
        return None;
    }
    let factor = match written_unit.trim() {
        "" => 1.0,
        written if unit == "bytes" => bytes(written)?,
        written if !unit.is_empty() && written.eq_ignore_ascii_case(unit) => 1.0,
        _ => return None,
    };
    let number = digits.parse::<f64>().ok()? * factor;
    // No negative zero: it is not equal to zero in a total order.
    number.is_finite().then_some(number + 0.0)
}

fn bytes(unit: &str) -> Option<f64> {
    let unit = unit.to_ascii_lowercase();
    if matches!(unit.as_str(), "b" | "bytes") {
        return Some(1.0);
    }
    let (letter, rest) = unit.split_at_checked(1)?;
    let power = 1 + ["k", "m", "g", "t", "p"].iter().position(|known| *known == letter)? as i32;
    match rest {
        "" | "ib" => Some(1024_f64.powi(power)),
        "b" => Some(1000_f64.powi(power)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_units_that_people_write() {
        for (written, unit, expected) in [
            ("16GiB", "bytes", Some(17_179_869_184.0)),
            ("16G", "bytes", Some(17_179_869_184.0)),
            ("16gb", "bytes", Some(16e9)),
            ("1.5KiB", "bytes", Some(1536.0)),
            ("-3", "", Some(-3.0)),
            ("4", "MHz", Some(4.0)),
            ("4mhz", "MHz", Some(4.0)),
            ("4G", "", None),
            ("4XB", "bytes", None),
            ("", "bytes", None),
            (".", "", None),
            ("1-2", "", None),
            ("1e5", "", None),
            ("NaN", "", None),
            ("é", "bytes", None),
        ] {
            assert_eq!(number(written, unit), expected, "{written}");
        }
        assert_eq!(number(&"9".repeat(400), ""), None);
        assert_eq!(number("-0", "").map(f64::to_bits), Some(0));
    }

    #[test]
    fn moments_compare_as_they_are_meant() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        for (at, comparison, moment, expected) in [
            ("2026-12-31T10:00:00Z", Comparison::Equal, "2026-12-31", true),
            ("2026-12-31T10:00:00Z", Comparison::AtMost, "2026-12-31", true),
            ("2026-12-31T10:00:00Z", Comparison::Less, "2026-12-31", false),
            ("2026-12-31T10:00:00Z", Comparison::More, "2026-12-31", false),
            ("2027-01-01T00:00:00Z", Comparison::More, "2026-12", true),
            ("2026-12-31T23:59:59Z", Comparison::Equal, "2026-12", true),
            ("2026-02-01T00:00:00Z", Comparison::More, "2026-01", true),
            ("2026-02-01T00:00:00Z", Comparison::Equal, "2026", true),
            ("2026-11-20T12:00:00Z", Comparison::AtMost, "7d", true),
            ("2026-11-26T12:00:00Z", Comparison::AtMost, "7d", true),
            ("2026-10-20T12:00:00Z", Comparison::More, "30d", true),
            ("2026-11-26T12:00:00Z", Comparison::Less, "+7d", true),
            ("2020-11-26T12:00:00Z", Comparison::Less, "now", true),
            ("2026-11-22T12:00:00Z", Comparison::More, "-2d", true),
            ("2026-11-22T12:00:00Z", Comparison::AtLeast, "2026-11-22T13:00:00+01:00", true),
        ] {
            let moment = Moment::parse(moment).unwrap_or_else(|| panic!("{moment}"));
            assert_eq!(moment.compares(at.parse().unwrap(), comparison, now), expected, "{at} {comparison} {moment}");
        }
        for wrong in ["soon", "2026-13", "2026-02-30", "7", "+d", "é", "", "+-7d", "00001"] {
            assert_eq!(Moment::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_what_is_a_number_or_a_time_is_one() {
        for (value, expected) in [
            (serde_json::json!(4), Some(4.0)),
            (serde_json::json!("1970-01-01T00:00:01Z"), Some(1000.0)),
            (serde_json::json!("1970-01-02"), Some(86_400_000.0)),
            (serde_json::json!("4"), None),
            (serde_json::json!("Ünïcödé-text"), None),
            (serde_json::json!(true), None),
        ] {
            assert_eq!(numeric(&value), expected, "{value}");
        }
    }
}
