//! The agent: collects what a machine is and whom it talks to, and reports it to a collector.
//!
//! Two halves with nothing but `spool` between them: `reader` looks at the machine (`collect` with `parse`, `observe`), `sender`
//! talks to the collector (`client`, `state`). They run as two processes, or both in one (`cycle`). A simulated fleet uses
//! `client`, `keys` and `tls` alone.

pub mod backoff;
pub mod cli;
pub mod client;
pub mod clock;
pub mod cycle;
pub mod enroll;
pub mod files;
pub mod glpi;
pub mod keys;
pub mod memory;
pub mod observe;
pub mod output;
pub mod parse;
pub mod permissions;
pub mod platform;
pub mod proxy;
pub mod reader;
pub mod redact;
pub mod sender;
pub mod settings;
pub mod spool;
pub mod state;
pub mod tls;

pub use platform::{collect, processes, sockets};
