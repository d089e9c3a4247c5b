//! The fuzz targets over mutated fixtures, the same at every run: what `tests/fuzz` does for longer and guided by coverage.

#[path = "../../tests/fuzzing/src/targets.rs"]
mod targets;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use targets::TARGETS;

/// Every parser of `agent/src/parse` must be called by a target: those that take bytes or text.
#[test]
fn every_parser_has_a_target() {
    let agent = Path::new(env!("CARGO_MANIFEST_DIR"));
    let called = fs::read_to_string(agent.join("../tests/fuzzing/src/targets.rs")).unwrap();
    let mut missing = Vec::new();
    for (module, source) in sources(&agent.join("src/parse")) {
        for function in parsers(&source) {
            if !called.contains(&format!("{module}::{function}(")) && !called.contains(&format!("{module}::{function}::<")) {
                missing.push(format!("parse::{module}::{function}"));
            }
        }
    }
    assert!(missing.is_empty(), "not called in tests/fuzzing/src/targets.rs: {}", missing.join(", "));
}

/// Module names (that of the directory for what lies in one) and what is in them.
fn sources(directory: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for path in entries(directory) {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

/// The public functions of a module that take bytes or text.
fn parsers(source: &str) -> Vec<&str> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let functions = code.split("\npub fn ").skip(1).filter_map(|function| {
        let signature = function.split('{').next()?;
        let takes_input = signature.contains("[u8]") || signature.contains("&str") || signature.contains("&'a str");
        takes_input.then(|| signature.split(['(', '<']).next().unwrap_or_default())
    });
    functions.collect()
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn the_search_for_parsers_finds_them() {
    let source = "\npub fn a(bytes: &[u8]) {}\npub fn number<T>(text: &str) {}\npub fn code(value: u8) {}\nfn own(bytes: &[u8]) {}\n#[cfg(test)]\npub fn t(b: &[u8]) {}";
    assert_eq!(parsers(source), ["a", "number"]);
}

#[test]
fn damaged_fixtures_never_panic_and_never_hang() {
    /// Inputs made of each seed, for each target.
    const ROUNDS: u64 = 12;
    const LONGEST: Duration = Duration::from_secs(5);
    let seeds = seeds();
    assert!(seeds.len() > 50, "the fixtures are missing");
    let mut failures = Vec::new();
    for target in TARGETS {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        'target: for (path, seed) in &seeds {
            for _ in 0..ROUNDS {
                let input = mutated(seed, &seeds, &mut random);
                let started = Instant::now();
                let answered = catch_unwind(AssertUnwindSafe(|| (target.run)(&input))).is_ok();
                if !answered || started.elapsed() > LONGEST {
                    let shown = String::from_utf8_lossy(&input[..input.len().min(400)]).into_owned();
                    let what = if answered { "takes too long" } else { "panics" };
                    failures.push(format!("{} {what} on a mutation of {}: {shown:?}", target.name, path.display()));
                    break 'target;
                }
            }
        }
    }
    targets::tidy();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Small fixture files, each content once.
fn seeds() -> Vec<(PathBuf, Vec<u8>)> {
    const MOST: u64 = 8 << 10;
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")];
    let mut found: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    while let Some(directory) = directories.pop() {
        for path in entries(&directory) {
            let Ok(metadata) = path.symlink_metadata() else { continue };
            if metadata.is_dir() {
                directories.push(path);
            } else if metadata.is_file() && (1..=MOST).contains(&metadata.len()) {
                let content = fs::read(&path).unwrap();
                if found.iter().all(|(_, known)| *known != content) {
                    found.push((path, content));
                }
            }
        }
    }
    found
}

/// xorshift: the same numbers at every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

/// A few changes of the kinds that break parsers.
fn mutated(seed: &[u8], seeds: &[(PathBuf, Vec<u8>)], random: &mut Random) -> Vec<u8> {
    const WORDS: [&[u8]; 12] =
        [b"", b"\0", b"\n", b"-1", b"18446744073709551616", b"4294967295", b":", b"\\", b"\"", b"{", b"\xff\xfe", b"\xf0\x9f\x92"];
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(32)).min(bytes.len());
        match random.below(6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => drop(bytes.splice(at..end, WORDS[random.below(WORDS.len())].iter().copied())),
            3 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            4 => {
                let part = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, part));
            }
            _ => {
                let other = &seeds[random.below(seeds.len())].1;
                drop(bytes.splice(at..end, other.iter().copied().take(512)));
            }
        }
    }
    bytes
}
