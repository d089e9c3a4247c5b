//! `/var/lib/dpkg/status`.

use memchr::memmem;
use rollcall_shared::wire::v1::Package;

use super::text::{clean, lines, number};

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
            b'S' => read(line, b"Status:", |value| installed = value.trim_ascii().ends_with(b" installed")),
            b'I' => read(line, b"Installed-Size:", |value| {
                package.size_bytes = number::<u64>(value).and_then(|kibibytes| kibibytes.checked_mul(1_024));
            }),
            _ => {}
        }
    }
    (installed && !package.name.is_empty() && !package.version.is_empty()).then_some(package)
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

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            status(&bytes);
        }
    }
}
