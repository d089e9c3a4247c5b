//! Imports: a table is handed in and previewed, applied as one job, and can be taken back as a whole.
//!
//! The rows are stored in parts and worked on one part at a time, so that a long table takes no more memory than a short one. What a row means
//! is the core's to decide ([`rollcall_core::reconcile::commands::plan_rows`]), for the preview as for the real thing.

mod job;
mod mapping;
mod view;

pub(crate) use self::{
    job::{Handed, ImportError, apply, change_mapping, find, hand_in, list, rows, undo},
    mapping::{ColumnMapping, Field, read as value_of},
    view::{FieldView, ImportView, MappingChange, RowView},
};
