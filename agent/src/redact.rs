//! Secrets never leave. Everything that enters a section from a command line, a variable, or an address with a user in it passes here.
//!
//! Two nets: [`command`] and [`text`] replace what is secret by its shape *and by the name it is given* (`--password x`, `TOKEN=x`), for text that
//! is known to be a command or an assignment. [`section`] is the last one, over every string of every section, and takes only what cannot
//! be anything else (a password in an URL, a private key, the tokens of well-known services), so that names and descriptions stay as they are.

use serde_json::Value;

/// What stands where a secret was.
pub const REPLACED: &str = "[redacted]";

/// Words in a name that say that its value is secret.
const SECRET_NAMES: &[&str] = &[
    "apikey",
    "api_key",
    "auth",
    "authorization",
    "bearer",
    "connectionstring",
    "connection_string",
    "cookie",
    "credential",
    "creds",
    "dsn",
    "jwt",
    "key",
    "pass",
    "passphrase",
    "passwd",
    "password",
    "pgpassword",
    "pin",
    "psk",
    "pwd",
    "salt",
    "sas",
    "secret",
    "session",
    "sig",
    "signature",
    "token",
];

/// Names that hold one of those words and are no secret.
const HARMLESS_NAMES: &[&str] = &[
    "authfile",
    "cachekey",
    "keyboard",
    "keyfile",
    "keyring",
    "keyserver",
    "keyspace",
    "keystore",
    "monkey",
    "passfile",
    "passive",
    "passthrough",
    "password_file",
    "pidfile",
    "public_key",
];

/// Whether the value of `name` (a variable, an option, a field) is to be replaced.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.trim_start_matches('-').to_lowercase().replace('-', "_");
    if HARMLESS_NAMES.iter().any(|harmless| name == *harmless || name.ends_with(&format!("_{harmless}"))) {
        return false;
    }
    // The short words only as words of their own: `pin` is not in `ping`, `key` is at an end (`awskey`, `keyid` is none).
    name.split(['_', '.', ':']).any(|word| {
        SECRET_NAMES.iter().any(|secret| {
            let is_short = secret.len() <= 4;
            if is_short {
                word == *secret || (word.ends_with(secret) && matches!(*secret, "key" | "pass" | "auth" | "pwd"))
            } else {
                word.contains(secret)
            }
        })
    }) || SECRET_NAMES.iter().any(|secret| secret.contains('_') && name.contains(secret))
}

/// Programs whose `-pX` is a password.
const PASSWORD_BY_P: &[&str] = &[
    "mysql",
    "mysqladmin",
    "mysqldump",
    "mysqlimport",
    "mysqlshow",
    "mariadb",
    "mariadb-dump",
    "mariadb-admin",
    "sshpass",
    "mongo",
    "mongodump",
    "mongosh",
    "7z",
    "unzip",
    "zip",
];
/// Options of one letter whose value is, or may hold, a secret: program, option.
const SHORT_OPTIONS: &[(&str, &str)] = &[
    ("curl", "-u"),
    ("curl", "-U"),
    ("curl", "-b"),
    ("ldapsearch", "-w"),
    ("ldapmodify", "-w"),
    ("redis-cli", "-a"),
    ("smbclient", "-U"),
    ("mount.cifs", "-o"),
    ("mount", "-o"),
    ("wget", "-U"),
    ("snmpwalk", "-c"),
    ("snmpget", "-c"),
    ("openssl", "-k"),
    ("rabbitmqadmin", "-p"),
    ("psql", "-W"),
    ("sqlcmd", "-P"),
    ("bcp", "-P"),
    ("htpasswd", "-b"),
    ("ipmitool", "-P"),
];

