//! Redundancy that evidence suggests: what speaks for it, and what people decide.

use axum::{Json, extract::State};
use rollcall_core::{
    Estate, MinUp, NeedGroup, Standing,
    reconcile::commands::{self, Decision},
};
use rollcall_shared::NeedGroupId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    extract::{Body, Id, Manager, Params, Viewer},
    need_groups::{MinUpView, NeedGroupView},
    types::Page,
    write::{What, order},
};
use crate::{app::SharedApp, auth::Refusal};

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(accept)).routes(routes!(reject))
}

/// A need group that evidence suggests.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct SuggestionView {
    /// The group as it would count; its `source` is who decided, `agent` while nobody has.
    #[serde(flatten)]
    pub(crate) group: NeedGroupView,
    /// `suggested`, or `rejected`: it does not count, and is not suggested again.
    pub(crate) standing: String,
    /// What was recognised: `behind_balancer`, `spread_client`, `replicas` or `moving_address`.
    pub(crate) pattern: String,
    /// What speaks for it, in sentences.
    pub(crate) evidence: Vec<String>,
}

impl SuggestionView {
    fn of(estate: &Estate, group: &NeedGroup) -> Self {
        let suggestion = group.suggestion.as_ref();
        Self {
            group: NeedGroupView::of(estate, group),
            standing: group.standing.as_str().to_owned(),
            pattern: suggestion.map_or("", |it| it.pattern.as_str()).to_owned(),
            evidence: suggestion.map(|it| it.evidence.clone()).unwrap_or_default(),
        }
    }
}

/// What has become of a suggestion.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StandingName {
    /// Nobody has decided.
    Suggested,
    /// Somebody said no.
    Rejected,
}

/// Which suggestions.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParams {
    /// Only those about the needs of this item.
    ci: Option<Uuid>,
    /// Those that wait for a decision, if absent.
    #[param(inline)]
    standing: Option<StandingName>,
}

/// Redundancy that evidence suggests and that nobody has decided about, by item. Role: viewer.
#[utoipa::path(get, path = "/suggestions", tag = "relationships", params(ListParams),
    responses((status = 200, description = "Suggestions", body = Page<SuggestionView>)))]
async fn list(State(app): State<SharedApp>, _: Viewer, Params(params): Params<ListParams>) -> Result<Json<Page<SuggestionView>>, Refusal> {
    let standing = match params.standing {
        None | Some(StandingName::Suggested) => Standing::Suggested,
        Some(StandingName::Rejected) => Standing::Rejected,
    };
    let estate = app.estate();
    let wanted = estate.suggestions().filter(|group| group.standing == standing && params.ci.is_none_or(|ci| group.ci.0 == ci));
    let mut items: Vec<SuggestionView> = wanted.map(|group| SuggestionView::of(&estate, group)).collect();
    items.sort_by(|a, b| (&a.group.ci.name, &a.group.name, a.group.id).cmp(&(&b.group.ci.name, &b.group.name, b.group.id)));
    Ok(Json(Page::whole(items)))
}

/// How a suggestion is accepted.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Acceptance {
    /// How many must serve, if not as suggested.
    pub(crate) min_up: Option<MinUpView>,
    /// Why; for the audit log. At most 500 characters.
    pub(crate) reason: String,
}

/// How a suggestion is rejected.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rejection {
    /// Why; for the audit log. At most 500 characters.
    pub(crate) reason: String,
}

/// Longest reason, characters.
const MOST_REASON: usize = 500;

fn reason(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    if text.chars().count() > MOST_REASON {
        return Err(Refusal::invalid(format!("a reason has at most {MOST_REASON} characters")).at("$.reason"));
    }
    Ok(text.to_owned())
}

/// Accepts a suggestion: it is a need group from now on. Role: asset_manager.
#[utoipa::path(post, path = "/suggestions/{id}/accept", tag = "relationships", request_body = Acceptance,
    params(("id" = Uuid, Path, description = "The suggestion's id")),
    responses((status = 200, description = "It counts", body = NeedGroupView)))]
async fn accept(
    State(app): State<SharedApp>,
    Manager(actor): Manager,
    Id(id): Id<NeedGroupId>,
    Body(body): Body<Acceptance>,
) -> Result<Json<NeedGroupView>, Refusal> {
    let min_up = body.min_up.map(MinUp::try_from).transpose()?;
    let what = What { action: "suggestion.accept", subject: id.to_string(), detail: reason(&body.reason)? };
    order(&app, &actor, what, move |estate, order| Ok(commands::decide_suggestion(estate, id, Decision::Accept(min_up), order)?)).await?;
    let estate = app.estate();
    let group = estate.need_group(id).ok_or_else(Refusal::internal)?;
    Ok(Json(NeedGroupView::of(&estate, group)))
}

/// Rejects a suggestion: it is not made again unless there are other members. Role: asset_manager.
#[utoipa::path(post, path = "/suggestions/{id}/reject", tag = "relationships", request_body = Rejection,
    params(("id" = Uuid, Path, description = "The suggestion's id")),
    responses((status = 200, description = "Rejected", body = SuggestionView)))]
async fn reject(
    State(app): State<SharedApp>,
    Manager(actor): Manager,
    Id(id): Id<NeedGroupId>,
    Body(body): Body<Rejection>,
) -> Result<Json<SuggestionView>, Refusal> {
    let what = What { action: "suggestion.reject", subject: id.to_string(), detail: reason(&body.reason)? };
    order(&app, &actor, what, move |estate, order| Ok(commands::decide_suggestion(estate, id, Decision::Reject, order)?)).await?;
    let estate = app.estate();
    let group = estate.suggestion(id).ok_or_else(Refusal::internal)?;
    Ok(Json(SuggestionView::of(&estate, group)))
}
