//! Both halves of an agent in one process, with the same spool between them as between two.

use std::time::Duration;

pub use crate::{
    reader::{Collected, Reader, Watch},
    sender::{CycleError, Exchanged, Sender, check_issued, time},
};
use crate::{
    settings::Settings,
    spool::Role,
    state::{Identity, Progress, StateDirectory},
};

/// An enrolled agent: its sending half, and its reading half unless that is a process of its own.
pub struct Agent {
    reader: Option<Reader>,
    sender: Sender,
}

impl Agent {
    /// The agent whose state is in `state`; without `reads`, only what talks to the collector.
    ///
    /// # Errors
    /// [`CycleError::NotEnrolled`], or if state or spool cannot be used.
    pub fn open(state: StateDirectory, settings: &Settings, reads: bool) -> Result<Self, CycleError> {
        let spool = settings.spool();
        spool.prepare(if reads { &[Role::Reader, Role::Sender] } else { &[Role::Sender] })?;
        let reader = reads.then(|| Reader::open(&spool, settings));
        Ok(Self { sender: Sender::open(state, settings)?, reader })
    }

    /// Whether it reads the machine too.
    pub fn reads(&self) -> bool {
        self.reader.is_some()
    }

    /// How far the agent has got.
    pub fn progress(&self) -> &Progress {
        self.sender.progress()
    }

    /// Who the agent is.
    pub fn identity(&self) -> &Identity {
        self.sender.identity()
    }

    /// Takes one sample of the socket table.
    pub fn sample(&mut self) {
        if let Some(reader) = &mut self.reader {
            reader.sample();
        }
    }

    /// Hears from now on of connections that are closed between two samples.
    pub fn hear_closed(&mut self) {
        if let Some(reader) = &mut self.reader {
            reader.hear_closed();
        }
    }

    /// Waits until there is something to [`Self::attend`] to between two samples; for ever without a reading half.
    pub async fn disturbed(&mut self) {
        match &mut self.reader {
            Some(reader) => reader.disturbed().await,
            None => std::future::pending().await,
        }
    }

    /// Attends to what happened between two samples.
    pub fn attend(&mut self) {
        if let Some(reader) = &mut self.reader {
            reader.attend();
        }
    }

    /// Looks at the machine anew.
    pub fn collect(&mut self) {
        if let Some(reader) = &mut self.reader {
            reader.collect();
        }
    }

    /// Stores the windows of connections. A failure is logged: watching goes on in memory.
    pub fn store_windows(&self) {
        if let Some(reader) = &self.reader {
            reader.store_windows();
        }
    }

    /// One full exchange, see [`Sender::exchange`].
    ///
    /// # Errors
    /// See [`CycleError`]. What was acknowledged before the error stays acknowledged.
    pub async fn exchange(&mut self) -> Result<Exchanged, CycleError> {
        self.sender.exchange().await
    }

    /// The next check-in is planned after this time. A reading half in the same process need not be told.
    pub fn plan(&mut self, wait: Duration) {
        if self.reader.is_none() {
            self.sender.plan(wait);
        }
    }

    /// Whether the collector holds the whole of the latest inventory.
    pub fn is_acknowledged(&self) -> bool {
        self.sender.is_acknowledged()
    }
}
