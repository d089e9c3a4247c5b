//! What differs from system to system. Everything outside of this directory, but for the modules that `lib.rs` names,
//! compiles for Linux, Windows and macOS (`tests/platforms`).
//!
//! | file | holds |
//! | --- | --- |
//! | `linux` | collectors, processes, sockets, the clock since the start of the machine |
//! | `unix` | modes of files, durable directories, the terminal: Linux and macOS |
//! | `windows` | the same for Windows |
//! | `other` | the clock of systems without collectors |

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use self::unix::{private, set_mode, sync_directory, terminal_columns};
#[cfg(windows)]
pub(crate) use self::windows::{private, set_mode, sync_directory, terminal_columns};
#[cfg(target_os = "linux")]
pub(crate) use linux::clock::{boot_id, since_boot};
#[cfg(target_os = "linux")]
pub use linux::{child, collect, processes, sockets};
#[cfg(not(target_os = "linux"))]
pub(crate) use other::{boot_id, since_boot};
