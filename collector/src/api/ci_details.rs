//! What an item's page shows besides the item: history, events, relationships, software, and what its agent sent.

use std::io::Read as _;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use rollcall_core::{Estate, Relationship, graph::Graph, infer::Scale};
use rollcall_shared::{
    CiId, DocumentId, Timestamp,
    wire::v1::{InventoryDocument, SectionStatus},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    changes::EventView,
    cis::no_ci,
    extract::{Id, Params, Viewer},
    relationships::RelationshipView,
    types::{CiReference, Instant, Page, PageLimit},
};
use crate::{
    app::{App, SharedApp},
    auth::Refusal,
    store::{CiVersion, Inventory, SectionRecord},
};

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new()
        .routes(routes!(history))
        .routes(routes!(events))
        .routes(routes!(relationships))
        .routes(routes!(software))
        .routes(routes!(sections))
        .routes(routes!(section))
}

/// How many.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LimitParams {
    /// At most so many, 1 to 1000; 100 if absent.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    limit: Option<PageLimit>,
}

impl LimitParams {
    fn get(&self) -> u32 {
        PageLimit::or(self.limit, 100) as u32
    }
}

/// One version of an item.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct VersionView {
    /// Counts from 1.
    pub(crate) version: u32,
    /// When it came to be.
    pub(crate) valid_from: Instant,
    /// When the next one replaced it; absent for the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) valid_to: Option<Instant>,
    /// The commit that made it.
    pub(crate) revision: u64,
    /// Who made it: `agent`, `user:NAME`, `api:OWNER/TOKEN`, `console`, `collector`.
    pub(crate) actor: String,
    /// Why: rule and evidence, in words.
    pub(crate) reason: String,
    /// What differs from the version before: `attributes.kernel`, `name`, …
    pub(crate) differs: Vec<String>,
    /// Its name then.
    pub(crate) name: String,
    /// Its class then.
    pub(crate) class: String,
    /// `active` or `retired` then.
    pub(crate) lifecycle: String,
    /// Where it was in its life then.
    #[serde(default)]
    pub(crate) stage: String,
    /// The values that stood then.
    #[schema(value_type = Object)]
    pub(crate) attributes: Map<String, Value>,
}

impl From<CiVersion> for VersionView {
    fn from(version: CiVersion) -> Self {
        let ci = version.ci;
        Self {
            version: ci.version,
            valid_from: ci.valid_from.into(),
            valid_to: version.valid_to.map(Instant),
            revision: version.revision.0,
            actor: version.actor,
            reason: version.reason,
            differs: version.differs,
            lifecycle: ci.lifecycle.as_str().to_owned(),
            stage: ci.stage.as_str().to_owned(),
            attributes: ci.attributes.iter().map(|(name, attribute)| (name.clone(), attribute.value().clone())).collect(),
            name: ci.name,
            class: ci.class,
        }
    }
}

fn known(app: &App, id: CiId) -> Result<(), Refusal> {
    app.estate().ci(id).map(|_| ()).ok_or_else(|| no_ci(id))
}

/// Every version of an item, newest first. Role: viewer.
#[utoipa::path(get, path = "/cis/{id}/history", tag = "items", params(("id" = Uuid, Path, description = "The item's id"), LimitParams),
    responses((status = 200, description = "Versions", body = Page<VersionView>)))]
async fn history(
    State(app): State<SharedApp>,
    _: Viewer,
    Id(id): Id<CiId>,
    Params(params): Params<LimitParams>,
) -> Result<Json<Page<VersionView>>, Refusal> {
    known(&app, id)?;
    let versions = app.store.ci_history(id, params.get()).await?;
    Ok(Json(Page { items: versions.into_iter().map(VersionView::from).collect(), next: None, total: None }))
}

/// What happened to an item, its relationships and its software, newest first. Role: viewer.
#[utoipa::path(get, path = "/cis/{id}/events", tag = "items", params(("id" = Uuid, Path, description = "The item's id"), LimitParams),
    responses((status = 200, description = "Events", body = Page<EventView>)))]
async fn events(
    State(app): State<SharedApp>,
    _: Viewer,
    Id(id): Id<CiId>,
    Params(params): Params<LimitParams>,
) -> Result<Json<Page<EventView>>, Refusal> {
    known(&app, id)?;
    let events = app.store.events_of(id, params.get()).await?;
    Ok(Json(Page { items: events.into_iter().map(EventView::from).collect(), next: None, total: None }))
}

