//! Identity conflicts: both sides, and what people decide.

use axum::{Json, extract::State, http::StatusCode};
use rollcall_core::{
    Conflict, Estate,
    reconcile::commands::{self, Settlement},
};
use rollcall_shared::ConflictId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    extract::{Body, Id, Manager, Viewer},
    types::{CiReference, Instant, Page},
    write::{What, order},
};
use crate::{app::SharedApp, auth::Refusal};

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get)).routes(routes!(settle))
}

/// An open question about identity.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ConflictView {
    /// Its id.
    pub(crate) id: Uuid,
    /// `same_identity`, `keys_disagree`, `copied_agent`, `possible_duplicate`, `returned_from_retirement` or `imported_row`.
    pub(crate) kind: String,
    /// The item that stood first.
    pub(crate) known: CiReference,
    /// The other item, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) other: Option<CiReference>,
    /// The agent whose message brought it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) agent: Option<Uuid>,
    /// What clashes, with the values.
    pub(crate) detail: String,
    /// When it came up.
    pub(crate) opened_at: Instant,
}

impl ConflictView {
    fn of(estate: &Estate, conflict: &Conflict) -> Self {
        Self {
            id: conflict.id.0,
            kind: conflict.kind.as_str().to_owned(),
            known: CiReference::of(estate, conflict.known),
            other: conflict.other.map(|other| CiReference::of(estate, other)),
            agent: conflict.agent.map(|agent| agent.0),
            detail: conflict.detail.clone(),
            opened_at: conflict.opened_at.into(),
        }
    }
}

/// Open conflicts, newest first. Role: viewer.
#[utoipa::path(get, path = "/conflicts", tag = "conflicts", responses((status = 200, description = "Open conflicts", body = Page<ConflictView>)))]
async fn list(State(app): State<SharedApp>, _: Viewer) -> Json<Page<ConflictView>> {
    let estate = app.estate();
    let mut items: Vec<ConflictView> = estate.open_conflicts().map(|conflict| ConflictView::of(&estate, conflict)).collect();
    items.sort_by_key(|conflict| std::cmp::Reverse((conflict.opened_at, conflict.id)));
    Json(Page::whole(items))
}

fn no_conflict(id: ConflictId) -> Refusal {
    Refusal::not_found("open conflict", id).next("it may have been settled meanwhile; see GET /api/v1/conflicts")
}

/// One open conflict. Role: viewer.
#[utoipa::path(get, path = "/conflicts/{id}", tag = "conflicts", params(("id" = Uuid, Path, description = "The conflict's id")),
    responses((status = 200, description = "The conflict", body = ConflictView)))]
async fn get(State(app): State<SharedApp>, _: Viewer, Id(id): Id<ConflictId>) -> Result<Json<ConflictView>, Refusal> {
    let estate = app.estate();
    let conflict = estate.open_conflicts().find(|conflict| conflict.id == id).ok_or_else(|| no_conflict(id))?;
    Ok(Json(ConflictView::of(&estate, conflict)))
}

/// A decision.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettlementBody {
    /// What is to become of it.
    pub(crate) settlement: SettlementName,
    /// Why, in a few words, for the audit log.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) reason: String,
}

/// How a conflict is settled.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SettlementName {
    /// The two are different; it is not asked again.
    KeepApart,
    /// The other becomes part of the known one; can be undone by restoring it.
    Merge,
    /// It is all right as it is.
    Acknowledge,
}

/// Settles a conflict. Role: asset_manager.
#[utoipa::path(post, path = "/conflicts/{id}/settle", tag = "conflicts", request_body = SettlementBody,
    params(("id" = Uuid, Path, description = "The conflict's id")), responses((status = 204, description = "Settled")))]
async fn settle(
    State(app): State<SharedApp>,
    Manager(actor): Manager,
    Id(id): Id<ConflictId>,
    Body(body): Body<SettlementBody>,
) -> Result<StatusCode, Refusal> {
    let (settlement, name) = match body.settlement {
        SettlementName::KeepApart => (Settlement::KeepApart, "keep_apart"),
        SettlementName::Merge => (Settlement::Merge, "merge"),
        SettlementName::Acknowledge => (Settlement::Acknowledge, "acknowledge"),
    };
    let what =
        What { action: "conflict.settle", subject: id.to_string(), detail: super::identity::with_reason(name.to_owned(), &body.reason) };
    order(&app, &actor, what, move |estate, order| Ok(commands::settle_conflict(estate, id, settlement, order)?)).await?;
    Ok(StatusCode::NO_CONTENT)
}
