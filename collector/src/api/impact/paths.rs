//! How one item depends on another.

use axum::{Json, extract::State};
use rollcall_core::impact;
use rollcall_shared::CiId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    answer::{EdgeViewBody, edge_view, reference},
    ask::{Ground, not_meant},
};
use crate::{
    api::{
        cis::{blocking, no_ci},
        extract::{Params, Viewer},
        types::CiReference,
    },
    app::SharedApp,
    auth::Refusal,
    query::meant::one,
};

/// Paths that are answered if nobody says how many.
const DEFAULT_PATHS: usize = 10;
/// Most paths each way.
const MOST_PATHS: usize = 100;

/// Between which items.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PathParams {
    /// One item: id, name, or a filter that finds only it.
    pub(crate) from: String,
    /// The other.
    pub(crate) to: String,
    /// How many paths each way, 1 to 100, shortest first; 10 if absent.
    #[param(minimum = 1, maximum = 100)]
    pub(crate) most: Option<usize>,
}

/// Chains of dependencies between two items.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct PathsView {
    /// One item.
    pub(crate) from: CiReference,
    /// The other.
    pub(crate) to: CiReference,
    /// How the first depends on the second: each from the dependent on, shortest first.
    pub(crate) forward: Vec<Vec<StepView>>,
    /// How the second depends on the first.
    pub(crate) backward: Vec<Vec<StepView>>,
    /// Whether these are all there are.
    pub(crate) complete: bool,
}

/// One step of a chain.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct StepView {
    /// Who depends.
    pub(crate) dependent: CiReference,
    /// On what.
    pub(crate) provider: CiReference,
    /// The relationships, with what speaks for each.
    pub(crate) edges: Vec<EdgeViewBody>,
}

/// The chains of dependencies between two items, in both directions, with the evidence of each step. Role: viewer.
#[utoipa::path(get, path = "/impact/paths", tag = "impact", params(PathParams),
    responses((status = 200, description = "Paths", body = PathsView)))]
pub(super) async fn paths(State(app): State<SharedApp>, _: Viewer, Params(params): Params<PathParams>) -> Result<Json<PathsView>, Refusal> {
    between(&app, params).await.map(Json)
}

/// The chains of dependencies between two items.
pub(crate) async fn between(app: &SharedApp, params: PathParams) -> Result<PathsView, Refusal> {
    let most = params.most.unwrap_or(DEFAULT_PATHS);
    if !(1..=MOST_PATHS).contains(&most) {
        return Err(Refusal::bad_request(format!("most is 1 to {MOST_PATHS}")));
    }
    let ground = Ground::of(app, None, false).await?;
    let app = app.clone();
    blocking(move || {
        let basis = ground.basis(&app);
        let estate = ground.estate(&app);
        let find = |text: &str| one(&estate, text, ground.at).map_err(|error| not_meant(&error));
        let (from, to) = (find(&params.from)?, find(&params.to)?);
        if from == to {
            return Err(Refusal::invalid("both ends are the same item"));
        }
        let graph = &ground.graph;
        let ways = |from: CiId, to: CiId| {
            let found = impact::paths(graph, from, to, most).ok_or_else(|| no_ci(if graph.node(from).is_none() { from } else { to }))?;
            let step = |edges: &Vec<rollcall_core::graph::EdgeView<'_>>| {
                let first = edges.first()?;
                Some(StepView {
                    dependent: reference(graph, first.from),
                    provider: reference(graph, first.to),
                    edges: edges.iter().map(|edge| edge_view(&estate, &basis, edge)).collect(),
                })
            };
            let chains = found.paths.iter().map(|path| path.hops.iter().filter_map(step).collect()).collect();
            Ok::<(Vec<Vec<StepView>>, bool), Refusal>((chains, found.complete))
        };
        let ((forward, all), (backward, all_back)) = (ways(from, to)?, ways(to, from)?);
        let item = |id: CiId| CiReference::of(&estate, id);
        Ok(PathsView { from: item(from), to: item(to), forward, backward, complete: all && all_back })
    })
    .await?
}
