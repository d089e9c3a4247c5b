//! Answers of the agents' listener: JSON, or a problem that is counted and logged.

use std::any::Any;

use axum::{
    Json,
    http::{Method, Uri},
    response::{IntoResponse, Response},
};
use rollcall_shared::wire::Problem;
use serde::Serialize;

use crate::{app::App, auth::Refusal, listener::Peer};

/// The answer to a request; a refusal is counted by its kind and logged with who was refused.
pub(super) fn answer<T: Serialize>(app: &App, peer: &Peer, result: Result<T, Refusal>) -> Response {
    match result {
        Ok(answer) => Json(answer).into_response(),
        Err(refusal) => {
            let problem = &refusal.problem;
            let kind = problem.kind.strip_prefix("rollcall:").unwrap_or(&problem.kind);
            app.metrics.refused.get_or_create(&kind.into()).inc();
            let agent = peer.agent.map(|agent| agent.agent.to_string());
            tracing::info!(address = %peer.address, agent, status = problem.status, kind, detail = problem.detail, "refused");
            refusal.into_response()
        }
    }
}

pub(super) async fn no_such_path(uri: Uri) -> Refusal {
    Refusal::new(Problem::new(404, "not-found", "Not found", format!("the agents' listener has nothing at {}", short(uri.path()))))
}

pub(super) async fn no_such_method(method: Method, uri: Uri) -> Refusal {
    let detail = format!("{} is not answered at {}", short(method.as_str()), short(uri.path()));
    Refusal::new(Problem::new(405, "method-not-allowed", "Method not allowed", detail))
}

/// A fault of ours in a handler: the agent tries again later, the others are not disturbed.
pub(crate) fn fault(panic: Box<dyn Any + Send + 'static>) -> Response {
    let what = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(what, "a request ended in a fault of the collector");
    Refusal::internal().into_response()
}

/// What somebody sent, cut so that it fits into a message.
pub(super) fn short(text: &str) -> String {
    text.chars().take(80).collect()
}
