//! Refusing files that others could have changed or can read, with the command that puts it right.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// A file or directory is not as it must be.
#[derive(Debug, thiserror::Error)]
pub enum Unsafe {
    /// Others could use it.
    #[error("{path} has mode {mode:04o} and owner {owner}, so that others could {danger}; next: {next_step}")]
    Permissions {
        /// The file or directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// Its owner's number.
        owner: u32,
        /// What others could do.
        danger: &'static str,
        /// A command that puts it right.
        next_step: String,
    },
    /// It cannot be looked at.
    #[error("{path} cannot be checked: {source}; check that the agent runs as the user who owns it")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Unsafe {
    /// The command that puts it right, or what to look at.
    pub fn next_step(&self) -> String {
        match self {
            Self::Permissions { next_step, .. } => next_step.clone(),
            Self::Io { path, .. } => format!("check {} and that the agent runs as the user who owns it", path.display()),
        }
    }
}

/// The number of the user that this process works as.
pub fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Goes on as the user who owns `directory`, where root is asked to work on another user's files: what it writes there must
/// be that user's to read. Called while there is one thread.
///
/// # Errors
/// As the system says.
pub fn work_as_owner_of(directory: &Path) -> io::Result<()> {
    use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};
    let owner = match fs::symlink_metadata(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        metadata => metadata?,
    };
    if own_user() != 0 || owner.uid() == 0 {
        return Ok(());
    }
    setgroups(&[])?;
    setgid(Gid::from_raw(owner.gid()))?;
    setuid(Uid::from_raw(owner.uid()))?;
    Ok(())
}

/// What a path must be.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// A directory, and not a file.
    pub directory: bool,
    /// Mode bits that nobody may have.
    pub forbidden: u32,
    /// The mode that the repairing command gives.
    pub mode: &'static str,
    /// What others could do otherwise.
    pub danger: &'static str,
}

/// Checks that `path`, if it exists, is this user's own and as `wanted`. Symbolic links are refused.
///
/// # Errors
/// [`Unsafe`].
pub fn own(path: &Path, wanted: Wanted) -> Result<(), Unsafe> {
    of(own_user(), path, wanted)
}

/// Like [`own`], for another user.
///
/// # Errors
/// [`Unsafe`].
pub fn of(user: u32, path: &Path, wanted: Wanted) -> Result<(), Unsafe> {
    let Some(metadata) = look(path, fs::symlink_metadata(path))? else { return Ok(()) };
    if metadata.uid() == user && is_as(&metadata, wanted) {
        return Ok(());
    }
    let path_text = quoted(path);
    let next_step = if metadata.is_dir() == wanted.directory && !metadata.is_symlink() {
        format!("chown {user} {path_text} && chmod {} {path_text}", wanted.mode)
    } else {
        format!("mv {path_text} {}", quoted(&path.with_added_extension("wrong")))
    };
    Err(refused(path, &metadata, wanted.danger, next_step))
}

/// Checks that only root and this user can write to a file, or put another in its place.
///
/// # Errors
/// [`Unsafe`].
pub fn only_trusted_write(path: &Path, danger: &'static str) -> Result<(), Unsafe> {
    // What a link names is what is read.
    let Some(metadata) = look(path, fs::metadata(path))? else { return Ok(()) };
    check_writers(path, &metadata, danger)?;
    let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else { return Ok(()) };
    match look(parent, fs::metadata(parent))? {
        Some(metadata) => check_writers(parent, &metadata, danger),
        None => Ok(()),
    }
}

fn check_writers(path: &Path, metadata: &Metadata, danger: &'static str) -> Result<(), Unsafe> {
    const STICKY: u32 = 0o1000;
    let mode = metadata.permissions().mode();
    // In a sticky directory such as /tmp nobody can replace another's file.
    let others_write = mode & 0o022 != 0 && !(metadata.is_dir() && mode & STICKY != 0);
    let trusted = metadata.uid() == 0 || metadata.uid() == own_user();
    if trusted && !others_write {
        return Ok(());
    }
    let path_text = quoted(path);
    let next_step = match trusted {
        true => format!("chmod go-w {path_text}"),
        false => format!("chown {} {path_text} && chmod go-w {path_text}", own_user()),
    };
    Err(refused(path, metadata, danger, next_step))
}

fn is_as(metadata: &Metadata, wanted: Wanted) -> bool {
    let kind = if wanted.directory { metadata.is_dir() } else { metadata.is_file() };
    kind && metadata.permissions().mode() & wanted.forbidden == 0
}

fn look(path: &Path, metadata: io::Result<Metadata>) -> Result<Option<Metadata>, Unsafe> {
    match metadata {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Unsafe::Io { path: path.to_owned(), source }),
    }
}

fn refused(path: &Path, metadata: &Metadata, danger: &'static str, next_step: String) -> Unsafe {
    let mode = metadata.permissions().mode() & 0o7777;
    Unsafe::Permissions { path: path.to_owned(), mode, owner: metadata.uid(), danger, next_step }
}

/// As a shell takes it for one word.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: Wanted = Wanted { directory: false, forbidden: 0o077, mode: "0600", danger: "read it" };

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_file_is_as_wanted_or_the_repair_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("it's");
        own(&path, FILE).unwrap();
        fs::write(&path, "").unwrap();
        for (mode, good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o622, false)] {
            set(&path, mode);
            assert_eq!(own(&path, FILE).is_ok(), good, "{mode:o}");
        }
        let error = own(&path, FILE).unwrap_err().to_string();
        assert!(error.contains("mode 0622") && error.contains(r"it'\''s' && chmod 0600"), "{error}");
        set(&path, 0o600);
        let other = of(own_user() + 1, &path, FILE).unwrap_err().to_string();
        assert!(other.contains(&format!("chown {} ", own_user() + 1)), "{other}");
    }

    #[test]
    fn a_link_is_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&file, "").unwrap();
        set(&file, 0o600);
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(own(&link, FILE).unwrap_err().to_string().contains("mv "));
    }

    #[test]
    fn what_others_can_write_or_replace_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agent.toml");
        fs::write(&path, "").unwrap();
        for (file, parent, good) in
            [(0o644, 0o755, true), (0o664, 0o755, false), (0o646, 0o755, false), (0o644, 0o777, false), (0o644, 0o1777, true)]
        {
            set(&path, file);
            set(directory.path(), parent);
            let checked = only_trusted_write(&path, "change it");
            assert_eq!(checked.is_ok(), good, "{file:o} in {parent:o}");
            if let Err(error) = checked {
                assert!(error.to_string().contains("chmod go-w"), "{error}");
            }
        }
    }
}
