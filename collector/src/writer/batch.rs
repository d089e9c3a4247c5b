//! The writer's task: gathers jobs, has them planned, commits them in one transaction, applies and answers.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError, RwLockWriteGuard},
    time::{Duration, Instant},
};

use rollcall_core::{Estate, Revision};
use rollcall_shared::{AgentId, DocumentId, Timestamp};
use tokio::{
    sync::{mpsc, watch},
    time::MissedTickBehavior,
};

use super::{
    BUSY_RETRY_SECONDS, Committed, Job, WriteError,
    plan::{Known, Outcome, Planned, plan},
};
use crate::{
    app::{App, SharedApp},
    serve::stopped,
    store::{Batch, StoreError},
};

/// Jobs in one commit at most.
const MAX_BATCH: usize = 256;
/// How often it is looked whether the store has moved on, besides being told.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a batch is planned again because other collectors were faster, before its callers are told to try again.
const MAX_TRIES: usize = 20;

/// Writes what is queued: while one batch is committed, the next one gathers. Ends when `stop` says so and all that was queued is written.
pub(crate) async fn run(app: SharedApp, mut queue: mpsc::Receiver<Job>, mut stop: watch::Receiver<bool>) {
    let mut revisions = app.store.revisions();
    let mut follows = true;
    // What is missed for a while (before this began, or because the store did not answer) is noticed at the next look.
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Timestamp::default();
    loop {
        let mut jobs = Vec::new();
        tokio::select! {
            count = queue.recv_many(&mut jobs, MAX_BATCH) => if count == 0 { return },
            changed = revisions.changed(), if follows => match changed {
                Ok(()) => catch_up_or_warn(&app).await,
                Err(_) => follows = false,
            },
            _ = look.tick() => catch_up_or_warn(&app).await,
            () = stopped(&mut stop), if !queue.is_closed() => queue.close(),
        }
        if !jobs.is_empty() {
            write(&app, jobs, &mut last).await;
        }
    }
}

async fn write(app: &SharedApp, mut jobs: Vec<Job>, last: &mut Timestamp) {
    app.metrics.batch_size.observe(jobs.len() as f64);
    for _ in 0..MAX_TRIES {
        let planning = Arc::clone(app);
        let (agents, documents) = concerned(&jobs);
        let known = match look_up(app, agents, documents).await {
            Ok(known) => known,
            Err(error) => return refuse(jobs, error),
        };
        // Never before the batch before, whatever the clock does.
        *last = Timestamp::now().max(*last);
        let at = *last;
        // A panic in a job's own part is caught in there; what is left is a runtime that ends and drops the callers too.
        let Ok(planned) = tokio::task::spawn_blocking(move || plan(&planning, jobs, known, at)).await else { return };
        let started = Instant::now();
        match commit(app, planned.base, &planned.batch).await {
            Ok(revision) => {
                app.metrics.commit_seconds.observe(started.elapsed().as_secs_f64());
                return finish(app, planned, revision);
            }
            Err(StoreError::Behind(_)) => {
                jobs = planned.into_jobs();
                if let Err(error) = catch_up_with_store(app).await {
                    return refuse(jobs, error);
                }
            }
            Err(error) => return refuse(planned.into_jobs(), error),
        }
    }
    for job in jobs {
        job.fail(WriteError::Busy { retry_after_seconds: BUSY_RETRY_SECONDS });
    }
}

/// The agents and documents in a batch.
fn concerned(jobs: &[Job]) -> (Vec<AgentId>, Vec<DocumentId>) {
    let mut agents = BTreeSet::new();
    let mut documents = Vec::new();
    for job in jobs {
        match job {
            Job::Commands(..) => {}
            Job::Document(document, _) => {
                agents.insert(document.facts.agent);
                documents.push(document.id);
            }
            Job::Inventory(update, _) => drop(agents.insert(update.agent)),
        }
    }
    (agents.into_iter().collect(), documents)
}

/// What the store knows of them.
async fn look_up(app: &App, agents: Vec<AgentId>, documents: Vec<DocumentId>) -> Result<Known, StoreError> {
    if agents.is_empty() {
        return Ok(Known::default());
    }
    let inventories = app.store.inventories(&agents).await?;
    let documents = app.store.known_documents(&documents).await?;
    Ok(Known {
        inventories: inventories.into_iter().map(|inventory| (inventory.agent, inventory)).collect(),
        documents: documents.into_iter().collect(),
    })
}

async fn commit(app: &App, base: Revision, batch: &Batch) -> Result<Revision, StoreError> {
    match writes_nothing(batch) {
        true => Ok(base),
        false => app.store.commit(base, batch).await,
    }
}

fn writes_nothing(batch: &Batch) -> bool {
    batch.changes.is_empty() && batch.documents.is_empty() && batch.inventories.is_empty() && batch.audit.is_empty()
}

/// Applies what is durable now, then answers.
fn finish(app: &App, planned: Planned, revision: Revision) {
    {
        let mut estate = lock(app);
        if !writes_nothing(&planned.batch) {
            estate.apply(planned.batch.changes.iter().map(|change| &change.change), revision);
        }
        for inventory in &planned.batch.inventories {
            estate.heard(inventory.agent, inventory.last_seen);
        }
        app.metrics.revision.set(i64::try_from(revision.0).unwrap_or(i64::MAX));
        app.metrics.configuration_items.set(estate.cis().count() as i64);
    }
    for (job, outcome) in planned.outcomes {
        match (job, outcome) {
            (job, Outcome::Failed(error)) => job.fail(error),
            // A caller that has gone away does not need the answer.
            (Job::Commands(_, answer), Outcome::Changed(all)) => {
                let committed = all.into_iter().map(|changes| Committed { revision, changes }).collect();
                drop(answer.send(Ok(committed)));
            }
            (Job::Document(_, answer), Outcome::Document(outcome)) => drop(answer.send(Ok(outcome))),
            (Job::Inventory(_, answer), Outcome::Noted) => drop(answer.send(Ok(()))),
            // Planning gives each kind of job its own kind of outcome.
            (job, _) => job.fail(WriteError::Fault),
        }
    }
}

fn refuse(jobs: impl IntoIterator<Item = Job>, error: StoreError) {
    let error = Arc::new(error);
    tracing::error!("nothing of a batch was stored: {:#}", anyhow::Error::from(WriteError::Store(Arc::clone(&error))));
    for job in jobs {
        job.fail(WriteError::Store(Arc::clone(&error)));
    }
}

async fn catch_up_or_warn(app: &App) {
    if *app.store.revisions().borrow() <= app.estate().revision() {
        return;
    }
    if let Err(error) = catch_up_with_store(app).await {
        tracing::warn!("what other collectors have written cannot be read: {:#}", anyhow::Error::from(error));
    }
}

/// Applies what was committed since the estate's revision, by whomever. Only the writer calls this, so nothing else applies meanwhile.
async fn catch_up_with_store(app: &App) -> Result<(), StoreError> {
    let known = app.estate().revision();
    let news = app.store.puts_since(known).await?;
    if news.revision > known {
        news.apply_to(&mut lock(app));
    }
    Ok(())
}

fn lock(app: &App) -> RwLockWriteGuard<'_, Estate> {
    app.estate.write().unwrap_or_else(PoisonError::into_inner)
}
