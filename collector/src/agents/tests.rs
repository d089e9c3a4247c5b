//! The agents' listener as agents meet it: over TLS, on a collector in this process.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{CertificateParams, KeyPair, PublicKeyData, SigningKey};
use reqwest::StatusCode;
use rollcall_core::ConflictKind;
use rollcall_shared::{
    AgentId, Digest, DocumentId, Timestamp, TokenId,
    wire::{
        Problem,
        v1::{
            CheckInRequest, CheckInResponse, Credentials, EnrollRequest, EnrollResponse, Exchange, Identity, InventoryDocument,
            InventoryResponse, Package, Packages, RecoverRequest, RenewRequest, Section, SectionStatus, VERSION, paths, recover_message,
        },
    },
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde::{Serialize, de::DeserializeOwned};
use tempfile::TempDir;
use uuid::Uuid;

use crate::{
    config::Config,
    serve::{self, Running},
    store::{AgentState, AuditEntry, TokenRecord},
};

const SECRET: &str = "a secret that only tests know";

struct Collector {
    running: Running,
    directory: TempDir,
}

async fn collector() -> Collector {
    let directory = tempfile::tempdir().unwrap();
    Collector { running: serve::start(settings(&directory)).await.unwrap(), directory }
}

fn settings(directory: &TempDir) -> Config {
    let mut config = Config { data_dir: directory.path().to_owned(), ..Config::default() };
    config.agents.listen = ([127, 0, 0, 1], 0).into();
    config.people.listen = ([127, 0, 0, 1], 0).into();
    config
}

fn audit() -> AuditEntry {
    AuditEntry { at: Timestamp::now(), actor: "test".into(), action: "test".into(), subject: String::new(), detail: String::new() }
}

impl Collector {
    async fn token(&self, change: impl FnOnce(&mut TokenRecord)) -> TokenId {
        let mut token = TokenRecord {
            id: TokenId(Uuid::now_v7()),
            secret_hash: *blake3::hash(SECRET.as_bytes()).as_bytes(),
            name: "test".to_owned(),
            max_uses: None,
            uses: 0,
            expires_at: Timestamp::now().plus_millis(3_600_000),
            revoked_at: None,
            needs_approval: false,
            realm: "default".to_owned(),
            assigned: BTreeMap::new(),
            created_by: "test".to_owned(),
            created_at: Timestamp::now(),
        };
        change(&mut token);
        self.running.app.store.create_token(&token, &audit()).await.unwrap();
        token.id
    }

    fn client(&self, identity: Option<(&Credentials, &KeyPair)>) -> reqwest::Client {
        let mut roots = RootCertStore::empty();
        roots.add(self.running.app.authority.root().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let tls = match identity {
            None => builder.with_no_client_auth(),
            Some((credentials, key)) => {
                let chain = CertificateDer::pem_slice_iter(credentials.certificate_chain.as_bytes()).map(Result::unwrap).collect();
                builder.with_client_auth_cert(chain, PrivateKeyDer::try_from(key.serialize_der()).unwrap()).unwrap()
            }
        };
        reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap()
    }

    async fn enrolled(&self) -> Agent<'_> {
        let token = self.token(|_| ()).await;
        let request = Enrollment::new(token);
        let EnrollResponse::Issued(credentials) = self.post(&self.client(None), paths::ENROLL, &request.body()).await.unwrap() else {
            panic!("pending")
        };
        Agent::new(self, request.key, credentials)
    }

    async fn post<A: DeserializeOwned>(&self, client: &reqwest::Client, path: &str, body: &impl Serialize) -> Result<A, Problem> {
        answer(client.post(self.url(path)).body(serde_json::to_vec(body).unwrap())).await
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.running.agents_addr)
    }
}

async fn answer<A: DeserializeOwned>(request: reqwest::RequestBuilder) -> Result<A, Problem> {
    let response = request.send().await.unwrap();
    let (status, body) = (response.status(), response.bytes().await.unwrap());
    if status.is_success() {
        return Ok(serde_json::from_slice(&body).unwrap());
    }
    let problem: Problem = serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{status}: {error}: {body:?}"));
    assert_eq!(problem.status, status.as_u16());
    Err(problem)
}

