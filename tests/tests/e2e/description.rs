//! The API does what its OpenAPI document says: schemathesis makes requests from it, right and wrong ones, against both stores.
//!
//! `tests/run api` installs schemathesis and runs these. `ROLLCALL_API_EXAMPLES` is how many requests of a kind each call gets.

use std::process::Command;

use anyhow::{Context, ensure};
use rollcall_tests::{
    harness::{Collector, CollectorOptions},
    postgres,
};
use serde_json::json;

use super::support::joined;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes, and schemathesis: tests/run api"]
async fn the_description_holds_on_sqlite() -> anyhow::Result<()> {
    holds(CollectorOptions::default()).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes, and schemathesis: tests/run api"]
async fn the_description_holds_on_postgresql() -> anyhow::Result<()> {
    holds(CollectorOptions { database: postgres::new_database().await?, ..CollectorOptions::default() }).await
}

async fn holds(options: CollectorOptions) -> anyhow::Result<()> {
    let program = std::env::var("ROLLCALL_SCHEMATHESIS").context("ROLLCALL_SCHEMATHESIS does not name schemathesis; run tests/run api")?;
    let examples = std::env::var("ROLLCALL_API_EXAMPLES").unwrap_or_else(|_| "10".to_owned());
    let collector = Collector::start(options).await?;
    // Something to find: a machine with services, and items that people made.
    let (_, mut agent) = joined(&collector).await?;
    agent.report().await?;
    let api = collector.api();
    let database = api.post("/api/v1/cis", &json!({ "class": "database", "name": "orders" })).await?;
    let service = api.post("/api/v1/cis", &json!({ "class": "business_service", "name": "shop" })).await?;
    api.post("/api/v1/relationships", &json!({ "type": "depends_on", "from": service["id"], "to": database["id"] })).await?;
    let token = std::fs::read_to_string(collector.data_dir().join("console.token"))?;
    let answer = tokio::task::spawn_blocking({
        let (address, directory) = (api.base().join("/api/v1/openapi.json")?, tempfile::tempdir()?);
        move || {
            Command::new(program)
                .args(["--config-file", concat!(env!("CARGO_MANIFEST_DIR"), "/api/schemathesis.toml"), "run", address.as_str()])
                .args(["--header", &format!("Authorization: Bearer {}", token.trim()), "--max-examples", &examples])
                .args(["--seed", "1", "--no-color", "--continue-on-failure", "--suppress-health-check", "all", "--warnings", "off"])
                .args(["--tls-verify", "false"])
                // It writes what it found beside where it runs.
                .current_dir(directory.path())
                .output()
        }
    })
    .await??;
    let told = String::from_utf8_lossy(&answer.stdout);
    let summary: Vec<&str> = told.lines().rev().take(400).collect();
    println!("{}", summary.into_iter().rev().collect::<Vec<_>>().join("\n"));
    ensure!(answer.status.success(), "schemathesis ended with {}: {}", answer.status, String::from_utf8_lossy(&answer.stderr));
    ensure!(told.contains("Test cases:"), "schemathesis tried nothing");
    Ok(())
}
