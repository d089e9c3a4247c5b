//! What the register should be asked about: what nobody needs, what is tied to nothing.

use axum::{Json, extract::State};
use rollcall_core::{Ci, Estate, infer};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    cis::blocking,
    extract::{Params, Viewer},
    types::{CiSummary, Page, PageLimit},
};
use crate::{app::SharedApp, auth::Refusal};

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(orphans)).routes(routes!(isolated))
}

/// How many.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReportParams {
    /// The first so many by name, 1 to 1000; 1000 if absent. `total` counts all.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    limit: Option<PageLimit>,
}

/// Items that nothing elsewhere needs, that no service is made of and that have no owner: candidates for switching off. Role: viewer.
#[utoipa::path(get, path = "/reports/orphans", tag = "items", params(ReportParams),
    responses((status = 200, description = "Items, by name", body = Page<CiSummary>)))]
async fn orphans(State(app): State<SharedApp>, _: Viewer, Params(params): Params<ReportParams>) -> Result<Json<Page<CiSummary>>, Refusal> {
    report(app, params, infer::orphans).await
}

/// Items that are not known to work together with anything elsewhere, in either direction. Role: viewer.
#[utoipa::path(get, path = "/reports/isolated", tag = "items", params(ReportParams),
    responses((status = 200, description = "Items, by name", body = Page<CiSummary>)))]
async fn isolated(State(app): State<SharedApp>, _: Viewer, Params(params): Params<ReportParams>) -> Result<Json<Page<CiSummary>>, Refusal> {
    report(app, params, infer::isolated).await
}

async fn report(
    app: SharedApp,
    params: ReportParams,
    find: impl for<'a> FnOnce(&'a Estate) -> Vec<&'a Ci> + Send + 'static,
) -> Result<Json<Page<CiSummary>>, Refusal> {
    blocking(move || {
        let estate = app.estate();
        let found = find(&estate);
        let shown = found.iter().take(PageLimit::or(params.limit, 1_000));
        Ok(Json(Page { items: shown.map(|ci| CiSummary::of(&estate, ci)).collect(), next: None, total: Some(found.len()) }))
    })
    .await?
}
