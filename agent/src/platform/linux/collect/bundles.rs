//! Snaps, flatpaks and AppImages: software that comes with all it needs and lies in directories of its own.

use std::collections::BTreeMap;

use rollcall_shared::wire::v1::Package;

use crate::{
    files::Root,
    parse::package_databases::{self as parse, DesktopEntry},
};

const MOST_APPSTREAM: u64 = 4 << 20;

/// Installed snaps: the revision that `current` points to.
pub(super) fn snaps(root: &Root) -> Vec<Package> {
    let snap = |directory: &str, name: String| {
        let current = format!("{directory}/{name}/current");
        let revision = root.link_name(&current)?;
        let version = parse::snap_version(&root.read(&format!("{current}/meta/snap.yaml")).ok()?)?;
        let file = format!("/var/lib/snapd/snaps/{name}_{revision}.snap");
        Some(Package {
            kind: "snap".to_owned(),
            size_bytes: root.size(&file),
            // snapd writes the file of a revision once.
            installed_at: root.modified(&file),
            name,
            version,
            ..Package::default()
        })
    };
    // Some distributions have no /snap; where there are both, one is a link to the other.
    let directories = ["/snap", "/var/lib/snapd/snap"];
    let Some(directory) = directories.into_iter().find(|directory| root.names(directory).is_ok_and(|names| !names.is_empty())) else {
        return Vec::new();
    };
    root.names(directory).unwrap_or_default().into_iter().filter_map(|name| snap(directory, name)).collect()
}

/// Flatpaks installed for everybody: applications and runtimes, every architecture and branch.
pub(super) fn flatpaks(root: &Root) -> Vec<Package> {
    let mut found = Vec::new();
    for kind in ["app", "runtime"] {
        let top = format!("/var/lib/flatpak/{kind}");
        for name in root.names(&top).unwrap_or_default() {
            for architecture in root.names(&format!("{top}/{name}")).unwrap_or_default() {
                // A link to one of its siblings.
                if architecture == "current" {
                    continue;
                }
                for branch in root.names(&format!("{top}/{name}/{architecture}")).unwrap_or_default() {
                    let active = format!("{top}/{name}/{architecture}/{branch}/active");
                    if !root.exists(&active) {
                        continue;
                    }
                    let version = if kind == "app" { released(root, &active, &name) } else { None };
                    found.push(Package {
                        kind: "flatpak".to_owned(),
                        name: name.clone(),
                        // What has no release is known by its branch.
                        version: version.unwrap_or(branch),
                        architecture: Some(architecture.clone()),
                        installed_at: root.modified(&format!("{active}/deploy")),
                        ..Package::default()
                    });
                }
            }
        }
    }
    found
}

/// AppImages in the usual directories of the machine and of its people, and those that a desktop entry starts.
pub(super) fn app_images(root: &Root) -> Vec<Package> {
    const SHARED: &[&str] = &["/opt", "/opt/appimages", "/Applications", "/usr/local/bin"];
    const PERSONAL: &[&str] = &["Applications", "AppImages", ".local/bin", "bin"];
    const MOST_HOMES: usize = 256;
    let homes: Vec<String> =
        root.names("/home").unwrap_or_default().into_iter().take(MOST_HOMES).map(|name| format!("/home/{name}")).collect();
    let of_homes = homes.iter().flat_map(|home| PERSONAL.iter().map(move |directory| format!("{home}/{directory}")));
    let mut found: BTreeMap<String, Option<DesktopEntry>> = BTreeMap::new();
    for directory in SHARED.iter().map(|directory| (*directory).to_owned()).chain(of_homes) {
        let images = root.names(&directory).unwrap_or_default().into_iter().filter(|name| is_app_image(name));
        found.extend(images.map(|name| (format!("{directory}/{name}"), None)));
    }
    // What integrates AppImages names the entries that it makes so; those of packages are not opened.
    let entries = homes.iter().map(|home| format!("{home}/.local/share/applications"));
    for directory in entries.chain(["/usr/share/applications".to_owned(), "/usr/local/share/applications".to_owned()]) {
        for name in root.names(&directory).unwrap_or_default() {
            let is_made = name.to_ascii_lowercase().contains("appimage") && name.ends_with(".desktop");
            let entry =
                is_made.then(|| root.read(&format!("{directory}/{name}")).ok()).flatten().and_then(|bytes| parse::desktop_entry(&bytes));
            if let Some(entry) = entry.filter(|entry| is_app_image(&entry.executable) && root.exists(&entry.executable)) {
                found.insert(entry.executable.clone(), Some(entry));
            }
        }
    }
    let package = |(path, entry): (String, Option<DesktopEntry>)| {
        let named = parse::app_image(path.rsplit('/').next()?)?;
        let (name, version) = entry.map_or((None, None), |entry| (entry.name, entry.version));
        Some(Package {
            kind: "appimage".to_owned(),
            name: name.unwrap_or(named.name),
            version: version.unwrap_or(named.version),
            architecture: named.architecture,
            size_bytes: root.size(&path),
            installed_at: root.modified(&path),
            ..Package::default()
        })
    };
    found.into_iter().filter_map(package).collect()
}

fn is_app_image(path: &str) -> bool {
    path.len() > ".appimage".len() && path.to_ascii_lowercase().ends_with(".appimage")
}

fn released(root: &Root, active: &str, name: &str) -> Option<String> {
    let places = ["export/share/metainfo", "files/share/metainfo", "files/share/appdata"];
    places
        .iter()
        .flat_map(|place| ["metainfo", "appdata"].map(|kind| format!("{active}/{place}/{name}.{kind}.xml")))
        .find_map(|file| parse::appstream_version(&root.read_up_to(&file, MOST_APPSTREAM).ok()?))
}
