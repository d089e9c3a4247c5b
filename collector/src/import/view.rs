//! Imports as the API and the store have them.

use rollcall_core::reconcile::commands::{FieldChange, RowOutcome, RowProblem, RowState};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::mapping::ColumnMapping;
use crate::{
    api::types::Instant,
    realm,
    store::{ImportRecord, ImportState},
    table::{Format, TableError},
};

/// How many rows come to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Counts {
    /// Rows that make an item.
    pub(crate) create: u64,
    /// Rows that change one.
    pub(crate) update: u64,
    /// Rows that say what is known.
    pub(crate) unchanged: u64,
    /// Rows of which it is not certain which item is meant. They are not applied.
    pub(crate) conflict: u64,
    /// Rows that cannot be used. They are not applied.
    pub(crate) error: u64,
}

impl Counts {
    pub(super) fn add(&mut self, state: RowState) {
        *self.of_mut(state) += 1;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for state in RowState::ALL {
            *self.of_mut(state) += other.of(state);
        }
    }

    /// Of one kind.
    pub(crate) fn of(&self, state: RowState) -> u64 {
        match state {
            RowState::Create => self.create,
            RowState::Update => self.update,
            RowState::Unchanged => self.unchanged,
            RowState::Conflict => self.conflict,
            RowState::Error => self.error,
        }
    }

    fn of_mut(&mut self, state: RowState) -> &mut u64 {
        match state {
            RowState::Create => &mut self.create,
            RowState::Update => &mut self.update,
            RowState::Unchanged => &mut self.unchanged,
            RowState::Conflict => &mut self.conflict,
            RowState::Error => &mut self.error,
        }
    }
}

/// What is stored of an import beside its state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Body {
    pub(super) file: String,
    pub(super) format: Format,
    pub(super) by: String,
    pub(super) columns: Vec<ColumnMapping>,
    #[serde(default)]
    pub(super) class: Option<String>,
    #[serde(default)]
    pub(super) names_identify: bool,
    #[serde(default = "usual_realm")]
    pub(super) realm: String,
    #[serde(default)]
    pub(super) rows: u64,
    /// Counts of each part, so that a page of one kind of rows skips the parts without.
    #[serde(default)]
    pub(super) parts: Vec<Counts>,
    #[serde(default)]
    pub(super) done: u64,
    #[serde(default)]
    pub(super) left: u64,
    /// Parts with rows that name items which the table itself makes.
    #[serde(default)]
    pub(super) waiting: Vec<u32>,
    #[serde(default)]
    pub(super) problem: Option<ProblemView>,
}

fn usual_realm() -> String {
    realm::DEFAULT.to_owned()
}

/// An import.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ImportView {
    /// Its id.
    pub(crate) id: Uuid,
    /// `reading`, `preview`, `applying`, `applied`, `undoing`, `undone` or `failed`.
    pub(crate) state: String,
    /// The source whose word it is: its values are claims of `import:SOURCE`.
    pub(crate) source: String,
    /// The file's name.
    pub(crate) file: String,
    /// The file's format.
    pub(crate) format: Format,
    /// The class of new items whose row names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) class: Option<String>,
    /// Whether a name that only one item of the class has identifies it.
    pub(crate) names_identify: bool,
    /// The network realm of its machines.
    pub(crate) realm: String,
    /// What each column says.
    pub(crate) columns: Vec<ColumnMapping>,
    /// Rows in the file.
    pub(crate) rows: u64,
    /// Rows that are done of what is being done.
    pub(crate) done: u64,
    /// What comes of the rows.
    pub(crate) counts: Counts,
    /// Items of which something was left when the import was taken back, because somebody has changed it since.
    pub(crate) left: u64,
    /// Who handed it in.
    pub(crate) by: String,
    /// When.
    pub(crate) created: Instant,
    /// When it last went on.
    pub(crate) updated: Instant,
    /// Why the file cannot be read, if it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<ProblemView>,
}

