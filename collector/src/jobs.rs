//! What is done from time to time: the collector's certificate, housekeeping of the estate, old documents.

use std::time::Duration;

use rollcall_core::{
    Revision, housekeeping,
    reconcile::{Found, Look, infer_found},
};
use rollcall_shared::Timestamp;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};

use crate::{
    app::{App, SharedApp},
    store::Cut,
    writer::{Audit, Command},
};

const CERTIFICATE_EVERY: Duration = Duration::from_secs(30);
const LISTENING_EVERY: Duration = Duration::from_secs(30);
/// Agents are asked for from a little before the last look, for collectors whose clocks differ.
const OVERLAP_MS: i64 = 60_000;
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(15 * 60);
/// Soon after a change; a large estate is looked at less often, see [`Inference`].
const INFERENCE_EVERY: Duration = Duration::from_secs(15);
/// Items that are looked at while the estate is held: some milliseconds.
const LOOKED_AT: usize = 2_000;
/// So that a search seldom has writes to take in first.
const INDEX_EVERY: Duration = Duration::from_secs(1);
const PRUNING_EVERY: Duration = Duration::from_secs(6 * 60 * 60);
/// Imports are kept so long, to be looked at and taken back.
const IMPORT_DAYS: i64 = 90;
const DAY_MS: i64 = 86_400_000;

