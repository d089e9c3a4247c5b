//! CMDB as code: plan and apply what files declare, and write the first files.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{Json, body::Body as Sent, extract::State, http::HeaderMap};
use rollcall_shared::Timestamp;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    cis::blocking,
    extract::{Manager, Viewer, long_body},
    types::Page,
};
use crate::{
    app::SharedApp,
    auth::Refusal,
    code::{self, CodeFile, CodeOrder, CodePlanView, Files},
    writer::{Audit, Command, WriteError},
};

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(plan)).routes(routes!(apply)).routes(routes!(export))
}

fn read(order: &CodeOrder) -> Result<Files, Refusal> {
    if !code::is_base_name(&order.base) {
        let message = "base: a name of 1 to 64 letters, digits, dots, hyphens and underscores is needed for the code base";
        return Err(Refusal::invalid(message).at("$.base"));
    }
    Files::read(&order.files).map_err(wrong)
}

fn wrong(lines: String) -> Refusal {
    Refusal::invalid(lines).at("$.files").next("correct the files; nothing was changed")
}

/// What the files of a code base would change: three ways, between what they say now, what is there, and what they said before. Role: viewer.
#[utoipa::path(post, path = "/code/plan", tag = "code", request_body = CodeOrder,
    responses((status = 200, description = "The plan; with no steps there is nothing to do", body = CodePlanView)))]
async fn plan(State(app): State<SharedApp>, _: Viewer, headers: HeaderMap, body: Sent) -> Result<Json<CodePlanView>, Refusal> {
    let order: CodeOrder = long_body(&headers, body).await?;
    blocking(move || {
        let files = read(&order)?;
        let planned = code::plan(&app.estate(), &order.base, &files, Timestamp::now(), &mut uuid::Uuid::now_v7);
        planned.map(|(_, view)| Json(view)).map_err(wrong)
    })
    .await?
}

/// Makes it so, all or nothing. Role: asset_manager.
#[utoipa::path(post, path = "/code/apply", tag = "code", request_body = CodeOrder,
    responses((status = 200, description = "What was done", body = CodePlanView)))]
async fn apply(
    State(app): State<SharedApp>,
    Manager(actor): Manager,
    headers: HeaderMap,
    body: Sent,
) -> Result<Json<CodePlanView>, Refusal> {
    let order: CodeOrder = long_body(&headers, body).await?;
    let (order, files) = blocking(move || read(&order).map(|files| (order, files))).await??;
    let done = Arc::new(Mutex::new(None));
    let command = Command {
        actor: actor.audit_name(),
        audit: Some(Audit { action: "code.apply", subject: order.base.clone(), detail: format!("{} files", order.files.len()) }),
        plan: code::writer_plan(order, files, Arc::clone(&done)),
    };
    app.writer.command(command).await.map_err(|error| match error {
        WriteError::Refused(refused) if refused.status == 422 => wrong(refused.message),
        error => error.into(),
    })?;
    let done = done.lock().unwrap_or_else(PoisonError::into_inner).take();
    done.map(Json).ok_or_else(Refusal::internal)
}

/// The first files of a code base, from what people, imports and API clients have said; a plan of them changes nothing. Role: viewer.
#[utoipa::path(get, path = "/code/export", tag = "code", responses((status = 200, description = "The files", body = Page<CodeFile>)))]
async fn export(State(app): State<SharedApp>, _: Viewer) -> Result<Json<Page<CodeFile>>, Refusal> {
    blocking(move || {
        let files = code::export(&app.estate()).map_err(|error| {
            tracing::error!(%error, "what is declared cannot be written as YAML");
            Refusal::internal()
        })?;
        Ok(Json(Page::whole(files)))
    })
    .await?
}
