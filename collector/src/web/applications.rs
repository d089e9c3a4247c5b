//! `GET /applications`: applications and business services, assembled from where they begin, kept current, confirmed by people.

use std::collections::{BTreeSet, HashSet};

use askama::Template;
use axum::{extract::Path, response::Response};
use rollcall_core::{
    Ci, Estate, Put,
    infer::{self, Boundary, Member},
    reconcile::commands::{self, Assembly},
};
use rollcall_shared::{CiId, RelationshipId};
use serde_json::Value;

use super::{
    fields::{Fields, link},
    format::count,
    problem::{Problem, sentence},
    visitor::{Form, Part, Shell, Visitor, done, refused, settled},
    words,
};
use crate::{
    api::applications::Start,
    query::{meant, meant::MeantError},
    store::Role,
    writer::WriteError,
};

/// Applications on the list, and parts on a page.
const MOST_ROWS: usize = 500;
/// Items that a form names to begin with.
const MOST_NAMED: usize = 20;

#[derive(Template)]
#[template(path = "applications.html")]
struct ListPage {
    shell: Shell,
    total: String,
    rows: Vec<Row>,
}

struct Row {
    id: CiId,
    name: String,
    class: String,
    parts: usize,
    drift: Option<usize>,
    owner: String,
}

/// `GET /applications`
pub(super) async fn list(visitor: Visitor) -> Response {
    let shell = visitor.shell(Part::Applications);
    let page = {
        let estate = visitor.app.estate();
        let mut found: Vec<&Ci> = estate.active_cis().filter(|ci| is_application(ci)).collect();
        found.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        let row = |ci: &&Ci| Row {
            id: ci.id,
            name: ci.name.clone(),
            class: words::class(estate.catalogue(), &ci.class).to_owned(),
            parts: parts(&estate, ci.id).count(),
            drift: is_assembled(ci).then(|| {
                let drift = infer::drift(&estate, ci.id, visitor.app.policy.shared_by);
                drift.appeared.len() + drift.not_reached.len()
            }),
            owner: ci.text("owner").unwrap_or_default().to_owned(),
        };
        ListPage { shell, total: count(found.len() as u64), rows: found.iter().take(MOST_ROWS).map(row).collect() }
    };
    visitor.page(&page)
}

fn is_application(ci: &Ci) -> bool {
    matches!(ci.class.as_str(), "application_service" | "business_service")
}

fn is_assembled(ci: &Ci) -> bool {
    ids(ci, "assembled_from").next().is_some()
}

fn ids<'a>(ci: &'a Ci, attribute: &str) -> impl Iterator<Item = CiId> + 'a {
    let texts = ci.value(attribute).and_then(Value::as_array).into_iter().flatten();
    texts.filter_map(|text| text.as_str()?.parse().ok())
}

fn parts(estate: &Estate, id: CiId) -> impl Iterator<Item = CiId> {
    estate.dependencies(id).filter(|edge| edge.kind == "part_of").map(|edge| edge.to)
}

#[derive(Template)]
#[template(path = "application_new.html")]
struct NewPage {
    shell: Shell,
    typed: Typed,
    problem: Option<String>,
    proposal: Option<Proposal>,
}

/// Where an application begins, as typed.
struct Typed {
    items: Vec<String>,
    entry: String,
    realm: String,
    select: String,
    name: String,
    business: bool,
}

struct Proposal {
    members: Vec<MemberRow>,
    boundary: Vec<BoundaryRow>,
    truncated: bool,
    /// What the form that makes it carries.
    start: Vec<CiId>,
}

struct MemberRow {
    id: CiId,
    name: String,
    class: String,
    hops: u32,
    because: String,
    left_out: bool,
}

struct BoundaryRow {
    id: CiId,
    name: String,
    why: String,
}

impl Typed {
    fn of(fields: &Fields) -> Self {
        Self {
            items: fields.all("item").filter(|text| !text.is_empty()).take(MOST_NAMED).map(str::to_owned).collect(),
            entry: fields.get("entry").to_owned(),
            realm: fields.get("realm").to_owned(),
            select: fields.get("select").to_owned(),
            name: fields.get("name").to_owned(),
            business: fields.get("class") == "business_service",
        }
    }

    fn is_empty(&self) -> bool {
        self.items.is_empty() && self.entry.is_empty() && self.select.is_empty()
    }

