//! Answers that somebody keeps: stored whole, with the question and the revision, to be shown to others later.

use axum::{
    Json,
    extract::State,
    http::{HeaderName, HeaderValue, StatusCode, header},
};
use rollcall_core::impact::view::Limits;
use rollcall_shared::{FrozenAnswerId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    answer::Answer,
    ask::{Question, ask},
    compare::{Comparison, WhatIfBody, pretend},
};
use crate::{
    api::{
        BASE,
        cis::blocking,
        extract::{Admin, Body, Id, Reviewer, Viewer},
        types::{Instant, Page},
    },
    app::SharedApp,
    auth::{Actor, Refusal},
    store::{AuditEntry, FrozenAnswer},
};

/// Answers on a list; older ones are found by their address.
const LISTED: u32 = 500;
/// Most bytes of a kept answer, compressed.
const MOST_BYTES: usize = 8 << 20;
/// Most bytes of one, as it is read back.
const MOST_READ: usize = 256 << 20;
/// Longest reason, characters.
const MOST_REASON: usize = 500;

/// An answer to be kept.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FreezeBody {
    /// The question; it is answered anew, now.
    pub(crate) question: Question,
    /// What is pretended, as in `POST /impact/what-if`; then both answers are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) pretend: Vec<String>,
    /// What it is kept for: a change, a decision. At most 500 characters.
    #[serde(default)]
    pub(crate) reason: String,
}

/// An answer that is kept, in a list.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct FrozenSummary {
    /// Its id.
    pub(crate) id: Uuid,
    /// When it was kept, which is when it was worked out.
    pub(crate) frozen_at: Instant,
    /// By whom.
    pub(crate) frozen_by: String,
    /// What for.
    pub(crate) reason: String,
    /// The revision of the estate that it was worked out on; absent for a past instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revision: Option<u64>,
    /// The answer in one sentence.
    pub(crate) verdict: String,
}

/// An answer that is kept: as it was, whatever has changed since.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct FrozenView {
    /// When, by whom, what for.
    #[serde(flatten)]
    pub(crate) summary: FrozenSummary,
    /// The question and the answer.
    #[serde(flatten)]
    pub(crate) content: FrozenContent,
}

/// What is kept.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct FrozenContent {
    /// The question.
    pub(crate) question: Question,
    /// The answer, if nothing was pretended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) answer: Option<Answer>,
    /// Both answers and what differs, if something was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) comparison: Option<Comparison>,
}

impl From<FrozenAnswer> for FrozenSummary {
    fn from(answer: FrozenAnswer) -> Self {
        Self {
            id: answer.id.0,
            frozen_at: answer.at.into(),
            frozen_by: answer.actor,
            reason: answer.reason,
            revision: answer.revision,
            verdict: answer.verdict,
        }
    }
}

/// Answers a question and keeps the answer.
pub(crate) async fn keep(app: &SharedApp, actor: &Actor, body: FreezeBody) -> Result<FrozenSummary, Refusal> {
    let reason = body.reason.trim().to_owned();
    if reason.chars().count() > MOST_REASON {
        return Err(Refusal::invalid(format!("a reason has at most {MOST_REASON} characters")).at("$.reason"));
    }
    let question = Question { picture: true, ..body.question };
    let (verdict, revision, content) = if body.pretend.is_empty() {
        let answer = ask(app, question.clone(), Limits::default()).await?;
        (answer.verdict.clone(), answer.revision, FrozenContent { question, answer: Some(answer), comparison: None })
    } else {
        let asked = WhatIfBody { question: question.clone(), pretend: body.pretend };
        let comparison = pretend(app, asked, Limits::default()).await?;
        let verdict = format!("{} (pretended: {})", comparison.after.verdict, comparison.pretended.join("; "));
        (verdict, comparison.after.revision, FrozenContent { question, answer: None, comparison: Some(comparison) })
    };
    let bytes = blocking(move || {
        let json = serde_json::to_vec(&content).map_err(|error| {
            tracing::error!(%error, "an answer cannot be written");
            Refusal::internal()
        })?;
        zstd::bulk::compress(&json, 3).map_err(|error| {
            tracing::error!(%error, "an answer cannot be compressed");
            Refusal::internal()
        })
    })
    .await??;
    if bytes.len() > MOST_BYTES {
        return Err(Refusal::invalid(format!("the answer is larger than {MOST_BYTES} bytes; ask about fewer items")).at("$.question"));
    }
    let at = Timestamp::now();
    let answer = FrozenAnswer { id: FrozenAnswerId(Uuid::now_v7()), at, actor: actor.audit_name(), reason, revision, verdict };
    let audit = audit(actor, "answer.freeze", &answer, at);
    app.store.freeze_answer(&answer, &bytes, &audit).await?;
    Ok(answer.into())
}

