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

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, path::Path};

    use super::*;

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    fn enable(root: &Path, links: &[&str]) {
        for link in links {
            let name = link.rsplit('/').next().unwrap().trim_start_matches(|c: char| c == 'S' || c == 'K' || c.is_ascii_digit());
            let link = root.join(link);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(format!("/etc/init.d/{name}"), link).unwrap();
        }
    }

    /// `name manager enabled started pid program`, one line for each.
    fn gist(root: &Path) -> Vec<String> {
        let line = |it: Script| {
            let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            let (started, pid) = (or_none(it.started.map(|it| it.to_string())), or_none(it.pid.map(|it| it.to_string())));
            format!("{} {} {} {started} {pid} {}", it.name, it.manager, it.enabled, or_none(it.script.program))
        };
        scripts(&Root::new(root)).into_iter().map(line).collect()
    }

    /// As Alpine 3.20 sets it up: what is enabled is a link in a runlevel, what is started one below /run.
    #[test]
    fn openrc_says_what_is_enabled_and_started() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        write(
            root,
            &[
                ("etc/init.d/functions.sh", "#!/bin/sh\n"),
                ("etc/init.d/crond", "#!/sbin/openrc-run\ncommand=\"/usr/sbin/crond\"\npidfile=\"/run/$RC_SVCNAME.pid\"\n"),
                ("etc/init.d/hostname", "#!/sbin/openrc-run\ndescription=\"Sets the hostname of the machine.\"\n"),
                ("etc/init.d/nginx", "#!/sbin/openrc-run\ncommand=/usr/sbin/nginx\npidfile=/run/nginx/nginx.pid\n"),
                ("etc/init.d/sshd", "#!/sbin/openrc-run\ncommand=\"${SSHD_BINARY:-/usr/sbin/sshd}\"\n"),
                ("run/crond.pid", "2301\n"),
                ("run/nginx/nginx.pid", "no number"),
            ],
        );
        enable(root, &["etc/runlevels/default/crond", "etc/runlevels/default/nginx", "etc/runlevels/boot/hostname"]);
        enable(root, &["run/openrc/started/crond", "run/openrc/started/hostname"]);
        assert_eq!(
            gist(root),
            [
                "crond openrc true true 2301 /usr/sbin/crond",
                "hostname openrc true - - -",
                "nginx openrc true false - /usr/sbin/nginx",
                "sshd openrc false false - -",
            ]
        );
    }

    /// As Devuan 5 and CentOS 6 set it up: links with a number in the runlevels' directories, and no record of what is started.
    #[test]
    fn sysv_links_say_what_is_enabled() {
        for (what, level) in [("Devuan", "etc/rc2.d"), ("CentOS", "etc/rc.d/rc3.d")] {
            let directory = tempfile::tempdir().unwrap();
            let root = directory.path();
            write(
                root,
                &[
                    ("etc/init.d/.depend.start", "x"),
                    ("etc/init.d/README", "x"),
                    ("etc/init.d/skeleton", "x"),
                    (
                        "etc/init.d/cron",
                        "#!/bin/sh\n# Short-Description: Regular background program\nDAEMON=/usr/sbin/cron\nPIDFILE=/var/run/crond.pid\n",
                    ),
                    ("etc/init.d/ntp", "#!/bin/sh\nDAEMON=/usr/sbin/ntpd\n"),
                    ("etc/init.d/rsync", "#!/bin/sh\nDAEMON=/usr/bin/rsync\n"),
                    ("var/run/crond.pid", "  812 \n"),
                ],
            );
            enable(root, &[&format!("{level}/S01cron"), &format!("{level}/K01rsync"), &format!("{level}/S20ntp"), "etc/rc0.d/S01rsync"]);
            assert_eq!(
                gist(root),
                ["cron sysv true - 812 /usr/sbin/cron", "ntp sysv true - - /usr/sbin/ntpd", "rsync sysv false - - /usr/bin/rsync",],
                "{what}"
            );
        }
    }

    #[test]
    fn under_systemd_its_units_stand_for_them() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), &[("etc/init.d/cron", "DAEMON=/usr/sbin/cron\n")]);
        assert_eq!(gist(directory.path()).len(), 1);
        fs::create_dir_all(directory.path().join("run/systemd/system")).unwrap();
        assert_eq!(gist(directory.path()).len(), 0);
    }
}
