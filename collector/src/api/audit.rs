//! The audit log.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    extract::{Admin, Params},
    types::{Instant, Page, PageLimit, Position},
};
use crate::{app::SharedApp, auth::Refusal};

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(list))
}

/// One line of the audit log.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AuditView {
    /// Counts up.
    pub(crate) number: u64,
    /// When.
    pub(crate) at: Instant,
    /// Who: `user:NAME`, `api:OWNER/TOKEN`, `agent:ID`, `collector`, `console`.
    pub(crate) actor: String,
    /// What: `token.create`, `agent.revoke`, `ci.update`, …
    pub(crate) action: String,
    /// On what: an id or name.
    pub(crate) subject: String,
    /// Why or with what.
    pub(crate) detail: String,
}

/// From where on.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParams {
    /// `next` of the page before.
    #[param(value_type = Option<u64>)]
    after: Option<Position>,
    /// On a page, 1 to 1000; 100 if absent.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    limit: Option<PageLimit>,
}

/// The audit log, newest first. Role: admin.
#[utoipa::path(get, path = "/audit", tag = "audit", params(ListParams), responses((status = 200, description = "Entries", body = Page<AuditView>)))]
async fn list(State(app): State<SharedApp>, _: Admin, Params(params): Params<ListParams>) -> Result<Json<Page<AuditView>>, Refusal> {
    let limit = PageLimit::or(params.limit, 100);
    let entries = app.store.audit_log(params.after.map(|after| after.0), limit as u32).await?;
    let next = entries.last().filter(|_| entries.len() == limit).map(|(number, _)| number.to_string());
    let view = |(number, entry): (u64, crate::store::AuditEntry)| AuditView {
        number,
        at: entry.at.into(),
        actor: entry.actor,
        action: entry.action,
        subject: entry.subject,
        detail: entry.detail,
    };
    Ok(Json(Page { items: entries.into_iter().map(view).collect(), next, total: None }))
}
