//! Secrets from people: asked for without echo on a terminal, read from a pipe or a file elsewhere, never from an argument.

use std::{
    fs,
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    path::Path,
};

use anyhow::Context as _;
use rustix::termios::{self, LocalModes, OptionalActions};
use zeroize::Zeroizing;

use super::error::CliError;

/// The secret in a file, without the line break at its end.
pub(super) fn secret_from(file: &Path) -> Result<Zeroizing<String>, CliError> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// A new password, asked for twice on a terminal.
pub(super) fn new_password() -> Result<Zeroizing<String>, CliError> {
    let password = secret("New password: ")?;
    if io::stdin().is_terminal() && *secret("Once more: ")? != *password {
        return Err(CliError::Usage("the two are not the same; try again".to_owned()));
    }
    Ok(password)
}

/// A secret, asked for.
pub(super) fn secret(question: &str) -> Result<Zeroizing<String>, CliError> {
    let stdin = io::stdin();
    let echo = if stdin.is_terminal() {
        eprint!("{question}");
        // The question may go nowhere; the answer is read all the same.
        let _ = io::stderr().flush();
        let before = termios::tcgetattr(&stdin).context("the terminal cannot be asked")?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        termios::tcsetattr(&stdin, OptionalActions::Flush, &silent).context("the terminal's echo cannot be turned off")?;
        Some(before)
    } else {
        None
    };
    let mut line = Zeroizing::new(String::new());
    let read = stdin.lock().read_line(&mut line);
    if let Some(before) = echo {
        termios::tcsetattr(&stdin, OptionalActions::Flush, &before).context("the terminal's echo cannot be turned on again")?;
        eprintln!();
    }
    read.context("nothing could be read")?;
    Ok(Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}
