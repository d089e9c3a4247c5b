//! What the listener for people serves: web UI, API, metrics and health, behind common limits.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    http::{HeaderValue, StatusCode, header},
    routing::get,
};
use tower_http::{
    catch_panic::CatchPanicLayer, compression::CompressionLayer, limit::RequestBodyLimitLayer, set_header::SetResponseHeaderLayer,
    timeout::TimeoutLayer,
};

use crate::{api, app::SharedApp, foreign, health, web};

/// Bytes of a body that a person's browser sends.
const MAX_BODY_BYTES: usize = 1 << 20;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// The routes.
pub(crate) fn router(app: &SharedApp) -> Router {
    let default_header = |name, value| SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value));
    Router::new()
        .route("/metrics", get(health::metrics))
        .route("/-/healthy", get(health::healthy))
        .route("/-/ready", get(health::ready))
        .with_state(Arc::clone(app))
        .merge(web::router(Arc::clone(app)))
        .layer(RequestBodyLimitLayer::new(MAX_BODY_BYTES))
        // Other programs' inventories are larger, and are read within a budget.
        .merge(foreign::router(Arc::clone(app)))
        // The API has a limit of its own, which it answers with a problem document.
        .merge(api::router(Arc::clone(app)))
        .layer(CompressionLayer::new())
        .layer(CatchPanicLayer::custom(crate::agents::fault))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, REQUEST_TIMEOUT))
        .layer(default_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(default_header(header::X_FRAME_OPTIONS, "DENY"))
        .layer(default_header(header::REFERRER_POLICY, "same-origin"))
}
