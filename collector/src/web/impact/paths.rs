//! `GET /impact/paths?from=…&to=…`: how one item depends on another.

use askama::Template;
use axum::response::Response;

use super::{
    Tab, plain_tabs,
    shown::{ItemLink, StepRow, full, step},
};
use crate::{
    api::impact::paths::{PathParams, PathsView, StepView, between},
    web::{
        problem::sentence,
        visitor::{Part, Shell, Visitor},
    },
};

/// Paths that the page shows each way.
const SHOWN: usize = 20;

#[derive(Template)]
#[template(path = "impact_paths.html")]
struct Page {
    shell: Shell,
    tabs: Vec<Tab>,
    from: String,
    to: String,
    problem: Option<String>,
    found: Option<Found>,
}

struct Found {
    from: ItemLink,
    to: ItemLink,
    ways: Vec<Way>,
    complete: bool,
}

/// The chains in one direction.
struct Way {
    title: String,
    paths: Vec<Vec<StepRow>>,
}

/// `GET /impact/paths`
pub(in crate::web) async fn show(visitor: Visitor) -> Response {
    let (from, to) = (visitor.query.get("from").to_owned(), visitor.query.get("to").to_owned());
    let (found, problem) = if from.is_empty() || to.is_empty() {
        (None, None)
    } else {
        let asked = PathParams { from: from.clone(), to: to.clone(), most: Some(SHOWN) };
        match between(&visitor.app, asked).await {
            Ok(view) => (Some(found(&view, &visitor)), None),
            Err(refusal) => (None, Some(sentence(&refusal.problem.detail))),
        }
    };
    let page = Page { shell: visitor.shell(Part::Impact), tabs: plain_tabs("Paths"), from, to, problem, found };
    visitor.page(&page)
}

fn found(view: &PathsView, visitor: &Visitor) -> Found {
    let catalogue = visitor.app.catalogue();
    let rows =
        |paths: &[Vec<StepView>]| paths.iter().map(|path| path.iter().map(|one| step(&catalogue, one, visitor.now)).collect()).collect();
    let (from, to) = (full(&view.from), full(&view.to));
    let ways = [(&from, &to, &view.forward), (&to, &from, &view.backward)].into_iter().filter(|(.., paths)| !paths.is_empty());
    let ways =
        ways.map(|(from, to, paths)| Way { title: format!("How {} depends on {}", from.name, to.name), paths: rows(paths) }).collect();
    Found { from, to, ways, complete: view.complete }
}
