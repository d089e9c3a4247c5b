//! `GET /reports?show=…`

use askama::Template;
use axum::response::Response;
use rollcall_core::{Ci, Estate, Relationship, infer};

use super::{Tab, tabs};
use crate::web::{
    format::{When, count},
    visitor::{Part, Shell, Visitor},
    words,
};

/// Rows of a page; the number above counts all.
const MOST_ROWS: usize = 500;

#[derive(Template)]
#[template(path = "reports.html")]
struct Page {
    shell: Shell,
    tabs: Vec<Tab>,
    title: &'static str,
    meaning: &'static str,
    nothing: &'static str,
    total: String,
    more: bool,
    items: Vec<ItemRow>,
    edges: Vec<EdgeRow>,
}

struct ItemRow {
    href: String,
    name: String,
    class: String,
    owner: String,
    first_seen: When,
}

struct EdgeRow {
    from: (String, String),
    verb: String,
    to: (String, String),
    evidence: String,
    confirmed: When,
}

/// `GET /reports?show=orphans|isolated|declared|observed`
pub(in crate::web) async fn show(visitor: Visitor) -> Response {
    let shell = visitor.shell(Part::Review);
    let page = {
        let estate = visitor.app.estate();
        let page = |name: &str, title, meaning, nothing| Page {
            tabs: tabs(&format!("/reports?show={name}")),
            shell,
            title,
            meaning,
            nothing,
            total: String::new(),
            more: false,
            items: Vec::new(),
            edges: Vec::new(),
        };
        match visitor.query.get("show") {
            "isolated" => {
                let meaning = "Not known to work together with anything elsewhere, in either direction.";
                with_items(
                    page("isolated", "Isolated items", meaning, "Everything works together with something."),
                    infer::isolated(&estate),
                    &estate,
                    &visitor,
                )
            }
            "declared" => {
                let meaning =
                    "People or imports say so and no agent has ever seen it: an error, or a dependency that shows only in a disaster.";
                let page = page("declared", "Declared, never observed", meaning, "All that is declared and could be seen was seen.");
                with_edges(page, infer::declared_never_observed(&estate), &estate, &visitor)
            }
            "observed" => {
                let meaning = "Agents see it and nobody has declared it: what the register does not know.";
                let page = page("observed", "Observed, never declared", meaning, "All that is observed is declared too.");
                with_edges(page, infer::observed_never_declared(&estate), &estate, &visitor)
            }
            _ => {
                let meaning =
                    "Nothing elsewhere needs them, no service is made of them, and they have no owner: to be given one, or switched off.";
                with_items(
                    page("orphans", "Orphans", meaning, "Everything is needed or owned by somebody."),
                    infer::orphans(&estate),
                    &estate,
                    &visitor,
                )
            }
        }
    };
    visitor.page(&page)
}

fn with_items(page: Page, found: Vec<&Ci>, estate: &Estate, visitor: &Visitor) -> Page {
    let row = |ci: &&Ci| ItemRow {
        href: format!("/items/{}", ci.id),
        name: ci.name.clone(),
        class: words::class(estate.catalogue(), &ci.class).to_owned(),
        owner: ci.text("owner").unwrap_or_default().to_owned(),
        first_seen: When::new(ci.first_seen, visitor.now),
    };
    Page { total: count(found.len() as u64), more: found.len() > MOST_ROWS, items: found.iter().take(MOST_ROWS).map(row).collect(), ..page }
}

fn with_edges(page: Page, found: Vec<&Relationship>, estate: &Estate, visitor: &Visitor) -> Page {
    let row = |edge: &&Relationship| {
        let end = |id| (format!("/items/{id}"), words::name_and_host(estate, id));
        let evidence = edge.evidence.iter().map(|one| match one.detail.is_empty() {
            true => format!("{} by {}", words::method(one.method), words::source(&one.source)),
            false => format!("{}: {}", words::method(one.method), one.detail),
        });
        let confirmed = edge.evidence.iter().map(|one| words::confirmed(estate, one)).max().unwrap_or(edge.valid_from);
        EdgeRow {
            from: end(edge.from),
            verb: words::forward(estate.catalogue(), &edge.kind).to_owned(),
            to: end(edge.to),
            evidence: evidence.collect::<Vec<_>>().join("; "),
            confirmed: When::new(confirmed, visitor.now),
        }
    };
    let mut edges: Vec<EdgeRow> = found.iter().map(row).collect();
    edges.sort_by(|a, b| (&a.from.1, &a.to.1).cmp(&(&b.from.1, &b.to.1)));
    edges.truncate(MOST_ROWS);
    Page { total: count(found.len() as u64), more: found.len() > MOST_ROWS, edges, ..page }
}
