//! What takes a service down alone, or two together.

use axum::{Json, extract::State};
use rollcall_core::{Ci, impact};
use rollcall_shared::CiId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::answer::reference;
use crate::{
    api::{
        cis::{blocking, no_ci},
        extract::{Id, Params, Viewer},
        types::CiReference,
    },
    app::SharedApp,
    auth::Refusal,
};

/// CIs that a search for single points may visit.
const SWEEP_BUDGET: usize = 20_000_000;

/// What takes a service down alone, and which two together.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct SinglePointsView {
    /// The service.
    pub(crate) service: CiReference,
    /// Every item that takes it down or degrades it alone: worst first, then nearest.
    pub(crate) points: Vec<SinglePointView>,
    /// How many items it needs, directly or not.
    pub(crate) needed: usize,
    /// How many of them were tried, nearest first; fewer than `needed` if the estate was too large for one answer.
    pub(crate) tried: usize,
    /// Two that take it down together though neither does alone: if asked for, and always of what has the criticality `critical`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pairs: Option<Vec<PairView>>,
    /// Whether all pairs were found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pairs_complete: Option<bool>,
}

/// An item that harms a service alone.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct SinglePointView {
    /// The item.
    pub(crate) ci: CiReference,
    /// What becomes of the service: `degraded` or `down`.
    pub(crate) state: String,
    /// Length of a shortest chain of needs to it.
    pub(crate) hops: u32,
    /// How many other items the service reaches only through it.
    pub(crate) guards: usize,
    /// The nearest other item that every chain of needs to it passes, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) behind: Option<CiReference>,
}

/// Two items that take a service down together.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct PairView {
    /// The nearer one.
    pub(crate) first: CiReference,
    /// The other one.
    pub(crate) second: CiReference,
}

/// What else to look for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SinglePointsParams {
    /// Whether to look for pairs too; if absent, for what has the criticality `critical`.
    #[serde(default)]
    pairs: Option<bool>,
}

/// Whether people say that an item is as important as can be.
pub(crate) fn is_critical(ci: &Ci) -> bool {
    ci.text("criticality") == Some("critical")
}

/// What takes a service down alone: the failure of everything it needs is tried in turn, with redundancy. Role: viewer.
#[utoipa::path(get, path = "/services/{id}/single-points-of-failure", tag = "impact",
    params(("id" = Uuid, Path, description = "The service's (or any item's) id"), SinglePointsParams),
    responses((status = 200, description = "Single points of failure", body = SinglePointsView)))]
pub(super) async fn single_points(
    State(app): State<SharedApp>,
    _: Viewer,
    Id(id): Id<CiId>,
    Params(params): Params<SinglePointsParams>,
) -> Result<Json<SinglePointsView>, Refusal> {
    let graph = app.graph().await;
    let pairs = params.pairs.unwrap_or_else(|| app.estate().ci(id).is_some_and(is_critical));
    blocking(move || {
        let found = impact::single_points(&graph, id, SWEEP_BUDGET).ok_or_else(|| no_ci(id))?;
        let pairs = if pairs { impact::pairs(&graph, id, SWEEP_BUDGET) } else { None };
        let point = |point: &impact::SinglePoint<'_>| SinglePointView {
            ci: reference(&graph, point.ci),
            state: point.state.as_str().to_owned(),
            hops: point.hops,
            guards: point.guards,
            behind: point.behind.map(|node| reference(&graph, node)),
        };
        let pair = |pair: &impact::Pair<'_>| PairView { first: reference(&graph, pair.first), second: reference(&graph, pair.second) };
        Ok(Json(SinglePointsView {
            service: reference(&graph, found.service),
            points: found.points.iter().map(point).collect(),
            needed: found.needed,
            tried: found.tried,
            pairs_complete: pairs.as_ref().map(|pairs| pairs.complete),
            pairs: pairs.map(|pairs| pairs.pairs.iter().map(pair).collect()),
        }))
    })
    .await?
}
