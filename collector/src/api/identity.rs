//! Which machine is this, and why: one item explained, two compared, those that may be one, and what people decide about them.

use axum::{Json, extract::State, http::StatusCode};
use rollcall_core::{
    Estate, IdentityKeyKind, Policy,
    reconcile::{self, Standing, commands},
};
use rollcall_shared::{CiId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    extract::{Body, Id, Manager, Params, Viewer},
    types::{CiReference, Instant, Page},
    write::{What, order},
};
use crate::{
    app::{App, SharedApp},
    auth::Refusal,
    store::Event,
};

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new()
        .routes(routes!(explain))
        .routes(routes!(compare))
        .routes(routes!(duplicates))
        .routes(routes!(merge))
        .routes(routes!(apart))
}

/// Decisions that are read for one item, newest first.
const MOST_EVENTS: u32 = 1_000;
/// Merged items whose decisions are read too.
const MOST_MERGED: usize = 10;

/// Why an item is one item.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Explanation {
    /// The item.
    pub(crate) item: CiReference,
    /// What it is recognised by, and who else carries the same.
    pub(crate) keys: Vec<KeyView>,
    /// The agents that report it.
    pub(crate) agents: Vec<Uuid>,
    /// What was merged into it and can be split from it again.
    pub(crate) merged: Vec<MergedView>,
    /// Everything that was decided about who it is, newest first.
    pub(crate) decisions: Vec<DecisionView>,
    /// Whether there are more decisions than are listed.
    pub(crate) more: bool,
}

/// One key.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct KeyView {
    /// What kind: `smbios_uuid_and_serial`, `mac`, `external`, …
    pub(crate) kind: String,
    /// The value, as it is compared.
    pub(crate) value: String,
    /// Other items that carry the same, at most ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) also: Vec<CiReference>,
}

/// An item that became part of this one.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct MergedView {
    /// Which; restoring it splits the two again.
    pub(crate) item: CiReference,
    /// When.
    pub(crate) at: Instant,
    /// Whether an identification rule joined them; else somebody said so.
    pub(crate) by_rule: bool,
}

/// One decision.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct DecisionView {
    /// When.
    pub(crate) at: Instant,
    /// `recognised`, `merged`, `split`, `question`, `retired`, `made`.
    pub(crate) kind: String,
    /// Who: `agent`, `user:NAME`, `api:OWNER/TOKEN`, `import:NAME`, `collector`.
    pub(crate) actor: String,
    /// Rule and evidence, in words.
    pub(crate) reason: String,
    /// The other item, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) other: Option<CiReference>,
}

/// The explanation of an item, for API and pages. `None` if there is none.
pub(crate) async fn explanation(app: &App, id: CiId) -> Result<Option<Explanation>, Refusal> {
    let merged: Vec<CiId> = {
        let estate = app.estate();
        if estate.ci(id).is_none() {
            return Ok(None);
        }
        estate.merges_into(id).into_iter().map(|merge| merge.absorbed).collect()
    };
    let mut events = Vec::new();
    for about in [id].into_iter().chain(merged.into_iter().take(MOST_MERGED)) {
        events.extend(app.store.events_of(about, MOST_EVENTS).await?);
    }
    let more = events.len() >= MOST_EVENTS as usize;
    events.sort_by_key(|event| std::cmp::Reverse(event.cursor));
    events.dedup_by_key(|event| event.cursor);
    let estate = app.estate();
    let Some(ci) = estate.ci(id) else { return Ok(None) };
    let hidden = |kind| matches!(kind, IdentityKeyKind::AddressInRealm | IdentityKeyKind::FormerAddressInRealm);
    let keys = ci.keys.iter().filter(|key| !hidden(key.kind)).map(|key| KeyView {
        kind: key.kind.as_str().to_owned(),
        value: key.value.clone(),
        also: estate.with_key(key).filter(|other| other.id != id).take(10).map(|other| CiReference::of(&estate, other.id)).collect(),
    });
    Ok(Some(Explanation {
        item: CiReference::of(&estate, id),
        keys: keys.collect(),
        agents: estate.agents_of(id).map(|agent| agent.0).collect(),
        merged: estate
            .merges_into(id)
            .into_iter()
            .map(|merge| MergedView { item: CiReference::of(&estate, merge.absorbed), at: merge.at.into(), by_rule: merge.by_rule })
            .collect(),
        decisions: events.iter().filter_map(|event| decision(&estate, id, event)).take(200).collect(),
        more,
    }))
}

