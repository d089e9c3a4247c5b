//! Need groups: "2 of these 3 must serve".

use axum::{Json, extract::State, http::StatusCode};
use rollcall_core::{Estate, MinUp, NeedGroup, Put, reconcile::commands};
use rollcall_shared::{CiId, NeedGroupId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    extract::{Body, Id, Manager, Params, Viewer},
    types::{CiReference, Hardness, Instant, Page},
    write::{What, order},
};
use crate::{
    app::{App, SharedApp},
    auth::Refusal,
};

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(list, declare)).routes(routes!(get, update, retire))
}

/// How many providers must serve: exactly one of the two.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MinUpView {
    /// At least so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub(crate) count: Option<u32>,
    /// At least this share of the members, 1 to 100, rounded up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100)]
    pub(crate) percent: Option<u8>,
}

impl TryFrom<MinUpView> for MinUp {
    type Error = Refusal;
    fn try_from(view: MinUpView) -> Result<Self, Refusal> {
        match (view.count, view.percent) {
            (Some(count), None) => Ok(Self::Count(count)),
            (None, Some(percent)) => Ok(Self::Percent(percent)),
            _ => Err(Refusal::invalid("min_up has either count or percent").at("$.min_up")),
        }
    }
}

impl From<MinUp> for MinUpView {
    fn from(min_up: MinUp) -> Self {
        match min_up {
            MinUp::Count(count) => Self { count: Some(count), percent: None },
            MinUp::Percent(percent) => Self { count: None, percent: Some(percent) },
        }
    }
}

/// A need that several providers meet together.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct NeedGroupView {
    /// Its id.
    pub(crate) id: Uuid,
    /// Whose need it is.
    pub(crate) ci: CiReference,
    /// What people call it.
    pub(crate) name: String,
    /// The providers.
    pub(crate) members: Vec<CiReference>,
    /// How many must serve.
    pub(crate) min_up: MinUpView,
    /// How badly it is needed.
    pub(crate) hardness: Hardness,
    /// Who declared it.
    pub(crate) source: String,
    /// When this version came to be.
    pub(crate) changed: Instant,
    /// Counts its versions from 1.
    pub(crate) version: u32,
}

impl NeedGroupView {
    /// The view of a group of this estate.
    pub(crate) fn of(estate: &Estate, group: &NeedGroup) -> Self {
        Self {
            id: group.id.0,
            ci: CiReference::of(estate, group.ci),
            name: group.name.clone(),
            members: group.members.iter().map(|member| CiReference::of(estate, *member)).collect(),
            min_up: group.min_up.into(),
            hardness: group.hardness.into(),
            source: group.source.to_string(),
            changed: group.valid_from.into(),
            version: group.version,
        }
    }
}

/// What a need group says.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NeedGroupBody {
    /// Whose need it is; to change a group, absent or the same.
    #[serde(default)]
    pub(crate) ci: Option<Uuid>,
    /// What people call it: "database replicas".
    pub(crate) name: String,
    /// The providers' ids.
    pub(crate) members: Vec<Uuid>,
    /// How many must serve.
    pub(crate) min_up: MinUpView,
    /// How badly it is needed; `hard` if absent.
    #[serde(default)]
    pub(crate) hardness: Option<Hardness>,
}

impl NeedGroupBody {
    fn values(&self) -> Result<commands::NeedGroupValues, Refusal> {
        Ok(commands::NeedGroupValues {
            name: self.name.clone(),
            members: self.members.iter().copied().map(CiId).collect(),
            min_up: self.min_up.try_into()?,
            hardness: self.hardness.unwrap_or(Hardness::Hard).into(),
        })
    }
}

/// Which need groups.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParams {
    /// Only the needs of this item.
    ci: Option<Uuid>,
}

/// Declared needs, by name. Role: viewer.
#[utoipa::path(get, path = "/need-groups", tag = "relationships", params(ListParams),
    responses((status = 200, description = "Need groups", body = Page<NeedGroupView>)))]
