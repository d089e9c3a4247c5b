//! Who sent a request, and whether they may go on.

use rollcall_shared::{Timestamp, wire::Problem};

use super::{
    exchange::{Generation, judge_generation},
    hold::hold_as_copy,
};
use crate::{
    app::App,
    auth::Refusal,
    listener::Peer,
    pki::AgentIdentity,
    store::{AgentRecord, AgentState},
};

/// The identity of the client certificate; refuses who has none, or one that ended since the connection was made.
pub(super) fn presented(peer: &Peer, now: Timestamp) -> Result<AgentIdentity, Refusal> {
    let identity = peer.agent.ok_or_else(|| {
        Refusal::new(
            Problem::new(401, "certificate-required", "A client certificate is required", "this request needs the agent's certificate")
                .next("enroll this machine, or recover if its certificate has expired"),
        )
    })?;
    if identity.not_after <= now {
        let detail = format!("the certificate ended at {}", identity.not_after);
        return Err(Refusal::new(
            Problem::new(401, "certificate-expired", "The certificate has expired", detail).next("recover with the same key"),
        ));
    }
    Ok(identity)
}

/// The agent of the client certificate, if it may report; notes the first use of a new certificate.
pub(super) async fn admitted(app: &App, peer: &Peer, now: Timestamp) -> Result<AgentRecord, Refusal> {
    let identity = presented(peer, now)?;
    let agent = app.store.agent(identity.agent).await?.ok_or_else(unknown)?;
    check_state(&agent)?;
    check_generation(app, agent, identity.generation).await
}

/// Refuses an agent that may not report, with what to do about it.
pub(super) fn check_state(agent: &AgentRecord) -> Result<(), Refusal> {
    let reason = &agent.state_reason;
    let problem = match agent.state {
        AgentState::Active => return Ok(()),
        AgentState::Pending => Problem::new(403, "agent-pending", "Waits for approval", "this machine's enrollment is not approved yet")
            .next("approve it on the collector's enrollment page, or with: rollcall agent approve"),
        AgentState::Held => Problem::new(409, "agent-held", "The agent is held", format!("this agent is held: {reason}"))
            .next("decide on the collector which machine goes on: enrollment page, or rollcall agent release; enroll the other one again"),
        AgentState::Revoked => Problem::new(403, "agent-revoked", "The agent is revoked", format!("this agent was revoked: {reason}"))
            .next("enroll this machine again with a new token if it belongs to the fleet"),
        AgentState::Denied => Problem::new(403, "agent-denied", "The enrollment was denied", format!("a person denied it: {reason}"))
            .next("ask who runs the collector; enroll again with a new token"),
    };
    Err(Refusal::new(problem))
}

/// Judges the generation of the certificate (or of a signed request) and notes its first use.
pub(super) async fn check_generation(app: &App, mut agent: AgentRecord, presented: u64) -> Result<AgentRecord, Refusal> {
    let issued = agent.certificate.as_ref().map_or(0, |certificate| certificate.generation);
    match judge_generation(agent.used_generation, issued, presented) {
        Generation::Current => Ok(agent),
        Generation::Replaced => {
            let detail = format!("certificate {presented} was used after certificate {} had replaced it", agent.used_generation);
            Err(hold_as_copy(app, agent.id, &detail).await)
        }
        judgement => {
            if judgement == Generation::Unremembered {
                tracing::warn!(
                    agent = %agent.id, presented, newest_known = issued,
                    "accepted a certificate that this collector does not remember to have issued: was it restored from a backup?"
                );
            }
            app.store.confirm_generation(agent.id, presented).await?;
            agent.used_generation = presented;
            Ok(agent)
        }
    }
}

/// No such agent: its record is gone with a database, or was never there.
pub(super) fn unknown() -> Refusal {
    Refusal::new(
        Problem::new(403, "agent-unknown", "The agent is not known", "the collector has no record of this agent")
            .next("enroll this machine again with a new token"),
    )
}
