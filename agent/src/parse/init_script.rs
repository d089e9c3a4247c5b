//! Scripts in `/etc/init.d`, of System V with an LSB header and of OpenRC.

use super::text::{clean, lines};

/// What is wanted of a script. Nothing in it is evaluated.
#[derive(Debug, Default, PartialEq)]
pub struct InitScript {
    /// `Short-Description:` of the LSB header, or OpenRC's `description=`.
    pub description: Option<String>,
    /// The program that it starts, where it is written as an absolute path.
    pub program: Option<String>,
    /// The file that the running program's number is in, where it is written as an absolute path.
    pub pid_file: Option<String>,
}

/// Reads a script.
pub fn init_script(bytes: &[u8]) -> InitScript {
    let mut found = InitScript::default();
    for line in lines(bytes).take(2_000) {
        let line = line.trim_ascii();
        if let Some(text) = line.strip_prefix(b"# Short-Description:") {
            found.description = found.description.or_else(|| clean(text));
            continue;
        }
        let Some(equals) = memchr::memchr(b'=', line) else { continue };
        let value = clean(&line[equals + 1..]).map(|value| value.trim_matches(['"', '\'']).to_owned());
        // A variable inside would have to be evaluated.
        let path = || value.clone().filter(|value| value.starts_with('/') && !value.contains(['$', '`', ' ']));
        match &line[..equals] {
            b"description" => found.description = found.description.or(value),
            b"DAEMON" | b"command" | b"exec" | b"prog_path" => found.program = found.program.or_else(path),
            b"PIDFILE" | b"pidfile" => found.pid_file = found.pid_file.or_else(path),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_are_read() {
        let sysv = b"#!/bin/sh\n### BEGIN INIT INFO\n# Provides: cron\n# Short-Description: Regular background program\n### END INIT INFO\nDAEMON=/usr/sbin/cron\nPIDFILE=/var/run/crond.pid\nOPTS=\"-L $LEVEL\"\n";
        let openrc =
            b"#!/sbin/openrc-run\ndescription=\"Nginx http server\"\ncommand=\"/usr/sbin/nginx\"\npidfile=\"/run/${RC_SVCNAME}.pid\"\n";
        let text = |text: &str| Some(text.to_owned());
        let expected = InitScript {
            description: text("Regular background program"),
            program: text("/usr/sbin/cron"),
            pid_file: text("/var/run/crond.pid"),
        };
        assert_eq!(init_script(sysv), expected);
        assert_eq!(
            init_script(openrc),
            InitScript { description: text("Nginx http server"), program: text("/usr/sbin/nginx"), pid_file: None }
        );
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            init_script(&bytes);
        }
    }
}
