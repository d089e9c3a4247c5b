//! What several end-to-end tests do.

use anyhow::Context;
use rollcall_shared::{Timestamp, wire::v1::EnrollmentToken};
use rollcall_tests::{
    fleet::{Company, CompanyOptions, Machine, SimulatedAgent},
    harness::{Collector, TokenOptions},
};
use serde_json::Value;

/// The demo company's machines, in order.
pub(crate) fn machines() -> Vec<Machine> {
    Company::build(&CompanyOptions { quirks: false, clones: 0, ..CompanyOptions::demo(Timestamp::now()) }).machines
}

/// One machine of the demo company; a server with services.
pub(crate) fn machine() -> Machine {
    machines().swap_remove(20)
}

/// A token with default options, and a simulated agent that has joined with it.
pub(crate) async fn joined(collector: &Collector) -> anyhow::Result<(EnrollmentToken, SimulatedAgent)> {
    let token = collector.token(TokenOptions::default()).await?;
    let agent = SimulatedAgent::enroll(&token, machine()).await.context("enroll")?;
    Ok((token, agent))
}

/// A member of a JSON object, by JSON pointer.
///
/// # Errors
/// If there is none.
pub(crate) fn at<'a>(value: &'a Value, pointer: &str) -> anyhow::Result<&'a Value> {
    value.pointer(pointer).with_context(|| format!("no {pointer} in {value}"))
}
