//! `GET /imports`: hand a table in, look at what it would change, apply it, take it back.

use askama::Template;
use axum::{
    extract::{Multipart, Path},
    http::{HeaderValue, header},
    response::Response,
};
use rollcall_core::{Catalogue, reconcile::commands::RowState};
use serde_json::Value;
use uuid::Uuid;

use super::{
    confirm::Confirmation,
    fields::{Fields, link},
    format::{When, count, counted},
    problem::{Problem, sentence},
    visitor::{Form, Part, Shell, Visitor, done, refused},
};
use crate::{
    api::imports::Spool,
    auth::Refusal,
    import::{self, ColumnMapping, Handed, ImportError, ImportView, MappingChange, RowView},
    store::Role,
    table::{self, Format},
};

const PAGE: &str = "/imports";
/// Rows on one page.
const ROWS: usize = 50;
/// Bytes of a field beside the file.
const MAX_FIELD: usize = 1_024;

#[derive(Template)]
#[template(path = "imports.html")]
struct ListPage {
    shell: Shell,
    imports: Vec<Listed>,
    classes: Vec<(String, String)>,
}

struct Listed {
    href: String,
    file: String,
    source: String,
    state: &'static str,
    rows: String,
    by: String,
    when: When,
}

#[derive(Template)]
#[template(path = "import.html")]
struct ImportPage {
    shell: Shell,
    id: Uuid,
    file: String,
    source: String,
    state: &'static str,
    is_preview: bool,
    is_applied: bool,
    is_busy: bool,
    may_change: bool,
    summary: String,
    progress: String,
    problem: Option<String>,
    by: String,
    when: When,
    chips: Vec<Chip>,
    rows: Vec<Row>,
    next: Option<String>,
    columns: Vec<ColumnRow>,
    fields: Vec<String>,
    class: String,
    classes: Vec<(String, String)>,
    names_identify: bool,
    realm: String,
    changes: u64,
    left_out: u64,
}

struct Chip {
    label: String,
    number: String,
    href: String,
    current: bool,
}

struct ColumnRow {
    number: usize,
    /// What the form's field is called.
    input: String,
    heading: String,
    field: String,
}

struct Row {
    number: u64,
    state: String,
    name: String,
    href: Option<String>,
    class: String,
    reason: String,
    fields: Vec<FieldLine>,
    problems: Vec<(String, String)>,
}

struct FieldLine {
    field: String,
    old: String,
    new: String,
    note: String,
}

fn words(state: &str) -> &'static str {
    match state {
        "reading" => "being read",
        "preview" => "preview",
        "applying" => "being applied",
        "applied" => "applied",
        "undoing" => "being taken back",
        "undone" => "taken back",
        _ => "not readable",
    }
}

fn classes(catalogue: &Catalogue) -> Vec<(String, String)> {
    let mut classes: Vec<_> = catalogue.classes().map(|class| (class.name.clone(), class.label.clone())).collect();
    classes.sort_by(|(_, a), (_, b)| a.cmp(b));
    classes
}

fn problem(error: ImportError) -> Problem {
    Problem::from_refusal(Refusal::from(error).problem)
}

/// `GET /imports`
pub(super) async fn list(visitor: Visitor) -> Result<Response, Problem> {
    let imports = import::list(&visitor.app, 50).await.map_err(problem)?;
    let listed = |import: ImportView| Listed {
        href: format!("{PAGE}/{}", import.id),
        state: words(&import.state),
        rows: count(import.rows),
        when: When::new(import.created.0, visitor.now),
        file: import.file,
        source: import.source,
        by: super::words::actor(&import.by),
    };
    let page = ListPage {
        shell: visitor.shell(Part::Inventory),
        imports: imports.into_iter().map(listed).collect(),
        classes: classes(&visitor.app.catalogue()),
    };
    Ok(visitor.page(&page))
}

