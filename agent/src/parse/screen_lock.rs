//! What configuration files say of locking the screen.

use super::text::{clean, lines};

/// What one source says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// Whether the screen is locked when nobody uses the machine.
    pub locks: Option<bool>,
    /// After how long without use, seconds; 0 is never.
    pub idle_seconds: Option<u64>,
    /// How long after that, seconds.
    pub lock_delay_seconds: Option<u64>,
}

impl Lock {
    /// Whether anything is said.
    pub fn is_some(&self) -> bool {
        *self != Self::default()
    }

    /// What the other says, too, counts where it says something.
    pub fn overlaid(self, other: Self) -> Self {
        Self {
            locks: other.locks.or(self.locks),
            idle_seconds: other.idle_seconds.or(self.idle_seconds),
            lock_delay_seconds: other.lock_delay_seconds.or(self.lock_delay_seconds),
        }
    }
}

/// A desktop whose settings are in dconf: its name, and the groups that tell about its screen saver and its session.
pub const DCONF_DESKTOPS: &[(&str, &str, &str)] = &[
    ("cinnamon", "org/cinnamon/desktop/screensaver", "org/cinnamon/desktop/session"),
    ("gnome", "org/gnome/desktop/screensaver", "org/gnome/desktop/session"),
    ("mate", "org/mate/screensaver", "org/mate/session"),
];

/// A key file of dconf, or an override of a GSettings schema, whose groups are written with dots: what it says of a desktop.
pub fn dconf(bytes: &[u8], screen_saver: &str, session: &str) -> Lock {
    let mut found = Lock::default();
    each(bytes, |group, key, value| {
        // Overrides may be for one desktop only: `org.gnome.desktop.session:ubuntu`.
        let group = group.split(':').next().unwrap_or_default().replace('.', "/");
        let seconds = || value.strip_prefix("uint32").unwrap_or(value).trim().parse::<u64>().ok();
        match key {
            "lock-enabled" if group == screen_saver => found.locks = boolean(value),
            "lock-delay" if group == screen_saver => found.lock_delay_seconds = seconds(),
            // MATE counts in minutes.
            "idle-delay" if group == session => {
                found.idle_seconds =
                    seconds().and_then(|delay| if session.starts_with("org/mate") { delay.checked_mul(60) } else { Some(delay) });
            }
            _ => {}
        }
    });
    found
}

/// Whether a file of `dconf/db/*.d/locks` keeps people from changing whether the screen is locked.
pub fn dconf_enforces(bytes: &[u8], screen_saver: &str) -> bool {
    let key = format!("/{screen_saver}/lock-enabled");
    lines(bytes).any(|line| line.trim_ascii() == key.as_bytes())
}

/// `kscreenlockerrc` of KDE, in which minutes are counted, and seconds of grace.
pub fn kde(bytes: &[u8]) -> (Lock, Option<bool>) {
    let (mut found, mut enforced) = (Lock::default(), None);
    each(bytes, |group, key, value| {
        // `[$i]` behind a group or a key keeps people from changing it.
        let is_fixed = group.contains("[$i") || key.ends_with("[$i]");
        if group.split(']').next() != Some("Daemon") {
            return;
        }
        match key.trim_end_matches("[$i]") {
            "Autolock" => (found.locks, enforced) = (boolean(value), Some(is_fixed)),
            "Timeout" => found.idle_seconds = value.parse::<u64>().ok().and_then(|minutes| minutes.checked_mul(60)),
            "LockGrace" => found.lock_delay_seconds = value.parse().ok(),
            _ => {}
        }
    });
    (found, enforced)
}

/// The defaults of xscreensaver, an X resource file.
pub fn xscreensaver(bytes: &[u8]) -> Lock {
    let mut found = Lock::default();
    for line in lines(bytes) {
        let line = String::from_utf8_lossy(line);
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        match name.trim().trim_start_matches("xscreensaver").trim_start_matches(['*', '.']) {
            "lock" => found.locks = boolean(value),
            "timeout" => found.idle_seconds = clock(value),
            "lockTimeout" => found.lock_delay_seconds = clock(value),
            _ => {}
        }
    }
    found
}

/// `logind.conf`: what happens when no session was used for a while.
pub fn logind(bytes: &[u8]) -> Lock {
    let mut found = Lock::default();
    each(bytes, |group, key, value| match key {
        "IdleAction" if group == "Login" => found.locks = Some(value == "lock"),
        "IdleActionSec" if group == "Login" => found.idle_seconds = time_span(value),
        _ => {}
    });
    found
}

