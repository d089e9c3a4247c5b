//! A value as the text of one cell, and back.

use std::borrow::Cow;

use serde_json::Value;

/// Separates the members of a list.
const BETWEEN: &str = "; ";

/// A value as the text of a cell. A list that could be read in another way is written as JSON.
pub(crate) fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        Value::Array(members) => {
            let texts: Option<Vec<&str>> = members.iter().map(|member| member.as_str().filter(|text| is_plain(text))).collect();
            match texts {
                Some(texts) if !texts.is_empty() => Cow::Owned(texts.join(BETWEEN)),
                _ => Cow::Owned(value.to_string()),
            }
        }
        other => Cow::Owned(other.to_string()),
    }
}

fn is_plain(member: &str) -> bool {
    !member.is_empty() && member.trim() == member && !member.starts_with('[') && !member.contains([';', ',', '\n', '\r'])
}

/// The members of a list that stands in one cell: separated by semicolons or lines, or else by commas; or a JSON array.
pub(crate) fn members(text: &str) -> Vec<String> {
    let text = text.trim();
    if text.starts_with('[')
        && let Ok(members) = serde_json::from_str(text)
    {
        return members;
    }
    let separators: &[char] = if text.contains([';', '\n']) { &[';', '\n', '\r'] } else { &[','] };
    text.split(separators).map(str::trim).filter(|member| !member.is_empty()).map(str::to_owned).collect()
}

/// What a spreadsheet would run as a formula gets an apostrophe in front: names come from machines, and a machine may be hostile.
pub(crate) fn defuse(text: &str) -> Cow<'_, str> {
    if is_armed(text) && text.parse::<f64>().is_err() { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// Takes back what [`defuse`] did.
pub(super) fn rearm(text: &str) -> &str {
    text.strip_prefix('\'').filter(|rest| is_armed(rest)).unwrap_or(text)
}

/// Apostrophes are looked through, so that a text that has one of its own gets another, and comes back with its own.
fn is_armed(text: &str) -> bool {
    text.trim_start_matches([' ', '"', '\'']).starts_with(['=', '+', '-', '@', '\t', '\r', '\n'])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_all_come_back() {
        for (value, written) in [
            ("db01", "db01"),
            ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-5", "-5"),
            ("-cmd", "'-cmd"),
            ("\t=1", "'\t=1"),
            (" =1", "' =1"),
            ("\"=1\"", "'\"=1\""),
            ("'=1", "''=1"),
            ("''-5", "'''-5"),
            ("'quoted'", "'quoted'"),
            ("", ""),
        ] {
            assert_eq!(defuse(value), written, "{value}");
            assert_eq!(rearm(written), value, "{value}");
        }
    }

    #[test]
    fn lists_come_back_member_by_member() {
        for list in
            [json!(["a"]), json!(["a b", "c"]), json!(["a,b"]), json!(["a;b", "c"]), json!([" x"]), json!(["[1]"]), json!(["", "y"])]
        {
            let written = text(&list).into_owned();
            assert_eq!(Value::from(members(&written)), list, "{written}");
        }
        assert_eq!(members("web, prod"), ["web", "prod"]);
        assert_eq!(members("a\nb"), ["a", "b"]);
    }
}
