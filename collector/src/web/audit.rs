//! `GET /audit`: who did what, newest first. For administrators.

use askama::Template;
use axum::response::Response;

use super::{
    format::Exactly,
    mentions::{Known, Mentions},
    problem::Problem,
    visitor::{Part, Shell, Visitor},
};
use crate::store::{AuditEntry, Role};

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
    at: Exactly,
    actor: Mentions,
    action: String,
    subject: Mentions,
    detail: Mentions,
}

/// `GET /audit?before=…`
pub(super) async fn show(visitor: Visitor) -> Result<Response, Problem> {
    visitor.require(Role::Admin)?;
    let before: Option<u64> = visitor.query.get("before").parse().ok();
    let entries = visitor.app.store.audit_log(before, PAGE).await?;
    let next = if entries.len() == PAGE as usize { entries.last().map(|(number, _)| *number) } else { None };
    let entries: Vec<AuditEntry> = entries.into_iter().map(|(_, entry)| entry).collect();
    let known = Known::of(&visitor, &entries).await;
    let shown = entries.into_iter().map(|entry| Entry {
        at: Exactly::new(entry.at, visitor.now),
        actor: known.actor(&entry.actor),
        subject: known.subject(&entry.action, &entry.subject),
        detail: known.in_words(&entry.detail),
        action: entry.action,
    });
    let page = Page { shell: visitor.shell(Part::Audit), entries: shown.collect(), older_than_start: before.is_some(), next };
    Ok(visitor.page(&page))
}
