//! The change feed: everything that changed, in order, never twice.

use std::time::Duration;

use axum::{Json, extract::State};
use rollcall_shared::wire::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    extract::{Params, Viewer},
    types::{Instant, PageLimit, Position},
};
use crate::{app::SharedApp, auth::Refusal, store::Event};

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(changes))
}

/// Longest wait for a change, in seconds.
const MAX_WAIT_SECONDS: u64 = 30;

/// One change.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct EventView {
    /// Counts up, never reused. Send the last one as `after`.
    pub(crate) cursor: u64,
    /// The commit that made it.
    pub(crate) revision: u64,
    /// When.
    pub(crate) at: Instant,
    /// What kind of thing: `ci`, `relationship`, `need_group`, `conflict`, `software`, `agent_binding`.
    pub(crate) kind: String,
    /// `created`, `updated` or `retired`.
    pub(crate) action: String,
    /// The thing's own id.
    pub(crate) subject: Uuid,
    /// The item it is about (for a relationship, the dependent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ci: Option<Uuid>,
    /// The other item, for a relationship.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) other_ci: Option<Uuid>,
    /// Who: `agent`, `user:NAME`, `api:OWNER/TOKEN`, `console`, `collector`.
    pub(crate) actor: String,
    /// Why, in words.
    pub(crate) reason: String,
    /// What differs from the version before.
    pub(crate) differs: Vec<String>,
}

impl From<Event> for EventView {
    fn from(event: Event) -> Self {
        Self {
            cursor: event.cursor,
            revision: event.revision.0,
            at: event.at.into(),
            kind: event.kind,
            action: event.action,
            subject: event.subject,
            ci: event.ci.map(|ci| ci.0),
            other_ci: event.other_ci.map(|ci| ci.0),
            actor: event.actor,
            reason: event.reason,
            differs: event.differs,
        }
    }
}

/// From where on.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ChangesParams {
    /// The last cursor you have seen; from the beginning if absent.
    #[serde(default)]
    #[param(value_type = u64)]
    after: Position,
    /// At most so many, 1 to 1000; 100 if absent.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    limit: Option<PageLimit>,
    /// Seconds to wait for a change if there is none, up to 30; answers at once if absent.
    #[serde(default)]
    #[param(value_type = u64, maximum = 30)]
    wait: WaitSeconds,
}

/// How long to wait, in seconds.
#[derive(Default)]
struct WaitSeconds(u64);

impl<'de> Deserialize<'de> for WaitSeconds {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = u64::deserialize(deserializer).ok().filter(|seconds| *seconds <= MAX_WAIT_SECONDS);
        seconds.map(Self).ok_or_else(|| serde::de::Error::custom(format!("wait is 0 to {MAX_WAIT_SECONDS} seconds")))
    }
}

/// A part of the feed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Changes {
    /// The changes, oldest first.
    pub(crate) items: Vec<EventView>,
    /// Send it as `after` next time; the same as sent if there was nothing.
    pub(crate) cursor: u64,
}

/// What changed since a cursor, oldest first; with `wait`, as soon as something does. Role: viewer.
#[utoipa::path(get, path = "/changes", tag = "changes", params(ChangesParams),
    responses((status = 200, description = "Changes", body = Changes)))]
async fn changes(State(app): State<SharedApp>, _: Viewer, Params(params): Params<ChangesParams>) -> Result<Json<Changes>, Refusal> {
    let limit = PageLimit::or(params.limit, 100) as u32;
    // Taken before the first look, so that no change falls between look and wait.
    let mut revisions = app.store.revisions();
    revisions.mark_unchanged();
    let removed = app.store.events_removed().await?;
    if (1..removed).contains(&params.after.0) {
        let detail = format!("changes up to cursor {removed} are older than the feed is kept, and {} was before that", params.after.0);
        return Err(Refusal::new(Problem::new(410, "cursor-gone", "The feed begins later", detail))
            .next(format!("read the whole state with GET /api/v1/cis, then go on from after={removed}")));
    }
    let mut events = app.store.events(params.after.0, limit).await?;
    if events.is_empty() && params.wait.0 > 0 {
        let wait = Duration::from_secs(params.wait.0);
        // Too late or the store is closing: the answer is what there is.
        let _ = tokio::time::timeout(wait, revisions.changed()).await;
        events = app.store.events(params.after.0, limit).await?;
    }
    let cursor = events.last().map_or(params.after.0, |event| event.cursor);
    Ok(Json(Changes { items: events.into_iter().map(EventView::from).collect(), cursor }))
}
