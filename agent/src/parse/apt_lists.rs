//! What apt's repositories offer: the lists below `/var/lib/apt/lists`, and how Debian compares versions.

use std::cmp::Ordering;

use memchr::memmem;

use super::text::{clean, fields, lines};

/// What the signed file of a repository says of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Release {
    /// Who makes it: `Debian`.
    pub origin: Option<String>,
    /// Its name for people: `Debian-Security`.
    pub label: Option<String>,
    /// Where it stands in a cycle: `stable-security`.
    pub suite: Option<String>,
    /// The name that stays: `bookworm-security`.
    pub codename: Option<String>,
    /// Its versions are not candidates for upgrades unless asked for, as those of backports and experimental.
    pub not_automatic: bool,
    /// What was once taken from it all the same is upgraded from it.
    pub but_automatic_upgrades: bool,
}

impl Release {
    /// Whether it is there to close security holes.
    pub fn is_security(&self) -> bool {
        let names = [&self.label, &self.suite, &self.codename];
        names.into_iter().flatten().any(|name| name.to_ascii_lowercase().ends_with("-security"))
    }

    /// The repository in words, with one of its components.
    pub fn words(&self, component: &str) -> Option<String> {
        let origin = self.origin.as_ref().or(self.label.as_ref())?;
        let name = self.codename.as_ref().or(self.suite.as_ref());
        let words = [Some(origin.as_str()), name.map(String::as_str), (!component.is_empty()).then_some(component)];
        Some(words.into_iter().flatten().collect::<Vec<_>>().join(" "))
    }
}

/// The beginning of an `InRelease` or `Release` file, up to the list of files.
pub fn release(bytes: &[u8]) -> Release {
    let mut found = Release::default();
    for line in lines(bytes) {
        let Some(at) = memchr::memchr(b':', line) else { continue };
        let value = &line[at + 1..];
        match &line[..at] {
            b"Origin" => found.origin = clean(value),
            b"Label" => found.label = clean(value),
            b"Suite" => found.suite = clean(value),
            b"Codename" => found.codename = clean(value),
            b"NotAutomatic" => found.not_automatic = value.trim_ascii() == b"yes",
            b"ButAutomaticUpgrades" => found.but_automatic_upgrades = value.trim_ascii() == b"yes",
            b"MD5Sum" | b"SHA1" | b"SHA256" | b"SHA512" => break,
            _ => {}
        }
    }
    found
}

/// A package in a list, by what tells it from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer<'a> {
    /// Name.
    pub name: &'a [u8],
    /// The package that it is built from: itself, unless another is named.
    pub source: &'a [u8],
    /// Version.
    pub version: &'a [u8],
    /// Architecture.
    pub architecture: &'a [u8],
}

/// Where the first package in a part of a list begins, at its very beginning or after an empty line.
pub fn first(part: &[u8], at_start: bool) -> Option<usize> {
    match at_start && part.starts_with(b"Package:") {
        true => Some(0),
        false => memmem::find(part, b"\n\nPackage:").map(|at| at + 2),
    }
}

/// The package that begins at the beginning of `part`; `None` where the part ends before all of it is told.
pub fn offer(part: &[u8]) -> Option<Offer<'_>> {
    let part = &part[..memmem::find(part, b"\n\n")?];
    let (mut version, mut architecture) = (None, None);
    let Heading { name, source } = heading(part)?;
    for line in lines(part) {
        let value = |key: &[u8]| line.strip_prefix(key).map(<[u8]>::trim_ascii);
        version = version.or_else(|| value(b"Version:"));
        architecture = architecture.or_else(|| value(b"Architecture:"));
        if let (Some(version), Some(architecture)) = (version, architecture) {
            return Some(Offer { name, source, version, architecture });
        }
    }
    None
}

/// How a package in a list begins: by which of the two names lists are sorted differs from distribution to distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heading<'a> {
    /// Name.
    pub name: &'a [u8],
    /// The package that it is built from: itself, unless another is named before the version.
    pub source: &'a [u8],
}

/// The heading of the package that begins at the beginning of `part`; `None` where the part ends before its version.
pub fn heading(part: &[u8]) -> Option<Heading<'_>> {
    let name = part.strip_prefix(b"Package:")?;
    let name = name[..memchr::memchr(b'\n', name)?].trim_ascii();
    let end = memmem::find(part, b"\nVersion:")?;
    let source = lines(&part[..end]).take_while(|line| !line.is_empty()).find_map(|line| fields(line.strip_prefix(b"Source:")?).next());
    Some(Heading { name, source: source.unwrap_or(name) })
}

/// Which of two versions is newer, as Debian's policy has it.
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    let parts = |version: &str| {
        let (epoch, rest) = version.split_once(':').map_or((0, version), |(epoch, rest)| (epoch.parse::<u64>().unwrap_or(0), rest));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        (epoch, upstream.to_owned(), revision.to_owned())
    };
    let (a, b) = (parts(a), parts(b));
    a.0.cmp(&b.0).then_with(|| compare_parts(a.1.as_bytes(), b.1.as_bytes())).then_with(|| compare_parts(a.2.as_bytes(), b.2.as_bytes()))
}

