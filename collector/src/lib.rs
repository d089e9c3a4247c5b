//! The Rollcall collector: listeners, PKI, store, writer, API, web UI and command line.

pub mod store;
