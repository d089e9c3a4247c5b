//! The work on an import: read, preview, apply, take back. Each step is a task of its own that notes how far it is; a collector that stops
//! in the middle leaves a job that goes on when it is ordered again.

use std::{
    collections::HashMap,
    fs::File,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rollcall_core::{
    Catalogue, Ci, Source,
    catalogue::AttributeKind,
    reconcile::commands::{
        Order, Row, RowIndex, RowOutcome, RowProblem, RowRules, RowState, RowsSeen, UndoStep, UndoneState, plan_rows, settle_questions,
        undo_rows,
    },
};
use rollcall_shared::{CiId, Timestamp};
use serde::{Serialize, de::DeserializeOwned};
use tokio::runtime::Handle;
use uuid::Uuid;

use super::{
    mapping::{self, ColumnMapping, Field},
    view::{Body, Counts, ImportView, MappingChange, ProblemView, RowView},
};
use crate::{
    app::SharedApp,
    realm,
    store::{CiVersion, ImportId, ImportPart, ImportRecord, ImportState, StoreError},
    table::{self, Format, Record, TableError},
    writer::{Audit, Command, WriteError},
};

/// Rows in one part: one transaction when they are applied.
const PART: usize = 500;
/// A job that has not gone on for so long was left by a collector that stopped.
const STALE_MS: i64 = 60_000;
/// Characters of a file's name that are kept.
const MAX_FILE_NAME: usize = 200;
/// How often a part is offered to a writer that is busy.
const TRIES: u32 = 100;
const BUSY_PAUSE: Duration = Duration::from_millis(200);

/// A table that somebody hands in.
pub(crate) struct Handed {
    /// The file.
    pub(crate) file: File,
    /// Its name.
    pub(crate) file_name: String,
    /// Its format, if it was named.
    pub(crate) format: Option<Format>,
    /// The name of the source whose word it is.
    pub(crate) source: String,
    /// How columns are to be read, as far as it was said.
    pub(crate) mapping: MappingChange,
    /// Who, for the audit log.
    pub(crate) by: String,
}

/// Why an import is not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    /// There is none of that id.
    #[error("there is no import {0}; it may have been deleted by age")]
    Unknown(ImportId),
    /// It is not in a state in which that can be done.
    #[error("the import is {state}: {hint}")]
    State {
        /// Its state.
        state: &'static str,
        /// What to do instead.
        hint: &'static str,
    },
    /// Something about the order is wrong.
    #[error("{field}: {message}")]
    Wrong {
        /// Which part of the order.
        field: &'static str,
        /// What, and what to do.
        message: String,
    },
    /// The file cannot be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The store failed.
    #[error("the import could not be stored")]
    Store(#[from] StoreError),
    /// The writer did not take it.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A fault of this program.
    #[error("the import ended in a fault; the collector's log says more")]
    Fault,
}

/// An import in work.
struct Work {
    app: SharedApp,
    record: ImportRecord,
    body: Body,
}

impl Work {
    async fn find(app: &SharedApp, id: ImportId) -> Result<Self, ImportError> {
        let record = app.store.import(id).await?.ok_or(ImportError::Unknown(id))?;
        let body = serde_json::from_value(record.body.clone()).map_err(|_| ImportError::Fault)?;
        Ok(Self { app: app.clone(), record, body })
    }

    fn view(&self) -> ImportView {
        ImportView::of(&self.record, &self.body)
    }

    /// Notes how far it is. Fails if somebody else has gone on with it.
    async fn save(&mut self, state: ImportState) -> Result<bool, ImportError> {
        let (from, before) = (self.record.state, self.record.updated_at);
        let now = Timestamp::now();
        self.record.state = state;
        self.record.updated_at = if now > before { now } else { before.plus_millis(1) };
        self.record.body = serde_json::to_value(&self.body).map_err(|_| ImportError::Fault)?;
        let saved = self.app.store.advance_import(&self.record, from, before, now.plus_millis(-STALE_MS)).await?;
        if !saved {
            (self.record.state, self.record.updated_at) = (from, before);
        }
        Ok(saved)
    }

    async fn must_save(&mut self, state: ImportState) -> Result<(), ImportError> {
        match self.save(state).await? {
            true => Ok(()),
            false => Err(ImportError::State { state: "being worked on elsewhere", hint: "look at it again" }),
        }
    }

    fn mark(&self) -> String {
        format!("import {}", self.record.id)
    }

    fn source(&self) -> Source {
        Source::Import(self.record.source.clone())
    }

    fn rules(&self) -> RowRules {
        RowRules {
            source: self.source(),
            mark: self.mark(),
            default_class: self.body.class.clone(),
            names_identify: self.body.names_identify,
            realm: self.body.realm.clone(),
        }
    }

    fn fields(&self) -> Vec<Field> {
        let catalogue = self.app.catalogue();
        self.body.columns.iter().map(|column| Field::parse(&catalogue, &column.field).unwrap_or(Field::Ignore)).collect()
    }

    fn parts(&self) -> u32 {
        u32::try_from(self.body.parts.len()).unwrap_or(u32::MAX)
    }

    async fn part(&self, number: u32) -> Result<ImportPart, ImportError> {
        self.app.store.import_part(self.record.id, number).await?.ok_or(ImportError::Fault)
    }

    /// The column of a field, by its heading.
    fn heading(&self, field: &str) -> Option<String> {
        let name = field.strip_prefix("attributes.").unwrap_or(field);
        self.body.columns.iter().find(|column| column.field == name).map(|column| column.heading.clone())
    }

    /// The rows of a part as what they say; rows with wrong cells are decided already.
    fn read(&self, part: &ImportPart, fields: &[Field]) -> Result<(Vec<Row>, Vec<RowOutcome>), ImportError> {
        let records: Vec<Record> = unpack(&part.rows)?;
        let (mut rows, mut wrong) = (Vec::with_capacity(records.len()), Vec::new());
        let catalogue = self.app.catalogue();
        for record in &records {
            match mapping::row(&catalogue, record, fields, self.body.class.as_deref()) {
                Ok(row) => rows.push(row),
                Err((row, problems)) => wrong.push(RowOutcome {
                    number: row.number,
                    state: RowState::Error,
                    ci: None,
                    name: row.name.unwrap_or_default(),
                    class: row.class.or_else(|| self.body.class.clone()).unwrap_or_default(),
                    reason: String::new(),
                    fields: Vec::new(),
                    problems: problems.into_iter().map(|(field, message)| RowProblem { field, message }).collect(),
                    waits: false,
                }),
            }
        }
        Ok((rows, wrong))
    }

    fn views(&self, outcomes: Vec<RowOutcome>, is_preview: bool) -> Vec<RowView> {
        let mut views: Vec<RowView> =
            outcomes.into_iter().map(|outcome| RowView::of(outcome, is_preview, &|field| self.heading(field))).collect();
        views.sort_by_key(|view| view.row);
        views
    }

    /// The names of all rows, where rows refer to each other by name.
    async fn names(&self, fields: &[Field]) -> Result<RowsSeen, ImportError> {
        let mut seen = RowsSeen::default();
        let catalogue = self.app.catalogue();
        let is_reference = |name: &str| catalogue.any_attribute(name).is_some_and(|known| known.kind == AttributeKind::Reference);
        let refers = |field: &Field| match field {
            Field::Relationship { .. } => true,
            Field::Attribute(name) => is_reference(name),
            _ => false,
        };
        if !fields.iter().any(refers) {
            return Ok(seen);
        }
        for number in 0..self.parts() {
            let (rows, _) = self.read(&self.part(number).await?, fields)?;
            rows.iter().filter_map(|row| row.name.as_deref()).for_each(|name| seen.note_name(name));
        }
        Ok(seen)
    }

    /// Ends a task: what went wrong is written down where people look.
    async fn end(mut self, result: Result<(), ImportError>) {
        let Err(error) = result else { return };
        tracing::warn!(import = %self.record.id, error = &error as &dyn std::error::Error, "an import did not go on");
        if matches!(error, ImportError::State { .. }) {
            return;
        }
        self.body.problem = Some(match error {
            ImportError::Table(error) => error.into(),
            other => ProblemView { message: other.to_string(), row: None, column: None, limit: None },
        });
        // What has changed the estate stays where it can go on.
        let state = if self.record.state == ImportState::Reading { ImportState::Failed } else { self.record.state };
        if let Err(error) = self.save(state).await {
            tracing::error!(import = %self.record.id, error = &error as &dyn std::error::Error, "nor could that be stored");
        }
    }
}

/// Takes a table in and begins to read it.
pub(crate) async fn hand_in(app: &SharedApp, mut handed: Handed) -> Result<ImportView, ImportError> {
    check_source(&handed.source)?;
    let now = Timestamp::now();
    let start = table::start_of(&mut handed.file).map_err(|_| ImportError::Fault)?;
    let mut body = Body {
        file: handed.file_name.chars().filter(|character| !character.is_control()).take(MAX_FILE_NAME).collect(),
        format: handed.format.unwrap_or_else(|| Format::detect(&start, &handed.file_name)),
        by: handed.by,
        columns: Vec::new(),
        class: None,
        names_identify: false,
        realm: realm::DEFAULT.to_owned(),
        rows: 0,
        parts: Vec::new(),
        done: 0,
        left: 0,
        waiting: Vec::new(),
        problem: None,
    };
    let catalogue = app.catalogue();
    change(&catalogue, &mut body, &MappingChange { columns: Vec::new(), ..handed.mapping.clone() })?;
    check_columns(&catalogue, &handed.mapping.columns)?;
    let record = ImportRecord {
        id: Uuid::now_v7(),
        state: ImportState::Reading,
        source: handed.source,
        created_at: now,
        updated_at: now,
        body: serde_json::to_value(&body).map_err(|_| ImportError::Fault)?,
    };
    app.store.create_import(&record).await?;
    let mut work = Work { app: app.clone(), record, body };
    let view = work.view();
    tokio::spawn(async move {
        let result = read(&mut work, handed.file, handed.mapping.columns).await;
        work.end(result).await;
    });
    Ok(view)
}

fn check_source(source: &str) -> Result<(), ImportError> {
    let fits = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    if (1..=64).contains(&source.len()) && source.chars().all(fits) {
        return Ok(());
    }
    let message = "a name for who says this, of 1 to 64 letters, digits, dots, hyphens and underscores, is needed".to_owned();
    Err(ImportError::Wrong { field: "source", message })
}

fn check_columns(catalogue: &Catalogue, columns: &[ColumnMapping]) -> Result<(), ImportError> {
    for column in columns {
        Field::parse(catalogue, &column.field).map_err(|message| ImportError::Wrong { field: "columns", message })?;
    }
    Ok(())
}

fn change(catalogue: &Catalogue, body: &mut Body, wanted: &MappingChange) -> Result<(), ImportError> {
    check_columns(catalogue, &wanted.columns)?;
    for column in &wanted.columns {
        let Some(known) = body.columns.iter_mut().find(|known| known.heading == column.heading) else {
            let message = format!("the table has no column {:?}", column.heading.chars().take(80).collect::<String>());
            return Err(ImportError::Wrong { field: "columns", message });
        };
        known.field = Field::parse(catalogue, &column.field).map_or_else(|_| "ignore".to_owned(), |field| field.to_string());
    }
    let fields: Vec<&str> = body.columns.iter().map(|column| column.field.as_str()).filter(|field| *field != "ignore").collect();
    if let Some(twice) = fields.iter().enumerate().find(|(number, field)| fields[..*number].contains(field)) {
        let message = format!("two columns are to say {:?}; ignore one of them", twice.1);
        return Err(ImportError::Wrong { field: "columns", message });
    }
    if let Some(class) = &wanted.class {
        body.class = match class.trim() {
            "" => None,
            named => Some(match mapping::class_named(catalogue, named) {
                Some(class) => class.name.clone(),
                None => {
                    let message =
                        format!("there is no class {:?}; GET /api/v1/classes lists them", named.chars().take(80).collect::<String>());
                    return Err(ImportError::Wrong { field: "class", message });
                }
            }),
        };
    }
    body.names_identify = wanted.names_identify.unwrap_or(body.names_identify);
    if wanted.realm.is_some() {
        let checked = realm::checked(wanted.realm.as_deref());
        body.realm = checked.map_err(|problem| ImportError::Wrong { field: "realm", message: problem.to_owned() })?;
    }
    Ok(())
}

/// Reads the file into parts, then says what its columns mean and what it would change.
async fn read(work: &mut Work, file: File, columns: Vec<ColumnMapping>) -> Result<(), ImportError> {
    let (id, app, format) = (work.record.id, work.app.clone(), work.body.format);
    let runtime = Handle::current();
    let reading = tokio::task::spawn_blocking(move || {
        let mut samples: Vec<Option<String>> = Vec::new();
        let (mut part, mut parts, mut rows) = (Vec::with_capacity(PART), 0_u32, 0_u64);
        let mut failed = None;
        let mut keep = |part: &mut Vec<Record>| -> Result<(), ImportError> {
            let packed = ImportPart { rows: pack(part)?, results: None };
            runtime.block_on(app.store.put_import_part(id, parts, &packed))?;
            parts += 1;
            part.clear();
            Ok(())
        };
        let result = table::read(file, format, &mut |record| {
            rows += 1;
            for (column, value) in &record.cells {
                let column = *column as usize;
                if samples.len() <= column {
                    samples.resize(column + 1, None);
                }
                samples[column].get_or_insert_with(|| table::text(value).trim().chars().take(100).collect());
            }
            part.push(record);
            if part.len() < PART {
                return Ok(());
            }
            keep(&mut part).map_err(|error| {
                failed = Some(error);
                TableError { row: None, column: None, message: "not stored".to_owned(), limit: None }
            })
        });
        match (failed, result) {
            (Some(error), _) => Err(error),
            (None, Err(error)) => Err(error.into()),
            (None, Ok(headings)) => {
                if !part.is_empty() {
                    keep(&mut part)?;
                }
                Ok((headings, samples, parts, rows))
            }
        }
    });
    let (headings, samples, parts, rows) = reading.await.map_err(|_| ImportError::Fault)??;
    let sample = |column: usize| samples.get(column).cloned().flatten();
    work.body.columns = mapping::guess(&work.app.catalogue(), &headings, work.body.class.as_deref(), &sample);
    (work.body.rows, work.body.parts) = (rows, vec![Counts::default(); parts as usize]);
    // A column that somebody has named takes its meaning from another that was only guessed.
    for wanted in &columns {
        let guessed = work.body.columns.iter_mut().filter(|known| known.field == wanted.field && known.heading != wanted.heading);
        guessed.for_each(|known| known.field = "ignore".to_owned());
    }
    if let Err(ImportError::Wrong { message, .. }) =
        change(&work.app.catalogue(), &mut work.body, &MappingChange { columns, ..MappingChange::default() })
    {
        return Err(TableError { row: Some(1), column: None, message, limit: None }.into());
    }
    preview(work).await
}

/// Works out what the rows would change.
async fn preview(work: &mut Work) -> Result<(), ImportError> {
    let (fields, rules) = (work.fields(), work.rules());
    (work.body.done, work.body.problem) = (0, None);
    work.body.waiting.clear();
    let mut seen = work.names(&fields).await?;
    let mut index = Arc::new(RowIndex::default());
    let mut last_saved = Timestamp::now();
    for number in 0..work.parts() {
        let part = work.part(number).await?;
        let (rows, wrong) = work.read(&part, &fields)?;
        let (app, rules) = (work.app.clone(), rules.clone());
        let known = Arc::clone(&index);
        let planning = tokio::task::spawn_blocking(move || {
            let estate = app.estate();
            // Once, from the same estate that the first rows meet.
            let index = if number == 0 { Arc::new(RowIndex::new(&estate)) } else { known };
            let (_, outcomes) = plan_rows(&estate, &rows, &rules, &index, &mut seen, Timestamp::now(), &app.policy, &mut Uuid::now_v7);
            drop(estate);
            (outcomes, seen, index)
        });
        let (mut outcomes, seen_now, index_now) = planning.await.map_err(|_| ImportError::Fault)?;
        (seen, index) = (seen_now, index_now);
        if outcomes.iter().any(|outcome| outcome.waits) {
            work.body.waiting.push(number);
        }
        outcomes.extend(wrong);
        let mut counts = Counts::default();
        outcomes.iter().for_each(|outcome| counts.add(outcome.state));
        work.body.done += outcomes.len() as u64;
        if let Some(known) = work.body.parts.get_mut(number as usize) {
            *known = counts;
        }
        let results = Some(pack(&work.views(outcomes, true))?);
        work.app.store.put_import_part(work.record.id, number, &ImportPart { rows: part.rows, results }).await?;
        save_now_and_then(work, &mut last_saved).await?;
    }
    work.must_save(ImportState::Preview).await
}

/// Progress is for people to look at: once a second is enough.
async fn save_now_and_then(work: &mut Work, last: &mut Timestamp) -> Result<(), ImportError> {
    let now = Timestamp::now();
    if now.millis_since(*last) < 1_000 {
        return Ok(());
    }
    *last = now;
    work.must_save(work.record.state).await
}

/// Reads the columns in another way, and works out again what the rows would change.
pub(crate) async fn change_mapping(app: &SharedApp, id: ImportId, wanted: &MappingChange) -> Result<ImportView, ImportError> {
    let mut work = Work::find(app, id).await?;
    if work.record.state != ImportState::Preview {
        return Err(ImportError::State { state: work.record.state.as_str(), hint: "only what is not applied can be read in another way" });
    }
    change(&work.app.catalogue(), &mut work.body, wanted)?;
    work.must_save(ImportState::Reading).await?;
    let view = work.view();
    tokio::spawn(async move {
        let result = preview(&mut work).await;
        work.end(result).await;
    });
    Ok(view)
}

/// Begins to apply an import, or goes on where a collector that stopped has left it. Ordered twice it is done once.
pub(crate) async fn apply(app: &SharedApp, id: ImportId, by: String) -> Result<ImportView, ImportError> {
    let mut work = Work::find(app, id).await?;
    let is_left = Timestamp::now().millis_since(work.record.updated_at) > STALE_MS;
    match work.record.state {
        ImportState::Preview => {}
        ImportState::Applying if is_left || work.body.problem.is_some() => {}
        ImportState::Applying | ImportState::Applied => return Ok(work.view()),
        state => return Err(ImportError::State { state: state.as_str(), hint: "only a preview can be applied; hand the file in again" }),
    }
    (work.body.done, work.body.problem) = (0, None);
    if !work.save(ImportState::Applying).await? {
        return beaten(app, id, ImportState::Applying).await;
    }
    let view = work.view();
    tokio::spawn(async move {
        let result = apply_all(&mut work, &by).await;
        work.end(result).await;
    });
    Ok(view)
}

/// Somebody else was faster, with this import or with another.
async fn beaten(app: &SharedApp, id: ImportId, wanted: ImportState) -> Result<ImportView, ImportError> {
    let now = Work::find(app, id).await?;
    if now.record.state == wanted {
        return Ok(now.view());
    }
    Err(ImportError::State { state: "waiting", hint: "another import is being applied or taken back; try again when it is done" })
}

async fn apply_all(work: &mut Work, by: &str) -> Result<(), ImportError> {
    let fields = work.fields();
    let seen = Arc::new(Mutex::new(work.names(&fields).await?));
    let index = Arc::new(RowIndex::new(&work.app.estate()));
    let mut last_saved = Timestamp::now();
    for number in 0..work.parts() {
        let (part, mut outcomes, wrong) = apply_part(work, number, &fields, &seen, &index, by).await?;
        outcomes.extend(wrong);
        let before: Vec<RowView> = part.results.as_deref().map(unpack).transpose()?.unwrap_or_default();
        let mut views = work.views(outcomes, false);
        for view in &mut views {
            // Applied before the collector stopped: what is there now is what this import has made of it.
            let planned = before.iter().find(|planned| planned.row == view.row);
            if let Some(planned) = planned.filter(|it| view.state == "unchanged" && ["create", "update"].contains(&it.state.as_str())) {
                view.state.clone_from(&planned.state);
                view.fields.clone_from(&planned.fields);
            }
        }
        keep_results(work, number, part.rows, &views).await?;
        work.body.done += views.len() as u64;
        save_now_and_then(work, &mut last_saved).await?;
    }
    let waiting = work.body.waiting.clone();
    let index = if waiting.is_empty() { index } else { Arc::new(RowIndex::new(&work.app.estate())) };
    for number in waiting {
        let (part, outcomes, _) = apply_part(work, number, &fields, &seen, &index, by).await?;
        let mut views: Vec<RowView> = part.results.as_deref().map(unpack).transpose()?.unwrap_or_default();
        for failed in work.views(outcomes, false).into_iter().filter(|view| !view.problems.is_empty()) {
            if let Some(view) = views.iter_mut().find(|view| view.row == failed.row) {
                view.problems = failed.problems;
            }
        }
        keep_results(work, number, part.rows, &views).await?;
        save_now_and_then(work, &mut last_saved).await?;
    }
    work.must_save(ImportState::Applied).await
}

async fn keep_results(work: &mut Work, number: u32, rows: Vec<u8>, views: &[RowView]) -> Result<(), ImportError> {
    let mut counts = Counts::default();
    for view in views {
        if let Some(state) = RowState::ALL.into_iter().find(|state| state.as_str() == view.state) {
            counts.add(state);
        }
    }
    if let Some(known) = work.body.parts.get_mut(number as usize) {
        *known = counts;
    }
    let part = ImportPart { rows, results: Some(pack(views)?) };
    Ok(work.app.store.put_import_part(work.record.id, number, &part).await?)
}

async fn apply_part(
    work: &Work,
    number: u32,
    fields: &[Field],
    seen: &Arc<Mutex<RowsSeen>>,
    index: &Arc<RowIndex>,
    by: &str,
) -> Result<(ImportPart, Vec<RowOutcome>, Vec<RowOutcome>), ImportError> {
    let part = work.part(number).await?;
    let (rows, wrong) = work.read(&part, fields)?;
    let rows = Arc::new(rows);
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let detail = format!("{}, rows of part {} of {}", work.body.file, number + 1, work.body.parts.len());
    order(work, by, "import.apply", detail, || {
        let (rows, rules, index, policy) = (Arc::clone(&rows), work.rules(), Arc::clone(index), work.app.policy.clone());
        let (seen, outcomes) = (Arc::clone(seen), Arc::clone(&outcomes));
        Box::new(move |estate, now, ids| {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let (changes, decided) = plan_rows(estate, &rows, &rules, &index, &mut seen, now, &policy, ids);
            *outcomes.lock().unwrap_or_else(PoisonError::into_inner) = decided;
            Ok(changes)
        })
    })
    .await?;
    let outcomes = std::mem::take(&mut *outcomes.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((part, outcomes, wrong))
}

/// Offers an order to the writer until it is taken.
async fn order(
    work: &Work,
    by: &str,
    action: &'static str,
    detail: String,
    plan: impl Fn() -> crate::writer::Plan,
) -> Result<(), ImportError> {
    for _ in 0..TRIES {
        let audit = Some(Audit { action, subject: work.record.id.to_string(), detail: detail.clone() });
        let command = Command { actor: by.to_owned(), audit, plan: plan() };
        match work.app.writer.command(command).await {
            Ok(_) => return Ok(()),
            Err(WriteError::Busy { .. }) => tokio::time::sleep(BUSY_PAUSE).await,
            Err(error) => return Err(error.into()),
        }
    }
    Err(WriteError::Busy { retry_after_seconds: 5 }.into())
}

/// Begins to take an applied import back. Ordered twice it is done once.
pub(crate) async fn undo(app: &SharedApp, id: ImportId, by: String) -> Result<ImportView, ImportError> {
    let mut work = Work::find(app, id).await?;
    let is_left = Timestamp::now().millis_since(work.record.updated_at) > STALE_MS;
    match work.record.state {
        ImportState::Applied => {}
        // An import that stopped in the middle can be taken back as far as it came.
        ImportState::Undoing | ImportState::Applying if is_left || work.body.problem.is_some() => {}
        ImportState::Undoing | ImportState::Undone => return Ok(work.view()),
        state => return Err(ImportError::State { state: state.as_str(), hint: "only what was applied can be taken back" }),
    }
    (work.body.done, work.body.left, work.body.problem) = (0, 0, None);
    if !work.save(ImportState::Undoing).await? {
        return beaten(app, id, ImportState::Undoing).await;
    }
    let view = work.view();
    tokio::spawn(async move {
        let result = undo_all(&mut work, &by).await;
        work.end(result).await;
    });
    Ok(view)
}

async fn undo_all(work: &mut Work, by: &str) -> Result<(), ImportError> {
    let mut last_saved = Timestamp::now();
    // Last in, first out.
    for number in (0..work.parts()).rev() {
        let part = work.part(number).await?;
        let mut views: Vec<RowView> = part.results.as_deref().map(unpack).transpose()?.unwrap_or_default();
        let changed = views.iter().rev().filter(|view| ["create", "update"].contains(&view.state.as_str()));
        let steps = steps(work, changed.filter_map(|view| view.ci).map(CiId).collect()).await?;
        let steps = Arc::new(steps);
        let undone = Arc::new(Mutex::new(Vec::new()));
        let detail = format!("{}, rows of part {} of {}", work.body.file, number + 1, work.body.parts.len());
        order(work, by, "import.undo", detail, || {
            let (steps, mark, source, undone) = (Arc::clone(&steps), work.mark(), work.source(), Arc::clone(&undone));
            Box::new(move |estate, now, ids| {
                let (changes, outcomes) = undo_rows(estate, &steps, &mark, Order { source: source.clone(), now, ids });
                *undone.lock().unwrap_or_else(PoisonError::into_inner) = outcomes;
                Ok(changes)
            })
        })
        .await?;
        let undone = std::mem::take(&mut *undone.lock().unwrap_or_else(PoisonError::into_inner));
        for outcome in undone.into_iter().filter(|outcome| outcome.state == UndoneState::Left) {
            work.body.left += 1;
            if let Some(view) = views.iter_mut().find(|view| view.ci == Some(outcome.ci.0)) {
                let left = outcome.left.join("; ");
                view.problems.push(ProblemView {
                    message: format!("left as it is: {left}"),
                    row: Some(view.row),
                    column: None,
                    limit: None,
                });
            }
        }
        keep_results(work, number, part.rows, &views).await?;
        work.body.done += views.len() as u64;
        save_now_and_then(work, &mut last_saved).await?;
    }
    order(work, by, "import.undo", format!("{}, open questions", work.body.file), || {
        let (mark, source) = (work.mark(), work.source());
        Box::new(move |estate, now, ids| Ok(settle_questions(estate, &mark, Order { source: source.clone(), now, ids })))
    })
    .await?;
    work.must_save(ImportState::Undone).await
}

/// What this import has made of each of these items, in their order. The histories of all are read at once.
async fn steps(work: &Work, ids: Vec<CiId>) -> Result<Vec<UndoStep>, ImportError> {
    /// Versions of one item that are read with those of others: few have more.
    const FEW: u32 = 20;
    /// Versions of one item that are looked at.
    const VERSIONS: u32 = 1_000;
    let mark = work.mark();
    let mut histories: HashMap<CiId, Vec<CiVersion>> = HashMap::new();
    for version in work.app.store.ci_histories(&ids, FEW).await? {
        histories.entry(version.ci.id).or_default().push(version);
    }
    let mut steps = Vec::with_capacity(ids.len());
    for id in ids {
        let Some(mut versions) = histories.remove(&id) else { continue };
        if versions.len() >= FEW as usize {
            versions = work.app.store.ci_history(id, VERSIONS).await?;
        }
        steps.extend(step(&mark, versions));
    }
    Ok(steps)
}

/// What the import of this mark has made of an item: the version before its first, and its last.
fn step(mark: &str, versions: Vec<CiVersion>) -> Option<UndoStep> {
    let ours = |reason: &str| reason.contains(mark) && !reason.contains("taken back");
    let Some(last) = versions.iter().position(|version| ours(&version.reason)) else {
        // It changed relationships only.
        let now: Option<Ci> = versions.into_iter().next().map(|version| version.ci);
        return now.map(|ci| UndoStep { before: Some(ci.clone()), after: ci });
    };
    let first = versions.iter().rposition(|version| ours(&version.reason)).unwrap_or(last);
    let before = versions.get(first + 1).map(|version| version.ci.clone());
    Some(UndoStep { before, after: versions[last].ci.clone() })
}

/// A page of decided rows: from the row after `after` on, of one state or of all. Returns the next `after`, if there is more.
pub(crate) async fn rows(
    app: &SharedApp,
    id: ImportId,
    state: Option<RowState>,
    after: u64,
    limit: usize,
) -> Result<(Vec<RowView>, Option<u64>), ImportError> {
    let work = Work::find(app, id).await?;
    let mut found: Vec<RowView> = Vec::new();
    for (number, counts) in work.body.parts.iter().enumerate() {
        if state.is_some_and(|state| counts.of(state) == 0) {
            continue;
        }
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let part = work.part(number).await?;
        let views: Vec<RowView> = part.results.as_deref().map(unpack).transpose()?.unwrap_or_default();
        if views.last().is_none_or(|view| view.row <= after) {
            continue;
        }
        let wanted = |view: &RowView| view.row > after && state.is_none_or(|state| state.as_str() == view.state);
        for view in views.into_iter().filter(wanted) {
            if found.len() == limit {
                let next = found.last().map(|view| view.row);
                return Ok((found, next));
            }
            found.push(view);
        }
    }
    Ok((found, None))
}

fn pack<T: Serialize + ?Sized>(rows: &T) -> Result<Vec<u8>, ImportError> {
    let json = serde_json::to_vec(rows).map_err(|_| ImportError::Fault)?;
    zstd::bulk::compress(&json, 1).map_err(|_| ImportError::Fault)
}

fn unpack<T: DeserializeOwned>(packed: &[u8]) -> Result<T, ImportError> {
    let json = zstd::stream::decode_all(packed).map_err(|_| ImportError::Fault)?;
    serde_json::from_slice(&json).map_err(|_| ImportError::Fault)
}

/// An import as it is now.
pub(crate) async fn find(app: &SharedApp, id: ImportId) -> Result<ImportView, ImportError> {
    Ok(Work::find(app, id).await?.view())
}

/// Imports, newest first.
pub(crate) async fn list(app: &SharedApp, limit: u32) -> Result<Vec<ImportView>, ImportError> {
    let records = app.store.imports(limit).await?;
    let view = |record: ImportRecord| {
        let body: Body = serde_json::from_value(record.body.clone()).ok()?;
        Some(ImportView::of(&record, &body))
    };
    Ok(records.into_iter().filter_map(view).collect())
}
