//! What people see when something does not work: what happened, and the next step.

use std::fmt;

use askama::Template;
use axum::{
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};

use crate::{store::StoreError, writer::WriteError};

/// A page instead of the one asked for.
#[derive(Template, Debug)]
#[template(path = "problem.html")]
pub(super) struct Problem {
    status: StatusCode,
    title: String,
    detail: String,
    next_step: String,
}

impl Problem {
    fn new(status: StatusCode, title: &str, detail: impl Into<String>, next_step: &str) -> Self {
        Self { status, title: title.to_owned(), detail: detail.into(), next_step: next_step.to_owned() }
    }

    /// There is no such thing.
    pub(super) fn not_found(what: impl Into<String>) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "Not found",
            what,
            "The address may be old or mistyped. Search for it, or start from the overview.",
        )
    }

    /// What was sent makes no sense.
    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "That does not work", detail, "Go back, correct it and try again.")
    }

    /// Something failed that is not the person's doing. The cause is in the log, not on the page.
    pub(super) fn internal(cause: &(dyn fmt::Debug + Sync)) -> Self {
        tracing::error!(?cause, "a page could not be made");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Something failed on the collector",
            "The page could not be made. The cause is in the collector's log.",
            "Try again shortly; if it stays, look into the log at this time.",
        )
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::internal(&error)
    }
}

impl From<WriteError> for Problem {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Refused(refused) if refused.status == 404 => Self::not_found(refused.message),
            WriteError::Refused(refused) => Self::invalid(refused.message),
            WriteError::Busy { .. } | WriteError::Stopping => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "Not now", error.to_string(), "Nothing was changed.")
            }
            other => Self::internal(&other),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = render(&self);
        *response.status_mut() = self.status;
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("5"));
        }
        response
    }
}

/// A page as a response.
pub(super) fn render(page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(?error, "a template failed");
            (StatusCode::INTERNAL_SERVER_ERROR, "The page could not be made; the cause is in the collector's log.").into_response()
        }
    }
}
