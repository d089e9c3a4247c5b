//! Renewing and recovering: a certificate's life, lost answers, an older database.

use std::time::Duration;

use anyhow::{Context, ensure};
use rollcall_shared::wire::v1::{Credentials, RecoverRequest, paths};
use rollcall_tests::{
    fleet::{
        SimulatedAgent,
        wire::{WireClient, WireError},
    },
    harness::{AgentProcess, Collector, CollectorOptions, Proxy, TokenOptions, until},
};
use uuid::Uuid;

use super::support::{joined, machine};

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_offline_beyond_its_certificates_life_recovers_with_its_key() -> anyhow::Result<()> {
    let collector = Collector::start(CollectorOptions { certificate_seconds: 2, ..CollectorOptions::default() }).await?;
    let agent = AgentProcess::new()?;
    agent.enroll(&collector.token_text(TokenOptions::default()).await?).await?;
    let id = agent.agent_id().context("no identity")?;
    let not_after: rollcall_shared::Timestamp =
        agent.identity().and_then(|identity| identity.pointer("/credentials/not_after")?.as_str()?.parse().ok()).context("not_after")?;
    until("the certificate expires", || {
        std::future::ready((rollcall_shared::Timestamp::now().millis_since(not_after) > 1_000).then_some(()))
    })
    .await;

    agent.report_once().await?;
    ensure!(agent.agent_id().as_deref() == Some(&*id), "it became another agent");
    ensure!(agent.generation() > Some(1), "{:?}", agent.generation());
    ensure!(collector.agents().await?.len() == 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn recovering_takes_the_key_and_the_newest_generation() -> anyhow::Result<()> {
    let collector = Collector::start(CollectorOptions::default()).await?;
    let (token, mut agent) = joined(&collector).await?;
    let mut stranger = SimulatedAgent::enroll(&token, machine()).await?;
    agent.report().await?;

    // The stranger signs with its own key and names the other agent.
    let anonymous = WireClient::new(&collector.agents_url()?, &token.root_pin, None)?;
    let mut request = recover_request(&stranger)?;
    request.agent_id = agent.id();
    let refused = anonymous.post::<Credentials>(paths::RECOVER, &request).await;
    ensure!(refused.as_ref().is_err_and(|error| matches!(error.status(), Some(401 | 403))), "{refused:?}");
    let message = rollcall_shared::wire::v1::recover_message(agent.id(), request.renew.generation, request.renew.nonce);
    request.signature = sign(&stranger.key, &message)?;
    let refused = anonymous.post::<Credentials>(paths::RECOVER, &request).await;
    ensure!(refused.as_ref().is_err_and(|error| matches!(error.status(), Some(401 | 403))), "{refused:?}");

    // Both go on undisturbed.
    agent.recover().await?;
    ensure!(agent.credentials.generation == 2);
    agent.report().await?;
    stranger.report().await?;
    ensure!(collector.agent_state(agent.id()).await? == "active");
    Ok(())
}

fn recover_request(agent: &SimulatedAgent) -> anyhow::Result<RecoverRequest> {
    let renew = agent.renew_request(Uuid::new_v4())?;
    let message = rollcall_shared::wire::v1::recover_message(agent.id(), renew.generation, renew.nonce);
    Ok(RecoverRequest { agent_id: agent.id(), signature: sign(&agent.key, &message)?, renew })
}

fn sign(key: &str, message: &[u8]) -> anyhow::Result<String> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    Ok(STANDARD.encode(rcgen::SigningKey::sign(&rcgen::KeyPair::from_pem(key)?, message)?))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_renew_gets_the_same_certificate_again() -> anyhow::Result<()> {
    let collector = Collector::start(CollectorOptions::default()).await?;
    let (_, mut agent) = joined(&collector).await?;
    agent.report().await?;
    let request = agent.renew_request(Uuid::new_v4())?;
    let first: Credentials = agent.client().post(paths::RENEW, &request).await?;
    // The answer is lost: the old certificate still works, for asking again and for reporting.
    agent.report().await?;
    let second: Credentials = agent.client().post(paths::RENEW, &request).await?;
    ensure!(first.certificate_chain == second.certificate_chain && second.generation == 2);
    agent.credentials = second;
    agent.connect()?;
    agent.report().await?;
    ensure!(collector.agent_state(agent.id()).await? == "active");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_agent_outlives_a_lost_answer_to_renew() -> anyhow::Result<()> {
    let proxy = Proxy::start("127.0.0.1:1").await?;
    let url = format!("https://{}/", proxy.address()).parse()?;
    let options = CollectorOptions { agents_url: Some(url), certificate_seconds: 12, ..CollectorOptions::default() };
    let collector = Collector::start(options).await?;
    proxy.retarget(collector.agents_address());
    let mut agent = AgentProcess::new()?;
    agent.enroll(&collector.token_text(TokenOptions::default()).await?).await?;
    agent.report_once().await?;
    proxy.hold_answers();
    agent.start()?;
    let id = agent.agent_id().context("no identity")?.parse()?;
    // Every answer is lost: the agent tries again, until its certificate is due for renewal, and that answer is lost too.
    let cutting = async {
        let mut cuts = tokio::time::interval(Duration::from_millis(300));
        loop {
            cuts.tick().await;
            proxy.cut();
        }
    };
    let issued = until("the collector has issued the next certificate", || async {
        collector.issued_generation(id).await.ok().filter(|&generation| generation >= 2)
    });
    tokio::select! {
        _ = issued => {}
        () = cutting => {}
    }
    ensure!(agent.generation() == Some(1), "the answer was not lost");
    proxy.cut_and_pass();
    until("the agent has its next certificate", || std::future::ready(agent.generation().filter(|&generation| generation >= 2))).await;
    agent.kill();
    agent.report_once().await?;
    ensure!(collector.agent_state(id).await? == "active");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_that_are_ahead_of_a_restored_backup_are_accepted() -> anyhow::Result<()> {
    let mut collector = Collector::start(CollectorOptions::default()).await?;
    let (_, mut agent) = joined(&collector).await?;
    agent.report().await?;

    collector.stop().await?;
    let backup = tempfile::tempdir()?;
    copy(collector.data_dir(), backup.path()).await?;
    collector.start_again().await?;
    agent.connect()?;
    agent.machine.upgrade(3, 1);
    agent.report().await?;
    agent.renew().await?;
    agent.report().await?;
    ensure!(agent.credentials.generation == 2);

    collector.stop().await?;
    copy(backup.path(), collector.data_dir()).await?;
    collector.start_again().await?;
    agent.connect()?;
    let wanted = agent.report().await?;
    ensure!(wanted.contains(&"packages".to_owned()), "the restored collector knows too much: {wanted:?}");
    ensure!(agent.report().await?.is_empty());
    ensure!(collector.agent_state(agent.id()).await? == "active");
    // What was left behind is old now.
    let mut left_behind = agent.clone();
    left_behind.credentials.generation = 1;
    left_behind.exchanges = rollcall_tests::fleet::Exchanges::default();
    let refused = left_behind.check_in().await;
    ensure!(refused.as_ref().is_err_and(|error| error.status() == Some(409) || error.status() == Some(403)), "{refused:?}");
    Ok(())
}

async fn copy(from: &std::path::Path, to: &std::path::Path) -> anyhow::Result<()> {
    let (from, to) = (from.to_owned(), to.to_owned());
    tokio::task::spawn_blocking(move || {
        // Everything of the target goes first: a newer write-ahead log beside an older database is no backup.
        for entry in std::fs::read_dir(&to)? {
            let path = entry?.path();
            if path.is_dir() { std::fs::remove_dir_all(&path)? } else { std::fs::remove_file(&path)? }
        }
        let copied = std::process::Command::new("cp").arg("-a").arg(from.join(".")).arg(&to).status()?;
        ensure!(copied.success(), "cp ended with {copied}");
        Ok(())
    })
    .await?
}

#[tokio::test(flavor = "multi_thread")]
async fn only_certificates_of_this_collectors_agents_are_let_in() -> anyhow::Result<()> {
    let collector = Collector::start(CollectorOptions::default()).await?;
    let other = Collector::start(CollectorOptions::default()).await?;
    let (token, mut agent) = joined(&collector).await?;
    let (_, foreign) = joined(&other).await?;
    let request = agent.check_in_request(rollcall_shared::Timestamp::now());

    let none = WireClient::new(&collector.agents_url()?, &token.root_pin, None)?;
    let refused = none.post::<serde_json::Value>(paths::CHECK_IN, &request).await;
    ensure!(refused.as_ref().is_err_and(|error| matches!(error.status(), Some(401 | 403))), "{refused:?}");

    let identity = rollcall_tests::fleet::wire::Identity { chain: &foreign.credentials.certificate_chain, key: &foreign.key };
    let stranger = WireClient::new(&collector.agents_url()?, &token.root_pin, Some(identity))?;
    let refused = stranger.post::<serde_json::Value>(paths::CHECK_IN, &request).await;
    let kept_out = match &refused {
        Err(WireError::Transport(_)) => true,
        Err(error) => matches!(error.status(), Some(401 | 403)),
        Ok(_) => false,
    };
    ensure!(kept_out, "{refused:?}");
    Ok(())
}
