//! The one writer: every change to the estate passes here, in batches of one transaction each.
//!
//! Callers wait until their part of a batch is durable. See ARCHITECTURE.md, "The estate is in memory, the truth is in the store".

mod batch;
mod plan;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, RwLock},
};

use rollcall_core::{AgentFacts, ChangeSet, Estate, IdSource, Observed, Revision};
use rollcall_shared::{
    AgentId, Digest, DocumentId, Timestamp,
    wire::{Problem, v1::Exchange},
};
use tokio::sync::{mpsc, oneshot};

use crate::store::{SectionRecord, StoreError};

pub(crate) use batch::run;

/// Seconds after which somebody whose change was not taken on should try again.
const BUSY_RETRY_SECONDS: u32 = 5;

/// The estate as everybody reads it. Lock it briefly, never across an await.
pub type SharedEstate = Arc<RwLock<Estate>>;

/// Plans a change from the current estate. It may be called again on a newer estate if another collector was faster.
pub type Plan = Box<dyn FnMut(&Estate, Timestamp, &mut dyn IdSource) -> Result<ChangeSet, CommandRefused> + Send>;

/// Hands changes to the writer.
#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Job>,
}

/// A person's or API client's change.
pub struct Command {
    /// Who: `user:NAME`, `api:NAME`, `console`.
    pub actor: String,
    /// What the audit log says of it; nothing where a program reports what is: that is what the history tells.
    pub audit: Option<Audit>,
    /// Makes the change.
    pub plan: Plan,
}

/// What the audit log says of a command that changes something.
#[derive(Clone, Debug)]
pub struct Audit {
    /// What: `ci.update`.
    pub action: &'static str,
    /// On what.
    pub subject: String,
    /// Why, in the person's words.
    pub detail: String,
}

/// What the writer takes.
pub(crate) enum Job {
    /// Commands, each planned from what those before it leave, done all or not at all, and where to answer.
    Commands(Vec<Command>, Answer<Vec<Committed>>),
    /// An inventory document and where to answer.
    Document(Box<Document>, Answer<DocumentOutcome>),
    /// What a check-in says of an inventory and where to answer.
    Inventory(InventoryUpdate, Answer<()>),
}

/// An inventory document that was read within limits: what to store, and what it says.
pub(crate) struct Document {
    /// Its id.
    pub(crate) id: DocumentId,
    /// The collector's clock.
    pub(crate) received_at: Timestamp,
    /// Counter and nonce.
    pub(crate) exchange: Exchange,
    /// The agent's version.
    pub(crate) agent_version: String,
    /// The agent's clock minus the collector's.
    pub(crate) clock_skew_ms: i64,
    /// Who sent it, by certificate.
    pub(crate) facts: AgentFacts,
    /// What it says.
    pub(crate) observed: Observed,
    /// As received.
    pub(crate) body: Vec<u8>,
    /// Its sections.
    pub(crate) sections: BTreeMap<String, SectionRecord>,
    /// Sections whose content was refused.
    pub(crate) refused: BTreeMap<String, Problem>,
    /// Sections that this version does not know.
    pub(crate) not_understood: Vec<String>,
}

/// What came of a document.
pub(crate) enum DocumentOutcome {
    /// It is durable.
    Acknowledged(Acknowledged),
    /// It comes from a copy of the agent; nothing of it was stored.
    Copy {
        /// The last exchange that was answered.
        last_counter: u64,
    },
}

/// An acknowledged document.
pub(crate) struct Acknowledged {
    /// The digest of every section held from this agent.
    pub(crate) known: BTreeMap<String, Digest>,
    /// It was stored before and changed nothing now.
    pub(crate) is_duplicate: bool,
}

/// What a check-in says of an inventory beyond digests.
pub(crate) struct InventoryUpdate {
    /// Who, by certificate.
    pub(crate) agent: AgentId,
    /// The sections that the agent still sends; others were switched off and are not waited for.
    pub(crate) listed: BTreeSet<String>,
    /// Documents that it had to drop.
    pub(crate) dropped_documents: u64,
    /// Inventories of it that newer ones replaced before they were here.
    pub(crate) superseded_inventories: u64,
}

