//! The question as the address holds it.

use axum::response::Redirect;
use rollcall_core::{Estate, impact::FailureKind};
use rollcall_shared::{CiId, Timestamp};

use super::super::{
    fields::{Fields, link},
    format::counted,
    words,
};
use crate::{
    api::{
        impact::ask::{FailureBody, Question as Asked},
        types::Instant,
    },
    query::meant::Meant,
};

/// Most things in one question of a page.
const MOST_FAILING: usize = 200;

/// What is asked: `ci=…` fails as `kind` says, `down=…`, `maintenance=…` and `degraded=…` as they say; each an id, a name or a set.
#[derive(Clone, Debug, Default)]
pub(super) struct Question {
    pub(super) failing: Vec<Failing>,
    pub(super) kind: Option<FailureKind>,
    /// As typed; empty for now.
    pub(super) as_of: String,
    /// As typed; empty if nothing is compared.
    pub(super) before: String,
    pub(super) pretend: Vec<String>,
}

/// One thing that fails; without a kind as the whole question says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failing {
    pub(super) text: String,
    pub(super) kind: Option<FailureKind>,
}

/// One thing that fails, to be shown and taken out.
pub(super) struct Chosen {
    pub(super) field: &'static str,
    pub(super) value: String,
    pub(super) name: String,
    pub(super) detail: String,
    pub(super) without: String,
    /// The same question with this one failing in another way.
    pub(super) otherwise: Vec<(&'static str, String)>,
    pub(super) how: &'static str,
}

/// Ways to fail: name, words.
pub(super) const KINDS: [(FailureKind, &str); 3] =
    [(FailureKind::Down, "It fails"), (FailureKind::Maintenance, "Planned downtime"), (FailureKind::Degraded, "It serves worse")];

impl Question {
    pub(super) fn of(fields: &Fields) -> Self {
        let mut question = Self {
            kind: FailureKind::parse(fields.get("kind")),
            as_of: fields.get("as_of").chars().take(40).collect(),
            before: fields.get("before").chars().take(40).collect(),
            pretend: fields.all("pretend").filter(|text| !text.is_empty()).map(str::to_owned).collect(),
            failing: Vec::new(),
        };
        for text in fields.all("ci") {
            question.add(text, None);
        }
        for kind in FailureKind::ALL {
            for text in fields.all(kind.as_str()) {
                question.add(text, Some(kind));
            }
        }
        question
    }

    /// The question of an answer that was kept.
    pub(super) fn kept(asked: &Asked, pretend: &[String]) -> Self {
        let mut question =
            Self { as_of: asked.as_of.map(|at| at.to_string()).unwrap_or_default(), pretend: pretend.to_vec(), ..Self::default() };
        for failure in &asked.failures {
            let text = failure.ci.map_or_else(|| failure.set.clone().unwrap_or_default(), |id| id.to_string());
            question.add(&text, failure.kind.as_deref().and_then(FailureKind::parse));
        }
        question
    }

    fn add(&mut self, text: &str, kind: Option<FailureKind>) {
        let failing = Failing { text: text.to_owned(), kind };
        if !text.is_empty() && self.failing.len() < MOST_FAILING && !self.failing.contains(&failing) {
            self.failing.push(failing);
        }
    }

    /// Where to go if something was just chosen, `fails=…`: to the page at `path` with that in the question, and what was typed to find it gone.
    pub(super) fn with_chosen(mut self, fields: &Fields, path: &str) -> Result<Redirect, Self> {
        match fields.get("fails") {
            "" => Err(self),
            chosen => {
                self.add(chosen, None);
                Ok(Redirect::to(&self.address(path)))
            }
        }
    }

    /// The question of the API.
    pub(super) fn asked(&self) -> Result<Asked, String> {
        let usual = self.kind.unwrap_or(FailureKind::Down);
        let failure = |failing: &Failing| {
            let kind = Some(failing.kind.unwrap_or(usual).as_str().to_owned());
            match failing.text.parse::<CiId>() {
                Ok(id) => FailureBody { ci: Some(id.0), set: None, kind },
                Err(_) => FailureBody { ci: None, set: Some(failing.text.clone()), kind },
            }
        };
        Ok(Asked { failures: self.failing.iter().map(failure).collect(), as_of: instant(&self.as_of)?, ..Asked::default() })
    }

    /// The earlier instant that the answer is compared with.
    pub(super) fn before(&self) -> Result<Option<Instant>, String> {
        instant(&self.before)
    }

