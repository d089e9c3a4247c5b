//! What breaks if this fails: one file for each question.

pub(crate) mod answer;
pub(crate) mod ask;
pub(crate) mod compare;
mod early;
pub(crate) mod frozen;
mod needs;
pub(crate) mod paths;
pub(crate) mod picture;
mod ranking;
pub(crate) mod single_points;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::SharedApp;

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new()
        .routes(routes!(ask::outage))
        .routes(routes!(ask::export))
        .routes(routes!(compare::what_if))
        .routes(routes!(compare::compare))
        .routes(routes!(paths::paths))
        .routes(routes!(ranking::ranking))
        .routes(routes!(needs::needs))
        .routes(routes!(single_points::single_points))
        .routes(routes!(frozen::list, frozen::freeze))
        .routes(routes!(frozen::get, frozen::delete))
}
