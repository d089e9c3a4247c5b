//! Services of OpenRC and of System V scripts: what is enabled, what is started, and which process each is.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    files::Root,
    parse::init_script::{self, InitScript},
};

/// A service that a script starts.
#[derive(Debug, PartialEq)]
pub(super) struct Script {
    pub(super) name: String,
    /// `openrc` or `sysv`.
    pub(super) manager: &'static str,
    pub(super) enabled: bool,
    /// Whether the manager says it is started; absent where it keeps no record (System V).
    pub(super) started: Option<bool>,
    /// The process that its pid file names.
    pub(super) pid: Option<u32>,
    pub(super) script: InitScript,
}

const SCRIPTS: &str = "/etc/init.d";
const MOST_SCRIPTS: usize = 1_000;
/// Helpers and what only runs at start or stop.
const NO_SERVICES: &[&str] = &[
    "README",
    "functions",
    "functions.sh",
    "halt",
    "killprocs",
    "rc",
    "rcS",
    "reboot",
    "sendsigs",
    "single",
    "skeleton",
    "umountfs",
    "umountnfs.sh",
    "umountroot",
    "urandom",
];

/// The scripts, where one of these managers runs this machine; nothing under systemd, whose units stand for them.
pub(super) fn scripts(root: &Root) -> Vec<Script> {
    if super::units::is_running(root) {
        return Vec::new();
    }
    let is_openrc = root.exists("/run/openrc") || root.exists("/etc/runlevels");
    let enabled = if is_openrc { runlevels(root) } else { rc_links(root) };
    let started: BTreeSet<String> = root.names("/run/openrc/started").unwrap_or_default().into_iter().collect();
    let names =
        root.names(SCRIPTS).unwrap_or_default().into_iter().filter(|name| !NO_SERVICES.contains(&name.as_str()) && !name.starts_with('.'));
    let script = |name: String| {
        let script = init_script::init_script(&root.read(&format!("{SCRIPTS}/{name}")).ok()?);
        let usual = [format!("/run/{name}.pid"), format!("/var/run/{name}.pid"), format!("/run/{name}/{name}.pid")];
        let pid = script.pid_file.iter().chain(&usual).find_map(|path| root.text(path)?.split_whitespace().next()?.parse().ok());
        Some(Script {
            manager: if is_openrc { "openrc" } else { "sysv" },
            enabled: enabled.contains_key(&name),
            // What a boot runlevel starts has done its work; that it has no process says nothing.
            started: (is_openrc && enabled.get(&name).is_none_or(|runlevel| runlevel == "default")).then(|| started.contains(&name)),
            pid,
            script,
            name,
        })
    };
    names.take(MOST_SCRIPTS).filter_map(script).collect()
}

/// OpenRC: links in `/etc/runlevels/LEVEL`.
fn runlevels(root: &Root) -> BTreeMap<String, String> {
    let levels = root.names("/etc/runlevels").unwrap_or_default();
    let of = |level: String| {
        root.names(&format!("/etc/runlevels/{level}")).unwrap_or_default().into_iter().map(move |name| (name, level.clone()))
    };
    levels.into_iter().flat_map(of).collect()
}

/// System V: links `S20name` in the directories of the runlevels with services.
fn rc_links(root: &Root) -> BTreeMap<String, String> {
    let levels = ["2", "3", "4", "5"].iter().flat_map(|level| [format!("/etc/rc{level}.d"), format!("/etc/rc.d/rc{level}.d")]);
    let names = levels.flat_map(|directory| root.names(&directory).unwrap_or_default());
    let name = |link: String| {
        let rest = link.strip_prefix('S')?;
        let name = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        (name.len() < rest.len() && !name.is_empty()).then(|| (name.to_owned(), "default".to_owned()))
    };
    names.filter_map(name).collect()
}
