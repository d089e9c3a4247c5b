//! Agents: who reports, and what people decide about them.

use axum::{Json, extract::State};
use rollcall_core::{
    ConflictKind, Estate,
    reconcile::commands::{self, Settlement},
};
use rollcall_shared::{AgentId, ConflictId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    ci_details::SectionView,
    cis::Reason,
    extract::{Admin, Body, Id, Params, Viewer},
    types::{CiReference, Instant, Page, PageLimit},
    write::{What, order},
};
use crate::{
    app::{App, SharedApp},
    auth::{Actor, Refusal},
    store::{AgentRecord, AgentState, AuditEntry},
};

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(approve))
        .routes(routes!(deny))
        .routes(routes!(revoke))
        .routes(routes!(release))
}

/// An agent.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AgentView {
    /// Its id.
    pub(crate) id: Uuid,
    /// `pending`, `active`, `held`, `revoked` or `denied`.
    pub(crate) state: String,
    /// Why it is in that state.
    pub(crate) state_reason: String,
    /// What the machine called itself when it enrolled.
    pub(crate) hostname: String,
    /// The machine that it reports; absent before its first inventory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) machine: Option<CiReference>,
    /// The agent's version.
    pub(crate) agent_version: String,
    /// The network realm it reports from: addresses are compared within one realm only.
    pub(crate) realm: String,
    /// The enrollment token it joined with.
    pub(crate) token: Uuid,
    /// When it enrolled.
    pub(crate) enrolled_at: Instant,
    /// When it was last heard, if ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_seen: Option<Instant>,
    /// Its certificate's generation; absent while pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) certificate_generation: Option<u64>,
    /// When its newest certificate ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) certificate_not_after: Option<Instant>,
}

/// An agent with what it has told.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AgentDetail {
    /// The agent.
    #[serde(flatten)]
    pub(crate) agent: AgentView,
    /// What the machine said it was when it enrolled: the identity section.
    #[schema(value_type = Value)]
    pub(crate) identity: Value,
    /// Attributes that its token assigned.
    #[schema(value_type = Object)]
    pub(crate) assigned: serde_json::Map<String, Value>,
    /// Its clock minus the collector's, in milliseconds; absent before its first inventory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) clock_skew_ms: Option<i64>,
    /// Documents that it had to drop since it enrolled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dropped_documents: Option<u64>,
    /// Inventories that newer ones replaced on the machine before the collector had them: it was away, or changed faster than it
    /// was heard. Nothing of the newest is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) superseded_inventories: Option<u64>,
    /// Every section it has sent.
    pub(crate) sections: Vec<SectionView>,
}

impl AgentView {
    fn of(estate: &Estate, record: &AgentRecord) -> Self {
        let last_seen = estate.agent_last_seen(record.id).max(record.last_seen);
        Self {
            id: record.id.0,
            state: record.state.as_str().to_owned(),
            state_reason: record.state_reason.clone(),
            hostname: record.hostname.clone(),
            machine: estate.machine_of(record.id).map(|ci| CiReference::of(estate, ci.id)),
            agent_version: record.agent_version.clone(),
            realm: record.realm.clone(),
            token: record.token.0,
            enrolled_at: record.enrolled_at.into(),
            last_seen: last_seen.map(Instant),
            certificate_generation: record.certificate.as_ref().map(|certificate| certificate.generation),
            certificate_not_after: record.certificate.as_ref().map(|certificate| certificate.not_after.into()),
        }
    }
}

/// A state that an agent may be in.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StateName {
    /// Waits for approval.
    Pending,
    /// Reports.
    Active,
    /// Two claim to be it: a person decides.
    Held,
    /// May not report any more.
    Revoked,
    /// Was not approved.
    Denied,
}

impl From<StateName> for AgentState {
    fn from(name: StateName) -> Self {
        match name {
            StateName::Pending => Self::Pending,
            StateName::Active => Self::Active,
            StateName::Held => Self::Held,
            StateName::Revoked => Self::Revoked,
            StateName::Denied => Self::Denied,
        }
    }
}

/// Which agents.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParams {
    /// Only those in this state.
    #[param(inline)]
    state: Option<StateName>,
    /// Only those whose host name has this in it.
    #[serde(default)]
    name: String,
    /// `next` of the page before.
    after: Option<Uuid>,
    /// On a page, 1 to 1000; 100 if absent.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    limit: Option<PageLimit>,
}

/// Agents, newest first. Role: viewer.
#[utoipa::path(get, path = "/agents", tag = "agents", params(ListParams),
    responses((status = 200, description = "A page of agents", body = Page<AgentView>)))]