/// A command line without its secrets: each word passes [`text`], values of options and variables with a secret name are replaced,
/// and so is what a quote begins that is never closed.
pub fn command(line: &str) -> String {
    let mut result = String::with_capacity(line.len());
    let mut program = String::new();
    let mut previous = String::new();
    let mut replace_next = false;
    for (blanks, word) in shell_words(line) {
        // A shell's comment does nothing, and may say anything.
        if word.starts_with('#') && !result.is_empty() {
            break;
        }
        result.push_str(blanks);
        let bare = word.trim_matches(['"', '\'']);
        // A pipe or a list begins another command.
        if matches!(word, "|" | "||" | "&&" | ";" | "&") || word.ends_with(';') {
            program.clear();
        } else if program.is_empty() && !bare.contains('=') && !bare.starts_with('-') {
            program = bare.rsplit('/').next().unwrap_or(bare).to_owned();
            // What runs another program is not the program.
            if matches!(
                program.as_str(),
                "sudo" | "env" | "nice" | "ionice" | "timeout" | "flock" | "chronic" | "test" | "[" | "cd" | "sh" | "bash" | "exec"
            ) {
                program.clear();
            }
        }
        let is_header = matches!(previous.as_str(), "-H" | "--header" | "--proxy-header");
        if replace_next && !is_operator(word) {
            result.push_str(REPLACED);
            replace_next = false;
        } else if is_header {
            result.push_str(&header(word));
        } else {
            let by_p = PASSWORD_BY_P.contains(&program.as_str());
            if by_p && bare.starts_with("-p") && bare.len() > 2 && !bare.starts_with("--") {
                result.push_str("-p");
                result.push_str(REPLACED);
            } else {
                // `mysql -p` asks; the next word is the database. sshpass and zip take it.
                let takes_p = matches!(program.as_str(), "sshpass" | "mongo" | "mongodump" | "mongosh") && bare == "-p"
                    || program == "zip" && bare == "-P";
                let takes_short = SHORT_OPTIONS.iter().any(|(of, option)| *of == program && *option == bare);
                let takes_long = bare.starts_with('-') && !bare.contains('=') && is_secret_name(bare);
                replace_next = takes_p || takes_short || takes_long;
                match SHORT_OPTIONS
                    .iter()
                    .find(|(of, option)| *of == program && bare.len() > option.len() && bare.starts_with(option) && !bare.starts_with("--"))
                {
                    Some((_, option)) if !replace_next => {
                        result.push_str(option);
                        result.push_str(REPLACED);
                    }
                    _ => result.push_str(&text(word)),
                }
            }
        }
        bare.clone_into(&mut previous);
    }
    result
}

fn is_operator(word: &str) -> bool {
    matches!(word, "|" | "||" | "&&" | ";" | "&" | ">" | ">>" | "<" | "2>&1" | ">/dev/null")
}

/// `Name: value` of HTTP, perhaps quoted.
fn header(word: &str) -> String {
    match word.split_once(':') {
        Some((name, _)) if is_secret_name(name.trim_start_matches(['"', '\''])) => format!("{name}: {REPLACED}"),
        Some(_) => text(word),
        // The value is another word: who knows what it is.
        None => REPLACED.to_owned(),
    }
}

/// The words of a line with the blanks before each; quotes are kept with their word.
fn shell_words(line: &str) -> Vec<(&str, &str)> {
    let mut words = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let start = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
        let (blanks, after) = rest.split_at(start);
        let mut quote = None;
        let mut escaped = false;
        let end = after.char_indices().find(|(_, c)| {
            if escaped {
                escaped = false;
                return false;
            }
            match quote {
                _ if *c == '\\' && quote != Some('\'') => {
                    escaped = true;
                    false
                }
                Some(open) => {
                    if *c == open {
                        quote = None;
                    }
                    false
                }
                None if matches!(c, '"' | '\'') => {
                    quote = Some(*c);
                    false
                }
                None => c.is_whitespace(),
            }
        });
        let (word, after) = after.split_at(end.map_or(after.len(), |(at, _)| at));
        words.push((blanks, word));
        rest = after;
    }
    words
}

/// Text that may hold assignments and addresses: `NAME=value`, `name: value` and JSON fields with a secret name, passwords in URLs,
/// and what is secret by its shape.
pub fn text(text: &str) -> String {
    let text = assignments(text);
    shapes(&text)
}

/// Values of secret names: `password=x`, `"token": "x"`, `?key=x&…`, `;Password=x;`.
fn assignments(text: &str) -> String {
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['=', ':']) {
        let (before, after) = rest.split_at(at);
        let separator = &after[..1];
        let unquoted = before.trim_end_matches([' ', '"', '\'', '\\']);
        let begin = unquoted.rfind(|c| !is_name(c)).map_or(0, |at| at + unquoted[at..].chars().next().map_or(1, char::len_utf8));
        let name = &unquoted[begin..];
        result.push_str(before);
        result.push_str(separator);
        rest = &after[1..];
        // `://` and `::` assign nothing.
        if separator == ":" && rest.starts_with(['/', ':']) || !is_secret_name(name) {
            continue;
        }
        let blanks = rest.len() - rest.trim_start_matches([' ', '\\']).len();
        result.push_str(&rest[..blanks]);
        let value = &rest[blanks..];
        let end = value_end(value);
        if end > 0 {
            result.push_str(REPLACED);
        }
        rest = &value[end..];
    }
    result.push_str(rest);
    result
}

