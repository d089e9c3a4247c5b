//! Holding an agent of which there is more than one: neither side goes on until a person has decided.

use rollcall_core::{ChangeSet, Conflict, ConflictKind, ConflictState, Estate, IdSource, Put};
use rollcall_shared::{AgentId, ConflictId, Timestamp, wire::Problem};

use crate::{
    app::App,
    auth::Refusal,
    store::{AgentState, AuditEntry},
    writer::{Audit, Command},
};

/// Holds the agent, opens the conflict, and gives the refusal. Both sides get one: this one now, the other with its next request.
pub(super) async fn hold_as_copy(app: &App, agent: AgentId, evidence: &str) -> Refusal {
    app.metrics.copied_agents.inc();
    let detail = format!("its state is in use twice, or the machine was rolled back: {evidence}");
    tracing::warn!(%agent, evidence, "an agent is held: it was copied, rolled back or stolen");
    let audit = AuditEntry {
        at: Timestamp::now(),
        actor: "collector".to_owned(),
        action: "agent.hold".to_owned(),
        subject: agent.to_string(),
        detail: detail.clone(),
    };
    match app.store.set_agent_state(agent, AgentState::Held, &detail, &audit).await {
        Ok(true) => {}
        Ok(false) => return super::who::unknown(),
        Err(error) => return error.into(),
    }
    if let Err(error) = app.writer.command(open_conflict(agent, detail.clone())).await {
        // The agent is held all the same, and shown so; the next message brings the conflict up again.
        tracing::error!(%agent, "the conflict could not be opened: {:#}", anyhow::Error::from(error));
    }
    Refusal::new(
        Problem::new(409, "agent-held", "The agent is held", format!("this agent is held: {detail}"))
            .next("decide on the collector which machine goes on: enrollment page, or rollcall agent release; enroll the other one again"),
    )
}

fn open_conflict(agent: AgentId, detail: String) -> Command {
    Command {
        actor: "collector".to_owned(),
        audit: Some(Audit { action: "conflict.open", subject: agent.to_string(), detail: detail.clone() }),
        plan: Box::new(move |estate, now, ids| Ok(plan_conflict(estate, agent, &detail, now, ids))),
    }
}

/// A conflict about the agent's machine; none before its first inventory, and not a second one.
fn plan_conflict(estate: &Estate, agent: AgentId, detail: &str, now: Timestamp, ids: &mut dyn IdSource) -> ChangeSet {
    let mut changes = ChangeSet::default();
    let is_open = estate.open_conflicts().any(|conflict| conflict.kind == ConflictKind::CopiedAgent && conflict.agent == Some(agent));
    if let Some(machine) = estate.machine_of(agent).filter(|_| !is_open) {
        let conflict = Conflict {
            id: ConflictId(ids.next()),
            kind: ConflictKind::CopiedAgent,
            known: machine.id,
            other: None,
            agent: Some(agent),
            detail: detail.to_owned(),
            state: ConflictState::Open,
            opened_at: now,
            settled_at: None,
        };
        changes.push(Put::Conflict(conflict), detail, Vec::new());
    }
    changes
}
