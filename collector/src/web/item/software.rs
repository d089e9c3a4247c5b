//! What is installed on a machine.

use std::collections::HashMap;

use askama::Template;
use axum::response::Response;
use rollcall_core::SoftwareEntry;
use rollcall_shared::CiId;

use super::{Head, no_such_item};
use crate::web::{
    fields::link,
    format::{count, counted},
    overview::quoted,
    problem::Problem,
    visitor::{Part, Shell, Visitor},
};

/// Rows that are shown; the filter finds the rest.
const MOST: usize = 2_000;

#[derive(Template)]
#[template(path = "item_software.html")]
struct Page {
    shell: Shell,
    head: Head,
    filter: String,
    shown: String,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    version: String,
    kind: String,
    architecture: String,
    publisher: String,
    machines: String,
    href: String,
}

pub(super) fn show(visitor: &Visitor, id: CiId) -> Result<Response, Problem> {
    let filter = visitor.query.get("software").to_owned();
    let shell = visitor.shell(Part::Inventory);
    let page = {
        let estate = visitor.app.estate();
        let ci = estate.ci(id).ok_or_else(no_such_item)?;
        let wanted = filter.to_lowercase();
        let software = estate.software();
        let mut entries: Vec<&SoftwareEntry> = software.of(id).collect();
        let all = entries.len();
        entries
            .retain(|entry| [&entry.name, &entry.version, &entry.publisher].into_iter().any(|text| text.to_lowercase().contains(&wanted)));
        entries.sort();
        let matching = entries.len();
        entries.truncate(MOST);
        let machines: HashMap<&SoftwareEntry, u64> = software.entries().collect();
        let rows = entries.iter().map(|&entry| Row {
            name: entry.name.clone(),
            version: entry.version.clone(),
            kind: entry.kind.clone(),
            architecture: entry.architecture.clone(),
            publisher: entry.publisher.clone(),
            machines: count(machines.get(entry).copied().unwrap_or_default()),
            href: link("/items", [("q", format!("software:{}", quoted(&entry.name)).as_str())]),
        });
        let shown = match (matching, entries.len()) {
            (matching, _) if matching == all && all <= MOST => counted(all, "package", "packages"),
            (matching, shown) if shown < matching => {
                format!("first {} of {}", count(shown as u64), counted(matching, "package", "packages"))
            }
            (matching, _) => format!("{} of {}", count(matching as u64), counted(all, "package", "packages")),
        };
        Page { shell, head: Head::new(&estate, ci, "software", visitor.now), rows: rows.collect(), shown, filter }
    };
    Ok(visitor.page(&page))
}
