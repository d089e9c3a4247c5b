//! Packages of programming languages, by the files that their installers leave.

use rollcall_shared::wire::v1::Package;
use serde::Deserialize;

use super::text::{clean, lines};

/// `METADATA` or `PKG-INFO` of a Python distribution: headers like those of a mail.
pub fn python(bytes: &[u8]) -> Option<Package> {
    let mut package = Package { kind: "pypi".to_owned(), ..Package::default() };
    // A description follows the first empty line.
    for line in lines(bytes).take_while(|line| !line.is_empty()) {
        let Some(at) = memchr::memchr(b':', line) else { continue };
        let value = || clean(&line[at + 1..]).filter(|value| value != "UNKNOWN");
        match &line[..at] {
            b"Name" => package.name = value()?,
            b"Version" => package.version = value()?,
            b"Author" | b"Author-email" if package.publisher.is_none() => package.publisher = value(),
            _ => {}
        }
    }
    is_whole(package)
}

/// `package.json` of an npm package.
pub fn npm(bytes: &[u8]) -> Option<Package> {
    #[derive(Deserialize)]
    struct Manifest {
        name: String,
        version: String,
        author: Option<serde_json::Value>,
    }
    let found: Manifest = serde_json::from_slice(bytes).ok()?;
    let author = found.author.and_then(|author| Some(author.as_str().or_else(|| author.get("name")?.as_str())?.to_owned()));
    is_whole(Package {
        kind: "npm".to_owned(),
        name: clean(found.name.as_bytes())?,
        version: clean(found.version.as_bytes())?,
        publisher: author.and_then(|author| clean(author.as_bytes())),
        ..Package::default()
    })
}

/// A gem by the name of its specification: `NAME-VERSION.gemspec`, or with a platform behind the version.
pub fn gem(file_name: &str) -> Option<Package> {
    let stem = file_name.strip_suffix(".gemspec")?;
    let (at, _) = stem.match_indices('-').find(|(at, _)| stem[at + 1..].starts_with(|c: char| c.is_ascii_digit()))?;
    let (version, platform) =
        stem[at + 1..].split_once('-').map_or((&stem[at + 1..], None), |(version, platform)| (version, Some(platform)));
    is_whole(Package {
        kind: "gem".to_owned(),
        name: clean(&stem.as_bytes()[..at])?,
        version: clean(version.as_bytes())?,
        architecture: platform.and_then(|platform| clean(platform.as_bytes())),
        ..Package::default()
    })
}

fn is_whole(package: Package) -> Option<Package> {
    (!package.name.is_empty() && !package.version.is_empty()).then_some(package)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_languages() {
        let found =
            python(b"Metadata-Version: 2.1\nName: requests\nVersion: 2.31.0\nAuthor: UNKNOWN\nAuthor-email: me@example.org\n\nName: no\n")
                .unwrap();
        assert_eq!(
            (found.name.as_str(), found.version.as_str(), found.publisher.as_deref()),
            ("requests", "2.31.0", Some("me@example.org"))
        );
        assert_eq!(python(b"Name: x\n\nVersion: 1\n"), None);
        let found = npm(br#"{"name":"@angular/cli","version":"17.0.1","author":{"name":"Ada"},"scripts":{"x":"secret"}}"#).unwrap();
        assert_eq!((found.name.as_str(), found.version.as_str(), found.publisher.as_deref()), ("@angular/cli", "17.0.1", Some("Ada")));
        assert_eq!(npm(br#"{"name":"x"}"#), None);
        let cases = [
            ("rails-7.1.2.gemspec", Some(("rails", "7.1.2", None))),
            ("net-http-persistent-4.0.2.gemspec", Some(("net-http-persistent", "4.0.2", None))),
            ("nokogiri-1.16.0-x86_64-linux.gemspec", Some(("nokogiri", "1.16.0", Some("x86_64-linux")))),
            ("rails.gemspec", None),
            ("rails-7.1.2.rb", None),
        ];
        for (file, expected) in cases {
            let found = gem(file);
            let found = found.as_ref().map(|gem| (gem.name.as_str(), gem.version.as_str(), gem.architecture.as_deref()));
            assert_eq!(found, expected, "{file}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>, name in "[a-z0-9.-]{0,24}") {
            python(&bytes);
            npm(&bytes);
            gem(&format!("{name}.gemspec"));
        }
    }
}
