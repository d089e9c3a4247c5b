//! Snaps and flatpaks: software that comes with all it needs and lies in directories of its own.

use rollcall_shared::wire::v1::Package;

use crate::{files::Root, parse::package_databases as parse};

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

fn released(root: &Root, active: &str, name: &str) -> Option<String> {
    let places = ["export/share/metainfo", "files/share/metainfo", "files/share/appdata"];
    places
        .iter()
        .flat_map(|place| ["metainfo", "appdata"].map(|kind| format!("{active}/{place}/{name}.{kind}.xml")))
        .find_map(|file| parse::appstream_version(&root.read_up_to(&file, MOST_APPSTREAM).ok()?))
}
