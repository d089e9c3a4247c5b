//! Statements with blocks in braces: nginx, BIND, VCL (statements end with `;`), keepalived, Caddyfile (statements end with the line).

/// How a language writes its statements.
#[derive(Clone, Copy, Debug)]
pub struct Grammar {
    /// A statement ends at the end of its line, not at `;`.
    pub by_line: bool,
    /// What begins a comment to the end of the line.
    pub comments: &'static [&'static str],
    /// `/* … */` is a comment.
    pub block_comments: bool,
}

/// nginx.
pub const NGINX: Grammar = Grammar { by_line: false, comments: &["#"], block_comments: false };
/// BIND's `named.conf`.
pub const BIND: Grammar = Grammar { by_line: false, comments: &["#", "//"], block_comments: true };
/// Varnish's VCL.
pub const VCL: Grammar = BIND;
/// keepalived.
pub const KEEPALIVED: Grammar = Grammar { by_line: true, comments: &["#", "!"], block_comments: false };
/// Caddyfile.
pub const CADDY: Grammar = Grammar { by_line: true, comments: &["#"], block_comments: false };

/// One statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statement {
    /// Its words, quotes resolved; the first is the directive.
    pub words: Vec<String>,
    /// What stands in its braces.
    pub block: Vec<Statement>,
}

impl Statement {
    /// The directive.
    pub fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// The word at `index` after the directive.
    pub fn argument(&self, index: usize) -> Option<&str> {
        self.words.get(index + 1).map(String::as_str)
    }

    /// The words after the directive.
    pub fn arguments(&self) -> impl Iterator<Item = &str> {
        self.words.iter().skip(1).map(String::as_str)
    }
}

const MOST_DEPTH: usize = 24;
const MOST_STATEMENTS: usize = 20_000;
const MOST_WORD: usize = 4_096;

/// The statements of a file. What is damaged or beyond the bounds ends the reading; what stands before it counts.
pub fn statements(bytes: &[u8], grammar: Grammar) -> Vec<Statement> {
    let text = String::from_utf8_lossy(bytes);
    let mut reader = Reader { rest: &text, grammar, left: MOST_STATEMENTS };
    // The open blocks: what each holds so far; and the words of the statements that opened them.
    let mut open: Vec<Vec<Statement>> = vec![Vec::new()];
    let mut owners: Vec<Vec<String>> = Vec::new();
    let mut words = Vec::new();
    while let Some(token) = reader.next() {
        match token {
            Token::Word(word) => words.push(word),
            Token::End => reader.close(&mut open, std::mem::take(&mut words), Vec::new()),
            Token::Open if words.last().is_some_and(|_| is_script(&words)) => {
                reader.skip_braces();
                words.clear();
            }
            Token::Open => {
                if open.len() >= MOST_DEPTH {
                    break;
                }
                owners.push(std::mem::take(&mut words));
                open.push(Vec::new());
            }
            Token::Close => {
                reader.close(&mut open, std::mem::take(&mut words), Vec::new());
                if let (Some(owner), true) = (owners.pop(), open.len() > 1) {
                    let block = open.pop().unwrap_or_default();
                    reader.close(&mut open, owner, block);
                }
            }
        }
        if reader.left == 0 {
            break;
        }
    }
    reader.close(&mut open, words, Vec::new());
    while let (Some(owner), true) = (owners.pop(), open.len() > 1) {
        let block = open.pop().unwrap_or_default();
        reader.close(&mut open, owner, block);
    }
    open.pop().unwrap_or_default()
}

/// nginx's Lua blocks hold another language.
fn is_script(words: &[String]) -> bool {
    words.first().is_some_and(|name| name.ends_with("_by_lua_block"))
}

enum Token {
    Word(String),
    End,
    Open,
    Close,
}

struct Reader<'a> {
    rest: &'a str,
    grammar: Grammar,
    left: usize,
}

