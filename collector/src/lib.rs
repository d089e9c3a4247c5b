//! The Rollcall collector: listeners, PKI, store, writer, API, web UI and command line.

pub mod app;
pub mod auth;
pub mod config;
mod given_certificate;
mod graph_cache;
mod listener;
pub mod metrics;
pub mod pki;
pub mod query;
pub mod serve;
pub mod store;
pub mod web;
pub mod writer;

pub use listener::Peer;
