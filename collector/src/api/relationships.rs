//! Relationships: list, look at, declare, set how hard, take back.

use axum::{Json, extract::State, http::StatusCode};
use rollcall_core::{
    Estate, Put, Relationship,
    infer::{self, Scale},
    reconcile::commands,
};
use rollcall_shared::{CiId, RelationshipId, Timestamp, catalogue};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    extract::{Body, Id, Manager, Params, Viewer},
    types::{CiReference, Hardness, Instant, Page, PageLimit},
    write::{What, order},
};
use crate::{
    app::{App, SharedApp},
    auth::Refusal,
};

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(list, declare)).routes(routes!(get, update, retire))
}

/// A directed relationship: `from` depends on `to`; outage travels from `to` to `from`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct RelationshipView {
    /// Its id.
    pub(crate) id: Uuid,
    /// Its type, a name of `GET /api/v1/relationship-types`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// How to read it from the dependent: `runs on`.
    pub(crate) reads: String,
    /// The dependent.
    pub(crate) from: CiReference,
    /// What it depends on.
    pub(crate) to: CiReference,
    /// How badly `from` needs `to`, as it counts.
    pub(crate) hardness: Hardness,
    /// Whether a person set the hardness, against the type's and what was inferred.
    pub(crate) hardness_set: bool,
    /// What it is for, if not the dependent's own work, and who says so: why the hardness is not the type's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) judgement: Option<JudgementView>,
    /// How sure it is that it exists now; where an item's relationships were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) confidence: Option<ConfidenceView>,
    /// Why it is believed.
    pub(crate) evidence: Vec<EvidenceView>,
    /// How many of its two ends have an agent of their own that confirms it; where the graph was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ends_confirming: Option<u8>,
    /// When it was first seen or declared.
    pub(crate) first_seen: Instant,
    /// When it was last confirmed.
    pub(crate) last_seen: Instant,
    /// When this version came to be.
    pub(crate) changed: Instant,
    /// Counts its versions from 1.
    pub(crate) version: u32,
}

/// What a connection is for.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct JudgementView {
    /// `work`, `unattributed`, `name_service`, `time`, `directory`, `monitoring`, `logging`, `backup`, `administration`,
    /// `configuration_management` or `updates`.
    pub(crate) purpose: String,
    /// `signature` (what is known of its ends), `pattern` (how many others the dependent talks to), or the person who set the hardness.
    pub(crate) by: String,
    /// Why.
    pub(crate) reason: String,
}

/// How sure it is that a relationship exists now.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ConfidenceView {
    /// 0 to 100.
    pub(crate) percent: u8,
    /// `strong`, `fair` or `weak`, by the collector's thresholds.
    pub(crate) level: String,
    /// How many agents say so.
    pub(crate) ends: usize,
    /// How long nobody has confirmed it, seconds; absent where it needs no confirmation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) silent_seconds: Option<i64>,
    /// After this much silence, seconds, evidence is worth half: as long as the relationship has shown that it can be silent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) half_life_seconds: Option<i64>,
}

impl From<infer::Confidence> for ConfidenceView {
    fn from(confidence: infer::Confidence) -> Self {
        Self {
            percent: confidence.percent,
            level: confidence.level.as_str().to_owned(),
            ends: confidence.ends,
            silent_seconds: confidence.silence.map(|silence| silence.millis / 1_000),
            half_life_seconds: confidence.silence.map(|silence| silence.half_life_millis / 1_000),
        }
    }
}

/// One reason to believe in a relationship.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct EvidenceView {
    /// How it is known: `connection`, `runs_on`, `resolver`, `gateway`, `mount`, `guest`, `configuration`, `certificate`, `declared`,
    /// `imported`.
    pub(crate) method: String,
    /// The agent that saw it; absent for what was declared or imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) agent: Option<Uuid>,
    /// Who said it.
    pub(crate) source: String,
    /// In a few words, with values.
    pub(crate) detail: String,
    /// Samples in which it was seen active; 0 for what is not sampled.
    pub(crate) samples_seen: u64,
    /// Samples taken.
    pub(crate) samples_total: u64,
    /// First time seen.
    pub(crate) first_seen: Instant,
    /// Last time confirmed: reported, or its agent heard since without a change.
    pub(crate) last_seen: Instant,
}

