//! systemd unit files.

use super::{
    config::words,
    text::{clean, lines},
};

/// What is wanted of a unit file, drop-ins read behind it.
#[derive(Debug, Default, PartialEq)]
pub struct UnitFile {
    /// `Description=` of `[Unit]`, specifiers not resolved.
    pub description: Option<String>,
    /// Whether it has an `[Install]` section, without which it cannot be enabled.
    pub can_be_enabled: bool,
    /// `Type=oneshot`: it is not expected to keep running.
    pub is_oneshot: bool,
    /// The words of `ExecStart=`, of all where there are several. They may hold secrets.
    pub command: Vec<String>,
    /// `Environment=`, and in the manager's own settings `DefaultEnvironment=`. It may hold secrets.
    pub environment: Vec<(String, String)>,
    /// `EnvironmentFile=`, as written: perhaps a pattern.
    pub environment_files: Vec<String>,
    /// `WorkingDirectory=`.
    pub working_directory: Option<String>,
    /// The conditions of a `[Timer]`: `OnCalendar=daily`, in order.
    pub schedule: Vec<String>,
    /// `Unit=` of `[Timer]`: what it starts.
    pub timer_starts: Option<String>,
}

const MOST_ENTRIES: usize = 1_000;

/// Reads a unit file; what drop-ins say is appended to it before.
pub fn unit_file(bytes: &[u8]) -> UnitFile {
    let mut found = UnitFile::default();
    let mut section = Vec::new();
    let mut joined: Vec<u8> = Vec::new();
    for line in lines(bytes) {
        let line = line.trim_ascii();
        if line.starts_with(b"#") || line.starts_with(b";") {
            continue;
        }
        if let Some(part) = line.strip_suffix(b"\\") {
            joined.extend_from_slice(part);
            joined.push(b' ');
            continue;
        }
        joined.extend_from_slice(line);
        let line = std::mem::take(&mut joined);
        if line.starts_with(b"[") {
            found.can_be_enabled |= line == b"[Install]";
            section = line;
        } else if let Some(equals) = memchr::memchr(b'=', &line) {
            found.entry(&section, line[..equals].trim_ascii(), line[equals + 1..].trim_ascii());
        }
    }
    found
}

impl UnitFile {
    fn entry(&mut self, section: &[u8], key: &[u8], value: &[u8]) {
        let text = || String::from_utf8_lossy(value).into_owned();
        match (section, key) {
            (b"[Unit]", b"Description") => self.description = clean(value),
            (b"[Service]", b"Type") => self.is_oneshot = value == b"oneshot",
            // An empty assignment takes back what was assigned before.
            (b"[Service]", b"ExecStart") if value.is_empty() => self.command.clear(),
            (b"[Service]", b"ExecStart") if self.command.len() < MOST_ENTRIES => {
                let mut words = words::words(&text());
                if let Some(first) = words.first_mut() {
                    *first = first.trim_start_matches(['@', '-', ':', '+', '!', '|']).to_owned();
                }
                self.command.extend(words);
            }
            (b"[Service]", b"Environment") | (b"[Manager]", b"DefaultEnvironment") if value.is_empty() => self.environment.clear(),
            (b"[Service]", b"Environment") | (b"[Manager]", b"DefaultEnvironment") if self.environment.len() < MOST_ENTRIES => {
                let pairs =
                    words::words(&text()).into_iter().filter_map(|word| word.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())));
                self.environment.extend(pairs);
            }
            (b"[Service]", b"EnvironmentFile") if value.is_empty() => self.environment_files.clear(),
            (b"[Service]", b"EnvironmentFile") if self.environment_files.len() < MOST_ENTRIES => {
                self.environment_files.push(text().trim_start_matches('-').to_owned());
            }
            (b"[Service]", b"WorkingDirectory") => {
                self.working_directory = clean(value).map(|path| path.trim_start_matches('-').to_owned())
            }
            (b"[Timer]", b"Unit") => self.timer_starts = clean(value),
            (b"[Timer]", key) if key.starts_with(b"On") && key.ends_with(b"Sec") || key == b"OnCalendar" => match clean(value) {
                None => self.schedule.retain(|known| !known.as_bytes().starts_with(key)),
                Some(value) if self.schedule.len() < MOST_ENTRIES => {
                    self.schedule.push(format!("{}={value}", String::from_utf8_lossy(key)));
                }
                Some(_) => {}
            },
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn description_and_install_are_found() {
        let found = unit_file(
            b"# x\n[Unit]\nDescription=A high performance web server\n[Service]\nDescription=no\n[Install]\nWantedBy=multi-user.target\n",
        );
        let expected = UnitFile { description: Some("A high performance web server".into()), can_be_enabled: true, ..UnitFile::default() };
        assert_eq!(found, expected);
        assert_eq!(unit_file(b"Description=before any section"), UnitFile::default());
    }

    #[test]
    fn what_a_service_is_started_with() {
        let found = unit_file(
            b"[Service]\nType=oneshot\nExecStart=/bin/no\nExecStart=\nExecStart=-/usr/bin/app --config \\\n \"/etc/a b\"\nEnvironment=\"A=1 2\" B=3\n\
              EnvironmentFile=-/etc/default/app\nWorkingDirectory=/srv/app\n",
        );
        let expected = UnitFile {
            is_oneshot: true,
            command: vec!["/usr/bin/app".into(), "--config".into(), "/etc/a b".into()],
            environment: vec![("A".into(), "1 2".into()), ("B".into(), "3".into())],
            environment_files: vec!["/etc/default/app".into()],
            working_directory: Some("/srv/app".into()),
            ..UnitFile::default()
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn when_a_timer_starts_what() {
        let found = unit_file(
            b"[Timer]\nOnCalendar=daily\nOnCalendar=\nOnCalendar=*-*-* 6,18:00\nOnBootSec=5min\nUnit=x.service\nPersistent=true\n",
        );
        let expected = UnitFile {
            schedule: vec!["OnCalendar=*-*-* 6,18:00".into(), "OnBootSec=5min".into()],
            timer_starts: Some("x.service".into()),
            ..UnitFile::default()
        };
        assert_eq!(found, expected);
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            unit_file(&bytes);
        }
    }
}