struct Enrollment {
    key: KeyPair,
    token: TokenId,
    nonce: Uuid,
}

impl Enrollment {
    fn new(token: TokenId) -> Self {
        Self { key: KeyPair::generate().unwrap(), token, nonce: Uuid::new_v4() }
    }

    fn body(&self) -> EnrollRequest {
        EnrollRequest {
            token_id: self.token,
            token_secret: SECRET.to_owned(),
            nonce: self.nonce,
            csr: csr(&self.key),
            agent_version: "1".to_owned(),
            identity: Identity { hostname: "db01".to_owned(), ..Identity::default() },
        }
    }
}

fn csr(key: &KeyPair) -> String {
    STANDARD.encode(CertificateParams::default().serialize_request(key).unwrap().der())
}

struct Agent<'a> {
    collector: &'a Collector,
    key: KeyPair,
    credentials: Credentials,
    client: reqwest::Client,
    sections: BTreeMap<String, Section>,
}

impl<'a> Agent<'a> {
    fn new(collector: &'a Collector, key: KeyPair, credentials: Credentials) -> Self {
        let client = collector.client(Some((&credentials, &key)));
        let identity =
            Identity { hostname: "db01".to_owned(), machine_id: Some(format!("{:032x}", Uuid::new_v4().as_u128())), ..Identity::default() };
        let section = Section::new(SectionStatus::Ok, Timestamp::now(), 1, Some(&identity)).unwrap();
        Self { collector, key, credentials, client, sections: BTreeMap::from([("identity".to_owned(), section)]) }
    }

    fn id(&self) -> AgentId {
        self.credentials.agent_id
    }

    /// The same state directory on another machine.
    fn copy(&self) -> Agent<'a> {
        let key = KeyPair::from_pem(&self.key.serialize_pem()).unwrap();
        Agent { sections: self.sections.clone(), ..Agent::new(self.collector, key, self.credentials.clone()) }
    }

    async fn check_in(&self, exchange: Exchange) -> Result<CheckInResponse, Problem> {
        let sections: BTreeMap<String, Digest> = self.sections.iter().map(|(name, section)| (name.clone(), section.digest)).collect();
        let root = Digest::root(sections.iter().map(|(name, digest)| (name.as_str(), *digest)));
        let request = CheckInRequest {
            format: VERSION,
            exchange,
            agent_version: "1".to_owned(),
            sent_at: Timestamp::now(),
            root,
            sections,
            dropped_documents: 0,
            superseded_inventories: 0,
        };
        self.collector.post(&self.client, paths::CHECK_IN, &request).await
    }

    async fn upload(&self, id: u128, exchange: Exchange) -> Result<InventoryResponse, Problem> {
        let document = InventoryDocument {
            format: VERSION,
            document_id: DocumentId(Uuid::from_u128(id)),
            exchange,
            agent_version: "1".to_owned(),
            sent_at: Timestamp::now(),
            sections: self.sections.clone(),
        };
        self.upload_bytes(zstd::encode_all(&serde_json::to_vec(&document).unwrap()[..], 3).unwrap()).await
    }

    async fn upload_bytes(&self, body: Vec<u8>) -> Result<InventoryResponse, Problem> {
        answer(self.client.post(self.collector.url(paths::INVENTORY)).header("content-encoding", "zstd").body(body)).await
    }

    async fn renew(&self, nonce: Uuid) -> Result<Credentials, Problem> {
        let request = RenewRequest { nonce, generation: self.credentials.generation, csr: csr(&self.key) };
        self.collector.post(&self.client, paths::RENEW, &request).await
    }

    async fn recover(&self, nonce: Uuid) -> Result<Credentials, Problem> {
        let generation = self.credentials.generation;
        let signature = self.key.sign(&recover_message(self.id(), generation, nonce)).unwrap();
        let renew = RenewRequest { nonce, generation, csr: csr(&self.key) };
        let request = RecoverRequest { agent_id: self.id(), renew, signature: STANDARD.encode(signature) };
        self.collector.post(&self.collector.client(None), paths::RECOVER, &request).await
    }

    async fn state(&self) -> AgentState {
        self.collector.running.app.store.agent(self.id()).await.unwrap().unwrap().state
    }
}