impl RelationshipView {
    /// The view of a relationship of this estate.
    pub(crate) fn of(estate: &Estate, relationship: &Relationship) -> Self {
        let kind = estate.catalogue().relationship_type(&relationship.kind);
        let evidence: Vec<EvidenceView> = relationship
            .evidence
            .iter()
            .map(|one| {
                let heard = one.agent.and_then(|agent| estate.agent_last_seen(agent));
                EvidenceView {
                    method: one.method.as_str().to_owned(),
                    agent: one.agent.map(|agent| agent.0),
                    source: one.source.to_string(),
                    detail: one.detail.clone(),
                    samples_seen: one.samples_seen,
                    samples_total: one.samples_total,
                    first_seen: one.first_seen.into(),
                    last_seen: heard.map_or(one.last_seen, |heard| heard.max(one.last_seen)).into(),
                }
            })
            .collect();
        let hardness = estate.hardness(relationship).unwrap_or(catalogue::Hardness::Soft);
        Self {
            id: relationship.id.0,
            kind: relationship.kind.clone(),
            reads: kind.map_or(relationship.kind.as_str(), |kind| kind.forward.as_str()).to_owned(),
            from: CiReference::of(estate, relationship.from),
            to: CiReference::of(estate, relationship.to),
            hardness: hardness.into(),
            hardness_set: relationship.judgement.as_ref().map_or(relationship.hardness.is_some(), |it| it.by.is_person()),
            judgement: relationship.judgement.as_ref().map(|it| JudgementView {
                purpose: it.purpose.as_str().to_owned(),
                by: it.by.to_string(),
                reason: it.reason.clone(),
            }),
            confidence: None,
            first_seen: relationship.first_seen.into(),
            last_seen: evidence.iter().map(|one| one.last_seen).max().unwrap_or(Instant(relationship.first_seen)),
            evidence,
            ends_confirming: None,
            changed: relationship.valid_from.into(),
            version: relationship.version,
        }
    }

    /// With how sure it is.
    pub(crate) fn weighed(scale: &Scale<'_>, estate: &Estate, relationship: &Relationship) -> Self {
        Self { confidence: Some(scale.confidence(relationship).into()), ..Self::of(estate, relationship) }
    }
}

/// Where what people say and what is seen differ.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Report {
    /// Somebody declared it, nothing shows it.
    DeclaredNeverObserved,
    /// It is seen, nobody declared it.
    ObservedNeverDeclared,
}

/// Which relationships.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParams {
    /// Only those of this type.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Only those with this item at one of their ends.
    ci: Option<Uuid>,
    /// Only connections for this purpose, such as `monitoring`.
    purpose: Option<String>,
    /// Only those that this report names.
    #[param(inline)]
    report: Option<Report>,
    /// `next` of the page before.
    after: Option<Uuid>,
    /// On a page, 1 to 1000; 100 if absent.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    limit: Option<PageLimit>,
}

/// Live relationships, by id. Role: viewer.
#[utoipa::path(get, path = "/relationships", tag = "relationships", params(ListParams),
    responses((status = 200, description = "A page of relationships", body = Page<RelationshipView>)))]
async fn list(
    State(app): State<SharedApp>,
    _: Viewer,
    Params(params): Params<ListParams>,
) -> Result<Json<Page<RelationshipView>>, Refusal> {
    let limit = PageLimit::or(params.limit, 100);
    super::cis::blocking(move || {
        let estate = app.estate();
        let all: Vec<&Relationship> = match params.report {
            None => estate.relationships().collect(),
            Some(Report::DeclaredNeverObserved) => infer::declared_never_observed(&estate),
            Some(Report::ObservedNeverDeclared) => infer::observed_never_declared(&estate),
        };
        let wanted = |one: &&Relationship| {
            params.kind.as_ref().is_none_or(|kind| one.kind == *kind)
                && params.purpose.as_ref().is_none_or(|it| one.judgement.as_ref().is_some_and(|of| of.purpose.as_str() == *it))
                && params.ci.is_none_or(|ci| one.from.0 == ci || one.to.0 == ci)
                && params.after.is_none_or(|after| one.id.0 > after)
        };
        let mut found: Vec<&Relationship> = all.into_iter().filter(wanted).collect();
        let more = found.len() > limit;
        if more {
            found.select_nth_unstable_by_key(limit - 1, |one| one.id);
            found.truncate(limit);
        }
        found.sort_unstable_by_key(|one| one.id);
        let next = found.last().filter(|_| more).map(|one| one.id.to_string());
        let scale = Scale::new(&estate, Timestamp::now(), &app.policy);
        Ok(Json(Page { items: found.into_iter().map(|one| RelationshipView::weighed(&scale, &estate, one)).collect(), next, total: None }))
    })
    .await?
}

fn current(app: &App, id: RelationshipId) -> Result<RelationshipView, Refusal> {
    let estate = app.estate();
    let relationship = estate.relationship(id).ok_or_else(|| {
        Refusal::not_found("live relationship", id).next("see the item's relationships: GET /api/v1/cis/{id}/relationships")
    })?;
    Ok(RelationshipView::weighed(&Scale::new(&estate, Timestamp::now(), &app.policy), &estate, relationship))
}

