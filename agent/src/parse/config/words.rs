//! Lines of words: HAProxy, Apache, Redis, Squid, Unbound, dnsmasq.

const MOST_LINES: usize = 50_000;
const MOST_WORDS: usize = 256;

/// The lines that say something, as words: quotes and `\` resolved, what follows a `#` at the start of a word left out, lines that end with `\`
/// joined with the next.
pub fn lines(bytes: &[u8]) -> Vec<Vec<String>> {
    let text = String::from_utf8_lossy(bytes);
    let mut found = Vec::new();
    let mut joined = String::new();
    for line in text.lines().take(MOST_LINES) {
        if let Some(part) = line.trim_end().strip_suffix('\\') {
            // What is longer than any real line is not one.
            if joined.len() < 64 << 10 {
                joined.push_str(part);
                joined.push(' ');
            }
            continue;
        }
        let words = if joined.is_empty() { words(line) } else { words(&(std::mem::take(&mut joined) + line)) };
        if !words.is_empty() {
            found.push(words);
        }
    }
    let rest = words(&joined);
    if !rest.is_empty() {
        found.push(rest);
    }
    found
}

/// The words of one line.
pub fn words(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut characters = line.chars().peekable();
    while found.len() < MOST_WORDS {
        while characters.next_if(|c| c.is_whitespace()).is_some() {}
        match characters.peek() {
            None | Some('#') => break,
            Some(_) => {}
        }
        let mut word = String::new();
        let mut quote = None;
        while let Some(&c) = characters.peek() {
            if quote.is_none() && c.is_whitespace() {
                break;
            }
            characters.next();
            match quote {
                Some(open) if c == open => quote = None,
                None if matches!(c, '"' | '\'') => quote = Some(c),
                _ if c == '\\' && quote != Some('\'') => word.extend(characters.next()),
                _ => word.push(c),
            }
        }
        found.push(word);
    }
    found
}

/// The value of `option` in a command line: the next word, or what follows `=` in the same one.
pub fn option<'a>(arguments: &'a [String], option: &str) -> Option<&'a str> {
    arguments.iter().enumerate().find_map(|(index, argument)| match argument.strip_prefix(option)? {
        "" => arguments.get(index + 1).map(String::as_str),
        rest => rest.strip_prefix('='),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_quotes_comments_and_joined_lines() {
        let text = b"# c\n  server a 10.0.0.1:80 check # x\nacl x path \"a b\" 'c\\d' e\\ f\nProxyPass / \\\n http://a/\nA#b\n\nlast \\";
        let expected: &[&[&str]] = &[
            &["server", "a", "10.0.0.1:80", "check"],
            &["acl", "x", "path", "a b", "c\\d", "e f"],
            &["ProxyPass", "/", "http://a/"],
            &["A#b"],
            &["last"],
        ];
        assert_eq!(lines(text), expected);
    }

    #[test]
    fn options_are_found_in_either_spelling() {
        let arguments = words("etcd --name=a --data-dir /var/lib/etcd --name-x y");
        assert_eq!((option(&arguments, "--name"), option(&arguments, "--data-dir")), (Some("a"), Some("/var/lib/etcd")));
        assert_eq!((option(&arguments, "--other"), option(&arguments, "--name-x")), (None, Some("y")));
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            lines(&bytes);
        }
    }
}
