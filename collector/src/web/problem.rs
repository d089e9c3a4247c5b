//! What people see when something does not work: what happened, and the next step.

use askama::Template;
use axum::{
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};

use super::words;
use crate::{auth::Refusal, starting, store::StoreError, writer::WriteError};

/// A page instead of the one asked for.
#[derive(Template, Debug)]
#[template(path = "problem.html")]
pub(super) struct Problem {
    status: StatusCode,
    title: String,
    detail: String,
    next_step: String,
    /// Where to go on, and what the button there says; the overview and the inventory are offered anyway.
    to: Option<(String, &'static str)>,
}

impl Problem {
    fn new(status: StatusCode, title: &str, detail: impl Into<String>, next_step: &str) -> Self {
        Self { status, title: title.to_owned(), detail: detail.into(), next_step: next_step.to_owned(), to: None }
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

    /// The form is not of this session.
    pub(super) fn stale_form() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "This form is out of date",
            "The form was made for another session, or did not come from this site. Nothing was changed.",
            "Go back, reload the page and send it again.",
        )
    }

    /// The address takes forms only.
    pub(super) fn wrong_method(what: &str, to: Option<(String, &'static str)>) -> Self {
        let next_step = "Go to the page that it belongs to; what can be done is there.";
        Self { to, ..Self::new(StatusCode::METHOD_NOT_ALLOWED, "Nothing to see here", what, next_step) }
    }

    /// A refusal of the API's kind, as a page.
    pub(super) fn from_refusal(problem: rollcall_shared::wire::Problem) -> Self {
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self {
            status,
            title: problem.title,
            detail: sentence(&problem.detail),
            to: problem.next_step.as_deref().and_then(words::page_of),
            next_step: problem.next_step.map_or_else(String::new, |step| sentence(&step)),
        }
    }

    /// The estate is not there yet. A page comes by itself when it is; `answers` tells whether impact is answered.
    pub(super) fn starting(is_page: bool, answers: bool) -> Self {
        let mut problem = Self::from(starting::refusal());
        if is_page {
            "This page comes by itself when that is done.".clone_into(&mut problem.next_step);
        }
        problem.to = answers.then(|| ("/impact".to_owned(), "Ask what an outage takes down"));
        problem
    }

    /// What was sent makes no sense.
    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "That does not work", detail, "Go back, correct it and try again.")
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::from_refusal(Refusal::from(error).problem)
    }
}

impl From<WriteError> for Problem {
    fn from(error: WriteError) -> Self {
        Self::from_refusal(Refusal::from(error).problem)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::from_refusal(refusal.problem)
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

/// With a capital letter and a full stop, and in words for people.
pub(super) fn sentence(text: &str) -> String {
    let text = words::for_people(text);
    let mut characters = text.chars();
    let mut sentence: String = characters.next().into_iter().flat_map(char::to_uppercase).chain(characters).collect();
    if !sentence.ends_with(['.', '!', '?', '…']) && !sentence.is_empty() {
        sentence.push('.');
    }
    sentence
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
