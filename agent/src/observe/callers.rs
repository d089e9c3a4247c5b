//! Who is known to call whom.

use std::net::SocketAddr;

use foldhash::HashMap;
use rollcall_shared::wire::v1::{Protocol, ServiceKey};

use crate::processes::Owner;

/// Network namespace, protocol and the end that is called.
pub(super) type Called = (u64, Protocol, SocketAddr);

/// Who was seen holding a connection to whom.
#[derive(Default)]
pub(super) struct Callers {
    /// With the last sample that had each.
    of: HashMap<Called, Vec<(Owner, u64)>>,
}

/// Ends that are called.
const MOST_CALLED: usize = 2_048;
/// Callers of one end; more than one already tells nothing.
const MOST_CALLERS: usize = 4;
/// Samples for which a caller is remembered: an hour at the usual pace.
const REMEMBERED: u64 = 180;

impl Callers {
    /// The kernel told that a connection to `called` is this owner's.
    pub(super) fn note(&mut self, called: Called, owner: &Owner, sample: u64) {
        if *owner == Owner::Unknown || (self.of.len() >= MOST_CALLED && !self.of.contains_key(&called)) {
            return;
        }
        let callers = self.of.entry(called).or_default();
        let is_room = callers.len() < MOST_CALLERS;
        match callers.iter_mut().find(|(known, _)| known == owner) {
            Some((_, seen)) => *seen = sample,
            None if is_room => callers.push((owner.clone(), sample)),
            None => {}
        }
    }

    /// The service that calls `called`, if it is the only caller that is known.
    pub(super) fn only_service(&self, called: &Called) -> Option<&ServiceKey> {
        match self.of.get(called)?.as_slice() {
            [(owner, _)] => owner.service(),
            _ => None,
        }
    }

    /// Whether anybody was seen calling it.
    #[cfg(test)]
    pub(super) fn is_known(&self, called: &Called) -> bool {
        self.of.contains_key(called)
    }

    /// Forgets who has not called for long; sooner where there are many.
    pub(super) fn forget(&mut self, now: u64) {
        let mut remembered = REMEMBERED;
        loop {
            self.of.retain(|_, callers| {
                callers.retain(|(_, seen)| now.saturating_sub(*seen) <= remembered);
                !callers.is_empty()
            });
            if self.of.len() < MOST_CALLED || remembered == 0 {
                return;
            }
            remembered /= 4;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(port: u16) -> Called {
        (0, Protocol::Tcp, SocketAddr::from(([10, 0, 0, 1], port)))
    }

    fn service(name: &str) -> Owner {
        Owner::Service(ServiceKey::unit(name))
    }

    #[test]
    fn one_caller_is_told_and_two_are_not_guessed_between() {
        let mut callers = Callers::default();
        assert_eq!(callers.only_service(&called(1)), None);
        callers.note(called(1), &Owner::Unknown, 1);
        assert_eq!(callers.only_service(&called(1)), None);
        callers.note(called(1), &service("a.service"), 1);
        assert_eq!(callers.only_service(&called(1)), Some(&ServiceKey::unit("a.service")));
        for another in [service("b.service"), Owner::Person] {
            let mut callers = Callers { of: callers.of.clone() };
            callers.note(called(1), &another, 1);
            assert_eq!(callers.only_service(&called(1)), None);
        }
        callers.forget(1 + REMEMBERED);
        assert!(callers.only_service(&called(1)).is_some());
        callers.forget(2 + REMEMBERED);
        assert_eq!(callers.only_service(&called(1)), None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut callers = Callers::default();
        for port in 1..10_000 {
            callers.note(called(port), &service("a.service"), u64::from(port) / 100);
        }
        assert_eq!(callers.of.len(), MOST_CALLED);
        callers.forget(100);
        assert!(callers.of.len() < MOST_CALLED);
    }
}
