//! Who stands behind an address of a realm at an instant. Addresses move from machine to machine; a connection belongs to whoever had the
//! address when it was observed, and to nobody where that is not certain.
//!
//! A machine that gives an address up keeps a key by which it is still found, and an entry in its `address_history`: when it certainly had the
//! address, and the time around it in which it may have had it.

use std::{collections::BTreeSet, fmt, net::IpAddr};

use rollcall_shared::{CiId, Timestamp};
use serde_json::Value;

use super::{
    forwarding,
    identify::{is_machine, listed},
    machine::claim,
    plan::Plan,
    segments,
};
use crate::model::{Ci, IdentityKey, IdentityKeyKind, Lifecycle, Source};

/// The attribute that holds what a machine's addresses were.
pub(super) const HISTORY: &str = "address_history";
/// More moves than this of one machine say no more.
const MOST_ENTRIES: usize = 64;

/// The key of an address's owner.
pub(super) fn address_key(realm: &str, address: IpAddr) -> IdentityKey {
    IdentityKey { kind: IdentityKeyKind::AddressInRealm, value: format!("{realm}|{}", address.to_canonical()) }
}

/// The key of a machine that had the address, and may have it now.
fn former_key(key: &IdentityKey) -> IdentityKey {
    IdentityKey { kind: IdentityKeyKind::FormerAddressInRealm, value: key.value.clone() }
}

/// Who stands behind an address in a realm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Exactly one machine with an agent.
    Machine(CiId),
    /// A host without one that was seen before.
    Unmanaged(CiId),
    /// Several machines may have it.
    Ambiguous,
    /// Nobody known.
    Nobody,
}

/// Whose an address was at an instant, as a machine of the realm means it. An address that only machines of another piece of network have is
/// nobody's that is known, and no host is made up for it.
pub(super) fn owner(plan: &Plan<'_>, asking: Option<CiId>, realm: &str, address: IpAddr, at: Timestamp) -> Owner {
    let key = address_key(realm, address);
    let asking = asking.and_then(|id| plan.ci(id));
    let elsewhere = |ci: &Ci| asking.is_some_and(|asking| segments::are_apart(asking, ci, address));
    let active = |ids: BTreeSet<CiId>| ids.into_iter().filter_map(|id| plan.ci(id)).filter(|ci| ci.lifecycle == Lifecycle::Active);
    let (mut holding, mut hosts): (Vec<&Ci>, Vec<&Ci>) = active(plan.with_key(&key)).partition(|ci| is_machine(plan.estate, ci));
    let before = holding.len();
    holding.retain(|ci| !elsewhere(ci));
    let is_overlapping = holding.len() < before;
    hosts.retain(|ci| !elsewhere(ci));
    let several = holding.len() > 1;
    let of_now =
        holding.iter().map(|ci| (ci.id, if several && is_gone(plan, ci.id, at) { Held::No } else { now_holding(ci, address, at) }));
    let of_then = active(plan.with_key(&former_key(&key)))
        .filter(|ci| is_machine(plan.estate, ci) && !elsewhere(ci))
        .map(|ci| (ci.id, formerly_holding(ci, address, at)));
    let mut holders: Vec<(CiId, Held)> = of_now.chain(of_then).filter(|(_, held)| *held != Held::No).collect();
    holders.sort();
    holders.dedup_by_key(|(id, _)| *id);
    match holders[..] {
        [] if is_overlapping => Owner::Ambiguous,
        [] => hosts.first().map_or(Owner::Nobody, |ci| Owner::Unmanaged(ci.id)),
        [(machine, Held::Certainly)] => Owner::Machine(machine),
        _ => Owner::Ambiguous,
    }
}

/// Whether the machine's agent was heard so lately that its addresses are still its own.
pub(super) fn is_present(plan: &Plan<'_>, machine: CiId) -> bool {
    !is_gone(plan, machine, plan.now)
}

/// Whether so much time lies between the last word of the machine and an instant that somebody else may have got its addresses.
fn is_gone(plan: &Plan<'_>, machine: CiId, at: Timestamp) -> bool {
    let Some(ci) = plan.ci(machine) else { return true };
    // A CI made or changed in this very batch has an agent that is not noted as heard yet.
    let heard = ci.agent.and_then(|agent| plan.estate.agent_last_seen(agent)).unwrap_or(ci.valid_from);
    at.millis_since(heard) > plan.policy.address_window_ms
}

/// Whether a machine had an address at an instant. Certainly comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Held {
    Certainly,
    Perhaps,
    No,
}

/// A machine that has it now had it since it got it, and always if it was never seen without.
fn now_holding(ci: &Ci, address: IpAddr, at: Timestamp) -> Held {
    let entries: Vec<Entry> = entries(ci).filter(|entry| entry.address == address).collect();
    match entries.iter().map(|entry| entry.held(at)).min() {
        Some(held) => held,
        None => Held::Certainly,
    }
}

fn formerly_holding(ci: &Ci, address: IpAddr, at: Timestamp) -> Held {
    entries(ci).filter(|entry| entry.address == address).map(|entry| entry.held(at)).min().unwrap_or(Held::No)
}

/// A time in which a machine had an address. Written `10.0.0.7 BEGIN-EARLIEST BEGIN END END-LATEST`, `-` for what is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    address: IpAddr,
    /// It did not have it before.
    earliest: Option<Timestamp>,
    /// It had it from here.
    from: Option<Timestamp>,
    /// It had it until here.
    until: Option<Timestamp>,
    /// It does not have it any more.
    latest: Option<Timestamp>,
}

