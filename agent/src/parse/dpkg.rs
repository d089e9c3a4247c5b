//! `/var/lib/dpkg/status`, and what apt remembers of the same packages.

use std::collections::BTreeSet;

use memchr::memmem;
use rollcall_shared::wire::v1::Package;

use super::text::{clean, fields, lines, number};

/// The installed packages, in the order of the file, without installation dates. Packages that are removed but left
/// their configuration, or are half installed, are not installed.
pub fn status(bytes: &[u8]) -> Vec<Package> {
    let mut packages = Vec::new();
    let mut rest = bytes;
    let end_of_paragraph = memmem::Finder::new(b"\n\n");
    while !rest.is_empty() {
        let end = end_of_paragraph.find(rest).unwrap_or(rest.len());
        packages.extend(paragraph(&rest[..end]));
        rest = rest.get(end + 2..).unwrap_or_default();
    }
    packages
}

fn paragraph(bytes: &[u8]) -> Option<Package> {
    let mut package = Package { kind: "deb".to_owned(), ..Package::default() };
    let mut installed = false;
    for line in lines(bytes) {
        // Continuation lines begin with a blank; most of the file is those and is skipped at its first byte.
        let Some(first) = line.first().filter(|byte| byte.is_ascii_uppercase()) else { continue };
        match first {
            b'P' => read(line, b"Package:", |value| package.name = clean(value).unwrap_or_default()),
            b'V' => read(line, b"Version:", |value| package.version = clean(value).unwrap_or_default()),
            b'A' => read(line, b"Architecture:", |value| package.architecture = clean(value)),
            b'M' => read(line, b"Maintainer:", |value| package.publisher = clean(value)),
            b'S' => {
                read(line, b"Status:", |value| {
                    installed = value.trim_ascii().ends_with(b" installed");
                    package.held = value.trim_ascii().starts_with(b"hold ");
                });
                // Its version follows in brackets, where that differs too.
                read(line, b"Source:", |value| package.source = fields(value).next().and_then(clean));
            }
            b'I' => read(line, b"Installed-Size:", |value| {
                package.size_bytes = number::<u64>(value).and_then(|kibibytes| kibibytes.checked_mul(1_024));
            }),
            _ => {}
        }
    }
    (installed && !package.name.is_empty() && !package.version.is_empty()).then_some(package)
}

/// Packages that apt installed only because others need them, by name and architecture. Those for all architectures stand there
/// under the machine's own.
#[derive(Debug, Default, PartialEq)]
pub struct Automatic(BTreeSet<(String, String)>);

impl Automatic {
    /// Whether this package was installed only because others need it.
    pub fn contains(&self, package: &Package) -> bool {
        let architecture = package.architecture.as_deref().unwrap_or_default();
        let mut named = self.0.range((package.name.clone(), String::new())..).take_while(|(name, _)| *name == package.name);
        named.any(|(_, known)| known == architecture || architecture == "all")
    }
}

/// `/var/lib/apt/extended_states`.
pub fn automatic(bytes: &[u8]) -> Automatic {
    let mut found = BTreeSet::new();
    let (mut name, mut architecture) = (None, String::new());
    for line in lines(bytes) {
        if line.is_empty() {
            (name, architecture) = (None, String::new());
        }
        read(line, b"Package:", |value| name = clean(value));
        read(line, b"Architecture:", |value| architecture = clean(value).unwrap_or_default());
        // The last line of its paragraph.
        if line.strip_prefix(b"Auto-Installed:").is_some_and(|value| value.trim_ascii() == b"1")
            && let Some(name) = name.take()
        {
            found.insert((name, std::mem::take(&mut architecture)));
        }
    }
    Automatic(found)
}

fn read(line: &[u8], key: &[u8], mut then: impl FnMut(&[u8])) {
    if let Some(value) = line.strip_prefix(key) {
        then(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &[u8] = include_bytes!("../../tests/fixtures/real/debian12-vm/var/lib/dpkg/status");

    #[test]
    fn installed_packages_are_found_and_others_are_not() {
        let packages = status(STATUS);
        let names: Vec<_> = packages.iter().map(|package| format!("{} {}", package.name, package.version)).collect();
        assert_eq!(names, ["adduser 3.134", "libc6 2.36-9+deb12u10", "openssh-server 1:9.2p1-2+deb12u6"]);
        assert_eq!(packages[1].architecture.as_deref(), Some("amd64"));
        assert_eq!(packages[1].size_bytes, Some(12_989 * 1_024));
        assert_eq!(packages[1].publisher.as_deref(), Some("GNU Libc Maintainers <debian-glibc@lists.debian.org>"));
    }

    #[test]
    fn a_truncated_file_loses_at_most_its_last_package() {
        let whole = status(STATUS);
        for cut in 0..STATUS.len() {
            let part = status(&STATUS[..cut]);
            let certain = part.len().saturating_sub(1);
            assert_eq!(part[..certain], whole[..certain], "cut at {cut}");
        }
    }

    #[test]
    fn held_and_automatic_packages_are_told() {
        let held = status(b"Package: a\nSource: aa (1.0)\nStatus: hold ok installed\nVersion: 1\n\nPackage: b\nStatus: install ok installed\nVersion: 1\n");
        let held: Vec<_> = held.iter().map(|package| (package.held, package.source.as_deref())).collect();
        assert_eq!(held, [(true, Some("aa")), (false, None)]);
        let found = automatic(
            b"Package: libc6\nArchitecture: amd64\nAuto-Installed: 1\n\nPackage: curl\nArchitecture: amd64\nAuto-Installed: 0\n\n\
              Package: tzdata\nArchitecture: amd64\nAuto-Installed: 1\n\nAuto-Installed: 1\n",
        );
        let package =
            |name: &str, architecture: &str| Package { name: name.into(), architecture: Some(architecture.into()), ..Package::default() };
        let cases =
            [("libc6", "amd64", true), ("libc6", "i386", false), ("curl", "amd64", false), ("tzdata", "all", true), ("tz", "all", false)];
        for (name, architecture, expected) in cases {
            assert_eq!(found.contains(&package(name, architecture)), expected, "{name}:{architecture}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            status(&bytes);
            automatic(&bytes);
        }
    }
}
