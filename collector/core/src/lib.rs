//! The domain of Rollcall, pure: no input or output, no clock, no randomness. All of these are arguments.
//!
//! `observe` turns a document into observations, `reconcile` turns observations into a [`ChangeSet`] with reasons,
//! [`Estate`] is the current state that change sets are applied to, and `graph` and `impact` answer questions about it.

pub mod catalogue;
pub mod estate;
pub mod graph;
pub mod impact;
pub mod infer;
pub mod model;
pub mod observe;
pub mod query;
pub mod reconcile;

pub use catalogue::Catalogue;
pub use estate::{Estate, Touched, Undo};
pub use model::*;
pub use observe::{Observed, observe};
pub use reconcile::{Policy, housekeeping, reconcile, reconcile_import};
