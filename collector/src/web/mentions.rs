//! Ids in what the audit log and histories say, as names that lead to what is meant. What nothing is known of stays the id that it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use askama::filters::HtmlSafe;
use rollcall_core::Estate;
use rollcall_shared::{AgentId, CiId, ConflictId, NeedGroupId, RelationshipId};
use uuid::Uuid;

use super::{visitor::Visitor, words};
use crate::{
    app::{App, SharedApp},
    store::AuditEntry,
};

/// Characters of an id.
const ID: usize = 36;

/// A text with links for the ids in it.
#[derive(Debug, PartialEq)]
pub(super) struct Mentions(Vec<Span>);

#[derive(Debug, PartialEq)]
enum Span {
    Text(String),
    Id(String),
    Link { href: String, text: String },
}

impl fmt::Display for Mentions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escaped = |text| askama::filters::escape(text, askama::filters::Html).map_err(|_| fmt::Error);
        for span in &self.0 {
            match span {
                Span::Text(text) => write!(f, "{}", escaped(text)?)?,
                Span::Id(id) => write!(f, "<code>{}</code>", escaped(id)?)?,
                Span::Link { href, text } => write!(f, r#"<a href="{}">{}</a>"#, escaped(href)?, escaped(text)?)?,
            }
        }
        Ok(())
    }
}

// Every text in it is escaped above.
impl HtmlSafe for Mentions {}

/// What ids mean, and where it is.
#[derive(Default)]
pub(super) struct Known(BTreeMap<Uuid, (String, String)>);

impl Known {
    /// What is known of the ids in these lines of the audit log. Asks the store only for what is in them.
    pub(super) async fn of(visitor: &Visitor, entries: &[AuditEntry]) -> Self {
        let app = &visitor.app;
        let mut known = Self::default();
        for text in entries.iter().flat_map(|entry| [&entry.actor, &entry.subject, &entry.detail]) {
            known.look_up(&app.estate(), text);
        }
        let missing = |actions: &'static [&'static str]| {
            let of = entries.iter().filter(|entry| actions.iter().any(|action| entry.action.starts_with(action)));
            of.flat_map(|entry| ids(&entry.subject).chain(ids(&entry.detail))).map(|(_, id)| id).collect::<Vec<Uuid>>()
        };
        let agents = entries.iter().flat_map(|entry| ids(&entry.actor)).map(|(_, id)| id).chain(missing(&["agent.", "conflict."]));
        known.agents(app, agents.collect()).await;
        known.imports(app, missing(&["import."])).await;
        let tokens = missing(&["token."]);
        if !tokens.is_empty() {
            for token in app.store.tokens().await.unwrap_or_default() {
                known.say(&tokens, token.id.0, "/enrollment", token.name);
            }
        }
        let api_tokens = missing(&["api_token."]);
        if !api_tokens.is_empty() {
            for token in app.store.api_tokens().await.unwrap_or_default() {
                known.say(&api_tokens, token.id.0, "/people", token.name);
            }
        }
        let views = missing(&["view."]);
        for view in crate::views::visible(app, &visitor.actor).await.unwrap_or_default() {
            known.say(&views, view.id.0, &format!("/views/{}", view.id), view.name);
        }
        for id in missing(&["answer.freeze"]) {
            known.0.entry(id).or_insert((format!("/impact/answers/{id}"), "the kept answer".to_owned()));
        }
        known
    }

    /// What is known of the ids in these reasons: items and the like, and imports.
    pub(super) async fn of_reasons(visitor: &Visitor, reasons: &[&str]) -> Self {
        /// Imports that a page names: one of them makes many rows.
        const MOST_IMPORTS: usize = 20;
        let mut known = Self::default();
        let mut imports = BTreeSet::new();
        for reason in reasons {
            known.look_up(&visitor.app.estate(), reason);
            imports.extend(ids(reason).filter(|(at, _)| reason[..*at].ends_with("import ")).map(|(_, id)| id));
        }
        known.imports(&visitor.app, imports.into_iter().take(MOST_IMPORTS).collect()).await;
        known
    }

    /// What the estate knows of the ids in a text.
    pub(super) fn look_up(&mut self, estate: &Estate, text: &str) {
        for (_, id) in ids(text) {
            if !self.0.contains_key(&id)
                && let Some(found) = in_estate(estate, id)
            {
                self.0.insert(id, found);
            }
        }
    }

    async fn agents(&mut self, app: &App, wanted: Vec<Uuid>) {
        for id in wanted {
            if !self.0.contains_key(&id)
                && let Ok(Some(agent)) = app.store.agent(AgentId(id)).await
            {
                self.0.insert(id, ("/enrollment#agents".to_owned(), agent.hostname));
            }
        }
    }

    async fn imports(&mut self, app: &SharedApp, wanted: Vec<Uuid>) {
        for id in wanted {
            if !self.0.contains_key(&id)
                && let Ok(import) = crate::import::find(app, id).await
            {
                let file = if import.file.is_empty() { "an import".to_owned() } else { import.file };
                self.0.insert(id, (format!("/imports/{id}"), file));
            }
        }
    }

    fn say(&mut self, wanted: &[Uuid], id: Uuid, href: &str, name: String) {
        if wanted.contains(&id) {
            self.0.entry(id).or_insert((href.to_owned(), name));
        }
    }

    /// The text with names for ids.
    pub(super) fn in_words(&self, text: &str) -> Mentions {
        let mut spans = Vec::new();
        let mut rest = 0;
        for (at, id) in ids(text) {
            if at > rest {
                spans.push(Span::Text(text[rest..at].to_owned()));
            }
            spans.push(match self.0.get(&id) {
                Some((href, name)) => Span::Link { href: href.clone(), text: name.clone() },
                None => Span::Id(text[at..at + ID].to_owned()),
            });
            rest = at + ID;
        }
        if rest < text.len() {
            spans.push(Span::Text(text[rest..].to_owned()));
        }
        Mentions(spans)
    }

    /// Who, from the audit's form.
    pub(super) fn actor(&self, actor: &str) -> Mentions {
        match actor.strip_prefix("agent:") {
            Some(agent) => self.in_words(&format!("the agent of {agent}")),
            None => self.in_words(&words::actor(actor)),
        }
    }

    /// What an action is done on: an id, or a name that leads to its page.
    pub(super) fn subject(&self, action: &str, subject: &str) -> Mentions {
        let class = |name: &str| format!("/classes/{}", super::fields::path_part(name));
        let (area, _) = action.rsplit_once('.').unwrap_or((action, ""));
        let href = match area {
            _ if ids(subject).next().is_some() || subject.is_empty() => return self.in_words(subject),
            "catalogue.class" => class(subject),
            "catalogue.relationship_type" => "/classes".to_owned(),
            "precedence" => format!("{}#rules", class(subject.split('.').next().unwrap_or_default())),
            "user" | "session" => "/people".to_owned(),
            "ci" | "application" => super::fields::link("/items", [("q", format!("name={}", quoted(subject)).as_str())]),
            _ => return self.in_words(subject),
        };
        Mentions(vec![Span::Link { href, text: subject.to_owned() }])
    }
}

