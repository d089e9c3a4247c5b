//! `GET /audit`: who did what, newest first. For administrators.

use askama::Template;
use axum::response::Response;

use super::{
    format::When,
    problem::Problem,
    visitor::{Part, Shell, Visitor},
    words,
};
use crate::store::Role;

/// Entries on one page.
const PAGE: u32 = 100;

#[derive(Template)]
#[template(path = "audit.html")]
struct Page {
    shell: Shell,
    entries: Vec<Entry>,
    older_than_start: bool,
    next: Option<u64>,
}

struct Entry {
    when: When,
    actor: String,
    action: String,
    subject: String,
    detail: String,
}

/// `GET /audit?before=…`
pub(super) async fn show(visitor: Visitor) -> Result<Response, Problem> {
    visitor.require(Role::Admin)?;
    let before: Option<u64> = visitor.query.get("before").parse().ok();
    let entries = visitor.app.store.audit_log(before, PAGE).await?;
    let next = if entries.len() == PAGE as usize { entries.last().map(|(number, _)| *number) } else { None };
    let shown = entries.into_iter().map(|(_, entry)| Entry {
        when: When::new(entry.at, visitor.now),
        actor: words::actor(&entry.actor),
        action: entry.action,
        subject: entry.subject,
        detail: entry.detail,
    });
    let page = Page { shell: visitor.shell(Part::Audit), entries: shown.collect(), older_than_start: before.is_some(), next };
    Ok(visitor.page(&page))
}
