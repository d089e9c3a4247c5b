//! The graph of the current estate, built when somebody asks and the estate has moved since.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rollcall_core::graph::Graph;
use tokio::sync::Mutex;

use crate::writer::SharedEstate;

/// The newest graph. Readers share it; one of them builds the next.
#[derive(Default)]
pub(crate) struct GraphCache {
    current: ArcSwapOption<Graph>,
    building: Mutex<()>,
}

impl GraphCache {
    /// The graph of the estate as it is now, or newer.
    pub(crate) async fn get(&self, estate: &SharedEstate) -> Arc<Graph> {
        if let Some(graph) = self.current_for(estate) {
            return graph;
        }
        let _building = self.building.lock().await;
        if let Some(graph) = self.current_for(estate) {
            return graph;
        }
        let source = Arc::clone(estate);
        let built = tokio::task::spawn_blocking(move || Arc::new(Graph::from_estate(&read(&source)))).await;
        // Only a panic in there or the end of the runtime comes to this; a panic would come again here, where it is caught.
        let graph = built.unwrap_or_else(|_| Arc::new(Graph::from_estate(&read(estate))));
        self.current.store(Some(Arc::clone(&graph)));
        graph
    }

    fn current_for(&self, estate: &SharedEstate) -> Option<Arc<Graph>> {
        let graph = self.current.load_full()?;
        (graph.revision() >= read(estate).revision()).then_some(graph)
    }
}

fn read(estate: &SharedEstate) -> std::sync::RwLockReadGuard<'_, rollcall_core::Estate> {
    estate.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}
