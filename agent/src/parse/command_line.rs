//! `/proc/PID/cmdline`: which program an interpreter runs, and the words for those who look for an option. Nothing of it is sent, as arguments
//! may hold secrets.

use super::text::clean;

/// What an interpreter runs.
#[derive(Debug, PartialEq, Eq)]
pub enum Program {
    /// A file, as it was named: perhaps relative to the working directory.
    File(String),
    /// A module that the interpreter finds itself (`python3 -m NAME`).
    Module(String),
}

/// The program that `interpreter` (the name of an executable) was given; `None` for what is no interpreter, or runs
/// what was typed at it.
pub fn program(interpreter: &str, bytes: &[u8]) -> Option<Program> {
    const MOST_BYTES: usize = 1_024;
    let kind = interpreter.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    if !matches!(kind, "java" | "lua" | "node" | "nodejs" | "perl" | "php" | "php-cgi" | "pypy" | "python" | "ruby") {
        return None;
    }
    let mut arguments = bytes.split(|&byte| byte == 0).skip(1).filter(|argument| !argument.is_empty());
    let text = |argument: &[u8]| clean(argument).filter(|text| text.len() <= MOST_BYTES);
    while let Some(argument) = arguments.next() {
        match (kind, argument) {
            ("python" | "pypy", b"-m") => {
                let name = text(arguments.next()?)?;
                let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_'));
                return is_name.then_some(Program::Module(name));
            }
            ("python" | "pypy", b"-c") | ("perl" | "ruby" | "node" | "nodejs" | "lua", b"-e") | ("php", b"-r") => return None,
            ("java", b"-jar") => return text(arguments.next()?).map(Program::File),
            // These take the next argument as their value.
            ("python" | "pypy", b"-W" | b"-X")
            | (
                "java",
                b"-cp"
                | b"-classpath"
                | b"--class-path"
                | b"-p"
                | b"--module-path"
                | b"--add-opens"
                | b"--add-exports"
                | b"--add-modules"
                | b"--add-reads"
                | b"--patch-module"
                | b"--limit-modules"
                | b"--upgrade-module-path",
            ) => {
                arguments.next();
            }
            (_, option) if option.starts_with(b"-") => {}
            // A class of Java names itself with dots; it is not a file.
            ("java", class) => return text(class).map(Program::Module),
            (_, file) => return text(file).map(Program::File),
        }
    }
    None
}

/// The words. A process that wrote a title over its arguments (`nginx: master process /usr/sbin/nginx -c …`) has them in one.
pub fn arguments(bytes: &[u8]) -> Vec<String> {
    const MOST_WORDS: usize = 4_096;
    let words = bytes.split(|&byte| byte == 0).filter(|word| !word.is_empty()).take(MOST_WORDS);
    let words: Vec<String> = words.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    match &words[..] {
        [title] if title.contains(' ') => title.split_whitespace().map(str::to_owned).collect(),
        _ => words,
    }
}

/// `/proc/PID/environ`: names and values.
pub fn environment(bytes: &[u8]) -> Vec<(String, String)> {
    const MOST_VARIABLES: usize = 2_048;
    let pair = |word: &[u8]| String::from_utf8_lossy(word).split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    bytes.split(|&byte| byte == 0).filter_map(pair).take(MOST_VARIABLES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_and_arguments_are_left() {
        let file = |name: &str| Some(Program::File(name.into()));
        let module = |name: &str| Some(Program::Module(name.into()));
        let cases = [
            ("python3.11", "python3 -u /srv/app.py --password=secret", file("/srv/app.py")),
            ("python3.11", "python3 -m http.server 80", module("http.server")),
            ("python3", "python3 -c print(1)", None),
            ("node", "node --inspect server.js", file("server.js")),
            ("java", "java -Xmx1g -cp a.jar:b.jar org.example.Main secret", module("org.example.Main")),
            ("java", "java -Dpassword=x -jar /opt/app.jar", file("/opt/app.jar")),
            (
                "java",
                "java --add-opens java.base/java.lang=ALL-UNNAMED --add-modules x -m a/org.example.Main",
                module("a/org.example.Main"),
            ),
            ("perl", "perl -e 1", None),
            ("nginx", "nginx -c /etc/nginx.conf", None),
            ("python3", "python3", None),
        ];
        for (interpreter, words, expected) in cases {
            assert_eq!(program(interpreter, words.replace(' ', "\0").as_bytes()), expected, "{words}");
        }
    }

    #[test]
    fn words_and_variables() {
        assert_eq!(arguments(b"redis-server\0/etc/a b.conf\0"), ["redis-server", "/etc/a b.conf"]);
        assert_eq!(arguments(b"nginx: master process nginx -c /x\0\0\0"), ["nginx:", "master", "process", "nginx", "-c", "/x"]);
        assert_eq!(environment(b"A=1=2\0broken\0B=\0"), [("A".to_owned(), "1=2".to_owned()), ("B".into(), String::new())]);
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            arguments(&bytes);
            environment(&bytes);
            program("python3", &bytes);
            program("java", &bytes);
        }
    }
}
