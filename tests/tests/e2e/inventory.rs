//! What an agent prints of its machine before it is sent, against a real collector.

use std::{collections::BTreeMap, net::TcpListener};

use anyhow::ensure;
use rollcall_tests::harness::{AgentProcess, Collector, CollectorOptions, TokenOptions};

/// What `inventory --diff` says of these sections: `new`, `none` or `changed`.
async fn differences(agent: &AgentProcess, sections: &[&str]) -> anyhow::Result<BTreeMap<String, String>> {
    let mut arguments = vec!["inventory", "--diff", "--format", "json"];
    arguments.extend(sections.iter().flat_map(|section| ["--section", section]));
    let output = agent.run(arguments).await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn differences_are_told_from_what_the_collector_has_acknowledged() -> anyhow::Result<()> {
    let collector = Collector::start(CollectorOptions::default()).await?;
    let agent = AgentProcess::new()?;
    agent.enroll(&collector.token_text(TokenOptions::default()).await?).await?;
    let sections = ["identity", "cpu", "listening"];
    let said = |words: [&str; 3]| -> BTreeMap<String, String> {
        sections.iter().zip(words).map(|(section, word)| ((*section).to_owned(), word.to_owned())).collect()
    };
    assert_eq!(differences(&agent, &sections).await?, said(["new", "new", "new"]), "nothing was sent");

    agent.report_once().await?;
    let _listener = TcpListener::bind("127.0.0.1:0")?;
    assert_eq!(differences(&agent, &sections).await?, said(["none", "none", "changed"]));

    // As people read it.
    let output = agent.run(["inventory", "--diff", "--section", "cpu", "--section", "listening"]).await?;
    let table = String::from_utf8(output.stdout)?;
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.splitn(2, ' ').map(str::trim).collect()).collect();
    assert_eq!(lines, [["cpu", "as acknowledged"], ["listening", "changed since it was acknowledged"]]);

    // As a partial inventory: what is as acknowledged is not in it.
    let output = agent.run(["inventory", "--diff", "--format", "glpi", "--section", "cpu"]).await?;
    let partial: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!((&partial["partial"], &partial["content"]["cpus"]), (&serde_json::json!(true), &serde_json::Value::Null), "{partial}");
    Ok(())
}