    /// The items that fail, of which it has the ids.
    pub(super) fn items(&self) -> Vec<CiId> {
        self.failing.iter().filter_map(|failing| failing.text.parse().ok()).collect()
    }

    /// Names and values of the address and of a form's hidden fields.
    pub(super) fn pairs(&self) -> Vec<(&'static str, &str)> {
        let failing = self.failing.iter().map(|failing| (failing.kind.map_or("ci", FailureKind::as_str), failing.text.as_str()));
        let kind = self.kind.filter(|kind| *kind != FailureKind::Down).map(|kind| ("kind", kind.as_str()));
        let times = [("as_of", self.as_of.as_str()), ("before", self.before.as_str())];
        let pretend = self.pretend.iter().map(|text| ("pretend", text.as_str()));
        failing.chain(kind).chain(times.into_iter().filter(|(_, value)| !value.is_empty())).chain(pretend).collect()
    }

    pub(super) fn address(&self, path: &str) -> String {
        link(path, self.pairs())
    }

    /// The address with more pairs.
    pub(super) fn address_with<'a>(&'a self, path: &str, more: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
        link(path, self.pairs().into_iter().chain(more))
    }

    /// What fails, to be shown on the page at `path`. `describe` tells a name and a few words more for the text of each.
    pub(super) fn chosen(&self, path: &str, describe: impl Fn(&str) -> (String, String)) -> Vec<Chosen> {
        let usual = self.kind.unwrap_or(FailureKind::Down);
        let chosen = |at: usize| {
            let failing = &self.failing[at];
            let (name, detail) = describe(&failing.text);
            let mut without = self.clone();
            without.failing.remove(at);
            let kind = failing.kind.unwrap_or(usual);
            let otherwise = KINDS.into_iter().filter(|(other, _)| *other != kind).map(|(other, words)| {
                let mut question = self.clone();
                question.failing[at].kind = Some(other);
                (words, question.address(path))
            });
            Chosen {
                field: failing.kind.map_or("ci", FailureKind::as_str),
                value: failing.text.clone(),
                name,
                detail,
                without: without.address(path),
                otherwise: otherwise.collect(),
                how: KINDS.into_iter().find(|(known, _)| *known == kind).map_or("", |(_, words)| words),
            }
        };
        (0..self.failing.len()).map(chosen).collect()
    }
}

/// An item's name and class, or a set and how much it means.
pub(super) fn described(estate: &Estate, text: &str, now: Timestamp) -> (String, String) {
    if let Some(ci) = text.parse::<CiId>().ok().and_then(|id| estate.ci(id)) {
        return (ci.name.clone(), words::class_and_host(estate, &ci.class, ci.id));
    }
    let resolved = Meant::parse(estate.catalogue(), text).and_then(|meant| meant.resolve(estate, now));
    let detail = match resolved {
        Ok(resolved) if resolved.one_of => format!("one of {}", counted(resolved.cis.len(), "member", "members")),
        Ok(resolved) => counted(resolved.cis.len(), "item", "items"),
        Err(_) => String::new(),
    };
    (text.to_owned(), detail)
}

/// An instant as a form's field has it, in UTC, or in full.
fn instant(text: &str) -> Result<Option<Instant>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let full = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        16 => format!("{}:00Z", text.replace(' ', "T")),
        _ => text.to_owned(),
    };
    let at: Timestamp = full.parse().map_err(|_| format!("“{text}” is no time: write it as 2026-03-01T12:00, in UTC."))?;
    Ok(Some(Instant(at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_holds_the_whole_question() {
        let address = "down=location%3A%22Room+4%22&maintenance=db01&ci=web&kind=degraded&as_of=2026-03-01T12%3A00&pretend=a+needs+b";
        let question = Question::of(&Fields::parse(address.as_bytes()));
        let again = question.address("/impact");
        let query = again.split_once('?').unwrap().1;
        assert_eq!(Question::of(&Fields::parse(query.as_bytes())).address("/impact"), again);
        let asked = question.asked().unwrap();
        let failures: Vec<(Option<&str>, Option<&str>)> =
            asked.failures.iter().map(|one| (one.set.as_deref(), one.kind.as_deref())).collect();
        assert_eq!(
            failures,
            [(Some("web"), Some("degraded")), (Some("db01"), Some("maintenance")), (Some("location:\"Room 4\""), Some("down"))]
        );
        assert_eq!(asked.as_of.unwrap().to_string(), "2026-03-01T12:00:00Z");
        assert!(Question { as_of: "soon".into(), ..question }.asked().unwrap_err().contains("2026"));
    }
}