async fn list(State(app): State<SharedApp>, _: Viewer, Params(params): Params<ListParams>) -> Result<Json<Page<AgentView>>, Refusal> {
    let state = params.state.map(AgentState::from);
    let (wanted, limit) = (params.name.to_lowercase(), PageLimit::or(params.limit, 100));
    let mut agents = app.store.agents().await?;
    agents.retain(|agent| state.is_none_or(|state| agent.state == state) && agent.hostname.to_lowercase().contains(&wanted));
    let total = agents.len();
    // Ids are UUIDv7: by id is by age.
    agents.sort_unstable_by_key(|agent| std::cmp::Reverse(agent.id));
    agents.retain(|agent| params.after.is_none_or(|after| agent.id.0 < after));
    let more = agents.len() > limit;
    agents.truncate(limit);
    let next = agents.last().filter(|_| more).map(|agent| agent.id.to_string());
    let estate = app.estate();
    Ok(Json(Page { items: agents.iter().map(|agent| AgentView::of(&estate, agent)).collect(), next, total: Some(total) }))
}

async fn existing(app: &App, id: AgentId) -> Result<AgentRecord, Refusal> {
    let unknown = || Refusal::not_found("agent", id).next("see `rollcall agent list` or GET /api/v1/agents for those there are");
    app.store.agent(id).await?.ok_or_else(unknown)
}

async fn detail(app: &App, id: AgentId) -> Result<Json<AgentDetail>, Refusal> {
    let record = existing(app, id).await?;
    let inventory = app.store.inventories(&[id]).await?.pop();
    Ok(Json(AgentDetail {
        agent: AgentView::of(&app.estate(), &record),
        identity: record.identity,
        assigned: record.assigned.into_iter().collect(),
        clock_skew_ms: inventory.as_ref().map(|inventory| inventory.clock_skew_ms),
        dropped_documents: inventory.as_ref().map(|inventory| inventory.dropped_documents),
        superseded_inventories: inventory.as_ref().map(|inventory| inventory.superseded_inventories),
        sections: inventory
            .map(|inventory| inventory.sections.iter().map(|(name, record)| SectionView::of(name, record)).collect())
            .unwrap_or_default(),
    }))
}

/// One agent, with what it has sent. Role: viewer.
#[utoipa::path(get, path = "/agents/{id}", tag = "agents", params(("id" = Uuid, Path, description = "The agent's id")),
    responses((status = 200, description = "The agent", body = AgentDetail)))]
async fn get(State(app): State<SharedApp>, _: Viewer, Id(id): Id<AgentId>) -> Result<Json<AgentDetail>, Refusal> {
    detail(&app, id).await
}

/// A decision about an agent; API and web UI make the same ones.
pub(crate) struct Decision {
    action: &'static str,
    /// States from which it can be made.
    from: &'static [AgentState],
    to: AgentState,
    /// What to say if no reason is given.
    words: &'static str,
}

/// A machine that waits for approval may join.
pub(crate) const APPROVE: Decision =
    Decision { action: "agent.approve", from: &[AgentState::Pending], to: AgentState::Active, words: "approved" };
/// It may not.
pub(crate) const DENY: Decision = Decision { action: "agent.deny", from: &[AgentState::Pending], to: AgentState::Denied, words: "denied" };
/// An agent may not report any more.
pub(crate) const REVOKE: Decision = Decision {
    action: "agent.revoke",
    from: &[AgentState::Pending, AgentState::Active, AgentState::Held],
    to: AgentState::Revoked,
    words: "revoked",
};
/// A held agent goes on.
pub(crate) const RELEASE: Decision =
    Decision { action: "agent.release", from: &[AgentState::Held], to: AgentState::Active, words: "released" };

