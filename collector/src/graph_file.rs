//! The graph as a file in the data directory: written from time to time, read at start, so that the first impact answer need not wait until
//! the graph is made of the whole estate. Only a copy: whatever is wrong with it, the store has everything.
//!
//! A file belongs to one history. A database that was restored from a backup, or another one, may have the same revision numbers and not the
//! same content; so the file names the newest event of the change feed that its graph contains, and is used only where the store has that very
//! event. What was committed since is caught up from the store.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use rollcall_core::{Put, Revision, Touched, graph::Graph};
use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval_at};
use uuid::Uuid;

use crate::{
    app::{App, SharedApp},
    store::{Event, SharedStore, StoreError},
    writer::SharedEstate,
};

/// How often a file is written if the graph has moved on.
const WRITE_EVERY: Duration = Duration::from_secs(10 * 60);
/// More commits than this to catch up with, and making the graph anew is as fast.
const MAX_CAUGHT_UP: usize = 50_000;
const BUFFER: usize = 1 << 20;
/// The first line is shorter.
const MAX_ANCHOR_BYTES: u64 = 4_096;

/// The event that a file's graph ends with: the first line of the file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Anchor {
    cursor: u64,
    revision: u64,
    at_ms: i64,
    kind: String,
    action: String,
    subject: Uuid,
}

impl From<&Event> for Anchor {
    fn from(event: &Event) -> Self {
        Self {
            cursor: event.cursor,
            revision: event.revision.0,
            at_ms: event.at.as_millis(),
            kind: event.kind.clone(),
            action: event.action.clone(),
            subject: event.subject,
        }
    }
}

/// Where a collector keeps it.
pub(crate) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("graph.snapshot")
}

/// Writes a file from time to time, until it is dropped.
pub(crate) async fn keep_current(app: SharedApp) {
    let mut due = interval_at(tokio::time::Instant::now() + WRITE_EVERY, WRITE_EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut written = Revision::default();
    loop {
        due.tick().await;
        let graph = app.graph().await;
        let revision = graph.revision();
        if revision == written {
            continue;
        }
        if write_now(&app, graph).await {
            written = revision;
        }
    }
}

/// Writes the file of a collector that ends, so that the next one answers at once.
pub(crate) async fn leave(app: &App) {
    let graph = app.graph().await;
    write_now(app, graph).await;
}

/// Writes the graph, and says in the log how that went.
async fn write_now(app: &App, graph: Arc<Graph>) -> bool {
    let (begun, revision) = (Instant::now(), graph.revision().0);
    match write(&app.store, graph, path(&app.config.data_dir)).await {
        Ok(()) => {
            tracing::info!(revision, milliseconds = begun.elapsed().as_millis(), "the graph was written to its file");
            true
        }
        Err(error) => {
            tracing::warn!("the graph could not be written to its file: {error:#}");
            false
        }
    }
}

/// Writes a graph to a file, whole or not at all.
///
/// # Errors
/// If the store or the disk fails.
pub(crate) async fn write(store: &SharedStore, graph: Arc<Graph>, path: PathBuf) -> anyhow::Result<()> {
    // A store without an event up to there has nothing worth a file.
    let Some(event) = last_event(store, graph.revision()).await? else { return Ok(()) };
    let anchor = serde_json::to_string(&Anchor::from(&event))?;
    tokio::task::spawn_blocking(move || {
        let made = path.with_extension("new");
        let file = File::create(&made).with_context(|| format!("cannot create {}", made.display()))?;
        let mut out = BufWriter::with_capacity(BUFFER, file);
        writeln!(out, "{anchor}")?;
        graph.write_snapshot(&mut out)?;
        let file = out.into_inner()?;
        file.sync_all()?;
        fs::rename(&made, &path).with_context(|| format!("cannot replace {}", path.display()))
    })
    .await?
}

/// The newest event of a revision not above this one, found by halving: the feed is in the order of commits.
async fn last_event(store: &SharedStore, revision: Revision) -> Result<Option<Event>, StoreError> {
    let next = async |cursor: u64| Ok::<_, StoreError>(store.events(cursor, 1).await?.into_iter().find(|event| event.revision <= revision));
    let (mut last, mut step) = (None, 1_u64);
    // Ever larger steps from one that is known, then ever smaller ones.
    let mut growing = true;
    loop {
        let from = last.as_ref().map_or(0, |event: &Event| event.cursor);
        match next(from + step - 1).await? {
            Some(event) => {
                last = Some(event);
                step = if growing { step * 2 } else { step };
            }
            None if step == 1 => return Ok(last),
            None => {
                growing = false;
                step /= 2;
            }
        }
    }
}

/// The graph of the estate from a file: read, and brought up to date. `None`, with the reason in the log, where that cannot be; a file that is
/// not there needs no reason.
pub(crate) async fn read(path: PathBuf, store: &SharedStore, estate: &SharedEstate) -> Option<Graph> {
    if !path.exists() {
        return None;
    }
    let begun = Instant::now();
    match try_read(path.clone(), store, estate).await {
        Ok(graph) => {
            let milliseconds = begun.elapsed().as_millis();
            tracing::info!(revision = graph.revision().0, milliseconds, "the graph was read from its file");
            Some(graph)
        }
        Err(error) => {
            tracing::warn!("{} is not used, the graph is made anew from the store: {error:#}", path.display());
            None
        }
    }
}

async fn try_read(path: PathBuf, store: &SharedStore, estate: &SharedEstate) -> anyhow::Result<Graph> {
    let (anchor, graph) = tokio::task::spawn_blocking(move || read_file(&path)).await??;
    let found = store.events(anchor.cursor.saturating_sub(1), 1).await?;
    ensure!(found.first().map(Anchor::from).as_ref() == Some(&anchor), "it is of another history than the database");
    let revision = graph.revision();
    let news = store.puts_since(revision).await?;
    ensure!(news.puts.len() <= MAX_CAUGHT_UP, "{} changes have been made since", news.puts.len());
    // What it changes in the graph, only an estate knows that takes it on.
    ensure!(!news.puts.iter().any(|put| matches!(put, Put::Definition(_))), "the catalogue has changed since");
    let touched: Vec<Touched> = news.puts.iter().filter_map(touched).collect();
    let estate = Arc::clone(estate);
    tokio::task::spawn_blocking(move || {
        let estate = estate.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        ensure!(revision <= estate.revision(), "it is newer than the database");
        Ok(graph.after(&estate, touched))
    })
    .await?
}

fn read_file(path: &Path) -> anyhow::Result<(Anchor, Graph)> {
    let mut input = BufReader::new(File::open(path)?);
    let mut line = String::new();
    input.by_ref().take(MAX_ANCHOR_BYTES).read_line(&mut line).context("its first line cannot be read")?;
    let anchor = serde_json::from_str(&line).context("its first line is damaged")?;
    Ok((anchor, Graph::read_snapshot(&mut input)?))
}

fn touched(put: &Put) -> Option<Touched> {
    match put {
        Put::Ci(ci) => Some(Touched::Ci(ci.id)),
        Put::Relationship(relationship) => Some(Touched::Needs(relationship.from)),
        Put::NeedGroup(group) => Some(Touched::Needs(group.ci)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
