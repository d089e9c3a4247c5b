//! Configuration items: list, look at, make, change, retire.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::State,
    http::{HeaderName, HeaderValue, StatusCode, header},
};
use rollcall_core::{
    ChangeSet, Ci, Estate, Put,
    reconcile::commands::{self, AttributeEdit},
};
use rollcall_shared::{CiId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    extract::{Body, Id, IfMatch, Manager, Params, Viewer},
    types::{CiReference, CiSummary, Instant, Page, PageLimit},
    write::{OrderError, What, order},
};
use crate::{
    app::{App, SharedApp},
    auth::Refusal,
    blast::BlastRadius,
    query::{CiQuery, QueryError},
};

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update)).routes(routes!(retire)).routes(routes!(restore))
}

/// Which items, in which order.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParams {
    /// Conditions that must all hold, as in the search box: `class:server os:debian owner:"Team A" -lifecycle:retired text`. `name:` finds
    /// what occurs in a value, `name=` what is exactly it; numbers and times compare (`memory_bytes>=16GiB`, `valid_until<+30d`),
    /// relationships lead to other items (`hosts:(class:database)`), `OR` and parentheses group. See `rollcall ci list --help`.
    #[serde(default)]
    filter: String,
    /// `relevance` (the default where the filter searches for text), `name` (the default otherwise), `class`, `lifecycle`, `first_seen`, `last_seen`, `changed`, `rank` (what its failure
    /// alone would do, the worst first) or an attribute; with `-` in front largest first.
    #[serde(default)]
    sort: String,
    /// `next` of the page before.
    after: Option<String>,
    /// Items on a page, 1 to 1000; 50 if absent.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    limit: Option<PageLimit>,
}

/// A configuration item with everything that is known of it now.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct CiView {
    /// The item.
    #[serde(flatten)]
    pub(crate) summary: CiSummary,
    /// Who says what about each attribute, by name.
    pub(crate) provenance: BTreeMap<String, Vec<ClaimView>>,
    /// The rule of precedence that decides whose word stands, by attribute: `CLASS.ATTRIBUTE`, see `GET /api/v1/precedence`. Where none is named,
    /// an agent is believed before a person, an API client and an import. Pins stand before all.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) decided_by: BTreeMap<String, String>,
    /// What it is recognised by.
    pub(crate) identity_keys: Vec<IdentityKeyView>,
    /// The item it was merged into, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) merged_into: Option<CiReference>,
    /// Pieces of software on it.
    pub(crate) software_count: u64,
    /// What its failure alone would do. Worked out in the background: absent for what is retired or so new that it is not ranked yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) blast_radius: Option<BlastRadiusView>,
}

/// What the failure of one item alone would do to the others, redundancy and all.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct BlastRadiusView {
    /// 1 for the worst of all items; those that would do the same share a rank. By business services down, then degraded, then by items down,
    /// degraded and at risk.
    pub(crate) rank: u32,
    /// How many items are ranked.
    pub(crate) of: u64,
    /// Other items that would be down.
    pub(crate) down: u32,
    /// Other items that would be degraded.
    pub(crate) degraded: u32,
    /// Other items that would have no margin left.
    pub(crate) at_risk: u32,
    /// Business services among those down.
    pub(crate) services_down: u32,
    /// Business services among those degraded.
    pub(crate) services_degraded: u32,
    /// The estate's revision that this is of.
    pub(crate) revision: u64,
}

impl From<BlastRadius> for BlastRadiusView {
    fn from(BlastRadius { rank, of, toll, revision }: BlastRadius) -> Self {
        Self {
            rank,
            of: of as u64,
            down: toll.counts.down,
            degraded: toll.counts.degraded,
            at_risk: toll.counts.at_risk,
            services_down: toll.services_down,
            services_degraded: toll.services_degraded,
            revision: revision.0,
        }
    }
}

