//! What is started at set times: systemd's timers, cron, anacron.

use std::collections::BTreeSet;

use rollcall_shared::wire::v1::{ServiceKey, Timer, Timers};

use super::{Machine, Outcome, units};
use crate::{files::Root, parse::cron, redact};

const STAMPS: &str = "/var/lib/systemd/timers";
/// Tables of people: Debian's place, and Red Hat's.
const TABLES: &[&str] = &["/var/spool/cron/crontabs", "/var/spool/cron"];
const PERIODS: &[&str] = &["hourly", "daily", "weekly", "monthly", "yearly"];
const MOST_TIMERS: usize = 5_000;

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Timers> {
    let root = machine.root;
    let mut found = Search { root, timers: Vec::new(), missing: Vec::new() };
    found.units();
    found.cron();
    found.anacron();
    let Search { mut timers, mut missing, .. } = found;
    timers.sort();
    timers.dedup();
    if timers.len() > MOST_TIMERS {
        timers.truncate(MOST_TIMERS);
        missing.push(format!("only the first {MOST_TIMERS} timers are listed"));
    }
    match missing.into_iter().next() {
        Some(reason) => Outcome::Partial(Timers { timers }, reason),
        None if timers.is_empty() => Outcome::NotPresent("no systemd timers and no tables of cron or anacron".to_owned()),
        None => Outcome::Data(Timers { timers }),
    }
}

struct Search<'a> {
    root: &'a Root,
    timers: Vec<Timer>,
    missing: Vec<String>,
}

