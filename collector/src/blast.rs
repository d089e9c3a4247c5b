//! How much each item would take with it if it failed alone, for all items, kept current in the background.
//!
//! What is shown may be some seconds older than the estate; it says of which revision it is. After a write only those failures are worked out
//! again that the write can have changed, see [`Sweep::after`].

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use rollcall_core::{
    Revision,
    graph::Graph,
    impact::{Standings, Sweep, Toll},
};
use rollcall_shared::CiId;
use tokio::time::{MissedTickBehavior, interval};

use crate::app::SharedApp;

/// How often it is looked whether the estate has moved on.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Rests this many times as long as it has worked, so that a large estate that changes all the time does not take a processor for itself.
const REST: u32 = 4;

/// Where the newest ranking is.
#[derive(Default)]
pub(crate) struct BlastRadii {
    current: ArcSwapOption<Ranking>,
}

/// What every single failure does, and in which order of badness they stand.
#[derive(Debug)]
pub struct Ranking {
    graph: Arc<Graph>,
    sweep: Sweep,
    standings: Standings,
}

/// What one item's failure does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlastRadius {
    /// 1 for the worst of all; those that do the same share a rank.
    pub(crate) rank: u32,
    /// How many items are ranked.
    pub(crate) of: usize,
    /// What it takes with it.
    pub(crate) toll: Toll,
    /// The estate's revision that this is of.
    pub(crate) revision: Revision,
}

impl BlastRadii {
    /// The newest ranking; `None` until the first is made.
    pub(crate) fn newest(&self) -> Option<Arc<Ranking>> {
        self.current.load_full()
    }

    /// What an item's failure does; `None` for what is retired, newer than the ranking, or before there is one.
    pub(crate) fn of(&self, ci: CiId) -> Option<BlastRadius> {
        let ranking = self.current.load();
        let ranking = ranking.as_ref()?;
        let rank = ranking.rank(ci)?;
        Some(BlastRadius {
            rank,
            of: ranking.graph.node_count(),
            toll: ranking.sweep.toll(&ranking.graph, ci),
            revision: ranking.graph.revision(),
        })
    }
}

impl Ranking {
    /// An item's rank, 1 for the worst; `None` for what is not ranked.
    pub(crate) fn rank(&self, ci: CiId) -> Option<u32> {
        self.standings.of(&self.graph, ci)
    }

    /// The estate's revision that this is of.
    pub(crate) fn revision(&self) -> Revision {
        self.graph.revision()
    }

    fn next(before: Option<&Self>, graph: Arc<Graph>) -> Self {
        let sweep = match before {
            Some(before) => before.sweep.clone().after(&before.graph, &graph),
            None => Sweep::of(&graph),
        };
        let standings = sweep.standings(&graph);
        Self { graph, sweep, standings }
    }
}

/// Keeps the ranking current, until it is dropped.
pub(crate) async fn keep_current(app: SharedApp) {
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        let known = app.blast_radii.newest();
        if known.as_ref().is_some_and(|known| known.graph.revision() >= app.estate().revision()) {
            continue;
        }
        let graph = app.graph().await;
        let begun = Instant::now();
        match tokio::task::spawn_blocking(move || Ranking::next(known.as_deref(), graph)).await {
            Ok(made) => app.blast_radii.current.store(Some(Arc::new(made))),
            Err(error) => tracing::error!(%error, "ranking the items by what their failure does ended in a fault"),
        }
        tokio::time::sleep(begun.elapsed() * REST).await;
    }
}