impl Reader<'_> {
    fn close(&mut self, open: &mut [Vec<Statement>], words: Vec<String>, block: Vec<Statement>) {
        if (words.is_empty() && block.is_empty()) || self.left == 0 {
            return;
        }
        self.left -= 1;
        if let Some(last) = open.last_mut() {
            last.push(Statement { words, block });
        }
    }

    fn next(&mut self) -> Option<Token> {
        loop {
            let first = self.rest.chars().next()?;
            if first == '\n' {
                self.rest = &self.rest[1..];
                if self.grammar.by_line {
                    return Some(Token::End);
                }
            } else if first.is_whitespace() {
                self.rest = &self.rest[first.len_utf8()..];
            } else if self.grammar.by_line && (self.rest.starts_with("\\\n") || self.rest.starts_with("\\\r\n")) {
                self.rest = &self.rest[self.rest.find('\n').unwrap_or_default() + 1..];
            } else if self.grammar.block_comments && self.rest.starts_with("/*") {
                self.rest = self.rest.find("*/").map_or("", |end| &self.rest[end + 2..]);
            } else if self.grammar.comments.iter().any(|comment| self.rest.starts_with(comment)) {
                self.rest = self.rest.find('\n').map_or("", |end| &self.rest[end..]);
            } else {
                break;
            }
        }
        let after_brace = |rest: &str| rest[1..].chars().next().is_none_or(char::is_whitespace);
        match self.rest.as_bytes().first()? {
            b';' => {
                self.rest = &self.rest[1..];
                Some(Token::End)
            }
            // A Caddyfile has placeholders in braces.
            b'{' if !self.grammar.by_line || after_brace(self.rest) => {
                self.rest = &self.rest[1..];
                Some(Token::Open)
            }
            b'}' => {
                self.rest = &self.rest[1..];
                Some(Token::Close)
            }
            _ => Some(Token::Word(self.word())),
        }
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        let mut quote = None;
        let mut previous = ' ';
        let mut depth = 0_u32;
        let mut end = self.rest.len();
        let mut characters = self.rest.char_indices();
        while let Some((at, c)) = characters.next() {
            match quote {
                Some(open) if c == open => quote = None,
                Some(_) if c == '\\' => {
                    if let Some((_, escaped)) = characters.next() {
                        word.push(escaped);
                    }
                }
                Some(_) => word.push(c),
                None if matches!(c, '"' | '\'' | '`') && (word.is_empty() || previous == '=') => quote = Some(c),
                // `${name}` is part of a word; so are placeholders `{name}`.
                None if c == '{' && (previous == '$' || self.grammar.by_line) => {
                    depth += 1;
                    word.push(c);
                }
                None if c == '}' && depth > 0 => {
                    depth -= 1;
                    word.push(c);
                }
                None if c.is_whitespace() || matches!(c, '{' | '}') || (c == ';' && !self.grammar.by_line) => {
                    end = at;
                    break;
                }
                None => word.push(c),
            }
            previous = c;
        }
        // A brace of a line-based language that stands alone never gets here; anything else has at least one character.
        self.rest = &self.rest[end.max(self.rest.chars().next().map_or(0, char::len_utf8))..];
        if word.len() > MOST_WORD {
            word.clear();
        }
        word
    }

    /// Skips to behind the brace that closes the one just read.
    fn skip_braces(&mut self) {
        let mut depth = 1_u32;
        for (at, c) in self.rest.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                self.rest = &self.rest[at + 1..];
                return;
            }
        }
        self.rest = "";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written back in one line each: words, and blocks in braces.
    fn shown(statements: &[Statement]) -> String {
        let one = |statement: &Statement| {
            let words = statement.words.join(" ");
            if statement.block.is_empty() { words } else { format!("{words} {{{}}}", shown(&statement.block)) }
        };
        statements.iter().map(one).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn each_language_is_read() {
        let cases = [
            (
                NGINX,
                "user www; # c\nhttp {\n upstream app { server 10.0.0.1:80 backup; }\n location ~ \\.php$ { proxy_pass \"http://a b\"; set $x ${y}/z; }\n}",
                "user www; http {upstream app {server 10.0.0.1:80 backup}; location ~ \\.php$ {proxy_pass http://a b; set $x ${y}/z}}",
            ),
            (NGINX, "a { content_by_lua_block { if x then { } end } b c; }", "a {b c}"),
            (NGINX, "a { b", "a {b}"),
            (NGINX, "} } a b;", "a b"),
            (BIND, "options { forwarders { 10.0.0.2; /* x; */ 10.0.0.3; }; }; // c", "options {forwarders {10.0.0.2; 10.0.0.3}}"),
            (VCL, "backend default { .host = \"10.0.0.9\"; .port=\"8080\"; }", "backend default {.host = 10.0.0.9; .port=8080}"),
            (
                KEEPALIVED,
                "! c\nvrrp_instance A {\n state MASTER\n virtual_ipaddress {\n 10.0.0.5/24 dev eth0\n }\n}\n",
                "vrrp_instance A {state MASTER; virtual_ipaddress {10.0.0.5/24 dev eth0}}",
            ),
            (
                CADDY,
                "example.org {\n\treverse_proxy /api/* 10.0.0.1:80 \\\n 10.0.0.2:80\n\trespond {path} 200\n}\n",
                "example.org {reverse_proxy /api/* 10.0.0.1:80 10.0.0.2:80; respond {path} 200}",
            ),
        ];
        for (grammar, text, expected) in cases {
            assert_eq!(shown(&statements(text.as_bytes(), grammar)), expected, "{text}");
        }
    }

    #[test]
    fn depth_and_number_are_bounded() {
        assert!(statements("a {".repeat(100_000).as_bytes(), NGINX).len() <= MOST_DEPTH);
        assert!(statements("a;".repeat(100_000).as_bytes(), NGINX).len() <= MOST_STATEMENTS);
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(text in "[a-z{};\"'\\\\#/*$ \\n\u{e9}]{0,200}", bytes: Vec<u8>) {
            for grammar in [NGINX, BIND, KEEPALIVED, CADDY] {
                statements(text.as_bytes(), grammar);
                statements(&bytes, grammar);
            }
        }
    }
}
