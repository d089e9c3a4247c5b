//! What would harm most if it failed.

use axum::{Json, extract::State};
use rollcall_core::{graph::Node, impact};
use rollcall_shared::{CiId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::answer::{CountsView, reference};
use crate::{
    api::{
        cis::{blocking, query_refusal},
        extract::{Params, Viewer},
        types::{CiReference, Page},
    },
    app::SharedApp,
    auth::Refusal,
    query::{Filter, QueryError},
};

/// Which items to rank.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RankingParams {
    /// Only items for which this filter holds, as in `GET /cis`; all if absent.
    #[serde(default)]
    filter: String,
    /// The first so many, 1 to 1000; 50 if absent.
    limit: Option<usize>,
}

/// What an item would take with it if it went down alone.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct BlastView {
    /// The item.
    pub(crate) ci: CiReference,
    /// How many others would be in each state.
    pub(crate) counts: CountsView,
    /// Business services that would be down.
    pub(crate) services_down: Vec<CiReference>,
    /// Business services that would be degraded.
    pub(crate) services_degraded: Vec<CiReference>,
}

/// The items whose failure would harm most, worst first. Role: viewer.
#[utoipa::path(get, path = "/impact/ranking", tag = "impact", params(RankingParams),
    responses((status = 200, description = "Ranking", body = Page<BlastView>)))]
pub(super) async fn ranking(
    State(app): State<SharedApp>,
    _: Viewer,
    Params(params): Params<RankingParams>,
) -> Result<Json<Page<BlastView>>, Refusal> {
    let filter = Filter::parse(app.estate().catalogue(), &params.filter).map_err(|error| query_refusal(QueryError::Filter(error)))?;
    let limit = params.limit.unwrap_or(50).clamp(1, 1_000);
    let graph = app.graph().await;
    blocking(move || {
        let found: Vec<CiId> = app.search.matching(&app.estate(), &filter, Timestamp::now()).into_iter().map(|ci| ci.id).collect();
        let mut wanted: Vec<CiId> = found.into_iter().filter(|id| graph.node(*id).is_some()).collect();
        let total = wanted.len();
        // Where every failure was worked out already, only the worst need to be again, to say which services they are.
        if let Some(ranking) = app.blast_radii.newest().filter(|ranking| ranking.revision() == graph.revision()) {
            let mut ranks: Vec<u32> = wanted.iter().filter_map(|id| ranking.rank(*id)).collect();
            if ranks.len() > limit {
                let (_, &mut last, _) = ranks.select_nth_unstable(limit - 1);
                wanted.retain(|id| ranking.rank(*id).is_some_and(|rank| rank <= last));
            }
        }
        let mut ranked = impact::rank(&graph, wanted);
        ranked.truncate(limit);
        let references = |nodes: &[&Node]| nodes.iter().map(|node| reference(&graph, node)).collect();
        let item = |blast: &impact::Blast<'_>| BlastView {
            ci: reference(&graph, blast.ci),
            counts: blast.counts.into(),
            services_down: references(&blast.services_down),
            services_degraded: references(&blast.services_degraded),
        };
        Ok(Json(Page { items: ranked.iter().map(item).collect(), next: None, total: Some(total) }))
    })
    .await?
}
