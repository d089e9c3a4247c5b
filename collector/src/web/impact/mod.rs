//! `GET /impact`: what breaks if this fails, why, what holds, and who must know. The address holds the question.

mod early;
mod frozen;
mod paths;
mod question;
pub(super) mod shown;
mod what_if;

use askama::Template;
use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use rollcall_core::{
    Catalogue, Ci, Estate,
    impact::{FailureKind, export::places, view::Limits},
};
use rollcall_shared::{CiId, RelationshipId, catalogue::Hardness};
use serde::Serialize;

pub(super) use self::{
    frozen::{
        delete as delete_frozen, export as export_frozen, freeze, list as list_frozen, picture as frozen_picture, show as show_frozen,
    },
    paths::show as paths,
    what_if::show as what_if,
};
use self::{
    question::{Chosen, KINDS, Question, described},
    shown::{DifferenceRow, Shown},
};
use super::{
    fields::link,
    format::counted,
    problem::{Problem, sentence},
    visitor::{Part, Shell, Visitor},
    words,
};
use crate::{
    api::impact::{
        ask::{ask, drawn},
        compare::{CompareBody, between},
        picture::{Language, PictureView},
    },
    query::{self, CiQuery},
    store::Role,
};

/// Items offered for a search.
const CHOICES: usize = 12;
/// Words that begin a set.
const SETS: [&str; 8] = ["location:", "site:", "rack:", "subnet:", "hypervisor:", "power:", "one-of:", "filter:"];

