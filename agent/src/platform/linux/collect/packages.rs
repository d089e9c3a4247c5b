//! Installed software packages.

use std::{collections::BTreeMap, io};

use memchr::memmem;
use rollcall_shared::wire::v1::{Package, Packages};

use super::{Machine, Outcome, apt, bundles, languages, rpm};
use crate::{
    files::Root,
    parse::{dpkg, package_databases},
};

const STATUS: &str = "/var/lib/dpkg/status";
const INFO: &str = "/var/lib/dpkg/info";
const AUTOMATIC: &str = "/var/lib/apt/extended_states";
const APK: &[&str] = &["/lib/apk/db/installed", "/usr/lib/apk/db/installed"];
const PACMAN: &str = "/var/lib/pacman/local";
/// Several times what a machine with everything installed has.
const MOST_STATUS: u64 = 64 << 20;
const MOST_LIST: u64 = 32 << 20;
/// What a document may hold in one list, less some room.
const MOST_PACKAGES: usize = 40_000;

/// What is installed, and what is known to be missing in the list.
pub(super) struct Found {
    pub(super) packages: Vec<Package>,
    /// What apt's repositories offer, where the machine has apt.
    pub(super) offered: apt::Offered,
    missing: Vec<String>,
    has_manager: bool,
}

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Packages> {
    match machine.packages() {
        Ok(found) if found.missing.is_empty() && !found.has_manager => Outcome::NotPresent(
            "no package manager that this agent knows (looked for dpkg, apk, pacman, snap, flatpak, rpm, AppImage)".to_owned(),
        ),
        // A list of nothing that is not the whole list says nothing.
        Ok(found) if !found.has_manager => Outcome::Failed(found.missing.join("; ")),
        Ok(found) if found.missing.is_empty() => Outcome::Data(Packages { packages: found.packages.clone() }),
        Ok(found) => Outcome::Partial(Packages { packages: found.packages.clone() }, found.missing.join("; ")),
        Err(reason) => Outcome::Failed(reason.clone()),
    }
}

/// The installed packages of every manager, sorted; those of programming languages where they are asked for.
pub(super) fn read(root: &Root, with_languages: bool) -> Result<Found, String> {
    let mut found = Found { packages: Vec::new(), offered: apt::Offered::default(), missing: Vec::new(), has_manager: false };
    let read = |path: &str| root.read_up_to(path, MOST_STATUS).map_err(|error| format!("{path}: {error}"));
    if root.exists(STATUS) {
        found.has_manager = true;
        found.packages = dpkg::status(&read(STATUS)?);
        let automatic = root.read_up_to(AUTOMATIC, MOST_STATUS).ok().map(|bytes| dpkg::automatic(&bytes));
        for package in &mut found.packages {
            package.automatic = automatic.as_ref().map(|automatic| automatic.contains(package));
            let architecture = package.architecture.as_deref().unwrap_or_default();
            // dpkg writes the list of a package's files when it installs or upgrades it, and never touches it again. Its log
            // says the same of the last months only, and is gone from machines that were copied or cleaned.
            let mut lists = [format!("{INFO}/{}.list", package.name), format!("{INFO}/{}:{architecture}.list", package.name)];
            // Libraries are those that may be there for several architectures: asked for the likelier name first.
            if package.name.starts_with("lib") && architecture != "all" {
                lists.reverse();
            }
            package.installed_at = lists.iter().find_map(|list| root.modified(list));
        }
        found.offered = apt::search(root, &mut found.packages);
    }
    if let Some(database) = APK.iter().find(|database| root.exists(database)) {
        found.has_manager = true;
        found.packages.extend(package_databases::apk(&read(database)?));
    }
    if let Ok(names) = root.names(PACMAN) {
        found.has_manager = true;
        let package = |name: &String| package_databases::pacman(&root.read(&format!("{PACMAN}/{name}/desc")).ok()?);
        found.packages.extend(names.iter().filter_map(package));
    }
    let bundled = bundles::snaps(root).into_iter().chain(bundles::flatpaks(root)).chain(bundles::app_images(root));
    let before = found.packages.len();
    found.packages.extend(bundled);
    found.has_manager |= found.packages.len() > before;
    if with_languages {
        let (packages, missing) = languages::packages(root);
        found.has_manager |= !packages.is_empty();
        found.packages.extend(packages);
        found.missing.extend(missing);
    }
    match rpm::packages(root, !root.exists(STATUS)) {
        Some(Ok(packages)) => {
            found.has_manager = true;
            found.packages.extend(packages);
        }
        Some(Err(reason)) => found.missing.push(reason),
        None => {}
    }
    found.packages.sort_by(|a, b| (&a.name, &a.version, &a.architecture, &a.kind).cmp(&(&b.name, &b.version, &b.architecture, &b.kind)));
    if found.packages.len() > MOST_PACKAGES {
        found.packages.truncate(MOST_PACKAGES);
        found.missing.push(format!("only the first {MOST_PACKAGES} packages are listed"));
    }
    Ok(found)
}