async fn list(State(app): State<SharedApp>, _: Viewer, Params(params): Params<ListParams>) -> Json<Page<NeedGroupView>> {
    let estate = app.estate();
    let wanted = estate.need_groups().filter(|group| params.ci.is_none_or(|ci| group.ci.0 == ci));
    let mut items: Vec<NeedGroupView> = wanted.map(|group| NeedGroupView::of(&estate, group)).collect();
    items.sort_by(|a, b| (&a.ci.name, &a.name, a.id).cmp(&(&b.ci.name, &b.name, b.id)));
    Json(Page::whole(items))
}

fn current(app: &App, id: NeedGroupId) -> Result<NeedGroupView, Refusal> {
    let estate = app.estate();
    let group = estate
        .need_group(id)
        .ok_or_else(|| Refusal::not_found("need group", id).next("see GET /api/v1/need-groups for those there are"))?;
    Ok(NeedGroupView::of(&estate, group))
}

/// One need group. Role: viewer.
#[utoipa::path(get, path = "/need-groups/{id}", tag = "relationships", params(("id" = Uuid, Path, description = "The group's id")),
    responses((status = 200, description = "The group", body = NeedGroupView)))]
async fn get(State(app): State<SharedApp>, _: Viewer, Id(id): Id<NeedGroupId>) -> Result<Json<NeedGroupView>, Refusal> {
    current(&app, id).map(Json)
}

/// Declares a need. Role: asset_manager.
#[utoipa::path(post, path = "/need-groups", tag = "relationships", request_body = NeedGroupBody,
    responses((status = 201, description = "Declared", body = NeedGroupView)))]
async fn declare(
    State(app): State<SharedApp>,
    Manager(actor): Manager,
    Body(new): Body<NeedGroupBody>,
) -> Result<(StatusCode, Json<NeedGroupView>), Refusal> {
    let ci = new.ci.map(CiId).ok_or_else(|| Refusal::invalid("ci is missing: whose need is it?").at("$.ci"))?;
    let values = new.values()?;
    let what = What { action: "need_group.declare", subject: ci.to_string(), detail: new.name };
    let committed = order(&app, &actor, what, move |estate, order| Ok(commands::declare_need_group(estate, ci, &values, order)?)).await?;
    let id = committed.changes.changes.iter().find_map(|change| match &change.put {
        Put::NeedGroup(group) => Some(group.id),
        _ => None,
    });
    Ok((StatusCode::CREATED, Json(current(&app, id.ok_or_else(Refusal::internal)?)?)))
}

/// Replaces what a need group says. Role: asset_manager.
#[utoipa::path(put, path = "/need-groups/{id}", tag = "relationships", request_body = NeedGroupBody,
    params(("id" = Uuid, Path, description = "The group's id")),
    responses((status = 200, description = "Replaced", body = NeedGroupView)))]
async fn update(
    State(app): State<SharedApp>,
    Manager(actor): Manager,
    Id(id): Id<NeedGroupId>,
    Body(new): Body<NeedGroupBody>,
) -> Result<Json<NeedGroupView>, Refusal> {
    let known = current(&app, id)?;
    if new.ci.is_some_and(|ci| ci != known.ci.id) {
        return Err(Refusal::invalid("a need group cannot move to another item; declare a new one there").at("$.ci"));
    }
    let values = new.values()?;
    let what = What { action: "need_group.update", subject: id.to_string(), detail: new.name };
    order(&app, &actor, what, move |estate, order| Ok(commands::update_need_group(estate, id, &values, order)?)).await?;
    current(&app, id).map(Json)
}

/// Takes a need group back. Role: asset_manager.
#[utoipa::path(delete, path = "/need-groups/{id}", tag = "relationships", params(("id" = Uuid, Path, description = "The group's id")),
    responses((status = 204, description = "Taken back")))]
async fn retire(State(app): State<SharedApp>, Manager(actor): Manager, Id(id): Id<NeedGroupId>) -> Result<StatusCode, Refusal> {
    let what = What { action: "need_group.retire", subject: id.to_string(), detail: String::new() };
    order(&app, &actor, what, move |estate, order| Ok(commands::retire_need_group(estate, id, order)?)).await?;
    Ok(StatusCode::NO_CONTENT)
}
