//! Plans a batch: each job against the estate as the jobs before it leave it, without anybody seeing what is not durable.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::PoisonError,
};

use rollcall_core::{Change, ChangeSet, Estate, Revision};
use rollcall_shared::Timestamp;
use uuid::Uuid;

use super::{Command, Job, WriteError};
use crate::{
    app::App,
    store::{AttributedChange, AuditEntry, Batch},
};

/// What a batch comes to.
pub(super) struct Planned {
    /// The revision it was planned from.
    pub(super) base: Revision,
    /// What to store.
    pub(super) batch: Batch,
    /// Each job with what came of it.
    pub(super) outcomes: Vec<(Job, Outcome)>,
}

/// What came of one job.
pub(super) enum Outcome {
    /// Nothing of it is done.
    Failed(WriteError),
    /// A command's changes.
    Changed(ChangeSet),
}

impl Planned {
    /// The jobs, to plan again or to refuse.
    pub(super) fn into_jobs(self) -> Vec<Job> {
        self.outcomes.into_iter().map(|(job, _)| job).collect()
    }
}

/// Plans all jobs. Blocks; the estate is locked meanwhile, and left as it was.
pub(super) fn plan(app: &App, jobs: Vec<Job>, at: Timestamp) -> Planned {
    let mut estate = app.estate.write().unwrap_or_else(PoisonError::into_inner);
    let mut batch = Batch { at, ..Batch::default() };
    let mut undo = Vec::new();
    let mut outcomes = Vec::with_capacity(jobs.len());
    let mut waiting = jobs.into_iter().peekable();
    while let Some(mut job) = waiting.next() {
        let planned_before = batch.changes.len();
        // Planning reads the estate and cannot leave it half-changed.
        let outcome = catch_unwind(AssertUnwindSafe(|| plan_one(&estate, &mut job, &mut batch, at))).unwrap_or_else(|_| {
            batch.changes.truncate(planned_before);
            Outcome::Failed(WriteError::Fault)
        });
        if waiting.peek().is_some() {
            undo.push(estate.apply_recording(batch.changes[planned_before..].iter().map(|change| &change.change)));
        }
        outcomes.push((job, outcome));
    }
    while let Some(step) = undo.pop() {
        estate.revert(step);
    }
    Planned { base: estate.revision(), batch, outcomes }
}

fn plan_one(estate: &Estate, job: &mut Job, batch: &mut Batch, at: Timestamp) -> Outcome {
    match job {
        Job::Command(command, _) => plan_command(estate, command, batch, at),
    }
}

fn plan_command(estate: &Estate, command: &mut Command, batch: &mut Batch, at: Timestamp) -> Outcome {
    match (command.plan)(estate, at, &mut Uuid::now_v7) {
        Err(refused) => Outcome::Failed(refused.into()),
        Ok(changes) => {
            batch.changes.extend(attributed(&command.actor, changes.changes.iter().cloned()));
            if !changes.is_empty() {
                batch.audit.push(AuditEntry {
                    at,
                    actor: command.actor.clone(),
                    action: command.action.to_owned(),
                    subject: command.subject.clone(),
                    detail: command.detail.clone(),
                });
            }
            Outcome::Changed(changes)
        }
    }
}

fn attributed(actor: &str, changes: impl IntoIterator<Item = Change>) -> impl Iterator<Item = AttributedChange> {
    changes.into_iter().map(move |change| AttributedChange { actor: actor.to_owned(), change })
}