/// `POST /imports`: a form with a file. What proves that it is ours stands before the file, so that nobody else's file is read.
pub(super) async fn hand_in(visitor: Visitor, mut form: Multipart) -> Result<Response, Problem> {
    visitor.require(Role::AssetManager)?;
    let unreadable = || Problem::invalid("The form did not come in whole.");
    let (mut source, mut class, mut realm, mut names_identify, mut proven) = (String::new(), String::new(), None, false, false);
    let mut file: Option<(Spool, String)> = None;
    let mut said = Fields::default();
    while let Some(mut field) = form.next_field().await.map_err(|_| unreadable())? {
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" {
            if !proven {
                return Err(Problem::stale_form());
            }
            let file_name = field.file_name().unwrap_or_default().to_owned();
            let mut spool = Spool::new(&visitor.app.config.data_dir).map_err(|refusal| Problem::from_refusal(refusal.problem))?;
            while let Some(piece) = field.chunk().await.map_err(|_| unreadable())? {
                spool.add(&piece).map_err(|refusal| Problem::from_refusal(refusal.problem))?;
            }
            file = Some((spool, file_name));
            continue;
        }
        let mut text = Vec::new();
        while let Some(piece) = field.chunk().await.map_err(|_| unreadable())? {
            if text.len() + piece.len() > MAX_FIELD {
                return Err(Problem::invalid(format!("The field {name:?} is longer than {MAX_FIELD} bytes.")));
            }
            text.extend_from_slice(&piece);
        }
        let text = String::from_utf8_lossy(&text).trim().to_owned();
        said.add(&name, &text);
        match name.as_str() {
            "csrf" => proven = visitor.actor.csrf_holds(Some(&text)),
            "source" => source = text,
            "class" => class = text,
            "realm" => realm = Some(text).filter(|realm| !realm.is_empty()),
            "names_identify" => names_identify = text == "yes",
            _ => {}
        }
    }
    if !proven {
        return Err(Problem::stale_form());
    }
    visitor.keep(&said);
    let Some((spool, file_name)) = file.filter(|(_, name)| !name.is_empty()) else {
        return Ok(refused(PAGE, "Choose a file first."));
    };
    let handed = Handed {
        file: spool.file(),
        file_name,
        format: None::<Format>,
        source,
        mapping: MappingChange { columns: Vec::new(), class: Some(class), names_identify: Some(names_identify), realm },
        by: visitor.actor.audit_name(),
    };
    match import::hand_in(&visitor.app, handed).await {
        Ok(import) => Ok(axum::response::IntoResponse::into_response(axum::response::Redirect::to(&format!("{PAGE}/{}", import.id)))),
        Err(ImportError::Wrong { field, message }) => Ok(refused(PAGE, sentence(&format!("{field}: {message}")))),
        Err(error) => Err(problem(error)),
    }
}

fn import_id(text: &str) -> Result<Uuid, Problem> {
    text.parse().map_err(|_| Problem::not_found("There is no such import."))
}

/// `GET /imports/{id}?state=…&after=…`
pub(super) async fn show(Path(id): Path<String>, visitor: Visitor) -> Result<Response, Problem> {
    let id = import_id(&id)?;
    let import = import::find(&visitor.app, id).await.map_err(problem)?;
    let asked = visitor.query.get("state");
    let state = RowState::ALL.into_iter().find(|state| state.as_str() == asked);
    let after = visitor.query.get("after").parse().unwrap_or(0);
    let (rows, next) = match import.state.as_str() {
        "reading" | "failed" => (Vec::new(), None),
        _ => import::rows(&visitor.app, id, state, after, ROWS).await.map_err(problem)?,
    };
    let here = format!("{PAGE}/{id}");
    let counts = import.counts;
    let chip = |label: &str, number: u64, state: Option<RowState>| Chip {
        label: label.to_owned(),
        number: count(number),
        href: link(&here, [("state", state.map_or("", RowState::as_str))]),
        current: state.map_or("", RowState::as_str) == asked,
    };
    let labels = [("New", RowState::Create), ("Changed", RowState::Update), ("Unchanged", RowState::Unchanged)];
    let labels = labels.into_iter().chain([("Conflicts", RowState::Conflict), ("Errors", RowState::Error)]);
    let mut chips = vec![chip("All rows", RowState::ALL.into_iter().map(|state| counts.of(state)).sum(), None)];
    chips.extend(labels.map(|(label, state)| chip(label, counts.of(state), Some(state))));
    let is_busy = import.is_busy() && import.problem.is_none();
    let left_out = counts.conflict + counts.error;
    let catalogue = visitor.app.catalogue();
    let page = ImportPage {
        shell: visitor.shell(Part::Inventory),
        id,
        state: words(&import.state),
        is_preview: import.state == "preview",
        is_applied: import.state == "applied",
        is_busy,
        may_change: visitor.actor.require(Role::AssetManager).is_ok(),
        summary: summary(&import),
        progress: format!("{} of {} rows", count(import.done), count(import.rows)),
        problem: import.problem.as_ref().map(|problem| {
            let row = problem.row.map(|row| format!("Row {row}: ")).unwrap_or_default();
            let column = problem.column.as_ref().map(|column| format!("column {column:?}: ")).unwrap_or_default();
            sentence(&format!("{row}{column}{}", problem.message))
        }),
        when: When::new(import.created.0, visitor.now),
        chips,
        rows: rows.into_iter().map(row).collect(),
        next: next.map(|next| link(&here, [("state", asked), ("after", next.to_string().as_str())])),
        columns: import
            .columns
            .iter()
            .enumerate()
            .map(|(number, column)| ColumnRow {
                number,
                input: format!("column-{number}"),
                heading: column.heading.clone(),
                field: column.field.clone(),
            })
            .collect(),
        fields: field_names(&catalogue),
        class: import.class.clone().unwrap_or_default(),
        classes: classes(&catalogue),
        names_identify: import.names_identify,
        realm: import.realm.clone(),
        changes: counts.create + counts.update,
        left_out,
        file: import.file,
        source: import.source,
        by: super::words::actor(&import.by),
    };
    let mut response = visitor.page(&page);
    if is_busy {
        response.headers_mut().insert(header::REFRESH, HeaderValue::from_static("1"));
    }
    Ok(response)
}

