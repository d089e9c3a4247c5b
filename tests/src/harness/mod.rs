//! Real processes to test against: `rollcall serve` and `rollcall-agent`, over real TLS, on loopback, on free ports.

pub mod agent_process;
pub mod api;
pub mod collector;
pub mod proxy;
pub mod wait;

pub use agent_process::AgentProcess;
pub use api::Api;
pub use collector::{Collector, CollectorOptions, TokenOptions};
pub use proxy::Proxy;
pub use wait::until;

use std::path::PathBuf;

/// A binary of this workspace, built in the same profile as the running test.
///
/// # Panics
/// If it is not built.
pub fn binary(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("path of this test");
    let profile = this.ancestors().find(|path| path.ends_with("debug") || path.ends_with("release")).expect("a cargo target directory");
    let path = profile.join(name);
    assert!(path.exists(), "{} is not built: run `cargo build -p rollcall -p rollcall-agent`, or tests/run", path.display());
    path
}
