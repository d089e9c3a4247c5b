//! Where a machine gets its time: chrony, ntpd, systemd-timesyncd.

use super::{
    Subject,
    files::{absolute, directory},
    found::{Found, Said},
};
use crate::parse::config::{ini, words};

const PORT: u16 = 123;
const MOST_DEPTH: usize = 8;

pub(super) fn chrony(subject: &Subject) -> Found {
    let mut found = Found::default();
    let named = words::option(&subject.arguments, "-f");
    let main = named.or_else(|| ["/etc/chrony/chrony.conf", "/etc/chrony.conf"].into_iter().find(|path| subject.files.exists(path)));
    if let Some(main) = main {
        sources(subject, main, 0, &mut found);
    }
    found.details.data_directory = Some("/var/lib/chrony").filter(|path| subject.files.exists(path)).map(str::to_owned);
    found
}

pub(super) fn ntp(subject: &Subject) -> Found {
    let mut found = Found::default();
    let named = words::option(&subject.arguments, "-c");
    let usual = ["/etc/ntpsec/ntp.conf", "/etc/ntp.conf"];
    if let Some(main) = named.or_else(|| usual.into_iter().find(|path| subject.files.exists(path))) {
        sources(subject, main, 0, &mut found);
    }
    found.details.data_directory =
        ["/var/lib/ntpsec", "/var/lib/ntp"].into_iter().find(|path| subject.files.exists(path)).map(str::to_owned);
    found
}

/// Lines of both: `server HOST …`, `pool HOST …`, `peer HOST …`, and what names more files.
fn sources(subject: &Subject, path: &str, depth: usize, found: &mut Found) {
    if depth >= MOST_DEPTH {
        return;
    }
    let Some(bytes) = subject.files.read(path) else { return };
    for line in words::lines(&bytes) {
        let Some(value) = line.get(1) else { continue };
        match line[0].to_lowercase().as_str() {
            directive @ ("server" | "pool" | "peer") => {
                // ntpd's clocks of its own machine have addresses that lead nowhere.
                let host = if matches!(value.as_str(), "-4" | "-6") { line.get(2) } else { Some(value) };
                if let Some(host) = host.filter(|host| !host.starts_with("127.127.")) {
                    found.host("ntp", host, Some(PORT), Said { file: path, directive });
                }
            }
            "include" | "includefile" => {
                let pattern = absolute(value, directory(path));
                subject.files.expand(&pattern).iter().for_each(|path| sources(subject, path, depth + 1, found));
            }
            "confdir" => more(subject, value, "conf", depth, found),
            "sourcedir" => more(subject, value, "sources", depth, found),
            _ => {}
        }
    }
}

fn more(subject: &Subject, directory: &str, ending: &str, depth: usize, found: &mut Found) {
    subject.files.expand(&format!("{directory}/*.{ending}")).iter().for_each(|path| sources(subject, path, depth + 1, found));
}

/// The servers of the settings and of what is laid over them: the last word stands. What the distribution falls back on is not told.
pub(super) fn timesyncd(subject: &Subject) -> Found {
    let mut found = Found::default();
    let mut paths = vec!["/etc/systemd/timesyncd.conf".to_owned()];
    paths.extend(subject.files.expand("/etc/systemd/timesyncd.conf.d/*.conf"));
    let mut servers: Vec<(String, String)> = Vec::new();
    for path in paths {
        let Some(bytes) = subject.files.read(&path) else { continue };
        for entry in ini::entries(&bytes).into_iter().filter(|entry| entry.section == "time" && entry.key == "NTP") {
            if entry.value.is_empty() {
                servers.clear();
            }
            servers.extend(entry.value.split_whitespace().map(|host| (path.clone(), host.to_owned())));
        }
    }
    for (file, host) in &servers {
        found.host("ntp", host, Some(PORT), Said { file, directive: "NTP" });
    }
    found
}
