//! The agent: collects what a machine is and whom it talks to, and reports it to a collector.
//!
//! Two halves with nothing but `spool` between them: `reader` looks at the machine (`collect` with `parse`, `observe`), `sender`
//! talks to the collector (`client`, `state`). They run as two processes, or both in one (`cycle`). A simulated fleet uses
//! `client`, `keys` and `tls` alone.
//!
//! What differs from system to system is in `platform`. The halves and their spool still rest on Linux (collectors, socket
//! tables) and on Unix (owners and modes of files): they are for Linux only until other systems have collectors. The rest
//! compiles for Windows and macOS too.

#[cfg(target_os = "linux")]
pub mod announced;
pub mod backoff;
#[cfg(target_os = "linux")]
pub mod cli;
pub mod client;
pub mod clock;
#[cfg(target_os = "linux")]
pub mod cycle;
#[cfg(target_os = "linux")]
pub mod enroll;
pub mod files;
pub mod glpi;
pub mod keys;
#[cfg(target_os = "linux")]
pub mod memory;
#[cfg(target_os = "linux")]
pub mod observe;
pub mod output;
pub mod parse;
#[cfg(target_os = "linux")]
pub mod permissions;
pub mod platform;
pub mod proxy;
#[cfg(target_os = "linux")]
pub mod reader;
pub mod redact;
#[cfg(target_os = "linux")]
pub mod rest;
#[cfg(target_os = "linux")]
pub mod sender;
#[cfg(target_os = "linux")]
pub mod settings;
#[cfg(target_os = "linux")]
pub mod spool;
#[cfg(target_os = "linux")]
pub mod state;
pub mod tls;

#[cfg(target_os = "linux")]
pub use platform::{child, collect, processes, sockets};