/// One source's word on an attribute. The first of a list is the one that stands.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ClaimView {
    /// The value.
    #[schema(value_type = Value)]
    pub(crate) value: Value,
    /// Who says so: `agent`, `user:NAME`, `api:OWNER/TOKEN`, `import:NAME`.
    pub(crate) source: String,
    /// Since when, without interruption.
    pub(crate) since: Instant,
    /// Whether a person made it stand against what machines report.
    pub(crate) pinned: bool,
    /// When this source last said it; an agent's word is confirmed by every check-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) confirmed: Option<Instant>,
    /// Seconds since then.
    #[serde(default)]
    pub(crate) age_seconds: u64,
    /// Whether it was said within the window of the rule that decides; always where that has none.
    #[serde(default)]
    pub(crate) fresh: bool,
}

/// Something an item is recognised by.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct IdentityKeyView {
    /// What kind: `machine_id`, `mac`, `external`, …
    pub(crate) kind: String,
    /// Its value.
    pub(crate) value: String,
}

impl CiView {
    /// Everything known of an item of this estate.
    pub(crate) fn of(estate: &Estate, ci: &Ci, blast_radius: Option<BlastRadius>) -> Self {
        let now = Timestamp::now();
        let claims = |name: &str, attribute: &rollcall_core::Attribute| {
            let claim = |(claim, standing): (rollcall_core::Claim, rollcall_core::catalogue::Standing)| ClaimView {
                value: claim.value,
                source: claim.source.to_string(),
                since: claim.since.into(),
                pinned: claim.pinned,
                confirmed: Some(standing.confirmed.into()),
                age_seconds: now.millis_since(standing.confirmed).max(0).unsigned_abs() / 1_000,
                fresh: standing.fresh,
            };
            estate.standings(ci, name, attribute, now).into_iter().map(claim).collect()
        };
        let rule = |name: &String| Some((name.clone(), estate.catalogue().rule(&ci.class, name)?.name()));
        Self {
            summary: CiSummary::of(estate, ci),
            provenance: ci.attributes.iter().map(|(name, attribute)| (name.clone(), claims(name, attribute))).collect(),
            decided_by: ci.attributes.keys().filter_map(rule).collect(),
            identity_keys: ci
                .keys
                .iter()
                .map(|key| IdentityKeyView { kind: key.kind.as_str().to_owned(), value: key.value.clone() })
                .collect(),
            merged_into: ci.merged_into.map(|id| CiReference::of(estate, id)),
            software_count: estate.software().count_of(ci.id),
            blast_radius: blast_radius.map(BlastRadiusView::from),
        }
    }
}

/// A list that cannot be made, as an answer.
pub(super) fn query_refusal(error: QueryError) -> Refusal {
    let next = match &error {
        QueryError::Filter(_) => "see the filter words in `rollcall ci list --help`",
        QueryError::Sort(_) => "name another column",
        QueryError::Cursor => "ask for the first page again",
    };
    Refusal::invalid(error.to_string()).next(next)
}

/// Items, filtered and sorted, a page at a time. Retired ones are left out unless the filter names `lifecycle:`. Role: viewer.
#[utoipa::path(get, path = "/cis", tag = "items", params(ListParams),
    responses((status = 200, description = "A page of items", body = Page<CiSummary>)))]
async fn list(State(app): State<SharedApp>, _: Viewer, Params(params): Params<ListParams>) -> Result<Json<Page<CiSummary>>, Refusal> {
    let limit = Some(PageLimit::or(params.limit, 50));
    // Off the async threads: the index may have writes to take in first.
    blocking(move || {
        let estate = app.estate();
        let query = CiQuery::parse(estate.catalogue(), &params.filter, &params.sort, params.after, limit).map_err(query_refusal)?;
        let query = CiQuery { ranking: app.blast_radii.newest(), ..query };
        let page = app.search.list(&estate, &query, Timestamp::now()).map_err(query_refusal)?;
        let items = page.items.into_iter().map(|ci| CiSummary::of(&estate, ci)).collect();
        Ok(Json(Page { items, next: page.next, total: Some(page.total) }))
    })
    .await?
}

/// Runs what takes long off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "a request's work ended badly");
        Refusal::internal()
    })
}

/// One item: attributes with who says so since when, identity keys. Role: viewer.
#[utoipa::path(get, path = "/cis/{id}", tag = "items", params(("id" = Uuid, Path, description = "The item's id")),
    responses((status = 200, description = "The item; its version is in `ETag`", body = CiView)))]