/// What an event decided about the identity of an item, if it did.
fn decision(estate: &Estate, id: CiId, event: &Event) -> Option<DecisionView> {
    let says_who = |name: &String| ["keys", "agent", "merged_into"].contains(&name.as_str());
    let kind = match (event.kind.as_str(), event.action.as_str()) {
        ("agent_binding", _) => "recognised",
        ("merge", "retired") => "split",
        ("merge", _) => "merged",
        ("conflict", _) => "question",
        ("ci", "created") => "made",
        ("ci", "retired") => "retired",
        ("ci", _) if event.differs.iter().any(says_who) => "recognised",
        _ => return None,
    };
    let other = [event.ci, event.other_ci].into_iter().flatten().find(|other| *other != id);
    Some(DecisionView {
        at: event.at.into(),
        kind: kind.to_owned(),
        actor: event.actor.clone(),
        reason: event.reason.clone(),
        other: other.map(|other| CiReference::of(estate, other)),
    })
}

/// Why this is one item: what it is recognised by, who reports it, and every decision with rule, evidence, source and time. Role: viewer.
#[utoipa::path(get, path = "/cis/{id}/identity", tag = "identity", params(("id" = Uuid, Path, description = "The item's id")),
    responses((status = 200, description = "The explanation", body = Explanation)))]
async fn explain(State(app): State<SharedApp>, _: Viewer, Id(id): Id<CiId>) -> Result<Json<Explanation>, Refusal> {
    explanation(&app, id).await?.map(Json).ok_or_else(|| no_item(id))
}

fn no_item(id: CiId) -> Refusal {
    Refusal::not_found("item", id).next("look it up in GET /api/v1/cis")
}

/// Two items.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CompareParams {
    /// One item's id.
    a: Uuid,
    /// The other's.
    b: Uuid,
}

/// Two items beside each other.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ComparisonView {
    /// One.
    pub(crate) a: CiReference,
    /// The other.
    pub(crate) b: CiReference,
    /// `open`, `asked`, `kept_apart` or `merged`.
    pub(crate) standing: String,
    /// What clashes, where it is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) question: Option<String>,
    /// Keys of every kind that one of them has.
    pub(crate) keys: Vec<KeysView>,
    /// The rules, strongest first.
    pub(crate) rules: Vec<IdentityRuleView>,
    /// What stands against them being one.
    pub(crate) against: Vec<String>,
}

/// Keys of one kind on both sides.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct KeysView {
    /// What kind.
    pub(crate) kind: String,
    /// One's values.
    pub(crate) a: Vec<String>,
    /// The other's.
    pub(crate) b: Vec<String>,
    /// Whether they have one in common; absent where one of them has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) agree: Option<bool>,
    /// Further items that carry a common value.
    pub(crate) carried_by_more: usize,
}

/// One identification rule.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct IdentityRuleView {
    /// What it compares.
    pub(crate) rule: String,
    /// `joins`, `copy`, `suggests` or `not_met`.
    pub(crate) verdict: String,
    /// Why.
    pub(crate) why: String,
}

/// The comparison of two items, for API and pages. `None` if one is not there.
pub(crate) fn comparison(estate: &Estate, policy: &Policy, a: CiId, b: CiId, now: Timestamp) -> Option<ComparisonView> {
    let compared = reconcile::compare(estate, a, b, now, policy)?;
    let (standing, question) = match compared.standing {
        Standing::Open => ("open", None),
        Standing::Merged => ("merged", None),
        Standing::Asked(conflict) => ("asked", Some(conflict.detail)),
        Standing::KeptApart(conflict) => ("kept_apart", Some(conflict.detail)),
    };
    Some(ComparisonView {
        a: CiReference::of(estate, a),
        b: CiReference::of(estate, b),
        standing: standing.to_owned(),
        question,
        keys: compared
            .keys
            .into_iter()
            .map(|it| KeysView {
                kind: it.kind.as_str().to_owned(),
                a: it.one.into_iter().collect(),
                b: it.other.into_iter().collect(),
                agree: it.agree,
                carried_by_more: it.carried_by_more,
            })
            .collect(),
        rules: compared
            .rules
            .into_iter()
            .map(|it| IdentityRuleView { rule: it.rule.to_owned(), verdict: it.verdict.as_str().to_owned(), why: it.why })
            .collect(),
        against: compared.against,
    })
}

/// Why two items are one machine, or are not: each key side by side, which rule would have to match, what stands against. Role: viewer.
#[utoipa::path(get, path = "/identity/compare", tag = "identity", params(CompareParams),
    responses((status = 200, description = "Both beside each other", body = ComparisonView)))]
async fn compare(State(app): State<SharedApp>, _: Viewer, Params(params): Params<CompareParams>) -> Result<Json<ComparisonView>, Refusal> {
    let (a, b) = (CiId(params.a), CiId(params.b));
    let estate = app.estate();
    let missing = if estate.ci(a).is_none() { a } else { b };
    comparison(&estate, &app.policy, a, b, Timestamp::now()).map(Json).ok_or_else(|| no_item(missing))
}

/// Two items that may be one.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct DuplicateView {
    /// The older.
    pub(crate) one: CiReference,
    /// The other.
    pub(crate) other: CiReference,
    /// `strong`, `fair` or `weak`.
    pub(crate) strength: String,
    /// What they have in common.
    pub(crate) reasons: Vec<String>,
    /// What stands against it.
    pub(crate) against: Vec<String>,
    /// The open question about the two, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) conflict: Option<Uuid>,
}

