//! Copies of the graph, so that questions of impact are answered long before the estate is read: in a file of the data directory, and in the
//! store for collectors without one. Whatever is wrong with a copy, the store has everything.
//!
//! A copy belongs to one history. A database that was restored from a backup, or another one, may have the same revision numbers and not the
//! same content; so a copy begins with the newest event of the change feed that its graph contains, and is used only where the store has that
//! very event. What was committed since is read from the store: of the CIs that it is about, not of all.

mod parts;

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use rollcall_core::{Estate, Put, Revision, Touched, graph::Graph};
use rollcall_shared::{CiId, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::{
    runtime::Handle,
    sync::mpsc,
    time::{MissedTickBehavior, interval_at},
};
use uuid::Uuid;

use self::parts::{Cutter, Joined, WAITING};
use crate::{
    app::{App, SharedApp},
    memory,
    store::{Event, GraphCopy, SharedStore, Snapshot, StoreError},
    writer::SharedEstate,
};

/// How often a file is written if the graph has moved on.
const WRITE_EVERY: Duration = Duration::from_secs(10 * 60);
/// How old the copy in the store may be: it is written by one collector and read by all, and is the larger work for the database.
const STORE_EVERY_MS: i64 = 60 * 60_000;
/// More changes than this to catch up with, and the whole estate is as fast.
const MAX_CAUGHT_UP: u64 = 50_000;
/// Tries to read what one revision put while other collectors make the next.
const TRIES: usize = 5;
const BUFFER: usize = 1 << 20;
/// The first line is shorter.
const MAX_ANCHOR_BYTES: u64 = 4_096;

/// The event that a copy's graph ends with: its first line.
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

/// Where a collector keeps its file.
pub(crate) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("graph.snapshot")
}

/// Writes copies from time to time, until it is dropped.
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
        let oldest = Timestamp::now().plus_millis(-STORE_EVERY_MS);
        // Where that cannot be told, writing one says why in the log.
        let stored = app.store.graph_copy().await.ok().flatten();
        if stored.is_none_or(|copy| copy.made_at < oldest) {
            report("the store", revision, to_store(&app.store, Arc::clone(&graph))).await;
        }
        if report("its file", revision, to_file(&app.store, graph, path(&app.config.data_dir))).await {
            written = revision;
        }
    }
}

/// Writes the copies of a collector that ends, so that the next one answers at once.
pub(crate) async fn leave(app: &App) {
    let graph = app.graph().await;
    let revision = graph.revision();
    report("its file", revision, to_file(&app.store, Arc::clone(&graph), path(&app.config.data_dir))).await;
    report("the store", revision, to_store(&app.store, graph)).await;
}

/// Says in the log how writing a copy went; whether it went well.
async fn report(place: &str, revision: Revision, writing: impl Future<Output = anyhow::Result<()>>) -> bool {
    let begun = Instant::now();
    match writing.await {
        Ok(()) => {
            tracing::info!(revision = revision.0, milliseconds = begun.elapsed().as_millis(), "the graph was written to {place}");
            true
        }
        Err(error) => {
            tracing::warn!("the graph could not be written to {place}: {error:#}");
            false
        }
    }
}

/// Writes a graph to a file, whole or not at all.
async fn to_file(store: &SharedStore, graph: Arc<Graph>, path: PathBuf) -> anyhow::Result<()> {
    // A store without an event up to there has nothing worth a copy.
    let Some(event) = last_event(store, graph.revision()).await? else { return Ok(()) };
    tokio::task::spawn_blocking(move || {
        let made = path.with_extension("new");
        let file = File::create(&made).with_context(|| format!("cannot create {}", made.display()))?;
        let mut out = BufWriter::with_capacity(BUFFER, file);
        write_copy(&event, &graph, &mut out)?;
        let file = out.into_inner()?;
        file.sync_all()?;
        fs::rename(&made, &path).with_context(|| format!("cannot replace {}", path.display()))
    })
    .await?
}

/// Writes a graph to the store, part by part, so that nobody's commit waits for all of it.
///
/// # Errors
/// If the store fails.
pub async fn to_store(store: &SharedStore, graph: Arc<Graph>) -> anyhow::Result<()> {
    let Some(event) = last_event(store, graph.revision()).await? else { return Ok(()) };
    let id = Uuid::now_v7();
    let (to, mut made) = mpsc::channel(WAITING);
    let making = tokio::task::spawn_blocking(move || {
        let mut cutter = Cutter::new(to);
        write_copy(&event, &graph, &mut cutter)?;
        anyhow::Ok(cutter.finish()?)
    });
    let mut parts = 0;
    while let Some(part) = made.recv().await {
        store.put_graph_part(id, parts, &part).await?;
        parts += 1;
    }
    making.await??;
    // Another collector that was faster has written one as good.
    store.finish_graph_copy(&GraphCopy { id, parts, made_at: Timestamp::now() }).await?;
    Ok(())
}

fn write_copy(last: &Event, graph: &Graph, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "{}", serde_json::to_string(&Anchor::from(last))?)?;
    Ok(graph.write_snapshot(out)?)
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

/// A graph of the store's revision, from a copy, and what was read to bring it up to date.
pub struct Early {
    /// The graph.
    pub graph: Arc<Graph>,
    /// Classes and rules, and when each agent was heard; no CIs.
    pub known: Arc<Estate>,
}

/// The graph from the file, else from the store's copy. `None`, with the reason in the log, where neither can be used; a copy that is not there
/// needs no reason.
pub async fn early(data_dir: &Path, store: &SharedStore) -> Option<Early> {
    let file = path(data_dir);
    if file.exists() {
        let opened = async { anyhow::Ok(read_with(store, BufReader::new(File::open(&file)?)).await?) };
        if let Some(early) = say("its file", opened).await {
            return Some(early);
        }
    }
    let copy = store.graph_copy().await.ok().flatten()?;
    say("the store", from_store(store, &copy)).await
}

