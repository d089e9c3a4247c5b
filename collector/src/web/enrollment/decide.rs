//! Decisions about agents and conflicts.

use axum::{extract::Path, response::Response};
use rollcall_core::{
    ConflictKind,
    reconcile::commands::{self, Settlement},
};
use rollcall_shared::{AgentId, ConflictId};

use crate::{
    store::{AgentState, Role},
    web::{
        problem::Problem,
        visitor::{Form, Visitor, done, refused, settled},
    },
};

const PAGE: &str = "/enrollment";

/// What a person decides about an agent.
struct Decision {
    name: &'static str,
    /// The states in which it makes sense.
    from: &'static [AgentState],
    to: AgentState,
    action: &'static str,
    done: &'static str,
}

const DECISIONS: [Decision; 4] = [
    Decision {
        name: "approve",
        from: &[AgentState::Pending],
        to: AgentState::Active,
        action: "agent.approve",
        done: "is approved; it joins within a minute.",
    },
    Decision { name: "deny", from: &[AgentState::Pending], to: AgentState::Denied, action: "agent.deny", done: "is denied." },
    Decision {
        name: "release",
        from: &[AgentState::Held],
        to: AgentState::Active,
        action: "agent.release",
        done: "may report again; the next machine that uses its identity goes on as this agent.",
    },
    Decision {
        name: "revoke",
        from: &[AgentState::Active, AgentState::Held],
        to: AgentState::Revoked,
        action: "agent.revoke",
        done: "is revoked; its next request is refused.",
    },
];

/// `POST /enrollment/agents/{id}/{decision}`
pub(in crate::web) async fn decide_agent(Path((id, decision)): Path<(String, String)>, form: Form) -> Result<Response, Problem> {
    let visitor = &form.visitor;
    visitor.require(Role::Admin)?;
    let no_agent = || Problem::not_found("There is no such agent.");
    let id: AgentId = id.parse().map_err(|_| no_agent())?;
    let decision = DECISIONS.iter().find(|known| known.name == decision).ok_or_else(|| Problem::not_found("There is no such decision."))?;
    let agent = visitor.app.store.agent(id).await?.ok_or_else(no_agent)?;
    if !decision.from.contains(&agent.state) {
        let state = agent.state.as_str();
        return Ok(refused(PAGE, format!("{} is {state} by now, so that nothing was changed.", agent.hostname)));
    }
    let reason = format!("{} by {}", decision.to.as_str(), visitor.actor.name);
    let audit = visitor.audit(decision.action, id, agent.hostname.as_str());
    visitor.app.store.set_agent_state(id, decision.to, &reason, &audit).await?;
    if agent.state == AgentState::Held {
        if decision.to == AgentState::Active {
            visitor.app.store.reset_exchange(id).await?;
        }
        settle_copies(visitor, id).await?;
    }
    Ok(done(PAGE, format!("{} {}", agent.hostname, decision.done)))
}

/// The questions about an agent that is used twice are answered by what was decided about it.
async fn settle_copies(visitor: &Visitor, agent: AgentId) -> Result<(), Problem> {
    let open: Vec<ConflictId> = {
        let estate = visitor.app.estate();
        let copies = estate.open_conflicts().filter(|conflict| conflict.kind == ConflictKind::CopiedAgent && conflict.agent == Some(agent));
        copies.map(|conflict| conflict.id).collect()
    };
    for id in open {
        let settle = move |estate: &_, order: commands::Order<'_>| commands::settle_conflict(estate, id, Settlement::Acknowledge, order);
        visitor.order("conflict.settle", id, "the agent was decided about", settle).await?;
    }
    Ok(())
}

/// `POST /enrollment/conflicts/{id}`
pub(in crate::web) async fn settle_conflict(Path(id): Path<String>, form: Form) -> Result<Response, Problem> {
    form.visitor.require(Role::AssetManager)?;
    let id: ConflictId = id.parse().map_err(|_| Problem::not_found("There is no such question."))?;
    let (settlement, said) = match form.fields.get("decision") {
        "merge" => (Settlement::Merge, "They are one item now."),
        "keep_apart" => (Settlement::KeepApart, "They stay two items; this is not asked again."),
        "acknowledge" => (Settlement::Acknowledge, "It stays as it is."),
        _ => return Err(Problem::invalid("There is no such decision.")),
    };
    let detail = form.fields.get("decision").to_owned();
    let settle = move |estate: &_, order: commands::Order<'_>| commands::settle_conflict(estate, id, settlement, order);
    let result = form.visitor.order("conflict.settle", id, detail, settle).await;
    settled(result, PAGE, said, PAGE)
}
