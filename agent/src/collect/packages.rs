//! Installed software packages.

use std::{collections::BTreeMap, io};

use memchr::memmem;
use rollcall_shared::wire::v1::Packages;

use super::{Machine, Outcome};
use crate::{files::Root, parse::dpkg};

const STATUS: &str = "/var/lib/dpkg/status";
const INFO: &str = "/var/lib/dpkg/info";
/// Several times what a machine with everything installed has.
const MOST_STATUS: u64 = 64 << 20;
const MOST_LIST: u64 = 32 << 20;

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Packages> {
    if !machine.root.exists(STATUS) {
        return Outcome::NotPresent("no package manager that this agent knows (looked for dpkg)".to_owned());
    }
    match machine.packages() {
        Ok(packages) => Outcome::Data(packages.clone()),
        Err(reason) => Outcome::Failed(reason.clone()),
    }
}

/// The installed packages, sorted.
pub(super) fn read(root: &Root) -> Result<Packages, String> {
    let bytes = root.read_up_to(STATUS, MOST_STATUS).map_err(|error| format!("{STATUS}: {error}"))?;
    let mut packages = dpkg::status(&bytes);
    for package in &mut packages {
        let architecture = package.architecture.as_deref().unwrap_or_default();
        // dpkg writes the list of a package's files when it installs or upgrades it, and never touches it again.
        let lists = [format!("{INFO}/{}.list", package.name), format!("{INFO}/{}:{architecture}.list", package.name)];
        package.installed_at = lists.iter().find_map(|list| root.modified(list));
    }
    packages.sort_by(|a, b| (&a.name, &a.version, &a.architecture).cmp(&(&b.name, &b.version, &b.architecture)));
    Ok(Packages { packages })
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

    const FIXTURE: &str = include_str!("../../tests/fixtures/real/debian12-vm/var/lib/dpkg/status");

    #[test]
    fn packages_have_the_date_of_their_file_list() {
        let files = [(STATUS, FIXTURE), ("/var/lib/dpkg/info/adduser.list", "/.\n"), ("/var/lib/dpkg/info/libc6:amd64.list", "/.\n")];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        let dated: Vec<_> = found.packages.iter().map(|package| (package.name.as_str(), package.installed_at.is_some())).collect();
        assert_eq!(dated, [("adduser", true), ("libc6", true), ("openssh-server", false)]);
    }

    #[test]
    fn a_machine_without_dpkg_has_none_of_it() {
        assert!(matches!(collect_one(&[], collect), Outcome::NotPresent(_)));
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