fn summary(import: &ImportView) -> String {
    let counts = &import.counts;
    let changes = counted(usize::try_from(counts.create + counts.update).unwrap_or(usize::MAX), "row changes", "rows change");
    match import.state.as_str() {
        "preview" => format!("{changes} something. Nothing has happened yet."),
        "applied" => format!("{} made, {} changed.", counted(counts.create as usize, "item", "items"), count(counts.update)),
        "undone" if import.left > 0 => {
            format!("Taken back, except of {}, which somebody has changed since.", counted(import.left as usize, "item", "items"))
        }
        "undone" => "Taken back as a whole.".to_owned(),
        _ => String::new(),
    }
}

/// Every field that a column may say.
fn field_names(catalogue: &Catalogue) -> Vec<String> {
    let mut names: Vec<String> = ["ignore", "name", "class", "lifecycle", "id", "external_id"].map(str::to_owned).to_vec();
    let mut attributes: Vec<&str> = catalogue.attribute_names().collect();
    attributes.sort_unstable();
    attributes.dedup();
    names.extend(attributes.into_iter().map(str::to_owned));
    for kind in catalogue.relationship_types() {
        names.extend([format!("relationship:{}", kind.name), format!("relationship:^{}", kind.name)]);
    }
    names
}

fn row(row: RowView) -> Row {
    let text = |value: &Value| table::text(value).into_owned();
    Row {
        number: row.row,
        href: row.ci.map(|ci| format!("/items/{ci}")),
        fields: row
            .fields
            .iter()
            .map(|field| FieldLine {
                field: field.field.strip_prefix("attributes.").unwrap_or(&field.field).to_owned(),
                old: field.old.as_ref().map(text).unwrap_or_default(),
                new: text(&field.new),
                note: field.note.clone().unwrap_or_default(),
            })
            .collect(),
        problems: row.problems.into_iter().map(|problem| (problem.column.unwrap_or_default(), sentence(&problem.message))).collect(),
        state: row.state,
        name: row.name,
        class: row.class,
        reason: row.reason,
    }
}

/// What is asked before an import is taken back.
fn undoing(import: &ImportView, here: &str) -> Confirmation {
    let file = if import.file.is_empty() { "this import" } else { &import.file };
    let items = |number: u64| counted(usize::try_from(number).unwrap_or(usize::MAX), "item", "items");
    let (made, changed) = (items(import.counts.create), items(import.counts.update));
    let says = format!(
        "What it made is retired ({made}), and what it changed says again what it said before ({changed}). What somebody has changed since stays."
    );
    Confirmation::new(Part::Inventory, format!("Take {file} back?"), says, "Take it back", here)
}

/// `POST /imports/{id}/{order}`: mapping, apply, undo.
pub(super) async fn order(Path((id, order)): Path<(String, String)>, form: Form) -> Result<Response, Problem> {
    let visitor = &form.visitor;
    visitor.require(Role::AssetManager)?;
    let id = import_id(&id)?;
    let here = format!("{PAGE}/{id}");
    let by = visitor.actor.audit_name();
    if order == "undo" {
        let import = import::find(&visitor.app, id).await.map_err(problem)?;
        if let Some(ask) = form.unless_confirmed(|| undoing(&import, &here)) {
            return Ok(ask);
        }
    }
    let (result, text) = match order.as_str() {
        "apply" => (import::apply(&visitor.app, id, by).await, "It is being applied."),
        "undo" => (import::undo(&visitor.app, id, by).await, "It is being taken back."),
        "mapping" => {
            let known = import::find(&visitor.app, id).await.map_err(problem)?;
            let columns = known.columns.into_iter().enumerate();
            let columns = columns.map(|(number, column)| ColumnMapping {
                field: form.fields.get(&format!("column-{number}")).to_owned(),
                heading: column.heading,
            });
            let change = MappingChange {
                columns: columns.collect(),
                class: Some(form.fields.get("class").to_owned()),
                names_identify: Some(form.fields.get("names_identify") == "yes"),
                realm: Some(form.fields.get("realm").to_owned()).filter(|realm| !realm.is_empty()),
            };
            (import::change_mapping(&visitor.app, id, &change).await, "It is read again.")
        }
        _ => return Err(Problem::not_found("There is nothing to do here.")),
    };
    match result {
        Ok(_) => Ok(done(&here, text)),
        Err(error @ (ImportError::Wrong { .. } | ImportError::State { .. })) => Ok(refused(&here, sentence(&error.to_string()))),
        Err(error) => Err(problem(error)),
    }
}
