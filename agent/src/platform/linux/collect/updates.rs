//! Whether the machine is up to date, as far as its own files tell.

use std::collections::BTreeSet;

use rollcall_shared::{Timestamp, wire::v1::Updates};

use super::{Machine, Outcome};
use crate::{
    files::Root,
    parse::{
        apt_lists, kernel,
        text::{clean, lines},
    },
};

const NOTIFIER: &str = "/var/lib/update-notifier/updates-available";
const MOST_PENDING: usize = 10_000;

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Updates> {
    let root = machine.root;
    let (reboot_required, reboot_required_by) = reboot(root);
    let mut found = Updates { checked_at: checked_at(root), reboot_required, reboot_required_by, ..Updates::default() };
    if let Some(running) = root.text("/proc/sys/kernel/osrelease") {
        found.newest_kernel = kernel::newest(&running, &kernels(root));
        found.newer_kernel_installed = found.newest_kernel.as_ref().map(|newest| *newest != running);
    }
    let mut missing = Vec::new();
    match machine.packages() {
        Ok(packages) => {
            // Those of the system: what people carry home is no update.
            let of_system = packages.packages.iter().filter(|package| ["deb", "rpm", "apk", "pacman"].contains(&package.kind.as_str()));
            found.installed_at = of_system.filter_map(|package| package.installed_at).max();
            let offered = &packages.offered;
            found.pending = offered.pending.clone();
            if offered.has_lists && offered.missing.is_none() {
                let count = |is_it: &dyn Fn(&&rollcall_shared::wire::v1::PendingUpdate) -> bool| {
                    u32::try_from(found.pending.iter().filter(|update| !update.held).filter(is_it).count()).ok()
                };
                (found.pending_count, found.pending_security_count) = (count(&|_| true), count(&|update| update.security));
                found.source = Some("apt lists".to_owned());
            } else if let Ok(bytes) = root.read(NOTIFIER) {
                (found.pending_count, found.pending_security_count) = apt_lists::updates_available(&bytes);
                found.source = found.pending_count.map(|_| "update-notifier".to_owned());
            }
            // Whoever has the numbers misses the list, but knows how much it is.
            missing.extend(offered.missing.clone().filter(|_| found.pending_count.is_none()));
        }
        Err(reason) => missing.push(format!("without the list of packages: {reason}")),
    }
    found.pending.sort_by(|a, b| (&a.name, &a.architecture).cmp(&(&b.name, &b.architecture)));
    if found.pending.len() > MOST_PENDING {
        found.pending.truncate(MOST_PENDING);
        missing.push(format!("only the first {MOST_PENDING} updates are listed"));
    }
    if missing.is_empty() { Outcome::Data(found) } else { Outcome::Partial(found, missing.join("; ")) }
}

/// When the machine last fetched what its repositories offer.
fn checked_at(root: &Root) -> Option<Timestamp> {
    /// Written for this very purpose, where apt is set up to do so.
    const STAMP: &str = "/var/lib/apt/periodic/update-success-stamp";
    /// What a successful fetch is moved into. Its time is when something new came, which is no later than the last look.
    const LISTS: &[&str] = &["/var/lib/apt/lists", "/var/lib/pacman/sync"];
    /// Directories of repositories, each with a directory that is replaced when it is fetched.
    const REPOSITORIES: &[&str] = &["/var/cache/dnf", "/var/cache/libdnf5", "/var/cache/zypp/raw"];
    let in_repositories = REPOSITORIES.iter().flat_map(|directory| {
        let repositories = root.names(directory).unwrap_or_default();
        repositories.into_iter().filter_map(move |name| root.modified(&format!("{directory}/{name}/repodata")))
    });
    let of_alpine = || {
        let indexes = root.names("/var/cache/apk").unwrap_or_default();
        let indexes = indexes.into_iter().filter(|name| name.starts_with("APKINDEX.") && name.ends_with(".tar.gz"));
        indexes.filter_map(|name| root.modified(&format!("/var/cache/apk/{name}"))).max()
    };
    let fetched = || LISTS.iter().filter_map(|path| root.modified(path)).chain(in_repositories).max();
    root.modified(STAMP).or_else(fetched).or_else(of_alpine)
}

/// Packages ask for a reboot through a helper; where it is missing, silence says nothing.
fn reboot(root: &Root) -> (Option<bool>, Vec<String>) {
    const FLAG: &str = "/run/reboot-required";
    if !root.exists(FLAG) {
        return (root.exists("/usr/share/update-notifier/notify-reboot-required").then_some(false), Vec::new());
    }
    let packages = root.read(&format!("{FLAG}.pkgs")).unwrap_or_default();
    let packages: BTreeSet<String> = lines(&packages).filter_map(clean).collect();
    (Some(true), packages.into_iter().collect())
}

