//! Lists as tables for spreadsheets and other programs.

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    cis::query_refusal,
    extract::{Params, Viewer},
};
use crate::{
    app::SharedApp,
    auth::Refusal,
    export::{self, Columns},
    query::CiQuery,
    table::Format,
};

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(export))
}

/// Which items, with which columns.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExportParams {
    /// `csv` (the default), `xlsx`, `json` or `yaml`.
    #[serde(default)]
    format: Option<Format>,
    /// Words that must all hold, as in `GET /cis`.
    #[serde(default)]
    filter: String,
    /// The order, as in `GET /cis`.
    #[serde(default)]
    sort: String,
    /// Columns, separated by commas: `id`, `class`, `name`, `lifecycle`, `first_seen`, `last_seen`, `changed`, `agent`, attributes by name, and
    /// `relationship:TYPE` for what an item depends on or `relationship:^TYPE` for what depends on it. Absent: id, class, name, lifecycle,
    /// every attribute that one of the items has, and when they were seen.
    #[serde(default)]
    columns: String,
}

/// The items of a filter as a table, streamed. What a spreadsheet would run as a formula is made harmless; handed in as an import, the table
/// changes nothing. Role: viewer.
#[utoipa::path(get, path = "/export", tag = "imports", params(ExportParams),
    responses((status = 200, description = "The table in the format asked for", content(
        (String = "text/csv"), (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (Value = "application/json"), (String = "application/yaml")))))]
async fn export(State(app): State<SharedApp>, _: Viewer, Params(params): Params<ExportParams>) -> Result<Response, Refusal> {
    let catalogue = app.catalogue();
    let query = CiQuery::parse(&catalogue, &params.filter, &params.sort, None, None).map_err(query_refusal)?;
    let columns = Columns::parse(&catalogue, &params.columns).map_err(|error| Refusal::invalid(error.to_string()))?;
    Ok(answer(app, query, params.format.unwrap_or(Format::Csv), columns))
}

/// A table to be kept as a file.
pub(crate) fn answer(app: SharedApp, query: CiQuery, format: Format, columns: Option<Columns>) -> Response {
    // One ranking for the whole table, however long it takes.
    let query = CiQuery { ranking: app.blast_radii.newest(), ..query };
    let name = format!("attachment; filename=\"rollcall-items.{}\"", format.as_str());
    let mut response = export::stream(app, query, format, columns).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    response
}