    /// The items that it begins with.
    fn start(&self, estate: &Estate, visitor: &Visitor) -> Result<Vec<CiId>, String> {
        let one =
            |text: &String| meant::one(estate, text, visitor.now).map(|id| id.0).map_err(|error: MeantError| sentence(&error.to_string()));
        let optional = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let start = Start {
            items: self.items.iter().map(one).collect::<Result<_, _>>()?,
            entries: optional(&self.entry).into_iter().collect(),
            realm: optional(&self.realm),
            select: optional(&self.select),
        };
        start.resolve(estate, &visitor.app.search).map_err(|refusal| sentence(&refusal.problem.detail))
    }
}

/// `GET /applications/new?item=…&entry=…&select=…`: what it would be made of.
pub(super) async fn new(visitor: Visitor) -> Response {
    let typed = Typed::of(&visitor.query);
    let shell = visitor.shell(Part::Applications);
    let page = {
        let estate = visitor.app.estate();
        let start = if typed.is_empty() { Ok(Vec::new()) } else { typed.start(&estate, &visitor) };
        let (proposal, problem) = match start {
            Ok(start) if start.is_empty() => (None, (!typed.is_empty()).then(|| "Nothing is found to begin with.".to_owned())),
            Ok(start) => (Some(proposal(&estate, start, &BTreeSet::new(), &visitor)), None),
            Err(problem) => (None, Some(problem)),
        };
        NewPage { shell, typed, problem, proposal }
    };
    visitor.page(&page)
}

fn proposal(estate: &Estate, start: Vec<CiId>, pruned: &BTreeSet<CiId>, visitor: &Visitor) -> Proposal {
    let found = infer::propose(estate, &start, pruned, visitor.app.policy.shared_by);
    Proposal {
        members: found.members.iter().take(MOST_ROWS).map(|one| member(estate, one)).collect(),
        boundary: found.boundary.iter().take(MOST_ROWS).map(|one| boundary(estate, one)).collect(),
        truncated: found.truncated || found.members.len() > MOST_ROWS,
        start,
    }
}

fn member(estate: &Estate, member: &Member) -> MemberRow {
    let ci = estate.ci(member.ci);
    MemberRow {
        id: member.ci,
        name: words::name_and_host(estate, member.ci),
        class: ci.map_or_else(String::new, |ci| words::class(estate.catalogue(), &ci.class).to_owned()),
        hops: member.hops,
        because: member.via.map_or_else(|| "it begins here".to_owned(), |via| because(estate, via)),
        left_out: false,
    }
}

fn boundary(estate: &Estate, boundary: &Boundary) -> BoundaryRow {
    BoundaryRow { id: boundary.ci, name: words::name_and_host(estate, boundary.ci), why: sentence(&boundary.why) }
}

/// The relationship that led somewhere, in words, with its evidence.
fn because(estate: &Estate, via: RelationshipId) -> String {
    let Some(edge) = estate.relationship(via) else { return String::new() };
    let evidence = edge.evidence.first().map(|one| match one.detail.is_empty() {
        true => words::method(one.method).to_owned(),
        false => format!("{}: {}", words::method(one.method), one.detail),
    });
    let said = format!("{} {} it", words::name_and_host(estate, edge.from), words::forward(estate.catalogue(), &edge.kind));
    match evidence {
        Some(evidence) => format!("{said} ({evidence})"),
        None => said,
    }
}

/// `POST /applications`
pub(super) async fn create(form: Form) -> Result<Response, Problem> {
    let visitor = &form.visitor;
    visitor.require(Role::AssetManager)?;
    let (start, pruned) = (form.fields.cis("start"), form.fields.cis("pruned"));
    let name = form.fields.get("name").to_owned();
    let back = {
        let ids: Vec<String> = start.iter().map(ToString::to_string).collect();
        link("/applications/new", ids.iter().map(|id| ("item", id.as_str())).chain([("name", name.as_str())]))
    };
    let assembly = Assembly { name: name.clone(), is_business_service: form.fields.get("class") == "business_service", start, pruned };
    let detail = format!("from {} items", assembly.start.len());
    let policy = visitor.app.policy.clone();
    let result = visitor
        .order("application.assemble", &name, detail, move |estate, order| commands::assemble(estate, &assembly, &policy, order))
        .await;
    match result {
        Ok(committed) => {
            let id = committed.changes.changes.iter().find_map(|change| match &change.put {
                Put::Ci(ci) => Some(ci.id),
                _ => None,
            });
            let to = id.map_or_else(|| "/applications".to_owned(), |id| format!("/applications/{id}"));
            Ok(done(&to, format!("{name} is assembled. What appears later is added and shown here until somebody confirms it.")))
        }
        Err(WriteError::Refused(by)) => Ok(refused(&back, sentence(&by.message))),
        Err(error) => Err(error.into()),
    }
}

