//! Settings in PHP files: `define('DB_HOST', 'db')`, `'dbhost' => 'db'`, `$wgDBserver = "db"`. Nothing is evaluated.

use super::flat::Setting;

const MOST_SETTINGS: usize = 5_000;

/// Every name that a quoted text follows, with that text.
pub fn settings(bytes: &[u8]) -> Vec<Setting> {
    let text = String::from_utf8_lossy(bytes);
    let mut found = Vec::new();
    // What was read last that may be a name, and whether an assignment followed it.
    let mut name: Option<String> = None;
    let mut assigned = false;
    let mut rest = text.as_ref();
    while let (Some(first), true) = (rest.chars().next(), found.len() < MOST_SETTINGS) {
        let after = &rest[first.len_utf8()..];
        if first == '#' || rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if rest.starts_with("/*") {
            rest = rest.find("*/").map_or("", |end| &rest[end + 2..]);
        } else if matches!(first, '\'' | '"') {
            let (value, end) = quoted(after, first);
            rest = &after[end..];
            match name.take() {
                Some(key) if assigned => found.push((key, value)),
                _ => name = Some(value),
            }
            assigned = false;
        } else if first == '$' {
            let end = after.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(after.len());
            (name, assigned) = (Some(after[..end].to_owned()), false);
            rest = &after[end..];
        } else if let Some(next) = rest.strip_prefix("=>") {
            assigned = name.is_some();
            rest = next;
        } else if matches!(first, '=' | ',') {
            assigned = name.is_some();
            rest = after;
        } else {
            // Anything else between them makes it another expression.
            if !first.is_whitespace() && first != ']' {
                (name, assigned) = (None, false);
            }
            rest = after;
        }
    }
    found
}

/// The text up to `quote`, and where what follows the quote begins.
fn quoted(text: &str, quote: char) -> (String, usize) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => value.extend(characters.next().map(|(_, c)| c)),
            c if c == quote => return (value, at + c.len_utf8()),
            c => value.push(c),
        }
    }
    (value, text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_of_texts_are_found() {
        let text = b"<?php\n// define('NO', 'x');\n/* 'a' => 'b' */ define( 'DB_HOST', 'db:3307' );\n$wgDBserver = \"10.0.0.5\";\n$CONFIG = array('dbhost' => 'pg', 'n' => 1, 'list' => ['q', 'r']);\npublic $host = 'h';\n$x = f('y');\n";
        let found = settings(text);
        for expected in [("DB_HOST", "db:3307"), ("wgDBserver", "10.0.0.5"), ("dbhost", "pg"), ("host", "h")] {
            assert!(found.iter().any(|(key, value)| (key.as_str(), value.as_str()) == expected), "{expected:?} in {found:?}");
        }
        assert!(!found.iter().any(|(key, _)| matches!(key.as_str(), "NO" | "a" | "x")), "{found:?}");
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>, text in "[$a-z'\"\\\\=>,/*# \\n]{0,80}") {
            settings(&bytes);
            settings(text.as_bytes());
        }
    }
}
