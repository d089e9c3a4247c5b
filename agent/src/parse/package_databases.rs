//! The text databases of apk, pacman, snap and flatpak.

use memchr::memmem;
use rollcall_shared::{Timestamp, wire::v1::Package};

use super::text::{clean, lines, number};

/// `/lib/apk/db/installed` of Alpine: paragraphs of `KEY:value`, one letter a key, in the order of the file. It has no dates.
pub fn apk(bytes: &[u8]) -> Vec<Package> {
    let mut packages = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = memmem::find(rest, b"\n\n").unwrap_or(rest.len());
        packages.extend(apk_paragraph(&rest[..end]));
        rest = rest.get(end + 2..).unwrap_or_default();
    }
    packages
}

fn apk_paragraph(bytes: &[u8]) -> Option<Package> {
    let mut package = Package { kind: "apk".to_owned(), ..Package::default() };
    for line in lines(bytes) {
        match line {
            [b'P', b':', value @ ..] => package.name = clean(value)?,
            [b'V', b':', value @ ..] => package.version = clean(value)?,
            [b'A', b':', value @ ..] => package.architecture = clean(value),
            [b'm', b':', value @ ..] => package.publisher = clean(value),
            [b'I', b':', value @ ..] => package.size_bytes = number(value),
            // The files follow.
            [b'F', b':', ..] => break,
            _ => {}
        }
    }
    (!package.name.is_empty() && !package.version.is_empty()).then_some(package)
}

/// A package's `desc` in `/var/lib/pacman/local`: a key between percent signs, its values on the lines below.
pub fn pacman(bytes: &[u8]) -> Option<Package> {
    let mut package = Package { kind: "pacman".to_owned(), ..Package::default() };
    let mut key: &[u8] = b"";
    for line in lines(bytes) {
        match (key, line) {
            (_, [b'%', key_of_line @ .., b'%']) => key = key_of_line,
            (_, b"") => key = b"",
            (b"NAME", value) => package.name = clean(value)?,
            (b"VERSION", value) => package.version = clean(value)?,
            (b"ARCH", value) => package.architecture = clean(value),
            (b"PACKAGER", value) => package.publisher = clean(value),
            (b"SIZE", value) => package.size_bytes = number(value),
            (b"INSTALLDATE", value) => {
                package.installed_at = number::<i64>(value).map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1_000)));
            }
            _ => {}
        }
    }
    (!package.name.is_empty() && !package.version.is_empty()).then_some(package)
}

/// The version in a snap's `meta/snap.yaml`, which is a plain value at the start of a line.
pub fn snap_version(bytes: &[u8]) -> Option<String> {
    let value = lines(bytes).find_map(|line| clean(line.strip_prefix(b"version:")?))?;
    let plain = value.trim_matches(['\'', '"']);
    (!plain.is_empty()).then(|| plain.to_owned())
}

/// The version of the newest release in an AppStream file, which lists the newest first.
pub fn appstream_version(bytes: &[u8]) -> Option<String> {
    const KEY: &[u8] = b"version=";
    // A release and not the list of them.
    let tag = memmem::find_iter(bytes, b"<release")
        .map(|at| &bytes[at + b"<release".len()..])
        .find(|tag| tag.first().is_some_and(u8::is_ascii_whitespace))?;
    let tag = &tag[..memchr::memchr(b'>', tag)?];
    let value = &tag[memmem::find(tag, KEY)? + KEY.len()..];
    let (&quote, value) = value.split_first().filter(|(quote, _)| matches!(quote, b'"' | b'\''))?;
    clean(&value[..memchr::memchr(quote, value)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apk_packages_end_where_their_files_begin() {
        let found = apk(b"C:Q1abc=\nP:musl\nV:1.2.5-r0\nA:x86_64\nS:1\nI:667648\nm:Timo <t@example.org>\nF:lib\nR:x\nP:not-a-package\n\nP:half\n\nP:zlib\nV:1.3.1-r1\n");
        let names: Vec<_> = found.iter().map(|package| (package.name.as_str(), package.version.as_str(), package.size_bytes)).collect();
        assert_eq!(names, [("musl", "1.2.5-r0", Some(667_648)), ("zlib", "1.3.1-r1", None)]);
        assert_eq!(found[0].publisher.as_deref(), Some("Timo <t@example.org>"));
    }

    #[test]
    fn pacman_tells_when_a_package_was_installed() {
        let desc = b"%NAME%\nbash\n\n%VERSION%\n5.2.037-1\n\n%DESC%\nThe shell\n\n%ARCH%\nx86_64\n\n%INSTALLDATE%\n1750000000\n\n%SIZE%\n9498210\n\n%DEPENDS%\nreadline\nglibc\n";
        let found = pacman(desc).unwrap();
        assert_eq!((found.name.as_str(), found.version.as_str(), found.size_bytes), ("bash", "5.2.037-1", Some(9_498_210)));
        assert_eq!(found.installed_at, Some(Timestamp::from_millis(1_750_000_000_000)));
        assert_eq!(pacman(b"%NAME%\nbash\n"), None);
    }

    #[test]
    fn versions_of_bundles() {
        assert_eq!(snap_version(b"name: core\nversion: '16-2.61'\n  version: no\n").as_deref(), Some("16-2.61"));
        assert_eq!(snap_version(b"name: core\n  version: no\n"), None);
        let cases: &[(&[u8], Option<&str>)] = &[
            (b"<releases>\n<release type=\"stable\" version=\"128.0\" date=\"2024\"/><release version='1'/>", Some("128.0")),
            (b"<release version='1.0'>", Some("1.0")),
            (b"<releases></releases>", None),
            (b"<release date=\"2024\"/>", None),
            (b"<release version=\"1.0", None),
        ];
        for (xml, expected) in cases {
            assert_eq!(appstream_version(xml).as_deref(), *expected, "{}", String::from_utf8_lossy(xml));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>, text in "[<>a-z=\"' \n%:]{0,64}") {
            for bytes in [&bytes[..], text.as_bytes()] {
                apk(bytes);
                pacman(bytes);
                snap_version(bytes);
                appstream_version(bytes);
            }
            appstream_version(&[b"<release ", text.as_bytes()].concat());
        }
    }
}
