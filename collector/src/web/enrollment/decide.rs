//! Decisions about agents and conflicts.

use axum::{extract::Path, response::Response};
use rollcall_core::reconcile::commands::{self, Settlement};
use rollcall_shared::{AgentId, ConflictId};

use crate::{
    api::agents,
    store::Role,
    web::{
        confirm::Confirmation,
        duplicates::merging,
        problem::{Problem, sentence},
        visitor::{Form, Part, done, refused, settled},
    },
};

const PAGE: &str = "/enrollment";

/// `POST /enrollment/agents/{id}/{decision}`
pub(in crate::web) async fn decide_agent(Path((id, decision)): Path<(String, String)>, form: Form) -> Result<Response, Problem> {
    let visitor = &form.visitor;
    visitor.require(Role::Admin)?;
    let asked = match decision.as_str() {
        "deny" => Some(("Deny this agent?", "It may not report.", "Deny")),
        "release" => {
            Some(("Let this agent report again?", "The next machine that reports with its identity goes on as this agent.", "Let it go on"))
        }
        "revoke" => Some(("Revoke this agent?", "Its next request is refused, and that of every copy; it has to enroll anew.", "Revoke")),
        _ => None,
    };
    let (decision, done_words) = match decision.as_str() {
        "approve" => (&agents::APPROVE, "is approved; it joins within a minute."),
        "deny" => (&agents::DENY, "is denied."),
        "release" => (&agents::RELEASE, "may report again; the copy that reports first goes on as this agent."),
        "revoke" => (&agents::REVOKE, "is revoked; its next request is refused."),
        _ => return Err(Problem::not_found("There is no such decision.")),
    };
    let id: AgentId = id.parse().map_err(|_| Problem::not_found("There is no such agent."))?;
    if let Some((title, says, button)) = asked
        && let Some(ask) = form.unless_confirmed(|| Confirmation::new(Part::Enrollment, title.to_owned(), says, button, PAGE))
    {
        return Ok(ask);
    }
    match agents::decide(&visitor.app, &visitor.actor, id, decision, "").await {
        Ok(agent) => Ok(done(PAGE, format!("{} {done_words}", agent.hostname))),
        Err(refusal) if refusal.problem.status == 409 => Ok(refused(PAGE, sentence(&refusal.problem.detail))),
        Err(refusal) => Err(refusal.into()),
    }
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
    let sides = form.visitor.app.estate().conflict(id).and_then(|conflict| Some((conflict.known, conflict.other?)));
    if matches!(settlement, Settlement::Merge)
        && let Some((one, other)) = sides
        && let Some(ask) =
            form.unless_confirmed(|| Confirmation { part: Part::Enrollment, ..merging(&form.visitor, one, other, PAGE.to_owned()) })
    {
        return Ok(ask);
    }
    let detail = form.fields.get("decision").to_owned();
    let settle = move |estate: &_, order: commands::Order<'_>| commands::settle_conflict(estate, id, settlement, order);
    let result = form.visitor.order("conflict.settle", id, detail, settle).await;
    settled(result, PAGE, said, PAGE)
}
