//! The graph of the current estate, brought up to date when somebody asks and the estate has moved since.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex as SyncMutex, PoisonError},
};

use arc_swap::ArcSwapOption;
use rollcall_core::{Estate, graph::Graph};
use rollcall_shared::Timestamp;
use tokio::sync::Mutex;

use crate::writer::SharedEstate;

/// Graphs of past instants that are kept, so that questions about one instant after the other are answered as quickly as those about now: of a
/// large estate only two, which are compared with each other.
const PAST_KEPT: usize = 8;
const PAST_EDGES_KEPT: usize = 5_000_000;
const COMPARED: usize = 2;
/// A past instant as far back as this is settled: no write that is still under way can be valid from before it.
const SETTLED_AFTER_MS: i64 = 60_000;

/// The newest graph. Readers share it; one of them makes the next, from what was written since: milliseconds, however large the estate.
#[derive(Default)]
pub(crate) struct GraphCache {
    current: Arc<ArcSwapOption<Current>>,
    building: Arc<Mutex<()>>,
    past: SyncMutex<VecDeque<(Timestamp, Arc<Graph>)>>,
}

struct Current {
    graph: Arc<Graph>,
    /// The estate's mark when it was made.
    mark: u64,
}

impl GraphCache {
    /// Begins with a graph of the estate as it is now, while nothing is written.
    pub(crate) fn begin_with(&self, graph: Graph, estate: &SharedEstate) {
        let mark = read(estate).mark();
        self.current.store(Some(Arc::new(Current { graph: Arc::new(graph), mark })));
    }

    /// The graph of the estate as it is now, or newer.
    pub(crate) async fn get(&self, estate: &SharedEstate) -> Arc<Graph> {
        if let Some(graph) = self.current_for(estate) {
            return graph;
        }
        let _building = self.building.lock().await;
        if let Some(graph) = self.current_for(estate) {
            return graph;
        }
        let (source, known) = (Arc::clone(estate), self.current.load_full());
        let made = tokio::task::spawn_blocking(move || next(&read(&source), known.as_deref())).await;
        // Only a panic in there or the end of the runtime comes to this; a panic would come again here, where it is caught.
        let made = Arc::new(made.unwrap_or_else(|_| next(&read(estate), None)));
        self.current.store(Some(Arc::clone(&made)));
        if made.graph.is_worn() {
            self.rebuild(estate);
        }
        Arc::clone(&made.graph)
    }

    /// Builds the graph anew, in the background: what many writes have scattered lies together again.
    fn rebuild(&self, estate: &SharedEstate) {
        let (current, building, estate) = (Arc::clone(&self.current), Arc::clone(&self.building), Arc::clone(estate));
        tokio::spawn(async move {
            // Whoever is building will look at whether it is worn, too.
            let Ok(_building) = building.try_lock() else { return };
            if let Ok(made) = tokio::task::spawn_blocking(move || next(&read(&estate), None)).await {
                current.store(Some(Arc::new(made)));
            }
        });
    }

    /// The graph as of a past instant, if it was asked for lately.
    pub(crate) fn past(&self, at: Timestamp) -> Option<Arc<Graph>> {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let found = past.iter().position(|(known, _)| *known == at)?;
        let found = past.remove(found)?;
        let graph = Arc::clone(&found.1);
        past.push_front(found);
        Some(graph)
    }

    /// Keeps the graph as of a past instant for the next question about it.
    pub(crate) fn keep_past(&self, at: Timestamp, graph: &Arc<Graph>, now: Timestamp) {
        if now.millis_since(at) < SETTLED_AFTER_MS {
            return;
        }
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        past.retain(|(known, _)| *known != at);
        past.push_front((at, Arc::clone(graph)));
        let mut edges = 0;
        let fit = past.iter().take_while(|(_, graph)| {
            edges += graph.edge_count();
            edges <= PAST_EDGES_KEPT
        });
        let keep = fit.count().clamp(COMPARED, PAST_KEPT);
        past.truncate(keep);
    }

    fn current_for(&self, estate: &SharedEstate) -> Option<Arc<Graph>> {
        let current = self.current.load();
        let current = current.as_ref()?;
        let estate = read(estate);
        // A commit that is durable only now has its revision only now.
        (current.mark == estate.mark() && current.graph.revision() >= estate.revision()).then(|| Arc::clone(&current.graph))
    }
}

/// The graph of the estate, from the one before where that is not too long ago.
fn next(estate: &Estate, known: Option<&Current>) -> Current {
    let after = known.and_then(|known| Some(known.graph.after(estate, estate.touched_since(known.mark)?)));
    Current { graph: Arc::new(after.unwrap_or_else(|| Graph::from_estate(estate))), mark: estate.mark() }
}

fn read(estate: &SharedEstate) -> std::sync::RwLockReadGuard<'_, Estate> {
    estate.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_instants_asked_for_last_are_kept() {
        let cache = GraphCache::default();
        let now = Timestamp::from_millis(1_000_000_000);
        let at = |number: i64| now.plus_millis(-SETTLED_AFTER_MS - number);
        let graph = Arc::new(Graph::default());
        (0..PAST_KEPT as i64).for_each(|number| cache.keep_past(at(number), &graph, now));
        assert!(cache.past(at(0)).is_some(), "and it is the newest now");
        cache.keep_past(at(100), &graph, now);
        assert!(cache.past(at(0)).is_some() && cache.past(at(100)).is_some() && cache.past(at(1)).is_none());
        cache.keep_past(now, &graph, now);
        assert!(cache.past(now).is_none(), "what is not settled is not kept");
    }
}
