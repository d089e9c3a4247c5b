//! Several collectors on one PostgreSQL: the same answers, whichever is asked.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rollcall_tests::{
    fleet::SimulatedAgent,
    harness::{Collector, CollectorOptions, api::text, until},
    postgres,
};
use serde_json::{Value, json};

use super::support::joined;

/// Two collectors on a new database, the second with a copy of the first one's CA.
async fn pair() -> anyhow::Result<(Collector, Collector, tempfile::TempDir)> {
    let options = CollectorOptions { database: postgres::new_database().await?, ..CollectorOptions::default() };
    let first = Collector::start(options.clone()).await?;
    let data = tempfile::tempdir()?;
    let copied = std::process::Command::new("cp").arg("-a").arg(first.data_dir().join("ca")).arg(data.path()).status()?;
    ensure!(copied.success(), "cp ended with {copied}");
    let second = Collector::start_on(data.path(), options).await?;
    Ok((first, second, data))
}

async fn create(collector: &Collector, class: &str, name: &str) -> anyhow::Result<String> {
    let answer = collector.api().post("/api/v1/cis", &json!({ "class": class, "name": name })).await?;
    Ok(text(&answer, "id")?.to_owned())
}

/// What two collectors must agree on; the instant of the answer is each one's own.
fn essence(mut answer: Value) -> Value {
    if let Some(answer) = answer.as_object_mut() {
        answer.remove("at");
    }
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn two_collectors_answer_the_same_impact_question_alike_within_a_second_of_a_write() -> anyhow::Result<()> {
    const WRITES: usize = 11;
    let (first, second, _data) = pair().await?;
    let database = create(&first, "database", "shared-db").await?;
    let mut delays = Vec::new();
    for write in 0..WRITES {
        // Written here and there in turn.
        let (here, there) = if write.is_multiple_of(2) { (&first, &second) } else { (&second, &first) };
        let service = create(here, "business_service", &format!("service-{write}")).await?;
        let body = json!({ "type": "depends_on", "from": service, "to": database, "note": "test" });
        here.api().post("/api/v1/relationships", &body).await?;
        let written = Instant::now();
        let expected = essence(here.impact(&[&database]).await?);
        until("the other collector answers the same", || async {
            there.impact(&[&database]).await.ok().filter(|answer| essence(answer.clone()) == expected)
        })
        .await;
        delays.push(written.elapsed());
        let affected = expected.get("affected").and_then(Value::as_array).context("affected")?.len();
        ensure!(affected == write + 1, "{affected} affected after {} writes", write + 1);
    }
    delays.sort();
    println!("the other collector agrees after {:?} (median), {:?} (longest)", delays[WRITES / 2], delays[WRITES - 1]);
    ensure!(delays[WRITES / 2] < Duration::from_secs(1), "{delays:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_goes_on_with_another_collector_when_its_own_is_gone() -> anyhow::Result<()> {
    let (mut first, second, _data) = pair().await?;
    let (_, mut agent): (_, SimulatedAgent) = joined(&first).await?;
    agent.report().await?;
    first.kill();
    agent.move_to(&second.agents_url()?)?;
    ensure!(agent.report().await?.is_empty(), "the other collector asks for what is stored");
    agent.machine.upgrade(3, 1);
    ensure!(agent.report().await? == ["packages"]);
    agent.renew().await?;
    agent.report().await?;
    ensure!(second.agent_state(agent.id()).await? == "active");
    // And back.
    first.start_again().await?;
    agent.move_to(&first.agents_url()?)?;
    ensure!(agent.report().await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_on_postgresql_begins_with_the_graph_that_it_left() -> anyhow::Result<()> {
    let options = CollectorOptions { database: postgres::new_database().await?, ..CollectorOptions::default() };
    let mut collector = Collector::start(options).await?;
    let database = create(&collector, "database", "shared-db").await?;
    let service = create(&collector, "business_service", "sales").await?;
    let body = json!({ "type": "depends_on", "from": service, "to": database, "note": "test" });
    collector.api().post("/api/v1/relationships", &body).await?;
    let expected = essence(collector.impact(&[&database]).await?);
    collector.stop().await?;
    collector.start_again().await?;
    ensure!(essence(collector.impact(&[&database]).await?) == expected);
    ensure!(collector.log().contains("the graph was read from its file"), "{}", collector.log());
    // And goes on with what is written from then on.
    let another = create(&collector, "business_service", "more sales").await?;
    collector
        .api()
        .post("/api/v1/relationships", &json!({ "type": "depends_on", "from": another, "to": database, "note": "test" }))
        .await?;
    let answer = collector.impact(&[&database]).await?;
    let affected = answer.get("affected").and_then(Value::as_array).context("affected")?.len();
    ensure!(affected == 2, "{answer}");
    Ok(())
}
