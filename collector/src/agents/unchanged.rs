//! The unchanged check-in, many at once: while one statement runs, the next ones gather.

use std::{future::Future, sync::Arc};

use tokio::sync::{mpsc, oneshot};

use crate::{
    app::SharedApp,
    auth::Refusal,
    store::{StoreError, UnchangedCheckIn},
};

const MAX_BATCH: usize = 1_000;
const MAX_WAITING: usize = 16_384;
const BUSY_RETRY_SECONDS: u32 = 10;

/// Hands check-ins to the task that notes them.
pub(super) struct UnchangedCheckIns {
    queue: mpsc::Sender<Waiting>,
}

struct Waiting {
    check_in: UnchangedCheckIn,
    answer: oneshot::Sender<Result<bool, Arc<StoreError>>>,
}

impl UnchangedCheckIns {
    /// The handle, and the task's work.
    pub(super) fn new(app: SharedApp) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, waiting) = mpsc::channel(MAX_WAITING);
        (Self { queue }, note(app, waiting))
    }

    /// Notes a check-in if all that it claims is so; `false` if not: then the careful path decides.
    pub(super) async fn note(&self, check_in: UnchangedCheckIn) -> Result<bool, Refusal> {
        let busy = || Refusal::unavailable("more check-ins are waiting than the collector takes on", BUSY_RETRY_SECONDS);
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Waiting { check_in, answer }).map_err(|_| busy())?;
        match answered.await {
            Ok(Ok(matched)) => Ok(matched),
            Ok(Err(error)) => {
                tracing::error!(error = &*error as &dyn std::error::Error, "check-ins could not be noted");
                Err(Refusal::unavailable("the check-in could not be stored", BUSY_RETRY_SECONDS))
            }
            Err(_) => Err(busy()),
        }
    }
}

async fn note(app: SharedApp, mut waiting: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, MAX_BATCH).await > 0 {
        let check_ins: Vec<UnchangedCheckIn> = batch.iter().map(|waiting| waiting.check_in).collect();
        let noted = app.store.note_unchanged(&check_ins).await.map_err(Arc::new);
        if let Ok(matched) = &noted {
            let mut estate = app.estate.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            for (check_in, _) in check_ins.iter().zip(matched).filter(|(_, matched)| **matched) {
                estate.heard(check_in.agent, check_in.at);
            }
        }
        for (number, waiting) in batch.drain(..).enumerate() {
            let answer = noted.as_ref().map(|matched| matched.get(number).copied().unwrap_or(false)).map_err(Arc::clone);
            // An agent that has gone away does not need the answer.
            let _ = waiting.answer.send(answer);
        }
    }
}
