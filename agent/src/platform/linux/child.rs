//! The only place where the agent starts another program.
//!
//! The default inventory of Debian starts none. What may be started is the table [`ALLOWED`]: absolute paths and fixed arguments, never a
//! shell, with nothing in the environment but the language of the answers. A program has a time limit and an output limit; at either
//! it is killed with all that it started.

use std::{
    io::{self, Read},
    os::unix::{fs::MetadataExt, process::CommandExt},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

use crate::files::Root;

/// A program that may be started, and how.
#[derive(Debug, PartialEq, Eq)]
pub struct Program {
    /// Where it is.
    pub path: &'static str,
    /// All of its arguments.
    pub arguments: &'static [&'static str],
    /// What for, and why there is no other way.
    pub purpose: &'static str,
    /// How long it may take.
    pub time_limit: Duration,
    /// How much it may answer, bytes.
    pub output_limit: u64,
}

/// Lists the packages that rpm knows, one a line, as [`crate::parse::rpm::listed`] reads them.
pub const RPM: Program = Program {
    path: "/usr/bin/rpm",
    arguments: &[
        "-qa",
        "--nosignature",
        "--nodigest",
        "--queryformat",
        "%{NAME}\\t%{EPOCHNUM}\\t%{VERSION}\\t%{RELEASE}\\t%{ARCH}\\t%{VENDOR}\\t%{PACKAGER}\\t%{LONGSIZE}\\t%{INSTALLTIME}\\n",
    ],
    purpose: "the packages of a database of rpm that is not of SQLite, whose formats only rpm's own library reads",
    time_limit: Duration::from_secs(20),
    output_limit: 16 << 20,
};

/// Every program that this agent may start.
pub const ALLOWED: &[&Program] = &[&RPM];