#[derive(Template)]
#[template(path = "application.html")]
struct Page {
    shell: Shell,
    id: CiId,
    name: String,
    class: String,
    assembled: bool,
    begins: Vec<(CiId, String)>,
    appeared: Vec<MemberRow>,
    not_reached: Vec<(CiId, String)>,
    parts: Vec<MemberRow>,
    more: usize,
    pruned: Vec<(CiId, String)>,
}

/// `GET /applications/{id}`: parts and drift.
pub(super) async fn show(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Problem> {
    let id = find(&visitor, &id)?;
    let shell = visitor.shell(Part::Applications);
    let page = {
        let estate = visitor.app.estate();
        let ci = estate.ci(id).ok_or_else(nobody)?;
        let named = |id: CiId| (id, words::name_and_host(&estate, id));
        let drift = infer::drift(&estate, id, visitor.app.policy.shared_by);
        let unconfirmed: HashSet<CiId> = drift.appeared.iter().map(|one| one.ci).collect();
        let start: Vec<CiId> = ids(ci, "assembled_from").collect();
        let pruned: BTreeSet<CiId> = ids(ci, "pruned").collect();
        // Nearest first for what was assembled, by name for what was declared by hand.
        let reached = infer::propose(&estate, &start, &pruned, visitor.app.policy.shared_by);
        let made_of: HashSet<CiId> = parts(&estate, id).collect();
        let mut rows: Vec<MemberRow> = reached
            .members
            .iter()
            .filter(|one| made_of.contains(&one.ci) && !unconfirmed.contains(&one.ci))
            .map(|one| member(&estate, one))
            .collect();
        let known: HashSet<CiId> = reached.members.iter().map(|one| one.ci).collect();
        let gone: HashSet<CiId> = drift.not_reached.iter().copied().collect();
        let mut declared: Vec<MemberRow> = made_of
            .iter()
            .filter(|part| !known.contains(*part) && !gone.contains(*part))
            .map(|part| MemberRow { because: "declared".to_owned(), ..member(&estate, &Member { ci: *part, hops: 0, via: None }) })
            .collect();
        declared.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        rows.append(&mut declared);
        let more = rows.len().saturating_sub(MOST_ROWS);
        rows.truncate(MOST_ROWS);
        Page {
            shell,
            id,
            name: ci.name.clone(),
            class: words::class(estate.catalogue(), &ci.class).to_owned(),
            assembled: !start.is_empty(),
            begins: start.into_iter().map(named).collect(),
            appeared: drift.appeared.iter().take(MOST_ROWS).map(|one| member(&estate, one)).collect(),
            not_reached: drift.not_reached.iter().take(MOST_ROWS).map(|ci| named(*ci)).collect(),
            parts: rows,
            more,
            pruned: pruned.into_iter().map(named).collect(),
        }
    };
    Ok(visitor.page(&page))
}

fn find(visitor: &Visitor, id: &str) -> Result<CiId, Problem> {
    let id: CiId = id.parse().map_err(|_| nobody())?;
    visitor.app.estate().ci(id).filter(|ci| is_application(ci)).map(|ci| ci.id).ok_or_else(nobody)
}

fn nobody() -> Problem {
    Problem::not_found("There is no application at this address.")
}

/// `POST /applications/{id}/confirm`: all that is reached belongs to it, except what `pruned` names.
pub(super) async fn confirm(Path(id): Path<String>, form: Form) -> Result<Response, Problem> {
    let visitor = &form.visitor;
    visitor.require(Role::AssetManager)?;
    let id = find(visitor, &id)?;
    let page = format!("/applications/{id}");
    let pruned = form.fields.cis("pruned");
    let detail = format!("{} left out", pruned.len());
    let policy = visitor.app.policy.clone();
    let result = visitor
        .order("application.confirm", id, detail, move |estate, order| {
            commands::confirm_application(estate, id, None, &pruned, &policy, order)
        })
        .await;
    settled(result, &page, "Confirmed: this is what it is made of.", &page)
}