/// Does each at its time, until it is dropped.
pub(crate) async fn run(app: SharedApp) {
    let mut certificate = interval(CERTIFICATE_EVERY);
    let mut listening = interval_at(Instant::now() + LISTENING_EVERY, LISTENING_EVERY);
    let mut heard_until = Timestamp::now();
    let mut housekeeping = interval_at(Instant::now() + HOUSEKEEPING_EVERY, HOUSEKEEPING_EVERY);
    let mut pruning = interval_at(Instant::now() + PRUNING_EVERY, PRUNING_EVERY);
    let mut inferring = interval_at(Instant::now() + INFERENCE_EVERY, INFERENCE_EVERY);
    let mut inference = Inference { seen: Revision::default(), rest_until: Instant::now() };
    let mut index = interval(INDEX_EVERY);
    for interval in [&mut certificate, &mut listening, &mut housekeeping, &mut pruning, &mut inferring, &mut index] {
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    loop {
        tokio::select! {
            _ = certificate.tick() => renew_certificate(&app),
            _ = listening.tick() => hear_of_others(&app, &mut heard_until).await,
            _ = housekeeping.tick() => keep_house(&app).await,
            _ = pruning.tick() => prune(&app).await,
            _ = inferring.tick() => inference.run(&app).await,
            _ = index.tick() => follow_with_index(&app).await,
        }
    }
}

async fn follow_with_index(app: &SharedApp) {
    if app.search.is_current(&app.estate()) {
        return;
    }
    let following = std::sync::Arc::clone(app);
    if let Err(error) = tokio::task::spawn_blocking(move || following.search.catch_up(&following.estate())).await {
        tracing::error!(%error, "the index of the estate could not follow it");
    }
}

fn renew_certificate(app: &App) {
    match app.renew_certificate_if_due(Timestamp::now()) {
        Ok(false) => {}
        Ok(true) => tracing::info!("the collector's certificate was replaced"),
        Err(error) => tracing::error!("the collector's certificate could not be replaced: {:#}", anyhow::Error::from(error)),
    }
}

/// Learns which agents other collectors on the same store have heard: who is alive is judged by it.
async fn hear_of_others(app: &App, until: &mut Timestamp) {
    let now = Timestamp::now();
    match app.store.heard_since(until.plus_millis(-OVERLAP_MS)).await {
        Ok(heard) => {
            let mut estate = app.estate.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            heard.into_iter().for_each(|(agent, at)| estate.heard(agent, at));
            *until = now;
        }
        Err(error) => tracing::warn!("when agents were last heard cannot be read: {:#}", anyhow::Error::from(error)),
    }
}

async fn keep_house(app: &App) {
    let policy = app.policy.clone();
    let command = Command {
        actor: "collector".to_owned(),
        audit: Some(audit("estate.housekeeping", "what has become due")),
        plan: Box::new(move |estate, now, ids| Ok(housekeeping(estate, now, &policy, ids))),
    };
    match app.writer.command(command).await {
        Ok(committed) => tracing::info!(changes = committed.changes.changes.len(), "housekeeping"),
        Err(error) => tracing::warn!("housekeeping was put off: {:#}", anyhow::Error::from(error)),
    }
}

/// What only the whole estate shows: looked for when the estate has changed, at most a twentieth of the time.
struct Inference {
    /// The estate that was looked at last.
    seen: Revision,
    /// Not again before.
    rest_until: Instant,
}

impl Inference {
    async fn run(&mut self, app: &SharedApp) {
        if self.seen == app.estate().revision() || Instant::now() < self.rest_until {
            return;
        }
        let begun = Instant::now();
        let looking = std::sync::Arc::clone(app);
        // Read first: most changes of the estate change nothing here, and need not keep the writer.
        let looked = tokio::task::spawn_blocking(move || {
            let mut look = Look::begin(&looking.estate());
            // Not held from one step to the next: writers come in between.
            while look.go_on(&looking.estate(), Timestamp::now(), &looking.policy, LOOKED_AT) {}
            (look.revision(), look.found())
        });
        match looked.await {
            Ok((revision, None)) => self.seen = revision,
            Ok((_, Some(found))) => write_inference(app, found).await,
            Err(error) => tracing::error!(%error, "inference ended in a fault"),
        }
        self.rest_until = Instant::now() + 20 * begun.elapsed();
    }
}

fn audit(action: &'static str, detail: &str) -> Audit {
    Audit { action, subject: "estate".to_owned(), detail: detail.to_owned() }
}

async fn write_inference(app: &App, found: Found) {
    let policy = app.policy.clone();
    let command = Command {
        actor: "collector".to_owned(),
        audit: Some(audit("estate.inference", "what the whole estate shows")),
        plan: Box::new(move |estate, now, ids| Ok(infer_found(estate, &found, now, &policy, ids))),
    };
    match app.writer.command(command).await {
        Ok(committed) => tracing::info!(changes = committed.changes.changes.len(), "inference"),
        Err(error) => tracing::warn!("inference was put off: {:#}", anyhow::Error::from(error)),
    }
}

/// What is older than it need be kept. The state as it is now is never touched.
async fn thin(app: &App) {
    let before = |days: u32| (days > 0).then(|| Timestamp::now().plus_millis(-i64::from(days) * DAY_MS));
    let kept = &app.config.retention;
    let cut = Cut {
        versions_before: before(kept.history_days),
        period_ms: DAY_MS,
        events_before: before(kept.change_days),
        audit_before: before(kept.audit_days),
    };
    match app.store.thin(&cut).await {
        Ok(thinned) => tracing::info!(thinned.versions, thinned.events, thinned.audit, "history was thinned out"),
        Err(error) => tracing::warn!("history could not be thinned out: {:#}", anyhow::Error::from(error)),
    }
}

async fn prune(app: &App) {
    if let Err(error) = app.store.prune_requests(Timestamp::now().plus_millis(-DAY_MS)).await {
        tracing::warn!("keys of old writes could not be deleted: {:#}", anyhow::Error::from(error));
    }
    thin(app).await;
    let days = i64::from(app.config.retention.document_days);
    match app.store.prune_documents(Timestamp::now().plus_millis(-days * DAY_MS)).await {
        Ok(count) => tracing::info!(count, "documents older than {days} days were deleted"),
        Err(error) => tracing::warn!("old documents could not be deleted: {:#}", anyhow::Error::from(error)),
    }
    match app.store.prune_imports(Timestamp::now().plus_millis(-IMPORT_DAYS * DAY_MS)).await {
        Ok(count) => tracing::info!(count, "imports older than {IMPORT_DAYS} days were deleted"),
        Err(error) => tracing::warn!("old imports could not be deleted: {:#}", anyhow::Error::from(error)),
    }
}
