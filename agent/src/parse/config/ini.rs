//! Sections of keys and values: `my.cnf`, `smb.conf`, systemd's units, `.properties`, `.env`, `postgresql.conf`.

/// One assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The section it stands in, lower case; empty before the first.
    pub section: String,
    /// The key, as written.
    pub key: String,
    /// The value without quotes; empty for a key alone.
    pub value: String,
}

const MOST_ENTRIES: usize = 20_000;

/// Every assignment, in order. Comments begin with `#` or `;`; a line that ends with `\` goes on in the next.
pub fn entries(bytes: &[u8]) -> Vec<Entry> {
    let text = String::from_utf8_lossy(bytes);
    let mut found = Vec::new();
    let mut section = String::new();
    let mut joined = String::new();
    for line in text.lines() {
        if let Some(part) = line.trim_end().strip_suffix('\\') {
            if joined.len() < 64 << 10 {
                joined.push_str(part);
                joined.push(' ');
            }
            continue;
        }
        let whole = std::mem::take(&mut joined) + line;
        let line = whole.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            section = name.trim().to_lowercase();
            continue;
        }
        if found.len() >= MOST_ENTRIES {
            break;
        }
        found.extend(entry(&section, line));
    }
    found
}

fn entry(section: &str, line: &str) -> Option<Entry> {
    let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
    // `key = value`, `key: value` (properties); the first separator counts.
    let (key, value) = match line.find(['=', ':']) {
        Some(at) => (&line[..at], &line[at + 1..]),
        // `key value` of postgresql.conf, and keys alone.
        None => line.split_once(char::is_whitespace).unwrap_or((line, "")),
    };
    let key = key.trim();
    (!key.is_empty()).then(|| Entry { section: section.to_owned(), key: key.to_owned(), value: unquoted(value) })
}

/// Without quotes and without a comment behind it.
fn unquoted(value: &str) -> String {
    let value = value.trim();
    if let Some(quote @ ('"' | '\'')) = value.chars().next() {
        let inner = &value[1..];
        let mut result = String::new();
        let mut characters = inner.chars().peekable();
        while let Some(c) = characters.next() {
            match c {
                '\\' if quote == '"' => result.extend(characters.next()),
                // PostgreSQL doubles a quote inside quotes.
                c if c == quote && characters.next_if_eq(&quote).is_some() => result.push(quote),
                c if c == quote => return result,
                c => result.push(c),
            }
        }
        return value.to_owned();
    }
    let comment = [" #", "\t#", " ;", "\t;"].iter().filter_map(|mark| value.find(mark)).min();
    value[..comment.unwrap_or(value.len())].trim().to_owned()
}

/// The last value of `key` in `section` that is not empty; keys that differ in case, `-` and `_` are one.
pub fn last<'a>(entries: &'a [Entry], section: &str, key: &str) -> Option<&'a str> {
    let same = |a: &str| a.len() == key.len() && a.bytes().zip(key.bytes()).all(|(a, b)| folded(a) == folded(b));
    let mut matching = entries.iter().rev().filter(|entry| entry.section == section && same(&entry.key));
    matching.find(|entry| !entry.value.is_empty()).map(|entry| entry.value.as_str())
}

fn folded(byte: u8) -> u8 {
    if byte == b'-' { b'_' } else { byte.to_ascii_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_is_read() {
        let text = b"port = 5433 # c\nname 'it''s' # c\n; c\n[MySQLd]\ndata-dir=/srv/db\nskip-networking\nurl: jdbc:x\nq = \"a \\\" b\"\nexport A=1\nlong = a \\\n b\n";
        let found = entries(text);
        let seen: Vec<_> = found.iter().map(|entry| (entry.section.as_str(), entry.key.as_str(), entry.value.as_str())).collect();
        let expected = [
            ("", "port", "5433"),
            ("", "name", "it's"),
            ("mysqld", "data-dir", "/srv/db"),
            ("mysqld", "skip-networking", ""),
            ("mysqld", "url", "jdbc:x"),
            ("mysqld", "q", "a \" b"),
            ("mysqld", "A", "1"),
            ("mysqld", "long", "a   b"),
        ];
        assert_eq!(seen, expected);
        assert_eq!((last(&found, "mysqld", "DATA_DIR"), last(&found, "", "data_dir")), (Some("/srv/db"), None));
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>, text in "[a-z='\"\\\\\\[\\]#;: \\n]{0,100}") {
            entries(&bytes);
            entries(text.as_bytes());
        }
    }
}