/// One relationship. Role: viewer.
#[utoipa::path(get, path = "/relationships/{id}", tag = "relationships", params(("id" = Uuid, Path, description = "The relationship's id")),
    responses((status = 200, description = "The relationship", body = RelationshipView)))]
async fn get(State(app): State<SharedApp>, _: Viewer, Id(id): Id<RelationshipId>) -> Result<Json<RelationshipView>, Refusal> {
    current(&app, id).map(Json)
}

/// A relationship to declare.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Declaration {
    /// The type, a name of `GET /api/v1/relationship-types`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// The dependent item's id.
    pub(crate) from: Uuid,
    /// The id of the item that it depends on.
    pub(crate) to: Uuid,
    /// How badly, if not as the type says.
    #[serde(default)]
    pub(crate) hardness: Option<Hardness>,
    /// How it is known, in a few words; shown as evidence.
    #[serde(default)]
    pub(crate) note: String,
}

/// Declares that one item depends on another. Declared again it is the same relationship. Role: asset_manager.
#[utoipa::path(post, path = "/relationships", tag = "relationships", request_body = Declaration,
    responses((status = 201, description = "Declared", body = RelationshipView), (status = 200, description = "It stood already", body = RelationshipView)))]
async fn declare(
    State(app): State<SharedApp>,
    Manager(actor): Manager,
    Body(new): Body<Declaration>,
) -> Result<(StatusCode, Json<RelationshipView>), Refusal> {
    let (from, to) = (CiId(new.from), CiId(new.to));
    let what = What { action: "relationship.declare", subject: format!("{from} -> {to}"), detail: format!("{} {}", new.kind, new.note) };
    let kind = new.kind.clone();
    let committed = order(&app, &actor, what, move |estate, order| {
        Ok(commands::declare_relationship(estate, &new.kind, from, to, new.hardness.map(Into::into), &new.note, order)?)
    })
    .await?;
    let put = committed.changes.changes.iter().find_map(|change| match &change.put {
        Put::Relationship(relationship) => Some((relationship.id, relationship.version)),
        _ => None,
    });
    // What agents see as a connection takes in what is declared in other words.
    let is_it = |one: &Relationship| one.to == to && (one.kind == kind || one.kind == "connects_to");
    let known = || app.estate().dependencies(from).find(|one| is_it(one)).map(|one| one.id);
    let (id, status) = match put {
        Some((id, 1)) => (Some(id), StatusCode::CREATED),
        Some((id, _)) => (Some(id), StatusCode::OK),
        None => (known(), StatusCode::OK),
    };
    Ok((status, Json(current(&app, id.ok_or_else(Refusal::internal)?)?)))
}

/// How hard a relationship is to be.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HardnessChange {
    /// How badly the dependent needs it; `null` goes back to the type's.
    pub(crate) hardness: Option<Hardness>,
}

/// Sets how badly the dependent needs it, whatever is observed later; `none` takes it out of impact, `null` goes back to what the evidence
/// says. Role: asset_manager.
#[utoipa::path(patch, path = "/relationships/{id}", tag = "relationships", request_body = HardnessChange,
    params(("id" = Uuid, Path, description = "The relationship's id")),
    responses((status = 200, description = "Set", body = RelationshipView)))]
async fn update(
    State(app): State<SharedApp>,
    Manager(actor): Manager,
    Id(id): Id<RelationshipId>,
    Body(change): Body<HardnessChange>,
) -> Result<Json<RelationshipView>, Refusal> {
    let detail = change.hardness.map_or("as its type", Hardness::as_str).to_owned();
    let what = What { action: "relationship.hardness", subject: id.to_string(), detail };
    order(&app, &actor, what, move |estate, order| Ok(commands::set_hardness(estate, id, change.hardness.map(Into::into), order)?)).await?;
    current(&app, id).map(Json)
}

/// What a relationship is, for the audit log: once retired, it is known by its id alone.
pub(crate) fn ends(estate: &Estate, id: RelationshipId) -> String {
    estate.relationship(id).map(|it| format!("{}: {} to {}", it.kind, it.from, it.to)).unwrap_or_default()
}

/// Takes a declared relationship back. What agents observe comes back by itself and is refused here (409). Role: asset_manager.
#[utoipa::path(delete, path = "/relationships/{id}", tag = "relationships", params(("id" = Uuid, Path, description = "The relationship's id")),
    responses((status = 204, description = "Taken back")))]
async fn retire(State(app): State<SharedApp>, Manager(actor): Manager, Id(id): Id<RelationshipId>) -> Result<StatusCode, Refusal> {
    let what = What { action: "relationship.retire", subject: id.to_string(), detail: ends(&app.estate(), id) };
    order(&app, &actor, what, move |estate, order| Ok(commands::retire_relationship(estate, id, order)?)).await?;
    Ok(StatusCode::NO_CONTENT)
}
