//! The Rollcall collector: listeners, PKI, store, writer, API, web UI and command line.

pub mod app;
pub mod auth;
pub mod config;
pub mod query;
pub mod store;
pub mod web;
pub mod writer;
