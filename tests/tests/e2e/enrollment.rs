//! Joining: who may, how often, and what a certificate says whatever was asked for.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType};
use rollcall::store::{self, AuditEntry, TokenRecord};
use rollcall_shared::{
    Timestamp, TokenId,
    wire::v1::{EnrollResponse, EnrollmentToken, paths},
};
use rollcall_tests::{
    fleet::{
        SimulatedAgent,
        agent::{csr, enroll_request},
        wire::{WireClient, WireError},
    },
    harness::{AgentProcess, Collector, CollectorOptions, Proxy, TokenOptions, until},
};
use uuid::Uuid;
use x509_parser::{
    extensions::GeneralName,
    pem::parse_x509_pem,
    prelude::{FromDer, X509Certificate},
};

use super::support::{at, machine};

fn anonymous(token: &EnrollmentToken) -> Result<WireClient, WireError> {
    WireClient::new(&token.urls[0], &token.root_pin, None)
}

/// Tries to join with this token; the status and words of the refusal.
async fn refusal(token: &EnrollmentToken) -> anyhow::Result<(u16, String)> {
    let (request, _) = enroll_request(token, &machine())?;
    match anonymous(token)?.post::<EnrollResponse>(paths::ENROLL, &request).await {
        Err(WireError::Refused { status, problem }) => Ok((status.as_u16(), problem.detail)),
        Err(error) => Err(error.into()),
        Ok(_) => anyhow::bail!("joined"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_200_clients_at_the_same_instant_exactly_as_many_join_as_the_token_has_uses() -> anyhow::Result<()> {
    const USES: u32 = 20;
    let collector = Collector::start(CollectorOptions::default()).await?;
    let token = collector.token(TokenOptions { uses: Some(USES), ..TokenOptions::default() }).await?;
    let machine = machine();
    let gate = std::sync::Arc::new(tokio::sync::Barrier::new(200));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let (client, gate) = (anonymous(&token)?, gate.clone());
        let (request, _) = enroll_request(&token, &machine)?;
        clients.spawn(async move {
            gate.wait().await;
            client.post::<EnrollResponse>(paths::ENROLL, &request).await
        });
    }
    let (mut joined, mut refused) = (0, 0);
    while let Some(result) = clients.join_next().await {
        match result? {
            Ok(EnrollResponse::Issued(_)) => joined += 1,
            Err(error) if error.status() == Some(403) => refused += 1,
            other => anyhow::bail!("neither joined nor refused: {other:?}"),
        }
    }
    ensure!((joined, refused) == (USES, 200 - USES), "{joined} joined, {refused} were refused");
    ensure!(collector.agents().await?.len() == USES as usize);
    let shown = collector.token_shown(token.id).await?;
    ensure!(at(&shown, "/uses")? == USES, "{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_revoked_and_wrong_tokens_say_what_is_wrong_and_let_nobody_in() -> anyhow::Result<()> {
    let collector = Collector::start(CollectorOptions::default()).await?;

    let expired = expired_token(&collector).await?;
    let (status, words) = refusal(&expired).await?;
    ensure!(status == 403 && words.contains("time is over"), "{status} {words}");

    let revoked = collector.token(TokenOptions::default()).await?;
    collector.revoke_token(revoked.id).await?;
    let (status, words) = refusal(&revoked).await?;
    ensure!(status == 403 && words.contains("revoked"), "{status} {words}");

    let valid = collector.token(TokenOptions::default()).await?;
    let guessed = EnrollmentToken { secret: revoked.secret.clone(), ..valid.clone() };
    let (wrong_secret, _) = refusal(&guessed).await?;
    let unknown = EnrollmentToken { id: TokenId(Uuid::now_v7()), ..valid.clone() };
    let (no_such_token, _) = refusal(&unknown).await?;
    ensure!(wrong_secret == no_such_token && [401, 403].contains(&wrong_secret), "{wrong_secret} {no_such_token}");

    ensure!(collector.agents().await?.is_empty());
    Ok(())
}

/// A token that ended an hour ago: put into the database, because the shortest life that can be asked for is a day.
async fn expired_token(collector: &Collector) -> anyhow::Result<EnrollmentToken> {
    let now = Timestamp::now();
    let model = collector.token(TokenOptions::default()).await?;
    let token = EnrollmentToken { id: TokenId(Uuid::now_v7()), ..model };
    let record = TokenRecord {
        id: token.id,
        secret_hash: *blake3::hash(token.secret.as_bytes()).as_bytes(),
        name: "expired".into(),
        max_uses: None,
        uses: 0,
        expires_at: now.plus_millis(-3_600_000),
        revoked_at: None,
        needs_approval: false,
        realm: "default".into(),
        assigned: BTreeMap::new(),
        created_by: "test".into(),
        created_at: now.plus_millis(-7_200_000),
    };
    let audit =
        AuditEntry { at: now, actor: "test".into(), action: "token.create".into(), subject: "expired".into(), detail: String::new() };
    store::open(&collector.options.database, collector.data_dir()).await?.create_token(&record, &audit).await?;
    Ok(token)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_pin_ends_at_the_handshake_before_the_secret_is_sent() -> anyhow::Result<()> {
    let collector = Collector::start(CollectorOptions::default()).await?;
    let other = Collector::start(CollectorOptions::default()).await?;
    let token = collector.token(TokenOptions::default()).await?;
    let elsewhere = other.token(TokenOptions::default()).await?;
    let mixed = EnrollmentToken { root_pin: elsewhere.root_pin.clone(), ..token.clone() };

    let simulated = SimulatedAgent::enroll(&mixed, machine()).await;
    ensure!(matches!(simulated, Err(WireError::Transport(_))));

    let agent = AgentProcess::new()?;
    let file = agent.file("token", &mixed.to_text())?;
    let output = agent.run([std::ffi::OsStr::new("enroll"), "--no-wait".as_ref(), "--token-file".as_ref(), file.as_os_str()]).await?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success() && words.contains("not the collector"), "{words}");
    ensure!(agent.identity().is_none());

    ensure!(collector.agents().await?.is_empty());
    ensure!(at(&collector.token_shown(token.id).await?, "/uses")? == 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_for_a_ca_with_foreign_names_gets_the_collectors_own_template() -> anyhow::Result<()> {
    let collector = Collector::start(CollectorOptions::default()).await?;
    let token = collector.token(TokenOptions::default()).await?;
    let key = KeyPair::generate()?;
    let mut wishes = CertificateParams::new(vec!["localhost".to_owned()])?;
    wishes.subject_alt_names.push(SanType::URI("rollcall:agent:00000000-0000-0000-0000-000000000000:99".try_into()?));
    wishes.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    wishes.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    wishes.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let (mut request, _) = enroll_request(&token, &machine())?;
    request.csr = csr(&key, wishes)?;
    let EnrollResponse::Issued(credentials) = anonymous(&token)?.post(paths::ENROLL, &request).await? else {
        anyhow::bail!("not issued");
    };

    let (_, pem) = parse_x509_pem(credentials.certificate_chain.as_bytes())?;
    let (_, certificate) = X509Certificate::from_der(&pem.contents)?;
    ensure!(certificate.public_key().raw == key_info(&key), "another key was certified");
    ensure!(!certificate.is_ca());
    let usage = certificate.extended_key_usage()?.context("no extended key usage")?.value;
    ensure!(usage.client_auth && !usage.server_auth && !usage.any, "{usage:?}");
    ensure!(certificate.key_usage()?.is_none_or(|usage| !usage.value.key_cert_sign()));
    let names = &certificate.subject_alternative_name()?.context("no name")?.value.general_names;
    let expected = format!("rollcall:agent:{}:1", credentials.agent_id);
    ensure!(names.len() == 1 && matches!(&names[0], GeneralName::URI(name) if **name == *expected), "{names:?}");
    Ok(())
}

fn key_info(key: &KeyPair) -> Vec<u8> {
    rcgen::PublicKeyData::subject_public_key_info(key)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_with_approval_waits_for_a_person_and_takes_one_use() -> anyhow::Result<()> {
    let collector = Collector::start(CollectorOptions::default()).await?;
    let token = collector.token(TokenOptions { uses: Some(2), needs_approval: true }).await?;
    let client = anonymous(&token)?;
    let (welcome, _) = enroll_request(&token, &machine())?;
    let (unwelcome, _) = enroll_request(&token, &machine())?;
    for request in [&welcome, &unwelcome, &welcome] {
        let answer = client.post(paths::ENROLL, request).await?;
        ensure!(matches!(answer, EnrollResponse::Pending { .. }), "{answer:?}");
    }
    let agents = collector.agents().await?;
    ensure!(agents.len() == 2, "{agents:?}");
    // Newest first.
    collector.decide(&agents[1], "approve").await?;
    collector.decide(&agents[0], "deny").await?;

    let EnrollResponse::Issued(credentials) = client.post(paths::ENROLL, &welcome).await? else { anyhow::bail!("still pending") };
    ensure!(collector.agent_state(credentials.agent_id).await? == "active");
    let denied = client.post::<EnrollResponse>(paths::ENROLL, &unwelcome).await;
    ensure!(denied.as_ref().is_err_and(|error| error.status() == Some(403)), "{denied:?}");
    ensure!(at(&collector.token_shown(token.id).await?, "/uses")? == 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_enroll_is_repeated_and_takes_no_second_use() -> anyhow::Result<()> {
    let proxy = Proxy::start("127.0.0.1:1").await?;
    let url = format!("https://{}/", proxy.address()).parse()?;
    let collector = Collector::start(CollectorOptions { agents_url: Some(url), ..CollectorOptions::default() }).await?;
    proxy.retarget(collector.agents_address());
    let token = collector.token_text(TokenOptions { uses: Some(1), ..TokenOptions::default() }).await?;

    proxy.hold_answers();
    let agent = AgentProcess::new()?;
    let (enrolled, lost) = tokio::join!(agent.enroll(&token), async {
        until("the collector has enrolled it", || async { collector.agents().await.ok().filter(|agents| !agents.is_empty()) }).await;
        let nothing_arrived = agent.identity().is_none();
        proxy.cut_and_pass();
        nothing_arrived
    });
    enrolled?;
    ensure!(lost, "the answer was not lost");
    let agents = collector.agents().await?;
    ensure!(agents.len() == 1, "{agents:?}");
    ensure!(at(&agents[0], "/id")?.as_str() == agent.agent_id().as_deref());
    agent.report_once().await?;
    Ok(())
}
