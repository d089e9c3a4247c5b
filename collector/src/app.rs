//! What the handlers of both listeners share.

use std::sync::{Arc, RwLockReadGuard};

use rollcall_core::Estate;

use crate::{
    auth::Auth,
    config::Config,
    store::SharedStore,
    writer::{SharedEstate, Writer},
};

/// The running collector, as its handlers see it. Cheap to clone through its `Arc`.
pub struct App {
    /// Settings.
    pub config: Config,
    /// The durable truth.
    pub store: SharedStore,
    /// The current state, in memory.
    pub estate: SharedEstate,
    /// The way to change it.
    pub writer: Writer,
    /// Signing in.
    pub auth: Auth,
}

/// How handlers hold it.
pub type SharedApp = Arc<App>;

impl App {
    /// The current estate, to read. Drop it before the next await.
    pub fn estate(&self) -> RwLockReadGuard<'_, Estate> {
        // A panic while the writer held the lock cannot leave it half-changed: the writer replaces whole entries.
        self.estate.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