/// A program did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// It is not in the table.
    #[error("{0} is not among the programs that this agent may start")]
    NotAllowed(&'static str),
    /// It is not there, or cannot be started.
    #[error("{0} could not be started: {1}")]
    Start(&'static str, io::Error),
    /// Somebody else could have replaced it.
    #[error("{0} was not started: others than root can change it; make root its owner and take their right to write away")]
    Unsafe(&'static str),
    /// Its answer could not be read.
    #[error("{0} could not be read from: {1}")]
    Read(&'static str, io::Error),
    /// It took too long and was killed.
    #[error("{} took longer than {} s and was ended", .0.path, .0.time_limit.as_secs())]
    TimedOut(&'static Program),
    /// It answered too much and was killed.
    #[error("{} answered more than {} bytes and was ended", .0.path, .0.output_limit)]
    TooMuch(&'static Program),
    /// It failed.
    #[error("{0} failed ({1})")]
    Failed(&'static str, ExitStatus),
}

/// Runs a program of [`ALLOWED`] that lies under `root` and answers what it writes. When this returns, it has ended.
///
/// # Errors
/// See [`ChildError`].
pub fn run(program: &'static Program, root: &Root) -> Result<Vec<u8>, ChildError> {
    if !ALLOWED.contains(&program) {
        return Err(ChildError::NotAllowed(program.path));
    }
    start(program, root)
}

fn start(program: &'static Program, root: &Root) -> Result<Vec<u8>, ChildError> {
    let path = root.path(program.path);
    let metadata = path.metadata().map_err(|error| ChildError::Start(program.path, error))?;
    let is_ours = metadata.uid() == 0 || metadata.uid() == rustix::process::geteuid().as_raw();
    if !is_ours || metadata.mode() & 0o022 != 0 {
        return Err(ChildError::Unsafe(program.path));
    }
    let child = Command::new(&path)
        .args(program.arguments)
        .env_clear()
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // A group of its own, so that what it starts can be ended with it.
        .process_group(0)
        .spawn()
        .map_err(|error| ChildError::Start(program.path, error))?;
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    let end = move || {
        // The leader is not reaped before it was read to its end, so the number is still its group's. An error is that all have ended.
        if let Some(group) = group {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    };
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        // Nobody listens any more where even killing did not help.
        let _ = sender.send(answer(child, program, end));
    });
    match receiver.recv_timeout(program.time_limit) {
        Ok(answer) => answer,
        Err(RecvTimeoutError::Disconnected) => Err(ChildError::TimedOut(program)),
        Err(RecvTimeoutError::Timeout) => {
            /// How long the kernel may take to end what was killed. What left its group and keeps the pipe open is not waited for.
            const GRACE: Duration = Duration::from_secs(2);
            end();
            let _ = receiver.recv_timeout(GRACE);
            Err(ChildError::TimedOut(program))
        }
    }
}

/// Reads to the end and reaps.
fn answer(mut child: Child, program: &'static Program, end: impl Fn()) -> Result<Vec<u8>, ChildError> {
    let mut output = Vec::new();
    let read = match child.stdout.take() {
        Some(stdout) => stdout.take(program.output_limit + 1).read_to_end(&mut output),
        None => Ok(0),
    };
    let is_too_much = output.len() as u64 > program.output_limit;
    if is_too_much || read.is_err() {
        end();
    }
    let status = child.wait().map_err(|error| ChildError::Read(program.path, error))?;
    match read {
        Err(error) => Err(ChildError::Read(program.path, error)),
        Ok(_) if is_too_much => Err(ChildError::TooMuch(program)),
        Ok(_) if status.success() => Ok(output),
        Ok(_) => Err(ChildError::Failed(program.path, status)),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{os::unix::fs::PermissionsExt, path::Path, time::Instant};

    use super::*;

    const FAKE: Program =
        Program { path: "/bin/fake", arguments: &["-a", "b c"], purpose: "", time_limit: Duration::from_secs(30), output_limit: 1 << 10 };
    const HASTY: Program = Program { time_limit: Duration::from_millis(300), ..FAKE };

    /// Puts a script where a program is expected.
    pub(crate) fn script(root: &Path, path: &str, text: &str) {
        let path = root.join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn run_script(program: &'static Program, text: &str) -> Result<Vec<u8>, ChildError> {
        let directory = tempfile::tempdir().unwrap();
        script(directory.path(), program.path, text);
        start(program, &Root::new(directory.path()))
    }

    #[test]
    fn what_is_allowed_is_absolute_fixed_and_explained() {
        for program in ALLOWED {
            assert!(program.path.starts_with('/') && !program.purpose.is_empty(), "{program:?}");
            assert!(!["sh", "bash", "dash", "env", "sudo"].contains(&program.path.rsplit('/').next().unwrap()), "{program:?}");
        }
        let refused = run(&FAKE, &Root::new("/nowhere"));
        assert!(matches!(refused, Err(ChildError::NotAllowed(_))), "{refused:?}");
    }

    #[test]
    fn arguments_are_passed_whole_and_the_environment_is_empty() {
        let output = run_script(&FAKE, r#"echo "$#|$1|$2|$LC_ALL|$HOME|$(pwd)""#).unwrap();
        assert_eq!(String::from_utf8(output).unwrap(), "2|-a|b c|C||/\n");
        let environment = run_script(&FAKE, "tr '\\0' ' ' < /proc/self/environ").unwrap();
        let environment = String::from_utf8(environment).unwrap();
        // The shell of the test sets its own.
        assert!(environment.split_whitespace().all(|entry| entry == "LC_ALL=C" || entry.starts_with("PWD=")), "{environment}");
    }

    #[test]
    fn failure_silence_and_flood_are_told_apart() {
        assert!(matches!(run_script(&FAKE, "echo x; exit 3"), Err(ChildError::Failed(_, status)) if status.code() == Some(3)));
        assert!(matches!(run_script(&FAKE, "while :; do echo flood flood flood; done"), Err(ChildError::TooMuch(_))));
        assert!(matches!(start(&FAKE, &Root::new("/nowhere")), Err(ChildError::Start(..))));
    }

    #[test]
    fn what_hangs_is_ended_with_what_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let pids = directory.path().join("pids");
        script(directory.path(), HASTY.path, &format!("sleep 3600 &\necho $$ $! > {}\nwait", pids.display()));
        assert!(matches!(start(&HASTY, &Root::new(directory.path())), Err(ChildError::TimedOut(_))));
        for pid in std::fs::read_to_string(pids).unwrap().split_whitespace() {
            let state = || {
                std::fs::read_to_string(format!("/proc/{pid}/stat")).ok().and_then(|stat| stat.rsplit(')').next()?.trim().chars().next())
            };
            // Who is killed ends when it gets the processor next; whoever was left without a parent may wait to be reaped by the
            // machine's first process.
            let until = Instant::now() + Duration::from_secs(10);
            while !matches!(state(), None | Some('Z' | 'X')) {
                assert!(Instant::now() < until, "{pid} is {:?}", state());
                std::thread::yield_now();
            }
        }
    }

    #[test]
    fn what_others_can_change_is_not_started() {
        let directory = tempfile::tempdir().unwrap();
        script(directory.path(), FAKE.path, "echo x");
        std::fs::set_permissions(directory.path().join("bin/fake"), std::fs::Permissions::from_mode(0o775)).unwrap();
        assert!(matches!(start(&FAKE, &Root::new(directory.path())), Err(ChildError::Unsafe(_))));
    }
}
