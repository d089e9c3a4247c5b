//! The agent: collects what a machine is and whom it talks to, and reports it to a collector.
//!
//! `collect` (with `parse`) makes the sections, `spool` keeps what is not acknowledged, `client` talks to the collector,
//! `cycle` puts them together. A simulated fleet uses `client`, `keys` and `tls` alone.

pub mod backoff;
pub mod cli;
pub mod client;
pub mod clock;
pub mod cycle;
pub mod enroll;
pub mod files;
pub mod glpi;
pub mod keys;
pub mod observe;
pub mod output;
pub mod parse;
pub mod platform;
pub mod spool;
pub mod state;
pub mod tls;

pub use platform::{collect, processes, sockets};