/// Where a value ends: at its closing quote, else at a blank or a separator of pairs. `Bearer x` is one value.
fn value_end(value: &str) -> usize {
    match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value[1..].find(quote).map_or(value.len(), |end| end + 2),
        _ => {
            let scheme = ["Bearer ", "bearer ", "Basic ", "basic ", "Token ", "token "]
                .iter()
                .find(|scheme| value.starts_with(**scheme))
                .map_or(0, |s| s.len());
            value[scheme..]
                .find(|c: char| c.is_whitespace() || matches!(c, '&' | ';' | ',' | '"' | '\''))
                .map_or(value.len(), |end| scheme + end)
        }
    }
}

/// Prefixes of the tokens of well-known services, and how many characters must follow.
const TOKENS: &[(&str, usize)] = &[
    ("AKIA", 16),
    ("ASIA", 16),
    ("eyJ", 20),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghs_", 20),
    ("ghu_", 20),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("hvs.", 20),
    ("npm_", 30),
    ("pypi-", 30),
    ("sk-", 20),
    ("sk_live_", 16),
    ("rk_live_", 16),
    ("xoxb-", 10),
    ("xoxp-", 10),
    ("xapp-", 10),
    ("AIza", 30),
    ("dop_v1_", 30),
    ("SG.", 30),
];