/// Says in the log how reading a copy went.
async fn say(place: &str, reading: impl Future<Output = anyhow::Result<Early>>) -> Option<Early> {
    let begun = Instant::now();
    match reading.await {
        Ok(early) => {
            let (revision, milliseconds) = (early.graph.revision().0, begun.elapsed().as_millis());
            tracing::info!(revision, milliseconds, "the graph was read from {place}: impact is answered");
            Some(early)
        }
        Err(error) => {
            tracing::warn!("the graph's copy in {place} is not used: {error:#}");
            None
        }
    }
}

async fn from_store(store: &SharedStore, copy: &GraphCopy) -> anyhow::Result<Early> {
    let (to, read) = mpsc::channel(WAITING);
    let feeding = async {
        for number in 0..copy.parts {
            // Without a part the copy ends early, which its reader says.
            let Some(part) = store.graph_part(copy.id, number).await? else { break };
            if to.send(part).await.is_err() {
                break;
            }
        }
        drop(to);
        anyhow::Ok(())
    };
    let (fed, early) = tokio::join!(feeding, read_with(store, BufReader::new(Joined::new(read))));
    fed.and(early)
}

/// Reads a copy and brings it up to date, on one thread: what one part of that gives back of memory, the next takes.
async fn read_with(store: &SharedStore, mut input: impl BufRead + Send + 'static) -> anyhow::Result<Early> {
    let (store, runtime) = (Arc::clone(store), Handle::current());
    tokio::task::spawn_blocking(move || {
        let (anchor, graph) = read_copy(&mut input)?;
        drop(input);
        current(&runtime, &store, anchor, graph)
    })
    .await?
}

fn read_copy(input: &mut dyn BufRead) -> anyhow::Result<(Anchor, Graph)> {
    let mut line = String::new();
    input.take(MAX_ANCHOR_BYTES).read_line(&mut line).context("its first line cannot be read")?;
    let anchor = serde_json::from_str(&line).context("its first line is damaged")?;
    Ok((anchor, Graph::read_snapshot(&mut *input)?))
}

/// Brings a copy's graph up to date with what its store has. For a thread that may wait.
fn current(runtime: &Handle, store: &SharedStore, anchor: Anchor, graph: Graph) -> anyhow::Result<Early> {
    let found = runtime.block_on(store.events(anchor.cursor.saturating_sub(1), 1))?;
    ensure!(found.first().map(Anchor::from).as_ref() == Some(&anchor), "it is of another history than the database");
    let too_many = runtime.block_on(store.events(anchor.cursor.saturating_add(MAX_CAUGHT_UP), 1))?;
    ensure!(too_many.is_empty(), "more than {MAX_CAUGHT_UP} changes have been made since");
    for _ in 0..TRIES {
        let news = runtime.block_on(store.puts_since(graph.revision()))?;
        // What it changes in the graph, only an estate knows that takes it on.
        ensure!(!news.puts.iter().any(|put| matches!(put, Put::Definition(_))), "the catalogue has changed since");
        let (revision, touched) = (news.revision, touched(&news));
        let merged = runtime.block_on(store.load_of(&graph.merged_cis().collect::<Vec<_>>()))?;
        let asked: Vec<CiId> = graph.asked_after(&estate_of([merged, news]), touched.iter().copied()).into_iter().collect();
        let known = runtime.block_on(store.load_of(&asked))?;
        if known.revision != revision {
            continue;
        }
        let puts = known.puts.iter().filter(|put| matches!(put, Put::Definition(_))).cloned().collect();
        let graph = Arc::new(graph.into_after(&estate_of([known]), touched));
        let last_seen = runtime.block_on(store.heard_since(Timestamp::default()))?;
        let known = Arc::new(estate_of([Snapshot { revision, puts, last_seen, ..Snapshot::default() }]));
        memory::give_back();
        return Ok(Early { graph, known });
    }
    anyhow::bail!("other collectors write faster than it can be brought up to date")
}

/// What the news are about, as far as a graph shows it.
fn touched(news: &Snapshot) -> Vec<Touched> {
    let one = |put: &Put| match put {
        Put::Ci(ci) => Some(Touched::Ci(ci.id)),
        Put::Relationship(relationship) => Some(Touched::Needs(relationship.from)),
        Put::NeedGroup(group) => Some(Touched::Needs(group.ci)),
        _ => None,
    };
    news.puts.iter().filter_map(one).collect()
}

fn estate_of(parts: impl IntoIterator<Item = Snapshot>) -> Estate {
    let mut estate = Estate::default();
    parts.into_iter().for_each(|part| part.apply_to(&mut estate));
    estate
}

/// The graph of the estate that was read after this one, and to which nobody has written since.
///
/// # Errors
/// If the store fails, or what has changed in between only the whole estate can tell.
pub(crate) async fn caught_up(early: Arc<Graph>, store: &SharedStore, estate: &SharedEstate) -> anyhow::Result<Graph> {
    let news = store.puts_since(early.revision()).await?;
    ensure!(!news.puts.iter().any(|put| matches!(put, Put::Definition(_))), "the catalogue has changed meanwhile");
    let estate = Arc::clone(estate);
    let made = tokio::task::spawn_blocking(move || {
        let estate = estate.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        ensure!(early.revision() <= estate.revision(), "it is newer than the database");
        Ok(early.after(&estate, touched(&news)))
    });
    made.await?
}

#[cfg(test)]
mod tests;
