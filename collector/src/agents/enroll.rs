//! Joining with a token. The same request is asked again while approval is pending or the answer was lost.

use axum::{Extension, body::Body, extract::State, http::HeaderMap, response::Response};
use rollcall_shared::{
    AgentId, Timestamp,
    wire::{
        Problem,
        v1::{EnrollRequest, EnrollResponse},
    },
};
use uuid::Uuid;

use super::{
    SharedDesk,
    answer::answer,
    body::Incoming,
    certificates::{count, credentials, requested_key},
    who,
};
use crate::{
    auth::Refusal,
    listener::Peer,
    store::{AgentState, EnrollAttempt, EnrollOutcome},
};

/// Seconds after which an agent that waits for approval asks again.
const PENDING_RETRY_SECONDS: u32 = 10;
/// Bytes of a host name or version that are kept.
const MAX_NAME_BYTES: usize = 255;

pub(super) async fn enroll(State(desk): State<SharedDesk>, Extension(peer): Extension<Peer>, headers: HeaderMap, body: Body) -> Response {
    let result = handle(&desk, &headers, body.into()).await;
    match &result {
        Ok(EnrollResponse::Pending { .. }) => count(&desk.app, "pending", &result),
        _ => count(&desk.app, "enrolled", &result),
    }
    answer(&desk.app, &peer, result)
}

async fn handle(desk: &SharedDesk, headers: &HeaderMap, body: Incoming) -> Result<EnrollResponse, Refusal> {
    let app = &desk.app;
    let request: EnrollRequest = desk.bodies.read_json(headers, body).await?;
    let key = requested_key(&request.csr)?;
    for (path, text) in [("$.identity.hostname", &request.identity.hostname), ("$.agent_version", &request.agent_version)] {
        check_name(path, text)?;
    }
    let attempt = EnrollAttempt {
        token: request.token_id,
        secret_hash: *blake3::hash(request.token_secret.as_bytes()).as_bytes(),
        nonce: request.nonce,
        public_key: key.der().to_vec(),
        new_agent: AgentId(Uuid::now_v7()),
        hostname: request.identity.hostname.clone(),
        agent_version: request.agent_version,
        identity: serde_json::to_value(&request.identity).unwrap_or_default(),
        at: Timestamp::now(),
    };
    let agent = match app.store.enroll(&attempt).await? {
        EnrollOutcome::Created(agent) => {
            tracing::info!(agent = %agent.id, token = %agent.token, state = agent.state.as_str(), hostname = agent.hostname, "an agent joined");
            agent
        }
        EnrollOutcome::Known(agent) => agent,
        EnrollOutcome::UnknownToken => return Err(refused("token-unknown", "The token is not known", "there is no such token here")),
        EnrollOutcome::Expired => return Err(refused("token-expired", "The token has expired", "the token's time is over")),
        EnrollOutcome::Revoked => return Err(refused("token-revoked", "The token is revoked", "somebody has revoked the token")),
        EnrollOutcome::UsedUp => {
            return Err(refused("token-used-up", "The token is used up", "as many machines have joined with the token as it allows"));
        }
    };
    if agent.state == AgentState::Pending {
        return Ok(EnrollResponse::Pending { retry_after_seconds: PENDING_RETRY_SECONDS });
    }
    who::check_state(&agent)?;
    if agent.certificate.as_ref().is_some_and(|issued| issued.nonce != request.nonce) {
        return Err(Refusal::new(
            Problem::new(409, "already-enrolled", "Already enrolled", "this enrollment was completed, and its certificate renewed since")
                .next("start the agent as it is; to enroll the machine as a new agent, run: rollcall-agent enroll --again"),
        ));
    }
    credentials(app, agent, &key, request.nonce, 0).await.map(EnrollResponse::Issued)
}

fn refused(kind: &str, title: &str, detail: &str) -> Refusal {
    Refusal::new(
        Problem::new(403, kind, title, detail).next("make a new token on the collector: enrollment page, or rollcall token create"),
    )
}

fn check_name(path: &str, text: &str) -> Result<(), Refusal> {
    if text.len() <= MAX_NAME_BYTES {
        return Ok(());
    }
    let detail = format!("{path}: {} bytes of string, the limit is {MAX_NAME_BYTES}", text.len());
    let problem = Problem::new(413, "limit-exceeded", "The document is beyond a limit", detail);
    Err(Refusal::new(problem.at(path).limited_to(MAX_NAME_BYTES as u64)))
}
