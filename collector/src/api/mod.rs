//! The REST API under `/api/v1`. Its OpenAPI document is made from the handlers, served, and committed as `collector/openapi.json`.
//!
//! One file per thing; each adds its routes in [`calls`]. Who may call what is the extractor that a handler takes: [`extract::Viewer`],
//! `Reviewer`, `Manager`, `Admin`.

pub(crate) mod agents;
pub(crate) mod api_tokens;
pub(crate) mod applications;
mod audit;
mod bulk;
pub(crate) mod catalogue;
mod changes;
pub(crate) mod ci_details;
pub(crate) mod cis;
pub(crate) mod code;
mod conflicts;
pub(crate) mod diff;
mod document;
mod examples;
pub(crate) mod exports;
mod extract;
mod fields;
mod idempotency;
pub(crate) mod identity;
pub(crate) mod impact;
pub(crate) mod imports;
pub(crate) mod life;
pub(crate) mod need_groups;
pub(crate) mod precedence;
pub(crate) mod relationships;
mod reports;
pub(crate) mod session;
mod software;
pub(crate) mod suggestions;
#[cfg(test)]
mod tests;
pub(crate) mod tokens;
pub(crate) mod types;
pub(crate) mod users;
pub(crate) mod views;
mod write;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderValue, Method, Uri, header},
    middleware,
    response::Response,
    routing::get,
};
use rollcall_shared::wire::Problem;
use utoipa_axum::router::OpenApiRouter;

use crate::{app::SharedApp, auth::Refusal, starting};

/// Where the API is.
pub const BASE: &str = "/api/v1";

/// The whole API, to be merged with the web UI.
pub fn router(app: SharedApp) -> Router {
    let (calls, document) = calls().split_for_parts();
    let document = document::of(document);
    let known_fields = Arc::new(fields::Known::of(&document));
    let writes = Arc::new(idempotency::Writes::of(&document, app.clone()));
    let document = axum::body::Bytes::from(document::to_json(&document));
    let description = get(move || {
        let document = document.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], document) }
    });
    let calls = calls
        .route("/openapi.json", description)
        .method_not_allowed_fallback(wrong_method)
        .fallback(no_such_call)
        .layer(middleware::from_fn_with_state(known_fields, fields::select))
        .layer(middleware::from_fn_with_state(writes, idempotency::once))
        .layer(DefaultBodyLimit::max(extract::MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(app.clone(), starting::calls))
        .layer(middleware::map_response(not_to_be_stored))
        .with_state(app);
    Router::new().nest(BASE, calls)
}

/// Every call.
fn calls() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new()
        .merge(session::routes())
        .merge(cis::routes())
        .merge(bulk::routes())
        .merge(ci_details::routes())
        .merge(relationships::routes())
        .merge(need_groups::routes())
        .merge(suggestions::routes())
        .merge(applications::routes())
        .merge(impact::routes())
        .merge(reports::routes())
        .merge(software::routes())
        .merge(changes::routes())
        .merge(agents::routes())
        .merge(tokens::routes())
        .merge(conflicts::routes())
        .merge(identity::routes())
        .merge(diff::routes())
        .merge(catalogue::routes())
        .merge(life::routes())
        .merge(precedence::routes())
        .merge(users::routes())
        .merge(api_tokens::routes())
        .merge(views::routes())
        .merge(audit::routes())
        .merge(exports::routes())
        .merge(imports::routes())
        .merge(code::routes())
}

async fn no_such_call(uri: Uri) -> Refusal {
    let path: String = uri.path().chars().take(200).collect();
    Refusal::new(Problem::new(404, "no-such-call", "There is no such call", format!("there is no call {BASE}{path}")))
        .next(format!("the calls are listed in {BASE}/openapi.json"))
}

async fn wrong_method(method: Method, uri: Uri) -> Refusal {
    let (method, path): (String, String) = (method.as_str().chars().take(20).collect(), uri.path().chars().take(200).collect());
    Refusal::new(Problem::new(405, "wrong-method", "Not with this method", format!("{BASE}{path} cannot be called with {method}")))
        .next(format!("the methods of each call are listed in {BASE}/openapi.json"))
}

/// Answers are somebody's and of this moment: nothing on the way may keep them, and no browser may guess their type.
async fn not_to_be_stored(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    response
}
