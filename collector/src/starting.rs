//! While a collector reads its estate: questions of impact are answered on a copy of the graph, everything else is told to come again.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::ArcSwapOption;
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use rollcall_shared::wire::Problem;

use crate::{api, app::SharedApp, auth::Refusal, graph_copy::Early};

/// When somebody who was sent away should come again.
pub(crate) const RETRY_SECONDS: u32 = 5;
/// Calls of the API that need the graph and what the store knows, and nothing of the estate.
const ANSWERED: &[&str] = &["/impact", "/impact/export", "/session", "/openapi.json"];

/// Whether the estate is there, and what there is before.
#[derive(Default)]
pub(crate) struct Starting {
    is_over: AtomicBool,
    early: ArcSwapOption<Early>,
}

impl Starting {
    /// From now on impact is answered.
    pub(crate) fn answer_on(&self, early: Arc<Early>) {
        self.early.store(Some(early));
    }

    /// The estate is there.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        self.early.store(None);
    }

    /// Whether the estate is there.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// What impact is answered on; `None` once the estate is there.
    ///
    /// # Errors
    /// If it is not, and there is no copy of the graph.
    pub(crate) fn early(&self) -> Result<Option<Arc<Early>>, Refusal> {
        match self.early.load_full() {
            None if !self.is_over() => Err(refusal()),
            early => Ok(early),
        }
    }
}

/// What is answered to a question that needs the estate.
pub(crate) fn refusal() -> Refusal {
    let detail = "the collector has just started and is reading the estate from its database";
    let problem = Problem::new(503, "starting", "Starting", detail).next(format!("try again in {RETRY_SECONDS} s"));
    Refusal { retry_after_seconds: Some(RETRY_SECONDS), ..Refusal::new(problem) }
}

/// Lets calls of the API through that can be answered.
pub(crate) async fn calls(State(app): State<SharedApp>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    // A nested router sees its own part of the path.
    if app.starting.is_over() || ANSWERED.contains(&path.strip_prefix(api::BASE).unwrap_or(path)) {
        return next.run(request).await;
    }
    refusal().into_response()
}

/// Lets everything through once there is an estate, and before that what tells a supervisor that the process lives.
pub(crate) async fn everything(State(app): State<SharedApp>, request: Request, next: Next) -> Response {
    if app.starting.is_over() || request.uri().path() == "/-/healthy" {
        return next.run(request).await;
    }
    refusal().into_response()
}

#[cfg(test)]
mod tests;