fn exchange(counter: u64) -> Exchange {
    Exchange { counter, nonce: Uuid::from_u128(counter.into()) }
}

fn kind(problem: &Problem) -> (u16, &str) {
    (problem.status, problem.kind.trim_start_matches("rollcall:"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_joins_reports_and_is_in_the_estate() {
    let collector = collector().await;
    let mut agent = collector.enrolled().await;
    let openssl = Package { kind: "deb".to_owned(), name: "openssl".to_owned(), version: "3.0.15".to_owned(), ..Package::default() };
    let packages = Packages { packages: vec![openssl] };
    let section = Section::new(SectionStatus::Ok, Timestamp::now(), 1, Some(&packages)).unwrap();
    agent.sections.insert("packages".to_owned(), section);
    let first = agent.check_in(exchange(1)).await.unwrap();
    assert_eq!(first.want, ["identity", "packages"]);
    let stored = agent.upload(1, exchange(2)).await.unwrap();
    assert_eq!(stored.known["identity"], agent.sections["identity"].digest);
    assert_eq!(collector.running.app.estate().machine_of(agent.id()).unwrap().name, "db01");
    let unchanged = agent.check_in(exchange(3)).await.unwrap();
    assert!(unchanged.want.is_empty());
    let metrics = collector.running.app.metrics.to_text().unwrap();
    assert!(metrics.contains("rollcall_check_ins_total{kind=\"unchanged\"} 1"), "{metrics}");
    assert_eq!(collector.running.app.graph().await.node_count(), 1);
    drop(agent);
    collector.running.shutdown().await;

    // Started again on the same data, it knows the same.
    let again = serve::start(settings(&collector.directory)).await.unwrap();
    let of_machine: Vec<(String, u64)> = {
        let estate = again.app.estate();
        estate.cis().map(|ci| (ci.name.clone(), estate.software().count_of(ci.id))).collect()
    };
    assert_eq!(of_machine, [("db01".to_owned(), 1)]);
    again.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_given_again_and_changes_nothing() {
    let collector = collector().await;
    let token = collector.token(|token| token.max_uses = Some(1)).await;
    let enrollment = Enrollment::new(token);
    let client = collector.client(None);
    let mut issued = Vec::new();
    for _ in 0..2 {
        let EnrollResponse::Issued(credentials) = collector.post(&client, paths::ENROLL, &enrollment.body()).await.unwrap() else {
            panic!("pending")
        };
        issued.push(credentials);
    }
    assert_eq!(issued[0].certificate_chain, issued[1].certificate_chain);
    let agent = Agent::new(&collector, enrollment.key, issued.remove(0));

    assert_eq!(agent.check_in(exchange(1)).await.unwrap().want, agent.check_in(exchange(1)).await.unwrap().want);
    let (once, again) = (agent.upload(1, exchange(2)).await.unwrap(), agent.upload(1, exchange(2)).await.unwrap());
    assert_eq!(once.known, again.known);
    let revision = collector.running.app.estate().revision();
    agent.upload(1, exchange(2)).await.unwrap();
    assert_eq!(collector.running.app.estate().revision(), revision);
    agent.check_in(exchange(3)).await.unwrap();
    agent.check_in(exchange(3)).await.unwrap();
    // A message that was given up and arrives late makes nobody a copy.
    assert_eq!(kind(&agent.check_in(Exchange { counter: 1, nonce: exchange(1).nonce }).await.unwrap_err()), (503, "unavailable"));

    let nonce = Uuid::new_v4();
    let renewed = agent.renew(nonce).await.unwrap();
    assert_eq!(agent.renew(nonce).await.unwrap().certificate_chain, renewed.certificate_chain);
    assert_eq!(renewed.generation, 2);
    assert_eq!(agent.state().await, AgentState::Active);

    // Who repeats it again waits for the answer, while somebody with the same state has gone on: copied in mid-exchange.
    assert_eq!(kind(&agent.check_in(exchange(1)).await.unwrap_err()), (409, "agent-held"));
    assert_eq!(agent.state().await, AgentState::Held);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_do_not_hold_are_refused_and_say_why() {
    let collector = collector().await;
    let client = collector.client(None);
    let past = Timestamp::now().plus_millis(-1_000);
    let used_up = collector.token(|token| token.max_uses = Some(0)).await;
    let expired = collector.token(|token| token.expires_at = past).await;
    let revoked = collector.token(|token| token.revoked_at = Some(past)).await;
    let good = collector.token(|_| ()).await;
    for (token, secret, expected) in [
        (used_up, SECRET, "token-used-up"),
        (expired, SECRET, "token-expired"),
        (revoked, SECRET, "token-revoked"),
        (good, "guessed", "token-unknown"),
        (TokenId(Uuid::nil()), SECRET, "token-unknown"),
    ] {
        let request = EnrollRequest { token_secret: secret.to_owned(), ..Enrollment::new(token).body() };
        let problem = collector.post::<EnrollResponse>(&client, paths::ENROLL, &request).await.unwrap_err();
        assert_eq!(kind(&problem), (403, expected));
    }
    let request = EnrollRequest { csr: "AAAA".to_owned(), ..Enrollment::new(good).body() };
    let problem = collector.post::<EnrollResponse>(&client, paths::ENROLL, &request).await.unwrap_err();
    assert_eq!((problem.status, problem.path.as_deref()), (422, Some("$.csr")));
}

#[tokio::test(flavor = "multi_thread")]
async fn approval_is_waited_for_and_may_be_denied() {
    let collector = collector().await;
    let client = collector.client(None);
    let token = collector.token(|token| token.needs_approval = true).await;
    let enrollment = Enrollment::new(token);
    let ask = async || collector.post::<EnrollResponse>(&client, paths::ENROLL, &enrollment.body()).await;
    assert!(matches!(ask().await, Ok(EnrollResponse::Pending { .. })));
    let store = &collector.running.app.store;
    let agent = store.agents().await.unwrap()[0].id;
    store.set_agent_state(agent, AgentState::Denied, "not ours", &audit()).await.unwrap();
    assert_eq!(kind(&ask().await.unwrap_err()), (403, "agent-denied"));
    store.set_agent_state(agent, AgentState::Active, "ours", &audit()).await.unwrap();
    assert!(matches!(ask().await, Ok(EnrollResponse::Issued(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_at_once_take_exactly_the_tokens_uses() {
    let collector = Arc::new(collector().await);
    let token = collector.token(|token| token.max_uses = Some(20)).await;
    let client = collector.client(None);
    let tries: Vec<_> = (0..200)
        .map(|_| {
            let (collector, client) = (Arc::clone(&collector), client.clone());
            tokio::spawn(
                async move { collector.post::<EnrollResponse>(&client, paths::ENROLL, &Enrollment::new(token).body()).await.is_ok() },
            )
        })
        .collect();
    let mut joined = 0;
    for one in tries {
        joined += u32::from(one.await.unwrap());
    }
    assert_eq!(joined, 20);
    assert_eq!(collector.running.app.store.agents().await.unwrap().len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_state_directory_holds_both_sides_and_changes_nothing() {
    let collector = collector().await;
    let agent = collector.enrolled().await;
    agent.upload(1, exchange(1)).await.unwrap();
    let copy = agent.copy();
    agent.check_in(exchange(2)).await.unwrap();
    let revision = collector.running.app.estate().revision();
    let other = Exchange { counter: 2, nonce: Uuid::new_v4() };
    assert_eq!(kind(&copy.check_in(other).await.unwrap_err()), (409, "agent-held"));
    assert_eq!(kind(&agent.check_in(exchange(3)).await.unwrap_err()), (409, "agent-held"));
    assert_eq!(kind(&copy.upload(2, exchange(3)).await.unwrap_err()), (409, "agent-held"));
    let app = &collector.running.app;
    let conflicts: Vec<_> = app.estate().open_conflicts().map(|conflict| (conflict.kind, conflict.agent)).collect();
    assert_eq!(conflicts, [(ConflictKind::CopiedAgent, Some(agent.id()))]);
    assert_eq!(app.estate().revision().0, revision.0 + 1);

    // A person decides: the agent goes on.
    app.store.reset_exchange(agent.id()).await.unwrap();
    app.store.set_agent_state(agent.id(), AgentState::Active, "released", &audit()).await.unwrap();
    assert!(agent.check_in(exchange(3)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_generation_ends_when_a_newer_one_is_used() {
    let collector = collector().await;
    let agent = collector.enrolled().await;
    agent.check_in(exchange(1)).await.unwrap();
    let renewed =
        Agent::new(&collector, KeyPair::from_pem(&agent.key.serialize_pem()).unwrap(), agent.renew(Uuid::new_v4()).await.unwrap());
    // The answer might have been lost: until the new one is used, the old one goes on.
    agent.check_in(exchange(2)).await.unwrap();
    renewed.check_in(exchange(3)).await.unwrap();
    assert_eq!(kind(&agent.renew(Uuid::new_v4()).await.unwrap_err()), (409, "agent-held"));
    assert_eq!(renewed.state().await, AgentState::Held);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_agent_recovers_by_its_key_and_nobody_else_does() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = settings(&directory);
    config.agents.certificate_seconds = 1;
    let collector = Collector { running: serve::start(config).await.unwrap(), directory };
    let agent = collector.enrolled().await;
    let until_end = agent.credentials.not_after.millis_since(Timestamp::now()).max(0) as u64;
    tokio::time::sleep(Duration::from_millis(until_end + 50)).await;

    let recovered = agent.recover(Uuid::new_v4()).await.unwrap();
    assert_eq!(recovered.generation, agent.credentials.generation + 1);
    let thief = Agent { key: KeyPair::generate().unwrap(), ..agent.copy() };
    assert_eq!(kind(&thief.recover(Uuid::new_v4()).await.unwrap_err()), (403, "agent-unknown"));
    collector.running.app.store.set_agent_state(agent.id(), AgentState::Revoked, "sold", &audit()).await.unwrap();
    assert_eq!(kind(&agent.recover(Uuid::new_v4()).await.unwrap_err()), (403, "agent-revoked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_restored_from_a_backup_accepts_what_is_newer() {
    let collector = collector().await;
    let agent = collector.enrolled().await;
    // As if three renewals and forty messages were forgotten.
    let app = &collector.running.app;
    let request = CertificateParams::default().serialize_request(&agent.key).unwrap();
    let key = crate::pki::PublicKey::of_request(request.der()).unwrap();
    let (certificate_chain, _) = app.authority.issue_agent_certificate(agent.id(), 4, &key, Timestamp::now(), 3_600_000).unwrap();
    let credentials = Credentials { generation: 4, certificate_chain, ..agent.credentials.clone() };
    let ahead = Agent::new(&collector, KeyPair::from_pem(&agent.key.serialize_pem()).unwrap(), credentials);
    assert!(ahead.check_in(exchange(40)).await.is_ok());
    assert_eq!(ahead.renew(Uuid::new_v4()).await.unwrap().generation, 5);
    assert_eq!(ahead.state().await, AgentState::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn revocation_and_rotation_work_on_open_connections() {
    let collector = collector().await;
    let agent = collector.enrolled().await;
    agent.check_in(exchange(1)).await.unwrap();
    agent.upload(1, exchange(2)).await.unwrap();
    agent.check_in(exchange(3)).await.unwrap();

    let app = &collector.running.app;
    let before = app.certificate.chain();
    app.renew_certificate(Timestamp::now()).unwrap();
    assert_ne!(app.certificate.chain()[0], before[0]);
    agent.check_in(exchange(4)).await.unwrap();
    agent.copy().check_in(exchange(5)).await.unwrap();

    app.store.set_agent_state(agent.id(), AgentState::Revoked, "stolen", &audit()).await.unwrap();
    assert_eq!(kind(&agent.check_in(exchange(6)).await.unwrap_err()), (403, "agent-revoked"));
    assert_eq!(kind(&agent.upload(2, exchange(6)).await.unwrap_err()), (403, "agent-revoked"));
    assert_eq!(kind(&agent.renew(Uuid::new_v4()).await.unwrap_err()), (403, "agent-revoked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_and_what_is_wrong_gets_told_so() {
    let collector = collector().await;
    let agent = collector.enrolled().await;
    let nobody = Agent { client: collector.client(None), ..agent.copy() };
    assert_eq!(kind(&nobody.check_in(exchange(1)).await.unwrap_err()), (401, "certificate-required"));
    assert_eq!(kind(&nobody.upload(1, exchange(1)).await.unwrap_err()), (401, "certificate-required"));
    assert_eq!(kind(&agent.upload_bytes(vec![0; 5 << 20]).await.unwrap_err()), (413, "limit-exceeded"));
    assert_eq!(kind(&agent.upload_bytes(b"{}".to_vec()).await.unwrap_err()), (400, "not-zstd"));
    let plain = agent.client.post(collector.url(paths::INVENTORY)).body("{}");
    assert_eq!(kind(&answer::<InventoryResponse>(plain).await.unwrap_err()), (415, "unknown-encoding"));
    let missing = collector.client(None).get(collector.url("/nothing"));
    assert_eq!(kind(&answer::<InventoryResponse>(missing).await.unwrap_err()), (404, "not-found"));
    // Certificates of another CA do not get as far as a request.
    let other = tempfile::tempdir().unwrap();
    let other = crate::pki::Authority::load_or_create(&other.path().join("ca"), Timestamp::now()).unwrap();
    let request = CertificateParams::default().serialize_request(&agent.key).unwrap();
    let key = crate::pki::PublicKey::of_request(request.der()).unwrap();
    assert_eq!(key.der(), agent.key.subject_public_key_info());
    let (certificate_chain, _) = other.issue_agent_certificate(agent.id(), 1, &key, Timestamp::now(), 60_000).unwrap();
    let foreign = collector.client(Some((&Credentials { certificate_chain, ..agent.credentials.clone() }, &agent.key)));
    assert!(foreign.post(collector.url(paths::CHECK_IN)).body("{}").send().await.is_err());
    // It keeps serving.
    assert!(agent.check_in(exchange(1)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_install_script_is_whole_and_names_this_collector() {
    let collector = collector().await;
    let response = collector.client(None).get(collector.url("/install")).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let script = response.text().await.unwrap();
    assert!(script.contains(&format!("collectors='https://{}'", collector.running.agents_addr)), "{script}");
    assert!(script.contains(&collector.running.app.certificate.public_key_pin()));
    assert!(script.contains("ExecStart=/usr/local/bin/rollcall-agent run"));
    assert!(!["@COLLECTORS@", "@PIN@", "@UNIT@"].iter().any(|placeholder| script.contains(placeholder)));
    let missing = collector.client(None).get(collector.url("/install/rollcall-agent-..%2Fetc")).send().await.unwrap();
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_another_ca_and_passwords_in_the_clear_are_refused() {
    let collector = collector().await;
    collector.running.shutdown().await;
    std::fs::remove_dir_all(collector.directory.path().join("ca")).unwrap();
    let refused = serve::start(settings(&collector.directory)).await.err().unwrap().to_string();
    assert!(refused.contains("copy the directory"), "{refused}");

    let directory = tempfile::tempdir().unwrap();
    let mut config = settings(&directory);
    config.people.tls = crate::config::PeopleTls::Off;
    config.people.listen = ([0, 0, 0, 0], 0).into();
    let refused = serve::start(config).await.err().unwrap().to_string();
    assert!(refused.contains("trusted_proxies"), "{refused}");
}
