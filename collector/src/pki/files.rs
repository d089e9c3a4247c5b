//! Files that hold keys: written whole or not at all, and readable by their owner only.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::PkiError;

/// Mode of a directory with keys.
const PRIVATE_DIR: u32 = 0o700;
/// Mode of a key.
const PRIVATE_FILE: u32 = 0o600;

/// Names the file in an error.
pub(super) fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PkiError {
    let path = path.to_owned();
    move |source| PkiError::File { what, path, source }
}

/// Makes a directory that only its owner may enter, and its parents.
pub(super) fn create_private_dir(path: &Path) -> Result<(), PkiError> {
    DirBuilder::new().recursive(true).mode(PRIVATE_DIR).create(path).map_err(failed("create", path))
}

/// Refuses a directory or key file that others may read or write.
pub(super) fn check_private(path: &Path) -> Result<(), PkiError> {
    let metadata = fs::metadata(path).map_err(failed("read", path))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let wanted = if metadata.is_dir() { PRIVATE_DIR } else { PRIVATE_FILE };
        return Err(PkiError::Permissions { path: path.to_owned(), mode, wanted });
    }
    Ok(())
}

/// Writes a new file that only its owner may read, durably.
pub(super) fn write_new_private(path: &Path, content: &str) -> Result<(), PkiError> {
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(PRIVATE_FILE).open(path)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()
    };
    write().map_err(failed("create", path))
}

/// Replaces a file by one that only its owner may read: after a crash either the old or the new one is there, whole.
pub(super) fn replace_private(path: &Path, content: &str) -> Result<(), PkiError> {
    let beside = beside(path);
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("replace", &beside)(error)),
        _ => {}
    }
    write_new_private(&beside, content)?;
    fs::rename(&beside, path).map_err(failed("replace", path))?;
    sync_parent(path)
}

/// Reads a whole text file.
pub(super) fn read(path: &Path) -> Result<String, PkiError> {
    fs::read_to_string(path).map_err(failed("read", path))
}

/// Makes a rename in this path's directory durable.
pub(super) fn sync_parent(path: &Path) -> Result<(), PkiError> {
    let parent = path.parent().unwrap_or(Path::new("."));
    File::open(parent).and_then(|directory| directory.sync_all()).map_err(failed("write", parent))
}

/// A name next to `path` for what is not finished yet; of this process, so that two do not meet.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".new-{}", std::process::id()));
    PathBuf::from(name)
}