/// The package that each of these files belongs to.
pub(super) fn owners(root: &Root, files: &[&str]) -> BTreeMap<String, String> {
    let mut searches: Vec<(&str, Vec<memmem::Finder<'static>>)> = files
        .iter()
        .filter(|file| ["/usr/", "/bin/", "/sbin/", "/lib", "/opt/"].iter().any(|prefix| file.starts_with(prefix)))
        .map(|file| (*file, spellings(file).iter().map(|name| memmem::Finder::new(&format!("\n{name}\n")).into_owned()).collect()))
        .collect();
    let mut owners = BTreeMap::new();
    for name in root.names(INFO).unwrap_or_default() {
        if searches.is_empty() {
            break;
        }
        let Some(package) = name.strip_suffix(".list") else { continue };
        let Ok(list) = read_list(root, &name) else { continue };
        searches.retain(|(file, finders)| {
            let found = finders.iter().any(|finder| finder.find(&list).is_some());
            if found {
                owners.insert((*file).to_owned(), package.split(':').next().unwrap_or(package).to_owned());
            }
            !found
        });
    }
    let left: Vec<(String, String)> =
        searches.iter().flat_map(|(file, _)| spellings(file).into_iter().map(|spelling| (spelling, (*file).to_owned()))).collect();
    owners.extend(other_owners(root, &left.into_iter().collect()));
    owners
}

/// The same where the manager is not dpkg, of files by each of their spellings.
fn other_owners(root: &Root, files: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut owners = BTreeMap::new();
    if files.is_empty() {
        return owners;
    }
    let apk = APK.iter().find_map(|database| root.read_up_to(database, MOST_STATUS).ok()).unwrap_or_default();
    let found = package_databases::apk_owners(&apk, |path| files.contains_key(path));
    let found = found.into_iter().chain(rpm::owners(root, &files.keys().cloned().collect()));
    owners.extend(found.filter_map(|(path, package)| Some((files.get(&path)?.clone(), package))));
    owners
}

fn read_list(root: &Root, name: &str) -> io::Result<Vec<u8>> {
    root.read_up_to(&format!("{INFO}/{name}"), MOST_LIST)
}

/// Where `/bin` became a link to `/usr/bin`, packages still list their files under either name.
fn spellings(file: &str) -> Vec<String> {
    let mut names = vec![file.to_owned()];
    names.extend(
        file.strip_prefix("/usr")
            .filter(|rest| rest.starts_with("/bin/") || rest.starts_with("/sbin/") || rest.starts_with("/lib"))
            .map(str::to_owned),
    );
    names
}

#[cfg(test)]
mod tests {
    use super::{super::tests::collect_one, *};

    const FIXTURE: &str = include_str!("../../../../tests/fixtures/real/debian12-vm/var/lib/dpkg/status");

    #[test]
    fn packages_have_the_date_of_their_file_list() {
        let files = [
            (STATUS, FIXTURE),
            ("/var/lib/dpkg/info/adduser.list", "/.\n"),
            ("/var/lib/dpkg/info/libc6:amd64.list", "/.\n"),
            (AUTOMATIC, "Package: libc6\nArchitecture: amd64\nAuto-Installed: 1\n"),
        ];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        let dated: Vec<_> = found.packages.iter().map(|package| (package.name.as_str(), package.installed_at.is_some())).collect();
        assert_eq!(dated, [("adduser", true), ("libc6", true), ("openssh-server", false)]);
        assert_eq!(found.packages.iter().map(|package| package.automatic).collect::<Vec<_>>(), [Some(false), Some(true), Some(false)]);
    }

    #[test]
    fn a_machine_without_a_manager_has_none_of_it_and_rpm_is_not_passed_over() {
        assert!(matches!(collect_one(&[], collect), Outcome::NotPresent(_)));
        let rpm = ("/var/lib/rpm/rpmdb.sqlite", "");
        assert!(matches!(collect_one(&[rpm], collect), Outcome::Failed(reason) if reason.contains("rpm")));
        let Outcome::Partial(found, reason) = collect_one(&[(STATUS, FIXTURE), rpm], collect) else { panic!("not partial") };
        assert_eq!((found.packages.len(), reason.contains("/var/lib/rpm")), (3, true));
    }

    #[test]
    fn other_managers_and_bundles_are_listed() {
        let flatpak = "/var/lib/flatpak/app/org.example.App/x86_64/stable";
        let (deploy, appstream) =
            (format!("{flatpak}/abc/deploy"), format!("{flatpak}/abc/export/share/metainfo/org.example.App.metainfo.xml"));
        let (active, runtime) = (format!("{flatpak}/active"), "/var/lib/flatpak/runtime/org.example.Platform/x86_64/23.08/active/deploy");
        let files = [
            ("/lib/apk/db/installed", "P:musl\nV:1.2.5-r0\n"),
            ("/var/lib/pacman/local/ALPM_DB_VERSION", "9\n"),
            ("/var/lib/pacman/local/bash-5.2-1/desc", "%NAME%\nbash\n\n%VERSION%\n5.2-1\n"),
            ("/snap/core22/1380/meta/snap.yaml", "version: '20240408'\n"),
            ("/snap/core22/current", "-> 1380"),
            ("/snap/bin/tool", ""),
            ("/opt/Editor-1.2.3-x86_64.AppImage", "12345"),
            ("/home/ada/Applications/viewer.AppImage", "1"),
            (
                "/home/ada/.local/share/applications/appimagekit_1-Viewer.desktop",
                "[Desktop Entry]\nName=Viewer\nX-AppImage-Version=7\nExec=/home/ada/Applications/viewer.AppImage %U\n",
            ),
            ("/home/ada/.local/share/applications/appimagekit_2-Gone.desktop", "[Desktop Entry]\nExec=/home/ada/gone.AppImage\n"),
            ("/var/lib/snapd/snaps/core22_1380.snap", "1234"),
            (deploy.as_str(), ""),
            (appstream.as_str(), "<release version=\"2.1\"/>"),
            (active.as_str(), "-> abc"),
            ("/var/lib/flatpak/app/org.example.App/current", "-> x86_64/stable"),
            (runtime, ""),
        ];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        let seen: Vec<_> = found.packages.iter().map(|p| (p.kind.as_str(), p.name.as_str(), p.version.as_str())).collect();
        let expected = [
            ("appimage", "Editor", "1.2.3"),
            ("appimage", "Viewer", "7"),
            ("pacman", "bash", "5.2-1"),
            ("snap", "core22", "20240408"),
            ("apk", "musl", "1.2.5-r0"),
            ("flatpak", "org.example.App", "2.1"),
            ("flatpak", "org.example.Platform", "23.08"),
        ];
        assert_eq!(seen, expected);
        assert_eq!((found.packages[3].size_bytes, found.packages[3].installed_at.is_some()), (Some(4), true));
        assert_eq!((found.packages[0].size_bytes, found.packages[0].architecture.as_deref()), (Some(5), Some("x86_64")));
    }

    #[test]
    fn packages_of_languages_are_listed_only_where_they_are_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let gems = directory.path().join("var/lib/gems/3.1.0/specifications");
        std::fs::create_dir_all(&gems).unwrap();
        std::fs::write(gems.join("rails-7.1.2.gemspec"), "").unwrap();
        let root = Root::new(directory.path());
        let kinds =
            |with_languages| read(&root, with_languages).unwrap().packages.into_iter().map(|package| package.kind).collect::<Vec<_>>();
        assert_eq!((kinds(false), kinds(true)), (vec![], vec!["gem".to_owned()]));
    }

    #[test]
    fn apk_knows_the_owners_of_files() {
        let files = [("/lib/apk/db/installed", "P:openssh-server\nV:9.7-r1\nF:sbin\nR:sshd\n\nP:busybox\nV:1\nF:bin\nR:sh\n")];
        let outcome = collect_one(&files, |machine| Outcome::Data(owners(machine.root, &["/usr/sbin/sshd", "/bin/sh", "/bin/x"])));
        let Outcome::Data(found) = outcome else { panic!("no data") };
        let found: Vec<_> = found.iter().map(|(file, package)| (file.as_str(), package.as_str())).collect();
        assert_eq!(found, [("/bin/sh", "busybox"), ("/usr/sbin/sshd", "openssh-server")]);
    }

    #[test]
    fn owners_are_found_under_either_spelling() {
        let files = [
            ("/var/lib/dpkg/info/openssh-server.list", "/.\n/usr/sbin/sshd\n"),
            ("/var/lib/dpkg/info/libx:amd64.list", "/.\n/bin/tool\n/usr/sbin/sshd-other\n"),
        ];
        let Outcome::Data(found) = collect_one(&files, |machine| {
            Outcome::Data(owners(machine.root, &["/usr/sbin/sshd", "/usr/bin/tool", "/usr/bin/unknown", "/home/a/x"]))
        }) else {
            panic!("no data")
        };
        assert_eq!(found, [("/usr/bin/tool".into(), "libx".into()), ("/usr/sbin/sshd".into(), "openssh-server".into())].into());
    }
}
