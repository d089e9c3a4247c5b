//! An item's life: the stages it goes through, and when somebody last stood before it.

use axum::{Json, extract::State};
use rollcall_core::{
    Sighting, Stage,
    reconcile::commands::{self, LifeStep, NewSighting},
};
use rollcall_shared::{CiId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    cis::{Tagged, at_version, current, no_ci},
    extract::{Body, Id, IfMatch, Manager, Viewer},
    types::{Instant, Page},
    write::{What, order},
};
use crate::{app::SharedApp, auth::Refusal};

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(ways, enter)).routes(routes!(sight))
}

/// When somebody last stood before an item.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct SightingView {
    /// When.
    pub(crate) at: Instant,
    /// Where, in people's words; empty if nobody said.
    pub(crate) place: String,
    /// Who saw it.
    pub(crate) by: String,
    /// Who wrote it down: `user:NAME`, `api:OWNER/TOKEN`.
    pub(crate) source: String,
}

impl From<&Sighting> for SightingView {
    fn from(sighting: &Sighting) -> Self {
        let Sighting { at, place, by, source } = sighting.clone();
        Self { at: at.into(), place, by, source }
    }
}

/// A stage that an item can go to.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct WayView {
    /// The stage.
    pub(crate) to: String,
    /// What people call it.
    pub(crate) label: String,
    /// What must be given with it: it is not known yet.
    pub(crate) needs: Vec<String>,
}

/// Where an item is to go.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// `planned`, `ordered`, `in_stock`, `in_use`, `in_repair`, `retired` or `disposed`.
    pub(crate) to: String,
    /// Why, in a few words.
    #[serde(default)]
    pub(crate) reason: String,
    /// Values that become known with it, by attribute.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub(crate) attributes: Map<String, Value>,
}

/// Somebody stood before it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SightingSpec {
    /// When; absent: now.
    #[serde(default)]
    pub(crate) at: Option<String>,
    /// Where, in people's words.
    #[serde(default)]
    pub(crate) place: String,
    /// Who saw it; empty: who sends this.
    #[serde(default)]
    pub(crate) by: String,
}

/// The stage of that name.
pub(super) fn stage(name: &str, at: &str) -> Result<Stage, Refusal> {
    Stage::parse(name).ok_or_else(|| {
        let stages = Stage::ALL.map(Stage::as_str).join(", ");
        Refusal::invalid(format!("a stage is one of {stages}")).at(at)
    })
}

/// Where an item can go from where it is, and what each way asks for. Role: viewer.
#[utoipa::path(get, path = "/cis/{id}/lifecycle", tag = "items", params(("id" = Uuid, Path, description = "The item's id")),
    responses((status = 200, description = "Ways", body = Page<WayView>)))]
async fn ways(State(app): State<SharedApp>, _: Viewer, Id(id): Id<CiId>) -> Result<Json<Page<WayView>>, Refusal> {
    let estate = app.estate();
    let ci = estate.ci(id).ok_or_else(|| no_ci(id))?;
    let view = |(way, lacks): (&rollcall_core::Transition, Vec<rollcall_core::Requirement>)| WayView {
        to: way.to.as_str().to_owned(),
        label: way.label.to_owned(),
        needs: lacks.into_iter().map(rollcall_core::Requirement::wanted).collect(),
    };
    Ok(Json(Page::whole(commands::ways_from(&estate, ci).into_iter().map(view).collect())))
}

/// Takes an item to another stage of its life. With `If-Match`, only if it is still at that version. Role: asset_manager.
#[utoipa::path(post, path = "/cis/{id}/lifecycle", tag = "items", request_body = Step,
    params(("id" = Uuid, Path, description = "The item's id"), ("If-Match" = Option<String>, Header, description = "The item's `ETag`")),
    responses((status = 200, description = "There", body = super::cis::CiView)))]
async fn enter(
    State(app): State<SharedApp>,
    Manager(actor): Manager,
    Id(id): Id<CiId>,
    IfMatch(expected): IfMatch,
    Body(step): Body<Step>,
) -> Result<Tagged<super::cis::CiView>, Refusal> {
    let step = LifeStep { to: stage(&step.to, "$.to")?, reason: step.reason, attributes: step.attributes.into_iter().collect() };
    let what = What { action: "ci.lifecycle", subject: id.to_string(), detail: format!("{} {}", step.to.as_str(), step.reason) };
    order(&app, &actor, what, move |estate, order| {
        at_version(estate, id, expected)?;
        Ok(commands::enter_stage(estate, id, &step, order)?)
    })
    .await?;
    current(&app, id)
}

/// Writes down that somebody stood before an item: an audit by hand or by scanner. An older sighting than the known one changes nothing.
/// Role: asset_manager.
#[utoipa::path(post, path = "/cis/{id}/sightings", tag = "items", request_body = SightingSpec,
    params(("id" = Uuid, Path, description = "The item's id")),
    responses((status = 200, description = "Noted", body = super::cis::CiView)))]
async fn sight(
    State(app): State<SharedApp>,
    Manager(actor): Manager,
    Id(id): Id<CiId>,
    Body(spec): Body<SightingSpec>,
) -> Result<Tagged<super::cis::CiView>, Refusal> {
    let at = spec.at.map(|text| text.parse::<Timestamp>()).transpose();
    let at = at.map_err(|_| Refusal::invalid("an RFC 3339 time such as \"2026-03-01T12:00:00Z\" is needed").at("$.at"))?;
    let new = NewSighting { at, place: spec.place, by: spec.by };
    let what = What { action: "ci.sighting", subject: id.to_string(), detail: new.place.chars().take(200).collect() };
    order(&app, &actor, what, move |estate, order| Ok(commands::record_sighting(estate, id, &new, order)?)).await?;
    current(&app, id)
}
