//! Nested settings (JSON, TOML, YAML) as a list of paths and values: `spring.datasource.url`.

use serde_json::Value;

/// A setting: its path, parts joined by dots, and its value. Entries of a list have the list's path.
pub type Setting = (String, String);

const MOST_DEPTH: usize = 24;
const MOST_SETTINGS: usize = 20_000;
/// Longer values are no settings.
const MOST_VALUE: usize = 4_096;

/// The settings of a JSON document; none where it is damaged.
pub fn json(bytes: &[u8]) -> Vec<Setting> {
    let value = serde_json::from_slice::<Value>(bytes).unwrap_or_default();
    let mut found = Vec::new();
    walk(&value, "", 0, &mut found);
    found
}

/// The settings of a TOML document; none where it is damaged.
pub fn toml(bytes: &[u8]) -> Vec<Setting> {
    let value = std::str::from_utf8(bytes).ok().and_then(|text| toml::from_str::<Value>(text).ok()).unwrap_or_default();
    let mut found = Vec::new();
    walk(&value, "", 0, &mut found);
    found
}

fn walk(value: &Value, path: &str, depth: usize, found: &mut Vec<Setting>) {
    if depth > MOST_DEPTH || found.len() >= MOST_SETTINGS {
        return;
    }
    let text = match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(value, &path, depth + 1, found);
            }
            return;
        }
        Value::Array(entries) => {
            entries.iter().for_each(|entry| walk(entry, path, depth + 1, found));
            return;
        }
        Value::Null => return,
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    };
    if text.len() <= MOST_VALUE {
        found.push((path.to_owned(), text));
    }
}

/// The first value with this path.
pub fn first<'a>(settings: &'a [Setting], path: &str) -> Option<&'a str> {
    all(settings, path).next()
}

/// Every value with this path.
pub fn all<'a>(settings: &'a [Setting], path: &str) -> impl Iterator<Item = &'a str> {
    settings.iter().filter(move |(found, _)| found == path).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_values_are_flat() {
        let expected = [("a.b".to_owned(), "1".to_owned()), ("a.c".into(), "x".into()), ("a.c".into(), "y".into())];
        assert_eq!(json(br#"{"a":{"b":1,"c":["x","y",null]}}"#), expected);
        assert_eq!(toml(b"[a]\nb = 1\nc = ['x', 'y']\n"), expected);
        assert!(json(b"{").is_empty() && toml(b"[").is_empty());
    }
}