/// Where the caller waits.
type Answer<T> = oneshot::Sender<Result<T, WriteError>>;

/// A durable change.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The commit.
    pub revision: Revision,
    /// What changed; empty if there was nothing to change.
    pub changes: ChangeSet,
}

/// The command cannot be done; the message names what, where, and the next step.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct CommandRefused {
    /// HTTP status that fits: 404, 409, 422.
    pub status: u16,
    /// The message.
    pub message: String,
}

/// Why a change was not made. Nothing of it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The command cannot be done.
    #[error(transparent)]
    Refused(#[from] CommandRefused),
    /// Of commands that were to be done together, this one cannot be.
    #[error("{refused}")]
    OneRefused {
        /// Its place among them, from 0.
        index: usize,
        /// Why.
        refused: CommandRefused,
    },
    /// More is waiting than the writer takes on; try again after this many seconds.
    #[error("the collector is busy; try again in {retry_after_seconds} s")]
    Busy {
        /// Seconds.
        retry_after_seconds: u32,
    },
    /// The collector is stopping.
    #[error("the collector is stopping; try again shortly")]
    Stopping,
    /// The store failed.
    #[error("the change could not be stored")]
    Store(#[source] Arc<StoreError>),
    /// Planning the change failed: a fault of this program, which the log tells more of.
    #[error("the change could not be worked out; the collector's log says more")]
    Fault,
}

impl Writer {
    /// A writer's handle and its queue, which holds at most `capacity` waiting jobs.
    pub(crate) fn queue(capacity: usize) -> (Self, mpsc::Receiver<Job>) {
        let (queue, jobs) = mpsc::channel(capacity);
        (Self { queue }, jobs)
    }

    /// Makes a change; returns when it is durable and visible in the estate.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn command(&self, command: Command) -> Result<Committed, WriteError> {
        match self.commands(vec![command]).await {
            Ok(mut committed) => committed.pop().ok_or(WriteError::Fault),
            Err(WriteError::OneRefused { refused, .. }) => Err(refused.into()),
            Err(error) => Err(error),
        }
    }

    /// Makes changes in one commit, each planned from the estate as those before it leave it: all of them, or none.
    ///
    /// # Errors
    /// See [`WriteError`]; [`WriteError::OneRefused`] tells which of them cannot be done.
    pub async fn commands(&self, commands: Vec<Command>) -> Result<Vec<Committed>, WriteError> {
        let (answer, answered) = oneshot::channel();
        self.submit(Job::Commands(commands, answer))?;
        answered.await.unwrap_or(Err(WriteError::Stopping))
    }

    /// Stores a document and applies what it says; returns when it is durable.
    pub(crate) async fn document(&self, document: Document) -> Result<DocumentOutcome, WriteError> {
        let (answer, answered) = oneshot::channel();
        self.submit(Job::Document(Box::new(document), answer))?;
        answered.await.unwrap_or(Err(WriteError::Stopping))
    }

    /// Notes what a check-in says of an inventory.
    pub(crate) async fn update_inventory(&self, update: InventoryUpdate) -> Result<(), WriteError> {
        let (answer, answered) = oneshot::channel();
        self.submit(Job::Inventory(update, answer))?;
        answered.await.unwrap_or(Err(WriteError::Stopping))
    }

    fn submit(&self, job: Job) -> Result<(), WriteError> {
        self.queue.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => WriteError::Busy { retry_after_seconds: BUSY_RETRY_SECONDS },
            mpsc::error::TrySendError::Closed(_) => WriteError::Stopping,
        })
    }
}

impl Job {
    /// Answers that nothing of it was done.
    fn fail(self, error: WriteError) {
        match self {
            // A caller that has gone away does not need the answer.
            Self::Commands(_, answer) => drop(answer.send(Err(error))),
            Self::Document(_, answer) => drop(answer.send(Err(error))),
            Self::Inventory(_, answer) => drop(answer.send(Err(error))),
        }
    }
}

#[cfg(test)]
mod tests;
