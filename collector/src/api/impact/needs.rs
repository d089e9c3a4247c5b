//! What an item needs.

use axum::{Json, extract::State};
use rollcall_core::impact;
use rollcall_shared::CiId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    answer::reference,
    picture::{PictureView, picture_view},
};
use crate::{
    api::{
        cis::{blocking, no_ci},
        extract::{Id, Viewer},
        types::CiReference,
    },
    app::SharedApp,
    auth::Refusal,
};

/// Everything that an item needs.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct Needs {
    /// Whose needs.
    pub(crate) of: CiReference,
    /// What it needs, directly or not, nearest first.
    pub(crate) items: Vec<NeededView>,
    /// The picture.
    pub(crate) picture: PictureView,
}

/// One thing that is needed.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct NeededView {
    /// What.
    pub(crate) ci: CiReference,
    /// Length of a shortest chain of dependencies to it; 1 is a direct one.
    pub(crate) hops: u32,
    /// Whether a chain of hard needs alone leads to it.
    pub(crate) hard: bool,
}

/// Everything that an item needs, directly or not. Role: viewer.
#[utoipa::path(get, path = "/cis/{id}/needs", tag = "impact", params(("id" = Uuid, Path, description = "The item's id")),
    responses((status = 200, description = "Its needs", body = Needs)))]
pub(super) async fn needs(State(app): State<SharedApp>, _: Viewer, Id(id): Id<CiId>) -> Result<Json<Needs>, Refusal> {
    let graph = app.graph().await;
    blocking(move || {
        let needs = graph.needs(id).ok_or_else(|| no_ci(id))?;
        let picture = picture_view(&graph, impact::view::needs(&graph, &needs, impact::view::Limits::default()));
        let item =
            |item: &rollcall_core::graph::Needed<'_>| NeededView { ci: reference(&graph, item.ci), hops: item.hops, hard: item.hard };
        Ok(Json(Needs { of: reference(&graph, needs.of), items: needs.items.iter().map(item).collect(), picture }))
    })
    .await?
}
