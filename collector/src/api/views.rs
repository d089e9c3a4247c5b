//! Saved views: filters with columns and an order, one's own and shared ones.

use axum::{Json, extract::State, http::StatusCode};
use rollcall_shared::{Timestamp, ViewId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    extract::{Body, Id, Viewer},
    types::{Instant, Page},
};
use crate::{
    app::{App, SharedApp},
    auth::{Actor, Refusal},
    store::ViewRecord,
    views::{self, Wanted},
};

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, replace, delete))
}

/// A saved view.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct View {
    /// Its id.
    pub(crate) id: Uuid,
    /// What its owner calls it.
    pub(crate) name: String,
    /// Which items, as in `GET /api/v1/cis`.
    #[schema(example = "class:server memory_bytes>=16GiB")]
    pub(crate) filter: String,
    /// In which order; empty: the usual one.
    #[schema(example = "-last_seen")]
    pub(crate) sort: String,
    /// Which columns, from left to right; empty: the usual ones.
    #[schema(example = json!(["name", "owner", "memory_bytes"]))]
    pub(crate) columns: Vec<String>,
    /// Whether everybody who signs in sees it.
    pub(crate) shared: bool,
    /// Whose it is.
    pub(crate) owner: String,
    /// Whether you may change and delete it.
    pub(crate) changeable: bool,
    /// When it was made.
    pub(crate) created_at: Instant,
    /// When it was last changed.
    pub(crate) changed_at: Instant,
}

/// A view to save.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewView {
    /// What it is called, 1 to 100 characters, unique among one's own.
    pub(crate) name: String,
    /// Which items, as in `GET /api/v1/cis`; all active ones if empty.
    #[serde(default)]
    #[schema(example = "class:server memory_bytes>=16GiB")]
    pub(crate) filter: String,
    /// In which order, as in `GET /api/v1/cis`.
    #[serde(default)]
    #[schema(example = "-last_seen")]
    pub(crate) sort: String,
    /// Which columns, at most 24: `name`, `class`, `lifecycle`, `first_seen`, `last_seen`, `changed` or an attribute. The usual ones if empty.
    #[serde(default)]
    #[schema(example = json!(["name", "owner", "memory_bytes"]))]
    pub(crate) columns: Vec<String>,
    /// Whether everybody who signs in sees it.
    #[serde(default)]
    pub(crate) shared: bool,
}

impl From<NewView> for Wanted {
    fn from(new: NewView) -> Self {
        Self { name: new.name, filter: new.filter, sort: new.sort, columns: new.columns, shared: new.shared }
    }
}

async fn shown(app: &App, actor: &Actor, records: Vec<ViewRecord>) -> Result<Vec<View>, Refusal> {
    let users = app.store.users().await?;
    let view = |record: ViewRecord| View {
        id: record.id.0,
        owner: users.iter().find(|user| user.id == record.owner).map(|user| user.name.clone()).unwrap_or_default(),
        changeable: views::may_change(actor, &record),
        name: record.name,
        filter: record.filter,
        sort: record.sort,
        columns: record.columns,
        shared: record.shared,
        created_at: record.created_at.into(),
        changed_at: record.changed_at.into(),
    };
    Ok(records.into_iter().map(view).collect())
}

async fn one(app: &App, actor: &Actor, record: ViewRecord) -> Result<Json<View>, Refusal> {
    shown(app, actor, vec![record]).await?.pop().map(Json).ok_or_else(Refusal::internal)
}

/// One's own views and those that others share, by name. Role: viewer.
#[utoipa::path(get, path = "/views", operation_id = "list_views", tag = "items",
    responses((status = 200, description = "Views", body = Page<View>)))]
async fn list(State(app): State<SharedApp>, Viewer(actor): Viewer) -> Result<Json<Page<View>>, Refusal> {
    let records = views::visible(&app, &actor).await?;
    Ok(Json(Page::whole(shown(&app, &actor, records).await?)))
}

/// One view. Role: viewer.
#[utoipa::path(get, path = "/views/{id}", operation_id = "get_view", tag = "items",
    params(("id" = Uuid, Path, description = "The view's id")), responses((status = 200, description = "The view", body = View)))]
async fn get(State(app): State<SharedApp>, Viewer(actor): Viewer, Id(id): Id<ViewId>) -> Result<Json<View>, Refusal> {
    let record = views::find(&app, &actor, id).await?;
    one(&app, &actor, record).await
}

/// Saves a view of one's own. Role: viewer.
#[utoipa::path(post, path = "/views", operation_id = "create_view", tag = "items", request_body = NewView,
    responses((status = 201, description = "Saved", body = View)))]
async fn create(
    State(app): State<SharedApp>,
    Viewer(actor): Viewer,
    Body(new): Body<NewView>,
) -> Result<(StatusCode, Json<View>), Refusal> {
    let record = views::create(&app, &actor, new.into(), Timestamp::now()).await?;
    Ok((StatusCode::CREATED, one(&app, &actor, record).await?))
}

/// Replaces a view: one's own; as an admin a shared one too. Role: viewer.
#[utoipa::path(put, path = "/views/{id}", operation_id = "replace_view", tag = "items", request_body = NewView,
    params(("id" = Uuid, Path, description = "The view's id")), responses((status = 200, description = "Replaced", body = View)))]
async fn replace(
    State(app): State<SharedApp>,
    Viewer(actor): Viewer,
    Id(id): Id<ViewId>,
    Body(new): Body<NewView>,
) -> Result<Json<View>, Refusal> {
    let record = views::replace(&app, &actor, id, new.into(), Timestamp::now()).await?;
    one(&app, &actor, record).await
}

/// Deletes a view: one's own; as an admin a shared one too. Role: viewer.
#[utoipa::path(delete, path = "/views/{id}", operation_id = "delete_view", tag = "items",
    params(("id" = Uuid, Path, description = "The view's id")), responses((status = 204, description = "Deleted")))]
async fn delete(State(app): State<SharedApp>, Viewer(actor): Viewer, Id(id): Id<ViewId>) -> Result<StatusCode, Refusal> {
    views::delete(&app, &actor, id, Timestamp::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}