#[derive(Template)]
#[template(path = "impact.html")]
struct Page {
    shell: Shell,
    tabs: Vec<Tab>,
    chosen: Vec<Chosen>,
    kind: &'static str,
    kinds: Vec<(&'static str, &'static str)>,
    as_of: String,
    before: String,
    find: String,
    find_problem: Option<String>,
    choices: Vec<Choice>,
    suggestions: Vec<Choice>,
    problem: Option<String>,
    /// Whether the estate is still being read.
    is_early: bool,
    answer: Option<Shown>,
    differences: Option<Vec<DifferenceRow>>,
    compared_with: String,
    graph: Option<String>,
    exports: Vec<(&'static str, String)>,
    what_if: String,
    /// What the form that keeps the answer carries.
    carried: Vec<(String, String)>,
    may_freeze: bool,
}

/// The pages about impact.
pub(super) struct Tab {
    pub(super) label: &'static str,
    pub(super) href: String,
    pub(super) current: bool,
}

/// The tabs of the pages about impact; the question goes along where it fits.
fn tabs(current: &str, question: &Question) -> Vec<Tab> {
    let tabs = [
        ("What fails", question.address("/impact")),
        ("What if it were different", question.address("/impact/what-if")),
        ("Paths", "/impact/paths".to_owned()),
        ("Kept answers", "/impact/answers".to_owned()),
    ];
    tabs.into_iter().map(|(label, href)| Tab { current: label == current, label, href }).collect()
}

/// The tabs for a page without a question.
pub(super) fn plain_tabs(current: &str) -> Vec<Tab> {
    tabs(current, &Question::default())
}

struct Choice {
    value: String,
    name: String,
    detail: String,
}

/// What is shown of items besides the answer.
struct Offered {
    chosen: Vec<Chosen>,
    choices: Vec<Choice>,
    find_problem: Option<String>,
    suggestions: Vec<Choice>,
}

/// `GET /impact?ci=…&ci=…&kind=…&find=…`; `fails` is one more that was found.
pub(super) async fn show(visitor: Visitor) -> Result<Response, Problem> {
    let question = match Question::of(&visitor.query).with_chosen(&visitor.query, "/impact") {
        Ok(redirect) => return Ok(redirect.into_response()),
        Err(question) => question,
    };
    let find = visitor.query.get("find").to_owned();
    let (answer, differences, problem) = if question.failing.is_empty() { (None, None, None) } else { answered(&visitor, &question).await };
    let early = visitor.app.starting.early()?;
    let is_early = early.is_some();
    let Offered { chosen, choices, find_problem, suggestions } = match early {
        Some(early) => early::offered(early, &question, &find).await?,
        None => offered(&visitor, &question, &find),
    };
    let has_picture = answer.as_ref().is_some_and(|answer| !answer.affected.is_empty() || !answer.absorbed.is_empty());
    let export = |language: &str, label| (label, question.address_with("/impact/export", [("format", language)]));
    let page = Page {
        shell: visitor.shell(Part::Impact),
        tabs: tabs("What fails", &question),
        kind: question.kind.unwrap_or(FailureKind::Down).as_str(),
        kinds: KINDS.into_iter().map(|(kind, words)| (kind.as_str(), words)).collect(),
        suggestions,
        chosen,
        as_of: question.as_of.clone(),
        before: question.before.clone(),
        find,
        find_problem,
        choices,
        problem,
        is_early,
        graph: has_picture.then(|| question.address("/impact/picture")),
        exports: if answer.is_some() {
            vec![
                export("svg", "SVG"),
                export("dot", "DOT"),
                export("mermaid", "Mermaid"),
                export("graphml", "GraphML"),
                export("json", "JSON"),
            ]
        } else {
            Vec::new()
        },
        answer,
        differences,
        compared_with: question.before.clone(),
        what_if: question.address("/impact/what-if"),
        carried: question.pairs().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        may_freeze: !is_early && visitor.actor.require(Role::ChangeReviewer).is_ok(),
    };
    Ok(visitor.page(&page))
}

/// What fails and what is offered, of the estate as it is.
fn offered(visitor: &Visitor, question: &Question, find: &str) -> Offered {
    let estate = visitor.app.estate();
    let chosen = question.chosen("/impact", |text| described(&estate, text, visitor.now));
    let (choices, find_problem) = choices(&estate, visitor, find, question);
    let suggestions = if chosen.is_empty() && find.is_empty() { suggestions(&estate) } else { Vec::new() };
    Offered { chosen, choices, find_problem, suggestions }
}

/// The answer, what differs from an earlier instant if that is asked, or what is wrong with the question.
async fn answered(visitor: &Visitor, question: &Question) -> (Option<Shown>, Option<Vec<DifferenceRow>>, Option<String>) {
    let result = async {
        let asked = question.asked()?;
        let said = |refusal: crate::auth::Refusal| sentence(&refusal.problem.detail);
        match question.before()? {
            None => ask(&visitor.app, asked, Limits::default()).await.map(|answer| (answer, None)).map_err(said),
            Some(before) => {
                let comparison = between(&visitor.app, CompareBody { question: asked, before }, Limits::default()).await.map_err(said)?;
                let differences = shown::differences(&visitor.app.catalogue(), &comparison);
                Ok((comparison.after, Some(differences)))
            }
        }
    };
    match result.await {
        Ok((answer, differences)) => (Some(Shown::of(&visitor.app.catalogue(), &answer, visitor.now)), differences, None),
        Err(problem) => (None, None, Some(problem)),
    }
}

/// What is offered for a search: a set if it is one, else items.
fn choices(estate: &Estate, visitor: &Visitor, find: &str, question: &Question) -> (Vec<Choice>, Option<String>) {
    if find.is_empty() {
        return (Vec::new(), None);
    }
    if SETS.iter().any(|word| find.starts_with(word)) {
        let resolved = query::meant::Meant::parse(estate.catalogue(), find)
            .and_then(|meant| meant.resolve(estate, visitor.now).map(|_| meant.to_string()));
        return match resolved {
            Ok(text) => {
                let (name, detail) = described(estate, &text, visitor.now);
                (vec![Choice { value: text, name, detail }], None)
            }
            Err(error) => (Vec::new(), Some(sentence(&error.to_string()))),
        };
    }
    let chosen = question.items();
    let asked = match CiQuery::parse(estate.catalogue(), find, "", None, Some(CHOICES + chosen.len())) {
        Ok(asked) => asked,
        Err(error) => return (Vec::new(), Some(sentence(&error.to_string()))),
    };
    match visitor.app.search.list(estate, &asked, visitor.now) {
        Ok(page) => {
            let choices = page.items.into_iter().filter(|ci| !chosen.contains(&ci.id)).take(CHOICES).map(|ci| Choice {
                value: ci.id.to_string(),
                name: ci.name.clone(),
                detail: words::class_and_host(estate, &ci.class, ci.id),
            });
            (choices.collect(), None)
        }
        Err(error) => (Vec::new(), Some(sentence(&error.to_string()))),
    }
}

/// The items that most others depend on directly.
fn suggestions(estate: &Estate) -> Vec<Choice> {
    let live =
        estate.active_cis().map(|ci| (estate.dependents(ci.id).filter(|one| words::hardness(estate, one) != Hardness::None).count(), ci));
    let mut ranked: Vec<(usize, &Ci)> = live.filter(|(dependents, _)| *dependents > 0).collect();
    ranked.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.name.cmp(&b.1.name)));
    let suggest = |(dependents, ci): (usize, &Ci)| Choice {
        value: link("/impact", [("ci", ci.id.to_string().as_str())]),
        name: ci.name.clone(),
        detail: format!("{}, {} directly", words::class_and_host(estate, &ci.class, ci.id), counted(dependents, "dependent", "dependents")),
    };
    ranked.into_iter().take(CHOICES).map(suggest).collect()
}

