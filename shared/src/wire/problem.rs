//! The one error shape of every HTTP surface: RFC 9457 problem details.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What went wrong, where, and the next step. Sent as `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// A stable identifier of the kind of problem, such as `rollcall:limit-exceeded`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words, the same for every occurrence.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, in a sentence.
    pub detail: String,
    /// Where in the sent JSON, such as `$.sections.packages.data.packages[17].name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The limit that was passed, in the unit that `detail` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_step: Option<String>,
}

impl Problem {
    /// A problem of this kind (without the `rollcall:` prefix), title, status and detail.
    pub fn new(status: u16, kind: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("rollcall:{kind}"),
            title: title.to_owned(),
            status,
            detail: detail.into(),
            path: None,
            limit: None,
            next_step: None,
        }
    }

    /// Names the place in the sent JSON.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Names the limit that was passed.
    #[must_use]
    pub fn limited_to(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Says what to do about it.
    #[must_use]
    pub fn next(mut self, step: impl Into<String>) -> Self {
        self.next_step = Some(step.into());
        self
    }
}
