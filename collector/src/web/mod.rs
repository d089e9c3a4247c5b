//! The web UI: pages rendered here, with state in the URL, that work without scripts.
//!
//! Whatever agents and people sent is text: askama escapes it, and the content security policy runs no script or style but our own.

mod applications;
mod assets;
mod audit;
mod classes;
mod confirm;
mod duplicates;
mod enrollment;
mod export;
mod fields;
mod format;
mod impact;
mod imports;
mod item;
mod items;
mod mentions;
mod overview;
mod people;
mod problem;
mod review;
mod security;
mod sign_in;
#[cfg(test)]
mod tests;
mod typed;
mod views;
mod visitor;
mod words;
mod wrong_method;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderValue, Method, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};

use self::problem::Problem;
use crate::{app::SharedApp, starting};

/// Every page.
pub fn router(app: SharedApp) -> Router {
    let collector = app.clone();
    let pages = Router::new()
        .route("/assets/{file}", get(assets::serve))
        .route("/sign-in", get(sign_in::show).post(sign_in::submit))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/", get(overview::show))
        .route("/items", get(items::show).post(item::create))
        .route("/items.csv", get(export::items))
        .route("/items/export", get(export::items))
        .route("/items/new", get(items::new))
        .route("/items/names", get(items::names))
        .route("/items/{id}", get(item::show))
        .route("/items/{id}/edit", post(item::save))
        .route("/items/{id}/retire", post(item::retire))
        .route("/items/{id}/restore", post(item::restore))
        .route("/items/{id}/lifecycle", post(item::enter_stage))
        .route("/items/{id}/sightings", post(item::record_sighting))
        .route("/items/{id}/relationships", post(item::declare_relationship))
        .route("/items/{id}/relationships/{relationship}/retire", post(item::retire_relationship))
        .route("/items/{id}/relationships/{relationship}/hardness", post(item::set_hardness))
        .route("/items/{id}/need-groups", post(item::declare_group))
        .route("/items/{id}/need-groups/{group}/retire", post(item::retire_group))
        .route("/views", post(views::save))
        .route("/views/{id}", get(views::open).post(views::change))
        .route("/views/{id}/delete", post(views::delete))
        .route("/duplicates", get(duplicates::show).post(duplicates::decide))
        .route("/compare", get(duplicates::compare))
        .route("/changes", get(duplicates::changes))
        .route("/imports", get(imports::list).post(imports::hand_in).layer(DefaultBodyLimit::disable()))
        .route("/imports/{id}", get(imports::show))
        .route("/imports/{id}/{order}", post(imports::order))
        .route("/impact", get(impact::show))
        .route("/impact/picture", get(impact::picture))
        .route("/impact/export", get(impact::export))
        .route("/impact/what-if", get(impact::what_if))
        .route("/impact/paths", get(impact::paths))
        .route("/impact/answers", get(impact::list_frozen).post(impact::freeze))
        .route("/impact/answers/{id}", get(impact::show_frozen))
        .route("/impact/answers/{id}/picture", get(impact::frozen_picture))
        .route("/impact/answers/{id}/export", get(impact::export_frozen))
        .route("/impact/answers/{id}/delete", post(impact::delete_frozen))
        .route("/reports", get(review::reports))
        .route("/suggestions", get(review::suggestions))
        .route("/suggestions/{id}", post(review::decide))
        .route("/applications", get(applications::list).post(applications::create))
        .route("/applications/new", get(applications::new))
        .route("/applications/{id}", get(applications::show))
        .route("/applications/{id}/confirm", post(applications::confirm))
        .route("/enrollment", get(enrollment::show))
        .route("/enrollment/tokens", post(enrollment::create_token))
        .route("/enrollment/tokens/{id}/revoke", post(enrollment::revoke_token))
        .route("/enrollment/agents/{id}/{decision}", post(enrollment::decide_agent))
        .route("/enrollment/conflicts/{id}", post(enrollment::settle_conflict))
        .route("/classes", get(classes::show).post(classes::add))
        .route("/relationship-types", post(classes::add_type))
        .route("/relationship-types/{name}/delete", post(classes::delete_type))
        .route("/classes/{name}", get(classes::one))
        .route("/classes/{name}/attributes", post(classes::add_attribute))
        .route("/classes/{name}/attributes/{attribute}/delete", post(classes::delete_attribute))
        .route("/classes/{name}/delete", post(classes::delete))
        .route("/classes/{name}/rules", post(classes::save_rule))
        .route("/people", get(people::show).post(people::add))
        .route("/people/{id}", post(people::change))
        .route("/audit", get(audit::show))
        .method_not_allowed_fallback(wrong_method::show)
        .fallback(no_such_page)
        .with_state(app);
    let again = middleware::from_fn_with_state(pages.clone(), typed::show_again);
    pages.layer(again).layer(middleware::from_fn_with_state(collector, unless_starting)).layer(middleware::map_response(security::harden))
}

/// Pages that need the graph and what the store knows, and nothing of the estate. They say themselves if there is no graph yet.
const ANSWERED_EARLY: [&str; 5] = ["/sign-in", "/sign-out", "/impact", "/impact/picture", "/impact/export"];

/// Before the estate is there, every other page says so, and comes by itself.
async fn unless_starting(State(app): State<SharedApp>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if app.starting.is_over() || path.starts_with("/assets/") || ANSWERED_EARLY.contains(&path) {
        return next.run(request).await;
    }
    let is_page = request.method() == Method::GET;
    let mut response = Problem::starting(is_page, app.starting.early().is_ok()).into_response();
    if is_page {
        response.headers_mut().insert(header::REFRESH, HeaderValue::from(starting::RETRY_SECONDS));
    }
    response
}

async fn no_such_page(uri: Uri) -> Problem {
    Problem::not_found(format!("There is no page at {}.", uri.path()))
}