/// What the script draws. Positions are pixels of the unzoomed picture.
#[derive(Serialize)]
pub(super) struct Drawing {
    nodes: Vec<DrawnNode>,
    edges: Vec<DrawnEdge>,
}

#[derive(Serialize)]
struct DrawnNode {
    id: CiId,
    name: String,
    detail: String,
    state: &'static str,
    subject: bool,
    x: f64,
    y: f64,
    href: String,
}

#[derive(Serialize)]
struct DrawnEdge {
    from: CiId,
    to: CiId,
    hard: bool,
    carries: bool,
}

/// `GET /impact/picture?ci=…`: the picture's data, laid out.
pub(super) async fn picture(visitor: Visitor) -> Result<Json<Drawing>, Problem> {
    let asked = Question::of(&visitor.query).asked().map_err(Problem::invalid)?;
    let answer = ask(&visitor.app, crate::api::impact::ask::Question { picture: true, paths: Some(0), ..asked }, Limits::default()).await?;
    Ok(Json(drawing(&visitor.app.catalogue(), &visitor.app.estate(), &answer.picture.unwrap_or_default())))
}

/// Where everything is drawn. How hard a relationship was is in the picture; of those kept before that was told, it is as it is now.
fn drawing(catalogue: &Catalogue, estate: &Estate, picture: &PictureView) -> Drawing {
    let places = places(&picture.nodes.iter().map(|node| node.layer).collect::<Vec<_>>());
    let nodes = picture.nodes.iter().zip(places).map(|(node, (x, y))| DrawnNode {
        id: CiId(node.ci.id),
        name: node.ci.name.clone(),
        detail: match &node.ci.on {
            None => words::class(catalogue, &node.ci.class).to_owned(),
            Some(host) => format!("on {host}"),
        },
        state: rollcall_core::impact::State::parse(&node.state).unwrap_or_default().as_str(),
        subject: node.role == "failing",
        x,
        y,
        href: format!("/items/{}", node.ci.id),
    });
    let is_hard =
        |id: &uuid::Uuid| estate.relationship(RelationshipId(*id)).is_some_and(|one| words::hardness(estate, one) == Hardness::Hard);
    let edges = picture.edges.iter().map(|edge| DrawnEdge {
        from: CiId(edge.from),
        to: CiId(edge.to),
        hard: edge.hard.unwrap_or_else(|| edge.relationships.iter().any(is_hard)),
        carries: edge.is_reason,
    });
    Drawing { nodes: nodes.collect(), edges: edges.collect() }
}

/// `GET /impact/export?format=…&ci=…`: the answer for other programs.
pub(super) async fn export(visitor: Visitor) -> Result<Response, Problem> {
    let asked = Question::of(&visitor.query).asked().map_err(Problem::invalid)?;
    match Language::parse(visitor.query.get("format")) {
        Some(language) => Ok(file(language, drawn(&visitor.app, asked, language).await?)),
        None => Ok(json_file(&ask(&visitor.app, asked, Limits::default()).await?)),
    }
}

fn file(language: Language, text: String) -> Response {
    let name = format!("attachment; filename=\"rollcall-impact.{}\"", language.as_str());
    ([(header::CONTENT_TYPE, language.media_type().to_owned()), (header::CONTENT_DISPOSITION, name)], text).into_response()
}

fn json_file(answer: &impl Serialize) -> Response {
    ([(header::CONTENT_DISPOSITION, "attachment; filename=\"rollcall-impact.json\"")], Json(answer)).into_response()
}
