//! `GET /impact/answers`: answers that somebody kept, each as it was.

use askama::Template;
use axum::{
    Json,
    extract::Path,
    response::{IntoResponse, Response},
};
use rollcall_shared::FrozenAnswerId;

use super::{
    Drawing, Tab, drawing, file, json_file, plain_tabs,
    question::Question,
    shown::{DifferenceRow, Shown, differences},
};
use crate::{
    api::impact::{
        answer::Answer,
        frozen::{FreezeBody, FrozenView, all, find, keep, remove},
        picture::Language,
    },
    store::Role,
    web::{
        confirm::Confirmation,
        format::{When, absolute},
        problem::{Problem, sentence},
        visitor::{Form, Part, Shell, Visitor, done, refused},
        words,
    },
};

const LIST: &str = "/impact/answers";

#[derive(Template)]
#[template(path = "impact_answers.html")]
struct ListPage {
    shell: Shell,
    tabs: Vec<Tab>,
    rows: Vec<Row>,
}

struct Row {
    href: String,
    verdict: String,
    reason: String,
    by: String,
    at: When,
}

#[derive(Template)]
#[template(path = "impact_frozen.html")]
struct Page {
    shell: Shell,
    tabs: Vec<Tab>,
    href: String,
    at: String,
    by: String,
    reason: String,
    revision: Option<u64>,
    about: String,
    pretended: Vec<String>,
    failures: Vec<(String, String)>,
    more_failures: usize,
    answer: Shown,
    differences: Option<Vec<DifferenceRow>>,
    compared_with: String,
    graph: Option<String>,
    exports: Vec<(&'static str, String)>,
    again: String,
}

/// What a page names of what fails.
const MOST_FAILURES: usize = 50;

/// `GET /impact/answers`
pub(in crate::web) async fn list(visitor: Visitor) -> Result<Response, Problem> {
    let rows = all(&visitor.app).await?.into_iter().map(|answer| Row {
        href: format!("{LIST}/{}", answer.id),
        verdict: answer.verdict,
        reason: answer.reason,
        by: words::actor(&answer.frozen_by),
        at: When::new(answer.frozen_at.0, visitor.now),
    });
    let page = ListPage { shell: visitor.shell(Part::Impact), tabs: plain_tabs("Kept answers"), rows: rows.collect() };
    Ok(visitor.page(&page))
}

async fn kept(visitor: &Visitor, id: &str) -> Result<FrozenView, Problem> {
    let id: FrozenAnswerId = id.parse().map_err(|_| Problem::not_found("There is no kept answer at this address."))?;
    Ok(find(&visitor.app, id).await?)
}

/// The answer; of two, the one that was asked for.
fn answer_of(view: FrozenView) -> Result<Answer, Problem> {
    let content = view.content;
    let answer = content.answer.or_else(|| content.comparison.map(|comparison| comparison.after));
    answer.ok_or_else(|| Problem::not_found("This kept answer is empty."))
}

/// `GET /impact/answers/{id}`
pub(in crate::web) async fn show(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Problem> {
    let view = kept(&visitor, &id).await?;
    let summary = view.summary.clone();
    let (pretended, differences) = match &view.content.comparison {
        Some(comparison) => (comparison.pretended.clone(), Some(differences(&visitor.app.catalogue(), comparison))),
        None => (Vec::new(), None),
    };
    let question = Question::kept(&view.content.question, &pretended);
    let answer = answer_of(view)?;
    let at = summary.frozen_at.0;
    let href = format!("{LIST}/{}", summary.id);
    let shown = Shown::of(&visitor.app.catalogue(), &answer, at);
    let export = |language: &str, label| (label, format!("{href}/export?format={language}"));
    let page = Page {
        shell: visitor.shell(Part::Impact),
        tabs: plain_tabs("Kept answers"),
        at: absolute(at),
        by: words::actor(&summary.frozen_by),
        reason: summary.reason,
        revision: summary.revision,
        about: absolute(answer.at.0),
        failures: answer.failures.iter().take(MOST_FAILURES).map(|one| (one.ci.name.clone(), one.kind.clone())).collect(),
        more_failures: answer.failures.len().saturating_sub(MOST_FAILURES),
        graph: (!shown.affected.is_empty() || !shown.absorbed.is_empty()).then(|| format!("{href}/picture")),
        answer: shown,
        differences,
        compared_with: "how it was, nothing pretended".to_owned(),
        exports: vec![
            export("svg", "SVG"),
            export("dot", "DOT"),
            export("mermaid", "Mermaid"),
            export("graphml", "GraphML"),
            export("json", "JSON"),
        ],
        again: question.address(if pretended.is_empty() { "/impact" } else { "/impact/what-if" }),
        pretended,
        href,
    };
    Ok(visitor.page(&page))
}

/// `GET /impact/answers/{id}/picture`
pub(in crate::web) async fn picture(visitor: Visitor, Path(id): Path<String>) -> Result<Json<Drawing>, Problem> {
    let answer = answer_of(kept(&visitor, &id).await?)?;
    Ok(Json(drawing(&visitor.app.catalogue(), &visitor.app.estate(), &answer.picture.unwrap_or_default())))
}

/// `GET /impact/answers/{id}/export?format=…`
pub(in crate::web) async fn export(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Problem> {
    let view = kept(&visitor, &id).await?;
    match Language::parse(visitor.query.get("format")) {
        Some(language) => {
            let answer = answer_of(view)?;
            Ok(file(language, language.write(&visitor.app.catalogue(), &answer.verdict, &answer.picture.unwrap_or_default())))
        }
        None => Ok(json_file(&view).into_response()),
    }
}

/// `POST /impact/answers`: answers the question anew and keeps the answer.
pub(in crate::web) async fn freeze(form: Form) -> Result<Response, Problem> {
    let visitor = &form.visitor;
    visitor.require(Role::ChangeReviewer)?;
    let question = Question::of(&form.fields);
    let back = question.address(if question.pretend.is_empty() { "/impact" } else { "/impact/what-if" });
    let asked = match question.asked() {
        Ok(asked) => asked,
        Err(problem) => return Ok(refused(&back, problem)),
    };
    let body = FreezeBody { question: asked, pretend: question.pretend.clone(), reason: form.fields.get("reason").to_owned() };
    match keep(&visitor.app, &visitor.actor, body).await {
        Ok(kept) => Ok(done(&format!("{LIST}/{}", kept.id), "The answer is kept. This address shows it to everybody who may sign in.")),
        Err(refusal) if refusal.problem.status == 422 => Ok(refused(&back, sentence(&refusal.problem.detail))),
        Err(refusal) => Err(refusal.into()),
    }
}

/// `POST /impact/answers/{id}/delete`
pub(in crate::web) async fn delete(Path(id): Path<String>, form: Form) -> Result<Response, Problem> {
    let visitor = &form.visitor;
    visitor.require(Role::Admin)?;
    let id: FrozenAnswerId = id.parse().map_err(|_| Problem::not_found("There is no kept answer at this address."))?;
    if let Some(ask) = form.unless_confirmed(|| {
        let says = "It goes for everybody, and its address shows nothing any more.";
        Confirmation::new(Part::Impact, "Delete this kept answer?".to_owned(), says, "Delete the answer", format!("{LIST}/{id}"))
    }) {
        return Ok(ask);
    }
    remove(&visitor.app, &visitor.actor, id).await?;
    Ok(done(LIST, "The kept answer is deleted."))
}
