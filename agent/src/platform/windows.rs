//! Windows.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
};

/// Files get the access list of their directory, which the installation makes the service's alone.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Modes are another family's; access lists are inherited from the directory.
pub(crate) fn set_mode(_file: &File, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// The file system's journal does it; directories cannot be opened as files.
pub(crate) fn sync_directory(_directory: &Path) -> io::Result<()> {
    Ok(())
}

/// Not asked: lines stay whole.
pub(crate) fn terminal_columns() -> Option<u16> {
    None
}
