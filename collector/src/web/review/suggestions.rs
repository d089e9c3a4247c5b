//! `GET /suggestions`: redundancy that evidence suggests, to be accepted or rejected.

use askama::Template;
use axum::{extract::Path, response::Response};
use rollcall_core::{
    Estate, MinUp, NeedGroup, Pattern, Standing,
    reconcile::commands::{self, Decision},
};
use rollcall_shared::{CiId, NeedGroupId};

use super::{Tab, tabs};
use crate::{
    store::Role,
    web::{
        format::count,
        problem::Problem,
        visitor::{Form, Part, Shell, Visitor, refused, settled},
        words,
    },
};

/// Suggestions of a page.
const MOST_ROWS: usize = 200;
/// Longest reason, characters.
const MOST_REASON: usize = 500;

#[derive(Template)]
#[template(path = "suggestions.html")]
struct Page {
    shell: Shell,
    tabs: Vec<Tab>,
    rejected: bool,
    total: String,
    more: bool,
    rows: Vec<Row>,
}

struct Row {
    id: NeedGroupId,
    ci: (CiId, String),
    pattern: &'static str,
    members: Vec<(CiId, String)>,
    needed: usize,
    evidence: Vec<String>,
    by: String,
}

/// `GET /suggestions?standing=rejected`
pub(in crate::web) async fn show(visitor: Visitor) -> Response {
    let rejected = visitor.query.get("standing") == "rejected";
    let wanted = if rejected { Standing::Rejected } else { Standing::Suggested };
    let shell = visitor.shell(Part::Review);
    let page = {
        let estate = visitor.app.estate();
        let mut rows: Vec<Row> = estate.suggestions().filter(|group| group.standing == wanted).map(|group| row(&estate, group)).collect();
        rows.sort_by(|a, b| (&a.ci.1, a.id).cmp(&(&b.ci.1, b.id)));
        let (total, more) = (count(rows.len() as u64), rows.len() > MOST_ROWS);
        rows.truncate(MOST_ROWS);
        Page { shell, tabs: tabs("/suggestions"), rejected, total, more, rows }
    };
    visitor.page(&page)
}

fn row(estate: &Estate, group: &NeedGroup) -> Row {
    let suggestion = group.suggestion.as_ref();
    Row {
        id: group.id,
        ci: (group.ci, words::name_and_host(estate, group.ci)),
        pattern: suggestion.map_or("", |it| match it.pattern {
            Pattern::BehindBalancer => "behind a balancer",
            Pattern::SpreadClient => "one client, several of the same",
            Pattern::Replicas => "copies of one another",
            Pattern::MovingAddress => "an address that moves",
        }),
        members: group.members.iter().map(|member| (*member, words::name_and_host(estate, *member))).collect(),
        needed: group.min_up.of(group.members.len()),
        evidence: suggestion.map(|it| it.evidence.clone()).unwrap_or_default(),
        by: if group.standing == Standing::Rejected { words::source(&group.source) } else { String::new() },
    }
}

/// `POST /suggestions/{id}`: `decision` accept or reject, with `reason`, and `min_up` if not as suggested.
pub(in crate::web) async fn decide(Path(id): Path<String>, form: Form) -> Result<Response, Problem> {
    let visitor = &form.visitor;
    visitor.require(Role::AssetManager)?;
    let id: NeedGroupId = id.parse().map_err(|_| Problem::not_found("There is no suggestion at this address."))?;
    // A rejected one stands on the list of those.
    let is_rejected = visitor.app.estate().suggestions().any(|group| group.id == id && group.standing == Standing::Rejected);
    let page = if is_rejected { "/suggestions?standing=rejected" } else { "/suggestions" };
    let reason: String = form.fields.get("reason").chars().take(MOST_REASON).collect();
    let (decision, action, said) = match form.fields.get("decision") {
        "accept" => {
            let min_up = match form.fields.get("min_up") {
                "" => None,
                number => match number.parse() {
                    Ok(number @ 1..) => Some(MinUp::Count(number)),
                    _ => return Ok(refused(page, "How many must serve is a number from 1.")),
                },
            };
            (Decision::Accept(min_up), "suggestion.accept", "Accepted: it counts in every answer from now on.")
        }
        "reject" => (Decision::Reject, "suggestion.reject", "Rejected: it is not suggested again unless there are other members."),
        _ => return Err(Problem::invalid("A suggestion is accepted or rejected.")),
    };
    let result = visitor.order(action, id, reason, move |estate, order| commands::decide_suggestion(estate, id, decision, order)).await;
    settled(result, "/suggestions", said, page)
}
