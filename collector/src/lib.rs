//! The Rollcall collector: listeners, PKI, store, writer, API, web UI and command line.

mod agents;
pub mod api;
pub mod app;
pub mod auth;
mod blast;
pub mod cli;
mod code;
pub mod config;
mod enrollment_token;
mod export;
mod foreign;
mod given_certificate;
mod graph_cache;
pub mod graph_copy;
mod health;
mod import;
mod ingest;
mod jobs;
mod listener;
mod memory;
pub mod metrics;
mod people;
pub mod pki;
pub mod query;
mod realm;
pub mod serve;
mod starting;
pub mod store;
mod table;
#[cfg(test)]
mod testing;
mod views;
pub mod web;
pub mod writer;

pub use listener::Peer;
