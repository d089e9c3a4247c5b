//! Software across the estate: what there is, and who has it.

use axum::{Json, extract::State};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rollcall_core::SoftwareEntry;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ci_details::SoftwareView,
    cis::blocking,
    extract::{Params, Viewer},
    types::{CiReference, Page, PageLimit},
};
use crate::{app::SharedApp, auth::Refusal};

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(search)).routes(routes!(machines))
}

/// A piece of software and how many machines have it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct SoftwareCount {
    /// The software.
    #[serde(flatten)]
    pub(crate) software: SoftwareView,
    /// How many machines have it now.
    pub(crate) machines: u64,
}

/// What to look for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchParams {
    /// Occurs in the name, ignoring case; everything if absent.
    #[serde(default)]
    name: String,
    /// `next` of the page before.
    after: Option<String>,
    /// On a page, 1 to 1000; 100 if absent.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    limit: Option<PageLimit>,
}

type Key = (String, String, String, String, String);

fn key(entry: &SoftwareEntry) -> Key {
    (entry.name.clone(), entry.version.clone(), entry.kind.clone(), entry.architecture.clone(), entry.publisher.clone())
}

/// Software that some machine has, by name and version, with the number of machines. Role: viewer.
#[utoipa::path(get, path = "/software", tag = "software", params(SearchParams),
    responses((status = 200, description = "A page of software", body = Page<SoftwareCount>)))]
async fn search(
    State(app): State<SharedApp>,
    _: Viewer,
    Params(params): Params<SearchParams>,
) -> Result<Json<Page<SoftwareCount>>, Refusal> {
    let wanted = params.name.trim().to_lowercase();
    let limit = PageLimit::or(params.limit, 100);
    let after: Option<Key> = params.after.as_deref().filter(|cursor| !cursor.is_empty()).map(cursor).transpose()?;
    blocking(move || {
        let estate = app.estate();
        let found = estate.software().entries().filter(|(entry, machines)| *machines > 0 && entry.name.to_lowercase().contains(&wanted));
        let mut found: Vec<(Key, u64)> = found
            .map(|(entry, machines)| (key(entry), machines))
            .filter(|(key, _)| after.as_ref().is_none_or(|after| key > after))
            .collect();
        let more = found.len() > limit;
        if more {
            found.select_nth_unstable(limit - 1);
            found.truncate(limit);
        }
        found.sort_unstable();
        let next = found.last().filter(|_| more).map(|(key, _)| URL_SAFE_NO_PAD.encode(serde_json::to_vec(key).unwrap_or_default()));
        let view = |((name, version, kind, architecture, publisher), machines)| SoftwareCount {
            software: SoftwareView { kind, name, version, architecture, publisher },
            machines,
        };
        Ok(Json(Page { items: found.into_iter().map(view).collect(), next, total: None }))
    })
    .await?
}

fn cursor(text: &str) -> Result<Key, Refusal> {
    let json = URL_SAFE_NO_PAD.decode(text).ok();
    json.and_then(|json| serde_json::from_slice(&json).ok())
        .ok_or_else(|| Refusal::invalid("the cursor is not one of this list").next("ask for the first page again"))
}

/// Which software, exactly.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MachinesParams {
    /// Its name.
    name: String,
    /// Its version; any if absent.
    version: Option<String>,
    /// Its kind of package; any if absent.
    kind: Option<String>,
}

/// The machines that have a piece of software, by name. Role: viewer.
#[utoipa::path(get, path = "/software/machines", tag = "software", params(MachinesParams),
    responses((status = 200, description = "Machines", body = Page<CiReference>)))]
async fn machines(
    State(app): State<SharedApp>,
    _: Viewer,
    Params(params): Params<MachinesParams>,
) -> Result<Json<Page<CiReference>>, Refusal> {
    blocking(move || {
        let estate = app.estate();
        let wanted = |entry: &SoftwareEntry| {
            entry.name == params.name
                && params.version.as_ref().is_none_or(|version| entry.version == *version)
                && params.kind.as_ref().is_none_or(|kind| entry.kind == *kind)
        };
        let machines = estate.software().machines_with(wanted);
        let mut items: Vec<CiReference> = machines.into_iter().map(|id| CiReference::of(&estate, id)).collect();
        items.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        Json(Page::whole(items))
    })
    .await
}
