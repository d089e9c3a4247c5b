//! `GET /impact/what-if`: the answer as it is and as it would be. The address holds what is pretended; nothing is changed.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use rollcall_core::{
    Estate,
    impact::{FailureKind, view::Limits},
};

use super::{
    Tab,
    question::{Chosen, KINDS, Question, described},
    shown::{DifferenceRow, Shown, differences},
    tabs,
};
use crate::{
    api::impact::compare::{WhatIfBody, pretend},
    auth::Refusal,
    query,
    store::Role,
    web::{
        problem::sentence,
        visitor::{Part, Shell, Visitor},
    },
};

#[derive(Template)]
#[template(path = "impact_what_if.html")]
struct Page {
    shell: Shell,
    tabs: Vec<Tab>,
    chosen: Vec<Chosen>,
    kind: &'static str,
    kinds: Vec<(&'static str, &'static str)>,
    pretended: Vec<Pretended>,
    verbs: [(&'static str, &'static str); 6],
    typed: Typed,
    problem: Option<String>,
    before: Option<Shown>,
    answer: Option<Shown>,
    differences: Option<Vec<DifferenceRow>>,
    compared_with: String,
    carried: Vec<(String, String)>,
    may_freeze: bool,
}

struct Pretended {
    text: String,
    without: String,
}

/// What the form to pretend one more thing holds.
#[derive(Default)]
struct Typed {
    item: String,
    verb: String,
    number: String,
    other: String,
    to: String,
}

/// `GET /impact/what-if?ci=…&pretend=…`; with `item`, `verb` and the rest one more thing is pretended.
pub(in crate::web) async fn show(visitor: Visitor) -> Response {
    let mut question = match Question::of(&visitor.query).with_chosen(&visitor.query, "/impact/what-if") {
        Ok(redirect) => return redirect.into_response(),
        Err(question) => question,
    };
    let typed = Typed {
        item: visitor.query.get("item").to_owned(),
        verb: visitor.query.get("verb").to_owned(),
        number: visitor.query.get("number").to_owned(),
        other: visitor.query.get("other").to_owned(),
        to: visitor.query.get("to").to_owned(),
    };
    let mut problem = None;
    if !typed.item.is_empty() || !typed.other.is_empty() {
        let text = typed.text();
        let read = query::pretend::pretended(&visitor.app.estate(), &text, visitor.now);
        match read {
            Ok(_) => {
                question.pretend.push(text);
                return Redirect::to(&question.address("/impact/what-if")).into_response();
            }
            Err(error) => problem = Some(sentence(&error.to_string())),
        }
    }
    let comparison = if question.failing.is_empty() || question.pretend.is_empty() || problem.is_some() {
        None
    } else {
        match asked(&visitor, &question).await {
            Ok(comparison) => Some(comparison),
            Err(wrong) => {
                problem = Some(wrong);
                None
            }
        }
    };
    let shell = visitor.shell(Part::Impact);
    let page = {
        let estate = visitor.app.estate();
        Page {
            shell,
            tabs: tabs("What if it were different", &question),
            chosen: question.chosen("/impact/what-if", |text| described(&estate, text, visitor.now)),
            kind: question.kind.unwrap_or(FailureKind::Down).as_str(),
            kinds: KINDS.into_iter().map(|(kind, words)| (kind.as_str(), words)).collect(),
            pretended: (0..question.pretend.len()).map(|at| pretended(&estate, &question, at)).collect(),
            verbs: VERBS,
            typed,
            problem,
            before: comparison.as_ref().map(|comparison| Shown::of(estate.catalogue(), &comparison.before, visitor.now)),
            differences: comparison.as_ref().map(|comparison| differences(estate.catalogue(), comparison)),
            answer: comparison.as_ref().map(|comparison| Shown::of(estate.catalogue(), &comparison.after, visitor.now)),
            compared_with: "how it is".to_owned(),
            carried: question.pairs().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            may_freeze: visitor.actor.require(Role::ChangeReviewer).is_ok(),
        }
    };
    visitor.page(&page)
}

async fn asked(visitor: &Visitor, question: &Question) -> Result<crate::api::impact::compare::Comparison, String> {
    let body = WhatIfBody { question: question.asked()?, pretend: question.pretend.clone() };
    pretend(&visitor.app, body, Limits::default()).await.map_err(|refusal: Refusal| sentence(&refusal.problem.detail))
}

fn pretended(estate: &Estate, question: &Question, at: usize) -> Pretended {
    let mut without = question.clone();
    without.pretend.remove(at);
    // Forms say ids, people read names.
    let named = |word: &str| word.trim_matches('"').parse().ok().and_then(|id| estate.ci(id)).map(|ci| ci.name.clone());
    let words = question.pretend[at].split(' ').map(|word| named(word).unwrap_or_else(|| word.to_owned()));
    Pretended { text: words.collect::<Vec<_>>().join(" "), without: without.address("/impact/what-if") }
}

/// What can be pretended: name, words.
const VERBS: [(&str, &str); 6] = [
    ("needs", "cannot do without"),
    ("uses", "serves worse without"),
    ("needs-not", "does not depend on"),
    ("group", "needs so many of (names with commas between)"),
    ("without", "has no need group called"),
    ("moves", "moves away from"),
];

impl Typed {
    /// As the notation has it.
    fn text(&self) -> String {
        let item = quoted(&self.item);
        match self.verb.as_str() {
            "group" => {
                let members: Vec<String> = self.other.split(',').map(str::trim).filter(|name| !name.is_empty()).map(quoted).collect();
                let number = if self.number.is_empty() { "1" } else { &self.number };
                format!("{item} needs {} of {}", word(number), members.join(" "))
            }
            "moves" => format!("{item} moves {} to {}", quoted(&self.other), quoted(&self.to)),
            verb => format!("{item} {} {}", word(verb), quoted(&self.other)),
        }
    }
}

/// A word without anything that ends it.
fn word(text: &str) -> String {
    text.chars().filter(|character| character.is_ascii_alphanumeric() || "-%".contains(*character)).collect()
}

fn quoted(name: &str) -> String {
    let is_plain = !name.is_empty() && name.chars().all(|character| character.is_alphanumeric() || "._-".contains(character));
    if is_plain { name.to_owned() } else { format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_becomes_the_notation() {
        let typed = |verb: &str, other: &str, to: &str| Typed {
            item: "my app".into(),
            verb: verb.into(),
            number: "50%".into(),
            other: other.into(),
            to: to.into(),
        };
        for (typed, text) in [
            (typed("needs", "db01", ""), "\"my app\" needs db01"),
            (typed("group", "db01, db \"2\"", ""), "\"my app\" needs 50% of db01 \"db \\\"2\\\"\""),
            (typed("moves", "host7", "host8"), "\"my app\" moves host7 to host8"),
            (typed("eats\" x", "db01", ""), "\"my app\" eatsx db01"),
        ] {
            assert_eq!(typed.text(), text);
        }
    }
}
