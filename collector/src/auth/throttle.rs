//! Slows down guessing of passwords: per name and address, and per address over all names.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
};

use rollcall_shared::Timestamp;

/// Failures from one address for one name before it has to wait.
const FREE_FOR_NAME: u32 = 5;
/// Failures from one address over all names before it has to wait.
const FREE_FOR_ADDRESS: u32 = 30;
/// The first wait; each further failure doubles it.
const FIRST_WAIT_MS: i64 = 2_000;
/// The longest wait.
const LONGEST_WAIT_MS: i64 = 15 * 60_000;
/// Failures are forgotten after this long without one.
const FORGET_MS: i64 = 60 * 60_000;
/// Most remembered; the longest unused go first.
const CAPACITY: usize = 10_000;

/// Remembers failed sign-ins, in bounded memory.
#[derive(Default)]
pub struct Throttle {
    failures: Mutex<HashMap<(Option<String>, IpAddr), Failures>>,
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Timestamp,
}

impl Throttle {
    /// How many seconds to wait before the next try is looked at; `None`: now.
    pub fn wait_seconds(&self, name: &str, address: IpAddr, now: Timestamp) -> Option<u32> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = keys(name, address).into_iter().map(|(key, free)| failures.get(&key).map_or(0, |known| known.wait_ms(free, now))).max();
        wait.filter(|wait| *wait > 0).map(|wait| u32::try_from((wait + 999) / 1_000).unwrap_or(u32::MAX))
    }

    /// Notes a failed try. Call it before the password is checked and take it back with [`Throttle::succeeded`], so that
    /// tries in parallel count too.
    pub fn failed(&self, name: &str, address: IpAddr, now: Timestamp) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, _) in keys(name, address) {
            let known = failures.entry(key).or_insert(Failures { count: 0, last: now });
            known.count = if now.millis_since(known.last) > FORGET_MS { 1 } else { known.count.saturating_add(1) };
            known.last = now;
        }
        if failures.len() > CAPACITY {
            failures.retain(|_, known| now.millis_since(known.last) <= FORGET_MS);
            while failures.len() > CAPACITY * 9 / 10 {
                let mut ages: Vec<Timestamp> = failures.values().map(|known| known.last).collect();
                let (_, median, _) = ages.select_nth_unstable(failures.len() / 4);
                let oldest = *median;
                let before = failures.len();
                failures.retain(|_, known| known.last > oldest);
                if failures.len() == before {
                    failures.clear();
                }
            }
        }
    }

    /// Notes that the name's own password was given: its failures from there are forgotten, and the address gets its try back.
    pub fn succeeded(&self, name: &str, address: IpAddr) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let [(own, _), (over_all, _)] = keys(name, address);
        failures.remove(&own);
        if let Some(known) = failures.get_mut(&over_all) {
            known.count = known.count.saturating_sub(1);
        }
    }
}

impl Failures {
    fn wait_ms(self, free: u32, now: Timestamp) -> i64 {
        let Some(over) = self.count.checked_sub(free) else { return 0 };
        let wait = FIRST_WAIT_MS.saturating_mul(1 << over.min(20)).min(LONGEST_WAIT_MS);
        wait - now.millis_since(self.last).max(0)
    }
}

/// One customer has a whole IPv6 /64, so that is one address here.
fn keys(name: &str, address: IpAddr) -> [((Option<String>, IpAddr), u32); 2] {
    let address = match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX))),
        v4 => v4,
    };
    let name: String = name.chars().take(64).collect::<String>().to_lowercase();
    [((Some(name), address), FREE_FOR_NAME), ((None, address), FREE_FOR_ADDRESS)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000)
    }

    #[test]
    fn the_wait_grows_ends_and_is_of_one_name_and_address() {
        let throttle = Throttle::default();
        for _ in 0..4 {
            throttle.failed("ada", HERE, at(0));
        }
        assert_eq!(throttle.wait_seconds("ada", HERE, at(0)), None);
        throttle.failed("ada", HERE, at(0));
        assert_eq!(throttle.wait_seconds("ada", HERE, at(0)), Some(2));
        throttle.failed("ADA", HERE, at(0));
        assert_eq!(throttle.wait_seconds("ada", HERE, at(1)), Some(3));
        assert_eq!(throttle.wait_seconds("ada", HERE, at(4)), None);
        assert_eq!(throttle.wait_seconds("ada", THERE, at(0)), None);
        assert_eq!(throttle.wait_seconds("bob", HERE, at(0)), None);
        for _ in 0..60 {
            throttle.failed("ada", HERE, at(5));
        }
        assert_eq!(throttle.wait_seconds("ada", HERE, at(5)), Some(900));
        assert_eq!(throttle.wait_seconds("ada", HERE, at(5 + 900)), None);
    }

    #[test]
    fn one_address_cannot_try_every_name() {
        let throttle = Throttle::default();
        for number in 0..30 {
            throttle.failed(&format!("name{number}"), HERE, at(0));
        }
        assert_eq!(throttle.wait_seconds("another", HERE, at(0)), Some(2));
    }

    #[test]
    fn success_forgets_and_memory_is_bounded() {
        let throttle = Throttle::default();
        for _ in 0..6 {
            throttle.failed("ada", HERE, at(0));
        }
        throttle.succeeded("ada", HERE);
        assert_eq!(throttle.wait_seconds("ada", HERE, at(0)), None);
        for number in 0..3 * CAPACITY {
            throttle.failed(&format!("name{number}"), HERE, at(0));
        }
        assert!(throttle.failures.lock().unwrap().len() <= CAPACITY);
    }

    #[test]
    fn a_whole_ipv6_network_is_one_address() {
        let throttle = Throttle::default();
        for number in 0..5_u128 {
            let address = IpAddr::V6(Ipv6Addr::from((0x2001_0db8_u128 << 96) | number));
            throttle.failed("ada", address, at(0));
        }
        assert!(throttle.wait_seconds("ada", "2001:db8::ffff".parse().unwrap(), at(0)).is_some());
    }
}
