//! Looking out for who makes connections that are too short to be seen by sampling.
//!
//! A connection that was closed between two samples has no process any more. Where one opened by this machine is left
//! without an owner, its next ones are looked out for: many cheap looks at just the connections to that port, for a while,
//! within a share of the processor, then after ever longer rests.

use std::{
    collections::{BTreeSet, HashMap},
    net::SocketAddr,
    time::{Duration, Instant},
};

use rollcall_shared::wire::v1::Protocol;

/// What is looked out for.
pub(super) type Target = (Protocol, SocketAddr);

/// The targets and the pace of looking.
#[derive(Default)]
pub(super) struct Hunts {
    targets: HashMap<Target, Hunt>,
    /// When the next look is due.
    due: Option<Instant>,
    /// When there may be a stare again.
    stare_due: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Hunt {
    /// Looked out for until then.
    until: Instant,
    /// Not again before.
    rest: Instant,
    /// How long the next rest is.
    next_rest: Duration,
}

/// Targets at a time.
const MOST_TARGETS: usize = 64;
/// How long one target is looked out for.
const ROUND: Duration = Duration::from_secs(300);
/// The first rest; each is four times the one before.
const FIRST_REST: Duration = Duration::from_secs(600);
const LONGEST_REST: Duration = Duration::from_secs(12 * 3_600);
/// Looks may take one part in this many of the processor's time, and stares as much again.
const SHARE: u32 = 100;
const SHORTEST_PAUSE: Duration = Duration::from_millis(2);

impl Hunts {
    /// A connection to `target` has nobody that it is known to belong to.
    pub(super) fn want(&mut self, target: Target, now: Instant) {
        if let Some(hunt) = self.targets.get_mut(&target) {
            if now >= hunt.until && now >= hunt.rest {
                let next_rest = hunt.next_rest.saturating_mul(4).min(LONGEST_REST);
                *hunt = Hunt { until: now + ROUND, rest: now + ROUND + hunt.next_rest, next_rest };
            }
        } else {
            if self.targets.len() >= MOST_TARGETS {
                self.targets.retain(|_, hunt| now < hunt.rest);
            }
            if self.targets.len() >= MOST_TARGETS {
                return;
            }
            self.targets.insert(target, Hunt { until: now + ROUND, rest: now + ROUND + FIRST_REST, next_rest: FIRST_REST * 4 });
        }
        if self.due.is_none() && self.targets.values().any(|hunt| now < hunt.until) {
            self.due = Some(now);
        }
    }

    /// When the next look is due; `None` while nothing is looked out for.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether it is time for a look.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| now >= due)
    }

    /// Whether what happens may be stared at now: short connections come in bursts, and looking without a pause sees the rest of one.
    pub(super) fn may_stare(&self, now: Instant) -> bool {
        self.due.is_some() && self.stare_due.is_none_or(|due| now >= due)
    }

    /// A stare has ended at `now`, having taken so long.
    pub(super) fn stared(&mut self, now: Instant, took: Duration) {
        self.stare_due = Some(now + took.saturating_mul(SHARE));
    }

    /// The ports to look at.
    pub(super) fn ports(&self, now: Instant) -> BTreeSet<(Protocol, u16)> {
        self.targets.iter().filter(|(_, hunt)| now < hunt.until).map(|((protocol, peer), _)| (*protocol, peer.port())).collect()
    }

    /// Whether a connection to `target` is looked out for.
    pub(super) fn wants(&self, target: &Target, now: Instant) -> bool {
        self.targets.get(target).is_some_and(|hunt| now < hunt.until)
    }

    /// A look has ended at `now`, having taken so long; `chance` from 0 to 1 keeps looks out of step with what they look for.
    pub(super) fn looked(&mut self, now: Instant, took: Duration, chance: f64) {
        let pause = took.saturating_mul(SHARE).max(SHORTEST_PAUSE).mul_f64(0.5 + chance);
        let is_on = self.targets.values().any(|hunt| now < hunt.until);
        self.due = is_on.then(|| now + pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(port: u16) -> Target {
        (Protocol::Tcp, SocketAddr::from(([10, 0, 0, 1], port)))
    }

    #[test]
    fn a_hunt_ends_and_rests_longer_each_time() {
        let mut hunts = Hunts::default();
        let start = Instant::now();
        let mut rounds = Vec::new();
        // A day in steps of ten seconds, the target seen in every sample.
        for step in 0..8_640 {
            let now = start + Duration::from_secs(step * 10);
            let was = hunts.wants(&target(5432), now);
            hunts.want(target(5432), now);
            if !was && hunts.wants(&target(5432), now) {
                rounds.push(step * 10);
            }
            hunts.looked(now, Duration::from_millis(1), 0.5);
        }
        assert_eq!(rounds, [0, 900, 3_600, 13_500, 52_200]);
    }

    #[test]
    fn looks_are_paced_by_what_they_cost_and_end() {
        let mut hunts = Hunts::default();
        let start = Instant::now();
        assert_eq!(hunts.due(), None);
        hunts.want(target(1), start);
        assert_eq!(hunts.ports(start), [(Protocol::Tcp, 1)].into());
        assert!(hunts.is_due(start) && hunts.may_stare(start));
        hunts.stared(start, Duration::from_millis(20));
        assert!(!hunts.may_stare(start + Duration::from_secs(1)) && hunts.may_stare(start + Duration::from_secs(2)));
        hunts.looked(start, Duration::from_millis(2), 0.5);
        assert_eq!(hunts.due(), Some(start + Duration::from_millis(200)));
        assert!(!hunts.is_due(start));
        hunts.looked(start + ROUND, Duration::from_millis(2), 0.5);
        assert_eq!(hunts.due(), None);
        assert!(hunts.ports(start + ROUND).is_empty() && !hunts.may_stare(start + ROUND));
    }

    #[test]
    fn targets_are_bounded() {
        let mut hunts = Hunts::default();
        let now = Instant::now();
        (1..1_000).for_each(|port| hunts.want(target(port), now));
        assert_eq!(hunts.targets.len(), MOST_TARGETS);
    }
}