async fn get(State(app): State<SharedApp>, _: Viewer, Id(id): Id<CiId>) -> Result<Tagged<CiView>, Refusal> {
    current(&app, id)
}

/// An answer with the item's version in `ETag`.
pub(super) type Tagged<T> = (StatusCode, [(HeaderName, HeaderValue); 1], Json<T>);

pub(super) fn current(app: &App, id: CiId) -> Result<Tagged<CiView>, Refusal> {
    let estate = app.estate();
    let ci = estate.ci(id).ok_or_else(|| no_ci(id))?;
    let tag = HeaderValue::from_str(&format!("\"{}\"", ci.version)).map_err(|_| Refusal::internal())?;
    Ok((StatusCode::OK, [(header::ETAG, tag)], Json(CiView::of(&estate, ci, app.blast_radii.of(id)))))
}

/// There is no such item, with the next step.
pub(super) fn no_ci(id: CiId) -> Refusal {
    Refusal::not_found("configuration item", id).next("search for it by name with GET /api/v1/cis?filter=NAME or `rollcall ci list NAME`")
}

/// An item to make.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCi {
    /// Its class, a name of `GET /api/v1/classes`.
    pub(crate) class: String,
    /// Its name.
    pub(crate) name: String,
    /// Attributes that its class has.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub(crate) attributes: Map<String, Value>,
    /// The id by which you know it: the same id again is refused instead of making a duplicate.
    #[serde(default)]
    pub(crate) external_id: Option<String>,
    /// Where its life begins: `planned`, `ordered`, `in_stock` or `in_use`, which is meant if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lifecycle: Option<String>,
}

impl NewCi {
    /// For the audit log.
    pub(super) fn what(&self) -> What {
        What { action: "ci.create", subject: self.name.clone(), detail: format!("class {}", self.class) }
    }

    /// As the core takes it; its body stands at `place`.
    pub(super) fn into_command(self, place: &str) -> Result<commands::NewCi, Refusal> {
        let stage = self.lifecycle.as_deref().map(|name| super::life::stage(name, &format!("{place}.lifecycle"))).transpose()?;
        let attributes = self.attributes.into_iter().collect();
        Ok(commands::NewCi { class: self.class, name: self.name, attributes, external_id: self.external_id, stage })
    }
}

/// The item that a change makes or changes first.
pub(super) fn made(changes: &ChangeSet) -> Option<CiId> {
    changes.changes.iter().find_map(|change| match &change.put {
        Put::Ci(ci) => Some(ci.id),
        _ => None,
    })
}

/// Makes an item that no agent reports. Role: asset_manager.
#[utoipa::path(post, path = "/cis", tag = "items", request_body = NewCi, responses((status = 201, description = "Made", body = CiView)))]
async fn create(State(app): State<SharedApp>, Manager(actor): Manager, Body(new): Body<NewCi>) -> Result<Tagged<CiView>, Refusal> {
    let what = new.what();
    let new = new.into_command("$")?;
    let committed = order(&app, &actor, what, move |estate, order| Ok(commands::create_ci(estate, &new, order)?)).await?;
    let (_, tag, view) = current(&app, made(&committed.changes).ok_or_else(Refusal::internal)?)?;
    Ok((StatusCode::CREATED, tag, view))
}

/// What to change. What is absent stays.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CiPatch {
    /// A new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// A new class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) class: Option<String>,
    /// Values by attribute; `null` takes one's own value back.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub(crate) attributes: Map<String, Value>,
    /// Attributes of these that are to stand against what machines report. Each must be in `attributes`.
    #[serde(default)]
    pub(crate) pin: Vec<String>,
    /// Attributes whose pins are to be released.
    #[serde(default)]
    pub(crate) release: Vec<String>,
    /// Why, in a few words, for the audit log.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) reason: String,
}