/// One that is kept.
pub(crate) async fn find(app: &SharedApp, id: FrozenAnswerId) -> Result<FrozenView, Refusal> {
    let (answer, body) = app.store.frozen_answer(id).await?.ok_or_else(|| no_answer(id))?;
    blocking(move || {
        let json = zstd::bulk::decompress(&body, MOST_READ).map_err(|error| {
            tracing::error!(%error, %id, "a kept answer cannot be decompressed");
            Refusal::internal()
        })?;
        let content = serde_json::from_slice(&json).map_err(|error| {
            tracing::error!(%error, %id, "a kept answer cannot be read");
            Refusal::internal()
        })?;
        Ok(FrozenView { summary: answer.into(), content })
    })
    .await?
}

/// All that are kept, newest first.
pub(crate) async fn all(app: &SharedApp) -> Result<Vec<FrozenSummary>, Refusal> {
    Ok(app.store.frozen_answers(LISTED).await?.into_iter().map(FrozenSummary::from).collect())
}

/// Deletes one.
pub(crate) async fn remove(app: &SharedApp, actor: &Actor, id: FrozenAnswerId) -> Result<(), Refusal> {
    let at = Timestamp::now();
    let audit =
        AuditEntry { at, actor: actor.audit_name(), action: "answer.delete".to_owned(), subject: id.to_string(), detail: String::new() };
    if app.store.delete_frozen_answer(id, &audit).await? { Ok(()) } else { Err(no_answer(id)) }
}

fn audit(actor: &Actor, action: &str, answer: &FrozenAnswer, at: Timestamp) -> AuditEntry {
    let detail = answer.reason.clone();
    AuditEntry { at, actor: actor.audit_name(), action: action.to_owned(), subject: answer.id.to_string(), detail }
}

fn no_answer(id: FrozenAnswerId) -> Refusal {
    Refusal::not_found("kept answer", id).next("see GET /api/v1/impact/answers")
}

/// The answers that are kept, newest first, at most 500. Role: viewer.
#[utoipa::path(get, path = "/impact/answers", tag = "impact", responses((status = 200, description = "Kept answers", body = Page<FrozenSummary>)))]
pub(super) async fn list(State(app): State<SharedApp>, _: Viewer) -> Result<Json<Page<FrozenSummary>>, Refusal> {
    all(&app).await.map(Page::whole).map(Json)
}

/// Where something was made.
type Created = (StatusCode, [(HeaderName, HeaderValue); 1], Json<FrozenSummary>);

/// Answers a question and keeps the answer as it is now, for others to see. Role: change_reviewer.
#[utoipa::path(post, path = "/impact/answers", tag = "impact", request_body = FreezeBody,
    responses((status = 201, description = "Kept; its address is in `Location`", body = FrozenSummary)))]
pub(super) async fn freeze(
    State(app): State<SharedApp>,
    Reviewer(actor): Reviewer,
    Body(body): Body<FreezeBody>,
) -> Result<Created, Refusal> {
    let kept = keep(&app, &actor, body).await?;
    let location = HeaderValue::try_from(format!("{BASE}/impact/answers/{}", kept.id)).map_err(|_| Refusal::internal())?;
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(kept)))
}

/// A kept answer, as it was. Role: viewer.
#[utoipa::path(get, path = "/impact/answers/{id}", tag = "impact", params(("id" = Uuid, Path, description = "The answer's id")),
    responses((status = 200, description = "The question and the answer", body = FrozenView)))]
pub(super) async fn get(State(app): State<SharedApp>, _: Viewer, Id(id): Id<FrozenAnswerId>) -> Result<Json<FrozenView>, Refusal> {
    find(&app, id).await.map(Json)
}

/// Deletes a kept answer. Role: admin.
#[utoipa::path(delete, path = "/impact/answers/{id}", tag = "impact", params(("id" = Uuid, Path, description = "The answer's id")),
    responses((status = 204, description = "Deleted")))]
pub(super) async fn delete(State(app): State<SharedApp>, Admin(actor): Admin, Id(id): Id<FrozenAnswerId>) -> Result<StatusCode, Refusal> {
    remove(&app, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