/// From where on, and how many.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DuplicatesParams {
    /// `next` of the page before.
    after: Option<usize>,
    /// On a page, 1 to 1000; 100 if absent.
    limit: Option<usize>,
    /// Only these: `strong`, `fair` or `weak`.
    strength: Option<StrengthName>,
}

/// How likely two are one.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StrengthName {
    /// They have what is usually one machine's own, and nothing stands against it.
    Strong,
    /// They have something in common that few have.
    Fair,
    /// Names and models only, or something stands against it.
    Weak,
}

/// A part of the report, for API and pages.
pub(crate) fn report(
    estate: &Estate,
    policy: &Policy,
    strength: Option<&str>,
    from: usize,
    limit: usize,
    now: Timestamp,
) -> Page<DuplicateView> {
    let mut all = reconcile::duplicates(estate, now, policy);
    all.retain(|it| strength.is_none_or(|strength| it.strength.as_str() == strength));
    let total = all.len();
    let view = |it: reconcile::Duplicate| DuplicateView {
        one: CiReference::of(estate, it.one),
        other: CiReference::of(estate, it.other),
        strength: it.strength.as_str().to_owned(),
        reasons: it.reasons,
        against: it.against,
        conflict: it.conflict.map(|id| id.0),
    };
    let items: Vec<DuplicateView> = all.into_iter().skip(from).take(limit).map(view).collect();
    let next = Some(from + items.len()).filter(|next| *next < total).map(|next| next.to_string());
    Page { items, next, total: Some(total) }
}

/// Items that may be one, strongest first: found by what they share, before anybody stumbles over them. Role: viewer.
#[utoipa::path(get, path = "/duplicates", tag = "identity", params(DuplicatesParams),
    responses((status = 200, description = "Pairs", body = Page<DuplicateView>)))]
async fn duplicates(
    State(app): State<SharedApp>,
    _: Viewer,
    Params(params): Params<DuplicatesParams>,
) -> Result<Json<Page<DuplicateView>>, Refusal> {
    let strength = params.strength.map(|strength| match strength {
        StrengthName::Strong => "strong",
        StrengthName::Fair => "fair",
        StrengthName::Weak => "weak",
    });
    let limit = params.limit.unwrap_or(100).clamp(1, 1_000);
    Ok(Json(report(&app.estate(), &app.policy, strength, params.after.unwrap_or(0), limit, Timestamp::now())))
}

/// The other item, and why.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OtherBody {
    /// The other item's id.
    pub(crate) other: Uuid,
    /// In a few words, for the history and the audit log.
    #[serde(default)]
    pub(crate) reason: String,
}

/// Makes another item part of this one: attributes, relationships, needs, software and agents go to it, each with its history. Restoring the
/// other takes it back exactly. Role: asset_manager.
#[utoipa::path(post, path = "/cis/{id}/merge", tag = "identity", request_body = OtherBody,
    params(("id" = Uuid, Path, description = "The id of the item that stays")), responses((status = 204, description = "Merged")))]
async fn merge(
    State(app): State<SharedApp>,
    Manager(actor): Manager,
    Id(id): Id<CiId>,
    Body(OtherBody { other, reason }): Body<OtherBody>,
) -> Result<StatusCode, Refusal> {
    let what = What { action: "ci.merge", subject: id.to_string(), detail: with_reason(format!("with {other}"), &reason) };
    order(&app, &actor, what, move |estate, order| Ok(commands::merge_cis(estate, id, CiId(other), &reason, order)?)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Says that two items are not the same: it is not asked again, and no rule joins them. Role: asset_manager.
#[utoipa::path(post, path = "/cis/{id}/keep-apart", tag = "identity", request_body = OtherBody,
    params(("id" = Uuid, Path, description = "One item's id")), responses((status = 204, description = "Kept apart")))]
async fn apart(
    State(app): State<SharedApp>,
    Manager(actor): Manager,
    Id(id): Id<CiId>,
    Body(OtherBody { other, reason }): Body<OtherBody>,
) -> Result<StatusCode, Refusal> {
    let what = What { action: "ci.keep_apart", subject: id.to_string(), detail: with_reason(format!("from {other}"), &reason) };
    order(&app, &actor, what, move |estate, order| Ok(commands::keep_apart(estate, id, CiId(other), &reason, order)?)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What somebody gave as a reason, as long as an audit log needs it.
pub(super) fn short_reason(reason: &str) -> String {
    reason.trim().chars().take(500).collect()
}

/// What was done, and why if somebody said so.
pub(super) fn with_reason(what: String, reason: &str) -> String {
    let reason = short_reason(reason);
    if reason.is_empty() { what } else { format!("{what}: {reason}") }
}