impl ImportView {
    pub(super) fn of(record: &ImportRecord, body: &Body) -> Self {
        let mut counts = Counts::default();
        body.parts.iter().for_each(|part| counts.merge(part));
        Self {
            id: record.id,
            state: record.state.as_str().to_owned(),
            source: record.source.clone(),
            file: body.file.clone(),
            format: body.format,
            class: body.class.clone(),
            names_identify: body.names_identify,
            realm: body.realm.clone(),
            columns: body.columns.clone(),
            rows: body.rows,
            done: body.done,
            counts,
            left: body.left,
            by: body.by.clone(),
            created: record.created_at.into(),
            updated: record.updated_at.into(),
            problem: body.problem.clone(),
        }
    }

    /// Whether it is being worked on, so that asking again tells more.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(ImportState::parse(&self.state), Some(ImportState::Reading | ImportState::Applying | ImportState::Undoing))
    }
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct ProblemView {
    /// What, and what to do.
    pub(crate) message: String,
    /// The row, the headings being row 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) row: Option<u64>,
    /// The column: its heading where one is known, else its number or the field's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) column: Option<String>,
    /// The limit that was passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<u64>,
}

impl From<TableError> for ProblemView {
    fn from(error: TableError) -> Self {
        Self { message: error.message, row: error.row, column: error.column, limit: error.limit }
    }
}

/// A row, decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct RowView {
    /// Its number, the headings being row 1.
    pub(crate) row: u64,
    /// `create`, `update`, `unchanged`, `conflict` or `error`.
    pub(crate) state: String,
    /// The item that is meant or was made; in a preview, none that is to be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ci: Option<Uuid>,
    /// The item's name, or what the row calls it.
    pub(crate) name: String,
    /// The item's class.
    pub(crate) class: String,
    /// Why this item, or why none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) reason: String,
    /// What changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) fields: Vec<FieldView>,
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) problems: Vec<ProblemView>,
}

/// A field, before and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct FieldView {
    /// `name`, `class`, `lifecycle`, `attributes.owner`, `relationship:runs_on`.
    pub(crate) field: String,
    /// What stands now; absent if nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub(crate) old: Option<Value>,
    /// What is said.
    #[schema(value_type = Value)]
    pub(crate) new: Value,
    /// Why that will not stand, where it will not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

impl From<FieldChange> for FieldView {
    fn from(change: FieldChange) -> Self {
        Self { field: change.field, old: change.old, new: change.new, note: change.note }
    }
}

impl RowView {
    /// A decided row; `heading` tells the column of a field.
    pub(super) fn of(outcome: RowOutcome, is_preview: bool, heading: &dyn Fn(&str) -> Option<String>) -> Self {
        let number = outcome.number;
        let problem = |problem: RowProblem| ProblemView {
            message: problem.message,
            row: Some(number),
            column: heading(&problem.field).or_else(|| (!problem.field.is_empty()).then_some(problem.field)),
            limit: None,
        };
        Self {
            row: outcome.number,
            state: outcome.state.as_str().to_owned(),
            ci: outcome.ci.filter(|_| !(is_preview && outcome.state == RowState::Create)).map(|ci| ci.0),
            name: outcome.name,
            class: outcome.class,
            reason: outcome.reason,
            fields: outcome.fields.into_iter().map(FieldView::from).collect(),
            problems: outcome.problems.into_iter().map(problem).collect(),
        }
    }
}

/// Another reading of the columns.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MappingChange {
    /// What columns say; those that are not named stay as they are.
    #[serde(default)]
    pub(crate) columns: Vec<ColumnMapping>,
    /// The class of new items whose row names none; empty for none. Absent: as it was.
    #[serde(default)]
    pub(crate) class: Option<String>,
    /// Whether a name that only one item of the class has identifies it. Absent: as it was.
    #[serde(default)]
    pub(crate) names_identify: Option<bool>,
    /// The network realm of its machines: addresses are compared within one only. Absent: as it was, `default` at first.
    #[serde(default)]
    pub(crate) realm: Option<String>,
}