/// Makes a decision and settles with it what it was about; returns the agent as it was before.
///
/// # Errors
/// 404 if there is no such agent, 409 if its state does not allow the decision, 500 and 503 if it cannot be stored.
pub(crate) async fn decide(app: &App, actor: &Actor, id: AgentId, decision: &Decision, reason: &str) -> Result<AgentRecord, Refusal> {
    let record = existing(app, id).await?;
    if !decision.from.contains(&record.state) {
        let from: Vec<&str> = decision.from.iter().map(|state| state.as_str()).collect();
        return Err(Refusal::conflict(format!(
            "agent {} is {}; this is for agents that are {}",
            record.hostname,
            record.state.as_str(),
            from.join(" or ")
        ))
        .next("look at the agent again: its state may have changed meanwhile"));
    }
    if decision.to == AgentState::Active && record.state == AgentState::Held {
        // Before it is active again, or the copy that reports first would be held for the old counter.
        app.store.reset_exchange(id).await?;
    }
    let by = actor.audit_name();
    let words = if reason.trim().is_empty() {
        format!("{} by {by}", decision.words)
    } else {
        format!("{} by {by}: {}", decision.words, reason.trim())
    };
    let audit = AuditEntry {
        at: Timestamp::now(),
        actor: by,
        action: decision.action.to_owned(),
        subject: id.to_string(),
        detail: format!("{} {}", record.hostname, reason.trim()).trim().to_owned(),
    };
    if !app.store.set_agent_state(id, decision.to, &words, &audit).await? {
        return Err(Refusal::not_found("agent", id));
    }
    if record.state == AgentState::Held {
        settle_copies(app, actor, id).await?;
    }
    Ok(record)
}

/// What the decision was about is settled with it.
async fn settle_copies(app: &App, actor: &Actor, agent: AgentId) -> Result<(), Refusal> {
    let open: Vec<ConflictId> = app
        .estate()
        .open_conflicts()
        .filter(|conflict| conflict.agent == Some(agent) && conflict.kind == ConflictKind::CopiedAgent)
        .map(|conflict| conflict.id)
        .collect();
    for id in open {
        let what = What { action: "conflict.settle", subject: id.to_string(), detail: format!("with the decision about agent {agent}") };
        let settled =
            order(app, actor, what, move |estate, order| Ok(commands::settle_conflict(estate, id, Settlement::Acknowledge, order)?)).await;
        // Somebody else settled it at the same time: then it is settled.
        if let Err(refusal) = settled
            && refusal.problem.status != 404
        {
            return Err(refusal);
        }
    }
    Ok(())
}

/// Lets a machine in that waits for approval. Role: admin.
#[utoipa::path(post, path = "/agents/{id}/approve", tag = "agents", request_body = Reason, params(("id" = Uuid, Path, description = "The agent's id")),
    responses((status = 200, description = "Approved; it gets its certificate when it asks next", body = AgentDetail)))]
async fn approve(
    State(app): State<SharedApp>,
    Admin(actor): Admin,
    Id(id): Id<AgentId>,
    Body(body): Body<Reason>,
) -> Result<Json<AgentDetail>, Refusal> {
    decide(&app, &actor, id, &APPROVE, &body.reason).await?;
    detail(&app, id).await
}

/// Refuses a machine that waits for approval. Role: admin.
#[utoipa::path(post, path = "/agents/{id}/deny", tag = "agents", request_body = Reason, params(("id" = Uuid, Path, description = "The agent's id")),
    responses((status = 200, description = "Denied", body = AgentDetail)))]
async fn deny(
    State(app): State<SharedApp>,
    Admin(actor): Admin,
    Id(id): Id<AgentId>,
    Body(body): Body<Reason>,
) -> Result<Json<AgentDetail>, Refusal> {
    decide(&app, &actor, id, &DENY, &body.reason).await?;
    detail(&app, id).await
}

/// Ends an agent's right to report, from its next request on. What it reported stays. To report again the machine must enroll again. Role: admin.
#[utoipa::path(post, path = "/agents/{id}/revoke", tag = "agents", request_body = Reason, params(("id" = Uuid, Path, description = "The agent's id")),
    responses((status = 200, description = "Revoked", body = AgentDetail)))]
async fn revoke(
    State(app): State<SharedApp>,
    Admin(actor): Admin,
    Id(id): Id<AgentId>,
    Body(body): Body<Reason>,
) -> Result<Json<AgentDetail>, Refusal> {
    decide(&app, &actor, id, &REVOKE, &body.reason).await?;
    detail(&app, id).await
}

/// Lets a held agent (copied, rolled back or stolen) go on. Both copies have the same key, so the collector cannot tell them
/// apart: stop the one that is to go first (or enroll it anew). The copy that reports first after this goes on; if the other one
/// reports too, the agent is held again. If a key may be stolen, revoke instead. Role: admin.
#[utoipa::path(post, path = "/agents/{id}/release", tag = "agents", request_body = Reason, params(("id" = Uuid, Path, description = "The agent's id")),
    responses((status = 200, description = "Active again", body = AgentDetail)))]
async fn release(
    State(app): State<SharedApp>,
    Admin(actor): Admin,
    Id(id): Id<AgentId>,
    Body(body): Body<Reason>,
) -> Result<Json<AgentDetail>, Refusal> {
    decide(&app, &actor, id, &RELEASE, &body.reason).await?;
    detail(&app, id).await
}
