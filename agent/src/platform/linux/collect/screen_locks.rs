//! What the machine's configuration says of locking unattended screens. Where nothing is configured, the desktop's own default counts,
//! and nothing is claimed.

use rollcall_shared::wire::v1::ScreenLock;

use crate::{
    files::Root,
    parse::screen_lock::{self as parse, DCONF_DESKTOPS, Lock},
};

const DCONF: &str = "/etc/dconf/db";
const SCHEMAS: &str = "/usr/share/glib-2.0/schemas";
const LOGIND: &[&str] = &["/usr/lib/systemd/logind.conf.d", "/run/systemd/logind.conf.d", "/etc/systemd/logind.conf.d"];
const LIGHT_LOCKER: &str = "/etc/xdg/autostart/light-locker.desktop";
const XSCREENSAVER: &[&str] = &["/etc/X11/app-defaults/XScreenSaver", "/etc/X11/app-defaults/XScreenSaver-nogl"];
const MOST_FILES: usize = 256;

pub(super) fn read(root: &Root) -> Vec<ScreenLock> {
    let mut found = schemas(root);
    found.extend(dconf(root));
    found.extend(kde(root));
    found.extend(logind(root));
    if let Some((path, lock)) = XSCREENSAVER.iter().find_map(|path| Some((*path, parse::xscreensaver(&root.read(path).ok()?)))) {
        found.extend(said("xscreensaver", lock, None, path));
    }
    // It has no setting for whether it locks: it is there to do so, after what dconf says.
    if root.exists(LIGHT_LOCKER) {
        found.extend(said("light-locker", Lock { locks: Some(true), ..Lock::default() }, None, LIGHT_LOCKER));
    }
    found.sort_by(|a, b| (&a.what, &a.source).cmp(&(&b.what, &b.source)));
    found
}

fn said(what: &str, lock: Lock, enforced: Option<bool>, source: &str) -> Option<ScreenLock> {
    lock.is_some().then(|| ScreenLock {
        what: what.to_owned(),
        locks: lock.locks,
        idle_seconds: lock.idle_seconds,
        lock_delay_seconds: lock.lock_delay_seconds,
        enforced,
        source: source.to_owned(),
    })
}

fn files(root: &Root, directory: &str, wanted: impl Fn(&str) -> bool) -> Vec<Vec<u8>> {
    let names = root.names(directory).unwrap_or_default();
    names
        .into_iter()
        .filter(|name| wanted(name))
        .take(MOST_FILES)
        .filter_map(|name| root.read(&format!("{directory}/{name}")).ok())
        .collect()
}

/// One directory a database, `local.d` by custom, with key files and with keys that people may not change. Later files count more.
fn dconf(root: &Root) -> Vec<ScreenLock> {
    let directories = root.names(DCONF).unwrap_or_default().into_iter().filter(|name| name.ends_with(".d"));
    let of_directory = |name: String| {
        let directory = format!("{DCONF}/{name}");
        let keys = files(root, &directory, |name| name != "locks");
        let locks = files(root, &format!("{directory}/locks"), |_| true);
        let desktop = |(what, screen_saver, session): &(&str, &str, &str)| {
            let lock = keys.iter().map(|bytes| parse::dconf(bytes, screen_saver, session)).fold(Lock::default(), Lock::overlaid);
            let enforced = locks.iter().any(|bytes| parse::dconf_enforces(bytes, screen_saver));
            said(what, lock, Some(enforced), &directory)
        };
        DCONF_DESKTOPS.iter().filter_map(desktop).collect::<Vec<_>>()
    };
    directories.flat_map(of_directory).collect()
}

/// Defaults that the distribution or an administrator put over the desktop's.
fn schemas(root: &Root) -> Vec<ScreenLock> {
    let overrides = files(root, SCHEMAS, |name| name.ends_with(".gschema.override"));
    let desktop = |(what, screen_saver, session): &(&str, &str, &str)| {
        let lock = overrides.iter().map(|bytes| parse::dconf(bytes, screen_saver, session)).fold(Lock::default(), Lock::overlaid);
        said(what, lock, Some(false), SCHEMAS)
    };
    DCONF_DESKTOPS.iter().filter_map(desktop).collect()
}

fn kde(root: &Root) -> Option<ScreenLock> {
    const FILE: &str = "/etc/xdg/kscreenlockerrc";
    let (lock, enforced) = parse::kde(&root.read(FILE).ok()?);
    said("kde", lock, enforced, FILE)
}

fn logind(root: &Root) -> Option<ScreenLock> {
    const FILE: &str = "/etc/systemd/logind.conf";
    let own = root.read(FILE).map(|bytes| parse::logind(&bytes)).unwrap_or_default();
    let drop_ins = LOGIND.iter().flat_map(|directory| files(root, directory, |name| name.ends_with(".conf")));
    let lock = drop_ins.map(|bytes| parse::logind(&bytes)).fold(own, Lock::overlaid);
    // A time without an action does nothing.
    lock.locks?;
    said("logind", lock, None, FILE)
}

#[cfg(test)]
mod tests {
    use super::{super::Outcome, super::tests::collect_one, *};

    #[test]
    fn what_is_configured_is_told_with_its_source() {
        let files = [
            (
                "/etc/dconf/db/local.d/00-lock",
                "[org/gnome/desktop/screensaver]\nlock-enabled=false\n[org/gnome/desktop/session]\nidle-delay=uint32 300\n",
            ),
            ("/etc/dconf/db/local.d/10-policy", "[org/gnome/desktop/screensaver]\nlock-enabled=true\n"),
            ("/etc/dconf/db/local.d/locks/lock", "/org/gnome/desktop/screensaver/lock-enabled\n"),
            ("/usr/share/glib-2.0/schemas/10_mint.gschema.override", "[org.cinnamon.desktop.session]\nidle-delay=900\n"),
            ("/etc/systemd/logind.conf", "[Login]\nIdleActionSec=30min\n"),
            ("/etc/systemd/logind.conf.d/idle.conf", "[Login]\nIdleAction=lock\n"),
            (LIGHT_LOCKER, ""),
        ];
        let Outcome::Data(found) = collect_one(&files, |machine| Outcome::Data(read(machine.root))) else { panic!("no data") };
        let seen: Vec<_> = found.iter().map(|lock| (lock.what.as_str(), lock.locks, lock.idle_seconds, lock.enforced)).collect();
        let expected = [
            ("cinnamon", None, Some(900), Some(false)),
            ("gnome", Some(true), Some(300), Some(true)),
            ("light-locker", Some(true), None, None),
            ("logind", Some(true), Some(1_800), None),
        ];
        assert_eq!(seen, expected);
        let time_only = [("/etc/systemd/logind.conf", "[Login]\nIdleActionSec=30min\n")];
        assert_eq!(collect_one(&time_only, |machine| Outcome::Data(read(machine.root))), Outcome::Data(Vec::new()));
    }
}