/// `H:MM:SS`
fn clock(text: &str) -> Option<u64> {
    let parts: Vec<u64> = text.split(':').map(|part| part.trim().parse().ok()).collect::<Option<_>>()?;
    match parts[..] {
        [hours, minutes, seconds] if parts.iter().all(|part| *part < 1 << 32) => Some(hours * 3_600 + minutes * 60 + seconds),
        _ => None,
    }
}

/// systemd's times of one unit: `1800`, `30min`, `1h`.
fn time_span(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..end].parse().ok()?;
    let unit = match text[end..].trim() {
        "" | "s" | "sec" | "second" | "seconds" => 1,
        "m" | "min" | "minute" | "minutes" => 60,
        "h" | "hr" | "hour" | "hours" => 3_600,
        "d" | "day" | "days" => 86_400,
        _ => return None,
    };
    number.checked_mul(unit)
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// Group, key and value of each line of a file with groups in brackets.
fn each(bytes: &[u8], mut then: impl FnMut(&str, &str, &str)) {
    let mut group = String::new();
    for line in lines(bytes) {
        let Some(line) = clean(line).filter(|line| !line.starts_with(['#', ';'])) else { continue };
        if let Some(name) = line.strip_prefix('[') {
            group = name.strip_suffix(']').unwrap_or(name).to_owned();
        } else if let Some((key, value)) = line.split_once('=') {
            then(&group, key.trim(), value.trim().trim_matches(['\'', '"']));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(locks: Option<bool>, idle_seconds: Option<u64>, lock_delay_seconds: Option<u64>) -> Lock {
        Lock { locks, idle_seconds, lock_delay_seconds }
    }

    #[test]
    fn desktops_with_dconf() {
        let (_, screen_saver, session) = DCONF_DESKTOPS[1];
        let file = b"# policy\n[org/gnome/desktop/screensaver]\nlock-enabled=true\nlock-delay=uint32 5\n[org/gnome/desktop/session]\nidle-delay=uint32 300\n\
            [org/mate/screensaver]\nlock-enabled=false\n";
        assert_eq!(dconf(file, screen_saver, session), lock(Some(true), Some(300), Some(5)));
        let schema = b"[org.gnome.desktop.session:ubuntu]\nidle-delay=0\n[org.gnome.desktop.screensaver]\nlock-enabled='x'\n";
        assert_eq!(dconf(schema, screen_saver, session), lock(None, Some(0), None));
        assert_eq!(dconf(b"[org/mate/session]\nidle-delay=10\n", "org/mate/screensaver", "org/mate/session").idle_seconds, Some(600));
        assert!(dconf_enforces(b"# x\n/org/gnome/desktop/screensaver/lock-enabled\n", screen_saver));
        assert!(!dconf_enforces(b"/org/gnome/desktop/screensaver/lock-delay\n", screen_saver));
    }

    #[test]
    fn kde_xscreensaver_and_logind() {
        assert_eq!(kde(b"[Daemon][$i]\nAutolock=true\nTimeout=5\nLockGrace=10\n"), (lock(Some(true), Some(300), Some(10)), Some(true)));
        assert_eq!(kde(b"[Daemon]\nAutolock[$i]=false\n[Greeter]\nTimeout=9\n"), (lock(Some(false), None, None), Some(true)));
        assert_eq!(kde(b"[Daemon]\nAutolock=true\n").1, Some(false));
        let file = b"! x\n*timeout:\t\t0:10:00\n*lock:\t\t\tTrue\nxscreensaver.lockTimeout: 0:00:30\n*lockVTs: False\n";
        assert_eq!(xscreensaver(file), lock(Some(true), Some(600), Some(30)));
        assert_eq!(logind(b"[Login]\n#IdleAction=ignore\nIdleAction=lock\nIdleActionSec=30min\n"), lock(Some(true), Some(1_800), None));
        assert_eq!(logind(b"[Login]\nIdleAction=suspend\nIdleActionSec=1h 5min\n"), lock(Some(false), None, None));
        assert!(!logind(b"[Manager]\nIdleAction=lock\n").is_some());
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>, text in "(\\[|\\]|Daemon|Login|=|:|\n|[0-9]{1,20}|min|\\*timeout|IdleActionSec|Timeout|\\[\\$i\\]){0,24}") {
            for bytes in [&bytes[..], text.as_bytes()] {
                for (_, screen_saver, session) in DCONF_DESKTOPS {
                    dconf(bytes, screen_saver, session);
                }
                kde(bytes);
                xscreensaver(bytes);
                logind(bytes);
            }
        }
    }
}
