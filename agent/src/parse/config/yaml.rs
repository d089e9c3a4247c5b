//! The part of YAML that configuration files use: block mappings and sequences, flow lists, quoted and plain scalars, comments. Anchors,
//! tags and block scalars are passed over. No alias is followed, so nothing grows.

use super::flat::Setting;

const MOST_LINES: usize = 50_000;
const MOST_DEPTH: usize = 24;
const MOST_SETTINGS: usize = 20_000;

/// The settings of a YAML file, as [`super::flat`] has them.
pub fn settings(bytes: &[u8]) -> Vec<Setting> {
    let text = String::from_utf8_lossy(bytes);
    let mut found = Vec::new();
    // The open mappings: indentation and key.
    let mut open: Vec<(usize, String)> = Vec::new();
    // A block scalar's text lies deeper than its key.
    let mut scalar: Option<usize> = None;
    for line in text.lines().take(MOST_LINES) {
        let trimmed = line.trim_start_matches(' ');
        let mut indent = line.len() - trimmed.len();
        if let Some(key_indent) = scalar {
            if trimmed.is_empty() || indent > key_indent {
                continue;
            }
            scalar = None;
        }
        let mut rest = without_comment(trimmed).trim_end();
        if rest.is_empty() || rest.starts_with('%') {
            continue;
        }
        if rest == "---" || rest == "..." {
            open.clear();
            continue;
        }
        open.retain(|(at, _)| *at < indent || (*at == indent && rest.starts_with('-') && (rest.len() == 1 || rest.starts_with("- "))));
        // `- key: value` begins a mapping inside a list; the list has its key's path.
        while rest == "-" || rest.starts_with("- ") {
            let inner = rest[1..].trim_start();
            indent += rest.len() - inner.len();
            rest = inner;
            open.retain(|(at, _)| *at < indent);
        }
        if rest.is_empty() || found.len() >= MOST_SETTINGS {
            continue;
        }
        match key_and_value(rest) {
            Some((key, value)) => {
                if open.len() >= MOST_DEPTH {
                    continue;
                }
                if value.starts_with(['|', '>']) {
                    scalar = Some(indent);
                } else {
                    let path = path(&open, &key);
                    values(value, &path, &mut found);
                }
                open.push((indent, key));
            }
            None => values(rest, &path(&open, ""), &mut found),
        }
    }
    found
}

fn path(open: &[(usize, String)], key: &str) -> String {
    let keys = open.iter().map(|(_, key)| key.as_str());
    keys.chain([key]).filter(|key| !key.is_empty()).collect::<Vec<_>>().join(".")
}

fn values(text: &str, path: &str, found: &mut Vec<Setting>) {
    let text = text.trim();
    if let Some(list) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        found.extend(list.split(',').map(|entry| (path.to_owned(), scalar_of(entry))).filter(|(_, value)| !value.is_empty()));
    } else if let Some(fields) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        for (key, value) in fields.split(',').filter_map(|field| key_and_value(field.trim())) {
            found.push((format!("{path}.{key}"), scalar_of(value)));
        }
    } else if !text.is_empty() && !text.starts_with(['&', '*']) {
        found.push((path.to_owned(), scalar_of(text)));
    }
}

fn scalar_of(text: &str) -> String {
    let text = text.trim();
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner.to_owned();
        }
    }
    text.to_owned()
}

fn key_and_value(text: &str) -> Option<(String, &str)> {
    let (key, value) = match text.chars().next()? {
        quote @ ('"' | '\'') => {
            let end = text[1..].find(quote)? + 1;
            (&text[1..end], text[end + 1..].trim_start().strip_prefix(':')?)
        }
        _ => {
            let at = text.find(": ").or_else(|| text.ends_with(':').then_some(text.len() - 1))?;
            (&text[..at], &text[at + 1..])
        }
    };
    (!key.is_empty() && key.len() <= 256).then(|| (key.trim().to_owned(), value.trim()))
}

fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut previous = ' ';
    for (at, c) in line.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '#' && previous.is_whitespace() => return &line[..at],
            None if matches!(c, '"' | '\'') && matches!(previous, ' ' | '[' | ',' | '{' | ':') => quote = Some(c),
            None => {}
        }
        previous = c;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_files_are_flat() {
        let text = b"# c\n---\nspring:\n  datasource:\n    url: \"jdbc:postgresql://db/app\" # c\n    password: a#b\nnet: {port: 27017, bindIp: '::'}\nhosts: [a, \"b\"]\nseed:\n- x\n- y\nhttp:\n  services:\n    web:\n      servers:\n        - url: http://10.0.0.1:80\n          weight: 1\n        - url: http://10.0.0.2:80\nnote: |\n  host: no\nlast: 1\n";
        let found = settings(text);
        let seen: Vec<_> = found.iter().map(|(path, value)| (path.as_str(), value.as_str())).collect();
        let expected = [
            ("spring.datasource.url", "jdbc:postgresql://db/app"),
            ("spring.datasource.password", "a#b"),
            ("net.port", "27017"),
            ("net.bindIp", "::"),
            ("hosts", "a"),
            ("hosts", "b"),
            ("seed", "x"),
            ("seed", "y"),
            ("http.services.web.servers.url", "http://10.0.0.1:80"),
            ("http.services.web.servers.weight", "1"),
            ("http.services.web.servers.url", "http://10.0.0.2:80"),
            ("last", "1"),
        ];
        assert_eq!(seen, expected);
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>, text in "[a-z:\\-\\[\\]{}'\"|# ,\\n]{0,120}") {
            settings(&bytes);
            settings(text.as_bytes());
        }
    }
}
