//! Items that may be one: the report, two beside each other, and what a person decides. And what changed between two instants.

use askama::Template;
use axum::response::Response;
use rollcall_core::reconcile::commands;
use rollcall_shared::CiId;

use super::{
    confirm::Confirmation,
    fields::link,
    format::{self, Exactly},
    mentions::{Known, Mentions},
    problem::{Problem, sentence},
    visitor::{Form, Part, Shell, Visitor, settled},
    words,
};
use crate::{
    api::{
        diff::{self, ChangeView, DiffView, Question},
        identity::{self, ComparisonView, DuplicateView},
    },
    cli::identity::parse_instant,
    query::Filter,
    store::Role,
};

/// Pairs on one page.
const PAGE: usize = 50;

#[derive(Template)]
#[template(path = "duplicates.html")]
struct Report {
    shell: Shell,
    pairs: Vec<DuplicateView>,
    total: usize,
    strength: String,
    next: Option<String>,
}

/// `GET /duplicates?strength=…&after=…`
pub(super) async fn show(visitor: Visitor) -> Result<Response, Problem> {
    let strength = visitor.query.get("strength").to_owned();
    let wanted = Some(strength.as_str()).filter(|it| ["strong", "fair", "weak"].contains(it));
    let from = visitor.query.get("after").parse().unwrap_or(0);
    let page = identity::report(&visitor.app.estate(), &visitor.app.policy, wanted, from, PAGE, visitor.now);
    let next = page.next.map(|next| link("/duplicates", [("strength", strength.as_str()), ("after", next.as_str())]));
    let total = page.total.unwrap_or_default();
    Ok(visitor.page(&Report { shell: visitor.shell(Part::Inventory), pairs: page.items, total, strength, next }))
}

#[derive(Template)]
#[template(path = "compare.html")]
struct Compare {
    shell: Shell,
    it: ComparisonView,
}

/// `GET /compare?a=…&b=…`
pub(super) async fn compare(visitor: Visitor) -> Result<Response, Problem> {
    let id = |name: &str| visitor.query.get(name).parse::<CiId>();
    let nobody = || Problem::not_found("One of the two is not a configuration item.");
    let (Ok(a), Ok(b)) = (id("a"), id("b")) else { return Err(nobody()) };
    let it = identity::comparison(&visitor.app.estate(), &visitor.app.policy, a, b, visitor.now);
    let mut it = it.ok_or_else(nobody)?;
    {
        let estate = visitor.app.estate();
        for key in &mut it.keys {
            key.kind = words::key_kind(&key.kind);
            key.a.iter_mut().chain(&mut key.b).for_each(|value| *value = words::key_value(&estate, value));
        }
    }
    it.rules.iter_mut().for_each(|rule| rule.verdict = rule.verdict.replace('_', " "));
    it.standing = it.standing.replace('_', " ");
    Ok(visitor.page(&Compare { shell: visitor.shell(Part::Inventory), it }))
}

/// `POST /duplicates`
pub(super) async fn decide(form: Form) -> Result<Response, Problem> {
    form.visitor.require(Role::AssetManager)?;
    let id = |name: &str| form.fields.get(name).parse::<CiId>().map_err(|_| Problem::not_found("There is no such item."));
    let (one, other, reason) = (id("one")?, id("other")?, form.fields.get("reason").to_owned());
    match form.fields.get("decision") {
        "merge" => {
            if let Some(ask) = form.unless_confirmed(|| {
                merging(&form.visitor, one, other, link("/compare", [("a", form.fields.get("one")), ("b", form.fields.get("other"))]))
            }) {
                return Ok(ask);
            }
            let make = move |estate: &_, order: commands::Order<'_>| commands::merge_cis(estate, one, other, &reason, order);
            let result = form.visitor.order("ci.merge", one, format!("with {other}"), make).await;
            let page = format!("/items/{one}?view=identity");
            settled(result, &page, "They are one item now. Splitting takes it back exactly.", "/duplicates")
        }
        "keep_apart" => {
            let make = move |estate: &_, order: commands::Order<'_>| commands::keep_apart(estate, one, other, &reason, order);
            let result = form.visitor.order("ci.keep_apart", one, format!("from {other}"), make).await;
            settled(result, "/duplicates", "They stay two items; this is not asked again.", "/duplicates")
        }
        _ => Err(Problem::invalid("There is no such decision.")),
    }
}

/// What is asked before two items become one.
pub(super) fn merging(visitor: &Visitor, one: CiId, other: CiId, back: String) -> Confirmation {
    let estate = visitor.app.estate();
    let (one, other) = (words::name_and_host(&estate, one), words::name_and_host(&estate, other));
    let says = format!("{other} goes on as {one}, with its relationships and its history. Splitting takes it back exactly.");
    Confirmation::new(Part::Inventory, format!("Make {other} part of {one}?"), says, "Merge", back)
}