/// What is secret by its shape alone: user and password in an URL, a private key, tokens, what follows `Bearer`.
fn shapes(text: &str) -> String {
    if !is_suspicious(text) {
        return text.to_owned();
    }
    if let Some(at) = text.find("-----BEGIN ").filter(|at| text[*at..].contains("PRIVATE KEY")) {
        return format!("{}{REPLACED}", shapes(&text[..at]));
    }
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    // Passwords in addresses first: a token may stand there too.
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        result.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`')).unwrap_or(after.len());
        let (address, remaining) = after.split_at(end);
        result.push_str(&url(address));
        rest = remaining;
    }
    result.push_str(rest);
    tokens(&result)
}

/// Behind `://`: the user's part is replaced where it holds a password. Where a password is not escaped nobody can tell where it ends: all up to
/// the last `@` goes.
fn url(address: &str) -> String {
    let Some(at) = address.rfind('@') else { return address.to_owned() };
    let authority = address.find(['/', '?', '#']).unwrap_or(address.len());
    let user = &address[..at];
    match user.split_once(':') {
        // An `@` behind the host's end and no password before it: part of a path.
        Some((name, _)) if !name.contains(['/', '?', '#']) && (at < authority || !name.contains('.')) => {
            format!("{name}:{REPLACED}{}", &address[at..])
        }
        // A name alone, as long as a token is, is one.
        None if at < authority && user.len() >= 16 => format!("{REPLACED}{}", &address[at..]),
        _ => address.to_owned(),
    }
}

fn tokens(text: &str) -> String {
    let is_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+' | '/' | '=');
    let mut result = String::with_capacity(text.len());
    let mut previous_is_bearer = false;
    let mut rest = text;
    while !rest.is_empty() {
        let start = rest.find(is_token).unwrap_or(rest.len());
        result.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.find(|c: char| !is_token(c)).unwrap_or(rest.len());
        let word = &rest[..end];
        // A token begins a word, or what is assigned in one.
        let value = word.rsplit_once('=').map_or(word, |(name, value)| if value.is_empty() { name } else { value });
        let known = |value: &str| TOKENS.iter().any(|(prefix, most)| value.strip_prefix(prefix).is_some_and(|rest| rest.len() >= *most));
        if known(value) || known(word) {
            let kept = word.find(value).unwrap_or_default();
            result.push_str(&word[..kept]);
            result.push_str(REPLACED);
        } else if previous_is_bearer && word.len() >= 8 {
            result.push_str(REPLACED);
        } else {
            result.push_str(word);
        }
        previous_is_bearer = matches!(word, "Bearer" | "bearer");
        rest = &rest[end..];
    }
    result
}

/// Whether some shape may be in `text`: quick, and never wrong about one that is not.
fn is_suspicious(text: &str) -> bool {
    let bytes = text.as_bytes();
    let has = |needle: &str| memchr::memmem::find(bytes, needle.as_bytes()).is_some();
    (has("://") && memchr::memchr(b'@', bytes).is_some())
        || has("PRIVATE KEY")
        || has("earer")
        || TOKENS.iter().any(|(prefix, _)| has(prefix))
}

/// The last net over a section's JSON: `None` where nothing in it is secret by its shape, else the whole value without.
pub fn section(json: &str) -> Option<Value> {
    if !has_secret(json) {
        return None;
    }
    let mut value: Value = serde_json::from_str(json).ok()?;
    walk(&mut value).then_some(value)
}

/// Whether some string of the JSON is a secret by its shape. Looks only at strings around a mark of one, so that long lists
/// of harmless ones are not taken apart.
fn has_secret(json: &str) -> bool {
    let marks = ["://", "PRIVATE KEY", "earer"].into_iter().chain(TOKENS.iter().map(|(prefix, _)| *prefix));
    marks.into_iter().any(|mark| {
        memchr::memmem::find_iter(json.as_bytes(), mark).any(|at| {
            let raw = string_around(json, at);
            if !raw.contains('\\') {
                return is_suspicious(raw) && shapes(raw) != raw;
            }
            // What cannot be read is left to the whole look.
            serde_json::from_str::<String>(&format!("\"{raw}\"")).map_or(true, |text| is_suspicious(&text) && shapes(&text) != text)
        })
    })
}

/// The string literal of the JSON that the byte `at` lies in, without its quotes.
fn string_around(json: &str, at: usize) -> &str {
    let bytes = json.as_bytes();
    let is_end = |quote: &usize| bytes[..*quote].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 0;
    let start = memchr::memrchr_iter(b'"', &bytes[..at]).find(is_end).map_or(0, |quote| quote + 1);
    let end = memchr::memchr_iter(b'"', &bytes[at..]).map(|quote| at + quote).find(is_end).unwrap_or(bytes.len());
    &json[start..end]
}

/// Redacts every string; whether there was anything to redact.
fn walk(value: &mut Value) -> bool {
    match value {
        Value::String(string) => {
            let after = if is_suspicious(string) { shapes(string) } else { return false };
            let changed = after != *string;
            *string = after;
            changed
        }
        // No short cut: each has to be looked at.
        Value::Array(entries) => entries.iter_mut().fold(false, |changed, entry| walk(entry) | changed),
        Value::Object(fields) => fields.values_mut().fold(false, |changed, field| walk(field) | changed),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_taken_apart_only_for_a_secret() {
        let token = format!("ghp_{}", "a".repeat(36));
        for (text, is_secret) in [
            ("task-english disk-manager https://example.org/ a@example.org", false),
            ("plain", false),
            (token.as_str(), true),
            ("say \"quoted\" https://user:s3cret@host/", true),
            ("https://user:s3cret@host/ and then \\\\ \"", true),
            ("Authorization: Bearer\nabcdefghijkl", shapes("Authorization: Bearer\nabcdefghijkl") != "Authorization: Bearer\nabcdefghijkl"),
        ] {
            let json =
                serde_json::to_string(&serde_json::json!({ "before": "\\", "list": ["x", { "text": text }], "after": "://" })).unwrap();
            let found = section(&json);
            assert_eq!(found.is_some(), is_secret, "{text}");
            if let Some(found) = found {
                assert_eq!(found["list"][1]["text"], shapes(text), "{text}");
            }
        }
    }

    #[test]
    fn commands_keep_what_they_do_and_lose_their_secrets() {
        let cases = [
            ("/usr/bin/backup --password s3cret --all", "/usr/bin/backup --password [redacted] --all"),
            ("backup --password=s3cret -v", "backup --password=[redacted] -v"),
            ("backup --db-password 's3 cret' x", "backup --db-password [redacted] x"),
            ("mysqldump -u root -ps3cret shop | gzip > /x", "mysqldump -u root -p[redacted] shop | gzip > /x"),
            ("mysql -p shop", "mysql -p shop"),
            ("mkdir -p /srv/x", "mkdir -p /srv/x"),
            ("sshpass -p s3cret ssh a@b", "sshpass -p [redacted] ssh a@b"),
            ("curl -u admin:s3cret https://x/", "curl -u [redacted] https://x/"),
            ("curl -uadmin:s3cret https://x/", "curl -u[redacted] https://x/"),
            ("curl -H 'Authorization: Bearer s3cret' x", "curl -H 'Authorization: [redacted] x"),
            ("curl -H \"X-Api-Key: s3cret\" x", "curl -H \"X-Api-Key: [redacted] x"),
            ("curl -H 'Accept: text/html' x", "curl -H 'Accept: text/html' x"),
            ("curl https://u:s3cret@x/y?token=s3cret&a=1", "curl https://u:[redacted]@x/y?token=[redacted]&a=1"),
            ("PGPASSWORD=s3cret psql -h db shop", "PGPASSWORD=[redacted] psql -h db shop"),
            ("redis-cli -a s3cret ping", "redis-cli -a [redacted] ping"),
            ("mount -t cifs -o user=a,password=s3cret //s/x /y", "mount -t cifs -o [redacted] //s/x /y"),
            ("app --dsn 'host=db password=s3cret'", "app --dsn [redacted]"),
            ("java -Djavax.net.ssl.trustStorePassword=s3cret -jar a.jar", "java -Djavax.net.ssl.trustStorePassword=[redacted] -jar a.jar"),
            ("aws --key AKIAIOSFODNN7EXAMPLE s3", "aws --key [redacted] s3"),
            ("sudo mysqldump --defaults-file=/etc/my.cnf -ps3cret a", "sudo mysqldump --defaults-file=/etc/my.cnf -p[redacted] a"),
            (
                "test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }",
                "test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }",
            ),
            ("ssh-keygen --keyfile /x --keyboard de", "ssh-keygen --keyfile /x --keyboard de"),
            ("app --password", "app --password"),
            ("app x # the password is s3cret", "app x"),
            ("app --password 's3cret never closed", "app --password [redacted]"),
        ];
        for (line, expected) in cases {
            assert_eq!(command(line), expected, "{line}");
        }
    }

    #[test]
    fn text_loses_what_is_secret_by_name_or_shape() {
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.s3cret_s3cret";
        let cases = [
            ("{\"user\": \"a\", \"password\": \"s3cret\"}", "{\"user\": \"a\", \"password\": [redacted]}"),
            ("Server=a;Password=s3cret;Database=b", "Server=a;Password=[redacted];Database=b"),
            ("postgres://u:s3/cr@et@db:5432/x", "postgres://u:[redacted]@db:5432/x"),
            ("https://0123456789abcdef0123@sentry.example.org/2", "https://[redacted]@sentry.example.org/2"),
            ("https://git@github.com/a/b.git", "https://git@github.com/a/b.git"),
            ("https://example.org/@scope/name", "https://example.org/@scope/name"),
            ("https://example.org:8080/a@b", "https://example.org:8080/a@b"),
            (jwt, "[redacted]"),
            ("Bearer s3cret_s3cret", "Bearer [redacted]"),
            ("id AKIAIOSFODNN7EXAMPLE.", "id [redacted]"),
            ("-----BEGIN RSA PRIVATE KEY-----\nMII", "[redacted]"),
            ("a keyboard: pc105, monkey=1", "a keyboard: pc105, monkey=1"),
            ("sk-learn, eyJ, AKIA", "sk-learn, eyJ, AKIA"),
            ("OnCalendar=*-*-* 6:00", "OnCalendar=*-*-* 6:00"),
        ];
        for (before, expected) in cases {
            assert_eq!(text(before), expected, "{before}");
        }
    }

    #[test]
    fn the_last_net_touches_only_what_cannot_be_anything_else() {
        assert_eq!(section(r#"{"a":["Bearer of bad news, password: x"],"b":"https://example.org"}"#), None);
        let found = section(r#"{"a":["http://u:s3cret@proxy:3128/"],"b":1}"#).unwrap();
        assert_eq!(found, serde_json::json!({"a": ["http://u:[redacted]@proxy:3128/"], "b": 1}));
    }

    /// Every shape that a secret is known to come in.
    const SHAPES: &[&str] = &[
        "app --password § x",
        "app --password=§",
        "app --api-key '§'",
        "app --token=\"§\"",
        "DB_PASSWORD=§ app",
        "AWS_SECRET_ACCESS_KEY=§ app",
        "mysql -u a -p§ db",
        "mysqldump -p§",
        "sshpass -p § ssh h",
        "curl -u a:§ http://h/",
        "curl -H 'Authorization: Bearer §' http://h/",
        "curl http://a:§@h/",
        "curl http://h/?token=§",
        "psql postgresql://a:§@h:5432/db",
        "app 'Server=h;Password=§;Database=d'",
        "app {\"password\":\"§\"}",
        "redis-cli -a §",
        "ldapsearch -D cn=a -w §",
        "sqlcmd -S h -P §",
        "java -Dpassword=§ -jar a.jar",
    ];

    proptest::proptest! {
        #[test]
        fn no_secret_survives_in_any_shape(secret in "[A-Za-z0-9_.!%+~]{8,40}") {
            for shape in SHAPES {
                let line = shape.replace('§', &secret);
                let found = command(&line);
                proptest::prop_assert!(!found.contains(&secret), "{line} -> {found}");
            }
        }

        #[test]
        fn no_input_panics(text: String, line in "[a-z\\-'\"\\\\=:/@;&| ]{0,80}") {
            command(&text);
            command(&line);
            super::text(&line);
            section(&serde_json::Value::String(text).to_string());
        }
    }
}
