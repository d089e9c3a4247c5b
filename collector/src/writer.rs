//! The one writer: every change to the estate passes here, in batches of one transaction each.
//!
//! Callers wait until their part of a batch is durable. See ARCHITECTURE.md, "The estate is in memory, the truth is in the store".

mod batch;
mod plan;

use std::sync::{Arc, RwLock};

use rollcall_core::{ChangeSet, Estate, IdSource, Revision};
use rollcall_shared::Timestamp;
use tokio::sync::{mpsc, oneshot};

use crate::store::StoreError;

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
    /// What, for the audit log: `ci.update`.
    pub action: &'static str,
    /// On what, for the audit log.
    pub subject: String,
    /// Why, in the person's words.
    pub detail: String,
    /// Makes the change.
    pub plan: Plan,
}

/// What the writer takes.
pub enum Job {
    /// A command and where to answer.
    Command(Command, Answer<Committed>),
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
    pub fn queue(capacity: usize) -> (Self, mpsc::Receiver<Job>) {
        let (queue, jobs) = mpsc::channel(capacity);
        (Self { queue }, jobs)
    }

    /// Makes a change; returns when it is durable and visible in the estate.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn command(&self, command: Command) -> Result<Committed, WriteError> {
        let (answer, answered) = oneshot::channel();
        self.submit(Job::Command(command, answer))?;
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
            Self::Command(_, answer) => drop(answer.send(Err(error))),
        }
    }
}