impl Search<'_> {
    /// Timers that are installed; a template's instances are those that some target wants.
    fn units(&mut self) {
        let enabled = units::enabled(self.root);
        let mut names: BTreeSet<String> = units::all(self.root, ".timer");
        names.extend(enabled.iter().filter(|name| name.ends_with(".timer") && !name.contains("@.")).cloned());
        for name in names {
            let Some((file, unit)) = units::unit(self.root, &name) else { continue };
            // An empty file, or one linked to nothing, is masked.
            if unit.schedule.is_empty() {
                continue;
            }
            let stem = name.strip_suffix(".timer").unwrap_or(&name);
            let starts =
                unit.timer_starts.as_deref().map(|starts| units::resolved(starts, &name)).unwrap_or_else(|| format!("{stem}.service"));
            let is_enabled = enabled.contains(&name);
            self.timers.push(Timer {
                source: "systemd".to_owned(),
                schedule: unit.schedule.iter().map(|schedule| redact::text(&units::resolved(schedule, &name))).collect(),
                starts: Some(ServiceKey::unit(&starts)),
                // A timer that cannot be enabled is started by another unit; that it is not enabled says nothing.
                enabled: (is_enabled || unit.can_be_enabled).then_some(is_enabled),
                last_run: self.root.modified(&format!("{STAMPS}/stamp-{name}")),
                name,
                file,
                ..Timer::default()
            });
        }
    }

    fn cron(&mut self) {
        self.table("/etc/crontab", None);
        for name in self.names("/etc/cron.d") {
            // cron itself passes over names with a dot.
            if !name.contains('.') {
                self.table(&format!("/etc/cron.d/{name}"), None);
            }
        }
        for directory in TABLES {
            for user in self.names(directory) {
                let path = format!("{directory}/{user}");
                if !self.root.path(&path).is_dir() {
                    self.table(&path, Some(&user));
                }
            }
        }
        for period in PERIODS {
            let directory = format!("/etc/cron.{period}");
            for name in self.names(&directory) {
                if name.starts_with('.') || name.contains('.') {
                    continue;
                }
                let path = format!("{directory}/{name}");
                let last_run = self.root.modified(&format!("/var/spool/anacron/cron.{period}"));
                self.timers.push(Timer {
                    source: "cron".to_owned(),
                    schedule: vec![format!("@{period}")],
                    command: Some(path.clone()),
                    user: Some("root".to_owned()),
                    last_run,
                    name,
                    file: path,
                    ..Timer::default()
                });
            }
        }
    }

    fn table(&mut self, path: &str, user: Option<&str>) {
        let Some(bytes) = self.read(path) else { return };
        let name = path.rsplit('/').next().unwrap_or(path);
        for job in cron::crontab(&bytes, user.is_none()) {
            self.timers.push(Timer {
                source: "cron".to_owned(),
                name: name.to_owned(),
                schedule: vec![job.schedule],
                command: Some(redact::command(&job.command)),
                user: job.user.or_else(|| user.map(str::to_owned)),
                file: path.to_owned(),
                ..Timer::default()
            });
        }
    }

    fn anacron(&mut self) {
        const PATH: &str = "/etc/anacrontab";
        let Some(bytes) = self.read(PATH) else { return };
        for job in cron::anacrontab(&bytes) {
            let name = job.identifier.unwrap_or_default();
            let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
            self.timers.push(Timer {
                source: "anacron".to_owned(),
                schedule: vec![job.schedule],
                command: Some(redact::command(&job.command)),
                user: Some("root".to_owned()),
                last_run: is_plain.then(|| self.root.modified(&format!("/var/spool/anacron/{name}"))).flatten(),
                name,
                file: PATH.to_owned(),
                ..Timer::default()
            });
        }
    }

    fn read(&mut self, path: &str) -> Option<Vec<u8>> {
        // A person's table may be a pipe; only plain files are opened.
        if !self.root.path(path).is_file() {
            return None;
        }
        self.root.read(path).map_err(|error| self.missing.push(format!("{path}: {error}"))).ok()
    }

    fn names(&mut self, directory: &str) -> Vec<String> {
        match self.root.names(directory) {
            Ok(names) => names,
            Err(error) => {
                if !matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) {
                    self.missing.push(format!("{directory}: {error}"));
                }
                Vec::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::collect_one, *};

    #[test]
    fn timers_of_every_kind() {
        let files = [
            (
                "/lib/systemd/system/apt-daily.timer",
                "[Timer]\nOnCalendar=*-*-* 6,18:00\nRandomizedDelaySec=12h\n[Install]\nWantedBy=timers.target\n",
            ),
            ("/etc/systemd/system/apt-daily.timer.d/x.conf", "[Timer]\nOnCalendar=\nOnCalendar=daily\n"),
            ("/etc/systemd/system/timers.target.wants/apt-daily.timer", "-> /lib/systemd/system/apt-daily.timer"),
            ("/lib/systemd/system/scrub@.timer", "[Timer]\nOnCalendar=weekly\nUnit=scrub-%i.service\n[Install]\n"),
            ("/etc/systemd/system/timers.target.wants/scrub@home.timer", ""),
            ("/etc/systemd/system/masked.timer", ""),
            ("/var/lib/systemd/timers/stamp-apt-daily.timer", ""),
            ("/etc/crontab", "17 * * * * root cd / && run-parts /etc/cron.hourly\n"),
            ("/etc/cron.d/backup", "0 3 * * * backup mysqldump -ps3cret shop\n"),
            ("/etc/cron.d/.placeholder", "0 3 * * * x y z\n"),
            ("/etc/cron.daily/logrotate", "#!/bin/sh\n"),
            ("/var/spool/cron/crontabs/alice", "@reboot TOKEN=s3cret /home/alice/x\n"),
            ("/etc/anacrontab", "7 10 cron.weekly run-parts /etc/cron.weekly\n"),
        ];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        let shown = |timer: &Timer| {
            let starts = timer.starts.as_ref().map(|key| key.0.clone()).or(timer.command.clone()).unwrap_or_default();
            format!("{} {} [{}] {} {}", timer.source, timer.name, timer.schedule.join(", "), timer.user.as_deref().unwrap_or("-"), starts)
        };
        let expected = [
            "anacron cron.weekly [7 days] root run-parts /etc/cron.weekly",
            "cron alice [@reboot] alice TOKEN=[redacted] /home/alice/x",
            "cron backup [0 3 * * *] backup mysqldump -p[redacted] shop",
            "cron crontab [17 * * * *] root cd / && run-parts /etc/cron.hourly",
            "cron logrotate [@daily] root /etc/cron.daily/logrotate",
            "systemd apt-daily.timer [OnCalendar=daily] - unit:apt-daily.service",
            "systemd scrub@home.timer [OnCalendar=weekly] - unit:scrub-home.service",
        ];
        assert_eq!(found.timers.iter().map(shown).collect::<Vec<_>>(), expected);
        assert_eq!((found.timers[5].enabled, found.timers[5].last_run.is_some()), (Some(true), true));
        assert!(matches!(collect_one(&[], collect), Outcome::NotPresent(_)));
    }
}
