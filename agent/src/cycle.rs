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
    /// The half that has something to attend to.
    disturbed: Option<Role>,
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
        Ok(Self { sender: Sender::open(state, settings)?, reader, disturbed: None })
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

    /// Hears from now on what happens between two samples: connections that are closed, and, where that is wanted, what devices of
    /// the local network announce. Only inside a runtime.
    pub fn hear(&mut self, announcements: bool) {
        if let Some(reader) = &mut self.reader {
            reader.hear_closed();
        }
        self.sender.hear_announcements(announcements);
    }

    /// Waits until there is something to [`Self::attend`] to.
    pub async fn disturbed(&mut self) {
        let Self { reader, sender, disturbed } = self;
        let reading = async {
            match reader {
                Some(reader) => reader.disturbed().await,
                None => std::future::pending().await,
            }
        };
        *disturbed = tokio::select! {
            () = reading => Some(Role::Reader),
            () = sender.disturbed() => Some(Role::Sender),
        };
    }

    /// Attends to what [`Self::disturbed`] has waited for.
    pub fn attend(&mut self) {
        match (self.disturbed.take(), &mut self.reader) {
            (Some(Role::Reader), Some(reader)) => reader.attend(),
            (Some(Role::Sender), _) => self.sender.attend(),
            _ => {}
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
