//! Certificates: the first one, the next one, and one for an agent whose last one has expired.

use axum::{Extension, body::Body, extract::State, http::HeaderMap, response::Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rollcall_shared::{
    Timestamp,
    wire::{
        Problem,
        v1::{Credentials, RecoverRequest, RenewRequest, recover_message},
    },
};
use uuid::Uuid;

use super::{SharedDesk, answer::answer, body::Incoming, who};
use crate::{
    app::App,
    auth::Refusal,
    listener::Peer,
    pki::{PublicKey, verify_signature},
    store::{AgentRecord, IssuedCertificate},
};

/// How often issuing is tried again because another request of the same agent was faster.
const MAX_TRIES: usize = 5;

pub(super) async fn renew(State(desk): State<SharedDesk>, Extension(peer): Extension<Peer>, headers: HeaderMap, body: Body) -> Response {
    let result = handle_renew(&desk, &peer, &headers, body.into()).await;
    count(&desk.app, "renewed", &result);
    answer(&desk.app, &peer, result)
}

pub(super) async fn recover(State(desk): State<SharedDesk>, Extension(peer): Extension<Peer>, headers: HeaderMap, body: Body) -> Response {
    let result = handle_recover(&desk, &headers, body.into()).await;
    count(&desk.app, "recovered", &result);
    answer(&desk.app, &peer, result)
}

async fn handle_renew(desk: &SharedDesk, peer: &Peer, headers: &HeaderMap, body: Incoming) -> Result<Credentials, Refusal> {
    let app = &desk.app;
    let identity = who::presented(peer, Timestamp::now())?;
    let request: RenewRequest = desk.bodies.read_json(headers, body).await?;
    let key = requested_key(&request.csr)?;
    let _turn = desk.turns.take(identity.agent).await;
    let agent = who::admitted(app, peer, Timestamp::now()).await?;
    check_same_key(&agent, &key)?;
    credentials(app, agent, &key, request.nonce, identity.generation).await
}

async fn handle_recover(desk: &SharedDesk, headers: &HeaderMap, body: Incoming) -> Result<Credentials, Refusal> {
    let app = &desk.app;
    let RecoverRequest { agent_id, renew: request, signature } = desk.bodies.read_json(headers, body).await?;
    let key = requested_key(&request.csr)?;
    let signature = from_base64(&signature, "$.signature")?;
    let message = recover_message(agent_id, request.generation, request.nonce);
    let _turn = desk.turns.take(agent_id).await;
    let agent = app.store.agent(agent_id).await?.filter(|agent| verify_signature(&agent.public_key, &message, &signature));
    // Who cannot prove to be the agent does not learn whether there is one.
    let agent = agent.ok_or_else(who::unknown)?;
    check_same_key(&agent, &key)?;
    who::check_state(&agent)?;
    let agent = who::check_generation(app, agent, request.generation).await?;
    tracing::info!(agent = %agent.id, generation = request.generation, "an agent recovered after its certificate had expired");
    credentials(app, agent, &key, request.nonce, request.generation).await
}

/// The key of a certificate request.
pub(super) fn requested_key(csr: &str) -> Result<PublicKey, Refusal> {
    PublicKey::of_request(&from_base64(csr, "$.csr")?).map_err(|refused| {
        let detail = format!("$.csr: {refused}");
        Refusal::new(Problem::new(422, "wrong-certificate-request", "The certificate request is not signed for", detail).at("$.csr"))
    })
}

fn from_base64(text: &str, path: &str) -> Result<Vec<u8>, Refusal> {
    STANDARD.decode(text).map_err(|_| {
        let problem =
            Problem::new(422, "wrong-shape", "The document does not have the shape of the wire format", format!("{path}: not base64"));
        Refusal::new(problem.at(path))
    })
}

fn check_same_key(agent: &AgentRecord, key: &PublicKey) -> Result<(), Refusal> {
    if agent.public_key == key.der() {
        return Ok(());
    }
    let detail = "$.csr: the key is not the one that this agent enrolled with";
    Err(Refusal::new(
        Problem::new(422, "another-key", "The key is another one", detail).at("$.csr").next("enroll again to use another key"),
    ))
}

/// Credentials for the request with this nonce: those that it got before, or new ones, one generation after every one known.
/// `held_generation` is the newest that the agent has proved to hold.
pub(super) async fn credentials(
    app: &App,
    mut agent: AgentRecord,
    key: &PublicKey,
    nonce: Uuid,
    held_generation: u64,
) -> Result<Credentials, Refusal> {
    for _ in 0..MAX_TRIES {
        let now = Timestamp::now();
        if let Some(issued) = agent.certificate.as_ref().filter(|issued| issued.nonce == nonce && issued.not_after > now) {
            return Ok(to_credentials(app, &agent, issued, now));
        }
        let newest = agent.certificate.as_ref().map_or(0, |issued| issued.generation);
        let generation = newest.max(held_generation) + 1;
        let lifetime_ms = i64::from(app.config.agents.certificate_seconds) * 1_000;
        let (chain, not_after) = app.authority.issue_agent_certificate(agent.id, generation, key, now, lifetime_ms).map_err(|error| {
            tracing::error!(agent = %agent.id, "a certificate could not be issued: {:#}", anyhow::Error::from(error));
            Refusal::internal()
        })?;
        let issued = IssuedCertificate { generation, nonce, chain, issued_at: now, not_after };
        if app.store.record_certificate(agent.id, newest, &issued).await? {
            tracing::info!(agent = %agent.id, generation, %not_after, "certificate issued");
            return Ok(to_credentials(app, &agent, &issued, now));
        }
        agent = app.store.agent(agent.id).await?.ok_or_else(who::unknown)?;
        who::check_state(&agent)?;
    }
    Err(Refusal::unavailable("this agent's certificate is being issued by another request", 1))
}

fn to_credentials(app: &App, agent: &AgentRecord, issued: &IssuedCertificate, now: Timestamp) -> Credentials {
    Credentials {
        agent_id: agent.id,
        generation: issued.generation,
        certificate_chain: issued.chain.clone(),
        root: app.authority.root_pem().to_owned(),
        not_after: issued.not_after,
        issued_at: issued.issued_at,
        server_time: now,
    }
}

pub(super) fn count<T>(app: &App, done: &str, result: &Result<T, Refusal>) {
    let outcome = if result.is_ok() { done } else { "refused" };
    app.metrics.enrollments.get_or_create(&outcome.into()).inc();
}