/// An item's relationships.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Relationships {
    /// What it depends on.
    pub(crate) dependencies: Vec<RelationshipView>,
    /// What depends on it.
    pub(crate) dependents: Vec<RelationshipView>,
}

/// What an item depends on, and what depends on it, directly, with evidence. Role: viewer.
#[utoipa::path(get, path = "/cis/{id}/relationships", tag = "items", params(("id" = Uuid, Path, description = "The item's id")),
    responses((status = 200, description = "Both directions", body = Relationships)))]
async fn relationships(State(app): State<SharedApp>, _: Viewer, Id(id): Id<CiId>) -> Result<Json<Relationships>, Refusal> {
    known(&app, id)?;
    let graph = app.graph().await;
    let estate = app.estate();
    let scale = Scale::new(&estate, Timestamp::now(), &app.policy);
    let views = |relationships: &mut dyn Iterator<Item = &Relationship>| {
        let mut views: Vec<RelationshipView> =
            relationships.map(|relationship| RelationshipView::weighed(&scale, &estate, relationship)).collect();
        views.sort_by(|a, b| (&a.kind, &a.from.name, &a.to.name, a.id).cmp(&(&b.kind, &b.from.name, &b.to.name, b.id)));
        views
    };
    let mut found = Relationships { dependencies: views(&mut estate.dependencies(id)), dependents: views(&mut estate.dependents(id)) };
    confirm(&graph, id, &mut found);
    Ok(Json(found))
}

/// Notes how many ends confirm each relationship, which the graph knows.
fn confirm(graph: &Graph, id: CiId, found: &mut Relationships) {
    let ends: std::collections::HashMap<Uuid, u8> =
        graph.dependencies(id).chain(graph.dependents(id)).filter_map(|edge| Some((edge.relationship?.0, edge.ends_confirming))).collect();
    for view in found.dependencies.iter_mut().chain(&mut found.dependents) {
        view.ends_confirming = ends.get(&view.id).copied();
    }
}

/// A piece of software on a machine.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct SoftwareView {
    /// Kind of package: `deb`.
    pub(crate) kind: String,
    /// Name.
    pub(crate) name: String,
    /// Version.
    pub(crate) version: String,
    /// Architecture; empty where there is none.
    pub(crate) architecture: String,
    /// Publisher; empty where not known.
    pub(crate) publisher: String,
}

impl From<&rollcall_core::SoftwareEntry> for SoftwareView {
    fn from(entry: &rollcall_core::SoftwareEntry) -> Self {
        Self {
            kind: entry.kind.clone(),
            name: entry.name.clone(),
            version: entry.version.clone(),
            architecture: entry.architecture.clone(),
            publisher: entry.publisher.clone(),
        }
    }
}

/// All software of a machine, by name. Role: viewer.
#[utoipa::path(get, path = "/cis/{id}/software", tag = "items", params(("id" = Uuid, Path, description = "The machine's id")),
    responses((status = 200, description = "Software", body = Page<SoftwareView>)))]
async fn software(State(app): State<SharedApp>, _: Viewer, Id(id): Id<CiId>) -> Result<Json<Page<SoftwareView>>, Refusal> {
    known(&app, id)?;
    let estate = app.estate();
    let mut items: Vec<SoftwareView> = estate.software().of(id).map(SoftwareView::from).collect();
    items.sort_by(|a, b| (&a.name, &a.version, &a.kind, &a.architecture).cmp(&(&b.name, &b.version, &b.kind, &b.architecture)));
    Ok(Json(Page::whole(items)))
}

/// Where the newest state of one section of a machine's inventory stands.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct SectionView {
    /// The section: `hardware`, `packages`, …
    pub(crate) name: String,
    /// How collecting it went: `ok`, `partial`, `failed` or `absent`.
    pub(crate) status: String,
    /// Why it is not `ok`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status_reason: Option<String>,
    /// When it was collected, corrected by the clock skew.
    pub(crate) collected_at: Instant,
    /// The document that brought it.
    pub(crate) document: Uuid,
    /// Digest of its content.
    pub(crate) digest: String,
    /// Why its content was not used, if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refused: Option<String>,
}

impl SectionView {
    pub(super) fn of(name: &str, record: &SectionRecord) -> Self {
        let (status, status_reason) = match &record.status {
            SectionStatus::Ok => ("ok", None),
            SectionStatus::Partial { reason } => ("partial", Some(reason.clone())),
            SectionStatus::Failed { reason } => ("failed", Some(reason.clone())),
            SectionStatus::Absent { reason } => ("absent", Some(reason.clone())),
        };
        Self {
            name: name.to_owned(),
            status: status.to_owned(),
            status_reason,
            collected_at: record.collected_at.into(),
            document: record.document.0,
            digest: record.digest.to_string(),
            refused: record.refused.clone(),
        }
    }
}

