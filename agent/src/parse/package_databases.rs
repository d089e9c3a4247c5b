//! The text databases of apk, pacman, snap and flatpak, and what tells an AppImage.

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

/// The package of each of these files, by the same database: `F:` begins a directory, `R:` is a file in it.
pub fn apk_owners(bytes: &[u8], mut is_wanted: impl FnMut(&str) -> bool) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let (mut package, mut directory) = (None, String::new());
    for line in lines(bytes) {
        match line {
            [] => (package, directory) = (None, String::new()),
            [b'P', b':', value @ ..] if directory.is_empty() => package = clean(value),
            [b'F', b':', value @ ..] => directory = format!("/{}", String::from_utf8_lossy(value)),
            [b'R', b':', value @ ..] => {
                let path = format!("{directory}/{}", String::from_utf8_lossy(value));
                if let Some(package) = package.as_ref().filter(|_| is_wanted(&path)) {
                    found.push((path, package.clone()));
                }
            }
            _ => {}
        }
    }
    found
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

/// An AppImage by its file name, which by custom is `NAME-VERSION-ARCHITECTURE.AppImage`; the parts after the name may be missing.
/// The version is empty where the name does not tell it.
pub fn app_image(file_name: &str) -> Option<Package> {
    const ARCHITECTURES: &[&str] = &["x86_64", "x86-64", "x64", "amd64", "aarch64", "arm64", "armhf", "i386", "i686"];
    const EXTENSION: usize = ".AppImage".len();
    let stem = file_name.get(..file_name.len().checked_sub(EXTENSION)?)?;
    let lower = stem.to_ascii_lowercase();
    let architecture =
        ARCHITECTURES.iter().copied().find(|known| lower.strip_suffix(known).is_some_and(|rest| rest.ends_with(['-', '_', '.', ' '])));
    let rest = stem[..stem.len() - architecture.map_or(0, |known| known.len() + 1)].trim_end_matches(['-', '_', '.']);
    let is_version = |text: &str| {
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        text.starts_with(|c: char| c.is_ascii_digit()) && text.contains('.')
    };
    let split = rest.match_indices(['-', '_', ' ']).find(|(at, _)| is_version(&rest[at + 1..]));
    let (name, version) = split.map_or((rest, ""), |(at, _)| (&rest[..at], &rest[at + 1..]));
    let version = version.strip_prefix(['v', 'V']).unwrap_or(version);
    Some(Package {
        kind: "appimage".to_owned(),
        name: clean(name.as_bytes())?,
        version: clean(version.as_bytes()).unwrap_or_default(),
        architecture: architecture.map(str::to_owned),
        ..Package::default()
    })
}

/// What a desktop entry says of the AppImage that it starts.
#[derive(Debug, PartialEq)]
pub struct DesktopEntry {
    /// The absolute path of what it starts.
    pub executable: String,
    /// The application's name.
    pub name: Option<String>,
    /// The application's version.
    pub version: Option<String>,
}

/// A desktop entry; `None` if it starts nothing with an absolute path.
pub fn desktop_entry(bytes: &[u8]) -> Option<DesktopEntry> {
    let entry = lines(bytes).skip_while(|line| line.trim_ascii() != b"[Desktop Entry]").skip(1).take_while(|line| !line.starts_with(b"["));
    let (mut executable, mut names, mut version) = (None, [None, None], None);
    for line in entry {
        let Some(at) = memchr::memchr(b'=', line) else { continue };
        let value = clean(&line[at + 1..]);
        match line[..at].trim_ascii() {
            b"Exec" => executable = value,
            b"X-AppImage-Name" => names[0] = value,
            b"Name" => names[1] = value,
            b"X-AppImage-Version" => version = value,
            _ => {}
        }
    }
    let executable = executable?;
    // Arguments follow; a path with blanks is in quotes. Some are started by way of env.
    let path = match executable.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => executable.split_whitespace().find(|word| word.starts_with('/') && !word.ends_with("/env"))?,
    };
    // The name that integration adds the version to is the second choice.
    let [first, second] = names;
    path.starts_with('/').then(|| DesktopEntry { executable: path.to_owned(), name: first.or(second), version })
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
    fn apk_tells_whose_a_file_is() {
        let database = b"P:openssh-server\nV:9.7-r1\nF:usr\nF:usr/sbin\nR:sshd\na:0:0:755\n\nP:musl\nV:1\nF:lib\nR:sshd\nP:x\nR:ld\n";
        let owner = |path: &str| apk_owners(database, |found| found == path).into_iter().map(|(_, package)| package).collect::<Vec<_>>();
        assert_eq!(owner("/usr/sbin/sshd"), ["openssh-server"]);
        assert_eq!(owner("/lib/ld"), ["musl"]);
        assert_eq!(owner("/sshd"), [""; 0]);
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

    #[test]
    fn app_images_are_told_by_their_file_names() {
        let cases = [
            ("Nextcloud-3.11.0-x86_64.AppImage", ("Nextcloud", "3.11.0", Some("x86_64"))),
            ("Joplin-2.13.15.AppImage", ("Joplin", "2.13.15", None)),
            ("nvim.appimage", ("nvim", "", None)),
            ("My_App_v1.2-beta_arm64.AppImage", ("My_App", "1.2-beta", Some("arm64"))),
            ("KeePassXC-2.7.6-2-x86_64.AppImage", ("KeePassXC", "2.7.6-2", Some("x86_64"))),
            ("x86_64.AppImage", ("x86_64", "", None)),
            ("tool-7.AppImage", ("tool-7", "", None)),
        ];
        for (file, expected) in cases {
            let found = app_image(file).unwrap();
            assert_eq!((found.name.as_str(), found.version.as_str(), found.architecture.as_deref()), expected, "{file}");
        }
        assert_eq!(app_image(".AppImage"), None);
    }

    #[test]
    fn desktop_entries_name_what_they_start() {
        let entry =
            b"[Desktop Entry]\nName=Editor (1.2)\nX-AppImage-Name=Editor\nX-AppImage-Version=1.2\nExec=\"/opt/My Editor.AppImage\" %U\n\
            [Desktop Action x]\nExec=/bin/sh\n";
        let expected =
            DesktopEntry { executable: "/opt/My Editor.AppImage".into(), name: Some("Editor".into()), version: Some("1.2".into()) };
        assert_eq!(desktop_entry(entry), Some(expected));
        let found = desktop_entry(b"[Desktop Entry]\nExec=env A=1 /opt/x.AppImage %U\n").unwrap();
        assert_eq!((found.executable.as_str(), found.name), ("/opt/x.AppImage", None));
        assert_eq!(desktop_entry(b"Exec=/opt/x\n[Desktop Entry]\nExec=x\n"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>, text in "[<>a-z=\"' \n%:]{0,64}") {
            for bytes in [&bytes[..], text.as_bytes()] {
                apk(bytes);
                apk_owners(bytes, |_| true);
                pacman(bytes);
                snap_version(bytes);
                appstream_version(bytes);
                desktop_entry(bytes);
                app_image(&String::from_utf8_lossy(bytes));
            }
            app_image(&format!("{text}.AppImage"));
            desktop_entry(&[b"[Desktop Entry]\nExec=", text.as_bytes()].concat());
            appstream_version(&[b"<release ", text.as_bytes()].concat());
        }
    }
}
