//! Between two samples: what the kernel tells of closed connections, and looking out for whose the short ones are.

use std::{
    io,
    time::{Duration, Instant},
};

use foldhash::HashMap;
use rand::RngExt;
use rollcall_shared::wire::v1::{Direction, DirectionMethod, ServiceMethod};
use rustix::time::{ClockId, clock_gettime};

use super::{
    Sampler,
    connections::{Ends, Known},
};
use crate::{
    files::Root,
    observe::closed::Closed,
    processes::Processes,
    sockets::{self, Socket},
};

/// What is to be looked at closer.
pub struct Glance {
    /// Whether to look again and again for a moment.
    stares: bool,
    /// Sockets that were just opened, with the process that holds each.
    fresh: HashMap<u64, u32>,
    now: Instant,
    took: Duration,
}

/// Between two samples.
impl Sampler {
    /// Hears from now on of connections that are closed between two samples. Where the kernel cannot tell, `TIME_WAIT` is all
    /// that is seen of them.
    pub fn hear_closed(&mut self) {
        match Closed::open() {
            Ok(closed) => self.closed = Some(closed),
            Err(error) => {
                tracing::info!(%error, "the kernel does not tell of closed connections; short ones are known from TIME_WAIT alone")
            }
        }
    }

    /// What [`Self::attend`] has to be called for: readable when connections were closed.
    pub fn closed(&self) -> Option<&Closed> {
        self.closed.as_ref()
    }

    /// How many samples were taken.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// When the next look for short connections is due.
    pub fn look_due(&self) -> Option<Instant> {
        self.hunts.due()
    }

    /// Reads what the kernel tells of closed connections, and, if a look for short ones is due, sees whether there is anything to
    /// [look closer](Self::look_closer) at. This waits for nobody.
    pub fn glance(&mut self, root: &Root) -> Option<Glance> {
        let heard = match &mut self.closed {
            Some(closed) => closed.read(|protocol, port| self.served.contains(&(protocol, port))),
            None => false,
        };
        let now = Instant::now();
        if heard && self.hunts.may_stare(now) {
            return Some(Glance { stares: true, fresh: HashMap::default(), now, took: Duration::ZERO });
        }
        if !self.hunts.is_due(now) {
            return None;
        }
        let begun = processor_time();
        let fresh = self.lookout.fresh(root, std::process::id(), now);
        let took = processor_time().saturating_sub(begun);
        if !self.is_worth_reading(&fresh, now) {
            self.looked(took);
            return None;
        }
        Some(Glance { stares: false, fresh, now, took })
    }

    /// Finds out whose the connections are that a glance has met.
    ///
    /// # Errors
    /// As the kernel says of its socket tables.
    pub fn look_closer(&mut self, root: &Root, glance: Glance) -> io::Result<()> {
        let begun = processor_time();
        let spent = || processor_time().saturating_sub(begun);
        if !glance.stares {
            let looked = self.read_held(root, &glance.fresh, glance.now);
            self.looked(glance.took + spent());
            return looked;
        }
        let mut looked = Ok(());
        while looked.is_ok() && spent() < STARE && glance.now.elapsed() < LONGEST_STARE {
            let now = Instant::now();
            let fresh = self.lookout.fresh(root, std::process::id(), now);
            if self.is_worth_reading(&fresh, now) {
                looked = self.read_held(root, &fresh, now);
            }
        }
        self.hunts.stared(Instant::now(), spent());
        looked
    }

    /// Reading the table costs much more than looking at descriptors, and comes too late for what is not held any more when it is read.
    fn is_worth_reading(&self, fresh: &HashMap<u64, u32>, now: Instant) -> bool {
        !fresh.is_empty() || self.table_due.is_none_or(|due| now >= due)
    }

    fn read_held(&mut self, root: &Root, fresh: &HashMap<u64, u32>, now: Instant) -> io::Result<()> {
        self.table_due = Some(now + READ_TABLE);
        let sockets = sockets::dump_held(self.hunts.ports(now))?;
        self.look(&sockets, fresh, &Processes::new(root), now);
        Ok(())
    }

    fn looked(&mut self, took: Duration) {
        self.hunts.looked(Instant::now(), took, rand::rng().random_range(0.0..=1.0));
        if self.hunts.due().is_none() {
            self.lookout.rest();
        }
    }

    /// Learns who holds the connections that are looked out for.
    fn look(&mut self, sockets: &[Socket], held: &HashMap<u64, u32>, processes: &Processes, now: Instant) {
        let is_new = |socket: &&Socket| {
            self.hunts.wants(&(socket.protocol, socket.peer), now)
                && socket.inode != 0
                && !self.served.contains(&(socket.protocol, socket.local.port()))
                && !self.connections.contains_key(&Ends::of(socket))
        };
        let new: Vec<&Socket> = sockets.iter().filter(is_new).collect();
        if new.is_empty() {
            return;
        }
        self.holders.find(&new, held, processes);
        for socket in new {
            let Some(holder) = self.holders.of(socket.inode) else { continue };
            self.callers.note((0, socket.protocol, socket.peer), &holder.owner, self.samples);
            let (direction, method) = (Direction::Outgoing, DirectionMethod::Listener);
            let (owner, seen) = (holder.owner.clone(), self.samples);
            let known = Known { owner, owner_method: ServiceMethod::Socket, direction, method, flow: None, seen };
            self.connections.insert(Ends::of(socket), known);
        }
    }
}

/// While connections are looked out for, the whole table is read so often even if no process is seen opening a socket.
const READ_TABLE: Duration = Duration::from_secs(2);
/// Processor time that is spent looking without a pause after a connection was closed: others of the same burst follow.
const STARE: Duration = Duration::from_millis(20);
/// Where others want the processor too, a stare takes longer, and so does what it looks for.
const LONGEST_STARE: Duration = Duration::from_millis(200);

/// Processor time that this thread has used.
fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
