//! The web UI: pages rendered here, with state in the URL, that work without scripts.
//!
//! Whatever agents and people sent is text: askama escapes it, and the content security policy runs no script or style but our own.

mod assets;
mod problem;
mod security;

use axum::{Router, http::Uri, middleware, routing::get};

use self::problem::Problem;
use crate::app::SharedApp;

/// Every page.
pub fn router(app: SharedApp) -> Router {
    Router::new()
        .route("/assets/{file}", get(assets::serve))
        .fallback(no_such_page)
        .with_state(app)
        .layer(middleware::map_response(security::harden))
}

async fn no_such_page(uri: Uri) -> Problem {
    Problem::not_found(format!("There is no page at {}.", uri.path()))
}
