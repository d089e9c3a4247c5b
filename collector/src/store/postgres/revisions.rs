//! Hearing of commits, whoever made them.

use std::{sync::Arc, time::Duration};

use rollcall_core::Revision;
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use tokio::{sync::watch, task::JoinHandle};

use super::Result;

/// Where commits are told.
pub(super) const CHANNEL: &str = "rollcall_revision";

/// How long to wait before connecting again. Until then this collector does not hear of others' commits; its own meet
/// `Behind` and catch up.
const RETRY: Duration = Duration::from_secs(1);

/// Notes that the store is at least at this revision.
pub(super) fn advance(known: &watch::Sender<Revision>, revision: Revision) {
    known.send_if_modified(|known| {
        let is_newer = revision > *known;
        *known = revision.max(*known);
        is_newer
    });
}

/// Begins to listen, notes the revision that stands, and goes on until the task is aborted.
pub(super) async fn follow(options: PgConnectOptions, pool: PgPool, known: Arc<watch::Sender<Revision>>) -> Result<JoinHandle<()>> {
    // A connection of its own: it waits for as long as the collector runs.
    let own = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None).connect_lazy_with(options);
    let mut listener = listen(&own, &pool, &known).await?;
    Ok(tokio::spawn(async move {
        loop {
            if let Err(error) = hear(listener, &pool, &known).await {
                tracing::warn!(%error, "lost the connection that tells of other collectors' commits; connecting again");
            }
            listener = loop {
                tokio::time::sleep(RETRY).await;
                match listen(&own, &pool, &known).await {
                    Ok(listener) => break listener,
                    Err(error) => tracing::debug!(%error, "no connection yet"),
                }
            };
        }
    }))
}

/// Listens first and reads the revision then, so that no commit falls between the two.
async fn listen(own: &PgPool, pool: &PgPool, known: &watch::Sender<Revision>) -> Result<PgListener> {
    let mut listener = PgListener::connect_with(own).await?;
    listener.listen(CHANNEL).await?;
    read(pool, known).await?;
    Ok(listener)
}

async fn hear(mut listener: PgListener, pool: &PgPool, known: &watch::Sender<Revision>) -> Result<()> {
    loop {
        match listener.try_recv().await? {
            Some(told) => match told.payload().parse() {
                Ok(revision) => advance(known, Revision(revision)),
                Err(_) => read(pool, known).await?,
            },
            // It has connected and listens again; what was told in between is lost.
            None => read(pool, known).await?,
        }
    }
}

async fn read(pool: &PgPool, known: &watch::Sender<Revision>) -> Result<()> {
    let revision: i64 = sqlx::query_scalar("SELECT revision FROM installation").fetch_one(pool).await?;
    advance(known, Revision(revision.unsigned_abs()));
    Ok(())
}