impl CiPatch {
    pub(super) fn into_update(self) -> Result<commands::CiUpdate, Refusal> {
        let mut edits: BTreeMap<String, AttributeEdit> = BTreeMap::new();
        for name in self.release {
            edits.insert(name, AttributeEdit::Release);
        }
        for (name, value) in self.attributes {
            let pin = self.pin.contains(&name);
            let edit = if value.is_null() { AttributeEdit::Withdraw } else { AttributeEdit::Set { value, pin } };
            if edits.contains_key(&name) {
                return Err(Refusal::invalid(format!("{name} is both set and released; do one of the two")).at("$.release"));
            }
            edits.insert(name, edit);
        }
        if let Some(name) = self.pin.iter().find(|name| !matches!(edits.get(*name), Some(AttributeEdit::Set { .. }))) {
            let name: String = name.chars().take(80).collect();
            return Err(Refusal::invalid(format!(
                "{name:?} is to be pinned but has no value in attributes; give the value that is to stand"
            ))
            .at("$.pin"));
        }
        Ok(commands::CiUpdate { name: self.name, class: self.class, attributes: edits })
    }
}

/// Changes an item. With `If-Match`, only if it is still at that version (412 otherwise). Role: asset_manager.
#[utoipa::path(patch, path = "/cis/{id}", tag = "items", request_body = CiPatch,
    params(("id" = Uuid, Path, description = "The item's id"), ("If-Match" = Option<String>, Header, description = "The item's `ETag`")),
    responses((status = 200, description = "Changed", body = CiView)))]
async fn update(
    State(app): State<SharedApp>,
    Manager(actor): Manager,
    Id(id): Id<CiId>,
    IfMatch(expected): IfMatch,
    Body(patch): Body<CiPatch>,
) -> Result<Tagged<CiView>, Refusal> {
    let reason = super::identity::short_reason(&patch.reason);
    let update = patch.into_update()?;
    let names: Vec<&str> = update.attributes.keys().map(String::as_str).collect();
    let what = What { action: "ci.update", subject: id.to_string(), detail: super::identity::with_reason(names.join(", "), &reason) };
    order(&app, &actor, what, move |estate, order| {
        at_version(estate, id, expected)?;
        Ok(commands::update_ci(estate, id, &update, order)?)
    })
    .await?;
    current(&app, id)
}

pub(super) fn at_version(estate: &Estate, id: CiId, expected: Option<u32>) -> Result<(), OrderError> {
    match (estate.ci(id), expected) {
        (Some(ci), Some(expected)) if ci.version != expected => Err(OrderError::Changed { version: ci.version }),
        _ => Ok(()),
    }
}

/// Why something is done.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reason {
    /// In a few words, for the history and the audit log.
    #[serde(default)]
    pub(crate) reason: String,
}

/// Retires an item: it leaves lists, graph and impact, and stays in the history. With a machine goes what runs on it. Role: asset_manager.
#[utoipa::path(post, path = "/cis/{id}/retire", tag = "items", request_body = Reason,
    params(("id" = Uuid, Path, description = "The item's id"), ("If-Match" = Option<String>, Header, description = "The item's `ETag`")),
    responses((status = 200, description = "Retired", body = CiView)))]
async fn retire(
    State(app): State<SharedApp>,
    Manager(actor): Manager,
    Id(id): Id<CiId>,
    IfMatch(expected): IfMatch,
    Body(Reason { reason }): Body<Reason>,
) -> Result<Tagged<CiView>, Refusal> {
    let what = What { action: "ci.retire", subject: id.to_string(), detail: reason.clone() };
    order(&app, &actor, what, move |estate, order| {
        at_version(estate, id, expected)?;
        Ok(commands::retire_ci(estate, id, &reason, order)?)
    })
    .await?;
    current(&app, id)
}

/// Brings a retired item back. Role: asset_manager.
#[utoipa::path(post, path = "/cis/{id}/restore", tag = "items", params(("id" = Uuid, Path, description = "The item's id")),
    responses((status = 200, description = "Active again", body = CiView)))]
async fn restore(State(app): State<SharedApp>, Manager(actor): Manager, Id(id): Id<CiId>) -> Result<Tagged<CiView>, Refusal> {
    let what = What { action: "ci.restore", subject: id.to_string(), detail: String::new() };
    order(&app, &actor, what, move |estate, order| Ok(commands::restore_ci(estate, id, order)?)).await?;
    current(&app, id)
}
