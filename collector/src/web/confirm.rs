//! What cannot be taken back by another click is asked before it is done: by a dialog where scripts run, else by a page.

use askama::Template;
use axum::response::Response;

use super::visitor::{Form, Part, Shell};

/// The field by which a form says that somebody has been asked.
const CONFIRMED: &str = "confirmed";

/// What is asked before something is done.
pub(super) struct Confirmation {
    /// `Retire db01?`
    pub(super) title: String,
    /// What it does, and what stays.
    pub(super) says: String,
    /// What the button says: the deed, not "OK".
    pub(super) button: &'static str,
    /// Where whoever thinks better of it goes.
    pub(super) back: String,
    /// The part of the UI that it belongs to.
    pub(super) part: Part,
}

impl Confirmation {
    /// What is asked, what it does and what stays, the words of the button, and where one goes who thinks better of it.
    pub(super) fn new(part: Part, title: String, says: impl Into<String>, button: &'static str, back: impl Into<String>) -> Self {
        Self { title, says: says.into(), button, back: back.into(), part }
    }
}

#[derive(Template)]
#[template(path = "confirm.html")]
struct Page<'f> {
    shell: Shell,
    question: Confirmation,
    action: &'f str,
    /// What the form said, to be sent once more.
    fields: Vec<(&'f str, &'f str)>,
}

impl Form {
    /// The page that asks, unless somebody has been asked already. It carries what the form said.
    pub(super) fn unless_confirmed(&self, question: impl FnOnce() -> Confirmation) -> Option<Response> {
        if self.fields.get(CONFIRMED) == "yes" {
            return None;
        }
        let question = question();
        let fields = self.fields.iter().filter(|(name, _)| ![CONFIRMED, "csrf"].contains(name)).collect();
        Some(self.visitor.page(&Page { shell: self.visitor.shell(question.part), question, action: &self.action, fields }))
    }
}