#[derive(Template)]
#[template(path = "changes.html")]
struct Changes {
    shell: Shell,
    from: String,
    to: String,
    filter: String,
    problem: Option<String>,
    it: Option<DiffView>,
    /// Of each change: when, who, why.
    said: Vec<Option<Saying>>,
    next: Option<String>,
}

/// When something changed, by whom, and why.
struct Saying {
    at: Exactly,
    actor: Mentions,
    reason: Mentions,
}

/// `GET /changes?from=…&to=…&q=…`
pub(super) async fn changes(visitor: Visitor) -> Result<Response, Problem> {
    let text = |name: &str, otherwise: &str| {
        let said = visitor.query.get(name);
        if said.is_empty() { otherwise.to_owned() } else { said.to_owned() }
    };
    let (from, to, filter) = (text("from", "1d"), text("to", ""), text("q", ""));
    let shell = visitor.shell(Part::Inventory);
    let question = question(&visitor, &from, &to, &filter);
    let (it, problem) = match question {
        Ok(question) => {
            let mut answer = diff::answer(&visitor.app, &question).await.map_err(|refusal| Problem::from_refusal(refusal.problem))?;
            in_words(&visitor, &mut answer);
            (Some(answer), None)
        }
        Err(problem) => (None, Some(sentence(&problem))),
    };
    let next = it
        .as_ref()
        .and_then(|it| it.next.as_deref())
        .map(|next| link("/changes", [("from", from.as_str()), ("to", to.as_str()), ("q", filter.as_str()), ("after", next)]));
    let said = match &it {
        Some(it) => sayings(&visitor, it).await,
        None => Vec::new(),
    };
    Ok(visitor.page(&Changes { shell, from, to, filter, problem, it, said, next }))
}

async fn sayings(visitor: &Visitor, it: &DiffView) -> Vec<Option<Saying>> {
    let texts: Vec<&str> = it.items.iter().flat_map(|change| [&change.actor, &change.reason]).filter_map(Option::as_deref).collect();
    let known = Known::of_reasons(visitor, &texts).await;
    let saying = |change: &ChangeView| {
        let (actor, reason) = (change.actor.as_deref()?, change.reason.as_deref().unwrap_or_default());
        Some(Saying { at: Exactly::new(change.at?.0, visitor.now), actor: known.actor(actor), reason: known.in_words(&sentence(reason)) })
    };
    it.items.iter().map(saying).collect()
}

/// Classes, attributes and values as people read them. Every value is a text afterwards.
fn in_words(visitor: &Visitor, it: &mut DiffView) {
    let estate = visitor.app.estate();
    let catalogue = estate.catalogue();
    for group in &mut it.groups {
        let many = match group.kind.as_str() {
            "relationship" => format!("“{}”", words::forward(catalogue, &group.class)),
            _ if group.count == 1 => words::class(catalogue, &group.class).to_owned(),
            _ => words::classes(catalogue, &group.class).to_owned(),
        };
        group.class = many;
    }
    for change in &mut it.items {
        // What its heading says already, and what is no one's to read.
        let told: &[&str] = if change.change == "changed" { &["agent"] } else { &["agent", "class", "name"] };
        change.fields.retain(|field| !told.contains(&field.name.as_str()));
        for field in &mut change.fields {
            let definition = field.name.strip_prefix("attributes.").and_then(|name| catalogue.attribute(&change.class, name));
            for value in [&mut field.before, &mut field.after].into_iter().flatten() {
                let text = format::value(definition, value, visitor.now).join(", ");
                *value = serde_json::Value::String(text);
            }
            let label = definition.map_or_else(|| field.name.replace('_', " "), |definition| definition.label.clone());
            field.name = label;
        }
        let class = match change.kind.as_str() {
            "relationship" => words::forward(catalogue, &change.class).to_owned(),
            _ => words::class(catalogue, &change.class).to_owned(),
        };
        change.class = class;
        change.kind = match change.kind.as_str() {
            "ci" => String::new(),
            kind => kind.replace('_', " "),
        };
    }
}

fn question(visitor: &Visitor, from: &str, to: &str, filter: &str) -> Result<Question, String> {
    let instant = |text: &str| {
        parse_instant(text, visitor.now)
            .ok_or_else(|| format!("{text:?} is no instant; say 2026-03-02T08:00:00Z, 2026-03-02, or an age such as 3d or 12h."))
    };
    let from = instant(from)?;
    let to = if to.is_empty() { visitor.now } else { instant(to)? };
    if from > to {
        return Err("The first instant is later than the second; name the earlier one first.".to_owned());
    }
    let filter = Filter::parse(visitor.app.estate().catalogue(), filter).map_err(|error| error.to_string())?;
    Ok(Question { from, to, filter, kind: None, after: diff::cursor(visitor.query.get("after")), limit: 100 })
}