/// As a value of the filter language.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn in_estate(estate: &Estate, id: Uuid) -> Option<(String, String)> {
    if let Some(ci) = estate.ci(CiId(id)) {
        return Some((format!("/items/{id}"), words::name_and_host(estate, ci.id)));
    }
    if let Some(edge) = estate.relationship(RelationshipId(id)) {
        let verb = words::forward(estate.catalogue(), &edge.kind);
        let text = format!("{} {verb} {}", words::name_and_host(estate, edge.from), words::name_and_host(estate, edge.to));
        return Some((format!("/items/{}?view=dependencies", edge.from), text));
    }
    if let Some(group) = estate.need_group(NeedGroupId(id)) {
        return Some((format!("/items/{}?view=dependencies", group.ci), group.name.clone()));
    }
    if let Some(conflict) = estate.conflict(ConflictId(id)) {
        let text = format!("{}: {}", words::conflict(conflict.kind), words::name_and_host(estate, conflict.known));
        return Some((format!("/items/{}?view=identity", conflict.known), text));
    }
    let machine = estate.machine_of(AgentId(id))?;
    Some((format!("/items/{}", machine.id), machine.name.clone()))
}

/// Ids in a text, with where they begin.
fn ids(text: &str) -> impl Iterator<Item = (usize, Uuid)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at + ID <= text.len() {
            let here = at;
            // Ids are ASCII: what is cut in the middle of a letter is none.
            if let Some(part) = text.get(here..here + ID)
                && part.as_bytes()[8] == b'-'
                && let Ok(id) = Uuid::try_parse(part)
            {
                at += ID;
                return Some((here, id));
            }
            at += 1;
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_become_names_that_lead_on_and_everything_is_escaped() {
        let (item, gone) = (Uuid::from_u128(7), Uuid::from_u128(8));
        let known = Known([(item, ("/items/7".to_owned(), "<b>db&01".to_owned()))].into());
        let text = format!("runs <i>ü on {item}, not {gone}");
        assert_eq!(
            known.in_words(&text).to_string(),
            format!("runs &#60;i&#62;ü on <a href=\"/items/7\">&#60;b&#62;db&#38;01</a>, not <code>{gone}</code>")
        );
        for (action, subject, html) in [
            ("ci.retire", item.to_string(), r#"<a href="/items/7">&#60;b&#62;db&#38;01</a>"#),
            ("catalogue.class.put", "till/x".to_owned(), r#"<a href="/classes/till%2Fx">till/x</a>"#),
            ("precedence.put", "server.owner".to_owned(), r#"<a href="/classes/server#rules">server.owner</a>"#),
            ("ci.create", r#"a"b"#.to_owned(), r#"<a href="/items?q=name%3D%22a%5C%22b%22">a&#34;b</a>"#),
            ("code.apply", "<x>".to_owned(), "&#60;x&#62;"),
        ] {
            assert_eq!(known.subject(action, &subject).to_string(), html, "{action}");
        }
    }
}