/// Words and numbers in turn.
fn compare_parts(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (word_a, word_b);
        (word_a, a) = a.split_at(a.iter().position(u8::is_ascii_digit).unwrap_or(a.len()));
        (word_b, b) = b.split_at(b.iter().position(u8::is_ascii_digit).unwrap_or(b.len()));
        let (number_a, number_b);
        (number_a, a) = a.split_at(a.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(a.len()));
        (number_b, b) = b.split_at(b.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(b.len()));
        let order = compare_words(word_a, word_b).then_with(|| compare_numbers(number_a, number_b));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// A tilde comes before the end, which comes before letters, which come before everything else.
fn compare_words(a: &[u8], b: &[u8]) -> Ordering {
    let weight = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    };
    let longest = a.len().max(b.len());
    (0..longest).map(|at| weight(a.get(at)).cmp(&weight(b.get(at)))).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// Numbers of any length.
fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    let significant = |number: &[u8]| number[number.iter().position(|&byte| byte != b'0').unwrap_or(number.len())..].to_owned();
    let (a, b) = (significant(a), significant(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(&b))
}

/// How many updates and how many security updates `/var/lib/update-notifier/updates-available` speaks of; it is written in the
/// machine's language, and only English is understood.
pub fn updates_available(bytes: &[u8]) -> (Option<u32>, Option<u32>) {
    const ALL: &[&str] = &["can be applied immediately", "can be installed immediately", "can be updated"];
    let text = String::from_utf8_lossy(bytes);
    let count = |is_it: &dyn Fn(&str) -> bool| {
        let line = text.lines().find(|line| is_it(line) && line.starts_with(|c: char| c.is_ascii_digit()))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let all = count(&|line| ALL.iter().any(|words| line.contains(words)));
    let security = count(&|line| line.contains("security update") && !line.contains("ESM") && !line.contains("can be applied with"));
    // Where there are none of them, the line is left out.
    (all, all.map(|all| security.unwrap_or(0).min(all)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_told_by_its_head() {
        let found = release(
            b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nOrigin: Debian\nLabel: Debian-Security\nSuite: oldstable-security\n\
              Codename: bookworm-security\nDate: Sat, 22 Nov 2025 10:00:00 UTC\nMD5Sum:\n x 1 Origin: no\nOrigin: no\n",
        );
        assert_eq!(found.words("main").as_deref(), Some("Debian bookworm-security main"));
        assert!(found.is_security() && !found.not_automatic);
        assert!(release(b"Origin: a\nNotAutomatic: yes\nButAutomaticUpgrades: yes\n").not_automatic);
        assert_eq!(release(b"Suite: stable\n").words(""), None);
    }

    #[test]
    fn packages_are_found_from_the_middle_of_a_list() {
        let list = b"Package: a\nVersion: 1\nArchitecture: all\nDescription: x\n\nPackage: b\nSource: bb (2)\nArchitecture: amd64\nVersion: 2:1-1\n\nPackage: c\nVersion: 1\n";
        assert_eq!((first(list, true), first(list, false), first(&list[8..], true)), (Some(0), Some(56), Some(48)));
        let found = offer(&list[56..]).unwrap();
        assert_eq!((found.name, found.version, found.architecture), (&b"b"[..], &b"2:1-1"[..], &b"amd64"[..]));
        assert_eq!(found.source, b"bb");
        let last = &list[list.len() - 22..];
        assert_eq!((heading(last).unwrap(), offer(last)), (Heading { name: b"c", source: b"c" }, None));
        assert_eq!(heading(b"Package: d\nSource: x\n"), None);
    }

    #[test]
    fn versions_are_compared_as_dpkg_does() {
        // Each is older than the next; checked with `dpkg --compare-versions`.
        let ascending = [
            "0~~",
            "0~",
            "0",
            "1.0~rc1-1",
            "1.0-1~bpo12+1",
            "1.0-1",
            "1.0-1+b1",
            "1.0-1.1",
            "1.0a",
            "1.0+b",
            "1.0.1",
            "1.9",
            "1.10",
            "1:0.1",
        ];
        for (at, a) in ascending.iter().enumerate() {
            for (other, b) in ascending.iter().enumerate() {
                assert_eq!(compare_versions(a, b), at.cmp(&other), "{a} {b}");
            }
        }
        assert_eq!(compare_versions("1.01-0", "1.1"), Ordering::Equal);
        assert_eq!(compare_versions("99999999999999999999999", "100000000000000000000000"), Ordering::Less);
    }

    #[test]
    fn the_notifiers_sentences_are_counted() {
        type Counts = (Option<u32>, Option<u32>);
        let cases: &[(&str, Counts)] = &[
            ("\n12 updates can be applied immediately.\n5 of these updates are standard security updates.\n", (Some(12), Some(5))),
            ("0 updates can be applied immediately.\n\n3 additional security updates can be applied with ESM Apps.\n", (Some(0), Some(0))),
            ("1 update can be applied immediately.\n", (Some(1), Some(0))),
            ("3 packages can be updated.\n1 update is a security update.\n", (Some(3), Some(1))),
            ("12 Aktualisierungen können sofort angewendet werden.\n", (None, None)),
        ];
        for (text, expected) in cases {
            assert_eq!(updates_available(text.as_bytes()), *expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>, a in "[0-9a-z:~+.-]{0,16}", b in "[0-9a-z:~+.-]{0,16}") {
            release(&bytes);
            first(&bytes, true);
            offer(&bytes);
            heading(&bytes);
            heading(&[b"Package: a\n", &bytes[..]].concat());
            updates_available(&bytes);
            proptest::prop_assert_eq!(compare_versions(&a, &b), compare_versions(&b, &a).reverse());
        }
    }
}