/// The installed kernels, as `uname -r` would say. Directories of modules stay behind when something was built into them;
/// a kernel that can be started has its own list of them.
fn kernels(root: &Root) -> Vec<String> {
    const DIRECTORIES: &[&str] = &["/usr/lib/modules", "/lib/modules"];
    let Some(directory) = DIRECTORIES.iter().find(|directory| root.names(directory).is_ok_and(|names| !names.is_empty())) else {
        return Vec::new();
    };
    let names = root.names(directory).unwrap_or_default();
    names.into_iter().filter(|name| root.exists(&format!("{directory}/{name}/modules.builtin"))).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::tests::collect_one, *};

    const INRELEASE: &str = "Origin: Debian\nLabel: Debian\nCodename: bookworm\nMD5Sum:\n";
    const SECURITY: &str = "Origin: Debian\nLabel: Debian-Security\nCodename: bookworm-security\nMD5Sum:\n";
    const BACKPORTS: &str =
        "Origin: Debian Backports\nCodename: bookworm-backports\nNotAutomatic: yes\nButAutomaticUpgrades: yes\nMD5Sum:\n";

    fn stanza(name: &str, version: &str) -> String {
        format!("Package: {name}\nVersion: {version}\nArchitecture: amd64\nDescription: {}\n\n", "x".repeat(name.len() * 40))
    }

    fn status(packages: &[(&str, &str, &str)]) -> String {
        let paragraph = |(name, version, want): &(&str, &str, &str)| {
            format!("Package: {name}\nStatus: {want} ok installed\nVersion: {version}\nArchitecture: amd64\n\n")
        };
        packages.iter().map(paragraph).collect()
    }

    /// A list too large to be read whole, sorted as repositories sort.
    fn large(wanted: &[(&str, &str)]) -> String {
        let mut names: Vec<(String, String)> = (0..9_000).map(|number| (format!("filler{number:05}"), "1".to_owned())).collect();
        names.extend(wanted.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())));
        names.sort();
        names.iter().map(|(name, version)| stanza(name, version)).collect()
    }

    #[test]
    fn origins_and_updates_come_from_the_lists() {
        let main = large(&[("aaa", "1.0-1"), ("curl", "7.88.1-10"), ("held", "2"), ("newer", "1"), ("zsh", "5.9-4"), ("zsh", "5.8")]);
        let security = stanza("curl", "7.88.1-10+deb12u5");
        let backports = [stanza("ported", "3~bpo"), stanza("zsh", "6~bpo")].concat();
        let dpkg = status(&[
            ("aaa", "1.0-1", "install"),
            ("curl", "7.88.1-10", "install"),
            ("held", "1", "hold"),
            ("local", "1", "install"),
            ("newer", "2", "install"),
            ("ported", "2~bpo", "install"),
            ("zsh", "5.9-4", "install"),
        ]);
        let files = [
            ("/var/lib/dpkg/status", dpkg.as_str()),
            ("/var/lib/apt/lists/deb.example_debian_dists_bookworm_InRelease", INRELEASE),
            ("/var/lib/apt/lists/deb.example_debian_dists_bookworm_main_binary-amd64_Packages", &main),
            ("/var/lib/apt/lists/deb.example_debian_dists_bookworm-backports_InRelease", BACKPORTS),
            ("/var/lib/apt/lists/deb.example_debian_dists_bookworm-backports_main_binary-amd64_Packages", &backports),
            ("/var/lib/apt/lists/sec.example_dists_bookworm-security_InRelease", SECURITY),
            ("/var/lib/apt/lists/sec.example_dists_bookworm-security_main_binary-amd64_Packages", &security),
        ];
        assert!(main.len() > 1 << 20, "the list is searched and not read whole");
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        let pending: Vec<_> =
            found.pending.iter().map(|update| (update.name.as_str(), update.available.as_str(), update.security, update.held)).collect();
        let expected = [("curl", "7.88.1-10+deb12u5", true, false), ("held", "2", false, true), ("ported", "3~bpo", false, false)];
        assert_eq!(pending, expected);
        assert_eq!((found.pending_count, found.pending_security_count, found.source.as_deref()), (Some(2), Some(1), Some("apt lists")));
        let origins = |machine: &Machine<'_>| {
            let packages = machine.packages().as_ref().unwrap();
            Outcome::Data(packages.packages.iter().map(|package| (package.name.clone(), package.origin.clone())).collect::<Vec<_>>())
        };
        let Outcome::Data(origins) = collect_one(&files, origins) else { panic!("no data") };
        let from_main: Vec<_> =
            origins.iter().filter(|(_, origin)| origin.as_deref() == Some("Debian bookworm main")).map(|(name, _)| name.as_str()).collect();
        assert_eq!(from_main, ["aaa", "curl", "zsh"]);
        assert_eq!(origins.iter().filter(|(_, origin)| origin.is_none()).count(), 4);

        let pinned = [&files[..], &[("/etc/apt/preferences.d/keep", "Package: *\nPin: release a=x\nPin-Priority: 900\n")]].concat();
        assert!(
            matches!(collect_one(&pinned, collect), Outcome::Partial(found, _) if found.pending.is_empty() && found.pending_count.is_none())
        );
    }

    #[test]
    fn lists_sorted_by_source_are_searched_and_others_are_not() {
        let of_source = |name: &str, source: &str| {
            format!("Package: {name}\nSource: {source} (1)\nVersion: 2\nArchitecture: amd64\nX: {}\n\n", "x".repeat(300))
        };
        // As Debian does: libzsh would be far away from zsh.
        let mut by_source: Vec<(String, String)> =
            (0..9_000_u32).map(|number| (format!("lib{}", number.wrapping_mul(2_654_435_761)), format!("filler{number:05}"))).collect();
        by_source.extend([("libzsh".into(), "zsh".into()), ("aaa".into(), "gcc".into()), ("zzz".into(), "gcc".into())]);
        let write = |packages: &[(String, String)]| packages.iter().map(|(name, source)| of_source(name, source)).collect::<String>();
        let unsorted = write(&by_source.iter().rev().cloned().chain(by_source.iter().take(5).cloned()).collect::<Vec<_>>());
        by_source.sort_by(|a, b| a.1.cmp(&b.1));
        let by_source = write(&by_source);
        let dpkg = ["libzsh zsh", "zzz gcc"].map(|package| {
            let (name, source) = package.split_once(' ').unwrap();
            format!("Package: {name}\nSource: {source}\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n\n")
        });
        let dpkg = dpkg.concat();
        const LIST: &str = "/var/lib/apt/lists/x_dists_bookworm_main_binary-amd64_Packages";
        let files =
            [("/var/lib/dpkg/status", dpkg.as_str()), ("/var/lib/apt/lists/x_dists_bookworm_InRelease", INRELEASE), (LIST, &by_source)];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        assert_eq!(found.pending.iter().map(|update| update.name.as_str()).collect::<Vec<_>>(), ["libzsh", "zzz"]);
        let files = [files[0], files[1], (LIST, &unsorted)];
        assert!(
            matches!(collect_one(&files, collect), Outcome::Partial(found, reason) if found.pending_count.is_none() && reason.contains("sorted"))
        );
    }

    #[test]
    fn compressed_lists_are_no_answer_and_the_notifier_has_numbers() {
        let dpkg = status(&[("curl", "1", "install")]);
        let files = [("/var/lib/dpkg/status", dpkg.as_str()), ("/var/lib/apt/lists/x_dists_y_main_binary-amd64_Packages.lz4", "")];
        assert!(
            matches!(collect_one(&files, collect), Outcome::Partial(found, reason) if found.pending_count.is_none() && reason.contains("compressed"))
        );
        let told =
            [&files[..], &[(NOTIFIER, "12 updates can be applied immediately.\n5 of these updates are standard security updates.\n")]]
                .concat();
        let Outcome::Data(found) = collect_one(&told, collect) else { panic!("no data") };
        assert_eq!(
            (found.pending_count, found.pending_security_count, found.source.as_deref()),
            (Some(12), Some(5), Some("update-notifier"))
        );
        let Outcome::Data(found) = collect_one(&files[..1], collect) else { panic!("no data") };
        assert_eq!((found.pending_count, found.reboot_required, found.newest_kernel), (None, None, None));
    }

    #[test]
    fn a_restart_is_due_where_files_say_so() {
        let files = [
            ("/var/lib/dpkg/status", ""),
            ("/run/reboot-required", ""),
            ("/run/reboot-required.pkgs", "linux-image\nlibc6\nlinux-image\n"),
            ("/proc/sys/kernel/osrelease", "6.1.0-9-amd64\n"),
            ("/lib/modules/6.1.0-9-amd64/modules.builtin", ""),
            ("/lib/modules/6.1.0-37-amd64/modules.builtin", ""),
            ("/lib/modules/6.1.0-40-amd64/extra/left.ko", ""),
        ];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        assert_eq!((found.reboot_required, found.reboot_required_by.join(" ")), (Some(true), "libc6 linux-image".to_owned()));
        assert_eq!((found.newest_kernel.as_deref(), found.newer_kernel_installed), (Some("6.1.0-37-amd64"), Some(true)));
    }
}
