//! Is it alive, can it work, and how much: for supervisors, balancers and monitoring.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::app::SharedApp;

/// The process answers.
pub(crate) async fn healthy() -> &'static str {
    "healthy\n"
}

/// The estate is there and the database answers.
pub(crate) async fn ready(State(app): State<SharedApp>) -> Response {
    if !app.starting.is_over() {
        return (StatusCode::SERVICE_UNAVAILABLE, "not ready: the estate is being read from the database\n").into_response();
    }
    match app.store.ping().await {
        Ok(()) => "ready\n".into_response(),
        Err(error) => {
            tracing::warn!("not ready: {:#}", anyhow::Error::from(error));
            (StatusCode::SERVICE_UNAVAILABLE, "not ready: the database does not answer; the log says why\n").into_response()
        }
    }
}

/// Everything that is counted.
pub(crate) async fn metrics(State(app): State<SharedApp>) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match app.metrics.to_text() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
