//! A refused request: RFC 9457 problem details as an answer.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use rollcall_shared::wire::Problem;

use crate::{
    store::StoreError,
    writer::{CommandRefused, WriteError},
};

/// Why a request was not done, as it is answered: what happened, where, and the next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The problem.
    pub problem: Problem,
    /// Seconds after which to try again, sent as `Retry-After`.
    pub retry_after_seconds: Option<u32>,
}

impl Refusal {
    /// A refusal with this problem.
    pub fn new(problem: Problem) -> Self {
        Self { problem, retry_after_seconds: None }
    }

    /// Names the place in the sent JSON.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.problem.path = Some(path.into());
        self
    }

    /// Says what to do about it.
    #[must_use]
    pub fn next(mut self, step: impl Into<String>) -> Self {
        self.problem.next_step = Some(step.into());
        self
    }

    /// 400: the request cannot be understood.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(Problem::new(400, "bad-request", "The request cannot be understood", detail))
    }

    /// 401: nobody, or nobody any more.
    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(
            Problem::new(401, "not-signed-in", "Sign in first", detail)
                .next("sign in, or send an API token as Authorization: Bearer rollcallapi_…"),
        )
    }

    /// 403: not by them.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(Problem::new(403, "not-permitted", "Not permitted", detail).next("ask an admin for the role, or for it to be done"))
    }

    /// 404: no such thing.
    pub fn not_found(what: &str, id: impl std::fmt::Display) -> Self {
        Self::new(Problem::new(404, "not-found", "Not found", format!("there is no {what} {id}")))
    }

    /// 409: not in the state it is in.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(Problem::new(409, "conflict", "Not in this state", detail))
    }

    /// 422: understood, and wrong.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(Problem::new(422, "invalid", "A value is wrong", detail))
    }

    /// 429: too often.
    pub fn too_many(detail: impl Into<String>, retry_after_seconds: u32) -> Self {
        let problem = Problem::new(429, "too-many-tries", "Too many tries", detail).next(format!("try again in {retry_after_seconds} s"));
        Self { problem, retry_after_seconds: Some(retry_after_seconds) }
    }

    /// 500: our fault; what happened goes to the log, not to the client.
    pub fn internal() -> Self {
        Self::new(
            Problem::new(500, "internal", "The collector failed", "the collector could not do this; its log says why")
                .next("try again; if it goes on, look at the collector's log"),
        )
    }

    /// 503: not now.
    pub fn unavailable(detail: impl Into<String>, retry_after_seconds: u32) -> Self {
        let problem = Problem::new(503, "unavailable", "Not now", detail).next(format!("try again in {retry_after_seconds} s"));
        Self { problem, retry_after_seconds: Some(retry_after_seconds) }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unsupported(detail) => Self::new(Problem::new(501, "unsupported", "Not with this database", detail)),
            error => {
                tracing::error!(error = &error as &dyn std::error::Error, "the store failed a request");
                Self::internal()
            }
        }
    }
}

impl From<CommandRefused> for Refusal {
    fn from(refused: CommandRefused) -> Self {
        match refused.status {
            404 => Self::new(Problem::new(404, "not-found", "Not found", refused.message)),
            409 => Self::conflict(refused.message),
            412 => Self::new(
                Problem::new(412, "changed-meanwhile", "Changed meanwhile", refused.message).next("read it again, and decide again"),
            ),
            _ => Self::invalid(refused.message),
        }
    }
}

impl From<WriteError> for Refusal {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Refused(refused) | WriteError::OneRefused { refused, .. } => refused.into(),
            WriteError::Busy { retry_after_seconds } => {
                Self::unavailable("more changes are waiting than the collector takes on", retry_after_seconds)
            }
            WriteError::Fault => Self::internal(),
            WriteError::Stopping => Self::unavailable("the collector is stopping", 5),
            WriteError::Store(error) => {
                tracing::error!(error = &*error as &dyn std::error::Error, "a change could not be stored");
                Self::internal()
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.problem).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
