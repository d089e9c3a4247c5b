//! systemd's unit files.

use std::collections::BTreeSet;

use crate::{
    files::Root,
    parse::unit_file::{self, UnitFile},
};

/// Where systemd looks for units, what counts first.
const UNIT_DIRECTORIES: &[&str] =
    &["/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

const MOST_UNITS: usize = 10_000;

/// A unit's file with its drop-ins, and where the file is; an instance (`a@b.service`) has its template's.
pub(super) fn unit(root: &Root, unit: &str) -> Option<(String, UnitFile)> {
    let template = unit.split_once('@').and_then(|(name, rest)| Some(format!("{name}@.{}", rest.rsplit_once('.')?.1)));
    let names: Vec<&str> = std::iter::once(unit).chain(template.as_deref()).collect();
    let mut paths = names.iter().flat_map(|name| UNIT_DIRECTORIES.iter().map(move |directory| format!("{directory}/{name}")));
    let (path, mut bytes) = paths.find_map(|path| Some((path.clone(), root.read(&path).ok()?)))?;
    for directory in names.iter().flat_map(|name| UNIT_DIRECTORIES.iter().map(move |directory| format!("{directory}/{name}.d"))) {
        for name in root.names(&directory).unwrap_or_default().iter().filter(|name| name.ends_with(".conf")) {
            if let Ok(more) = root.read(&format!("{directory}/{name}")) {
                bytes.push(b'\n');
                bytes.extend(more);
            }
        }
    }
    Some((path, unit_file::unit_file(&bytes)))
}

/// `%i` and `%I` are the instance, `%n` the whole name.
pub(super) fn resolved(text: &str, unit: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let instance = unit.split_once('@').and_then(|(_, rest)| rest.rsplit_once('.')).map_or("", |(instance, _)| instance);
    text.replace("%i", instance).replace("%I", instance).replace("%n", unit)
}

/// Whether systemd is what runs this machine.
pub(super) fn is_running(root: &Root) -> bool {
    root.exists("/run/systemd/system")
}

/// Whether systemd holds a unit active: it keeps a link for those, also for one that has done its work and has no process.
pub(super) fn is_active(root: &Root, unit: &str) -> bool {
    root.exists(&format!("/run/systemd/units/invocation:{unit}"))
}

/// The names of every unit with this ending (`.timer`), sorted.
pub(super) fn all(root: &Root, ending: &str) -> BTreeSet<String> {
    let names = UNIT_DIRECTORIES.iter().flat_map(|directory| root.names(directory).unwrap_or_default());
    // A template is not a unit; its instances are links in `*.wants`.
    names.filter(|name| name.ends_with(ending) && !name.contains("@.")).take(MOST_UNITS).collect()
}

/// The units that some target wants at start: links in `*.wants` directories.
pub(super) fn enabled(root: &Root) -> BTreeSet<String> {
    let wants = |directory: &str| {
        let names = root.names(directory).unwrap_or_default().into_iter();
        let directory = directory.to_owned();
        names.filter(|name| name.ends_with(".wants") || name.ends_with(".requires")).map(move |name| format!("{directory}/{name}"))
    };
    let directories = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system", "/run/systemd/system"];
    directories.iter().flat_map(|directory| wants(directory)).flat_map(|wants| root.names(&wants).unwrap_or_default()).collect()
}
