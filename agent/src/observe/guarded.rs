//! A sampler that cannot hold up the agent: each look runs on a thread of its own and is abandoned with it when it takes too long.
//!
//! What it reads of a process may wait for that process (its command line, say, while its memory is being changed). Nothing looks
//! again until the abandoned look has come back, and with it the sampler that knows what was seen before. Glances between two samples
//! are many in a second and read nothing that has to be waited for: they need no thread.

use std::{
    sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError},
    thread,
    time::{Duration, Instant},
};

use super::{Attention, Sampler};
use crate::files::Root;

/// A sampler with a limit on the time of one look.
pub struct Guarded {
    state: State,
    limit: Duration,
    attention: Attention,
    /// When the sampler wants to look for short connections.
    look_due: Option<Instant>,
}

const HANGS: &str = "an earlier look still hangs, and it is not looked at again until that comes back";

enum State {
    Ready(Box<Sampler>),
    /// With a look that was abandoned.
    Away(Receiver<Box<Sampler>>),
}

impl Guarded {
    /// Nothing seen yet; a look may take `limit`.
    pub fn new(limit: Duration) -> Self {
        Self { state: State::Ready(Box::default()), limit, attention: Attention::default(), look_due: None }
    }

    /// The time that a look may take.
    pub fn set_limit(&mut self, limit: Duration) {
        self.limit = limit;
    }

    /// Hears from now on of connections that are closed between two samples. Only inside a runtime.
    pub fn hear_closed(&mut self) {
        if let State::Ready(sampler) = &mut self.state {
            sampler.hear_closed();
            self.attention = Attention::new(sampler.closed());
        }
    }

    /// Waits until there is something to attend to between two samples: connections were closed, or a look for short ones is
    /// due.
    pub async fn disturbed(&mut self) {
        self.attention.wait(self.look_due).await;
    }

    /// Attends to what has happened between two samples.
    ///
    /// # Errors
    /// Why it was not done, for people.
    pub fn attend(&mut self, root: &Root) -> Result<(), String> {
        let mut sampler = self.take().ok_or(HANGS)?;
        let glance = sampler.glance(root);
        self.look_due = sampler.look_due();
        self.state = State::Ready(sampler);
        let Some(glance) = glance else { return Ok(()) };
        let root = root.clone();
        self.run(move |sampler| sampler.look_closer(&root, glance).map_err(|error| error.to_string()))?
    }

    /// Has the sampler do this, for as long as it may take.
    ///
    /// # Errors
    /// Why it was not done, or not to its end, for people.
    pub fn run<T: Send + 'static>(&mut self, work: impl FnOnce(&mut Sampler) -> T + Send + 'static) -> Result<T, String> {
        let mut sampler = self.take().ok_or(HANGS)?;
        let (bring_back, back) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        let look = move || {
            let found = work(&mut sampler);
            // Nobody waits for what was found when this was abandoned, but for the sampler.
            let _ = bring_back.send(sampler);
            let _ = tell.send(found);
        };
        let started = thread::Builder::new().name("sample".to_owned()).spawn(look);
        started.map_err(|error| format!("no thread could be started to look at it: {error}"))?;
        match told.recv_timeout(self.limit) {
            Ok(found) => {
                self.state = State::Away(back);
                self.settle();
                Ok(found)
            }
            Err(RecvTimeoutError::Timeout) => {
                self.state = State::Away(back);
                self.look_due = None;
                Err(format!("a look took longer than {} s and was abandoned (collector-time-limit)", self.limit.as_secs_f64()))
            }
            Err(RecvTimeoutError::Disconnected) => {
                // What it knew is lost; it begins anew.
                self.look_due = None;
                Err("a look stopped unexpectedly; please report this with the agent's log".to_owned())
            }
        }
    }

    /// The sampler, unless it has not come back. One that was lost is replaced.
    fn take(&mut self) -> Option<Box<Sampler>> {
        self.settle();
        match std::mem::replace(&mut self.state, State::Ready(Box::default())) {
            State::Ready(sampler) => Some(sampler),
            away => {
                self.state = away;
                None
            }
        }
    }

    fn settle(&mut self) {
        let State::Away(back) = &self.state else { return };
        let sampler = match back.try_recv() {
            Ok(sampler) => sampler,
            Err(TryRecvError::Empty) => return,
            Err(TryRecvError::Disconnected) => Box::default(),
        };
        self.look_due = sampler.look_due();
        self.state = State::Ready(sampler);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sockets::{Socket, State as SocketState};

    fn sighted(sampler: &mut Sampler) -> usize {
        let directory = tempfile::tempdir().unwrap();
        let socket = Socket {
            protocol: rollcall_shared::wire::v1::Protocol::Tcp,
            state: SocketState::Connected,
            local: "10.0.0.1:40000".parse().unwrap(),
            peer: "10.0.0.2:5432".parse().unwrap(),
            inode: 0,
            cgroup: 0,
            network: 0,
        };
        sampler.sample(&[socket], &Root::new(directory.path())).sightings.len()
    }

    #[test]
    fn a_look_that_hangs_is_abandoned_and_comes_back_with_what_it_knew() {
        let (open, gate) = mpsc::channel::<()>();
        let mut guarded = Guarded::new(Duration::from_secs(10));
        assert_eq!(guarded.run(sighted), Ok(1));
        guarded.set_limit(Duration::from_millis(50));
        let hangs = move |sampler: &mut Sampler| {
            let _ = gate.recv();
            sampler.samples()
        };
        assert!(guarded.run(hangs).unwrap_err().contains("longer than 0.05 s"));
        guarded.set_limit(Duration::from_secs(10));
        for _ in 0..3 {
            assert!(guarded.run(sighted).unwrap_err().contains("still hangs"));
        }
        open.send(()).unwrap();
        let begun = Instant::now();
        let samples = loop {
            match guarded.run(|sampler| sampler.samples()) {
                Ok(samples) => break samples,
                Err(_) => assert!(begun.elapsed() < Duration::from_secs(10), "it does not come back"),
            }
            thread::yield_now();
        };
        assert_eq!(samples, 1, "the sampler is the one of before");
    }

    #[test]
    fn a_look_that_panics_costs_what_was_known_and_no_more() {
        let mut guarded = Guarded::new(Duration::from_secs(10));
        assert_eq!(guarded.run(sighted), Ok(1));
        let panics = |_: &mut Sampler| std::panic::resume_unwind(Box::new("on purpose"));
        assert!(guarded.run::<()>(panics).unwrap_err().contains("unexpectedly"));
        assert_eq!(guarded.run(sighted), Ok(1));
        assert_eq!(guarded.run(|sampler| sampler.samples()), Ok(1), "it has begun anew");
    }
}