impl Entry {
    fn held(&self, at: Timestamp) -> Held {
        let after = |bound: Option<Timestamp>| bound.is_none_or(|bound| at >= bound);
        let before = |bound: Option<Timestamp>| bound.is_none_or(|bound| at <= bound);
        if after(self.from) && before(self.until) {
            Held::Certainly
        } else if after(self.earliest) && before(self.latest) {
            Held::Perhaps
        } else {
            Held::No
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let address = parts.next()?.parse().ok()?;
        let mut time = || match parts.next()? {
            "-" => Some(None),
            text => text.parse().ok().map(Some),
        };
        Some(Self { address, earliest: time()?, from: time()?, until: time()?, latest: time()? })
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        for time in [self.earliest, self.from, self.until, self.latest] {
            match time {
                Some(time) => write!(f, " {time}")?,
                None => f.write_str(" -")?,
            }
        }
        Ok(())
    }
}

fn entries(ci: &Ci) -> impl Iterator<Item = Entry> {
    listed(ci, HISTORY).into_iter().filter_map(|text| Entry::parse(&text))
}

/// What becomes of a machine's history when its addresses change: `owned` is what it has, read in full, `collected` when.
pub(super) fn note_moves(
    plan: &mut Plan<'_>,
    machine: CiId,
    realm: &str,
    owned: &BTreeSet<IdentityKey>,
    collected: Timestamp,
    source: &Source,
) {
    let Some(ci) = plan.ci(machine) else { return };
    let had: BTreeSet<IdentityKey> = ci.keys.iter().filter(|key| key.kind == IdentityKeyKind::AddressInRealm).cloned().collect();
    if had.is_empty() || had == *owned {
        return;
    }
    let confirmed = last_confirmed(plan, ci);
    let (memory, now) = (plan.policy.address_memory_ms, plan.now);
    let mut history: Vec<Entry> =
        entries(ci).filter(|entry| entry.latest.is_none_or(|latest| now.millis_since(latest) <= memory)).collect();
    let address = |key: &IdentityKey| key.value.rsplit_once('|').and_then(|(_, address)| address.parse::<IpAddr>().ok());
    for address in had.difference(owned).filter_map(address) {
        let (until, latest) = (Some(confirmed), Some(collected.max(confirmed)));
        match history.iter_mut().find(|entry| entry.address == address && entry.latest.is_none()) {
            Some(open) => (open.until, open.latest) = (until.max(open.from), latest),
            None => history.push(Entry { address, earliest: None, from: None, until, latest }),
        }
    }
    for address in owned.difference(&had).filter_map(address) {
        history.push(Entry { address, earliest: Some(confirmed.min(collected)), from: Some(collected), until: None, latest: None });
    }
    history.sort_by_key(|entry| std::cmp::Reverse((entry.latest.is_none(), entry.latest, entry.address)));
    history.truncate(MOST_ENTRIES);
    let former: BTreeSet<IdentityKey> =
        history.iter().filter(|entry| entry.latest.is_some()).map(|entry| former_key(&address_key(realm, entry.address))).collect();
    let texts: Vec<String> = history.iter().map(ToString::to_string).collect();
    plan.edit_ci(machine, "its addresses changed", |ci| {
        ci.keys.retain(|key| key.kind != IdentityKeyKind::FormerAddressInRealm);
        ci.keys.extend(former);
        ci.keys.sort();
        claim(ci, HISTORY, (!texts.is_empty()).then(|| Value::from(texts)), source.clone(), collected);
        true
    });
}

/// When the machine certainly still had what it last reported. The check-in that announces a change is heard before the change is.
fn last_confirmed(plan: &Plan<'_>, ci: &Ci) -> Timestamp {
    let heard = ci.agent.and_then(|agent| plan.estate.agent_last_seen(agent)).unwrap_or(ci.valid_from);
    let settling = plan.policy.address_settling_ms;
    if plan.now.millis_since(heard) < settling { heard.plus_millis(-settling) } else { heard }
}

/// Whether others send what they have to say to the world through this host: what comes from its address may come from anybody behind it.
pub(super) fn forwards(plan: &Plan<'_>, host: CiId) -> bool {
    plan.ci(host).is_some_and(forwarding::passes_on)
        || plan.to(host).into_iter().filter_map(|id| plan.relationship(id)).any(|relationship| relationship.kind == "routes_through")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_round_trip_and_nonsense_is_none() {
        for text in ["10.0.0.7 - - 2026-01-02T03:04:05Z 2026-01-02T03:14:05Z", "2001:db8::1 2026-01-02T03:04:05Z 2026-01-02T03:04:06Z - -"]
        {
            assert_eq!(Entry::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "10.0.0.7", "10.0.0.7 - - -", "x - - - -", "10.0.0.7 a - - -"] {
            assert_eq!(Entry::parse(text), None, "{text}");
        }
    }

    #[test]
    fn certain_only_between_the_reports_that_say_so() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
        let address = "10.0.0.7".parse().unwrap();
        let entry = Entry { address, earliest: Some(at(10)), from: Some(at(20)), until: Some(at(30)), latest: Some(at(40)) };
        for (seconds, held) in [
            (9, Held::No),
            (10, Held::Perhaps),
            (19, Held::Perhaps),
            (20, Held::Certainly),
            (30, Held::Certainly),
            (40, Held::Perhaps),
            (41, Held::No),
        ] {
            assert_eq!(entry.held(at(seconds)), held, "{seconds}");
        }
    }
}
