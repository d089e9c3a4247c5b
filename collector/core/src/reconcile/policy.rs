use std::collections::BTreeSet;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// What reconciliation may be told; the defaults suit most.
#[derive(Clone, Debug)]
pub struct Policy {
    /// An agent heard within this time, milliseconds, is alive: another one with the same hardware ids is a copy, not its successor.
    pub alive_window_ms: i64,
    /// An agent that has been silent for longer than this, milliseconds, may have lost its machine's address to somebody else meanwhile. Less
    /// than the leases that networks give.
    pub address_window_ms: i64,
    /// Time, milliseconds, that may pass between a change of a machine's addresses and the check-in that announces it: around a move, nobody
    /// is taken for the owner. Twice the time between check-ins.
    pub address_settling_ms: i64,
    /// How long, milliseconds, it is remembered that a machine had an address. Longer than agents keep what they have observed.
    pub address_memory_ms: i64,
    /// Counters of a relationship's evidence make a new version at most this often, milliseconds.
    pub evidence_refresh_ms: i64,
    /// An observed relationship that nobody has confirmed for this long, milliseconds, is retired.
    pub retire_unconfirmed_ms: i64,
    /// An identity value that more machines than this carry is worth nothing.
    pub most_carriers: usize,
    /// One document makes at most this many CIs of peers without an agent. More come with the next ones: a port scan must not
    /// fill the estate at once.
    pub new_unmanaged_per_document: usize,
    /// Ports of the collectors: agents' own traffic to them is no dependency.
    pub collector_ports: BTreeSet<u16>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            alive_window_ms: HOUR,
            address_window_ms: 4 * HOUR,
            address_settling_ms: HOUR / 6,
            address_memory_ms: 7 * DAY,
            evidence_refresh_ms: DAY,
            retire_unconfirmed_ms: 30 * DAY,
            most_carriers: 16,
            new_unmanaged_per_document: 1_000,
            collector_ports: BTreeSet::from([8444]),
        }
    }
}