/// What the machine's agent has sent, section by section, and how old it is. Role: viewer.
#[utoipa::path(get, path = "/cis/{id}/sections", tag = "items", params(("id" = Uuid, Path, description = "The machine's id")),
    responses((status = 200, description = "Sections", body = Page<SectionView>)))]
async fn sections(State(app): State<SharedApp>, _: Viewer, Id(id): Id<CiId>) -> Result<Json<Page<SectionView>>, Refusal> {
    let inventory = inventory_of(&app, id).await?;
    Ok(Json(Page::whole(inventory.sections.iter().map(|(name, record)| SectionView::of(name, record)).collect())))
}

/// One section as the agent sent it.
#[derive(Serialize, ToSchema)]
pub(crate) struct SectionContent {
    /// Where it stands.
    #[serde(flatten)]
    view: SectionView,
    /// What the agent sent, as it sent it; `null` if nothing was found. Its shape is in the wire format's JSON Schema.
    #[schema(value_type = Value)]
    data: Box<RawValue>,
}

/// One section of a machine's inventory, as the agent sent it. Role: viewer.
#[utoipa::path(get, path = "/cis/{id}/sections/{name}", tag = "items",
    params(("id" = Uuid, Path, description = "The machine's id"), ("name" = String, Path, description = "The section, from `GET /cis/{id}/sections`")),
    responses((status = 200, description = "The section", body = SectionContent)))]
async fn section(
    State(app): State<SharedApp>,
    _: Viewer,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<SectionContent>, Refusal> {
    let Path((id, name)) = path.map_err(|rejection| Refusal::bad_request(rejection.body_text()))?;
    let shown: String = id.chars().take(64).collect();
    let id: CiId = id.parse().map_err(|_| Refusal::bad_request(format!("{shown:?} is not an id")))?;
    let name: String = name.chars().take(100).collect();
    let inventory = inventory_of(&app, id).await?;
    let no_section =
        || Refusal::not_found("section", format!("{name:?} of this machine")).next("see GET /api/v1/cis/{id}/sections for those there are");
    let record = inventory.sections.get(&name).ok_or_else(no_section)?;
    let data = section_data(&app, record.document, &name).await?.ok_or_else(no_section)?;
    Ok(Json(SectionContent { view: SectionView::of(&name, record), data }))
}

async fn section_data(app: &App, document: DocumentId, name: &str) -> Result<Option<Box<RawValue>>, Refusal> {
    let Some(body) = app.store.document(document).await? else { return Ok(None) };
    let name = name.to_owned();
    super::cis::blocking(move || {
        let parsed = decompress(&body).and_then(|json| Ok(serde_json::from_slice::<InventoryDocument>(&json)?));
        let mut document = parsed.map_err(|error| {
            tracing::error!(%document, %error, "a stored document cannot be read");
            Refusal::internal()
        })?;
        Ok(document.sections.remove(&name).map(|section| section.data))
    })
    .await?
}

/// It was within limits when it came; the limit here only keeps a damaged one from filling the memory.
fn decompress(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut json = Vec::new();
    let limit = rollcall_shared::wire::limits::INVENTORY.bytes;
    zstd::stream::read::Decoder::new(body)?.take(limit + 1).read_to_end(&mut json)?;
    if json.len() as u64 > limit {
        return Err(std::io::Error::other("larger than any document may be"));
    }
    Ok(json)
}

/// The newest inventory of the agent whose machine this is.
async fn inventory_of(app: &App, id: CiId) -> Result<Inventory, Refusal> {
    let agent = {
        let estate = app.estate();
        let ci = estate.ci(id).ok_or_else(|| no_ci(id))?;
        ci.agent.filter(|agent| is_machine_of(&estate, *agent, id))
    };
    let no_inventory = || {
        let name = CiReference::of(&app.estate(), id).name;
        Refusal::not_found("inventory of", format!("{name:?}"))
            .next("only machines with an agent have one; enroll the machine with `rollcall token create`")
    };
    let agent = agent.ok_or_else(no_inventory)?;
    app.store.inventories(&[agent]).await?.pop().ok_or_else(no_inventory)
}

fn is_machine_of(estate: &Estate, agent: rollcall_shared::AgentId, id: CiId) -> bool {
    estate.machine_of(agent).is_some_and(|machine| machine.id == id)
}
